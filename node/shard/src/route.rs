//! Where a shard is led: here, or on which node. Owns the hints that answers
//! and pulses bring; whoever looks takes the newest term. A wrong hint costs one
//! question: the node asked answers with a better one.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use serde::Serialize;
use tokio::time::Instant;
use via_catalog::View;
use via_catalog::object::NodeState;
use via_codec::Kind;
use via_transport::Service;
use via_types::{NodeId, ShardId, Term};

use crate::Error;
use crate::handle::Handle;
use crate::seats::Seat;
use crate::wire::{self, Answer, Call, Hint};

/// How long to wait before looking for a leader again.
const PAUSE: Duration = Duration::from_millis(20);

/// How often one who waits for a leader looks whether it still is.
const LOOK: Duration = Duration::from_millis(50);

/// Where a shard is led.
#[derive(Debug)]
pub(crate) enum Place {
    /// By this node.
    Here(Arc<Seat>),
    /// By this one, as far as is known.
    There(NodeId),
    /// Nobody knows.
    Nowhere,
}

/// Who was last said to lead each shard.
#[derive(Debug)]
pub(crate) struct Hints(Mutex<Vec<Option<(Term, NodeId)>>>);

impl Hints {
    pub(crate) fn new(shards: u16) -> Self {
        Self(Mutex::new(vec![None; usize::from(shards)]))
    }

    fn get(&self, shard: ShardId) -> Option<(Term, NodeId)> {
        self.0.lock().get(usize::from(shard.get())).copied().flatten()
    }

    /// Learns that `node` leads in `term`, if that is news.
    pub(crate) fn learn(&self, shard: ShardId, term: Term, node: NodeId) {
        if let Some(known) = self.0.lock().get_mut(usize::from(shard.get()))
            && known.is_none_or(|(newest, _)| term >= newest)
        {
            *known = Some((term, node));
        }
    }

    /// Forgets that `node` leads: it did not answer, or says otherwise.
    pub(crate) fn forget(&self, shard: ShardId, node: NodeId) {
        if let Some(known) = self.0.lock().get_mut(usize::from(shard.get()))
            && known.is_some_and(|(_, leader)| leader == node)
        {
            *known = None;
        }
    }
}

/// Looking for the leader of a shard, again and again until the time is over.
#[derive(Debug)]
pub(crate) struct Search {
    shard: ShardId,
    attempt: usize,
    pub(crate) until: Instant,
}

impl Search {
    pub(crate) fn new(shard: ShardId, patience: Duration) -> Self {
        Self { shard, attempt: 0, until: Instant::now() + patience }
    }

    /// Returns how often this has failed.
    pub(crate) fn attempt(&self) -> usize {
        self.attempt
    }

    /// Returns how long may still be waited.
    pub(crate) fn left(&self) -> Duration {
        self.until.saturating_duration_since(Instant::now())
    }

    /// Waits a little before the next attempt.
    ///
    /// # Errors
    /// The time is over; surely nothing was done.
    pub(crate) async fn pause(&mut self) -> Result<(), Error> {
        self.attempt += 1;
        if Instant::now() + PAUSE >= self.until {
            let what = "no node that leads it was found in time".to_owned();
            return Err(Error::NotReady { shard: self.shard, what });
        }
        tokio::time::sleep(PAUSE).await;
        Ok(())
    }
}

impl Handle {
    /// Says where `shard` is led; `search` tells how often that was wrong.
    pub(crate) fn find(&self, search: &Search) -> Place {
        self.place(search.shard, search.attempt)
    }

    /// Says where `shard` is led, after `attempt` wrong answers.
    pub(crate) fn place(&self, shard: ShardId, attempt: usize) -> Place {
        let me = self.inner.options.node;
        let seat = self.inner.seats.get(shard);
        if self.inner.links.is_none() {
            return seat.map_or(Place::Nowhere, Place::Here);
        }
        let here = seat.as_ref().and_then(|seat| {
            let leadership = seat.replica.leadership()?;
            Some((leadership.term, leadership.leader?))
        });
        match (here, self.inner.hints.get(shard)) {
            (Some((term, node)), hint) if hint.is_none_or(|(hinted, _)| hinted <= term) => {
                match seat {
                    Some(seat) if node == me => Place::Here(seat),
                    Some(_) | None => Place::There(node),
                }
            }
            // A hint that names this node is older than what it knows itself.
            (_, Some((_, node))) if node != me => Place::There(node),
            (_, Some(_) | None) => self.guess(shard, attempt),
        }
    }

    /// Tries the nodes in turn: first those that should have the shard.
    fn guess(&self, shard: ShardId, attempt: usize) -> Place {
        let me = self.inner.options.node;
        let view = Arc::clone(&self.inner.view.borrow());
        let should = view.placement().replicas(shard);
        let others = present(&view).filter(|node| !should.contains(node));
        let mut candidates: Vec<NodeId> = should.iter().copied().chain(others).collect();
        candidates.retain(|node| *node != me);
        match candidates.len() {
            0 => Place::Nowhere,
            count => Place::There(candidates[attempt % count]),
        }
    }

    /// Asks `node` about `shard` what was encoded before, as long as nobody else is
    /// known to lead it, and for `grace` longer: a leader that is gone does not
    /// answer, and its successor need not wait for that.
    ///
    /// # Errors
    /// As [`Self::call`].
    pub(crate) async fn call_leader(
        &self,
        (shard, node): (ShardId, NodeId),
        request: Bytes,
        patience: Duration,
        grace: Duration,
    ) -> Result<Answer, via_transport::Error> {
        let succeeded = async {
            loop {
                tokio::time::sleep(LOOK).await;
                if self.hint(shard).1.is_some_and(|leader| leader != node) {
                    break tokio::time::sleep(grace).await;
                }
            }
        };
        tokio::select! {
            answered = self.call_encoded(node, request, patience) => answered,
            () = succeeded => Err(via_transport::Error::Deadline(node)),
        }
    }

    /// Takes what `from` says of who leads `shard`.
    pub(crate) fn correct(&self, shard: ShardId, from: NodeId, (term, leader): Hint) {
        self.inner.hints.forget(shard, from);
        if let Some(leader) = leader.filter(|leader| *leader != from) {
            self.inner.hints.learn(shard, term, leader);
        }
    }

    /// Asks `node`, at most for `patience`.
    ///
    /// # Errors
    /// The link's, or what it answered is no answer.
    pub(crate) async fn call<B: Serialize>(
        &self,
        node: NodeId,
        call: &Call<B>,
        patience: Duration,
    ) -> Result<Answer, via_transport::Error> {
        self.call_encoded(node, encoded(call)?, patience).await
    }

    /// Asks `node` what was encoded before.
    ///
    /// # Errors
    /// As [`Self::call`].
    pub(crate) async fn call_encoded(
        &self,
        node: NodeId,
        request: Bytes,
        patience: Duration,
    ) -> Result<Answer, via_transport::Error> {
        let links = self.inner.links.as_ref().ok_or(via_transport::Error::Closed)?;
        let answer = links.call(node, Service::Shard, request, patience).await?;
        let misread = |error: Error| via_transport::Error::Broken {
            peer: node,
            reason: format!("its answer cannot be read: {error}"),
        };
        wire::read_answer(&answer).map_err(misread)
    }

    /// Returns who leads `shard`, as far as is known here, for a peer that asks.
    pub(crate) fn hint(&self, shard: ShardId) -> Hint {
        let seat = self.inner.seats.get(shard);
        let leadership = seat.and_then(|seat| seat.replica.leadership()).unwrap_or_default();
        match self.inner.hints.get(shard) {
            Some((term, node)) if leadership.leader.is_none() || term > leadership.term => {
                (term, Some(node))
            }
            Some(_) | None => (leadership.term, leadership.leader),
        }
    }
}

/// Encodes a call.
///
/// # Errors
/// It is over its kind's limit (invariant D-6).
pub(crate) fn encoded<B: Serialize>(call: &Call<B>) -> Result<Bytes, via_transport::Error> {
    let limit = Kind::ShardCall.max_bytes() as u64;
    wire::call(call).ok_or(via_transport::Error::TooLong { bytes: limit + 1, limit })
}

/// Returns the nodes that take part.
pub(crate) fn present(view: &View) -> impl Iterator<Item = NodeId> {
    view.nodes().filter(|node| node.state != NodeState::Left).map(|node| node.id)
}
