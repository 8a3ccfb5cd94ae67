//! Answers other nodes about the shards that this one leads. What is led
//! elsewhere is told and never passed on, so that no request goes in circles.
//! The peer is authenticated by its link; what it sends is checked all the same
//! (invariant D-7).

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use via_engine::Answer as Wish;
use via_transport::{Duplex, Error as Link, Handler};
use via_types::{Batch, Fate, NodeId, ShardId};

use crate::handle::{Handle, Inner};
use crate::seats::Seat;
use crate::wire::{self, Answer, Call, Hint, Refusal};
use crate::writes::{From, Writes};
use crate::{Error, list, relay};

/// Answers for a handle as long as anybody holds one.
pub(crate) struct Door(pub(crate) Weak<Inner>);

impl Handler for Door {
    fn call(&self, peer: NodeId, request: Bytes) -> BoxFuture<'static, Result<Bytes, Link>> {
        let inner = self.0.upgrade();
        Box::pin(async move {
            let handle = Handle { inner: inner.ok_or(Link::Closed)? };
            let refused = |error: Error| Link::Refused(error.to_string());
            let call = wire::read_call(&request).map_err(refused)?;
            tracing::trace!(%peer, "a call about shards");
            let otherwise = match &call {
                Call::Write { .. } => Fate::Unknown,
                Call::Ask { question, .. } if !question.is_repeatable() => Fate::Unknown,
                Call::Ask { .. }
                | Call::List { .. }
                | Call::Count
                | Call::Pulse
                | Call::Ends { .. } => Fate::Rejected,
            };
            let answer = handle.answer(call).await;
            Ok(wire::answer(&answer, otherwise))
        })
    }

    fn stream(&self, _peer: NodeId, stream: Duplex) -> BoxFuture<'static, Result<(), Link>> {
        let inner = self.0.upgrade();
        Box::pin(async move {
            let handle = Handle { inner: inner.ok_or(Link::Closed)? };
            relay::tell(&handle, stream).await
        })
    }
}

impl Handle {
    /// Returns the seat of a shard that this node leads.
    ///
    /// # Errors
    /// [`Error::Elsewhere`], with who is known to lead it.
    pub(crate) fn led_here(&self, shard: ShardId) -> Result<Arc<Seat>, Error> {
        let seat = self.inner.seats.get(shard);
        let (term, leader) = self.hint(shard);
        let elsewhere = Error::Elsewhere { shard, term, leader };
        seat.filter(|seat| seat.replica.is_led_here()).ok_or(elsewhere)
    }

    async fn answer(&self, call: Call<Batch>) -> Answer {
        let refused = |error: Error| Answer::Refused(Refusal::of(&error));
        match call {
            Call::Write { shard, batches, patience } => {
                self.take_writes(shard, batches, patience).await.unwrap_or_else(refused)
            }
            Call::Ask { shard, question } => {
                let answered = async { self.answer_here(&self.led_here(shard)?, question).await };
                answered.await.map_or_else(refused, Answer::Told)
            }
            Call::List { shards, mut query } => {
                query.limit = query.limit.clamp(1, 1_000);
                let (led, elsewhere) = self.divide(shards);
                if led.is_empty() {
                    return Answer::Listed { page: crate::Page::default(), elsewhere };
                }
                let listed = self.list_here(query.clone(), led).await;
                listed.map_or_else(refused, |page| Answer::Listed {
                    page: list::fit(page, &query),
                    elsewhere,
                })
            }
            Call::Count => Answer::Counted { stats: self.stats(), shards: self.reports() },
            Call::Pulse if self.inner.stopping.load(Ordering::Acquire) => {
                Answer::Refused(Refusal::NotReady("the node is shutting down".to_owned()))
            }
            Call::Pulse => {
                let led = |shard| {
                    let seat = self.inner.seats.get(shard)?;
                    let leadership = seat.replica.leadership().filter(|now| now.is_me)?;
                    Some((shard, leadership.term))
                };
                Answer::Pulse { leads: self.inner.seats.shards().filter_map(led).collect() }
            }
            Call::Ends { shards } => {
                let (led, elsewhere) = self.divide(shards);
                Answer::Ends { ends: self.ends_here(led.into_iter()), elsewhere }
            }
        }
    }

    /// Tells shards that are led here from the others.
    fn divide(&self, shards: Vec<ShardId>) -> (Vec<ShardId>, Vec<(ShardId, Hint)>) {
        let (led, others): (Vec<_>, Vec<_>) =
            shards.into_iter().partition(|shard| self.led_here(*shard).is_ok());
        let hint = |shard| (shard, self.hint(shard));
        (led, others.into_iter().map(hint).collect())
    }

    /// Has a peer's batches executed, in their order.
    async fn take_writes(
        &self,
        shard: ShardId,
        batches: Vec<(Batch, bool)>,
        patience: Duration,
    ) -> Result<Answer, Error> {
        self.led_here(shard)?;
        let patience = patience.min(self.inner.options.write_deadline);
        let mut writes = Writes::new(self.clone(), From::Peer, patience);
        let mut results = Vec::with_capacity(batches.len());
        let mut numbers = Vec::with_capacity(batches.len());
        for (place, (batch, scored)) in batches.into_iter().enumerate() {
            let mut hashes = batch.hashes.iter();
            if hashes.any(|hash| hash.shard(self.shards()) != shard) {
                let what = format!("it has entities that are not of {shard}");
                results.push(Err(Refusal::Malformed(what)));
                continue;
            }
            let wish = if scored { Wish::Scores } else { Wish::Counts };
            // Replaced when its answer comes.
            let sending = tokio::time::timeout(patience, writes.send(shard, batch, wish, None));
            let full = |_| Err(Error::Overloaded { shard, what: "its queue is full".into() });
            let sent = sending.await.unwrap_or_else(full);
            results.push(Err(match sent {
                Ok(()) => {
                    numbers.push(place);
                    Refusal::Unknown("it was not answered".to_owned())
                }
                Err(error) => Refusal::of(&error),
            }));
        }
        for (number, result) in writes.all().await {
            results[numbers[number as usize]] = result.map_err(|error| Refusal::of(&error));
        }
        Ok(Answer::Written(results))
    }
}
