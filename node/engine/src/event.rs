//! What is done with one event: refused, taken in at a glance, or weighed. Owns
//! these ways; refuses to know groups. Allocates nothing for most events. Called
//! by `group`. Invariants D-2, D-5.

use via_types::pressure::Regime;
use via_types::receipt::RowReason;
use via_types::{Batch, Detector};

use crate::calm::{Glance, absorb, glance, stand};
use crate::close;
use crate::engine::Engine;
use crate::execute::Work;
use crate::grove::{EARNED, Grove, places_in};
use crate::history::EVENTS;
use crate::judge::{Closing, Judgement, Sample, conclude, is_standing, is_turn};
use crate::learn::learn;
use crate::newcomer::{greet, settle_in};
use crate::peers::Habits;
use crate::plan::Plan;
use crate::profile::{CURRENT, Cold, DIRTY, Hot, OPEN, OWN, Profile, ROUND, SEEN, SKIPS, USED};
use crate::series::is_point;
use crate::verdict::{Over, Speaking, over, settle_stream, stream_limit};
use crate::{Answer, Outcome};

/// What is done with an event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Way {
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

/// An event whose profile is known.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Event<'a> {
    pub(crate) sample: Sample<'a>,
    pub(crate) slot: u32,
    pub(crate) way: Way,
    pub(crate) glance: &'a Glance,
}

impl Engine {
    /// Executes an event at which was not glanced.
    #[inline(never)]
    pub(crate) fn execute_later(&mut self, work: &Work<'_>, row: usize, out: &mut Outcome) -> f32 {
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
        if hot.is(OWN) {
            return self.execute_own(work, row, slot, out);
        }
        self.execute_known(work, row, slot, out)
    }

    /// Executes an event of an entity that has a plan of its own.
    fn execute_own(&mut self, work: &Work<'_>, row: usize, slot: u32, out: &mut Outcome) -> f32 {
        let hot = &self.places.get(slot).hot;
        let known = self.streams.get(&work.batch.stream);
        let plan = known.map_or(*work.plan, |known| *known.plan_of(hot));
        let may_be_calm = plan.has_calm && work.batch.lanes.is_empty();
        let own = Work { plan: &plan, may_be_calm, ..*work };
        self.execute_known(&own, row, slot, out)
    }

    /// Executes an event whose place is known.
    fn execute_known(&mut self, work: &Work<'_>, row: usize, slot: u32, out: &mut Outcome) -> f32 {
        let hot = &self.places.get(slot).hot;
        let sample = work.sample(row);
        let (glance, is_calm) = glance(hot, work.plan, &sample);
        let way = match (is_calm & work.may_be_calm, is_standing(hot)) {
            (true, false) => Way::Absorb,
            (true, true) => Way::Stand,
            (false, _) => Way::Weigh,
        };
        self.execute_event(work, &Event { sample, slot, way, glance: &glance }, out)
    }

    /// Executes one event; returns its score, NaN when it was not applied or
    /// nobody asked.
    #[inline(always)]
    pub(crate) fn execute_event(
        &mut self,
        work: &Work<'_>,
        event: &Event<'_>,
        out: &mut Outcome,
    ) -> f32 {
        let Event { sample, slot, way, glance } = *event;
        let Profile { hot, cold } = self.places.get_mut(slot);
        let is_calm = matches!(way, Way::Absorb | Way::Stand);
        let is_striking = is_calm && self.habits.peers.is_striking(hot, sample.value);
        let way = if is_striking { Way::Weigh } else { way };
        if !hot.is(DIRTY | ROUND) {
            hot.flags |= DIRTY;
            self.changed.push(slot);
            self.unsaved += 1;
        }
        let is_current = work.stamp.as_nanos().saturating_sub(sample.at) <= work.plan.lateness;
        let current = if is_current { CURRENT } else { 0 };
        hot.flags = hot.flags & !(CURRENT | SEEN) | USED | current;
        if work.answer == Answer::Counts && matches!(way, Way::Absorb | Way::Stand) {
            out.accepted += 1;
            if way == Way::Absorb {
                absorb(hot, cold, work.plan, &sample, glance);
            } else {
                stand(hot, cold, (work.plan, &mut self.habits, work.at.index), &sample, glance);
            }
            return f32::NAN;
        }
        if hot.events > 0 && hot.last.saturating_sub(sample.at) > work.plan.lateness {
            hot.late = hot.late.saturating_add(1);
            out.refused.push((sample.lanes.row as u32, RowReason::Late));
            return f32::NAN;
        }
        out.accepted += 1;
        match way {
            Way::Absorb | Way::Stand => self.tell_calm(work, event, out),
            Way::Later | Way::Weigh => self.weigh(work, event, out),
        }
    }

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
    fn tell_calm(&mut self, work: &Work<'_>, event: &Event<'_>, out: &mut Outcome) -> f32 {
        let Event { sample, slot, way, glance } = event;
        let slot = *slot;
        let Profile { hot, cold } = self.places.get_mut(slot);
        let mut verdict = Judgement::default();
        conclude(hot, cold, (work.plan, &self.habits), (sample, glance), &mut verdict);
        let limit = work.plan.limit.expect("only streams with a fixed limit have calm events");
        let (fired, warming) = (false, hot.events < work.plan.warmup);
        let speaking = Speaking { sample, verdict: &verdict, limit, fired, warming };
        let score = self.score_of(slot, &speaking, false);
        let scored = self.scored(work, slot, &speaking, score);
        out.scored.push(scored);
        let Profile { hot, cold } = self.places.get_mut(slot);
        if *way == Way::Absorb {
            absorb(hot, cold, work.plan, sample, glance);
        } else {
            stand(hot, cold, (work.plan, &mut self.habits, work.at.index), sample, glance);
        }
        score
    }

    /// Plants a forest for an entity that has earned one, if there is room; says
    /// whether it did.
    #[cold]
    fn plant(&mut self, work: &Work<'_>, slot: u32, sample: &Sample<'_>) -> bool {
        let Profile { hot, cold } = self.places.get_mut(slot);
        let rows = if sample.lanes.lanes.is_empty() { 1 } else { 2 };
        let is_apt = if rows == 1 { is_point(hot, sample) } else { cold.lanes.is_some() };
        let is_wanted = is_apt && work.plan.weights[Detector::Forest as usize] > 0.0;
        let lanes = if rows == 1 { 1 } else { cold.lanes.as_ref().map_or(0, |x| x.lanes.len()) };
        let Some(history) = cold.history.as_mut().filter(|held| held.grove.is_none()) else {
            return false;
        };
        if !is_wanted || lanes < rows || work.regime > Regime::Full {
            return false;
        }
        if work.at.index.get() <= self.habits.skip {
            return false;
        }
        let grove = Grove::new(lanes, hot.hash());
        let taken = self.habits.peers.forests as usize + grove.places();
        if taken > places_in(self.options.memory_bytes) {
            return false;
        }
        self.habits.peers.forests = taken as u32;
        self.habits.is_changed = true;
        history.grove = Some(Box::new(grove));
        true
    }

    /// Judges one event and takes it in; returns its score.
    #[inline(never)]
    fn weigh(&mut self, work: &Work<'_>, event: &Event<'_>, out: &mut Outcome) -> f32 {
        let Event { sample, slot, glance, .. } = event;
        let slot = *slot;
        self.spare(work, slot, sample.at);
        let Profile { hot, cold } = self.places.get_mut(slot);
        let (closing, turned) = pass_time(hot, cold, (work.plan, &self.habits), sample);
        let mut allocates = hot.events < EVENTS || closing.has_ended || turned.is_some();
        let glance = turned.as_ref().unwrap_or(glance);
        let mut verdict = Judgement::after(closing);
        conclude(hot, cold, (work.plan, &self.habits), (sample, glance), &mut verdict);
        let is_greeted = greet((hot, cold, work.plan), &self.habits, sample, &mut verdict);
        let warming = hot.events < work.plan.warmup && !is_greeted;
        let limit = stream_limit(hot, cold, work.plan, &self.habits);
        let judged = (sample.at, &verdict);
        let over = if warming {
            Over::default()
        } else {
            over(hot, cold, (work.plan, &mut self.habits), judged, limit)
        };
        let fired = over.is_any();
        let is_heard = fired || hot.is(OPEN);
        let mut speaking = Speaking { sample, verdict: &verdict, limit, fired, warming };
        let left;
        if work.plan.is_choosy && is_heard {
            let said = self.minded(work.plan, slot, (&speaking, over));
            left = said.0;
            speaking = Speaking { verdict: &left, fired: said.1, ..speaking };
        }
        let mut is_told = false;
        if is_heard {
            is_told = self.speak(work, slot, &speaking, out);
            allocates = true;
        }
        let score = self.score_of(slot, &speaking, is_told);
        if work.answer == Answer::Scores {
            let scored = self.scored(work, slot, &speaking, score);
            out.scored.push(scored);
        }
        let Profile { hot, cold } = self.places.get_mut(slot);
        hot.score = score;
        hot.worst = hot.worst.max(score);
        if is_greeted {
            settle_in((hot, cold), &mut self.habits, &mut verdict, is_told.then_some(out));
        } else if !warming {
            cold.stir(sample, speaking.verdict.plain_evidence, verdict.point.is_some());
        }
        if work.plan.limit.is_none() {
            settle_stream(hot, cold, (work.plan, &mut self.habits), sample.at, &verdict);
        }
        self.habits.meet(&closing);
        if sample.lanes.lanes.is_empty() && (!verdict.was_open || is_turn(hot)) {
            self.habits.learn(work.at.index, hot, sample, (&verdict, 1));
            verdict.plain = self.habits.peers.bound(hot, verdict.plain);
        }
        learn(hot, cold, work.plan, sample, &verdict);
        if hot.events <= EVENTS {
            close::keep_event(hot, cold, sample);
        }
        if hot.events.is_multiple_of(EARNED) {
            allocates |= self.plant(work, slot, sample);
        }
        if allocates {
            self.count_memory(slot);
        }
        score
    }
}

/// Ends the bucket and the seasonal slot that ended before the event. Returns what
/// the bucket held, and the event at another glance when the season has turned.
#[inline(always)]
fn pass_time(
    hot: &mut Hot,
    cold: &mut Cold,
    (plan, habits): (&Plan, &Habits),
    sample: &Sample<'_>,
) -> (Closing, Option<Glance>) {
    if hot.events < 2 {
        close::begin(hot, sample.at);
    }
    let has_ended = sample.at >= hot.wake && sample.at >= hot.bucket.end();
    let closing = if has_ended {
        close::close(hot, cold, (plan, habits), sample.at)
    } else {
        Closing::default()
    };
    if hot.events > 0 && sample.at < hot.slot.end {
        return (closing, None);
    }
    close::turn_slot(hot, cold, plan, sample.at);
    (closing, Some(glance(hot, plan, sample).0))
}
