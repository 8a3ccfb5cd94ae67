//! The exactly-once ledger of one shard (invariant D-2): which batches of which
//! producer, and which unique ids, have changed state. Pure: its content is a
//! function of the log. Saved with each checkpoint as of the boundary.

use std::collections::{BTreeMap, HashSet};

use serde::{Deserialize, Serialize};
use via_types::batch::Origin;
use via_types::{Epoch, LogIndex, ProducerId, Timestamp, limit};

/// Most (sequence, part) pairs remembered of one producer.
const SEEN_PER_PRODUCER: usize = 8_192;
/// Most pairs remembered of all producers together: about 2 MiB saved.
const SEEN: usize = 131_072;

/// What the ledger says of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Never seen: execute it.
    Fresh,
    /// Executed before, when so many of its events were accepted.
    Repeated { accepted: u32 },
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
    /// Sequences below this are no longer told apart.
    floor: u64,
    /// Executed (sequence, part), with the count accepted.
    seen: BTreeMap<(u64, u32), u32>,
    /// Log index of its latest batch.
    used: u64,
}

impl Producer {
    /// Forgets what is beyond the windows; returns how many pairs went.
    fn trim(&mut self) -> usize {
        let before = self.seen.len();
        self.floor = self.floor.max(self.newest.saturating_sub(limit::SEQUENCE_WINDOW));
        self.seen = self.seen.split_off(&(self.floor, 0));
        while self.seen.len() > SEEN_PER_PRODUCER
            && let Some(((sequence, _), _)) = self.seen.pop_first()
        {
            self.floor = sequence + 1;
            self.seen = self.seen.split_off(&(self.floor, 0));
        }
        before - self.seen.len()
    }

    /// Keeps only the fence: later repeats are refused as too old, never doubled.
    fn collapse(&mut self) -> usize {
        self.floor = self.newest + 1;
        std::mem::take(&mut self.seen).len()
    }
}

/// Producers, recent unique ids, counts and the newest stamp.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Ledger {
    producers: BTreeMap<ProducerId, Producer>,
    seen: usize,
    uniques: Uniques,
    pub(crate) counts: Counts,
    /// The newest stamp executed: the leader's clock never goes back.
    pub(crate) stamp: Timestamp,
}

impl Ledger {
    /// Says what to do with a batch from `origin`.
    pub(crate) fn judge(&self, origin: Origin) -> Verdict {
        let Some(producer) = self.producers.get(&origin.producer) else {
            return Verdict::Fresh;
        };
        if origin.epoch < producer.epoch {
            return Verdict::Fenced { current: producer.epoch };
        }
        if origin.epoch > producer.epoch {
            return Verdict::Fresh;
        }
        let sequence = origin.sequence.get();
        match producer.seen.get(&(sequence, origin.part)) {
            Some(accepted) => Verdict::Repeated { accepted: *accepted },
            None if sequence < producer.floor => Verdict::TooOld { newest: producer.newest },
            None => Verdict::Fresh,
        }
    }

    /// Remembers that a fresh batch from `origin` was executed by entry `at`.
    pub(crate) fn note(&mut self, origin: Origin, accepted: u32, at: LogIndex) {
        if !self.producers.contains_key(&origin.producer) {
            self.make_room();
        }
        let sequence = origin.sequence.get();
        let producer = self.producers.entry(origin.producer).or_insert_with(|| Producer {
            epoch: origin.epoch,
            newest: sequence,
            floor: 0,
            seen: BTreeMap::new(),
            used: 0,
        });
        if origin.epoch > producer.epoch {
            self.seen -= producer.seen.len();
            producer.seen.clear();
            producer.floor = 0;
            producer.newest = sequence;
            producer.epoch = origin.epoch;
        }
        producer.newest = producer.newest.max(sequence);
        producer.used = at.get();
        let before = producer.seen.insert((sequence, origin.part), accepted);
        assert!(before.is_none(), "invariant D-2: {origin:?} was executed twice");
        self.seen += 1;
        self.seen -= producer.trim();
        while self.seen > SEEN
            && let Some(idle) =
                self.producers.values_mut().filter(|p| !p.seen.is_empty()).min_by_key(|p| p.used)
        {
            self.seen -= idle.collapse();
        }
    }

    /// Says whether a unique id was seen within the window, and remembers it.
    pub(crate) fn repeats(&mut self, unique: u64) -> bool {
        !self.uniques.insert(unique)
    }

    /// Returns how many producers are remembered.
    #[cfg(test)]
    fn producers(&self) -> usize {
        self.producers.len()
    }

    fn make_room(&mut self) {
        while self.producers.len() >= limit::PRODUCERS
            && let Some(idle) = self.producers.iter().min_by_key(|(_, p)| p.used).map(|(id, _)| *id)
            && let Some(gone) = self.producers.remove(&idle)
        {
            self.seen -= gone.seen.len();
        }
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

    #[test]
    fn recognises_a_repeat_and_what_it_had_accepted() {
        let mut ledger = Ledger::default();
        let first = origin(1, 1, 5, 0);
        assert_eq!(ledger.judge(first), Verdict::Fresh);
        ledger.note(first, 7, LogIndex::new(1));
        assert_eq!(ledger.judge(first), Verdict::Repeated { accepted: 7 });
        assert_eq!(ledger.judge(origin(1, 1, 5, 1)), Verdict::Fresh);
        assert_eq!(ledger.judge(origin(1, 1, 4, 0)), Verdict::Fresh);
    }

    #[test]
    fn fences_an_older_epoch() {
        let mut ledger = Ledger::default();
        ledger.note(origin(1, 2, 1, 0), 1, LogIndex::new(1));
        let current = Epoch::new(2);
        assert_eq!(ledger.judge(origin(1, 1, 9, 0)), Verdict::Fenced { current });
        ledger.note(origin(1, 3, 1, 0), 1, LogIndex::new(2));
        assert!(matches!(ledger.judge(origin(1, 2, 2, 0)), Verdict::Fenced { .. }));
    }

    #[test]
    fn refuses_what_is_too_far_behind_instead_of_doubling_it() {
        let mut ledger = Ledger::default();
        ledger.note(origin(1, 1, 1, 0), 1, LogIndex::new(1));
        let newest = limit::SEQUENCE_WINDOW + 10;
        ledger.note(origin(1, 1, newest, 0), 1, LogIndex::new(2));
        assert_eq!(ledger.judge(origin(1, 1, 1, 0)), Verdict::TooOld { newest });
    }

    #[test]
    fn stays_within_its_bounds() {
        let mut ledger = Ledger::default();
        for producer in 0..limit::PRODUCERS as u64 + 50 {
            for part in 0..40 {
                ledger.note(origin(producer, 1, 1, part), 1, LogIndex::new(producer + 1));
            }
        }
        assert_eq!(ledger.producers(), limit::PRODUCERS);
        assert!(ledger.seen <= SEEN);
        let counted: usize = ledger.producers.values().map(|producer| producer.seen.len()).sum();
        assert_eq!(counted, ledger.seen);
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
                match ledger.judge(origin) {
                    Verdict::Fresh => {
                        prop_assert!(epoch >= known);
                        prop_assert!(executed.insert(origin));
                        ledger.note(origin, 1, LogIndex::new(index as u64 + 1));
                        newest.insert(producer, epoch);
                    }
                    Verdict::Repeated { accepted } => {
                        prop_assert_eq!(accepted, 1);
                        prop_assert!(executed.contains(&origin));
                    }
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
                if ledger.judge(origin) == Verdict::Fresh {
                    ledger.note(origin, 1, LogIndex::new(index as u64 + 1));
                }
                ledger.repeats(*sequence);
            }
            let bytes = via_codec::encode(via_codec::Kind::Ledger, &ledger);
            let again: Ledger = via_codec::decode(via_codec::Kind::Ledger, &bytes).expect("reads back");
            prop_assert_eq!(again, ledger);
        }
    }
}
