//! Planted bugs that only named orders of commands, or a look beside the engine, can show. Each is hunted with and without
//! the bug: the hunt finds it, and finds nothing where it is not.

use transhume::base::planted::plant;
use transhume::engine::command::{Command, Create, Failure};
use transhume::engine::job::{Binding, Claim};
use transhume::partition::{Input, Offer, Which, Work};

use super::desk::{BEGIN, Base, Owner, bundle};
use super::pairs::model;
use crate::support::say::say;

type Found = Result<(), String>;

fn wanted(what: &str, found: &dyn std::fmt::Debug, wanted: &dyn std::fmt::Debug) -> Found {
    let (found, wanted) = (format!("{found:?}"), format!("{wanted:?}"));
    if found == wanted { Ok(()) } else { Err(format!("{what}: {found} instead of {wanted}")) }
}

async fn begin(xml: &str) -> (Base, Owner) {
    let base = Base::memory();
    let mut owner = Owner::open(&base, 0, BEGIN).await;
    owner.ask(&base, bundle("p.bpmn", xml), None).await.expect("it is deployed");
    (base, owner)
}

async fn start(base: &Base, owner: &mut Owner) -> transhume::base::id::InstanceId {
    let definition = Which::Key { key: "p".into(), tenant: String::new(), binding: Binding::Latest, deployment: None };
    let begun = owner.ask(base, Work::Start { definition, create: Create::default() }, None).await;
    begun.expect("it starts").started().expect("an instance")
}

/// A job that failed is offered again after its pause.
async fn back_off() -> Found {
    let body =
        r#"<startEvent id="s"/><serviceTask id="work" camunda:type="external" camunda:topic="t"/><endEvent id="e1"/>"#;
    let (base, mut owner) = begin(&model("p", body, &[("s", "work"), ("work", "e1")])).await;
    let offer = |slots| Input::Offer(Offer { holder: "w".into(), topic: "t".into(), slots, lease_ms: 600_000 });
    owner.hear(offer(1));
    let instance = start(&base, &mut owner).await;
    let token = base.instance(instance).await.token("work");
    let failure = Failure {
        message: "not yet".into(),
        details: None,
        retries: Some(2),
        after_ms: Some(10_000),
        by_handler: false,
        unknown_outcome: false,
    };
    let claim = Claim { holder: "w".into(), lease_no: Some(1) };
    let command = Command::FailJob { token, claim, failure };
    owner.ask(&base, Work::Instance { instance, command }, None).await.expect("it has failed");
    owner.hear(offer(1));
    owner.serve(&base, None).await;
    wanted("I14, runs before the pause is over", &owner.runs, &1)?;
    owner.pass(10_000);
    owner.serve(&base, None).await;
    wanted("I14, runs after it", &owner.runs, &2)
}

/// A message under a key is applied once, however often it is sent.
async fn message() -> Found {
    let body = r#"<startEvent id="s"/><userTask id="work"/><endEvent id="e1"/><userTask id="noted"/><endEvent id="e2"/>
<boundaryEvent id="told" attachedToRef="work" cancelActivity="false"><messageEventDefinition messageRef="m"/></boundaryEvent>"#;
    let all = [("s", "work"), ("work", "e1"), ("told", "noted"), ("noted", "e2")];
    let (base, mut owner) = begin(&model("p", body, &all)).await;
    let instance = start(&base, &mut owner).await;
    let subscription = base.instance(instance).await.armed("told");
    for _ in 0..2 {
        let (variables, local) = Default::default();
        let command = Command::DeliverMessage { subscription, name: "go".into(), variables, local };
        owner.ask(&base, Work::Instance { instance, command }, Some("once")).await.expect("it is accepted");
    }
    wanted("I8, a message sent twice under one key", &base.instance(instance).await.words(), &"active noted work")
}

/// A deployment that is refused leaves nothing behind.
async fn deployment() -> Found {
    let timer = "<timerEventDefinition><timeDuration>${missing}</timeDuration></timerEventDefinition>";
    let body = format!(r#"<startEvent id="s">{timer}</startEvent><userTask id="work"/><endEvent id="e1"/>"#);
    let base = Base::memory();
    let mut owner = Owner::open(&base, 0, BEGIN).await;
    let xml = model("p", &body, &[("s", "work"), ("work", "e1")]);
    let refused = owner.ask(&base, bundle("p.bpmn", &xml), None).await;
    assert!(refused.is_err(), "its start timer says nothing");
    wanted("I12, rows of a deployment that was refused", &base.deployments().await, &0)
}

async fn hunt(bug: &str) -> Found {
    match bug {
        "back-off-never-re-armed" => back_off().await,
        "message-without-unique-key" => message().await,
        "rejected-deployment-writes" => deployment().await,
        _ => unreachable!("hunted elsewhere"),
    }
}

#[tokio::test]
async fn planted_bugs_of_named_orders_are_caught() {
    for bug in ["back-off-never-re-armed", "message-without-unique-key", "rejected-deployment-writes"] {
        assert_eq!(hunt(bug).await, Ok(()), "without {bug}");
        plant(Some(bug));
        let found = hunt(bug).await;
        plant(None);
        let what = found.expect_err(bug);
        say(format!("planted {bug}: caught by named orders of commands, rule {what}"));
    }
}
