//! What people did (`user_operation`), what they say about incidents, and how long history is kept.

use crate::store::error::StoreError;
use crate::store::{Bind, Store};

/// One property that a call changed, or the call itself where it changed none that has a name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Operation {
    pub id: String,
    /// The same for all rows of one call.
    pub operation: String,
    pub at: i64,
    pub author: String,
    pub tenant: String,
    pub kind: String,
    pub entity: String,
    pub category: String,
    pub property: Option<String>,
    pub org_value: Option<String>,
    pub new_value: Option<String>,
    pub deployment: Option<i64>,
    pub definition: Option<i64>,
    pub process: Option<String>,
    pub instance: Option<i64>,
    pub root: Option<i64>,
    pub task: Option<i64>,
    pub external_task: Option<i64>,
    pub job: Option<i64>,
    pub element: Option<String>,
    pub batch: Option<String>,
}

fn text(text: &str) -> Bind {
    Bind::Text(text.to_owned())
}

impl Operation {
    /// A repeat of the call has the same id, and stands there already.
    fn insert(self) -> (String, Vec<Bind>) {
        let insert = "INSERT INTO user_operation (id, operation, at, author, tenant, kind, entity, category, property, \
                      org_value, new_value, deployment, definition, process, instance, root, task, external_task, job, \
                      element, batch) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, \
                      $18, $19, $20, $21) ON CONFLICT (id) DO NOTHING";
        let binds = vec![
            Bind::Text(self.id),
            Bind::Text(self.operation),
            Bind::Int(self.at),
            Bind::Text(self.author),
            Bind::Text(self.tenant),
            Bind::Text(self.kind),
            Bind::Text(self.entity),
            Bind::Text(self.category),
            Bind::MaybeText(self.property),
            Bind::MaybeText(self.org_value),
            Bind::MaybeText(self.new_value),
            Bind::MaybeInt(self.deployment),
            Bind::MaybeInt(self.definition),
            Bind::MaybeText(self.process),
            Bind::MaybeInt(self.instance),
            Bind::MaybeInt(self.root),
            Bind::MaybeInt(self.task),
            Bind::MaybeInt(self.external_task),
            Bind::MaybeInt(self.job),
            Bind::MaybeText(self.element),
            Bind::MaybeText(self.batch),
        ];
        (insert.to_owned(), binds)
    }
}

impl Store {
    /// In one transaction.
    pub async fn add_operations(&self, operations: Vec<Operation>) -> Result<(), StoreError> {
        self.write(operations.into_iter().map(Operation::insert).collect()).await.map(|_| ())
    }

    /// What is said about all rows of a call.
    pub async fn annotate_operation(&self, operation: &str, annotation: Option<String>) -> Result<(), StoreError> {
        let update = "UPDATE user_operation SET annotation = $2 WHERE operation = $1".to_owned();
        self.write(vec![(update, vec![text(operation), Bind::MaybeText(annotation)])]).await.map(|_| ())
    }

    pub async fn annotate_incident(
        &self,
        instance: i64,
        id: i64,
        annotation: Option<String>,
    ) -> Result<(), StoreError> {
        let here = vec![Bind::Int(instance), Bind::Int(id)];
        let statement = match annotation {
            Some(annotation) => {
                let upsert = "INSERT INTO incident_note (instance, id, annotation) VALUES ($1, $2, $3) \
                              ON CONFLICT (instance, id) DO UPDATE SET annotation = excluded.annotation";
                (upsert.to_owned(), here.into_iter().chain([Bind::Text(annotation)]).collect())
            }
            None => ("DELETE FROM incident_note WHERE instance = $1 AND id = $2".to_owned(), here),
        };
        self.write(vec![statement]).await.map(|_| ())
    }

    /// How many days the history of a definition is kept after its end; `None`: as long as the node's setting says. The
    /// clean-up reads it anew each time.
    pub async fn keep_history(&self, definition: i64, days: Option<i64>) -> Result<(), StoreError> {
        let update = "UPDATE definition SET history_ttl_days = $2 WHERE id = $1".to_owned();
        self.write(vec![(update, vec![Bind::Int(definition), Bind::MaybeInt(days)])]).await.map(|_| ())
    }
}
