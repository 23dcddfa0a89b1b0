//! `/history/job-log` and `/history/external-task-log`: how jobs were opened, tried, done or dropped.

use super::external_task::activity;
use super::job_definition::jobs_of;
use super::sheet::Rule;
use super::story::{self, Chapter, Log};
use super::{removal_time, tenant, time};
use crate::api::call::Call;
use crate::api::error::{Answer, ApiError};
use crate::api::json::{no_content, text};
use crate::api::params::Query;
use crate::api::wire;
use crate::base::id::{DefinitionId, LocalId, TokenId};
use crate::base::limits::ATTEMPTS_DEFAULT;
use crate::engine::event::{Event, JobEnd};
use crate::engine::job::JobKind;
use crate::store::queries::record::{PastActivityRecord, StoryRecord};
use crate::store::queries::select::{Condition, column};
use axum::extract::Path;
use serde_json::{Value, json as shape};
use std::collections::BTreeMap;

const WORDS: &[&str] = &["job-opened", "job-leased", "job-failed", "job-closed", "armed", "fired", "disarmed"];

/// What befell a job.
#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    Created,
    Failed,
    Succeeded,
    Deleted,
}

/// A job as it stands where the story has come to; timers are jobs of their own.
#[derive(Clone)]
struct Job {
    /// `None`: a timer.
    kind: Option<JobKind>,
    topic: String,
    element: String,
    holder: Option<String>,
    due: Option<i64>,
    retries: Option<i64>,
    error: Option<String>,
}

struct Line<'a> {
    row: &'a StoryRecord,
    id: String,
    /// The number of its token or timer.
    number: u32,
    what: What,
    job: Job,
}

/// Elements at which tokens stand or stood.
type Elements = BTreeMap<(i64, u32), String>;

async fn elements(call: &Call, chapters: &[Chapter]) -> Result<Elements, ApiError> {
    let mut instances: Vec<i64> = chapters.iter().map(|chapter| chapter.row.instance).collect();
    instances.dedup();
    let of = Condition::OneOf(column::INSTANCE, instances.into_iter().map(Into::into).collect());
    let rows: Vec<PastActivityRecord> = call.all(vec![of]).await?;
    let number = |token: i64| u32::try_from(token).unwrap_or(u32::MAX);
    Ok(rows.into_iter().map(|row| ((row.instance, number(row.token)), row.element)).collect())
}

fn lines<'a>(chapters: &'a [Chapter], elements: &Elements) -> Vec<Line<'a>> {
    let mut open: BTreeMap<(i64, u32), Job> = BTreeMap::new();
    let mut lines = Vec::new();
    for chapter in chapters {
        let row = &chapter.row;
        for (place, event) in &chapter.events {
            let Some((number, what)) = told(&mut open, row.instance, elements, event) else { continue };
            let Some(job) = open.get(&(row.instance, number)).cloned() else { continue };
            if matches!(what, What::Succeeded | What::Deleted) {
                open.remove(&(row.instance, number));
            }
            lines.push(Line { row, id: chapter.line_id(*place), number, what, job });
        }
    }
    lines
}

/// Takes an event into account; gives whose line it is, if it makes one.
fn told(
    open: &mut BTreeMap<(i64, u32), Job>,
    instance: i64,
    elements: &Elements,
    event: &Event,
) -> Option<(u32, What)> {
    let of = |token: &TokenId| (instance, token.0);
    match event {
        Event::JobOpened { token, topic, kind } => {
            let element = elements.get(&of(token)).cloned().unwrap_or_default();
            let job = Job {
                kind: Some(*kind),
                topic: topic.clone(),
                element,
                holder: None,
                due: None,
                retries: None,
                error: None,
            };
            open.insert(of(token), job);
            Some((token.0, What::Created))
        }
        Event::JobLeased { token, holder, .. } => {
            open.get_mut(&of(token))?.holder = Some(holder.clone());
            None
        }
        Event::JobFailed { token, message, retries, due, .. } => {
            let job = open.get_mut(&of(token))?;
            (job.error, job.retries, job.due) = (Some(message.clone()), Some(*retries), Some(due.0));
            Some((token.0, What::Failed))
        }
        Event::JobClosed { token, how, .. } => {
            open.get_mut(&of(token))?.error = None;
            Some((token.0, if *how == JobEnd::Completed { What::Succeeded } else { What::Deleted }))
        }
        Event::Armed { id: LocalId(id), at, due: Some(due), .. } => {
            let job = Job {
                kind: None,
                topic: String::new(),
                element: at.to_string(),
                holder: None,
                due: Some(due.0),
                retries: None,
                error: None,
            };
            open.insert((instance, *id), job);
            Some((*id, What::Created))
        }
        Event::Fired { id: LocalId(id), .. } => Some((*id, What::Succeeded)),
        Event::Disarmed { id: LocalId(id), .. } => Some((*id, What::Deleted)),
        _tells_of_no_job => None,
    }
}

impl Line<'_> {
    fn job_id(&self) -> String {
        format!("{}:{}", self.row.instance, self.number)
    }

    /// What both logs say.
    fn common(&self) -> Value {
        let row = self.row;
        shape!({
            "id": self.id,
            "timestamp": time(row.at),
            "removalTime": removal_time(row.ended_at, row.history_ttl_days),
            "activityId": self.job.element,
            "executionId": self.job_id(),
            "processInstanceId": row.instance.to_string(),
            "processDefinitionId": wire::definition(&row.process, row.version, row.definition),
            "processDefinitionKey": row.process,
            "rootProcessInstanceId": row.root.to_string(),
            "tenantId": tenant(&row.tenant),
            "creationLog": self.what == What::Created,
            "failureLog": self.what == What::Failed,
            "successLog": self.what == What::Succeeded,
            "deletionLog": self.what == What::Deleted,
        })
    }
}

fn with(mut line: Value, more: Value) -> Value {
    if let (Value::Object(line), Value::Object(more)) = (&mut line, more) {
        line.extend(more);
    }
    line
}

/// What both logs filter by.
macro_rules! rules {
    ($($rule:expr),* $(,)?) => {
        &[
            Rule::Text("logId", "id"),
            Rule::TextIn("activityIdIn", "activityId"),
            Rule::TextIn("executionIdIn", "executionId"),
            Rule::Text("processInstanceId", "processInstanceId"),
            Rule::Text("processDefinitionId", "processDefinitionId"),
            Rule::Text("processDefinitionKey", "processDefinitionKey"),
            Rule::TextIn("tenantIdIn", "tenantId"),
            Rule::Absent("withoutTenantId", "tenantId"),
            Rule::Set("creationLog", "creationLog"),
            Rule::Set("failureLog", "failureLog"),
            Rule::Set("successLog", "successLog"),
            Rule::Set("deletionLog", "deletionLog"),
            $($rule),*
        ]
    };
}

pub(super) struct ExternalTaskLog;

impl Log for ExternalTaskLog {
    const WHAT: &'static str = "Historic external task log";
    const NAMES: &'static [&'static str] =
        &["processInstanceId", "externalTaskId", "executionIdIn", "activityInstanceIdIn", "logId"];
    const WORDS: &'static [&'static str] = WORDS;
    const RULES: &'static [Rule] = rules![
        Rule::Text("externalTaskId", "externalTaskId"),
        Rule::Text("topicName", "topicName"),
        Rule::Text("workerId", "workerId"),
        Rule::Text("errorMessage", "errorMessage"),
        Rule::TextIn("activityInstanceIdIn", "activityInstanceId"),
        Rule::AtLeast("priorityHigherThanOrEquals", "priority"),
        Rule::AtMost("priorityLowerThanOrEquals", "priority"),
    ];
    const SORTS: &'static [(&'static str, &'static str)] = &[
        ("timestamp", "timestamp"),
        ("externalTaskId", "externalTaskId"),
        ("topicName", "topicName"),
        ("workerId", "workerId"),
        ("retries", "retries"),
        ("priority", "priority"),
        ("activityId", "activityId"),
        ("activityInstanceId", "activityInstanceId"),
        ("executionId", "executionId"),
        ("processInstanceId", "processInstanceId"),
        ("processDefinitionId", "processDefinitionId"),
        ("processDefinitionKey", "processDefinitionKey"),
        ("tenantId", "tenantId"),
    ];

    async fn lines(call: &Call, _query: &Query, chapters: &[Chapter]) -> Result<Vec<Value>, ApiError> {
        let elements = elements(call, chapters).await?;
        let own = lines(chapters, &elements).into_iter().filter(|line| line.job.kind == Some(JobKind::External));
        let shape = |line: Line<'_>| {
            with(
                line.common(),
                shape!({
                    "externalTaskId": line.job_id(),
                    "topicName": line.job.topic,
                    "workerId": line.job.holder,
                    "retries": line.job.retries,
                    "priority": null,
                    "errorMessage": line.job.error,
                    "activityInstanceId": activity(line.row.instance, line.number.into()),
                }),
            )
        };
        Ok(own.map(shape).collect())
    }
}

pub(super) struct JobLog;

impl Log for JobLog {
    const WHAT: &'static str = "Historic job log";
    const NAMES: &'static [&'static str] = &["processInstanceId", "jobId", "executionIdIn", "logId"];
    const WORDS: &'static [&'static str] = WORDS;
    const RULES: &'static [Rule] = rules![
        Rule::Text("jobId", "jobId"),
        Rule::Text("jobExceptionMessage", "jobExceptionMessage"),
        Rule::Text("jobDefinitionId", "jobDefinitionId"),
        Rule::Text("jobDefinitionType", "jobDefinitionType"),
        Rule::Text("jobDefinitionConfiguration", "jobDefinitionConfiguration"),
        Rule::TextIn("failedActivityIdIn", "failedActivityId"),
        Rule::Text("deploymentId", "deploymentId"),
        Rule::Text("hostname", "hostname"),
        Rule::AtLeast("jobPriorityHigherThanOrEquals", "jobPriority"),
        Rule::AtMost("jobPriorityLowerThanOrEquals", "jobPriority"),
    ];
    const SORTS: &'static [(&'static str, &'static str)] = &[
        ("timestamp", "timestamp"),
        ("jobId", "jobId"),
        ("jobDefinitionId", "jobDefinitionId"),
        ("jobDueDate", "jobDueDate"),
        ("jobRetries", "jobRetries"),
        ("jobPriority", "jobPriority"),
        ("activityId", "activityId"),
        ("executionId", "executionId"),
        ("processInstanceId", "processInstanceId"),
        ("processDefinitionId", "processDefinitionId"),
        ("processDefinitionKey", "processDefinitionKey"),
        ("deploymentId", "deploymentId"),
        ("hostname", "hostname"),
        ("occurrence", ""),
        ("tenantId", "tenantId"),
    ];

    async fn lines(call: &Call, _query: &Query, chapters: &[Chapter]) -> Result<Vec<Value>, ApiError> {
        let elements = elements(call, chapters).await?;
        let mut shaped = Vec::new();
        for line in lines(chapters, &elements) {
            if line.job.kind == Some(JobKind::External) {
                continue;
            }
            let id = DefinitionId(line.row.definition);
            let definition = call.definition(id).await?;
            let node = definition.process.find(&line.job.element).map(|ix| definition.process.node(ix));
            let (kind, configuration) = node.and_then(jobs_of).unzip();
            let job = &line.job;
            let more = shape!({
                "jobId": line.job_id(),
                "jobDueDate": job.due.map(time),
                "jobRetries": job.retries.unwrap_or(ATTEMPTS_DEFAULT),
                "jobPriority": null,
                "jobExceptionMessage": job.error,
                "failedActivityId": job.error.as_ref().map(|_| job.element.as_str()),
                "jobDefinitionId": wire::job_definition(id, &job.element),
                "jobDefinitionType": kind,
                "jobDefinitionConfiguration": configuration,
                "deploymentId": line.row.deployment.to_string(),
                "hostname": job.holder,
                "batchId": null,
            });
            shaped.push(with(line.common(), more));
        }
        Ok(shaped)
    }
}

/// Of a failure what was said of it.
pub(super) async fn stacktrace(call: Call, Path(id): Path<String>, query: Query) -> Answer {
    message(story::line::<JobLog>(&call, &id, &query).await?["jobExceptionMessage"].as_str())
}

pub(super) async fn error_details(call: Call, Path(id): Path<String>, query: Query) -> Answer {
    message(story::line::<ExternalTaskLog>(&call, &id, &query).await?["errorMessage"].as_str())
}

fn message(message: Option<&str>) -> Answer {
    message.map_or_else(no_content, |message| text(message.to_owned()))
}
