//! The exactly-once ledger of one shard (invariant D-2): which batches of which
//! producer, and which unique ids, have changed state. Pure: its content is a
//! function of the log. Saved with each checkpoint as of the boundary.

use std::collections::{BTreeMap, HashSet};

use serde::{Deserialize, Serialize};
use via_codec::Kind;
use via_types::batch::Origin;
use via_types::{Epoch, LogIndex, ProducerId, RowReason, Timestamp, limit};

mod second;

/// Most remembered of one producer: (sequence, part) pairs and refused rows.
const SEEN_PER_PRODUCER: usize = 8_192;
/// Most remembered of all producers together: about 3 MiB saved.
const SEEN: usize = 131_072;
/// What is left when the longest idle have been forgotten, so that it is seldom.
const SEEN_AFTER: usize = SEEN / 4 * 3;

/// What came of a batch when it was executed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Told {
    pub(crate) accepted: u32,
    pub(crate) refused: Box<[(u32, RowReason)]>,
    /// What the batch held ([`via_types::Batch::content`]); 0 when it is not known.
    pub(crate) content: u32,
}

impl Told {
    /// Says whether it is told of a batch of that content and so many rows.
    fn is_of(&self, (content, rows): (u32, usize)) -> bool {
        let fits = self.content == 0 || self.content == content;
        fits && self.accepted as usize + self.refused.len() == rows
    }

    fn weight(&self) -> usize {
        1 + self.refused.len()
    }
}

/// What the ledger says of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict<'a> {
    /// Never seen: execute it.
    Fresh,
    /// Executed before, with this outcome.
    Repeated(&'a Told),
    /// Another batch of that name was executed before, with this outcome.
    Reused(&'a Told),
    /// A newer epoch is known.
    Fenced { current: Epoch },
    /// Too far behind to tell.
    TooOld { newest: u64 },
}

/// Running counts, part of the ledger so that they survive with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Counts {
    pub(crate) events: u64,
    pub(crate) repeated_batches: u64,
    pub(crate) duplicate_events: u64,
    pub(crate) late_events: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Producer {
    epoch: Epoch,
    newest: u64,
    /// Pairs of sequence and part below this are no longer told apart.
    floor: (u64, u32),
    /// Executed (sequence, part), with the outcome.
    seen: BTreeMap<(u64, u32), Told>,
    weight: usize,
    /// Log index of its latest batch.
    used: u64,
}

impl Producer {
    fn of(epoch: Epoch, sequence: u64) -> Self {
        Self { epoch, newest: sequence, floor: (0, 0), seen: BTreeMap::new(), weight: 0, used: 0 }
    }

    /// Forgets what is beyond the windows, but never the newest pair.
    fn trim(&mut self) {
        let window = (self.newest.saturating_sub(limit::SEQUENCE_WINDOW), 0);
        self.floor = self.floor.max(window);
        while let Some(oldest) = self.seen.first_entry()
            && (*oldest.key() < self.floor || self.weight > SEEN_PER_PRODUCER)
            && self.weight > oldest.get().weight()
        {
            let (sequence, part) = *oldest.key();
            self.floor = self.floor.max((sequence, part + 1));
            self.weight -= oldest.remove().weight();
        }
    }

    /// Keeps only the fence: later repeats are refused as too old, never doubled.
    fn collapse(&mut self) {
        self.floor = (self.newest + 1, 0);
        self.seen.clear();
        self.weight = 0;
    }
}

/// Producers, recent unique ids, counts and the newest stamp. A producer is
/// never forgotten, since that would unfence its past: the catalog bounds how
/// many there are ([`limit::PRODUCER_NAMES`]).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Ledger {
    producers: BTreeMap<ProducerId, Producer>,
    /// The weight of all producers.
    seen: usize,
    uniques: Uniques,
    pub(crate) counts: Counts,
    /// The newest stamp executed: the leader's clock never goes back.
    pub(crate) stamp: Timestamp,
}

impl Ledger {
    /// Reads what [`Self::encoded`] wrote, now or before batches' contents were
    /// remembered.
    ///
    /// # Errors
    /// Anything else (invariant D-7).
    pub(crate) fn decoded(bytes: &[u8]) -> Result<Self, via_codec::Error> {
        via_codec::decode_since::<Self, second::Ledger>(Kind::Ledger, 2, bytes)
    }

    /// Returns it as bytes.
    pub(crate) fn encoded(&self) -> Vec<u8> {
        via_codec::encode(Kind::Ledger, self)
    }

    /// Says what to do with a batch from `origin` of that content and so many rows.
    pub(crate) fn judge(&self, origin: Origin, batch: (u32, usize)) -> Verdict<'_> {
        let Some(producer) = self.producers.get(&origin.producer) else {
            return Verdict::Fresh;
        };
        if origin.epoch < producer.epoch {
            return Verdict::Fenced { current: producer.epoch };
        }
        if origin.epoch > producer.epoch {
            return Verdict::Fresh;
        }
        let pair = (origin.sequence.get(), origin.part);
        match producer.seen.get(&pair) {
            Some(told) if told.is_of(batch) => Verdict::Repeated(told),
            Some(told) => Verdict::Reused(told),
            None if pair < producer.floor => Verdict::TooOld { newest: producer.newest },
            None => Verdict::Fresh,
        }
    }

    /// Remembers that a fresh batch from `origin` was executed by entry `at`.
    pub(crate) fn note(&mut self, origin: Origin, told: Told, at: LogIndex) {
        let sequence = origin.sequence.get();
        let producer = self
            .producers
            .entry(origin.producer)
            .or_insert_with(|| Producer::of(origin.epoch, sequence));
        self.seen -= producer.weight;
        if origin.epoch > producer.epoch {
            *producer = Producer::of(origin.epoch, sequence);
        }
        producer.newest = producer.newest.max(sequence);
        producer.used = at.get();
        producer.weight += told.weight();
        let before = producer.seen.insert((sequence, origin.part), told);
        assert!(before.is_none(), "invariant D-2: {origin:?} was executed twice");
        producer.trim();
        self.seen += producer.weight;
        if self.seen > SEEN {
            self.forget_idle();
        }
    }

    /// Forgets all but the fences of those that have been idle longest.
    fn forget_idle(&mut self) {
        let busy = self.producers.values_mut().filter(|producer| producer.weight > 0);
        let mut busy: Vec<&mut Producer> = busy.collect();
        busy.sort_unstable_by_key(|producer| producer.used);
        for producer in busy {
            if self.seen <= SEEN_AFTER {
                break;
            }
            self.seen -= producer.weight;
            producer.collapse();
        }
    }

    /// Says whether a unique id was seen within the window, and remembers it.
    pub(crate) fn repeats(&mut self, unique: u64) -> bool {
        !self.uniques.insert(unique)
    }
}

/// Recent unique ids in two generations, so that forgetting is cheap.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "SavedUniques", into = "SavedUniques")]
struct Uniques {
    young: HashSet<u64>,
    old: HashSet<u64>,
}

impl Uniques {
    fn insert(&mut self, unique: u64) -> bool {
        if self.old.contains(&unique) || !self.young.insert(unique) {
            return false;
        }
        if self.young.len() >= limit::UNIQUE_IDS / 2 {
            self.old = std::mem::take(&mut self.young);
        }
        true
    }
}

/// At rest the sets are sorted, so that equal ledgers are equal bytes.
#[derive(Serialize, Deserialize)]
struct SavedUniques {
    young: via_types::Column<u64>,
    old: via_types::Column<u64>,
}

impl From<SavedUniques> for Uniques {
    fn from(saved: SavedUniques) -> Self {
        let set = |column: via_types::Column<u64>| column.iter().copied().collect();
        Self { young: set(saved.young), old: set(saved.old) }
    }
}

impl From<Uniques> for SavedUniques {
    fn from(uniques: Uniques) -> Self {
        let sorted = |set: HashSet<u64>| {
            let mut ids: Vec<u64> = set.into_iter().collect();
            ids.sort_unstable();
            ids.into()
        };
        Self { young: sorted(uniques.young), old: sorted(uniques.old) }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;
    use via_types::Sequence;

    use super::*;

    fn origin(producer: u64, epoch: u32, sequence: u64, part: u32) -> Origin {
        Origin {
            producer: ProducerId::new(producer),
            epoch: Epoch::new(epoch),
            sequence: Sequence::new(sequence),
            part,
        }
    }

    /// A batch of one row.
    const ONE: (u32, usize) = (5, 1);

    fn accepted(accepted: u32) -> Told {
        Told { accepted, ..Told::default() }
    }

    #[test]
    fn recognises_a_repeat_and_what_it_had_accepted() {
        let mut ledger = Ledger::default();
        let first = origin(1, 1, 5, 0);
        assert_eq!(ledger.judge(first, (5, 8)), Verdict::Fresh);
        let told = Told { accepted: 7, refused: Box::new([(3, RowReason::Late)]), content: 5 };
        ledger.note(first, told.clone(), LogIndex::new(1));
        assert_eq!(ledger.judge(first, (5, 8)), Verdict::Repeated(&told));
        assert_eq!(ledger.judge(first, (6, 8)), Verdict::Reused(&told));
        assert_eq!(ledger.judge(first, (5, 7)), Verdict::Reused(&told));
        assert_eq!(ledger.judge(origin(1, 1, 5, 1), ONE), Verdict::Fresh);
        assert_eq!(ledger.judge(origin(1, 1, 4, 0), ONE), Verdict::Fresh);
    }

    #[test]
    fn fences_an_older_epoch() {
        let mut ledger = Ledger::default();
        ledger.note(origin(1, 2, 1, 0), accepted(1), LogIndex::new(1));
        let current = Epoch::new(2);
        assert_eq!(ledger.judge(origin(1, 1, 9, 0), ONE), Verdict::Fenced { current });
        ledger.note(origin(1, 3, 1, 0), accepted(1), LogIndex::new(2));
        assert!(matches!(ledger.judge(origin(1, 2, 2, 0), ONE), Verdict::Fenced { .. }));
    }

    #[test]
    fn refuses_what_is_too_far_behind_instead_of_doubling_it() {
        let mut ledger = Ledger::default();
        ledger.note(origin(1, 1, 1, 0), accepted(1), LogIndex::new(1));
        let newest = limit::SEQUENCE_WINDOW + 10;
        ledger.note(origin(1, 1, newest, 0), accepted(1), LogIndex::new(2));
        assert_eq!(ledger.judge(origin(1, 1, 1, 0), ONE), Verdict::TooOld { newest });
    }

    #[test]
    fn stays_within_its_bounds_and_forgets_no_fence() {
        let mut ledger = Ledger::default();
        let producers = 5_000;
        for producer in 0..producers {
            for part in 0..40 {
                let at = LogIndex::new(producer + 1);
                ledger.note(origin(producer, 2, 1, part), accepted(1), at);
            }
        }
        assert!(ledger.seen <= SEEN);
        let counted: usize = ledger.producers.values().map(|producer| producer.weight).sum();
        assert_eq!(counted, ledger.seen);
        let held = ledger.producers.values().flat_map(|producer| producer.seen.values());
        assert_eq!(held.map(Told::weight).sum::<usize>(), counted);
        let current = Epoch::new(2);
        assert_eq!(ledger.judge(origin(0, 1, 9, 0), ONE), Verdict::Fenced { current });
        assert_eq!(ledger.judge(origin(0, 2, 1, 0), ONE), Verdict::TooOld { newest: 1 });
    }

    #[test]
    fn a_request_of_any_length_goes_through_and_its_end_is_recognised() {
        let mut ledger = Ledger::default();
        let parts = SEEN_PER_PRODUCER as u32 + 1000;
        for part in 0..parts {
            let one = origin(1, 1, 7, part);
            assert_eq!(ledger.judge(one, ONE), Verdict::Fresh);
            let refused = Box::new([(0, RowReason::Late)]);
            ledger.note(one, Told { accepted: 1, refused, content: 0 }, LogIndex::new(1));
        }
        assert_eq!(ledger.judge(origin(1, 1, 7, 0), ONE), Verdict::TooOld { newest: 7 });
        assert!(matches!(ledger.judge(origin(1, 1, 7, parts - 1), (5, 2)), Verdict::Repeated(_)));
        assert_eq!(ledger.judge(origin(1, 1, 7, parts), ONE), Verdict::Fresh);
        assert!(ledger.seen <= SEEN_PER_PRODUCER);
    }

    #[test]
    fn a_batch_with_more_refused_rows_than_the_window_is_remembered_itself() {
        let mut ledger = Ledger::default();
        let refused = (0..2 * SEEN_PER_PRODUCER as u32).map(|row| (row, RowReason::Late)).collect();
        ledger.note(origin(1, 1, 1, 0), accepted(1), LogIndex::new(1));
        ledger.note(
            origin(1, 1, 2, 0),
            Told { accepted: 0, refused, content: 0 },
            LogIndex::new(1),
        );
        assert!(matches!(
            ledger.judge(origin(1, 1, 2, 0), (5, 2 * SEEN_PER_PRODUCER)),
            Verdict::Repeated(_)
        ));
        assert_eq!(ledger.judge(origin(1, 1, 1, 0), ONE), Verdict::TooOld { newest: 2 });
    }

    #[test]
    fn remembers_unique_ids_for_at_least_half_its_window() {
        let mut ledger = Ledger::default();
        assert!(!ledger.repeats(1));
        for unique in 2..limit::UNIQUE_IDS as u64 / 2 {
            assert!(!ledger.repeats(unique));
        }
        assert!(ledger.repeats(1));
    }

    #[test]
    fn a_ledger_of_version_2_is_read_and_its_contents_are_not_known() {
        let bytes = include_bytes!("../tests/golden/ledger-v2.bin");
        let mut ledger = Ledger::decoded(bytes).expect("as version 2 wrote it");
        let told = Told { accepted: 2, refused: Box::new([(1, RowReason::Late)]), content: 0 };
        assert_eq!(ledger.judge(origin(1, 2, 7, 0), (5, 3)), Verdict::Repeated(&told));
        assert_eq!(ledger.judge(origin(1, 2, 7, 0), (5, 2)), Verdict::Reused(&told));
        assert_eq!(ledger.judge(origin(1, 2, 8, 0), (5, 3)), Verdict::Fresh);
        assert!(ledger.repeats(77) && !ledger.repeats(78));
        assert_eq!((ledger.counts.events, ledger.counts.late_events), (3, 1));
        for length in 0..bytes.len() {
            assert!(Ledger::decoded(&bytes[..length]).is_err(), "cut to {length}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Whatever order and repetition the batches come in, each changes state at most
        /// once, and one within the window is never refused for good.
        #[test]
        fn executes_each_batch_once(sends in prop::collection::vec((0u64..4, 1u32..3, 0u64..40, 0u32..3), 1..300)) {
            let mut ledger = Ledger::default();
            let mut executed = BTreeSet::new();
            let mut newest = BTreeMap::new();
            for (index, (producer, epoch, sequence, part)) in sends.into_iter().enumerate() {
                let origin = origin(producer, epoch, sequence, part);
                let known = newest.get(&producer).copied().unwrap_or(0);
                match ledger.judge(origin, ONE) {
                    Verdict::Fresh => {
                        prop_assert!(epoch >= known);
                        prop_assert!(executed.insert(origin));
                        ledger.note(origin, accepted(1), LogIndex::new(index as u64 + 1));
                        newest.insert(producer, epoch);
                    }
                    Verdict::Repeated(told) => {
                        prop_assert_eq!(told.accepted, 1);
                        prop_assert!(executed.contains(&origin));
                    }
                    Verdict::Reused(_) => prop_assert!(false, "all hold one row"),
                    Verdict::Fenced { .. } => prop_assert!(epoch < known),
                    Verdict::TooOld { .. } => prop_assert!(false, "40 sequences fit the window"),
                }
            }
        }

        #[test]
        fn a_saved_ledger_decides_alike(sends in prop::collection::vec((0u64..4, 0u64..40), 1..100)) {
            let mut ledger = Ledger::default();
            for (index, (producer, sequence)) in sends.iter().enumerate() {
                let origin = origin(*producer, 1, *sequence, 0);
                if ledger.judge(origin, ONE) == Verdict::Fresh {
                    ledger.note(origin, accepted(1), LogIndex::new(index as u64 + 1));
                }
                ledger.repeats(*sequence);
            }
            let again = Ledger::decoded(&ledger.encoded()).expect("reads back");
            prop_assert_eq!(again, ledger);
        }
    }
}
