//! What can be told of the cluster: the nodes as the leader sees them, the
//! shards as those see them that have them; and who should lead each.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::join_all;
use tokio::time::Instant;
use via_consensus::Group;
use via_types::{Fate, GroupId, NodeId, ShardId};

use crate::Error;
use crate::office::SIGN_OF_LIFE;
use crate::room::Room;
use crate::wire::{Ask, Overview, Report, ShardReport, Sighting, Told};

/// How long one shard's leadership may take to move.
const TRANSFER: std::time::Duration = std::time::Duration::from_secs(6);

/// A shard as the node knows it that leads it, or knows most.
#[derive(Clone, Debug)]
pub struct ShardState {
    /// Which shard.
    pub shard: ShardId,
    /// Who should have it, the one that should lead first.
    pub placed: Vec<NodeId>,
    /// What is; none when no node that answers has a replica.
    pub found: Option<ShardReport>,
}

/// What still has to move until every shard is where it should be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moves {
    /// Replicas that are missing where they should vote.
    pub add: usize,
    /// Replicas where there should be none.
    pub remove: usize,
    /// Shards that another node leads than should.
    pub lead: usize,
}

impl Moves {
    /// Counts them. A shard of which nobody knows anything lacks every replica.
    #[must_use]
    pub fn of(shards: &[ShardState]) -> Self {
        let mut moves = Self::default();
        for ShardState { placed, found, .. } in shards {
            let Some(found) = found else {
                moves.add += placed.len();
                continue;
            };
            // While members change, only those of both sets are settled.
            let votes = |node: &NodeId| found.voters.iter().all(|voters| voters.contains(node));
            let there: BTreeSet<NodeId> =
                found.voters.iter().flatten().chain(&found.learners).copied().collect();
            moves.add += placed.iter().filter(|node| !votes(node)).count();
            moves.remove += there.iter().filter(|node| !placed.contains(node)).count();
            moves.lead += usize::from(found.leader != placed.first().copied());
        }
        moves
    }
}

/// A leadership that was moved, or not.
#[derive(Clone, Debug)]
pub struct Moved {
    /// Which shard.
    pub shard: ShardId,
    /// Who led.
    pub from: NodeId,
    /// Who should.
    pub to: NodeId,
    /// What stood against it, if anything.
    pub error: Option<String>,
}

impl Room {
    /// Says how this node's shards are.
    pub(crate) fn report(&self) -> Report {
        let shards = self.host.groups().into_iter().filter_map(|group| {
            let shard = shard_of(group.id())?;
            Some(shard_report(shard, &group))
        });
        Report { node: self.me(), shards: shards.collect() }
    }

    /// Says how the nodes are; on the leader.
    pub(crate) fn overview(&self) -> Result<Overview, Error> {
        let status = self.group.status();
        let now = Instant::now();
        let watch = self.watch.lock();
        let watch = watch.as_ref().ok_or(Error::NoLeader)?;
        let sighting = |node: NodeId| {
            if node == self.me() {
                let alive = self.sign_of_life();
                let (holds, version) = (Some(alive.holds), Some(alive.version));
                return Sighting {
                    silence: std::time::Duration::ZERO,
                    is_seen: true,
                    holds,
                    version,
                };
            }
            let last = watch.last.get(&node);
            Sighting {
                silence: watch.sightings.silence(node, now),
                is_seen: watch.sightings.is_seen(node, now),
                holds: last.map(|alive| alive.holds),
                version: last.map(|alive| alive.version.clone()),
            }
        };
        let view = self.state.view();
        let there = view.nodes().filter(|node| node.state != via_catalog::NodeState::Left);
        Ok(Overview {
            leader: self.me(),
            term: status.leadership.term,
            voters: status.voters.into_iter().flatten().collect(),
            learners: status.learners,
            nodes: there.map(|node| (node.id, sighting(node.id))).collect(),
        })
    }

    /// Asks every node how its shards are, and believes of each shard who leads
    /// it, or else who knows the newest term.
    pub(crate) async fn shards(&self) -> Vec<ShardState> {
        let others = self.others();
        let asked = others.iter().map(|node| self.ask(*node, &Ask::Report, SIGN_OF_LIFE));
        let mut reports = vec![self.report()];
        for told in join_all(asked).await {
            if let Ok(Told::Report(report)) = told {
                reports.push(report);
            }
        }
        let mut best: BTreeMap<ShardId, (ShardReport, bool)> = BTreeMap::new();
        for Report { node, shards } in reports {
            for report in shards {
                let leads = report.leader == Some(node);
                let rank = |report: &ShardReport, leads: bool| (report.term, leads, report.applied);
                match best.get(&report.shard) {
                    Some((known, known_leads))
                        if rank(known, *known_leads) >= rank(&report, leads) => {}
                    _ => drop(best.insert(report.shard, (report, leads))),
                }
            }
        }
        let view = self.state.view();
        let state = |shard: ShardId| ShardState {
            shard,
            placed: view.placement().replicas(shard).to_vec(),
            found: best.get(&shard).map(|(report, _)| report.clone()),
        };
        (0..view.shards()).map(ShardId::new).map(state).collect()
    }

    /// Hands the shard's leadership from this node to `to`.
    pub(crate) async fn transfer_here(&self, shard: ShardId, to: NodeId) -> Result<Told, Error> {
        let Some(group) = self.host.group(GroupId::of_shard(shard)) else {
            return Ok(Told::NotLeader(None));
        };
        let status = group.status();
        if status.leadership.leader == Some(to) {
            return Ok(Told::Yes);
        }
        if !status.leadership.is_me {
            return Ok(Told::NotLeader(status.leadership.leader));
        }
        if !status.voters.iter().any(|voters| voters.contains(&to)) {
            return Err(Error::Unfit(format!("{to} has no replica of {shard} that could lead")));
        }
        let moved = tokio::time::timeout(TRANSFER, group.transfer(to)).await;
        moved.map_err(|_| Error::Elsewhere {
            words: format!("{to} did not take over {shard} in time"),
            fate: Fate::Unknown,
        })??;
        Ok(Told::Yes)
    }

    /// Hands the shard's leadership to `to`, wherever it is now.
    pub(crate) async fn transfer(&self, shard: ShardId, to: NodeId) -> Result<(), Error> {
        let view = self.state.view();
        if shard.get() >= view.shards() {
            return Err(Error::Unfit(format!("there are {} shards, from s0", view.shards())));
        }
        let mut candidates = view.placement().replicas(shard).to_vec();
        candidates.extend(self.others());
        candidates.push(self.me());
        let ask = Ask::Transfer { shard, to };
        let mut next = Some(self.me());
        // Hints are followed before the others are asked one by one.
        for _ in 0..candidates.len() + 4 {
            let Some(node) = next.take().or_else(|| candidates.pop()) else { break };
            let told = if node == self.me() {
                Ok(self.answer(node, ask.clone()).await)
            } else {
                self.ask(node, &ask, TRANSFER * 2).await
            };
            match told {
                Ok(Told::Yes) => return Ok(()),
                Ok(Told::NotLeader(hint)) => next = hint.filter(|hint| *hint != node),
                Ok(Told::Failed { words, fate }) => return Err(Error::Elsewhere { words, fate }),
                Ok(_) => return Err(Error::Outcome),
                Err(error) => {
                    tracing::debug!(%node, error = error.words(), "a node was not asked");
                }
            }
        }
        Err(Error::Unfit(format!("nobody who answers leads {shard}")))
    }

    /// Lets every shard be led by the node that should, as far as that has a
    /// replica already.
    pub(crate) async fn rebalance(&self) -> Vec<Moved> {
        let mut moved = Vec::new();
        for ShardState { shard, placed, found } in self.shards().await {
            let (Some(to), Some(found)) = (placed.first().copied(), found) else { continue };
            let can_lead = found.voters.iter().any(|voters| voters.contains(&to));
            let Some(from) = found.leader.filter(|from| *from != to && can_lead) else { continue };
            let error = self.transfer(shard, to).await.err().map(|error| error.words());
            moved.push(Moved { shard, from, to, error });
        }
        moved
    }
}

fn shard_of(group: GroupId) -> Option<ShardId> {
    let number = group.get().checked_sub(1)?;
    u16::try_from(number).ok().map(ShardId::new)
}

fn shard_report(shard: ShardId, group: &Group) -> ShardReport {
    let status = group.status();
    ShardReport {
        shard,
        term: status.leadership.term,
        leader: status.leadership.leader,
        voters: status.voters,
        learners: status.learners,
        last: status.last,
        applied: status.applied.map(|at| at.index),
    }
}

#[cfg(test)]
mod tests {
    use via_types::Term;

    use super::*;

    fn node(number: u64) -> NodeId {
        NodeId::new(number)
    }

    fn shard(placed: &[u64], voters: &[&[u64]], learners: &[u64], leader: u64) -> ShardState {
        let set = |nodes: &[u64]| nodes.iter().copied().map(node).collect::<BTreeSet<_>>();
        let found = ShardReport {
            shard: ShardId::new(0),
            term: Term::new(1),
            leader: Some(node(leader)),
            voters: voters.iter().map(|voters| set(voters)).collect(),
            learners: set(learners),
            last: None,
            applied: None,
        };
        let placed = placed.iter().copied().map(node).collect();
        ShardState { shard: ShardId::new(0), placed, found: Some(found) }
    }

    #[test]
    fn counts_what_is_not_where_it_should_be() {
        let at_rest = shard(&[1, 2, 3], &[&[1, 2, 3]], &[], 1);
        assert_eq!(Moves::of(&[at_rest]), Moves::default());
        let led_elsewhere = shard(&[1, 2, 3], &[&[1, 2, 3]], &[], 3);
        assert_eq!(Moves::of(&[led_elsewhere]), Moves { lead: 1, ..Moves::default() });
        // Node 4 catches up and shall replace node 1, which still leads.
        let catches_up = shard(&[2, 3, 4], &[&[1, 2, 3]], &[4], 1);
        assert_eq!(Moves::of(&[catches_up]), Moves { add: 1, remove: 1, lead: 1 });
        let between = shard(&[2, 3, 4], &[&[1, 2, 3], &[2, 3, 4]], &[], 2);
        assert_eq!(Moves::of(&[between]), Moves { add: 1, remove: 1, lead: 0 });
        let unheard = ShardState { found: None, ..shard(&[1, 2, 3], &[], &[], 1) };
        assert_eq!(Moves::of(&[unheard]), Moves { add: 3, ..Moves::default() });
    }
}
