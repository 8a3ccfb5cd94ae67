//! Series cut down to what a picture can show: neighbouring rows merge, two by
//! two, whenever there are too many, so memory is bounded whatever the file's
//! length (invariant D-6).

use std::collections::HashMap;

use serde::Serialize;
use via_types::Timestamp;

use super::judge::Verdict;

/// Points after which neighbours merge.
const POINTS: usize = 2_048;
/// Numbers kept for all entities together, in points times values.
const ROOM: usize = 64 * POINTS;
/// Score from which an entity is worth a place in the picture.
const REMARKABLE: f64 = 0.5;

/// Consecutive rows of one entity as one point.
#[derive(Clone, Debug)]
struct Point {
    at: Timestamp,
    rows: u32,
    /// Rows that have the value, their sum and extremes.
    valued: u32,
    sum: f64,
    min: f64,
    max: f64,
    /// Rows with a band, and the sums of its parts.
    banded: u32,
    expected: f64,
    low: f64,
    high: f64,
    score: f64,
    lanes: Vec<f64>,
}

impl Point {
    fn absorb(&mut self, other: &Self) {
        self.rows += other.rows;
        self.valued += other.valued;
        self.sum += other.sum;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        self.banded += other.banded;
        self.expected += other.expected;
        self.low += other.low;
        self.high += other.high;
        self.score = self.score.max(other.score);
        for (lane, more) in self.lanes.iter_mut().zip(&other.lanes) {
            *lane += more;
        }
    }
}

/// One entity's series.
#[derive(Clone, Debug)]
struct Trace {
    points: Vec<Point>,
    /// Rows that make a point now.
    rows_per_point: u32,
    /// What was expected of the first of several values when it was last said: of
    /// each row it is said of one value alone.
    band: Option<[f64; 3]>,
    top: f64,
    rows: u64,
}

/// The series of the entities that matter most.
#[derive(Debug)]
pub(crate) struct Traces {
    lanes: usize,
    most: usize,
    traces: HashMap<String, Trace>,
}

/// What is seen of one row.
pub(crate) struct Glimpse<'a> {
    pub(crate) at: Timestamp,
    pub(crate) value: f64,
    pub(crate) lanes: Vec<f64>,
    pub(crate) verdict: &'a Verdict,
}

/// One entity's series as drawn: parallel columns.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Drawn {
    pub(crate) entity: String,
    pub(crate) rows: u64,
    pub(crate) top: f64,
    /// Milliseconds since 1970.
    pub(crate) t: Vec<f64>,
    pub(crate) mean: Vec<Option<f64>>,
    pub(crate) min: Vec<Option<f64>>,
    pub(crate) max: Vec<Option<f64>>,
    pub(crate) expected: Vec<Option<f64>>,
    pub(crate) low: Vec<Option<f64>>,
    pub(crate) high: Vec<Option<f64>>,
    pub(crate) score: Vec<Option<f64>>,
    pub(crate) lanes: Vec<Vec<Option<f64>>>,
}

impl Traces {
    /// Makes room for entities of so many values each.
    pub(crate) fn new(lanes: usize) -> Self {
        Self { lanes, most: (ROOM / POINTS / (1 + lanes)).max(4), traces: HashMap::new() }
    }

    /// Adds one judged row. When there is no room, the least remarkable entity makes
    /// place for one that just was more so.
    pub(crate) fn add(&mut self, entity: &str, glimpse: Glimpse<'_>) {
        if !self.traces.contains_key(entity) {
            if self.traces.len() >= self.most && !self.make_room(glimpse.verdict.score) {
                return;
            }
            let fresh =
                Trace { points: Vec::new(), rows_per_point: 1, band: None, top: 0.0, rows: 0 };
            self.traces.insert(entity.to_owned(), fresh);
        }
        if let Some(trace) = self.traces.get_mut(entity) {
            trace.add(glimpse, self.lanes);
        }
    }

    fn make_room(&mut self, score: f64) -> bool {
        if score < REMARKABLE {
            return false;
        }
        let dullest = self
            .traces
            .iter()
            .min_by(|(a, one), (b, other)| one.top.total_cmp(&other.top).then(a.cmp(b)));
        let Some((entity, _)) = dullest.filter(|(_, trace)| trace.top < score) else {
            return false;
        };
        let entity = entity.clone();
        self.traces.remove(&entity);
        true
    }

    /// Returns up to `most` series, the most remarkable first.
    pub(crate) fn draw(&self, most: usize) -> Vec<Drawn> {
        let mut all: Vec<_> = self.traces.iter().collect();
        all.sort_by(|(a, one), (b, other)| {
            other.top.total_cmp(&one.top).then(other.rows.cmp(&one.rows)).then(a.cmp(b))
        });
        all.into_iter().take(most).map(|(entity, trace)| trace.draw(entity)).collect()
    }
}

impl Trace {
    fn add(&mut self, glimpse: Glimpse<'_>, lanes: usize) {
        let Glimpse { at, value, verdict, .. } = glimpse;
        self.top = self.top.max(verdict.score);
        self.rows += 1;
        let said = verdict.expected.map(|range| [range.value, range.low, range.high]);
        let band = if lanes > 0 { said.or(self.band) } else { said };
        self.band = band;
        let [expected, low, high] = band.unwrap_or_default();
        let is_there = !value.is_nan();
        let mut point = Point {
            at,
            rows: 1,
            valued: u32::from(is_there),
            sum: if is_there { value } else { 0.0 },
            min: value,
            max: value,
            banded: u32::from(band.is_some()),
            expected,
            low,
            high,
            score: verdict.score,
            lanes: glimpse.lanes,
        };
        point.lanes.resize(lanes, 0.0);
        match self.points.last_mut() {
            Some(last) if last.rows < self.rows_per_point => last.absorb(&point),
            _ => self.points.push(point),
        }
        if self.points.len() >= POINTS {
            self.halve();
        }
    }

    fn halve(&mut self) {
        self.rows_per_point = self.rows_per_point.saturating_mul(2);
        let mut merged: Vec<Point> = Vec::with_capacity(POINTS);
        for (position, point) in self.points.drain(..).enumerate() {
            match merged.last_mut() {
                Some(last) if position % 2 == 1 => last.absorb(&point),
                _ => merged.push(point),
            }
        }
        self.points = merged;
    }

    fn draw(&self, entity: &str) -> Drawn {
        let lanes = self.points.first().map_or(0, |point| point.lanes.len());
        let mut drawn = Drawn {
            entity: entity.to_owned(),
            rows: self.rows,
            top: short(self.top).unwrap_or(0.0),
            lanes: vec![Vec::new(); lanes],
            ..Drawn::default()
        };
        for point in &self.points {
            let rows = f64::from(point.rows);
            let banded = |sum: f64| {
                (point.banded > 0).then(|| sum / f64::from(point.banded)).and_then(short)
            };
            drawn.t.push((point.at.as_nanos() / 1_000_000) as f64);
            drawn.mean.push(short(point.sum / f64::from(point.valued)));
            drawn.min.push(short(point.min));
            drawn.max.push(short(point.max));
            drawn.expected.push(banded(point.expected));
            drawn.low.push(banded(point.low));
            drawn.high.push(banded(point.high));
            drawn.score.push(short(point.score));
            for (lane, sum) in drawn.lanes.iter_mut().zip(&point.lanes) {
                lane.push(short(sum / rows));
            }
        }
        drawn
    }
}

/// Rounds to six significant digits: a picture shows no more, and files stay
/// small. None for what is no number.
fn short(number: f64) -> Option<f64> {
    number.is_finite().then(|| format!("{number:.5e}").parse().unwrap_or(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn glimpse(second: i64, value: f64, verdict: &Verdict) -> Glimpse<'_> {
        Glimpse {
            at: Timestamp::from_nanos(second * 1_000_000_000),
            value,
            lanes: Vec::new(),
            verdict,
        }
    }

    #[test]
    fn a_long_series_is_cut_down_and_keeps_its_extremes() {
        let mut traces = Traces::new(0);
        for second in 0..100_000 {
            let value = if second == 77_777 { 50.0 } else { 1.0 };
            let score = if second == 77_777 { 0.9 } else { 0.1 };
            let verdict = Verdict { score, ..Verdict::default() };
            traces.add("cpu", glimpse(second, value, &verdict));
        }
        let drawn = traces.draw(9);
        assert!(drawn[0].t.len() < POINTS && drawn[0].t.len() > POINTS / 4);
        assert_eq!(drawn[0].rows, 100_000);
        assert!(drawn[0].max.contains(&Some(50.0)));
        assert!(drawn[0].score.contains(&Some(0.9)));
        assert!(drawn[0].t.is_sorted());
    }

    #[test]
    fn a_gap_in_the_first_of_several_values_leaves_the_others_and_the_band() {
        let mut traces = Traces::new(2);
        let range = via_types::detection::Expected { value: 5.0, low: 4.0, high: 6.0 };
        let said = Verdict { expected: Some(range), ..Verdict::default() };
        let silent = Verdict::default();
        for (second, value, verdict) in
            [(0, f64::NAN, &silent), (1, 5.0, &said), (2, 7.0, &silent), (3, f64::NAN, &silent)]
        {
            let lanes = vec![value, 1.0];
            traces.add("a", Glimpse { lanes, ..glimpse(second, value, verdict) });
        }
        let drawn = traces.draw(1).remove(0);
        assert_eq!(drawn.mean, [None, Some(5.0), Some(7.0), None]);
        assert_eq!(drawn.low, [None, Some(4.0), Some(4.0), Some(4.0)]);
        let trace = traces.traces.get_mut("a").unwrap();
        trace.halve();
        assert_eq!(traces.draw(1)[0].mean, [Some(5.0), Some(7.0)]);
    }

    #[test]
    fn a_remarkable_entity_takes_the_place_of_a_dull_one() {
        let mut traces = Traces::new(0);
        let dull = Verdict::default();
        let odd = Verdict { score: 0.8, ..Verdict::default() };
        for number in 0..1_000 {
            traces.add(&format!("dull-{number}"), glimpse(number, 1.0, &dull));
        }
        traces.add("odd", glimpse(1_000, 9.0, &odd));
        assert_eq!(traces.traces.len(), traces.most);
        assert_eq!(traces.draw(1)[0].entity, "odd");
    }

    #[test]
    fn the_most_remarkable_entity_is_drawn_however_late_it_comes() {
        let mut traces = Traces::new(0);
        let odd = Verdict { score: 0.6, ..Verdict::default() };
        for number in 0..1_000 {
            traces.add(&format!("odd-{number}"), glimpse(number, 1.0, &odd));
        }
        let odder = Verdict { score: 0.7, ..Verdict::default() };
        traces.add("odder", glimpse(1_000, 9.0, &odder));
        assert_eq!(traces.draw(1)[0].entity, "odder");
        assert_eq!(traces.traces.len(), traces.most);
    }
}
