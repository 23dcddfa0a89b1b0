//! L4: two commands that compete. In one batch, in two, and with the first one's owner standing still at a named point while
//! another owner takes the partition and does the second; then the first is released and, if nobody heard of it, repeated.
//!
//! What stands in `PAIRS` is what BPMN says of the two orders; which of them a schedule comes to is known, so each has one
//! right outcome. Afterwards all that is stored is judged. `PAIRS=1` does all of it on every database.

use std::sync::Arc;

use transhume::base::id::InstanceId;
use transhume::base::time::{DAY_MS, Timestamp};
use transhume::base::variable::Variables;
use transhume::engine::command::{Command, Create};
use transhume::engine::definition::Process;
use transhume::engine::job::{Binding, Claim};
use transhume::partition::{Reply, Which, Work};

use super::desk::{BEGIN, Base, Owner, Point, Seen, bundle, compiled};
use crate::support::postgres;
use crate::support::say::say;

const MINUTE: i64 = 60_000;
const HEARTBEAT: &str = "heartbeat, lease end";

/// One of the two.
enum Act {
    Ask(fn(&Place) -> Work),
    /// So much time passes, and the partition does what is due.
    Pass(i64),
}

/// What a pair acts on.
struct Place {
    name: String,
    /// The partition's clock never goes back: each scene has a day of its own.
    begin: Timestamp,
    instance: InstanceId,
    seen: Seen,
}

struct Pair {
    name: &'static str,
    model: fn(&str) -> String,
    /// How long the job at `work` is leased beforehand; 0: not at all.
    lease_ms: i64,
    acts: [Act; 2],
    /// Whether each was accepted and what is there then, when the first came first, and when the second did.
    outcomes: [&'static str; 2],
}

/// The two acts in this order.
#[derive(Clone, Copy, Debug, PartialEq)]
enum How {
    OneBatch,
    TwoBatches,
    Stopped(Point),
}

const HOWS: [How; 5] =
    [How::OneBatch, How::TwoBatches, How::Stopped(Point::Read), How::Stopped(Point::Write), How::Stopped(Point::Reply)];

pub(super) fn model(key: &str, body: &str, pairs: &[(&str, &str)]) -> String {
    let flows = flows(pairs);
    format!(
        r#"<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:camunda="http://camunda.org/schema/1.0/bpmn" targetNamespace="t">
<message id="m" name="go"/><error id="e" errorCode="E"/><process id="{key}" isExecutable="true">{body}{flows}</process></definitions>"#
    )
}

fn flows(pairs: &[(&str, &str)]) -> String {
    let flow =
        |(from, to): &(&str, &str)| format!(r#"<sequenceFlow id="{from}-{to}" sourceRef="{from}" targetRef="{to}"/>"#);
    pairs.iter().map(flow).collect()
}

const HOUR: &str = "<timerEventDefinition><timeDuration>PT1H</timeDuration></timerEventDefinition>";

fn work(key: &str) -> String {
    let body = format!(
        r#"<startEvent id="s"/><serviceTask id="work" camunda:type="external" camunda:topic="t"/><userTask id="done"/><endEvent id="e1"/>
<boundaryEvent id="hour" attachedToRef="work">{HOUR}</boundaryEvent><userTask id="late"/><endEvent id="e2"/>
<boundaryEvent id="wrong" attachedToRef="work"><errorEventDefinition errorRef="e"/></boundaryEvent><userTask id="failed"/><endEvent id="e3"/>"#
    );
    let all = [("s", "work"), ("work", "done"), ("done", "e1"), ("hour", "late"), ("late", "e2")];
    model(key, &body, &[&all[..], &[("wrong", "failed"), ("failed", "e3")]].concat())
}

fn choice(key: &str) -> String {
    let body = format!(
        r#"<startEvent id="s"/><eventBasedGateway id="choice"/><userTask id="got"/><userTask id="late"/><endEvent id="e1"/><endEvent id="e2"/>
<intermediateCatchEvent id="told"><messageEventDefinition messageRef="m"/></intermediateCatchEvent>
<intermediateCatchEvent id="hour">{HOUR}</intermediateCatchEvent>"#
    );
    let all =
        [("s", "choice"), ("choice", "told"), ("choice", "hour"), ("told", "got"), ("hour", "late"), ("got", "e1")];
    model(key, &body, &[&all[..], &[("late", "e2")]].concat())
}

fn join(key: &str) -> String {
    let body = r#"<startEvent id="s"/><parallelGateway id="fork"/><userTask id="one"/><userTask id="two"/><parallelGateway id="join"/>
<userTask id="done"/><endEvent id="e1"/>"#;
    let all = [("s", "fork"), ("fork", "one"), ("fork", "two"), ("one", "join"), ("two", "join"), ("join", "done")];
    model(key, body, &[&all[..], &[("done", "e1")]].concat())
}

fn fork(key: &str) -> String {
    let body = r#"<startEvent id="s"/><userTask id="before"/><parallelGateway id="fork"/><userTask id="one"/><userTask id="two"/>
<endEvent id="e1"/><endEvent id="e2"/>"#;
    let all = [("s", "before"), ("before", "fork"), ("fork", "one"), ("fork", "two"), ("one", "e1"), ("two", "e2")];
    model(key, body, &all)
}

fn at(place: &Place, command: Command) -> Work {
    Work::Instance { instance: place.instance, command }
}

fn claim() -> Claim {
    Claim { holder: "w".into(), lease_no: Some(1) }
}

fn complete(place: &Place) -> Work {
    let (variables, local, decisions) = Default::default();
    at(place, Command::CompleteJob { token: place.seen.token("work"), claim: claim(), variables, local, decisions })
}

fn throw(place: &Place) -> Work {
    let (token, variables) = (place.seen.token("work"), Variables::new());
    at(place, Command::ThrowError { token, claim: Some(claim()), code: "E".into(), message: None, variables })
}

fn task(place: &Place, element: &str) -> Work {
    let (token, variables) = (place.seen.token(element), Variables::new());
    at(place, Command::CompleteUserTask { token, variables })
}

fn tell(place: &Place) -> Work {
    let (variables, local) = Default::default();
    at(place, Command::DeliverMessage { subscription: place.seen.armed("told"), name: "go".into(), variables, local })
}

fn beat(place: &Place) -> Work {
    let until = place.begin.plus_ms(600 * MINUTE);
    at(place, Command::ExtendLease { token: place.seen.token("work"), claim: claim(), until })
}

fn deploy(place: &Place) -> Work {
    bundle("again.bpmn", &fork(&place.name))
}

fn deploy_other(place: &Place) -> Work {
    bundle("other.bpmn", &fork(&place.name))
}

fn start(place: &Place) -> Work {
    let definition =
        Which::Key { key: place.name.clone(), tenant: String::new(), binding: Binding::Latest, deployment: None };
    Work::Start { definition, create: Create::default() }
}

fn cancel(place: &Place) -> Work {
    at(place, Command::Cancel { reason: None })
}

fn pair(
    name: &'static str,
    model: fn(&str) -> String,
    lease_ms: i64,
    acts: [Act; 2],
    outcomes: [&'static str; 2],
) -> Pair {
    Pair { name, model, lease_ms, acts, outcomes }
}

fn pairs() -> Vec<Pair> {
    let mut all = pairs_of_a_job();
    all.extend(other_pairs());
    all
}

fn pairs_of_a_job() -> Vec<Pair> {
    use Act::{Ask, Pass};
    let long = 600 * MINUTE;
    let suspend = Ask(|place| at(place, Command::Suspend));
    let retry = Ask(|place| at(place, Command::SetRetries { token: place.seen.token("work"), retries: 5, due: None }));
    vec![
        pair("complete, complete", work, long, [Ask(complete), Ask(complete)], ["yes yes: active done"; 2]),
        pair("complete, cancel", work, long, [Ask(complete), Ask(cancel)], ["yes yes: cancelled", "no yes: cancelled"]),
        pair(
            "complete, timer",
            work,
            long,
            [Ask(complete), Pass(90 * MINUTE)],
            ["yes -: active done", "no -: active late"],
        ),
        pair(
            "complete, error",
            work,
            long,
            [Ask(complete), Ask(throw)],
            ["yes no: active done", "no yes: active failed"],
        ),
        pair(
            "complete, lease end",
            work,
            30 * MINUTE,
            [Ask(complete), Pass(45 * MINUTE)],
            ["yes -: active done", "no -: active work"],
        ),
        pair(
            "complete, suspend",
            work,
            long,
            [Ask(complete), suspend],
            ["yes yes: suspended done", "yes yes: suspended work"],
        ),
        pair("retry, complete", work, long, [retry, Ask(complete)], ["yes yes: active done", "no yes: active done"]),
        pair(
            HEARTBEAT,
            work,
            30 * MINUTE,
            [Ask(beat), Pass(45 * MINUTE)],
            ["yes -: active work*", "no -: active work"],
        ),
    ]
}

fn other_pairs() -> Vec<Pair> {
    use Act::{Ask, Pass};
    vec![
        pair("message, message", choice, 0, [Ask(tell), Ask(tell)], ["yes no: active got", "no yes: active got"]),
        pair("message, timer", choice, 0, [Ask(tell), Pass(90 * MINUTE)], ["yes -: active got", "no -: active late"]),
        pair("join, join", join, 0, [Ask(|p| task(p, "one")), Ask(|p| task(p, "two"))], ["yes yes: active done"; 2]),
        pair(
            "fork, cancel",
            fork,
            0,
            [Ask(|p| task(p, "before")), Ask(cancel)],
            ["yes yes: cancelled", "no yes: cancelled"],
        ),
        pair(
            "deploy, start",
            fork,
            0,
            [Ask(deploy), Ask(start)],
            ["yes yes: again 2, runs 2", "yes yes: again 2, runs 1"],
        ),
        pair(
            "deploy, deploy",
            fork,
            0,
            [Ask(deploy), Ask(deploy_other)],
            ["yes yes: again 2, other 3", "yes yes: again 3, other 2"],
        ),
    ]
}

/// A scene: the pair's instance on a base, and the two acts in an order.
struct Scene<'a> {
    base: &'a Base,
    pair: &'a Pair,
    place: Place,
    /// Which of the two comes first.
    first: usize,
    /// What an instance that is started here got.
    started: Option<InstanceId>,
}

impl<'a> Scene<'a> {
    async fn set(
        base: &'a Base,
        pair: &'a Pair,
        first: usize,
        number: usize,
        processes: &mut Vec<Arc<Process>>,
    ) -> Self {
        let name = format!("p{number}");
        let xml = (pair.model)(&name);
        processes.extend(compiled(&xml));
        let begin = BEGIN.plus_ms(DAY_MS * i64::try_from(number).expect("few"));
        let mut owner = Owner::open(base, 0, begin).await;
        owner.ask(base, bundle("first.bpmn", &xml), None).await.expect("it is deployed");
        let definition =
            Which::Key { key: name.clone(), tenant: String::new(), binding: Binding::Latest, deployment: None };
        let begun = owner.ask(base, Work::Start { definition, create: Create::default() }, None).await;
        let instance = begun.expect("it starts").started().expect("an instance");
        let mut place = Place { name, begin, instance, seen: base.instance(instance).await };
        if pair.lease_ms > 0 {
            let (token, until) = (place.seen.token("work"), begin.plus_ms(pair.lease_ms));
            let lease = Command::LeaseJob { token, holder: "w".into(), until };
            owner.ask(base, at(&place, lease), None).await.expect("it is leased");
            place.seen = base.instance(instance).await;
        }
        Self { base, pair, place, first, started: None }
    }

    /// Puts an act before an owner; a request is asked under its own key, so that it can be repeated.
    fn put(&self, owner: &mut Owner, which: usize) -> Option<u64> {
        match &self.pair.acts[which] {
            Act::Ask(work) => Some(owner.submit(work(&self.place), Some(&format!("{}-{which}", self.place.name)))),
            Act::Pass(ms) => {
                owner.pass(*ms);
                None
            }
        }
    }

    fn word(&mut self, owner: &mut Owner, request: Option<u64>) -> &'static str {
        let Some(request) = request else { return "-" };
        match owner.reply(request).expect("an owner at rest has answered") {
            Ok(Reply::Started(id)) => self.started = Some(id),
            Ok(Reply::Repeated(first)) => {
                let first: serde_json::Value = serde_json::from_str(&first).expect("an answer as it is kept");
                let id = first["started"].as_str().and_then(|id| id.parse().ok());
                self.started = id.or(self.started);
            }
            Ok(_) => {}
            Err(_) => return "no",
        }
        "yes"
    }

    /// Does both; gives their words, and which of them came first in effect.
    async fn play(&mut self, how: How) -> ([&'static str; 2], usize) {
        let (first, second) = (self.first, 1 - self.first);
        let mut words = [""; 2];
        let mut owner = Owner::open(self.base, 0, self.place.begin).await;
        if how == How::OneBatch {
            let asked = [self.put(&mut owner, first), self.put(&mut owner, second)];
            owner.serve(self.base, None).await;
            words[first] = self.word(&mut owner, asked[0]);
            words[second] = self.word(&mut owner, asked[1]);
            return (words, first);
        }
        let asked = self.put(&mut owner, first);
        let How::Stopped(point) = how else {
            owner.serve(self.base, None).await;
            words[first] = self.word(&mut owner, asked);
            let asked = self.put(&mut owner, second);
            owner.serve(self.base, None).await;
            words[second] = self.word(&mut owner, asked);
            return (words, first);
        };
        owner.serve(self.base, Some(point)).await;
        let mut other = Owner::open(self.base, 1, self.place.begin).await;
        let next = self.put(&mut other, second);
        other.serve(self.base, None).await;
        words[second] = self.word(&mut other, next);
        assert!(owner.release(self.base).await, "{}: it did not come to {point:?}", self.pair.name);
        if point != Point::Reply {
            assert!(owner.down, "{}, {point:?}: the former owner was not refused", self.pair.name);
            assert!(asked.is_none_or(|asked| owner.reply(asked).is_none()), "{}: it has answered", self.pair.name);
        }
        // Whoever asked has heard nothing, and asks again.
        let again = self.put(&mut other, first);
        other.serve(self.base, None).await;
        words[first] = self.word(&mut other, again);
        (words, if point == Point::Reply { first } else { second })
    }

    async fn outcome(&self, words: [&str; 2]) -> String {
        let deployed = self.base.definitions().await;
        let mine = deployed.iter().filter(|row| row.key == self.place.name && row.version > 1);
        let mut told: Vec<String> =
            mine.map(|row| format!("{} {}", row.resource.trim_end_matches(".bpmn"), row.version)).collect();
        told.sort();
        if let Some(started) = self.started {
            told.push(format!("runs {}", self.base.instance(started).await.version));
        }
        let rest = match told.is_empty() {
            true => self.base.instance(self.place.instance).await.words(),
            false => told.join(", "),
        };
        format!("{} {}: {rest}", words[0], words[1])
    }
}

/// Requests come before what is due in a batch, whichever was first outside; but all of it happens at one time, at which a
/// heartbeat is too late.
fn is_possible(pair: &Pair, first: usize, how: How) -> bool {
    how != How::OneBatch || !(matches!(pair.acts[first], Act::Pass(_)) || pair.name == HEARTBEAT)
}

/// All orders of all pairs, or one of each pair on a database that costs more. Gives how many were played.
async fn play_all(base: &Base, kind: &str, whole: bool) -> usize {
    let (mut number, mut played) = (0, 0);
    let mut processes = Vec::new();
    for (ix, pair) in pairs().iter().enumerate() {
        for (order, how) in [0, 1].into_iter().flat_map(|first| HOWS.map(|how| (first, how))) {
            number += 1;
            if !is_possible(pair, order, how) || !(whole || number % HOWS.len() == ix % HOWS.len()) {
                continue;
            }
            let mut scene = Scene::set(base, pair, order, number, &mut processes).await;
            let (words, effective) = scene.play(how).await;
            let (outcome, wanted) = (scene.outcome(words).await, pair.outcomes[effective]);
            assert_eq!(outcome, wanted, "{kind}: {}, number {order} first, {how:?}", pair.name);
            played += 1;
        }
        base.judge(&processes, &format!("{kind}: {}", pair.name)).await;
    }
    played
}

fn is_whole() -> bool {
    std::env::var_os("PAIRS").is_some()
}

#[tokio::test]
async fn competing_pairs_have_one_outcome_for_each_order() {
    let played = play_all(&Base::memory(), "memory", true).await;
    let folder = tempfile::tempdir().expect("a folder");
    let file = Base::store(&format!("sqlite:{}", folder.path().join("pairs.db").display())).await;
    let on_sqlite = play_all(&file, "SQLite", is_whole()).await;
    let mut on_postgres = 0;
    if let Some(url) = postgres::database("competing_pairs_have_one_outcome_for_each_order").await {
        on_postgres = play_all(&Base::store(&url).await, "PostgreSQL", is_whole()).await;
    }
    say(format!(
        "{} competing pairs: {played} orders in memory, {on_sqlite} on SQLite, {on_postgres} on PostgreSQL, each with its one \
         outcome",
        pairs().len()
    ));
}

/// Whether the clean-up has left anything of an instance.
async fn is_there(base: &Base, instance: InstanceId) -> bool {
    let Base::Stores(stores) = base else { panic!("databases are cleaned") };
    !stores[1].instances(&[instance]).await.expect("it is read").is_empty()
}

/// Another process cleans while a completion that ends the instance stands at a point: what runs stays, what has ended goes.
async fn clean_beside(base: &Base, number: usize, point: Option<Point>) {
    let Base::Stores(stores) = base else { panic!("databases are cleaned") };
    let name = format!("c{number}");
    let body = r#"<startEvent id="s"/><userTask id="work"/><endEvent id="e1"/>"#.to_owned();
    let xml = model(&name, &body, &[("s", "work"), ("work", "e1")]);
    let mut owner = Owner::open(base, 0, BEGIN).await;
    owner.ask(base, bundle("first.bpmn", &xml), None).await.expect("it is deployed");
    let definition =
        Which::Key { key: name.clone(), tenant: String::new(), binding: Binding::Latest, deployment: None };
    let begun = owner.ask(base, Work::Start { definition, create: Create::default() }, None).await;
    let instance = begun.expect("it starts").started().expect("an instance");
    let place = Place { name, begin: BEGIN, instance, seen: base.instance(instance).await };
    // Nothing of it is in this owner's memory.
    let mut owner = Owner::open(base, 0, BEGIN).await;
    let asked = owner.submit(task(&place, "work"), None);
    if point.is_some() {
        owner.serve(base, point).await;
    }
    let later = BEGIN.plus_ms(400 * 24 * 60 * MINUTE);
    let mut swept = stores[1].sweep(later, 1).await.expect("it sweeps").instances;
    let ended = point == Some(Point::Reply);
    assert_eq!(is_there(base, instance).await, !ended, "{point:?}: what runs stays, what has ended goes");
    if point.is_some() {
        assert!(owner.release(base).await, "it had not come to {point:?}");
    } else {
        owner.serve(base, None).await;
    }
    assert!(owner.reply(asked).expect("an owner at rest has answered").is_ok(), "{point:?}");
    swept += stores[1].sweep(later, 1).await.expect("it sweeps").instances;
    assert!(!is_there(base, instance).await && swept == 1, "{point:?}: swept {swept} times");
}

#[tokio::test]
async fn a_clean_up_beside_a_completion_takes_what_has_ended_and_nothing_else() {
    let test = "a_clean_up_beside_a_completion_takes_what_has_ended_and_nothing_else";
    let folder = tempfile::tempdir().expect("a folder");
    let mut addresses = vec![format!("sqlite:{}", folder.path().join("clean.db").display())];
    addresses.extend(postgres::database(test).await);
    let points = [None, Some(Point::Read), Some(Point::Write), Some(Point::Reply)];
    for address in &addresses {
        let base = Base::store(address).await;
        for (number, point) in points.into_iter().enumerate() {
            clean_beside(&base, number, point).await;
        }
        base.judge(&[], "after the clean-up").await;
    }
    say(format!("clean-up beside a completion: {} orders on each of {} databases", points.len(), addresses.len()));
}
