//! What is said aloud: detections that open, grow and end, and the verdicts of
//! events whose scores were asked for. Owns the decision; refuses to judge.
//! Called by `execute` and `tick`. Invariants E-2, D-4 (ids are positional).

use via_types::calendar::Calendar;
use via_types::config::{Explain, Threshold};
use via_types::detection::Change;
use via_types::{DetectionId, Scored};

use crate::Outcome;
use crate::budget::{DAY, Earned, is_kept, stretched};
use crate::calibration::MOST;
use crate::engine::Engine;
use crate::ensemble::{HALF, quick_score, quiet_score};
use crate::episode::{self, adopt_if_lasting};
use crate::execute::Work;
use crate::explain::{Case, contributions, expected, reason, shown_lane, strongest};
use crate::judge::{Judgement, Sample};
use crate::math::{larger, smaller};
use crate::minded::minded;
use crate::peers::Habits;
use crate::plan::Plan;
use crate::profile::{Cold, Feature, Hot, OPEN, Profile, STREAMS};
use crate::rule::{LEAST, Rule};

/// What is known of time in a stream of which nothing is known.
static NO_CALENDAR: Calendar = Calendar::usual();

/// A judged event about which something may have to be said.
pub(crate) struct Speaking<'a> {
    pub(crate) sample: &'a Sample<'a>,
    pub(crate) verdict: &'a Judgement,
    pub(crate) limit: f32,
    pub(crate) fired: bool,
    pub(crate) warming: bool,
}

impl Speaking<'_> {
    /// Says whether it may open a detection, since the threshold is low, but is
    /// not enough to keep one open: else none would ever end.
    fn is_slight(&self) -> bool {
        let evidence = self.verdict.evidence;
        self.limit < LEAST && evidence >= self.limit && evidence < LEAST
    }
}

/// Which thresholds an event reaches: the stream's, and by number those that
/// detectors have of their own.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Over {
    stream: bool,
    own: u32,
    /// The least evidence among those of their own that is enough.
    least: f32,
}

impl Over {
    pub(crate) fn is_any(self) -> bool {
        self.stream | (self.own != 0)
    }
}

/// Returns which thresholds an event reaches.
#[inline]
pub(crate) fn over(
    hot: &Hot,
    cold: &mut Cold,
    (plan, habits): (&Plan, &mut Habits),
    (at, verdict): (i64, &Judgement),
    limit: f32,
) -> Over {
    let stream = verdict.evidence >= limit;
    let mut over = Over { stream, own: 0, least: MOST };
    if plan.has_own {
        own_over(hot, cold, (plan, habits), (at, verdict), &mut over);
    }
    over
}

/// Returns the evidence from which on there is a detection by a threshold, and
/// how rare it may be to keep the budget.
fn limit_of(
    rule: &Rule,
    (number, threshold): (usize, &Threshold),
    (plan, habits): (&Plan, &Habits),
    gap: f32,
) -> (f32, f32) {
    let ledger = habits.ledger(number);
    let asked = ledger.asked(threshold, gap, plan.share);
    let needed = stretched(ledger.needed(asked), rule.peaks.stretch(ledger));
    (rule.limit(threshold, needed), asked)
}

/// Returns the evidence from which on there is a detection of an entity.
pub(crate) fn stream_limit(hot: &Hot, cold: &mut Cold, plan: &Plan, habits: &Habits) -> f32 {
    match plan.limit {
        Some(limit) => limit,
        None => {
            let threshold = (STREAMS, &plan.threshold);
            let limit = limit_of(cold.rule(), threshold, (plan, habits), usual_gap(hot)).0;
            // Of an entity that is new no rule knows anything yet.
            if hot.events == 0 { larger(limit, HALF as f32) } else { limit }
        }
    }
}

/// Returns the mean time between an entity's events, seconds; a day for a new one.
fn usual_gap(hot: &Hot) -> f32 {
    if hot.events == 0 { DAY as f32 } else { hot.gaps.mean }
}

/// Takes an event's evidence into what a threshold remembers.
fn settle(
    rule: &mut Rule,
    (number, threshold): (usize, &Threshold),
    (plan, habits): (&Plan, &mut Habits),
    (hot, at): (&Hot, i64),
    (evidence, elapsed): (f32, f32),
) {
    let asked = habits.ledger(number).asked(threshold, hot.gaps.mean, plan.share);
    let earned = Earned::of(threshold, asked, elapsed);
    rule.learn(threshold, evidence, earned.alerts);
    if is_kept(threshold)
        && hot.events >= plan.warmup
        && let Some(ledger) = habits.ledger_mut(number)
    {
        ledger.earn((threshold, plan.share), at, earned);
        if !hot.is(OPEN) {
            ledger.note(asked, evidence, rule.peaks.stretch(ledger));
            rule.peaks.learn(evidence);
        }
    }
}

/// Takes an event into what the stream's threshold remembers of its entity.
pub(crate) fn settle_stream(
    hot: &Hot,
    cold: &mut Cold,
    (plan, habits): (&Plan, &mut Habits),
    at: i64,
    verdict: &Judgement,
) {
    let threshold = (STREAMS, &plan.threshold);
    let said = (verdict.evidence, verdict.gap.unwrap_or(0.0));
    settle(cold.rule(), threshold, (plan, habits), (hot, at), said);
}

/// Pays for a detection by a threshold.
fn pay(
    rule: &mut Rule,
    (number, threshold): (usize, &Threshold),
    (plan, habits): (&Plan, &mut Habits),
    gap: f32,
) {
    rule.pay();
    if is_kept(threshold) {
        let asked = habits.ledger(number).asked(threshold, gap, plan.share);
        if let Some(ledger) = habits.ledger_mut(number) {
            ledger.pay(asked);
        }
    }
}

/// Returns what labels multiply evidence by: it counts for single detectors, too.
fn labelled(verdict: &Judgement) -> f32 {
    match verdict.unlabelled {
        whole if whole > 0.0 => verdict.evidence / whole,
        _ => 1.0,
    }
}

/// Finds whose own threshold is reached.
fn own_over(
    hot: &Hot,
    cold: &mut Cold,
    (plan, habits): (&Plan, &mut Habits),
    (at, verdict): (i64, &Judgement),
    over: &mut Over,
) {
    let labelled = labelled(verdict);
    let rules = cold.rules();
    for (number, threshold) in plan.own.iter().enumerate() {
        let Some(threshold) = threshold else { continue };
        let mut evidence = 0.0f32;
        for feature in Feature::ALL {
            let speaks = verdict.weights[feature as usize] > 0.0;
            if speaks && feature.detector() as usize == number {
                evidence = evidence.max(verdict.calibrated(feature));
            }
        }
        let evidence = evidence * threshold.sensitivity as f32 * labelled;
        let (rule, named) = (&mut rules[number], (number, threshold));
        let (limit, _) = limit_of(rule, named, (plan, habits), usual_gap(hot));
        if evidence >= limit {
            over.own |= 1 << number;
            over.least = smaller(over.least, limit / threshold.sensitivity as f32);
            if !hot.is(OPEN) {
                pay(rule, named, (plan, habits), usual_gap(hot));
            }
        }
        let elapsed = verdict.gap.unwrap_or(0.0);
        settle(rule, named, (plan, habits), (hot, at), (evidence, elapsed));
    }
}

impl Engine {
    /// Returns what is left of an event that reaches thresholds or whose entity
    /// has a detection open, when only what its stream minds counts, and whether
    /// that is still enough.
    pub(crate) fn minded(
        &self,
        plan: &Plan,
        slot: u32,
        (speaking, over): (&Speaking<'_>, Over),
    ) -> (Judgement, bool) {
        let left = minded(&self.case(plan, slot, speaking));
        let labelled = labelled(&left);
        let has_own = Feature::ALL.iter().any(|one| {
            over.own >> one.detector() as u32 & 1 == 1
                && left.calibrated(*one) * labelled >= over.least
        });
        (left, speaking.fired && (left.evidence >= speaking.limit || has_own))
    }

    /// Opens, grows or ends the entity's detection; says whether something is told
    /// that was not told before.
    pub(crate) fn speak(
        &mut self,
        work: &Work<'_>,
        slot: u32,
        speaking: &Speaking<'_>,
        out: &mut Outcome,
    ) -> bool {
        let row = speaking.sample.lanes.row;
        let id = DetectionId {
            shard: work.at.shard,
            index: work.at.index,
            offset: work.at.base.saturating_add(row as u32),
        };
        let attributes = if work.batch.attributes.is_empty() {
            ""
        } else {
            work.batch.attributes.get(row as u32)
        };
        self.follow(work.plan, slot, speaking, (id, attributes), out)
    }

    /// Moves the entity's detection on: opens, grows, rests or ends it. Says
    /// whether it opened or grew so much that it is told again.
    pub(crate) fn follow(
        &mut self,
        plan: &Plan,
        slot: u32,
        speaking: &Speaking<'_>,
        (id, attributes): (DetectionId, &str),
        out: &mut Outcome,
    ) -> bool {
        let Some(mut episode) = self.places.get_mut(slot).cold.episode.take() else {
            if speaking.fired {
                let episode = episode::open(&self.case(plan, slot, speaking), id, attributes);
                out.changes.push(Change::Opened(Box::new(episode.detection.clone())));
                self.places.get_mut(slot).cold.episode = Some(Box::new(episode));
                let Profile { hot, cold } = self.places.get_mut(slot);
                if plan.limit.is_none() {
                    let named = (STREAMS, &plan.threshold);
                    pay(cold.rule(), named, (plan, &mut self.habits), usual_gap(hot));
                }
                hot.flags |= OPEN;
            }
            return speaking.fired;
        };
        let (evidence, at) = (speaking.verdict.evidence, speaking.sample.at);
        let mut is_told = false;
        if speaking.fired && !speaking.is_slight() {
            is_told = episode.grow(&self.case(plan, slot, speaking));
            if is_told {
                out.changes.push(episode.told());
            }
        } else {
            let gap = self.places.get(slot).hot.gaps.mean;
            if episode.rest(evidence, larger(speaking.limit, LEAST), at, gap) {
                let Profile { hot, cold } = self.places.get_mut(slot);
                out.changes.push(episode.end(hot, cold));
                hot.flags &= !OPEN;
                return false;
            }
        }
        self.places.get_mut(slot).cold.episode = Some(episode);
        if speaking.fired && !speaking.is_slight() {
            let Profile { hot, cold } = self.places.get_mut(slot);
            adopt_if_lasting(hot, cold);
        }
        is_told
    }

    /// Returns the score of a judged event: at or above the threshold when
    /// something is told, else as much as the entity is remarkable, below it.
    pub(crate) fn score_of(&mut self, slot: u32, speaking: &Speaking<'_>, is_told: bool) -> f32 {
        if speaking.warming {
            return 0.0;
        }
        let Speaking { sample, verdict, limit, .. } = *speaking;
        let cold = &mut self.places.get_mut(slot).cold;
        let is_point = verdict.point.is_some();
        let stirred = cold.stirred(sample, verdict.plain_evidence, is_point);
        if is_told {
            quick_score(larger(verdict.evidence, limit))
        } else {
            quiet_score(stirred, limit)
        }
    }

    fn case<'a>(&'a self, plan: &'a Plan, slot: u32, speaking: &'a Speaking<'a>) -> Case<'a> {
        let Profile { hot, cold } = self.places.get(slot);
        let stream = self.streams.get(&via_types::StreamId::new(hot.stream));
        Case {
            hot,
            cold,
            plan,
            habits: &self.habits,
            sample: speaking.sample,
            verdict: speaking.verdict,
            names: stream.map_or(&[], |stream| &stream.lanes),
            calendar: stream.map_or(&NO_CALENDAR, |stream| &stream.calendar),
            limit: speaking.limit,
        }
    }

    /// Returns the answer for an event whose score was asked for.
    pub(crate) fn scored(
        &self,
        work: &Work<'_>,
        slot: u32,
        speaking: &Speaking<'_>,
        score: f32,
    ) -> Scored {
        let row = speaking.sample.lanes.row;
        let case = self.case(work.plan, slot, speaking);
        let explains = work.plan.explain != Explain::None;
        let episode = case.cold.episode.as_ref();
        let feature = strongest(case.verdict);
        Scored {
            row: row as u32,
            score: f64::from(score),
            warming: speaking.warming,
            expected: if explains { expected(&case, feature) } else { None },
            lane: shown_lane(&case, feature).and_then(|(number, _)| u16::try_from(number).ok()),
            contributions: if explains { contributions(&case) } else { Vec::new() },
            reason: if speaking.fired { reason(&case) } else { String::new() },
            detection: episode.map(|episode| episode.detection.id),
        }
    }
}
