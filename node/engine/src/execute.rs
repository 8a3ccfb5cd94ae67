//! The per-event path. Owns the order of work over a batch: find every key's
//! profile, then judge event after event while the next profiles are fetched.
//! Allocates nothing per event. Called by the shard. Invariants E-1, D-2, D-5.

use std::ops::Range;

use via_types::receipt::RowReason;
use via_types::{Batch, Timestamp};

use crate::calm::{Glance, absorb, glance};
use crate::close;
use crate::engine::Engine;
use crate::ensemble::quick_score;
use crate::judge::{Judgement, Row, Sample, bounded, conclude, is_turn};
use crate::learn::learn;
use crate::plan::Plan;
use crate::prefetch::{prefetch, prefetch_lines};
use crate::profile::{
    ALL_LINES, CALM_LINES, CURRENT, DIRTY, OPEN, Profile, ROUND, SEEN, SKIPS, USED, WEIGHED_LINES,
};
use crate::verdict::{Speaking, is_over};
use crate::{Answer, Outcome, Position};

/// Events that go through each stage together. Those of different entities do
/// not wait for each other's arithmetic, nor for each other's memory.
const GROUP: usize = 8;
/// Stages a group goes through: its places in the index are asked for, then the
/// first lines of its profiles, then all that most events touch; then it is
/// executed.
const STAGES: usize = 4;
/// The place of a key that was not looked for yet.
const UNKNOWN: u32 = u32::MAX;

/// What is done with an event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Way {
    /// It has to wait for those before: its entity is new, or had one of them.
    #[default]
    Later,
    /// It is like most others.
    Absorb,
    /// It stands for others like it.
    Stand,
    /// It is weighed.
    Weigh,
}

/// A group of events at which was glanced.
#[derive(Clone, Copy, Debug, Default)]
struct Group {
    ways: [Way; GROUP],
    slots: [u32; GROUP],
    glances: [Glance; GROUP],
}

/// A batch being executed.
pub(crate) struct Work<'a> {
    pub(crate) at: Position,
    pub(crate) stamp: Timestamp,
    pub(crate) batch: &'a Batch,
    pub(crate) answer: Answer,
    pub(crate) plan: &'a Plan,
    pub(crate) numbers: &'a [Option<u32>],
    may_be_calm: bool,
}

impl Work<'_> {
    /// Returns the event in `row`.
    #[inline(always)]
    fn sample(&self, row: usize) -> Sample<'_> {
        Sample {
            at: self.batch.at[row],
            value: bounded(self.batch.value[row]),
            mark: self.batch.mark.get(row).copied().unwrap_or(0),
            lanes: Row { lanes: &self.batch.lanes, numbers: self.numbers, row, instead: None },
        }
    }
}

impl Engine {
    /// Executes a sealed batch (`batch.hashes` filled): changes the profiles
    /// of its entities and appends what came of it to `out`.
    pub fn execute(
        &mut self,
        at: Position,
        stamp: Timestamp,
        batch: &Batch,
        answer: Answer,
        out: &mut Outcome,
    ) {
        debug_assert_eq!(batch.hashes.len(), batch.keys.len(), "the batch is sealed");
        let plan = self.stream_mut(batch.stream).plan;
        let mut held = std::mem::take(&mut self.numbers);
        held.clear();
        held.extend(batch.lanes.iter().map(|lane| self.lane_number(batch.stream, &lane.name)));
        self.found.clear();
        self.found.resize(batch.keys.len(), UNKNOWN);
        let may_be_calm = plan.has_calm && batch.lanes.is_empty();
        let numbers = &held[..];
        let work = Work { at, stamp, batch, answer, plan: &plan, numbers, may_be_calm };
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
                self.glance(&work, rows.clone(), &mut group);
                self.execute_group(&work, rows, &group, out);
            }
        }
        self.numbers = held;
    }

    /// Asks for the index's lines.
    #[inline(always)]
    fn ask(&self, batch: &Batch, rows: Range<usize>) {
        for key in &batch.entity[rows] {
            self.index.prefetch(batch.hashes[*key as usize]);
        }
    }

    /// Asks for the first lines of the profiles that are likely meant.
    #[inline(always)]
    fn guess(&self, batch: &Batch, rows: Range<usize>) {
        for key in &batch.entity[rows] {
            let key = *key as usize;
            let slot = match self.found[key] {
                UNKNOWN => self.index.likely(batch.hashes[key]),
                place => place.checked_sub(1),
            };
            if let Some(slot) = slot {
                prefetch(&self.places.get(slot).hot);
            }
        }
    }

    /// Finds the profiles and asks for what their events will touch.
    #[inline(always)]
    fn fetch(&mut self, batch: &Batch, rows: Range<usize>) {
        for (key, at) in batch.entity[rows.clone()].iter().zip(&batch.at[rows]) {
            let key = *key as usize;
            if self.found[key] == UNKNOWN {
                let found = self.find(batch.stream, batch.hashes[key]);
                self.found[key] = found.map_or(0, |slot| slot + 1);
            }
            if let Some(slot) = self.found[key].checked_sub(1) {
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
            if hot.is(SEEN | SKIPS) {
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
            let score = match group.ways[number] {
                Way::Later => self.execute_later(work, row, out),
                way => self.execute_row(
                    work,
                    row,
                    (way, group.slots[number]),
                    &group.glances[number],
                    out,
                ),
            };
            if work.answer == Answer::Scores {
                out.scores.push(score);
            }
        }
    }

    /// Executes an event at which was not glanced.
    #[inline(never)]
    fn execute_later(&mut self, work: &Work<'_>, row: usize, out: &mut Outcome) -> f32 {
        let position = work.batch.entity[row] as usize;
        let Some(slot) = self.place_of(work.batch, position) else {
            out.refused.push((row as u32, RowReason::TableFull));
            return f32::NAN;
        };
        let Profile { hot, cold } = self.places.get_mut(slot);
        if hot.is(SKIPS) {
            if work.at.index.get() <= cold.skip {
                // Invariant D-2: the restored record contains this event already.
                out.accepted += 1;
                return f32::NAN;
            }
            hot.flags &= !SKIPS;
        }
        let (glance, is_calm) = glance(hot, cold, work.plan, &work.sample(row));
        let way = match (is_calm & work.may_be_calm, is_turn(hot)) {
            (true, false) => Way::Absorb,
            (true, true) => Way::Stand,
            (false, _) => Way::Weigh,
        };
        self.execute_row(work, row, (way, slot), &glance, out)
    }

    /// Executes one event; returns its score, NaN when it was not applied or
    /// nobody asked.
    #[inline(always)]
    fn execute_row(
        &mut self,
        work: &Work<'_>,
        row: usize,
        (way, slot): (Way, u32),
        glance: &Glance,
        out: &mut Outcome,
    ) -> f32 {
        let sample = work.sample(row);
        let Profile { hot, cold } = self.places.get_mut(slot);
        if !hot.is(DIRTY | ROUND) {
            hot.flags |= DIRTY;
            self.changed.push(slot);
            self.unsaved += 1;
        }
        let is_current = work.stamp.as_nanos().saturating_sub(sample.at) <= work.plan.lateness;
        let current = if is_current { CURRENT } else { 0 };
        hot.flags = hot.flags & !(CURRENT | SEEN) | USED | current;
        if way == Way::Absorb && work.answer == Answer::Counts {
            absorb(hot, cold, work.plan, &sample, glance);
            out.accepted += 1;
            return f32::NAN;
        }
        if hot.events > 0 && hot.last.saturating_sub(sample.at) > work.plan.lateness {
            hot.late = hot.late.saturating_add(1);
            out.refused.push((row as u32, RowReason::Late));
            return f32::NAN;
        }
        out.accepted += 1;
        match way {
            Way::Absorb => self.tell_calm(work, slot, &sample, glance, out),
            Way::Later | Way::Stand | Way::Weigh => {
                self.weigh(work, slot, (&sample, glance), way == Way::Stand, out)
            }
        }
    }

    #[inline(always)]
    fn place_of(&mut self, batch: &Batch, position: usize) -> Option<u32> {
        match self.found[position] {
            0 => {
                let key = batch.keys.get(position as u32);
                let slot = self.create(batch.stream, batch.hashes[position], key)?;
                self.found[position] = slot + 1;
                Some(slot)
            }
            place => Some(place - 1),
        }
    }

    /// Answers for a calm event and takes it in; its evidence changes nothing.
    #[inline(never)]
    fn tell_calm(
        &mut self,
        work: &Work<'_>,
        slot: u32,
        sample: &Sample<'_>,
        glance: &Glance,
        out: &mut Outcome,
    ) -> f32 {
        let Profile { hot, cold } = self.places.get_mut(slot);
        let mut verdict = Judgement::default();
        conclude(hot, cold, work.plan, (sample, glance), &mut verdict);
        let limit = work.plan.limit.expect("only streams with a fixed limit have calm events");
        let score = quick_score(verdict.evidence);
        let (fired, warming) = (false, hot.events < work.plan.warmup);
        let speaking = Speaking { sample, verdict: &verdict, limit, fired, warming, score };
        self.speak(work, slot, &speaking, out);
        let Profile { hot, cold } = self.places.get_mut(slot);
        absorb(hot, cold, work.plan, sample, glance);
        if warming { 0.0 } else { score }
    }

    /// Judges one event and takes it in; returns its score.
    #[inline(never)]
    fn weigh(
        &mut self,
        work: &Work<'_>,
        slot: u32,
        (sample, glance): (&Sample<'_>, &Glance),
        is_calm: bool,
        out: &mut Outcome,
    ) -> f32 {
        let Profile { hot, cold } = self.places.get_mut(slot);
        let mut allocates = hot.events < 2;
        if hot.events < 2 {
            close::begin(hot, sample.at);
        }
        let mut verdict = Judgement { is_calm, ..Judgement::default() };
        if sample.at >= hot.wake && sample.at >= hot.bucket.end() {
            allocates = true;
            verdict.closing = close::close(hot, cold, work.plan, sample.at);
        }
        conclude(hot, cold, work.plan, (sample, glance), &mut verdict);
        let warming = hot.events < work.plan.warmup;
        let limit = work
            .plan
            .limit
            .unwrap_or_else(|| cold.rule().limit(&work.plan.threshold, hot.gaps.mean));
        let fired = !warming && is_over(hot, cold, work.plan, &verdict, limit);
        let score = if warming { 0.0 } else { quick_score(verdict.evidence) };
        hot.score = score;
        hot.worst = hot.worst.max(score);
        if fired || hot.is(OPEN) || work.answer == Answer::Scores {
            let speaking = Speaking { sample, verdict: &verdict, limit, fired, warming, score };
            self.speak(work, slot, &speaking, out);
            allocates = true;
        }
        let Profile { hot, cold } = self.places.get_mut(slot);
        let elapsed = verdict.gap.unwrap_or(0.0);
        if work.plan.limit.is_none() {
            cold.rule().learn(&work.plan.threshold, verdict.evidence, elapsed);
        }
        learn(hot, cold, work.plan, sample, &verdict);
        if allocates {
            self.count_memory(slot);
        }
        score
    }
}
