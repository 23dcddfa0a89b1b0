//! What people keep beside the engine's state: comments and attachments of tasks, saved queries.

use crate::store::error::StoreError;
use crate::store::{Bind, Store};
use sqlx::FromRow;

/// About a task, or about the instance itself: then without token.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct Comment {
    pub id: String,
    pub instance: i64,
    pub token: Option<i64>,
    pub author: String,
    pub at: i64,
    pub message: String,
}

/// A file of a task, or the address of one; lists leave its bytes out.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct Attachment {
    pub id: String,
    pub instance: i64,
    pub token: i64,
    pub author: String,
    pub at: i64,
    pub name: Option<String>,
    pub description: Option<String>,
    pub kind: Option<String>,
    pub url: Option<String>,
}

/// A query of tasks under a name.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct SavedFilter {
    pub id: String,
    pub maker: String,
    /// Everybody sees it, not its maker only.
    pub shared: i16,
    pub resource: String,
    pub name: String,
    pub owner: Option<String>,
    /// JSON, as is the next.
    pub query: String,
    pub properties: String,
}

fn text(text: &str) -> Bind {
    Bind::Text(text.to_owned())
}

fn maybe(text: Option<&String>) -> Bind {
    Bind::MaybeText(text.cloned())
}

impl Store {
    pub async fn add_comment(&self, comment: &Comment) -> Result<(), StoreError> {
        let insert =
            "INSERT INTO comment (id, instance, token, author, at, message) VALUES ($1, $2, $3, $4, $5, $6)".to_owned();
        let binds = vec![
            text(&comment.id),
            Bind::Int(comment.instance),
            Bind::MaybeInt(comment.token),
            text(&comment.author),
            Bind::Int(comment.at),
            text(&comment.message),
        ];
        self.write(vec![(insert, binds)]).await.map(|_| ())
    }

    /// Of one task, or of all of an instance, oldest first.
    pub async fn comments(&self, instance: i64, token: Option<i64>) -> Result<Vec<Comment>, StoreError> {
        let mut select = "SELECT id, instance, token, author, at, message FROM comment WHERE instance = $1".to_owned();
        let binds = of_task(&mut select, instance, token);
        select.push_str(" ORDER BY at, id");
        self.fetch(select, binds).await
    }

    /// False: there is none of this id.
    pub async fn change_comment(&self, id: &str, message: &str) -> Result<bool, StoreError> {
        let update = "UPDATE comment SET message = $2 WHERE id = $1".to_owned();
        Ok(self.write(vec![(update, vec![text(id), text(message)])]).await? > 0)
    }

    pub async fn remove_comment(&self, id: &str) -> Result<(), StoreError> {
        self.write(vec![("DELETE FROM comment WHERE id = $1".to_owned(), vec![text(id)])]).await.map(|_| ())
    }

    /// Of one task, or of all of an instance.
    pub async fn remove_comments(&self, instance: i64, token: Option<i64>) -> Result<(), StoreError> {
        let mut delete = "DELETE FROM comment WHERE instance = $1".to_owned();
        let binds = of_task(&mut delete, instance, token);
        self.write(vec![(delete, binds)]).await.map(|_| ())
    }

    pub async fn add_attachment(&self, attachment: &Attachment, bytes: Option<Vec<u8>>) -> Result<(), StoreError> {
        let insert = "INSERT INTO attachment (id, instance, token, author, at, name, description, kind, url, bytes) \
                      VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"
            .to_owned();
        let binds = vec![
            text(&attachment.id),
            Bind::Int(attachment.instance),
            Bind::Int(attachment.token),
            text(&attachment.author),
            Bind::Int(attachment.at),
            maybe(attachment.name.as_ref()),
            maybe(attachment.description.as_ref()),
            maybe(attachment.kind.as_ref()),
            maybe(attachment.url.as_ref()),
            Bind::MaybeBytes(bytes),
        ];
        self.write(vec![(insert, binds)]).await.map(|_| ())
    }

    /// Of one task, or of all of an instance, oldest first.
    pub async fn attachments(&self, instance: i64, token: Option<i64>) -> Result<Vec<Attachment>, StoreError> {
        let mut select = "SELECT id, instance, token, author, at, name, description, kind, url FROM attachment \
                          WHERE instance = $1"
            .to_owned();
        let binds = of_task(&mut select, instance, token);
        select.push_str(" ORDER BY at, id");
        self.fetch(select, binds).await
    }

    /// `None`: it is an address only, or not there.
    pub async fn attachment_bytes(&self, id: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let select = "SELECT bytes FROM attachment WHERE id = $1".to_owned();
        let rows: Vec<(Option<Vec<u8>>,)> = self.fetch(select, vec![text(id)]).await?;
        Ok(rows.into_iter().next().and_then(|(bytes,)| bytes))
    }

    pub async fn remove_attachment(&self, id: &str) -> Result<(), StoreError> {
        self.write(vec![("DELETE FROM attachment WHERE id = $1".to_owned(), vec![text(id)])]).await.map(|_| ())
    }

    /// Also in place of one with its id.
    pub async fn save_filter(&self, filter: &SavedFilter) -> Result<(), StoreError> {
        let insert = "INSERT INTO saved_filter (id, maker, shared, resource, name, owner, query, properties) \
                      VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (id) DO UPDATE SET resource = excluded.resource, \
                      name = excluded.name, owner = excluded.owner, query = excluded.query, properties = excluded.properties"
            .to_owned();
        let binds = vec![
            text(&filter.id),
            text(&filter.maker),
            Bind::Int(filter.shared.into()),
            text(&filter.resource),
            text(&filter.name),
            maybe(filter.owner.as_ref()),
            text(&filter.query),
            text(&filter.properties),
        ];
        self.write(vec![(insert, binds)]).await.map(|_| ())
    }

    /// All of them, whoever sees them.
    pub async fn saved_filters(&self) -> Result<Vec<SavedFilter>, StoreError> {
        let select =
            "SELECT id, maker, shared, resource, name, owner, query, properties FROM saved_filter ORDER BY name, id";
        self.fetch(select.to_owned(), Vec::new()).await
    }

    pub async fn remove_filter(&self, id: &str) -> Result<(), StoreError> {
        self.write(vec![("DELETE FROM saved_filter WHERE id = $1".to_owned(), vec![text(id)])]).await.map(|_| ())
    }
}

/// Narrows to one task of an instance, if one is given.
fn of_task(statement: &mut String, instance: i64, token: Option<i64>) -> Vec<Bind> {
    let mut binds = vec![Bind::Int(instance)];
    if let Some(token) = token {
        statement.push_str(" AND token = $2");
        binds.push(Bind::Int(token));
    }
    binds
}
