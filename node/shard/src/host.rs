//! All shards of this node: opens their groups, gives each a driver, and ends
//! them in order. The catalog's view is all it knows of cluster policy.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use futures_util::future::try_join_all;
use tokio::sync::{Semaphore, broadcast, mpsc, watch};
use tokio::task::JoinSet;
use via_catalog::View;
use via_consensus::{Group, Tail};
use via_storage::{Log, Store};
use via_types::{Clock, GroupId, LogIndex, ShardId};

use crate::driver::Driver;
use crate::handle::{Handle, Inner, PERMIT_BYTES};
use crate::machine::Shard;
use crate::replica::Replica;
use crate::request::Request;
use crate::saver::Saver;
use crate::{Error, Options, metrics, replay};

/// Requests that may wait at one shard's door; their bytes are bounded apart.
const DOOR: usize = 4_096;

/// What the shards run on.
#[derive(Clone)]
pub struct Ground {
    /// Runs the groups.
    pub consensus: via_consensus::Host,
    /// The log that the groups share.
    pub log: Arc<dyn Log>,
    /// Stored state.
    pub store: Arc<dyn Store>,
    /// The catalog as this node sees it.
    pub view: watch::Receiver<Arc<View>>,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

impl fmt::Debug for Ground {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ground")
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Host({} shards)", self.drivers.len())
    }
}

/// The shards of this node, opened and ready to run.
pub struct Host {
    handle: Handle,
    drivers: Vec<Driver>,
}

impl Host {
    /// Opens every shard: reads what the store holds and opens its group. Each
    /// becomes ready by itself, when its log has promoted this node.
    ///
    /// # Errors
    /// A log or store that cannot be trusted: the node must not serve (D-7).
    pub async fn open(options: Options, ground: Ground) -> Result<(Self, Handle), Error> {
        metrics::describe();
        // What was read back after a crash must be on disk before it is relied on.
        ground.store.commit()?;
        let (feed, _) = broadcast::channel(options.feed_buffer);
        let shards = (0..options.shards).map(ShardId::new);
        let open = |shard| open_shard(shard, &options, &ground, &feed);
        let replicas: Arc<[Arc<Replica>]> = shards.map(open).collect::<Result<Vec<_>, _>>()?.into();
        let groups =
            try_join_all(replicas.iter().map(|replica| open_group(replica, &ground))).await?;
        let saver = Saver::start(Arc::clone(&ground.store));
        let mut doors = Vec::with_capacity(replicas.len());
        let mut drivers = Vec::with_capacity(replicas.len());
        for (replica, group) in replicas.iter().zip(groups) {
            replica.attach(group.clone());
            let (door, requests) = mpsc::channel::<Request>(DOOR);
            doors.push(door);
            let view = ground.view.clone();
            let clock = Arc::clone(&ground.clock);
            let replica = Arc::clone(replica);
            drivers.push(Driver::new(replica, group, view, clock, saver.clone(), requests));
        }
        let room = Arc::new(Semaphore::new(options.queue_bytes / PERMIT_BYTES));
        let handle = Handle { inner: Arc::new(Inner { options, replicas, doors, room, feed }) };
        Ok((Self { handle: handle.clone(), drivers }, handle))
    }

    /// Serves until `shutdown`, then finishes what was taken. Returns early
    /// with the reason when a shard stops for good.
    ///
    /// # Errors
    /// The shard that failed.
    pub async fn run(self, mut shutdown: watch::Receiver<bool>) -> Result<(), Error> {
        let mut running = JoinSet::new();
        let mut failures = JoinSet::new();
        for driver in self.drivers {
            let shard = driver.replica.shard;
            let group = driver.group.clone();
            failures.spawn(async move { (shard, group.failed().await) });
            running.spawn(driver.run(shutdown.clone()));
        }
        let result = tokio::select! {
            Some(Ok((shard, source))) = failures.join_next() => {
                Err(Error::Consensus { shard, source: Arc::new(source) })
            }
            _ = shutdown.wait_for(|stop| *stop) => Ok(()),
        };
        failures.abort_all();
        self.handle.inner.room.close();
        if result.is_ok() {
            while let Some(ended) = running.join_next().await {
                if let Err(error) = ended
                    && error.is_panic()
                {
                    std::panic::resume_unwind(error.into_panic());
                }
            }
        }
        result
    }
}

fn open_shard(
    shard: ShardId,
    options: &Options,
    ground: &Ground,
    feed: &broadcast::Sender<crate::feed::Published>,
) -> Result<Arc<Replica>, Error> {
    let state = replay::open(&ground.store, shard)?;
    let store = Arc::clone(&ground.store);
    Ok(Arc::new(Replica::new(shard, options.clone(), store, feed.clone(), state)))
}

async fn open_group(replica: &Arc<Replica>, ground: &Ground) -> Result<Group, Error> {
    let shard = replica.shard;
    let group = GroupId::of_shard(shard);
    let node = replica.options.node;
    let last = ground.log.bounds(group).map_or(0, |(_, last)| last);
    let machine = |tail: Arc<dyn Tail>| {
        let replica = Arc::clone(replica);
        Ok(Shard { replica, tail, node, opened_at: LogIndex::new(last) })
    };
    ground
        .consensus
        .open(group, Some(BTreeSet::from([node])), machine)
        .await
        .map_err(|source| Error::Consensus { shard, source: Arc::new(source) })
}
