//! The answering side between nodes: finds the group a peer means and lets
//! openraft answer. A peer speaks for itself only: what claims another leader
//! than the authenticated peer is refused.

use std::path::Path;
use std::sync::Weak;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::{BoxFuture, join_all};
use futures_util::stream::unfold;
use openraft::Snapshot;
use via_transport::{Duplex, Error as Link, FrameReceiver, FrameSender, Handler};
use via_types::{GroupId, NodeId};

use crate::entry::{PlaceForm, StoredForm, VoteForm};
use crate::host::Shared;
use crate::raft::{Raft, SnapshotMeta, Types, Vote};
use crate::replica::Image;
use crate::spool::Spool;
use crate::wire::{self, Answer, AppendHead, Appended, Call, Opening, Piece, Request};
use crate::{Error, error, metrics};

/// Answers the peers of all groups of a host, as long as the host lives.
pub(crate) struct Door(pub(crate) Weak<Shared>);

fn remote(peer: NodeId, failed: &dyn std::error::Error) -> Link {
    Link::Remote { peer, reason: error::words(failed) }
}

impl Door {
    fn raft(&self, group: GroupId) -> Result<Raft, Link> {
        let open = self.0.upgrade().and_then(|host| host.raft(group));
        open.ok_or_else(|| Link::Refused(format!("{group} is not open here")))
    }

    /// Answers heartbeats of many groups; one that cannot be does not hinder the
    /// others.
    async fn beats(
        &self,
        peer: NodeId,
        beats: Vec<(GroupId, AppendHead)>,
    ) -> Vec<Result<Appended, String>> {
        let beaten =
            beats.into_iter().map(async |(group, head)| beat(peer, &self.raft(group)?, head).await);
        let beaten = join_all(beaten).await.into_iter();
        beaten.map(|beaten| beaten.map_err(|error| error.to_string())).collect()
    }
}

fn speaks_for_itself(peer: NodeId, vote: VoteForm) -> Result<Vote, Link> {
    let vote = Vote::from(vote);
    if vote.leader_id.node_id != peer.get() {
        return Err(Link::Refused(format!("{peer} speaks for n{}", vote.leader_id.node_id)));
    }
    Ok(vote)
}

async fn beat(peer: NodeId, raft: &Raft, head: AppendHead) -> Result<Appended, Link> {
    speaks_for_itself(peer, head.vote)?;
    let request = head.into_request(&Bytes::new()).map_err(|e| remote(peer, &e))?;
    let beats = raft.stream_append(futures_util::stream::iter([request]));
    let beat = std::pin::pin!(beats).next().await;
    let beat = beat.ok_or_else(|| Link::Refused("the group stopped".to_owned()))?;
    Ok(beat.map_err(|error| remote(peer, &error))?.into())
}

async fn answer(peer: NodeId, raft: Raft, call: Call) -> Result<Answer, Link> {
    Ok(match call {
        Call::Vote(ballot) => {
            speaks_for_itself(peer, ballot.vote)?;
            raft.vote(ballot.into()).await.map_err(|error| remote(peer, &error))?.into()
        }
        Call::PreVote(ballot) => {
            speaks_for_itself(peer, ballot.vote)?;
            raft.pre_vote(ballot.into()).await.map_err(|error| remote(peer, &error))?.into()
        }
        Call::Heartbeat(head) => Answer::Appended(beat(peer, &raft, head).await?),
        Call::Beats(_) => return Err(Link::Refused("they are for no group".to_owned())),
        Call::Transfer { from, to, last } => {
            let from = speaks_for_itself(peer, from)?;
            let request =
                openraft::raft::TransferLeaderRequest::new(from, to, last.map(Into::into));
            match raft.handle_transfer_leader(request).await.map_err(|e| remote(peer, &e))? {
                Ok(()) => Answer::Transferred,
                Err(refusal) => refusal.into(),
            }
        }
    })
}

impl Handler for Door {
    fn call(&self, peer: NodeId, request: Bytes) -> BoxFuture<'static, Result<Bytes, Link>> {
        let request: Result<Request, _> = wire::decode(&request);
        let door = Self(Weak::clone(&self.0));
        Box::pin(async move {
            let Request { group, call } = request.map_err(|error| remote(peer, &error))?;
            if let Call::Beats(beats) = call {
                return Ok(wire::encode(&Answer::Beaten(door.beats(peer, beats).await)));
            }
            Ok(wire::encode(&answer(peer, door.raft(group)?, call).await?))
        })
    }

    fn stream(&self, peer: NodeId, stream: Duplex) -> BoxFuture<'static, Result<(), Link>> {
        let door = Self(Weak::clone(&self.0));
        Box::pin(async move {
            let Duplex { mut sender, mut receiver } = stream;
            let Some(opening) = receiver.receive().await? else { return Ok(()) };
            match wire::decode(&opening).map_err(|error| remote(peer, &error))? {
                Opening::Append(group) => {
                    let raft = door.raft(group)?;
                    append(peer, &raft, &mut *sender, receiver).await
                }
                Opening::Snapshot { group, vote, last, membership } => {
                    let raft = door.raft(group)?;
                    let vote = speaks_for_itself(peer, vote)?;
                    let host = door.0.upgrade().ok_or(Link::Closed)?;
                    let spool = host.spool().to_owned();
                    drop(host);
                    let image = receive(&mut *receiver, &spool)
                        .await
                        .map_err(|error| remote(peer, &error))?;
                    let meta = meta(last, membership).map_err(|error| remote(peer, &error))?;
                    let vote = install(peer, &raft, vote, meta, image).await?;
                    sender.send(wire::encode(&vote).into()).await?;
                    sender.finish()
                }
            }
        })
    }
}

/// Takes batches of entries and answers each, in order.
async fn append(
    peer: NodeId,
    raft: &Raft,
    sender: &mut dyn FrameSender,
    receiver: Box<dyn FrameReceiver>,
) -> Result<(), Link> {
    let batches = unfold(receiver, move |mut receiver| async move {
        let frame = receiver.receive().await.ok().flatten()?;
        let read = wire::decode_batch(frame)
            .map_err(|error| remote(peer, &error))
            .and_then(|request| speaks_for_itself(peer, request.vote.into()).map(|_| request));
        match read {
            Ok(request) => Some((request, receiver)),
            Err(error) => {
                tracing::warn!(%peer, %error, "a batch of entries was refused");
                None
            }
        }
    });
    let mut answers = std::pin::pin!(raft.stream_append(batches));
    while let Some(answer) = answers.next().await {
        let appended = Appended::from(answer.map_err(|error| remote(peer, &error))?);
        sender.send(wire::encode(&appended).into()).await?;
    }
    sender.finish()
}

fn meta(last: PlaceForm, membership: StoredForm) -> Result<SnapshotMeta, Error> {
    let last_membership = membership.try_into()?;
    Ok(SnapshotMeta { last_log_id: Some(last.into()), last_membership })
}

/// Takes a whole snapshot before the group hears of it: a link that breaks
/// halfway must not stop the group.
async fn receive(receiver: &mut dyn FrameReceiver, spool: &Path) -> Result<Image, Error> {
    let cut = |what: &str| Error::Unreadable { what: "snapshot", source: what.into() };
    let mut spool = Spool::create(spool).await?;
    while let Some(frame) = receiver.receive().await? {
        match wire::decode_piece(&frame)? {
            Piece::Chunk(chunk) => {
                metrics::snapshot_received(chunk.len());
                spool = spool.push(chunk.into_vec()).await?;
            }
            Piece::End(chunks) if chunks == spool.chunks() => {
                return Ok(Image::new(spool.into_chunks()?));
            }
            Piece::End(_) => return Err(cut("chunks are missing")),
        }
    }
    Err(cut("it ended early"))
}

async fn install(
    peer: NodeId,
    raft: &Raft,
    vote: Vote,
    meta: SnapshotMeta,
    snapshot: Image,
) -> Result<VoteForm, Link> {
    let snapshot: openraft::alias::SnapshotOf<Types, Image> = Snapshot { meta, snapshot };
    let response = raft.install_full_snapshot(vote, snapshot).await;
    Ok(response.map_err(|error| remote(peer, &error))?.vote.into())
}
