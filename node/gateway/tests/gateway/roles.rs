//! Roles that tenants compose, and the review of who can do what.

use std::time::Duration;

use serde_json::{Value, json};
use via_catalog::command::OpenGrant;
use via_catalog::{Deed, Outcome};
use via_types::{Clock as _, Role};

use crate::rig::{Answer, Rig};

async fn put(rig: &Rig, token: &str, name: &str, tag: Option<&str>, allows: &[&str]) -> Answer {
    let path = format!("/api/v1/roles/{name}");
    let tag = tag.map(|tag| ("If-Match", tag));
    rig.change(token, ("PUT", &path), tag.as_slice(), &json!({"permissions": allows})).await
}

#[tokio::test]
async fn a_role_is_composed_given_changed_and_taken_away() {
    let rig = Rig::guarded().await;
    let admin = rig.admin().await;
    let made = put(&rig, &admin, "on-call", None, &["streams:read"]).await;
    assert_eq!(made.status, 201, "{}", made.json());
    let listed = rig.as_by(&admin, ("GET", "/api/v1/roles"), &Value::Null).await.json();
    let names: Vec<_> =
        listed["items"].as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["admin", "sre", "viewer", "auditor", "on-call"]);
    let eve = json!({"login": "eve", "roles": ["on-call"]});
    let eve = rig.as_by(&admin, ("POST", "/api/v1/users"), &eve).await.json();
    assert_eq!(eve["roles"], json!(["on-call"]));
    let body = json!({"user": "eve", "password": eve["password"]});
    let eve = rig.post_json("/api/v1/sessions", &body.to_string()).await.json();
    let eve = eve["token"].as_str().unwrap();
    let streams = async |method: &str| {
        rig.as_by(eve, (method, "/api/v1/streams"), &json!({"name": "s"})).await.status
    };
    assert_eq!((streams("GET").await, streams("POST").await), (200, 403));
    let more = ["streams:read", "streams:write"];
    let blind = put(&rig, &admin, "on-call", None, &more).await;
    blind.problem(428, "revision_required");
    let tag = made.header("etag").unwrap();
    let changed = put(&rig, &admin, "on-call", Some(tag), &more).await;
    assert_eq!(changed.status, 200);
    assert_eq!(streams("POST").await, 201, "at once");
    put(&rig, &admin, "on-call", Some(tag), &more).await.problem(412, "stale_revision");
    let delete = async |name: &str, tag: &str| {
        let path = format!("/api/v1/roles/{name}");
        rig.change(&admin, ("DELETE", &path), &[("If-Match", tag)], &Value::Null).await
    };
    let now = changed.header("etag").unwrap();
    delete("on-call", now).await.problem(400, "bad_request");
    let spare = put(&rig, &admin, "spare", None, &[]).await;
    assert_eq!(delete("spare", spare.header("etag").unwrap()).await.status, 204);
    delete("spare", "\"1\"").await.problem(404, "unknown_role");
    delete("admin", "\"1\"").await.problem(404, "unknown_role");
    put(&rig, &admin, "late", Some("\"1\""), &[]).await.problem(404, "unknown_role");
}

#[tokio::test]
async fn nobody_composes_more_than_they_may_do() {
    let rig = Rig::guarded().await;
    let admin = rig.admin().await;
    for above in ["quotas:write", "audit:write", "tenants:read"] {
        put(&rig, &admin, "above", None, &[above]).await.problem(403, "forbidden");
    }
    put(&rig, &admin, "odd", None, &["events"]).await.problem(400, "bad_request");
    put(&rig, &admin, "sre", None, &["events:read"]).await.problem(409, "name_taken");
    let strong = put(&rig, &admin, "strong", None, &["keys:delete"]).await;
    let key = json!({"name": "k", "permissions": ["users:write", "users:delete"]});
    let key = rig.as_by(&admin, ("POST", "/api/v1/keys"), &key).await.json();
    let key = key["key"].as_str().unwrap();
    put(&rig, key, "mine", None, &["events:read"]).await.problem(403, "forbidden");
    let tag = strong.header("etag").unwrap();
    put(&rig, key, "strong", Some(tag), &["users:write"]).await.problem(403, "forbidden");
    let path = ("DELETE", "/api/v1/roles/strong");
    let gone = rig.change(key, path, &[("If-Match", tag)], &Value::Null).await;
    gone.problem(403, "forbidden");
    let operator = rig.session(None, Role::OperatorAdmin).await;
    put(&rig, &operator, "mine", None, &["nodes:read"]).await.problem(400, "bad_request");
    let listed = rig.as_by(&operator, ("GET", "/api/v1/roles"), &Value::Null).await.json();
    assert_eq!(listed["items"].as_array().unwrap().len(), 3, "those of the platform");
}

#[tokio::test]
async fn a_review_tells_who_can_do_what_and_when_they_last_did() {
    let rig = Rig::guarded().await;
    let admin = rig.admin().await;
    let made = put(&rig, &admin, "on-call", None, &["streams:read"]).await;
    assert_eq!(made.status, 201);
    let tenant = rig.control.view().tenant_named("default").unwrap().id;
    rig.as_by(&admin, ("POST", "/api/v1/streams"), &json!({"name": "s"})).await;
    let eve = json!({"login": "eve", "roles": ["on-call"]});
    assert_eq!(rig.as_by(&admin, ("POST", "/api/v1/users"), &eve).await.status, 201);
    let key = json!({"name": "agent", "permissions": ["events:write"], "streams": ["s"]});
    assert_eq!(rig.as_by(&admin, ("POST", "/api/v1/keys"), &key).await.status, 201);
    let elsewhere = rig.tenant("other").await;
    rig.user(Some(elsewhere), "mallory", Role::Admin).await;
    rig.user(None, "olga", Role::OperatorSre).await;
    let operator = rig.control.view().user_named(None, "olga").unwrap().id;
    let expires = rig.clock.now().saturating_add(Duration::from_secs(60));
    let deed = Deed { reason: "ticket 7".to_owned(), ..rig.deed() };
    let opened = rig.control.commit(deed, OpenGrant { tenant, operator, expires }).await;
    assert!(matches!(opened, Ok(Outcome::Grant(_))), "{opened:?}");
    let review = rig.as_by(&admin, ("GET", "/api/v1/access/review"), &Value::Null).await.json();
    let items = review["items"].as_array().unwrap();
    let found = |name: &str| items.iter().find(|it| it["name"] == name).expect(name);
    assert_eq!(items.len(), 4, "{review}");
    assert_eq!(found("admin")["roles"], json!(["admin"]));
    assert!(found("admin")["last"].is_string(), "who logged in");
    assert_eq!(found("eve")["permissions"], json!(["streams:read"]));
    assert!(found("eve").get("last").is_none(), "never");
    let agent = found("agent");
    assert_eq!((&agent["kind"], &agent["streams"]), (&json!("key"), &json!(["s"])));
    assert_eq!(agent["permissions"], json!(["events:write"]));
    let glass = items.iter().find(|it| it["kind"] == "operator").expect("the grant");
    assert_eq!((&glass["reason"], glass.get("name")), (&json!("ticket 7"), None));
    let allowed: Vec<_> = glass["permissions"].as_array().unwrap().iter().collect();
    assert!(allowed.contains(&&json!("events:read")) && !allowed.contains(&&json!("users:read")));
    assert!(glass["until"].is_string());
    rig.clock.advance(Duration::from_secs(61));
    let later = rig.as_by(&admin, ("GET", "/api/v1/access/review"), &Value::Null).await.json();
    assert_eq!(later["items"].as_array().unwrap().len(), 3, "the grant is over");
}
