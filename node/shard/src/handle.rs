//! The only way in: a cheap clone that the gateway holds.

use std::sync::Arc;

use tokio::sync::{Semaphore, broadcast, mpsc};
use via_engine::Answer;
use via_types::profile::{ProfileView, SeriesPoint};
use via_types::{Batch, DetectionId, EntityHash, Receipt, ShardId, StreamId, TenantId};

use crate::feed::{Feed, Published, Start};
use crate::query::{Filter, Page, Query, Recorded, Stats};
use crate::replica::Replica;
use crate::request::Request;
use crate::writes::Writes;
use crate::{Error, Options};

/// Bytes per permit of the queue's bound: semaphores count in u32.
pub(crate) const PERMIT_BYTES: usize = 1_024;

/// Access to every shard served by this node.
#[derive(Clone, Debug)]
pub struct Handle {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) options: Options,
    pub(crate) replicas: Arc<[Arc<Replica>]>,
    pub(crate) doors: Vec<mpsc::Sender<Request>>,
    /// Bounds the bytes waiting for commit (invariant D-6).
    pub(crate) room: Arc<Semaphore>,
    pub(crate) feed: broadcast::Sender<Published>,
}

impl Handle {
    /// Returns how many shards the pool has.
    pub fn shards(&self) -> u16 {
        self.inner.options.shards
    }

    /// Begins the writes of one request.
    pub fn writes(&self) -> Writes {
        Writes::new(self.clone())
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

    /// Returns what is known of an entity; none when it was never seen.
    ///
    /// # Errors
    /// When the shard is not served here or its store fails.
    pub async fn profile(
        &self,
        stream: StreamId,
        entity: &str,
    ) -> Result<Option<ProfileView>, Error> {
        let hash = EntityHash::of(stream, entity);
        let replica = self.fresh(hash).await?;
        replica.with_profile(stream, hash, |engine| engine.profile(stream, hash))
    }

    /// Returns the entity's recent past in at most `max_points` buckets, oldest
    /// first; none when it was never seen.
    ///
    /// # Errors
    /// When the shard is not served here or its store fails.
    pub async fn series(
        &self,
        stream: StreamId,
        entity: &str,
        max_points: usize,
    ) -> Result<Option<Vec<SeriesPoint>>, Error> {
        let hash = EntityHash::of(stream, entity);
        let replica = self.fresh(hash).await?;
        replica.with_profile(stream, hash, |engine| engine.series(stream, hash, max_points))
    }

    /// Lists recorded detections.
    ///
    /// # Errors
    /// A cursor of another listing; a store that fails.
    pub fn detections(&self, query: &Query) -> Result<Page, Error> {
        self.any_replica().archive.list(query)
    }

    /// Returns one recorded detection of `tenant`, and what was said of it.
    ///
    /// # Errors
    /// A store that fails.
    pub fn detection(&self, tenant: TenantId, id: DetectionId) -> Result<Option<Recorded>, Error> {
        self.any_replica().archive.recorded(tenant, id)
    }

    /// Follows recorded changes that pass `filter`.
    ///
    /// # Errors
    /// A cursor that is not the feed's.
    pub fn subscribe(&self, start: Start, filter: Filter) -> Result<Feed, Error> {
        let live = self.inner.feed.subscribe();
        Feed::new(Arc::clone(&self.inner.replicas), live, start, filter)
    }

    /// Returns counts of all shards of this node.
    pub fn stats(&self) -> Stats {
        let mut stats = Stats::default();
        for replica in self.inner.replicas.iter() {
            replica.count_into(&mut stats);
        }
        stats.store_bytes = self.any_replica().store.approximate_bytes();
        stats
    }

    /// Returns the shards that cannot judge now, and why.
    pub fn not_ready(&self) -> Vec<(ShardId, String)> {
        let reason = |replica: &Arc<Replica>| Some((replica.shard, replica.not_ready()?));
        self.inner.replicas.iter().filter_map(reason).collect()
    }

    pub(crate) fn door(&self, shard: ShardId) -> Result<&mpsc::Sender<Request>, Error> {
        self.inner
            .doors
            .get(usize::from(shard.get()))
            .ok_or_else(|| Error::NotReady { shard, what: "it is not served here".to_owned() })
    }

    /// Returns the replica that owns the entity after a linearizable barrier:
    /// everything acknowledged before is visible.
    async fn fresh(&self, entity: EntityHash) -> Result<Arc<Replica>, Error> {
        let shard = entity.shard(self.shards());
        let replica = Arc::clone(&self.inner.replicas[usize::from(shard.get())]);
        let group = replica.group()?;
        // A read changes nothing: whatever the reason, it may be tried again.
        group
            .read_barrier()
            .await
            .map_err(|error| Error::NotReady { shard, what: error.to_string() })?;
        Ok(replica)
    }

    fn any_replica(&self) -> &Replica {
        self.inner.replicas.first().expect("a pool has at least one shard")
    }
}
