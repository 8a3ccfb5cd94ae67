//! The store of profiles of one shard and its face. Owns which profiles and
//! configurations are in memory; judging is in `execute`, checkpointing and
//! eviction in `lifecycle`. Called by the shard. Invariants E-1, D-6.

use std::collections::BTreeMap;

use bytemuck::Zeroable;
use via_types::{Batch, EntityHash, LogIndex, Revision, StreamConfig, StreamId};

use crate::Options;
use crate::index::Index;
use crate::profile::{Cold, Hot, LIVE, USED};
use crate::record::Record;
use crate::slab::Slab;

/// A stream's configuration as the engine uses it.
#[derive(Clone, Debug)]
pub(crate) struct Stream {
    pub(crate) revision: Revision,
    pub(crate) config: StreamConfig,
}

/// Every profile of one shard, and what judges their events.
#[derive(Clone, Debug, Default)]
pub struct Engine {
    pub(crate) options: Options,
    pub(crate) streams: BTreeMap<StreamId, Stream>,
    pub(crate) index: Index,
    pub(crate) hot: Slab<Hot>,
    pub(crate) cold: Slab<Cold>,
    pub(crate) free: Vec<u32>,
    /// Changed since their last export, in the order they changed.
    pub(crate) changed: Vec<u32>,
    /// What the running round still has to export.
    pub(crate) round: Vec<u32>,
    pub(crate) unsaved: usize,
    pub(crate) round_left: usize,
    /// Where the eviction hand stands.
    pub(crate) hand: u32,
    /// Memory held by cold parts outside of the slab, bytes.
    pub(crate) heap: usize,
    /// Per key of the batch in execution: its place plus one, or 0.
    pub(crate) places: Vec<u32>,
}

impl Engine {
    /// Makes an engine without profiles.
    pub fn new(options: Options) -> Self {
        Self { options, ..Self::default() }
    }

    /// Judges the stream's events by `config` from now on; what was learned
    /// stays (invariant C-1: detections name `revision`).
    pub fn configure(&mut self, stream: StreamId, revision: Revision, config: &StreamConfig) {
        self.streams.insert(stream, Stream { revision, config: config.clone() });
    }

    /// Returns the revision of the stream's configuration, if it has one.
    pub fn revision(&self, stream: StreamId) -> Option<Revision> {
        self.streams.get(&stream).map(|stream| stream.revision)
    }

    /// Appends the positions in `batch.keys` whose profile is not in memory.
    pub fn missing(&self, batch: &Batch, out: &mut Vec<u32>) {
        for (position, hash) in batch.hashes.iter().enumerate() {
            if self.find(batch.stream, *hash).is_none() {
                out.push(position as u32);
            }
        }
    }

    /// Brings back a profile as it was after log index `as_of`: entries up to
    /// it are skipped for this profile (invariant D-2). A profile already in
    /// memory, or a record of another layout, stays as it is.
    pub fn restore(
        &mut self,
        stream: StreamId,
        entity: EntityHash,
        as_of: LogIndex,
        record: Record,
    ) {
        if self.find(stream, entity).is_some() {
            return;
        }
        let Some((mut hot, cold)) = record.open() else { return };
        hot.low = entity.low();
        hot.high = entity.high();
        hot.stream = stream.get();
        hot.skip = as_of.get();
        hot.flags |= LIVE | USED;
        self.place(hot, cold);
    }

    /// Forgets what was learned of an entity; says whether there was anything.
    pub fn reset(&mut self, stream: StreamId, entity: EntityHash) -> bool {
        let found = self.find(stream, entity);
        if let Some(slot) = found {
            self.drop_profile(slot);
        }
        found.is_some()
    }

    /// Returns how many profiles are in memory.
    pub fn profiles(&self) -> usize {
        self.index.len()
    }

    /// Returns how many profiles changed since their last export.
    pub fn dirty(&self) -> usize {
        self.unsaved
    }

    /// Returns the memory that profiles and their index hold, bytes.
    pub fn memory_bytes(&self) -> usize {
        self.index.bytes() + self.hot.len() * (size_of::<Hot>() + size_of::<Cold>()) + self.heap
    }

    pub(crate) fn find(&self, stream: StreamId, entity: EntityHash) -> Option<u32> {
        self.index.find(entity, |slot| {
            let hot = self.hot.get(slot);
            hot.high == entity.high() && hot.low == entity.low() && hot.stream == stream.get()
        })
    }

    /// Makes a profile of an entity seen for the first time, or says that
    /// there is no room (invariant D-6).
    pub(crate) fn create(
        &mut self,
        stream: StreamId,
        entity: EntityHash,
        key: &str,
    ) -> Option<u32> {
        if self.memory_bytes() >= self.options.memory_bytes {
            return None;
        }
        let mut hot = Hot::zeroed();
        hot.low = entity.low();
        hot.high = entity.high();
        hot.stream = stream.get();
        hot.flags = LIVE | USED;
        Some(self.place(hot, Cold { key: key.into() }))
    }

    fn place(&mut self, hot: Hot, cold: Cold) -> u32 {
        let hash = hot.hash();
        self.heap += cold.heap_bytes();
        let slot = match self.free.pop() {
            Some(slot) => {
                *self.hot.get_mut(slot) = hot;
                *self.cold.get_mut(slot) = cold;
                slot
            }
            None => {
                self.cold.push(cold);
                self.hot.push(hot)
            }
        };
        self.index.insert(hash, slot);
        slot
    }

    pub(crate) fn drop_profile(&mut self, slot: u32) {
        let hot = *self.hot.get(slot);
        self.forget_changes(slot);
        self.index.remove(hot.hash(), slot);
        self.heap -= self.cold.get(slot).heap_bytes();
        *self.hot.get_mut(slot) = Hot::zeroed();
        *self.cold.get_mut(slot) = Cold::default();
        self.free.push(slot);
    }
}
