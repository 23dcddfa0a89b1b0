//! Who may sign in, and who has. Passwords and tokens are here only as digests.

use crate::base::time::Timestamp;
use crate::store::error::StoreError;
use crate::store::{Bind, Store};
use std::collections::BTreeSet;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    pub name: String,
    /// argon2id, with its parameters and salt.
    pub hash: String,
    pub groups: BTreeSet<String>,
    /// `None`: every tenant.
    pub tenants: Option<BTreeSet<String>>,
    pub admin: bool,
    pub created_at: Timestamp,
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

type AccountRow = (String, String, String, Option<String>, i16, i64);
type SessionRow = (String, String, String, i64, i64);

impl Store {
    pub async fn account(&self, name: &str) -> Result<Option<Account>, StoreError> {
        let text = "SELECT name, hash, groups, tenants, is_admin, created_at FROM account WHERE name = $1";
        let rows: Vec<AccountRow> = self.fetch(text.into(), vec![Bind::Text(name.to_owned())]).await?;
        rows.into_iter().next().map(account_of).transpose()
    }

    /// False: nobody can sign in yet.
    pub async fn has_accounts(&self) -> Result<bool, StoreError> {
        let rows: Vec<(String,)> = self.fetch("SELECT name FROM account LIMIT 1".into(), Vec::new()).await?;
        Ok(!rows.is_empty())
    }

    /// Adds the account; with `first` only if there is none at all. False: it was not added.
    pub async fn add_account(&self, account: &Account, first: bool) -> Result<bool, StoreError> {
        let only = if first { "NOT EXISTS (SELECT 1 FROM account)" } else { "1 = 1" };
        let text = format!(
            "INSERT INTO account (name, hash, groups, tenants, is_admin, created_at) \
             SELECT CAST($1 AS TEXT), CAST($2 AS TEXT), CAST($3 AS TEXT), NULLIF(CAST($4 AS TEXT), ''), \
             CAST($5 AS SMALLINT), CAST($6 AS BIGINT) WHERE {only} ON CONFLICT (name) DO NOTHING"
        );
        let tenants = account.tenants.as_ref().map_or_else(String::new, list);
        let binds = vec![
            Bind::Text(account.name.clone()),
            Bind::Text(account.hash.clone()),
            Bind::Text(list(&account.groups)),
            Bind::Text(tenants),
            Bind::Int(account.admin.into()),
            Bind::Int(account.created_at.0),
        ];
        Ok(self.write(vec![(text, binds)]).await? > 0)
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

fn list(names: &BTreeSet<String>) -> String {
    serde_json::to_string(names).expect("a list of texts is JSON")
}

fn account_of((name, hash, groups, tenants, is_admin, created_at): AccountRow) -> Result<Account, StoreError> {
    let read = |list: &str| {
        serde_json::from_str(list).map_err(|error| StoreError::Unreadable(format!("account {name:?}: {error}")))
    };
    let groups = read(&groups)?;
    let tenants = tenants.as_deref().map(read).transpose()?;
    Ok(Account { hash, groups, tenants, admin: is_admin != 0, created_at: Timestamp(created_at), name })
}
