//! One step of one shard towards where it should be, taken by the node that
//! leads it: learn, promote, hand over, remove. What the next step is, is
//! decided by `placement`; here it is carried out. A step that fails is decided
//! anew, so nothing need be remembered (invariant P-1).

use std::collections::BTreeSet;
use std::time::Duration;

use via_consensus::{Error, Group, Status};
use via_placement::{Replica, Replicas, Role, Step};
use via_types::{LogIndex, NodeId, ShardId};

use crate::handle::{Handle, desired};
use crate::{metrics, presence};

/// How long a step may take before it is decided anew.
const PATIENCE: Duration = Duration::from_secs(15);
/// How often a copy is looked at.
const LOOK: Duration = Duration::from_millis(20);
/// Entries by which a replica may lag and still count as caught up.
const LAG: u64 = 256;

/// Something to do to the group of a shard.
#[derive(Clone, Debug)]
pub(crate) enum Work {
    /// A step of the placement's.
    Step(Step),
    /// End a change of voters that a leader before left halfway.
    Settle(ShardId, BTreeSet<NodeId>),
}

impl Work {
    pub(crate) fn shard(&self) -> ShardId {
        match self {
            Self::Step(
                Step::Learn(shard, _)
                | Step::Promote(shard, _)
                | Step::Transfer(shard, _)
                | Step::Remove(shard, _),
            )
            | Self::Settle(shard, _) => *shard,
        }
    }
}

impl Work {
    fn name(&self) -> &'static str {
        match self {
            Self::Step(Step::Learn(..)) => "learn",
            Self::Step(Step::Promote(..)) => "promote",
            Self::Step(Step::Transfer(..)) => "transfer",
            Self::Step(Step::Remove(..)) => "remove",
            Self::Settle(..) => "settle",
        }
    }
}

/// Says whether a replica has to catch up before it can be counted on. What it
/// acknowledged before it had today's members may be of a life that has ended.
fn lags(status: &Status, node: NodeId) -> bool {
    let Some(reached) = status.replicated.get(&node).copied().flatten() else { return true };
    let last = status.last.map_or(0, LogIndex::get);
    status.members_at.is_none_or(|at| reached < at.index)
        || last.saturating_sub(reached.get()) > LAG
}

/// Returns the replicas of a shard as its leader sees them.
pub(crate) fn replicas(handle: &Handle, status: &Status) -> Replicas {
    let me = handle.inner.options.node;
    let live = |node: NodeId| node == me || handle.inner.presence.is_live(node);
    let voters = status.voters.iter().flatten().copied().collect::<BTreeSet<_>>();
    let voter = |node: &NodeId| Replica { node: *node, role: Role::Voter, live: live(*node) };
    let learner = |node: &NodeId| {
        let role = Role::Learner { caught_up: !lags(status, *node) };
        Replica { node: *node, role, live: live(*node) }
    };
    let replicas = voters.iter().map(voter).chain(status.learners.iter().map(learner));
    Replicas { replicas: replicas.collect(), leader: Some(me) }
}

/// Takes a step; says whether it was taken.
pub(crate) async fn take(handle: Handle, group: Group, work: Work) -> bool {
    let shard = work.shard();
    let taken = tokio::time::timeout(PATIENCE, carry_out(&handle, &group, &work)).await;
    let outcome = if matches!(taken, Ok(Ok(()))) { "taken" } else { "not_taken" };
    let step = work.name();
    ::metrics::counter!(metrics::STEPS, "step" => step, "outcome" => outcome).increment(1);
    match taken {
        Ok(Ok(())) => {
            tracing::info!(%shard, ?work, "a step of the placement was taken");
            true
        }
        Ok(Err(error)) => {
            tracing::info!(%shard, ?work, %error, "a step of the placement was not taken");
            false
        }
        Err(_elapsed) => {
            tracing::warn!(%shard, ?work, "a step of the placement was not taken in time");
            false
        }
    }
}

async fn carry_out(handle: &Handle, group: &Group, work: &Work) -> Result<(), Error> {
    let (shard, status) = (work.shard(), group.status());
    let voters = || status.voters.last().cloned().unwrap_or_default();
    match work {
        // Who leads and has no seat is told by nobody that another was elected.
        Work::Settle(_, voters) if !voters.contains(&handle.inner.options.node) => {
            hand_over(handle, group, &[]).await;
            Ok(())
        }
        Work::Settle(_, voters) => group.change_voters(voters).await.map(drop),
        Work::Step(Step::Learn(_, node)) => {
            group.admit(*node).await?;
            while lags(&group.status(), *node) && group.leadership().borrow().is_me {
                // A node that has been told otherwise does not open it.
                if !desired(&handle.inner, shard).contains(node) {
                    let reason = format!("{node} is no longer wanted");
                    return Err(Error::Membership { group: group.id(), reason });
                }
                tokio::time::sleep(LOOK).await;
            }
            Ok(())
        }
        Work::Step(Step::Promote(_, node)) => {
            let mut voters = voters();
            voters.insert(*node);
            group.change_voters(&voters).await.map(drop)
        }
        Work::Step(Step::Transfer(_, node)) => {
            // While leadership is handed over nothing is accepted: not to a node
            // that may have gone since it was last heard of, or is about to.
            if !presence::answers(handle, *node).await {
                let reason = format!("{node} does not answer");
                return Err(Error::Membership { group: group.id(), reason });
            }
            while lags(&status, *node) && lags(&group.status(), *node) {
                tokio::time::sleep(LOOK).await;
            }
            group.transfer(*node).await
        }
        Work::Step(Step::Remove(_, node)) if status.learners.contains(node) => {
            group.remove_learners(&BTreeSet::from([*node])).await.map(drop)
        }
        Work::Step(Step::Remove(_, node)) => {
            let mut voters = voters();
            voters.remove(node);
            group.change_voters(&voters).await.map(drop)
        }
    }
}

/// Hands a shard to the first of `heirs` that votes and has caught up.
pub(crate) async fn hand_over(handle: &Handle, group: &Group, heirs: &[NodeId]) {
    let me = handle.inner.options.node;
    let status = group.status();
    let voters = status.voters.last().cloned().unwrap_or_default();
    let rank = |node: &NodeId| {
        let preferred = heirs.iter().position(|heir| heir == node).unwrap_or(heirs.len());
        (lags(&status, *node), !handle.inner.presence.is_live(*node), preferred)
    };
    let heir = voters.into_iter().filter(|node| *node != me).min_by_key(rank);
    if let Some(heir) = heir
        && let Err(error) = group.transfer(heir).await
    {
        tracing::debug!(group = %group.id(), %heir, %error, "it was not handed over");
    }
}
