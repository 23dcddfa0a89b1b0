//! Which path is whose. Every path here stands below `/engine-rest` and below `/engine-rest/engine/default`.

use super::authorization::{self, Authorizations};
use super::batch::{self, Batches, PastBatches, Statistics};
use super::decision::{self, Decisions, Requirements, Versions};
use super::definition::{self, Definitions};
use super::deployment::{self, Deployments};
use super::detail::{self, Details};
use super::execution::{self, Executions, Subscriptions};
use super::external_task::{self, ExternalTasks};
use super::group::{self, Groups};
use super::history::{self as past, PastActivities, PastIncidents, PastTasks};
use super::history_decision::{self, PastDecisions};
use super::history_instance::{self, PastInstances};
use super::incident::{self, Incidents};
use super::instance::{self, Instances};
use super::job::{self, Jobs};
use super::job_definition::{self, JobDefinitions};
use super::job_log::{self, ExternalTaskLog, JobLog};
use super::link_log::LinkLog;
use super::listing::{self, Listing};
use super::operation::{self, Operations};
use super::places::{self, OfExecution, OfInstance, OfTask, OfTaskOnly};
use super::sheet::{self, Sheet};
use super::task::Tasks;
use super::tenant::{self, Tenants};
use super::user::{self, Users};
use super::variable_instance::{self, PastVariables, VariableInstances};
use super::{
    attachment, comment, definition_start, deploy, engine, external_task_report as report, fetch, message,
    modification, not_offered, retention, saved, signal, statistics, story, suspension, task_action as task, telemetry,
};
use crate::api::state::ApiState;
use crate::base::limits::{DEPLOYMENT_BYTES_MAX, REQUEST_BYTES_MAX};
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{MethodFilter, delete, get, on, post, put};

pub(in crate::api) fn routes() -> Router<ApiState> {
    Router::new()
        .merge(engine())
        .merge(deployments())
        .merge(definitions())
        .merge(decisions())
        .merge(instances())
        .merge(executions())
        .merge(external_tasks())
        .merge(tasks())
        .merge(notes())
        .merge(jobs())
        .merge(history())
        .merge(identity())
        .merge(batches())
        .merge(not_offered::routes())
}

/// A list by GET and POST, and its count.
fn lists<L: Listing + 'static>(path: &str) -> Router<ApiState> {
    Router::new()
        .route(path, get(listing::get::<L>).post(listing::post::<L>))
        .route(&format!("{path}/count"), get(listing::get_count::<L>).post(listing::post_count::<L>))
}

/// A list that filters in the address only.
fn list<L: Listing + 'static>(path: &str) -> Router<ApiState> {
    Router::new().route(path, get(listing::get::<L>)).route(&format!("{path}/count"), get(listing::get_count::<L>))
}

/// The same of lists that no table holds.
fn sheet<S: Sheet>(path: &str) -> Router<ApiState> {
    Router::new().route(path, get(sheet::get::<S>)).route(&format!("{path}/count"), get(sheet::get_count::<S>))
}

fn sheets<S: Sheet>(path: &str) -> Router<ApiState> {
    sheet::<S>(path).route(path, post(sheet::post::<S>)).route(&format!("{path}/count"), post(sheet::post_count::<S>))
}

fn engine() -> Router<ApiState> {
    Router::new()
        .route("/engine", get(engine::engines))
        .route("/version", get(engine::version))
        .route("/telemetry/configuration", get(telemetry::configuration).post(telemetry::configure))
        .route("/telemetry/data", get(telemetry::data))
        .route("/identity/verify", post(engine::verify))
        .route("/message", post(message::correlate))
        .route("/signal", post(signal::signal))
        .route("/condition", post(message::condition))
}

fn deployments() -> Router<ApiState> {
    let create = post(deploy::create).layer(DefaultBodyLimit::max(DEPLOYMENT_BYTES_MAX));
    list::<Deployments>("/deployment")
        .route("/deployment/create", create)
        .route("/deployment/registered", get(deployment::registered))
        .route("/deployment/{id}", get(deployment::get).delete(deployment::delete))
        .route("/deployment/{id}/resources", get(deployment::resources))
        .route("/deployment/{id}/resources/{resourceId}", get(deployment::resource_one))
        .route("/deployment/{id}/resources/{resourceId}/data", get(deployment::resource_data))
}

fn definitions() -> Router<ApiState> {
    let mut router = list::<Definitions>("/process-definition")
        .route("/process-definition/suspended", put(suspension::definitions))
        .route("/process-definition/{id}/static-called-process-definitions", get(statistics::called))
        .route("/history/process-definition/{id}/statistics", get(statistics::history))
        .route("/process-definition/statistics", get(definition::statistics));
    for at in named("/process-definition") {
        let below = |path: &str| format!("{at}{path}");
        router = router
            .route(&at, get(definition::get))
            .route(&below("/xml"), get(definition::xml))
            .route(&below("/diagram"), get(definition::diagram))
            .route(&below("/start"), post(definition_start::start))
            .route(&below("/submit-form"), post(definition_start::submit_form))
            .route(&below("/rendered-form"), get(definition::rendered_form))
            .route(&below("/startForm"), get(definition::start_form))
            .route(&below("/deployed-start-form"), get(definition::deployed_start_form))
            .route(&below("/form-variables"), get(definition::form_variables))
            .route(&below("/statistics"), get(definition::activity_statistics))
            .route(&below("/history-time-to-live"), put(retention::process))
            .route(&below("/suspended"), put(suspension::definition));
    }
    router
}

/// How paths name a version.
fn named(path: &str) -> [String; 3] {
    ["{id}", "key/{key}", "key/{key}/tenant-id/{tenant-id}"].map(|name| format!("{path}/{name}"))
}

fn decisions() -> Router<ApiState> {
    let mut router = versions::<Decisions>("/decision-definition")
        .merge(versions::<Requirements>("/decision-requirements-definition"));
    for at in named("/decision-definition") {
        router = router
            .route(&format!("{at}/evaluate"), post(decision::evaluate))
            .route(&format!("{at}/history-time-to-live"), put(retention::decision));
    }
    router
}

fn versions<V: Versions + 'static>(path: &str) -> Router<ApiState> {
    let mut router = list::<V>(path);
    for at in named(path) {
        router = router
            .route(&at, get(decision::get::<V>))
            .route(&format!("{at}/xml"), get(decision::xml::<V>))
            .route(&format!("{at}/diagram"), get(decision::diagram::<V>));
    }
    router
}

fn instances() -> Router<ApiState> {
    lists::<Instances>("/process-instance")
        .merge(lists::<VariableInstances>("/variable-instance"))
        .route("/variable-instance/{id}", get(variable_instance::get))
        .route("/variable-instance/{id}/data", get(variable_instance::data))
        .route("/process-instance/{id}", get(instance::get).delete(instance::delete))
        .route("/process-instance/{id}/activity-instances", get(instance::activity_instances))
        .route("/process-instance/{id}/modification", post(modification::one))
        .route("/modification/execute", post(modification::several))
        .route("/process-instance/suspended", put(suspension::instances))
        .route("/process-instance/{id}/suspended", put(suspension::instance))
        .merge(places::routes::<OfInstance>("/process-instance/{id}/variables"))
}

fn executions() -> Router<ApiState> {
    lists::<Executions>("/execution")
        .merge(list::<Subscriptions>("/event-subscription"))
        .route("/execution/{id}", get(execution::get))
        .route("/execution/{id}/signal", post(execution::signal))
        .route("/execution/{id}/messageSubscriptions/{messageName}", get(execution::message_subscription))
        .route("/execution/{id}/messageSubscriptions/{messageName}/trigger", post(execution::deliver_message))
        .merge(places::routes::<OfExecution>("/execution/{id}/localVariables"))
}

fn external_tasks() -> Router<ApiState> {
    lists::<ExternalTasks>("/external-task")
        .route("/external-task/fetchAndLock", post(fetch::fetch_and_lock))
        .route("/external-task/topic-names", get(external_task::topic_names))
        .route("/external-task/retries", put(report::retries_of_several))
        .route("/external-task/{id}", get(external_task::get))
        .route("/external-task/{id}/errorDetails", get(external_task::error_details))
        .route("/external-task/{id}/complete", post(report::complete))
        .route("/external-task/{id}/failure", post(report::failure))
        .route("/external-task/{id}/bpmnError", post(report::bpmn_error))
        .route("/external-task/{id}/lock", post(report::lock))
        .route("/external-task/{id}/extendLock", post(report::extend_lock))
        .route("/external-task/{id}/unlock", post(report::unlock))
        .route("/external-task/{id}/retries", put(report::retries))
        .route("/external-task/{id}/priority", put(report::priority))
}

fn tasks() -> Router<ApiState> {
    lists::<Tasks>("/task")
        .route("/task/report/candidate-group-count", get(statistics::candidate_groups))
        .route("/task/{id}", get(task::get).put(task::put))
        .route("/task/{id}/claim", post(task::claim))
        .route("/task/{id}/unclaim", post(task::unclaim))
        .route("/task/{id}/assignee", post(task::assignee))
        .route("/task/{id}/delegate", post(task::delegate))
        .route("/task/{id}/resolve", post(task::resolve))
        .route("/task/{id}/complete", post(task::complete))
        .route("/task/{id}/submit-form", post(task::submit_form))
        .route("/task/{id}/rendered-form", get(task::rendered_form))
        .route("/task/{id}/bpmnError", post(task::bpmn_error))
        .route("/task/{id}/bpmnEscalation", post(task::bpmn_escalation))
        .route("/task/{id}/form", get(task::form))
        .route("/task/{id}/deployed-form", get(task::deployed_form))
        .route("/task/{id}/form-variables", get(task::form_variables))
        .route("/task/{id}/identity-links", get(task::links).post(task::add_link))
        .route("/task/{id}/identity-links/delete", post(task::remove_link))
        .merge(places::routes::<OfTask>("/task/{id}/variables"))
        .merge(places::routes::<OfTaskOnly>("/task/{id}/localVariables"))
}

/// What people keep: comments, attachments, saved queries.
fn notes() -> Router<ApiState> {
    Router::new()
        .route("/task/{id}/comment", get(comment::of_a_task).put(comment::change).delete(comment::remove_all))
        .route("/task/{id}/comment/create", post(comment::create))
        .route("/task/{id}/comment/{commentId}", get(comment::one).delete(comment::remove))
        .route(
            "/process-instance/{id}/comment",
            get(comment::of_an_instance).put(comment::change_of_instance).delete(comment::remove_all_of_instance),
        )
        .route("/process-instance/{id}/comment/{commentId}", delete(comment::remove_of_instance))
        .route("/filter", get(saved::list).options(saved::options))
        .route("/filter/count", get(saved::count))
        .route("/filter/create", post(saved::create))
        .route("/filter/{id}", get(saved::get).put(saved::put).delete(saved::delete).options(saved::options_of))
        .route("/filter/{id}/list", get(saved::items).post(saved::post_items))
        .route("/filter/{id}/count", get(saved::item_count).post(saved::post_item_count))
        .route("/filter/{id}/singleResult", get(saved::single).post(saved::post_single))
        .route("/task/{id}/attachment", get(attachment::list))
        .route("/task/{id}/attachment/create", post(attachment::create).layer(DefaultBodyLimit::max(REQUEST_BYTES_MAX)))
        .route("/task/{id}/attachment/{attachmentId}", get(attachment::get).delete(attachment::remove))
        .route("/task/{id}/attachment/{attachmentId}/data", get(attachment::data))
}

fn jobs() -> Router<ApiState> {
    lists::<Jobs>("/job")
        .merge(list::<Incidents>("/incident"))
        .route("/job/{id}", get(job::get))
        .route("/job/{id}/retries", put(job::retries))
        .route("/job/{id}/duedate", put(job::due_date))
        .route("/job/{id}/suspended", put(job::suspended))
        .route("/job/{id}/priority", put(job::priority))
        .route("/job/{id}/execute", post(job::execute))
        .route("/job/{id}/stacktrace", get(job::stacktrace))
        .merge(sheets::<JobDefinitions>("/job-definition"))
        .route("/job-definition/{id}", get(job_definition::get))
        .route("/job-definition/{id}/retries", put(job_definition::retries))
        .route("/incident/{id}", get(incident::get))
        .route("/incident/{id}/annotation", put(incident::annotate).delete(incident::clear_annotation))
}

fn history() -> Router<ApiState> {
    lists::<PastInstances>("/history/process-instance")
        .merge(lists::<PastActivities>("/history/activity-instance"))
        .merge(lists::<PastTasks>("/history/task"))
        .merge(lists::<PastVariables>("/history/variable-instance"))
        .merge(list::<PastIncidents>("/history/incident"))
        .merge(list::<Operations>("/history/user-operation"))
        .route("/history/user-operation/{operationId}/set-annotation", put(operation::annotate))
        .route("/history/user-operation/{operationId}/clear-annotation", put(operation::clear))
        .route("/history/decision-instance", get(history_decision::list))
        .route("/history/decision-instance/count", get(listing::get_count::<PastDecisions>))
        .route("/history/decision-instance/{id}", get(history_decision::get))
        .route("/history/decision-requirements-definition/{id}/statistics", get(history_decision::statistics))
        .merge(story::routes::<Details>("/history/detail"))
        .route("/history/identity-link-log", get(story::list::<LinkLog>))
        .route("/history/identity-link-log/count", get(story::count::<LinkLog>))
        .merge(story::routes::<JobLog>("/history/job-log"))
        .merge(story::routes::<ExternalTaskLog>("/history/external-task-log"))
        .route("/history/detail/{id}/data", get(detail::data))
        .route("/history/job-log/{id}/stacktrace", get(job_log::stacktrace))
        .route("/history/external-task-log/{id}/error-details", get(job_log::error_details))
        .route("/history/activity-instance/{id}", get(past::activity_instance))
        .route(
            "/history/variable-instance/{id}",
            get(variable_instance::get_past).delete(variable_instance::delete_past),
        )
        .route("/history/variable-instance/{id}/data", get(variable_instance::past_data))
        .route("/history/process-instance/{id}/variable-instances", delete(variable_instance::delete_all_past))
        .route("/history/process-instance/{id}", get(history_instance::get).merge(delete(history_instance::delete)))
}

/// Work on many objects, in the background.
fn batches() -> Router<ApiState> {
    sheet::<Batches>("/batch")
        .merge(sheet::<Statistics>("/batch/statistics"))
        .merge(sheet::<PastBatches>("/history/batch"))
        .route("/batch/{id}", get(batch::get).delete(batch::delete))
        .route("/batch/{id}/suspended", put(batch::suspended))
        .route("/history/batch/{id}", get(batch::past_one).delete(batch::delete_past))
        .route("/process-instance/delete", post(batch::delete_instances))
        .route("/process-instance/delete-historic-query-based", post(batch::delete_instances))
        .route("/process-instance/suspended-async", post(batch::suspend_instances))
        .route("/process-instance/variables-async", post(batch::set_variables))
        .route("/process-instance/job-retries", post(batch::retries_of_instances))
        .route("/process-instance/job-retries-historic-query-based", post(batch::retries_of_instances))
        .route("/process-instance/{id}/modification-async", post(modification::one_later))
        .route("/modification/executeAsync", post(modification::several_later))
        .route("/job/retries", post(batch::job_retries))
        .route("/external-task/retries-async", post(batch::external_task_retries))
        .route("/history/process-instance/delete", post(batch::forget_instances))
}

/// Who there is, who belongs where, and what each may do.
fn identity() -> Router<ApiState> {
    sheet::<Users>("/user")
        .merge(sheets::<Groups>("/group"))
        .merge(sheet::<Tenants>("/tenant"))
        .merge(sheet::<Authorizations>("/authorization"))
        .route("/user", on(MethodFilter::OPTIONS, user::options))
        .route("/user/create", post(user::create))
        .route("/user/{id}", delete(user::delete).options(user::options_of))
        .route("/user/{id}/profile", get(user::profile).put(user::change_profile))
        .route("/user/{id}/credentials", put(user::change_credentials))
        .route("/user/{id}/unlock", post(user::unlock))
        .route("/identity/groups", get(user::groups))
        .route("/identity/password-policy", get(user::password_policy).post(user::check_password))
        .route("/group", on(MethodFilter::OPTIONS, group::options))
        .route("/group/create", post(group::create))
        .route("/group/{id}", get(group::get).put(group::put).delete(group::delete).options(group::options_of))
        .route("/group/{id}/members", on(MethodFilter::OPTIONS, group::options_of_members))
        .route("/group/{id}/members/{userId}", put(group::join).delete(group::leave))
        .route("/tenant", on(MethodFilter::OPTIONS, tenant::options))
        .route("/tenant/create", post(tenant::create))
        .route("/tenant/{id}", get(tenant::get).put(tenant::put).delete(tenant::delete).options(tenant::options_of))
        .route("/tenant/{id}/user-members", on(MethodFilter::OPTIONS, tenant::options_of_users))
        .route("/tenant/{id}/user-members/{userId}", put(tenant::join_user).delete(tenant::leave_user))
        .route("/tenant/{id}/group-members", on(MethodFilter::OPTIONS, tenant::options_of_groups))
        .route("/tenant/{id}/group-members/{groupId}", put(tenant::join_group).delete(tenant::leave_group))
        .route("/authorization", on(MethodFilter::OPTIONS, authorization::options))
        .route("/authorization/check", get(authorization::check))
        .route("/authorization/create", post(authorization::create))
        .route(
            "/authorization/{id}",
            get(authorization::get)
                .put(authorization::put)
                .delete(authorization::delete)
                .options(authorization::options_of),
        )
}
