//! Entries of a shard's log to bytes and back, and what sealing a batch costs.

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use via_benches::workload::{Skew, Workload};
use via_codec::{Kind, decode_entry, encode_into};
use via_types::entry::{Events, ShardEntry};
use via_types::{Batch, StreamId, Timestamp};

const EVENTS: usize = 4_096;

fn batch() -> Batch {
    let mut workload = Workload::new(100_000, Skew::Zipf(1.1), 42).expect("entities");
    workload.draw(EVENTS).batch(StreamId::new(1), 1_700_000_000_000_000_000, 1_000)
}

fn codec(criterion: &mut Criterion) {
    let stamp = Timestamp::from_nanos(1_700_000_000_000_000_000);
    let events = Events { stamp, batches: vec![batch()], scored: Vec::new() };
    let entry = ShardEntry::Events(events);
    let mut bytes = Vec::new();
    encode_into(Kind::ShardEntry, &entry, &mut bytes);
    let mut group = criterion.benchmark_group("codec, 4,096 events");
    group.throughput(Throughput::Elements(EVENTS as u64)).sample_size(30);
    group.bench_function("encode", |bench| {
        let mut out = Vec::with_capacity(bytes.len());
        bench.iter(|| {
            out.clear();
            encode_into(Kind::ShardEntry, black_box(&entry), &mut out);
        });
    });
    group.bench_function("decode and seal", |bench| {
        bench.iter(|| decode_entry(black_box(&bytes)).expect("it was just encoded"));
    });
    group.bench_function("seal", |bench| {
        let mut fresh = batch();
        fresh.hashes.clear();
        let seal = |mut batch: Batch| {
            batch.seal().expect("its columns fit");
            batch
        };
        bench.iter_batched(|| fresh.clone(), seal, BatchSize::SmallInput);
    });
    group.finish();
}

criterion_group!(benches, codec);
criterion_main!(benches);
