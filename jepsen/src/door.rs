//! One HTTP connection to a node, as a client has it. After any error the
//! outcome of the request is unknown and the connection is gone; the next
//! request makes a new one.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context;
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
    sender: Option<SendRequest<Full<Bytes>>>,
}

impl Door {
    /// Makes a client of the node at `address`; connects when first used.
    pub fn new(address: SocketAddr) -> Self {
        Self { address, sender: None }
    }

    /// Asks for `path`.
    ///
    /// # Errors
    /// The node could not be reached or did not answer.
    pub async fn get(&mut self, path: &str) -> anyhow::Result<Answer> {
        self.send(Method::GET, path, &[], Bytes::new()).await
    }

    /// Sends `body` to `path`.
    ///
    /// # Errors
    /// The node could not be reached or did not answer: the outcome is unknown.
    pub async fn post(
        &mut self,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> anyhow::Result<Answer> {
        self.send(Method::POST, path, headers, body.into()).await
    }

    async fn send(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> anyhow::Result<Answer> {
        let mut request = Request::builder().method(method).uri(path).header("host", "via");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body)).context("the request is well formed")?;
        let asked = timeout(DEADLINE, self.ask(request)).await;
        match asked {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => {
                self.sender = None;
                Err(error)
            }
            Err(_) => {
                self.sender = None;
                anyhow::bail!("no answer to {path} within {DEADLINE:?}")
            }
        }
    }

    async fn ask(&mut self, request: Request<Full<Bytes>>) -> anyhow::Result<Answer> {
        let mut sender = match self.sender.take() {
            Some(sender) if !sender.is_closed() => sender,
            Some(_) | None => connect(self.address).await?,
        };
        sender.ready().await?;
        let response = sender.send_request(request).await?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        self.sender = Some(sender);
        Ok(Answer { status, body })
    }
}

async fn connect(address: SocketAddr) -> anyhow::Result<SendRequest<Full<Bytes>>> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // Ends when the sender is dropped or the node goes away.
    tokio::spawn(connection);
    Ok(sender)
}
