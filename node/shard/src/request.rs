//! What is asked of a shard, and how it is answered: each write gets its own
//! receipt or the reason that its entry met. Called by the handle and the
//! driver.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::time::Instant;
use via_consensus::Committed;
use via_engine::Answer;
use via_types::{Batch, Receipt, ShardId, StreamId, limit};

use crate::live::{Answered, Refused};
use crate::{Error, metrics};

/// What became of a proposal.
pub(crate) type Fate = Result<Committed, Arc<via_consensus::Error>>;

/// What the handle asks of a shard.
#[derive(Debug)]
pub(crate) enum Request {
    Write {
        batch: Box<Batch>,
        answer: Answer,
        bytes: usize,
        permit: OwnedSemaphorePermit,
        reply: oneshot::Sender<Result<Receipt, Error>>,
    },
    Reset {
        stream: StreamId,
        entity: String,
        reply: oneshot::Sender<Result<bool, Error>>,
    },
}

/// A write that waits for its entry.
pub(crate) struct Waiting {
    pub(crate) batch: Box<Batch>,
    pub(crate) answer: Answer,
    pub(crate) bytes: usize,
    pub(crate) since: Instant,
    pub(crate) reply: Reply,
}

/// Answers a write and gives its room back.
pub(crate) struct Reply {
    to: oneshot::Sender<Result<Receipt, Error>>,
    _permit: OwnedSemaphorePermit,
}

impl Reply {
    pub(crate) fn new(
        to: oneshot::Sender<Result<Receipt, Error>>,
        permit: OwnedSemaphorePermit,
    ) -> Self {
        Self { to, _permit: permit }
    }

    pub(crate) fn send(self, result: Result<Receipt, Error>) {
        // A client that has left needs no answer.
        let _gone = self.to.send(result);
    }
}

/// Says in the log what was not committed.
pub(crate) fn complain(shard: ShardId, what: &str, result: &Fate) {
    if let Err(error) = result {
        tracing::warn!(%shard, %error, "{what} not committed");
    }
}

/// Gives each write its receipt.
pub(crate) fn answer(shard: ShardId, replies: Vec<(Reply, Instant)>, result: Fate) {
    let committed = match result {
        Ok(committed) => committed,
        Err(error) => return answer_all(shard, replies, &error),
    };
    let Some(answers) = committed.outcome.take::<Vec<Answered>>() else {
        for (reply, _) in replies {
            let what = "it was committed, but this node no longer executes the shard".to_owned();
            reply.send(Err(Error::Unknown { shard, what }));
        }
        return;
    };
    let mut events = 0;
    let histogram = ::metrics::histogram!(metrics::WRITE_SECONDS);
    for ((reply, since), answered) in replies.into_iter().zip(answers) {
        histogram.record(since.elapsed().as_secs_f64());
        let result = answered.map_err(|refused| match refused {
            Refused::Fenced { given, current } => Error::Fenced { given, current },
            Refused::TooOld { given, newest } => {
                Error::SequenceTooOld { given, newest, window: limit::SEQUENCE_WINDOW }
            }
        });
        events += result.as_ref().map_or(0, |receipt| u64::from(receipt.accepted));
        reply.send(result);
    }
    ::metrics::counter!(metrics::EVENTS).increment(events);
}

/// Tells each write what its entry met.
pub(crate) fn answer_all(
    shard: ShardId,
    replies: Vec<(Reply, Instant)>,
    error: &Arc<via_consensus::Error>,
) {
    for (reply, _) in replies {
        reply.send(Err(Error::Consensus { shard, source: Arc::clone(error) }));
    }
}
