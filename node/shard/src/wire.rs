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
    Batch, DetectionId, Fate, LogIndex, NodeId, Receipt, ShardId, StreamId, TenantId, Term,
};

use crate::census::Report;
use crate::query::{Filter, Page, Query, Recorded, Stats};
use crate::{Cursor, Error};

mod refusal;

pub(crate) use refusal::Refusal;

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
    /// Count what is executed here, and say how the shards led here stand.
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
    Counted {
        stats: Stats,
        shards: Vec<Report>,
    },
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

#[cfg(test)]
mod tests {
    use std::fmt::Debug;
    use std::fs;
    use std::path::Path;

    use via_types::batch::Origin;
    use via_types::{Epoch, Feedback, ProducerId, RowReason, Sequence, Timestamp};

    use super::*;
    use crate::query::Sort;

    fn batch() -> Batch {
        let (producer, epoch) = (ProducerId::new(7), Epoch::new(2));
        let origin = Origin { producer, epoch, sequence: Sequence::new(300), part: 1 };
        let stream = StreamId::new(3);
        let mut batch = Batch { stream, origin: Some(origin), ..Batch::default() };
        batch.keys.push("host-1");
        batch.entity = vec![0, 0].into();
        batch.at = vec![5, 6].into();
        batch.value = vec![0.5, -1.0].into();
        batch.seal().unwrap();
        batch
    }

    fn calls() -> Vec<(&'static str, Call<Batch>)> {
        let (shard, stream) = (ShardId::new(17), StreamId::new(3));
        let patience = Duration::from_millis(1_500);
        let ask = |question| Call::Ask { shard, question };
        let entity = "host-1".to_owned();
        let id = DetectionId { shard, index: LogIndex::new(9), offset: 1 };
        let reset = Command::Reset { stream, entity: entity.clone() };
        let after = Some(Cursor(crate::cursor::Position::Time { key: vec![1, 2] }));
        let filter = Filter { tenant: TenantId::new(1), stream: Some(stream), ..Filter::default() };
        let query = Query { filter, sort: Sort::Score, limit: 20, after, ..Query::default() };
        vec![
            ("write", Call::Write { shard, batches: vec![(batch(), true)], patience }),
            ("profile", ask(Question::Profile { stream, entity: entity.clone() })),
            ("series", ask(Question::Series { stream, entity, points: 500 })),
            ("detection", ask(Question::Detection { tenant: TenantId::new(1), id })),
            ("deed", ask(Question::Deed(reset))),
            ("members", ask(Question::Members)),
            ("list", Call::List { shards: vec![shard], query }),
            ("count", Call::Count),
            ("pulse", Call::Pulse),
            ("ends", Call::Ends { shards: vec![shard] }),
        ]
    }

    fn answers() -> Vec<(&'static str, Answer)> {
        let shard = ShardId::new(17);
        let hint = (Term::new(4), Some(NodeId::new(2)));
        let receipt = Receipt {
            position: Some((shard, LogIndex::new(8))),
            accepted: 1,
            repeated: true,
            refused: vec![(1, RowReason::Late)],
            scores: Vec::new(),
        };
        let fenced = Refusal::Fenced { given: Epoch::new(1), current: Epoch::new(2) };
        let ends = BTreeMap::from([(shard, (8, 1))]);
        let words = "the log failed".to_owned();
        let other = Refusal::Other { fate: Fate::Unknown, words };
        let stats = Stats { events: 12, ..Stats::default() };
        let elsewhere = vec![(shard, hint)];
        let report = Report {
            shard,
            term: Term::new(4),
            leader: NodeId::new(2),
            voters: vec![NodeId::new(1), NodeId::new(2)],
            learners: vec![NodeId::new(3)],
            behind: BTreeMap::from([(NodeId::new(3), 12)]),
        };
        vec![
            (
                "written",
                Answer::Written(vec![Ok(receipt), Err(fenced), Err(Refusal::Elsewhere(hint))]),
            ),
            ("forgot", Answer::Told(Told::Forgot(true))),
            ("members", Answer::Told(Told::Members(vec![NodeId::new(1), NodeId::new(2)]))),
            ("listed", Answer::Listed { page: Page::default(), elsewhere: elsewhere.clone() }),
            ("counted", Answer::Counted { stats, shards: vec![report] }),
            ("pulse", Answer::Pulse { leads: vec![(shard, Term::new(4))] }),
            ("ends", Answer::Ends { ends, elsewhere }),
            ("refused", Answer::Refused(other)),
        ]
    }

    fn stream() -> Vec<(&'static str, News)> {
        let shard = ShardId::new(17);
        vec![("gap", News::Gap { shard, upto: (8, 2) }), ("elsewhere", News::Elsewhere { shard })]
    }

    /// Returns the golden bytes; writes them and fails when there are none.
    fn golden(name: &str, today: &[u8]) -> Vec<u8> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
        fs::read(&path).unwrap_or_else(|_| {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, today).unwrap();
            panic!("{name} did not exist; it does now: look at it and add it");
        })
    }

    /// The same value as ever, and nothing else when a bit is wrong or one is
    /// missing (invariant D-7).
    fn keeps<T: PartialEq + Debug>(
        name: &str,
        value: &T,
        today: &[u8],
        read: fn(&[u8]) -> Result<T, Error>,
    ) {
        let golden = golden(name, today);
        assert_eq!(&read(&golden).unwrap(), value, "{name}");
        assert_eq!(today, golden, "{name}");
        for length in 0..golden.len() {
            assert!(read(&golden[..length]).is_err(), "{name} cut to {length}");
        }
        for bit in 0..golden.len() * 8 {
            let mut flipped = golden.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(read(&flipped).is_err(), "{name}, bit {bit}");
        }
    }

    #[test]
    fn messages_of_version_1_are_read_and_written_alike_and_damaged_ones_refused() {
        for (name, value) in calls() {
            keeps(&format!("call-{name}-v1.bin"), &value, &call(&value).unwrap(), read_call);
        }
        for (name, value) in answers() {
            let today = answer(&value, Fate::Unknown);
            keeps(&format!("answer-{name}-v1.bin"), &value, &today, read_answer);
        }
        for (name, value) in stream() {
            keeps(&format!("news-{name}-v1.bin"), &value, &news(&value), read_news);
        }
        let follow = Follow {
            filter: Filter::default(),
            shards: BTreeMap::from([(ShardId::new(1), (2, 3))]),
        };
        keeps("news-follow-v1.bin", &follow, &news(&follow), read_news);
    }

    #[test]
    fn a_reference_to_a_batch_travels_like_the_batch() {
        let owned = batch();
        let (shard, patience) = (ShardId::new(17), Duration::from_millis(1_500));
        let lent = Call::Write { shard, batches: vec![(&owned, true)], patience };
        assert_eq!(call(&lent), call(&calls()[0].1));
    }

    #[test]
    fn an_error_keeps_its_fate_on_the_way() {
        let shard = ShardId::new(1);
        let node = NodeId::new(2);
        let group = via_types::GroupId::of_shard(shard);
        let consensus = |source| Error::Consensus { shard, source: std::sync::Arc::new(source) };
        let (given, current) = (Epoch::new(1), Epoch::new(2));
        for error in [
            Error::UnknownStream(StreamId::new(1)),
            Error::TooLarge { events: 1, bytes: 2, max_events: 3, max_bytes: 4 },
            Error::Malformed("x".to_owned()),
            Error::NeverOpened { producer: ProducerId::new(1), given },
            Error::Fenced { given, current },
            Error::SequenceTooOld { given: 1, newest: 2, window: 3 },
            Error::SequenceReused { given: 1, accepted: 2, refused: 3 },
            Error::Overloaded { shard, what: "x".into() },
            Error::Crowded { shard, reason: RowReason::LowPriority },
            Error::NotReady { shard, what: "x".to_owned() },
            Error::Unknown { shard, what: "x".to_owned() },
            Error::BadCursor("x".into()),
            Error::Elsewhere { shard, term: Term::new(1), leader: None },
            consensus(via_consensus::Error::Interrupted(group)),
            consensus(via_consensus::Error::LogFull(group)),
        ] {
            let told = Refusal::of(&error).into_error(shard, node);
            assert_eq!(told.fate(), error.fate(), "{error}");
            let inner = error.to_string();
            assert!(told.to_string().contains(&inner), "{told} tells {inner}");
        }
        let moved = consensus(via_consensus::Error::NotLeader { group, leader: Some(node) });
        assert_eq!(Refusal::of(&moved), Refusal::Elsewhere((Term::default(), Some(node))));
    }

    #[test]
    fn a_page_that_is_too_long_goes_on_with_the_next() {
        let item = |number: u64| {
            let mut detection: via_types::Detection = crate::retention::tests::detection(number);
            detection.attributes = "x".repeat(200 << 10);
            let feedback = Some(Feedback {
                label: None,
                note: String::new(),
                author: String::new(),
                at: Timestamp::from_nanos(1),
                version: LogIndex::new(number),
            });
            Recorded { detection, feedback }
        };
        let query = Query { limit: 100, ..Query::default() };
        let page = Page { items: (0..60).map(item).collect(), next: None };
        let cut = crate::list::fit(page.clone(), &query);
        assert!((10..60).contains(&cut.items.len()), "{}", cut.items.len());
        let last = cut.items.last().unwrap();
        assert_eq!(cut.next, Some(crate::list::position(&query, last)));
        let fits = answer(&Answer::Listed { page: cut, elsewhere: Vec::new() }, Fate::Rejected);
        assert!(matches!(read_answer(&fits), Ok(Answer::Listed { .. })));
        let whole = answer(&Answer::Listed { page, elsewhere: Vec::new() }, Fate::Rejected);
        assert!(matches!(read_answer(&whole), Ok(Answer::Refused(_))), "invariant D-6");
    }
}
