//! The store on SQLite: what was committed is read back, and what must not be written is not.

use super::Store;
use crate::base::id::{DefinitionId, InstanceId, PartitionId, ROOT_SCOPE, ScopeId, TokenId};
use crate::base::time::Timestamp;
use crate::base::variable::Variable;
use crate::partition::transaction::{
    AnswerRow, CommandKey, Common, Event, Fence, Head, IndexKey, IndexRow, IndexWrite, InstanceRow, InstanceState,
    JobKind, JobRow, PastKey, PastRow, PastVariable, PastWrite, Record, ScopeRow, Transaction, VariableRow,
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
    assert_eq!(store.commit(&tx).await, Ok(()));
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
    assert_eq!(first.commit(&batch(1, 0, 1)).await, Err(CommitError::Fenced));
    assert_eq!(second.commit(&batch(2, 0, 1)).await, Ok(()));
    assert_eq!(second.commit(&batch(1, 1, 1)).await, Err(CommitError::Fenced), "an epoch of the past");
}

#[tokio::test]
async fn a_position_is_written_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = store(&folder).await;
    store.open_partition(PartitionId(0), "one", Timestamp(0)).await.expect("taken");
    assert_eq!(store.commit(&batch(1, 0, 2)).await, Ok(()));
    assert_eq!(store.commit(&batch(1, 1, 2)).await, Err(CommitError::Fenced), "position 2 is there");
    let found = store.instances(&[InstanceId(3)]).await.expect("read");
    assert!(found.is_empty(), "nothing of the failed batch is stored");
    assert_eq!(store.commit(&batch(1, 2, 2)).await, Ok(()), "and work goes on");
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
        assert_eq!(store.commit(&tx).await, Ok(()));
        for (table, statements) in store.counted().await {
            let rows = if table.ends_with("variable") { 3 * instances } else { instances };
            let most = rows as usize / 256 + 2;
            assert!(statements <= most, "{table}: {statements} statements for {rows} rows");
        }
    }
}
