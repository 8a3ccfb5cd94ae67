//! What is asked of a shard, and how it is answered: each write gets its own
//! receipt or the reason that its entry met. Called by the handle and the
//! driver.

use std::sync::Arc;

use bytes::Bytes;
use tokio::time::Instant;
use via_codec::Kind;
use via_consensus::Committed;
use via_engine::Answer;
use via_types::entry::{Command, Pressed, ShardEntry};
use via_types::{Batch, ShardId, limit};

use crate::deed::Reply;
use crate::live::{Answered, Refused};
use crate::replica::Replica;
use crate::writes::Ticket;
use crate::{Error, metrics};

/// What became of a proposal.
pub(crate) type Fate = Result<Committed, Arc<via_consensus::Error>>;

/// What the handle asks of a shard.
#[derive(Debug)]
pub(crate) enum Request {
    Write { batch: Box<Batch>, answer: Answer, bytes: usize, ticket: Ticket },
    Deed { command: Command, reply: Reply },
}

/// A write that waits for its entry.
pub(crate) struct Waiting {
    pub(crate) batch: Box<Batch>,
    pub(crate) answer: Answer,
    pub(crate) bytes: usize,
    pub(crate) since: Instant,
    pub(crate) ticket: Ticket,
}

/// Encodes events as their entry: one of those while memory is short only where
/// that makes a difference.
pub(crate) fn encoded(pressed: Pressed) -> (Bytes, Pressed) {
    let encode = |entry: &ShardEntry| Bytes::from(via_codec::encode(Kind::ShardEntry, entry));
    if pressed.is_plain() {
        let entry = ShardEntry::Events(pressed.events);
        let bytes = encode(&entry);
        let ShardEntry::Events(events) = entry else { unreachable!("it was just made") };
        return (bytes, events.into());
    }
    let entry = ShardEntry::Pressed(pressed);
    let bytes = encode(&entry);
    let ShardEntry::Pressed(pressed) = entry else { unreachable!("it was just made") };
    (bytes, pressed)
}

/// Says in the log what was not committed.
pub(crate) fn complain(shard: ShardId, what: &str, result: &Fate) {
    if let Err(error) = result {
        tracing::warn!(%shard, %error, "{what} not committed");
    }
}

/// Gives each write its receipt.
pub(crate) fn answer(replica: &Replica, tickets: Vec<(Ticket, Instant)>, committed: Committed) {
    let shard = replica.shard;
    let Some(answers) = committed.outcome.take::<Vec<Answered>>() else {
        for (ticket, _) in tickets {
            let what = "it was committed, but this node no longer executes the shard".to_owned();
            ticket.answer(Err(Error::Unknown { shard, what }));
        }
        return;
    };
    let mut events = 0;
    let histogram = ::metrics::histogram!(metrics::WRITE_SECONDS);
    for ((ticket, since), answered) in tickets.into_iter().zip(answers) {
        histogram.record(since.elapsed().as_secs_f64());
        let result = answered.map_err(|refused| match refused {
            Refused::Fenced { given, current } => Error::Fenced { given, current },
            Refused::TooOld { given, newest } => {
                Error::SequenceTooOld { given, newest, window: limit::SEQUENCE_WINDOW }
            }
            Refused::Reused { given, accepted, refused } => {
                Error::SequenceReused { given, accepted, refused }
            }
        });
        if let Ok(receipt) = &result {
            events += u64::from(receipt.accepted);
            replica.pressure.refuse_rows(&receipt.refused);
        }
        ticket.answer(result);
    }
    ::metrics::counter!(metrics::EVENTS).increment(events);
}
