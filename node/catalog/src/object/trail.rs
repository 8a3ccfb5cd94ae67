//! An audit log as the catalog knows it: its tree without its past, and from
//! where on records are kept whole. The records themselves are rows of whoever
//! keeps the catalog.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use via_audit::{Frontier, Hash, Place, leaf};
use via_types::{TenantId, Timestamp, limit};

/// Names an audit log: the platform's, or a tenant's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TrailId(u32);

impl TrailId {
    /// The platform's own.
    pub const PLATFORM: Self = Self(0);

    /// Names the log of a tenant; of none, the platform's.
    pub fn of(tenant: Option<TenantId>) -> Self {
        tenant.map_or(Self::PLATFORM, |tenant| Self(tenant.get()))
    }

    /// Names the log with this number: 0 or a tenant's.
    pub const fn new(number: u32) -> Self {
        Self(number)
    }

    /// Returns the bare number.
    pub const fn get(self) -> u32 {
        self.0
    }

    /// Returns whose it is; none for the platform's.
    pub fn tenant(self) -> Option<TenantId> {
        (self.0 > 0).then(|| TenantId::new(self.0))
    }
}

impl fmt::Display for TrailId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.tenant() {
            Some(tenant) => tenant.fmt(f),
            None => f.write_str("platform"),
        }
    }
}

/// How far apart two marks are.
const BETWEEN_MARKS: Duration = Duration::from_secs(30 * 86_400);
/// Most marks: ten years of them, or fewer when records are pruned.
const MARKS: usize = 128;

/// One audit log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trail {
    /// Which.
    pub id: TrailId,
    /// Its tree.
    pub tree: Frontier,
    /// The first record that is kept whole; of earlier ones, hashes are kept.
    pub kept_from: u64,
    /// Records and when they were made, a month apart: what pruning goes by.
    pub marks: Vec<(u64, Timestamp)>,
}

/// A record that was appended: what has to be kept of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// In which log.
    pub trail: TrailId,
    /// At which place.
    pub index: u64,
    /// Its text, of which the leaf is the hash.
    pub text: String,
    /// The nodes of the tree that became final: the leaf first.
    pub nodes: Vec<(Place, Hash)>,
}

impl Trail {
    /// Makes an empty log.
    pub fn new(id: TrailId) -> Self {
        Self { id, tree: Frontier::default(), kept_from: 0, marks: Vec::new() }
    }

    /// Appends a record made at `at`.
    pub(crate) fn append(&mut self, at: Timestamp, text: String) -> Recorded {
        let index = self.tree.size();
        let is_due =
            self.marks.last().is_none_or(|(_, last)| at.saturating_since(*last) >= BETWEEN_MARKS);
        if is_due && self.marks.len() < MARKS {
            self.marks.push((index, at));
        }
        let mut nodes = Vec::new();
        self.tree.append(leaf(text.as_bytes()), |place, hash| nodes.push((place, hash)));
        Recorded { trail: self.id, index, text, nodes }
    }

    /// Returns the first record that must still be kept whole at `now`, of the
    /// marked ones: everything before it is old enough.
    pub fn prunable(&self, now: Timestamp) -> u64 {
        let oldest = now.saturating_sub(Duration::from_secs(limit::RECORD_SECS));
        let old = self.marks.iter().rev().find(|(_, at)| *at <= oldest);
        old.map_or(self.kept_from, |(index, _)| (*index).max(self.kept_from))
    }

    /// Keeps records whole only from `from` on.
    pub(crate) fn prune(&mut self, from: u64) {
        self.kept_from = from;
        self.marks.retain(|(index, _)| *index >= from);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(number: i64) -> Timestamp {
        Timestamp::from_nanos(number * 86_400_000_000_000)
    }

    #[test]
    fn records_are_kept_whole_for_a_year_at_least() {
        let mut trail = Trail::new(TrailId::of(None));
        for number in 0..500 {
            trail.append(day(number), format!("{number}"));
        }
        let now = day(500);
        let from = trail.prunable(now);
        assert!((60..=104).contains(&from), "a month more than must be: {from}");
        let root = trail.tree.root();
        trail.prune(from);
        assert_eq!((trail.kept_from, trail.tree.root()), (from, root), "the tree is untouched");
        assert_eq!(trail.prunable(now), from, "twice is once");
        assert_eq!(trail.prunable(day(0)), from, "a clock that goes back brings nothing back");
    }
}
