//! Writes on their way to a shard that another node leads: what comes while a
//! call is under way goes with the next, in order, one hop. Owns what became of
//! a call whose answer is lost: batches that name their producer are sent again
//! under the same sequence, the others are unknown (invariants D-2, D-5).

use std::collections::VecDeque;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use via_engine::Answer;
use via_types::{Batch, Fate, NodeId, ShardId, limit};

use crate::handle::Handle;
use crate::request::{Request, Waiting};
use crate::route::{Place, Search};
use crate::steward::stopped;
use crate::wire::{self, Call, Refusal};
use crate::{Error, metrics};

/// Most bytes of one call: as much as one merged entry.
const CALL_BYTES: usize = 1 << 20;
/// Most events of one call that asks for scores: each is answered with about a
/// kilobyte.
const SCORED_EVENTS: usize = 4_096;
/// Share of the time a client waits after which nothing is tried again.
const PATIENCE: f64 = 0.9;

/// How long an answer is waited for when the same may be sent again.
const REPEATABLE: Duration = Duration::from_secs(2);

/// How long a leader that has been succeeded may still answer when the same may
/// not be sent again.
const GRACE: Duration = Duration::from_millis(500);

/// The way of one shard's writes to other nodes.
pub(crate) struct Courier {
    shard: ShardId,
    handle: Handle,
    requests: mpsc::Receiver<Request>,
    queue: VecDeque<Waiting>,
    search: Search,
    patience: Duration,
}

impl Courier {
    pub(crate) fn new(shard: ShardId, handle: Handle, requests: mpsc::Receiver<Request>) -> Self {
        let patience = handle.inner.options.write_deadline.mul_f64(PATIENCE);
        let search = Search::new(shard, patience);
        Self { shard, handle, requests, queue: VecDeque::new(), search, patience }
    }

    /// Serves until `shutdown`; what is here then is answered.
    pub(crate) async fn run(mut self, mut shutdown: watch::Receiver<bool>) {
        loop {
            if self.queue.is_empty() {
                tokio::select! {
                    request = self.requests.recv() => match request {
                        Some(request) => self.take(request),
                        None => return,
                    },
                    () = stopped(&mut shutdown) => break,
                }
            }
            while self.bytes() < 4 * CALL_BYTES
                && let Ok(request) = self.requests.try_recv()
            {
                self.take(request);
            }
            tokio::select! {
                () = self.step() => {}
                () = stopped(&mut shutdown) => break,
            }
        }
        self.requests.close();
        while let Ok(request) = self.requests.try_recv() {
            self.take(request);
        }
        for parcel in std::mem::take(&mut self.queue) {
            self.give_up(parcel, "the node is shutting down");
        }
    }

    fn bytes(&self) -> usize {
        self.queue.iter().map(|parcel| parcel.bytes).sum()
    }

    fn take(&mut self, request: Request) {
        match request {
            Request::Write { batch, answer, bytes, ticket } => {
                let since = Instant::now();
                self.queue.push_back(Waiting { batch, answer, bytes, since, ticket });
            }
            Request::Deed { reply, .. } => {
                let what = "deeds do not travel with writes".to_owned();
                let _gone = reply.send(Err(Error::NotReady { shard: self.shard, what }));
            }
        }
    }

    /// Sends what waits, or waits for somebody to send it to.
    async fn step(&mut self) {
        let over = |parcel: &Waiting| parcel.since.elapsed() > self.patience;
        while self.queue.front().is_some_and(over) {
            let Some(parcel) = self.queue.pop_front() else { break };
            self.give_up(parcel, "no node that leads it answered in time");
        }
        if self.queue.is_empty() {
            return;
        }
        let moved = match self.handle.find(&self.search) {
            Place::Here(seat) => {
                while let Some(waiting) = self.queue.pop_front() {
                    let Ok(place) = seat.door.try_reserve() else {
                        self.queue.push_front(waiting);
                        break;
                    };
                    let Waiting { batch, answer, bytes, ticket, .. } = waiting;
                    place.send(Request::Write { batch, answer, bytes, ticket });
                }
                self.queue.is_empty()
            }
            Place::There(node) => self.send(node).await,
            Place::Nowhere => false,
        };
        if moved {
            self.search = Search::new(self.shard, self.patience);
        } else {
            // How long each parcel may wait is looked at above.
            let _late = self.search.pause().await;
        }
    }

    /// Returns how many of the first parcels go with one call.
    fn fitting(&self) -> usize {
        let (mut bytes, mut rows, mut most) = (0, 0, limit::BATCH_EVENTS);
        let fits = |parcel: &&Waiting| {
            let Waiting { batch, answer, bytes: size, .. } = parcel;
            if *answer == Answer::Scores {
                most = SCORED_EVENTS;
            }
            bytes += size;
            rows += batch.len();
            bytes <= CALL_BYTES && rows <= most
        };
        self.queue.iter().take_while(fits).count().max(1)
    }

    /// Sends the first parcels to `node`; says whether that got anywhere.
    async fn send(&mut self, node: NodeId) -> bool {
        let count = self.fitting();
        let eldest = self.queue.front().map_or(Duration::ZERO, |one| one.since.elapsed());
        let mut patience = self.patience.saturating_sub(eldest).max(Duration::from_millis(50));
        // What may be repeated need not wait long for an answer that may be lost.
        let mut grace = GRACE;
        if self.queue.iter().take(count).all(|one| one.batch.origin.is_some()) {
            (patience, grace) = (patience.min(REPEATABLE), Duration::ZERO);
        }
        let first = self.queue.iter().take(count);
        let batches: Vec<(&Batch, bool)> =
            first.map(|one| (&*one.batch, one.answer == Answer::Scores)).collect();
        let call = Call::Write { shard: self.shard, batches, patience };
        let Some(request) = wire::call(&call) else {
            // One batch is within the limit; several are cut to less.
            let parcels = self.queue.drain(..count).collect();
            return self.lost(node, parcels, "invariant D-6: a call is over its limit");
        };
        // Should this be dropped halfway, nobody may believe that they stayed here.
        let before: Vec<bool> = self
            .queue
            .iter_mut()
            .take(count)
            .map(|one| std::mem::replace(&mut one.ticket.in_doubt, true))
            .collect();
        let whom = (self.shard, node);
        ::metrics::counter!(metrics::FORWARDED).increment(count as u64);
        let answered = self.handle.call_leader(whom, request, patience, grace).await;
        let parcels: Vec<Waiting> = self.queue.drain(..count).collect();
        match answered {
            Ok(wire::Answer::Written(results)) if results.len() == count => {
                self.settle(node, parcels.into_iter().zip(before).zip(results))
            }
            Ok(wire::Answer::Refused(Refusal::Elsewhere(hint))) => {
                self.handle.correct(self.shard, node, hint);
                self.keep(parcels.into_iter().zip(before));
                false
            }
            Ok(wire::Answer::Refused(refusal)) => {
                for (mut parcel, before) in parcels.into_iter().zip(before) {
                    parcel.ticket.in_doubt = before;
                    let error = refusal.clone().into_error(self.shard, node);
                    parcel.ticket.answer(Err(error));
                }
                true
            }
            Ok(_) => self.lost(node, parcels, "it answered something else"),
            Err(error) => match error.fate() {
                Fate::Retry(_) => {
                    self.handle.inner.hints.forget(self.shard, node);
                    self.keep(parcels.into_iter().zip(before));
                    false
                }
                Fate::Unknown | Fate::Rejected => self.lost(node, parcels, &error.to_string()),
            },
        }
    }

    /// Puts parcels back, in their order: surely this call did not apply them.
    fn keep(&mut self, parcels: impl DoubleEndedIterator<Item = (Waiting, bool)>) {
        for (mut parcel, before) in parcels.rev() {
            parcel.ticket.in_doubt = before;
            self.queue.push_front(parcel);
        }
    }

    /// Answers what was answered and keeps what another node must do.
    fn settle(
        &mut self,
        node: NodeId,
        settled: impl Iterator<Item = ((Waiting, bool), Result<via_types::Receipt, Refusal>)>,
    ) -> bool {
        let mut back = Vec::new();
        for ((mut parcel, before), result) in settled {
            match result {
                Ok(receipt) => parcel.ticket.answer(Ok(receipt)),
                Err(Refusal::Elsewhere(hint)) => {
                    self.handle.correct(self.shard, node, hint);
                    back.push((parcel, before));
                }
                // It will hear of it: this node has.
                Err(refusal) if self.knows_better(&refusal) => back.push((parcel, before)),
                Err(refusal) => {
                    let error = refusal.into_error(self.shard, node);
                    if error.fate() == Fate::Unknown && parcel.batch.origin.is_some() {
                        back.push((parcel, true));
                    } else {
                        parcel.ticket.in_doubt = before;
                        parcel.ticket.answer(Err(error));
                    }
                }
            }
        }
        let moved = back.is_empty();
        self.keep(back.into_iter());
        moved
    }

    /// Says whether a node refused for want of something that the catalog has by
    /// now, as this node sees it.
    fn knows_better(&self, refusal: &Refusal) -> bool {
        let view = self.handle.inner.view.borrow();
        match refusal {
            Refusal::UnknownStream(stream) => view.stream_by_id(*stream).is_some(),
            Refusal::NeverOpened { producer, given } => {
                view.producer(*producer).is_some_and(|known| known.epoch >= *given)
            }
            Refusal::TooLarge { .. }
            | Refusal::Malformed(_)
            | Refusal::Fenced { .. }
            | Refusal::SequenceTooOld { .. }
            | Refusal::SequenceReused { .. }
            | Refusal::Overloaded(_)
            | Refusal::Crowded(_)
            | Refusal::NotReady(_)
            | Refusal::Unknown(_)
            | Refusal::BadCursor(_)
            | Refusal::Elsewhere(_)
            | Refusal::Other { .. } => false,
        }
    }

    /// Nobody knows what became of the call.
    fn lost(&mut self, node: NodeId, parcels: Vec<Waiting>, why: &str) -> bool {
        self.handle.inner.hints.forget(self.shard, node);
        let (again, lost): (Vec<_>, Vec<_>) =
            parcels.into_iter().partition(|parcel| parcel.batch.origin.is_some());
        for parcel in lost {
            let what = format!("the answer of {node} is lost: {why}");
            parcel.ticket.answer(Err(Error::Unknown { shard: self.shard, what }));
        }
        self.keep(again.into_iter().map(|parcel| (parcel, true)));
        false
    }

    fn give_up(&self, parcel: Waiting, what: &str) {
        let what = what.to_owned();
        parcel.ticket.answer(Err(Error::NotReady { shard: self.shard, what }));
    }
}
