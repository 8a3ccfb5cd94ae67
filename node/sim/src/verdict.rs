//! The end: faults have stopped, and the cluster must become whole in time, take
//! new events, count what clients were told, and hold the same on every replica.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use via_shard::{Answer, Query, Sort};
use via_storage::{Order, Space, Store};
use via_types::{Batch, Detection, GroupId, NodeId, ShardId};

use crate::client::TENANT;
use crate::oracle::Fate;
use crate::plan::Climate;
use crate::watch::restart_after;
use crate::world::{ENTITIES, LOOK, World, name};

/// How long the cluster may take to become whole.
const WHOLE: Duration = Duration::from_secs(120);
/// How long replicas may take to have the same.
const LEVEL: Duration = Duration::from_secs(30);
/// How often a last write is tried.
const TRIES: u32 = 5;
/// What every replica of a shard keeps of it.
const SPACES: [Space; 6] = [
    Space::Shards,
    Space::Ledgers,
    Space::Profiles,
    Space::Detections,
    Space::Feed,
    Space::Feedback,
];

/// Ends all faults and starts whatever is down.
pub(crate) fn heal(world: &Arc<World>) {
    world.trace.note(format_args!("=== faults end"));
    world.network.heal();
    world.sky.turn(Climate::CALM);
    let ids: Vec<NodeId> = world.members.lock().keys().copied().collect();
    for id in ids {
        let is_down = world.with(id, |member| {
            member.node.pace.slow(Duration::ZERO);
            member.node.calm();
            !member.node.is_up()
        });
        if is_down == Some(true) {
            restart_after(world, id, LOOK);
        }
    }
}

/// Waits until the cluster is whole; says whether it is.
pub(crate) async fn whole(world: &Arc<World>) -> bool {
    let begun = tokio::time::Instant::now();
    let settled = || world.unsettled().is_none().then_some(());
    let is_whole = world.until(WHOLE, settled).await.is_some();
    if is_whole {
        let took = begun.elapsed();
        world.trace.note(format_args!("=== whole after {took:?}"));
    } else {
        let why = world.unsettled().unwrap_or_default();
        world.check(Err(format!("the cluster is not whole after {WHOLE:?}: {why}")));
    }
    is_whole
}

/// Writes about every entity through every node: all is accepted.
pub(crate) async fn write_everywhere(world: &Arc<World>) {
    for (node, rooms) in world.rooms() {
        for entity in 0..ENTITIES {
            let mut batch = Batch { stream: world.stream(), ..Batch::default() };
            batch.keys.push(&name(entity));
            batch.entity = vec![0].into();
            let at = 1_700_000_000_000_000_000 + world.trace.micros() as i64 * 1_000;
            batch.at = vec![at].into();
            batch.value = vec![100.0].into();
            let shard = world.shard_of(entity);
            let write = world.oracle.lock().begin_write(entity, 1);
            let mut fate = Fate::Refused;
            let mut told = String::new();
            for _ in 0..TRIES {
                match rooms.shard.write(shard, batch.clone(), Answer::Counts).await {
                    Ok(receipt) => {
                        fate = Fate::Accepted(u64::from(receipt.accepted));
                        break;
                    }
                    Err(error) => told = crate::node::words(&error),
                }
                tokio::time::sleep(LOOK * 4).await;
            }
            if fate == Fate::Refused {
                world.check(Err(format!("{node} takes nothing of {shard} at the end: {told}")));
            }
            let ended = world.oracle.lock().end_write(write, fate);
            world.check(ended);
        }
    }
}

/// Counts every entity on every node: as clients were told, and the same.
pub(crate) async fn count(world: &Arc<World>) {
    for entity in 0..ENTITIES {
        let mut told = BTreeMap::new();
        for (node, rooms) in world.rooms() {
            let read = world.oracle.lock().begin_read(entity);
            match rooms.shard.profile(world.stream(), &name(entity)).await {
                Ok(profile) => {
                    let found = profile.map_or(0, |profile| profile.events);
                    told.insert(node, found);
                    let outcome = world.oracle.lock().end_read(read, found);
                    world.check(outcome);
                }
                Err(error) => {
                    let error = crate::node::words(&error);
                    world.check(Err(format!("{node} does not answer at the end: {error}")));
                }
            }
        }
        let mut counts: Vec<u64> = told.values().copied().collect();
        counts.dedup();
        if counts.len() > 1 {
            world.check(Err(format!("e{entity} is counted differently: {told:?}")));
        }
        world.trace.note(format_args!("e{entity}: {counts:?}"));
    }
}

/// Returns every recorded detection, as one node lists them.
pub(crate) async fn recorded(world: &Arc<World>) -> Vec<Detection> {
    let mut all = Vec::new();
    let Some((_, rooms)) = world.rooms().into_iter().next() else { return all };
    let filter = via_shard::Filter { tenant: TENANT, ..via_shard::Filter::default() };
    let mut query = Query { filter, sort: Sort::Oldest, limit: 500, ..Query::default() };
    loop {
        match rooms.shard.detections(&query).await {
            Ok(page) => {
                all.extend(page.items.into_iter().map(|item| item.detection));
                match page.next {
                    Some(next) => query.after = Some(next),
                    None => return all,
                }
            }
            Err(error) => {
                let error = crate::node::words(&error);
                world.check(Err(format!("detections are not listed at the end: {error}")));
                return all;
            }
        }
    }
}

/// What was shown is recorded, unless there was more than is kept (D-4).
pub(crate) fn check_shown(world: &World, recorded: &[Detection]) {
    if world.plan.settings.keep_detections < 1_000 {
        return;
    }
    let ids: std::collections::BTreeSet<_> = recorded.iter().map(|one| one.id).collect();
    let oracle = world.oracle.lock();
    for id in oracle.all_shown().filter(|id| !ids.contains(id)) {
        world.check(Err(format!("invariant D-4: {id} was shown and is not recorded")));
    }
}

/// Compares what replicas of each shard hold, once they have applied the same.
pub(crate) async fn compare_replicas(world: &Arc<World>) {
    for shard in world.shards() {
        let level = || is_level(world, shard).then(|| differences(world, shard));
        match world.until(LEVEL, level).await {
            None => world.check(Err(format!("replicas of {shard} are not level in {LEVEL:?}"))),
            Some(found) => {
                for difference in found {
                    world.check(Err(difference));
                }
            }
        }
    }
}

fn is_level(world: &World, shard: ShardId) -> bool {
    let group = GroupId::of_shard(shard);
    let statuses: Vec<_> = world
        .rooms()
        .into_iter()
        .filter_map(|(_, rooms)| Some(rooms.consensus.group(group)?.status()))
        .collect();
    let is_same = |status: &via_consensus::Status| {
        status.applied == statuses[0].applied && status.last == statuses[0].last
    };
    let is_done =
        |status: &via_consensus::Status| status.applied.map(|applied| applied.index) == status.last;
    !statuses.is_empty() && statuses.iter().all(|status| is_same(status) && is_done(status))
}

/// Returns what of a shard is not the same on two replicas.
fn differences(world: &World, shard: ShardId) -> Vec<String> {
    let group = GroupId::of_shard(shard);
    let holds = |id: &NodeId| {
        let rooms = world.with(*id, |member| member.node.rooms()).flatten();
        rooms.is_some_and(|rooms| rooms.consensus.group(group).is_some())
    };
    let holders: Vec<NodeId> = world.taking_part().into_iter().filter(holds).collect();
    let mut found = Vec::new();
    for space in SPACES {
        let kept: Vec<_> = holders
            .iter()
            .filter_map(|id| {
                let store = world.with(*id, |member| member.node.store.clone())?;
                Some((*id, kept(&store, space, shard)))
            })
            .collect();
        let Some(((first, one), others)) = kept.split_first() else { continue };
        for (id, other) in others {
            let differs = |key: &&Vec<u8>| one.get(*key) != other.get(*key);
            let keys: std::collections::BTreeSet<&Vec<u8>> =
                one.keys().chain(other.keys()).filter(differs).collect();
            if let Some(key) = keys.first() {
                found.push(format!(
                    "{first} and {id} hold {} keys of {shard} differently in {space:?}, the first {key:02x?}",
                    keys.len()
                ));
            }
        }
    }
    found
}

fn kept(store: &dyn Store, space: Space, shard: ShardId) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let prefix = shard.get().to_be_bytes();
    let all = (Bound::Included(&prefix[..]), Bound::Unbounded);
    let found = store.scan(space, all, Order::Ascending, usize::MAX).unwrap_or_default();
    let of_shard = found.into_iter().take_while(|(key, _)| key.starts_with(&prefix));
    of_shard.map(|(key, value)| (key.to_vec(), value.to_vec())).collect()
}
