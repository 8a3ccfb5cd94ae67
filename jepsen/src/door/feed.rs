//! The live feed over server-sent events, read message by message.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::SendRequest;
use hyper::{Method, Request};
use serde_json::Value;
use tokio::time::timeout;

use super::connect;

/// An open feed; the connection lasts as long as it does.
pub struct Feed {
    body: Incoming,
    bytes: Vec<u8>,
    _sender: SendRequest<Full<Bytes>>,
}

/// What a feed does next.
#[derive(Clone, Debug, PartialEq)]
pub enum Heard {
    /// It sends a message.
    Message(Value),
    /// It is silent for as long as one waited.
    Nothing,
    /// It has ended.
    End,
}

impl Feed {
    /// Opens the feed at `path`.
    ///
    /// # Errors
    /// The node cannot be reached, does not answer in time or refuses.
    pub async fn open(address: SocketAddr, path: &str, within: Duration) -> anyhow::Result<Self> {
        let opening = async {
            let mut sender = connect(address).await?;
            let request = Request::builder().method(Method::GET).uri(path).header("host", "via");
            let response = sender.send_request(request.body(Full::default())?).await?;
            let status = response.status();
            anyhow::ensure!(status.is_success(), "the feed is refused with {status}");
            Ok(Self { body: response.into_body(), bytes: Vec::new(), _sender: sender })
        };
        timeout(within, opening).await.context("the feed was not answered in time")?
    }

    /// Waits for the next message.
    pub async fn next(&mut self, within: Duration) -> Heard {
        timeout(within, self.hear()).await.unwrap_or(Heard::Nothing)
    }

    async fn hear(&mut self) -> Heard {
        loop {
            if let Some(message) = self.message() {
                return Heard::Message(message);
            }
            match self.body.frame().await {
                Some(Ok(frame)) => {
                    self.bytes.extend_from_slice(&frame.into_data().unwrap_or_default());
                }
                Some(Err(_)) | None => return Heard::End,
            }
        }
    }

    /// Takes the first whole event that carries data.
    fn message(&mut self) -> Option<Value> {
        while let Some(end) = self.bytes.windows(2).position(|pair| pair == b"\n\n") {
            let event: Vec<u8> = self.bytes.drain(..end + 2).collect();
            let event = String::from_utf8_lossy(&event);
            let data = event.lines().find_map(|line| line.strip_prefix("data:"));
            if let Some(message) = data.and_then(|data| serde_json::from_str(data.trim()).ok()) {
                return Some(message);
            }
        }
        None
    }
}
