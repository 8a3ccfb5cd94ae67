//! One HTTP connection to a node, as a client has it. After any error the
//! connection is gone; the next request makes a new one. Tells a request that
//! never left from one whose outcome is unknown.

pub mod feed;

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// A node that has not answered by then is treated as gone.
const DEADLINE: Duration = Duration::from_secs(20);

/// Why there is no answer.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Silence {
    /// There was no connection: the request was never sent.
    #[error("not reached: {0}")]
    Unreached(String),
    /// It was sent, or may have been: its outcome is unknown.
    #[error("not answered: {0}")]
    Unanswered(String),
}

/// What a node answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The body, whole.
    pub body: Bytes,
}

impl Answer {
    /// Returns the body as JSON; null when it is not.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// Returns the body as text, cut for messages.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).chars().take(600).collect()
    }

    /// Says whether this is a problem in the form clients are promised
    /// (RFC 9457): a stable type, a title and a request id.
    pub fn is_problem(&self) -> bool {
        let body = self.json();
        ["type", "title", "request_id"].iter().all(|field| body[field].is_string())
    }
}

/// A client's connection.
pub struct Door {
    address: SocketAddr,
    deadline: Duration,
    sender: Option<SendRequest<Full<Bytes>>>,
}

impl Door {
    /// Makes a client of the node at `address`; connects when first used.
    pub fn new(address: SocketAddr) -> Self {
        Self { address, deadline: DEADLINE, sender: None }
    }

    /// Waits that long for each answer.
    pub fn with_deadline(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }

    /// Returns where the node is.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Asks for `path`.
    ///
    /// # Errors
    /// The node could not be reached or did not answer.
    pub async fn get(&mut self, path: &str) -> Result<Answer, Silence> {
        self.send(Method::GET, path, &[], Bytes::new()).await
    }

    /// Sends `body` to `path`.
    ///
    /// # Errors
    /// The node could not be reached or did not answer.
    pub async fn post(
        &mut self,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Result<Answer, Silence> {
        self.send(Method::POST, path, headers, body.into()).await
    }

    /// Sends any request.
    ///
    /// # Errors
    /// The node could not be reached or did not answer.
    pub async fn send(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Result<Answer, Silence> {
        let mut request = Request::builder().method(method).uri(path).header("host", "via");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request
            .body(Full::new(body))
            .map_err(|error| Silence::Unreached(format!("no request: {error}")))?;
        let deadline = self.deadline;
        let mut sender = match timeout(deadline, self.connected()).await {
            Ok(connected) => connected.map_err(|error| Silence::Unreached(format!("{error:#}")))?,
            Err(_) => return Err(Silence::Unreached(format!("within {deadline:?}"))),
        };
        let unanswered = |words: String| Silence::Unanswered(format!("{path}: {words}"));
        let answered = timeout(deadline, ask(&mut sender, request)).await;
        let answer = answered
            .map_err(|_| unanswered(format!("nothing within {deadline:?}")))?
            .map_err(|error| unanswered(format!("{error:#}")))?;
        self.sender = Some(sender);
        Ok(answer)
    }

    async fn connected(&mut self) -> anyhow::Result<SendRequest<Full<Bytes>>> {
        if let Some(mut sender) = self.sender.take()
            && sender.ready().await.is_ok()
        {
            return Ok(sender);
        }
        let mut sender = connect(self.address).await?;
        sender.ready().await?;
        Ok(sender)
    }
}

async fn ask(
    sender: &mut SendRequest<Full<Bytes>>,
    request: Request<Full<Bytes>>,
) -> anyhow::Result<Answer> {
    let response = sender.send_request(request).await?;
    let status = response.status();
    let body = response.into_body().collect().await?.to_bytes();
    Ok(Answer { status, body })
}

async fn connect(address: SocketAddr) -> anyhow::Result<SendRequest<Full<Bytes>>> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // Ends when the sender is dropped or the node goes away.
    tokio::spawn(connection);
    Ok(sender)
}
