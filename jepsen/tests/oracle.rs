//! The oracle and the clients, against nodes made up for the purpose: one that
//! is honest though it drops connections, one that loses, one that doubles. A
//! harness that would not see these is worth nothing.

#![expect(clippy::unwrap_used, reason = "what helps a test is a test")]

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use via_jepsen::load::{Load, Shape, count};
use via_jepsen::oracle::{self, Counts, Discrepancy};

/// What a made-up node gets wrong.
#[derive(Clone, Copy, PartialEq)]
enum Bug {
    None,
    /// Acknowledges one batch in ten without counting it.
    Loses,
    /// Counts a repeated batch again.
    Doubles,
    /// Leaves out an event of a batch and says so.
    AcceptsLess,
}

#[derive(Default)]
struct Node {
    counts: Counts,
    seen: BTreeSet<(String, String)>,
    requests: u64,
    producers: BTreeMap<String, u64>,
}

/// Every third answer is lost after the deed: the client must ask again.
fn answer_is_lost(node: &Node) -> bool {
    node.requests.is_multiple_of(3)
}

impl Node {
    fn ingest(&mut self, bug: Bug, name: (String, String), body: &str) -> Value {
        self.requests += 1;
        let mut events = body.lines().count();
        let is_new = self.seen.insert(name);
        let forgets = bug == Bug::Loses && self.requests % 10 == 1;
        if (is_new || bug == Bug::Doubles) && !forgets {
            for line in body.lines() {
                let event: Value = serde_json::from_str(line).unwrap();
                *self.counts.entry(event["entity"].as_str().unwrap().to_owned()).or_default() += 1;
            }
        }
        if bug == Bug::AcceptsLess {
            events -= 1;
        }
        json!({ "accepted": events })
    }

    fn answer(
        &mut self,
        bug: Bug,
        request: &Request<()>,
        body: &str,
    ) -> Option<(StatusCode, Value)> {
        let path = request.uri().path();
        let header = |name: &str| {
            request.headers().get(name).map_or("", |value| value.to_str().unwrap()).to_owned()
        };
        if request.method() == Method::POST && path == "/api/v1/producers" {
            let next = self.producers.len() as u64 + 1;
            let producer = *self.producers.entry(body.to_owned()).or_insert(next);
            return Some((StatusCode::OK, json!({ "producer": producer, "epoch": 1 })));
        }
        if request.method() == Method::POST {
            let name = (header("x-via-producer"), header("x-via-sequence"));
            let answer = self.ingest(bug, name, body);
            return (!answer_is_lost(self)).then_some((StatusCode::OK, answer));
        }
        let entity = path.rsplit('/').next().unwrap();
        Some(match self.counts.get(entity) {
            Some(events) => (StatusCode::OK, json!({ "events": events })),
            None => (StatusCode::NOT_FOUND, Value::Null),
        })
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
                    let head = Request::from_parts(head, ());
                    let answer = node.lock().unwrap().answer(bug, &head, &body);
                    let (status, json) = answer.ok_or("the connection breaks")?;
                    let body = Full::new(Bytes::from(json.to_string()));
                    Response::builder().status(status).body(body).map_err(|_| "a sound response")
                }
            });
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    address
}

async fn judged(bug: Bug) -> anyhow::Result<Vec<Discrepancy>> {
    let address = serve(bug).await;
    let shape = Shape { writers: 3, events: 20, entities: 10, ..Shape::default() };
    let mut load = Load::start(shape.clone(), 1);
    load.node_is_at(Some(address));
    load.progress(60).await?;
    let acknowledged = load.finish().await?;
    assert!(acknowledged.values().sum::<u64>() > 60, "clients know what they sent");
    let counted = count(address, &shape.stream, acknowledged.keys()).await?;
    Ok(oracle::judge(&acknowledged, &counted))
}

#[tokio::test]
async fn an_honest_node_with_lost_answers_is_exact() {
    assert_eq!(judged(Bug::None).await.unwrap(), []);
}

#[tokio::test]
async fn a_node_that_loses_is_seen() {
    let seen = judged(Bug::Loses).await.unwrap();
    assert!(seen.iter().any(|wrong| matches!(wrong, Discrepancy::Lost { .. })), "{seen:?}");
}

#[tokio::test]
async fn a_node_that_doubles_is_seen() {
    let seen = judged(Bug::Doubles).await.unwrap();
    assert!(seen.iter().any(|wrong| matches!(wrong, Discrepancy::Doubled { .. })), "{seen:?}");
}

#[tokio::test]
async fn a_node_that_accepts_less_than_it_got_is_seen() {
    let error = judged(Bug::AcceptsLess).await.unwrap_err();
    assert!(format!("{error:#}").contains("not all were accepted"), "{error:#}");
}
