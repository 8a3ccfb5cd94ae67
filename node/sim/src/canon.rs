//! What is committed, as the first replica that applied it had it: every other
//! must have the same at the same place, for ever (invariants D-1 and D-3).

use std::collections::BTreeMap;

use via_types::{GroupId, LogIndex, NodeId};

/// The committed entries of all groups, by their hashes.
#[derive(Debug, Default)]
pub(crate) struct Canon {
    entries: BTreeMap<(GroupId, LogIndex), (u64, NodeId)>,
    /// Up to where each life of a node has been compared.
    compared: BTreeMap<(NodeId, GroupId), LogIndex>,
}

impl Canon {
    /// Returns the first entry of a replica that has not been compared.
    pub(crate) fn next(&self, node: NodeId, group: GroupId) -> LogIndex {
        let compared = self.compared.get(&(node, group)).copied().unwrap_or_default();
        LogIndex::new(compared.get() + 1)
    }

    /// A node begins another life: what it has is to be compared anew.
    pub(crate) fn forget(&mut self, node: NodeId) {
        self.compared.retain(|(known, _), _| *known != node);
    }

    /// A replica has applied an entry.
    pub(crate) fn applied(
        &mut self,
        node: NodeId,
        group: GroupId,
        (index, hash): (LogIndex, u64),
    ) -> Result<(), String> {
        self.compared.insert((node, group), index);
        let (known, first) = *self.entries.entry((group, index)).or_insert((hash, node));
        if known == hash {
            return Ok(());
        }
        Err(format!(
            "logs do not match: {group} {index} is one entry on {first}, another on {node}"
        ))
    }

    /// Returns how many entries are committed.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_entry_at_the_same_place_is_found() {
        let mut canon = Canon::default();
        let (one, two, group) = (NodeId::new(1), NodeId::new(2), GroupId::META);
        canon.applied(one, group, (LogIndex::new(1), 5)).expect("the first");
        canon.applied(two, group, (LogIndex::new(1), 5)).expect("the same");
        assert_eq!(canon.next(two, group), LogIndex::new(2));
        canon.applied(two, group, (LogIndex::new(1), 6)).expect_err("another");
        canon.forget(two);
        assert_eq!(canon.next(two, group), LogIndex::new(1));
    }
}
