//! What the log knows of one group: what is settled on disk, and over it what
//! was asked for but is not yet durable. Readers see both as one. Owns no I/O.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;

use super::Slot;
use super::segment::Location;

/// One group's entries and slots.
#[derive(Debug, Default)]
pub(crate) struct Group {
    /// Every entry up to here is purged.
    pub(crate) floor: u64,
    /// Index of `locations[0]`.
    first: u64,
    locations: VecDeque<Location>,
    overlay: Option<Overlay>,
    slots: BTreeMap<Slot, SlotState>,
}

/// What is asked for but not settled.
#[derive(Debug)]
struct Overlay {
    /// Settled entries from here on are hidden by a truncation or by `entries`.
    hide_from: u64,
    /// Index of `entries[0]`.
    first: u64,
    entries: VecDeque<Bytes>,
    /// Requests in the queue; the overlay ends with the last.
    requests: u32,
    truncations: u32,
}

#[derive(Debug, Default)]
struct SlotState {
    settled: Option<(Bytes, Location)>,
    pending: VecDeque<Bytes>,
}

impl Overlay {
    fn end(&self) -> u64 {
        self.first + self.entries.len() as u64
    }
}

impl SlotState {
    fn value(&self) -> Option<&Bytes> {
        self.pending.back().or(self.settled.as_ref().map(|(value, _)| value))
    }
}

/// Where a reader finds an entry.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    Asked(Bytes),
    Settled(Location),
}

/// Entries or slots whose place on disk is no longer needed.
pub(crate) type Freed = Vec<Location>;

impl Group {
    /// Makes a group without entries, as read from disk.
    pub(crate) fn restore(floor: u64, slots: BTreeMap<Slot, (Bytes, Location)>) -> Self {
        let slots = slots.into_iter().map(|(slot, settled)| {
            (slot, SlotState { settled: Some(settled), pending: VecDeque::new() })
        });
        Self { floor, slots: slots.collect(), ..Self::default() }
    }

    fn settled_end(&self) -> u64 {
        self.first + self.locations.len() as u64
    }

    /// Returns the first and last entry that readers see.
    pub(crate) fn bounds(&self) -> Option<(u64, u64)> {
        let hide_from = self.overlay.as_ref().map_or(u64::MAX, |overlay| overlay.hide_from);
        let visible_end = self.settled_end().min(hide_from);
        let settled = (self.first < visible_end).then_some((self.first, visible_end));
        let pending = self.overlay.as_ref().filter(|overlay| !overlay.entries.is_empty());
        let pending = pending.map(|overlay| (overlay.first, overlay.end()));
        match (settled, pending) {
            (Some((first, _)), Some((_, end))) | (Some((first, end)), None) => {
                Some((first, end - 1))
            }
            (None, Some((first, end))) => Some((first, end - 1)),
            (None, None) => None,
        }
    }

    /// Returns the only index that continues the entries; none when there are none.
    pub(crate) fn next(&self) -> Option<u64> {
        self.bounds().map(|(_, last)| last + 1)
    }

    pub(crate) fn find(&self, index: u64) -> Option<Found> {
        if let Some(overlay) = self.overlay.as_ref().filter(|overlay| index >= overlay.hide_from) {
            let position = index.checked_sub(overlay.first)?;
            return overlay.entries.get(usize::try_from(position).ok()?).cloned().map(Found::Asked);
        }
        let position = usize::try_from(index.checked_sub(self.first)?).ok()?;
        let location = self.locations.get(position)?;
        Some(Found::Settled(*location))
    }

    pub(crate) fn is_used(&self) -> bool {
        self.bounds().is_some() || self.slots.values().any(|slot| slot.value().is_some())
    }

    pub(crate) fn slot(&self, slot: Slot) -> Option<Bytes> {
        self.slots.get(&slot)?.value().cloned()
    }

    /// Returns how many entries are settled.
    pub(crate) fn settled_len(&self) -> usize {
        self.locations.len()
    }

    /// Returns every settled entry with its place, newest first.
    pub(crate) fn settled(&self) -> impl Iterator<Item = (u64, Location)> {
        let indexes = (self.first..self.settled_end()).rev();
        indexes.zip(self.locations.iter().rev().copied())
    }

    /// Returns every settled slot with its value and place.
    pub(crate) fn settled_slots(&self) -> impl Iterator<Item = (Slot, &Bytes, Location)> {
        self.slots.iter().filter_map(|(slot, state)| {
            state.settled.as_ref().map(|(value, location)| (*slot, value, *location))
        })
    }

    // What is asked for.

    pub(crate) fn ask_append(&mut self, entries: impl Iterator<Item = (u64, Bytes)>) {
        let visible = self.bounds().is_some();
        let overlay = self.overlay();
        overlay.requests += 1;
        for (index, bytes) in entries {
            if overlay.entries.is_empty() {
                overlay.first = index;
                // With nothing visible before it, a gap may be left.
                overlay.hide_from = if visible { index } else { overlay.hide_from.min(index) };
            }
            overlay.entries.push_back(bytes);
        }
    }

    pub(crate) fn ask_truncate(&mut self, last_kept: u64) {
        let from = last_kept.saturating_add(1);
        let overlay = self.overlay();
        overlay.requests += 1;
        overlay.truncations += 1;
        let kept = usize::try_from(from.saturating_sub(overlay.first)).unwrap_or(usize::MAX);
        overlay.entries.truncate(kept);
        overlay.hide_from = overlay.hide_from.min(from);
    }

    pub(crate) fn ask_put(&mut self, slot: Slot, value: Bytes) {
        self.slots.entry(slot).or_default().pending.push_back(value);
    }

    /// Purges at once: it may be forgotten, but never fails.
    pub(crate) fn purge(&mut self, upto: u64) -> Freed {
        self.floor = self.floor.max(upto);
        let mut freed = Freed::new();
        while self.first <= upto {
            let Some(location) = self.locations.pop_front() else { break };
            self.first += 1;
            freed.push(location);
        }
        if let Some(overlay) = &mut self.overlay {
            while overlay.first <= upto && overlay.entries.pop_front().is_some() {
                overlay.first += 1;
                overlay.hide_from = overlay.hide_from.max(overlay.first);
            }
        }
        freed
    }

    /// Forgets everything asked for: it did not happen.
    pub(crate) fn forget_asked(&mut self) {
        self.overlay = None;
        for slot in self.slots.values_mut() {
            slot.pending.clear();
        }
    }

    // What has become durable.

    /// Settles an entry; returns whether it is live (not purged meanwhile).
    pub(crate) fn settle_entry(&mut self, index: u64, location: Location) -> bool {
        if index <= self.floor {
            return false;
        }
        if self.locations.is_empty() {
            self.first = index;
        }
        assert_eq!(index, self.settled_end(), "invariant D-7: entries settle in order");
        self.locations.push_back(location);
        true
    }

    /// Ends an append request whose entries are settled.
    pub(crate) fn settle_append(&mut self) {
        let end = self.settled_end();
        let Some(overlay) = &mut self.overlay else { return };
        overlay.requests -= 1;
        // What a queued truncation will remove must stay hidden until then.
        while overlay.truncations == 0 && overlay.first < end {
            if overlay.entries.pop_front().is_none() {
                break;
            }
            overlay.first += 1;
            overlay.hide_from = overlay.first;
        }
        self.end_overlay();
    }

    pub(crate) fn settle_truncate(&mut self, last_kept: u64) -> Freed {
        let kept = last_kept.saturating_add(1).saturating_sub(self.first);
        let kept = usize::try_from(kept).unwrap_or(usize::MAX).min(self.locations.len());
        let freed = self.locations.drain(kept..).collect();
        if let Some(overlay) = &mut self.overlay {
            overlay.requests -= 1;
            overlay.truncations -= 1;
        }
        self.end_overlay();
        freed
    }

    /// Settles a slot; returns the place of its former value.
    pub(crate) fn settle_put(
        &mut self,
        slot: Slot,
        value: Bytes,
        at: Location,
    ) -> Option<Location> {
        let state = self.slots.entry(slot).or_default();
        state.pending.pop_front();
        state.settled.replace((value, at)).map(|(_, location)| location)
    }

    /// Moves an entry from `old` to `new`; false when it is no longer at `old`.
    pub(crate) fn relocate(&mut self, index: u64, old: Location, new: Location) -> bool {
        let position = index.checked_sub(self.first).and_then(|at| usize::try_from(at).ok());
        let place = position.and_then(|position| self.locations.get_mut(position));
        match place {
            Some(place) if *place == old => {
                *place = new;
                true
            }
            _ => false,
        }
    }

    /// Moves a slot from `old` to `new`; false when it is no longer at `old`.
    pub(crate) fn relocate_slot(&mut self, slot: Slot, old: Location, new: Location) -> bool {
        match self.slots.get_mut(&slot).and_then(|state| state.settled.as_mut()) {
            Some((_, place)) if *place == old => {
                *place = new;
                true
            }
            _ => false,
        }
    }

    fn overlay(&mut self) -> &mut Overlay {
        let end = self.settled_end();
        self.overlay.get_or_insert_with(|| Overlay {
            hide_from: end,
            first: end,
            entries: VecDeque::new(),
            requests: 0,
            truncations: 0,
        })
    }

    fn end_overlay(&mut self) {
        if self.overlay.as_ref().is_some_and(|overlay| overlay.requests == 0) {
            self.overlay = None;
        }
    }
}
