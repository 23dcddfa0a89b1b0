//! Decisions of deployed files: which version each is of, and the history of those that no task asked for.

use super::batch::Batch;
use super::transaction::{DefinitionKind, DefinitionRow, PastKey, PastRow, PastWrite};
use super::{DecisionEntry, Evaluation, Reply};
use crate::base::id::{DefinitionId, LocalId};
use crate::decision::{DecisionModel, Evaluated};
use crate::engine::decided::{self, Asked, Decided};
use crate::engine::index::Common;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The deployed versions of one file's decisions, by their keys.
pub type Versions = BTreeMap<String, (DefinitionId, u32)>;

pub fn versions<'r>(rows: impl IntoIterator<Item = &'r DefinitionRow>) -> Versions {
    let decisions = rows.into_iter().filter(|row| row.kind == DefinitionKind::Decision);
    decisions.map(|row| (row.key.clone(), (row.id, row.version))).collect()
}

/// What was evaluated, with the versions of its file. A decision whose deployment went meanwhile has none.
pub fn decided(evaluated: Vec<Evaluated>, versions: &Versions) -> Vec<Decided> {
    let of = |evaluated: Evaluated| {
        let (definition, version) = *versions.get(&evaluated.decision)?;
        Some(Decided { definition, version, evaluated })
    };
    evaluated.into_iter().filter_map(of).collect()
}

impl DecisionEntry {
    /// What a file gives: its decisions, and what they make together.
    pub fn all(resource: &str, model: &DecisionModel) -> Vec<Self> {
        let decisions = model.decisions().into_iter().map(|decision| Self {
            kind: DefinitionKind::Decision,
            resource: resource.to_owned(),
            key: decision.id,
            name: Some(decision.name),
            version_tag: decision.version_tag,
            history_ttl_days: decision.history_ttl_days,
        });
        let requirements = model.requirements().map(|(id, name)| Self {
            kind: DefinitionKind::Requirements,
            resource: resource.to_owned(),
            key: id.to_owned(),
            name: name.map(str::to_owned),
            version_tag: None,
            history_ttl_days: None,
        });
        requirements.into_iter().chain(decisions).collect()
    }
}

impl Batch<'_> {
    /// It has a number as instances have, so that its rows lie among theirs and are named alike.
    pub(super) fn keep_evaluation(&mut self, evaluation: &Evaluation, user: Option<&str>) -> Reply {
        let id = self.new_id();
        let common = Arc::new(Common {
            instance: id,
            root: id,
            definition: DefinitionId(0),
            process: String::new(),
            tenant: evaluation.tenant.clone(),
            business_key: None,
            suspended: false,
        });
        let asked = Asked { task: None, evaluator: user.map(str::to_owned), at: self.now };
        let mut last = 0;
        let fresh = || {
            last += 1;
            LocalId(last)
        };
        for (number, row) in decided::rows(evaluation.decided.clone(), &asked, fresh) {
            let (key, row) = (PastKey::Decision(number), PastRow::Decision(Box::new(row)));
            self.tx.past.push(PastWrite { common: Arc::clone(&common), key, row });
        }
        self.record_plain("evaluate-decision");
        Reply::Evaluated(evaluation.answer.clone())
    }
}
