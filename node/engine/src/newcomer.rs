//! Entities never seen before, in streams that seldom have any: a log template
//! that is new, a user nobody knew. Owns how often there are new ones, how they
//! crowd, and when that is remarkable; refuses to know which entity it is. The
//! memory is the stream's and rests with its habits; called by `event` for the
//! first event of an entity. Invariants E-1, E-2.
//!
//! How likely the next event is of a new entity is the share of such events, the
//! last third of all weighing most, and one more for what was never seen (the rule
//! of succession: Laplace); that several come together, a Poisson tail (bounded by
//! Chernoff, Ann. Math. Stat. 23, 1952).

use std::f32::consts::{LOG10_2, LOG10_E};

use bytemuck::{Pod, Zeroable};
use via_types::detection::Change;

use crate::Outcome;
use crate::calibration::MOST;
use crate::judge::{Judgement, Sample, compressed};
use crate::math::{larger, ln, log10, rough_exp2, smaller};
use crate::peers::Habits;
use crate::plan::Plan;
use crate::profile::{Cold, Feature, Hot, OPEN};
use crate::weigh::weigh;

/// How fast the past counts less: that of n events ago by n to this power, so
/// that a stream which has learned its entities is not judged by its youth.
const HASTE: f32 = 3.0;
/// Events within which new entities are a crowd.
const CROWD: f32 = 64.0;
/// How many times as common new entities are taken to be once one was told.
const TOLD: f32 = 4.0;
/// How many times as crowded it has to be to be told again.
const AGAIN: f32 = 2.0;
/// Events over which what was told is forgotten.
const MEMORY: f32 = 4096.0;

/// What the contribution of a first event is called.
pub(crate) const NEW_ENTITY: &str = "new entity";

/// How often a stream has new entities.
#[derive(Clone, Copy, Debug, Default, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Arrivals {
    /// Events of new entities, of 1.
    rate: f32,
    /// New entities lately, fading over [`CROWD`] events.
    lately: f32,
    /// The evidence of the crowd that was told last, fading.
    told: f32,
}

/// An entity's first event among the stream's.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Newcomer {
    /// How likely an event was of a new entity, at most.
    pub(crate) rate: f32,
    /// New entities among the last [`CROWD`] events, this one too, about.
    pub(crate) lately: f32,
    /// Evidence that so many come together.
    crowd: f32,
}

impl Newcomer {
    /// Returns how many new entities there were among the last [`CROWD`] events,
    /// and how many are usual.
    pub(crate) fn measured(&self) -> (f64, f64) {
        (f64::from(self.lately), f64::from(CROWD * self.rate))
    }
}

/// Returns the weight of one event among so many.
fn pace(events: f32) -> f32 {
    smaller(HASTE / larger(events, HASTE), 1.0)
}

impl Arrivals {
    /// Notes a new entity after so many events.
    pub(crate) fn meet(&mut self, events: f32) {
        self.rate = smaller(self.rate + pace(events), 1.0);
        self.lately += 1.0;
    }

    /// Lets `times` events pass, the last of so many.
    pub(crate) fn fade(&mut self, times: f32, events: f32) {
        let left = |span: f32| 1.0 / (1.0 + times / span);
        self.rate *= left(larger(events, HASTE) / HASTE);
        self.lately *= left(CROWD);
        self.told *= left(MEMORY);
    }

    fn look(&self, events: f32) -> Newcomer {
        let rate = smaller(self.rate + pace(events), 1.0);
        let usual = CROWD * rate;
        let others = self.lately;
        let crowd = if others > usual && others > 0.5 {
            let nats = others * ln(f64::from(others / usual)) as f32 - (others - usual);
            larger(nats * LOG10_E, 0.0)
        } else {
            0.0
        };
        Newcomer { rate, lately: others + 1.0, crowd }
    }
}

/// Judges the first event of an entity by how new entities come in its stream,
/// where that is asked for and known; says whether it did.
#[inline(always)]
pub(crate) fn greet(
    (hot, cold, plan): (&Hot, &Cold, &Plan),
    habits: &Habits,
    sample: &Sample<'_>,
    verdict: &mut Judgement,
) -> bool {
    // Habits know nothing of events with named values.
    if hot.events > 0 || !plan.greets || !sample.lanes.lanes.is_empty() {
        return false;
    }
    let Some(events) = habits.peers.known_events() else { return false };
    look_at((hot, cold, plan), (habits, events), sample.at, verdict);
    true
}

#[cold]
fn look_at(
    (hot, cold, plan): (&Hot, &Cold, &Plan),
    (habits, events): (&Habits, f32),
    at: i64,
    verdict: &mut Judgement,
) {
    let arrivals = &habits.peers.arrivals;
    let newcomer = arrivals.look(events);
    let alone = -log10(f64::from(newcomer.rate)) as f32;
    let crowd = larger(newcomer.crowd - AGAIN * arrivals.told, 0.0);
    let evidence = smaller(compressed(alone + crowd), MOST);
    let feature = Feature::Distinct as usize;
    verdict.nominal[feature] = evidence;
    verdict.odds[feature] = rough_exp2(evidence / LOG10_2);
    verdict.weights[feature] = 1.0;
    verdict.newcomer = Some(newcomer);
    weigh(verdict, (hot, cold, plan), &habits.meta, at);
}

impl Habits {
    /// Remembers that a new entity was told, unless what is executed did before
    /// (invariant D-2).
    pub(crate) fn tell(&mut self, newcomer: &Newcomer) {
        if !self.is_past {
            let arrivals = &mut self.peers.arrivals;
            arrivals.rate = smaller(TOLD * newcomer.rate, 1.0);
            arrivals.told = larger(newcomer.crowd, arrivals.told);
            self.is_changed = true;
        }
    }
}

/// Ends the greeting: what was told of it, now in `out`, is over with its event,
/// and nobody learns from how rare it was.
pub(crate) fn settle_in(
    (hot, cold): (&mut Hot, &mut Cold),
    habits: &mut Habits,
    verdict: &mut Judgement,
    told: Option<&mut Outcome>,
) {
    if let (Some(out), Some(newcomer)) = (told, verdict.newcomer) {
        habits.tell(&newcomer);
        let opened = out.changes.pop();
        out.changes.extend(end_at_once(hot, cold, opened));
    }
    let feature = Feature::Distinct as usize;
    verdict.nominal[feature] = 0.0;
    verdict.odds[feature] = 0.0;
    verdict.weights[feature] = 0.0;
    verdict.mixed = 0.0;
    verdict.evidence = 0.0;
}

/// Ends what a first event has opened; returns what is told instead of `opened`.
fn end_at_once(hot: &mut Hot, cold: &mut Cold, opened: Option<Change>) -> Option<Change> {
    let Some(episode) = cold.episode.take() else { return opened };
    hot.flags &= !OPEN;
    match episode.end(hot, cold) {
        Change::Grown(ended) => Some(Change::Opened(ended)),
        other @ (Change::Opened(_) | Change::Labelled(..)) => Some(other),
    }
}
