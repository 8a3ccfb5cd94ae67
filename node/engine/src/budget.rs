//! What alerts a stream's entities were allowed and what they cost, so that a
//! budget is kept by the alerts there were and not only by what p-values promise.
//! Owns the correction of rarities and the pace of the stream; refuses to know
//! what is detected. One per threshold of each stream of a shard.
//!
//! Sources: even spending as LORD has it while nothing is rejected, with a memory
//! that fades (Ramdas, Yang, Wainwright, Jordan, NeurIPS 2017, sections 3 and 5;
//! Rebjock, Kurt, Januschowski, Callot, NeurIPS 2021, for series in which
//! rejections are rare); the level itself follows the alerts by stochastic
//! approximation (Robbins and Monro 1951; as adaptive conformal inference does:
//! Gibbs and Candes, NeurIPS 2021; Angelopoulos, Candes, Tibshirani, NeurIPS 2023),
//! which keeps the rate whatever the dependence of the evidence. Alerts come in
//! crowds when something is wrong: crowds count less (Huber 1964).

use std::f32::consts::LOG10_2;

use bytemuck::{Pod, Zeroable};
use via_types::Detector;
use via_types::config::{Method, Threshold};

use crate::math::{larger, log10, rough_exp2, rough_log2, smaller, within};

/// A day, seconds.
pub(crate) const DAY: f64 = 86_400.0;
/// Rarities at which corrections are kept, half a decade apart.
const KNOTS: usize = 19;
const STEPS: f32 = 2.0;
/// Decades by which one more alert than allowed raises what is asked, while few
/// are known, times their number: the step that estimates the logarithm of a
/// rate best, one over the natural logarithm of ten.
const STEP: f32 = 0.434;
/// Alerts from which on the step stays as it is: the memory, in alerts.
const MEMORY: f32 = 8.0;
/// The largest step, and how far corrections may go, decades.
const LEAP: f32 = 0.25;
const LEAST: f32 = -2.0;
const MOST: f32 = 12.0;
/// Alerts among the last allowed [`RECENT`] from which on more count less.
const CROWD: f32 = 8.0;
const RECENT: f32 = 4.0;
/// Parts of an alert that are worth counting: less is lost in what they add to.
pub(crate) const GRAIN: f32 = 1.0 / 32.0;
/// Over how much time the stream's pace is averaged, and the most that passes
/// between two events, seconds.
const PACE: f64 = 86_400.0;

/// Levels of evidence whose events are counted, a quarter of a decade apart.
const LEVELS: usize = 64;
const PER_DECADE: f32 = 4.0;
/// Counts are halved when they hold so many events as rare as the rarest asked
/// for, between these numbers of events in all.
const HELD: f32 = 100.0;
const FULL: (f32, f32) = (2e4, 8e6);
/// How much the rarest asked for comes down at each event that asks for less.
const FORGET: f32 = 1e-5;
/// Events the nominal tail is worth.
const PRIOR: f32 = 64.0;
/// Events at or above a level that make it believable.
const ENOUGH: f32 = 4.0;
/// Evidence that a decade of rarity takes beyond what was seen.
const SLOPES: (f32, f32) = (1.0, 3.0);
/// How much steeper it is taken to be than it was.
const CAUTION: f32 = 1.25;
/// Rarities are looked up anew once in so many events.
const SELDOM: u32 = 64;

/// What one budget of a stream has seen.
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Ledger {
    /// Events by evidence, while no detection was open.
    counts: [f32; LEVELS],
    /// Mean evidence beyond [`HIGH`] of events that reach it, whoever the entity.
    excess: f32,
    total: f32,
    turn: u32,
    /// The rarest that is asked for.
    deepest: f32,
    /// Evidence as rare as each knot, as counted.
    counted: [f32; KNOTS],
    /// Evidence asked beyond that, at each knot.
    beyond: [f32; KNOTS],
    /// Alerts that each of these is known from.
    known: [f32; KNOTS],
    /// Alerts allowed that are too few to count yet.
    owed: [f32; KNOTS],
    /// Alerts lately, fading by those allowed.
    lately: f32,
    padding: f32,
    /// Events of the stream and the time they took, seconds, fading.
    events: f64,
    secs: f64,
    /// Newest event time.
    newest: i64,
}

/// The ledgers of a stream: of the thresholds that single detectors have of their
/// own, then the stream's.
pub(crate) type Ledgers = [Ledger; Detector::ALL.len() + 1];

/// The ledger of a budget that has seen nothing.
pub(crate) const EMPTY: Ledger = Ledger {
    counts: [0.0; LEVELS],
    excess: STEP,
    total: 0.0,
    turn: 0,
    deepest: 0.0,
    counted: {
        let mut counted = [0.0; KNOTS];
        let mut knot = 0;
        while knot < KNOTS {
            counted[knot] = knot as f32 / STEPS;
            knot += 1;
        }
        counted
    },
    beyond: [0.0; KNOTS],
    known: [0.0; KNOTS],
    owed: [0.0; KNOTS],
    lately: 0.0,
    padding: 0.0,
    events: 0.0,
    secs: 0.0,
    newest: 0,
};

/// Evidence from which on it is known how an entity's tail goes on, and the most
/// beyond it that one event teaches.
const HIGH: f32 = 1.0;
const FARTHEST: f32 = 6.0;
/// Events beyond it that an entity remembers, and how many of its own weigh as
/// much as its stream's.
const REMEMBERED: f32 = 128.0;
const STREAMS_OWN: f32 = 4.0;
/// How much longer than those of its stream an entity's tail may be.
const STRETCHES: (f32, f32) = (0.4, 6.0);
/// Memory of the stream's mean, events beyond [`HIGH`].
const LONG: f32 = 1.0 / 4096.0;

/// How far an entity's evidence goes beyond [`HIGH`]: peaks over a threshold with
/// an exponential tail (Siffer et al., KDD 2017), drawn to its stream's as far as
/// it has few.
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Peaks {
    mean: f32,
    count: f32,
}

impl Peaks {
    /// Returns how much longer the entity's tail is than its stream's.
    pub(crate) fn stretch(&self, ledger: &Ledger) -> f32 {
        let usual = larger(ledger.excess, 0.1);
        let own = (self.count * self.mean + STREAMS_OWN * usual) / (self.count + STREAMS_OWN);
        within(own / usual, STRETCHES.0, STRETCHES.1)
    }

    /// Takes an event's evidence in.
    pub(crate) fn learn(&mut self, evidence: f32) {
        if evidence > HIGH {
            self.count = smaller(self.count + 1.0, REMEMBERED);
            self.mean += (smaller(evidence - HIGH, FARTHEST) - self.mean) / self.count;
        }
    }
}

/// Returns evidence with a tail so many times as long.
pub(crate) fn stretched(evidence: f32, stretch: f32) -> f32 {
    if evidence > HIGH { HIGH + (evidence - HIGH) * stretch } else { evidence }
}

/// What a budget allows for one event.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Earned {
    /// Decades of rarity.
    pub(crate) asked: f32,
    /// Part of an alert that its entity may have for it.
    pub(crate) alerts: f32,
}

impl Earned {
    /// Returns what is allowed for an event as rare as `asked`, `elapsed` seconds
    /// after the one before.
    pub(crate) fn of(threshold: &Threshold, asked: f32, elapsed: f32) -> Self {
        let alerts = match threshold.method {
            Method::Budget(alerts) => {
                (alerts * f64::from(within(elapsed, 0.0, DAY as f32)) / DAY) as f32
            }
            Method::StreamBudget(_) => rough_exp2(-asked / LOG10_2),
            Method::EwmaSigma(_) | Method::Percentile(_) | Method::Mad(_) | Method::Ensemble(_) => {
                0.0
            }
        };
        Self { asked, alerts }
    }
}

/// Says whether a threshold keeps a budget.
pub(crate) fn is_kept(threshold: &Threshold) -> bool {
    matches!(threshold.method, Method::Budget(_) | Method::StreamBudget(_))
}

impl Ledger {
    /// Returns how rare, in decades, a detection may be at one event so that all
    /// together keep the budget; `gap` is the entity's mean time between events,
    /// seconds, `share` what of the stream's budget is this shard's.
    pub(crate) fn asked(&self, threshold: &Threshold, gap: f32, share: f64) -> f32 {
        let odds = match threshold.method {
            Method::Budget(alerts) => per_day(gap) / alerts.clamp(1e-6, 1e6),
            Method::StreamBudget(alerts) => {
                let pace = larger(self.events, 1.0) / larger(self.secs, 1.0);
                pace * DAY / (alerts * share).clamp(1e-9, 1e6)
            }
            Method::EwmaSigma(_) | Method::Percentile(_) | Method::Mad(_) | Method::Ensemble(_) => {
                return 0.0;
            }
        };
        log10(larger(odds, 1.0)) as f32
    }

    /// Returns the evidence that is as rare as asked.
    pub(crate) fn needed(&self, asked: f32) -> f32 {
        let (knot, part) = place(asked);
        let at = |knot: usize| self.counted[knot] + self.beyond[knot];
        let haste = rough_log2(larger(self.lately / RECENT, 1.0)) * LOG10_2;
        at(knot) + part * (at(knot + 1) - at(knot)) + haste
    }

    /// Notes the evidence of an event that might have opened a detection.
    pub(crate) fn note(&mut self, asked: f32, evidence: f32, stretch: f32) {
        if evidence > HIGH {
            self.excess += LONG * (smaller(evidence - HIGH, FARTHEST) - self.excess);
        }
        let evidence = stretched(evidence, 1.0 / stretch);
        let level = (evidence * PER_DECADE) as usize;
        self.counts[level.min(LEVELS - 1)] += 1.0;
        self.total += 1.0;
        self.turn = self.turn.wrapping_add(1);
        self.deepest = larger(asked, self.deepest - FORGET);
        if self.total >= within(HELD * rough_exp2(self.deepest / LOG10_2), FULL.0, FULL.1) {
            self.total *= 0.5;
            self.counts = self.counts.map(|count| count * 0.5);
        }
        if self.turn.is_multiple_of(SELDOM) {
            self.look_up();
        }
    }

    /// Finds the evidence as rare as each knot: where counts say, and beyond
    /// that by the slope of the last decade known.
    fn look_up(&mut self) {
        // Evidence of a rarity, each level's in turn, from the rarest on.
        let whole = self.total + PRIOR;
        let mut above = 0.0;
        let mut rarities = [0.0f32; LEVELS];
        let mut last = 0;
        for level in (0..LEVELS).rev() {
            above += self.counts[level];
            if last == 0 && above >= ENOUGH {
                last = level;
            }
            let nominal = PRIOR * rough_exp2(-(level as f32) / (PER_DECADE * LOG10_2));
            rarities[level] = rough_log2(whole / (above + nominal)) * LOG10_2;
        }
        let evidence = |level: usize| level as f32 / PER_DECADE;
        let before = (0..last).rev().find(|level| rarities[*level] <= rarities[last] - 1.0);
        let slope = before.map_or(CAUTION, |before| {
            let run = evidence(last) - evidence(before);
            within(CAUTION * run / (rarities[last] - rarities[before]), SLOPES.0, SLOPES.1)
        });
        let mut level = 0;
        for (knot, counted) in self.counted.iter_mut().enumerate() {
            let rarity = knot as f32 / STEPS;
            while level < last && rarities[level + 1] < rarity {
                level += 1;
            }
            let found = if level < last {
                let run = larger(rarities[level + 1] - rarities[level], 1e-3);
                evidence(level) + (rarity - rarities[level]) / (run * PER_DECADE)
            } else {
                evidence(last) + (rarity - rarities[last]) * slope
            };
            // What is wrong with a stream must not hide behind how often it is.
            *counted = within(found, 0.0, 2.0 * rarity + 2.0);
        }
    }

    /// Counts an event at `at`, nanoseconds; returns the time it adds to the
    /// stream's, seconds.
    fn count(&mut self, at: i64) -> f64 {
        let passed = at.saturating_sub(self.newest) as f64 * 1e-9;
        // One event of a wrong time must not stop the clock for long.
        let begins = self.newest == 0 || passed < -PACE;
        let passed = if begins { 0.0 } else { within(passed, 0.0, PACE) };
        self.newest = if begins { at } else { larger(self.newest, at) };
        self.events += 1.0;
        self.secs += passed;
        if self.secs > 2.0 * PACE || self.events > 1e7 {
            self.events *= 0.5;
            self.secs *= 0.5;
        }
        passed
    }

    /// Takes in what an event at `at`, nanoseconds, adds to what is allowed.
    pub(crate) fn earn(&mut self, (threshold, share): (&Threshold, f64), at: i64, earned: Earned) {
        let passed = self.count(at);
        let alerts = if let Method::StreamBudget(alerts) = threshold.method {
            (alerts * share * passed / DAY) as f32
        } else {
            earned.alerts
        };
        self.allow(earned.asked, alerts);
    }

    /// Takes in that so many alerts as rare as `asked` were allowed.
    fn allow(&mut self, asked: f32, alerts: f32) {
        let (knot, part) = place(asked);
        for (knot, part) in [(knot, 1.0 - part), (knot + 1, part)] {
            self.owed[knot] += part * alerts;
            if self.owed[knot] >= GRAIN {
                let alerts = std::mem::take(&mut self.owed[knot]);
                self.lately -= self.lately * smaller(alerts / RECENT, 1.0);
                self.turn(knot, -alerts);
            }
        }
    }

    /// Takes in that there was one.
    pub(crate) fn pay(&mut self, asked: f32) {
        self.lately += 1.0;
        let (knot, part) = place(asked);
        let is_young = self.known[knot] < MEMORY;
        let weight = if is_young { 1.0 } else { smaller(CROWD / self.lately, 1.0) };
        self.turn(knot, weight * (1.0 - part));
        self.turn(knot + 1, weight * part);
        self.known[knot] = smaller(self.known[knot] + 1.0 - part, MEMORY);
        self.known[knot + 1] = smaller(self.known[knot + 1] + part, MEMORY);
        self.lend(knot);
    }

    fn turn(&mut self, knot: usize, alerts: f32) {
        let step = smaller(STEP / larger(self.known[knot], 1.0), LEAP);
        self.beyond[knot] = within(self.beyond[knot] + step * alerts, LEAST, MOST);
    }

    /// Takes for rarities of which nothing is known what is known of the nearest.
    fn lend(&mut self, knot: usize) {
        for next in knot + 2..KNOTS {
            if self.known[next] >= 1.0 {
                break;
            }
            self.beyond[next] = self.beyond[next - 1];
        }
        for next in (0..knot).rev() {
            if self.known[next] >= 1.0 {
                break;
            }
            self.beyond[next] = self.beyond[next + 1];
        }
    }
}

/// Returns how many events an entity has a day.
fn per_day(gap: f32) -> f64 {
    DAY / within(f64::from(gap), 1e-6, DAY * 365.0)
}

/// Returns the knot at or below a rarity, and how far it is to the next.
fn place(asked: f32) -> (usize, f32) {
    let at = within(asked * STEPS, 0.0, KNOTS as f32 - 1.001);
    let knot = at as usize;
    (knot, at - knot as f32)
}

#[cfg(test)]
mod schemes;
