//! The per-event path. Owns the order of work over a batch: find every key's
//! profile, then judge event after event while the next profiles are fetched.
//! Allocates nothing per event. Called by the shard. Invariants E-1, D-2, D-5.

use via_types::receipt::RowReason;
use via_types::{Batch, Timestamp};

use crate::engine::Engine;
use crate::prefetch::prefetch_all;
use crate::profile::USED;
use crate::{Answer, Outcome, Position};

/// How many events ahead profiles are fetched.
const AHEAD: usize = 8;

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
        self.find_places(batch);
        for row in 0..batch.len() {
            if let Some(ahead) = batch.entity.get(row + AHEAD) {
                let place = self.places[*ahead as usize];
                if place != 0 {
                    prefetch_all(self.hot.get(place - 1));
                }
            }
            self.execute_row(at, stamp, batch, row, out);
            if answer == Answer::Scores {
                out.scores.push(0.0);
            }
        }
    }

    fn find_places(&mut self, batch: &Batch) {
        self.places.clear();
        for (position, hash) in batch.hashes.iter().enumerate() {
            if let Some(ahead) = batch.hashes.get(position + AHEAD) {
                self.index.prefetch(*ahead);
            }
            let place = self.find(batch.stream, *hash).map_or(0, |slot| slot + 1);
            self.places.push(place);
        }
    }

    fn execute_row(
        &mut self,
        at: Position,
        _stamp: Timestamp,
        batch: &Batch,
        row: usize,
        out: &mut Outcome,
    ) {
        let position = batch.entity[row];
        let slot = match self.places[position as usize] {
            0 => {
                let hash = batch.hashes[position as usize];
                let Some(slot) = self.create(batch.stream, hash, batch.keys.get(position)) else {
                    out.refused.push((row as u32, RowReason::TableFull));
                    return;
                };
                self.places[position as usize] = slot + 1;
                slot
            }
            place => place - 1,
        };
        let lateness = self
            .streams
            .get(&batch.stream)
            .map_or(600e9, |stream| stream.config.timing.lateness_secs * 1e9)
            as i64;
        let hot = self.hot.get_mut(slot);
        if at.index.get() <= hot.skip {
            out.accepted += 1;
            return;
        }
        let when = batch.at[row];
        if hot.events > 0 && hot.last.saturating_sub(when) > lateness {
            hot.late += 1;
            out.refused.push((row as u32, RowReason::Late));
        } else {
            if hot.events == 0 {
                hot.first = when;
                hot.last = when;
            }
            hot.last = hot.last.max(when);
            hot.events += 1;
            hot.flags |= USED;
            out.accepted += 1;
        }
        self.note_change(slot);
    }
}
