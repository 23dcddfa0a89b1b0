//! Groups and tenants, who belongs to them, and what each may do (`rest.md` 10).
//!
//! A group is a `team` here: its own name is a word of SQL. Every change counts [`Store::identity_change`] up in its own
//! transaction, so that what a node has read of these tables holds as long as the number does.

use crate::store::error::StoreError;
use crate::store::{Bind, Store};
use sqlx::FromRow;

#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct Group {
    pub id: String,
    pub name: Option<String>,
    pub kind: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct Tenant {
    pub id: String,
    pub name: Option<String>,
}

/// Who belongs to a tenant: an account, or a group and so its members.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct TenantMember {
    pub tenant: String,
    pub is_team: i16,
    pub member: String,
}

/// An authorization of the dialect. Neither account nor group: it is for all.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct Rule {
    pub id: String,
    /// 0 for all, 1 grants, 2 revokes.
    pub kind: i16,
    pub account: Option<String>,
    pub team: Option<String>,
    /// The dialect's number of the kind of object.
    pub resource: i16,
    /// `*`: all of them.
    pub object: String,
    /// A JSON list of names.
    pub permissions: String,
}

/// What decides what one account may see and do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Memberships {
    pub groups: Vec<String>,
    /// Its own and those of its groups.
    pub tenants: Vec<String>,
    /// Those of the account, of its groups and of all.
    pub rules: Vec<Rule>,
}

const RULES: &str = "SELECT id, kind, account, team, resource, object, permissions FROM authorization_rule";

pub(super) fn text(text: &str) -> Bind {
    Bind::Text(text.to_owned())
}

fn maybe(text: Option<&String>) -> Bind {
    Bind::MaybeText(text.cloned())
}

impl Store {
    /// Another number than before: something here has changed.
    pub async fn identity_change(&self) -> Result<i64, StoreError> {
        let rows: Vec<(i64,)> =
            self.fetch("SELECT number FROM identity_change WHERE id = 1".into(), Vec::new()).await?;
        Ok(rows.first().map_or(0, |(number,)| *number))
    }

    /// Whether the first statement changed something.
    pub(super) async fn change_identity(&self, mut statements: Vec<(String, Vec<Bind>)>) -> Result<bool, StoreError> {
        let count = "INSERT INTO identity_change (id, number) VALUES (1, 1) \
                     ON CONFLICT (id) DO UPDATE SET number = identity_change.number + 1";
        statements.push((count.to_owned(), Vec::new()));
        Ok(self.write_each(statements).await?.first().is_some_and(|rows| *rows > 0))
    }

    pub async fn memberships(&self, account: &str) -> Result<Memberships, StoreError> {
        let mine = "SELECT team FROM team_member WHERE account = $1";
        let groups: Vec<(String,)> = self.fetch(format!("{mine} ORDER BY team"), vec![text(account)]).await?;
        let select = format!(
            "SELECT DISTINCT tenant FROM tenant_member WHERE (is_team = 0 AND member = $1) OR (is_team = 1 AND member IN ({mine}))"
        );
        let tenants: Vec<(String,)> = self.fetch(select, vec![text(account)]).await?;
        let select = format!(
            "{RULES} WHERE (account IS NULL AND team IS NULL) OR account = $1 OR (account IS NULL AND team IN ({mine}))"
        );
        let rules = self.fetch(select, vec![text(account)]).await?;
        let names = |rows: Vec<(String,)>| rows.into_iter().map(|(name,)| name).collect();
        Ok(Memberships { groups: names(groups), tenants: names(tenants), rules })
    }

    /// What a member of this group has by it, and nobody else.
    pub async fn memberships_by_group(&self, group: &str) -> Result<Memberships, StoreError> {
        let select = "SELECT tenant FROM tenant_member WHERE is_team = 1 AND member = $1";
        let tenants: Vec<(String,)> = self.fetch(select.into(), vec![text(group)]).await?;
        let rules = self.fetch(format!("{RULES} WHERE team = $1"), vec![text(group)]).await?;
        let tenants = tenants.into_iter().map(|(tenant,)| tenant).collect();
        Ok(Memberships { groups: vec![group.to_owned()], tenants, rules })
    }

    /// All of them, by id.
    pub async fn groups(&self) -> Result<Vec<Group>, StoreError> {
        self.fetch("SELECT id, name, kind FROM team ORDER BY id".into(), Vec::new()).await
    }

    /// False: there is one of this id.
    pub async fn add_group(&self, group: &Group) -> Result<bool, StoreError> {
        let insert = "INSERT INTO team (id, name, kind) VALUES ($1, $2, $3) ON CONFLICT (id) DO NOTHING".to_owned();
        let binds = vec![text(&group.id), maybe(group.name.as_ref()), maybe(group.kind.as_ref())];
        self.change_identity(vec![(insert, binds)]).await
    }

    /// False: there is none of this id.
    pub async fn change_group(&self, group: &Group) -> Result<bool, StoreError> {
        let update = "UPDATE team SET name = $2, kind = $3 WHERE id = $1".to_owned();
        let binds = vec![text(&group.id), maybe(group.name.as_ref()), maybe(group.kind.as_ref())];
        self.change_identity(vec![(update, binds)]).await
    }

    /// With its memberships and rights. False: there is none of this id.
    pub async fn remove_group(&self, id: &str) -> Result<bool, StoreError> {
        let texts = [
            "DELETE FROM team WHERE id = $1",
            "DELETE FROM team_member WHERE team = $1",
            "DELETE FROM tenant_member WHERE member = $1 AND is_team = 1",
            "DELETE FROM authorization_rule WHERE team = $1",
        ];
        self.change_identity(texts.map(|one| (one.to_owned(), vec![text(id)])).into()).await
    }

    /// Group and account of each membership.
    pub async fn group_members(&self) -> Result<Vec<(String, String)>, StoreError> {
        self.fetch("SELECT team, account FROM team_member ORDER BY team, account".into(), Vec::new()).await
    }

    /// False: it is one already.
    pub async fn join_group(&self, group: &str, account: &str) -> Result<bool, StoreError> {
        let insert = "INSERT INTO team_member (team, account) VALUES ($1, $2) ON CONFLICT DO NOTHING".to_owned();
        self.change_identity(vec![(insert, vec![text(group), text(account)])]).await
    }

    pub async fn leave_group(&self, group: &str, account: &str) -> Result<bool, StoreError> {
        let delete = "DELETE FROM team_member WHERE team = $1 AND account = $2".to_owned();
        self.change_identity(vec![(delete, vec![text(group), text(account)])]).await
    }

    /// All of them, by id.
    pub async fn tenants(&self) -> Result<Vec<Tenant>, StoreError> {
        self.fetch("SELECT id, name FROM tenant ORDER BY id".into(), Vec::new()).await
    }

    /// False: there is one of this id.
    pub async fn add_tenant(&self, tenant: &Tenant) -> Result<bool, StoreError> {
        let insert = "INSERT INTO tenant (id, name) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING".to_owned();
        self.change_identity(vec![(insert, vec![text(&tenant.id), maybe(tenant.name.as_ref())])]).await
    }

    /// False: there is none of this id.
    pub async fn change_tenant(&self, tenant: &Tenant) -> Result<bool, StoreError> {
        let update = "UPDATE tenant SET name = $2 WHERE id = $1".to_owned();
        self.change_identity(vec![(update, vec![text(&tenant.id), maybe(tenant.name.as_ref())])]).await
    }

    /// With its memberships; what was deployed and started under it stays. False: there is none of this id.
    pub async fn remove_tenant(&self, id: &str) -> Result<bool, StoreError> {
        let texts = ["DELETE FROM tenant WHERE id = $1", "DELETE FROM tenant_member WHERE tenant = $1"];
        self.change_identity(texts.map(|one| (one.to_owned(), vec![text(id)])).into()).await
    }

    pub async fn tenant_members(&self) -> Result<Vec<TenantMember>, StoreError> {
        let select = "SELECT tenant, is_team, member FROM tenant_member ORDER BY tenant, is_team, member";
        self.fetch(select.into(), Vec::new()).await
    }

    /// False: it is one already.
    pub async fn join_tenant(&self, member: &TenantMember) -> Result<bool, StoreError> {
        let insert =
            "INSERT INTO tenant_member (tenant, is_team, member) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING".to_owned();
        self.change_identity(vec![(insert, member.binds())]).await
    }

    pub async fn leave_tenant(&self, member: &TenantMember) -> Result<bool, StoreError> {
        let delete = "DELETE FROM tenant_member WHERE tenant = $1 AND is_team = $2 AND member = $3".to_owned();
        self.change_identity(vec![(delete, member.binds())]).await
    }

    /// All of them, by id.
    pub async fn rules(&self) -> Result<Vec<Rule>, StoreError> {
        self.fetch(format!("{RULES} ORDER BY id"), Vec::new()).await
    }

    pub async fn rule(&self, id: &str) -> Result<Option<Rule>, StoreError> {
        let rows: Vec<Rule> = self.fetch(format!("{RULES} WHERE id = $1"), vec![text(id)]).await?;
        Ok(rows.into_iter().next())
    }

    /// False: there is one of this kind for the same holder and object.
    pub async fn add_rule(&self, rule: &Rule) -> Result<bool, StoreError> {
        let insert = "INSERT INTO authorization_rule (id, kind, account, team, resource, object, permissions) \
                      VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING"
            .to_owned();
        let binds = vec![
            text(&rule.id),
            Bind::Int(rule.kind.into()),
            maybe(rule.account.as_ref()),
            maybe(rule.team.as_ref()),
            Bind::Int(rule.resource.into()),
            text(&rule.object),
            text(&rule.permissions),
        ];
        self.change_identity(vec![(insert, binds)]).await
    }

    /// All but its id and kind. False: there is none of this id.
    pub async fn change_rule(&self, rule: &Rule) -> Result<bool, StoreError> {
        let update =
            "UPDATE authorization_rule SET account = $2, team = $3, resource = $4, object = $5, permissions = $6 \
                      WHERE id = $1"
                .to_owned();
        let binds = vec![
            text(&rule.id),
            maybe(rule.account.as_ref()),
            maybe(rule.team.as_ref()),
            Bind::Int(rule.resource.into()),
            text(&rule.object),
            text(&rule.permissions),
        ];
        self.change_identity(vec![(update, binds)]).await
    }

    pub async fn remove_rule(&self, id: &str) -> Result<bool, StoreError> {
        let delete = "DELETE FROM authorization_rule WHERE id = $1".to_owned();
        self.change_identity(vec![(delete, vec![text(id)])]).await
    }
}

impl TenantMember {
    fn binds(&self) -> Vec<Bind> {
        vec![text(&self.tenant), Bind::Int(self.is_team.into()), text(&self.member)]
    }
}
