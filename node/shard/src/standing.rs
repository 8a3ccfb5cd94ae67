//! Whether this node leads the shard, as its driver sees it, and what a driver
//! that does not lead still does: it hands writes on, and keeps what the leader
//! has checkpointed so that its own log stays short.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::error::TrySendError;
use tokio::time::Instant;
use via_engine::Answer;
use via_types::entry::Pressed;
use via_types::{Fate, NodeId};

use crate::Error;
use crate::driver::{Done, Driver};
use crate::request::{Request, Waiting};
use crate::writes::{From, Ticket};

/// How long nothing is proposed after the group refused something.
pub(crate) const PAUSE: Duration = Duration::from_millis(5);

/// Whether this node leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// In this term, and it executes.
    Leads,
    /// It was elected and has not executed its term's first entry yet.
    Rises,
    /// Another does, or nobody.
    Follows,
}

/// Whether a write that could not go yet still waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waits {
    /// First in the queue, as before.
    InLine,
    /// It was answered.
    NoMore,
}

impl Driver {
    pub(crate) fn standing(&self) -> Standing {
        let leadership = self.leadership.borrow();
        if leadership.leader != Some(self.replica.options.node) {
            return Standing::Follows;
        }
        match leadership.is_me && leadership.term == self.term {
            true => Standing::Leads,
            false => Standing::Rises,
        }
    }

    /// Gives writes that were not proposed to whoever can have them executed.
    pub(crate) fn hand_on(&mut self) {
        let shard = self.replica.shard;
        let leadership = *self.leadership.borrow();
        for Waiting { batch, answer, bytes, ticket, .. } in std::mem::take(&mut self.queue) {
            let elsewhere =
                || Error::Elsewhere { shard, term: leadership.term, leader: leadership.leader };
            match &self.courier {
                // One hop and no more: what a peer sent goes back.
                Some(courier) if ticket.from == From::Client => {
                    let sent = courier.try_send(Request::Write { batch, answer, bytes, ticket });
                    if let Err(TrySendError::Full(Request::Write { ticket, .. })) = sent {
                        ticket.answer(Err(elsewhere()));
                    }
                }
                Some(_) | None => ticket.answer(Err(elsewhere())),
            }
        }
        self.queued_bytes = 0;
    }

    /// Puts back the writes of an entry that was not committed: those that surely
    /// were not applied, and those that name their producer, whose repetition is
    /// recognised (invariant D-2). The others are told what their entry met.
    pub(crate) fn try_again(
        &mut self,
        tickets: Vec<(Ticket, Instant)>,
        pressed: &Pressed,
        error: &Arc<via_consensus::Error>,
    ) {
        let (shard, events) = (self.replica.shard, &pressed.events);
        let is_moved = matches!(**error, via_consensus::Error::NotLeader { .. });
        let is_lost = error.fate() == Fate::Unknown;
        self.pause = Instant::now() + PAUSE;
        for (place, (mut ticket, since)) in tickets.into_iter().enumerate().rev() {
            let batch = &events.batches[place];
            let may_repeat = is_moved || is_lost && batch.origin.is_some();
            if self.is_late(since) || !may_repeat {
                ticket.answer(Err(Error::Consensus { shard, source: Arc::clone(error) }));
                continue;
            }
            ticket.in_doubt |= is_lost;
            let scored = events.scored.binary_search(&(place as u32)).is_ok();
            let answer = if scored { Answer::Scores } else { Answer::Counts };
            let (batch, bytes) = (Box::new(batch.clone()), batch.encoded_bytes());
            self.queued_bytes += bytes;
            self.queue.push_front(Waiting { batch, answer, bytes, since, ticket });
        }
    }

    /// Puts back a write before which something else had to go into the log, which
    /// the group did not take: leadership moves, or a majority was not heard for a
    /// moment. Surely it was not applied itself, so it may wait as long as there is time.
    pub(crate) fn wait_after(&mut self, waiting: Waiting, error: Error) -> Waits {
        let is_over = self.is_late(waiting.since);
        let Error::Consensus { shard, source } = error else {
            waiting.ticket.answer(Err(error));
            return Waits::NoMore;
        };
        let is_moved = matches!(*source, via_consensus::Error::NotLeader { .. });
        if !is_moved && source.fate() != Fate::Unknown {
            waiting.ticket.answer(Err(Error::Consensus { shard, source }));
            return Waits::NoMore;
        }
        if is_over {
            let what = "its configuration was not committed in time".to_owned();
            waiting.ticket.answer(Err(Error::NotReady { shard, what }));
            return Waits::NoMore;
        }
        self.pause = Instant::now() + PAUSE;
        self.queued_bytes += waiting.bytes;
        self.queue.push_front(waiting);
        Waits::InLine
    }

    /// Says whether what came then can not be tried again.
    fn is_late(&self, since: Instant) -> bool {
        !self.open || since.elapsed() + PAUSE >= self.replica.options.write_deadline
    }

    /// Hands the shard to another voter: what was taken from the executing state
    /// was refused by a group whose leader it still is, as happens when a leader
    /// has not heard of a majority for a moment. Whoever leads next rebuilds the
    /// state from the log, and so will this node when it leads again.
    ///
    /// Returns whether there is another voter.
    pub(crate) fn step_aside(&mut self) -> bool {
        if self.is_aside {
            return true;
        }
        let me = self.replica.options.node;
        let status = self.group.status();
        let others = status.voters.iter().flatten().filter(|node| **node != me);
        let reached = |node: &&NodeId| status.replicated.get(*node).copied().flatten();
        let Some(heir) = others.max_by_key(reached).copied() else { return false };
        self.is_aside = true;
        let (group, shard) = (self.group.clone(), self.replica.shard);
        tracing::warn!(%shard, %heir, "what it had to record was refused: another shall lead it");
        self.tasks.push(Box::pin(async move {
            if let Err(error) = group.transfer(heir).await {
                tracing::warn!(%shard, %heir, %error, "it was not handed over");
            }
            Done::Aside
        }));
        true
    }

    /// Makes durable what a checkpoint of another leader stored here.
    pub(crate) fn keep_up(&mut self) {
        if self.keeping || !self.replica.takes_checkpoint() {
            return;
        }
        let Some(boundary) =
            self.replica.with(|state| state.boundary.filter(|at| Some(*at) > state.durable))
        else {
            return;
        };
        self.keeping = true;
        let saver = self.saver.clone();
        let room = self.replica.store.has_room();
        self.tasks.push(Box::pin(async move {
            if !room {
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
            let kept = matches!(saver.commit().await, Some(Ok(())));
            Done::Kept(kept.then_some(boundary))
        }));
    }

    /// The boundary is on disk: the log below it is not needed any more.
    pub(crate) fn kept(&mut self, boundary: Option<via_consensus::Position>) {
        self.keeping = false;
        if boundary.is_none() {
            return;
        }
        self.replica.with(|state| state.durable = state.durable.max(boundary));
        let (group, shard) = (self.group.clone(), self.replica.shard);
        self.tasks.push(Box::pin(async move {
            if let Err(error) = group.purge().await {
                tracing::warn!(%shard, %error, "the log was not purged");
            }
            Done::Purged
        }));
    }
}
