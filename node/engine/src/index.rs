//! From an entity's hash to its place: many small open-addressed tables, each
//! growing alone, so that no insertion waits for a large rehash. Owns tags and
//! places; refuses to know profiles: callers compare the full identity through
//! `is_match`. Never iterated in table order (invariant E-1).

use via_types::EntityHash;

use crate::prefetch::prefetch;

/// Tables; the hash's middle bits choose one (shards use the top bits, places
/// within a table the bottom ones).
const TABLES: usize = 64;
/// Places in a table when it first grows.
const SMALLEST: usize = 16;

/// One place: `slot` is one more than the profile's, 0 when empty.
#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    tag: u32,
    slot: u32,
}

#[derive(Clone, Debug, Default)]
struct Table {
    entries: Vec<Entry>,
    used: usize,
}

/// The index over all profiles of an engine.
#[derive(Clone, Debug)]
pub(crate) struct Index {
    tables: Vec<Table>,
    used: usize,
    entries: usize,
}

impl Default for Index {
    fn default() -> Self {
        Self { tables: vec![Table::default(); TABLES], used: 0, entries: 0 }
    }
}

fn table_of(hash: EntityHash) -> usize {
    (hash.low() >> 32) as usize % TABLES
}

impl Index {
    /// Returns how many profiles are indexed.
    pub(crate) fn len(&self) -> usize {
        self.used
    }

    /// Returns the memory of all tables, bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.entries * size_of::<Entry>() + TABLES * size_of::<Table>()
    }

    /// Asks for the line where `hash` would be found.
    pub(crate) fn prefetch(&self, hash: EntityHash) {
        let table = &self.tables[table_of(hash)];
        if !table.entries.is_empty() {
            prefetch(&table.entries[hash.low() as usize & (table.entries.len() - 1)]);
        }
    }

    /// Returns the place that [`Self::find`] will look at first.
    #[inline(always)]
    pub(crate) fn likely(&self, hash: EntityHash) -> Option<u32> {
        self.find(hash, |_| true)
    }

    /// Returns the place of the profile that has this hash and is a match.
    #[inline(always)]
    pub(crate) fn find(
        &self,
        hash: EntityHash,
        mut is_match: impl FnMut(u32) -> bool,
    ) -> Option<u32> {
        let entries = &self.tables[table_of(hash)].entries;
        let mask = entries.len().checked_sub(1)?;
        let tag = hash.low() as u32;
        let mut at = tag as usize & mask;
        loop {
            let entry = entries[at];
            if entry.slot == 0 {
                return None;
            }
            if entry.tag == tag && is_match(entry.slot - 1) {
                return Some(entry.slot - 1);
            }
            at = (at + 1) & mask;
        }
    }

    /// Adds a profile that is not in the index yet.
    pub(crate) fn insert(&mut self, hash: EntityHash, slot: u32) {
        let table = &mut self.tables[table_of(hash)];
        if (table.used + 1) * 4 > table.entries.len() * 3 {
            self.entries -= table.entries.len();
            table.grow();
            self.entries += table.entries.len();
        }
        table.place(Entry { tag: hash.low() as u32, slot: slot + 1 });
        table.used += 1;
        self.used += 1;
    }

    /// Removes the profile at `slot`, which has this hash.
    pub(crate) fn remove(&mut self, hash: EntityHash, slot: u32) {
        let table = &mut self.tables[table_of(hash)];
        let Some(mask) = table.entries.len().checked_sub(1) else { return };
        let mut hole = hash.low() as usize & mask;
        while table.entries[hole].slot != slot + 1 {
            if table.entries[hole].slot == 0 {
                return;
            }
            hole = (hole + 1) & mask;
        }
        table.used -= 1;
        self.used -= 1;
        let mut next = hole;
        loop {
            next = (next + 1) & mask;
            let entry = table.entries[next];
            if entry.slot == 0 {
                break;
            }
            let home = entry.tag as usize & mask;
            let stays = (next.wrapping_sub(home) & mask) < (next.wrapping_sub(hole) & mask);
            if !stays {
                table.entries[hole] = entry;
                hole = next;
            }
        }
        table.entries[hole] = Entry::default();
    }
}

impl Table {
    fn place(&mut self, entry: Entry) {
        let mask = self.entries.len() - 1;
        let mut at = entry.tag as usize & mask;
        while self.entries[at].slot != 0 {
            at = (at + 1) & mask;
        }
        self.entries[at] = entry;
    }

    fn grow(&mut self) {
        let size = (self.entries.len() * 2).max(SMALLEST);
        let old = std::mem::replace(&mut self.entries, vec![Entry::default(); size]);
        for entry in old.into_iter().filter(|entry| entry.slot != 0) {
            self.place(entry);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn behaves_like_a_map(steps in prop::collection::vec((0u64..200, any::<bool>()), 1..2000)) {
            let mut index = Index::default();
            let mut model = BTreeMap::new();
            let mut owner = Vec::new();
            for (key, insert) in steps {
                // Few distinct low bits: long probe runs, equal tags.
                let hash = EntityHash::from_parts((key % 40) << 26 | (key % 7), key);
                if insert && !model.contains_key(&key) {
                    let slot = owner.len() as u32;
                    owner.push(key);
                    index.insert(hash, slot);
                    model.insert(key, slot);
                } else if !insert && let Some(slot) = model.remove(&key) {
                    index.remove(hash, slot);
                }
                prop_assert_eq!(index.len(), model.len());
                for probe in 0..200u64 {
                    let hash = EntityHash::from_parts((probe % 40) << 26 | (probe % 7), probe);
                    let found = index.find(hash, |slot| owner[slot as usize] == probe);
                    prop_assert_eq!(found, model.get(&probe).copied());
                }
            }
        }
    }
}
