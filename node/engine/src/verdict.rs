//! What is said aloud: detections that open, grow and end, and the verdicts of
//! events whose scores were asked for. Owns the decision; refuses to judge.
//! Called by `execute` and `tick`. Invariants E-2, D-4 (ids are positional).

use via_types::config::Explain;
use via_types::detection::Change;
use via_types::{DetectionId, Scored};

use crate::Outcome;
use crate::engine::Engine;
use crate::ensemble::{quick_score, quiet_score};
use crate::episode::{self, adopt_if_lasting};
use crate::execute::Work;
use crate::explain::{Case, contributions, expected, reason, strongest};
use crate::judge::{Judgement, Sample};
use crate::math::larger;
use crate::plan::Plan;
use crate::profile::{Cold, FEATURES, Feature, Hot, OPEN, Profile};

/// A judged event about which something may have to be said.
pub(crate) struct Speaking<'a> {
    pub(crate) sample: &'a Sample<'a>,
    pub(crate) verdict: &'a Judgement,
    pub(crate) limit: f32,
    pub(crate) fired: bool,
    pub(crate) warming: bool,
}

/// Says whether an event is at or above the stream's threshold, or a detector's
/// own.
#[inline]
pub(crate) fn is_over(
    hot: &Hot,
    cold: &mut Cold,
    plan: &Plan,
    verdict: &Judgement,
    limit: f32,
) -> bool {
    let over = verdict.evidence >= limit;
    if plan.has_own { over | is_over_own(hot, cold, plan, verdict) } else { over }
}

/// Says whether a detector's own threshold is reached.
fn is_over_own(hot: &Hot, cold: &mut Cold, plan: &Plan, verdict: &Judgement) -> bool {
    let mut over = false;
    // What labels say counts for single detectors, too.
    let labelled = match verdict.unlabelled {
        whole if whole > 0.0 => verdict.evidence / whole,
        _ => 1.0,
    };
    let rules = cold.rules();
    for (number, threshold) in plan.own.iter().enumerate() {
        let Some(threshold) = threshold else { continue };
        let mut evidence = 0.0f32;
        for feature in 0..FEATURES {
            let speaks = verdict.weights[feature] > 0.0;
            if speaks && Feature::ALL[feature].detector() as usize == number {
                evidence = evidence.max(verdict.calibrated(Feature::ALL[feature]));
            }
        }
        let evidence = evidence * threshold.sensitivity as f32 * labelled;
        let rule = &mut rules[number];
        if evidence >= rule.limit(threshold, hot.gaps.mean) {
            over = true;
            rule.pay();
        }
        rule.learn(threshold, evidence, verdict.gap.unwrap_or(0.0));
    }
    over
}

impl Engine {
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
                    cold.rule().pay();
                }
                hot.flags |= OPEN;
            }
            return speaking.fired;
        };
        let (evidence, at) = (speaking.verdict.evidence, speaking.sample.at);
        let mut is_told = false;
        if speaking.fired {
            is_told = episode.grow(&self.case(plan, slot, speaking));
            if is_told {
                out.changes.push(episode.told());
            }
        } else {
            let gap = self.places.get(slot).hot.gaps.mean;
            if episode.rest(evidence, speaking.limit, at, gap) {
                out.changes.push(episode.end());
                self.places.get_mut(slot).hot.flags &= !OPEN;
                return false;
            }
        }
        self.places.get_mut(slot).cold.episode = Some(episode);
        if speaking.fired {
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
        Scored {
            row: row as u32,
            score: f64::from(score),
            warming: speaking.warming,
            expected: if explains { expected(&case, strongest(case.verdict)) } else { None },
            contributions: if explains { contributions(&case) } else { Vec::new() },
            reason: if speaking.fired { reason(&case) } else { String::new() },
            detection: episode.map(|episode| episode.detection.id),
        }
    }
}
