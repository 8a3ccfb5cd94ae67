//! The asking side between nodes: openraft's network over `transport::Links`.
//! Votes, heartbeats and transfers are calls; entries go through one long
//! stream per group and peer, pipelined; snapshots through one of their own.

use std::future::{Future, ready};
use std::iter::successors;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{empty, once, unfold};
use futures_util::{Stream, StreamExt};
use openraft::OptionalSend;
use openraft::RaftNetworkFactory;
use openraft::alias::SnapshotOf;
use openraft::base::{BoxFuture, BoxStream};
use openraft::errors::{NetworkError, RPCError, ReplicationClosed, StreamingError, Unreachable};
use openraft::impls::EmptyNode;
use openraft::network::{
    Backoff, NetBackoff, NetSnapshot, NetStreamAppend, NetTransferLeader, NetVote, RPCOption,
};
use openraft::raft::{
    AppendEntriesRequest, SnapshotResponse, StreamAppendResult, TransferLeaderError,
    TransferLeaderRequest, TransferLeaderResponse, VoteRequest, VoteResponse,
};
use tokio::sync::{mpsc, oneshot};
use via_transport::{Duplex, FrameReceiver, FrameSender, Links, Service};
use via_types::{GroupId, NodeId};

use crate::aside::aside;
use crate::machine::CHUNK_BYTES;
use crate::raft::{Types, Vote};
use crate::replica::Image;
use crate::ways::Ways;
use crate::wire::{self, Answer, AppendHead, Appended, Call, Opening, Piece, Request};
use crate::{Error, error, metrics};

/// How long opening a stream may take: the first one includes a handshake.
const OPEN: Duration = Duration::from_secs(2);
/// How long a peer that could not be reached is left alone at first, and at most:
/// one that comes back is sent what it missed within a second.
const PAUSE_FIRST: Duration = Duration::from_millis(50);
const PAUSE_MOST: Duration = Duration::from_millis(800);
/// Chunks of a snapshot read ahead of the network.
const CHUNKS_AHEAD: usize = 2;

type Result<T, E = RPCError<Types>> = std::result::Result<T, E>;

/// Makes a group's ways to its peers.
pub(crate) struct Peers {
    group: GroupId,
    ways: Option<Arc<Ways>>,
    reading: Arc<AtomicUsize>,
}

impl Peers {
    /// Makes the ways of `group`; `reading` counts who waits for a heartbeat.
    pub(crate) fn new(group: GroupId, ways: Option<Arc<Ways>>, reading: Arc<AtomicUsize>) -> Self {
        Self { group, ways, reading }
    }

    fn peer(&self, target: u64, use_of: Use) -> Peer {
        let (ways, reading) = (self.ways.clone(), Arc::clone(&self.reading));
        Peer { group: self.group, peer: NodeId::new(target), ways, reading, use_of }
    }
}

impl RaftNetworkFactory<Types> for Peers {
    type Network = Peer;

    async fn new_client(&mut self, target: u64, _node: &EmptyNode) -> Peer {
        self.peer(target, Use::Entries)
    }

    async fn new_heartbeat_client(&mut self, target: u64, _node: &EmptyNode) -> Peer {
        self.peer(target, Use::Heartbeats)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Use {
    Entries,
    Heartbeats,
}

/// A group's way to one peer.
pub(crate) struct Peer {
    group: GroupId,
    peer: NodeId,
    ways: Option<Arc<Ways>>,
    reading: Arc<AtomicUsize>,
    use_of: Use,
}

/// A peer that is not there is left alone for a while; one that answered
/// badly is asked again soon.
fn unreached(error: &via_transport::Error) -> RPCError<Types> {
    use via_transport::Error as Link;
    let words = error::words(error);
    match error {
        Link::UnknownPeer(_) | Link::Unreachable { .. } | Link::NotServed { .. } => {
            Unreachable::from_string(words).into()
        }
        Link::Closed | Link::Refused(_) | Link::Identity(_) | Link::Listen { .. } => {
            Unreachable::from_string(words).into()
        }
        Link::Remote { .. } | Link::NoEntry { .. } => Unreachable::from_string(words).into(),
        Link::Broken { .. } | Link::Deadline(_) | Link::TooLong { .. } => {
            NetworkError::from_string(words).into()
        }
    }
}

fn misread(failed: &Error) -> RPCError<Types> {
    NetworkError::from_string(error::words(failed)).into()
}

impl Peer {
    fn ways(&self) -> Result<&Arc<Ways>, Unreachable<Types>> {
        let alone = || format!("{} of {}: this node has no links", self.peer, self.group);
        self.ways.as_ref().ok_or_else(|| Unreachable::from_string(alone()))
    }

    fn links(&self) -> Result<&Arc<dyn Links>, Unreachable<Types>> {
        Ok(&self.ways()?.links)
    }

    async fn call(&self, call: Call, deadline: Duration) -> Result<Answer> {
        let request = wire::encode(&Request { group: self.group, call });
        let answer = self.links()?.call(self.peer, Service::Raft, request, deadline).await;
        wire::decode(&answer.map_err(|error| unreached(&error))?).map_err(|error| misread(&error))
    }

    fn unexpected(&self, answer: &Answer) -> RPCError<Types> {
        NetworkError::from_string(format!("{} answered {answer:?}", self.peer)).into()
    }

    async fn ballot(&self, call: Call, option: RPCOption) -> Result<VoteResponse<Types>> {
        let answer = self.call(call, option.hard_ttl()).await?;
        let Answer::Vote { vote, granted, last } = answer else {
            return Err(self.unexpected(&answer));
        };
        Ok(VoteResponse::new(Vote::from(vote), last.map(Into::into), granted))
    }

    async fn beat(
        &self,
        request: AppendEntriesRequest<Types>,
        deadline: Duration,
    ) -> Result<StreamAppendResult<Types>> {
        // A read waits for it; nobody waits for one that only says: I live.
        let is_urgent = self.reading.load(Ordering::Acquire) > 0;
        let beat = (self.group, AppendHead::bare(&request));
        let beaten = self.ways()?.beat(self.peer, beat, deadline, is_urgent).await;
        Ok(beaten.map_err(|error| unreached(&error))?.into())
    }

    async fn open(&self, service: Service, opening: &Opening) -> Result<Duplex> {
        let mut stream = self
            .links()?
            .open(self.peer, service, OPEN)
            .await
            .map_err(|error| unreached(&error))?;
        let sent = stream.sender.send(wire::encode(opening).into()).await;
        sent.map_err(|error| unreached(&error))?;
        Ok(stream)
    }

    async fn send_snapshot(
        &self,
        vote: Vote,
        snapshot: SnapshotOf<Types, Image>,
    ) -> Result<SnapshotResponse<Types>> {
        let wrong = |what: &str| RPCError::from(NetworkError::from_string(what));
        let last = snapshot.meta.last_log_id.ok_or_else(|| wrong("a snapshot has no place"))?;
        let opening = Opening::Snapshot {
            group: self.group,
            vote: vote.into(),
            last: last.into(),
            membership: (&snapshot.meta.last_membership).into(),
        };
        let Duplex { mut sender, mut receiver } = self.open(Service::Snapshot, &opening).await?;
        let mut chunks = read_ahead(snapshot.snapshot);
        let mut sent = 0;
        while let Some(chunk) = chunks.recv().await {
            let chunk = chunk.map_err(|error| misread(&error))?;
            if chunk.len() > CHUNK_BYTES {
                return Err(wrong("invariant D-6: a chunk is over the limit"));
            }
            self.ways()?.pace(chunk.len()).await;
            metrics::snapshot_sent(chunk.len());
            let piece = Piece::Chunk(serde_bytes::ByteBuf::from(Vec::from(chunk)));
            send(&mut *sender, wire::encode_piece(&piece)).await?;
            sent += 1;
        }
        send(&mut *sender, wire::encode_piece(&Piece::End(sent))).await?;
        sender.finish().map_err(|error| unreached(&error))?;
        let answer = receiver.receive().await.map_err(|error| unreached(&error))?;
        let answer = answer.ok_or_else(|| wrong("the snapshot was not taken"))?;
        let vote: crate::entry::VoteForm = wire::decode(&answer).map_err(|e| misread(&e))?;
        Ok(SnapshotResponse::new(vote.into()))
    }
}

async fn send(sender: &mut dyn FrameSender, frame: Bytes) -> Result<()> {
    sender.send(frame.into()).await.map_err(|error| unreached(&error))
}

/// Reads a snapshot where that holds up nobody.
fn read_ahead(image: Image) -> mpsc::Receiver<Result<Bytes, Error>> {
    let (tx, rx) = mpsc::channel(CHUNKS_AHEAD);
    let mut chunks = image.into_chunks();
    tokio::spawn(async move {
        loop {
            match aside(move || (chunks.next(), chunks)).await {
                Ok((Some(chunk), rest)) => {
                    chunks = rest;
                    if tx.send(chunk).await.is_err() {
                        return;
                    }
                }
                Ok((None, _)) => return,
                // It must not look whole.
                Err(panicked) => {
                    let _gone = tx.send(Err(Error::Machine(panicked.into()))).await;
                    return;
                }
            }
        }
    });
    rx
}

/// Sends batches until there are no more, or nobody wants their answers.
async fn forward<S>(input: S, mut sender: Box<dyn FrameSender>, unwanted: oneshot::Receiver<()>)
where
    S: Stream<Item = AppendEntriesRequest<Types>> + Unpin,
{
    let sending = async {
        let mut input = pin!(input);
        while let Some(request) = input.next().await {
            // The receiving half sees the same failure and reports it.
            if sender.send(wire::encode_batch(&request)).await.is_err() {
                return;
            }
        }
        drop(sender.finish());
    };
    tokio::select! {
        () = sending => {}
        _ = unwanted => {}
    }
}

/// Reads the next answer of a stream of batches; none after a failure.
async fn next_appended(
    receiver: &mut dyn FrameReceiver,
) -> Option<Result<StreamAppendResult<Types>>> {
    match receiver.receive().await {
        Ok(None) => None,
        Ok(Some(frame)) => {
            let appended: Result<Appended, Error> = wire::decode(&frame);
            Some(appended.map(Into::into).map_err(|error| misread(&error)))
        }
        Err(error) => Some(Err(unreached(&error))),
    }
}

impl NetBackoff<Types> for Peer {
    fn backoff(&self) -> Option<Backoff> {
        let next = |pause: &Duration| Some((*pause * 2).min(PAUSE_MOST));
        Some(Backoff::new(successors(Some(PAUSE_FIRST), next)))
    }
}

impl NetStreamAppend<Types> for Peer {
    fn stream_append<'s, S>(
        &'s mut self,
        input: S,
        option: RPCOption,
    ) -> BoxFuture<'s, Result<BoxStream<'s, Result<StreamAppendResult<Types>>>>>
    where
        S: Stream<Item = AppendEntriesRequest<Types>> + OptionalSend + Unpin + 'static,
    {
        let this = &*self;
        Box::pin(async move {
            if this.use_of == Use::Heartbeats {
                let deadline = option.hard_ttl();
                let beats = input.then(move |request| this.beat(request, deadline));
                return Ok(Box::pin(beats) as BoxStream<'s, _>);
            }
            // openraft waits between attempts where it makes a batch, and nowhere
            // else: whoever opens a stream first tries again without pause.
            let mut input = input;
            let Some(first) = input.next().await else {
                return Ok(Box::pin(empty()) as BoxStream<'s, _>);
            };
            let opening = Opening::Append(this.group);
            let Duplex { sender, receiver } = this.open(Service::Append, &opening).await?;
            let (wanted, unwanted) = oneshot::channel();
            tokio::spawn(forward(once(ready(first)).chain(input), sender, unwanted));
            let answers = unfold(Some((receiver, wanted)), |state| async {
                let (mut receiver, wanted) = state?;
                let appended = next_appended(&mut *receiver).await?;
                let goes_on = matches!(appended, Ok(Ok(_)));
                Some((appended, goes_on.then_some((receiver, wanted))))
            });
            Ok(Box::pin(answers) as BoxStream<'s, _>)
        })
    }
}

impl NetVote<Types> for Peer {
    async fn vote(
        &mut self,
        request: VoteRequest<Types>,
        option: RPCOption,
    ) -> Result<VoteResponse<Types>> {
        self.ballot(Call::Vote(request.into()), option).await
    }

    async fn pre_vote(
        &mut self,
        request: VoteRequest<Types>,
        option: RPCOption,
    ) -> Result<VoteResponse<Types>> {
        self.ballot(Call::PreVote(request.into()), option).await
    }
}

impl NetSnapshot<Types> for Peer {
    type SnapshotData = Image;

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: SnapshotOf<Types, Image>,
        cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        _option: RPCOption,
    ) -> Result<SnapshotResponse<Types>, StreamingError<Types>> {
        tokio::select! {
            closed = cancel => Err(closed.into()),
            sent = self.send_snapshot(vote, snapshot) => Ok(sent?),
        }
    }
}

impl NetTransferLeader<Types> for Peer {
    async fn transfer_leader(
        &mut self,
        request: TransferLeaderRequest<Types>,
        option: RPCOption,
    ) -> Result<TransferLeaderResponse<Types>> {
        let call = Call::Transfer {
            from: (*request.from_leader()).into(),
            to: *request.to_node_id(),
            last: request.last_log_id().copied().map(Into::into),
        };
        match self.call(call, option.hard_ttl()).await? {
            Answer::Transferred => Ok(Ok(())),
            Answer::VoteChanged { expected, actual } => Ok(Err(TransferLeaderError::VoteChanged {
                expected: expected.into(),
                actual: actual.into(),
            })),
            Answer::NotFlushed { expected, actual } => {
                Ok(Err(TransferLeaderError::LogNotFlushed {
                    expected: expected.map(Into::into),
                    actual: actual.map(Into::into),
                }))
            }
            answer @ (Answer::Vote { .. } | Answer::Appended(_) | Answer::Beaten(_)) => {
                Err(self.unexpected(&answer))
            }
        }
    }
}
