//! Who may sign in, and who has. Passwords and tokens are here only as digests.

use super::identity::text;
use crate::base::time::Timestamp;
use crate::store::error::StoreError;
use crate::store::{Bind, Store};
use sqlx::FromRow;
use std::collections::BTreeSet;

#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct Account {
    pub name: String,
    /// argon2id, with its parameters and salt.
    pub hash: String,
    pub first_name: Option<String>,
    pub last_name: Option<String>,
    pub email: Option<String>,
    /// Sees every tenant, also those to come.
    pub every_tenant: i16,
    pub is_admin: i16,
    pub created_at: i64,
}

/// What a person may change of an account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Profile {
    pub first_name: Option<String>,
    pub last_name: Option<String>,
    pub email: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Digest of the cookie.
    pub token: String,
    pub account: String,
    /// Digest of the token against forged requests.
    pub guard: String,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
}

const ACCOUNTS: &str =
    "SELECT name, hash, first_name, last_name, email, every_tenant, is_admin, created_at FROM account";

type SessionRow = (String, String, String, i64, i64);

impl Store {
    pub async fn account(&self, name: &str) -> Result<Option<Account>, StoreError> {
        let rows: Vec<Account> = self.fetch(format!("{ACCOUNTS} WHERE name = $1"), vec![text(name)]).await?;
        Ok(rows.into_iter().next())
    }

    /// All of them, by name.
    pub async fn accounts(&self) -> Result<Vec<Account>, StoreError> {
        self.fetch(format!("{ACCOUNTS} ORDER BY name"), Vec::new()).await
    }

    /// False: nobody can sign in yet.
    pub async fn has_accounts(&self) -> Result<bool, StoreError> {
        let rows: Vec<(String,)> = self.fetch("SELECT name FROM account LIMIT 1".into(), Vec::new()).await?;
        Ok(!rows.is_empty())
    }

    /// Adds the account and makes it a member of these groups and tenants, which are made where they are not yet; with
    /// `first` only if there is no account at all. False: nothing was added.
    pub async fn add_account(
        &self,
        account: &Account,
        groups: &BTreeSet<String>,
        tenants: &BTreeSet<String>,
        first: bool,
    ) -> Result<bool, StoreError> {
        let only = if first { "NOT EXISTS (SELECT 1 FROM account)" } else { "1 = 1" };
        // The lists of names are those of older programs.
        let insert = format!(
            "INSERT INTO account (name, hash, groups, tenants, first_name, last_name, email, every_tenant, is_admin, created_at) \
             SELECT CAST($1 AS TEXT), CAST($2 AS TEXT), '[]', '[]', CAST($3 AS TEXT), CAST($4 AS TEXT), CAST($5 AS TEXT), \
             CAST($6 AS SMALLINT), CAST($7 AS SMALLINT), CAST($8 AS BIGINT) WHERE {only} ON CONFLICT (name) DO NOTHING"
        );
        let binds = vec![
            text(&account.name),
            text(&account.hash),
            Bind::MaybeText(account.first_name.clone()),
            Bind::MaybeText(account.last_name.clone()),
            Bind::MaybeText(account.email.clone()),
            Bind::Int(account.every_tenant.into()),
            Bind::Int(account.is_admin.into()),
            Bind::Int(account.created_at),
        ];
        let mut statements = vec![(insert, binds)];
        // Its salt makes the hash this account's alone: it says whether the first statement added it.
        let mine = "FROM account WHERE name = $2 AND hash = $3 ON CONFLICT DO NOTHING";
        let memberships = [
            ("INSERT INTO team (id, name, kind) SELECT CAST($1 AS TEXT), CAST($1 AS TEXT), 'WORKFLOW'", groups),
            ("INSERT INTO team_member (team, account) SELECT CAST($1 AS TEXT), name", groups),
            ("INSERT INTO tenant (id, name) SELECT CAST($1 AS TEXT), CAST($1 AS TEXT)", tenants),
            ("INSERT INTO tenant_member (tenant, is_team, member) SELECT CAST($1 AS TEXT), 0, name", tenants),
        ];
        for (insert, names) in memberships {
            let binds = |one: &String| vec![text(one), text(&account.name), text(&account.hash)];
            statements.extend(names.iter().map(|one| (format!("{insert} {mine}"), binds(one))));
        }
        self.change_identity(statements).await
    }

    /// False: there is no such account.
    pub async fn change_profile(&self, name: &str, profile: &Profile) -> Result<bool, StoreError> {
        let update = "UPDATE account SET first_name = $2, last_name = $3, email = $4 WHERE name = $1".to_owned();
        let [first, last, email] =
            [&profile.first_name, &profile.last_name, &profile.email].map(|text| Bind::MaybeText(text.clone()));
        self.change_identity(vec![(update, vec![text(name), first, last, email])]).await
    }

    /// A new password ends all sessions of its account. False: there is no such account.
    pub async fn change_hash(&self, name: &str, hash: &str) -> Result<bool, StoreError> {
        let update = "UPDATE account SET hash = $2 WHERE name = $1".to_owned();
        let sessions = "DELETE FROM session WHERE account = $1".to_owned();
        self.change_identity(vec![(update, vec![text(name), text(hash)]), (sessions, vec![text(name)])]).await
    }

    /// With its sessions, memberships and rights. False: there is no such account.
    pub async fn remove_account(&self, name: &str) -> Result<bool, StoreError> {
        let texts = [
            "DELETE FROM account WHERE name = $1",
            "DELETE FROM session WHERE account = $1",
            "DELETE FROM api_token WHERE account = $1",
            "DELETE FROM team_member WHERE account = $1",
            "DELETE FROM tenant_member WHERE member = $1 AND is_team = 0",
            "DELETE FROM authorization_rule WHERE account = $1",
        ];
        self.change_identity(texts.map(|one| (one.to_owned(), vec![text(name)])).into()).await
    }

    /// Also clears away sessions that have ended.
    pub async fn add_session(&self, session: &Session) -> Result<(), StoreError> {
        let ended = "DELETE FROM session WHERE expires_at <= $1";
        let insert = "INSERT INTO session (token, account, guard, created_at, expires_at) VALUES ($1, $2, $3, $4, $5)";
        let binds = vec![
            Bind::Text(session.token.clone()),
            Bind::Text(session.account.clone()),
            Bind::Text(session.guard.clone()),
            Bind::Int(session.created_at.0),
            Bind::Int(session.expires_at.0),
        ];
        let ended = (ended.to_owned(), vec![Bind::Int(session.created_at.0)]);
        self.write(vec![ended, (insert.to_owned(), binds)]).await.map(|_| ())
    }

    /// A session that has not ended, by the digest of its cookie.
    pub async fn session(&self, token: &str, now: Timestamp) -> Result<Option<Session>, StoreError> {
        let text =
            "SELECT token, account, guard, created_at, expires_at FROM session WHERE token = $1 AND expires_at > $2";
        let binds = vec![Bind::Text(token.to_owned()), Bind::Int(now.0)];
        let rows: Vec<SessionRow> = self.fetch(text.into(), binds).await?;
        Ok(rows.into_iter().next().map(|(token, account, guard, created_at, expires_at)| Session {
            token,
            account,
            guard,
            created_at: Timestamp(created_at),
            expires_at: Timestamp(expires_at),
        }))
    }

    pub async fn remove_session(&self, token: &str) -> Result<(), StoreError> {
        let text = "DELETE FROM session WHERE token = $1".to_owned();
        self.write(vec![(text, vec![Bind::Text(token.to_owned())])]).await.map(|_| ())
    }
}
