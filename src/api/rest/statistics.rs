//! Figures of definitions: tokens by element now and in the history, tasks by candidate group.

use super::definition::{Named, definition};
use super::history::ends;
use super::sheet;
use crate::api::call::Call;
use crate::api::error::{Answer, ApiError};
use crate::api::guarded::Guarded;
use crate::api::json::json;
use crate::api::params::{Filters, Query};
use crate::base::access::NO_TENANT;
use crate::base::id::DefinitionId;
use crate::engine::definition::CalledElement;
use crate::engine::elements::Element;
use crate::engine::job::Binding;
use crate::store::queries::record::{
    CandidateRecord, DefinitionRecord, PastActivityRecord, PastIncidentRecord, TaskRecord,
};
use crate::store::queries::select::{Condition, Relation, Test, column, related};
use serde_json::{Value, json as shape};
use std::collections::BTreeMap;

/// Running instances of each element, and what became of the others.
pub(super) async fn history(call: Call, named: Named, query: Query) -> Answer {
    let row = named.find(&call).await?;
    let filters = Filters::Query(query.clone());
    let mut of = vec![Condition::equal(column::DEFINITION, row.id)];
    of.extend(of_instances(&filters)?);
    let mut counts: BTreeMap<String, BTreeMap<&str, i64>> = BTreeMap::new();
    let live = vec![Condition::Empty(column::ENDED_AT)];
    tally::<PastActivityRecord>(&call, &mut counts, "instances", &of, live).await?;
    for (name, more) in [
        ("canceled", vec![Condition::flag(column::CANCELLED, true)]),
        ("finished", vec![Condition::Present(column::ENDED_AT)]),
        ("completeScope", vec![ends(), Condition::Present(column::ENDED_AT)]),
    ] {
        if filters.is_true(name)? {
            tally::<PastActivityRecord>(&call, &mut counts, name, &of, more).await?;
        }
    }
    if filters.is_true("incidents")? {
        let resolved = vec![Condition::Present(column::RESOLVED_AT), Condition::flag(column::DELETED, false)];
        for (name, more) in [
            ("openIncidents", vec![Condition::Empty(column::RESOLVED_AT)]),
            ("resolvedIncidents", resolved),
            ("deletedIncidents", vec![Condition::flag(column::DELETED, true)]),
        ] {
            tally::<PastIncidentRecord>(&call, &mut counts, name, &of, more).await?;
        }
    }
    let item = |(element, counts): (&String, &BTreeMap<&str, i64>)| {
        let of = |name: &str| counts.get(name).copied().unwrap_or(0);
        shape!({
            "id": element,
            "instances": of("instances"),
            "canceled": of("canceled"),
            "finished": of("finished"),
            "completeScope": of("completeScope"),
            "openIncidents": of("openIncidents"),
            "resolvedIncidents": of("resolvedIncidents"),
            "deletedIncidents": of("deletedIncidents"),
        })
    };
    sheet::answer(&query, &filters, &[("activityId", "id")], counts.iter().map(item).collect())
}

/// Which process instances count.
fn of_instances(filters: &Filters) -> Result<Vec<Condition>, ApiError> {
    let mut all = Vec::new();
    for (name, column, test) in [
        ("startedBefore", related::STARTED_AT, Test::LessOrEqual),
        ("startedAfter", related::STARTED_AT, Test::GreaterOrEqual),
        ("finishedBefore", related::ENDED_AT, Test::LessOrEqual),
        ("finishedAfter", related::ENDED_AT, Test::GreaterOrEqual),
    ] {
        if let Some(at) = filters.date(name)? {
            all.push(Condition::Some(Relation::Instance, vec![Condition::Is(column, test, at.0.into())]));
        }
    }
    if let Some(ids) = filters.list("processInstanceIdIn")? {
        let ids = ids.iter().filter_map(|id| crate::api::wire::instance(id)).map(|id| id.0.into()).collect();
        all.push(Condition::OneOf(column::INSTANCE, ids));
    }
    Ok(all)
}

async fn tally<R: Guarded>(
    call: &Call,
    counts: &mut BTreeMap<String, BTreeMap<&'static str, i64>>,
    name: &'static str,
    of: &[Condition],
    more: Vec<Condition>,
) -> Result<(), ApiError> {
    let conditions: Vec<Condition> = of.iter().cloned().chain(more).collect();
    let by = [column::ELEMENT, column::ELEMENT];
    for (element, _, count) in call.tally::<R>(by, &conditions).await? {
        counts.entry(element).or_default().insert(name, count);
    }
    Ok(())
}

/// Open tasks of each candidate group; those of no group come first.
pub(super) async fn candidate_groups(call: Call) -> Answer {
    let item = |group: Option<&str>, count: i64| shape!({ "groupName": group, "taskCount": count });
    let grouped = Condition::Some(Relation::Candidate, vec![Condition::flag(related::IS_GROUP, true)]);
    let without = call.count::<TaskRecord>(&[Condition::Not(Box::new(grouped))]).await?;
    let mut items: Vec<Value> = (without > 0).then(|| item(None, without)).into_iter().collect();
    let groups = [Condition::flag(column::IS_GROUP, true)];
    let by = [column::NAME, column::NAME];
    let counts = call.tally::<CandidateRecord>(by, &groups).await?;
    items.extend(counts.iter().map(|(group, _, count)| item(Some(group), *count)));
    json(items)
}

/// Processes that the model calls by name; an expression is known only when it is evaluated.
pub(super) async fn called(call: Call, named: Named) -> Answer {
    let row = named.find(&call).await?;
    let model = call.definition(DefinitionId(row.id)).await?;
    let mut callers: BTreeMap<i64, (DefinitionRecord, Vec<String>)> = BTreeMap::new();
    for ix in model.process.by_id.values() {
        let node = model.process.node(*ix);
        let Element::CallActivity(activity) = &node.element else { continue };
        if let Some(found) = meant(&call, &row, &activity.called).await? {
            callers.entry(found.id).or_insert_with(|| (found, Vec::new())).1.push(node.id.to_string());
        }
    }
    let mut items = Vec::with_capacity(callers.len());
    for (found, elements) in callers.values() {
        let mut item = definition(&call, found).await?;
        item["calledFromActivityIds"] = shape!(elements);
        item["callingProcessDefinitionId"] = crate::api::wire::definition(&row.key, row.version, row.id).into();
        items.push(item);
    }
    json(items)
}

/// The version that a call activity would call now.
async fn meant(
    call: &Call,
    from: &DefinitionRecord,
    called: &CalledElement,
) -> Result<Option<DefinitionRecord>, ApiError> {
    let Some(key) = called.process.is_literal() else { return Ok(None) };
    let tenant = match &called.tenant {
        None => from.tenant.as_str(),
        Some(named) => match named.is_literal() {
            Some(tenant) => tenant,
            None => return Ok(None),
        },
    };
    let mut all = vec![super::definition::process(), Condition::equal(column::KEY, key)];
    all.push(Condition::OneOf(column::TENANT, vec![tenant.into(), NO_TENANT.into()]));
    match &called.binding {
        Binding::Latest => {}
        Binding::Deployment => all.push(Condition::equal(column::DEPLOYMENT, from.deployment)),
        Binding::Version(version) => all.push(Condition::equal(column::VERSION, i64::from(*version))),
        Binding::VersionTag(tag) => all.push(Condition::equal(column::VERSION_TAG, tag.as_str())),
    }
    // Of the tenant's own before those of all.
    let order = vec![(column::TENANT.into(), true), (column::VERSION.into(), true)];
    Ok(call.list(all, order, crate::api::params::Page { first: 0, max: Some(1) }).await?.pop())
}
