//! The same node through `via.v1.Ingest`, on the same port.

use http_body_util::BodyExt;
use tonic::body::Body;
use tonic::codegen::Service;
use tonic::transport::Channel;
use tonic::{Code, Status};
use tonic_types::StatusExt;
use via_proto::v1::ingest_client::IngestClient;
use via_proto::v1::write_stream_response::Outcome;
use via_proto::v1::{
    Fate, OpenProducerRequest, Origin, SubscribeRequest, WriteRequest, subscribe_response,
};

use via_gateway::Options;

use crate::rig::{NOW, Rig};

async fn client(rig: &Rig) -> IngestClient<Channel> {
    IngestClient::connect(format!("http://{}", rig.address)).await.expect("serves HTTP/2")
}

/// A batch of `count` events of ten entities in turn.
fn batch(stream: &str, count: u32, tag: u64) -> WriteRequest {
    WriteRequest {
        stream: stream.to_owned(),
        keys: (0..10).map(|key| format!("e{key}").into()).collect(),
        entity: (0..count).flat_map(|event| (event % 10).to_le_bytes()).collect(),
        at: (0..count)
            .flat_map(|event| (NOW - 1_000_000 + i64::from(event)).to_le_bytes())
            .collect(),
        value: (0..count).flat_map(|event| f64::from(event).to_le_bytes()).collect(),
        tag,
        ..WriteRequest::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_columnar_batch_is_written_once() {
    let rig = Rig::start().await;
    let mut client = client(&rig).await;
    let opened = client.open_producer(OpenProducerRequest { name: "p".to_owned() }).await;
    let opened = opened.expect("opens").into_inner();
    let origin = Origin { producer: opened.producer, epoch: opened.epoch, sequence: 1 };
    let request = WriteRequest { origin: Some(origin), ..batch("s", 5_000, 7) };
    let first = client.write(request.clone()).await.expect("writes").into_inner();
    assert_eq!((first.accepted, first.repeated, first.tag), (5_000, false, 7));
    let again = client.write(request.clone()).await.expect("writes").into_inner();
    assert_eq!((again.accepted, again.repeated), (5_000, true));
    let other = WriteRequest { value: vec![0; 5_000 * 8].into(), ..request };
    let refused = client.write(other).await.expect_err("other events");
    assert_eq!(refused.code(), Code::FailedPrecondition, "{refused:?}");
    assert_eq!(rig.events("s", "e4").await, 500);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_of_writes_is_answered_in_order_and_survives_a_bad_one() {
    let rig = Rig::start().await;
    let mut client = client(&rig).await;
    let requests = (0..50).map(|tag| {
        let mut request = batch("s", 100, tag);
        if tag == 20 {
            request.value = request.value.slice(..8);
        }
        if tag == 21 {
            request.entity = (0..100).flat_map(|event: u32| (event % 11).to_le_bytes()).collect();
        }
        request
    });
    let answers = client.write_stream(tokio_stream::iter(requests.collect::<Vec<_>>())).await;
    let mut answers = answers.expect("opens").into_inner();
    for tag in 0..50 {
        let answer = answers.message().await.expect("open").expect("an answer each");
        assert_eq!(answer.tag, tag);
        match answer.outcome.expect("set") {
            Outcome::Failure(failure) => {
                assert_eq!((tag, failure.code.as_str()), (20, "bad_batch"));
                assert_eq!(failure.fate(), Fate::Rejected);
            }
            Outcome::Written(written) if tag == 21 => {
                assert_eq!((written.accepted, written.refused), (91, 9));
                assert_eq!(written.refusals[0].code, "entity_position");
            }
            Outcome::Written(written) => assert_eq!(written.accepted, 100),
        }
    }
    assert!(answers.message().await.expect("open").is_none());
    assert_eq!(rig.get("/api/v1/stats").await.json()["events"], 48 * 100 + 91);
}

#[tokio::test(flavor = "multi_thread")]
async fn events_of_one_entity_keep_their_order_through_a_pipelined_stream() {
    let rig = Rig::start().await;
    let mut client = client(&rig).await;
    let requests: Vec<WriteRequest> = (0..200_u64)
        .map(|tag| {
            let mut request = batch("s", 500, tag);
            let first = NOW - 1_000_000_000 + tag as i64 * 1_000_000;
            request.at =
                (0..500_i64).flat_map(|event| (first + event * 1_000).to_le_bytes()).collect();
            request
        })
        .collect();
    let answers = client.write_stream(tokio_stream::iter(requests)).await;
    let mut answers = answers.expect("opens").into_inner();
    while answers.message().await.expect("open").is_some() {}
    let profile = rig.get("/api/v1/streams/s/entities/e0").await.json();
    assert_eq!(profile["events"], 200 * 50);
    assert_eq!(profile["late"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_beyond_the_set_limit_is_refused_whole() {
    let rig = Rig::start_with(Options { batch_events: 100, ..Options::default() }).await;
    let mut client = client(&rig).await;
    let status = client.write(batch("s", 101, 0)).await.expect_err("too many");
    assert!(status.message().contains("at most 100"), "{status}");
    assert_eq!(client.write(batch("s", 100, 0)).await.expect("fits").into_inner().accepted, 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn scores_come_back_by_row() {
    let rig = Rig::start().await;
    let mut client = client(&rig).await;
    let answer = client.score(batch("s", 200, 1)).await.expect("scores").into_inner();
    assert_eq!(answer.written.expect("set").accepted, 200);
    let rows: Vec<u32> = answer.scores.iter().map(|score| score.row).collect();
    assert_eq!(rows, (0..200).collect::<Vec<_>>());
    assert!(answer.scores[0].warming);
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_carry_their_code_fate_and_request() {
    let rig = Rig::start().await;
    let mut client = client(&rig).await;
    let mut torn = batch("s", 10, 0);
    torn.entity = torn.entity.slice(..7);
    let mut request = tonic::Request::new(torn);
    request.metadata_mut().insert("x-request-id", "mine-9".parse().unwrap());
    let status = client.write(request).await.expect_err("does not fit");
    assert_eq!(status.code(), tonic::Code::InvalidArgument);
    let details = status.get_error_details();
    let info = details.error_info().expect("set");
    assert_eq!((info.reason.as_str(), info.metadata["fate"].as_str()), ("bad_batch", "rejected"));
    assert_eq!(details.request_info().expect("set").request_id, "mine-9");
}

/// Sends one message as raw bytes and returns the answer's headers.
async fn raw(rig: &Rig, method: &str, message: &[u8]) -> (http::HeaderMap, Option<Status>) {
    let channel = Channel::from_shared(format!("http://{}", rig.address)).expect("an address");
    let mut channel = channel.connect().await.expect("serves HTTP/2");
    let mut framed = vec![0];
    framed.extend_from_slice(&(message.len() as u32).to_be_bytes());
    framed.extend_from_slice(message);
    let service = if method.contains('/') { "" } else { "via.v1.Ingest/" };
    let request = http::Request::post(format!("/{service}{method}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("x-request-id", "raw-1")
        .body(Body::new(http_body_util::Full::new(framed.into())))
        .expect("a request");
    std::future::poll_fn(|context| channel.poll_ready(context)).await.expect("ready");
    let answer = channel.call(request).await.expect("answered");
    let headers = answer.headers().clone();
    let mut body = answer.into_body();
    let mut end = Status::from_header_map(&headers);
    while let Some(frame) = body.frame().await {
        if let Ok(trailers) = frame.expect("whole").into_trailers() {
            end = Status::from_header_map(&trailers);
        }
    }
    (headers, end)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_cannot_be_read_is_refused_with_the_details_of_any_failure() {
    let rig = Rig::start_with(Options { message_bytes: 50_000, ..Options::default() }).await;
    let large = vec![0; 60_000];
    for (method, message, code, reason) in [
        ("Write", b"\xff\xff\xff".as_slice(), Code::InvalidArgument, "bad_request"),
        ("Subscribe", b"\xff\xff\xff", Code::InvalidArgument, "bad_request"),
        ("WriteStream", b"\xff\xff\xff", Code::InvalidArgument, "bad_request"),
        ("Score", &large, Code::InvalidArgument, "too_large"),
        ("WriteStream", &large, Code::InvalidArgument, "too_large"),
        ("Nothing", b"", Code::Unimplemented, "method_not_allowed"),
        ("via.v2.Ingest/Write", b"", Code::Unimplemented, "method_not_allowed"),
    ] {
        let (headers, status) = raw(&rig, method, message).await;
        let status = status.unwrap_or_else(|| panic!("{method}: {headers:?}"));
        assert_eq!(status.code(), code, "{method}: {status}");
        let details = status.get_error_details();
        let info = details.error_info().unwrap_or_else(|| panic!("{method}: {status:?}"));
        assert_eq!(
            (info.reason.as_str(), info.metadata["fate"].as_str()),
            (reason, "rejected"),
            "{method}"
        );
        assert_eq!(details.request_info().expect("set").request_id, "raw-1", "{method}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_tells_detections_and_ends_with_the_node() {
    let rig = Rig::start().await;
    rig.post_json("/api/v1/streams", r#"{"name":"s"}"#).await;
    let mut client = client(&rig).await;
    let request = SubscribeRequest { stream: "s".to_owned(), ..SubscribeRequest::default() };
    let mut feed = client.subscribe(request).await.expect("opens").into_inner();
    let hello = feed.message().await.expect("open").expect("told at once");
    assert!(!hello.cursor.is_empty() && hello.item.is_none(), "{hello:?}");
    let mut steady = batch("s", 3_000, 0);
    steady.entity = (0..3_000_u32).flat_map(|_| 0_u32.to_le_bytes()).collect();
    steady.at = (0..3_000_i64)
        .flat_map(|event| (NOW - (4_000 - event) * 1_000_000_000).to_le_bytes())
        .collect();
    steady.value =
        (0..3_000).flat_map(|event| (100.0 + f64::from(event % 7)).to_le_bytes()).collect();
    client.write(steady).await.expect("writes");
    let mut wild = batch("s", 20, 0);
    wild.entity = (0..20).flat_map(|_| 0_u32.to_le_bytes()).collect();
    wild.at =
        (0..20_i64).flat_map(|event| (NOW - (900 - event) * 1_000_000_000).to_le_bytes()).collect();
    wild.value = (0..20).flat_map(|_| 1e6_f64.to_le_bytes()).collect();
    client.write(wild).await.expect("writes");
    let told = feed.message().await.expect("open").expect("told");
    assert!(!told.cursor.is_empty());
    let Some(subscribe_response::Item::Detection(detection)) = told.item else {
        panic!("a detection is told");
    };
    assert_eq!((detection.stream.as_str(), detection.entity.as_str()), ("s", "e0"));
    rig.drain();
    let end = async {
        loop {
            match feed.message().await {
                Ok(Some(_)) => {}
                Ok(None) => return None,
                Err(status) => return Some(status),
            }
        }
    };
    let end = tokio::time::timeout(std::time::Duration::from_secs(20), end).await.expect("ends");
    assert_eq!(end.map(|status| status.code()), Some(tonic::Code::Unavailable));
}
