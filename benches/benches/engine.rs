//! The engine alone, on one core: events per second with all detectors, the
//! cost of exporting profiles, and of bringing them back.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Exp1, LogNormal, Zipf};
use via_codec::{Kind, encode};
use via_engine::{Answer, Engine, Options, Outcome, Position};
use via_types::{Batch, LogIndex, ShardId, StreamId, Timestamp};

/// Events in a batch.
const BATCH: usize = 4096;
/// Batches that are executed over and over, later each time.
const BATCHES: usize = 256;
/// Events a second over all entities.
const PACE: f64 = 100_000.0;

/// Which entity the next event is about.
enum Shape {
    Zipf(f64),
    Uniform,
}

/// Makes `BATCHES` batches of traffic of `entities` entities.
fn traffic(entities: usize, shape: &Shape) -> Vec<Batch> {
    let mut dice = ChaCha8Rng::seed_from_u64(1);
    let latency = LogNormal::new(4.0, 0.5).expect("a positive deviation");
    let zipf = Zipf::new(entities as f64, if let Shape::Zipf(s) = shape { *s } else { 1.0 })
        .expect("a positive exponent");
    let mut at = 1.7e18;
    let mut batches = Vec::new();
    for _ in 0..BATCHES {
        let mut batch = Batch { stream: StreamId::new(1), ..Batch::default() };
        let mut known = std::collections::HashMap::new();
        for _ in 0..BATCH {
            let gap: f64 = Exp1.sample(&mut dice);
            at += gap * 1e9 / PACE;
            let entity = match shape {
                Shape::Zipf(_) => zipf.sample(&mut dice) as usize,
                Shape::Uniform => dice.random_range(0..entities),
            };
            let keys = &mut batch.keys;
            let key = known.entry(entity).or_insert_with(|| keys.push(&format!("entity-{entity}")));
            batch.entity.push(*key);
            batch.at.push(at as i64);
            batch.value.push(latency.sample(&mut dice));
            batch.mark.push(dice.random_range(1..=40u64) << 20);
        }
        batch.seal().expect("columns fit");
        batches.push(batch);
    }
    batches
}

/// An engine that executes the batches in turn, as time goes on.
struct Run {
    engine: Engine,
    batches: Vec<Batch>,
    index: u64,
    out: Outcome,
}

impl Run {
    fn new(entities: usize, shape: &Shape) -> Self {
        let options =
            Options { memory_bytes: 8 << 30, expected_profiles: entities, ..Options::default() };
        let mut run = Self {
            engine: Engine::new(options),
            batches: traffic(entities, shape),
            index: 0,
            out: Outcome::default(),
        };
        for _ in 0..BATCHES * 2 {
            run.step();
        }
        run
    }

    fn step(&mut self) {
        let turn = self.index as usize % BATCHES;
        let batch = &mut self.batches[turn];
        let at = Position { shard: ShardId::new(0), index: LogIndex::new(self.index + 1), base: 0 };
        self.out.changes.clear();
        self.out.refused.clear();
        let stamp = Timestamp::from_nanos(batch.at[0]);
        self.engine.execute(at, stamp, batch, Answer::Counts, &mut self.out);
        // The next time round the same events come later.
        let round = (BATCH * BATCHES) as f64 * 1e9 / PACE;
        for at in batch.at.iter_mut() {
            *at += round as i64;
        }
        self.index += 1;
    }
}

fn events(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("engine");
    group.sample_size(10).throughput(Throughput::Elements(BATCH as u64));
    for (name, entities, shape) in [
        ("10 k entities, Zipf 1.1", 10_000, Shape::Zipf(1.1)),
        ("100 k entities, Zipf 1.1", 100_000, Shape::Zipf(1.1)),
        ("100 k entities, uniform", 100_000, Shape::Uniform),
    ] {
        let mut run = Run::new(entities, &shape);
        group.bench_function(name, |bencher| bencher.iter(|| run.step()));
    }
    group.finish();
}

fn records(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("records");
    let mut run = Run::new(10_000, &Shape::Zipf(1.1));
    group.sample_size(10).throughput(Throughput::Elements(1));
    group.bench_function("export and encode", |bencher| {
        bencher.iter(|| {
            if run.engine.export(1, &mut |_, _, record| {
                black_box(encode(Kind::Profile, &record));
            }) == 0
            {
                run.step();
                run.engine.begin_round();
            }
        });
    });
    group.finish();
}

criterion_group!(benches, events, records);
criterion_main!(benches);
