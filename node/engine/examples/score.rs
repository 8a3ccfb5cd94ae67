//! Scores every CSV below a folder at the default configuration and mirrors
//! them: `cargo run --release -p via-engine --example score -- IN OUT`. Columns:
//! `timestamp`, then one value, or several (one multivariate entity); a file
//! with the columns `customer,terminal,amount` has two entities a row. With
//! `--only NAME` or `--without NAME` one detector, or all but one, judges.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use via_engine::{Answer, Engine, Options, Outcome, Position};
use via_types::config::StreamConfig;
use via_types::{Batch, Detector, Lane, LogIndex, Revision, ShardId, StreamId, Timestamp};

/// Rows executed at once.
const CHUNK: usize = 4096;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let (Some(input), Some(output)) = (arguments.next(), arguments.next()) else {
        panic!("usage: score IN OUT [--only NAME | --without NAME]");
    };
    let (input, output) = (PathBuf::from(input), PathBuf::from(output));
    let config = match (arguments.next().as_deref(), arguments.next()) {
        (Some("--only"), Some(name)) => with(|detector| detector.name() == name),
        (Some("--without"), Some(name)) => with(|detector| detector.name() != name),
        _ => StreamConfig::default(),
    };
    let mut files = Vec::new();
    collect(&input, &mut files);
    files.sort();
    for file in files {
        let text = fs::read_to_string(&file).expect("a readable CSV");
        let scores = score(&text, &config);
        let target = output.join(file.strip_prefix(&input).expect("found below the input"));
        fs::create_dir_all(target.parent().expect("has a folder")).expect("a writable folder");
        let mut lines = String::from("score\n");
        for score in scores {
            writeln!(lines, "{score:.6}").expect("strings grow");
        }
        fs::write(target, lines).expect("a writable file");
    }
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a readable folder") {
        let path = entry.expect("a readable entry").path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "csv") {
            files.push(path);
        }
    }
}

/// Returns the default configuration with those detectors off that `keeps` does
/// not keep.
fn with(keeps: impl Fn(Detector) -> bool) -> StreamConfig {
    let mut config = StreamConfig::default();
    let detectors = &mut config.detectors;
    detectors.volume.enabled = keeps(Detector::Volume);
    detectors.distribution.enabled = keeps(Detector::Distribution);
    detectors.cardinality.enabled = keeps(Detector::Cardinality);
    detectors.burst.enabled = keeps(Detector::Burst);
    detectors.spectral.enabled = keeps(Detector::Spectral);
    detectors.change_point.enabled = keeps(Detector::ChangePoint);
    detectors.forest.enabled = keeps(Detector::Forest);
    detectors.multi_scale.enabled = keeps(Detector::MultiScale);
    detectors.behavioural.enabled = keeps(Detector::Behavioural);
    detectors.drift.enabled = keeps(Detector::Drift);
    config
}

fn score(text: &str, config: &StreamConfig) -> Vec<f32> {
    let mut lines = text.lines();
    let names: Vec<&str> = lines.next().expect("a header").split(',').collect();
    let rows: Vec<Vec<&str>> = lines.map(|line| line.split(',').collect()).collect();
    let column = |name: &str| names.iter().position(|known| *known == name);
    match (column("customer"), column("terminal"), column("amount")) {
        (Some(customer), Some(terminal), Some(amount)) => {
            let by = |entity: usize, mark: usize| {
                run((&rows, config), &[(amount, names[amount])], Some((entity, mark)))
            };
            let (payer, place) = (by(customer, terminal), by(terminal, customer));
            payer.into_iter().zip(place).map(|(a, b)| a.max(b)).collect()
        }
        _ => {
            let values: Vec<(usize, &str)> = names.iter().copied().enumerate().skip(1).collect();
            run((&rows, config), &values, None)
        }
    }
}

fn run(
    (rows, config): (&[Vec<&str>], &StreamConfig),
    values: &[(usize, &str)],
    entity: Option<(usize, usize)>,
) -> Vec<f32> {
    let mut engine = Engine::new(Options::default());
    engine.configure(StreamId::new(1), Revision::new(1), config);
    let mut scores = Vec::with_capacity(rows.len());
    for (number, chunk) in rows.chunks(CHUNK).enumerate() {
        let mut batch = Batch { stream: StreamId::new(1), ..Batch::default() };
        let mut known = std::collections::BTreeMap::new();
        for row in chunk {
            let key = entity.map_or("series", |(column, _)| row[column]);
            let keys = &mut batch.keys;
            batch.entity.push(*known.entry(key).or_insert_with(|| keys.push(key)));
            batch.at.push(nanos(row[0]));
            if let Some((_, mark)) = entity {
                batch.mark.push(row[mark].parse::<u64>().map_or(1, |mark| mark + 1) << 20);
            }
        }
        let column =
            |column: usize| chunk.iter().map(move |row| row[column].parse().unwrap_or(f64::NAN));
        if let [(only, _)] = values {
            batch.value = column(*only).map(|x: f64| if x.is_nan() { 0.0 } else { x }).collect();
        } else {
            batch.value = vec![1.0; chunk.len()].into();
            for (place, name) in values {
                batch
                    .lanes
                    .push(Lane { name: (*name).to_owned(), values: column(*place).collect() });
            }
        }
        batch.seal().expect("columns fit");
        let at =
            Position { shard: ShardId::new(0), index: LogIndex::new(number as u64 + 1), base: 0 };
        let mut out = Outcome::default();
        engine.execute(at, Timestamp::default(), &batch, Answer::Scores, &mut out);
        scores.extend(out.scores.iter().map(|score| if score.is_nan() { 0.0 } else { *score }));
    }
    scores
}

/// Reads `YYYY-MM-DD HH:MM:SS` (days from civil: Hinnant's algorithm).
fn nanos(text: &str) -> i64 {
    let part = |range: std::ops::Range<usize>| {
        text.get(range).and_then(|part| part.parse::<i64>().ok()).unwrap_or(0)
    };
    let (year, month, day) = (part(0..4), part(5..7), part(8..10));
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year - era * 400;
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    (days * 86_400 + part(11..13) * 3600 + part(14..16) * 60 + part(17..19)) * 1_000_000_000
}
