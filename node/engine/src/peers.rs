//! What is usual in a stream, whoever the entity: how its values are spread, how
//! far entities stray from their own levels, and how often each statistic says how
//! much. Owns what a young entity is judged by until it has a past of its own;
//! refuses to know which entity it was. One for each stream of a shard; called by
//! `judge` for what was measured and by `event` to learn.
//!
//! An entity's level is drawn to the stream's as far as entities are alike: by the
//! ratio of the variance within to that between them (James and Stein's shrinkage
//! as empirical Bayes: Efron and Morris, J. Am. Stat. Assoc. 68, 1973), but no further
//! than its standard error (limited translation: ibid. 67, 1972), its variance
//! to the one usual at its level (a variance function: Carroll and Ruppert,
//! Transformation and Weighting in Regression, 1988, ch. 3).

use std::f32::consts::LOG10_2;

use bytemuck::{Pod, Zeroable};
use via_types::feedback::{Lesson, Taught};
use via_types::{EntityHash, LogIndex};

use crate::budget::{EMPTY, Ledger, Ledgers};
use crate::calibration::{MOST, Tail};
use crate::detector::behaviour;
use crate::judge::{Closing, Judgement, Sample};
use crate::math::{larger, rough_evidence, rough_exp2, within};
use crate::meta::Meta;
use crate::newcomer::Arrivals;
use crate::plan::Plan;
use crate::profile::{FEATURES, Feature, Hot, STREAMS};

/// Entities that make a stream's habits more than those of one of them.
const ENTITIES: u32 = 8;
/// Events after which its habits are known.
const KNOWN: f32 = 512.0;
/// Events after which one in so many teaches for all.
const SETTLED: f32 = 8192.0;
const SELDOM: u16 = 8;
/// Events of its own from which on an entity is judged by its past alone.
const ADULT: u64 = 1024;
/// How many times the evidence within its entity a value has by its stream at
/// most: one that is odd among its peers is not an anomaly for being itself.
const BEYOND: f32 = 2.0;
/// Odds that are worth tempering.
const UNUSUAL: f32 = 4.0;
/// Events of its own that weigh as much as all of the stream's.
const YOUTH: f32 = 64.0;
/// Values that the variance usual at a level is worth.
const SCALE: f64 = 16.0;
/// Events that the moments average over.
const MEMORY: f32 = 16_384.0;
/// Deviations beyond so many standard deviations teach no more than that.
const CLIP: f64 = 2.0;
/// Deviations from all values beyond which one is worth a look.
const STRIKING: f64 = 5.0;
/// Events of an entity from which on it tells how far entities stray.
const GROWN: f32 = 4.0;
/// Events until which an entity's own scale is not yet one to clip by.
const CHILDHOOD: f32 = 64.0;

/// The habits of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Peers {
    /// Of all values.
    mean: f64,
    variance: f64,
    /// Of values around their entity's level, and of those levels.
    spread: f64,
    between: f64,
    /// Moments of squared levels and squared deviations from them.
    squares: [f64; 4],
    /// How often all values were how far from the mean, and from their entity's.
    far: Tail,
    astray: Tail,
    tails: [Tail; FEATURES],
    events: f32,
    grown: f32,
    pub(crate) entities: u32,
    turn: u32,
    /// Places that forests of its entities take.
    pub(crate) forests: u32,
    pub(crate) arrivals: Arrivals,
}

/// The habits of a stream with where they stand in the log and on disk.
#[derive(Clone, Debug, Default)]
pub(crate) struct Habits {
    pub(crate) peers: Peers,
    /// What courses of its entities do at the same time.
    pub(crate) beside: behaviour::Peers,
    /// What people said of its detections.
    pub(crate) meta: Meta,
    /// Replay skips entries up to this log index.
    pub(crate) skip: u64,
    /// Changed since their last export.
    pub(crate) is_changed: bool,
    /// The running checkpoint round still has to export them.
    pub(crate) is_due: bool,
    /// The store was asked for them.
    pub(crate) is_asked: bool,
    /// What the stream's budgets have seen, where it has any.
    pub(crate) ledgers: Option<Box<Ledgers>>,
    /// The entry in execution is contained already.
    pub(crate) is_past: bool,
}

/// Under which entity the habits of a stream rest: no key has this hash.
pub(crate) const EVERYBODY: EntityHash = EntityHash::from_parts(u64::MAX, u64::MAX);

/// How a value looks beside those of the stream, in standard deviations.
#[derive(Clone, Copy, Debug)]
struct Beside {
    far: f64,
    astray: f64,
    scale: f64,
    level: f64,
}

impl Default for Peers {
    fn default() -> Self {
        Self::zeroed()
    }
}

fn floor(size: f64) -> f64 {
    size * size * 1e-18 + 1e-72
}

impl Habits {
    /// Takes in what an event of the entry `at` said that stands for so many of
    /// its kind, unless what was restored contains it (invariant D-2).
    #[inline(never)]
    pub(crate) fn learn(
        &mut self,
        at: LogIndex,
        hot: &Hot,
        sample: &Sample<'_>,
        (verdict, times): (&Judgement, u16),
    ) {
        if at.get() <= self.skip {
            return;
        }
        self.is_changed = true;
        let peers = &mut self.peers;
        peers.turn = peers.turn.wrapping_add(1);
        if hot.events == 0 {
            peers.entities = peers.entities.saturating_add(1);
            peers.arrivals.meet(peers.events);
        }
        let one_in = if peers.events >= SETTLED { SELDOM } else { 1 };
        if peers.turn.is_multiple_of(u32::from(one_in)) {
            peers.learn(hot, sample, verdict, times * one_in);
        }
    }
}

impl Habits {
    /// Learns what closed buckets of an entity told of its course, unless what was
    /// restored contains it (invariant D-2).
    #[inline(always)]
    pub(crate) fn meet(&mut self, closing: &Closing) {
        let Some(told) = closing.told.filter(|_| !self.is_past) else { return };
        self.is_changed = true;
        if told.is_first {
            self.beside.welcome();
        }
        self.beside.learn(&told.moved);
    }

    /// Learns what a label of the entry `at` teaches, unless what was restored
    /// contains it (invariant D-2); says what it changed.
    pub(crate) fn be_taught(&mut self, at: LogIndex, lesson: &Lesson, plan: &Plan) -> Taught {
        if at.get() <= self.skip {
            return self.meta.clone().be_taught(lesson, plan);
        }
        self.is_changed = true;
        self.meta.be_taught(lesson, plan)
    }

    /// Returns what the budget of a threshold has seen.
    pub(crate) fn ledger(&self, number: usize) -> &Ledger {
        self.ledgers.as_ref().map_or(&EMPTY, |ledgers| &ledgers[number])
    }

    /// Returns it to be changed; none when what is executed changed it before.
    pub(crate) fn ledger_mut(&mut self, number: usize) -> Option<&mut Ledger> {
        if self.is_past {
            return None;
        }
        self.is_changed = true;
        let ledgers = self.ledgers.get_or_insert_with(|| Box::new([EMPTY; STREAMS + 1]));
        Some(&mut ledgers[number])
    }
}

impl Peers {
    /// Returns of how many events there is something to go by, if there is.
    pub(crate) fn known_events(&self) -> Option<f32> {
        self.is_known().then_some(self.events)
    }

    /// Says whether there is anything to go by.
    #[inline(always)]
    fn is_known(&self) -> bool {
        self.entities >= ENTITIES && self.events >= KNOWN
    }

    /// Says whether an entity is judged by these habits, too.
    #[inline(always)]
    pub(crate) fn concern(&self, hot: &Hot) -> bool {
        hot.events < ADULT && self.is_known()
    }

    /// Says whether a value is worth a look, however common it is for its entity.
    #[inline(always)]
    pub(crate) fn is_striking(&self, hot: &Hot, x: f64) -> bool {
        let off = x - self.mean;
        off * off > STRIKING * STRIKING * self.variance && self.concern(hot)
    }

    /// Returns the variance usual around a level.
    fn usual(&self, level: f64) -> f64 {
        let [mean, square, deviation, product] = self.squares;
        let slope = product - mean * deviation;
        let width = square - mean * mean;
        let whole = self.spread.max(floor(self.mean));
        if width <= 1e-9 * square {
            return whole;
        }
        let slope = (slope / width).max(0.0);
        // Not further than levels are known to go.
        let reach = CLIP * width.sqrt();
        (deviation + slope * within(level * level - mean, -reach, reach)).max(0.05 * whole)
    }

    fn measure(&self, hot: &Hot, x: f64) -> Beside {
        let count = f64::from(hot.level.count);
        let alike = within(self.spread / self.between.max(1e-4 * self.spread + 1e-72), 0.5, 1e4);
        let own = hot.level.mean + hot.offset;
        let drawn = (count * own + alike * self.mean) / (count + alike);
        let deviation = hot.level.deviation();
        let reach = deviation.max(self.spread.sqrt()) / count.max(1.0).sqrt();
        let level = if count < 2.0 { drawn } else { within(drawn, own - reach, own + reach) };
        let usual = self.usual(level);
        let variance = (count * deviation * deviation + SCALE * usual) / (count + SCALE);
        let scale = (variance * (1.0 + 1.0 / (count + alike))).sqrt();
        let whole = self.variance.max(floor(self.mean)).sqrt();
        Beside {
            far: (x - self.mean).abs() / whole,
            astray: (x - level).abs() / scale,
            scale,
            level,
        }
    }

    /// Returns the evidence of a value beside those of the stream: how far it is
    /// from its entity's level, and the less is known of that, from all others.
    fn evidence(&self, hot: &Hot, x: f64) -> f32 {
        let beside = self.measure(hot, x);
        let of = |tail: &Tail, z: f64| tail.read(nominal(z));
        let (far, astray) = (of(&self.far, beside.far), of(&self.astray, beside.astray));
        let past = past(hot.level.count);
        larger(astray, (1.0 - past) * far.min(BEYOND * astray) + past * astray)
    }

    /// Returns what a value may teach a young entity.
    pub(crate) fn bound(&self, hot: &Hot, x: f64) -> f64 {
        if !self.is_known() || hot.level.count > CHILDHOOD {
            return x;
        }
        let beside = self.measure(hot, x + hot.offset);
        let level = beside.level - hot.offset;
        within(x, level - CLIP * beside.scale, level + CLIP * beside.scale)
    }

    /// Tempers what was found of `sample` by how common it is in the stream: the
    /// younger the entity, the less it can say what is rare for it.
    #[inline(never)]
    pub(crate) fn temper(&self, hot: &Hot, sample: &Sample<'_>, verdict: &mut Judgement) {
        let past = past(hot.events as f32);
        for feature in 0..FEATURES {
            if verdict.weights[feature] > 0.0 {
                let odds = verdict.odds[feature];
                if odds > UNUSUAL {
                    let among = self.tails[feature].odds(verdict.nominal[feature]);
                    verdict.odds[feature] = 1.0 / (past / odds + (1.0 - past) / among);
                }
                verdict.weights[feature] *= past * past;
            }
        }
        let value = Feature::Value as usize;
        if verdict.weights[value] > 0.0 && !verdict.reading.flat {
            let evidence = self.evidence(hot, sample.value).min(MOST);
            let beside = rough_exp2(evidence / LOG10_2);
            verdict.odds[value] = past * verdict.odds[value] + (1.0 - past) * beside;
            verdict.weights[value] = 1.0;
        }
    }

    /// Takes in what an event said that stands for `times` of its kind, before
    /// its entity learns from it.
    fn learn(&mut self, hot: &Hot, sample: &Sample<'_>, verdict: &Judgement, times: u16) {
        let beside = self.measure(hot, sample.value);
        if self.events >= KNOWN {
            self.far.note(nominal(beside.far), times);
            if hot.level.count >= 2.0 {
                self.astray.note(nominal(beside.astray), times);
            }
        }
        for feature in 0..FEATURES {
            if verdict.weights[feature] > 0.0 {
                self.tails[feature].note(verdict.nominal[feature], times);
            }
        }
        self.learn_moments(hot, sample.value, beside, f32::from(times));
    }

    fn learn_moments(&mut self, hot: &Hot, x: f64, beside: Beside, times: f32) {
        self.events = (self.events + times).min(1e7);
        self.arrivals.fade(times, self.events);
        let rate = |count: f32| f64::from((times / count).max(times / MEMORY).min(1.0));
        let pace = rate(self.events);
        let reach = CLIP * self.variance.max(floor(self.mean)).sqrt();
        let is_young = self.events < 32.0;
        let off = x - self.mean;
        let off = if is_young { off } else { within(off, -reach, reach) };
        if hot.level.count >= GROWN {
            self.grown = (self.grown + times).min(1e7);
            let pace = rate(self.grown);
            let own = hot.level.mean + hot.offset;
            let count = f64::from(hot.level.count);
            let most = CLIP * beside.scale;
            let astray = x - own;
            let astray = if self.grown < 32.0 { astray } else { within(astray, -most, most) };
            let square = astray * astray * count / (count + 1.0);
            self.spread += pace * (square - self.spread);
            // The errors of a level and of the next value are independent.
            self.between += pace * ((own - self.mean) * off - self.between);
            let size =
                (beside.level * beside.level).min(9.0 * (self.mean * self.mean + self.variance));
            let seen = [size, size * size, square, size * square];
            for (moment, seen) in self.squares.iter_mut().zip(seen) {
                *moment += pace * (seen - *moment);
            }
        }
        self.variance += pace * (off * off * (1.0 - pace) - self.variance);
        self.mean += pace * off;
    }
}

/// Returns how much the past of an entity with so many events counts, of 1.
fn past(events: f32) -> f32 {
    let square = events * events;
    square / (square + YOUTH * YOUTH)
}

/// Returns the nominal evidence of so many standard deviations.
fn nominal(z: f64) -> f32 {
    rough_evidence(within(z, 0.0, 1e6) as f32).min(1e6)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::course::Told;
    use crate::judge::Row;
    use crate::noise::Noise;

    fn sample(value: f64) -> Sample<'static> {
        let lanes = Row { lanes: &[], numbers: &[], row: 0, instead: None };
        Sample { at: 0, value, mark: 0, lanes }
    }

    /// An entity of `events` values whose mean is `mean`.
    fn entity(events: u64, mean: f64) -> Hot {
        let mut hot = Hot::zeroed();
        hot.events = events;
        hot.level.count = events as f32;
        hot.level.mean = mean;
        hot
    }

    /// Sixty entities, a hundred values each, around levels that `level` gives.
    fn stream(level: impl Fn(usize) -> f64) -> Peers {
        let (mut peers, mut noise) = (Peers::default(), Noise(3));
        let mut sums = [0.0; 60];
        for turn in 0..6000 {
            let (who, events) = (turn % 60, turn / 60);
            let hot = entity(events as u64, sums[who] / events.max(1) as f64);
            let value = level(who) + noise.next();
            peers.entities = peers.entities.max(who as u32 + 1);
            peers.learn(&hot, &sample(value), &Judgement::default(), 1);
            sums[who] += value;
        }
        peers
    }

    #[test]
    fn what_restored_habits_contain_is_not_learned_again() {
        let told = Some(Told { moved: [1.0, 0.0, 0.0, 0.0], is_first: true });
        let closing = Closing { told, ..Closing::default() };
        let mut habits = Habits { is_past: true, ..Habits::default() };
        habits.meet(&closing);
        assert_eq!((habits.beside, habits.is_changed), (behaviour::Peers::default(), false));
        habits.is_past = false;
        habits.meet(&closing);
        assert!(habits.beside != behaviour::Peers::default() && habits.is_changed);
    }

    #[test]
    fn a_newcomer_is_judged_by_its_stream() {
        let peers = stream(|_| 10.0);
        let newcomer = entity(3, 10.1);
        assert!(peers.evidence(&newcomer, 10.2) < 0.5);
        assert!(peers.evidence(&newcomer, 14.0) > 2.5);
    }

    #[test]
    fn where_entities_differ_the_newcomer_is_taken_at_its_word() {
        let alike = stream(|_| 0.0);
        let unlike = stream(|who| (who * 10) as f64);
        let newcomer = entity(10, 300.0);
        assert!(unlike.evidence(&newcomer, 300.3) < 1.0);
        assert!(unlike.evidence(&newcomer, 308.0) > 2.0, "far from its own, amid the stream");
        assert!(alike.evidence(&entity(2, 1.0), 8.0) > 2.0, "no such thing was seen");
    }

    #[test]
    fn one_that_is_odd_among_its_peers_is_not_an_anomaly_for_being_itself() {
        let peers = stream(|_| 10.0);
        assert!(peers.evidence(&entity(2, 10.0), 500.0) > 3.0);
        for events in [10, 30, 100] {
            let odd = entity(events, 500.0);
            assert!(peers.evidence(&odd, 500.2) < 1.0, "after {events} events");
        }
    }

    #[test]
    fn a_long_past_of_its_own_outweighs_the_stream() {
        let peers = stream(|_| 10.0);
        let found = |events: u64| {
            let mut verdict = Judgement::default();
            verdict.odds[0] = 1e6;
            verdict.nominal[0] = 0.2;
            verdict.weights[0] = 1.0;
            verdict.reading.flat = true;
            peers.temper(&entity(events, 10.0), &sample(10.0), &mut verdict);
            verdict.odds[0]
        };
        assert!(found(10) < 5.0 && found(10) < found(100) && found(100) < found(1000));
    }

    #[test]
    fn nothing_becomes_infinite() {
        let mut peers = Peers::default();
        for turn in 0..2000u32 {
            let value = [1e37, -1e37, 0.0, 1e-30, 5.0][turn as usize % 5];
            peers.entities = 9;
            let hot = entity(u64::from(turn % 40), value * 0.5);
            assert!(peers.evidence(&hot, value).is_finite());
            assert!(peers.bound(&hot, value).is_finite());
            peers.learn(&hot, &sample(value), &Judgement::default(), 1);
        }
    }
}
