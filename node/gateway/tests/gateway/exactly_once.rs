//! Retries: with producer, epoch and sequence every event counts once, however
//! often and however far a request came (invariant D-2).

use serde_json::Value;
use tokio::io::AsyncWriteExt;

use crate::rig::Rig;

const EVENTS: &str = "/api/v1/streams/s/events";

struct Producer {
    id: String,
    epoch: String,
}

impl Producer {
    async fn open(rig: &Rig, name: &str) -> Self {
        let opened = rig.post_json("/api/v1/producers", &format!("{{\"name\":\"{name}\"}}")).await;
        let opened = opened.json();
        Self { id: opened["producer"].to_string(), epoch: opened["epoch"].to_string() }
    }

    fn headers<'a>(&'a self, sequence: &'a str) -> [(&'a str, &'a str); 4] {
        [
            ("Content-Type", "application/x-ndjson"),
            ("X-Via-Producer", &self.id),
            ("X-Via-Epoch", &self.epoch),
            ("X-Via-Sequence", sequence),
        ]
    }

    async fn send(&self, rig: &Rig, sequence: &str, body: &[u8]) -> Value {
        let answer = rig.send("POST", EVENTS, &self.headers(sequence), body).await;
        assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
        answer.json()
    }
}

/// Lines of ten entities in turn: enough of them make several parts.
fn lines(count: usize) -> Vec<u8> {
    let line = |nth: usize| format!("{{\"entity\":\"e{}\",\"value\":{nth}}}\n", nth % 10);
    (0..count).map(line).collect::<String>().into_bytes()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_request_changes_nothing_and_says_so() {
    let rig = Rig::start().await;
    let producer = Producer::open(&rig, "p").await;
    let body = lines(40_000);
    let first = producer.send(&rig, "1", &body).await;
    assert_eq!((&first["accepted"], &first["repeated"]), (&40_000.into(), &false.into()));
    let again = producer.send(&rig, "1", &body).await;
    assert_eq!((&again["accepted"], &again["repeated"]), (&40_000.into(), &true.into()));
    assert_eq!(rig.events("s", "e3").await, 4_000);
    let next = producer.send(&rig, "2", &body).await;
    assert_eq!(next["repeated"], false);
    assert_eq!(rig.events("s", "e3").await, 8_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn other_events_under_a_used_number_are_refused_and_not_called_repeated() {
    let rig = Rig::start().await;
    let producer = Producer::open(&rig, "p").await;
    producer.send(&rig, "1", br#"{"entity":"a","value":1}"#).await;
    for other in [
        br#"{"entity":"a","value":2}"#.as_slice(),
        b"{\"entity\":\"a\",\"value\":1}\n{\"entity\":\"a\",\"value\":1}",
        br#"{"entity":"a","value":1,"attributes":{"ip":"10.0.0.1"}}"#,
    ] {
        let answer = rig.send("POST", EVENTS, &producer.headers("1"), other).await;
        let told = answer.problem(409, "sequence_reused");
        assert_eq!(told["fate"], "rejected");
        let detail = told["detail"].as_str().unwrap();
        assert!(detail.contains("1 were accepted and 0 refused"), "{detail}");
    }
    let again = producer.send(&rig, "1", br#"{"entity":"a","value":1}"#).await;
    assert_eq!((&again["accepted"], &again["repeated"]), (&1.into(), &true.into()));
    assert_eq!(rig.events("s", "a").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_epoch_is_fenced_off() {
    let rig = Rig::start().await;
    let old = Producer::open(&rig, "p").await;
    old.send(&rig, "1", &lines(10)).await;
    let new = Producer::open(&rig, "p").await;
    assert_eq!(old.id, new.id);
    new.send(&rig, "1", &lines(10)).await;
    let answer = rig.send("POST", EVENTS, &old.headers("2"), &lines(10)).await;
    assert_eq!(answer.problem(409, "fenced")["fate"], "rejected");
    assert_eq!(rig.events("s", "e0").await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_vanished_midway_completes_by_repeating() {
    let rig = Rig::start().await;
    let producer = Producer::open(&rig, "p").await;
    let body = lines(60_000);
    let mut head = String::from("POST /api/v1/streams/s/events HTTP/1.1\r\nHost: via\r\n");
    for (name, value) in producer.headers("1") {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!("Content-Length: {}\r\n\r\n", body.len()));
    let mut stream = rig.connect().await;
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&body[..body.len() * 2 / 3]).await.unwrap();
    let some_applied = async { while rig.events("s", "e0").await == 0 {} };
    let some_applied = tokio::time::timeout(std::time::Duration::from_secs(30), some_applied);
    some_applied.await.expect("complete parts are applied before the body ends");
    drop(stream);
    let answer = producer.send(&rig, "1", &body).await;
    assert_eq!(answer["accepted"], 60_000);
    for entity in 0..10 {
        assert_eq!(rig.events("s", &format!("e{entity}")).await, 6_000);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn unique_ids_are_counted_once_per_entity() {
    let rig = Rig::start().await;
    let body = br#"{"entity":"a","unique_id":"1"}
{"entity":"a","unique_id":"1"}
{"entity":"b","unique_id":"1"}
{"entity":"a","unique_id":"2"}"#;
    let written = rig.post_lines(EVENTS, body).await.json();
    assert_eq!((&written["accepted"], &written["duplicates"]), (&3.into(), &1.into()));
    let again = rig.post_lines(EVENTS, body).await.json();
    assert_eq!((&again["accepted"], &again["duplicates"]), (&0.into(), &4.into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_producer_is_asked_for_in_json() {
    let rig = Rig::start().await;
    let open = |kind: &'static str, body: &'static [u8]| {
        let rig = &rig;
        async move { rig.send("POST", "/api/v1/producers", &[("Content-Type", kind)], body).await }
    };
    let form = open("application/x-www-form-urlencoded", br#"{"name":"p"}"#).await;
    form.problem(415, "unsupported_media_type");
    open("application/json", br#"["p"]"#).await.problem(400, "bad_request");
    assert_eq!(open("application/json", br#"{"name":"p"}"#).await.json()["epoch"], 1);
}
