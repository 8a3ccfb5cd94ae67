//! Where things live must be the same for ever, on every node and version.
//! The golden files are never edited: a difference is a broken cluster.

use std::fmt::Write as _;

use via_placement::{Member, WEIGHT, place};
use via_types::{EntityHash, NodeId, StreamId};

fn member(id: u64, zone: Option<&str>) -> Member {
    Member { node: NodeId::new(id), zone: zone.map(str::to_owned), weight: WEIGHT }
}

fn check(name: &str, now: &str, golden: &str) {
    let difference = now.lines().zip(golden.lines()).find(|(now, then)| now != then);
    assert_eq!(difference, None, "{name}: (now, golden)");
    assert_eq!(now.lines().count(), golden.lines().count(), "{name}:\n{now}");
}

#[test]
fn shards_stay_where_they_are() {
    let plain: Vec<_> = (1..=5).map(|id| member(id, None)).collect();
    let zoned: Vec<_> =
        (11..=16).map(|id| member(id, Some(["a", "b", "c"][id as usize % 3]))).collect();
    let mut now = String::new();
    for (name, members) in [("five", plain), ("zones", zoned)] {
        for (shard, nodes) in place(&members, 64, 3).shards.iter().enumerate() {
            let nodes: Vec<_> = nodes.iter().map(NodeId::to_string).collect();
            writeln!(now, "{name} s{shard} {}", nodes.join(" ")).unwrap();
        }
    }
    check("placement", &now, include_str!("golden/placement-v1.txt"));
}

#[test]
fn entities_stay_where_they_are() {
    let keys = [
        "",
        "a",
        "alice",
        "host-17",
        "10.0.0.1",
        "käse",
        "日本",
        "GET /api/v1/streams",
        "card:4929-0000-1111-2222",
        "0123456789abcdef",
        "0123456789abcdef0",
        &"long ".repeat(51),
    ];
    let mut now = String::new();
    for stream in [1, 2, u32::MAX] {
        for key in keys {
            let hash = EntityHash::of(StreamId::new(stream), key);
            let (high, low, shard) = (hash.high(), hash.low(), hash.shard(64));
            writeln!(now, "{stream} {key:?} {high:016x}{low:016x} {shard}").unwrap();
        }
    }
    check("entity hash", &now, include_str!("golden/entity-hash-v1.txt"));
}

#[test]
fn groups_stay_where_they_are() {
    let keys = [
        "[] x",
        "[sshd] ",
        "[sshd] a",
        "[sshd] b <*>",
        "[käse] error: 日本",
        "[a] [b] c",
        "[::1]:80",
    ];
    let mut now = String::new();
    for stream in [1, u32::MAX] {
        for key in keys {
            let hash = EntityHash::of(StreamId::new(stream), key);
            let (high, low, shard) = (hash.high(), hash.low(), hash.shard(64));
            writeln!(now, "{stream} {key:?} {high:016x}{low:016x} {shard}").unwrap();
        }
    }
    check("entity hash", &now, include_str!("golden/entity-hash-groups-v1.txt"));
}
