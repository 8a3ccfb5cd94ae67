//! Measures how many detections normal traffic gives under an alert budget:
//! `cargo run --release -p via-engine --example budget -- KEY=VALUE…`. Keys: `k`
//! (alerts a day), `of` (`entity` or `stream`), `entities` (per kind and gap; with
//! `fleet=yes` so many of the slowest and as many events of each), `days`, `kinds`
//! and `gaps` (comma separated), `mixed` (`yes`: all in one stream).

use std::collections::BTreeMap;
use std::f64::consts::TAU;

use via_engine::{Answer, Engine, Options, Outcome, Position};
use via_types::config::Method;
use via_types::detection::Change;
use via_types::{Batch, LogIndex, Revision, ShardId, StreamConfig, StreamId, Timestamp};

/// A Monday, 2024-01-01T00:00:00Z, seconds.
const MONDAY: f64 = 1_704_067_200.0;
/// Rows executed at once.
const CHUNK: usize = 4096;
/// Events generated before they are put in order.
const SLICE: f64 = 200_000.0;

/// splitmix64.
#[derive(Clone, Copy)]
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

    fn exponential(&mut self) -> f64 {
        -libm::log(self.uniform())
    }

    fn normal(&mut self) -> f64 {
        let radius = (-2.0 * libm::log(self.uniform())).sqrt();
        radius * libm::cos(TAU * self.uniform())
    }

    fn poisson(&mut self, mean: f64) -> f64 {
        let (least, mut product, mut count) = (libm::exp(-mean), self.uniform(), 0.0);
        while product > least {
            product *= self.uniform();
            count += 1.0;
        }
        count
    }
}

/// An entity that does what it always does.
struct Source {
    dice: Dice,
    kind: &'static str,
    gap: f64,
    level: f64,
    next: f64,
    /// Events left of a burst.
    left: u32,
}

const KINDS: [&str; 6] = ["normal", "heavy", "counts", "season", "bursty", "marked"];

impl Source {
    fn new(kind: &'static str, gap: f64, number: u64) -> Self {
        let mut dice = Dice(number.wrapping_mul(0x2545_f491_4f6c_dd1d) ^ 77);
        let level = libm::exp(dice.normal()) * 10.0;
        let next = MONDAY + dice.exponential() * gap;
        Self { dice, kind, gap, level, next, left: 0 }
    }

    /// Returns time, value and mark of the next event.
    fn emit(&mut self) -> (f64, f64, u64) {
        let at = self.next;
        let dice = &mut self.dice;
        let wave = libm::sin(TAU * at / 86_400.0);
        let value = match self.kind {
            "heavy" => self.level * libm::exp(dice.normal()),
            "counts" => dice.poisson(3.0),
            "season" => self.level * (5.0 + wave + 0.2 * dice.normal()),
            _ => self.level * (5.0 + dice.normal()),
        };
        let mark = if self.kind == "marked" { dice.bits() % 50 + 1 } else { 0 };
        self.next += match self.kind {
            "bursty" => {
                // Ten events close together, then a pause.
                if self.left == 0 {
                    self.left = 1 + dice.poisson(9.0) as u32;
                    self.gap * 9.0 * dice.exponential()
                } else {
                    self.left -= 1;
                    self.gap * 0.1 * dice.exponential()
                }
            }
            "season" => self.gap * dice.exponential() / (1.0 + 0.5 * wave),
            _ => self.gap * dice.exponential(),
        };
        (at, value, mark)
    }
}

/// So many entities of one kind.
struct Class {
    kind: &'static str,
    gap: f64,
    entities: usize,
}

struct Run {
    method: Method,
    days: f64,
}

#[derive(Default)]
struct Found {
    events: u64,
    opened: BTreeMap<String, u64>,
    by_day: Vec<u64>,
    kinds: BTreeMap<String, u64>,
}

fn run(run: &Run, classes: &[Class]) -> Found {
    let mut engine = Engine::new(Options { memory_bytes: 8 << 30, ..Options::default() });
    let mut config = StreamConfig::default();
    config.threshold.method = run.method;
    engine.configure(StreamId::new(1), Revision::new(1), &config);
    let mut sources: Vec<(String, Source)> = Vec::new();
    for Class { kind, gap, entities } in classes {
        for number in 0..*entities {
            let key = format!("{kind}-{gap}-{number}");
            sources.push((key, Source::new(kind, *gap, (sources.len() as u64 + 1) * 7919)));
        }
    }
    let pace: f64 = sources.iter().map(|(_, source)| 1.0 / source.gap).sum();
    let slice = (SLICE / pace).clamp(10.0, 86_400.0);
    let mut found = Found { by_day: vec![0; run.days as usize + 1], ..Found::default() };
    let (mut index, mut from) = (0, MONDAY);
    let mut events: Vec<(i64, u32, f64, u64)> = Vec::new();
    let end = MONDAY + run.days * 86_400.0;
    while from < end {
        let until = (from + slice).min(end);
        events.clear();
        for (number, (_, source)) in sources.iter_mut().enumerate() {
            while source.next < until {
                let (at, value, mark) = source.emit();
                events.push(((at * 1e9) as i64, number as u32, value, mark));
            }
        }
        events.sort_unstable_by_key(|event| (event.0, event.1));
        for chunk in events.chunks(CHUNK) {
            index += 1;
            execute(&mut engine, index, chunk, &sources, &mut found);
        }
        from = until;
    }
    found
}

fn execute(
    engine: &mut Engine,
    index: u64,
    events: &[(i64, u32, f64, u64)],
    sources: &[(String, Source)],
    found: &mut Found,
) {
    let mut batch = Batch { stream: StreamId::new(1), ..Batch::default() };
    let mut known = BTreeMap::new();
    for (at, number, value, mark) in events {
        let keys = &mut batch.keys;
        let key = &sources[*number as usize].0;
        batch.entity.push(*known.entry(*number).or_insert_with(|| keys.push(key)));
        batch.at.push(*at);
        batch.value.push(*value);
        batch.mark.push(*mark);
    }
    if events.iter().all(|event| event.3 == 0) {
        batch.mark.clear();
    }
    batch.seal().expect("columns fit");
    let at = Position { shard: ShardId::new(0), index: LogIndex::new(index), base: 0 };
    let stamp = Timestamp::from_nanos(events.last().map_or(0, |event| event.0));
    let mut out = Outcome::default();
    engine.execute(at, stamp, &batch, Answer::Counts, &mut out);
    found.events += events.len() as u64;
    for change in &out.changes {
        if let Change::Opened(detection) = change {
            let class = detection.entity.rsplit_once('-').map_or("", |(class, _)| class);
            *found.kinds.entry(class.to_owned()).or_default() += 1;
            let feature = detection.contributions.first().map_or("", |term| &term.feature);
            *found.opened.entry(feature.to_owned()).or_default() += 1;
            let day = (detection.started.as_nanos() as f64 / 1e9 - MONDAY) / 86_400.0;
            let last = found.by_day.len() - 1;
            found.by_day[(day as usize).min(last)] += 1;
        }
    }
}

fn main() {
    let mut said: BTreeMap<String, String> = BTreeMap::new();
    for argument in std::env::args().skip(1) {
        let (key, value) = argument.split_once('=').expect("KEY=VALUE");
        said.insert(key.to_owned(), value.to_owned());
    }
    let word = |key: &str, usual: &str| said.get(key).cloned().unwrap_or(usual.to_owned());
    let figure = |key: &str, usual: &str| word(key, usual).parse::<f64>().expect("a number");
    let k = figure("k", "1");
    let of_stream = word("of", "entity") == "stream";
    let method = match (word("of", "entity").as_str(), k) {
        ("fixed", score) => Method::Ensemble(score),
        ("stream", k) => Method::StreamBudget(k),
        _ => Method::Budget(k),
    };
    let all = Run { method, days: figure("days", "7") };
    let (kinds, gaps) = (word("kinds", &KINDS.join(",")), word("gaps", "3600,600,60"));
    let gaps: Vec<f64> = gaps.split(',').map(|gap| gap.parse().expect("seconds")).collect();
    let slowest = gaps.iter().copied().fold(0.0, f64::max);
    let mut classes = Vec::new();
    for kind in KINDS.into_iter().filter(|kind| kinds.split(',').any(|asked| asked == *kind)) {
        for gap in &gaps {
            let share = if word("fleet", "no") == "yes" { gap / slowest } else { 1.0 };
            let entities = ((figure("entities", "1000") * share).round() as usize).max(1);
            classes.push(Class { kind, gap: *gap, entities });
        }
    }
    let size = if word("mixed", "no") == "yes" { classes.len() } else { 1 };
    for stream in classes.chunks(size) {
        let asked =
            if of_stream { Asked::OfAll(k * all.days) } else { Asked::OfEach(k * all.days) };
        report(stream, &run(&all, stream), asked);
    }
}

/// How many detections a run may have.
#[derive(Clone, Copy)]
enum Asked {
    OfEach(f64),
    OfAll(f64),
}

/// Tells what was asked of `stream` and what it had, by kind and by pace.
#[expect(clippy::print_stdout, reason = "an example tells its figures")]
fn report(stream: &[Class], found: &Found, asked: Asked) {
    let mut sums: BTreeMap<String, (f64, f64)> = BTreeMap::new();
    let entities: f64 = stream.iter().map(|class| class.entities as f64).sum();
    for Class { kind, gap, entities: members } in stream {
        let opened = found.kinds.get(&format!("{kind}-{gap}")).copied().unwrap_or(0) as f64;
        let members = *members as f64;
        let asked = match asked {
            Asked::OfEach(detections) => detections * members,
            Asked::OfAll(detections) => detections * members / entities,
        };
        let (kind, pace) = (format!("all {kind}"), format!("all every {gap} s"));
        for name in [format!("{kind} {pace}"), kind, pace, "all".to_owned()] {
            let sum = sums.entry(name).or_default();
            *sum = (sum.0 + asked, sum.1 + opened);
        }
    }
    for (name, (asked, opened)) in &sums {
        println!("{name:32} asked {asked:9.1} had {opened:7} = {:5.2}", opened / asked);
    }
    println!("   {} events {:?} by day {:?}", found.events, found.opened, found.by_day);
}
