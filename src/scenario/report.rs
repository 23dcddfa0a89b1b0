//! What a run tells: a line a case for people, JUnit XML for machines.

use crate::xml::{escaped_attribute, escaped_text};
use std::fmt::Write as _;

#[derive(Clone, Debug, PartialEq)]
pub struct CaseResult {
    pub suite: String,
    pub name: String,
    /// None: passed.
    pub failure: Option<String>,
    /// Refused at deployment, where the case allows that.
    pub note: Option<String>,
    pub log: Vec<String>,
    pub millis: u128,
}

impl CaseResult {
    pub fn line(&self) -> String {
        match (&self.failure, &self.note) {
            (None, None) => format!("ok    {} · {}", self.suite, self.name),
            (None, Some(note)) => format!("ok    {} · {} ({note})", self.suite, self.name),
            (Some(failure), _) => {
                let indented: Vec<String> = failure.lines().map(|line| format!("        {line}")).collect();
                format!("FAIL  {} · {}\n{}", self.suite, self.name, indented.join("\n"))
            }
        }
    }
}

/// JUnit XML, as continuous integration servers read it.
pub fn junit(results: &[CaseResult]) -> String {
    let failed = results.iter().filter(|result| result.failure.is_some()).count();
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let _ = writeln!(text, "<testsuites tests=\"{}\" failures=\"{failed}\">", results.len());
    let mut rest = results;
    while let Some(first) = rest.first() {
        let count = rest.iter().take_while(|result| result.suite == first.suite).count();
        let (suite, others) = rest.split_at(count);
        let failed = suite.iter().filter(|result| result.failure.is_some()).count();
        let name = escaped_attribute(&first.suite);
        let _ = writeln!(text, "  <testsuite name=\"{name}\" tests=\"{count}\" failures=\"{failed}\">");
        for result in suite {
            test_case(&mut text, result);
        }
        text.push_str("  </testsuite>\n");
        rest = others;
    }
    text.push_str("</testsuites>\n");
    text
}

fn test_case(text: &mut String, result: &CaseResult) {
    let (suite, name) = (escaped_attribute(&result.suite), escaped_attribute(&result.name));
    #[expect(clippy::cast_precision_loss, reason = "milliseconds of a test")]
    let seconds = result.millis as f64 / 1000.0;
    let _ = write!(text, "    <testcase classname=\"{suite}\" name=\"{name}\" time=\"{seconds:.3}\"");
    match &result.failure {
        None => text.push_str("/>\n"),
        Some(failure) => {
            let first = escaped_attribute(failure.lines().next().unwrap_or_default());
            let _ = writeln!(
                text,
                ">\n      <failure message=\"{first}\">{}</failure>\n    </testcase>",
                escaped_text(failure)
            );
        }
    }
}
