//! Looks at the cluster all the time: restarts what ended by itself, as whoever
//! supervises a node does, and checks after every look that no two nodes execute
//! a shard in one term, that every replica has the same committed entries, and
//! that a shard's voters are nodes that still have its data.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use via_storage::Log;
use via_types::{GroupId, LogIndex, NodeId};
use xxhash_rust::xxh3::xxh3_64;

use crate::node::{End, Rooms};
use crate::plan::Loss;
use crate::world::{LOOK, Member, Standing, World};

/// How long a supervisor waits before it starts a node again.
const AGAIN: Duration = Duration::from_millis(300);
/// Numbers of a group's lives in a node's log are this far apart.
const LIFE: u32 = 1 << 20;

/// Looks until `over`.
pub(crate) async fn watch(world: Arc<World>, mut over: tokio::sync::watch::Receiver<bool>) {
    loop {
        look(&world);
        tokio::select! {
            biased;
            _ = over.wait_for(|over| *over) => return,
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}

/// Looks once.
pub(crate) fn look(world: &Arc<World>) {
    supervise(world);
    for (node, rooms) in world.rooms() {
        check_executing(world, node, &rooms);
        check_log(world, node, &rooms);
        check_voters(world, node, &rooms);
    }
}

/// Starts again what ended by itself, and gives up what refuses.
fn supervise(world: &Arc<World>) {
    let ids: Vec<NodeId> = world.members.lock().keys().copied().collect();
    for id in ids {
        let again = world.with(id, |member| attend(world, member)).flatten();
        if let Some(after) = again {
            *world.crashes.lock() += 1;
            restart_after(world, id, after);
        }
    }
}

/// Says after how long a node is to be started again, if it has ended.
fn attend(world: &World, member: &mut Member) -> Option<Duration> {
    let node = &mut member.node;
    if node.has_lost_power() {
        node.crash(Loss::Power);
        member.is_excused = false;
        return Some(member.downtime);
    }
    let end = node.end()?;
    match end {
        End::Stopped => return None,
        End::Failed(why) => {
            let is_late = why.contains("is not there after");
            if !(member.is_excused || is_late || member.standing == Standing::Rotten) {
                world.trace.violation(format_args!("{} ended by itself: {why}", node.id));
            }
            node.crash(Loss::Process);
            if member.standing == Standing::Rotten {
                // Nobody runs a node for long whose disk gives such answers.
                member.standing = Standing::Lost;
                return None;
            }
        }
        // Its disk was made to fail, and did while the node opened it.
        End::Refused(_) if member.is_excused => node.crash(Loss::Process),
        End::Refused(why) => {
            node.crash(Loss::Process);
            if member.standing != Standing::Rotten {
                let id = node.id;
                world.trace.violation(format_args!(
                    "invariant D-7: {id} refuses a disk that nobody damaged: {why}"
                ));
            }
            member.standing = Standing::Lost;
            return None;
        }
    }
    member.is_excused = false;
    Some(AGAIN)
}

/// Starts a node that is down after some time, unless somebody has by then.
pub(crate) fn restart_after(world: &Arc<World>, id: NodeId, after: Duration) {
    world.canon.lock().forget(id);
    let world = Arc::clone(world);
    tokio::spawn(async move {
        tokio::time::sleep_until(Instant::now() + after).await;
        world.with(id, |member| {
            let takes = matches!(member.standing, Standing::Member | Standing::Rotten);
            if takes && !member.is_handled && !member.node.is_up() {
                member.node.start();
            }
        });
    });
}

fn groups(world: &World) -> impl Iterator<Item = GroupId> + use<> {
    std::iter::once(GroupId::META).chain(world.shards().map(GroupId::of_shard))
}

/// Invariant D-3: whoever executes a shard in a term does so alone.
fn check_executing(world: &World, node: NodeId, rooms: &Rooms) {
    for (shard, term) in rooms.shard.executing() {
        let outcome = world.oracle.lock().executes(node, shard, term);
        world.check(outcome);
    }
}

/// Every replica has the same entries as far as it has applied them.
fn check_log(world: &World, node: NodeId, rooms: &Rooms) {
    let Some(Some(log)) = world.with(node, |member| member.node.log()) else { return };
    for group in groups(world) {
        let Some(open) = rooms.consensus.group(group) else { continue };
        let Some(applied) = open.status().applied else { continue };
        let life = |number: &GroupId| number.get() % LIFE == group.get();
        let Some(number) = log.groups().into_iter().filter(life).max() else { continue };
        let from = world.canon.lock().next(node, group);
        let range = from.get()..applied.index.get() + 1;
        match log.read(number, range, usize::MAX) {
            Ok(entries) => {
                let mut canon = world.canon.lock();
                for (index, bytes) in entries {
                    let entry = (LogIndex::new(index), xxh3_64(&bytes));
                    let outcome = canon.applied(node, group, entry);
                    world.check(outcome);
                }
            }
            // It ends by itself when it reads the same.
            Err(error) => world.trace.note(format_args!("{node} cannot read {group}: {error}")),
        }
    }
}

/// Invariant P-1: the voters of a shard are distinct nodes, and more than half of
/// them still have what they voted for.
fn check_voters(world: &World, node: NodeId, rooms: &Rooms) {
    for shard in world.shards() {
        let Some(open) = rooms.consensus.group(GroupId::of_shard(shard)) else { continue };
        let status = open.status();
        if !status.leadership.is_me {
            continue;
        }
        for voters in &status.voters {
            let gone = gone(world, voters);
            if 2 * (voters.len() - gone) <= voters.len() {
                world.check(Err(format!(
                    "invariant P-1: {node} leads {shard}, of whose voters {voters:?} {gone} are gone"
                )));
            }
        }
    }
}

fn gone(world: &World, voters: &BTreeSet<NodeId>) -> usize {
    let members = world.members.lock();
    let is_gone = |id: &&NodeId| {
        members
            .get(id)
            .is_none_or(|member| matches!(member.standing, Standing::Lost | Standing::Removed))
    };
    voters.iter().filter(is_gone).count()
}
