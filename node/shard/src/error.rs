//! What can go wrong on the data plane, and what a client may believe then.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use via_types::{Epoch, Fate, NodeId, ProducerId, RowReason, ShardId, StreamId, Term};

/// How long a client should wait when nothing better is known.
const RETRY: Duration = Duration::from_millis(100);

fn of_low(reason: RowReason) -> &'static str {
    if reason == RowReason::LowPriority { " of low priority" } else { "" }
}

/// A data-plane request that did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No such stream in the catalog view of this node.
    #[error("stream {0} does not exist")]
    UnknownStream(StreamId),
    /// The batch exceeds a limit.
    #[error(
        "the batch has {events} events and {bytes} bytes; at most {max_events} and {max_bytes} are allowed"
    )]
    TooLarge {
        /// Events given.
        events: usize,
        /// Bytes given.
        bytes: usize,
        /// Most events.
        max_events: usize,
        /// Most bytes.
        max_bytes: usize,
    },
    /// The batch's columns do not fit together.
    #[error("the batch is malformed: {0}")]
    Malformed(String),
    /// The catalog never opened this incarnation of the producer (D-2).
    #[error("epoch {given} of the producer {producer} was never opened")]
    NeverOpened {
        /// The producer sent.
        producer: ProducerId,
        /// The epoch sent.
        given: Epoch,
    },
    /// A newer incarnation of the producer is known (invariant D-2).
    #[error("the producer's epoch is {given}, but {current} has been opened since")]
    Fenced {
        /// The epoch sent.
        given: Epoch,
        /// The epoch known.
        current: Epoch,
    },
    /// The sequence is so far behind that it cannot be told whether it was applied.
    #[error(
        "sequence {given} is no longer remembered: {newest} has been written since, and the newest {window} sequences are remembered, of long requests fewer"
    )]
    SequenceTooOld {
        /// The sequence sent.
        given: u64,
        /// The newest known.
        newest: u64,
        /// How many are remembered.
        window: u64,
    },
    /// The sequence names another batch, which was applied (invariant D-2); nothing
    /// of this one was.
    #[error(
        "sequence {given} was used before for other events, of which {accepted} were accepted and {refused} refused; of these none was applied: send them under a new sequence"
    )]
    SequenceReused {
        /// The sequence sent.
        given: u64,
        /// How many events of the other batch changed state.
        accepted: u32,
        /// How many did not.
        refused: u32,
    },
    /// A bounded queue or the memory budget is full (invariant D-6).
    #[error("shard {shard} cannot take more now: {what}")]
    Overloaded {
        /// Which shard.
        shard: ShardId,
        /// Which bound.
        what: Cow<'static, str>,
    },
    /// Memory for profiles is nearly full and every entity of the batch is new: it
    /// did not go into the log (invariant D-6).
    #[error("shard {shard} takes no new entities{} now: memory for profiles is nearly full", of_low(*reason))]
    Crowded {
        /// Which shard.
        shard: ShardId,
        /// What its rows would be refused as.
        reason: RowReason,
    },
    /// The shard is not served here now.
    #[error("shard {shard} is not ready: {what}")]
    NotReady {
        /// Which shard.
        shard: ShardId,
        /// Why.
        what: String,
    },
    /// Another node leads the shard; nothing was done here.
    #[error("shard {shard} is led by {}", leader.map_or("nobody now".to_owned(), |leader| leader.to_string()))]
    Elsewhere {
        /// Which shard.
        shard: ShardId,
        /// In which term, as far as is known here.
        term: Term,
        /// By whom, as far as is known here.
        leader: Option<NodeId>,
    },
    /// The node that leads the shard failed at it.
    #[error("shard {shard} on {node}: {reason}")]
    Remote {
        /// Which shard.
        shard: ShardId,
        /// Which node.
        node: NodeId,
        /// What became of the request.
        fate: Fate,
        /// Its words.
        reason: String,
    },
    /// The proposal's fate is not known.
    #[error("shard {shard} lost sight of the batch: {what}")]
    Unknown {
        /// Which shard.
        shard: ShardId,
        /// Why.
        what: String,
    },
    /// A cursor that this version or this query cannot read.
    #[error("the cursor is not valid here: {0}")]
    BadCursor(Cow<'static, str>),
    /// The group refused or failed.
    #[error("shard {shard}: consensus failed")]
    Consensus {
        /// Which shard.
        shard: ShardId,
        /// Why; shared by all requests of one entry.
        #[source]
        source: Arc<via_consensus::Error>,
    },
    /// Stored state could not be read or written.
    #[error("stored state failed")]
    Storage(#[from] via_storage::Error),
    /// Stored bytes do not decode.
    #[error("stored bytes do not decode")]
    Codec(#[from] via_codec::Error),
}

impl Error {
    /// Says what became of the request (invariant D-5).
    pub fn fate(&self) -> Fate {
        match self {
            Self::UnknownStream(_)
            | Self::TooLarge { .. }
            | Self::Malformed(_)
            | Self::NeverOpened { .. }
            | Self::Fenced { .. }
            | Self::SequenceReused { .. }
            | Self::BadCursor(_) => Fate::Rejected,
            Self::Overloaded { .. }
            | Self::Crowded { .. }
            | Self::NotReady { .. }
            | Self::Elsewhere { .. } => Fate::Retry(RETRY),
            Self::Remote { fate, .. } => *fate,
            Self::Unknown { .. }
            | Self::SequenceTooOld { .. }
            | Self::Storage(_)
            | Self::Codec(_) => Fate::Unknown,
            Self::Consensus { source, .. } => source.fate(),
        }
    }
}
