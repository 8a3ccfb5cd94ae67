//! Quotas hold on every way in, and what was admitted is what is metered (T-2).

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tonic::Code;
use tonic_types::StatusExt as _;
use via_catalog::command::PutAccount;
use via_catalog::{Plan, Quotas, Standing};
use via_gateway::{Access, Options};
use via_proto::v1::ingest_client::IngestClient;
use via_proto::v1::write_stream_response::Outcome;
use via_proto::v1::{SubscribeRequest, WriteRequest};
use via_types::{Revision, Role, TenantId};

use crate::rig::{Answer, Rig};

const DAY: &str = "2023-11-14";

/// Starts a node that asks nobody who they are, and whose default tenant has
/// these quotas.
async fn bound(quotas: Quotas) -> Rig {
    let access = Access { record_every: Duration::from_millis(20), ..Access::default() };
    let rig = Rig::start_with(Options { access, ..Options::default() }).await;
    let tenant = rig.control.view().tenant_named("default").expect("it is there").id;
    rig.account(tenant, quotas).await;
    rig
}

impl Rig {
    /// Says what a tenant may use; once.
    async fn account(&self, tenant: TenantId, quotas: Quotas) {
        let (plan, region, standing) = (Plan::ENTERPRISE, None, Standing::Active);
        let put = PutAccount { tenant, plan, quotas, region, standing, needs_second_factor: false };
        let deed = self.deed().based_on(Revision::new(0));
        self.control.commit(deed, put).await.expect("an account");
    }

    /// Waits until the usage that is told has these rows.
    async fn metered(&self, rows: &[(&str, &str, u64)]) {
        let row = |(day, stream, events): &(&str, &str, u64)| json!({"day": day, "stream": stream, "events": events});
        let expected: Vec<Value> = rows.iter().map(row).collect();
        let told = async {
            loop {
                let told = self.get("/api/v1/usage").await.json();
                if told["items"] == json!(expected) {
                    return;
                }
                tokio::task::yield_now().await;
            }
        };
        let told = tokio::time::timeout(Duration::from_secs(20), told).await;
        let now = self.get("/api/v1/usage").await.json();
        assert!(told.is_ok(), "{now} and not {expected:?}");
    }
}

fn events(per_second: u64, burst: u64) -> Quotas {
    Quotas { events_per_second: Some(per_second), events_burst: Some(burst), ..Quotas::default() }
}

fn array(count: u64) -> String {
    json!((0..count).map(|n| json!({"entity": format!("e{}", n % 9)})).collect::<Vec<_>>())
        .to_string()
}

fn lines(count: u64) -> Vec<u8> {
    (0..count).flat_map(|n| format!("{{\"entity\":\"e{}\"}}\n", n % 9).into_bytes()).collect()
}

fn columns(count: u32, tag: u64) -> WriteRequest {
    WriteRequest {
        stream: "s".to_owned(),
        keys: vec!["e0".into()],
        entity: vec![0; count as usize * 4].into(),
        tag,
        ..WriteRequest::default()
    }
}

#[track_caller]
fn exceeded(answer: &Answer, quota: &str) {
    let problem = answer.problem(429, "quota_exceeded");
    assert_eq!((problem["quota"].as_str(), &problem["fate"]), (Some(quota), &json!("retry")));
    let seconds: u64 = answer.header("retry-after").expect("when").parse().expect("a number");
    assert!(seconds >= 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn events_beyond_the_quota_are_refused_before_they_are_applied_and_told_when_to_come_again() {
    let rig = bound(events(10, 100)).await;
    let path = "/api/v1/streams/s/events";
    let first = rig.post_json(path, &array(60)).await;
    assert_eq!((first.status, &first.json()["accepted"]), (200, &json!(60)));
    assert_eq!(first.header("ratelimit-policy"), Some("\"events\";q=100;w=10;qu=\"events\""));
    assert_eq!(first.header("ratelimit"), Some("\"events\";r=40;t=6"));
    let score = rig.post_lines("/api/v1/streams/s/score", &lines(30)).await;
    assert_eq!((score.status, &score.json()["accepted"]), (200, &json!(30)));
    let refused = rig.post_json(path, &array(15)).await;
    exceeded(&refused, "events_per_second");
    assert_eq!(refused.header("ratelimit"), Some("\"events\";r=10;t=9"), "it cost nothing");
    exceeded(&rig.post_lines(path, &lines(15)).await, "events_per_second");
    let large = rig.post_lines(path, &lines(101)).await.problem(413, "too_large");
    assert_eq!(large["quota"], "events_burst", "it would never fit");
    rig.clock.advance(Duration::from_millis(500));
    let later = rig.post_lines(path, &lines(15)).await;
    assert_eq!((later.status, &later.json()["accepted"]), (200, &json!(15)));
    exceeded(&rig.post_lines(path, &lines(1)).await, "events_per_second");
    rig.metered(&[(DAY, "s", 105)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn grpc_says_which_quota_is_used_up_and_when_to_come_again() {
    let quotas = Quotas { subscribers: Some(1), ..events(10, 100) };
    let rig = bound(Quotas { request_bytes: Some(10_000), ..quotas }).await;
    let mut client =
        IngestClient::connect(format!("http://{}", rig.address)).await.expect("it serves");
    let written = client.write(columns(50, 1)).await.expect("it fits").into_inner();
    assert_eq!(written.accepted, 50);
    let refused = client.score(columns(60, 2)).await.expect_err("it is used up");
    assert_eq!(refused.code(), Code::ResourceExhausted);
    let details = refused.get_error_details();
    let delay = details.retry_info().and_then(|info| info.retry_delay);
    assert_eq!(delay, Some(Duration::from_secs(1)));
    let violations = &details.quota_failure().expect("it is told").violations;
    assert_eq!(violations[0].subject, "events_per_second");
    let large = client.write(columns(5_000, 3)).await.expect_err("too many bytes");
    assert_eq!(
        large.get_error_details().quota_failure().unwrap().violations[0].subject,
        "request_bytes"
    );
    let requests = vec![columns(40, 4), columns(20, 5), columns(10, 6)];
    let answers = client.write_stream(tokio_stream::iter(requests)).await.expect("it begins");
    let mut answers = answers.into_inner();
    let mut told = Vec::new();
    while let Some(answer) = answers.message().await.expect("it goes on") {
        told.push(match answer.outcome.expect("there is one") {
            Outcome::Written(written) => Ok(written.accepted),
            Outcome::Failure(failure) => Err((failure.code, failure.retry_after_ms)),
        });
    }
    assert_eq!(told, [Ok(40), Err(("quota_exceeded".to_owned(), 1_000)), Ok(10)]);
    rig.metered(&[(DAY, "s", 100)]).await;
    let subscribe = || SubscribeRequest { stream: "s".to_owned(), ..SubscribeRequest::default() };
    let feed = client.subscribe(subscribe()).await.expect("there is a seat");
    let refused = client.subscribe(subscribe()).await.expect_err("there is one seat");
    assert_eq!(
        refused.get_error_details().quota_failure().unwrap().violations[0].subject,
        "subscribers"
    );
    drop(feed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_costs_nothing_counts_once_and_gets_a_long_body_through() {
    let rig = bound(events(1_000, 20_000)).await;
    let opened = rig.post_json("/api/v1/producers", r#"{"name":"p"}"#).await.json();
    let producer = opened["producer"].to_string();
    let body = lines(40_000);
    let send = async || {
        let headers = [
            ("Content-Type", "application/x-ndjson"),
            ("X-Via-Producer", producer.as_str()),
            ("X-Via-Epoch", "1"),
            ("X-Via-Sequence", "1"),
        ];
        rig.send("POST", "/api/v1/streams/s/events", &headers, &body).await
    };
    let first = send().await.problem(429, "quota_exceeded");
    assert_eq!(
        (&first["fate"], &first["accepted_before_failure"]),
        (&json!("unknown"), &json!(16_384))
    );
    rig.clock.advance(Duration::from_secs(20));
    let second = send().await.problem(429, "quota_exceeded");
    assert_eq!(second["accepted_before_failure"], 32_768, "it got further");
    rig.clock.advance(Duration::from_secs(20));
    let third = send().await;
    assert_eq!((third.status, &third.json()["accepted"]), (200, &json!(40_000)));
    rig.clock.advance(Duration::from_secs(20));
    assert_eq!(send().await.json()["repeated"], true);
    rig.metered(&[(DAY, "s", 40_000)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_beyond_the_quota_are_refused_and_another_tenant_goes_on() {
    let rig = Rig::guarded().await;
    let own = rig.control.view().tenant_named("default").unwrap().id;
    let other = rig.tenant("other").await;
    rig.account(own, Quotas { requests_per_second: Some(3), ..Quotas::default() }).await;
    let (mine, theirs) =
        (rig.session(Some(own), Role::Admin).await, rig.session(Some(other), Role::Admin).await);
    let ask = async |token: &str| rig.as_by(token, ("GET", "/api/v1/streams"), &Value::Null).await;
    for left in [2, 1, 0] {
        let answer = ask(&mine).await;
        let told = format!("\"requests\";r={left};t=1");
        assert_eq!((answer.status, answer.header("ratelimit")), (200, Some(told.as_str())));
        assert_eq!(answer.header("ratelimit-policy"), Some("\"requests\";q=3;w=1"));
    }
    let refused = ask(&mine).await;
    exceeded(&refused, "requests_per_second");
    assert_eq!(refused.header("ratelimit"), Some("\"requests\";r=0;t=1"));
    let free = ask(&theirs).await;
    assert_eq!((free.status, free.header("ratelimit")), (200, None));
    rig.clock.advance(Duration::from_millis(400));
    assert_eq!(ask(&mine).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn live_feeds_have_seats_that_are_free_again_when_left() {
    let rig = bound(Quotas { subscribers: Some(1), ..Quotas::default() }).await;
    let mut feed = rig.connect().await;
    feed.write_all(b"GET /api/v1/live HTTP/1.0\r\n\r\n").await.expect("it listens");
    let mut first = [0; 12];
    feed.read_exact(&mut first).await.expect("an answer");
    assert_eq!(&first, b"HTTP/1.0 200");
    exceeded(&rig.get("/api/v1/live").await, "subscribers");
    drop(feed);
    let freed = async {
        loop {
            let mut feed = rig.connect().await;
            feed.write_all(b"GET /api/v1/live HTTP/1.0\r\n\r\n").await.expect("it listens");
            feed.read_exact(&mut first).await.expect("an answer");
            if &first == b"HTTP/1.0 200" {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), freed).await.expect("its seat is free");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_of_more_bytes_than_the_quota_is_refused_whether_announced_or_not() {
    let rig = bound(Quotas { request_bytes: Some(2_000), ..Quotas::default() }).await;
    let path = "/api/v1/streams/s/events";
    assert_eq!(rig.post_lines(path, &lines(50)).await.status, 200);
    let announced = rig.post_lines(path, &lines(500)).await.problem(413, "too_large");
    assert_eq!(announced["quota"], "request_bytes");
    let mut head = format!("POST {path} HTTP/1.1\r\nHost: via\r\nConnection: close\r\n");
    head.push_str("Content-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n");
    let body = lines(500);
    let chunks = [head.into_bytes(), format!("{:x}\r\n", body.len()).into_bytes(), body];
    let chunked = rig.raw(&[chunks.concat(), b"\r\n0\r\n\r\n".to_vec()].concat()).await;
    assert_eq!(chunked.problem(413, "too_large")["quota"], "request_bytes");
    rig.metered(&[(DAY, "s", 50)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn usage_is_told_page_by_page_and_as_csv_and_to_its_own_tenant() {
    let rig = bound(Quotas::default()).await;
    for (stream, count) in [("b", 2), ("a", 3)] {
        let path = format!("/api/v1/streams/{stream}/events");
        assert_eq!(rig.post_json(&path, &array(count)).await.status, 200);
    }
    rig.clock.advance(Duration::from_secs(86_400));
    assert_eq!(rig.post_json("/api/v1/streams/b/events", &array(5)).await.status, 200);
    let next = "2023-11-15";
    rig.metered(&[(DAY, "b", 2), (DAY, "a", 3), (next, "b", 5)]).await;
    let first = rig.get("/api/v1/usage?limit=2").await.json();
    let cursor = first["next"].as_str().expect("there is more");
    let second = rig.get(&format!("/api/v1/usage?limit=2&cursor={cursor}")).await.json();
    assert_eq!(second, json!({"items": [{"day": next, "stream": "b", "events": 5}]}));
    let csv = rig.get("/api/v1/usage?format=csv&stream=b&limit=1").await;
    assert_eq!(csv.body, b"day,stream,events\n2023-11-14,b,2\n");
    assert_eq!(csv.header("content-type"), Some("text/csv; charset=utf-8"));
    let link = csv.header("link").expect("there is more");
    let path = link.trim_start_matches('<').split('>').next().unwrap();
    assert_eq!(rig.get(path).await.body, b"day,stream,events\n2023-11-15,b,5\n");
    let none = rig.get("/api/v1/usage?from=2023-11-16&until=2023-11-17").await.json();
    assert_eq!(none, json!({"items": []}));
    rig.get("/api/v1/usage?from=soon").await.problem(400, "bad_parameter");
    rig.get("/api/v1/usage?limit=0").await.problem(400, "bad_parameter");
    rig.get("/api/v1/usage?stream=none").await.problem(404, "unknown_stream");
    rig.get("/api/v1/usage?cursor=x").await.problem(400, "bad_cursor");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_client_that_went_away_had_sent_is_metered() {
    let rig = bound(Quotas::default()).await;
    rig.post_json("/api/v1/streams", r#"{"name":"s"}"#).await;
    let body = lines(16_384);
    let mut stream = rig.connect().await;
    let head = format!(
        "POST /api/v1/streams/s/events HTTP/1.1\r\nHost: via\r\nContent-Length: {}\r\n\
         Content-Type: application/x-ndjson\r\n\r\n",
        body.len() + 1_000
    );
    stream.write_all(head.as_bytes()).await.expect("it listens");
    stream.write_all(&body).await.expect("it is read");
    drop(stream);
    let counted = async {
        loop {
            let stats = rig.get("/api/v1/stats").await.json();
            if stats["events"] == 16_384 {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), counted).await.expect("it is applied");
    rig.metered(&[(DAY, "s", 16_384)]).await;
}
