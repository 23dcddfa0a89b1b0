//! Evaluates the decision of a business rule task: finds the version that its binding means, and maps the result.

use crate::base::id::TokenId;
use crate::base::time::Timestamp;
use crate::base::variable::{Variable, Variables};
use crate::decision::{DecisionModel, MapDecisionResult, map_result};
use crate::engine::elements::{BusinessRuleTask, Element};
use crate::engine::expression::{Plain, as_text};
use crate::engine::job::MapResult;
use crate::partition::transaction::DefinitionRow;
use crate::partition::view::JobView;
use crate::runtime::node::Node;
use std::sync::Arc;

pub(super) async fn decide(node: &Node, view: &JobView, token: TokenId, now: Timestamp) -> Result<Variables, String> {
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
    let found = node.store().decision(&id, &tenant, &source.binding, view.definition.deployment).await;
    let row = found
        .map_err(|e| e.to_string())?
        .ok_or_else(|| format!("there is no decision {id:?}: deploy it, or correct the reference"))?;
    let model = model(node, &row).await?;
    let variables = view.variables.clone();
    let (how, result_variable) = (how(source.result), source.result_variable.clone());
    let evaluated = tokio::task::spawn_blocking(move || {
        let result = model.evaluate_over(&id, &variables, now).map_err(|e| e.to_string())?;
        map_result(&result, how).map_err(|e| e.to_string())
    });
    let value = evaluated.await.map_err(|_| "the decision's thread broke".to_owned())??;
    Ok(result_variable.into_iter().map(|name| (name, Variable::from(value.clone()))).collect())
}

async fn model(node: &Node, row: &DefinitionRow) -> Result<Arc<DecisionModel>, String> {
    if let Some(known) = node.known_decision(row.id) {
        return Ok(known);
    }
    let files = node.store().files(row.deployment).await.map_err(|e| e.to_string())?;
    let bytes = files.into_iter().find(|(name, _)| *name == row.resource).map(|(_, bytes)| bytes);
    let bytes = bytes.ok_or_else(|| format!("the file {} is gone", row.resource))?;
    let parsed = DecisionModel::parse(&bytes)
        .map_err(|found| found.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))?;
    let parsed = Arc::new(parsed);
    node.keep_decision(row.id, Arc::clone(&parsed));
    Ok(parsed)
}

fn how(result: MapResult) -> MapDecisionResult {
    match result {
        MapResult::SingleEntry => MapDecisionResult::SingleEntry,
        MapResult::SingleResult => MapDecisionResult::SingleResult,
        MapResult::CollectEntries => MapDecisionResult::CollectEntries,
        MapResult::ResultList => MapDecisionResult::ResultList,
    }
}
