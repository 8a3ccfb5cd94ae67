//! What one event says, given a profile: every statistic, its calibrated
//! evidence, and all of it together. Changes nothing, so that the same
//! question can be asked again with another value (invariant E-2). Called by
//! `execute` for every event and by `explain` for counterfactuals.

use std::f32::consts::LOG10_2;

use via_types::{Detector, Lane, limit};

use crate::calibration::{MOST, Tail};
use crate::calm::{Glance, glance};
use crate::course::Told;
use crate::detector::burst::Gapped;
use crate::detector::forecast::{Care, Reading};
use crate::detector::forest::Apart;
use crate::detector::lanes::Joined;
use crate::detector::pattern::{Hour, Novelty};
use crate::detector::volume::{Counted, endurance};
use crate::math::{log10, rough_exp2, rough_log2, smaller, within};
use crate::newcomer::Newcomer;
use crate::peers::Habits;
use crate::plan::Plan;
use crate::profile::{Cold, EVERY_EVENT, FEATURES, Feature, Hot, OPEN};
use crate::series::point;
use crate::weigh::weigh;

/// Magnitudes beyond this are judged as this, so that squares stay finite.
const LARGEST: f64 = 1e37;
/// Magnitudes below this are judged as zero, so that squares stay above it.
const SMALLEST: f64 = 1e-30;
/// Statistics that average over many events are noted at one event in so many:
/// their neighbours say the same again, and a slow rise must not teach its own
/// rarity away.
const SLOW: u64 = 9;
/// Likewise once [`KNOWN`] events are known.
const SLOWER: u64 = 14;
const KNOWN: u64 = 4096;
/// Calm events that each weighed one stands for before so many events are known.
const YOUNG_SLOW: u64 = 3;
const ADULT: u64 = 64;
/// Nominal evidence above this grows only with its logarithm.
const COMPRESSED: f32 = 16.0;

/// A step so many times its level begins at zero, for all that is known.
pub(crate) const FROM_ZERO: f64 = 1e3;

/// One event as the engine sees it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample<'a> {
    pub(crate) at: i64,
    pub(crate) value: f64,
    pub(crate) mark: u64,
    pub(crate) lanes: Row<'a>,
}

/// The named values of one event.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row<'a> {
    pub(crate) lanes: &'a [Lane],
    /// The stream's number of each lane of the batch; none for one too many.
    pub(crate) numbers: &'a [Option<u32>],
    pub(crate) row: usize,
    /// A lane whose value is replaced, to ask what would be.
    pub(crate) instead: Option<(usize, f64)>,
}

impl Row<'_> {
    /// Returns lane number and value of what is present, in the stream's order
    /// of the batch's lanes.
    pub(crate) fn values(&self) -> impl Iterator<Item = (usize, f64)> + Clone {
        self.lanes.iter().zip(self.numbers).filter_map(|(lane, number)| {
            let number = (*number)? as usize;
            let value = match self.instead {
                Some((replaced, value)) if replaced == number => value,
                Some(_) | None => lane.values[self.row],
            };
            (!value.is_nan()).then(|| (number, bounded(value)))
        })
    }
}

/// Buckets that closed before the event.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Closing {
    pub(crate) rate: Option<Counted>,
    pub(crate) observed: f64,
    pub(crate) distinct: Option<Counted>,
    pub(crate) marks: f64,
    /// Mean of the values of the bucket, where it is a point of a series.
    pub(crate) mean: Option<f64>,
    /// A bucket ended, rather than grew beyond what it should hold; its width was
    /// 2^shift nanoseconds.
    pub(crate) has_ended: bool,
    /// The course has a new point.
    pub(crate) has_course: bool,
    /// What the entity's peers learn of it.
    pub(crate) told: Option<Told>,
    pub(crate) shift: u32,
}

/// Everything one event says.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Judgement {
    /// The value without its seasonal part.
    pub(crate) plain: f64,
    pub(crate) reading: Reading,
    /// Nominal evidence of the value among past values.
    pub(crate) value: f32,
    /// Seconds since the newest event before; none for the first and for
    /// events out of order.
    pub(crate) gap: Option<f32>,
    pub(crate) gapped: Gapped,
    pub(crate) joined: Joined,
    pub(crate) closing: Closing,
    /// The point of the series that is complete.
    pub(crate) point: Option<f64>,
    pub(crate) novelty: Novelty,
    /// How far the forest finds it apart.
    pub(crate) apart: Option<Apart>,
    /// Its entity was never seen before, and that counts.
    pub(crate) newcomer: Option<Newcomer>,
    /// Nominal evidence per feature.
    pub(crate) nominal: [f32; FEATURES],
    /// Calibrated rarity per feature: one in so many.
    pub(crate) odds: [f32; FEATURES],
    /// Weight per feature; 0 where it had nothing to say.
    pub(crate) weights: [f32; FEATURES],
    /// Evidence of all together, before it is calibrated itself.
    pub(crate) mixed: f32,
    /// Evidence of all together.
    pub(crate) evidence: f32,
    /// The same if no pattern had been told before.
    pub(crate) plain_evidence: f32,
    /// The evidence before labels were minded.
    pub(crate) unlabelled: f32,
    /// A detection was open before the event.
    pub(crate) was_open: bool,
}

/// Returns the value that is judged for `x`.
#[inline(always)]
pub(crate) fn bounded(x: f64) -> f64 {
    if x.abs() < SMALLEST { 0.0 } else { within(x, -LARGEST, LARGEST) }
}

/// Returns nominal evidence, of which what is huge counts little more.
pub(crate) fn compressed(nominal: f32) -> f32 {
    if nominal <= COMPRESSED {
        nominal
    } else {
        COMPRESSED + 1.5 * rough_log2(nominal / COMPRESSED)
    }
}

/// Judges `sample` into an empty `verdict`, changing nothing else.
#[inline]
pub(crate) fn judge(
    hot: &Hot,
    cold: &Cold,
    (plan, habits): (&Plan, &Habits),
    sample: &Sample<'_>,
    verdict: &mut Judgement,
) {
    let (glance, _) = glance(hot, plan, sample);
    conclude(hot, cold, (plan, habits), (sample, &glance), verdict);
}

/// Says whether this event stands for [`SLOW`] of its kind.
#[inline(always)]
pub(crate) fn is_turn(hot: &Hot) -> bool {
    spread(hot) < u64::MAX / turns(hot)
}

/// Says whether this event stands for 2^`log` of its kind. The golden ratio
/// keeps the turns out of step with whatever is periodic.
#[inline(always)]
pub(crate) fn is_turn_of(hot: &Hot, log: u32) -> bool {
    spread(hot) >> (64 - log) == 0
}

/// Returns how many calm events each one in its turn stands for: more once many
/// are known.
#[inline(always)]
pub(crate) fn turns(hot: &Hot) -> u64 {
    if hot.events < KNOWN { SLOW } else { SLOWER }
}

/// Says whether this event, if it is calm, stands for [`stands`] of its kind: those
/// whose turn it is are among them.
#[inline(always)]
pub(crate) fn is_standing(hot: &Hot) -> bool {
    spread(hot) < u64::MAX / stands(hot)
}

/// Returns how many calm events each that is weighed stands for: fewer while the
/// entity is young, since few tell how rare everything is.
#[inline(always)]
pub(crate) fn stands(hot: &Hot) -> u64 {
    if hot.events < ADULT { YOUNG_SLOW } else { turns(hot) }
}

/// Returns the number of the event, spread over all 64-bit numbers.
#[inline(always)]
fn spread(hot: &Hot) -> u64 {
    hot.events.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// Makes evidence of `sample`, measured at a glance, and weighs it.
#[inline(always)]
pub(crate) fn conclude(
    hot: &Hot,
    cold: &Cold,
    (plan, habits): (&Plan, &Habits),
    (sample, glance): (&Sample<'_>, &Glance),
    verdict: &mut Judgement,
) {
    verdict.was_open = hot.is(OPEN);
    judge_series(hot, plan, (sample, glance), verdict);
    if let Some(lanes) = &cold.lanes
        && !sample.lanes.lanes.is_empty()
    {
        verdict.joined = lanes.assess(sample.lanes.values(), sample.at);
        verdict.speak(Feature::Lanes, verdict.joined.nominal, &lanes.joint.tail);
    }
    judge_bucket(verdict, hot, cold, sample);
    let peers = &habits.peers;
    judge_course(verdict, cold, plan);
    if peers.concern(hot) && sample.lanes.lanes.is_empty() {
        peers.temper(hot, sample, verdict);
    }
    judge_point(verdict, (hot, cold), plan, sample);
    judge_forest(verdict, cold, plan, sample);
    weigh(verdict, (hot, cold, plan), &habits.meta, sample.at);
}

/// Makes evidence of a calm `sample`, which no lane, no bucket and no peer adds
/// to.
#[inline(always)]
pub(crate) fn conclude_calm(
    hot: &Hot,
    cold: &Cold,
    (plan, habits): (&Plan, &Habits),
    (sample, glance): (&Sample<'_>, &Glance),
    verdict: &mut Judgement,
) {
    judge_series(hot, plan, (sample, glance), verdict);
    weigh(verdict, (hot, cold, plan), &habits.meta, sample.at);
}

/// Judges the value and the gap before it.
#[inline(always)]
fn judge_series(
    hot: &Hot,
    plan: &Plan,
    (sample, glance): (&Sample<'_>, &Glance),
    verdict: &mut Judgement,
) {
    verdict.plain = glance.plain;
    if hot.level.count >= 2.0 {
        judge_value(verdict, hot, sample, glance);
    }
    if hot.events > 0 && sample.at >= hot.last {
        verdict.gap = Some(glance.gap);
        verdict.gapped = hot.gaps.judge(glance.gapped, plan.pace);
        verdict.speak(Feature::Gap, verdict.gapped.nominal, &hot.tails[4]);
    }
}

impl Judgement {
    /// Returns an empty judgement after `closing`.
    pub(crate) fn after(closing: Closing) -> Self {
        Self { closing, ..Self::default() }
    }

    /// Returns a feature's calibrated evidence; 0 when it had nothing to say.
    #[inline]
    pub(crate) fn calibrated(&self, feature: Feature) -> f32 {
        let odds = self.odds[feature as usize];
        if odds <= 1.0 { 0.0 } else { rough_log2(odds) * LOG10_2 }
    }

    /// Notes that a feature has something to say.
    #[inline(always)]
    fn speak(&mut self, feature: Feature, nominal: f32, tail: &Tail) {
        let nominal = compressed(nominal);
        self.nominal[feature as usize] = nominal;
        self.odds[feature as usize] = tail.odds(nominal);
        self.weights[feature as usize] = 1.0;
    }
}

#[inline(always)]
fn judge_value(verdict: &mut Judgement, hot: &Hot, sample: &Sample<'_>, glance: &Glance) {
    let care = if is_turn(hot) { Care::Full } else { Care::Brief };
    verdict.reading = hot.level.measure(glance.plain, glance.brief, care);
    let reading = verdict.reading;
    if hot.values.is_ready() {
        verdict.value = hot.values.assess(sample.value);
        verdict.speak(Feature::Value, verdict.value, &hot.tails[0]);
    }
    verdict.speak(Feature::Step, reading.step.nominal, &hot.tails[1]);
    for (feature, finding, is_calm) in [
        (Feature::Level, reading.level, reading.is_level_calm),
        (Feature::Spread, reading.spread, reading.is_spread_calm),
    ] {
        verdict.speak(feature, finding.nominal, &hot.tails[feature as usize]);
        if is_calm {
            // Most events do not even look: so that all are weighed alike.
            verdict.odds[feature as usize] = 1.0;
        }
    }
    if reading.flat {
        let most = believable(hot, reading.step.deviation).min(MOST);
        let most = rough_exp2(most / LOG10_2);
        for odds in &mut verdict.odds[..4] {
            *odds = odds.min(most);
        }
    }
}

/// Returns the most evidence that a deviation from a series that hardly ever
/// moved may have: the rule of succession (Laplace), more for a step that is
/// large for the level, or, from zero, in whole units.
pub(crate) fn believable(hot: &Hot, deviation: f64) -> f32 {
    let size = deviation.abs();
    let relative = size / hot.usual().abs().max(1e-300);
    let large = if relative > FROM_ZERO {
        log10(size.max(1.0))
    } else {
        2.0 * log10(1.0 + 10.0 * relative)
    };
    (log10(1.0 + f64::from(hot.level.count)) + large) as f32
}

/// Looks at the bucket that closed, and at the one being filled when it holds
/// more than it should already.
#[inline(always)]
fn judge_bucket(verdict: &mut Judgement, hot: &Hot, cold: &Cold, sample: &Sample<'_>) {
    let count = hot.count as f32 + 1.0;
    if count >= hot.alarm && hot.alarm > 0.0 {
        let counted = hot.rate.assess(f64::from(count), hot.bucket.season);
        if verdict.closing.rate.is_none_or(|closed| closed.nominal < counted.nominal) {
            verdict.closing.rate = Some(counted);
            verdict.closing.observed = f64::from(count);
        }
    }
    if let Some(counted) = verdict.closing.rate {
        verdict.speak(Feature::Rate, counted.nominal, &hot.rate_tail);
    }
    let is_varied = hot.varied_at > 0.0 && cold.sketch.estimate() as f32 >= hot.varied_at;
    if sample.mark != 0 && is_varied {
        let marks = hot.distinct.fresh(&cold.sketch);
        let counted = hot.distinct.assess(marks);
        if verdict.closing.distinct.is_none_or(|closed| closed.nominal < counted.nominal) {
            verdict.closing.distinct = Some(counted);
            verdict.closing.marks = marks;
        }
    }
    if let Some(counted) = verdict.closing.distinct {
        verdict.speak(Feature::Distinct, counted.nominal, &hot.distinct_tail);
    }
}

/// Hears what the tests of the course said of its new point, if it has one.
#[inline(always)]
fn judge_course(verdict: &mut Judgement, cold: &Cold, plan: &Plan) {
    if verdict.closing.has_course
        && let Some(course) = cold.course()
    {
        let (odds, weight) = course.weighed(plan);
        verdict.nominal[Feature::Course as usize] = log10(f64::from(odds)) as f32;
        verdict.odds[Feature::Course as usize] = odds;
        verdict.weights[Feature::Course as usize] = weight;
    }
}

/// Looks at the point that is complete, if any.
#[inline(always)]
fn judge_point(
    verdict: &mut Judgement,
    (hot, cold): (&Hot, &Cold),
    plan: &Plan,
    sample: &Sample<'_>,
) {
    verdict.point = point(hot, sample, &verdict.closing);
    if let (Some(point), Some(series)) = (verdict.point, &cold.series) {
        verdict.novelty = series.patterns.assess(point, Hour::of(sample.at, plan.period));
    }
}

/// Asks the forest, where the entity has one, of a point or a row.
#[inline(always)]
fn judge_forest(verdict: &mut Judgement, cold: &Cold, plan: &Plan, sample: &Sample<'_>) {
    let is_whole = verdict.point.is_some() || !sample.lanes.lanes.is_empty();
    if is_whole
        && plan.weights[Detector::Forest as usize] > 0.0
        && let Some(grove) = cold.grove()
    {
        verdict.apart = with_row(verdict.point, sample, cold, |row| grove.judge(row));
        if let Some(apart) = &verdict.apart {
            verdict.nominal[Feature::Forest as usize] = compressed(apart.finding.nominal);
            verdict.odds[Feature::Forest as usize] = grove.odds(apart);
            verdict.weights[Feature::Forest as usize] = grove.trust();
        }
    }
}

/// Calls `with` for what a forest looks at: the point of a series, or the row of
/// named values by number, NaN for absent ones.
pub(crate) fn with_row<T>(
    point: Option<f64>,
    sample: &Sample<'_>,
    cold: &Cold,
    with: impl FnOnce(&[f64]) -> T,
) -> T {
    if let Some(point) = point {
        return with(&[point]);
    }
    let mut row = [f64::NAN; limit::LANES];
    for (number, value) in sample.lanes.values() {
        if let Some(place) = row.get_mut(number) {
            *place = value;
        }
    }
    let lanes = cold.lanes.as_ref().map_or(0, |lanes| lanes.lanes.len());
    with(&row[..lanes.clamp(1, limit::LANES)])
}

/// Judges buckets that passing time alone has closed.
pub(crate) fn judge_time(
    hot: &Hot,
    cold: &Cold,
    (plan, habits): (&Plan, &Habits),
    closing: &Closing,
    at: i64,
) -> Judgement {
    let mut verdict = Judgement::after(*closing);
    if let Some(counted) = closing.rate {
        verdict.speak(Feature::Rate, counted.nominal, &hot.rate_tail);
        if counted.z < 0.0 {
            let most = rough_exp2(endurance(hot.bucket.closed) / LOG10_2);
            verdict.odds[Feature::Rate as usize] =
                smaller(verdict.odds[Feature::Rate as usize], most);
        }
    }
    if let Some(counted) = closing.distinct {
        verdict.speak(Feature::Distinct, counted.nominal, &hot.distinct_tail);
    }
    judge_course(&mut verdict, cold, plan);
    weigh(&mut verdict, (hot, cold, plan), &habits.meta, at);
    verdict
}

/// Takes the nominal evidence of an event in, which stands for `times` of its
/// kind. Those of an open detection teach less, or a long anomaly would make all
/// later ones normal.
#[inline(always)]
pub(crate) fn note(hot: &mut Hot, verdict: &Judgement, times: u16) {
    let is_turn = is_turn(hot);
    for feature in 0..EVERY_EVENT {
        let is_slow = feature == Feature::Level as usize || feature == Feature::Spread as usize;
        if verdict.weights[feature] > 0.0 && (is_turn || !is_slow) {
            hot.tails[feature].note(verdict.nominal[feature], if is_slow { 1 } else { times });
        }
    }
    hot.joint.note(verdict.mixed, times);
}
