//! FEEL and DMN, evaluated by dsntk behind guards.
//!
//! Everything runs on threads with a large stack and a deadline; what could overflow the stack, run without end or
//! call out is refused before. Decisions as modelers write them (tables and literal expressions) are evaluated over the
//! variables in scope by `plain`, whole models of the standard by `standard`.

mod canonical;
mod dmn;
pub mod feel;
mod functions;
mod guard;
mod imports;
mod knowledge;
mod names;
mod pattern;
mod plain;
mod shape;
mod standard;
mod table;
#[cfg(test)]
mod tests;
mod thread;
mod trace;
mod value;

use crate::base::diagnostic::{Diagnostic, Findings};
use crate::base::feel::FeelError;
use crate::base::limits::FEEL_DEADLINE_MS;
use crate::base::time::Timestamp;
use crate::base::variable::Variables;
use crate::xml::Document;
use dsntk_feel::context::FeelContext;
pub use trace::{Evaluated, InputValue, OutputValue, RuleHit};

use plain::Plain;
use serde_json::Value;
use standard::Standard;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Checking a whole file takes longer than a decision.
const CHECK_DEADLINE: Duration = Duration::from_secs(5);

/// Whether a file is read as decisions, by its name.
pub fn is_dmn(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.ends_with(".dmn") || name.ends_with(".dmn11.xml")
}

/// The places of those files that a file imports, directly or over others; what is wrong with it is for `DecisionModel` to say.
pub fn imported_by(bytes: &[u8], others: &[&[u8]]) -> Vec<usize> {
    let Ok(document) = Document::parse(bytes) else { return Vec::new() };
    let imported = imports::resolve(&document, imports::readable(&document, others), &mut Findings::default());
    imported.into_iter().map(|(place, _)| place).collect()
}

/// A DMN file, read and checked; cheap to clone.
#[derive(Clone)]
pub struct DecisionModel {
    id: Option<String>,
    name: Option<String>,
    decisions: Arc<[DecisionInfo]>,
    services: Arc<[DecisionInfo]>,
    plain: Arc<Plain>,
    standard: Option<Arc<Standard>>,
    mentions: Arc<str>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecisionInfo {
    pub id: String,
    pub name: String,
    pub version_tag: Option<String>,
    /// Days that its evaluations are kept, where the file says so.
    pub history_ttl_days: Option<u32>,
    pub kind: DecisionKind,
    /// Evaluated over declared inputs only; else over the variables in scope.
    declared_only: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecisionKind {
    Table,
    Literal,
    Boxed,
    /// Several decisions with one name; offered to callers of this module, not to tasks.
    Service,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct DecisionResult {
    /// The outputs of the matched rules; of an expression one row with one entry.
    pub rows: Vec<BTreeMap<String, Value>>,
    /// The numbers of the matched rules, counted from 1, where they are known.
    pub rules: Vec<usize>,
    /// The result as other decisions see it: a value, a context, or a list of them.
    pub value: Value,
    /// For the history: the decisions that were evaluated, each after those that it requires.
    pub evaluated: Vec<Evaluated>,
}

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum DecisionError {
    #[error("there is no decision \"{0}\" in this file")]
    Unknown(String),
    #[error("the decision needs the variable \"{0}\": set it before, or correct the input expression")]
    MissingVariable(String),
    #[error("{0}")]
    Limit(String),
    #[error("{0}")]
    Failed(String),
    /// What went wrong in one decision, perhaps on the way to the one that was asked for.
    #[error("decision \"{decision}\": {error}")]
    In { decision: String, error: Box<DecisionError> },
}

impl DecisionError {
    /// Names the decision that it comes from.
    fn of(self, decision: &str) -> DecisionError {
        match self {
            named @ DecisionError::In { .. } => named,
            error => DecisionError::In { decision: decision.into(), error: Box::new(error) },
        }
    }

    /// What went wrong, without the name of the decision.
    pub fn cause(&self) -> &DecisionError {
        match self {
            DecisionError::In { error, .. } => error.cause(),
            error => error,
        }
    }
}

impl From<FeelError> for DecisionError {
    fn from(error: FeelError) -> Self {
        match error {
            FeelError::Limit(what) => DecisionError::Limit(what),
            FeelError::Syntax(what) | FeelError::Failed(what) => DecisionError::Failed(what),
        }
    }
}

impl DecisionModel {
    /// Reads and checks a file; on well-formed XML all findings come at once.
    pub fn parse(bytes: &[u8]) -> Result<DecisionModel, Vec<Diagnostic>> {
        Self::parse_with(bytes, &[])
    }

    /// As `parse`, with the files that it may import: their business knowledge and their types. Those that it does not
    /// import change nothing.
    pub fn parse_with(bytes: &[u8], others: &[&[u8]]) -> Result<DecisionModel, Vec<Diagnostic>> {
        let read_xml = |bytes: &[u8]| Document::parse(bytes).map_err(|diagnostic| vec![diagnostic]);
        let document = read_xml(bytes)?;
        let others = imports::readable(&document, others);
        let root = document.root().position();
        thread::run(CHECK_DEADLINE, move || read(&document, others)).unwrap_or_else(|error| {
            let mut found = Findings::default();
            found.error(root, None, "dmn", error.to_string());
            Err(found.list)
        })
    }

    pub fn decisions(&self) -> Vec<DecisionInfo> {
        self.decisions.to_vec()
    }

    /// Id and name of the file's decision requirements graph; a single decision makes none.
    pub fn requirements(&self) -> Option<(&str, Option<&str>)> {
        self.id.as_deref().filter(|_| self.decisions.len() > 1).map(|id| (id, self.name.as_deref()))
    }

    /// The decision services; they are evaluated as decisions are. Those are left out whose decisions see more than what
    /// the file declares.
    pub fn services(&self) -> Vec<DecisionInfo> {
        self.services.to_vec()
    }

    /// Evaluates over the variables that the file mentions; `now` is what `now()` and `today()` give.
    pub fn evaluate(
        &self,
        decision_id: &str,
        variables: &BTreeMap<String, Value>,
        now: Timestamp,
    ) -> Result<DecisionResult, DecisionError> {
        self.evaluate_typed(decision_id, variables, &BTreeMap::new(), now)
    }

    /// As `evaluate`, over variables as an instance holds them, each with its type.
    pub fn evaluate_over(
        &self,
        decision_id: &str,
        variables: &Variables,
        now: Timestamp,
    ) -> Result<DecisionResult, DecisionError> {
        let values = variables.iter().map(|(name, variable)| (name.clone(), variable.value.clone())).collect();
        let types =
            variables.iter().filter_map(|(name, variable)| Some((name.clone(), variable.tag.as_ref()?.kind.clone())));
        self.evaluate_typed(decision_id, &values, &types.collect(), now)
    }

    /// As `evaluate`, with the types of variables that JSON has as texts, by their names here or in the standard: `Date`,
    /// `date`, `time`, `dateTime`, `duration`. Other types change nothing.
    pub fn evaluate_typed(
        &self,
        decision_id: &str,
        variables: &BTreeMap<String, Value>,
        types: &BTreeMap<String, String>,
        now: Timestamp,
    ) -> Result<DecisionResult, DecisionError> {
        let info = self.decisions.iter().chain(&*self.services).find(|info| info.id == decision_id);
        let info = info.ok_or_else(|| DecisionError::Unknown(decision_id.into()))?;
        let mut named = BTreeMap::new();
        let types = types.iter().filter_map(|(name, kind)| Some((name.clone(), value::Kind::named(kind)?)));
        let types: BTreeMap<String, value::Kind> = types.collect();
        for (name, value) in variables.iter().filter(|(name, _)| self.mentions.contains(name.as_str())) {
            guard::value(name, value)?;
            named.insert(name.clone(), value.clone());
        }
        let id = info.id.clone();
        let plain = Arc::clone(&self.plain);
        let standard = self.standard.clone().filter(|_| info.declared_only);
        thread::run(Duration::from_millis(FEEL_DEADLINE_MS), move || match standard {
            Some(standard) => standard.evaluate(&id, value::context(&named, &types), now),
            None => plain.evaluate(&id, value::context(&named, &types), now),
        })?
    }
}

/// One way of evaluating decisions.
trait Decisions {
    fn evaluate(&self, id: &str, variables: FeelContext, now: Timestamp) -> Result<DecisionResult, DecisionError>;
}

impl fmt::Debug for DecisionModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DecisionModel").field(&self.decisions).finish()
    }
}

fn read(document: &Document, others: Vec<(usize, Document)>) -> Result<DecisionModel, Vec<Diagnostic>> {
    let mut found = Findings::default();
    let imported = imports::resolve(document, others, &mut found);
    if found.has_errors() {
        return Err(found.list);
    }
    let Some(model) = dmn::read(document, &imported, &mut found) else {
        return Err(found.list);
    };
    // A circle or a dangling reference has been reported; what follows relies on there being none.
    if found.has_errors() {
        return Err(found.list);
    }
    let plain = Plain::prepare(&model, &mut found);
    let others: Vec<&dmn::Decision> =
        model.decisions.iter().filter(|decision| !plain::is_plain(decision, &model)).collect();
    let standard = Standard::prepare(document, &imported, &model, &others, &mut found);
    if found.has_errors() {
        return Err(found.list);
    }
    let decisions = model.decisions.iter().map(|decision| DecisionInfo {
        id: decision.id.clone(),
        name: decision.name.clone(),
        version_tag: decision.version_tag.clone(),
        history_ttl_days: decision.history_ttl_days,
        kind: match decision.logic {
            dmn::Logic::Table(_) => DecisionKind::Table,
            dmn::Logic::Literal(_) => DecisionKind::Literal,
            dmn::Logic::Boxed | dmn::Logic::Nothing => DecisionKind::Boxed,
        },
        declared_only: !plain::is_plain(decision, &model),
    });
    let offered = model.services.iter().filter(|service| standard.as_ref().is_some_and(|all| all.has(&service.id)));
    let services = offered.map(|service| DecisionInfo {
        id: service.id.clone(),
        name: service.name.clone(),
        version_tag: None,
        history_ttl_days: None,
        kind: DecisionKind::Service,
        declared_only: true,
    });
    Ok(DecisionModel {
        id: model.id.clone(),
        name: model.name.clone(),
        decisions: decisions.collect(),
        services: services.collect(),
        plain: Arc::new(plain),
        standard: standard.map(Arc::new),
        mentions: model.mentions.as_str().into(),
    })
}

/// How a business rule task takes a result into its variable (`camunda:mapDecisionResult`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MapDecisionResult {
    SingleEntry,
    SingleResult,
    CollectEntries,
    ResultList,
}

impl MapDecisionResult {
    /// Absent means the list of rows, as in Camunda.
    pub fn named(name: Option<&str>) -> Option<MapDecisionResult> {
        match name {
            None | Some("" | "resultList") => Some(Self::ResultList),
            Some("singleEntry") => Some(Self::SingleEntry),
            Some("singleResult") => Some(Self::SingleResult),
            Some("collectEntries") => Some(Self::CollectEntries),
            Some(_) => None,
        }
    }
}

pub fn map_result(result: &DecisionResult, how: MapDecisionResult) -> Result<Value, DecisionError> {
    let one_row = || match result.rows.as_slice() {
        [] => Ok(None),
        [row] => Ok(Some(row)),
        rows => Err(DecisionError::Failed(format!(
            "the decision gives {} rows, and the task takes one: map it as resultList or collectEntries",
            rows.len()
        ))),
    };
    let one_entry = |row: &BTreeMap<String, Value>| match row.len() {
        0 => Ok(Value::Null),
        1 => Ok(row.values().next().cloned().unwrap_or_default()),
        n => Err(DecisionError::Failed(format!(
            "the decision gives {n} outputs, and the task takes one: map it as singleResult or resultList"
        ))),
    };
    let object = |row: &BTreeMap<String, Value>| {
        Value::Object(row.iter().map(|(name, value)| (name.clone(), value.clone())).collect())
    };
    match how {
        MapDecisionResult::SingleEntry => one_row()?.map_or(Ok(Value::Null), one_entry),
        MapDecisionResult::SingleResult => Ok(one_row()?.map_or(Value::Null, object)),
        MapDecisionResult::CollectEntries => result.rows.iter().map(one_entry).collect(),
        MapDecisionResult::ResultList => Ok(result.rows.iter().map(object).collect()),
    }
}
