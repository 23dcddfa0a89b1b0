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
        hash: "$argon2id$1".to_owned(),
        first_name: Some("Ada".to_owned()),
        last_name: None,
        email: None,
        every_tenant: 1,
        is_admin: 1,
        created_at: 1,
    };
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
    let (leads, none) = (names(&["leads"]), names(&[]));
    assert!(!store.has_accounts().await.expect("asked"));
    assert!(store.add_account(&ada, &leads, &none, true).await.expect("added"));
    assert!(store.has_accounts().await.expect("asked"));
    assert_eq!(store.account("ada").await.expect("read"), Some(ada.clone()));
    let other = Account { hash: "$argon2id$2".to_owned(), ..ada.clone() };
    let more = names(&["more"]);
    assert!(!store.add_account(&other, &more, &none, false).await.expect("asked"), "the name is taken");
    let known = store.memberships("ada").await.expect("read");
    assert_eq!(
        (known.groups, known.tenants),
        (vec!["leads".to_owned()], Vec::new()),
        "what was not added joined nothing"
    );
    let bob = Account { name: "bob".to_owned(), hash: "$argon2id$3".to_owned(), every_tenant: 0, is_admin: 0, ..ada };
    assert!(!store.add_account(&bob, &none, &none, true).await.expect("asked"), "not the first");
    let before = store.identity_change().await.expect("asked");
    assert!(store.add_account(&bob, &leads, &names(&["north"]), false).await.expect("added"));
    assert_ne!(store.identity_change().await.expect("asked"), before, "a change is seen");
    assert_eq!(store.account("bob").await.expect("read"), Some(bob));
    assert_eq!(store.memberships("bob").await.expect("read").tenants, ["north"]);
    assert_eq!(store.groups().await.expect("read").len(), 1);
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
