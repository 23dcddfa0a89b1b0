//! Users, groups, tenants and authorizations: what is kept of them, and what a change of them does at once.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::models;
use super::server::{Answer, Server};

async fn send(server: &Server, method: &str, path: &str, body: Value) -> Answer {
    server.call(method, &format!("/engine-rest{path}"), Some(body)).await
}

async fn done(server: &Server, method: &str, path: &str, body: Value) {
    let answer = send(server, method, path, body).await;
    assert_eq!(answer.status, 204, "{method} {path}: {answer:?}");
}

async fn get(server: &Server, path: &str) -> Value {
    let answer = server.get(&format!("/engine-rest{path}")).await;
    assert_eq!(answer.status, 200, "{path}: {answer:?}");
    answer.json()
}

async fn ids(server: &Server, path: &str) -> Vec<String> {
    let all = get(server, path).await;
    all.as_array().expect("a list").iter().map(|one| one["id"].as_str().expect("an id").to_owned()).collect()
}

async fn user(server: &Server, id: &str, first: &str) {
    let profile = json!({ "id": id, "firstName": first, "lastName": "Last", "email": format!("{id}@example.org") });
    let body = json!({ "profile": profile, "credentials": { "password": "correct horse battery" } });
    done(server, "POST", "/user/create", body).await;
}

/// As this user with the password that [`user`] gives.
async fn as_user(server: &Server, id: &str, method: &str, path: &str, body: Option<Value>) -> Answer {
    server.call_with_password(id, "correct horse battery", method, &format!("/engine-rest{path}"), body).await
}

#[tokio::test]
async fn users_are_made_found_changed_and_removed() {
    let server = Server::start().await;
    user(&server, "ann", "Anna").await;
    user(&server, "ben", "Benno").await;
    assert_eq!(ids(&server, "/user?sortBy=userId&sortOrder=asc").await, ["ann", "ben", "demo"]);
    assert_eq!(ids(&server, "/user?firstNameLike=An%25").await, ["ann"]);
    assert_eq!(ids(&server, "/user?email=ben@example.org").await, ["ben"]);
    assert_eq!(ids(&server, "/user?idIn=ann,ben&sortBy=firstName&sortOrder=desc&maxResults=1").await, ["ben"]);
    assert_eq!(get(&server, "/user/count?lastName=Last").await["count"], 2);
    let profile = get(&server, "/user/ann/profile").await;
    assert_eq!(profile, json!({ "id": "ann", "firstName": "Anna", "lastName": "Last", "email": "ann@example.org" }));
    done(&server, "PUT", "/user/ann/profile", json!({ "firstName": "Hanna" })).await;
    assert_eq!(get(&server, "/user/ann/profile").await["firstName"], "Hanna");

    let again = json!({ "profile": { "id": "ann" }, "credentials": { "password": "another long one" } });
    assert_eq!(send(&server, "POST", "/user/create", again).await.error().1, "ProcessEngineException");
    for wrong in [
        json!({}),
        json!({ "profile": { "id": "eve" } }),
        json!({ "profile": { "id": "eve" }, "credentials": { "password": "short" } }),
        json!({ "profile": { "id": "eve" }, "credentials": { "password": "i am Eve myself" } }),
        json!({ "profile": { "id": "a:b" }, "credentials": { "password": "correct horse battery" } }),
        json!({ "profile": { "id": "*" }, "credentials": { "password": "correct horse battery" } }),
    ] {
        let answer = send(&server, "POST", "/user/create", wrong.clone()).await;
        assert_eq!(answer.error().0, 400, "{wrong}");
    }
    done(&server, "DELETE", "/user/ben", Value::Null).await;
    assert_eq!(server.get("/engine-rest/user/ben/profile").await.error().0, 404);
    assert_eq!(as_user(&server, "ben", "GET", "/version", None).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_password_is_changed_with_ones_own_and_ends_sessions() {
    let server = Server::start().await;
    user(&server, "ann", "Anna").await;
    let signed_in = json!({ "user": "ann", "password": "correct horse battery" });
    let session = server.session(signed_in).await;
    assert_eq!(server.as_session(&session, "/engine-rest/version").await.status, 200);
    let change = |own: &str, new: &str| json!({ "password": new, "authenticatedUserPassword": own });
    let path = "/user/ann/credentials";
    let wrong = send(&server, "PUT", path, change("no", "tr0ubador and three")).await;
    assert_eq!(wrong.error().2, "The given authenticated user password is not valid.");
    assert_eq!(send(&server, "PUT", path, change("demo", "short")).await.error().0, 400);
    let own = change("correct horse battery", "tr0ubador and three");
    assert_eq!(as_user(&server, "ann", "PUT", path, Some(own)).await.status, 204);
    assert_eq!(as_user(&server, "ann", "GET", "/version", None).await.status, 401, "the old one is out");
    assert_eq!(server.as_session(&session, "/engine-rest/version").await.status, 401, "its sessions have ended");
    done(&server, "POST", "/user/ann/unlock", Value::Null).await;
}

#[tokio::test]
async fn groups_have_members() {
    let server = Server::start().await;
    user(&server, "ann", "Anna").await;
    done(&server, "POST", "/group/create", json!({ "id": "crew", "name": "The crew", "type": "WORKFLOW" })).await;
    done(&server, "POST", "/group/create", json!({ "id": "leads", "name": "Leads", "type": "WORKFLOW" })).await;
    assert_eq!(send(&server, "POST", "/group/create", json!({ "id": "crew" })).await.error().0, 400);
    done(&server, "PUT", "/group/crew/members/ann", Value::Null).await;
    done(&server, "PUT", "/group/crew/members/ann", Value::Null).await;
    assert_eq!(send(&server, "PUT", "/group/crew/members/nobody", Value::Null).await.error().0, 404);
    assert_eq!(send(&server, "PUT", "/group/none/members/ann", Value::Null).await.error().0, 404);
    assert_eq!(ids(&server, "/group?member=ann").await, ["crew"]);
    assert_eq!(ids(&server, "/user?memberOfGroup=crew").await, ["ann"]);
    let body = json!({ "nameLike": "L%", "sorting": [{ "sortBy": "name", "sortOrder": "asc" }] });
    assert_eq!(send(&server, "POST", "/group", body.clone()).await.json()[0]["id"], "leads");
    assert_eq!(send(&server, "POST", "/group/count", body).await.json()["count"], 1);
    let info = get(&server, "/identity/groups?userId=ann").await;
    assert_eq!(info["groups"], json!([{ "id": "crew", "name": "The crew" }]));
    assert_eq!(info["groupUsers"][0]["displayName"], "Anna Last");
    done(&server, "PUT", "/group/crew", json!({ "name": "Crew" })).await;
    assert_eq!(get(&server, "/group/crew").await["name"], "Crew");

    // Membership decides who may claim, at once.
    server.deploy("u.bpmn", &models::user("u")).await;
    let start = send(&server, "POST", "/process-definition/key/u/start", json!({})).await;
    assert_eq!(start.status, 200);
    let tasks = as_user(&server, "ann", "GET", "/task", None).await.json();
    let task = tasks[0]["id"].as_str().expect("the crew's task").to_owned();
    done(&server, "DELETE", "/group/crew/members/ann", Value::Null).await;
    assert_eq!(as_user(&server, "ann", "GET", "/task", None).await.json(), json!([]));
    let claim = Some(json!({ "userId": "ann" }));
    assert_eq!(as_user(&server, "ann", "POST", &format!("/task/{task}/claim"), claim).await.status, 404);
    done(&server, "DELETE", "/group/crew", Value::Null).await;
    assert_eq!(ids(&server, "/group").await, ["leads"]);
}

#[tokio::test]
async fn a_tenant_is_seen_by_its_members_and_by_those_of_its_groups() {
    let server = Server::start().await;
    for name in ["ann", "ben"] {
        user(&server, name, name).await;
        for resource in [6, 8] {
            server.grant(name, resource, "*", &["ALL"]).await;
        }
    }
    done(&server, "POST", "/tenant/create", json!({ "id": "north", "name": "The north" })).await;
    done(&server, "POST", "/tenant/create", json!({ "id": "south", "name": "The south" })).await;
    done(&server, "POST", "/group/create", json!({ "id": "crew", "name": "Crew" })).await;
    done(&server, "PUT", "/group/crew/members/ben", Value::Null).await;
    let model = models::user("u");
    let fields = [("deployment-name", "u"), ("tenant-id", "north")];
    assert_eq!(server.deploy_as("demo", &fields, &[("u.bpmn", model.as_bytes())]).await.status, 200);
    let seen =
        async |who: &str| as_user(&server, who, "GET", "/process-definition/count", None).await.json()["count"].clone();
    assert_eq!((seen("ann").await, seen("ben").await), (json!(0), json!(0)));
    done(&server, "PUT", "/tenant/north/user-members/ann", Value::Null).await;
    done(&server, "PUT", "/tenant/north/group-members/crew", Value::Null).await;
    assert_eq!((seen("ann").await, seen("ben").await), (json!(1), json!(1)));
    assert_eq!(ids(&server, "/tenant?userMember=ann").await, ["north"]);
    assert_eq!(ids(&server, "/tenant?userMember=ben").await, Vec::<String>::new());
    assert_eq!(ids(&server, "/tenant?userMember=ben&includingGroupsOfUser=true").await, ["north"]);
    assert_eq!(ids(&server, "/tenant?groupMember=crew").await, ["north"]);
    assert_eq!(ids(&server, "/group?memberOfTenant=north").await, ["crew"]);
    assert_eq!(ids(&server, "/user?memberOfTenant=north").await, ["ann"]);
    assert_eq!(get(&server, "/tenant/count?nameLike=The%25").await["count"], 2);
    let own = as_user(&server, "ann", "GET", "/tenant", None).await.json();
    assert_eq!(own, json!([{ "id": "north", "name": "The north" }]), "only his own");
    assert_eq!(as_user(&server, "ann", "GET", "/tenant/south", None).await.error().0, 404);

    done(&server, "DELETE", "/tenant/north/user-members/ann", Value::Null).await;
    done(&server, "DELETE", "/tenant/north/group-members/crew", Value::Null).await;
    assert_eq!((seen("ann").await, seen("ben").await), (json!(0), json!(0)), "gone at once");
    done(&server, "PUT", "/tenant/south", json!({ "name": "South" })).await;
    assert_eq!(get(&server, "/tenant/south").await["name"], "South");
    done(&server, "DELETE", "/tenant/south", Value::Null).await;
    assert_eq!(ids(&server, "/tenant").await, ["north"]);
}

#[tokio::test]
async fn authorizations_are_made_found_changed_and_checked() {
    let server = Server::start().await;
    user(&server, "ann", "Anna").await;
    let rule = json!({ "type": 1, "userId": "ann", "resourceType": 6, "resourceId": "u", "permissions": ["READ", "CREATE_INSTANCE"] });
    let made = send(&server, "POST", "/authorization/create", rule.clone()).await.json();
    assert_eq!((&made["type"], &made["groupId"], &made["resourceId"]), (&json!(1), &json!(null), &json!("u")));
    assert_eq!(made["permissions"], json!(["READ", "CREATE_INSTANCE"]));
    let id = made["id"].as_str().expect("an id").to_owned();
    assert_eq!(send(&server, "POST", "/authorization/create", rule).await.error().1, "ProcessEngineException");
    let for_all = json!({ "type": 0, "userId": "*", "resourceType": 9, "permissions": ["ALL"] });
    let made = send(&server, "POST", "/authorization/create", for_all).await.json();
    assert_eq!(
        (&made["userId"], &made["resourceId"], &made["permissions"]),
        (&json!("*"), &json!("*"), &json!(["ALL"]))
    );
    assert_eq!(ids(&server, "/authorization?userIdIn=ann").await, [id.as_str()]);
    assert_eq!(ids(&server, "/authorization?type=0&resourceType=9").await.len(), 1);
    assert_eq!(get(&server, "/authorization/count?resourceId=u").await["count"], 1);
    for wrong in [
        json!({}),
        json!({ "type": 7, "userId": "ann", "resourceType": 6 }),
        json!({ "type": 1, "resourceType": 6 }),
        json!({ "type": 1, "userId": "ann", "groupId": "crew", "resourceType": 6 }),
        json!({ "type": 1, "userId": "ann", "resourceType": 99 }),
        json!({ "type": 1, "userId": "ann", "resourceType": 6, "permissions": ["FLY"] }),
        json!({ "type": 1, "userId": "ann", "resourceType": 0, "permissions": ["READ"] }),
        json!({ "type": 0, "userId": "ann", "resourceType": 6 }),
    ] {
        assert_eq!(send(&server, "POST", "/authorization/create", wrong.clone()).await.error().0, 400, "{wrong}");
    }
    let check = async |who: &str, word: &str, object: &str| {
        let query = format!("permissionName={word}&resourceName=ProcessDefinition&resourceType=6&resourceId={object}");
        as_user(&server, who, "GET", &format!("/authorization/check?{query}"), None).await.json()["authorized"].clone()
    };
    assert_eq!(check("ann", "READ", "u").await, true);
    assert_eq!(check("ann", "READ", "v").await, false);
    assert_eq!(check("ann", "DELETE", "u").await, false);
    let path = format!("/authorization/{id}");
    done(
        &server,
        "PUT",
        &path,
        json!({ "userId": "ann", "resourceType": 6, "resourceId": "v", "permissions": ["READ"] }),
    )
    .await;
    assert_eq!((check("ann", "READ", "u").await, check("ann", "READ", "v").await), (json!(false), json!(true)));
    let other = json!({ "type": 1, "userId": "ann", "resourceType": 6, "resourceId": "w", "permissions": ["READ"] });
    let other = send(&server, "POST", "/authorization/create", other).await.json();
    let other = format!("/authorization/{}", other["id"].as_str().expect("an id"));
    let same = json!({ "userId": "ann", "resourceType": 6, "resourceId": "v", "permissions": ["DELETE"] });
    let clash = send(&server, "PUT", &other, same).await.error();
    assert_eq!((clash.0, clash.1.as_str()), (400, "ProcessEngineException"), "there is one of ann and v already");
    done(&server, "DELETE", &other, Value::Null).await;
    let asked = "/authorization/check?permissionName=READ&resourceName=x&resourceType=6&resourceId=v&userId=ann";
    assert_eq!(get(&server, asked).await["authorized"], true);
    done(&server, "DELETE", &path, Value::Null).await;
    assert_eq!(check("ann", "READ", "v").await, false, "gone at once");
    assert_eq!(server.get(&format!("/engine-rest{path}")).await.error().0, 404);
}

/// Whoever may grant still grants no more than he has, and makes no administrator of himself.
#[tokio::test]
async fn nobody_rises_by_himself() {
    let server = Server::start().await;
    user(&server, "ann", "Anna").await;
    for resource in [1, 2, 3, 4] {
        server.grant("ann", resource, "*", &["ALL"]).await;
    }
    let more = json!({ "type": 1, "userId": "ann", "resourceType": 6, "resourceId": "*", "permissions": ["ALL"] });
    assert_eq!(as_user(&server, "ann", "POST", "/authorization/create", Some(more)).await.error().0, 403);
    done(&server, "POST", "/group/create", json!({ "id": "camunda-admin", "name": "Administrators" })).await;
    let join = "/group/camunda-admin/members/ann";
    assert_eq!(as_user(&server, "ann", "PUT", join, None).await.error().0, 403);
    let password = json!({ "password": "taken over by ann", "authenticatedUserPassword": "correct horse battery" });
    assert_eq!(as_user(&server, "ann", "PUT", "/user/demo/credentials", Some(password)).await.error().0, 403);
    assert_eq!(as_user(&server, "ann", "DELETE", "/user/demo", None).await.error().0, 403);
    let own = json!({ "type": 1, "groupId": "camunda-admin", "resourceType": 1, "permissions": ["READ"] });
    assert_eq!(as_user(&server, "ann", "POST", "/authorization/create", Some(own)).await.status, 200);
    done(&server, "PUT", join, Value::Null).await;
    assert_eq!(as_user(&server, "ann", "GET", "/authorization/count", None).await.status, 200);
    let metrics = server.call_with_password("ann", "correct horse battery", "GET", "/api/metrics", None).await;
    assert_eq!(metrics.status, 200, "a member is an administrator");
}

/// A group gives what its members may do: who may not do all of it neither joins it nor takes it over.
#[tokio::test]
async fn a_group_whose_members_may_do_more_is_not_for_taking() {
    let server = Server::start().await;
    for id in ["ann", "boss"] {
        user(&server, id, id).await;
    }
    for resource in [1, 2, 3] {
        server.grant("ann", resource, "*", &["ALL"]).await;
    }
    for group in ["camunda-admin", "leads", "crew"] {
        done(&server, "POST", "/group/create", json!({ "id": group, "name": group })).await;
    }
    done(&server, "PUT", "/group/leads/members/boss", Value::Null).await;
    let lead = json!({ "type": 1, "groupId": "leads", "resourceType": 6, "permissions": ["DELETE"] });
    assert_eq!(send(&server, "POST", "/authorization/create", lead).await.status, 200);
    let tries = async |group: &str| {
        let mut statuses = Vec::new();
        for (method, path) in [
            ("PUT", format!("/group/{group}/members/ann")),
            ("DELETE", format!("/group/{group}/members/ann")),
            ("PUT", format!("/group/{group}")),
        ] {
            let body = (!path.contains("members")).then(|| json!({ "name": "mine" }));
            statuses.push(as_user(&server, "ann", method, &path, body).await.status.as_u16());
        }
        statuses.push(as_user(&server, "ann", "DELETE", &format!("/group/{group}"), None).await.status.as_u16());
        statuses
    };
    assert_eq!(tries("camunda-admin").await, [403; 4]);
    assert_eq!(tries("leads").await, [403; 4]);
    assert_eq!(tries("crew").await, [204; 4]);
    assert_eq!(ids(&server, "/group?sortBy=id&sortOrder=asc").await, ["camunda-admin", "leads"]);
    let taken = json!({ "password": "taken over by ann", "authenticatedUserPassword": "correct horse battery" });
    let refused = as_user(&server, "ann", "PUT", "/user/boss/credentials", Some(taken.clone())).await.error();
    assert_eq!(refused.0, 403, "boss may delete definitions by the group: {}", refused.2);
    server.grant("ann", 6, "*", &["DELETE"]).await;
    assert_eq!(as_user(&server, "ann", "PUT", "/group/leads/members/ann", None).await.status, 204, "nothing to gain");
    assert_eq!(as_user(&server, "ann", "PUT", "/user/boss/credentials", Some(taken)).await.status, 204);
}

/// An account that sees other tenants is not changed by who does not see them.
#[tokio::test]
async fn an_account_of_other_tenants_is_not_taken_over() {
    let server = Server::start().await;
    server.account("sue", Some(&["south"]), false).await;
    server.bare_account("nora", Some(&["north"]), false).await;
    server.bare_account("sam", Some(&["south"]), false).await;
    let change = json!({ "password": "taken over by sue", "authenticatedUserPassword": "sue" });
    for (user, status) in [("nora", 403), ("sam", 204)] {
        let path = format!("/engine-rest/user/{user}/credentials");
        assert_eq!(server.call_as("sue", "PUT", &path, Some(change.clone())).await.status, status, "{user}");
        let path = format!("/engine-rest/user/{user}");
        assert_eq!(server.call_as("sue", "DELETE", &path, None).await.status, status, "{user}");
    }
}

#[tokio::test]
async fn options_tell_what_the_caller_may_do() {
    let server = Server::start().await;
    user(&server, "ann", "Anna").await;
    done(&server, "POST", "/group/create", json!({ "id": "crew" })).await;
    let words = async |who: Option<&str>, path: &str| -> Vec<String> {
        let answer = match who {
            None => server.call("OPTIONS", &format!("/engine-rest{path}"), None).await,
            Some(who) => as_user(&server, who, "OPTIONS", path, None).await,
        };
        assert_eq!(answer.status, 200, "{path}");
        let links = answer.json()["links"].as_array().expect("links").clone();
        links.iter().map(|link| link["rel"].as_str().expect("a word").to_owned()).collect()
    };
    assert_eq!(words(None, "/user").await, ["list", "count", "create"]);
    assert_eq!(words(Some("ann"), "/user").await, ["list", "count"]);
    assert_eq!(words(None, "/user/ann").await, ["self", "delete", "updateProfile", "updateCredentials"]);
    assert_eq!(words(None, "/group/crew").await, ["self", "delete", "update"]);
    assert_eq!(words(Some("ann"), "/group/crew/members").await, Vec::<String>::new());
    assert_eq!(words(None, "/tenant/x/user-members").await, ["create", "delete"]);
    assert_eq!(words(None, "/tenant/x/group-members").await, ["create", "delete"]);
    assert_eq!(words(None, "/authorization").await, ["list", "count", "create"]);
    assert_eq!(words(None, "/authorization/x").await, ["self", "delete", "update"]);
}

#[tokio::test]
async fn the_password_policy_is_told_and_tried() {
    let server = Server::start().await;
    let rules = get(&server, "/identity/password-policy").await["rules"].clone();
    assert_eq!(rules[0], json!({ "placeholder": "PASSWORD_POLICY_LENGTH", "parameter": { "minLength": "8" } }));
    let tried = async |password: &str| {
        let body = json!({ "password": password, "profile": { "id": "ann" } });
        send(&server, "POST", "/identity/password-policy", body).await.json()["valid"].clone()
    };
    assert_eq!(tried("correct horse").await, true);
    assert_eq!(tried("short").await, false);
    assert_eq!(tried("hannah 1234").await, false, "it holds the name");
}
