//! `POST /deployment/create`: files are compiled, all findings told at once, and kept as sent (`rest.md` 2.4 and 8).

use super::Words;
use super::deployment::{deployed, unchanged};
use super::upload::{Part, parts};
use crate::api::auth::permission::{Permission, Resource};
use crate::api::auth::rights::ANY;
use crate::api::call::Call;
use crate::api::error::{Answer, ApiError};
use crate::api::json::json;
use crate::api::params::Page;
use crate::base::access::NO_TENANT;
use crate::base::diagnostic::{Diagnostic, Position, Severity};
use crate::base::limits::DEPLOYMENT_BYTES_MAX;
use crate::decision::{imported_by, is_dmn};
use crate::partition::{Bundle, Read, Work};
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
    call.require(Permission::Create, Resource::Deployment, ANY)?;
    let mut order = Order::read(parts(&mut form, DEPLOYMENT_BYTES_MAX).await?)?;
    let own = call.caller.access.tenants.as_ref();
    if own.is_some_and(|own| !own.contains(&order.tenant)) {
        return Err(ApiError::forbidden("Deploy for a tenant of yours: name it as tenant-id."));
    }
    if let Some(answer) = order.filtered(&call).await? {
        return json(answer);
    }
    // A large model takes longer than a thread that answers others may wait.
    let Order { name, source, tenant, files, .. } = order;
    let files = files.into_iter().collect();
    let compiled = tokio::task::spawn_blocking(move || Bundle::read(name, source, tenant, files)).await;
    let read = compiled.map_err(|_| ApiError::failed("The compiler failed on these files. It is logged."))?;
    let Read { bundle, warnings, .. } = read.map_err(|found| refused(&found))?;
    for (name, warning) in warnings.iter().flat_map(|(name, list)| list.iter().map(move |one| (name, one))) {
        tracing::info!(file = name.as_str(), "deployed with a warning: {warning}");
    }
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
            .behind()
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
