//! The only way in: a cheap clone that the gateway holds.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use tokio::sync::{broadcast, mpsc, watch};
use via_catalog::View;
use via_engine::Answer;
use via_storage::Store;
use via_transport::Links;
use via_types::{Batch, NodeId, Receipt, ShardId, Term};

use crate::feed::{Feed, Heard, Start};
use crate::presence::Presence;
use crate::pressure::{Pressure, Report};
use crate::query::{Filter, Stats};
use crate::request::Request;
use crate::room::Room;
use crate::route::{Hints, Place};
use crate::seats::Seats;
use crate::writes::{From, Writes};
use crate::{Error, Options};

/// Access to every shard served by this node.
#[derive(Clone, Debug)]
pub struct Handle {
    pub(crate) inner: Arc<Inner>,
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Inner({:?})", self.seats)
    }
}

/// What all clones of a handle share.
pub(crate) struct Inner {
    pub(crate) options: Options,
    pub(crate) seats: Arc<Seats>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) view: watch::Receiver<Arc<View>>,
    /// The ways to other nodes; none when this one is alone.
    pub(crate) links: Option<Arc<dyn Links>>,
    pub(crate) hints: Hints,
    pub(crate) presence: Presence,
    /// This node hands over what it leads and takes nothing more to lead.
    pub(crate) stopping: AtomicBool,
    /// By shard, where writes go that another node must execute.
    pub(crate) couriers: Vec<mpsc::Sender<Request>>,
    /// Bounds the bytes waiting for commit (invariant D-6).
    pub(crate) room: Room,
    pub(crate) feed: broadcast::Sender<Heard>,
    /// The memory for profiles of all shards here.
    pub(crate) pressure: Arc<Pressure>,
}

impl Handle {
    /// Returns how many shards the pool has.
    pub fn shards(&self) -> u16 {
        self.inner.options.shards
    }

    /// Begins the writes of one request.
    pub fn writes(&self) -> Writes {
        Writes::new(self.clone(), From::Client, self.inner.options.write_deadline)
    }

    /// Commits and executes `batch`, whose entities all belong to `shard`.
    /// Returns after the entry is fsynced by a majority (invariant D-1). Waits
    /// for room when the queues are full: the caller's back-pressure.
    ///
    /// # Errors
    /// See [`Error::fate`] for what became of the batch.
    pub async fn write(
        &self,
        shard: ShardId,
        batch: Batch,
        answer: Answer,
    ) -> Result<Receipt, Error> {
        let mut writes = self.writes();
        writes.send(shard, batch, answer, None).await?;
        let answered = writes.all().await.pop();
        answered.expect("invariant D-5: every write is answered").1
    }

    /// Follows recorded changes that pass `filter`, of every shard.
    ///
    /// # Errors
    /// A cursor that is not the feed's; a shard of which nobody says where its
    /// feed ends.
    pub async fn subscribe(&self, start: Start, filter: Filter) -> Result<Feed, Error> {
        Feed::open(self, start, filter).await
    }

    /// Returns counts of what this node holds and executes.
    pub fn stats(&self) -> Stats {
        let mut stats = Stats::default();
        for replica in self.inner.seats.replicas() {
            replica.count_into(&mut stats);
        }
        stats.store_bytes = self.inner.store.approximate_bytes();
        stats
    }

    /// Returns how short memory for profiles is on this node.
    pub fn pressure(&self) -> Report {
        self.inner.pressure.report()
    }

    /// Returns the shards that this node executes now, and the term in which it
    /// does: at most one node executes a shard in a term (invariant D-3).
    pub fn executing(&self) -> Vec<(ShardId, Term)> {
        let term = |replica: &std::sync::Arc<crate::replica::Replica>| {
            let term = replica.with(|state| state.live.as_ref().map(|live| live.term))?;
            Some((replica.shard, term))
        };
        self.inner.seats.replicas().iter().filter_map(term).collect()
    }

    /// Returns the shards for which this node cannot do its part now, and why.
    pub fn not_ready(&self) -> Vec<(ShardId, String)> {
        let reason = |shard| {
            let seat = self.inner.seats.get(shard);
            let is_mine = || desired(&self.inner, shard).contains(&self.inner.options.node);
            let why = match seat {
                Some(seat) => seat.replica.not_ready(),
                None => is_mine().then(|| "its log is being opened".to_owned()),
            };
            Some((shard, why?))
        };
        self.inner.seats.shards().filter_map(reason).collect()
    }

    /// Returns where a write of a client goes: to this node's driver when it
    /// leads or is alone, else to the courier.
    pub(crate) fn door(&self, shard: ShardId) -> Result<mpsc::Sender<Request>, Error> {
        let none = || Error::NotReady { shard, what: "it is not served here".to_owned() };
        match self.place(shard, 0) {
            Place::Here(seat) => Ok(seat.door.clone()),
            Place::There(_) | Place::Nowhere => {
                self.inner.couriers.get(usize::from(shard.get())).cloned().ok_or_else(none)
            }
        }
    }
}

/// Returns the nodes that should hold `shard`, the one that should lead it first.
pub(crate) fn desired(inner: &Inner, shard: ShardId) -> Vec<NodeId> {
    if inner.links.is_none() {
        return vec![inner.options.node];
    }
    inner.view.borrow().placement().replicas(shard).to_vec()
}
