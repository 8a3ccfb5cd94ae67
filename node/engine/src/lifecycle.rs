//! Which profiles must be saved and which may leave memory. Owns the dirty
//! list, checkpoint rounds and the eviction hand; refuses to know where
//! records go. Called by the shard between entries.

use via_types::config::Priority;
use via_types::pressure::Order;
use via_types::{EntityHash, StreamId, Timestamp};

use crate::engine::Engine;
use crate::peers::EVERYBODY;
use crate::profile::{DIRTY, Hot, LIVE, Profile, ROUND, USED};
use crate::record::Record;

/// Which profiles leave memory first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leaving {
    order: Order,
    stale_before: i64,
}

/// Those that leave together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    Any,
    Stale,
    Of(Priority),
}

impl Leaving {
    /// Makes it of an order, and of the time before which an entity's newest event
    /// makes it stale.
    pub fn new(order: Order, stale_before: Timestamp) -> Self {
        Self { order, stale_before: stale_before.as_nanos() }
    }

    fn classes(self) -> &'static [Class] {
        const LOW: Class = Class::Of(Priority::Low);
        const NORMAL: Class = Class::Of(Priority::Normal);
        const HIGH: Class = Class::Of(Priority::High);
        match self.order {
            Order::Lru => &[Class::Any],
            Order::Ttl => &[Class::Stale],
            Order::Hybrid => &[Class::Stale, Class::Any],
            Order::Priority => &[LOW, NORMAL, HIGH],
        }
    }
}

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

    /// Lets the round export what changed longest ago first; the newest otherwise.
    pub fn oldest_first(&mut self) {
        self.round.reverse();
    }

    /// Returns how many profiles are saved as they are.
    pub fn clean(&self) -> usize {
        self.profiles().saturating_sub(self.unsaved)
    }

    /// Drops clean profiles in the order that `leaving` says until `target_bytes`
    /// are free or all that may leave were looked at; returns the bytes freed. It
    /// changes no score: whoever left comes back as it was.
    pub fn evict(
        &mut self,
        target_bytes: usize,
        leaving: Leaving,
        sink: &mut dyn FnMut(StreamId, EntityHash),
    ) -> usize {
        let mut freed = 0;
        for class in leaving.classes() {
            if freed < target_bytes {
                freed += self.sweep(target_bytes - freed, *class, leaving.stale_before, sink);
            }
        }
        freed
    }

    /// Drops clean profiles of one class; those used since the hand last passed get
    /// a second chance, unless they are stale.
    fn sweep(
        &mut self,
        target_bytes: usize,
        class: Class,
        stale_before: i64,
        sink: &mut dyn FnMut(StreamId, EntityHash),
    ) -> usize {
        let mut freed = 0;
        let places = self.places.len();
        let passes = if class == Class::Stale { 1 } else { 2 };
        for _ in 0..places * passes {
            if freed >= target_bytes || self.clean() == 0 {
                break;
            }
            let slot = self.hand;
            self.hand = if slot as usize + 1 < places { slot + 1 } else { 0 };
            let hot = &self.places.get(slot).hot;
            let is_apt = match class {
                Class::Any => true,
                Class::Stale => hot.last < stale_before,
                Class::Of(priority) => self.priority_of(hot) == priority,
            };
            if !hot.is(LIVE) || hot.is(DIRTY | ROUND) || !is_apt {
                continue;
            }
            let Profile { hot, cold } = self.places.get_mut(slot);
            if class != Class::Stale && hot.is(USED) {
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

    fn priority_of(&self, hot: &Hot) -> Priority {
        let known = self.streams.get(&StreamId::new(hot.stream));
        known.map_or(Priority::Normal, |known| known.plan_of(hot).priority)
    }

    /// Gives back memory that is not in use: places at the end that profiles have
    /// left, and room that lists do not need.
    pub fn trim(&mut self) {
        let mut length = self.places.len();
        while length > 0 && !self.places.get(length as u32 - 1).hot.is(LIVE) {
            length -= 1;
        }
        if length < self.places.len() {
            self.places.truncate(length);
            self.due.truncate(length);
            self.free.retain(|slot| (*slot as usize) < length);
            self.changed.retain(|slot| (*slot as usize) < length);
            self.round.retain(|slot| (*slot as usize) < length);
            self.hand = 0;
        }
        self.is_asked = false;
        self.found = Vec::new();
        self.due.shrink_to_fit();
        self.free.shrink_to_fit();
        self.changed.shrink_to_fit();
        self.round.shrink_to_fit();
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
