//! Users and the audit log over HTTP.

use serde_json::{Value, json};

use crate::rig::Rig;

const JSON: (&str, &str) = ("Content-Type", "application/json");

async fn changed(rig: &Rig, token: &str, (path, tag): (&str, &str), body: &Value) -> u16 {
    let bearer = format!("Bearer {token}");
    let headers = [("Authorization", bearer.as_str()), JSON, ("If-Match", tag)];
    rig.send("PUT", path, &headers, body.to_string().as_bytes()).await.status
}

#[tokio::test]
async fn a_user_is_made_changed_locked_out_and_forgotten() {
    let rig = Rig::guarded().await;
    let admin = rig.admin().await;
    let body = json!({"login": "eve@example.com", "roles": ["viewer"]});
    let made = rig.as_by(&admin, ("POST", "/api/v1/users"), &body).await;
    assert_eq!(made.status, 201, "{}", made.json());
    let (view, tag) = (made.json(), made.header("etag").unwrap().to_owned());
    let path = format!("/api/v1/users/{}", view["id"].as_str().unwrap());
    let login = async |password: &Value| {
        let body = json!({"user": "eve@example.com", "password": password});
        rig.post_json("/api/v1/sessions", &body.to_string()).await
    };
    let token = login(&view["password"]).await.json()["token"].as_str().unwrap().to_owned();
    let streams = async |token: &str, method: &str| {
        let body = if method == "POST" { json!({"name": "s"}) } else { Value::Null };
        rig.as_by(token, (method, "/api/v1/streams"), &body).await.status
    };
    assert_eq!((streams(&token, "GET").await, streams(&token, "POST").await), (200, 403));
    let sre = json!({"roles": ["sre"], "is_active": true});
    rig.as_by(&admin, ("PUT", &path), &sre).await.problem(428, "revision_required");
    assert_eq!(changed(&rig, &admin, (&path, &tag), &sre).await, 200);
    assert_eq!(streams(&token, "POST").await, 201, "at once");
    assert_eq!(changed(&rig, &admin, (&path, &tag), &sre).await, 412, "stale");
    let new = format!("{path}/password");
    let drawn = rig.as_by(&admin, ("POST", &new), &json!({})).await.json();
    assert_eq!(streams(&token, "GET").await, 401, "the session ended");
    assert_eq!(login(&view["password"]).await.status, 401);
    let token = login(&drawn["password"]).await.json()["token"].as_str().unwrap().to_owned();
    let now = rig.as_by(&admin, ("GET", &path), &Value::Null).await;
    let tag = now.header("etag").unwrap().to_owned();
    let out = json!({"roles": ["sre"], "is_active": false});
    assert_eq!(changed(&rig, &admin, (&path, &tag), &out).await, 200);
    assert_eq!(streams(&token, "GET").await, 401);
    assert_eq!(login(&drawn["password"]).await.status, 401);
    let tag = rig.as_by(&admin, ("GET", &path), &Value::Null).await;
    let bearer = format!("Bearer {admin}");
    let headers = [("Authorization", bearer.as_str()), ("If-Match", tag.header("etag").unwrap())];
    assert_eq!(rig.send("DELETE", &path, &headers, b"").await.status, 204);
    rig.as_by(&admin, ("GET", &path), &Value::Null).await.problem(404, "unknown_user");
}

#[tokio::test]
async fn nobody_gives_more_than_they_may_and_the_last_administrator_stays() {
    let rig = Rig::guarded().await;
    let admin = rig.admin().await;
    let body = |role: &str| json!({"login": "x", "roles": [role]});
    for odd in ["operator-admin", "operator-sre", "nonsense"] {
        let refused = rig.as_by(&admin, ("POST", "/api/v1/users"), &body(odd)).await;
        refused.problem(400, "bad_request");
    }
    let permissions = json!(["users:write", "users:read", "users:delete"]);
    let key = json!({"name": "k", "permissions": permissions});
    let key = rig.as_by(&admin, ("POST", "/api/v1/keys"), &key).await.json();
    let key = key["key"].as_str().unwrap().to_owned();
    let above = rig.as_by(&key, ("POST", "/api/v1/users"), &body("admin")).await;
    above.problem(403, "forbidden");
    let own = rig.as_by(&admin, ("GET", "/api/v1/whoami"), &Value::Null).await.json();
    let path = format!("/api/v1/users/{}", own["id"].as_str().unwrap());
    let reset = format!("{path}/password");
    rig.as_by(&key, ("POST", &reset), &json!({})).await.problem(403, "forbidden");
    let tag = rig.as_by(&admin, ("GET", &path), &Value::Null).await;
    let tag = tag.header("etag").unwrap().to_owned();
    let viewer = json!({"roles": ["viewer"], "is_active": true});
    assert_eq!(changed(&rig, &admin, (&path, &tag), &viewer).await, 400, "the last one");
}

#[tokio::test]
async fn the_audit_log_is_read_by_pages_and_its_export_stands_by_itself() {
    let rig = Rig::guarded().await;
    let admin = rig.admin().await;
    for name in ["a", "b", "c"] {
        rig.as_by(&admin, ("POST", "/api/v1/streams"), &json!({"name": name})).await;
    }
    let get = async |path: &str| rig.as_by(&admin, ("GET", path), &Value::Null).await;
    let (mut from, mut told) = (Some(0), Vec::new());
    while let Some(next) = from {
        let page = get(&format!("/api/v1/audit?from={next}&limit=2")).await.json();
        told.extend(page["items"].as_array().unwrap().clone());
        from = page["next"].as_u64();
    }
    let made: Vec<_> = told.iter().filter(|it| it["record"]["action"] == "create_stream").collect();
    assert_eq!(made.len(), 3);
    assert_eq!(made[0]["personal"], "127.0.0.1", "where it came from");
    assert!(told.iter().enumerate().all(|(at, it)| it["index"] == at));
    let export = get("/api/v1/audit/export").await;
    assert_eq!(export.status, 200);
    let text = String::from_utf8(export.body).unwrap();
    assert!(text.contains("export_audit"), "that it was exported is in it");
    assert!(!text.contains("127.0.0.1"), "it is sealed");
    assert_eq!(text.lines().count(), told.len() + 3, "a head, the records, and one more");
    let head = get("/api/v1/audit/head").await.json();
    assert!(head["key"].as_str().unwrap().contains(".via/audit+"), "{head}");
    get("/api/v1/audit?limit=0").await.problem(400, "bad_parameter");
}
