//! `engine`: how many events one core judges, without anything around it.

use std::time::Duration;

use anyhow::Result;
use rustix::time::{ClockId, clock_gettime};
use via_engine::{Answer, Engine, Options, Outcome, Position};
use via_types::{Batch, LogIndex, Revision, ShardId, StreamConfig, StreamId, Timestamp};

use crate::table::{Row, Table, Target, Unit};
use crate::workload::{Skew, Workload};

/// Entities, how unequal they are, and what is asked, events a second.
const CASES: [(u32, Skew, f64); 4] = [
    (100_000, Skew::Zipf(1.1), 8e6),
    (100_000, Skew::Uniform, 8e6),
    (10_000, Skew::Zipf(1.1), 12e6),
    (1_000_000, Skew::Uniform, 8e6),
];
/// Events of each entity, on average, before anything is measured.
const KNOWN: usize = 128;
const BATCH: usize = 4_096;
/// Batches that are judged again and again: so many that each entity has many
/// different events in them.
const LEAST_BATCHES: usize = 256;
const EACH: usize = 16;
const RUNS: usize = 5;
const RUN: Duration = Duration::from_millis(500);
/// Event time between two events of one entity, on average: a tenth of a second.
const PACE: i64 = 100_000_000;
/// Memory for the profiles of a million.
const MEMORY: usize = 8 << 30;

const STREAM: StreamId = StreamId::new(1);

/// Measures.
///
/// # Errors
/// Never: the workload is valid.
pub(crate) fn run() -> Result<Table> {
    let mut rows = Vec::new();
    for (entities, skew, least) in CASES {
        let mut bench = Bench::new(entities);
        let count = LEAST_BATCHES.max(entities as usize * EACH / BATCH);
        let mut batches = batches(Workload::new(entities, skew, 42)?, bench.spacing, count);
        bench.engine.configure(STREAM, Revision::new(1), &StreamConfig::default());
        bench.warm(&mut batches, entities as usize * KNOWN);
        let turns: Vec<Turn> = (0..RUNS).map(|_| bench.turn(&mut batches, RUN)).collect();
        let what = format!("{entities} entities, {skew}");
        let rates = turns.iter().map(|turn| turn.rate).collect();
        let rate = Row::new(format!("engine, {what}"), Unit::PerSecond, rates);
        rows.push(rate.target(Some(Target::AtLeast(least))));
        let late = turns.iter().map(|turn| turn.late).collect();
        let late = Row::new(format!("p99 of one batch, {what}"), Unit::Seconds, late);
        rows.push(late.target(Some(Target::AtMost(2e-3))));
        let floor = (0..RUNS).map(|_| touch(&batches, entities, RUN)).collect();
        rows.push(Row::new(
            format!("its memory touched, nothing else, {what}"),
            Unit::PerSecond,
            floor,
        ));
    }
    let title = format!("engine, one core, batches of {BATCH}, {RUNS} runs of {RUN:?}");
    Ok(Table { title, rows, notes: Vec::new() })
}

fn batches(mut workload: Workload, spacing: i64, count: usize) -> Vec<Batch> {
    let batch = |number: usize| {
        let mut batch =
            workload.draw(BATCH).batch(STREAM, number as i64 * BATCH as i64 * spacing, spacing);
        // Something to count: about sixty thousand distinct values.
        batch.mark = batch.value.iter().map(|value| value.to_bits() | 1).collect();
        batch
    };
    (0..count).map(batch).collect()
}

/// Returns how long this thread has been running: what others do on the machine
/// does not count.
fn busy() -> Duration {
    let spent = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(spent).expect("a clock that starts at 0 is not negative")
}

/// Cache lines that an event like most others changes, and those of a profile.
const TOUCHED: usize = 8;
const LINES: usize = 15;

/// Returns how many events a second this machine would judge now if it only had
/// to change as many cache lines, of as many records as large, as judging does:
/// what no engine that keeps so much of each entity can exceed.
fn touch(batches: &[Batch], entities: u32, length: Duration) -> f64 {
    let mut records = vec![[[1u64; 8]; LINES]; entities as usize];
    let (mut events, mut whole, mut last) = (0u32, Duration::ZERO, 0);
    for batch in batches.iter().cycle() {
        let numbers: Vec<usize> = batch
            .entity
            .iter()
            .map(|key| batch.hashes[*key as usize].low() as usize % records.len())
            .collect();
        let begun = busy();
        for number in &numbers {
            for line in &mut records[*number][..TOUCHED] {
                line[0] = line[0].wrapping_mul(3);
            }
        }
        whole += busy() - begun;
        events += numbers.len() as u32;
        last ^= numbers[0];
        if whole >= length {
            break;
        }
    }
    assert!(records[last % records.len()][0][0] % 2 == 1, "the records were changed");
    f64::from(events) / whole.as_secs_f64()
}

struct Bench {
    engine: Engine,
    outcome: Outcome,
    index: u64,
    /// Event time between two events.
    spacing: i64,
}

/// What one run has measured.
struct Turn {
    /// Events a second of this thread's own time.
    rate: f64,
    /// The 99th percentile of the seconds a batch took, likewise.
    late: f64,
}

impl Bench {
    fn new(entities: u32) -> Self {
        let options = Options { memory_bytes: MEMORY, ..Options::default() };
        let spacing = PACE / i64::from(entities);
        Self { engine: Engine::new(options), outcome: Outcome::default(), index: 0, spacing }
    }

    /// Judges so many events.
    fn warm(&mut self, batches: &mut [Batch], events: usize) {
        for _ in 0..events.div_ceil(BATCH) {
            self.one(batches);
        }
    }

    /// Judges one batch, whose event time goes on from where it stood; returns
    /// how long it took and how many events it had.
    fn one(&mut self, batches: &mut [Batch]) -> (Duration, u32) {
        let held = batches.len();
        let batch = &mut batches[self.index as usize % held];
        self.index += 1;
        let at = Position { shard: ShardId::new(0), index: LogIndex::new(self.index), base: 0 };
        let stamp = Timestamp::from_nanos(batch.at[BATCH - 1]);
        let begun = busy();
        self.engine.execute(at, stamp, batch, Answer::Counts, &mut self.outcome);
        let spent = busy() - begun;
        let accepted = std::mem::take(&mut self.outcome).accepted;
        let lap = (held * BATCH) as i64 * self.spacing;
        batch.at.iter_mut().for_each(|at| *at += lap);
        (spent, accepted)
    }

    /// Judges for so long, of this thread's own time.
    fn turn(&mut self, batches: &mut [Batch], length: Duration) -> Turn {
        let (mut events, mut spent) = (0, Vec::new());
        let mut whole = Duration::ZERO;
        while whole < length {
            let (one, accepted) = self.one(batches);
            whole += one;
            events += accepted;
            spent.push(one.as_secs_f64());
        }
        spent.sort_by(f64::total_cmp);
        let late = spent[(spent.len() * 99).div_ceil(100) - 1];
        Turn { rate: f64::from(events) / whole.as_secs_f64(), late }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_is_judged() {
        let mut bench = Bench::new(1_000);
        let mut batches =
            batches(Workload::new(1_000, Skew::Uniform, 1).unwrap(), bench.spacing, 4);
        let turn = bench.turn(&mut batches[..1], Duration::from_nanos(1));
        assert!(turn.rate > 0.0 && turn.late > 0.0);
        assert_eq!(bench.engine.profiles(), 1_000 - missing(&batches[..1]));
    }

    fn missing(batches: &[Batch]) -> usize {
        let keys = batches.iter().flat_map(|batch| batch.keys.iter());
        1_000 - keys.collect::<std::collections::BTreeSet<_>>().len()
    }
}
