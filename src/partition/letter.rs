//! Letters: what a process says to others (a message, a signal), stored with the step that says it and delivered once; and
//! what is said to all from outside.
//!
//! The step's transaction stores the letter, so what was said is not lost with the node that would have delivered it. Who
//! gets it is looked up outside, in the index rows; the delivery is one transaction with the letter's end, so it happens
//! once. A signal for very many is delivered a share at a time: each share leaves a letter for the rest.

use super::batch::{Abandon, Batch};
use super::{Notice, Reply};
use crate::base::id::{DefinitionId, ElementId, InstanceId, LocalId};
use crate::base::mark::seen;
use crate::base::planted;
use crate::base::variable::Variables;
use crate::engine::command::{Answer, Command, Create, Rejection};
use crate::partition::transaction::LetterRow;
use serde::{Deserialize, Serialize};

/// Names a letter: from the numbers of the partition that keeps it.
pub type LetterId = i64;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "k", rename_all = "kebab-case")]
pub enum Letter {
    /// To the first that waits for it, under its business key before others; else it starts a process.
    Message { name: String, business_key: Option<String>, variables: Variables, from: InstanceId },
    /// To everybody else who waits for it; and it starts processes.
    Signal {
        name: String,
        business_key: Option<String>,
        variables: Variables,
        /// The instance that threw it, which has heard it already.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<InstanceId>,
        /// Only those of these tenants hear it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tenants: Option<Vec<String>>,
        /// Who is still to hear it, once that was looked up.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to: Option<Vec<Target>>,
    },
}

/// Who gets a letter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Target {
    Waiting { instance: InstanceId, subscription: LocalId },
    Start { definition: DefinitionId, element: ElementId },
}

impl Letter {
    pub fn name(&self) -> &str {
        match self {
            Self::Message { name, .. } | Self::Signal { name, .. } => name,
        }
    }

    pub(super) fn command(&self, subscription: LocalId) -> Command {
        match self {
            Self::Message { name, variables, .. } => Command::DeliverMessage {
                subscription,
                name: name.clone(),
                variables: variables.clone(),
                local: Variables::new(),
            },
            Self::Signal { name, variables, .. } => {
                Command::DeliverSignal { subscription, name: name.clone(), variables: variables.clone() }
            }
        }
    }

    pub(super) fn create(&self, element: ElementId) -> Create {
        let (Self::Message { business_key, variables, .. } | Self::Signal { business_key, variables, .. }) = self;
        Create {
            variables: variables.clone(),
            business_key: business_key.clone(),
            at: vec![element],
            ..Create::default()
        }
    }

    /// What is left of a signal when some have heard it.
    fn rest(self, rest: Vec<Target>) -> Self {
        match self {
            Self::Signal { name, business_key, variables, from, tenants, .. } => {
                Self::Signal { name, business_key, variables, from, tenants, to: Some(rest) }
            }
            message @ Self::Message { .. } => message,
        }
    }
}

impl Batch<'_> {
    /// Keeps a letter with this batch; whoever delivers it hears of it after the commit.
    pub(super) fn post(&mut self, letter: Letter) -> LetterId {
        let id = self.new_id().0;
        self.tx.letters.push(LetterRow { id, at: self.now, letter });
        id
    }

    /// Keeps what somebody outside says.
    pub(super) fn say(&mut self, letter: &Letter) -> Reply {
        let id = self.post(letter.clone());
        self.record_plain("say");
        Reply::Said(id)
    }

    /// Delivers a letter to these, and ends it. A message is refused if its one receiver has gone on: it stays, for another.
    /// One that was delivered before is not delivered again.
    pub(super) fn deliver(
        &mut self,
        id: LetterId,
        to: &[Target],
        rest: &[Target],
    ) -> Result<Result<Reply, Rejection>, Abandon> {
        let done = || Ok(Ok(Reply::Done(Answer::default())));
        if self.tx.letters_gone.contains(&id) {
            return done();
        }
        let Some(letter) = self.p.letters.get(&id).cloned() else {
            seen!("letter-delivered-before");
            return done();
        };
        let refused = self.distribute(&letter, to)?;
        if let (Letter::Message { .. }, Some(refused)) = (&letter, refused) {
            return Ok(Err(refused));
        }
        if !planted::is("letter-never-ends") {
            self.tx.letters_gone.push(id);
        }
        if !rest.is_empty() {
            self.post(letter.rest(rest.to_vec()));
        }
        self.record_plain("deliver");
        done()
    }
}

/// What those who deliver hear of new letters.
pub(super) fn notices(letters: &[LetterRow]) -> impl Iterator<Item = Notice> {
    letters.iter().map(|row| Notice::Letter { id: row.id, letter: row.letter.clone() })
}
