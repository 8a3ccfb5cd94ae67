//! The events of a batch in small groups, so that those of different entities
//! wait neither for each other's memory nor for each other's arithmetic. Owns the
//! order of fetching; what is done with an event is `event`'s. Invariant E-1: as
//! if events were executed one after the other.

use std::ops::Range;

use via_types::Batch;

use crate::calm::{Glance, glance};
use crate::engine::Engine;
use crate::event::{Event, Way};
use crate::execute::Work;
use crate::judge::is_turn;
use crate::prefetch::{prefetch, prefetch_lines};
use crate::profile::{ALL_LINES, CALM_LINES, OWN, Profile, SEEN, SKIPS, WEIGHED_LINES};
use crate::series::is_slow;
use crate::{Answer, Outcome};

/// Events that go through each stage together.
const GROUP: usize = 8;
/// Stages a group goes through: its places in the index are asked for, then the
/// first lines of its profiles, then all that most events touch; then it is
/// executed.
const STAGES: usize = 4;
/// The place of a key that was not looked for yet.
pub(crate) const UNKNOWN: u32 = u32::MAX;

/// A group of events at which was glanced.
#[derive(Clone, Copy, Debug, Default)]
struct Group {
    ways: [Way; GROUP],
    slots: [u32; GROUP],
    glances: [Glance; GROUP],
}

impl Engine {
    /// Executes a batch group by group.
    #[inline(always)]
    pub(crate) fn run(&mut self, work: &Work<'_>, out: &mut Outcome) {
        let batch = work.batch;
        let mut group = Group::default();
        for step in 0..batch.len().div_ceil(GROUP) + STAGES - 1 {
            let rows = |stage: usize| {
                let first = step.checked_sub(stage)? * GROUP;
                (first < batch.len()).then(|| first..(first + GROUP).min(batch.len()))
            };
            if let Some(rows) = rows(0) {
                self.ask(batch, rows);
            }
            if let Some(rows) = rows(1) {
                self.guess(batch, rows);
            }
            if let Some(rows) = rows(2) {
                self.fetch(batch, rows);
            }
            if let Some(rows) = rows(3) {
                self.glance(work, rows.clone(), &mut group);
                self.execute_group(work, rows, &group, out);
            }
        }
    }

    /// Asks for the index's lines, and for the batch's own further on.
    #[inline(always)]
    fn ask(&self, batch: &Batch, rows: Range<usize>) {
        let further = rows.start + STAGES * GROUP;
        if further < batch.len() {
            prefetch(&batch.at[further]);
            prefetch(&batch.value[further]);
            if let Some(mark) = batch.mark.get(further) {
                prefetch(mark);
            }
            for key in &batch.entity[further..(further + GROUP).min(batch.len())] {
                prefetch(&batch.hashes[*key as usize]);
            }
        }
        for key in &batch.entity[rows] {
            self.index.prefetch(batch.hashes[*key as usize]);
        }
    }

    /// Asks for the first lines of the profiles that are likely meant.
    #[inline(always)]
    fn guess(&self, batch: &Batch, rows: Range<usize>) {
        for key in &batch.entity[rows] {
            self.guess_key(batch, *key as usize);
        }
    }

    #[inline(always)]
    fn guess_key(&self, batch: &Batch, key: usize) {
        let slot = match self.found[key] {
            UNKNOWN => self.index.likely(batch.hashes[key]),
            place => place.checked_sub(1),
        };
        if let Some(slot) = slot {
            prefetch(&self.places.get(slot).hot);
        }
    }

    /// Returns the place of a key's profile; none when it has none. What was
    /// found before is only a hint: profiles may have come and gone.
    #[inline(always)]
    fn look_up(&mut self, batch: &Batch, key: usize) -> Option<u32> {
        let (known, hash) = (self.found[key], batch.hashes[key]);
        let is_known = known.wrapping_sub(1) < self.places.len() as u32;
        if is_known && self.is_of(known - 1, batch.stream, hash) {
            return Some(known - 1);
        }
        let found = self.find(batch.stream, hash);
        self.found[key] = found.map_or(0, |slot| slot + 1);
        found
    }

    /// Appends the positions in `batch.keys` whose profile is not in memory; what
    /// is found here needs no second search when the batch is executed next.
    pub fn missing(&mut self, batch: &Batch, out: &mut Vec<u32>) {
        let keys = batch.hashes.len();
        self.found.clear();
        self.found.resize(keys, UNKNOWN);
        self.is_asked = true;
        for step in 0..keys + 2 * GROUP {
            if step < keys {
                self.index.prefetch(batch.hashes[step]);
            }
            if let Some(key) = step.checked_sub(GROUP).filter(|key| *key < keys) {
                self.guess_key(batch, key);
            }
            if let Some(key) = step.checked_sub(2 * GROUP)
                && self.look_up(batch, key).is_none()
            {
                out.push(key as u32);
            }
        }
    }

    /// Finds the profiles and asks for what their events will touch.
    #[inline(always)]
    fn fetch(&mut self, batch: &Batch, rows: Range<usize>) {
        for (key, at) in batch.entity[rows.clone()].iter().zip(&batch.at[rows]) {
            let Some(slot) = self.look_up(batch, *key as usize) else { continue };
            let Profile { hot, cold } = self.places.get(slot);
            prefetch_lines::<1, CALM_LINES, _>(hot);
            prefetch(cold);
            if is_turn(hot) | (*at >= hot.wake) {
                prefetch_lines::<CALM_LINES, WEIGHED_LINES, _>(hot);
            }
            if *at >= hot.wake {
                prefetch_lines::<WEIGHED_LINES, ALL_LINES, _>(hot);
                prefetch(&cold.counted);
            }
        }
    }

    /// Glances at the events of a group, and asks for what those that are not
    /// calm will touch.
    #[inline(always)]
    fn glance(&mut self, work: &Work<'_>, rows: Range<usize>, group: &mut Group) {
        for (number, row) in rows.enumerate() {
            group.ways[number] = Way::Later;
            let Some(slot) = self.found[work.batch.entity[row] as usize].checked_sub(1) else {
                continue;
            };
            group.slots[number] = slot;
            let Profile { hot, cold } = self.places.get_mut(slot);
            if hot.is(SEEN | SKIPS | OWN) {
                continue;
            }
            hot.flags |= SEEN;
            let sample = work.sample(row);
            cold.sketch.prefetch(sample.mark);
            let (glance, is_calm) = glance(hot, cold, work.plan, &sample);
            let is_calm = is_calm & work.may_be_calm;
            group.glances[number] = glance;
            let way = if is_turn(hot) { Way::Stand } else { Way::Absorb };
            group.ways[number] = if is_calm { way } else { Way::Weigh };
            if group.ways[number] == Way::Weigh {
                prefetch_lines::<CALM_LINES, WEIGHED_LINES, _>(hot);
            }
            if sample.at >= hot.wake {
                cold.prefetch();
            } else if group.ways[number] == Way::Weigh && is_slow(hot) {
                cold.prefetch_series();
            }
        }
    }

    /// Executes the events of a group, in their order.
    #[inline(always)]
    fn execute_group(
        &mut self,
        work: &Work<'_>,
        rows: Range<usize>,
        group: &Group,
        out: &mut Outcome,
    ) {
        for (number, row) in rows.enumerate() {
            let way = group.ways[number];
            let score = match way {
                Way::Later => self.execute_later(work, row, out),
                Way::Absorb | Way::Stand | Way::Weigh => {
                    let (slot, glance) = (group.slots[number], &group.glances[number]);
                    let event = Event { sample: work.sample(row), slot, way, glance };
                    self.execute_event(work, &event, out)
                }
            };
            if work.answer == Answer::Scores {
                out.scores.push(score);
            }
        }
    }
}
