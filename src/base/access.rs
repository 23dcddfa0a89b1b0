//! Who asks: tenants, user and groups of a caller, resolved once at the edge and passed to every read.

use std::collections::BTreeSet;

/// No tenant is the empty string, so that unique keys hold in both databases.
pub const NO_TENANT: &str = "";

#[derive(Clone, Debug, PartialEq)]
pub struct Access {
    pub user: Option<String>,
    pub groups: BTreeSet<String>,
    /// `None`: every tenant (the system itself, a platform administrator).
    pub tenants: Option<BTreeSet<String>>,
    pub admin: bool,
}

impl Access {
    /// The engine's own work; never given to a request from outside.
    pub fn system() -> Self {
        Self { user: None, groups: BTreeSet::new(), tenants: None, admin: true }
    }

    /// A caller sees its own tenants and what has none.
    pub fn sees(&self, tenant: &str) -> bool {
        tenant == NO_TENANT || self.tenants.as_ref().is_none_or(|own| own.contains(tenant))
    }
}
