//! Evaluates decisions: finds the version that is meant, and for a business rule task maps the result.

use crate::base::id::TokenId;
use crate::base::time::Timestamp;
use crate::base::variable::{Variable, Variables};
use crate::decision::{DecisionResult, MapDecisionResult, map_result};
use crate::engine::decided::Decided;
use crate::engine::elements::{BusinessRuleTask, Element};
use crate::engine::expression::{Plain, as_text};
use crate::engine::job::{Binding, MapResult};
use crate::partition::DecisionFile;
use crate::partition::transaction::DefinitionRow;
use crate::partition::view::JobView;

use crate::runtime::node::Node;
use crate::store::StoreError;
use std::sync::Arc;

/// A deployed file's decisions, and all that its deployment defines.
#[derive(Debug)]
pub(super) struct Known {
    file: DecisionFile,
    rows: Vec<DefinitionRow>,
}

#[derive(Debug, thiserror::Error)]
pub enum DecideError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("{0}")]
    Failed(String),
}

impl Node {
    /// Evaluates this version of a decision. Nothing is written; what was decided is for the history.
    pub async fn evaluate(
        &self,
        key: &str,
        version: u32,
        tenant: &str,
        variables: Variables,
    ) -> Result<(DecisionResult, Vec<Decided>), DecideError> {
        let binding = Binding::Version(version);
        let found = self.store().decision(key, tenant, &binding, None).await?;
        let row = found.ok_or_else(|| DecideError::Failed(format!("there is no version {version} of {key:?}")))?;
        evaluate(self, &row, variables, self.clock().now()).await
    }
}

pub(super) async fn decide(
    node: &Node,
    view: &JobView,
    token: TokenId,
    now: Timestamp,
) -> Result<(Variables, Vec<Decided>), String> {
    let process = &view.definition.process;
    let element = process.find(&view.element).map(|at| &process.node(at).element);
    let Some(Element::BusinessRuleTask(BusinessRuleTask::Decision(source))) = element else {
        return Err("the element asks for no decision".into());
    };
    let (id, tenant) = {
        let mut plain =
            Plain { variables: &view.variables, definition: Some(&view.definition), now, token: Some(token) };
        let id = source.decision.evaluate(&mut plain).map_err(|e| e.to_string())?;
        let tenant =
            source.tenant.as_ref().map(|tenant| tenant.evaluate(&mut plain)).transpose().map_err(|e| e.to_string())?;
        (as_text(id).unwrap_or_default(), tenant.and_then(as_text).unwrap_or_else(|| view.tenant.clone()))
    };
    let found = node.store().decision(&id, &tenant, &source.binding, Some(view.definition.deployment)).await;
    let row = found
        .map_err(|e| e.to_string())?
        .ok_or_else(|| format!("there is no decision {id:?}: deploy it, or correct the reference"))?;
    let (result, decided) = evaluate(node, &row, view.variables.clone(), now).await.map_err(|e| e.to_string())?;
    let value = map_result(&result, how(source.result)).map_err(|e| e.to_string())?;
    let variables = source.result_variable.iter().map(|name| (name.clone(), Variable::from(value.clone())));
    Ok((variables.collect(), decided))
}

async fn evaluate(
    node: &Node,
    row: &DefinitionRow,
    variables: Variables,
    now: Timestamp,
) -> Result<(DecisionResult, Vec<Decided>), DecideError> {
    let known = known(node, row).await?;
    let (model, key) = (known.file.model.clone(), row.key.clone());
    let evaluated = tokio::task::spawn_blocking(move || model.evaluate_over(&key, &variables, now)).await;
    let result = evaluated.map_err(|_| DecideError::Failed("the decision's thread broke".into()))?;
    let mut result = result.map_err(|error| DecideError::Failed(error.to_string()))?;
    let decided = known.file.decided(std::mem::take(&mut result.evaluated), &known.rows);
    Ok((result, decided))
}

async fn known(node: &Node, row: &DefinitionRow) -> Result<Arc<Known>, DecideError> {
    if let Some(known) = node.known_decision(row.id) {
        return Ok(known);
    }
    let files = node.store().files(row.deployment).await?;
    let files: Vec<(&str, &[u8])> = files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect();
    let bytes = files.iter().find(|(name, _)| *name == row.resource).map(|(_, bytes)| *bytes);
    let bytes = bytes.ok_or_else(|| DecideError::Failed(format!("the file {} is gone", row.resource)))?;
    let file = DecisionFile::read(&row.resource, bytes, &files).map_err(|found| {
        let words: Vec<String> = found.iter().map(ToString::to_string).collect();
        DecideError::Failed(words.join("; "))
    })?;
    let known = Arc::new(Known { file, rows: node.store().definitions_of(row.deployment).await? });
    node.keep_decision(row.id, Arc::clone(&known));
    Ok(known)
}

fn how(result: MapResult) -> MapDecisionResult {
    match result {
        MapResult::SingleEntry => MapDecisionResult::SingleEntry,
        MapResult::SingleResult => MapDecisionResult::SingleResult,
        MapResult::CollectEntries => MapDecisionResult::CollectEntries,
        MapResult::ResultList => MapDecisionResult::ResultList,
    }
}
