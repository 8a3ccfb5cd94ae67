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
use crate::judge::is_standing;
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
            let first = |stage: usize| Some(step.checked_sub(stage)? * GROUP);
            if let Some(further) = first(0) {
                self.ask_columns(batch, further);
            }
            // Turn by turn: a processor has room for a few dozen requests at a time.
            for number in 0..GROUP {
                let row = |stage: usize| Some(first(stage)? + number).filter(|x| *x < batch.len());
                if let Some(row) = row(0) {
                    self.index.prefetch(batch.hashes[batch.entity[row] as usize]);
                }
                if let Some(row) = row(1) {
                    self.guess_key(batch, batch.entity[row] as usize);
                }
                if let Some(row) = row(2) {
                    self.fetch(batch, row);
                }
                if let Some(row) = row(3) {
                    self.glance(work, (number, row), &mut group);
                }
            }
            if let Some(first) = first(3) {
                let rows = first..(first + GROUP).min(batch.len());
                self.execute_group(work, rows, &group, out);
            }
        }
    }

    /// Asks for the batch's own lines further on.
    #[inline(always)]
    fn ask_columns(&self, batch: &Batch, first: usize) {
        let further = first + STAGES * GROUP;
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
    }

    /// Asks for the first line of the profile that is likely meant.
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

    /// Finds the profile of an event and asks for what it will touch.
    #[inline(always)]
    fn fetch(&mut self, batch: &Batch, row: usize) {
        let Some(slot) = self.look_up(batch, batch.entity[row] as usize) else { return };
        let at = batch.at[row];
        let Profile { hot, cold } = self.places.get(slot);
        prefetch_lines::<1, CALM_LINES, _>(hot);
        prefetch(cold);
        if is_standing(hot) | (at >= hot.wake) {
            prefetch_lines::<CALM_LINES, WEIGHED_LINES, _>(hot);
        }
        if at >= hot.wake {
            prefetch_lines::<WEIGHED_LINES, ALL_LINES, _>(hot);
            prefetch(&cold.counted);
        }
    }

    /// Glances at an event of a group, and asks for what it will touch if it is not
    /// calm.
    #[inline(always)]
    fn glance(&mut self, work: &Work<'_>, (number, row): (usize, usize), group: &mut Group) {
        group.ways[number] = Way::Later;
        let Some(slot) = self.found[work.batch.entity[row] as usize].checked_sub(1) else {
            return;
        };
        group.slots[number] = slot;
        let Profile { hot, cold } = self.places.get_mut(slot);
        if hot.is(SEEN | SKIPS | OWN) {
            return;
        }
        hot.flags |= SEEN;
        let sample = work.sample(row);
        let (glance, is_calm) = glance(hot, work.plan, &sample);
        let is_calm = is_calm & work.may_be_calm;
        group.glances[number] = glance;
        let way = if is_standing(hot) { Way::Stand } else { Way::Absorb };
        group.ways[number] = if is_calm { way } else { Way::Weigh };
        cold.sketch.prefetch(sample.mark);
        if group.ways[number] == Way::Weigh {
            prefetch_lines::<CALM_LINES, WEIGHED_LINES, _>(hot);
        }
        if sample.at >= hot.wake {
            cold.prefetch();
        } else if group.ways[number] == Way::Weigh && is_slow(hot) {
            cold.prefetch_series();
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
