//! Scores the engine on labelled traffic, in simulated time: `cargo run --release
//! -p via-engine --example attacks -- KEY=VALUE…`. Keys: `seeds` (runs), `rounds`
//! (strikes of each attack), `history` (minutes before), `calm` (minutes between),
//! `score` (threshold) or `budget` (detections per entity-day), `misses` (`yes`: tells
//! what was false or missed). Entities, marks and shards are those of a node.

use std::collections::BTreeMap;
use std::io::{self, Write};

use via_engine::{Answer, Engine, Options, Outcome, Position};
use via_traffic::{Attack, Finding, Scorer, Stream, Strike, Traffic, TrafficEvent, Verdict};
use via_types::batch::column_hash;
use via_types::config::Method;
use via_types::detection::Change;
use via_types::{
    Batch, Detection, DetectionId, EntityHash, LogIndex, Revision, ShardId, StreamConfig, StreamId,
    Timestamp, limit,
};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

const SECOND: i64 = 1_000_000_000;
const MINUTE: i64 = 60 * SECOND;
/// A Wednesday, noon.
const START: i64 = 1_700_049_600 * SECOND;
/// How often events are sent.
const BEAT: i64 = SECOND / 5;
/// How far a finding may lie outside of its attack, as in the demo.
const GRACE: i64 = 30 * SECOND;

/// What is asked for.
struct Asked {
    seeds: u64,
    rounds: i64,
    history: i64,
    calm: i64,
    method: Method,
    tells_misses: bool,
}

/// How long an attack lasts, as in the demo.
fn length(attack: Attack) -> i64 {
    SECOND
        * match attack {
            Attack::CredentialStuffing | Attack::SqlInjection | Attack::PortScan => 60,
            Attack::CpuSpike => 75,
            Attack::LatencyRegression | Attack::TrafficDrop => 90,
            Attack::MemoryLeak => 150,
        }
}

/// Returns the mark the gateway gives an event.
fn mark(event: &TrafficEvent) -> u64 {
    let attributes = &event.attributes;
    match event.stream.distinct_of() {
        Some(wanted) => attributes
            .iter()
            .find(|(name, _)| *name == wanted)
            .map_or(0, |(_, text)| column_hash(text)),
        None if attributes.is_empty() => 0,
        None => attributes
            .iter()
            .map(|(name, text)| xxh3_64_with_seed(text.as_bytes(), xxh3_64(name.as_bytes())))
            .fold(0, u64::wrapping_add)
            .max(1),
    }
}

fn id_of(stream: Stream) -> StreamId {
    StreamId::new(stream as u32 + 1)
}

/// A node's shards.
struct Node {
    engines: Vec<Engine>,
    index: u64,
    findings: BTreeMap<DetectionId, (Finding, Detection)>,
}

impl Node {
    fn new(method: Method) -> Self {
        let options = Options { shards: limit::SHARDS, ..Options::default() };
        let mut config = StreamConfig::default();
        config.threshold.method = method;
        let engine = || {
            let mut engine = Engine::new(options);
            for stream in Stream::ALL {
                engine.configure(id_of(stream), Revision::new(1), &config);
            }
            engine
        };
        let engines = (0..limit::SHARDS).map(|_| engine()).collect();
        Self { engines, index: 0, findings: BTreeMap::new() }
    }

    fn place(&mut self, shard: usize) -> Position {
        self.index += 1;
        let index = LogIndex::new(self.index);
        Position { shard: ShardId::new(shard as u16), index, base: 0 }
    }

    /// Executes what came until `now`, then lets time pass when a second is over.
    fn beat(&mut self, events: &[TrafficEvent], now: i64) {
        let mut batches: BTreeMap<(usize, Stream), Vec<&TrafficEvent>> = BTreeMap::new();
        for event in events {
            let hash = EntityHash::of(id_of(event.stream), event.entity);
            let shard = usize::from(hash.shard(limit::SHARDS).get());
            batches.entry((shard, event.stream)).or_default().push(event);
        }
        let mut out = Outcome::default();
        let stamp = Timestamp::from_nanos(now);
        for ((shard, stream), events) in batches {
            let batch = batch_of(stream, &events);
            let place = self.place(shard);
            self.engines[shard].execute(place, stamp, &batch, Answer::Counts, &mut out);
        }
        if now % SECOND < BEAT {
            for shard in 0..self.engines.len() {
                let place = self.place(shard);
                self.engines[shard].tick(place, stamp, &mut out);
            }
        }
        for change in &out.changes {
            self.note(change.detection(), now, matches!(change, Change::Opened(_)));
        }
    }

    fn note(&mut self, detection: &Detection, now: i64, is_new: bool) {
        let peaked_nanos = detection.peaked.as_nanos();
        if let Some((finding, last)) = self.findings.get_mut(&detection.id) {
            finding.peaked_nanos = peaked_nanos;
            *last = detection.clone();
        } else if is_new {
            let stream = Stream::ALL.into_iter().find(|one| id_of(*one) == detection.stream);
            let finding = Finding {
                stream: stream.map_or("", Stream::name).to_owned(),
                entity: detection.entity.clone(),
                started_nanos: detection.started.as_nanos(),
                peaked_nanos,
                told_nanos: now,
            };
            self.findings.insert(detection.id, (finding, detection.clone()));
        }
    }
}

fn batch_of(stream: Stream, events: &[&TrafficEvent]) -> Batch {
    let mut batch = Batch { stream: id_of(stream), ..Batch::default() };
    let mut known = BTreeMap::new();
    for event in events {
        let keys = &mut batch.keys;
        batch.entity.push(*known.entry(event.entity).or_insert_with(|| keys.push(event.entity)));
        batch.at.push(event.at_nanos);
        batch.value.push(event.value);
        batch.mark.push(mark(event));
    }
    batch.seal().expect("columns fit");
    batch
}

/// Returns the strikes of one run: each attack alone, in another order each round.
fn strikes(asked: &Asked, seed: u64) -> Vec<Strike> {
    let mut start = START + asked.history * MINUTE + MINUTE;
    let mut strikes = Vec::new();
    for round in 0..asked.rounds as u64 {
        for number in 0..Attack::ALL.len() as u64 {
            let turn = (number + 3 * round + seed) % Attack::ALL.len() as u64;
            let attack = Attack::ALL[turn as usize];
            let end = start + length(attack);
            strikes.push(Strike { attack, start_nanos: start, end_nanos: end, intensity: 1.0 });
            start = end + asked.calm * MINUTE;
        }
    }
    strikes
}

/// Plays one run; returns its verdict and the detections about nothing.
fn run(asked: &Asked, seed: u64, out: &mut impl Write) -> io::Result<(Verdict, i64)> {
    let options = via_traffic::Options { seed, start_nanos: START, rate: 1.0 };
    let mut traffic = Traffic::new(options);
    let mut scorer = Scorer::new(GRACE);
    let strikes = strikes(asked, seed);
    for strike in &strikes {
        traffic.strike(*strike).expect("they lie ahead");
        scorer.strike(*strike);
    }
    let live = START + asked.history * MINUTE;
    let end =
        strikes.iter().map(|strike| strike.end_nanos).max().unwrap_or(live) + asked.calm * MINUTE;
    let mut node = Node::new(asked.method);
    let mut events = Vec::new();
    let mut now = START;
    while now < end {
        now += BEAT;
        traffic.until(now, &mut events);
        node.beat(&events, now);
        events.clear();
    }
    for (finding, detection) in node.findings.values() {
        if finding.peaked_nanos < live {
            continue;
        }
        scorer.finding(finding.clone());
        if asked.tells_misses && scorer.cause(finding).is_none() {
            let at = (finding.started_nanos - live) / SECOND;
            let Detection { detector, evidence, reason, .. } = detection;
            let (stream, entity) = (&finding.stream, &finding.entity);
            writeln!(
                out,
                "false {seed} {at} s {stream} {entity} {detector} {evidence:.2} {reason}"
            )?;
        }
    }
    let verdict = scorer.verdict(end);
    for one in verdict.attacks.iter().filter(|one| one.delay_nanos.is_none()) {
        if asked.tells_misses {
            let at = (one.strike.start_nanos - live) / SECOND;
            writeln!(out, "missed {seed} {at} s {}", one.strike.attack)?;
        }
    }
    Ok((verdict, end - live))
}

fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// Returns what lies at a share of all delays, seconds; a miss is later than any.
fn quantile(delays: &[Option<i64>], share: f64) -> String {
    let mut secs: Vec<f64> = delays
        .iter()
        .map(|delay| delay.map_or(f64::INFINITY, |nanos| nanos as f64 / SECOND as f64))
        .collect();
    secs.sort_by(f64::total_cmp);
    secs.get(((secs.len() as f64 - 1.0) * share) as usize)
        .map_or_else(String::new, |at| format!("{at:.1}"))
}

fn asked() -> Result<Asked, String> {
    let mut asked = Asked {
        seeds: 5,
        rounds: 4,
        history: 120,
        calm: 10,
        method: Method::Ensemble(0.5),
        tells_misses: false,
    };
    for word in std::env::args().skip(1) {
        let (key, value) = word.split_once('=').ok_or_else(|| format!("{word}: KEY=VALUE"))?;
        let figure = || value.parse::<f64>().map_err(|error| format!("{word}: {error}"));
        let number = || value.parse::<u32>().map_err(|error| format!("{word}: {error}"));
        match key {
            "seeds" => asked.seeds = u64::from(number()?),
            "rounds" => asked.rounds = i64::from(number()?),
            "history" => asked.history = i64::from(number()?),
            "calm" => asked.calm = i64::from(number()?),
            "score" => asked.method = Method::Ensemble(figure()?),
            "budget" => asked.method = Method::Budget(figure()?),
            "misses" => asked.tells_misses = value == "yes",
            _ => return Err(format!("{word}: no such key")),
        }
    }
    Ok(asked)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let asked = asked()?;
    let mut out = io::stdout().lock();
    let (mut all, mut nanos, mut right, mut wrong) = (Vec::new(), 0, 0, 0);
    for seed in 1..=asked.seeds {
        let (verdict, live) = run(&asked, seed, &mut out)?;
        nanos += live;
        right += verdict.true_findings as usize;
        wrong += verdict.false_findings as usize;
        all.extend(verdict.attacks);
    }
    writeln!(out, "| attack | minutes | strikes | found | median delay, s | nine of ten, s |")?;
    writeln!(out, "|---|---|---|---|---|---|")?;
    let rows = Attack::ALL.into_iter().map(Some).chain([None]);
    for attack in rows {
        let of: Vec<_> = all
            .iter()
            .filter(|one| attack.is_none_or(|attack| one.strike.attack == attack))
            .collect();
        let secs: i64 = of.iter().map(|one| one.strike.end_nanos - one.strike.start_nanos).sum();
        let delays: Vec<_> = of.iter().map(|one| one.delay_nanos).collect();
        let found = delays.iter().flatten().count();
        let name = attack.map_or("all", Attack::name);
        let (half, most) = (quantile(&delays, 0.5), quantile(&delays, 0.9));
        let minutes = secs / MINUTE;
        writeln!(out, "| {name} | {minutes} | {} | {found} | {half} | {most} |", of.len())?;
    }
    let days = nanos as f64 / (1_440 * MINUTE) as f64;
    writeln!(
        out,
        "\nrecall {:.3}, precision {:.3} ({right} true, {wrong} false in {days:.2} days of {} runs)",
        share(all.iter().filter(|one| one.delay_nanos.is_some()).count(), all.len()),
        share(right, right + wrong),
        asked.seeds,
    )?;
    Ok(())
}
