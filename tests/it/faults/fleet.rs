//! The servers of a run: each may go away and come back under another address.

use std::sync::Arc;

use tokio::sync::RwLock;

use crate::support::serve::Served;

pub(super) struct Fleet {
    /// Database address and name of each.
    places: Vec<(String, String)>,
    servers: Vec<RwLock<Option<Arc<Served>>>>,
}

impl Fleet {
    /// One server on a database.
    pub(super) async fn one(database: &str) -> Arc<Self> {
        Self::of(&[database.to_owned()]).await
    }

    /// A node for each address.
    pub(super) async fn of(addresses: &[String]) -> Arc<Self> {
        let places: Vec<_> =
            addresses.iter().enumerate().map(|(ix, address)| (address.clone(), format!("node-{ix}"))).collect();
        let mut servers = Vec::new();
        for (address, name) in &places {
            servers.push(RwLock::new(Some(Arc::new(Served::node(address, name).await))));
        }
        Arc::new(Self { places, servers })
    }

    pub(super) fn len(&self) -> usize {
        self.servers.len()
    }

    /// None while it is away.
    pub(super) async fn server(&self, ix: usize) -> Option<Arc<Served>> {
        self.servers[ix % self.servers.len()].read().await.clone()
    }

    /// `kill -9`.
    pub(super) async fn kill(&self, ix: usize) {
        if let Some(server) = self.servers[ix].write().await.take() {
            server.signal("KILL");
        }
    }

    pub(super) async fn restart(&self, ix: usize) {
        let (address, name) = &self.places[ix];
        let server = Arc::new(Served::node(address, name).await);
        *self.servers[ix].write().await = Some(server);
    }
}
