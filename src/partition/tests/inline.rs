//! Work inside the step: one commit, no lease that is stored, and what goes wrong with it.

use super::*;
use crate::base::limits::INLINE_RUNS_MAX;
use crate::base::variable::from_json;
use crate::partition::view::JobView;
use serde_json::json;

/// By the variable `wish`: counts, throws an error, fails, or breaks off.
#[derive(Debug)]
struct Counts;

impl Inline for Counts {
    fn run(&self, job: &JobView) -> Done {
        let number = |name: &str| job.variables.get(name).and_then(|found| found.value.as_i64()).unwrap_or(0);
        match job.variables.get("wish").and_then(|wish| wish.value.as_str()) {
            Some("error") => Done::Error { code: "E".into(), message: None, variables: Variables::new() },
            Some("fail") => Done::Fail("no".into()),
            Some("panic") => panic!("as planted"),
            Some(_) | None => Done::Complete(from_json(json!({"x": number("x") + 1}))),
        }
    }
}

fn world(picture: &str) -> World {
    let mut world = World::new();
    let inline: Arc<dyn Inline> = Arc::new(Counts);
    let inline = Arc::new(Inlines::from([("work".to_owned(), inline)]));
    world.partition = Partition::with_inline(first_partition(), inline);
    world.partition.handle(world.memory.open(first_partition()), world.now);
    world.deploy(&draw(picture).replace("<process id=\"p\"", "<process id=\"p0\"")).unwrap();
    world
}

fn wishing(wish: &str) -> Work {
    let create = Create { variables: from_json(json!({"wish": wish})), ..Create::default() };
    match start("p0") {
        Work::Start { definition, .. } => Work::Start { definition, create },
        other => other,
    }
}

fn started(world: &mut World, work: Work) -> InstanceId {
    match world.ask(work) {
        Ok(Reply::Started(id)) => id,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_task_in_the_step_is_done_when_the_start_is_answered() {
    let mut world = world("start > A:service > B:service > end");
    let commits = world.memory.fence().batch;
    let id = world.start("p0");
    assert_eq!((world.state(id), world.memory.fence().batch), (InstanceState::Completed, commits + 1));
    assert!(world.runs().is_empty(), "nobody outside is asked");
    assert!(world.memory.index.is_empty(), "no lease was ever stored");
}

#[test]
fn what_goes_wrong_goes_where_it_goes_for_any_handler() {
    let mut world = world("start > A:service {oops: error E > B:user > end2} > end");
    let caught = started(&mut world, wishing("error"));
    assert!(world.token(caught, |row| matches!(row, IndexRow::UserTask(_))) > TokenId(0));
    for wish in ["fail", "panic"] {
        let id = started(&mut world, wishing(wish));
        assert_eq!(world.incidents(id), [IncidentKind::FailedExternalTask], "{wish}");
        let job = world.job(id);
        let set = from_json(json!({"wish": "well"}));
        world.command(id, Command::SetVariables { scope: None, set, remove: Vec::new() }).unwrap();
        world.command(id, Command::SetRetries { token: job, retries: 1, due: None }).unwrap();
        assert_eq!(world.state(id), InstanceState::Completed, "{wish}: mended, it is done in the step again");
    }
}

/// Three times as many as one command may set in motion: the rest is done in commits of its own.
#[test]
fn a_loop_of_them_holds_nobody_up() {
    let wanted = 3 * INLINE_RUNS_MAX;
    let mut world = world("start > end");
    let looped = format!(
        r#"<startEvent id="s"/><sequenceFlow id="a" sourceRef="s" targetRef="A"/>
        <serviceTask id="A" camunda:type="external" camunda:topic="work"/><sequenceFlow id="b" sourceRef="A" targetRef="g"/>
        <exclusiveGateway id="g" default="again"/><sequenceFlow id="again" sourceRef="g" targetRef="A"/>
        <sequenceFlow id="out" sourceRef="g" targetRef="e"><conditionExpression xsi:type="tFormalExpression">${{x &gt;= {wanted}}}</conditionExpression></sequenceFlow>
        <endEvent id="e"/>"#
    );
    world.deploy(&crate::engine::testing::within(&looped).replace("id=\"p\"", "id=\"loops\"")).unwrap();
    let commits = world.memory.fence().batch;
    let id = world.start("loops");
    assert_eq!(world.state(id), InstanceState::Completed);
    let took = world.memory.fence().batch - commits;
    assert!((3..=5).contains(&took), "{took} commits for {wanted} tasks");
}
