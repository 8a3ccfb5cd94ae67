//! From what is to what should be, one step of one shard at a time: learn,
//! promote, hand over, remove. Level-triggered: it looks at what is, never at
//! what it said before, so asking twice is harmless.

use via_types::{NodeId, ShardId};

use crate::place::Placement;

/// What a replica is in its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It copies the log and does not vote.
    Learner {
        /// It has nearly all of the log.
        caught_up: bool,
    },
    /// It votes.
    Voter,
}

/// One replica as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replica {
    /// Where.
    pub node: NodeId,
    /// What it is in its group.
    pub role: Role,
    /// It answers now.
    pub live: bool,
}

/// One shard as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replicas {
    /// Its replicas, in any order.
    pub replicas: Vec<Replica>,
    /// Who leads it.
    pub leader: Option<NodeId>,
}

/// One thing to do to one shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Start a copy on a node.
    Learn(ShardId, NodeId),
    /// Let a copy vote that has caught up.
    Promote(ShardId, NodeId),
    /// Hand leadership to a voter.
    Transfer(ShardId, NodeId),
    /// Take a replica away.
    Remove(ShardId, NodeId),
}

/// Returns the next step towards `desired`, if there is one that can be taken
/// now. At most `copying` shards copy a replica at a time. No step leaves a
/// shard without a live majority (invariant P-1); a shard that has none waits.
/// `live` says which nodes answer.
pub fn next_step(
    current: &[Replicas],
    desired: &Placement,
    live: &dyn Fn(NodeId) -> bool,
    copying: usize,
) -> Option<Step> {
    let busy = current.iter().filter(|shard| shard.copies(|caught_up| !caught_up)).count();
    let shards = (0_u16..).map(ShardId::new).zip(current);
    let steps = shards.map(|(shard, now)| now.step(shard, desired.replicas(shard), live));
    // Finishing a move frees room on some node, so it comes before starting one.
    let mut start = None;
    for step in steps.flatten() {
        if !matches!(step, Step::Learn(..)) {
            return Some(step);
        }
        start = start.or(Some(step));
    }
    start.filter(|_| busy < copying)
}

impl Replicas {
    fn copies(&self, which: impl Fn(bool) -> bool) -> bool {
        self.replicas.iter().any(|replica| match replica.role {
            Role::Learner { caught_up } => which(caught_up),
            Role::Voter => false,
        })
    }

    fn voters(&self) -> impl Iterator<Item = &Replica> {
        self.replicas.iter().filter(|replica| replica.role == Role::Voter)
    }

    fn is_voter(&self, node: NodeId) -> bool {
        self.voters().any(|voter| voter.node == node)
    }

    fn is_live_voter(&self, node: NodeId) -> bool {
        self.voters().any(|voter| voter.node == node && voter.live)
    }

    /// Says whether the voters, changed by one, have a live majority.
    fn majority(&self, more: Option<&Replica>, without: Option<NodeId>) -> bool {
        let voters = || self.voters().filter(|voter| Some(voter.node) != without).chain(more);
        let live = voters().filter(|voter| voter.live).count();
        2 * live > voters().count()
    }

    fn step(
        &self,
        shard: ShardId,
        desired: &[NodeId],
        live: &dyn Fn(NodeId) -> bool,
    ) -> Option<Step> {
        if !self.majority(None, None) || desired.is_empty() {
            return None;
        }
        let surplus = |replica: &&Replica| !desired.contains(&replica.node);
        let learners = || self.replicas.iter().filter(|replica| replica.role != Role::Voter);
        if let Some(stray) = learners().find(surplus) {
            return Some(Step::Remove(shard, stray.node));
        }
        let ready = Role::Learner { caught_up: true };
        if let Some(copy) = learners().find(|copy| copy.role == ready && copy.live) {
            return self.majority(Some(copy), None).then_some(Step::Promote(shard, copy.node));
        }
        if learners().next().is_some() {
            return None;
        }
        if let Some(step) = self.shrink(shard, desired) {
            return Some(step);
        }
        let absent = |node: &&NodeId| !self.is_voter(**node) && live(**node);
        if let Some(node) = desired.iter().find(absent) {
            return Some(Step::Learn(shard, *node));
        }
        let leader = desired.first().copied().filter(|first| self.is_live_voter(*first))?;
        (self.leader != Some(leader)).then_some(Step::Transfer(shard, leader))
    }

    /// Takes away a voter that should not be one, when there are more voters
    /// than there should be: dead ones first, a leader only after it has
    /// handed over.
    fn shrink(&self, shard: ShardId, desired: &[NodeId]) -> Option<Step> {
        if self.voters().count() <= desired.len() {
            return None;
        }
        let surplus = self.voters().filter(|voter| !desired.contains(&voter.node));
        let voter = surplus.min_by_key(|voter| (voter.live, self.leader == Some(voter.node)))?;
        if self.leader == Some(voter.node) {
            let heir = desired.iter().find(|node| self.is_live_voter(**node))?;
            return Some(Step::Transfer(shard, *heir));
        }
        self.majority(None, Some(voter.node)).then_some(Step::Remove(shard, voter.node))
    }
}
