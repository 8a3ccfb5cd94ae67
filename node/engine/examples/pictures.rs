//! Draws the pictures of `docs/DETECTORS.md` from what the detectors say of
//! seeded series: `cargo run --release -p via-engine --example pictures --
//! docs/pictures`. Above what happened, below the evidence; shaded is what was
//! odd.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::ops::Range;
use std::path::PathBuf;

use via_engine::detector::behaviour::{Fingerprint, Spans};
use via_engine::detector::changepoint::{Hazard, Runs};
use via_engine::detector::drift::{Caution, Window};
use via_engine::detector::forest::{Forest, Point, Shape};
use via_engine::detector::horizons::Horizons;
use via_engine::detector::spectral::Rhythm;
use via_engine::{Answer, Engine, Options, Outcome, Position};
use via_types::{Batch, Detector, LogIndex, ShardId, StreamId, Timestamp};

/// Size of a picture, and where its two panels are.
const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 230.0;
const LEFT: f64 = 56.0;
const RIGHT: f64 = 632.0;
const ABOVE: Range<f64> = 22.0..128.0;
const BELOW: Range<f64> = 150.0..208.0;
/// The least that the evidence's panel shows: what is less is no news.
const LEAST: f64 = 6.0;
/// Groups of neighbours that are drawn.
const MOST_POINTS: usize = 400;
/// A second, nanoseconds.
const SECOND: f64 = 1e9;

/// One picture.
struct Picture {
    name: &'static str,
    above: &'static str,
    along: &'static str,
    values: Vec<f64>,
    evidence: Vec<f64>,
    /// From which point to which it was odd.
    odd: Vec<(usize, usize)>,
}

/// Seeded numbers: splitmix64.
struct Dice(u64);

impl Dice {
    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn uniform(&mut self) -> f64 {
        ((self.bits() >> 11) as f64 + 0.5) / (1u64 << 53) as f64
    }

    fn exponential(&mut self, mean: f64) -> f64 {
        -mean * libm::log(self.uniform())
    }

    fn normal(&mut self) -> f64 {
        let radius = (-2.0 * libm::log(self.uniform())).sqrt();
        radius * libm::cos(std::f64::consts::TAU * self.uniform())
    }
}

fn main() {
    let folder = std::env::args().nth(1).map(PathBuf::from);
    let Some(folder) = folder else { panic!("usage: pictures FOLDER") };
    fs::create_dir_all(&folder).expect("a writable folder");
    for picture in [
        volume(),
        distribution(),
        cardinality(),
        burst(),
        spectral(),
        changepoint(),
        forest(),
        multi_scale(),
        behaviour(),
        drift(),
    ] {
        let path = folder.join(format!("{}.svg", picture.name));
        fs::write(path, picture.svg()).expect("a writable file");
    }
}

/// One event: when, its value, its mark.
type Event = (f64, f64, u64);

/// Feeds the engine and returns, per event, the evidence of one detector.
fn evidence(events: &[Event], detector: Detector) -> Vec<f64> {
    let mut engine = Engine::new(Options::default());
    let mut said = Vec::with_capacity(events.len());
    for (number, (at, value, mark)) in events.iter().enumerate() {
        let mut batch = Batch { stream: StreamId::new(1), ..Batch::default() };
        let key = batch.keys.push("one");
        batch.entity.push(key);
        batch.at.push((at * SECOND) as i64);
        batch.value.push(*value);
        if *mark != 0 {
            batch.mark.push(*mark);
        }
        batch.seal().expect("columns fit");
        let index = LogIndex::new(number as u64 + 1);
        let position = Position { shard: ShardId::new(0), index, base: 0 };
        let mut out = Outcome::default();
        let stamp = Timestamp::from_nanos(batch.at[0]);
        engine.execute(position, stamp, &batch, Answer::Scores, &mut out);
        let terms = out.scored.iter().flat_map(|scored| &scored.contributions);
        let own = terms.filter(|term| term.detector == detector);
        said.push(own.map(|term| term.evidence).sum());
    }
    said
}

/// Returns what lies in each span of `width` seconds, as `of` takes it together.
fn by_time<T>(
    events: &[Event],
    width: f64,
    of: impl Fn(&mut dyn Iterator<Item = usize>) -> T,
) -> Vec<T> {
    let spans = (events.last().expect("events").0 / width) as usize;
    let first = |span: usize| events.partition_point(|event| event.0 < span as f64 * width);
    (0..spans).map(|span| of(&mut (first(span)..first(span + 1)))).collect()
}

fn most(said: &[f64], events: &mut dyn Iterator<Item = usize>) -> f64 {
    events.map(|event| said[event]).fold(0.0, f64::max)
}

fn volume() -> Picture {
    let (mut dice, mut at, mut events) = (Dice(1), 0.0, Vec::new());
    while at < 1800.0 {
        let pace = if (1200.0..1260.0).contains(&at) { 4.0 } else { 1.0 };
        at += dice.exponential(0.5 / pace);
        events.push((at, 1.0, 0));
    }
    let said = evidence(&events, Detector::Volume);
    Picture {
        name: "volume",
        above: "events in 10 s",
        along: "30 minutes; for one of them four times as many",
        values: by_time(&events, 10.0, |span| span.count() as f64),
        evidence: by_time(&events, 10.0, |span| most(&said, span)),
        odd: vec![(120, 126)],
    }
}

fn distribution() -> Picture {
    let mut dice = Dice(2);
    let value = |number: usize, noise: f64| match number {
        600 => 100.0 + 9.0 * 5.0,
        900.. => 112.0 + 5.0 * noise,
        _ => 100.0 + 5.0 * noise,
    };
    let events: Vec<Event> =
        (0..1200).map(|number| (number as f64 * 60.0, value(number, dice.normal()), 0)).collect();
    Picture {
        name: "distribution",
        above: "value",
        along: "1,200 values; one far off, later a level that is higher",
        evidence: evidence(&events, Detector::Distribution),
        values: events.iter().map(|event| event.1).collect(),
        odd: vec![(597, 604), (900, 940)],
    }
}

fn cardinality() -> Picture {
    let (mut dice, mut at, mut events) = (Dice(3), 0.0, Vec::new());
    while at < 1800.0 {
        at += dice.exponential(0.5);
        let pool = if (1200.0..1260.0).contains(&at) { 1 << 40 } else { 20 };
        events.push((at, 1.0, dice.bits() % pool + 1));
    }
    let said = evidence(&events, Detector::Cardinality);
    let distinct = |span: &mut dyn Iterator<Item = usize>| {
        span.map(|event| events[event].2).collect::<BTreeSet<u64>>().len() as f64
    };
    Picture {
        name: "cardinality",
        above: "addresses in 10 s",
        along: "30 minutes at one pace; for one of them each event has another address",
        values: by_time(&events, 10.0, distinct),
        evidence: by_time(&events, 10.0, |span| most(&said, span)),
        odd: vec![(120, 126)],
    }
}

fn burst() -> Picture {
    let (mut dice, mut at, mut events) = (Dice(4), 0.0, Vec::new());
    let mut gaps = Vec::new();
    for number in 0..1200 {
        let pace = if (800..830).contains(&number) { 0.2 } else { 1.0 };
        let gap = pace * (0.5 + dice.uniform());
        at += gap;
        gaps.push(gap);
        events.push((at, 1.0, 0));
    }
    Picture {
        name: "burst",
        above: "seconds since the one before",
        along: "1,200 events; 30 of them five times as close",
        values: gaps,
        evidence: evidence(&events, Detector::Burst),
        odd: vec![(800, 830)],
    }
}

fn spectral() -> Picture {
    let (mut dice, mut rhythm) = (Dice(5), Rhythm::default());
    let (mut values, mut said) = (Vec::new(), Vec::new());
    for number in 0..400 {
        let wave = libm::sin(f64::from(number) * std::f64::consts::TAU / 16.0);
        // Low where the wave is half way: no value that was not seen before.
        let wave = if number == 344 { -wave.abs() - 0.9 } else { wave };
        let x = 50.0 + 20.0 * wave + dice.normal();
        let salience = rhythm.judge(x);
        rhythm.learn(x, &salience);
        values.push(x);
        said.push(f64::from(salience.finding.nominal));
    }
    Picture {
        name: "spectral",
        above: "mean of a bucket",
        along: "400 buckets; one is low where the wave is half way",
        values,
        evidence: said,
        odd: vec![(342, 347)],
    }
}

fn changepoint() -> Picture {
    let (mut dice, mut runs) = (Dice(6), Runs::default());
    let hazard = Hazard::default();
    let (mut values, mut said) = (Vec::new(), Vec::new());
    for number in 0..600 {
        let shift = if number >= 400 { 3.0 } else { 0.0 };
        let x = 20.0 + dice.normal() + shift + if number == 200 { 8.0 } else { 0.0 };
        said.push(f64::from(runs.judge(x, hazard).finding.nominal));
        runs.learn(x, hazard);
        values.push(x);
    }
    Picture {
        name: "change-point",
        above: "value",
        along: "600 values; one outlier, which is no change, and a change of three deviations",
        values,
        evidence: said,
        odd: vec![(400, 464)],
    }
}

fn forest() -> Picture {
    let (mut dice, mut forest) = (Dice(7), Forest::new(Shape::of(2, 1)));
    let (mut values, mut said) = (Vec::new(), Vec::new());
    for number in 0..900 {
        let (x, noise) = (4.0 * dice.uniform() - 2.0, dice.normal());
        // Two values that go together, and once do not: each alone is usual.
        let is_odd = (700..710).contains(&number);
        let y = if is_odd { -x } else { x + 0.2 * noise };
        let (x, y) = if is_odd { (x + x.signum(), y - x.signum()) } else { (x, y) };
        let (x, y) = (x.clamp(-2.0, 2.0), y.clamp(-2.5, 2.5));
        let point = Point::of(&[x as f32, y as f32]);
        let apart = forest.judge(&point);
        forest.learn(&point, &apart, 1.0);
        values.push(x - y);
        said.push(f64::from(apart.finding.nominal));
    }
    Picture {
        name: "forest",
        above: "difference of two values",
        along: "900 points of two values that go together; ten times one is high as the other is low",
        values,
        evidence: said,
        odd: vec![(700, 710)],
    }
}

fn multi_scale() -> Picture {
    let (mut dice, mut levels) = (Dice(8), Horizons::default());
    let (mut values, mut said) = (Vec::new(), Vec::new());
    for number in 0..2400 {
        let leak = (f64::from(number) - 1800.0).max(0.0) * 0.006;
        let spike = if number == 1000 { 8.0 } else { 0.0 };
        let x = 10.0 + dice.normal() + leak + spike;
        let at = i64::from(number) * 60 * 1_000_000_000;
        said.push(f64::from(levels.judge(x, at).finding.nominal));
        levels.learn(x, at);
        values.push(x);
    }
    Picture {
        name: "multi-scale",
        above: "value",
        along: "40 hours; one spike, later a leak of a third of a deviation an hour",
        values,
        evidence: said,
        odd: vec![(996, 1005), (1800, 2400)],
    }
}

fn behaviour() -> Picture {
    let (mut dice, mut fingerprint) = (Dice(9), Fingerprint::default());
    let spans = Spans::default();
    let (mut values, mut said) = (Vec::new(), Vec::new());
    for number in 0..3000 {
        let noise = dice.normal();
        // The same mean and spread, from two values instead of a bell.
        let x = if number >= 2600 { noise.signum() + 0.1 * dice.normal() } else { noise };
        said.push(f64::from(fingerprint.judge(x, spans).finding.nominal));
        fingerprint.learn(x, spans);
        values.push(x);
    }
    Picture {
        name: "behaviour",
        above: "value",
        along: "3,000 values of one mean and spread; the last 400 are of two kinds",
        values,
        evidence: said,
        odd: vec![(2600, 3000)],
    }
}

fn drift() -> Picture {
    let (mut dice, mut window) = (Dice(10), Window::default());
    let caution = Caution::default();
    let (mut values, mut said) = (Vec::new(), Vec::new());
    for number in 0..1500 {
        let shift = if number >= 1000 { 1.0 } else { 0.0 };
        let x = 7.0 + dice.normal() + shift;
        said.push(f64::from(window.judge(x, caution).finding.nominal));
        window.learn(x, caution);
        values.push(x);
    }
    Picture {
        name: "drift",
        above: "value",
        along: "1,500 values; from the 1,000th on the mean is one deviation higher",
        values,
        evidence: said,
        odd: vec![(1000, 1060)],
    }
}

impl Picture {
    fn svg(&self) -> String {
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
             font-family=\"sans-serif\" font-size=\"11\">\n\
             <title>{}: {}</title>\n\
             <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#fff\"/>\n",
            self.name, self.along
        );
        let count = self.values.len();
        let x = |place: usize| LEFT + (RIGHT - LEFT) * place as f64 / count as f64;
        for (first, end) in &self.odd {
            let (from, to) = (x(*first), x(*end));
            let width = (to - from).max(3.0);
            let height = BELOW.end - ABOVE.start;
            writeln!(
                svg,
                "<rect x=\"{from:.1}\" y=\"{}\" width=\"{width:.1}\" height=\"{height}\" \
                 fill=\"#fde9d9\"/>",
                ABOVE.start
            )
            .expect("strings grow");
        }
        let low = self.values.iter().copied().fold(f64::INFINITY, f64::min);
        let high = self.values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        panel(&mut svg, (&ABOVE, self.above), (low, high), &self.values, "#2f5d8a");
        let high = self.evidence.iter().copied().fold(LEAST, f64::max);
        panel(&mut svg, (&BELOW, "evidence"), (0.0, high), &self.evidence, "#b3261e");
        let note = HEIGHT - 6.0;
        writeln!(
            svg,
            "<text x=\"{LEFT}\" y=\"{note}\" fill=\"#444\">{}</text>\n</svg>",
            self.along
        )
        .expect("strings grow");
        svg
    }
}

/// Draws one series with its name and the ends of its scale.
fn panel(
    svg: &mut String,
    (rows, name): (&Range<f64>, &str),
    (low, high): (f64, f64),
    values: &[f64],
    colour: &str,
) {
    let height = rows.end - rows.start;
    let scale = (high - low).max(1e-9);
    let mut path = String::new();
    // No more points than can be told apart: the extremes of neighbours.
    let together = values.len().div_ceil(MOST_POINTS);
    for (number, group) in values.chunks(together).enumerate() {
        let x = LEFT + (RIGHT - LEFT) * (number * together) as f64 / values.len() as f64;
        let least = group.iter().copied().fold(f64::INFINITY, f64::min);
        let most = group.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let ends = if together == 1 { vec![least] } else { vec![least, most] };
        for value in ends {
            let y = rows.end - height * (value - low) / scale;
            write!(path, "{x:.1},{y:.1} ").expect("strings grow");
        }
    }
    let (edge, top, end) = (LEFT - 6.0, rows.start + 8.0, rows.end);
    write!(
        svg,
        "<text x=\"{LEFT}\" y=\"{:.0}\" fill=\"{colour}\">{name}</text>\n\
         <g fill=\"#777\" text-anchor=\"end\"><text x=\"{edge}\" y=\"{top}\">{high:.1}</text>\
         <text x=\"{edge}\" y=\"{end}\">{low:.1}</text></g>\n\
         <line x1=\"{LEFT}\" y1=\"{end}\" x2=\"{RIGHT}\" y2=\"{end}\" stroke=\"#bbb\"/>\n\
         <polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"1\" points=\"{}\"/>\n",
        rows.start - 5.0,
        path.trim_end()
    )
    .expect("strings grow");
}
