//! Where shards live: a placement from nothing, as at each change of members.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use via_placement::{Member, REPLICAS, WEIGHT, place};
use via_types::{EntityHash, NodeId, StreamId, limit};

fn placement(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("placement");
    group.sample_size(20);
    for nodes in [3, 16] {
        let member = |node| Member { node: NodeId::new(node), zone: None, weight: WEIGHT };
        let members: Vec<Member> = (1..=nodes).map(member).collect();
        group.bench_function(format!("place {} shards on {nodes} nodes", limit::SHARDS), |bench| {
            bench.iter(|| place(black_box(&members), limit::SHARDS, REPLICAS));
        });
    }
    group.bench_function("shard of an entity", |bench| {
        let key = via_benches::workload::key(4_242);
        let stream = StreamId::new(1);
        bench.iter(|| EntityHash::of(stream, black_box(&key)).shard(limit::SHARDS));
    });
    group.finish();
}

criterion_group!(benches, placement);
criterion_main!(benches);
