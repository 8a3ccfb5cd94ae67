//! Memory that is short, as clients and people see it: refused with a fate, told
//! by every door, and never silent.

use std::time::Duration;

use serde_json::json;
use tonic_types::StatusExt;
use via_gateway::Options;
use via_proto::v1::ingest_client::IngestClient;
use via_proto::v1::{Fate, WriteRequest};
use via_types::pressure::{Order, Policy};

use crate::rig::Rig;

const EVENTS: &str = "/api/v1/streams/s/events";

/// A node with little memory, which nothing leaves.
async fn small() -> Rig {
    let policy = Policy { order: Order::Ttl, ttl: Duration::from_secs(4_000_000_000) };
    let shard = via_shard::Options { memory_bytes: 512 << 10, policy, ..Default::default() };
    Rig::start_on(Options::default(), shard).await
}

/// Makes new entities until one is refused.
async fn fill(rig: &Rig) {
    for number in 0..10_000 {
        let body = json!({ "entity": format!("e{number}") }).to_string();
        if rig.post_json(EVENTS, &body).await.status != 200 {
            return;
        }
    }
    panic!("ten thousand entities fit into half a megabyte");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_turned_away_is_told_when_to_come_again_over_http() {
    let rig = small().await;
    fill(&rig).await;
    let refused = rig.post_json(EVENTS, r#"{"entity":"new"}"#).await;
    let document = refused.problem(503, "overloaded");
    assert_eq!(document["fate"], "retry");
    assert!(document["retry_after_ms"].as_u64().is_some_and(|wait| wait > 0), "{document}");
    assert!(document["detail"].as_str().is_some_and(|words| words.contains("new")), "{document}");
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert_eq!(rig.events("s", "new").await, 0, "invariant D-5: surely not applied");

    let known = rig.post_json(EVENTS, r#"{"entity":"e0"}"#).await;
    assert_eq!((known.status, known.json()["accepted"].as_u64()), (200, Some(1)));
    // A known entity and new ones of its shard, in one request.
    let shard = |name: &str| {
        let stream = via_types::StreamId::new(1);
        via_types::EntityHash::of(stream, name).shard(4)
    };
    let mut names = (0..).map(|number| format!("n{number}"));
    let other = names.find(|name| shard(name) == shard("e0")).expect("some name is of it");
    let lines = format!("{{\"entity\":\"e0\"}}\n{{\"entity\":\"{other}\"}}\n");
    let mixed = rig.post_lines(EVENTS, lines.as_bytes()).await.json();
    assert_eq!((mixed["accepted"].as_u64(), mixed["refused"].as_u64()), (Some(1), Some(1)));
    let refusal = &mixed["refusals"][0];
    assert_eq!((refusal["line"].as_u64(), refusal["code"].as_str()), (Some(2), Some("table_full")));
    assert_eq!(
        (refusal["fate"].as_str(), refusal["retry_after_ms"].as_u64()),
        (Some("retry"), Some(1_000))
    );
    let bad = rig.post_lines(EVENTS, b"{\"entity\":\"e0\",\"value\":true}\n").await.json();
    assert_eq!(bad["refusals"][0]["fate"], "rejected");
    assert_eq!(bad["refusals"][0].get("retry_after_ms"), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_turned_away_is_told_when_to_come_again_over_grpc() {
    let rig = small().await;
    fill(&rig).await;
    let mut client = IngestClient::connect(format!("http://{}", rig.address)).await.expect("up");
    let request = |keys: &[&str]| WriteRequest {
        stream: "s".to_owned(),
        keys: keys.iter().map(|key| (*key).to_owned().into()).collect(),
        entity: (0..keys.len() as u32).flat_map(u32::to_le_bytes).collect(),
        ..WriteRequest::default()
    };
    let status = client.write(request(&["new"])).await.expect_err("it is turned away");
    assert_eq!(status.code(), tonic::Code::Unavailable);
    let details = status.get_error_details();
    let delay = details.retry_info().and_then(|info| info.retry_delay);
    assert!(delay.is_some_and(|delay| delay > Duration::ZERO), "RetryInfo says when");
    assert_eq!(details.error_info().expect("set").metadata["fate"], "retry");
    let known = client.write(request(&["e0"])).await.expect("it is known").into_inner();
    assert_eq!(known.accepted, 1);
    let shard = |name: &str| {
        let stream = via_types::StreamId::new(1);
        via_types::EntityHash::of(stream, name).shard(4)
    };
    let mut names = (0..).map(|number| format!("n{number}"));
    let other = names.find(|name| shard(name) == shard("e0")).expect("some name is of it");
    let mixed = client.write(request(&["e0", &other])).await.expect("in part").into_inner();
    assert_eq!((mixed.accepted, mixed.refused), (1, 1));
    let refusal = &mixed.refusals[0];
    assert_eq!((refusal.row, refusal.fate(), refusal.retry_after_ms), (1, Fate::Retry, 1_000));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn short_memory_is_shown_and_the_node_stays_ready() {
    let rig = small().await;
    let memory = async || rig.get("/api/v1/stats").await.json()["memory"].clone();
    let ready = async || {
        let answer = rig.get("/readyz").await;
        let components = answer.json()["components"].clone();
        let components = components.as_array().expect("a list").clone();
        let of_memory = |one: &&serde_json::Value| one["name"] == "memory for profiles";
        (answer.status, components.iter().find(of_memory).expect("it is told").clone())
    };
    assert_eq!(memory().await["level"], "normal");
    assert_eq!(ready().await, (200, json!({"name": "memory for profiles"})));
    fill(&rig).await;
    let told = memory().await;
    assert_eq!(
        (told["level"].as_str(), told["limit_bytes"].as_u64()),
        (Some("critical"), Some(512 << 10))
    );
    assert!(told["held_bytes"].as_u64().is_some_and(|held| held > 480_000), "{told}");
    assert_eq!(told["refused_events"]["new_entity"], 1, "{told}");
    let (status, component) = ready().await;
    assert_eq!((status, component.get("missing")), (200, None), "{component}");
    let words = component["short"].as_str().expect("it says what is short");
    assert!(words.starts_with("critical") && words.contains("new entities"), "{words}");
}
