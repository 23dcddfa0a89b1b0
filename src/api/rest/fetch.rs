//! `POST /external-task/fetchAndLock`: work for a worker, at once or when it comes (`rest.md` 2.5, D13).
//!
//! A parked request is woken by the commit that opens a job. Locks whose answer does not reach the connection are given
//! back at once: leasing runs in a task of its own, and what it took is released unless the answer is taken up.

use super::external_task::job_of;
use super::filter::Rule;
use super::{Words, compare, filter, tenant, time};
use crate::api::call::Call;
use crate::api::error::{Answer, ApiError};
use crate::api::guarded::workable;
use crate::api::json::{Json, Object, json};
use crate::api::params::{Filters, Page};
use crate::api::value::{self, Objects};
use crate::api::wire;
use crate::base::id::{InstanceId, TokenId};
use crate::base::limits::{LONG_POLL_MAX_MS, PARKED_FETCHES_MAX};
use crate::engine::command::Command;
use crate::engine::instance::Instance;
use crate::engine::job::{Claim, JobKind};
use crate::partition::Work;
use crate::partition::view::visible;
use crate::runtime::node::Node;
use crate::store::queries::record::{JobRecord, job_kind_code};
use crate::store::queries::select::{Condition, Order, Relation, Test, column, related};
use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use serde_json::{Value, json as shape};
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Expired locks and tasks of other nodes wake nobody: look again after so long.
const LOOK_AGAIN: Duration = Duration::from_secs(30);
/// Who comes when too many wait gets nothing, slowly, so that it does not ask again at once.
const CROWDED: Duration = Duration::from_secs(1);
/// More candidates than tasks wanted, since others take some meanwhile.
const CANDIDATES_MORE: i64 = 50;
const TASKS_MAX: i64 = 1_000;

/// One topic that a worker asks for.
#[derive(Clone, Debug)]
struct Topic {
    name: String,
    lock_ms: i64,
    conditions: Vec<Condition>,
    wish: TopicWish,
}

/// What a worker wants to be told.
#[derive(Clone, Debug)]
pub(in crate::api) struct TopicWish {
    /// `None`: all.
    variables: Option<Vec<String>>,
    local_only: bool,
    objects: Objects,
    properties: bool,
}

impl Default for TopicWish {
    fn default() -> Self {
        Self { variables: None, local_only: false, objects: Objects::Text, properties: false }
    }
}

pub(in crate::api) type Wish = BTreeMap<String, TopicWish>;

struct Fetch {
    worker: String,
    max: i64,
    order: Vec<(Order, bool)>,
    wait: Option<Duration>,
    topics: Vec<Topic>,
}

pub(super) async fn fetch_and_lock(call: Call, Json(body): Json<Object>) -> Answer {
    let fetch = Fetch::read(body)?;
    let deadline = fetch.wait.map(|wait| Instant::now() + wait);
    let crowd = Crowd::enter(&call);
    let names: Vec<String> = fetch.topics.iter().map(|topic| topic.name.clone()).collect();
    // Parked before the look, so that what opens between them is not missed.
    let node = call.state.node().clone();
    let waiting = node.waiters().park(&names);
    loop {
        let look = waiting.look();
        let found = fetch.lease(&call).await?;
        match found {
            Found::Leased(answer) => return Ok(answer),
            Found::Nothing if fetch.takes_any() && call.caller.sees_all() => waiting.found_nothing(look),
            Found::Nothing | Found::Missed => waiting.hand_on(look),
        }
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now())).unwrap_or_default();
        if left.is_zero() || node.is_closing() {
            return json(shape!([]));
        }
        if crowd.is_full() {
            tokio::time::sleep(CROWDED.min(left)).await;
            return json(shape!([]));
        }
        if matches!(found, Found::Missed) {
            continue; // somebody else was quicker, and there may be more
        }
        let _woken = tokio::time::timeout(left.min(LOOK_AGAIN), waiting.woken()).await;
    }
}

/// What a look came to.
enum Found {
    Leased(Response),
    Nothing,
    /// There were some, and others have them now.
    Missed,
}

/// Counts who waits.
struct Crowd<'a> {
    call: &'a Call,
    before: usize,
}

impl<'a> Crowd<'a> {
    fn enter(call: &'a Call) -> Self {
        let before = call.state.parked.fetch_add(1, Ordering::AcqRel);
        Self { call, before }
    }

    fn is_full(&self) -> bool {
        self.before >= PARKED_FETCHES_MAX
    }
}

impl Drop for Crowd<'_> {
    fn drop(&mut self) {
        self.call.state.parked.fetch_sub(1, Ordering::AcqRel);
    }
}

fn refused(words: impl Into<String>) -> ApiError {
    ApiError::refused("RestException", words)
}

impl Fetch {
    fn read(body: Object) -> Result<Self, ApiError> {
        let topics = body.get("topics").cloned().unwrap_or(Value::Null);
        let sorting = body.get("sorting").cloned();
        let fields = Filters::Body(body);
        let worker = fields.text("workerId")?.filter(|worker| !worker.is_empty());
        let worker = worker.ok_or_else(|| refused("workerId must not be null or empty."))?;
        let max = fields.number("maxTasks")?.unwrap_or(0);
        if max < 0 {
            return Err(refused("maxTasks must be 0 or more."));
        }
        let wait = match fields.number("asyncResponseTimeout")? {
            Some(ms) if ms > LONG_POLL_MAX_MS => {
                return Err(ApiError::invalid(format!(
                    "The asynchronous response timeout cannot be set to a value greater than {LONG_POLL_MAX_MS} milliseconds"
                )));
            }
            Some(ms) => u64::try_from(ms).ok().filter(|ms| *ms > 0).map(Duration::from_millis),
            None => None,
        };
        let mut order = Vec::new();
        if fields.is_true("usePriority")? {
            order.push((column::PRIORITY.into(), true));
        }
        if sorting.is_some() {
            order.extend(filter::order(&fields, &[("createTime", column::CREATED_AT)], |_| Ok(None))?);
        }
        let topics = match topics {
            Value::Null => Vec::new(),
            Value::Array(items) => items.into_iter().map(Topic::read).collect::<Result<Vec<_>, _>>()?,
            other => return Err(crate::api::params::wrong("topics", &other.to_string())),
        };
        Ok(Self { worker, max: max.min(TASKS_MAX), order, wait, topics: last_of_each(topics) })
    }

    /// It passes over no job of its topics.
    fn takes_any(&self) -> bool {
        self.max > 0 && self.topics.iter().all(|topic| topic.conditions.is_empty())
    }

    /// Leases what there is.
    async fn lease(&self, call: &Call) -> Result<Found, ApiError> {
        let jobs = self.candidates(call).await?;
        if jobs.is_empty() {
            return Ok(Found::Nothing);
        }
        let mut left = usize::try_from(self.max).unwrap_or(0);
        let mut taken = Taken::new(call.state.node().clone(), self.worker.clone());
        for (lock_ms, candidates) in by_duration(&self.topics, &jobs) {
            if left == 0 {
                break;
            }
            let work =
                Work::Lease { candidates, holder: self.worker.clone(), until: call.now().plus_ms(lock_ms), max: left };
            let leased = lease(call, work).await?;
            left = left.saturating_sub(leased.len());
            taken.add(leased);
            if call.key.is_some() {
                // The key stands for one answer of the engine: what locks for another time is for the next call.
                break;
            }
        }
        if taken.jobs.is_empty() {
            return Ok(Found::Missed);
        }
        let wish = self.topics.iter().map(|topic| (topic.name.clone(), topic.wish.clone())).collect();
        let items = items(call, &taken.jobs, &wish).await?;
        Ok(Found::Leased(taken.answer(&items)))
    }

    async fn candidates(&self, call: &Call) -> Result<Vec<JobRecord>, ApiError> {
        if self.max == 0 || self.topics.is_empty() {
            return Ok(Vec::new());
        }
        let now = call.now().0;
        let attempts = Condition::Is(column::RETRIES, Test::Greater, 0.into());
        let of_topic = |topic: &Topic| {
            let mut all = vec![Condition::equal(column::TOPIC, topic.name.as_str())];
            all.extend(topic.conditions.clone());
            Condition::All(all)
        };
        let conditions = vec![
            Condition::equal(column::KIND, job_kind_code(JobKind::External)),
            Condition::flag(column::FAILED, false),
            Condition::flag(column::SUSPENDED, false),
            Condition::Is(column::DUE, Test::LessOrEqual, now.into()),
            Condition::Any(vec![Condition::Empty(column::RETRIES), attempts]),
            // A lock that ends is taken off by the engine at its time, which also wakes who waits.
            Condition::Empty(column::HOLDER),
            Condition::Any(self.topics.iter().map(of_topic).collect()),
            workable(&call.caller),
        ];
        let page = Page { first: 0, max: Some(self.max + CANDIDATES_MORE) };
        let order = match self.order.is_empty() {
            // The order of the index of open jobs.
            true => vec![(column::PRIORITY.into(), true)],
            false => self.order.clone(),
        };
        let rows = call.list(conditions, order, page).await?;
        Ok(if self.order.is_empty() { fair(rows) } else { rows })
    }
}

/// Tenants take turns.
fn fair(rows: Vec<JobRecord>) -> Vec<JobRecord> {
    let mut queues: BTreeMap<String, VecDeque<JobRecord>> = BTreeMap::new();
    for row in rows {
        queues.entry(row.tenant.clone()).or_default().push_back(row);
    }
    let mut fair = Vec::new();
    while !queues.is_empty() {
        fair.extend(queues.values_mut().filter_map(VecDeque::pop_front));
        queues.retain(|_, queue| !queue.is_empty());
    }
    fair
}

/// Of a topic named twice the later entry counts.
fn last_of_each(topics: Vec<Topic>) -> Vec<Topic> {
    let mut last: Vec<Topic> = Vec::with_capacity(topics.len());
    for topic in topics {
        last.retain(|known| known.name != topic.name);
        last.push(topic);
    }
    last
}

type Candidates = Vec<(InstanceId, TokenId)>;

/// One lease for all topics that lock as long, in the order of the candidates.
fn by_duration(topics: &[Topic], jobs: &[JobRecord]) -> Vec<(i64, Candidates)> {
    let mut groups: Vec<(i64, Candidates)> = Vec::new();
    for job in jobs {
        let Some(topic) = topics.iter().find(|topic| topic.name == job.topic) else { continue };
        let Ok(token) = u32::try_from(job.token) else { continue };
        let id = (InstanceId(job.instance), TokenId(token));
        match groups.iter_mut().find(|(ms, _)| *ms == topic.lock_ms) {
            Some((_, group)) => group.push(id),
            None => groups.push((topic.lock_ms, vec![id])),
        }
    }
    groups
}

/// In a task of its own: a request that is dropped meanwhile still learns what it took, and gives it back.
async fn lease(call: &Call, work: Work) -> Result<Vec<Leased>, ApiError> {
    let own = call.of(call.caller.clone());
    let holder = match &work {
        Work::Lease { holder, .. } => holder.clone(),
        _ => String::new(),
    };
    let task = tokio::spawn(async move {
        let words = Words { kind: "RestException", attempt: "Cannot fetch and lock external tasks" };
        let mut taken = Taken::new(own.state.node().clone(), holder);
        taken.add(own.submit(work, words).await?.leased().unwrap_or_default());
        Ok::<_, ApiError>(taken)
    });
    let taken = task.await.map_err(|_| ApiError::failed("Leasing failed. It is logged."))?;
    taken.map(Taken::keep)
}

type Leased = (InstanceId, TokenId, i64);

/// Leases that are given back, without cost, unless their answer is taken up.
struct Taken {
    node: Node,
    holder: String,
    jobs: Vec<Leased>,
}

impl Taken {
    fn new(node: Node, holder: String) -> Self {
        Self { node, holder, jobs: Vec::new() }
    }

    fn add(&mut self, jobs: Vec<Leased>) {
        self.jobs.extend(jobs);
    }

    fn keep(mut self) -> Vec<Leased> {
        std::mem::take(&mut self.jobs)
    }

    /// The connection asks for the body when it can write it.
    fn answer(self, items: &Value) -> Response {
        let bytes = items.to_string();
        let body = futures_util::stream::once(async move {
            self.keep();
            Ok::<_, Infallible>(bytes)
        });
        let mut answer = Response::new(Body::from_stream(body));
        answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        answer
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        let jobs = std::mem::take(&mut self.jobs);
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        for (instance, token, lease_no) in jobs {
            let (node, holder) = (self.node.clone(), self.holder.clone());
            runtime.spawn(async move {
                let claim = Some(Claim { holder, lease_no: Some(lease_no) });
                let command = Command::ReleaseJob { token, claim };
                if let Err(error) = node.command(instance, command).await {
                    tracing::info!(instance.id = instance.0, "a lock that nobody heard of was not given back: {error}");
                }
            });
        }
    }
}

impl Topic {
    fn read(item: Value) -> Result<Self, ApiError> {
        let Value::Object(body) = item else {
            return Err(crate::api::params::wrong("topics", &item.to_string()));
        };
        let equal = body.get("processVariables").cloned();
        let fields = Filters::Body(body);
        let name = fields.text("topicName")?.filter(|name| !name.is_empty());
        let name = name.ok_or_else(|| refused("topicName must not be null or empty."))?;
        let lock_ms = fields.number("lockDuration")?.unwrap_or(0);
        if lock_ms <= 0 {
            return Err(refused("lockDuration must be greater than 0."));
        }
        let mut conditions = filter::conditions(
            &fields,
            &[
                Rule::Text("businessKey", column::BUSINESS_KEY),
                Rule::Definition("processDefinitionId", column::DEFINITION),
                Rule::DefinitionIn("processDefinitionIdIn", column::DEFINITION),
                Rule::Text("processDefinitionKey", column::PROCESS),
                Rule::TextIn("processDefinitionKeyIn", column::PROCESS),
                Rule::Text("processDefinitionVersionTag", column::DEFINITION_VERSION_TAG),
                Rule::Tenants,
            ],
        )?;
        conditions.extend(equal_variables(equal)?);
        let objects = if fields.is_true("deserializeValues")? { Objects::Open } else { Objects::Text };
        let wish = TopicWish {
            variables: fields.list("variables")?,
            local_only: fields.is_true("localVariables")?,
            objects,
            properties: fields.is_true("includeExtensionProperties")?,
        };
        Ok(Self { name, lock_ms, conditions, wish })
    }
}

/// `{"name": value}`: every one must be equal; none is no filter.
fn equal_variables(equal: Option<Value>) -> Result<Vec<Condition>, ApiError> {
    let members = match equal {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Object(members)) => members,
        Some(other) => return Err(crate::api::params::wrong("processVariables", &other.to_string())),
    };
    let list = members.into_iter().map(|(name, value)| shape!({ "name": name, "operator": "eq", "value": value }));
    let mut body = Object::new();
    body.insert("all".to_owned(), list.collect());
    compare::variables(&Filters::Body(body), "all", Relation::Variable, Some(Condition::Empty(related::TOKEN)))
}

/// What a worker is told of each task, read after the commit.
pub(in crate::api) async fn items(call: &Call, jobs: &[Leased], wish: &Wish) -> Result<Value, ApiError> {
    let mut live: BTreeMap<InstanceId, Option<Instance>> = BTreeMap::new();
    let mut items = Vec::with_capacity(jobs.len());
    for leased in jobs {
        let instance = match live.entry(leased.0) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => unknown.insert(call.behind().live(leased.0).await?),
        };
        // It may have been cancelled since.
        items.extend(instance.as_ref().and_then(|instance| item(instance, *leased, wish)));
    }
    Ok(Value::Array(items))
}

fn item(instance: &Instance, (id, token, lease_no): Leased, wish: &Wish) -> Option<Value> {
    let job = job_of(instance, token)?;
    let (scope, at) = instance.find(token)?;
    let definition = &instance.definition;
    let node = definition.process.node(at.at);
    let known = TopicWish::default();
    let wish = wish.get(&job.topic).unwrap_or(&known);
    let mut variables = match wish.local_only {
        true => instance.scopes.get(&at.own.unwrap_or(scope)).map(|scope| scope.variables.clone()).unwrap_or_default(),
        false => visible(instance, token),
    };
    if let Some(names) = &wish.variables {
        variables.retain(|name, _| names.contains(name));
    }
    let properties = if wish.properties { node.properties.clone() } else { BTreeMap::new() };
    Some(shape!({
        "activityId": node.id.as_str(),
        "activityInstanceId": wire::activity(id, token),
        "errorMessage": job.error.as_ref().map(|error| error.message.as_str()),
        "errorDetails": job.error.as_ref().and_then(|error| error.details.as_deref()),
        "executionId": wire::inner(id, token),
        "id": wire::leased(id, token, lease_no),
        "lockExpirationTime": job.lease.as_ref().map(|lease| time(lease.until.0)),
        "createTime": time(job.created_at.0),
        "processDefinitionId": wire::definition(&definition.key, definition.version.into(), definition.id.0),
        "processDefinitionKey": definition.key,
        "processDefinitionVersionTag": definition.process.version_tag,
        "processInstanceId": id.to_string(),
        "retries": job.retries,
        "suspended": false,
        "workerId": job.lease.as_ref().map(|lease| lease.holder.as_str()),
        "topicName": job.topic,
        "tenantId": tenant(&instance.head.tenant),
        "variables": value::write_all(&variables, wish.objects),
        "priority": job.priority,
        "businessKey": instance.head.business_key,
        "extensionProperties": properties,
    }))
}
