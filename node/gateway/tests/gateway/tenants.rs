//! Tenants over HTTP: made, listed, suspended, and seen by their own people.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tonic::Code;
use via_proto::v1::WriteRequest;
use via_types::Role;

use crate::access::client;
use crate::repeat::KEY;
use crate::rig::{Answer, Rig};

const TENANTS: (&str, &str) = ("POST", "/api/v1/tenants");

impl Rig {
    /// Logs somebody in; returns the token.
    async fn begun(&self, body: &Value) -> String {
        let begun = self.post_json("/api/v1/sessions", &body.to_string()).await;
        assert_eq!(begun.status, 201, "{}", begun.json());
        begun.json()["token"].as_str().expect("a token").to_owned()
    }

    async fn look(&self, token: &str, path: &str) -> Answer {
        self.as_by(token, ("GET", path), &Value::Null).await
    }
}

fn asked(name: &str) -> Value {
    json!({"name": name, "administrator": "ada", "plan": "free", "quotas": {"streams": 2}})
}

#[tokio::test]
async fn a_tenant_is_made_with_who_administers_it_and_sees_itself() {
    let rig = Rig::guarded().await;
    let operator = rig.session(None, Role::OperatorAdmin).await;
    let made = rig.as_by(&operator, TENANTS, &asked("acme")).await;
    assert_eq!(made.status, 201, "{}", made.json());
    let view = made.json();
    let told = |it: &Value| (it["status"].clone(), it["plan"].clone(), it["quotas"].clone());
    let (status, plan, quotas) = told(&view);
    assert_eq!((&status, &plan), (&json!("active"), &json!("free")));
    assert_eq!((&quotas["streams"], &quotas["users"]), (&json!(2), &json!(3)), "own, then plan");
    assert_eq!(view["own_quotas"], json!({"streams": 2}));
    let password = &view["administrator"]["password"];
    let body = json!({"tenant": "acme", "user": "ada", "password": password});
    let ada = rig.begun(&body).await;
    let own = rig.look(&ada, "/api/v1/tenant").await;
    assert_eq!((told(&own.json()), own.header("etag")), (told(&view), made.header("etag")));
    assert!(own.json().get("administrator").is_none());
    for name in ["a", "b"] {
        let made = rig.as_by(&ada, ("POST", "/api/v1/streams"), &json!({"name": name})).await;
        assert_eq!(made.status, 201);
    }
    let third = rig.as_by(&ada, ("POST", "/api/v1/streams"), &json!({"name": "c"})).await;
    third.problem(409, "limit_reached");
    rig.as_by(&operator, TENANTS, &asked("acme")).await.problem(409, "tenant_exists");
    let odd = json!({"name": "b", "administrator": "ada", "plan": "gold"});
    rig.as_by(&operator, TENANTS, &odd).await.problem(400, "bad_request");
    let odd = json!({"name": "a/b", "administrator": "ada", "plan": "pro"});
    rig.as_by(&operator, TENANTS, &odd).await.problem(422, "bad_name");
    rig.look(&operator, "/api/v1/tenants/b").await.problem(404, "unknown_tenant");
    let plans = rig.look(&operator, "/api/v1/plans").await.json();
    assert_eq!(plans["items"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn making_a_tenant_is_taken_up_where_it_was_cut_short_and_repeated() {
    let rig = Rig::guarded().await;
    let operator = rig.session(None, Role::OperatorAdmin).await;
    // The name is given, and the node that asked for it is gone.
    rig.tenant("acme").await;
    let named = [("Idempotency-Key", KEY)];
    let first = rig.change(&operator, TENANTS, &named, &asked("acme")).await;
    let second = rig.change(&operator, TENANTS, &named, &asked("acme")).await;
    assert_eq!((first.status, second.status), (201, 201), "{first:?} {second:?}");
    let (first, mut second) = (first.json(), second.json());
    assert!(first["administrator"]["password"].is_string());
    assert!(second["administrator"].get("password").is_none(), "shown once");
    second["administrator"]["password"] = first["administrator"]["password"].clone();
    assert_eq!(first, second);
    rig.change(&operator, TENANTS, &named, &asked("else")).await.problem(422, "other_request");
}

#[tokio::test]
async fn a_suspended_tenant_looks_and_changes_nothing_and_is_told_why() {
    let rig = Rig::guarded().await;
    let operator = rig.session(None, Role::OperatorAdmin).await;
    let made = rig.as_by(&operator, TENANTS, &asked("acme")).await;
    let password = made.json()["administrator"]["password"].clone();
    let ada = rig.begun(&json!({"tenant": "acme", "user": "ada", "password": password})).await;
    let event = json!({"entity": "e", "value": 1.0, "timestamp": "2023-11-14T22:13:20Z"});
    let events = ("POST", "/api/v1/streams/s/events");
    assert_eq!(rig.as_by(&ada, events, &event).await.status, 200);
    let path = "/api/v1/tenants/acme";
    let put = async |tag: Option<&str>, status: &str| {
        let body = json!({"status": status, "plan": "free"});
        let tag = tag.map(|tag| ("If-Match", tag));
        rig.change(&operator, ("PUT", path), tag.as_slice(), &body).await
    };
    put(None, "suspended").await.problem(428, "revision_required");
    let tag = made.header("etag").unwrap();
    let suspended = put(Some(tag), "suspended").await;
    assert_eq!((suspended.status, &suspended.json()["status"]), (200, &json!("suspended")));
    put(Some(tag), "active").await.problem(412, "stale_revision");
    let refused = rig.as_by(&ada, events, &event).await.problem(403, "tenant_suspended");
    assert_eq!(refused["needs"], "events:write");
    let config = rig.as_by(&ada, ("PUT", "/api/v1/streams/s/config"), &json!({})).await;
    config.problem(403, "tenant_suspended");
    assert_eq!(rig.look(&ada, "/api/v1/streams/s/entities/e").await.status, 200);
    assert_eq!(rig.look(&ada, "/api/v1/tenant").await.json()["status"], "suspended");
    // What its people may not do anyway is told as ever.
    rig.look(&ada, "/api/v1/tenants").await.problem(403, "forbidden");
    let closing = put(suspended.header("etag"), "closing").await;
    rig.look(&ada, "/api/v1/streams").await.problem(403, "tenant_closing");
    assert_eq!(rig.look(&ada, "/api/v1/audit").await.status, 200);
    assert_eq!(put(closing.header("etag"), "active").await.status, 200);
    assert_eq!(rig.as_by(&ada, events, &event).await.status, 200, "at once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_of_writes_ends_when_its_tenant_is_suspended() {
    let rig = Rig::guarded().await;
    let operator = rig.session(None, Role::OperatorAdmin).await;
    let made = rig.as_by(&operator, TENANTS, &asked("acme")).await;
    let password = made.json()["administrator"]["password"].clone();
    let ada = rig.begun(&json!({"tenant": "acme", "user": "ada", "password": password})).await;
    let mut client = client(&rig, Some(&ada)).await;
    let write = |tag| WriteRequest { stream: "s".to_owned(), tag, ..WriteRequest::default() };
    let (more, requests) = tokio::sync::mpsc::channel(4);
    more.send(write(1)).await.unwrap();
    let answers = client.write_stream(tokio_stream::wrappers::ReceiverStream::new(requests)).await;
    let mut answers = answers.expect("it begins").into_inner();
    assert!(answers.message().await.expect("it goes on").is_some());
    let tag = [("If-Match", made.header("etag").unwrap())];
    let body = json!({"status": "suspended", "plan": "free"});
    let put = rig.change(&operator, ("PUT", "/api/v1/tenants/acme"), &tag, &body).await;
    assert_eq!(put.status, 200);
    more.send(write(2)).await.unwrap();
    let refused = answers.message().await.expect_err("it is suspended");
    assert_eq!(refused.code(), Code::PermissionDenied);
    assert!(refused.message().contains("suspended"), "{}", refused.message());
}

#[tokio::test]
async fn tenants_are_listed_page_by_page_while_others_are_made() {
    let rig = Rig::guarded().await;
    let operator = rig.session(None, Role::OperatorAdmin).await;
    for number in 0..5 {
        let made = rig.as_by(&operator, TENANTS, &asked(&format!("t{number}"))).await;
        assert_eq!(made.status, 201);
    }
    let page = async |query: &str| rig.look(&operator, &format!("/api/v1/tenants{query}")).await;
    let (mut seen, mut query) = (Vec::new(), "?limit=2".to_owned());
    loop {
        let answer = page(&query).await.json();
        let names = answer["items"].as_array().unwrap().iter();
        seen.extend(names.map(|it| it["name"].as_str().unwrap().to_owned()));
        rig.tenant(&format!("late-{}", seen.len())).await;
        let Some(next) = answer["next"].as_str() else { break };
        query = format!("?limit=2&cursor={next}");
    }
    let different: BTreeSet<_> = seen.iter().collect();
    assert_eq!(different.len(), seen.len(), "none comes twice");
    assert!((0..5).all(|number| different.contains(&format!("t{number}"))), "{seen:?}");
    let free = page("?plan=free&limit=3").await.json();
    assert_eq!(free["items"].as_array().unwrap().len(), 3);
    let next = free["next"].as_str().unwrap();
    page(&format!("?plan=free&cursor={next}")).await.json()["items"].as_array().unwrap();
    page(&format!("?cursor={next}")).await.problem(400, "bad_cursor");
    page("?limit=0").await.problem(400, "bad_parameter");
    assert_eq!(page("?status=closing").await.json()["items"], json!([]));
    page("?status=odd").await.problem(400, "bad_parameter");
}
