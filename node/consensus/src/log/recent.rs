//! Entries appended lately, so that applying and replicating them reads
//! nothing back: kept until durable and applied, bounded in bytes once durable
//! (invariant D-6).

use std::collections::VecDeque;

use openraft::EntryPayload;

use crate::raft::Entry;

/// Most bytes kept of entries that are durable and so can be read back.
const KEPT_BYTES: usize = 4 << 20;

/// The newest entries of a group, without gaps.
#[derive(Default)]
pub(super) struct Recent {
    entries: VecDeque<Entry>,
    bytes: usize,
    flushed: Option<u64>,
    applied: Option<u64>,
}

fn size(entry: &Entry) -> usize {
    let payload = match &entry.payload {
        EntryPayload::Normal(payload) => payload.0.len(),
        EntryPayload::Blank | EntryPayload::Membership(_) => 0,
    };
    payload + size_of::<Entry>()
}

impl Recent {
    pub(super) fn push(&mut self, entry: Entry) {
        if self.entries.back().is_some_and(|last| last.log_id.index + 1 != entry.log_id.index) {
            self.clear();
        }
        self.bytes += size(&entry);
        self.entries.push_back(entry);
    }

    /// Returns entries from `from`, below `to`, at most `max_bytes` but at
    /// least one, when the first of them is here.
    pub(super) fn range(&self, from: u64, to: u64, max_bytes: usize) -> Option<Vec<Entry>> {
        let first = self.entries.front()?.log_id.index;
        let skip = usize::try_from(from.checked_sub(first)?).ok()?;
        if skip >= self.entries.len() {
            return None;
        }
        let mut bytes = 0;
        let taken = self.entries.iter().skip(skip).take_while(|entry| {
            let fits = bytes == 0 || bytes + size(entry) <= max_bytes;
            bytes += size(entry);
            fits && entry.log_id.index < to
        });
        Some(taken.cloned().collect())
    }

    pub(super) fn flushed(&mut self, index: u64) {
        self.flushed = self.flushed.max(Some(index));
        self.trim();
    }

    pub(super) fn applied(&mut self, index: u64) {
        self.applied = self.applied.max(Some(index));
        self.trim();
    }

    /// Forgets what comes after `kept`.
    pub(super) fn truncate(&mut self, kept: Option<u64>) {
        while self.entries.back().is_some_and(|last| Some(last.log_id.index) > kept) {
            self.drop_back();
        }
        self.flushed = self.flushed.min(kept);
    }

    /// Forgets what comes up to `upto`.
    pub(super) fn purge(&mut self, upto: u64) {
        while self.entries.front().is_some_and(|first| first.log_id.index <= upto) {
            self.drop_front();
        }
    }

    fn trim(&mut self) {
        while let Some(first) = self.entries.front() {
            let index = Some(first.log_id.index);
            let needed = index > self.applied && self.bytes <= KEPT_BYTES;
            if index > self.flushed || needed {
                break;
            }
            self.drop_front();
        }
        if self.entries.is_empty() && self.entries.capacity() > 64 {
            self.entries.shrink_to(16);
        }
    }

    fn clear(&mut self) {
        self.entries.clear();
        self.bytes = 0;
    }

    fn drop_front(&mut self) {
        self.bytes -= self.entries.pop_front().map_or(0, |entry| size(&entry));
    }

    fn drop_back(&mut self) {
        self.bytes -= self.entries.pop_back().map_or(0, |entry| size(&entry));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raft::{LeaderId, LogId, Payload};

    fn filled(indices: std::ops::Range<u64>, bytes: usize) -> Recent {
        let mut recent = Recent::default();
        for index in indices {
            let leader_id = LeaderId { term: 1, node_id: 1 };
            let payload = EntryPayload::Normal(Payload(vec![0; bytes].into()));
            recent.push(Entry { log_id: LogId { leader_id, index }, payload });
        }
        recent
    }

    fn indices(entries: Option<Vec<Entry>>) -> Option<Vec<u64>> {
        entries.map(|entries| entries.iter().map(|entry| entry.log_id.index).collect())
    }

    #[test]
    fn keeps_what_is_not_yet_durable_and_applied() {
        let mut recent = filled(5..9, 10);
        recent.applied(8);
        assert_eq!(indices(recent.range(5, 9, usize::MAX)), Some(vec![5, 6, 7, 8]));
        recent.flushed(6);
        assert_eq!(indices(recent.range(5, 9, usize::MAX)), None);
        assert_eq!(indices(recent.range(7, 8, usize::MAX)), Some(vec![7]));
        recent.flushed(8);
        assert_eq!(indices(recent.range(8, 9, usize::MAX)), None);
        assert_eq!(recent.bytes, 0);
    }

    #[test]
    fn a_piece_is_bounded_but_never_empty() {
        let recent = filled(1..9, 1000);
        assert_eq!(indices(recent.range(1, 9, 1)), Some(vec![1]));
        assert_eq!(indices(recent.range(2, 9, 2500)), Some(vec![2, 3]));
    }

    #[test]
    fn what_is_durable_is_bounded_even_when_applying_lags() {
        let mut recent = filled(1..9, KEPT_BYTES / 4);
        recent.flushed(8);
        assert!(recent.bytes <= KEPT_BYTES);
        assert!(indices(recent.range(8, 9, 1)).is_some());
    }

    #[test]
    fn truncating_forgets_the_end() {
        let mut recent = filled(1..9, 10);
        recent.truncate(Some(4));
        assert_eq!(indices(recent.range(3, 9, usize::MAX)), Some(vec![3, 4]));
        let Some(entry) = filled(5..6, 1).entries.pop_front() else { panic!("one entry") };
        recent.push(entry);
        assert_eq!(indices(recent.range(4, 9, usize::MAX)), Some(vec![4, 5]));
    }
}
