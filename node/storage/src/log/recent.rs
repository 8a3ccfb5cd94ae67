//! The newest entries, kept in memory for those who read what they just wrote.
//! Owns its bound (invariant D-6); whether an entry still exists is for its
//! group to say, before this is asked.

use std::collections::{HashMap, VecDeque};

use bytes::Bytes;
use via_types::GroupId;

/// Most entries kept, whatever their size.
const ENTRIES: usize = 64 << 10;

/// A first-in, first-out cache of entries.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    entries: HashMap<(GroupId, u64), Bytes>,
    order: VecDeque<(GroupId, u64)>,
    bytes: u64,
    limit: u64,
}

impl Recent {
    pub(crate) fn set_limit(&mut self, bytes: u64) {
        self.limit = bytes;
    }

    pub(crate) fn get(&self, group: GroupId, index: u64) -> Option<&Bytes> {
        self.entries.get(&(group, index))
    }

    /// Keeps `bytes` as the entry's content, whatever was known of it before.
    pub(crate) fn insert(&mut self, group: GroupId, index: u64, bytes: Bytes) {
        let key = (group, index);
        self.bytes += bytes.len() as u64;
        match self.entries.insert(key, bytes) {
            Some(former) => self.bytes -= former.len() as u64,
            None => self.order.push_back(key),
        }
        while self.bytes > self.limit || self.order.len() > ENTRIES {
            let Some(oldest) = self.order.pop_front() else { break };
            if let Some(bytes) = self.entries.remove(&oldest) {
                self.bytes -= bytes.len() as u64;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_newest_within_its_bound() {
        let mut recent = Recent::default();
        recent.set_limit(100);
        let group = GroupId::new(1);
        for index in 0..20 {
            recent.insert(group, index, Bytes::from(vec![0; 10]));
        }
        assert!(recent.get(group, 9).is_none());
        assert!((10..20).all(|index| recent.get(group, index).is_some()));
    }

    #[test]
    fn an_index_written_again_shows_its_new_content() {
        let mut recent = Recent::default();
        recent.set_limit(100);
        let group = GroupId::new(1);
        recent.insert(group, 1, Bytes::from_static(b"old"));
        recent.insert(group, 1, Bytes::from_static(b"new"));
        assert_eq!(recent.get(group, 1), Some(&Bytes::from_static(b"new")));
        recent.insert(group, 2, Bytes::from(vec![0; 200]));
        assert!(recent.get(group, 1).is_none() && recent.get(group, 2).is_none());
    }
}
