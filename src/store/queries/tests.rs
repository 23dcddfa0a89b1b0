//! Every list is a text that the database takes; accounts and sessions come back as they went.

use super::account::{Account, Session};
use super::record::*;
use super::select::{Condition, Relation, Select, column, related};
use crate::base::access::Access;
use crate::base::id::InstanceId;
use crate::base::time::Timestamp;
use crate::store::Store;
use std::collections::BTreeSet;

async fn store(folder: &tempfile::TempDir) -> Store {
    let file = folder.path().join("test.db");
    Store::open(&format!("sqlite:{}", file.display())).await.expect("opens")
}

fn north() -> Access {
    let tenants = BTreeSet::from(["north".to_owned()]);
    Access { user: None, groups: BTreeSet::new(), tenants: Some(tenants), admin: false }
}

async fn reads<R: Record>(store: &Store, relation: Option<Relation>) {
    let conditions: Vec<_> = relation.into_iter().map(|relation| Condition::Some(relation, Vec::new())).collect();
    let select = Select { conditions, limit: Some(5), ..Select::default() };
    assert!(store.list::<R>(&north(), &select).await.expect("a list").is_empty());
    assert_eq!(store.count::<R>(&north(), &select.conditions).await.expect("a count"), 0);
}

#[tokio::test]
async fn every_list_is_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = store(&folder).await;
    reads::<TaskRecord>(&store, Some(Relation::Variable)).await;
    reads::<TaskRecord>(&store, Some(Relation::Candidate)).await;
    reads::<TaskRecord>(&store, Some(Relation::Instance)).await;
    for relation in [
        Relation::InstanceVariable,
        Relation::PastVariable,
        Relation::Incident,
        Relation::PastIncident,
        Relation::Activity,
        Relation::FailedJob,
        Relation::Job,
        Relation::Called,
    ] {
        reads::<InstanceRecord>(&store, Some(relation)).await;
    }
    reads::<JobRecord>(&store, Some(Relation::Variable)).await;
    reads::<TimedRecord>(&store, None).await;
    reads::<IncidentRecord>(&store, None).await;
    reads::<SubscriptionRecord>(&store, Some(Relation::Instance)).await;
    reads::<VariableRecord>(&store, None).await;
    reads::<PastActivityRecord>(&store, Some(Relation::Subscription)).await;
    reads::<PastTaskRecord>(&store, Some(Relation::TokenPastVariable)).await;
    reads::<PastVariableRecord>(&store, None).await;
    reads::<PastIncidentRecord>(&store, None).await;
    reads::<PastDecisionRecord>(&store, None).await;
    reads::<DecisionRecord>(&store, Some(Relation::Newer)).await;
    reads::<StoryRecord>(&store, None).await;
    reads::<PastActivityRecord>(&store, Some(Relation::TokenIncident)).await;
    for relation in [Relation::Newer, Relation::DefinitionIncident, Relation::Deployment] {
        reads::<DefinitionRecord>(&store, Some(relation)).await;
    }
    reads::<DeploymentRecord>(&store, Some(Relation::Resource)).await;
    reads::<ResourceRecord>(&store, None).await;
    reads::<ContentRecord>(&store, None).await;
    reads::<StartRecord>(&store, None).await;
    reads::<CandidateRecord>(&store, None).await;
    let by = [column::DEFINITION, column::ELEMENT];
    assert!(store.tally::<PastActivityRecord>(&north(), by, &[]).await.expect("a tally").is_empty());
    let like = Condition::Is(column::NAME, super::select::Test::Like, "a%".into());
    let mine = Condition::Some(Relation::Candidate, vec![Condition::equal(related::NAME, "x")]);
    let neither = [Condition::Not(Box::new(Condition::Any(vec![like, mine])))];
    assert_eq!(store.count::<TaskRecord>(&north(), &neither).await.expect("a count"), 0);
    assert!(!store.remove_past(InstanceId(1)).await.expect("asked"));
}

#[tokio::test]
async fn accounts_and_sessions_come_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = store(&folder).await;
    let ada = Account {
        name: "ada".to_owned(),
        hash: "$argon2id$".to_owned(),
        groups: BTreeSet::from(["leads".to_owned()]),
        tenants: None,
        admin: true,
        created_at: Timestamp(1),
    };
    assert!(!store.has_accounts().await.expect("asked"));
    assert!(store.add_account(&ada, true).await.expect("added"));
    assert!(store.has_accounts().await.expect("asked"));
    assert_eq!(store.account("ada").await.expect("read"), Some(ada.clone()));
    assert!(!store.add_account(&ada, false).await.expect("asked"), "the name is taken");
    let bob = Account { name: "bob".to_owned(), tenants: Some(BTreeSet::new()), admin: false, ..ada };
    assert!(!store.add_account(&bob, true).await.expect("asked"), "not the first");
    assert!(store.add_account(&bob, false).await.expect("added"));
    assert_eq!(store.account("bob").await.expect("read"), Some(bob));
    let session = |token: &str, ends: i64| Session {
        token: token.to_owned(),
        account: "ada".to_owned(),
        guard: "g".to_owned(),
        created_at: Timestamp(10),
        expires_at: Timestamp(ends),
    };
    store.add_session(&session("a", 20)).await.expect("added");
    store.add_session(&session("b", 30)).await.expect("added");
    assert_eq!(store.session("a", Timestamp(19)).await.expect("read"), Some(session("a", 20)));
    assert_eq!(store.session("a", Timestamp(20)).await.expect("read"), None, "ended");
    store.remove_session("b").await.expect("removed");
    assert_eq!(store.session("b", Timestamp(19)).await.expect("read"), None);
}
