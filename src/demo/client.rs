//! The demo's own client of the REST interface: what people and the table of segments need, by the same requests that any
//! program would send.

use crate::base::time::Timestamp;
use crate::demo::people::OpenTask;
use serde_json::{Value, json};
use std::time::Duration;

const WITHIN: Duration = Duration::from_secs(30);

pub(super) struct Client {
    http: reqwest::Client,
    base: String,
    user: String,
    password: String,
}

impl Client {
    pub(super) fn new(address: &str, user: &str, password: &str) -> Result<Self, String> {
        let http = reqwest::Client::builder().no_proxy().timeout(WITHIN).build().map_err(|e| e.to_string())?;
        let base = format!("{address}/engine-rest");
        Ok(Self { http, base, user: user.to_owned(), password: password.to_owned() })
    }

    pub(super) async fn tasks(&self, most: usize) -> Result<Vec<OpenTask>, String> {
        let list = self.get(&format!("/task?sortBy=created&sortOrder=asc&maxResults={most}&firstResult=0")).await?;
        let tasks = list.as_array().into_iter().flatten().map(|task| {
            let of = |name: &str| task[name].as_str().unwrap_or_default().to_owned();
            let created = Timestamp::parse(&of("created")).unwrap_or_default();
            OpenTask { id: of("id"), element: of("taskDefinitionKey"), name: of("name"), created }
        });
        Ok(tasks.collect())
    }

    pub(super) async fn complete(&self, task: &str, variables: Value) -> Result<(), String> {
        self.post(&format!("/task/{task}/complete"), &json!({"variables": variables}), None).await.map(|_| ())
    }

    /// Starts a process once, however often this is called with the same key.
    pub(super) async fn start(&self, process: &str, body: &Value, key: &str) -> Result<String, String> {
        let started = self.post(&format!("/process-definition/key/{process}/start"), body, Some(key)).await?;
        started["id"].as_str().map(str::to_owned).ok_or_else(|| format!("the answer to the start has no id: {started}"))
    }

    pub(super) async fn get(&self, path: &str) -> Result<Value, String> {
        let request = self.http.get(format!("{}{path}", self.base)).basic_auth(&self.user, Some(&self.password));
        Self::answer(path, request).await
    }

    async fn post(&self, path: &str, body: &Value, key: Option<&str>) -> Result<Value, String> {
        let mut request =
            self.http.post(format!("{}{path}", self.base)).basic_auth(&self.user, Some(&self.password)).json(body);
        if let Some(key) = key {
            request = request.header("Idempotency-Key", key);
        }
        Self::answer(path, request).await
    }

    async fn answer(path: &str, request: reqwest::RequestBuilder) -> Result<Value, String> {
        let answer = request.send().await.map_err(|e| format!("{path}: {e}"))?;
        let (status, text) = (answer.status(), answer.text().await.map_err(|e| format!("{path}: {e}"))?);
        if !status.is_success() {
            return Err(format!("{path}: {status}: {text}"));
        }
        if text.is_empty() { Ok(Value::Null) } else { serde_json::from_str(&text).map_err(|e| format!("{path}: {e}")) }
    }
}
