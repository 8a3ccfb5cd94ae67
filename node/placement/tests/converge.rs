//! Invariant P-1 on the way: whatever is there and whoever is down, every step
//! leaves each shard its live majority, and the steps end where they should.

use proptest::prelude::*;
use via_placement::{Placement, Replica, Replicas, Role, Step, next_step};
use via_types::NodeId;

fn voters(nodes: &[u64]) -> Replicas {
    let voter = |node: &u64| Replica { node: NodeId::new(*node), role: Role::Voter, live: true };
    let leader = nodes.first().copied().map(NodeId::new);
    Replicas { replicas: nodes.iter().map(voter).collect(), leader }
}

fn desired(nodes: &[&[u64]]) -> Placement {
    let shard = |nodes: &&[u64]| nodes.iter().copied().map(NodeId::new).collect();
    Placement { shards: nodes.iter().map(shard).collect() }
}

fn majority(shard: &Replicas) -> bool {
    let voters = shard.replicas.iter().filter(|replica| replica.role == Role::Voter);
    let live = voters.clone().filter(|voter| voter.live).count();
    2 * live > voters.count()
}

/// Does what a step says, as a cluster would: copies catch up at once, a group
/// that loses its leader elects a live voter.
fn take(shards: &mut [Replicas], step: Step, live: &dyn Fn(NodeId) -> bool) {
    let at = |shard: via_types::ShardId| usize::from(shard.get());
    match step {
        Step::Learn(shard, node) => {
            let role = Role::Learner { caught_up: true };
            assert!(live(node), "a copy is started on a dead node");
            shards[at(shard)].replicas.push(Replica { node, role, live: true });
        }
        Step::Promote(shard, node) => {
            let mut replicas = shards[at(shard)].replicas.iter_mut();
            let copy = replicas.find(|replica| replica.node == node).expect("it is there");
            assert_eq!(copy.role, Role::Learner { caught_up: true });
            copy.role = Role::Voter;
        }
        Step::Transfer(shard, node) => {
            let shard = &mut shards[at(shard)];
            assert!(shard.replicas.iter().any(|it| it.node == node && it.role == Role::Voter));
            shard.leader = Some(node);
        }
        Step::Remove(shard, node) => {
            let shard = &mut shards[at(shard)];
            assert_ne!(shard.leader, Some(node), "a leader is removed before it handed over");
            shard.replicas.retain(|replica| replica.node != node);
        }
    }
}

#[test]
fn a_replica_moves_by_learning_voting_and_only_then_leaving() {
    let everyone = |_| true;
    let mut now = vec![voters(&[1, 2, 3])];
    let goal = desired(&[&[4, 2, 3]]);
    let mut seen = Vec::new();
    while let Some(step) = next_step(&now, &goal, &everyone, 1) {
        take(&mut now, step, &everyone);
        seen.push(step);
    }
    let (shard, n) = (via_types::ShardId::new(0), NodeId::new);
    assert_eq!(
        seen,
        [
            Step::Learn(shard, n(4)),
            Step::Promote(shard, n(4)),
            Step::Transfer(shard, n(4)),
            Step::Remove(shard, n(1)),
        ]
    );
}

#[test]
fn only_so_many_shards_copy_at_a_time() {
    let copying =
        Replica { node: NodeId::new(4), role: Role::Learner { caught_up: false }, live: true };
    let mut now = vec![voters(&[1, 2, 3]), voters(&[1, 2, 3])];
    now[0].replicas.push(copying);
    let goal = desired(&[&[1, 2, 4], &[1, 2, 4]]);
    assert_eq!(next_step(&now, &goal, &|_| true, 1), None);
    let second = Step::Learn(via_types::ShardId::new(1), NodeId::new(4));
    assert_eq!(next_step(&now, &goal, &|_| true, 2), Some(second));
}

#[test]
fn a_shard_without_a_majority_waits_and_the_others_go_on() {
    let down = |node: NodeId| node.get() > 2;
    let mut now = vec![voters(&[1, 2, 3]), voters(&[3, 4, 5])];
    for replica in now.iter_mut().flat_map(|shard| &mut shard.replicas) {
        replica.live = down(replica.node);
    }
    let goal = desired(&[&[3, 4, 5], &[4, 3, 5]]);
    let other = Step::Transfer(via_types::ShardId::new(1), NodeId::new(4));
    assert_eq!(next_step(&now, &goal, &down, 1), Some(other), "invariant P-1");
}

#[test]
fn a_dead_replica_is_replaced() {
    let live = |node: NodeId| node.get() != 3;
    let mut now = vec![voters(&[1, 2, 3])];
    now[0].replicas[2].live = false;
    let goal = desired(&[&[1, 2, 4]]);
    while let Some(step) = next_step(&now, &goal, &live, 1) {
        take(&mut now, step, &live);
        assert!(majority(&now[0]), "invariant P-1");
    }
    assert_eq!(now, [voters(&[1, 2, 4])]);
}

fn shard() -> impl Strategy<Value = (Vec<u64>, Vec<u64>)> {
    let nodes = || prop::collection::btree_set(1_u64..8, 1..=4);
    let order = |set: std::collections::BTreeSet<u64>| set.into_iter().collect::<Vec<_>>();
    (nodes().prop_map(order).prop_shuffle(), nodes().prop_map(order).prop_shuffle())
}

proptest! {
    #[test]
    fn steps_keep_the_majority_and_end_at_the_goal(
        shards in prop::collection::vec(shard(), 1..6),
        dead in prop::collection::btree_set(1_u64..8, 0..3),
        copying in 1_usize..3,
    ) {
        let live = |node: NodeId| !dead.contains(&node.get());
        let mut now: Vec<Replicas> = shards.iter().map(|(from, _)| voters(from)).collect();
        for shard in &mut now {
            shard.replicas.iter_mut().for_each(|replica| replica.live = live(replica.node));
            shard.leader = shard.replicas.iter().find(|it| it.live).map(|it| it.node);
        }
        let goals: Vec<&[u64]> = shards.iter().map(|(_, to)| to.as_slice()).collect();
        let goal = desired(&goals);
        let had: Vec<bool> = now.iter().map(majority).collect();
        let mut steps = 0;
        while let Some(step) = next_step(&now, &goal, &live, copying) {
            prop_assert_eq!(next_step(&now, &goal, &live, copying), Some(step), "asking is harmless");
            take(&mut now, step, &live);
            for (shard, had) in now.iter().zip(&had) {
                prop_assert!(!had || majority(shard), "invariant P-1: {:?} after {:?}", shard, step);
            }
            steps += 1;
            prop_assert!(steps < 100, "no end: {:?}", step);
        }
        for ((shard, nodes), had) in now.iter().zip(&goal.shards).zip(&had) {
            if *had && nodes.iter().all(|node| live(*node)) {
                let mut there: Vec<_> = shard.replicas.iter().map(|it| it.node).collect();
                there.sort();
                let mut wanted = nodes.clone();
                wanted.sort();
                prop_assert_eq!(there, wanted);
                prop_assert_eq!(shard.leader, nodes.first().copied());
            }
        }
    }
}
