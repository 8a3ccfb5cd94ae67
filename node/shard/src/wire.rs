//! What nodes say to each other about shards, as bytes. Every message is in an
//! envelope with its kind and version, and bounded (invariants D-6, D-7).
//! Variants are appended, never reordered: nodes of two versions talk.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use via_codec::Kind;
use via_types::detection::Change;
use via_types::entry::Command;
use via_types::feedback::Taught;
use via_types::profile::{ProfileView, SeriesPoint};
use via_types::{
    Batch, DetectionId, Epoch, Fate, LogIndex, NodeId, ProducerId, Receipt, ShardId, StreamId,
    TenantId, Term,
};

use crate::query::{Filter, Page, Query, Recorded, Stats};
use crate::{Cursor, Error};

/// What is asked; `B` is a batch, or a reference to one where it is sent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Call<B> {
    /// Commit and execute these batches, in this order. With each: whether
    /// scores are asked for.
    Write { shard: ShardId, batches: Vec<(B, bool)>, patience: Duration },
    /// Answer one question to a shard's leader.
    Ask { shard: ShardId, question: Question },
    /// List detections of these shards.
    List { shards: Vec<ShardId>, query: Query },
    /// Count what is executed here.
    Count,
    /// Say that you live, and which shards you lead.
    Pulse,
    /// Say where the feeds of these shards end.
    Ends { shards: Vec<ShardId> },
}

/// A question to a shard's leader.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Question {
    Profile {
        stream: StreamId,
        entity: String,
    },
    Series {
        stream: StreamId,
        entity: String,
        points: u32,
    },
    Detection {
        tenant: TenantId,
        id: DetectionId,
    },
    Deed(Command),
    /// Who are the shard's replicas?
    Members,
}

impl Question {
    /// Says whether asking again changes nothing that the first time did not.
    pub(crate) fn is_repeatable(&self) -> bool {
        match self {
            Self::Profile { .. }
            | Self::Series { .. }
            | Self::Detection { .. }
            | Self::Members
            | Self::Deed(Command::Tick { .. } | Command::Label { .. } | Command::Learn { .. }) => {
                true
            }
            // What came in between would be forgotten too.
            Self::Deed(Command::Reset { .. }) => false,
        }
    }
}

/// What a question is answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Told {
    Profile(Option<ProfileView>),
    Series(Option<Vec<SeriesPoint>>),
    Detection(Box<Option<Recorded>>),
    Done,
    Forgot(bool),
    Taught(Box<Taught>, LogIndex),
    Members(Vec<NodeId>),
}

/// Who leads a shard, as far as the one who answers knows.
pub(crate) type Hint = (Term, Option<NodeId>);

/// What a call is answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Answer {
    /// One result per batch.
    Written(Vec<Result<Receipt, Refusal>>),
    Told(Told),
    /// A page of the shards that are led here, and where the others are.
    Listed {
        page: Page,
        elsewhere: Vec<(ShardId, Hint)>,
    },
    Counted(Stats),
    Pulse {
        leads: Vec<(ShardId, Term)>,
    },
    Ends {
        ends: BTreeMap<ShardId, (u64, u32)>,
        elsewhere: Vec<(ShardId, Hint)>,
    },
    Refused(Refusal),
}

/// The first frame of a stream that follows detections.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Follow {
    pub(crate) filter: Filter,
    /// After which change of each shard.
    pub(crate) shards: BTreeMap<ShardId, (u64, u32)>,
}

/// One message of that stream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum News {
    Change {
        shard: ShardId,
        at: (u64, u32),
        tenant: TenantId,
        change: Change,
    },
    /// Changes up to here are no longer stored.
    Gap {
        shard: ShardId,
        upto: (u64, u32),
    },
    /// The shard is not here.
    Elsewhere {
        shard: ShardId,
    },
}

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
            Error::Overloaded { what, .. } => Self::Overloaded(what.to_string()),
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
            Self::Overloaded(what) => Error::Overloaded { shard, what: what.into() },
            Self::NotReady(what) => Error::NotReady { shard, what },
            Self::Unknown(what) => Error::Unknown { shard, what },
            Self::BadCursor(what) => Error::BadCursor(what.into()),
            Self::Elsewhere((term, leader)) => Error::Elsewhere { shard, term, leader },
            Self::Other { fate, words } => Error::Remote { shard, node, fate, reason: words },
        }
    }
}

/// Encodes a call; none when it would be over its kind's limit.
pub(crate) fn call<B: Serialize>(call: &Call<B>) -> Option<Bytes> {
    let mut bytes = Vec::new();
    via_codec::try_encode_into(Kind::ShardCall, call, &mut bytes).ok()?;
    Some(bytes.into())
}

/// Encodes an answer; one over its kind's limit becomes words of `otherwise`.
pub(crate) fn answer(answer: &Answer, otherwise: Fate) -> Bytes {
    let mut bytes = Vec::new();
    if via_codec::try_encode_into(Kind::ShardAnswer, answer, &mut bytes).is_err() {
        let words = "the answer is too long to be sent".to_owned();
        let refused = Answer::Refused(Refusal::Other { fate: otherwise, words });
        bytes = via_codec::encode(Kind::ShardAnswer, &refused);
    }
    bytes.into()
}

/// Reads a call, its batches sealed.
///
/// # Errors
/// Anything that is not one (invariant D-7).
pub(crate) fn read_call(bytes: &[u8]) -> Result<Call<Batch>, Error> {
    let mut call: Call<Batch> = via_codec::decode(Kind::ShardCall, bytes)?;
    if let Call::Write { batches, .. } = &mut call {
        for (batch, _) in batches {
            batch.seal().map_err(|error| Error::Malformed(error.to_string()))?;
        }
    }
    Ok(call)
}

/// Reads an answer.
///
/// # Errors
/// Anything that is not one (invariant D-7).
pub(crate) fn read_answer(bytes: &[u8]) -> Result<Answer, Error> {
    Ok(via_codec::decode(Kind::ShardAnswer, bytes)?)
}

/// Encodes a message of a stream that follows detections.
pub(crate) fn news<T: Serialize>(message: &T) -> Bytes {
    via_codec::encode(Kind::ShardNews, message).into()
}

/// Reads such a message.
///
/// # Errors
/// Anything that is not one (invariant D-7).
pub(crate) fn read_news<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    Ok(via_codec::decode(Kind::ShardNews, bytes)?)
}

/// Bytes of detections on one page between nodes: the rest comes with the next.
pub(crate) const PAGE_BYTES: usize = 4 << 20;

/// Cuts a page to what fits a message; what is cut comes with the next page.
pub(crate) fn fit(mut page: Page, position: impl Fn(&Recorded) -> Cursor) -> Page {
    let mut room = PAGE_BYTES;
    let size =
        |item: &Recorded| via_codec::encoded_bytes(Kind::ShardAnswer, item).unwrap_or(PAGE_BYTES);
    let fitting = page.items.iter().take_while(|item| {
        let fits = size(item) <= room;
        room = room.saturating_sub(size(item));
        fits
    });
    let fitting = fitting.count().max(1);
    if fitting < page.items.len() {
        page.items.truncate(fitting);
        page.next = page.items.last().map(position);
    }
    page
}
