//! Tokens that programs sign in with. Only digests are here.

use super::identity::text;
use crate::base::time::Timestamp;
use crate::store::error::StoreError;
use crate::store::{Bind, Store};
use sqlx::FromRow;

#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct Token {
    pub id: String,
    /// Of the secret.
    pub digest: String,
    pub account: String,
    pub name: String,
    /// A JSON list; none: those of the account.
    pub tenants: Option<String>,
    /// A JSON list of grants; none: those of the account.
    pub rights: Option<String>,
    pub created_at: i64,
    pub expires_at: Option<i64>,
    pub used_at: Option<i64>,
}

const TOKENS: &str =
    "SELECT id, digest, account, name, tenants, rights, created_at, expires_at, used_at FROM api_token";

impl Store {
    /// Of an account that is there and has fewer than `most`. False: nothing was added.
    pub async fn add_token(&self, token: &Token, most: i64) -> Result<bool, StoreError> {
        let insert = "INSERT INTO api_token (id, digest, account, name, tenants, rights, created_at, expires_at) \
                      SELECT CAST($1 AS TEXT), CAST($2 AS TEXT), name, CAST($4 AS TEXT), CAST($5 AS TEXT), CAST($6 AS TEXT), \
                      CAST($7 AS BIGINT), CAST($8 AS BIGINT) FROM account WHERE name = $3 \
                      AND (SELECT COUNT(*) FROM api_token WHERE account = $3) < $9";
        let binds = vec![
            text(&token.id),
            text(&token.digest),
            text(&token.account),
            text(&token.name),
            Bind::MaybeText(token.tenants.clone()),
            Bind::MaybeText(token.rights.clone()),
            Bind::Int(token.created_at),
            Bind::MaybeInt(token.expires_at),
            Bind::Int(most),
        ];
        Ok(self.write(vec![(insert.to_owned(), binds)]).await? > 0)
    }

    /// By the digest of its secret, whether it has expired or not.
    pub async fn token(&self, digest: &str) -> Result<Option<Token>, StoreError> {
        let rows: Vec<Token> = self.fetch(format!("{TOKENS} WHERE digest = $1"), vec![text(digest)]).await?;
        Ok(rows.into_iter().next())
    }

    /// Those of an account, oldest first.
    pub async fn tokens(&self, account: &str) -> Result<Vec<Token>, StoreError> {
        self.fetch(format!("{TOKENS} WHERE account = $1 ORDER BY created_at, id"), vec![text(account)]).await
    }

    pub async fn token_used(&self, id: &str, now: Timestamp) -> Result<(), StoreError> {
        let update = "UPDATE api_token SET used_at = $2 WHERE id = $1".to_owned();
        self.write(vec![(update, vec![text(id), Bind::Int(now.0)])]).await.map(|_| ())
    }

    /// Revoked; with an account only if it is that one's. False: there is no such token.
    pub async fn remove_token(&self, id: &str, account: Option<&str>) -> Result<bool, StoreError> {
        let (mut delete, mut binds) = ("DELETE FROM api_token WHERE id = $1".to_owned(), vec![text(id)]);
        if let Some(account) = account {
            delete.push_str(" AND account = $2");
            binds.push(text(account));
        }
        Ok(self.write(vec![(delete, binds)]).await? > 0)
    }
}
