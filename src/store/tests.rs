//! The store on SQLite: what was committed is read back, and what must not be written is not.

use super::Store;
use super::queries::record::{JobRecord, Record as _};
use super::queries::select::{Condition, Select, Test, Text, column, rows};
use crate::base::access::Access;
use crate::base::id::{DefinitionId, ElementId, InstanceId, LocalId, PartitionId, ROOT_SCOPE, ScopeId, TokenId};
use crate::base::time::Timestamp;
use crate::base::variable::Variable;
use crate::partition::transaction::{
    AnswerRow, Caller, CommandKey, Common, Delegation, Event, Fence, Head, IndexKey, IndexRow, IndexWrite, InstanceRow,
    InstanceState, JobKind, JobRow, PastActivity, PastDecision, PastKey, PastRow, PastVariable, PastWrite, Record,
    ScopeRow, Told, Transaction, UserTaskRow, VariableRow,
};
use crate::partition::{CommitError, Input};
use std::sync::Arc;

async fn store(folder: &tempfile::TempDir) -> Store {
    let file = folder.path().join("test.db");
    Store::open(&format!("sqlite:{}", file.display())).await.expect("opens")
}

fn common(id: i64) -> Arc<Common> {
    Arc::new(Common {
        instance: InstanceId(id),
        root: InstanceId(id),
        definition: DefinitionId(1),
        process: "order".into(),
        tenant: String::new(),
        business_key: None,
        suspended: false,
    })
}

fn instance(id: i64) -> InstanceRow {
    let head = Head {
        id: InstanceId(id),
        definition: DefinitionId(1),
        tenant: String::new(),
        business_key: None,
        caller: None,
        root: InstanceId(id),
        state: InstanceState::Active,
        started_at: Timestamp(5),
        ended_at: None,
        starter: None,
        start_element: None,
        end_element: None,
        reason: None,
        revision: 1,
        next: 3,
        steps: 0,
        continues: false,
        depth: 0,
    };
    InstanceRow { head, process: "order".into(), incidents: 0, body: format!("body of {id}") }
}

/// A batch that starts so many instances with a job and three variables each.
fn batch(epoch: i64, position: i64, instances: i64) -> Transaction {
    let mut tx = Transaction::default();
    for id in position + 1..=position + instances {
        let common = common(id);
        tx.instances.push(instance(id));
        tx.scopes.push(ScopeRow { instance: InstanceId(id), scope: ScopeId(1), body: "inner".into() });
        let job = JobRow {
            kind: JobKind::External,
            element: "work".into(),
            topic: "t".into(),
            lease_no: 0,
            holder: None,
            until: None,
            retries: None,
            expiries: 0,
            due: Timestamp(5),
            priority: 0,
            created_at: Timestamp(5),
            error: None,
            incident: false,
        };
        tx.index.push(IndexWrite { common: common.clone(), key: IndexKey::Job(TokenId(1)), row: IndexRow::Job(job) });
        for name in ["a", "b", "c"] {
            let row = VariableRow { kind: "String".into(), text: Some("x".into()), number: None, token: None };
            let key = IndexKey::Variable(ROOT_SCOPE, name.into());
            tx.index.push(IndexWrite { common: common.clone(), key, row: IndexRow::Variable(row) });
            let row = PastVariable { value: Some(Variable::from("x")), token: None, at: Timestamp(5) };
            let key = PastKey::Variable(ROOT_SCOPE, name.into());
            tx.past.push(PastWrite { common: common.clone(), key, row: PastRow::Variable(row) });
        }
        let events = vec![Event::FlowTaken { flow: "f".into() }];
        tx.records.push(Record {
            position: id,
            instance: Some(InstanceId(id)),
            at: Timestamp(5),
            cause: "create-instance",
            events,
        });
    }
    let position = position + instances;
    tx.fence = Fence {
        partition: PartitionId(0),
        epoch,
        batch: position,
        position,
        next_id: position + 1,
        clock: Timestamp(9),
    };
    tx
}

#[tokio::test]
async fn what_is_committed_is_read_back_by_the_next_owner() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = store(&folder).await;
    let begin = store.open_partition(PartitionId(0), "one", Timestamp(0)).await.expect("taken");
    assert!(matches!(begin, Input::Opened { epoch: 1, position: 0, next_id: 1, .. }), "{begin:?}");
    let key = CommandKey { tenant: String::new(), route: "start".into(), key: "k".into() };
    let mut tx = batch(1, 0, 3);
    tx.answers.push(AnswerRow { key: key.clone(), digest: "d".into(), answer: "{}".into(), at: Timestamp(5) });
    assert_eq!(store.commit(Arc::new(tx.clone())).await, Ok(()));
    store.close().await;

    let file = format!("sqlite:{}", folder.path().join("test.db").display());
    let store = Store::open(&file).await.expect("opens again");
    let begin = store.open_partition(PartitionId(0), "two", Timestamp(0)).await.expect("taken");
    assert!(matches!(begin, Input::Opened { epoch: 2, position: 3, next_id: 4, clock: Timestamp(9), .. }), "{begin:?}");
    let other = CommandKey { key: "other".into(), ..key.clone() };
    let loaded = store.load(&[InstanceId(2), InstanceId(77)], &[key, other.clone()]).await.expect("read");
    let Input::Loaded { instances, missing, answers, unanswered } = loaded else { panic!("{loaded:?}") };
    assert_eq!((instances[0].body.as_str(), instances[0].scopes.len()), ("body of 2", 1));
    assert_eq!((missing, answers[0].digest.as_str(), unanswered), (vec![InstanceId(77)], "d", vec![other]));
}

#[tokio::test]
async fn an_owner_that_lost_the_partition_writes_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let first = store(&folder).await;
    first.open_partition(PartitionId(0), "one", Timestamp(0)).await.expect("taken");
    let second = store(&folder).await;
    second.open_partition(PartitionId(0), "two", Timestamp(0)).await.expect("taken");
    assert_eq!(first.commit(Arc::new(batch(1, 0, 1))).await, Err(CommitError::Fenced));
    assert_eq!(second.commit(Arc::new(batch(2, 0, 1))).await, Ok(()));
    assert_eq!(second.commit(Arc::new(batch(1, 1, 1))).await, Err(CommitError::Fenced), "an epoch of the past");
}

#[tokio::test]
async fn a_position_is_written_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = store(&folder).await;
    store.open_partition(PartitionId(0), "one", Timestamp(0)).await.expect("taken");
    assert_eq!(store.commit(Arc::new(batch(1, 0, 2))).await, Ok(()));
    assert_eq!(store.commit(Arc::new(batch(1, 1, 2))).await, Err(CommitError::Fenced), "position 2 is there");
    let found = store.instances(&[InstanceId(3)]).await.expect("read");
    assert!(found.is_empty(), "nothing of the failed batch is stored");
    assert_eq!(store.commit(Arc::new(batch(1, 2, 2))).await, Ok(()), "and work goes on");
}

#[tokio::test]
async fn a_batch_costs_few_statements() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = store(&folder).await;
    store.open_partition(PartitionId(0), "one", Timestamp(0)).await.expect("taken");
    let mut position = 0;
    for instances in [1, 5, 70, 200, 256] {
        let tx = batch(1, position, instances);
        position = tx.fence.position;
        assert_eq!(store.commit(Arc::new(tx.clone())).await, Ok(()));
        for (table, statements) in store.counted().await {
            let rows = if table.ends_with("variable") { 3 * instances } else { instances };
            let most = rows as usize / 256 + 2;
            assert!(statements <= most, "{table}: {statements} statements for {rows} rows");
        }
    }
}

/// H3: SQLite rolls back by itself when the disk is full. Whatever statement meets it, the batch is stored wholly or not
/// at all, and work goes on with room.
#[tokio::test]
async fn a_full_disk_never_leaves_half_a_batch() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = store(&folder).await;
    store.open_partition(PartitionId(0), "one", Timestamp(0)).await.expect("taken");
    let Store::Sqlite(database) = &store else { panic!("a SQLite store") };
    let (mut position, mut failed) = (0, 0);
    for extra in 0..60 {
        let mut tx = batch(1, position, 4);
        tx.instances.iter_mut().for_each(|row| row.body = "x".repeat(3_000));
        tx.scopes.iter_mut().for_each(|row| row.body = "y".repeat(3_000));
        // With each round the limit is met by a later statement.
        let pages = database.on_writer("PRAGMA page_count").await;
        database.on_writer_with(format!("PRAGMA max_page_count = {}", pages + extra % 20)).await;
        let before = store.dump().await.expect("is read");
        match store.commit(Arc::new(tx.clone())).await {
            Ok(()) => position = tx.fence.position,
            Err(error) => {
                assert_eq!(error, CommitError::Failed);
                failed += 1;
                assert_eq!(store.dump().await.expect("is read"), before, "a failed batch has left something");
            }
        }
    }
    assert!((10..50).contains(&failed), "the limit was met {failed} times");
    database.on_writer_with("PRAGMA max_page_count = 1000000".to_owned()).await;
    assert_eq!(store.commit(Arc::new(batch(1, position, 4))).await, Ok(()), "with room again work goes on");
}

/// Every text is the name of its column, every number one of its own: a value that lands in another column is seen.
fn labelled() -> Transaction {
    let common = Arc::new(Common {
        instance: InstanceId(1),
        root: InstanceId(2),
        definition: DefinitionId(3),
        process: "process".into(),
        tenant: "tenant".into(),
        business_key: Some("business_key".into()),
        suspended: true,
    });
    let mut tx = batch(1, 0, 1);
    let row = &mut tx.instances[0];
    row.process = "process".into();
    row.body = "body".into();
    row.incidents = 40;
    row.head = Head {
        tenant: "tenant".into(),
        business_key: Some("business_key".into()),
        caller: Some(Caller { instance: InstanceId(41), token: TokenId(42) }),
        root: InstanceId(43),
        ended_at: Some(Timestamp(44)),
        starter: Some("starter".into()),
        start_element: Some("start_element".into()),
        end_element: Some("end_element".into()),
        reason: Some("reason".into()),
        revision: 45,
        ..row.head.clone()
    };
    (tx.scopes, tx.index, tx.past) = (vec![], vec![], vec![]);
    let job = JobRow {
        kind: JobKind::Script,
        element: "element".into(),
        topic: "topic".into(),
        lease_no: 10,
        holder: Some("holder".into()),
        until: Some(Timestamp(11)),
        retries: Some(12),
        expiries: 13,
        due: Timestamp(14),
        priority: 15,
        created_at: Timestamp(16),
        error: Some("error".into()),
        incident: true,
    };
    let task = UserTaskRow {
        element: "element".into(),
        scope: ScopeId(20),
        name: Some("name".into()),
        description: Some("description".into()),
        assignee: Some("assignee".into()),
        owner: Some("owner".into()),
        delegation: Some(Delegation::Resolved),
        priority: 21,
        due: Some(Timestamp(22)),
        follow_up: Some(Timestamp(23)),
        created_at: Timestamp(24),
        updated_at: Some(Timestamp(25)),
    };
    let past = PastActivity {
        element: "element".into(),
        name: Some("name".into()),
        kind: "kind",
        scope: ScopeId(30),
        parent: Some(TokenId(31)),
        called: Some(InstanceId(32)),
        assignee: Some("assignee".into()),
        started_at: Timestamp(33),
        ended_at: Some(Timestamp(34)),
        cancelled: true,
    };
    for (key, row) in [
        (IndexKey::Job(TokenId(9)), IndexRow::Job(job)),
        (IndexKey::UserTask(TokenId(9)), IndexRow::UserTask(Box::new(task))),
    ] {
        tx.index.push(IndexWrite { common: common.clone(), key, row });
    }
    for (key, row) in [
        (PastKey::Activity(TokenId(9)), PastRow::Activity(past)),
        (PastKey::Decision(LocalId(50)), decision(Some((TokenId(9), "element".into())))),
        (PastKey::Decision(LocalId(51)), decision(None)),
    ] {
        tx.past.push(PastWrite { common: common.clone(), key, row });
    }
    tx
}

fn decision(task: Option<(TokenId, ElementId)>) -> PastRow {
    let told = Told { inputs: vec![], outputs: vec![], collected: Some(1.into()) };
    PastRow::Decision(Box::new(PastDecision {
        task,
        evaluator: Some("evaluator".into()),
        definition: DefinitionId(52),
        key: "key".into(),
        version: 53,
        name: "name".into(),
        asked: Some(LocalId(54)),
        at: Timestamp(55),
        told,
    }))
}

#[tokio::test]
async fn each_column_holds_what_its_name_says() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = store(&folder).await;
    store.open_partition(PartitionId(0), "one", Timestamp(0)).await.expect("taken");
    assert_eq!(store.commit(Arc::new(labelled())).await, Ok(()));
    let dump = store.dump().await.expect("is read");
    let common = "root=2 definition=3 process=\"process\" tenant=\"tenant\"";
    assert_eq!(
        dump["job"],
        [format!(
            "instance=1 token=9 {common} business_key=\"business_key\" suspended=1 kind=3 element=\"element\" \
             topic=\"topic\" lease_no=10 holder=\"holder\" leased_until=11 retries=12 expiries=13 due=14 priority=15 \
             created_at=16 error=\"error\" incident=1"
        )]
    );
    assert_eq!(
        dump["user_task"],
        [format!(
            "instance=1 token=9 {common} business_key=\"business_key\" suspended=1 element=\"element\" scope=20 \
             name=\"name\" description=\"description\" assignee=\"assignee\" owner=\"owner\" delegation=1 priority=21 \
             due=22 follow_up=23 created_at=24 updated_at=25"
        )]
    );
    assert_eq!(
        dump["past_activity"],
        [format!(
            "instance=1 token=9 {common} element=\"element\" name=\"name\" kind=\"kind\" scope=30 parent=31 called=32 \
             assignee=\"assignee\" started_at=33 ended_at=34 cancelled=1"
        )]
    );
    let told = "evaluator=\"evaluator\" decision=52 key=\"key\" version=53 name=\"name\" asked=54 at=55 \
                body=\"{\\\"inputs\\\":[],\\\"outputs\\\":[],\\\"collected\\\":1}\"";
    assert_eq!(
        dump["past_decision"],
        [
            format!("instance=1 id=50 {common} token=9 element=\"element\" {told}"),
            // No task asked: it is of no instance.
            format!("instance=1 id=51 root=- definition=- process=- tenant=\"tenant\" token=- element=- {told}"),
        ]
    );
    assert_eq!(
        dump["process_instance"],
        ["id=1 definition=1 process=\"process\" tenant=\"tenant\" business_key=\"business_key\" caller=41 \
          caller_token=42 root=43 state=0 started_at=5 ended_at=44 starter=\"starter\" start_element=\"start_element\" \
          end_element=\"end_element\" reason=\"reason\" revision=45 incidents=40 body=\"body\""]
    );
}

/// `fetchAndLock` must not look at all jobs that wait: the index over those that can be had is found.
#[tokio::test]
async fn open_jobs_are_found_by_their_index() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = store(&folder).await;
    let select = Select {
        conditions: vec![
            Condition::equal(column::TOPIC, "t"),
            Condition::flag(column::FAILED, false),
            Condition::Empty(column::HOLDER),
            Condition::Is(column::DUE, Test::LessOrEqual, 5.into()),
        ],
        order: vec![(column::PRIORITY.into(), true)],
        first: 0,
        limit: Some(10),
    };
    let Text { sql, binds } = rows(&JobRecord::SOURCE, &Access::system(), &select);
    let plan: Vec<(i64, i64, i64, String)> =
        store.fetch(format!("EXPLAIN QUERY PLAN {sql}"), binds).await.expect("is explained");
    assert!(plan.iter().any(|(.., step)| step.contains("job_open")), "{plan:?}");
}
