//! Findings about a file: what is wrong where, and how to mend it.

use serde::{Deserialize, Serialize};
use std::fmt;

/// One-based, counted in characters, as editors do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Position {
    pub line: u32,
    pub column: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    Error,
    Warning,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnostic {
    pub severity: Severity,
    pub at: Position,
    /// The BPMN element concerned, where there is one.
    pub element: Option<String>,
    pub message: String,
    /// A stable word for tools, such as `dangling-reference`.
    pub code: &'static str,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.at.line, self.at.column, self.message)
    }
}

/// Collects what is found in one file; checking goes on after an error so that all findings come at once.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    pub list: Vec<Diagnostic>,
}

impl Findings {
    pub fn error(&mut self, at: Position, element: Option<&str>, code: &'static str, message: impl Into<String>) {
        self.add(Severity::Error, at, element, code, message.into());
    }

    pub fn warn(&mut self, at: Position, element: Option<&str>, code: &'static str, message: impl Into<String>) {
        self.add(Severity::Warning, at, element, code, message.into());
    }

    pub fn has_errors(&self) -> bool {
        self.list.iter().any(|d| d.severity == Severity::Error)
    }

    pub fn errors(&self) -> impl Iterator<Item = &Diagnostic> {
        self.list.iter().filter(|d| d.severity == Severity::Error)
    }

    pub fn warnings(&self) -> impl Iterator<Item = &Diagnostic> {
        self.list.iter().filter(|d| d.severity == Severity::Warning)
    }

    fn add(&mut self, severity: Severity, at: Position, element: Option<&str>, code: &'static str, message: String) {
        self.list.push(Diagnostic { severity, at, element: element.map(str::to_owned), message, code });
    }
}
