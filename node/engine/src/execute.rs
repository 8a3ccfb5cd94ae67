//! A batch from end to end: its stream's plan, then its events in groups. Owns
//! what all events of a batch have in common; refuses to judge. Called by the
//! shard. Invariants E-1, D-5.

use via_types::pressure::Regime;
use via_types::{Batch, LogIndex, StreamId, Timestamp};

use crate::engine::Engine;
use crate::group::UNKNOWN;
use crate::judge::{Row, Sample, bounded};
use crate::plan::Plan;
use crate::{Answer, Outcome, Position};

/// A batch being executed.
#[derive(Clone, Copy)]
pub(crate) struct Work<'a> {
    pub(crate) at: Position,
    pub(crate) stamp: Timestamp,
    pub(crate) batch: &'a Batch,
    pub(crate) answer: Answer,
    pub(crate) plan: &'a Plan,
    pub(crate) numbers: &'a [Option<u32>],
    /// Its events may be told at a glance.
    pub(crate) may_be_calm: bool,
    pub(crate) regime: Regime,
}

impl Work<'_> {
    /// Returns the event in `row`.
    #[inline(always)]
    pub(crate) fn sample(&self, row: usize) -> Sample<'_> {
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
        if !std::mem::take(&mut self.is_asked) || self.found.len() != batch.keys.len() {
            self.found.clear();
            self.found.resize(batch.keys.len(), UNKNOWN);
        }
        let may_be_calm = plan.has_calm && batch.lanes.is_empty();
        let numbers = &held[..];
        let regime = self.regime;
        let work = Work { at, stamp, batch, answer, plan: &plan, numbers, may_be_calm, regime };
        // The habits are at hand while the batch is executed, then back in place.
        self.swap_habits(batch.stream, at.index);
        self.run(&work, out);
        self.swap_habits(batch.stream, at.index);
        self.numbers = held;
    }

    /// Exchanges the habits at hand with those of a stream that is known.
    pub(crate) fn swap_habits(&mut self, stream: StreamId, at: LogIndex) {
        if let Some(known) = self.streams.get_mut(&stream) {
            std::mem::swap(&mut self.habits, &mut known.habits);
            self.habits.is_past = at.get() <= self.habits.skip;
        }
    }
}
