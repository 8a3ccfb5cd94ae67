//! Whatever comes in: a precise answer, good events kept, others unhurt.

use async_compression::tokio::write::{GzipEncoder, ZstdEncoder};
use serde_json::json;
use tokio::io::AsyncWriteExt;
use via_gateway::Options;

use crate::rig::{Rig, read};

const EVENTS: &str = "/api/v1/streams/s/events";

async fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzipEncoder::new(Vec::new());
    encoder.write_all(text).await.expect("memory");
    encoder.shutdown().await.expect("memory");
    encoder.into_inner()
}

async fn zstd(text: &[u8]) -> Vec<u8> {
    let mut encoder = ZstdEncoder::new(Vec::new());
    encoder.write_all(text).await.expect("memory");
    encoder.shutdown().await.expect("memory");
    encoder.into_inner()
}

fn packed(encoding: &'static str) -> [(&'static str, &'static str); 2] {
    [("Content-Type", "application/x-ndjson"), ("Content-Encoding", encoding)]
}

#[tokio::test(flavor = "multi_thread")]
async fn good_lines_are_kept_and_bad_ones_named() {
    let rig = Rig::start_with(Options { line_bytes: 100_000, ..Options::default() }).await;
    let mut body = Vec::new();
    for line in [
        br#"{"entity":"a","value":1}"#.as_slice(),
        b"nonsense",
        br#"{"entity":"a","value":NaN}"#,
        br#"{"entity":"a","value":Infinity}"#,
        br#"{"entity":"a","value":1e999}"#,
        b"{\"entity\":\"\xff\xfe\"}",
        br#"{"entity":"a","timestamp":"2999-01-01T00:00:00Z"}"#,
        br#"{"entity":"a","timestamp":"1969-12-31T23:59:59Z"}"#,
        br#"{"entity":"a","timestamp":"soon"}"#,
        br#"{"value":1}"#,
        b"",
        br#"{"entity":"a","value":2,"timestamp":1700000000}"#,
    ] {
        body.extend_from_slice(line);
        body.push(b'\n');
    }
    body.extend(std::iter::repeat_n(b'x', 200_000));
    body.extend_from_slice(b"\n{\"entity\":\"a\",\"value\":3}");
    let answer = rig.post_lines(EVENTS, &body).await;
    assert_eq!(answer.status, 200);
    let written = answer.json();
    assert_eq!(
        (&written["accepted"], &written["refused"], &written["duplicates"]),
        (&json!(3), &json!(10), &json!(0))
    );
    let refusals: Vec<(u64, &str)> = written["refusals"]
        .as_array()
        .unwrap()
        .iter()
        .map(|refusal| (refusal["line"].as_u64().unwrap(), refusal["code"].as_str().unwrap()))
        .collect();
    assert_eq!(
        refusals,
        [
            (2, "bad_json"),
            (3, "bad_json"),
            (4, "bad_json"),
            (5, "number_out_of_range"),
            (6, "bad_utf8"),
            (7, "timestamp_in_future"),
            (8, "timestamp_too_old"),
            (9, "bad_timestamp"),
            (10, "entity_missing"),
            (13, "line_too_long"),
        ]
    );
    assert_eq!(rig.events("s", "a").await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_body_is_refused_and_nothing_of_it_applied() {
    let rig = Rig::start().await;
    let broken = rig.post_json(EVENTS, r#"[{"entity":"a"},{"entity":"b"},"#).await;
    assert_eq!(broken.problem(400, "bad_json")["fate"], "rejected");
    let lines = br#"{"entity":"a","value":1}"#;
    for (encoding, bytes) in [("gzip", gzip(lines).await), ("zstd", zstd(lines).await)] {
        let cut = &bytes[..bytes.len() - 5];
        let answer = rig.send("POST", EVENTS, &packed(encoding), cut).await;
        assert_eq!(answer.problem(400, "bad_encoding")["fate"], "rejected");
        let junk = rig.send("POST", EVENTS, &packed(encoding), b"junk").await;
        junk.problem(400, "bad_encoding");
    }
    assert_eq!(rig.events("s", "a").await, 0);
    for (encoding, bytes) in [("gzip", gzip(lines).await), ("zstd", zstd(lines).await)] {
        let answer = rig.send("POST", EVENTS, &packed(encoding), &bytes).await;
        assert_eq!(answer.json()["accepted"], 1, "{encoding}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bombs_and_oversized_bodies_are_stopped() {
    let rig = Rig::start_with(Options { json_bytes: 100_000, ..Options::default() }).await;
    let zeros = vec![b' '; 32 << 20];
    for (encoding, bytes) in [("gzip", gzip(&zeros).await), ("zstd", zstd(&zeros).await)] {
        let answer = rig.send("POST", EVENTS, &packed(encoding), &bytes).await;
        answer.problem(413, "decompression_bomb");
        let json = [("Content-Type", "application/json"), ("Content-Encoding", encoding)];
        rig.send("POST", EVENTS, &json, &bytes).await.problem(413, "too_large");
    }
    let long = format!("[{}]", vec![r#"{"entity":"a"}"#; 10_000].join(","));
    rig.post_json(EVENTS, &long).await.problem(413, "too_large");
    rig.post_json("/api/v1/streams", &" ".repeat(300_000)).await.problem(413, "too_large");
    let many = r#"{"entity":"a"}"#.to_owned() + "\n";
    let many = many.repeat(20_000);
    rig.post_lines("/api/v1/streams/s/score", many.as_bytes()).await.problem(413, "too_large");
    assert_eq!(rig.events("s", "a").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_brings_no_good_event_makes_no_stream() {
    let rig = Rig::start().await;
    let json = ("Content-Type", "application/json");
    let stranger = [json, ("X-Via-Producer", "7"), ("X-Via-Epoch", "1"), ("X-Via-Sequence", "1")];
    rig.post_json(EVENTS, "{").await.problem(400, "bad_json");
    rig.send("POST", EVENTS, &stranger, br#"{"entity":"a"}"#).await.problem(409, "never_opened");
    let utf16 = [("Content-Type", "application/json; charset=utf-16")];
    rig.send("POST", EVENTS, &utf16, br#"{"entity":"a"}"#)
        .await
        .problem(415, "unsupported_media_type");
    rig.post_json("/api/v1/streams/.bad/events", r#"{"entity":"a"}"#)
        .await
        .problem(422, "bad_name");
    for (body, refused) in [("[]", 0), ("[5]", 1), (r#"{"value":1}"#, 1)] {
        let written = rig.post_json(EVENTS, body).await.json();
        assert_eq!(
            (written["accepted"].as_u64(), written["refused"].as_u64()),
            (Some(0), Some(refused))
        );
    }
    let lines = rig.post_lines(EVENTS, b"oops\n{\"value\":1}\n").await.json();
    assert_eq!(lines["refused"], 2);
    let scored = rig.post_json("/api/v1/streams/s/score", "[5]").await.json();
    assert_eq!(scored["refused"], 1);
    let listed = rig.get("/api/v1/streams").await.json();
    assert_eq!(listed["items"].as_array().unwrap().len(), 0, "{listed}");
    let lines = rig.post_lines(EVENTS, b"oops\n{\"entity\":\"a\"}\n").await.json();
    assert_eq!(
        (lines["accepted"].as_u64(), lines["refusals"][0]["line"].as_u64()),
        (Some(1), Some(1))
    );
    assert_eq!(rig.events("s", "a").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_length_beyond_the_limit_is_refused_before_a_byte_of_it_came() {
    let rig = Rig::start().await;
    for (method, path, encoding) in [
        ("POST", EVENTS, "identity"),
        ("POST", EVENTS, "gzip"),
        ("POST", "/api/v1/streams/s/score", "identity"),
        ("POST", "/api/v1/streams", "identity"),
        ("PUT", "/api/v1/streams/s/config", "identity"),
    ] {
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: via\r\nContent-Type: application/json\r\n\
             Content-Encoding: {encoding}\r\nContent-Length: 9000000000\r\n\r\n"
        );
        let mut waiting = rig.connect().await;
        waiting.write_all(head.as_bytes()).await.unwrap();
        let answer = read(&mut waiting).await;
        assert_eq!(answer.problem(413, "too_large")["fate"], "rejected", "{method} {path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_sends_all_before_it_reads_still_gets_its_refusal() {
    let rig = Rig::start_with(Options { json_bytes: 100_000, ..Options::default() }).await;
    for (kind, status, code) in
        [("text/plain", 415, "unsupported_media_type"), ("application/json", 413, "too_large")]
    {
        let body = vec![b' '; 5 << 20];
        let head = format!(
            "POST {EVENTS} HTTP/1.1\r\nHost: via\r\nContent-Type: {kind}\r\n\
             Content-Length: {}\r\n\r\n",
            body.len()
        );
        let mut client = rig.connect().await;
        client.write_all(head.as_bytes()).await.unwrap();
        client.write_all(&body).await.expect("the connection is not reset while it is written to");
        read(&mut client).await.problem(status, code);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn deep_nesting_does_not_overflow_anything() {
    let rig = Rig::start().await;
    let deep = "[".repeat(1_000_000);
    rig.post_json(EVENTS, &deep).await.problem(400, "bad_json");
    rig.post_json("/api/v1/streams", &deep).await.problem(413, "too_large");
    let config = format!(r#"{{"name":"x","config":{}"#, "{\"a\":".repeat(10_000));
    let answer = rig.post_json("/api/v1/streams", &config).await;
    assert_eq!(answer.status / 100, 4);
    let line = format!(r#"{{"attributes":{{"a":{}"#, "[".repeat(50_000));
    let answer = rig.post_lines(EVENTS, line.as_bytes()).await;
    assert_eq!(answer.json()["refusals"][0]["code"], "bad_field");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_thousand_entities_in_one_request_are_all_applied() {
    let rig = Rig::start().await;
    let mut body = String::new();
    for entity in 0..100_000 {
        body.push_str(&format!("{{\"entity\":\"e{entity}\"}}\n"));
    }
    let answer = rig.post_lines(EVENTS, body.as_bytes()).await;
    assert_eq!((answer.status, answer.json()["accepted"].as_u64()), (200, Some(100_000)));
    assert_eq!(rig.get("/api/v1/stats").await.json()["events"], 100_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_addresses_methods_types_and_parameters_are_problems() {
    let rig = Rig::start().await;
    rig.get("/nowhere").await.problem(404, "not_found");
    let wrong = rig.send("DELETE", EVENTS, &[], b"").await;
    wrong.problem(405, "method_not_allowed");
    assert_eq!(wrong.header("allow"), Some("POST"));
    let plain = [("Content-Type", "text/plain")];
    rig.send("POST", EVENTS, &plain, b"x").await.problem(415, "unsupported_media_type");
    rig.send("POST", EVENTS, &packed("br"), b"x").await.problem(415, "unsupported_encoding");
    rig.get("/api/v1/streams/none").await.problem(404, "unknown_stream");
    rig.get("/api/v1/streams/none/entities/e").await.problem(404, "unknown_stream");
    rig.get("/api/v1/detections?limit=0").await.problem(400, "bad_parameter");
    rig.get("/api/v1/detections?limit=many").await.problem(400, "bad_parameter");
    rig.get("/api/v1/detections?colour=red").await.problem(400, "bad_parameter");
    rig.get("/api/v1/detections?severity=loud").await.problem(400, "bad_parameter");
    rig.get("/api/v1/detections?cursor=x").await.problem(400, "bad_cursor");
    rig.get("/api/v1/detections/17").await.problem(400, "bad_parameter");
    rig.get("/api/v1/detections/d1-2-3").await.problem(404, "unknown_detection");
    rig.get("/api/v1/live?cursor=x").await.problem(400, "bad_cursor");
    rig.get("/api/v1/streams/%FF").await.problem(400, "bad_request");
    let odd = [("Content-Type", "application/json"), ("X-Via-Producer", "1")];
    rig.send("POST", EVENTS, &odd, b"{}").await.problem(400, "bad_parameter");
    let name = rig.post_json("/api/v1/streams/.hidden/events", r#"{"entity":"a"}"#).await;
    name.problem(422, "bad_name");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_s_id_is_kept_or_made() {
    let rig = Rig::start().await;
    let given = rig.send("GET", "/nowhere", &[("X-Request-Id", "mine-1")], b"").await;
    assert_eq!(given.problem(404, "not_found")["request_id"], "mine-1");
    let made = rig.get("/api/v1/stats").await;
    assert_eq!(made.header("x-request-id").map(str::len), Some(36));
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_streams_are_only_created_where_that_is_allowed() {
    let rig = Rig::start_with(Options { create_streams: false, ..Options::default() }).await;
    rig.post_json(EVENTS, r#"{"entity":"a"}"#).await.problem(404, "unknown_stream");
    assert_eq!(rig.post_json("/api/v1/streams", r#"{"name":"s"}"#).await.status, 201);
    assert_eq!(rig.post_json(EVENTS, r#"{"entity":"a"}"#).await.json()["accepted"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn at_its_limit_the_node_refuses_work_but_not_health() {
    let rig = Rig::start_with(Options { requests: 1, ..Options::default() }).await;
    let head = "POST /api/v1/streams/s/events HTTP/1.1\r\nHost: via\r\nContent-Type: \
                application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n";
    let mut held = Vec::new();
    let refused = async {
        loop {
            // One that comes while a question is answered is refused itself.
            let mut unfinished = rig.connect().await;
            unfinished.write_all(head.as_bytes()).await.unwrap();
            held.push(unfinished);
            let answer = rig.get("/api/v1/stats").await;
            if answer.status != 200 {
                return answer;
            }
        }
    };
    let refused = tokio::time::timeout(std::time::Duration::from_secs(10), refused);
    let refused = refused.await.expect("the one place is taken");
    assert_eq!(refused.problem(503, "overloaded")["fate"], "retry");
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert_eq!(rig.get("/livez").await.status, 200);
    assert_eq!(rig.get("/readyz").await.status, 200);
}

/// A client that sends all before it reads sees why it was refused, also when that
/// is more than the node would take.
#[tokio::test(flavor = "multi_thread")]
async fn a_body_far_over_the_limit_is_answered_and_not_reset() {
    let rig = Rig::start().await;
    let mut stream = rig.connect().await;
    let length = 60 << 20;
    let head = format!(
        "POST {EVENTS} HTTP/1.1\r\nHost: via\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let piece = vec![b' '; 1 << 20];
    for _ in 0..length >> 20 {
        stream.write_all(&piece).await.expect("it is read on");
    }
    read(&mut stream).await.problem(413, "too_large");
}
