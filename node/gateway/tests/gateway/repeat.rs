//! Changes that are sent twice, and why they are asked for.

use serde_json::{Value, json};
use via_catalog::TrailId;

use crate::rig::{Answer, Rig};

/// A key under which a request may be repeated.
pub(crate) const KEY: &str = "0190f3c2-0000-7000-8000-000000000001";

impl Rig {
    /// Asks for a change with further headers.
    pub(crate) async fn change(
        &self,
        token: &str,
        (method, path): (&str, &str),
        more: &[(&str, &str)],
        body: &Value,
    ) -> Answer {
        let bearer = format!("Bearer {token}");
        let mut headers =
            vec![("Authorization", bearer.as_str()), ("Content-Type", "application/json")];
        headers.extend_from_slice(more);
        let text = if body.is_null() { String::new() } else { body.to_string() };
        self.send(method, path, &headers, text.as_bytes()).await
    }

    /// Asks twice under one key; returns both answers.
    async fn twice(
        &self,
        token: &str,
        to: (&str, &str),
        tag: Option<&str>,
        body: &Value,
    ) -> [Answer; 2] {
        let key = format!("{}.{}.of-the-test", to.0, to.1.replace('/', "."));
        let mut headers = vec![("Idempotency-Key", key.as_str())];
        headers.extend(tag.map(|tag| ("If-Match", tag)));
        let first = self.change(token, to, &headers, body).await;
        let second = self.change(token, to, &headers, body).await;
        assert!(first.status < 300, "{to:?}: {first:?}");
        assert_eq!(first.header("idempotency-replayed"), None, "{to:?}");
        assert_eq!(second.header("idempotency-replayed"), Some("true"), "{to:?}: {second:?}");
        assert_eq!(first.status, second.status, "{to:?}");
        assert_eq!(first.header("etag"), second.header("etag"), "{to:?}");
        [first, second]
    }

    /// As [`Self::twice`], of what is answered with the same body; returns it and
    /// its tag.
    async fn same(
        &self,
        token: &str,
        to: (&str, &str),
        tag: Option<&str>,
        body: &Value,
    ) -> (Value, String) {
        let [first, second] = self.twice(token, to, tag, body).await;
        assert_eq!(first.body, second.body, "{to:?}");
        let view = if first.body.is_empty() { Value::Null } else { first.json() };
        (view, first.header("etag").unwrap_or_default().to_owned())
    }
}

#[tokio::test]
async fn a_change_of_a_stream_is_made_once_and_answered_twice() {
    let rig = Rig::guarded().await;
    let admin = rig.admin().await;
    let (made, tag) =
        rig.same(&admin, ("POST", "/api/v1/streams"), None, &json!({"name": "s"})).await;
    assert_eq!(made["name"], "s");
    let config = json!({"timing": {"lateness_secs": 5.0}});
    let put = ("PUT", "/api/v1/streams/s/config");
    let (changed, tag) = rig.same(&admin, put, Some(&tag), &config).await;
    assert_eq!(changed["own"], config);
    let entity = "/api/v1/streams/s/entities/a%2Fb/config";
    let own = json!({"explain": "none"});
    let (set, tag) = rig.same(&admin, ("PUT", entity), Some(&tag), &own).await;
    assert_eq!((&set["entity"], &set["config"]), (&json!("a/b"), &own));
    rig.same(&admin, ("DELETE", entity), Some(&tag), &Value::Null).await;
    let producers = ("POST", "/api/v1/producers");
    let (opened, _) = rig.same(&admin, producers, None, &json!({"name": "p"})).await;
    assert_eq!(opened["epoch"], 1, "opened once");
    // What came since does not change what was answered.
    let key = format!("{}.{}.of-the-test", put.0, put.1.replace('/', "."));
    let again = rig.change(&admin, put, &[("Idempotency-Key", &key)], &config).await;
    assert_eq!((again.status, &again.json()["own"]), (200, &config));
    assert_eq!(again.json()["revision"], changed["revision"]);
    let now = rig.as_by(&admin, ("GET", "/api/v1/streams/s"), &Value::Null).await.json();
    assert_eq!(now["own"], json!({"timing": {"lateness_secs": 5.0}, "entities": {}}));
}

#[tokio::test]
async fn a_secret_is_shown_once_however_often_it_is_asked_for() {
    let rig = Rig::guarded().await;
    let admin = rig.admin().await;
    let body = json!({"name": "k", "permissions": ["keys:read"]});
    let [first, second] = rig.twice(&admin, ("POST", "/api/v1/keys"), None, &body).await;
    let (mut first, second) = (first.json(), second.json());
    let key = first.as_object_mut().unwrap().remove("key").expect("it is shown");
    assert_eq!(first, second, "all but the secret");
    let keys = rig.as_by(key.as_str().unwrap(), ("GET", "/api/v1/keys"), &Value::Null).await;
    assert_eq!(keys.json()["items"].as_array().unwrap().len(), 1, "made once, and good");
    let path = format!("/api/v1/keys/{}", first["id"].as_str().unwrap());
    let tag = format!("\"{}\"", first["revision"]);
    let rotate = ("POST", &*format!("{path}/rotate"));
    let [first, second] = rig.twice(&admin, rotate, Some(&tag), &json!({})).await;
    assert!(first.json()["key"].is_string() && second.json().get("key").is_none());
    rig.same(&admin, ("DELETE", &path), None, &Value::Null).await;

    let body = json!({"login": "eve", "roles": ["viewer"]});
    let [first, second] = rig.twice(&admin, ("POST", "/api/v1/users"), None, &body).await;
    assert!(first.json()["password"].is_string() && second.json().get("password").is_none());
    assert_eq!(first.json()["id"], second.json()["id"]);
    let path = format!("/api/v1/users/{}", first.json()["id"].as_str().unwrap());
    let reset = ("POST", &*format!("{path}/password"));
    let [first, second] = rig.twice(&admin, reset, None, &json!({})).await;
    assert!(first.json()["password"].is_string() && second.json().get("password").is_none());
    let tag = rig.as_by(&admin, ("GET", &path), &Value::Null).await;
    let tag = tag.header("etag").unwrap().to_owned();
    let out = json!({"roles": ["viewer"], "is_active": false});
    let (_, tag) = rig.same(&admin, ("PUT", &path), Some(&tag), &out).await;
    rig.same(&admin, ("DELETE", &path), Some(&tag), &Value::Null).await;
}

#[tokio::test]
async fn a_key_is_of_one_request_of_one_caller() {
    let rig = Rig::guarded().await;
    let admin = rig.admin().await;
    let body = json!({"name": "k", "permissions": ["streams:write"]});
    let other = rig.as_by(&admin, ("POST", "/api/v1/keys"), &body).await.json();
    let other = other["key"].as_str().unwrap().to_owned();
    let streams = ("POST", "/api/v1/streams");
    let named = [("Idempotency-Key", KEY)];
    let make = async |token: &str, name: &str| {
        rig.change(token, streams, &named, &json!({"name": name})).await
    };
    assert_eq!(make(&admin, "a").await.status, 201);
    make(&admin, "b").await.problem(422, "other_request");
    let theirs = make(&other, "b").await;
    assert_eq!((theirs.status, theirs.header("idempotency-replayed")), (201, None), "its own");
    make(&other, "a").await.problem(422, "other_request");
    // On another route it is another request.
    let producers = ("POST", "/api/v1/producers");
    let opened = rig.change(&admin, producers, &named, &json!({"name": "p"})).await;
    assert_eq!((opened.status, opened.header("idempotency-replayed")), (200, None));
    for odd in ["1", "order-42"] {
        let refused = rig.change(&admin, streams, &[("Idempotency-Key", odd)], &json!({})).await;
        refused.problem(400, "bad_parameter");
    }
    // What was refused changed nothing, and may be put right under the same key.
    let key = [("Idempotency-Key", "another-key-of-the-test")];
    let bad = rig.change(&admin, streams, &key, &json!({"name": "a/b"})).await;
    bad.problem(422, "bad_name");
    let good = rig.change(&admin, streams, &key, &json!({"name": "c"})).await;
    assert_eq!(good.status, 201);
    // Nobody's key opens anything.
    let stranger = rig.send("POST", streams.1, &named, b"{\"name\":\"a\"}").await;
    stranger.problem(401, "unauthenticated");
}

#[tokio::test]
async fn two_of_the_same_at_once_are_one() {
    let rig = Rig::guarded().await;
    let admin = rig.admin().await;
    let body = json!({"name": "k", "permissions": ["keys:read"]});
    let named = [("Idempotency-Key", KEY)];
    let ask = || rig.change(&admin, ("POST", "/api/v1/keys"), &named, &body);
    let (a, b, c) = tokio::join!(ask(), ask(), ask());
    let shown = |answer: &Answer| answer.json().get("key").is_some();
    assert_eq!([&a, &b, &c].into_iter().filter(|it| shown(it)).count(), 1, "whose secret it is");
    assert!([&a, &b, &c].iter().all(|it| it.status == 201 && it.json()["id"] == a.json()["id"]));
}

#[tokio::test]
async fn why_a_change_is_asked_for_is_in_its_record() {
    let rig = Rig::guarded().await;
    let admin = rig.admin().await;
    let why = [("X-Via-Reason", "Für den Umzug, ticket 7")];
    let made = rig.change(&admin, ("POST", "/api/v1/streams"), &why, &json!({"name": "s"})).await;
    assert_eq!(made.status, 201);
    let tenant = rig.control.view().tenant_named("default").unwrap().id;
    let page = rig.control.audit_page(TrailId::of(Some(tenant)), 0, 4_096).await.expect("a page");
    let mut told = page.iter().filter_map(|(_, text)| text.as_ref());
    assert!(told.any(|it| it.contains("create_stream") && it.contains("Für den Umzug, ticket 7")));
    let long = "x".repeat(513);
    let long = [("X-Via-Reason", long.as_str())];
    let refused = rig.change(&admin, ("POST", "/api/v1/streams"), &long, &json!({})).await;
    refused.problem(400, "bad_parameter");
}
