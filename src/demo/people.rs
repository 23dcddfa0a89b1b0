//! Played people: HTTP clients of `/engine-rest/task`, each task answered as its form asks. The network lead takes twelve
//! hours for each of the two hand-offs (the paper's Table IV states 24 hours of user input), everybody else answers at once.

use crate::base::time::Timestamp;
use crate::demo::client::Client;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const HOUR_MS: i64 = 3_600_000;
/// Asked at once; more tasks wait for the next look.
const TASKS_PER_LOOK: usize = 500;

/// What a person answers, and after how long.
#[derive(Debug)]
struct Answer {
    task: &'static str,
    after_ms: i64,
    variables: fn() -> Value,
}

fn nothing() -> Value {
    json!({})
}

const ANSWERS: &[Answer] = &[
    Answer {
        task: "confirm-ownership",
        after_ms: 0,
        variables: || json!({"ownerName": text("app-owner"), "criticality": text("normal")}),
    },
    Answer { task: "edit-plan", after_ms: 0, variables: nothing },
    Answer {
        task: "approve-plan",
        after_ms: 0,
        variables: || json!({"approved": yes(), "comment": text("as planned")}),
    },
    Answer { task: "enter-network-data", after_ms: 12 * HOUR_MS, variables: network_data },
    Answer { task: "confirm-on-premise", after_ms: 12 * HOUR_MS, variables: nothing },
    Answer { task: "sign-network", after_ms: 0, variables: || json!({"signed": yes()}) },
    Answer { task: "approve-cost", after_ms: 0, variables: || json!({"costApproved": yes()}) },
    Answer { task: "go-no-go", after_ms: 0, variables: || json!({"go": yes()}) },
    Answer { task: "commit-or-roll-back", after_ms: 0, variables: || json!({"cutoverDecision": text("commit")}) },
    Answer { task: "give-verdict", after_ms: 0, variables: || json!({"verdict": text("passed")}) },
    Answer { task: "step-by-hand", after_ms: 0, variables: nothing },
    Answer { task: "sign-off", after_ms: 0, variables: || json!({"signed": yes()}) },
    Answer { task: "revoke-access", after_ms: 0, variables: nothing },
    Answer { task: "sign-report", after_ms: 0, variables: || json!({"signed": yes()}) },
];

/// How they answer instead when servers did not come up at the target: back, and no second try.
const ROLLING_BACK: &[Answer] = &[
    Answer { task: "commit-or-roll-back", after_ms: 0, variables: || json!({"cutoverDecision": text("rollback")}) },
    Answer {
        task: "decide-on-rest",
        after_ms: 0,
        variables: || json!({"tryRest": {"value": false, "type": "Boolean"}}),
    },
];

fn text(value: &str) -> Value {
    json!({"value": value, "type": "String"})
}

fn yes() -> Value {
    json!({"value": true, "type": "Boolean"})
}

fn network_data() -> Value {
    let plan = json!({
        "peer": "192.0.2.7",
        "psk": "secret://vpn-psk",
        "ike": {"version": 2, "encryption": "aes256", "hash": "sha256", "dhGroup": 14},
        "onPremisePrefixes": ["10.10.0.0/16"],
        "vlanPairs": [{"onPremise": 101, "cloud": 1201, "testHost": null}],
        "contact": "network-lead"
    });
    json!({"networkPlan": {"value": plan.to_string(), "type": "Json"}})
}

/// An open task, as people see it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct OpenTask {
    pub id: String,
    pub element: String,
    pub name: String,
    pub created: Timestamp,
}

#[derive(Debug, Default)]
pub(super) struct People {
    /// Tasks that are thought about, and when their answer comes.
    pending: BTreeMap<String, (Timestamp, &'static Answer)>,
    /// Open tasks that nobody plays: the exception paths wait for a real person.
    pub left_open: Vec<OpenTask>,
    /// Nobody is played: a person works in the page.
    manual: bool,
    /// The wave's servers do not all come up: it is rolled back.
    rolls_back: bool,
}

impl People {
    pub(super) fn new(manual: bool, rolls_back: bool) -> Self {
        Self { manual, rolls_back, ..Self::default() }
    }

    fn answer(&self, element: &str) -> Option<&'static Answer> {
        let instead = if self.rolls_back { ROLLING_BACK } else { &[] };
        let known = instead.iter().chain(ANSWERS).find(|answer| answer.task == element);
        known.filter(|_| !self.manual)
    }

    /// Looks at the open tasks and answers what is due; true if somebody acted.
    pub(super) async fn look(&mut self, client: &Client, now: Timestamp) -> Result<bool, String> {
        let open = client.tasks(TASKS_PER_LOOK).await?;
        self.pending.retain(|id, _| open.iter().any(|task| task.id == *id));
        self.left_open.clear();
        for task in open {
            match self.answer(&task.element) {
                Some(answer) => {
                    let due = task.created.plus_ms(answer.after_ms);
                    self.pending.insert(task.id, (due, answer));
                }
                None => self.left_open.push(task),
            }
        }
        let due: Vec<(String, &'static Answer)> = self
            .pending
            .iter()
            .filter(|(_, (due, _))| *due <= now)
            .map(|(id, (_, answer))| (id.clone(), *answer))
            .collect();
        for (id, answer) in &due {
            client.complete(id, (answer.variables)()).await?;
            self.pending.remove(id);
        }
        Ok(!due.is_empty())
    }

    pub(super) fn next_due(&self) -> Option<Timestamp> {
        self.pending.values().map(|(due, _)| *due).min()
    }
}
