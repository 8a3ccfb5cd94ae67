//! The suppression list: what is known and fine is recorded and not told.

use std::time::Duration;

use serde_json::{Value, json};
use via_types::{Clock as _, Timestamp};

use crate::feedback::wild;
use crate::rig::{Answer, Rig};

async fn put(rig: &Rig, body: &Value) -> Answer {
    rig.post_json("/api/v1/suppressions", &body.to_string()).await
}

async fn listed(rig: &Rig, query: &str) -> usize {
    let page = rig.get(&format!("/api/v1/detections?entity=e&stream=s{query}")).await.json();
    page["items"].as_array().expect("a list").len()
}

/// Writes a time on a rig's clock as RFC 3339.
fn text(at: Timestamp) -> String {
    // The clock begins at 2023-11-14T22:13:20Z.
    let seconds = (at.as_nanos() - crate::rig::NOW) / 1_000_000_000;
    format!("2023-11-14T22:{:02}:{:02}Z", 13 + (20 + seconds) / 60, (20 + seconds) % 60)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_suppressed_is_recorded_and_not_listed() {
    let rig = Rig::start().await;
    let found = wild(&rig).await;
    let all = listed(&rig, "").await;
    assert!(all > 0);
    let body = json!({"entity": "e", "stream": "s", "reason": "a load test"});
    let made = put(&rig, &body).await;
    assert_eq!(made.status, 201, "{}", made.json());
    let view = made.json();
    assert_eq!((&view["reason"], &view["holds"]), (&json!("a load test"), &json!(true)));
    assert_eq!((listed(&rig, "").await, listed(&rig, "&suppressed=true").await), (0, all));
    let path = format!("/api/v1/detections/{}", found["id"].as_str().unwrap());
    assert_eq!(rig.get(&path).await.status, 200, "who asks for it by name is told");
    let list = rig.get("/api/v1/suppressions?entity=e").await.json();
    assert_eq!(list["items"], json!([view]));
    let entry = format!("/api/v1/suppressions/{}", view["id"].as_str().unwrap());
    assert_eq!(rig.send("DELETE", &entry, &[], b"").await.status, 204);
    assert_eq!(listed(&rig, "").await, all, "nothing was lost");
    rig.send("DELETE", &entry, &[], b"").await.problem(404, "unknown_suppression");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_holds_until_it_is_over_and_of_two_the_newer() {
    let rig = Rig::start().await;
    wild(&rig).await;
    let all = listed(&rig, "").await;
    let until = text(rig.clock.now().saturating_add(Duration::from_secs(60)));
    let body = json!({"entity": "e", "reason": "a load test", "expires": until});
    let first = put(&rig, &body).await;
    assert_eq!(first.status, 201, "{}", first.json());
    assert_eq!(first.json().get("stream"), None, "of every stream");
    assert_eq!(listed(&rig, "").await, 0);
    assert_eq!(put(&rig, &body).await.status, 201);
    let items = rig.get("/api/v1/suppressions").await.json()["items"].clone();
    assert_eq!(items.as_array().unwrap().len(), 1, "the older one gave way");
    rig.clock.advance(Duration::from_secs(61));
    assert_eq!(listed(&rig, "").await, all);
    assert_eq!(rig.get("/api/v1/suppressions").await.json()["items"][0]["holds"], false);
    put(&rig, &body).await.problem(400, "bad_request");
    for odd in [json!({"entity": "e"}), json!({"entity": "e", "reason": " "})] {
        put(&rig, &odd).await.problem(400, "bad_request");
    }
    let odd = json!({"entity": "e", "stream": "none", "reason": "x"});
    put(&rig, &odd).await.problem(404, "unknown_stream");
}

#[tokio::test]
async fn a_key_of_some_streams_suppresses_in_those_alone() {
    let rig = Rig::guarded().await;
    let admin = rig.admin().await;
    for name in ["a", "b"] {
        rig.as_by(&admin, ("POST", "/api/v1/streams"), &json!({"name": name})).await;
    }
    let permissions = json!(["config:read", "config:write"]);
    let key = json!({"name": "k", "permissions": permissions, "streams": ["a"]});
    let key = rig.as_by(&admin, ("POST", "/api/v1/keys"), &key).await.json();
    let key = key["key"].as_str().unwrap();
    let post = async |token: &str, stream: Value| {
        let mut body = json!({"entity": "e", "reason": "x"});
        if stream.is_string() {
            body["stream"] = stream;
        }
        rig.as_by(token, ("POST", "/api/v1/suppressions"), &body).await
    };
    assert_eq!(post(key, json!("a")).await.status, 201);
    post(key, json!("b")).await.problem(404, "unknown_stream");
    post(key, Value::Null).await.problem(403, "forbidden");
    let theirs = post(&admin, json!("b")).await.json();
    let seen = rig.as_by(key, ("GET", "/api/v1/suppressions"), &Value::Null).await.json();
    assert_eq!(seen["items"].as_array().unwrap().len(), 1);
    let path = format!("/api/v1/suppressions/{}", theirs["id"].as_str().unwrap());
    let refused = rig.as_by(key, ("DELETE", &path), &Value::Null).await;
    refused.problem(404, "unknown_suppression");
}
