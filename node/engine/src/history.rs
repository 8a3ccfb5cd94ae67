//! The recent past of one entity: its first events and its closed buckets, for
//! charts, and its detections that ended. Owns a ring of points in 16 bytes each;
//! refuses to judge. Levels keep eight significant bits of their distance from an
//! anchor near them, as spans of time do, and extremes six of theirs from the mean:
//! enough to draw.

use via_types::Timestamp;
use via_types::profile::SeriesPoint;

use crate::course::Course;
use crate::detector::behaviour::Marks;
use crate::grove::Grove;
use crate::precedent::Precedents;

/// Points kept.
pub(crate) const POINTS: usize = 52;
/// Events of a young entity that are points of their own.
pub(crate) const EVENTS: u64 = 6;
/// Binary digits of seven that widths do without.
pub(crate) const SPARE: u32 = 2;
/// Binary digits that counts are kept with.
const DIGITS: u32 = 12;
/// A point read back may be so much of a bucket's width early: its rounding.
const EARLY: u32 = 6;

/// One closed bucket, or one event, compact.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Point {
    /// Nanoseconds from the start of the one before to this.
    pub(crate) gap: u16,
    pub(crate) shift: u8,
    pub(crate) score: u8,
    /// 0 for an event, of which only the mean is kept: so early nothing was
    /// expected yet.
    pub(crate) count: u16,
    /// The mean and what was expected, from the anchor.
    pub(crate) mean: u16,
    pub(crate) expected: u16,
    /// How far the extremes are from the mean, and how wide the band is; of their
    /// digits [`SPARE`] are zero.
    pub(crate) below: u16,
    pub(crate) above: u16,
    pub(crate) reach: u16,
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
    /// How its marks are mixed, where few different ones come.
    pub(crate) marks: Option<Box<Marks>>,
    /// The forest that the entity has earned.
    pub(crate) grove: Option<Box<Grove>>,
    /// Detections that ended, once there are any.
    pub(crate) ended: Option<Box<Precedents>>,
}

/// A bucket to keep, or an event.
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

fn secs(shift: u32) -> f64 {
    (1u64 << shift.min(62)) as f64 / 1e9
}

impl Closed {
    /// Returns it as a point of a chart.
    pub(crate) fn point(&self) -> SeriesPoint {
        SeriesPoint {
            at: Timestamp::from_nanos(self.start),
            width_secs: secs(self.shift),
            count: f64::from(self.count),
            mean: self.mean,
            min: self.least,
            max: self.most,
            expected: self.expected,
            low: self.expected - self.reach,
            high: self.expected + self.reach,
            score: f64::from(self.score),
        }
    }
}

/// Keeps the upper half of a 32-bit float, rounded.
fn pack(x: f64) -> u16 {
    let x = (x as f32).clamp(-3e38, 3e38);
    (x.to_bits().saturating_add(0x8000) >> 16) as u16
}

/// Keeps fewer digits of what is not negative.
fn pack_width(x: f64) -> u16 {
    pack(x.max(0.0)).saturating_add(1 << SPARE >> 1) >> SPARE << SPARE
}

/// Keeps the first digits of a count, in the order of counts.
fn pack_count(count: u32) -> u16 {
    let spare = (32 - count.leading_zeros()).saturating_sub(DIGITS);
    // The first digit, which is 1, counts for a shift by one.
    ((spare << (DIGITS - 1)) + (count >> spare)) as u16
}

fn unpack_count(kept: u16) -> f64 {
    let kept = u32::from(kept);
    let spare = (kept >> (DIGITS - 1)).saturating_sub(1);
    f64::from(kept - (spare << (DIGITS - 1))) * (1u64 << spare) as f64
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
        let ended = if self.ended.is_some() { size_of::<Precedents>() } else { 0 };
        let marks = if self.marks.is_some() { size_of::<Marks>() } else { 0 };
        let points = self.points.capacity() * size_of::<Point>();
        size_of::<Self>() + points + course + marks + grove + ended
    }

    /// Appends a bucket that begins after every kept one.
    pub(crate) fn push(&mut self, closed: Closed) {
        let count = pack_count(closed.count.max(1));
        self.append(&closed, count);
    }

    /// Appends an event, unless one that was later is known.
    pub(crate) fn push_event(&mut self, event: &Closed) {
        if self.points.is_empty() || event.start >= self.newest {
            self.append(event, 0);
        }
    }

    /// Returns what of `bucket` is not kept event by event, if anything is.
    pub(crate) fn rest_of(&self, bucket: &Closed) -> Option<Closed> {
        let since = bucket.start.saturating_sub(1 << bucket.shift.min(62) >> EARLY);
        let kept = self.events_since(since);
        if kept == 0 {
            return Some(*bucket);
        }
        let start = bucket.start.max(self.newest.saturating_add(1));
        let count = bucket.count.checked_sub(kept).filter(|count| *count > 0)?;
        Some(Closed { start, count, ..*bucket })
    }

    /// Returns how many of the newest points are events since then.
    fn events_since(&self, since: i64) -> u32 {
        let is_event = |&(start, point): &(i64, Point)| point.count == 0 && start >= since;
        self.newest_first().take_while(is_event).count() as u32
    }

    fn append(&mut self, closed: &Closed, count: u16) {
        let apart = closed.start.saturating_sub(self.newest).max(0);
        let relative = |x: f64| pack(x - self.anchor);
        let of_bucket = |half: u16| if count == 0 { 0 } else { half };
        let point = Point {
            gap: if self.points.is_empty() { 0 } else { pack(apart as f64) },
            shift: closed.shift as u8,
            score: (closed.score.clamp(0.0, 1.0) * 255.0 + 0.5) as u8,
            count,
            mean: relative(closed.mean),
            expected: of_bucket(relative(closed.expected)),
            below: of_bucket(pack_width(closed.mean - closed.least)),
            above: of_bucket(pack_width(closed.most - closed.mean)),
            reach: of_bucket(pack_width(closed.reach)),
        };
        self.newest = closed.start;
        let held = self.points.len();
        if held < POINTS {
            if held == self.points.capacity() {
                self.points.reserve_exact(held.clamp(2, POINTS / 2).min(POINTS - held));
            }
            self.points.push(point);
        } else {
            self.points[self.next] = point;
            self.next = (self.next + 1) % POINTS;
        }
    }

    /// Returns the kept points with their starts.
    fn newest_first(&self) -> impl Iterator<Item = (i64, Point)> {
        let count = self.points.len();
        let mut start = self.newest;
        (0..count).map(move |back| {
            let point = self.points[(self.next + count - 1 - back) % count];
            let this = start;
            start = start.saturating_sub(unpack(point.gap) as i64);
            (this, point)
        })
    }

    /// Returns the kept points, oldest first.
    pub(crate) fn series(&self) -> Vec<SeriesPoint> {
        let mut series: Vec<_> =
            self.newest_first().map(|(start, point)| self.point(start, point)).collect();
        series.reverse();
        series
    }

    fn point(&self, start: i64, point: Point) -> SeriesPoint {
        let is_event = point.count == 0;
        let mean = self.anchor + unpack(point.mean);
        let expected = if is_event { mean } else { self.anchor + unpack(point.expected) };
        let reach = unpack(point.reach);
        SeriesPoint {
            at: Timestamp::from_nanos(start),
            width_secs: if is_event { 0.0 } else { secs(u32::from(point.shift)) },
            count: if is_event { 1.0 } else { unpack_count(point.count) },
            mean,
            min: mean - unpack(point.below),
            max: mean + unpack(point.above),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn bucket(start: i64, shift: u32, count: u32) -> Closed {
        Closed {
            start,
            shift,
            count,
            mean: 5.0,
            least: 4.0,
            most: 6.0,
            expected: 5.0,
            reach: 1.0,
            score: 0.2,
        }
    }

    #[test]
    fn events_come_first_then_what_they_do_not_hold_then_buckets() {
        let mut history = History::new(5.0);
        for event in 0..EVENTS as i64 {
            history.push_event(&bucket(event << 30, 0, 1));
        }
        history.push_event(&bucket(0, 0, 1));
        assert_eq!(history.rest_of(&bucket(0, 34, EVENTS as u32)).map(|rest| rest.count), None);
        let rest = history.rest_of(&bucket(0, 34, 16)).unwrap();
        assert_eq!(rest.count, 16 - EVENTS as u32);
        history.push(rest);
        let next = bucket(1 << 34, 34, 16);
        assert_eq!(history.rest_of(&next).unwrap().count, 16);
        history.push(next);
        let series = history.series();
        assert_eq!(series.len(), EVENTS as usize + 2);
        assert!(series.is_sorted_by(|a, b| a.at <= b.at));
        let starts: Vec<f64> = series.iter().map(|point| point.at.as_secs_f64()).collect();
        assert!((starts[1] - 1.073).abs() < 0.2 && (starts[0]).abs() < 0.2, "{starts:?}");
        assert_eq!((series[0].count, series[0].width_secs), (1.0, 0.0));
    }

    #[test]
    fn the_ring_holds_the_newest_and_no_more_memory_than_they_need() {
        let mut history = History::new(0.0);
        for number in 0..200 {
            history.push(bucket(number << 30, 30, 20));
        }
        let series = history.series();
        assert_eq!(series.len(), POINTS);
        assert_eq!(series[POINTS - 1].at.as_nanos(), 199 << 30);
        assert_eq!(series[0].at.as_nanos(), 148 << 30);
        assert_eq!(history.points.capacity(), POINTS);
    }
}
