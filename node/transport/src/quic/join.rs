//! The door for newcomers: who has no certificate yet asks one thing and is
//! answered once. The newcomer knows the cluster by its authority's digest; the
//! cluster knows nothing of the newcomer but what it says (invariant D-6: short,
//! few at a time, not for long).

use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use quinn::{Connection, Endpoint};
use tokio::sync::Semaphore;
use via_types::NodeId;

use super::accept::REFUSED;
use super::frames::{QuicReceiver, QuicSender, read_answer};
use super::{CLOSED, tls};
use crate::{Error, Service, metrics};

/// Longest thing a newcomer may ask, bytes.
pub const NEWCOMER_BYTES: usize = 4 << 10;
/// Newcomers that are answered at once.
const ANSWERED: usize = 8;
/// How long a newcomer has to ask, and to take its answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long an answer may take: it may need a majority of the cluster.
const ANSWER: Duration = Duration::from_secs(20);
/// A name for who has none yet, and for whom nobody knows.
const NOBODY: NodeId = NodeId::new(0);

static SEATS: LazyLock<Semaphore> = LazyLock::new(|| Semaphore::new(ANSWERED));

/// Answers who has no certificate yet.
pub trait Welcome: Send + Sync + 'static {
    /// Answers one request of whoever is at `from`.
    fn answer(&self, from: SocketAddr, request: Bytes) -> BoxFuture<'static, Bytes>;
}

/// Answers one newcomer.
pub(super) async fn answer(connection: Connection, welcome: Arc<dyn Welcome>) {
    let from = connection.remote_address();
    let answered = match SEATS.try_acquire() {
        Ok(_seat) => answer_once(&connection, &*welcome).await,
        Err(_) => Err("too many want to join at once; try again".to_owned()),
    };
    match answered {
        // The newcomer closes when it has read; it need not be waited for.
        Ok(()) => drop(tokio::time::timeout(PATIENCE, connection.closed()).await),
        Err(reason) => {
            metrics::refused();
            tracing::warn!(%from, reason, "a newcomer was refused");
            connection.close(REFUSED, reason.as_bytes());
        }
    }
}

async fn answer_once(connection: &Connection, welcome: &dyn Welcome) -> Result<(), String> {
    let asked = async {
        let (send, receive) = connection.accept_bi().await.map_err(|error| error.to_string())?;
        let read = QuicReceiver::new(NOBODY, receive).read_within(NEWCOMER_BYTES).await;
        let request = read.map_err(|error| error.to_string())?;
        Ok::<_, String>((QuicSender::new(NOBODY, send), request.unwrap_or_default()))
    };
    let asked = tokio::time::timeout(PATIENCE, asked).await;
    let (mut sender, request) = asked.map_err(|_| "it did not ask".to_owned())??;
    let answer = welcome.answer(connection.remote_address(), request);
    let answer = tokio::time::timeout(ANSWER, answer).await;
    let answer = answer.map_err(|_| "the cluster did not decide in time".to_owned())?;
    sender.answer(Ok(answer)).await.map_err(|error| error.to_string())
}

/// Asks at the door of the cluster whose authority has the digest `authority`.
///
/// # Errors
/// [`Error::NoEntry`]: nobody is there, it is another cluster, or it did not
/// answer; the request may have been handled.
pub async fn knock(
    address: SocketAddr,
    authority: [u8; 32],
    request: Bytes,
) -> Result<Bytes, Error> {
    let no_entry = |reason: String| Error::NoEntry { address: address.to_string(), reason };
    let any = if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let any: SocketAddr = any.parse().expect("it is an address");
    let endpoint = Endpoint::client(any).map_err(|error| no_entry(error.to_string()))?;
    let client = tls::newcomer(authority, ANSWER)?;
    let asked = async {
        // The name does not matter: every node of the cluster may answer.
        let connecting = endpoint.connect_with(client, address, "member.cluster");
        let connecting = connecting.map_err(|error| error.to_string())?;
        let connection = connecting.await.map_err(|error| error.to_string())?;
        let told = ask(&connection, request).await;
        let told = told.map_err(|words| match connection.close_reason() {
            Some(why) => why.to_string(),
            None => words,
        });
        connection.close(CLOSED, b"thanks");
        told
    };
    let told = tokio::time::timeout(ANSWER + PATIENCE, asked).await;
    endpoint.wait_idle().await;
    told.unwrap_or_else(|_| Err("no answer".to_owned())).map_err(no_entry)
}

async fn ask(connection: &Connection, request: Bytes) -> Result<Bytes, String> {
    let words = |error: Error| error.to_string();
    let (send, receive) = connection.open_bi().await.map_err(|error| error.to_string())?;
    let mut sender = QuicSender::new(NOBODY, send);
    sender.write(request.into()).await.map_err(words)?;
    sender.end().map_err(words)?;
    read_answer(&mut QuicReceiver::new(NOBODY, receive), Service::Control).await.map_err(words)
}
