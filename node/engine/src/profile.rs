//! One entity's profile: a hot part of plain numbers that every event touches
//! and a cold part that is allocated as it is earned. Owns the layout; knows
//! no rule. Called by the engine, which keeps both parts in slabs.

use bytemuck::{Pod, Zeroable};
use via_types::{Detector, EntityHash};

use crate::calibration::Tail;
use crate::course::Course;
use crate::detector::behaviour::Marks;
use crate::detector::burst::Gaps;
use crate::detector::cardinality::{Sketch, Velocity};
use crate::detector::distribution::Histogram;
use crate::detector::forecast::Level;
use crate::detector::lanes::Lanes;
use crate::detector::season::Season;
use crate::detector::volume::Counts;
use crate::episode::Episode;
use crate::grove::Grove;
use crate::history::History;
use crate::prefetch::{prefetch, prefetch_lines};
use crate::rule::Rule;
use crate::series::Series;

/// The profile changed since it was last exported.
pub(crate) const DIRTY: u32 = 1;
/// The running checkpoint round still has to export it.
pub(crate) const ROUND: u32 = 2;
/// Touched since the eviction hand last passed.
pub(crate) const USED: u32 = 4;
/// The place holds a profile.
pub(crate) const LIVE: u32 = 8;
/// Its events come at about the time they happen, so silence means something.
pub(crate) const CURRENT: u32 = 16;
/// A detection is open.
pub(crate) const OPEN: u32 = 32;
/// The value has a season in use.
pub(crate) const SEASONAL: u32 = 64;
/// Marks were counted.
pub(crate) const MARKED: u32 = 128;
/// Replay has not gone beyond what its restored record contains.
pub(crate) const SKIPS: u32 = 256;
/// An event of the group in execution was glanced at.
pub(crate) const SEEN: u32 = 512;
/// All that is common together might be a detection: nothing is calm.
pub(crate) const UNSAFE: u32 = 1024;
/// A value below zero was seen.
pub(crate) const NEGATIVE: u32 = 2048;
/// The entity has a configuration of its own.
pub(crate) const OWN: u32 = 4096;
/// There are more distinct marks than [`Hot::varied_at`].
pub(crate) const VARIED: u32 = 8192;
/// Its costly tests are set aside: memory was short.
pub(crate) const SPARED: u32 = 16_384;
/// The highest bits tell by which hints the histogram's bins were laid out last.
pub(crate) const HINTS: u32 = 0xfff0_0000;
/// Flags that are the engine's affair and not part of a record.
pub(crate) const TRANSIENT: u32 = DIRTY | ROUND | USED | LIVE | SKIPS | SEEN | OWN;

/// What the statistics look at, in the order of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Feature {
    /// The value among past values.
    Value,
    /// The value against its short-term forecast.
    Step,
    /// The recent level against the long one.
    Level,
    /// The momentary scatter against its past.
    Spread,
    /// The time since the event before.
    Gap,
    /// The named values together.
    Lanes,
    /// Events per bucket.
    Rate,
    /// Distinct marks per bucket.
    Distinct,
    /// The point in its context among patterns known.
    Pattern,
    /// The last values together among a sample of the past.
    Forest,
    /// The course of closed buckets, by all tests of it.
    Course,
}

/// How many statistics there are.
pub(crate) const FEATURES: usize = 11;
/// How many detectors, the first of all, look at single events and buckets; the
/// others look at the course of buckets and keep what they say with it.
pub(crate) const QUICK: usize = 4;
/// How many of them are calibrated in the hot part, at every event.
pub(crate) const EVERY_EVENT: usize = 5;

impl Feature {
    /// Every feature, in record order.
    pub(crate) const ALL: [Self; FEATURES] = [
        Self::Value,
        Self::Step,
        Self::Level,
        Self::Spread,
        Self::Gap,
        Self::Lanes,
        Self::Rate,
        Self::Distinct,
        Self::Pattern,
        Self::Forest,
        Self::Course,
    ];

    /// Returns the detector it belongs to; of a course, the first of its tests.
    pub(crate) const fn detector(self) -> Detector {
        match self {
            Self::Value | Self::Step | Self::Level | Self::Spread | Self::Lanes | Self::Pattern => {
                Detector::Distribution
            }
            Self::Gap => Detector::Burst,
            Self::Rate => Detector::Volume,
            Self::Distinct => Detector::Cardinality,
            Self::Forest => Detector::Forest,
            Self::Course => Detector::Spectral,
        }
    }

    /// Returns the name used in contributions.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Value => "value",
            Self::Step => "change",
            Self::Level => "level",
            Self::Spread => "spread",
            Self::Gap => "gap",
            Self::Lanes => "values",
            Self::Rate => "rate",
            Self::Distinct => "distinct",
            Self::Pattern => "pattern",
            Self::Forest => "together",
            Self::Course => "course",
        }
    }
}

/// The bucket of time being filled; what each event changes of it is beside
/// the rest of what each event changes.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Bucket {
    pub(crate) start: i64,
    /// Its width is 2^shift nanoseconds.
    pub(crate) shift: u32,
    /// Empty buckets in a row before this one.
    pub(crate) silent: u32,
    /// Buckets closed so far.
    pub(crate) closed: u32,
    /// Seasonal part of the stabilised rate expected of it.
    pub(crate) season: f32,
}

impl Bucket {
    /// Returns when it ends.
    pub(crate) fn end(&self) -> i64 {
        self.start.saturating_add(1 << self.shift)
    }
}

/// The seasonal slot being filled, up to the bucket's begin.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Slot {
    pub(crate) end: i64,
    sum: f64,
    /// What of the bucket being filled belongs to slots before.
    taken: f64,
    count: u32,
    taken_count: u32,
}

/// The numbers of a profile. An event like most others touches the first
/// [`CALM_LINES`] cache lines, one that is weighed [`WEIGHED_LINES`], and only
/// the end of a bucket all of them.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C, align(64))]
pub(crate) struct Hot {
    pub(crate) low: u64,
    pub(crate) high: u64,
    pub(crate) stream: u32,
    pub(crate) flags: u32,
    pub(crate) last: i64,
    /// When the bucket or the seasonal slot ends, whichever is first.
    pub(crate) wake: i64,
    pub(crate) events: u64,
    /// Events in the bucket, and their sum.
    pub(crate) count: u32,
    /// Events at which the rate is worth a look before the bucket closes.
    pub(crate) alarm: f32,
    pub(crate) sum: f64,

    pub(crate) level: Level,
    /// Seasonal part of the value now.
    pub(crate) offset: f64,
    /// Extremes in the bucket.
    pub(crate) least: f32,
    pub(crate) most: f32,

    pub(crate) gaps: Gaps,
    /// Distinct marks in the window at which they are worth a look before the
    /// bucket closes; 0 for never.
    pub(crate) varied_at: f32,
    pub(crate) late: u32,
    pub(crate) values: Histogram,

    /// Newest rarity per detector: one in so many.
    pub(crate) odds: [f32; QUICK],
    /// How much each detector is trusted, of its configured weight.
    pub(crate) doubt: [f32; QUICK],
    /// How often each detector spoke up lately.
    pub(crate) wolf: [f32; QUICK],
    pub(crate) score: f32,
    /// Highest score in the bucket.
    pub(crate) worst: f32,
    pub(crate) tails: [Tail; EVERY_EVENT],
    pub(crate) joint: Tail,

    pub(crate) first: i64,
    pub(crate) bucket: Bucket,
    pub(crate) slot: Slot,
    pub(crate) rate: Counts,
    pub(crate) distinct: Velocity,
    pub(crate) rate_tail: Tail,
    pub(crate) distinct_tail: Tail,
}

/// Cache lines that every event touches.
pub(crate) const CALM_LINES: usize = 6;
/// Cache lines that an event touches when its evidence is weighed.
pub(crate) const WEIGHED_LINES: usize = 10;
/// Cache lines of a series that a point touches: all but its season.
const SERIES_FIRST: usize = std::mem::offset_of!(Series, patterns) / 64;
const SERIES_END: usize = size_of::<Series>().div_ceil(64);
/// Cache lines of all of it.
pub(crate) const ALL_LINES: usize = 13;

const _: () = {
    assert!(std::mem::offset_of!(Hot, level) == 64);
    assert!(std::mem::offset_of!(Hot, gaps) == 192);
    assert!(std::mem::offset_of!(Hot, odds) == CALM_LINES * 64 + 8, "after what lies outside");
    assert!(std::mem::offset_of!(Hot, first) == WEIGHED_LINES * 64);
    assert!(size_of::<Hot>() == ALL_LINES * 64);
    assert!(size_of::<Profile>() == 15 * 64);
};

impl Hot {
    /// Returns the identity of the entity.
    pub(crate) fn hash(&self) -> EntityHash {
        EntityHash::from_parts(self.low, self.high)
    }

    /// Says whether any of these flags is set.
    pub(crate) fn is(&self, flags: u32) -> bool {
        self.flags & flags != 0
    }

    /// Returns the least value that may be called normal: what never was below
    /// zero is not expected to be.
    pub(crate) fn least_normal(&self) -> f64 {
        if self.is(NEGATIVE) { f64::MIN } else { 0.0 }
    }

    /// Returns the value it usually has, which one step cannot move.
    pub(crate) fn usual(&self) -> f64 {
        self.values.quantile(0.5).unwrap_or(self.level.mean + self.offset)
    }

    /// Counts what the bucket being filled holds to its seasonal slot, before
    /// either ends.
    pub(crate) fn fill_slot(&mut self) {
        let slot = &mut self.slot;
        slot.sum += self.sum - slot.taken;
        slot.count = slot.count.saturating_add(self.count - slot.taken_count);
        slot.taken = self.sum;
        slot.taken_count = self.count;
    }

    /// Empties the bucket, which was counted to its slot.
    pub(crate) fn empty_bucket(&mut self) {
        self.slot.taken = 0.0;
        self.slot.taken_count = 0;
        self.count = 0;
        self.sum = 0.0;
        self.least = 0.0;
        self.most = 0.0;
        self.worst = 0.0;
    }

    /// Returns the mean of the slot's values, and empties it.
    pub(crate) fn end_slot(&mut self) -> Option<f64> {
        self.fill_slot();
        let mean = (self.slot.count > 0).then(|| self.slot.sum / f64::from(self.slot.count));
        self.slot.sum = 0.0;
        self.slot.count = 0;
        mean
    }

    /// Lets the slot, or what the season adds in it, last until `end`.
    pub(crate) fn next_slot(&mut self, end: i64) {
        self.slot.end = end;
        self.wake = end.min(self.bucket.end());
    }

    /// Notes whether there are so many distinct marks that they are worth a look.
    #[inline(always)]
    pub(crate) fn compare_marks(&mut self, sketch: &Sketch) {
        let is_varied = (self.varied_at > 0.0) & (sketch.estimate() as f32 >= self.varied_at);
        self.flags = self.flags & !VARIED | if is_varied { VARIED } else { 0 };
    }

    /// Returns the width of its buckets, seconds.
    pub(crate) fn width_secs(&self) -> f64 {
        (1u64 << self.bucket.shift.min(62)) as f64 / 1e9
    }
}

/// What is touched only when buckets close, marks are counted, detections are
/// made, or somebody asks.
#[derive(Clone, Debug, Default)]
#[repr(C, align(64))]
pub(crate) struct Cold {
    /// First, with what follows in one cache line: each event touches it.
    pub(crate) sketch: Sketch,
    pub(crate) lanes: Option<Box<Lanes>>,
    /// Replay skips entries up to this log index.
    pub(crate) skip: u64,

    pub(crate) key: Box<str>,
    /// Bytes held outside of itself when they were last counted.
    pub(crate) counted: usize,
    pub(crate) history: Option<Box<History>>,
    pub(crate) rate_season: Option<Box<Season>>,
    pub(crate) series: Option<Box<Series>>,
    pub(crate) episode: Option<Box<Episode>>,
    /// State of thresholds, where they have any.
    pub(crate) rules: Option<Box<Rules>>,
}

/// What adaptive thresholds remember: those that single detectors have of their
/// own, then the stream's.
pub(crate) type Rules = [Rule; Detector::ALL.len() + 1];
/// The stream's own among them.
pub(crate) const STREAMS: usize = Detector::ALL.len();

/// Everything that is known of one entity, in one place: 15 cache lines, for a
/// power of two would crowd the same few sets of every cache.
#[derive(Clone, Debug)]
#[repr(C)]
pub(crate) struct Profile {
    pub(crate) hot: Hot,
    pub(crate) cold: Cold,
}

impl Profile {
    /// Returns what is known of nobody.
    pub(crate) fn none() -> Self {
        Self { hot: Hot::zeroed(), cold: Cold::default() }
    }
}

impl Cold {
    /// Returns what is remembered for each threshold.
    pub(crate) fn rules(&mut self) -> &mut Rules {
        self.rules.get_or_insert_with(|| Box::new([Rule::zeroed(); STREAMS + 1]))
    }

    /// Returns what is remembered for the stream's threshold.
    pub(crate) fn rule(&mut self) -> &mut Rule {
        &mut self.rules()[STREAMS]
    }

    /// Returns the course of its buckets, where one is kept.
    pub(crate) fn course(&self) -> Option<&Course> {
        self.history.as_ref()?.course.as_deref()
    }

    /// Returns how its marks are mixed, where that is kept.
    pub(crate) fn marks(&mut self) -> Option<&mut Marks> {
        self.history.as_mut()?.marks.as_deref_mut()
    }

    /// Returns the forest, where one was earned.
    pub(crate) fn grove(&self) -> Option<&Grove> {
        self.history.as_ref()?.grove.as_deref()
    }

    /// Asks for what the end of a bucket touches.
    #[inline(always)]
    pub(crate) fn prefetch(&self) {
        if let Some(history) = &self.history {
            prefetch(&**history);
        }
        if let Some(season) = &self.rate_season {
            prefetch(&**season);
        }
        self.prefetch_series();
    }

    /// Asks for what a point touches.
    #[inline(always)]
    pub(crate) fn prefetch_series(&self) {
        if let Some(series) = &self.series {
            prefetch_lines::<SERIES_FIRST, SERIES_END, _>(&**series);
        }
    }

    /// Returns what it holds outside of itself, bytes.
    pub(crate) fn heap_bytes(&self) -> usize {
        let boxed = |held: bool, size: usize| if held { size } else { 0 };
        self.key.len()
            + self.sketch.bytes()
            + self.history.as_ref().map_or(0, |history| history.bytes())
            + boxed(self.rate_season.is_some(), size_of::<Season>())
            + boxed(self.series.is_some(), size_of::<Series>())
            + self.lanes.as_ref().map_or(0, |lanes| size_of::<Lanes>() + lanes.bytes())
            + self.episode.as_ref().map_or(0, |episode| episode.bytes())
            + boxed(self.rules.is_some(), size_of::<Rules>())
    }
}
