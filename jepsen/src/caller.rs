//! A client's way to the nodes: asks one, goes to another when that one fails,
//! and maps every answer honestly to ok, fail or info by the fate the node names
//! (D-5). What has no fate is not believed.

use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use hyper::Method;
use serde_json::Value;

use crate::door::{Answer, Door, Silence};
use crate::history::{Kind, Told};

/// A client waits no longer for an answer: then its outcome is unknown.
pub const DEADLINE: Duration = Duration::from_secs(5);
/// How the error of an operation begins whose refusal broke the rules.
pub const ILL_MANNERED: &str = "ill-mannered: ";

/// Where the nodes are; a cheap clone for every client.
#[derive(Clone, Debug, Default)]
pub struct Targets {
    table: Arc<RwLock<Vec<Option<SocketAddr>>>>,
}

impl Targets {
    /// Makes a table of so many nodes, all of them unknown.
    pub fn new(nodes: usize) -> Self {
        Self { table: Arc::new(RwLock::new(vec![None; nodes])) }
    }

    /// Says where a node is; none while nobody knows.
    pub fn set(&self, node: usize, address: Option<SocketAddr>) {
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        if table.len() <= node {
            table.resize(node + 1, None);
        }
        table[node] = address;
    }

    /// Returns where a node is.
    pub fn get(&self, node: usize) -> Option<SocketAddr> {
        self.table.read().unwrap_or_else(PoisonError::into_inner).get(node).copied().flatten()
    }

    /// Returns how many nodes there are.
    pub fn nodes(&self) -> usize {
        self.table.read().unwrap_or_else(PoisonError::into_inner).len()
    }
}

/// One request.
#[derive(Clone, Debug)]
pub struct Request {
    /// How.
    pub method: Method,
    /// What for.
    pub path: String,
    /// Further headers.
    pub headers: Vec<(&'static str, String)>,
    /// The body, maybe empty.
    pub body: Bytes,
}

impl Request {
    /// Asks for `path`.
    pub fn get(path: impl Into<String>) -> Self {
        Self { method: Method::GET, path: path.into(), headers: Vec::new(), body: Bytes::new() }
    }

    /// Sends a JSON document.
    pub fn json(method: Method, path: impl Into<String>, body: &Value) -> Self {
        let headers = vec![("content-type", "application/json".to_owned())];
        Self { method, path: path.into(), headers, body: body.to_string().into() }
    }

    /// Sends events, one per line.
    pub fn events(stream: &str, lines: String) -> Self {
        let headers = vec![("content-type", "application/x-ndjson".to_owned())];
        let path = format!("/api/v1/streams/{stream}/events");
        Self { method: Method::POST, path, headers, body: lines.into() }
    }

    /// Adds a header.
    pub fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        self.headers.push((name, value.to_string()));
        self
    }
}

/// One client's connections.
pub struct Caller {
    targets: Targets,
    node: usize,
    door: Option<Door>,
}

impl Caller {
    /// Makes a client that asks node `first`, modulo how many there are.
    pub fn new(targets: Targets, first: usize) -> Self {
        Self { targets, node: first, door: None }
    }

    /// Returns the node it asks.
    pub fn node(&self) -> usize {
        self.node % self.targets.nodes().max(1)
    }

    /// Asks for what has an effect. Anything but success is told as fail or info.
    ///
    /// # Errors
    /// It surely failed, or its outcome is unknown.
    pub async fn ask(&mut self, request: &Request) -> Result<Answer, Told> {
        let answer = self.send(request).await;
        let told = match answer {
            Ok(answer) if answer.status.is_success() => return Ok(answer),
            Ok(answer) => refused(&answer),
            Err(Silence::Unreached(words)) => Told::fail(words),
            Err(Silence::Unanswered(words)) => Told::info(words),
        };
        // The next request tries another node, where there is one.
        self.node += 1;
        Err(told)
    }

    /// Asks for what has no effect: whatever fails did not happen. An answer that
    /// says there is none is an answer.
    ///
    /// # Errors
    /// It was not answered.
    pub async fn read(&mut self, path: &str) -> Result<Answer, Told> {
        let answer = self.send(&Request::get(path)).await;
        let told = match answer {
            Ok(answer) if answer.status.is_success() || answer.status.as_u16() == 404 => {
                return Ok(answer);
            }
            Ok(answer) => refused(&answer),
            Err(silence) => Told::fail(silence.to_string()),
        };
        self.node += 1;
        Err(Told { outcome: Kind::Fail, ..told })
    }

    async fn send(&mut self, request: &Request) -> Result<Answer, Silence> {
        let Some(address) = self.targets.get(self.node()) else {
            return Err(Silence::Unreached(format!("node {} is down", self.node())));
        };
        let door = match &mut self.door {
            Some(door) if door.address() == address => door,
            door => door.insert(Door::new(address).with_deadline(DEADLINE)),
        };
        let headers: Vec<(&str, &str)> =
            request.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        door.send(request.method.clone(), &request.path, &headers, request.body.clone()).await
    }
}

/// Understands a refusal by the fate it names.
fn refused(answer: &Answer) -> Told {
    let problem = answer.json();
    let words = format!(
        "{} {}: {}",
        answer.status.as_u16(),
        problem["code"].as_str().unwrap_or("?"),
        problem["detail"].as_str().unwrap_or("?")
    );
    match problem["fate"].as_str() {
        Some("rejected" | "retry") if answer.is_problem() => Told::fail(words),
        Some("unknown") if answer.is_problem() => Told::info(words),
        Some(_) | None => Told::info(format!("{ILL_MANNERED}{} {}", answer.status, answer.text())),
    }
}

#[cfg(test)]
mod tests {
    use hyper::StatusCode;
    use serde_json::json;

    use super::*;

    fn told(fate: &str) -> Told {
        let body = json!({"type": "/problems/x", "title": "X", "request_id": "1", "fate": fate,
            "code": "x", "detail": "so it is"});
        let status = StatusCode::SERVICE_UNAVAILABLE;
        refused(&Answer { status, body: body.to_string().into() })
    }

    #[test]
    fn believes_the_fate_that_is_named() {
        assert_eq!(told("rejected").outcome, Kind::Fail);
        assert_eq!(told("retry").outcome, Kind::Fail);
        assert_eq!(told("unknown").outcome, Kind::Info);
    }

    #[test]
    fn does_not_believe_a_refusal_without_a_fate() {
        let bare = Answer { status: StatusCode::BAD_GATEWAY, body: "sorry".into() };
        for told in [told("maybe"), refused(&bare)] {
            assert_eq!(told.outcome, Kind::Info);
            assert!(told.error.is_some_and(|words| words.starts_with(ILL_MANNERED)));
        }
    }

    #[tokio::test]
    async fn what_never_left_surely_failed() {
        let mut caller = Caller::new(Targets::new(1), 0);
        let told = caller.ask(&Request::get("/livez")).await.unwrap_err();
        assert_eq!(told.outcome, Kind::Fail);
    }
}
