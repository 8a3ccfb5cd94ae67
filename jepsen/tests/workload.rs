//! The workloads and their checkers together, against a node made up for the
//! purpose: with one that is honest, though it loses answers, every history is
//! valid; every planted bug must be found. A harness that would not see these is
//! worth nothing.

#![expect(clippy::unwrap_used, reason = "what helps a test is a test")]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::HeaderMap;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use via_jepsen::caller::Targets;
use via_jepsen::checker::Validity;
use via_jepsen::history::Kind;
use via_jepsen::workload::{Name, Stage, drive};

/// What the made-up node gets wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Bug {
    None,
    /// Acknowledges one batch in twenty and forgets it.
    Loses,
    /// Applies a repeated batch again.
    Doubles,
    /// Refuses one batch in twenty and applies it.
    AppliesRefused,
    /// Applies what an older epoch sends.
    HearsZombies,
    /// Changes a configuration whatever it was based on.
    IgnoresRevisions,
    /// Answers one question in ten with the configuration before.
    ReadsStale,
    /// Refuses without saying what to believe.
    HasNoFate,
}

/// An event is applied to this.
#[derive(Default)]
struct Entity {
    values: Vec<f64>,
}

struct Stream {
    revision: u64,
    own: Value,
    before: Value,
}

type Batch = (String, String, String);

#[derive(Default)]
struct Node {
    entities: BTreeMap<String, Entity>,
    streams: BTreeMap<String, Stream>,
    producers: BTreeMap<String, (u64, u64)>,
    applied: BTreeMap<Batch, u64>,
    asked: u64,
    revision: u64,
}

enum Answer {
    Is(StatusCode, Value),
    /// The deed is done and the answer is lost.
    Lost,
}

fn problem(status: StatusCode, code: &str, fate: &str) -> Answer {
    let told = json!({"type": format!("/problems/{code}"), "title": code, "request_id": "1",
        "code": code, "detail": code, "fate": fate});
    Answer::Is(status, told)
}

fn header(headers: &HeaderMap, name: &str) -> String {
    headers.get(name).map_or("", |value| value.to_str().unwrap()).trim_matches('"').to_owned()
}

impl Node {
    fn answer(&mut self, bug: Bug, method: &Method, request: (&str, &HeaderMap, &str)) -> Answer {
        self.asked += 1;
        let (path, headers, body) = request;
        let parts: Vec<&str> = path.trim_start_matches("/api/v1/").split('/').collect();
        match (method.as_str(), parts.as_slice()) {
            ("POST", ["producers"]) => self.open(body),
            ("POST", ["streams"]) => self.create(body),
            ("POST", ["streams", _, "events"]) => self.ingest(bug, headers, body),
            ("PUT", ["streams", stream, "config"]) => self.configure(bug, stream, headers, body),
            ("GET", ["streams", stream]) => self.show(bug, stream),
            ("GET", ["streams", _, "entities", entity]) => self.count(entity),
            ("GET", ["streams", _, "entities", entity, "series"]) => self.series(entity),
            _ => problem(StatusCode::NOT_FOUND, "not_found", "rejected"),
        }
    }

    fn open(&mut self, body: &str) -> Answer {
        let name = serde_json::from_str::<Value>(body).unwrap()["name"].to_string();
        let next = self.producers.len() as u64 + 1;
        let (producer, epoch) = self.producers.entry(name).or_insert((next, 0));
        *epoch += 1;
        Answer::Is(StatusCode::OK, json!({"producer": producer, "epoch": epoch}))
    }

    fn ingest(&mut self, bug: Bug, headers: &HeaderMap, body: &str) -> Answer {
        let events = body.lines().count() as u64;
        let [producer, epoch, sequence] =
            ["x-via-producer", "x-via-epoch", "x-via-sequence"].map(|name| header(headers, name));
        let newest = self.producers.values().find(|known| known.0.to_string() == producer);
        let is_zombie = newest.is_some_and(|known| known.1.to_string() != epoch);
        if is_zombie && bug != Bug::HearsZombies {
            return problem(StatusCode::CONFLICT, "fenced", "rejected");
        }
        let twentieth = self.asked.is_multiple_of(20);
        if twentieth && bug == Bug::HasNoFate {
            return Answer::Is(StatusCode::BAD_GATEWAY, json!("sorry"));
        }
        let is_numbered = !producer.is_empty();
        let name = (producer, epoch, sequence);
        let repeated = is_numbered && self.applied.contains_key(&name);
        if (!repeated || bug == Bug::Doubles) && !(twentieth && bug == Bug::Loses) {
            self.apply(body);
        }
        if is_numbered {
            self.applied.insert(name, events);
        }
        if twentieth && bug == Bug::AppliesRefused {
            return problem(StatusCode::SERVICE_UNAVAILABLE, "overloaded", "retry");
        }
        if self.asked.is_multiple_of(7) {
            return Answer::Lost;
        }
        Answer::Is(StatusCode::OK, json!({"accepted": events, "refused": 0, "repeated": repeated}))
    }

    fn apply(&mut self, body: &str) {
        for line in body.lines() {
            let event: Value = serde_json::from_str(line).unwrap();
            let entity = self.entities.entry(event["entity"].as_str().unwrap().to_owned());
            entity.or_default().values.push(event["value"].as_f64().unwrap());
        }
    }

    fn count(&self, entity: &str) -> Answer {
        match self.entities.get(entity) {
            Some(entity) => Answer::Is(StatusCode::OK, json!({"events": entity.values.len()})),
            None => problem(StatusCode::NOT_FOUND, "unknown_entity", "rejected"),
        }
    }

    fn series(&self, entity: &str) -> Answer {
        let Some(entity) = self.entities.get(entity) else {
            return problem(StatusCode::NOT_FOUND, "unknown_entity", "rejected");
        };
        let points: Vec<Value> =
            entity.values.iter().map(|mean| json!({"count": 1.0, "mean": mean})).collect();
        Answer::Is(StatusCode::OK, json!({ "points": points }))
    }

    fn create(&mut self, body: &str) -> Answer {
        let body: Value = serde_json::from_str(body).unwrap();
        let name = body["name"].as_str().unwrap().to_owned();
        if self.streams.contains_key(&name) {
            return problem(StatusCode::CONFLICT, "stream_exists", "rejected");
        }
        self.revision += 1;
        let own = body["config"].clone();
        let stream = Stream { revision: self.revision, before: own.clone(), own };
        self.streams.insert(name, stream);
        Answer::Is(StatusCode::CREATED, Value::Null)
    }

    fn show(&self, bug: Bug, stream: &str) -> Answer {
        let Some(stream) = self.streams.get(stream) else {
            return problem(StatusCode::NOT_FOUND, "unknown_stream", "rejected");
        };
        let is_stale = bug == Bug::ReadsStale && self.asked.is_multiple_of(10);
        let own = if is_stale { &stream.before } else { &stream.own };
        Answer::Is(StatusCode::OK, json!({"revision": stream.revision, "own": own}))
    }

    fn configure(&mut self, bug: Bug, stream: &str, headers: &HeaderMap, body: &str) -> Answer {
        let stream = self.streams.get_mut(stream).unwrap();
        let is_based = header(headers, "if-match") == stream.revision.to_string();
        if !is_based && bug != Bug::IgnoresRevisions {
            return problem(StatusCode::PRECONDITION_FAILED, "stale_revision", "rejected");
        }
        self.revision += 1;
        stream.revision = self.revision;
        stream.before = std::mem::replace(&mut stream.own, serde_json::from_str(body).unwrap());
        if self.asked.is_multiple_of(9) {
            return Answer::Lost;
        }
        Answer::Is(StatusCode::OK, Value::Null)
    }
}

async fn serve(bug: Bug) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let node = Arc::new(Mutex::new(Node::default()));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let node = Arc::clone(&node);
            let service = service_fn(move |request: Request<Incoming>| {
                let node = Arc::clone(&node);
                async move {
                    let (head, body) = request.into_parts();
                    let body = body.collect().await.unwrap().to_bytes();
                    let body = String::from_utf8(body.to_vec()).unwrap();
                    // Others come between a question and its answer.
                    tokio::task::yield_now().await;
                    let request = (head.uri.path(), &head.headers, body.as_str());
                    match node.lock().unwrap().answer(bug, &head.method, request) {
                        Answer::Is(status, told) => {
                            let body = Full::new(Bytes::from(told.to_string()));
                            Response::builder().status(status).body(body).map_err(|_| "sound")
                        }
                        Answer::Lost => Err("the connection breaks"),
                    }
                }
            });
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    address
}

/// Lets a workload's clients do many operations, and judges what came of it.
async fn judged(name: Name, bug: Bug) -> (Validity, String) {
    let targets = Targets::new(1);
    targets.set(0, Some(serve(bug).await));
    let stage = Stage::new(targets, 5, Duration::from_secs(1), PathBuf::new());
    let workload = name.workload();
    workload.prepare(&stage).await.unwrap();
    let stopping = Arc::new(AtomicBool::new(false));
    let mut clients = tokio::task::JoinSet::new();
    for number in 0..workload.crowd().0 {
        let client = workload.client(&stage, number);
        let (stage, stopping) = (stage.clone(), Arc::clone(&stopping));
        clients.spawn(drive(client, stage, number, Duration::ZERO, stopping));
    }
    while stage.recorder.lines() < 3_000 {
        tokio::task::yield_now().await;
    }
    stopping.store(true, Ordering::SeqCst);
    while clients.join_next().await.is_some() {}
    workload.close(&stage).await.unwrap();
    let operations = stage.recorder.history().operations().unwrap();
    assert!(operations.iter().filter(|operation| operation.outcome == Kind::Ok).count() > 500);
    let verdicts = workload.check(&operations);
    let ill = operations.iter().filter_map(|operation| operation.error.clone());
    let ill: Vec<String> =
        ill.filter(|words| words.starts_with(via_jepsen::caller::ILL_MANNERED)).collect();
    let findings: Vec<String> = verdicts.iter().flat_map(|v| v.findings()).chain(ill).collect();
    (verdicts[0].validity(), findings.join("; "))
}

async fn is_found(name: Name, bug: Bug, words: &str) {
    let (validity, found) = judged(name, bug).await;
    assert_eq!(validity, Validity::Invalid, "{bug:?} passed {}", name.word());
    assert!(found.contains(words), "{bug:?}: {found}");
}

#[tokio::test]
async fn an_honest_node_that_loses_answers_is_valid() {
    for name in [Name::AckedSet, Name::ExactlyOnce, Name::Register] {
        let (validity, found) = judged(name, Bug::None).await;
        assert_eq!((validity, found.as_str()), (Validity::Valid, ""), "{}", name.word());
    }
}

#[tokio::test]
async fn a_node_that_loses_is_found() {
    is_found(Name::AckedSet, Bug::Loses, "lost: acknowledged at").await;
    is_found(Name::ExactlyOnce, Bug::Loses, "lost:").await;
}

#[tokio::test]
async fn a_node_that_doubles_is_found() {
    is_found(Name::ExactlyOnce, Bug::Doubles, "doubled").await;
}

#[tokio::test]
async fn a_node_that_applies_what_it_refuses_is_found() {
    is_found(Name::AckedSet, Bug::AppliesRefused, "was refused and was there").await;
}

#[tokio::test]
async fn a_node_that_hears_zombies_is_found() {
    is_found(Name::ExactlyOnce, Bug::HearsZombies, "a zombie").await;
}

#[tokio::test]
async fn a_node_that_ignores_revisions_is_found() {
    is_found(Name::Register, Bug::IgnoresRevisions, "no order explains").await;
}

#[tokio::test]
async fn a_node_that_reads_stale_is_found() {
    is_found(Name::Register, Bug::ReadsStale, "no order explains").await;
}

#[tokio::test]
async fn a_refusal_without_a_fate_is_found() {
    let (_, found) = judged(Name::AckedSet, Bug::HasNoFate).await;
    assert!(found.contains("ill-mannered"), "{found}");
}
