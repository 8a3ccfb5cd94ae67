//! The cluster as a whole: its nodes, its network, and what clients were told.
//! Everybody who acts in a run holds it; a lock is held for a look only.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;
use via_consensus::{Group, Status};
use via_transport::MemoryNetwork;
use via_types::{EntityHash, GroupId, NodeId, ShardId, StreamId};

use crate::canon::Canon;
use crate::dice::Dice;
use crate::node::{FIRST, Ground, Node, Rooms};
use crate::oracle::Oracle;
use crate::plan::{Climate, Plan, Whom};
use crate::trace::Trace;
use crate::weather::Sky;

/// Entities that clients write about.
pub(crate) const ENTITIES: usize = 8;
/// The name of the one stream.
pub(crate) const STREAM: &str = "s";
/// How often somebody who waits looks.
pub(crate) const LOOK: Duration = Duration::from_millis(50);
/// Most nodes that there ever are.
const MOST_NODES: u64 = 8;

/// What became of a node besides being up or down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It takes part, or will again.
    Member,
    /// Its files decayed: it may refuse to start.
    Rotten,
    /// It was given up: it refused to start on what it found.
    Lost,
    /// It was removed as it should be.
    Removed,
}

/// A member of the cluster.
pub(crate) struct Member {
    pub(crate) node: Node,
    pub(crate) standing: Standing,
    /// It may end by itself: a sync of its disk was made to fail.
    pub(crate) is_excused: bool,
    /// Somebody stops or starts it: its supervisor leaves it alone.
    pub(crate) is_handled: bool,
    /// How long it stays down when its power goes.
    pub(crate) downtime: Duration,
}

/// What all who act in a run share.
pub(crate) struct World {
    pub(crate) plan: Arc<Plan>,
    pub(crate) trace: Trace,
    pub(crate) network: MemoryNetwork,
    pub(crate) sky: Arc<Sky>,
    pub(crate) oracle: Mutex<Oracle>,
    pub(crate) canon: Mutex<Canon>,
    pub(crate) members: Mutex<BTreeMap<NodeId, Member>>,
    stream: Mutex<StreamId>,
    began: Instant,
    /// How often a node crashed.
    pub(crate) crashes: Mutex<u64>,
    /// Nodes that operators are draining.
    leaving: Mutex<BTreeSet<NodeId>>,
}

impl World {
    /// Makes a world without nodes.
    pub(crate) fn new(plan: Plan, trace: Trace) -> Arc<Self> {
        let network = MemoryNetwork::new();
        let dice = Dice::new(plan.seed).fork(3);
        let sky = Arc::new(Sky::new(trace.clone(), dice, Climate::CALM));
        network.set_weather(Arc::clone(&sky) as Arc<dyn via_transport::Weather>);
        Arc::new(Self {
            plan: Arc::new(plan),
            trace,
            network,
            sky,
            oracle: Mutex::new(Oracle::new(ENTITIES)),
            canon: Mutex::default(),
            members: Mutex::default(),
            stream: Mutex::default(),
            began: Instant::now(),
            crashes: Mutex::default(),
            leaving: Mutex::default(),
        })
    }

    /// Returns the one stream.
    pub(crate) fn stream(&self) -> StreamId {
        *self.stream.lock()
    }

    /// Returns the decisions of whoever is called that.
    pub(crate) fn dice(&self, name: u64) -> Dice {
        Dice::new(self.plan.seed).fork(name)
    }

    /// Notes what is not as it must be.
    pub(crate) fn check(&self, outcome: Result<(), String>) {
        if let Err(violation) = outcome {
            self.trace.violation(format_args!("{violation}"));
        }
    }

    /// Adds a node and starts it; none when there are enough.
    pub(crate) fn add(&self) -> Option<NodeId> {
        let mut members = self.members.lock();
        let number = members.len() as u64 + 1;
        if number > MOST_NODES {
            return None;
        }
        let id = NodeId::new(number);
        let ground = Ground {
            plan: Arc::clone(&self.plan),
            network: self.network.clone(),
            trace: self.trace.clone(),
        };
        let known: BTreeSet<NodeId> = members.keys().copied().collect();
        let mut node = Node::new(id, ground, known, self.began);
        node.start();
        let member = Member {
            node,
            standing: Standing::Member,
            is_excused: false,
            is_handled: false,
            downtime: Duration::from_millis(500),
        };
        members.insert(id, member);
        Some(id)
    }

    /// Does something to a member.
    pub(crate) fn with<T>(&self, id: NodeId, work: impl FnOnce(&mut Member) -> T) -> Option<T> {
        self.members.lock().get_mut(&id).map(work)
    }

    /// Returns the rooms of every node that runs.
    pub(crate) fn rooms(&self) -> Vec<(NodeId, Rooms)> {
        let members = self.members.lock();
        members.iter().filter_map(|(id, member)| Some((*id, member.node.rooms()?))).collect()
    }

    /// Returns the rooms of one node that runs, drawn.
    pub(crate) fn any_rooms(&self, dice: &mut Dice) -> Option<(NodeId, Rooms)> {
        let rooms = self.rooms();
        if rooms.is_empty() {
            return None;
        }
        let (id, rooms) = dice.pick(&rooms);
        Some((*id, rooms.clone()))
    }

    /// Returns the nodes that take part, up or down.
    pub(crate) fn taking_part(&self) -> Vec<NodeId> {
        let members = self.members.lock();
        let takes =
            |member: &Member| matches!(member.standing, Standing::Member | Standing::Rotten);
        members.iter().filter(|(_, member)| takes(member)).map(|(id, _)| *id).collect()
    }

    /// Says whether a node may be drained: three whole ones are left then. If so,
    /// it counts as leaving until [`Self::stays`].
    pub(crate) fn may_leave(&self, id: NodeId) -> bool {
        let members = self.members.lock();
        let mut leaving = self.leaving.lock();
        let is_whole = |(other, member): &(&NodeId, &Member)| {
            member.standing == Standing::Member && !leaving.contains(other)
        };
        let whole: Vec<NodeId> = members.iter().filter(is_whole).map(|(id, _)| *id).collect();
        whole.len() > 3 && whole.contains(&id) && leaving.insert(id)
    }

    /// Says whether a node is being drained.
    pub(crate) fn is_leaving(&self, id: NodeId) -> bool {
        self.leaving.lock().contains(&id)
    }

    /// A node is not being drained any more.
    pub(crate) fn stays(&self, id: NodeId) {
        self.leaving.lock().remove(&id);
    }

    /// Returns every shard.
    pub(crate) fn shards(&self) -> impl Iterator<Item = ShardId> + use<> {
        (0..self.plan.shards).map(ShardId::new)
    }

    /// Returns the shard of an entity.
    pub(crate) fn shard_of(&self, entity: usize) -> ShardId {
        EntityHash::of(self.stream(), &name(entity)).shard(self.plan.shards)
    }

    /// Returns who leads a group in the newest term that anybody knows of, and how
    /// it sees it.
    pub(crate) fn leader(&self, group: GroupId) -> Option<(NodeId, Group, Status)> {
        let leads = |(id, rooms): (NodeId, Rooms)| {
            let group = rooms.consensus.group(group)?;
            let status = group.status();
            status.leadership.is_me.then_some((id, group, status))
        };
        let leaders = self.rooms().into_iter().filter_map(leads);
        leaders.max_by_key(|(_, _, status)| status.leadership.term)
    }

    /// Returns the node that is meant; none when there is no such now.
    pub(crate) fn find(&self, whom: Whom) -> Option<NodeId> {
        match whom {
            Whom::Nth(place) => {
                let members = self.taking_part();
                let place = place as usize % members.len().max(1);
                members.get(place).copied()
            }
            Whom::LeaderOf(shard) => {
                self.leader(GroupId::of_shard(ShardId::new(shard))).map(|(id, ..)| id)
            }
            Whom::Chair => self.leader(GroupId::META).map(|(id, ..)| id),
        }
    }

    /// Waits until `look` finds something, at most for `patience`.
    pub(crate) async fn until<T>(
        &self,
        patience: Duration,
        mut look: impl FnMut() -> Option<T>,
    ) -> Option<T> {
        let until = Instant::now() + patience;
        loop {
            if let Some(found) = look() {
                return Some(found);
            }
            if Instant::now() >= until {
                return None;
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Forms the cluster and its stream, and waits until every shard is in its
    /// place.
    ///
    /// # Errors
    /// What did not come about.
    pub(crate) async fn form(&self) -> Result<(), String> {
        let patience = Duration::from_secs(60);
        self.add().ok_or("no room for the first node")?;
        let rooms = || self.with(FIRST, |member| member.node.rooms()).flatten();
        let first = self.until(patience, rooms).await.ok_or("the first node does not start")?;
        for _ in 1..self.plan.nodes {
            self.add();
        }
        let tenant = first.control.view().tenant_named(via_control::DEFAULT_TENANT).map(|t| t.id);
        let tenant = tenant.ok_or("there is no default tenant")?;
        let own = serde_json::json!({});
        let created = first.control.create_stream(tenant, STREAM, &own).await;
        *self.stream.lock() = created.map_err(|error| error.to_string())?.stream.id;
        let settled = || self.unsettled().is_none().then_some(());
        let waited = self.until(patience, settled).await;
        waited.ok_or_else(|| format!("it does not settle: {:?}", self.unsettled()))
    }

    /// Says what is not yet as it should be in the end; none when all is.
    pub(crate) fn unsettled(&self) -> Option<String> {
        let rooms = self.rooms();
        let up = self.taking_part();
        if rooms.len() < up.len() {
            return Some(format!("{} of {} nodes serve", rooms.len(), up.len()));
        }
        let (_, _, chair) = match self.leader(GroupId::META) {
            Some(found) => found,
            None => return Some("nobody leads the meta group".to_owned()),
        };
        if !chair.settled {
            return Some("the meta group's voters change".to_owned());
        }
        let revisions: BTreeSet<_> =
            rooms.iter().map(|(_, rooms)| rooms.control.view().revision()).collect();
        if revisions.len() != 1 {
            return Some(format!("views differ: {revisions:?}"));
        }
        let view = rooms.first()?.1.control.view();
        let nodes: BTreeSet<NodeId> = view.nodes().map(|node| node.id).collect();
        if let Some(missing) = up.iter().find(|id| !nodes.contains(id)) {
            return Some(format!("{missing} has not joined"));
        }
        for (id, rooms) in &rooms {
            if let Some((shard, why)) = rooms.shard.not_ready().into_iter().next() {
                return Some(format!("{id}: {shard}: {why}"));
            }
        }
        self.shards().find_map(|shard| self.unplaced(shard, view.placement().replicas(shard)))
    }

    fn unplaced(&self, shard: ShardId, wanted: &[NodeId]) -> Option<String> {
        let group = GroupId::of_shard(shard);
        let Some((leader, _, status)) = self.leader(group) else {
            return Some(format!("nobody leads {shard}"));
        };
        let voters: Vec<NodeId> = status.voters.iter().flatten().copied().collect();
        let mut sorted = wanted.to_vec();
        sorted.sort_unstable();
        let is_elsewhere = |(id, rooms): &(NodeId, Rooms)| {
            !wanted.contains(id) && rooms.consensus.group(group).is_some()
        };
        let elsewhere = self.rooms().into_iter().find(is_elsewhere).map(|(id, _)| id);
        let is_placed = status.settled
            && voters == sorted
            && status.learners.is_empty()
            && wanted.first() == Some(&leader)
            && elsewhere.is_none();
        (!is_placed).then(|| {
            format!(
                "{shard} wants {wanted:?}, {leader} leads voters {voters:?} and learners {:?}, elsewhere: {elsewhere:?}",
                status.learners
            )
        })
    }
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "World({})", self.plan.seed)
    }
}

/// Returns an entity's key.
pub(crate) fn name(entity: usize) -> String {
    format!("e{entity}")
}
