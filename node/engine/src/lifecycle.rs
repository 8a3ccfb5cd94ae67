//! Which profiles must be saved and which may leave memory. Owns the dirty
//! list, checkpoint rounds and the eviction hand; refuses to know where
//! records go. Called by the shard between entries.

use via_types::{EntityHash, StreamId};

use crate::engine::Engine;
use crate::peers::EVERYBODY;
use crate::profile::{DIRTY, LIVE, Profile, ROUND, USED};
use crate::record::Record;

impl Engine {
    /// Begins a checkpoint round: every profile that differs from its last
    /// export has to be exported before the round is over.
    pub fn begin_round(&mut self) {
        for slot in std::mem::take(&mut self.changed) {
            let hot = &mut self.places.get_mut(slot).hot;
            if hot.is(DIRTY) {
                hot.flags = hot.flags & !DIRTY | ROUND;
                self.round.push(slot);
                self.round_left += 1;
            }
        }
        for stream in self.streams.values_mut() {
            let habits = &mut stream.habits;
            habits.is_due |= std::mem::take(&mut habits.is_changed);
        }
    }

    /// Exports up to `max` profiles of the round as they are now and marks
    /// them clean; returns how many remain.
    pub fn export(
        &mut self,
        max: usize,
        sink: &mut dyn FnMut(StreamId, EntityHash, Record),
    ) -> usize {
        let mut exported = 0;
        while exported < max {
            let Some(slot) = self.round.pop() else { break };
            let hot = &mut self.places.get_mut(slot).hot;
            if !hot.is(ROUND) {
                continue;
            }
            hot.flags &= !ROUND;
            self.round_left -= 1;
            self.unsaved -= 1;
            exported += 1;
            let Profile { hot, cold } = self.places.get(slot);
            let stream = StreamId::new(hot.stream);
            let names = self.streams.get(&stream).map_or(&[][..], |known| &known.lanes);
            sink(stream, hot.hash(), Record::of(hot, cold, names));
        }
        if self.round_left == 0 {
            self.export_habits(sink);
        }
        self.round_left
    }

    /// Exports the habits of streams, after all profiles of the round: what these
    /// contain of them, they contain too.
    fn export_habits(&mut self, sink: &mut dyn FnMut(StreamId, EntityHash, Record)) {
        for (stream, known) in &mut self.streams {
            if std::mem::take(&mut known.habits.is_due) {
                sink(*stream, EVERYBODY, Record::of_habits(&known.habits));
            }
        }
    }

    /// Drops clean profiles that were not used since the last pass until
    /// `target_bytes` are free or every profile was looked at twice; returns
    /// the bytes freed.
    pub fn evict(
        &mut self,
        target_bytes: usize,
        sink: &mut dyn FnMut(StreamId, EntityHash),
    ) -> usize {
        let mut freed = 0;
        let places = self.places.len();
        for _ in 0..places * 2 {
            if freed >= target_bytes {
                break;
            }
            let slot = self.hand;
            self.hand = if slot as usize + 1 < places { slot + 1 } else { 0 };
            let Profile { hot, cold } = self.places.get_mut(slot);
            if !hot.is(LIVE) || hot.is(DIRTY | ROUND) {
                continue;
            }
            if hot.is(USED) {
                hot.flags &= !USED;
                continue;
            }
            let (stream, hash) = (StreamId::new(hot.stream), hot.hash());
            freed += size_of::<Profile>() + cold.counted;
            self.drop_profile(slot);
            sink(stream, hash);
        }
        freed
    }

    /// Notes that the profile at `slot` changed.
    pub(crate) fn note_change(&mut self, slot: u32) {
        let hot = &mut self.places.get_mut(slot).hot;
        if !hot.is(DIRTY | ROUND) {
            hot.flags |= DIRTY;
            self.changed.push(slot);
            self.unsaved += 1;
        }
    }

    /// Takes a profile that leaves memory out of the counts; its entries in
    /// the lists are passed over because its flags are gone.
    pub(crate) fn forget_changes(&mut self, slot: u32) {
        let hot = &self.places.get(slot).hot;
        if hot.is(DIRTY | ROUND) {
            self.unsaved -= 1;
        }
        if hot.is(ROUND) {
            self.round_left -= 1;
        }
    }
}
