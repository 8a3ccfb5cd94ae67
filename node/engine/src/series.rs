//! What is known of the course of a series: its season, its patterns, and how
//! remarkable it was lately. Owns what is a point of it: every event of a slow
//! entity, the mean of a bucket of a fast one; refuses to judge. Called by
//! `judge`, `learn` and `event`.

use bytemuck::{Pod, Zeroable};

use crate::detector::pattern::Patterns;
use crate::detector::season::Season;
use crate::judge::{Closing, Sample};
use crate::math::larger;
use crate::profile::{Cold, Hot};

/// Mean gap from which on each event is a point, seconds.
const APART: f32 = 0.5;
/// Events from which on points are learned, and closed buckets where these are
/// the points.
const BEGUN: u64 = 16;
const CLOSED: u32 = 16;
/// What was remarkable fades by half within 64 points.
const FADE: f32 = 0.989_228;

/// The course of one series.
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Series {
    pub(crate) season: Season,
    pub(crate) patterns: Patterns,
    /// The most evidence of late, fading.
    lately: f32,
    padding: u32,
}

impl Series {
    /// Returns how remarkable the series is with an event of such evidence.
    fn stirred(&self, evidence: f32, is_point: bool) -> f32 {
        larger(evidence, if is_point { self.lately * FADE } else { self.lately })
    }
}

impl Cold {
    /// Returns what is known of the course of the series.
    pub(crate) fn series_mut(&mut self) -> &mut Series {
        self.series.get_or_insert_with(|| Box::new(Series::zeroed()))
    }

    /// Returns how remarkable the entity is with an event of such evidence: as
    /// much as what was lately, if that was more.
    #[inline]
    pub(crate) fn stirred(&self, sample: &Sample<'_>, evidence: f32, is_point: bool) -> f32 {
        match &self.series {
            Some(series) if is_measured(sample) => series.stirred(evidence, is_point),
            Some(_) | None => evidence,
        }
    }

    /// Remembers how remarkable the entity is.
    pub(crate) fn stir(&mut self, sample: &Sample<'_>, evidence: f32, is_point: bool) {
        if let Some(series) = &mut self.series
            && is_measured(sample)
        {
            series.lately = series.stirred(evidence, is_point);
        }
    }
}

/// Says whether the event measures one quantity. Those with marks are acts of
/// many, of which one says nothing of the next; with named values, many things
/// happen at once.
fn is_measured(sample: &Sample<'_>) -> bool {
    sample.mark == 0 && sample.lanes.lanes.is_empty()
}

/// Says whether every event without a mark is a point: the entity is slow.
#[inline(always)]
pub(crate) fn is_slow(hot: &Hot) -> bool {
    hot.gaps.mean >= APART
}

/// Returns the point that is complete with `sample`, if any.
#[inline]
pub(crate) fn point(hot: &Hot, sample: &Sample<'_>, closing: &Closing) -> Option<f64> {
    match (is_measured(sample), is_slow(hot)) {
        (true, true) => Some(sample.value),
        (true, false) => closing.mean,
        (false, _) => None,
    }
}

/// Says whether an event is a point of its series by itself.
pub(crate) fn is_point(hot: &Hot, sample: &Sample<'_>) -> bool {
    is_measured(sample) && is_slow(hot)
}

/// Says whether enough is known of the entity to keep its points.
pub(crate) fn is_begun(hot: &Hot) -> bool {
    hot.events >= BEGUN && (is_slow(hot) || hot.bucket.closed >= CLOSED)
}
