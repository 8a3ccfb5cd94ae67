//! `engine`: how many events one core judges, without anything around it.

use std::time::Duration;

use anyhow::Result;
use rustix::time::{ClockId, clock_gettime};
use via_engine::{Answer, Engine, Options, Outcome, Position};
use via_types::{Batch, LogIndex, Revision, ShardId, StreamConfig, StreamId, Timestamp};

use crate::table::{Row, Table, Target, Unit};
use crate::workload::{Skew, Workload};

const ENTITIES: u32 = 100_000;
const BATCH: usize = 4_096;
const BATCHES: usize = 256;
const RUNS: usize = 5;
const RUN: Duration = Duration::from_millis(500);
/// Event time between two events: each entity has ten a second.
const SPACING: i64 = 1_000;

const STREAM: StreamId = StreamId::new(1);

/// Measures.
///
/// # Errors
/// Never: the workload is valid.
pub(crate) fn run() -> Result<Table> {
    let skews = [Skew::Zipf(1.1), Skew::Uniform];
    let mut rows = Vec::new();
    for skew in skews {
        let mut batches = batches(Workload::new(ENTITIES, skew, 42)?);
        let mut bench = Bench::default();
        bench.engine.configure(STREAM, Revision::new(1), &StreamConfig::default());
        bench.turn(&mut batches, RUN);
        let rates = (0..RUNS).map(|_| bench.turn(&mut batches, RUN)).collect();
        let row = Row::new(format!("engine, {ENTITIES} entities, {skew}"), Unit::PerSecond, rates);
        rows.push(row.target(Some(Target::AtLeast(8e6))));
    }
    let title = format!("engine, one core, batches of {BATCH}, {RUNS} runs of {RUN:?}");
    Ok(Table { title, rows, notes: Vec::new() })
}

fn batches(mut workload: Workload) -> Vec<Batch> {
    let batch = |number: usize| {
        let mut batch =
            workload.draw(BATCH).batch(STREAM, number as i64 * BATCH as i64 * SPACING, SPACING);
        // Something to count: about sixty thousand distinct values.
        batch.mark = batch.value.iter().map(|value| value.to_bits() | 1).collect();
        batch
    };
    (0..BATCHES).map(batch).collect()
}

/// Returns how long this thread has been running: what others do on the machine
/// does not count.
fn busy() -> Duration {
    let spent = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(spent).expect("a clock that starts at 0 is not negative")
}

struct Bench {
    engine: Engine,
    outcome: Outcome,
    index: u64,
}

impl Default for Bench {
    fn default() -> Self {
        Self { engine: Engine::new(Options::default()), outcome: Outcome::default(), index: 0 }
    }
}

impl Bench {
    /// Judges for so long, from where it stood on, so that event time never goes
    /// back; returns events a second of this thread's own time.
    fn turn(&mut self, batches: &mut [Batch], length: Duration) -> f64 {
        let (mut events, mut spent) = (0, Duration::ZERO);
        while spent < length {
            let batch = &mut batches[self.index as usize % batches.len()];
            self.index += 1;
            let at = Position { shard: ShardId::new(0), index: LogIndex::new(self.index), base: 0 };
            let stamp = Timestamp::from_nanos(batch.at[BATCH - 1]);
            let begun = busy();
            self.engine.execute(at, stamp, batch, Answer::Counts, &mut self.outcome);
            spent += busy() - begun;
            events += self.outcome.accepted;
            self.outcome = Outcome::default();
            let lap = (BATCHES * BATCH) as i64 * SPACING;
            batch.at.iter_mut().for_each(|at| *at += lap);
        }
        f64::from(events) / spent.as_secs_f64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_is_judged() {
        let mut batches = batches(Workload::new(1_000, Skew::Uniform, 1).unwrap());
        let mut bench = Bench::default();
        assert!(bench.turn(&mut batches[..1], Duration::from_nanos(1)) > 0.0);
        assert_eq!(bench.engine.profiles(), 1_000 - missing(&batches[..1]));
    }

    fn missing(batches: &[Batch]) -> usize {
        let keys = batches.iter().flat_map(|batch| batch.keys.iter());
        1_000 - keys.collect::<std::collections::BTreeSet<_>>().len()
    }
}
