//! An error as it travels between nodes: with the fate it had, whoever tells it
//! (invariant D-5).

use serde::{Deserialize, Serialize};
use via_types::{Epoch, Fate, NodeId, ProducerId, RowReason, ShardId, StreamId, Term};

use super::Hint;
use crate::Error;

/// An [`Error`] as it travels: the same fate, whoever tells it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Refusal {
    UnknownStream(StreamId),
    TooLarge { events: u64, bytes: u64, max_events: u64, max_bytes: u64 },
    Malformed(String),
    NeverOpened { producer: ProducerId, given: Epoch },
    Fenced { given: Epoch, current: Epoch },
    SequenceTooOld { given: u64, newest: u64, window: u64 },
    Overloaded(String),
    NotReady(String),
    Unknown(String),
    BadCursor(String),
    Elsewhere(Hint),
    Other { fate: Fate, words: String },
    Crowded(RowReason),
    SequenceReused { given: u64, accepted: u32, refused: u32 },
}

impl Refusal {
    /// Returns what a peer is told of `error`.
    pub(crate) fn of(error: &Error) -> Self {
        match error {
            Error::UnknownStream(stream) => Self::UnknownStream(*stream),
            Error::TooLarge { events, bytes, max_events, max_bytes } => Self::TooLarge {
                events: *events as u64,
                bytes: *bytes as u64,
                max_events: *max_events as u64,
                max_bytes: *max_bytes as u64,
            },
            Error::Malformed(what) => Self::Malformed(what.clone()),
            Error::NeverOpened { producer, given } => {
                Self::NeverOpened { producer: *producer, given: *given }
            }
            Error::Fenced { given, current } => Self::Fenced { given: *given, current: *current },
            Error::SequenceTooOld { given, newest, window } => {
                Self::SequenceTooOld { given: *given, newest: *newest, window: *window }
            }
            Error::SequenceReused { given, accepted, refused } => {
                Self::SequenceReused { given: *given, accepted: *accepted, refused: *refused }
            }
            Error::Overloaded { what, .. } => Self::Overloaded(what.to_string()),
            Error::Crowded { reason, .. } => Self::Crowded(*reason),
            Error::NotReady { what, .. } => Self::NotReady(what.clone()),
            Error::Unknown { what, .. } => Self::Unknown(what.clone()),
            Error::BadCursor(what) => Self::BadCursor(what.to_string()),
            Error::Elsewhere { term, leader, .. } => Self::Elsewhere((*term, *leader)),
            Error::Consensus { source, .. }
                if matches!(**source, via_consensus::Error::NotLeader { .. }) =>
            {
                Self::Elsewhere((Term::default(), source.leader()))
            }
            Error::Remote { .. }
            | Error::Consensus { .. }
            | Error::Storage(_)
            | Error::Codec(_) => Self::Other { fate: error.fate(), words: error.to_string() },
        }
    }

    /// Returns what `node` said of `shard` as this node tells it.
    pub(crate) fn into_error(self, shard: ShardId, node: NodeId) -> Error {
        match self {
            Self::UnknownStream(stream) => Error::UnknownStream(stream),
            Self::TooLarge { events, bytes, max_events, max_bytes } => Error::TooLarge {
                events: events as usize,
                bytes: bytes as usize,
                max_events: max_events as usize,
                max_bytes: max_bytes as usize,
            },
            Self::Malformed(what) => Error::Malformed(what),
            Self::NeverOpened { producer, given } => Error::NeverOpened { producer, given },
            Self::Fenced { given, current } => Error::Fenced { given, current },
            Self::SequenceTooOld { given, newest, window } => {
                Error::SequenceTooOld { given, newest, window }
            }
            Self::SequenceReused { given, accepted, refused } => {
                Error::SequenceReused { given, accepted, refused }
            }
            Self::Overloaded(what) => Error::Overloaded { shard, what: what.into() },
            Self::Crowded(reason) => Error::Crowded { shard, reason },
            Self::NotReady(what) => Error::NotReady { shard, what },
            Self::Unknown(what) => Error::Unknown { shard, what },
            Self::BadCursor(what) => Error::BadCursor(what.into()),
            Self::Elsewhere((term, leader)) => Error::Elsewhere { shard, term, leader },
            Self::Other { fate, words } => Error::Remote { shard, node, fate, reason: words },
        }
    }
}
