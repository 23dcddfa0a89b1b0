//! Deployed files of decisions: what each defines and evaluates, and the history of what no task asked for.

use super::batch::Batch;
use super::transaction::{DefinitionKind, DefinitionRow, PastKey, PastRow, PastWrite};
use super::{DecisionEntry, Evaluation, Reply};
use crate::base::diagnostic::Diagnostic;
use crate::base::id::{DefinitionId, LocalId};
use crate::decision::{DecisionModel, Evaluated, is_dmn};
use crate::engine::decided::{self, Asked, Decided};
use crate::engine::index::Common;
use std::sync::Arc;

/// A file of decisions as it is deployed.
#[derive(Clone, Debug)]
pub struct DecisionFile {
    pub resource: String,
    pub model: DecisionModel,
    /// The other files of decisions, in the order in which the model knows them.
    others: Vec<String>,
}

impl DecisionFile {
    /// Reads the file of this name among all files of its deployment, some of which it may import.
    pub fn read(resource: &str, bytes: &[u8], files: &[(&str, &[u8])]) -> Result<Self, Vec<Diagnostic>> {
        let others = files.iter().filter(|(name, _)| *name != resource && is_dmn(name));
        let (others, theirs): (Vec<String>, Vec<&[u8]>) =
            others.map(|(name, bytes)| ((*name).to_owned(), *bytes)).unzip();
        let model = DecisionModel::parse_with(bytes, &theirs)?;
        Ok(Self { resource: resource.to_owned(), model, others })
    }

    /// Its decisions, and what they make together.
    pub fn entries(&self) -> Vec<DecisionEntry> {
        let decisions = self.model.decisions().into_iter().map(|decision| DecisionEntry {
            kind: DefinitionKind::Decision,
            resource: self.resource.clone(),
            key: decision.id,
            name: Some(decision.name),
            version_tag: decision.version_tag,
            history_ttl_days: decision.history_ttl_days,
        });
        let requirements = self.model.requirements().map(|(id, name)| DecisionEntry {
            kind: DefinitionKind::Requirements,
            resource: self.resource.clone(),
            key: id.to_owned(),
            name: name.map(str::to_owned),
            version_tag: None,
            history_ttl_days: None,
        });
        requirements.into_iter().chain(decisions).collect()
    }

    /// What it evaluated, with the versions that `rows` of its deployment name. A decision whose deployment went meanwhile
    /// has none.
    pub fn decided(&self, evaluated: Vec<Evaluated>, rows: &[DefinitionRow]) -> Vec<Decided> {
        let of = |evaluated: Evaluated| {
            let resource = match evaluated.other {
                Some(place) => self.others.get(place)?,
                None => &self.resource,
            };
            let row = rows.iter().find(|row| {
                row.kind == DefinitionKind::Decision && row.resource == *resource && row.key == evaluated.decision
            })?;
            Some(Decided { definition: row.id, version: row.version, evaluated })
        };
        evaluated.into_iter().filter_map(of).collect()
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
