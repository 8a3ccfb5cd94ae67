//! The face of every kind of link: calls, streams, and who answers them.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use via_types::{NodeId, limit};

use crate::Error;

/// Longest frame, bytes: several entries travel together, and each may be as
/// long as an entry may be.
pub const FRAME_BYTES: usize = 2 * limit::ENTRY_BYTES;

/// Refuses a frame of that length before anything is allocated or sent for it
/// (invariant D-6).
pub(crate) fn check_length(bytes: usize) -> Result<(), Error> {
    check_within(bytes, FRAME_BYTES)
}

/// Refuses a frame of that length where fewer bytes are enough (D-6).
pub(crate) fn check_within(bytes: usize, limit: usize) -> Result<(), Error> {
    if bytes > limit {
        return Err(Error::TooLong { bytes: bytes as u64, limit: limit as u64 });
    }
    Ok(())
}

/// Waits for `peer` until `deadline` from now.
pub(crate) async fn in_time<T>(
    peer: NodeId,
    deadline: Duration,
    asked: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    tokio::time::timeout(deadline, asked).await.unwrap_or(Err(Error::Deadline(peer)))
}

/// What a call or a stream is for; the number is what travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u16)]
pub enum Service {
    /// Votes, heartbeats and leadership transfers of all groups.
    Raft = 1,
    /// Log entries of one group, pipelined.
    Append = 2,
    /// The state of one group, in chunks.
    Snapshot = 3,
    /// The data plane between nodes.
    Shard = 4,
    /// Cluster and tenant policy between nodes.
    Control = 5,
}

impl Service {
    /// Every service, in the order of their numbers.
    pub const ALL: [Self; 5] =
        [Self::Raft, Self::Append, Self::Snapshot, Self::Shard, Self::Control];

    /// Returns the service with this number.
    pub fn from_number(number: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|service| *service as u16 == number)
    }
}

/// One message in pieces, so that a large payload is not copied to put a
/// header before it. It arrives as one piece.
#[derive(Clone, Debug, Default)]
pub struct Frame(pub Vec<Bytes>);

impl Frame {
    /// Returns its length, bytes.
    pub fn len(&self) -> usize {
        self.0.iter().map(Bytes::len).sum()
    }

    /// Says whether it has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns its bytes in one piece; copies only when there are several.
    pub fn into_bytes(mut self) -> Bytes {
        match self.0.len() {
            0 => Bytes::new(),
            1 => self.0.remove(0),
            _ => self.0.concat().into(),
        }
    }
}

impl From<Bytes> for Frame {
    fn from(bytes: Bytes) -> Self {
        Self(vec![bytes])
    }
}

/// The sending half of a stream.
pub trait FrameSender: Send + 'static {
    /// Sends a frame after all earlier ones; waits while the peer is behind.
    /// Not safe to cancel: a frame may then be cut short and the stream with it.
    fn send(&mut self, frame: Frame) -> BoxFuture<'_, Result<(), Error>>;

    /// Says that no frame will follow.
    fn finish(&mut self) -> Result<(), Error>;
}

/// The receiving half of a stream.
pub trait FrameReceiver: Send + 'static {
    /// Returns the next frame; none when the peer finished.
    fn receive(&mut self) -> BoxFuture<'_, Result<Option<Bytes>, Error>>;
}

/// A stream of frames both ways, ordered in each.
pub struct Duplex {
    /// Towards the peer.
    pub sender: Box<dyn FrameSender>,
    /// From the peer.
    pub receiver: Box<dyn FrameReceiver>,
}

impl Duplex {
    /// Makes one stream of its halves.
    pub(crate) fn of(sender: impl FrameSender, receiver: impl FrameReceiver) -> Self {
        Self { sender: Box::new(sender), receiver: Box::new(receiver) }
    }
}

impl std::fmt::Debug for Duplex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Duplex")
    }
}

/// Answers what peers ask under one service. `peer` is authenticated.
pub trait Handler: Send + Sync + 'static {
    /// Answers one call. An `Err` reaches the caller as words.
    fn call(&self, peer: NodeId, request: Bytes) -> BoxFuture<'static, Result<Bytes, Error>>;

    /// Serves one stream to its end.
    fn stream(&self, peer: NodeId, stream: Duplex) -> BoxFuture<'static, Result<(), Error>>;
}

/// The links of one node to all its peers.
pub trait Links: Send + Sync + 'static {
    /// Returns whose links they are.
    fn node(&self) -> NodeId;

    /// Asks `peer` and waits for its answer, at most until `deadline` from now.
    fn call(
        &self,
        peer: NodeId,
        service: Service,
        request: Bytes,
        deadline: Duration,
    ) -> BoxFuture<'_, Result<Bytes, Error>>;

    /// Opens a stream to `peer`, at most until `deadline` from now.
    fn open(
        &self,
        peer: NodeId,
        service: Service,
        deadline: Duration,
    ) -> BoxFuture<'_, Result<Duplex, Error>>;

    /// Lets `handler` answer `service` from now on, in place of an earlier one.
    fn serve(&self, service: Service, handler: Arc<dyn Handler>);

    /// Closes every link and stops answering.
    fn close(&self) -> BoxFuture<'_, ()>;
}
