//! Invariant P-1 over many memberships: distinct nodes and zones, caps, and
//! how much moves when a node joins or leaves.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use via_placement::{Member, Placement, REPLICAS, WEIGHT, place};
use via_types::NodeId;

fn members(ids: &[u64]) -> Vec<Member> {
    let member = |id: &u64| Member { node: NodeId::new(*id), zone: None, weight: WEIGHT };
    ids.iter().map(member).collect()
}

fn in_zones(ids: &[u64], zones: &[u8]) -> Vec<Member> {
    let mut members = members(ids);
    for (member, zone) in members.iter_mut().zip(zones.iter().cycle()) {
        member.zone = Some(format!("z{zone}"));
    }
    members
}

fn load(placement: &Placement) -> BTreeMap<NodeId, usize> {
    let mut load = BTreeMap::new();
    for node in placement.shards.iter().flatten() {
        *load.entry(*node).or_default() += 1;
    }
    load
}

fn leads(placement: &Placement) -> BTreeMap<NodeId, usize> {
    let mut leads = BTreeMap::new();
    for leader in placement.shards.iter().filter_map(|nodes| nodes.first()) {
        *leads.entry(*leader).or_default() += 1;
    }
    leads
}

fn distinct(placement: &Placement, replicas: usize) -> Result<(), TestCaseError> {
    for nodes in &placement.shards {
        let set: BTreeSet<_> = nodes.iter().collect();
        prop_assert_eq!(set.len(), nodes.len(), "invariant P-1: one node twice");
        prop_assert_eq!(nodes.len(), replicas, "invariant P-1: too few replicas");
    }
    Ok(())
}

fn ids(count: impl Into<prop::collection::SizeRange>) -> impl Strategy<Value = Vec<u64>> {
    prop::collection::btree_set(1_u64..10_000, count)
        .prop_map(|ids| ids.into_iter().collect::<Vec<_>>())
        .prop_shuffle()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn every_shard_is_on_distinct_nodes_and_no_node_is_over_its_cap(
        ids in ids(1..=12),
        shards in prop::sample::select(vec![1_u16, 2, 16, 64, 256]),
    ) {
        let placement = place(&members(&ids), shards, REPLICAS);
        let replicas = usize::from(REPLICAS).min(ids.len());
        distinct(&placement, replicas)?;
        let mean = f64::from(shards) * replicas as f64 / ids.len() as f64;
        let cap = (mean * 1.2).ceil() as usize;
        let most = load(&placement).into_values().max();
        prop_assert!(most <= Some(cap), "invariant P-1: {most:?} of a mean of {mean}");
        // One more: with few shards an exact share is not always possible.
        let cap = usize::from(shards).div_ceil(ids.len()) + 1;
        let most = leads(&placement).into_values().max();
        prop_assert!(most <= Some(cap), "one node leads {most:?} of {shards} shards");
    }

    #[test]
    fn a_node_that_joins_or_leaves_moves_little_more_than_its_share(
        ids in ids(4..=8),
        shards in prop::sample::select(vec![64_u16, 256]),
    ) {
        let (_, fewer) = ids.split_last().expect("there are at least four");
        let (large, small) = (place(&members(&ids), shards, 3), place(&members(fewer), shards, 3));
        let share = f64::from(shards) * 3.0 / ids.len() as f64;
        let (join, leave) = (large.moved_since(&small), small.moved_since(&large));
        // Three more than that: the ring's own chance, for ids as they come.
        let most = (1.3 * share) as usize + 3;
        prop_assert!(join <= most, "invariant P-1: join moved {join} for {share}");
        prop_assert!(leave <= most, "invariant P-1: leave moved {leave} for {share}");
    }

    #[test]
    fn replicas_are_spread_over_the_zones_there_are(
        ids in ids(3..=12),
        zones in prop::collection::vec(0_u8..4, 3..8),
        shards in prop::sample::select(vec![16_u16, 64]),
    ) {
        let members = in_zones(&ids, &zones);
        let names: BTreeSet<_> = members.iter().map(|member| member.zone.clone()).collect();
        let placement = place(&members, shards, REPLICAS);
        distinct(&placement, usize::from(REPLICAS))?;
        let zone_of: BTreeMap<_, _> =
            members.iter().map(|member| (member.node, &member.zone)).collect();
        // With two zones of which one has a single node, two of three replicas
        // share the other; with three or more, none share any.
        let spread = names.len().min(usize::from(REPLICAS));
        for nodes in &placement.shards {
            let used: BTreeSet<_> = nodes.iter().map(|node| zone_of[node]).collect();
            prop_assert_eq!(used.len(), spread, "invariant P-1: {:?} of {:?}", nodes, &names);
        }
    }

    #[test]
    fn weights_are_kept_and_the_weightless_hold_nothing(ids in ids(6..=10)) {
        let mut members = members(&ids);
        members[0].weight = 0;
        members[1].weight = 2 * WEIGHT;
        let placement = place(&members, 256, REPLICAS);
        distinct(&placement, 3)?;
        let load = load(&placement);
        prop_assert!(!load.contains_key(&members[0].node));
        let parts = ids.len() as f64;
        let twice = load[&members[1].node] as f64;
        prop_assert!(twice <= (768.0 * 2.0 / parts * 1.2).ceil());
        prop_assert!(twice >= 768.0 * 2.0 / parts * 0.6, "{twice} of {}", 768.0 * 2.0 / parts);
    }
}

#[test]
fn a_cluster_that_grows_node_by_node_moves_only_shares() {
    for shards in [64, 256] {
        for count in 4..=8 {
            let ids: Vec<u64> = (1..=count).collect();
            let large = place(&members(&ids), shards, 3);
            let small = place(&members(&ids[..ids.len() - 1]), shards, 3);
            let most = (1.3 * f64::from(shards) * 3.0 / ids.len() as f64) as usize;
            let (join, leave) = (large.moved_since(&small), small.moved_since(&large));
            let share = usize::from(shards).div_ceil(ids.len());
            assert!(leads(&large).into_values().all(|leads| leads <= share));
            assert!(join <= most, "invariant P-1: node {count} of {shards}: {join} > {most}");
            assert!(leave <= most, "invariant P-1: node {count} of {shards}: {leave} > {most}");
        }
    }
}

#[test]
fn the_order_of_members_and_a_repeated_call_do_not_matter() {
    let (one, other) = (members(&[5, 1, 9, 4]), members(&[9, 4, 1, 5]));
    assert_eq!(place(&one, 64, 3), place(&other, 64, 3));
}

#[test]
fn without_nodes_nobody_holds_anything() {
    let placement = place(&[], 4, 3);
    assert_eq!(placement.shards, vec![Vec::new(); 4]);
    assert_eq!(placement.leader(via_types::ShardId::new(0)), None);
    assert!(placement.replicas(via_types::ShardId::new(99)).is_empty());
}
