//! The course of closed buckets, judged by the costly tests: rhythm (spectral),
//! change point, drift, behaviour, alone, beside its peers and by its marks, and
//! level at all horizons. Owns what is a point of it, each test's calibration and
//! how far each is trusted; refuses to judge single events. Called by `close`, read
//! by `judge` and `explain`.

use std::f32::consts::LOG10_2;

use bytemuck::{Pod, Zeroable};
use via_types::Detector;

use crate::calibration::Tail;
use crate::detector::Finding;
use crate::detector::behaviour::{Fingerprint, Marks, Moved, Peers, Spans};
use crate::detector::changepoint::{Hazard, Runs};
use crate::detector::drift::{Caution, Window};
use crate::detector::horizons::Horizons;
use crate::detector::spectral::Rhythm;
use crate::judge::compressed;
use crate::math::{larger, rough_log2, rounded, smaller};
use crate::plan::Plan;

/// The tests, in the order of what is kept of each.
pub(crate) const TESTS: [Detector; 7] = [
    Detector::Spectral,
    Detector::ChangePoint,
    Detector::MultiScale,
    Detector::Behavioural,
    Detector::Drift,
    Detector::Behavioural,
    Detector::Behavioural,
];
/// Behaviour alone, beside its peers, and by its marks, of which the last two do
/// not judge every point.
const ALONE: usize = 3;
pub(crate) const BESIDE: usize = 5;
pub(crate) const MIX: usize = 6;
/// Points span at least 2^36 nanoseconds, about a minute: faster entities would
/// spend more on their courses than on their events.
pub(crate) const WIDTH: u32 = 36;
/// Points before any test is heard.
pub(crate) const YOUNG: u32 = 32;
/// Share of its detector's weight that a test has: they look at the same points.
const RELIANCE: f32 = 0.3;
/// So many times the mean evidence of all tests, nominally, is that of all.
const AGREED: f32 = 2.0;
/// How often a test may speak up before it is doubted, over so many points.
const OFTEN: f32 = 0.01;
const MEMORY: f32 = 1.0 / 256.0;
/// Evidence that counts as speaking up.
const SPOKEN: f32 = 3.0;
/// Evidence that is sure to have been told, whatever else is mixed in.
const TOLD: f32 = 5.0;
/// So many times rarer than one in all points seen a point may be at most.
const BELIEVED: f32 = 64.0;
/// Points of which one is noted by tests that look at many.
const SELDOM: u32 = 8;
/// How much of what was told still counts at the next point.
const FADE: f32 = 0.99;
/// Binary digits of 24 that what was said does without.
const SPARE: u32 = 8;
/// Points of the newer part from which on a drift has lasted.
const LASTING: u32 = 16;

/// The course of one entity.
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Course {
    /// The point being filled.
    sum: f64,
    start: i64,
    events: u32,
    points: u32,
    /// 1 when points are rates, since the value hardly ever moves.
    is_rate: u32,
    /// Mean time between points, seconds.
    apart: f32,
    said: [Said; TESTS.len()],
    /// How rare the newest point is by each test: one in so many.
    odds: [f32; TESTS.len()],
    doubt: [f32; TESTS.len()],
    wolf: [f32; TESTS.len()],
    /// How rare all tests together are, and the most evidence told, fading.
    together: f32,
    told: f32,
    tails: [Tail; TESTS.len()],
    joint: Tail,
    /// Which tests judged the newest point: a bit of each.
    heard: u32,
    horizons: Horizons,
    print: Fingerprint,
    window: Window,
    runs: Runs,
    rhythm: Rhythm,
}

/// What a test said of the newest point.
#[derive(Clone, Copy, Debug, Default, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Said {
    pub(crate) nominal: f32,
    /// In the unit of the points: the value, or the root of events per second.
    pub(crate) deviation: f32,
    pub(crate) expected: f32,
    /// Seconds since the change; the horizon, seconds; the number of the trait.
    pub(crate) about: f32,
}

/// A closed bucket, or several narrow ones.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Part {
    pub(crate) start: i64,
    pub(crate) end: i64,
    pub(crate) events: u32,
    /// Sum of the values without their seasonal part.
    pub(crate) sum: f64,
    /// The value hardly ever moves: how many come is all there is to see.
    pub(crate) is_flat: bool,
}

/// What the tests are told by configuration.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Manner {
    pub(crate) hazard: Hazard,
    pub(crate) spans: Spans,
    pub(crate) caution: Caution,
}

/// What became of a closed bucket.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Turn {
    /// A point was completed and judged.
    pub(crate) is_judged: bool,
    /// The level has changed for good.
    pub(crate) has_drifted: bool,
    /// What its peers learn of it.
    pub(crate) told: Option<Told>,
}

/// What the peers of an entity learn of its newest point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Told {
    pub(crate) moved: Moved,
    /// It is the first time.
    pub(crate) is_first: bool,
}

impl Said {
    fn of(finding: Finding, about: f32) -> Self {
        Self {
            nominal: rounded(finding.nominal, SPARE),
            deviation: rounded(finding.deviation as f32, SPARE),
            expected: rounded(finding.expected as f32, SPARE),
            about: rounded(about, SPARE),
        }
    }
}

/// Returns the evidence of odds of one in so many.
fn evidence(odds: f32) -> f32 {
    larger(rough_log2(odds) * LOG10_2, 0.0)
}

impl Course {
    /// Takes a closed bucket in; when it completes a point, judges and learns it.
    pub(crate) fn take(
        &mut self,
        part: Part,
        (plan, peers): (&Plan, &Peers),
        marks: Option<&mut Marks>,
    ) -> Turn {
        if self.events == 0 {
            self.start = part.start;
        }
        self.sum += part.sum;
        self.events = self.events.saturating_add(part.events);
        if part.start >> WIDTH == part.end >> WIDTH || self.events == 0 && !part.is_flat {
            return Turn::default();
        }
        let width = part.end.saturating_sub(self.start).max(1) as f64 * 1e-9;
        let events = f64::from(self.events);
        // What was learned of another quantity says nothing of this one.
        if part.is_flat != (self.is_rate == 1) {
            *self = Self { is_rate: u32::from(part.is_flat), ..Self::zeroed() };
        }
        let x = if part.is_flat { (events / width).sqrt() } else { self.sum / events };
        self.sum = 0.0;
        self.events = 0;
        self.points = self.points.saturating_add(1);
        let rate = 1.0 / smaller(self.points as f32, 64.0);
        self.apart += rate * (width as f32 - self.apart);
        let mix = marks.and_then(Marks::look);
        self.test((x, part.end), (plan, peers), mix)
    }

    /// Judges a point by every test and takes it in.
    fn test(
        &mut self,
        (x, at): (f64, i64),
        (plan, peers): (&Plan, &Peers),
        mix: Option<Finding>,
    ) -> Turn {
        let Manner { hazard, spans, caution } = plan.manner;
        let salience = self.rhythm.judge(x);
        let change = self.runs.judge(x, hazard);
        let scales = self.horizons.judge(x, at);
        let likeness = self.print.judge(x, spans);
        let drift = self.window.judge(x, caution);
        let was_ready = self.print.is_ready(spans);
        let beside = if was_ready { peers.judge(&likeness.z) } else { None };
        let silent = u32::from(beside.is_none()) << BESIDE | u32::from(mix.is_none()) << MIX;
        self.heard = ((1 << TESTS.len()) - 1) & !silent;
        let since = change.since.saturating_sub(1) as f32 * self.apart;
        self.said = [
            Said::of(salience.finding, 0.0),
            Said::of(change.finding, since),
            Said::of(scales.finding, scales.horizon_secs),
            Said::of(likeness.finding, likeness.about as u32 as f32),
            Said::of(drift.finding, 0.0),
            beside.map_or_else(Said::default, |beside| {
                Said::of(self.print.compared(&likeness, &beside), beside.about as f32)
            }),
            mix.map_or_else(Said::default, |mix| Said::of(mix, 0.0)),
        ];
        for (test, detector) in TESTS.into_iter().enumerate() {
            if !self.is_heard(test) {
                self.odds[test] = 1.0;
                continue;
            }
            let nominal = compressed(self.said[test].nominal);
            let odds = smaller(self.tails[test].odds(nominal), BELIEVED * self.points as f32);
            self.odds[test] = odds;
            if detector == Detector::Spectral || self.is_noted() {
                self.tails[test].note(nominal, 1);
            }
            let has_spoken = self.points > YOUNG && evidence(odds) >= SPOKEN;
            let wolf = &mut self.wolf[test];
            *wolf += MEMORY * (f32::from(u8::from(has_spoken)) - *wolf);
            self.doubt[test] = if *wolf <= OFTEN { 0.0 } else { (1.0 - OFTEN / *wolf).min(0.8) };
        }
        self.join(plan);
        self.rhythm.learn(x, &salience);
        self.runs.learn(x, hazard);
        self.horizons.learn(x, at);
        self.print.learn(x, spans);
        let cut = self.window.learn(x, caution);
        let is_first = !was_ready && self.print.is_ready(spans);
        Turn {
            is_judged: self.points > YOUNG,
            has_drifted: cut.is_some_and(|cut| cut.widths[1] >= LASTING),
            told: (was_ready || is_first).then_some(Told { moved: likeness.z, is_first }),
        }
    }

    /// Takes a change that was told and has lasted for normal.
    pub(crate) fn adopt(&mut self) {
        self.horizons.adopt();
        self.print.adopt();
    }

    /// Says whether this point is noted by tests that look at many: neighbours say
    /// the same again, and a slow rise must not teach its own rarity away.
    fn is_noted(&self) -> bool {
        self.points.is_multiple_of(SELDOM)
    }

    /// Makes one evidence of what all tests say: their mean, rare or not among its
    /// own past, since they look at the same points and agree more than chance.
    fn join(&mut self, plan: &Plan) {
        let (mut sum, mut whole) = (0.0, 0.0);
        for test in 0..TESTS.len() {
            let weight = self.weight(test, plan);
            sum += weight * evidence(self.odds[test]);
            whole += weight;
        }
        let mean = if whole > 0.0 { AGREED * sum / whole } else { 0.0 };
        // A lasting change goes on being seen: what was told is not news.
        let nominal = compressed(larger(mean - self.told, 0.0));
        self.together = smaller(self.joint.odds(nominal), BELIEVED * self.points as f32);
        if self.is_noted() {
            self.joint.note(nominal, 1);
        }
        self.told *= FADE;
        if self.points > YOUNG && evidence(self.together) >= TOLD {
            self.told = larger(mean, self.told);
        }
    }

    /// Says whether a test judged the newest point.
    fn is_heard(&self, test: usize) -> bool {
        self.heard >> test & 1 == 1
    }

    /// Returns how much of its detector's weight a test has. Behaviour beside its
    /// peers and alone have half each: what all do together says less. Where the mix
    /// of marks says more than these, it speaks for the detector.
    fn share(&self, test: usize) -> f32 {
        let half = if self.is_heard(BESIDE) { 0.5 } else { 1.0 };
        let says = |test: usize| self.trust(test) * evidence(self.odds[test]);
        let is_mix = || {
            let others = half * says(ALONE) + (1.0 - half) * says(BESIDE);
            self.is_heard(MIX) && says(MIX) > others
        };
        match test {
            ALONE if !is_mix() => half,
            BESIDE if !is_mix() => 1.0 - half,
            MIX if is_mix() => 1.0,
            ALONE | BESIDE | MIX => 0.0,
            _ => 1.0,
        }
    }

    /// Returns the weight of a test.
    fn weight(&self, test: usize, plan: &Plan) -> f32 {
        self.share(test) * plan.weights[TESTS[test] as usize] * self.trust(test)
    }

    /// Returns the odds and the weight of all tests together.
    pub(crate) fn weighed(&self, plan: &Plan) -> (f32, f32) {
        let whole: f32 = (0..TESTS.len()).map(|test| self.weight(test, plan)).sum();
        if whole > 0.0 { (self.together, RELIANCE * whole) } else { (1.0, 0.0) }
    }

    /// Returns each test's share of what they say together; the shares sum to 1.
    /// The mean is a sum of terms, so these are its Shapley values.
    pub(crate) fn shares(&self, plan: &Plan) -> [f64; TESTS.len()] {
        let mut shares = [0.0; TESTS.len()];
        for (test, share) in shares.iter_mut().enumerate() {
            *share = f64::from(self.weight(test, plan) * evidence(self.odds[test]));
        }
        let whole: f64 = shares.iter().sum();
        if whole > 0.0 {
            return shares.map(|share| share / whole);
        }
        [1.0 / TESTS.len() as f64; TESTS.len()]
    }

    /// Returns the test that says most.
    pub(crate) fn leading(&self, plan: &Plan) -> usize {
        let shares = self.shares(plan);
        (1..TESTS.len()).fold(0, |best, test| if shares[test] > shares[best] { test } else { best })
    }

    /// Returns what a test said of the newest point, and how rare that is.
    pub(crate) fn said(&self, test: usize) -> (Said, f32) {
        (self.said[test], self.odds[test])
    }

    /// Returns how much a test is trusted, of 1.
    pub(crate) fn trust(&self, test: usize) -> f32 {
        1.0 - self.doubt[test]
    }

    /// Says whether points are rates, in roots of events per second.
    pub(crate) fn is_rate(&self) -> bool {
        self.is_rate == 1
    }

    /// Returns how many points were judged, and how many are needed.
    pub(crate) fn warmup(&self) -> (u32, u32) {
        (self.points, YOUNG)
    }
}

#[cfg(test)]
mod tests {
    use via_types::{Revision, StreamConfig};

    use super::*;
    use crate::noise::normals;

    const FLEET: usize = 24;
    const BEFORE: usize = 700;
    const AFTER: usize = 48;

    /// The most that was said of one after something changed: by the comparison
    /// with its peers, and by all tests together.
    #[derive(Clone, Copy, Debug, Default)]
    struct Most {
        beside: f32,
        together: f32,
    }

    /// Feeds the courses of a fleet, each at a level of its own, the last far from
    /// all others, then `change` standard deviations higher.
    fn fleet(seed: u64, change: impl Fn(usize) -> f64) -> Vec<Most> {
        let plan = Plan::of(Revision::default(), &StreamConfig::default());
        let (mut peers, mut normal) = (Peers::default(), normals(seed));
        let mut courses = vec![Course::zeroed(); FLEET];
        let mut most = vec![Most::default(); FLEET];
        for point in 0..BEFORE + AFTER {
            for (who, course) in courses.iter_mut().enumerate() {
                let level = if who + 1 == FLEET { 1e6 } else { (who + 1) as f64 };
                let change = if point < BEFORE { 0.0 } else { change(who) };
                let sum = level * (100.0 + normal() + change);
                let start = (point as i64) << WIDTH;
                let end = start + (1 << WIDTH);
                let turn = course.take(
                    Part { start, end, events: 1, sum, is_flat: false },
                    (&plan, &peers),
                    None,
                );
                if let Some(told) = turn.told {
                    if told.is_first {
                        peers.welcome();
                    }
                    peers.learn(&told.moved);
                }
                if point >= BEFORE {
                    let most = &mut most[who];
                    most.beside = larger(most.beside, evidence(course.said(BESIDE).1));
                    most.together = larger(most.together, evidence(course.weighed(&plan).0));
                }
                let shares = course.shares(&plan);
                assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-9);
            }
        }
        most
    }

    fn mean(of: &[Most], what: impl Fn(&Most) -> f32) -> f32 {
        of.iter().map(what).sum::<f32>() / of.len() as f32
    }

    #[test]
    fn a_move_of_one_alone_says_more_than_a_move_of_all() {
        const MOVED: usize = 3;
        for seed in 1..=3 {
            let still = fleet(seed, |_| 0.0);
            let alone = fleet(seed, |who| if who == MOVED { 1.5 } else { 0.0 });
            let all = fleet(seed, |_| 1.5);
            // The same noise, the same move.
            assert!(alone[MOVED].beside > all[MOVED].beside + 1.0, "{alone:?} {all:?}");
            assert!(alone[MOVED].together > all[MOVED].together, "{alone:?} {all:?}");
            assert!(mean(&all, |most| most.beside) < mean(&still, |most| most.beside) + 1.0);
            assert!(still[FLEET - 1].beside < 2.5, "it always was apart");
        }
    }

    #[test]
    fn who_stays_when_all_others_move_is_seen() {
        let behind = fleet(4, |who| if who == 3 { 0.0 } else { 3.0 });
        let still = fleet(4, |_| 0.0);
        assert!(behind[3].beside > still[3].beside + 1.0, "{:?} {:?}", behind[3], still[3]);
    }
}
