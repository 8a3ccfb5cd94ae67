//! The per-event path. Owns the order of work over a batch: find every key's
//! profile, then judge event after event while the next profiles are fetched.
//! Allocates nothing per event. Called by the shard. Invariants E-1, D-2, D-5.

use via_types::receipt::RowReason;
use via_types::{Batch, Timestamp};

use crate::close;
use crate::engine::Engine;
use crate::ensemble::quick_score;
use crate::judge::{Judgement, Row, Sample, bounded, conclude, is_calm, is_turn, measure};
use crate::learn::learn;
use crate::plan::Plan;
use crate::prefetch::{prefetch, prefetch_lines};
use crate::profile::{CURRENT, Hot, OPEN, USED};
use crate::verdict::{Speaking, is_over};
use crate::{Answer, Outcome, Position};

/// Events between one stage of fetching and the next.
const STAGE: usize = 6;
/// How many events ahead of its execution an event enters the pipeline.
const LEAD: usize = 4 * STAGE;
/// The place of a key that was not looked for yet.
const UNKNOWN: u32 = u32::MAX;

/// Cache lines of a profile that every event touches.
const LINES: usize = 11;

/// A batch being executed.
pub(crate) struct Work<'a> {
    pub(crate) at: Position,
    pub(crate) stamp: Timestamp,
    pub(crate) batch: &'a Batch,
    pub(crate) answer: Answer,
    pub(crate) plan: &'a Plan,
    pub(crate) numbers: &'a [Option<u32>],
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
        let mut numbers = std::mem::take(&mut self.numbers);
        numbers.clear();
        numbers.extend(batch.lanes.iter().map(|lane| self.lane_number(batch.stream, &lane.name)));
        self.places.clear();
        self.places.resize(batch.keys.len(), UNKNOWN);
        let work = Work { at, stamp, batch, answer, plan: &plan, numbers: &numbers };
        for step in 0..batch.len() + LEAD {
            self.fetch_ahead(batch, step);
            let Some(row) = step.checked_sub(LEAD) else { continue };
            let score = self.execute_row(&work, row, out);
            if answer == Answer::Scores {
                out.scores.push(score);
            }
        }
        self.numbers = numbers;
    }

    /// Moves the pipeline on: event `step` enters it, and those before it go on
    /// from index line to first line, place, and all lines of a profile.
    #[inline]
    fn fetch_ahead(&mut self, batch: &Batch, step: usize) {
        let key = |stage: usize| {
            let row = step.checked_sub(stage * STAGE)?;
            batch.entity.get(row).map(|key| (row, *key as usize))
        };
        if let Some((_, key)) = key(0) {
            self.index.prefetch(batch.hashes[key]);
        }
        if let Some((_, key)) = key(1)
            && self.places[key] == UNKNOWN
            && let Some(slot) = self.index.likely(batch.hashes[key])
        {
            prefetch(self.hot.get(slot));
            self.cold.get(slot).sketch.prefetch();
        }
        if let Some((_, key)) = key(2) {
            if self.places[key] == UNKNOWN {
                let found = self.find(batch.stream, batch.hashes[key]);
                self.places[key] = found.map_or(0, |slot| slot + 1);
            }
            if let Some(slot) = self.places[key].checked_sub(1) {
                prefetch_lines::<LINES, _>(self.hot.get(slot));
                self.cold.get(slot).sketch.prefetch();
            }
        }
        if let Some((row, key)) = key(3)
            && let Some(slot) = self.places[key].checked_sub(1)
            && let Some(mark) = batch.mark.get(row)
            && let Some(line) = self.cold.get(slot).sketch.line(*mark)
        {
            prefetch(line);
        }
    }

    /// Executes one event; returns its score, NaN when it was not applied or
    /// nobody asked.
    fn execute_row(&mut self, work: &Work<'_>, row: usize, out: &mut Outcome) -> f32 {
        let position = work.batch.entity[row] as usize;
        let Some(slot) = self.place_of(work.batch, position) else {
            out.refused.push((row as u32, RowReason::TableFull));
            return f32::NAN;
        };
        let hot = self.hot.get_mut(slot);
        if work.at.index.get() <= hot.skip {
            // Invariant D-2: the restored record contains this event already.
            out.accepted += 1;
            return f32::NAN;
        }
        hot.flags |= USED;
        let at = work.batch.at[row];
        if hot.events > 0 && hot.last.saturating_sub(at) > work.plan.lateness {
            hot.late = hot.late.saturating_add(1);
            self.note_change(slot);
            out.refused.push((row as u32, RowReason::Late));
            return f32::NAN;
        }
        set_current(hot, work, at);
        self.note_change(slot);
        out.accepted += 1;
        self.apply(work, row, slot, out)
    }

    #[inline]
    fn place_of(&mut self, batch: &Batch, position: usize) -> Option<u32> {
        match self.places[position] {
            0 => {
                let key = batch.keys.get(position as u32);
                let slot = self.create(batch.stream, batch.hashes[position], key)?;
                self.places[position] = slot + 1;
                Some(slot)
            }
            place => Some(place - 1),
        }
    }

    /// Judges one event and takes it in; returns its score, NaN when nobody asked.
    #[inline]
    fn apply(&mut self, work: &Work<'_>, row: usize, slot: u32, out: &mut Outcome) -> f32 {
        let batch = work.batch;
        let sample = Sample {
            at: batch.at[row],
            value: bounded(batch.value[row]),
            mark: batch.mark.get(row).copied().unwrap_or(0),
            lanes: Row { lanes: &batch.lanes, numbers: work.numbers, row, instead: None },
        };
        let (hot, cold) = (self.hot.get_mut(slot), self.cold.get_mut(slot));
        if hot.events < 2 {
            close::begin(hot, sample.at);
        }
        let mut allocates = hot.events < 2;
        if sample.at >= hot.bucket.end {
            allocates = true;
        }
        let mut verdict = Judgement::default();
        if sample.at >= hot.bucket.end {
            verdict.closing = close::close(hot, cold, work.plan, sample.at);
        }
        measure(hot, work.plan, &sample, &mut verdict);
        verdict.is_calm = is_calm(hot, cold, work.plan, &sample, &verdict);
        if verdict.is_calm && work.answer == Answer::Counts && !is_turn(hot) {
            learn(hot, cold, work.plan, &sample, &verdict);
            return f32::NAN;
        }
        conclude(hot, cold, work.plan, &sample, &mut verdict);
        let warming = hot.events < work.plan.warmup;
        let limit =
            work.plan.limit.unwrap_or_else(|| hot.rule.limit(&work.plan.threshold, hot.gaps.mean));
        let fired = !warming && is_over(hot, cold, work.plan, &verdict, limit);
        let score = if warming { 0.0 } else { quick_score(verdict.evidence) };
        if !verdict.is_calm || is_turn(hot) {
            hot.score = score;
            hot.bucket.worst = hot.bucket.worst.max(score);
        }
        if fired || hot.is(OPEN) || work.answer == Answer::Scores {
            let speaking =
                Speaking { sample: &sample, verdict: &verdict, limit, fired, warming, score };
            self.speak(work, row, slot, &speaking, out);
            allocates = true;
        }
        let (hot, cold) = (self.hot.get_mut(slot), self.cold.get_mut(slot));
        let elapsed = verdict.gap.unwrap_or(0.0);
        if work.plan.limit.is_none() {
            hot.rule.learn(&work.plan.threshold, verdict.evidence, elapsed);
        }
        learn(hot, cold, work.plan, &sample, &verdict);
        if allocates {
            self.count_memory(slot);
        }
        score
    }
}

/// Notes whether the entity's events come at about the time they happen.
fn set_current(hot: &mut Hot, work: &Work<'_>, at: i64) {
    if work.stamp.as_nanos().saturating_sub(at) <= work.plan.lateness {
        hot.flags |= CURRENT;
    } else {
        hot.flags &= !CURRENT;
    }
}
