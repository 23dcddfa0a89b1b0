//! Requests through the router in this process: paths and bodies of every resource, and deployments as forms. Nothing is
//! answered with an error of ours.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request, header};
use data_encoding::BASE64;
use tower::ServiceExt;
use transhume::api::{ApiState, NewAccount, Options, router};
use transhume::handlers::{Registry, registry};
use transhume::runtime::clock::system;
use transhume::runtime::node::{Config, Node};
use transhume::store::Store;

use super::{Target, seeds, way, words};

/// Requests that wait for work, and streams of events, are cut off then.
const PATIENCE: Duration = Duration::from_millis(400);
/// Instances, tasks and jobs are replaced after so many requests, for those may have ended.
const RENEWED_AFTER: usize = 40;
const ANSWER_BYTES_MAX: usize = 16 << 20;

const MODEL: &str = r#"<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:camunda="http://camunda.org/schema/1.0/bpmn" targetNamespace="t">
<message id="m" name="go"/><process id="p" isExecutable="true" camunda:historyTimeToLive="5"><startEvent id="s"/><sequenceFlow id="f1" sourceRef="s" targetRef="fork"/><parallelGateway id="fork"/>
<sequenceFlow id="f2" sourceRef="fork" targetRef="ask"/><userTask id="ask" name="Ask"/><sequenceFlow id="f3" sourceRef="ask" targetRef="e1"/><endEvent id="e1"/>
<sequenceFlow id="f4" sourceRef="fork" targetRef="work"/><serviceTask id="work" camunda:type="external" camunda:topic="t"/><sequenceFlow id="f5" sourceRef="work" targetRef="e2"/><endEvent id="e2"/>
<sequenceFlow id="f6" sourceRef="fork" targetRef="told"/><intermediateCatchEvent id="told"><messageEventDefinition messageRef="m"/></intermediateCatchEvent><sequenceFlow id="f7" sourceRef="told" targetRef="e3"/><endEvent id="e3"/>
<sequenceFlow id="f8" sourceRef="fork" targetRef="hour"/><intermediateCatchEvent id="hour"><timerEventDefinition><timeDuration>PT1H</timeDuration></timerEventDefinition></intermediateCatchEvent><sequenceFlow id="f9" sourceRef="hour" targetRef="e4"/><endEvent id="e4"/>
</process></definitions>"#;

/// Method, path and body. `{i}`, `{t}`, `{x}`, `{j}`, `{d}`, `{p}` are an instance, a task, an external task, a job, a definition, a deployment that live.
const REQUESTS: &[&str] = &[
    "GET /engine-rest/process-instance?sortBy=instanceId&sortOrder=asc&maxResults=2",
    "POST /engine-rest/process-instance\n{\"variables\":[{\"name\":\"n\",\"operator\":\"gteq\",\"value\":1}],\"sorting\":[{\"sortBy\":\"instanceId\",\"sortOrder\":\"desc\"}]}",
    "POST /engine-rest/process-definition/key/p/start\n{\"businessKey\":\"k\",\"variables\":{\"n\":{\"value\":1,\"type\":\"Integer\"},\"d\":{\"value\":\"2026-01-01T00:00:00.000+0000\",\"type\":\"Date\"}},\"withVariablesInReturn\":true}",
    "GET /engine-rest/process-instance/{i}/activity-instances",
    "PUT /engine-rest/process-instance/{i}/variables/n\n{\"value\":\"{\\\"a\\\":1}\",\"type\":\"Json\",\"valueInfo\":{}}",
    "POST /engine-rest/process-instance/{i}/variables\n{\"modifications\":{\"a\":{\"value\":1}},\"deletions\":[\"n\"]}",
    "PUT /engine-rest/process-instance/suspended\n{\"suspended\":true,\"processInstanceIds\":[\"{i}\"]}",
    "PUT /engine-rest/process-instance/{i}/suspended\n{\"suspended\":false}",
    "DELETE /engine-rest/process-instance/{i}?skipCustomListeners=true",
    "GET /engine-rest/task?assigneeLike=a%25&processVariables=n_eq_1,text_like_%25a&sortBy=created&sortOrder=desc",
    "POST /engine-rest/task\n{\"candidateGroups\":[\"a\"],\"orQueries\":[{\"nameLike\":\"A%\"}],\"taskVariables\":[{\"name\":\"n\",\"operator\":\"eq\",\"value\":null}]}",
    "POST /engine-rest/task/{t}/claim\n{\"userId\":\"ada\"}",
    "POST /engine-rest/task/{t}/complete\n{\"variables\":{\"a\":{\"value\":true}}}",
    "POST /engine-rest/task/{t}/bpmnError\n{\"errorCode\":\"E\",\"errorMessage\":\"m\",\"variables\":{}}",
    "PUT /engine-rest/task/{t}\n{\"name\":\"n\",\"priority\":50,\"due\":\"2026-01-01T00:00:00.000+0000\",\"followUp\":null}",
    "POST /engine-rest/task/{t}/identity-links\n{\"userId\":\"a\",\"type\":\"candidate\"}",
    "POST /engine-rest/task/{t}/comment/create\n{\"message\":\"m\"}",
    "GET /engine-rest/task/{t}/form-variables?variableNames=a,b&deserializeValues=false",
    "POST /engine-rest/external-task/fetchAndLock\n{\"workerId\":\"w\",\"maxTasks\":2,\"usePriority\":true,\"topics\":[{\"topicName\":\"t\",\"lockDuration\":1000,\"variables\":[\"n\"],\"processVariables\":{\"n\":1}}]}",
    "POST /engine-rest/external-task/{x}/complete\n{\"workerId\":\"w\",\"variables\":{\"a\":{\"value\":[1],\"type\":\"Object\",\"valueInfo\":{\"serializationDataFormat\":\"application/json\",\"objectTypeName\":\"a\"}}}}",
    "POST /engine-rest/external-task/{x}/failure\n{\"workerId\":\"w\",\"errorMessage\":\"m\",\"retries\":2,\"retryTimeout\":1000}",
    "POST /engine-rest/external-task/{x}/lock\n{\"workerId\":\"w\",\"lockDuration\":1000}",
    "POST /engine-rest/external-task/{x}/extendLock\n{\"workerId\":\"w\",\"newDuration\":9223372036854775807}",
    "PUT /engine-rest/external-task/{x}/retries\n{\"retries\":3}",
    "GET /engine-rest/external-task?topicName=t&locked=true&priorityHigherThanOrEquals=1",
    "PUT /engine-rest/job/{j}/duedate\n{\"duedate\":\"2026-01-01T00:00:00.000+0000\",\"cascade\":false}",
    "POST /engine-rest/job/{j}/execute",
    "PUT /engine-rest/job/{j}/retries\n{\"retries\":1}",
    "GET /engine-rest/job?dueDates=gt_2026-01-01T00:00:00.000%2B0000&timers=true",
    "POST /engine-rest/message\n{\"messageName\":\"go\",\"businessKey\":\"k\",\"correlationKeys\":{\"n\":{\"value\":1}},\"processVariables\":{},\"resultEnabled\":true,\"all\":true}",
    "POST /engine-rest/signal\n{\"name\":\"all\",\"variables\":{},\"withoutTenantId\":true}",
    "POST /engine-rest/condition\n{\"variables\":{\"n\":{\"value\":1}},\"businessKey\":\"k\"}",
    "POST /engine-rest/decision-definition/key/d/evaluate\n{\"variables\":{\"n\":{\"value\":1}}}",
    "GET /engine-rest/process-definition/{d}/statistics?incidents=true",
    "GET /engine-rest/process-definition/{d}/xml",
    "PUT /engine-rest/process-definition/{d}/suspended\n{\"suspended\":true,\"includeProcessInstances\":true,\"executionDate\":null}",
    "GET /engine-rest/process-definition/statistics?failedJobs=true&rootIncidents=true",
    "GET /engine-rest/deployment/{p}/resources",
    "DELETE /engine-rest/deployment/{p}?cascade=false",
    "GET /engine-rest/variable-instance?variableValues=n_eq_1&deserializeValues=false",
    "GET /engine-rest/history/process-instance?startedBefore=2030-01-01T00:00:00.000%2B0000&variables=n_neq_2",
    "POST /engine-rest/history/process-instance\n{\"executedActivityIdIn\":[\"s\"],\"orQueries\":[{\"active\":true},{\"completed\":true}]}",
    "GET /engine-rest/history/activity-instance?finished=true&sortBy=duration&sortOrder=asc",
    "GET /engine-rest/history/variable-instance?variableNameLike=n%25",
    "GET /engine-rest/incident?incidentTypeIn=failedJob",
    "GET /engine-rest/execution?messageEventSubscriptionName=go",
    "POST /engine-rest/execution/{i}/signal\n{\"variables\":{}}",
    "POST /engine-rest/filter/create\n{\"resourceType\":\"Task\",\"name\":\"f\",\"query\":{\"assignee\":\"a\"},\"properties\":{}}",
    "GET /api/info",
    "GET /api/health",
    "GET /api/programmes",
    "GET /api/metrics",
    "POST /api/setup\n{\"token\":\"a\",\"user\":\"b\",\"password\":\"c\"}",
    "POST /api/session\n{\"user\":\"ada\",\"password\":\"wrong\"}",
    "GET /engine-rest/identity/verify",
    "GET /%2e%2e/%00?a[]=1&a=%zz",
    "OPTIONS /engine-rest/task",
    "GET /console/",
];

const WORDS: &[&str] = &[
    "GET ",
    "POST ",
    "PUT ",
    "DELETE ",
    "HEAD ",
    "PATCH ",
    "/engine-rest",
    "/api",
    "/engine/default",
    "/count",
    "/{i}",
    "/{t}",
    "/{x}",
    "/{j}",
    "/{d}",
    "/{p}",
    "/variables/",
    "/data",
    "?",
    "&",
    "=",
    "%",
    "%00",
    "%25",
    "maxResults=",
    "firstResult=-1",
    "sortBy=",
    "sortOrder=asc",
    "_eq_",
    "_like_",
    "null",
    "true",
    "\"value\":",
    "\"type\":\"Date\"",
    "\"type\":\"Bytes\"",
    "\"type\":\"Object\"",
    "\"type\":\"Long\"",
    "{",
    "}",
    "[",
    "]",
    "\"",
    ",",
    "\\u0000",
    "\\ud800",
    "9223372036854775808",
    "-1",
    "1e999",
    "orQueries",
    "asyncResponseTimeout",
    "\n",
    "${n}",
    "é",
    "deserializeValue=true",
    "tenantIdIn=a,b",
    "withoutTenantId=true",
    ":1:",
];

const FORMS: &[&str] = &[
    "--edge",
    "--edge--",
    "\r\n",
    "\r\n\r\n",
    "Content-Disposition: form-data; name=\"a\"",
    "filename=\"b.bpmn\"",
    "filename=\"../../c.bpmn\"",
    "filename=\"\"",
    "name=\"deployment-name\"",
    "name=\"tenant-id\"",
    "name=\"enable-duplicate-filtering\"",
    "name=\"deployment-activation-time\"",
    "Content-Type: text/xml",
    "Content-Transfer-Encoding: base64",
    ".dmn\"",
    ".form\"",
    ".rhai\"",
    "true",
    "{\"id\":\"f\",\"components\":[]}",
    "let a = 1;",
];

pub(super) struct Requests {
    /// Bodies are forms for deployment, else JSON under any path.
    forms: bool,
    runtime: tokio::runtime::Runtime,
    router: Router,
    taken: usize,
    /// What placeholders stand for.
    ids: Vec<(&'static str, String)>,
    _folder: tempfile::TempDir,
}

impl Requests {
    pub(super) fn start(forms: bool) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let folder = tempfile::tempdir().expect("a folder");
        let router = runtime.block_on(async {
            let store =
                Store::open(&format!("sqlite:{}", folder.path().join("fuzz.db").display())).await.expect("it opens");
            let registry = Arc::new(Registry::new(registry::Config::default()));
            let config = Config { store, clock: system(), registry, name: "fuzz".into(), installation: "fuzz".into() };
            let node = Node::start(config).await.expect("it starts");
            let state = ApiState::new(Options::new(node));
            let (groups, tenants) = (Default::default(), None);
            let account = NewAccount { user: "ada".into(), password: "ada".into(), groups, tenants, admin: true };
            assert!(state.add_account(account).await.expect("it is added"));
            router(state)
        });
        Self { forms, runtime, router, taken: 0, ids: vec![], _folder: folder }
    }

    /// The status, and what came with it; none when it took too long.
    fn ask(&self, request: Request<Body>) -> Option<(u16, String)> {
        self.runtime.block_on(async {
            let answer = async {
                let answer = self.router.clone().oneshot(request).await.expect("a router never fails");
                let status = answer.status().as_u16();
                let bytes = axum::body::to_bytes(answer.into_body(), ANSWER_BYTES_MAX).await.ok()?;
                Some((status, String::from_utf8_lossy(&bytes).into_owned()))
            };
            tokio::time::timeout(PATIENCE, answer).await.ok().flatten()
        })
    }

    fn send(&self, method: &str, path: &str, kind: &str, body: Vec<u8>) -> Option<(u16, String)> {
        let method = Method::from_bytes(method.as_bytes()).ok()?;
        let builder = Request::builder().method(method).uri(path).header(header::CONTENT_TYPE, kind);
        let request = builder.header(header::AUTHORIZATION, format!("Basic {}", BASE64.encode(b"ada:ada")));
        self.ask(request.body(Body::from(body)).ok()?)
    }

    fn first(&self, list: &str) -> String {
        let told = self.send("GET", &format!("/engine-rest/{list}"), "application/json", vec![]);
        let told: serde_json::Value = told.and_then(|(_, text)| serde_json::from_str(&text).ok()).unwrap_or_default();
        told.as_array().and_then(|all| all.last()?["id"].as_str()).unwrap_or("none").to_owned()
    }

    fn renew(&mut self) {
        let form = format!(
            "--edge\r\nContent-Disposition: form-data; name=\"m.bpmn\"; filename=\"m.bpmn\"\r\n\r\n{MODEL}\r\n--edge--\r\n"
        );
        let kind = "multipart/form-data; boundary=edge";
        self.send("POST", "/engine-rest/deployment/create", kind, form.into_bytes());
        self.send(
            "POST",
            "/engine-rest/process-definition/key/p/start",
            "application/json",
            b"{\"variables\":{\"n\":{\"value\":1}}}".to_vec(),
        );
        let lists = [
            ("{i}", "process-instance"),
            ("{t}", "task"),
            ("{x}", "external-task"),
            ("{j}", "job"),
            ("{d}", "process-definition"),
            ("{p}", "deployment"),
        ];
        self.ids = lists.map(|(mark, list)| (mark, self.first(list))).into();
    }
}

impl Target for Requests {
    fn name(&self) -> &'static str {
        if self.forms { "deployments" } else { "requests" }
    }

    fn seeds(&self) -> Vec<Vec<u8>> {
        if !self.forms {
            return seeds::texts(REQUESTS);
        }
        let part = |name: &str, content: &str| {
            format!(
                "--edge\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"{name}\"\r\n\r\n{content}\r\n"
            )
        };
        let field = "--edge\r\nContent-Disposition: form-data; name=\"enable-duplicate-filtering\"\r\n\r\ntrue\r\n";
        let models = seeds::models().into_iter().take(6).filter_map(|bytes| String::from_utf8(bytes).ok());
        let mut all: Vec<String> =
            models.map(|model| format!("{}{field}--edge--\r\n", part("a.bpmn", &model))).collect();
        let form = part("a.form", "{\"id\":\"f\",\"components\":[]}");
        all.push(format!("{form}{}--edge--\r\n", part("b.rhai", "let a = 1;")));
        all.into_iter().map(String::into_bytes).collect()
    }

    fn words(&self) -> Vec<&'static str> {
        if self.forms { [FORMS, words::XML].concat() } else { WORDS.to_vec() }
    }

    fn take(&mut self, input: &[u8]) -> Result<String, String> {
        if self.taken.is_multiple_of(RENEWED_AFTER) {
            self.renew();
        }
        self.taken += 1;
        let answer = if self.forms {
            self.send("POST", "/engine-rest/deployment/create", "multipart/form-data; boundary=edge", input.to_vec())
        } else {
            let mut text = String::from_utf8_lossy(input).into_owned();
            self.ids.iter().for_each(|(mark, id)| text = text.replace(mark, id));
            let (head, body) = text.split_once('\n').unwrap_or((&text, ""));
            let (method, path) = head.split_once(' ').unwrap_or(("GET", head));
            self.send(method, path, "application/json", body.as_bytes().to_vec())
        };
        match answer {
            None => Ok("no request, or no answer in time".into()),
            // Camunda 7 answers so where something else came first, and so do we: each has its reason.
            Some((500, body))
                if [r#""reason":"suspended""#, r#""reason":"claimed""#].iter().any(|r| body.contains(r)) =>
            {
                Ok(format!("500 {}", way(body.get(..200).unwrap_or(&body))))
            }
            Some((status, body)) if status >= 500 && status != 501 && status != 503 => Err(format!("{status}: {body}")),
            Some((status, body)) => Ok(format!("{status} {}", way(body.get(..200).unwrap_or(&body)))),
        }
    }
}
