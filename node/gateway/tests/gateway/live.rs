//! The live feed over server-sent events and WebSocket.

use std::time::Duration;

use futures_util::StreamExt;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use via_gateway::Options;

use crate::rig::{NOW, Rig};

const PATIENCE: Duration = Duration::from_secs(30);

struct Events(BufReader<TcpStream>);

impl Events {
    async fn open(rig: &Rig, path: &str, last: Option<&str>) -> Self {
        let mut stream = rig.connect().await;
        let last = last.map(|last| format!("Last-Event-ID: {last}\r\n")).unwrap_or_default();
        let head = format!("GET {path} HTTP/1.1\r\nHost: via\r\n{last}\r\n");
        stream.write_all(head.as_bytes()).await.expect("listens");
        Self(BufReader::new(stream))
    }

    /// Returns the next message, or none when the server ended the feed.
    async fn next(&mut self) -> Option<Value> {
        let reading = async {
            loop {
                let mut line = String::new();
                if self.0.read_line(&mut line).await.ok()? == 0 {
                    return None;
                }
                if let Some(data) = line.strip_prefix("data: ") {
                    return Some(serde_json::from_str(data).expect("JSON"));
                }
            }
        };
        tokio::time::timeout(PATIENCE, reading).await.expect("a message")
    }
}

/// Sends a steady series and then one wild value; returns the score's answer.
async fn disturb(rig: &Rig, entity: &str) {
    let line = |nth: i64, value: f64| {
        let at = NOW / 1_000_000_000 - 4_000 + nth;
        format!("{{\"entity\":\"{entity}\",\"timestamp\":{at},\"value\":{value}}}\n")
    };
    let steady: String = (0..3_000).map(|nth| line(nth, 100.0 + (nth % 7) as f64)).collect();
    let answer = rig.post_lines("/api/v1/streams/s/events", steady.as_bytes()).await;
    assert_eq!(answer.json()["accepted"], 3_000);
    let wild: String = (3_000..3_020).map(|nth| line(nth, 1e6)).collect();
    let answer = rig.post_lines("/api/v1/streams/s/score", wild.as_bytes()).await.json();
    let scores = answer["scores"].as_array().expect("scores");
    assert_eq!(scores.len(), 20);
    let most =
        scores.iter().map(|score| score["score"].as_f64().expect("a number")).fold(0.0, f64::max);
    assert!(most > 0.5, "the wild value is remarkable: {most}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_detection_is_told_live_listed_and_resumable() {
    let rig = Rig::start().await;
    rig.post_json("/api/v1/streams", r#"{"name":"s"}"#).await;
    let mut events = Events::open(&rig, "/api/v1/live?stream=s", None).await;
    let hello = events.next().await.expect("open");
    assert_eq!(hello["type"], "hello");
    disturb(&rig, "a").await;
    let told = events.next().await.expect("open");
    assert_eq!((&told["type"], &told["change"]), (&"detection".into(), &"opened".into()));
    let detection = &told["detection"];
    assert_eq!((&detection["stream"], &detection["entity"]), (&"s".into(), &"a".into()));
    assert!(detection["reason"].as_str().is_some_and(|reason| !reason.is_empty()));

    let id = detection["id"].as_str().unwrap();
    let shown = rig.get(&format!("/api/v1/detections/{id}")).await.json();
    assert_eq!(shown["id"], id);
    let listed = rig.get("/api/v1/detections?stream=s&severity=low&limit=1").await.json();
    assert_eq!(listed["items"].as_array().map(Vec::len), Some(1));

    let cursor = hello["cursor"].as_str().unwrap();
    let mut again = Events::open(&rig, "/api/v1/live?stream=s", Some(cursor)).await;
    assert_eq!(again.next().await.expect("open")["type"], "hello");
    assert_eq!(again.next().await.expect("open")["detection"]["id"], id);
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_follow_each_other_and_a_cursor_keeps_to_its_listing() {
    let rig = Rig::start().await;
    for entity in ["a", "b", "c"] {
        disturb(&rig, entity).await;
    }
    let listed = async {
        loop {
            let all = rig.get("/api/v1/detections?limit=3").await.json();
            let page = rig.get("/api/v1/detections?sort=oldest&limit=2").await.json();
            if all["items"].as_array().is_some_and(|all| all.len() == 3)
                && let Some(next) = page["next"].as_str()
            {
                return (page.clone(), next.to_owned());
            }
        }
    };
    let (page, next) = tokio::time::timeout(PATIENCE, listed).await.expect("detections");
    let second =
        rig.get(&format!("/api/v1/detections?sort=oldest&limit=2&cursor={next}")).await.json();
    let ids = |page: &Value| -> Vec<String> {
        let items = page["items"].as_array().unwrap();
        items.iter().map(|item| item["id"].to_string()).collect()
    };
    assert!(!ids(&second).is_empty());
    assert!(ids(&page).iter().all(|id| !ids(&second).contains(id)));
    let other = rig.get(&format!("/api/v1/detections?sort=newest&cursor={next}")).await;
    other.problem(400, "bad_cursor");
    let damaged = &next[..next.len() - 2];
    let damaged = rig.get(&format!("/api/v1/detections?sort=oldest&cursor={damaged}")).await;
    damaged.problem(400, "bad_cursor");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_says_hello_pings_and_is_closed_by_draining() {
    let rig = Rig::start_with(Options {
        ping: Duration::from_millis(50),
        subscribers: 1,
        ..Options::default()
    })
    .await;
    let address = format!("ws://{}/api/v1/live", rig.address);
    let (mut socket, _) = tokio_tungstenite::connect_async(&address).await.expect("upgrades");
    let hello = socket.next().await.unwrap().expect("open");
    let hello: Value = serde_json::from_str(hello.to_text().unwrap()).unwrap();
    assert_eq!(hello["type"], "hello");
    assert!(matches!(socket.next().await, Some(Ok(Message::Ping(_)))));
    rig.get("/api/v1/live").await.problem(503, "overloaded");
    rig.drain();
    let closed = async {
        while let Some(Ok(message)) = socket.next().await {
            if let Message::Close(frame) = message {
                return frame;
            }
        }
        None
    };
    let frame = tokio::time::timeout(PATIENCE, closed).await.expect("closed").expect("a reason");
    assert_eq!(u16::from(frame.code), 1001);
    drop(socket);
    assert_eq!(rig.stop().await.cut_off, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn server_sent_events_end_when_the_node_drains() {
    let rig = Rig::start().await;
    let mut events = Events::open(&rig, "/api/v1/live", None).await;
    assert_eq!(events.next().await.expect("open")["type"], "hello");
    rig.drain();
    assert_eq!(events.next().await, None);
    assert_eq!(rig.stop().await.cut_off, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_suppressed_is_not_told_live() {
    let rig = Rig::start().await;
    rig.post_json("/api/v1/streams", r#"{"name":"s"}"#).await;
    let mut events = Events::open(&rig, "/api/v1/live?stream=s", None).await;
    assert_eq!(events.next().await.expect("open")["type"], "hello");
    let body = r#"{"entity":"quiet","reason":"a load test"}"#;
    assert_eq!(rig.post_json("/api/v1/suppressions", body).await.status, 201);
    disturb(&rig, "quiet").await;
    let recorded = async {
        let path = "/api/v1/detections?stream=s&entity=quiet&suppressed=true";
        while rig.get(path).await.json()["items"] == serde_json::json!([]) {}
    };
    tokio::time::timeout(PATIENCE, recorded).await.expect("it is recorded");
    disturb(&rig, "loud").await;
    let told = events.next().await.expect("open");
    assert_eq!(told["detection"]["entity"], "loud", "{told}");
}
