//! Events like most others: told by a glance at the first cache lines of a
//! profile and taken in without being weighed, but for those whose turn it is.
//! Owns what makes an event calm; refuses to judge. Called by `execute` for every
//! event. Invariant E-1: what it goes by rests with the profile.

use via_types::{Detector, LogIndex};

use crate::detector::burst::Gapped;
use crate::detector::forecast::Brief;
use crate::ensemble::quick_score;
use crate::judge::{Judgement, Sample, conclude_calm, note, stands};
use crate::learn::{compare, fill, listen, show, tend};
use crate::peers::Habits;
use crate::plan::Plan;
use crate::profile::{Cold, Hot, MARKED, OPEN, UNSAFE, VARIED};
use crate::series::is_slow;

/// Events from which on calm ones are told from others.
const SEASONED: u64 = 16;

/// What was measured of an event.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Glance {
    /// The value without its seasonal part.
    pub(crate) plain: f64,
    pub(crate) brief: Brief,
    bin: u32,
    /// Seconds since the newest event before.
    pub(crate) gap: f32,
    pub(crate) gapped: Gapped,
}

/// Measures `sample`, which has no lanes, and says whether it is so common in
/// every respect that its evidence cannot reach anything. Without branches: a
/// guess is wrong too often.
#[inline(always)]
pub(crate) fn glance(hot: &Hot, plan: &Plan, sample: &Sample<'_>) -> (Glance, bool) {
    let is_plain = (hot.flags & (OPEN | UNSAFE) == 0) & (hot.events >= SEASONED);
    let is_in_time = sample.at < hot.wake;
    let is_full = (hot.alarm > 0.0) & (hot.count as f32 + 1.0 >= hot.alarm);
    let is_quiet = !is_full & !(hot.is(VARIED) & (sample.mark != 0));
    let plain = sample.value - hot.offset;
    let gap = (sample.at.wrapping_sub(hot.last) as f64 * 1e-9) as f32;
    let (brief, is_usual) = hot.level.glance(plain);
    let (bin, is_common) = hot.values.glance(sample.value);
    let (gapped, is_paced) = hot.gaps.glance(gap, plan.pace);
    // Of an event out of order the time since the one before says nothing.
    let is_paced = is_paced | (sample.at < hot.last);
    // Each event of a slow series is a point, to be compared with what is known.
    let is_point = is_slow(hot) & (sample.mark == 0);
    let is_plain = is_plain & !is_point;
    let is_calm = is_plain & is_in_time & is_quiet & is_usual & is_common & is_paced;
    (Glance { plain, brief, bin, gap, gapped }, is_calm)
}

/// Takes a calm event into the profile that stands for others like it: its
/// evidence, too, which cannot reach anything.
#[inline(never)]
pub(crate) fn stand(
    hot: &mut Hot,
    cold: &mut Cold,
    (plan, habits, at): (&Plan, &mut Habits, LogIndex),
    sample: &Sample<'_>,
    glance: &Glance,
) {
    let mut verdict = Judgement::default();
    conclude_calm(hot, cold, (plan, habits), (sample, glance), &mut verdict);
    habits.learn(at, hot, sample, (&verdict, stands(hot) as u16));
    hot.score = quick_score(verdict.evidence);
    note(hot, &verdict, stands(hot) as u16);
    listen(hot, &verdict);
    compare(hot, plan, sample, &verdict);
    show(hot, &verdict);
    tend(hot, plan);
    if sample.mark != 0
        && let Some(marks) = cold.marks()
    {
        marks.take(sample.mark, stands(hot) as u16);
    }
    absorb(hot, cold, plan, sample, glance);
    hot.level.refresh();
    hot.gaps.refresh();
}

/// Takes a calm event into the profile.
#[inline(always)]
pub(crate) fn absorb(
    hot: &mut Hot,
    cold: &mut Cold,
    plan: &Plan,
    sample: &Sample<'_>,
    glance: &Glance,
) {
    hot.level.follow(glance.plain, glance.brief, plan.memory);
    hot.values.learn_bin(glance.bin, plan.growth);
    if sample.at >= hot.last {
        hot.gaps.follow(glance.gap, glance.gapped, plan.pace);
        hot.last = sample.at;
    } else {
        hot.first = hot.first.min(sample.at);
    }
    if sample.mark != 0 && plan.weights[Detector::Cardinality as usize] > 0.0 {
        hot.flags |= MARKED;
        cold.sketch.insert(sample.mark, plan.precision);
        hot.compare_marks(&cold.sketch);
    }
    fill(hot, sample);
    hot.events += 1;
}
