//! Follows the shards that have no replica here, for one subscription: asks
//! nodes that have one for what comes after what was seen, again whenever shards
//! move. Nothing is lost or told twice, because every source is asked from the
//! subscriber's own position on.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use via_transport::{Duplex, Service};
use via_types::{NodeId, ShardId};

use crate::feed::{Published, Remote, Step};
use crate::handle::Handle;
use crate::route::Place;
use crate::wire::{self, Follow, News};
use crate::{Error, Filter, feed::Feed};

/// What was seen of each shard.
pub(crate) type Places = Arc<Mutex<BTreeMap<ShardId, (u64, u32)>>>;

/// How long opening a stream to a node may take.
const OPEN: Duration = Duration::from_secs(2);
/// How long to wait before a shard's source is looked for again.
const PAUSE: Duration = Duration::from_millis(50);

/// Follows until the subscriber is gone.
pub(crate) async fn run(handle: Handle, filter: Filter, seen: Places, told: mpsc::Sender<Remote>) {
    let mut changes = handle.inner.seats.changes();
    let mut attempt = 0;
    loop {
        changes.mark_unchanged();
        let mut sources: BTreeMap<NodeId, Vec<ShardId>> = BTreeMap::new();
        let mut is_whole = true;
        for shard in handle.inner.seats.shards() {
            if handle.inner.seats.get(shard).is_some() {
                continue;
            }
            match handle.place(shard, attempt) {
                Place::There(node) => sources.entry(node).or_default().push(shard),
                Place::Here(_) => {}
                Place::Nowhere => is_whole = false,
            }
        }
        let mut streams = JoinSet::new();
        for (node, shards) in sources {
            let seen = seen.lock();
            let place = |shard: ShardId| (shard, seen.get(&shard).copied().unwrap_or_default());
            let follow =
                Follow { filter: filter.clone(), shards: shards.into_iter().map(place).collect() };
            streams.spawn(follow_one(handle.clone(), node, follow, told.clone()));
        }
        // Whatever changes, all are asked anew from what was seen by then.
        tokio::select! {
            changed = changes.changed() => if changed.is_err() { return },
            Some(_) = streams.join_next() => attempt += 1,
            () = tokio::time::sleep(PAUSE), if !is_whole => attempt += 1,
            () = told.closed() => return,
        }
        drop(streams);
        tokio::time::sleep(PAUSE).await;
    }
}

/// Passes on what `node` tells, until it ends or sends elsewhere.
async fn follow_one(handle: Handle, node: NodeId, follow: Follow, told: mpsc::Sender<Remote>) {
    let Some(links) = handle.inner.links.clone() else { return };
    let shards: Vec<ShardId> = follow.shards.keys().copied().collect();
    let forget = || {
        for shard in &shards {
            handle.inner.hints.forget(*shard, node);
        }
    };
    let Ok(Duplex { mut sender, mut receiver }) = links.open(node, Service::Shard, OPEN).await
    else {
        return forget();
    };
    if sender.send(wire::news(&follow).into()).await.is_err() {
        return forget();
    }
    loop {
        let news = match receiver.receive().await {
            Ok(Some(frame)) => wire::read_news::<News>(&frame),
            Ok(None) | Err(_) => return forget(),
        };
        let remote = match news {
            Ok(News::Change { shard, at, tenant, change }) => {
                Remote::Change(Published { shard, at, tenant, change: Arc::new(change) })
            }
            Ok(News::Gap { shard, upto }) => Remote::Gap(shard, upto),
            Ok(News::Elsewhere { shard }) => return handle.inner.hints.forget(shard, node),
            Err(error) => {
                tracing::warn!(%node, %error, "what it tells of detections cannot be read");
                return forget();
            }
        };
        if told.send(remote).await.is_err() {
            return;
        }
    }
}

/// Tells another node what comes after what it has seen, until one of its shards
/// is no longer here or it is gone.
pub(crate) async fn tell(handle: &Handle, stream: Duplex) -> Result<(), via_transport::Error> {
    let Duplex { mut sender, mut receiver } = stream;
    let Some(opening) = receiver.receive().await? else { return Ok(()) };
    let refused = |error: Error| via_transport::Error::Refused(error.to_string());
    let Follow { filter, shards } = wire::read_news(&opening).map_err(refused)?;
    let mut changes = handle.inner.seats.changes();
    let wanted: Vec<ShardId> = shards.keys().copied().collect();
    let mut feed = Feed::local(handle, shards, filter);
    loop {
        changes.mark_unchanged();
        let gone = wanted.iter().find(|shard| handle.inner.seats.get(**shard).is_none());
        if let Some(shard) = gone {
            sender.send(wire::news(&News::Elsewhere { shard: *shard }).into()).await?;
            return sender.finish();
        }
        let step = tokio::select! {
            step = feed.step() => step.map_err(refused)?,
            _ = changes.changed() => continue,
            // Whoever asked has nothing more to say but that it is gone.
            _ = receiver.receive() => return Ok(()),
        };
        let news = match step {
            None => return sender.finish(),
            Some(Step::Gap(shard, upto)) => News::Gap { shard, upto },
            Some(Step::Change(Published { shard, at, tenant, change })) => {
                News::Change { shard, at, tenant, change: Arc::unwrap_or_clone(change) }
            }
        };
        let (News::Change { shard, .. } | News::Gap { shard, .. } | News::Elsewhere { shard }) =
            &news;
        if wanted.contains(shard) {
            sender.send(wire::news(&news).into()).await?;
        }
    }
}
