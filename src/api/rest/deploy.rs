//! `POST /deployment/create`: files are compiled, all findings told at once, and kept as sent (`rest.md` 2.4 and 8).

use super::Words;
use super::deployment::{deployed, unchanged};
use super::upload::{Part, parts};
use crate::api::call::Call;
use crate::api::error::{Answer, ApiError};
use crate::api::json::json;
use crate::api::params::Page;
use crate::base::access::NO_TENANT;
use crate::base::diagnostic::{Diagnostic, Position, Severity};
use crate::base::limits::DEPLOYMENT_BYTES_MAX;
use crate::decision::{imported_by, is_dmn};
use crate::engine::compile::compile;
use crate::engine::definition::Process;
use crate::partition::{Bundle, DecisionFile, Work};
use crate::script::task::Script;
use crate::store::queries::record::DeploymentRecord;
use crate::store::queries::select::{Condition, column};
use axum::extract::Multipart;
use indexmap::IndexMap;
use serde_json::{Map, Value, json as shape};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

const FILE_NAME_BYTES_MAX: usize = 255;

/// What the form says beside its files.
#[derive(Debug, Default)]
struct Order {
    name: Option<String>,
    source: Option<String>,
    tenant: String,
    filter: bool,
    changed_only: bool,
    files: IndexMap<String, Arc<Vec<u8>>>,
}

pub(super) async fn create(call: Call, mut form: Multipart) -> Answer {
    let mut order = Order::read(parts(&mut form, DEPLOYMENT_BYTES_MAX).await?)?;
    let own = call.caller.access.tenants.as_ref();
    if own.is_some_and(|own| !own.contains(&order.tenant)) {
        return Err(ApiError::forbidden("Deploy for a tenant of yours: name it as tenant-id."));
    }
    if let Some(answer) = order.filtered(&call).await? {
        return json(answer);
    }
    // A large model takes longer than a thread that answers others may wait.
    let compiled = tokio::task::spawn_blocking(move || order.compile()).await;
    let bundle = compiled.map_err(|_| ApiError::failed("The compiler failed on these files. It is logged."))??;
    let words = Words { kind: "InvalidRequestException", attempt: "Cannot deploy" };
    let reply = call.submit(Work::Deploy(Box::new(bundle)), words).await?;
    let deployment = reply.deployed().ok_or_else(|| ApiError::failed("The engine answered something else."))?;
    json(deployed(&call, deployment.id).await?)
}

impl Order {
    fn read(parts: Vec<Part>) -> Result<Self, ApiError> {
        let mut order = Self::default();
        for part in parts {
            let text = || Some(part.text().trim().to_owned()).filter(|text| !text.is_empty());
            let flag = || part.text().trim().eq_ignore_ascii_case("true");
            match part.name.as_str() {
                "deployment-name" => order.name = text(),
                "deployment-source" => order.source = text(),
                "tenant-id" => order.tenant = text().unwrap_or_else(|| NO_TENANT.to_owned()),
                "enable-duplicate-filtering" => order.filter = flag(),
                "deploy-changed-only" => order.changed_only = flag(),
                "deployment-activation-time" if text().is_some() => {
                    let words = "A deployment that becomes active later is not kept by this version: leave deployment-activation-time out.";
                    return Err(ApiError::invalid(words));
                }
                "deployment-activation-time" => {}
                _ => order.add(part)?,
            }
        }
        if order.files.is_empty() {
            return Err(ApiError::invalid("No deployment resources contained in the form upload."));
        }
        Ok(order)
    }

    fn add(&mut self, part: Part) -> Result<(), ApiError> {
        let Some(name) = part.file_name else {
            let words =
                format!("No file name found in the deployment resource described by form parameter '{}'.", part.name);
            return Err(ApiError::invalid(words));
        };
        if name.len() > FILE_NAME_BYTES_MAX || name.contains('\0') {
            return Err(ApiError::invalid(format!("A file's name has at most {FILE_NAME_BYTES_MAX} bytes.")));
        }
        if self.files.insert(name.clone(), Arc::new(part.bytes)).is_some() {
            return Err(ApiError::invalid(format!("The file '{name}' is there twice: give each file its own name.")));
        }
        Ok(())
    }

    /// The earlier deployment where nothing changed; else takes out what is not to be deployed again.
    async fn filtered(&mut self, call: &Call) -> Result<Option<Value>, ApiError> {
        if !self.filter && !self.changed_only {
            return Ok(None);
        }
        let text = |column, value: &Option<String>| match value {
            Some(value) => Condition::equal(column, value.as_str()),
            None => Condition::Empty(column),
        };
        let same = vec![
            text(column::NAME, &self.name),
            text(column::SOURCE, &self.source),
            Condition::equal(column::TENANT, self.tenant.as_str()),
        ];
        let last = call
            .list::<DeploymentRecord>(same, vec![(column::NUMBER.into(), true)], Page { first: 0, max: Some(1) })
            .await?
            .pop();
        let Some(last) = last else {
            return Ok(None);
        };
        let stored: BTreeMap<String, Vec<u8>> =
            call.state.store().files(crate::base::id::DeploymentId(last.id)).await?.into_iter().collect();
        let is_new = |name: &String, bytes: &Arc<Vec<u8>>| stored.get(name) != Some(bytes.as_ref());
        if !self.files.iter().any(|(name, bytes)| is_new(name, bytes)) {
            return Ok(Some(unchanged(&last)));
        }
        if self.changed_only {
            let new: BTreeSet<String> =
                self.files.iter().filter(|(name, bytes)| is_new(name, bytes)).map(|(name, _)| name.clone()).collect();
            let imported = self.imported_by(&new);
            self.files.retain(|name, _| new.contains(name) || imported.contains(name));
        }
        Ok(None)
    }

    /// What these files import comes along with them, changed or not: it is found in the same deployment only.
    fn imported_by(&self, names: &BTreeSet<String>) -> BTreeSet<String> {
        let decisions: Vec<(&String, &[u8])> =
            self.files.iter().filter(|(name, _)| is_dmn(name)).map(|(name, bytes)| (name, bytes.as_slice())).collect();
        let all: Vec<&[u8]> = decisions.iter().map(|(_, bytes)| *bytes).collect();
        let importing = decisions.iter().filter(|(name, _)| names.contains(*name));
        let places = importing.flat_map(|(_, bytes)| imported_by(bytes, &all));
        places.map(|place| decisions[place].0.clone()).collect()
    }

    /// All files, or all their findings.
    fn compile(self) -> Result<Bundle, ApiError> {
        let mut found: IndexMap<String, Vec<Diagnostic>> = IndexMap::new();
        let mut processes = Vec::new();
        let mut decisions = Vec::new();
        let file = |name: &str| self.files.get(name).map(|bytes| bytes.as_ref().clone());
        let all: Vec<(&str, &[u8])> =
            self.files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect();
        for (name, bytes) in &self.files {
            let list = match Kind::of(name) {
                Kind::Bpmn => match compile(bytes, &file) {
                    Ok(compiled) => {
                        processes.extend(compiled.processes.into_iter().map(|process| (name.clone(), process)));
                        compiled.warnings
                    }
                    Err(list) => list,
                },
                Kind::Dmn => match DecisionFile::read(name, bytes, &all) {
                    Ok(file) => {
                        decisions.extend(file.entries());
                        Vec::new()
                    }
                    Err(list) => list,
                },
                Kind::Form => form(bytes).err().into_iter().collect(),
                Kind::Rhai => script(bytes).err().into_iter().collect(),
                Kind::Other => Vec::new(),
            };
            found.insert(name.clone(), list);
        }
        twice(&processes, &mut found);
        if found.values().flatten().any(|diagnostic| diagnostic.severity == Severity::Error) {
            return Err(refused(&found));
        }
        for (name, warning) in found.iter().flat_map(|(name, list)| list.iter().map(move |one| (name, one))) {
            tracing::info!(file = name.as_str(), "deployed with a warning: {warning}");
        }
        let files = self.files.into_iter().collect();
        Ok(Bundle { name: self.name, source: self.source, tenant: self.tenant, files, processes, decisions })
    }
}

enum Kind {
    Bpmn,
    Dmn,
    Form,
    Rhai,
    Other,
}

impl Kind {
    fn of(name: &str) -> Self {
        let ends = |suffix: &str| name.to_ascii_lowercase().ends_with(suffix);
        match () {
            () if ends(".bpmn") || ends(".bpmn20.xml") => Self::Bpmn,
            () if is_dmn(name) => Self::Dmn,
            () if ends(".form") => Self::Form,
            () if ends(".rhai") => Self::Rhai,
            () => Self::Other,
        }
    }
}

fn error(at: Position, code: &'static str, message: String) -> Diagnostic {
    Diagnostic { severity: Severity::Error, at, element: None, message, code }
}

fn form(bytes: &[u8]) -> Result<(), Diagnostic> {
    let place = |error: &serde_json::Error| Position {
        line: u32::try_from(error.line()).unwrap_or(u32::MAX),
        column: u32::try_from(error.column()).unwrap_or(u32::MAX),
    };
    match serde_json::from_slice::<Value>(bytes) {
        Ok(Value::Object(_)) => Ok(()),
        Ok(_) => Err(error(Position { line: 1, column: 1 }, "form", "a form is a JSON object".to_owned())),
        Err(wrong) => Err(error(place(&wrong), "form", format!("the form is no JSON: {wrong}"))),
    }
}

fn script(bytes: &[u8]) -> Result<(), Diagnostic> {
    let start = Position { line: 1, column: 1 };
    let text = std::str::from_utf8(bytes).map_err(|_| error(start, "script", "a script is UTF-8 text".to_owned()))?;
    match Script::compile("rhai", text) {
        Ok(_) => Ok(()),
        Err(wrong) => Err(error(start, "script", wrong.to_string())),
    }
}

/// A key names one process of a deployment.
fn twice(processes: &[(String, Arc<Process>)], found: &mut IndexMap<String, Vec<Diagnostic>>) {
    let mut seen: BTreeMap<&str, &str> = BTreeMap::new();
    for (file, process) in processes {
        if let Some(first) = seen.insert(process.id.as_str(), file) {
            let words = format!(
                "the process {:?} stands in {first} too: a deployment has one process of a key",
                process.id.as_str()
            );
            let diagnostic = Diagnostic {
                severity: Severity::Error,
                at: Position { line: 1, column: 1 },
                element: Some(process.id.to_string()),
                message: words,
                code: "duplicate-key",
            };
            found.entry(file.clone()).or_default().push(diagnostic);
        }
    }
}

fn refused(found: &IndexMap<String, Vec<Diagnostic>>) -> ApiError {
    let mut lines = String::from("ENGINE-09005 Could not parse BPMN process. Errors: ");
    let mut details = Map::new();
    for (file, list) in found.iter().filter(|(_, list)| !list.is_empty()) {
        let of = |severity: Severity| -> Vec<Value> {
            list.iter().filter(|one| one.severity == severity).map(problem).collect()
        };
        details.insert(file.clone(), shape!({ "errors": of(Severity::Error), "warnings": of(Severity::Warning) }));
        for one in list.iter().filter(|one| one.severity == Severity::Error) {
            let Position { line, column } = one.at;
            lines.push_str(&format!("\n* {} | resource {file} | line {line} | column {column}", one.message));
        }
    }
    ApiError::refused("ParseException", lines).because("refused").with("details", Value::Object(details))
}

fn problem(diagnostic: &Diagnostic) -> Value {
    shape!({
        "message": diagnostic.message,
        "line": diagnostic.at.line,
        "column": diagnostic.at.column,
        "mainElementId": diagnostic.element,
        "elementIds": diagnostic.element.iter().collect::<Vec<_>>(),
    })
}
