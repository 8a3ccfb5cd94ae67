//! How the cluster's shards stand, as the nodes that lead them say: for people
//! who run it. Every node is asked at once; one that does not answer is told as
//! such.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use serde::{Deserialize, Serialize};
use via_types::{LogIndex, NodeId, ShardId, Term};

use crate::handle::Handle;
use crate::query::Stats;
use crate::route;
use crate::wire::{Answer, Call};

/// How long a node may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// One shard as its leader sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Which.
    pub shard: ShardId,
    /// The term of its leader.
    pub term: Term,
    /// Who leads it.
    pub leader: NodeId,
    /// Who votes.
    pub voters: Vec<NodeId>,
    /// Who only listens: replicas on their way.
    pub learners: Vec<NodeId>,
    /// Log entries that each other replica has still to get.
    pub behind: BTreeMap<NodeId, u64>,
}

/// The cluster as its nodes tell it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Census {
    /// What each node holds and executes; none when it did not answer.
    pub nodes: BTreeMap<NodeId, Option<Stats>>,
    /// Every shard that a node which answered leads, in order.
    pub shards: Vec<Report>,
}

impl Handle {
    /// Asks every node how its shards stand.
    pub async fn census(&self) -> Census {
        let me = self.inner.options.node;
        let view = Arc::clone(&self.inner.view.borrow());
        let others = route::present(&view).filter(|node| *node != me);
        let asked = others.map(async |node| {
            let answer = self.call(node, &Call::<()>::Count, PATIENCE).await;
            (node, answer)
        });
        let mut census = Census { shards: self.reports(), ..Census::default() };
        census.nodes.insert(me, Some(self.stats()));
        for (node, answer) in join_all(asked).await {
            let Ok(Answer::Counted { stats, shards }) = answer else {
                census.nodes.insert(node, None);
                continue;
            };
            census.nodes.insert(node, Some(stats));
            census.shards.extend(shards);
        }
        // While leadership moves two may say they lead: the newer term does.
        census.shards.sort_by_key(|report| (report.shard, std::cmp::Reverse(report.term)));
        census.shards.dedup_by_key(|report| report.shard);
        census
    }

    /// Returns how the shards that this node leads stand.
    pub(crate) fn reports(&self) -> Vec<Report> {
        let report = |shard| {
            let seat = self.inner.seats.get(shard)?;
            let status = seat.replica.group().ok()?.status();
            let leader = status.leadership.leader.filter(|_| status.leadership.is_me)?;
            let last = status.last.map_or(0, LogIndex::get);
            let behind = |(node, at): (&NodeId, &Option<LogIndex>)| {
                (*node, last.saturating_sub(at.map_or(0, LogIndex::get)))
            };
            let others = status.replicated.iter().filter(|(node, _)| **node != leader);
            Some(Report {
                shard,
                term: status.leadership.term,
                leader,
                voters: status.voters.iter().flatten().copied().collect(),
                learners: status.learners.iter().copied().collect(),
                behind: others.map(behind).collect(),
            })
        };
        self.inner.seats.shards().filter_map(report).collect()
    }
}
