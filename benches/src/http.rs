//! HTTP/1.1 towards a node: one connection that writes, one request at a time,
//! and single questions. Called by `load` and whoever asks a node how it is.

use std::net::SocketAddr;

use anyhow::{Context as _, Result, bail, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::net::TcpStream;
use via_proto::v1::Origin;

use crate::lines::Body;
use crate::pace::{Rate, Schedule, Times};
use crate::tally::{Counts, Tally};

/// Answers shown in an error, bytes.
const SHOWN: usize = 400;

/// Counts of a cluster: each event is counted where its shard is led.
#[derive(Clone, Copy, Debug, Deserialize)]
struct Everywhere {
    events: u64,
}

/// The counts of a node that measuring needs.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct Stats {
    /// Events applied, by all nodes of a cluster.
    pub(crate) events: u64,
    /// Profiles in memory.
    pub(crate) profiles: u64,
    /// Profiles changed since they were saved.
    pub(crate) profiles_dirty: u64,
    /// Detections recorded.
    pub(crate) detections: u64,
    /// Memory of the profiles, bytes.
    #[serde(default)]
    pub(crate) profile_bytes: u64,
    /// What short memory has led to; nothing on a node that does not say.
    #[serde(default)]
    pub(crate) memory: Memory,
    /// What all nodes count together; nothing on a node that does not say.
    #[serde(default)]
    cluster: Option<Everywhere>,
}

/// What short memory has led to.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub(crate) struct Memory {
    /// Profiles that left memory for the disk.
    pub(crate) evicted_profiles: u64,
}

/// What one connection sends and how.
pub(crate) struct Sender {
    /// The path written to.
    pub(crate) path: String,
    /// What the bodies are.
    pub(crate) media_type: &'static str,
    /// The bodies, sent in turn.
    pub(crate) bodies: Vec<Body>,
    /// The rate of the whole run, for the events' times; none for arrival times.
    pub(crate) times: Option<Rate>,
    /// The producer's first name, for exactly-once.
    pub(crate) origin: Option<Origin>,
}

/// A connection for one request at a time.
pub(crate) struct Connection {
    node: SocketAddr,
    requests: SendRequest<Full<Bytes>>,
}

impl Connection {
    /// Opens one.
    ///
    /// # Errors
    /// The node cannot be reached.
    pub(crate) async fn open(node: SocketAddr) -> Result<Self> {
        let failed = || format!("connecting to {node}");
        let stream = TcpStream::connect(node).await.with_context(failed)?;
        stream.set_nodelay(true)?;
        let (requests, connection) = handshake(TokioIo::new(stream)).await.with_context(failed)?;
        // How it ended is told to the request that it ended.
        tokio::spawn(async { drop(connection.await) });
        Ok(Self { node, requests })
    }

    /// Sends a request and waits for its answer.
    ///
    /// # Errors
    /// The connection ends.
    pub(crate) async fn ask(
        &mut self,
        mut request: Request<Full<Bytes>>,
    ) -> Result<(StatusCode, Bytes)> {
        request.headers_mut().insert(HOST, self.node.to_string().parse()?);
        self.requests.ready().await.context("the connection has ended")?;
        let answer = self.requests.send_request(request).await.context("waiting for an answer")?;
        let status = answer.status();
        let body = answer.into_body().collect().await.context("reading an answer")?;
        Ok((status, body.to_bytes()))
    }
}

/// Asks one question.
///
/// # Errors
/// The node cannot be reached.
pub(crate) async fn get(node: SocketAddr, path: &str) -> Result<(StatusCode, Bytes)> {
    let request = Request::builder().uri(path).body(Full::default())?;
    Connection::open(node).await?.ask(request).await
}

/// Asks for a change.
///
/// # Errors
/// The node cannot be reached.
pub(crate) async fn post(
    node: SocketAddr,
    path: &str,
    media_type: &str,
    body: String,
) -> Result<(StatusCode, Bytes)> {
    Connection::open(node).await?.ask(posted(path, media_type, body)?).await
}

/// Makes a request that sends `body`.
///
/// # Errors
/// The path or the type are none.
pub(crate) fn posted(path: &str, media_type: &str, body: String) -> Result<Request<Full<Bytes>>> {
    let request = Request::builder().method(Method::POST).uri(path);
    Ok(request.header(CONTENT_TYPE, media_type).body(Full::new(body.into()))?)
}

/// Asks for the node's counts.
///
/// # Errors
/// The node cannot be reached, or does not answer with counts.
pub(crate) async fn stats(node: SocketAddr) -> Result<Stats> {
    let (status, body) = get(node, "/api/v1/stats").await?;
    ensure!(status == StatusCode::OK, "the counts could not be had: {}", shown(&body));
    let stats: Result<Stats> =
        serde_json::from_slice(&body).with_context(|| format!("no counts: {}", shown(&body)));
    stats.map(|stats| Stats {
        events: stats.cluster.map_or(stats.events, |all| all.events),
        ..stats
    })
}

/// Sends until the schedule ends and everything is answered.
///
/// # Errors
/// The connection fails, or the node gives up an event.
pub(crate) async fn run(
    node: SocketAddr,
    mut sender: Sender,
    mut schedule: Schedule,
    mut tally: Tally,
) -> Result<Tally> {
    let mut connection = Connection::open(node).await?;
    let bodies = sender.bodies.len();
    let mut sequence = 0;
    while let Some(due) = schedule.next().await {
        let body = &mut sender.bodies[sequence as usize % bodies];
        sequence += 1;
        let events = body.events();
        let times = sender.times.map_or(Times::Arrival, |rate| Times::until_now(events, rate));
        let text = body.take(times);
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(&sender.path)
            .header(CONTENT_TYPE, sender.media_type);
        if let Some(origin) = sender.origin {
            request = request
                .header("X-Via-Producer", origin.producer)
                .header("X-Via-Epoch", origin.epoch)
                .header("X-Via-Sequence", sequence);
        }
        let (status, answer) = connection.ask(request.body(Full::new(text.clone()))?).await?;
        body.give_back(text);
        match status {
            StatusCode::OK => {
                let counts: Counts = serde_json::from_slice(&answer)
                    .with_context(|| format!("no counts: {}", shown(&answer)))?;
                tally.acknowledge(due, events, counts)?;
            }
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => tally.turn_away(),
            other => bail!("{other}: {}", shown(&answer)),
        }
    }
    Ok(tally)
}

fn shown(answer: &[u8]) -> String {
    String::from_utf8_lossy(&answer[..answer.len().min(SHOWN)]).into_owned()
}

#[cfg(test)]
mod tests;
