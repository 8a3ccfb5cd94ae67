//! The recent past of one entity as closed buckets, for charts. Owns a ring of
//! points in 16 bytes each; refuses to judge. Figures keep eight significant
//! bits of their distance from an anchor near the level: enough to draw.

use bytemuck::{Pod, Zeroable};
use via_types::Timestamp;
use via_types::profile::SeriesPoint;

use crate::course::Course;
use crate::grove::Grove;

/// Points kept.
pub(crate) const POINTS: usize = 52;

/// One closed bucket, compact.
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Point {
    /// Buckets of this width between the one before and this; saturates.
    gap: u16,
    shift: u8,
    score: u8,
    count: u16,
    mean: u16,
    least: u16,
    most: u16,
    expected: u16,
    reach: u16,
}

/// The ring; `points` grows to [`POINTS`], then `next` is the oldest.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct History {
    pub(crate) anchor: f64,
    /// Start of the newest point.
    pub(crate) newest: i64,
    pub(crate) next: usize,
    pub(crate) points: Vec<Point>,
    /// What the tests of the course of buckets know.
    pub(crate) course: Option<Box<Course>>,
    /// The forest that the entity has earned.
    pub(crate) grove: Option<Box<Grove>>,
}

/// A bucket to keep.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Closed {
    pub(crate) start: i64,
    pub(crate) shift: u32,
    pub(crate) count: u32,
    pub(crate) mean: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
    pub(crate) expected: f64,
    pub(crate) reach: f64,
    pub(crate) score: f32,
}

/// Keeps the upper half of a 32-bit float, rounded.
fn pack(x: f64) -> u16 {
    let x = (x as f32).clamp(-3e38, 3e38);
    (x.to_bits().saturating_add(0x8000) >> 16) as u16
}

fn unpack(half: u16) -> f64 {
    f64::from(f32::from_bits(u32::from(half) << 16))
}

impl History {
    /// Begins with an anchor near the level.
    pub(crate) fn new(anchor: f64) -> Self {
        Self { anchor, ..Self::default() }
    }

    /// Returns the memory it holds, bytes.
    pub(crate) fn bytes(&self) -> usize {
        let course = if self.course.is_some() { size_of::<Course>() } else { 0 };
        let grove = self.grove.as_ref().map_or(0, |grove| grove.bytes());
        size_of::<Self>() + self.points.capacity() * size_of::<Point>() + course + grove
    }

    /// Appends a bucket that begins after every kept one.
    pub(crate) fn push(&mut self, closed: Closed) {
        let apart = closed.start.saturating_sub(self.newest) >> closed.shift.min(62);
        let relative = |x: f64| pack(x - self.anchor);
        let point = Point {
            gap: if self.points.is_empty() { 0 } else { apart.clamp(0, 65_535) as u16 },
            shift: closed.shift as u8,
            score: (closed.score.clamp(0.0, 1.0) * 255.0 + 0.5) as u8,
            count: pack(f64::from(closed.count)),
            mean: relative(closed.mean),
            least: relative(closed.least),
            most: relative(closed.most),
            expected: relative(closed.expected),
            reach: pack(closed.reach),
        };
        self.newest = closed.start;
        if self.points.len() < POINTS {
            if self.points.len() == self.points.capacity() {
                self.points.reserve_exact((self.points.len()).clamp(8, POINTS / 2));
            }
            self.points.push(point);
        } else {
            self.points[self.next] = point;
            self.next = (self.next + 1) % POINTS;
        }
    }

    /// Returns the kept buckets, oldest first.
    pub(crate) fn series(&self) -> Vec<SeriesPoint> {
        let mut series = Vec::with_capacity(self.points.len());
        let mut start = self.newest;
        let count = self.points.len();
        for back in 0..count {
            let point = self.points[(self.next + count - 1 - back) % count];
            series.push(self.point(start, point));
            start = start.saturating_sub(i64::from(point.gap) << point.shift.min(46));
        }
        series.reverse();
        series
    }

    fn point(&self, start: i64, point: Point) -> SeriesPoint {
        let value = |half: u16| self.anchor + unpack(half);
        let expected = value(point.expected);
        let reach = unpack(point.reach);
        SeriesPoint {
            at: Timestamp::from_nanos(start),
            width_secs: (1u64 << point.shift.min(62)) as f64 / 1e9,
            count: unpack(point.count),
            mean: value(point.mean),
            min: value(point.least),
            max: value(point.most),
            expected,
            low: expected - reach,
            high: expected + reach,
            score: f64::from(point.score) / 255.0,
        }
    }
}

/// Returns at most `most` points: neighbours merged evenly, extremes kept.
pub(crate) fn decimate(series: Vec<SeriesPoint>, most: usize) -> Vec<SeriesPoint> {
    if most == 0 || series.len() <= most {
        return if most == 0 { Vec::new() } else { series };
    }
    let per = series.len().div_ceil(most);
    series.chunks(per).map(merge).collect()
}

fn merge(points: &[SeriesPoint]) -> SeriesPoint {
    let mut merged = points[0];
    let count: f64 = points.iter().map(|point| point.count).sum();
    let weighted: f64 = points.iter().map(|point| point.mean * point.count).sum();
    for point in &points[1..] {
        merged.width_secs += point.width_secs;
        merged.min = merged.min.min(point.min);
        merged.max = merged.max.max(point.max);
        merged.low = merged.low.min(point.low);
        merged.high = merged.high.max(point.high);
        merged.score = merged.score.max(point.score);
    }
    merged.count = count;
    if count > 0.0 {
        merged.mean = weighted / count;
    }
    let size = points.len() as f64;
    merged.expected = points.iter().map(|point| point.expected).sum::<f64>() / size;
    merged
}
