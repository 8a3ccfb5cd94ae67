//! Passing time. Owns the judgement of silent entities; called by the shard
//! when a `Tick` command is applied. Invariant E-1: the time is the entry's.

use via_types::{DetectionId, StreamId, Timestamp};

use crate::close;
use crate::engine::Engine;
use crate::judge::{Row, Sample, judge_time};
use crate::plan::Plan;
use crate::profile::{CURRENT, LIVE, OPEN, Profile, USED};
use crate::verdict::{Speaking, over, stream_limit};
use crate::{Outcome, Position};

/// How long after a bucket's end its last events may still be on their way.
const GRACE: i64 = 2_000_000_000;
/// How long until an entity whose events do not come live is looked at again.
const REST: i64 = 60_000_000_000;

impl Engine {
    /// Lets time pass: closes the buckets of silent entities and appends the
    /// detections of silence to `out`. Entities whose events come long after
    /// they happened (replayed data) are left alone.
    pub fn tick(&mut self, at: Position, stamp: Timestamp, out: &mut Outcome) {
        let now = stamp.as_nanos().saturating_sub(GRACE);
        let mut offset = at.base;
        for slot in 0..self.places.len() as u32 {
            if self.due[slot as usize] > now {
                continue;
            }
            let Profile { hot, cold } = self.places.get(slot);
            let stream = StreamId::new(hot.stream);
            let Some(known) = self.streams.get(&stream) else { continue };
            let plan = *known.plan_of(hot);
            let judged = hot.is(LIVE) && hot.is(CURRENT) && hot.events >= plan.warmup;
            if !judged || at.index.get() <= cold.skip {
                self.due[slot as usize] = now.saturating_add(REST);
                continue;
            }
            if now >= hot.bucket.end() {
                let id = DetectionId { shard: at.shard, index: at.index, offset };
                let told = out.changes.len();
                self.swap_habits(stream, at.index);
                self.pass(&plan, slot, now, id, out);
                self.swap_habits(stream, at.index);
                offset = offset.saturating_add((out.changes.len() - told) as u32);
            }
            self.due[slot as usize] = self.places.get(slot).hot.bucket.end();
        }
    }

    /// Closes what ended of one profile by `now` and judges it.
    fn pass(&mut self, plan: &Plan, slot: u32, now: i64, id: DetectionId, out: &mut Outcome) {
        let Profile { hot, cold } = self.places.get_mut(slot);
        let was_used = hot.flags & USED;
        let closing = close::close(hot, cold, (plan, &self.habits), now);
        let lanes = Row { lanes: &[], numbers: &[], row: 0, instead: None };
        let value = hot.level.mean + hot.offset;
        let sample = Sample { at: now, value, mark: 0, lanes };
        let verdict = judge_time(hot, cold, (plan, &self.habits), &closing, now);
        let limit = stream_limit(hot, cold, plan, &self.habits);
        let over = over(hot, cold, (plan, &mut self.habits), (now, &verdict), limit);
        let fired = over.is_any();
        if fired || hot.is(OPEN) && verdict.evidence > 0.0 {
            let (sample, verdict) = (&sample, &verdict);
            let mut speaking = Speaking { sample, verdict, limit, fired, warming: false };
            let left;
            if plan.is_choosy {
                let said = self.minded(plan, slot, (&speaking, over));
                left = said.0;
                speaking = Speaking { verdict: &left, fired: said.1, ..speaking };
            }
            let is_told = self.follow(plan, slot, &speaking, (id, ""), out);
            self.places.get_mut(slot).hot.score = self.score_of(slot, &speaking, is_told);
        }
        self.habits.meet(&closing);
        self.note_change(slot);
        self.count_memory(slot);
        // Passing time is no use: silent profiles may leave memory.
        let hot = &mut self.places.get_mut(slot).hot;
        hot.flags = hot.flags & !USED | was_used;
    }
}
