//! All shards of this node: opens those that are here, lets the steward keep
//! them as the catalog's view says, and ends them in order. The view is all it
//! knows of cluster policy.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use tokio::sync::{broadcast, mpsc, watch};
use tokio::task::JoinSet;
use via_catalog::View;
use via_storage::{Log, Store};
use via_transport::Service;
use via_types::Clock;

use crate::courier::Courier;
use crate::handle::{Handle, Inner};
use crate::peer::Door;
use crate::presence::{self, Presence};
use crate::pressure::Pressure;
use crate::room::Room;
use crate::route::Hints;
use crate::saver::Saver;
use crate::seats::Seats;
use crate::steward::Steward;
use crate::{Error, Options, metrics};

/// Requests that may wait at one shard's door; their bytes are bounded apart.
pub(crate) const DOOR: usize = 4_096;

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
        write!(f, "Host({:?})", self.handle)
    }
}

/// The shards of this node, opened and ready to run.
pub struct Host {
    handle: Handle,
    steward: Steward,
    couriers: Vec<Courier>,
}

impl Host {
    /// Opens every shard that is here or should begin here: reads what the store
    /// holds and opens its group. Each becomes ready by itself.
    ///
    /// # Errors
    /// A log or store that cannot be trusted: the node must not serve (D-7).
    pub async fn open(options: Options, ground: Ground) -> Result<(Self, Handle), Error> {
        metrics::describe();
        // What was read back after a crash must be on disk before it is relied on.
        ground.store.commit()?;
        let shards = options.shards;
        let pressure = Arc::new(Pressure::new(&options));
        pressure.publish();
        let (feed, _) = broadcast::channel(options.feed_buffer);
        let links = ground.consensus.links();
        let room = Room::new(options.queue_bytes, shards);
        let count = if links.is_some() { usize::from(shards) } else { 0 };
        let (doors, requests): (Vec<_>, Vec<_>) = (0..count).map(|_| mpsc::channel(DOOR)).unzip();
        let handle = Handle {
            inner: Arc::new(Inner {
                options,
                seats: Arc::new(Seats::new(shards)),
                store: Arc::clone(&ground.store),
                view: ground.view.clone(),
                links,
                hints: Hints::new(shards),
                presence: Presence::default(),
                stopping: AtomicBool::new(false),
                couriers: doors,
                room,
                feed,
                pressure,
            }),
        };
        let saver = Saver::start(Arc::clone(&ground.store));
        let mut steward = Steward::new(handle.clone(), ground, saver);
        steward.open_all().await?;
        if let Some(links) = &handle.inner.links {
            links.serve(Service::Shard, Arc::new(Door(Arc::downgrade(&handle.inner))));
        }
        let shards = handle.inner.seats.shards();
        let courier = |(shard, requests)| Courier::new(shard, handle.clone(), requests);
        let couriers = shards.zip(requests).map(courier).collect();
        Ok((Self { handle: handle.clone(), steward, couriers }, handle))
    }

    /// Serves until `shutdown`, then hands its leaderships over and finishes what
    /// was taken. Returns early with the reason when a shard stops for good.
    ///
    /// # Errors
    /// The shard that failed.
    pub async fn run(self, shutdown: watch::Receiver<bool>) -> Result<(), Error> {
        let Self { handle, mut steward, couriers } = self;
        let (stop, stopped) = watch::channel(false);
        let mut helpers = JoinSet::new();
        for courier in couriers {
            helpers.spawn(courier.run(stopped.clone()));
        }
        let mut pulse = JoinSet::new();
        if handle.inner.links.is_some() {
            pulse.spawn(presence::watch(handle.clone()));
        }
        steward.run(shutdown).await?;
        drop(pulse);
        handle.inner.room.close();
        stop.send_replace(true);
        while let Some(ended) = helpers.join_next().await {
            if let Err(error) = ended
                && error.is_panic()
            {
                std::panic::resume_unwind(error.into_panic());
            }
        }
        steward.stop().await;
        Ok(())
    }
}
