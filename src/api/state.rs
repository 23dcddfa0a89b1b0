//! What every route may use: the node, who signs in, what changes, what only some installations have.

use super::audit::Audit;
use super::auth::SignIn;
use super::error::ApiError;
use super::events::Hub;
use super::rest::definition::Asked;
use crate::base::id::{DefinitionId, InstanceId};
use crate::runtime::node::Node;
use crate::runtime::show::{DemoControl, ProgrammeView};
use crate::store::Store;
use crate::store::queries::record::{DefinitionRecord, InstanceRecord};
use crate::store::together::Together;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, PoisonError};

/// Cheap to clone.
#[derive(Clone)]
pub struct ApiState(Arc<Parts>);

pub struct Parts {
    pub(crate) node: Node,
    pub(crate) sign_in: SignIn,
    pub(crate) hub: Hub,
    pub(crate) programmes: Option<Arc<dyn ProgrammeView>>,
    pub(crate) demo: Option<Arc<dyn DemoControl>>,
    pub(crate) categories: Categories,
    /// Writes the log of operations.
    pub(crate) audit: Audit,
    /// Requests for external tasks that wait.
    pub(crate) parked: AtomicUsize,
    /// Versions to start, and instances that were started: read together by those who ask at the same moment.
    pub(crate) starts: Together<Asked, DefinitionRecord>,
    pub(crate) started: Together<InstanceId, InstanceRecord>,
    /// Wakes the worker of batches.
    pub(crate) batches: tokio::sync::Notify,
    /// Origins of foreign pages that may call, with credentials (D19).
    pub(crate) origins: BTreeSet<String>,
}

pub struct Options {
    pub node: Node,
    /// Makes the first administrator, once.
    pub setup_token: Option<String>,
    /// The page is served over TLS, by us or by a proxy before us.
    pub secure: bool,
    pub origins: Vec<String>,
    pub programmes: Option<Arc<dyn ProgrammeView>>,
    pub demo: Option<Arc<dyn DemoControl>>,
}

impl Options {
    /// A plain server on loopback.
    pub fn new(node: Node) -> Self {
        Self { node, setup_token: None, secure: false, origins: Vec::new(), programmes: None, demo: None }
    }
}

impl ApiState {
    /// Follows the node's changes from now on; must be called inside of tokio.
    pub fn new(options: Options) -> Self {
        let Options { node, setup_token, secure, origins, programmes, demo } = options;
        let sign_in = SignIn::new(node.store().clone(), setup_token.as_deref(), secure);
        let hub = Hub::follow(&node);
        let parked = AtomicUsize::new(0);
        let origins = origins.into_iter().collect();
        let categories = Categories::default();
        let batches = tokio::sync::Notify::new();
        let (starts, started) = Default::default();
        let audit = Audit::new(node.store().clone());
        let parts = Parts {
            node,
            sign_in,
            hub,
            programmes,
            demo,
            categories,
            audit,
            parked,
            starts,
            started,
            batches,
            origins,
        };
        let state = Self(Arc::new(parts));
        tokio::spawn(super::batch::work(state.clone()));
        state
    }

    /// A token that signs this user in once, for an address that is printed.
    pub fn one_time_token(&self, user: &str) -> String {
        self.0.sign_in.one_time_token(user)
    }

    /// Adds an account beside those of the set-up. False: there is one of this name.
    pub async fn add_account(&self, account: NewAccount) -> Result<bool, String> {
        let NewAccount { user, password, groups, tenants, admin } = account;
        let added = self.0.sign_in.add_account(&user, password, groups, tenants, admin, false).await;
        match added {
            Ok(()) => Ok(true),
            Err(ApiError { reason: Some("exists"), .. }) => Ok(false),
            Err(error) => Err(error.message),
        }
    }

    /// Tells listeners of `/api/events` that something changed that is no instance's, such as a programme.
    pub fn changed(&self, topic: &'static str, kind: &'static str, id: &str) {
        self.0.hub.publish(topic, kind, id, None);
    }

    pub(crate) fn node(&self) -> &Node {
        &self.0.node
    }

    pub(crate) fn store(&self) -> &Store {
        self.0.node.store()
    }
}

pub struct NewAccount {
    pub user: String,
    pub password: String,
    pub groups: BTreeSet<String>,
    /// `None`: every tenant.
    pub tenants: Option<BTreeSet<String>>,
    pub admin: bool,
}

impl std::ops::Deref for ApiState {
    type Target = Parts;
    fn deref(&self) -> &Parts {
        &self.0
    }
}

/// The namespaces of deployed files by definition; files do not change.
#[derive(Debug, Default)]
pub(crate) struct Categories(Mutex<BTreeMap<DefinitionId, Option<String>>>);

const CATEGORIES_MAX: usize = 10_000;

impl Categories {
    pub(crate) fn get(&self, id: DefinitionId) -> Option<Option<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&id).cloned()
    }

    pub(crate) fn keep(&self, id: DefinitionId, category: Option<String>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(id, category);
        while known.len() > CATEGORIES_MAX {
            known.pop_first();
        }
    }
}
