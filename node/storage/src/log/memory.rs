//! The log's twin in memory, for tests and simulation: everything is durable
//! at once and lives as long as the last clone.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use via_types::GroupId;

use super::{Done, Log, Slot, check_append, check_slot};
use crate::Error;

/// A log in memory. Clones share it, so a test can "restart" on it.
#[derive(Clone, Debug, Default)]
pub struct MemoryLog {
    groups: Arc<Mutex<BTreeMap<GroupId, Group>>>,
}

#[derive(Debug, Default)]
struct Group {
    /// Every entry up to this index is purged.
    floor: u64,
    first: u64,
    entries: VecDeque<Bytes>,
    slots: BTreeMap<Slot, Bytes>,
}

impl Group {
    fn next(&self) -> Option<u64> {
        (!self.entries.is_empty()).then(|| self.first + self.entries.len() as u64)
    }

    fn append(&mut self, entries: Vec<(u64, Bytes)>) {
        for (index, bytes) in entries {
            if self.entries.is_empty() {
                self.first = index;
            }
            self.entries.push_back(bytes);
        }
    }

    fn truncate_after(&mut self, last_kept: u64) {
        let kept = last_kept.saturating_add(1).saturating_sub(self.first);
        self.entries.truncate(usize::try_from(kept).unwrap_or(usize::MAX));
    }

    fn purge(&mut self, upto: u64) {
        self.floor = self.floor.max(upto);
        while self.first <= upto && self.entries.pop_front().is_some() {
            self.first += 1;
        }
    }
}

impl MemoryLog {
    /// Makes an empty log.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Log for MemoryLog {
    fn groups(&self) -> Vec<GroupId> {
        let groups = self.groups.lock();
        let used = |group: &&GroupId| {
            groups.get(group).is_some_and(|g| !g.entries.is_empty() || !g.slots.is_empty())
        };
        groups.keys().filter(used).copied().collect()
    }

    fn bounds(&self, group: GroupId) -> Option<(u64, u64)> {
        let groups = self.groups.lock();
        let group = groups.get(&group)?;
        group.next().map(|next| (group.first, next - 1))
    }

    fn append(&self, group: GroupId, entries: Vec<(u64, Bytes)>, done: Done) {
        let outcome = {
            let mut groups = self.groups.lock();
            let state = groups.entry(group).or_default();
            check_append(group, state.next(), state.floor, &entries).map(|()| state.append(entries))
        };
        done(outcome);
    }

    fn truncate_after(&self, group: GroupId, last_kept: u64, done: Done) {
        self.groups.lock().entry(group).or_default().truncate_after(last_kept);
        done(Ok(()));
    }

    fn purge(&self, group: GroupId, upto: u64) {
        self.groups.lock().entry(group).or_default().purge(upto);
    }

    fn read(
        &self,
        group: GroupId,
        range: Range<u64>,
        max_bytes: usize,
    ) -> Result<Vec<(u64, Bytes)>, Error> {
        let groups = self.groups.lock();
        let Some(group) = groups.get(&group) else { return Ok(Vec::new()) };
        let mut found = Vec::new();
        let mut bytes = 0;
        let end = range.end.min(group.next().unwrap_or(0));
        for index in range.start.max(group.first)..end {
            let entry = &group.entries[(index - group.first) as usize];
            bytes += entry.len();
            if bytes > max_bytes && !found.is_empty() {
                break;
            }
            found.push((index, entry.clone()));
        }
        Ok(found)
    }

    fn put(&self, group: GroupId, slot: Slot, value: Bytes, done: Done) {
        let outcome = check_slot(&value);
        if outcome.is_ok() {
            self.groups.lock().entry(group).or_default().slots.insert(slot, value);
        }
        done(outcome);
    }

    fn get(&self, group: GroupId, slot: Slot) -> Option<Bytes> {
        self.groups.lock().get(&group)?.slots.get(&slot).cloned()
    }
}
