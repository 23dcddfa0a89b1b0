//! Jobs that can be had now, for workers that fetch them.
//!
//! The conditions that an index names stand in the text, not among the bound values: only so is the index used, and the first
//! jobs of a topic are found without looking at all that wait.

use crate::base::access::{Access, NO_TENANT};
use crate::base::id::{DefinitionId, InstanceId, TokenId};
use crate::base::time::Timestamp;
use crate::base::variable::Variables;
use crate::store::error::StoreError;
use crate::store::{Bind, Store};
use serde_json::Value;

/// Which jobs of a topic a worker wants; everything absent does not filter.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OpenJobs {
    pub topic: String,
    pub business_key: Option<String>,
    pub definitions: Vec<DefinitionId>,
    pub processes: Vec<String>,
    pub version_tag: Option<String>,
    /// Of these tenants only; the empty one stands for none.
    pub tenants: Option<Vec<String>>,
    /// Equal to variables of the process.
    pub variables: Variables,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenJob {
    pub instance: InstanceId,
    pub token: TokenId,
    pub priority: i64,
}

/// A text that grows with its values; literals are ours, values are bound.
struct Text {
    text: String,
    binds: Vec<Bind>,
}

impl Text {
    fn new(text: &str) -> Self {
        Self { text: text.to_owned(), binds: Vec::new() }
    }

    /// `words` holds a `?` for the value.
    fn and(&mut self, words: &str, value: Bind) {
        let mark = self.bind(value);
        self.text.push_str(" AND ");
        self.text.push_str(&words.replace('?', &mark));
    }

    fn any(&mut self, column: &str, values: impl IntoIterator<Item = Bind>) {
        let marks: Vec<String> = values.into_iter().map(|value| self.bind(value)).collect();
        let marks = if marks.is_empty() { "NULL".to_owned() } else { marks.join(", ") };
        self.text.push_str(&format!(" AND {column} IN ({marks})"));
    }

    /// The tenants that the caller sees.
    fn seen(&mut self, access: &Access, column: &str) {
        if let Some(tenants) = &access.tenants {
            let all = tenants.iter().map(String::as_str).chain([NO_TENANT]);
            self.any(column, all.map(|tenant| Bind::Text(tenant.to_owned())));
        }
    }

    fn bind(&mut self, value: Bind) -> String {
        self.binds.push(value);
        format!("${}", self.binds.len())
    }
}

impl Store {
    /// Jobs that can be had now, urgent first, then in the order in which their instances began.
    pub async fn open_jobs(
        &self,
        access: &Access,
        wanted: &OpenJobs,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<OpenJob>, StoreError> {
        let mut text = Text::new(
            "SELECT instance, token, priority FROM job WHERE holder IS NULL AND incident = 0 AND suspended = 0 AND \
             kind = 0 AND (retries IS NULL OR retries > 0)",
        );
        text.and("topic = ?", Bind::Text(wanted.topic.clone()));
        text.and("due <= ?", Bind::Int(now.0));
        text.seen(access, "tenant");
        if let Some(key) = &wanted.business_key {
            text.and("business_key = ?", Bind::Text(key.clone()));
        }
        if !wanted.definitions.is_empty() {
            text.any("definition", wanted.definitions.iter().map(|id| Bind::Int(id.0)));
        }
        if !wanted.processes.is_empty() {
            text.any("process", wanted.processes.iter().cloned().map(Bind::Text));
        }
        if let Some(tag) = &wanted.version_tag {
            let words = "definition IN (SELECT id FROM definition WHERE version_tag = ?)";
            text.and(words, Bind::Text(tag.clone()));
        }
        if let Some(tenants) = &wanted.tenants {
            text.any("tenant", tenants.iter().cloned().map(Bind::Text));
        }
        for (name, variable) in &wanted.variables {
            text.variable(name, &variable.value);
        }
        let limit = text.bind(Bind::Int(i64::try_from(limit).unwrap_or(i64::MAX)));
        let order = format!("{} ORDER BY priority DESC, instance, token LIMIT {limit}", text.text);
        let rows: Vec<(i64, i64, i64)> = self.fetch(order, text.binds).await?;
        let read = |(instance, token, priority)| {
            Ok(OpenJob { instance: InstanceId(instance), token: TokenId(local(token)?), priority })
        };
        rows.into_iter().map(read).collect()
    }
}

impl Text {
    /// Of the process itself, equal to this value.
    fn variable(&mut self, name: &str, value: &Value) {
        let mark = self.bind(Bind::Text(name.to_owned()));
        let equal = match value {
            Value::Null => "v.kind = 'Null'".to_owned(),
            Value::Bool(value) => {
                format!("v.kind = 'Boolean' AND v.text = {}", self.bind(Bind::Text(value.to_string())))
            }
            Value::Number(number) => {
                format!("v.number = {}", self.bind(Bind::Real(number.as_f64().unwrap_or(f64::NAN))))
            }
            Value::String(text) => {
                format!("v.number IS NULL AND v.text = {}", self.bind(Bind::Text(text.clone())))
            }
            // Such values are not in the index: nothing equals them here.
            Value::Array(_) | Value::Object(_) => "1 = 0".to_owned(),
        };
        self.text.push_str(&format!(
            " AND EXISTS (SELECT 1 FROM variable v WHERE v.instance = job.instance AND v.scope = 0 AND v.name = {mark} \
             AND {equal})"
        ));
    }
}

fn local(number: i64) -> Result<u32, StoreError> {
    u32::try_from(number).map_err(|_| StoreError::Unreadable(format!("{number} is no number inside an instance")))
}
