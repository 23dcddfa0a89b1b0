//! Random transactions and reads on memory, SQLite and PostgreSQL: every table and every answer must be equal.
//!
//! The two databases are compared row by row. Memory is compared through a database into which all that it holds is
//! written at once: what came by many upserts and deletes must be what comes by one insert.

use std::env;
use std::sync::Arc;

use transhume::base::id::{DeploymentId, TokenId};
use transhume::base::time::Timestamp;
use transhume::partition::memory::Memory;
use transhume::partition::transaction::{
    Fence, IndexKey, IndexRow, IndexWrite, JobKind, PastWrite, ScopeRow, Transaction,
};
use transhume::partition::{DueWhat, Input, Output, first_partition};
use transhume::store::Store;

use super::random::{INSTANCES, NOW, Random};
use crate::support::postgres;
use crate::support::say::say;

const TRANSACTIONS: usize = 25;

async fn sqlite(folder: &tempfile::TempDir, name: &str) -> Store {
    Store::open(&format!("sqlite:{}", folder.path().join(name).display())).await.expect("SQLite opens")
}

/// The opening words, as text: they hold no order of chance.
async fn open(store: &Store) -> String {
    let opened = store.open_partition(first_partition(), "test", Timestamp(0)).await;
    format!("{:?}", opened.expect("the partition is taken"))
}

#[tokio::test(flavor = "multi_thread")]
async fn three_databases_hold_the_same_and_answer_the_same() {
    let seeds: u64 = env::var("STORE_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(4);
    let mut compared = 0;
    for seed in 1..=seeds {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut stores = vec![("sqlite", sqlite(&folder, "one.db").await)];
        if let Some(url) = postgres::database("three_databases_hold_the_same_and_answer_the_same").await {
            stores.push(("postgres", Store::open(&url).await.expect("PostgreSQL opens")));
        }
        compared += stores.len();
        play(seed, &folder, &stores).await;
    }
    say(format!("stores: {seeds} seeds of {TRANSACTIONS} transactions on {compared} databases beside memory"));
}

async fn play(seed: u64, folder: &tempfile::TempDir, stores: &[(&str, Store)]) {
    let mut memory = Memory::new(1);
    let mut random = Random::new(seed);
    let opened = format!("{:?}", memory.open(first_partition()));
    for (name, store) in stores {
        assert_eq!(open(store).await, opened, "seed {seed}, {name}: the empty store");
    }
    for number in 0..TRANSACTIONS {
        let tx = random.transaction(memory.fence());
        for (name, store) in stores {
            let done = store.commit(Arc::new(tx.clone())).await;
            assert_eq!(done, Ok(()), "seed {seed}, {name}, transaction {number}");
        }
        memory.commit(tx).expect("memory takes it");
        for question in questions(&mut random) {
            let asked = format!("{question:?}");
            for (name, store) in stores {
                let answer = store.answer(first_partition(), &question).await.expect("the store answers");
                let answered = memory.answer(first_partition(), copy(&question)).expect("a word for a database");
                assert_eq!(
                    told(answer.expect("a word for a database")),
                    told(wanted(&memory, &question, answered)),
                    "seed {seed}, {name}, after transaction {number}: {asked}"
                );
            }
        }
    }
    compare(seed, folder, stores, &memory).await;
    let opened = format!("{:?}", memory.open(first_partition()));
    for (name, store) in stores {
        assert_eq!(open(store).await, opened, "seed {seed}, {name}: what the next owner finds");
    }
}

/// Entries in one order: databases give the window first, then the backlog.
fn told(mut answer: Input) -> String {
    if let Input::Scheduled { entries, .. } = &mut answer {
        entries.sort();
    }
    format!("{answer:?}")
}

/// Of topics that nobody offers, databases leave out the jobs that never rested: those were told when they opened.
fn wanted(memory: &Memory, question: &Output, answer: Input) -> Input {
    let Output::LoadSchedule { topics, .. } = question else { return answer };
    let Input::Scheduled { mut entries, until } = answer else { return answer };
    entries.retain(|due| match &due.what {
        DueWhat::JobReady(instance, token, kind, topic) if *kind != JobKind::Continuation => {
            let row = memory.index.get(&(*instance, IndexKey::Job(*token)));
            let rested = matches!(row, Some((_, IndexRow::Job(job))) if job.due > job.created_at);
            rested || topics.contains(topic)
        }
        DueWhat::JobReady(..) | DueWhat::Timer(..) | DueWhat::LeaseEnd(..) | DueWhat::Start(..) => true,
    });
    Input::Scheduled { entries, until }
}

async fn compare(seed: u64, folder: &tempfile::TempDir, stores: &[(&str, Store)], memory: &Memory) {
    let whole = sqlite(folder, "whole.db").await;
    open(&whole).await;
    assert_eq!(whole.commit(Arc::new(everything(memory))).await, Ok(()), "seed {seed}: all at once");
    let expected = whole.dump().await.expect("is read");
    for (name, store) in stores {
        let dump = store.dump().await.expect("is read");
        for (table, rows) in &expected {
            let (rows, found) = (without_batch(table, rows), without_batch(table, &dump[table]));
            assert_eq!(found, rows, "seed {seed}, {name}: table {table}");
        }
    }
    let rows: usize = expected.values().map(Vec::len).sum();
    assert!(rows > 100, "seed {seed}: {rows} rows are no test");
}

/// What memory holds, as one transaction on an empty store.
fn everything(memory: &Memory) -> Transaction {
    Transaction {
        fence: Fence { epoch: 1, ..memory.fence().clone() },
        instances: memory.instances.values().cloned().collect(),
        scopes: (memory.scopes.iter())
            .map(|((instance, scope), body)| ScopeRow { instance: *instance, scope: *scope, body: body.clone() })
            .collect(),
        index: (memory.index.iter())
            .map(|((_, key), (common, row))| IndexWrite { common: common.clone(), key: key.clone(), row: row.clone() })
            .collect(),
        past: (memory.past.iter())
            .map(|((_, key), (common, row))| PastWrite { common: common.clone(), key: key.clone(), row: row.clone() })
            .collect(),
        answers: memory.answers.values().cloned().collect(),
        records: memory.records.clone(),
        deployments: memory.deployments.values().cloned().collect(),
        resources: memory.resources.values().cloned().collect(),
        definitions: memory.definitions.values().cloned().collect(),
        starts: memory.starts.values().cloned().collect(),
        letters: memory.letters.values().cloned().collect(),
        parcels: memory.inbox.values().cloned().collect(),
        outcomes: memory.outcomes.values().cloned().collect(),
        ..Transaction::default()
    }
}

/// Memory keeps of a batch only its records.
fn without_batch(table: &str, rows: &[String]) -> Vec<String> {
    let cut = |row: &String| {
        let words = row.split(' ').filter(|word| {
            let name = word.split('=').next().unwrap_or_default();
            table != "history" || !["batch", "next_id", "clock"].contains(&name)
        });
        words.collect::<Vec<_>>().join(" ")
    };
    rows.iter().map(cut).collect()
}

fn questions(random: &mut Random) -> Vec<Output> {
    let instances: std::collections::BTreeSet<_> = (0..4).map(|_| random.instance()).collect();
    let keys: std::collections::BTreeSet<_> = (0..3).map(|_| random.key()).collect();
    let topics = if random.below(2) == 0 { vec![] } else { vec!["one".to_owned(), "three".to_owned()] };
    vec![
        Output::Load { instances: instances.into_iter().collect(), keys: keys.into_iter().collect() },
        Output::LoadClosed {
            instance: random.instance(),
            token: TokenId(u32::try_from(random.below(4)).expect("small")),
            lease_no: 1 + random.below(2),
        },
        Output::LoadSchedule {
            until: Timestamp(NOW + random.below(3 * NOW)),
            // often the very moment at which jobs are due
            since: Timestamp(random.one(&[NOW - 1, NOW, NOW + 1, NOW + 500])),
            topics,
        },
        Output::LoadDefinition(transhume::base::id::DefinitionId(random.below(INSTANCES * 10))),
        Output::LoadInbox,
        Output::LoadCatalog { ask: 7 },
    ]
}

fn copy(question: &Output) -> Output {
    match question {
        Output::Load { instances, keys } => Output::Load { instances: instances.clone(), keys: keys.clone() },
        Output::LoadDefinition(id) => Output::LoadDefinition(*id),
        Output::LoadClosed { instance, token, lease_no } => {
            Output::LoadClosed { instance: *instance, token: *token, lease_no: *lease_no }
        }
        Output::LoadSchedule { until, since, topics } => {
            Output::LoadSchedule { until: *until, since: *since, topics: topics.clone() }
        }
        Output::LoadInbox => Output::LoadInbox,
        Output::LoadCatalog { ask } => Output::LoadCatalog { ask: *ask },
        Output::Commit(_) | Output::Reply { .. } | Output::Effect(_) | Output::WakeAt(_) | Output::StepDown => {
            unreachable!("only questions are asked")
        }
    }
}

#[tokio::test]
async fn files_are_kept_byte_for_byte() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let store = sqlite(&folder, "files.db").await;
    open(&store).await;
    let mut random = Random::new(7);
    let mut fence = Fence { epoch: 1, next_id: 1, ..Fence::default() };
    for _ in 0..TRANSACTIONS {
        let tx = Transaction { deployments_gone: vec![], ..random.transaction(&fence) };
        assert_eq!(store.commit(Arc::new(tx.clone())).await, Ok(()));
        fence = tx.fence.clone();
        for row in &tx.resources {
            let files = store.files(row.deployment).await.expect("is read");
            assert!(files.contains(&(row.name.clone(), row.bytes.to_vec())));
        }
    }
    assert!(store.files(DeploymentId(9_999)).await.expect("is read").is_empty());
}
