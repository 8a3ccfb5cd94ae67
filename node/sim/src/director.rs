//! Carries out the plan's deeds: each in a task of its own, so that what takes
//! long overlaps with what follows. Operators' deeds are tried again until they
//! are done; faults end when their time is over.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;
use via_transport::Fault;
use via_types::NodeId;

use crate::node::{End, Rooms, words};
use crate::plan::{Deed, Loss, Rotten, Whom};
use crate::watch::restart_after;
use crate::world::{LOOK, Member, Standing, World};

/// How long an operator tries something.
const PERSISTENCE: Duration = Duration::from_secs(90);
/// How long stopping as one should may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// Carries out all deeds; returns what operators are still about.
pub(crate) async fn direct(world: &Arc<World>) -> JoinSet<()> {
    let began = Instant::now();
    let mut tasks = JoinSet::new();
    for (at, deed) in world.plan.deeds.clone() {
        tokio::time::sleep_until(began + at).await;
        world.trace.note(format_args!("--- {deed:?}"));
        tasks.spawn(perform(Arc::clone(world), deed));
    }
    tokio::time::sleep_until(began + world.plan.span).await;
    tasks
}

async fn perform(world: Arc<World>, deed: Deed) {
    match deed {
        Deed::Crash(whom, loss, down) => crash(&world, whom, loss, down),
        Deed::CrashAll(loss) => {
            for (place, id) in world.taking_part().into_iter().enumerate() {
                end_at_once(&world, id, loss, LOOK * (10 + 4 * place as u32));
            }
        }
        Deed::Restart(whom) => {
            if let Some(id) = world.find(whom) {
                restart(&world, id).await;
            }
        }
        Deed::Isolate(whom, time) => {
            let one: Vec<NodeId> = world.find(whom).into_iter().collect();
            let others = others(&world, &one);
            cut(&world, &both_ways(&one, &others), time).await;
        }
        Deed::OneWay(from, to, time) => {
            if let (Some(from), Some(to)) = (world.find(from), world.find(to)) {
                cut(&world, &[(from, to)], time).await;
            }
        }
        Deed::Between(one, other, time) => {
            if let (Some(one), Some(other)) = (world.find(one), world.find(other)) {
                cut(&world, &[(one, other), (other, one)], time).await;
            }
        }
        Deed::Halves(count, time) => {
            let all = world.taking_part();
            let (one, other) = all.split_at((count as usize).min(all.len()));
            cut(&world, &both_ways(one, other), time).await;
        }
        Deed::SlowDisk(whom, by, time) => slow(&world, whom, by, time).await,
        Deed::SyncError(whom) => {
            if let Some(id) = world.find(whom) {
                world.with(id, |member| {
                    member.is_excused = true;
                    member.node.fail_next_sync();
                });
            }
        }
        Deed::Rot(whom, what) => rot(&world, whom, what).await,
        Deed::Skew(whom, millis) => {
            if let Some(id) = world.find(whom) {
                world.with(id, |member| member.node.clock.skew(millis));
            }
        }
        Deed::Join => join(&world).await,
        Deed::Retire(whom) => retire(&world, whom).await,
        Deed::Waver(whom, time) => waver(&world, whom, time).await,
        Deed::Rebalance => {
            let mut dice = world.dice(9);
            if let Some((_, rooms)) = world.any_rooms(&mut dice) {
                let moved = rooms.control.rebalance().await.len();
                world.trace.note(format_args!("rebalanced: {moved} moved"));
            }
        }
        Deed::Upgrade => {
            for id in world.taking_part() {
                world.with(id, |member| member.node.upgrade());
                restart(&world, id).await;
                tokio::time::sleep(LOOK * 10).await;
            }
        }
    }
}

fn crash(world: &Arc<World>, whom: Whom, loss: Loss, down: Duration) {
    let Some(id) = world.find(whom) else { return };
    if let Loss::PowerWithin(steps) = loss {
        world.with(id, |member| {
            member.downtime = down;
            if member.node.is_up() {
                member.node.lose_power_within(steps);
            }
        });
        return;
    }
    end_at_once(world, id, loss, down);
}

fn end_at_once(world: &Arc<World>, id: NodeId, loss: Loss, down: Duration) {
    let crashed = world.with(id, |member| {
        let may = member.node.is_up() && !member.is_handled;
        if may {
            member.node.crash(loss);
        }
        may
    });
    if crashed == Some(true) {
        *world.crashes.lock() += 1;
        restart_after(world, id, down);
    }
}

/// Stops a node as it should be stopped, and starts it again.
async fn restart(world: &Arc<World>, id: NodeId) {
    let begun = world.with(id, |member| {
        let may = member.node.rooms().is_some() && !member.is_handled;
        if may {
            member.is_handled = true;
            member.node.stop();
        }
        may
    });
    if begun != Some(true) {
        return;
    }
    world.trace.note(format_args!("{id} is being stopped"));
    let ended = || {
        let end = world.with(id, |member| (member.node.end(), member.node.is_up()));
        end.filter(|(end, is_up)| matches!(end, Some(End::Stopped)) || !is_up).map(drop)
    };
    if world.until(PATIENCE, ended).await.is_none() {
        world.trace.note(format_args!("{id} does not stop, and is killed"));
    }
    world.with(id, |member| {
        member.node.crash(Loss::Process);
        member.is_handled = false;
    });
    restart_after(world, id, LOOK * 4);
}

fn others(world: &World, than: &[NodeId]) -> Vec<NodeId> {
    world.taking_part().into_iter().filter(|id| !than.contains(id)).collect()
}

fn both_ways(one: &[NodeId], other: &[NodeId]) -> Vec<(NodeId, NodeId)> {
    let pairs = one.iter().flat_map(|one| other.iter().map(move |other| (*one, *other)));
    pairs.flat_map(|(one, other)| [(one, other), (other, one)]).collect()
}

async fn cut(world: &World, ways: &[(NodeId, NodeId)], time: Duration) {
    for (from, to) in ways {
        world.network.set_fault(*from, *to, Fault::Drop);
    }
    world.trace.note(format_args!("cut: {ways:?}"));
    tokio::time::sleep(time).await;
    for (from, to) in ways {
        world.network.set_fault(*from, *to, Fault::None);
    }
    world.trace.note(format_args!("healed: {ways:?}"));
}

async fn slow(world: &World, whom: Whom, by: Duration, time: Duration) {
    let Some(id) = world.find(whom) else { return };
    world.with(id, |member| member.node.pace.slow(by));
    tokio::time::sleep(time).await;
    world.with(id, |member| member.node.pace.slow(Duration::ZERO));
}

/// Lets a node's files decay while it is down. If it refuses them, it is given up
/// and another takes its place.
async fn rot(world: &Arc<World>, whom: Whom, what: Rotten) {
    let Some(id) = world.find(whom) else { return };
    let mut dice = world.dice(8);
    let is_leaving = world.is_leaving(id);
    let rotten = world.with(id, |member| {
        if member.is_handled || member.standing != Standing::Member || is_leaving {
            return false;
        }
        member.node.crash(Loss::Process);
        member.standing = Standing::Rotten;
        match what {
            Rotten::State => member.node.set_store_aside(),
            Rotten::Log(bits) => {
                for _ in 0..bits {
                    member.node.flip_a_bit(&mut dice);
                }
            }
        }
        true
    });
    if rotten != Some(true) {
        return;
    }
    restart_after(world, id, LOOK * 10);
    let is_lost =
        || world.with(id, |member| member.standing == Standing::Lost).filter(|lost| *lost);
    if world.until(PERSISTENCE, is_lost).await.is_some() {
        world.trace.note(format_args!("{id} is lost, another takes its place"));
        join(world).await;
        let remove = |rooms: Rooms| async move { rooms.control.remove_dead(id).await.map(drop) };
        operate(world, &format!("remove {id}, which is lost"), remove).await;
    }
}

/// Adds a node and waits until it serves.
async fn join(world: &Arc<World>) {
    let Some(id) = world.add() else { return };
    let serves = || {
        // Or it has gone again before anybody looked.
        let is_done = |member: &mut Member| {
            member.node.rooms().is_some() || member.standing != Standing::Member
        };
        world.with(id, is_done).filter(|is_done| *is_done)
    };
    if world.until(PERSISTENCE, serves).await.is_none() {
        world.check(Err(format!("{id} has not joined for {PERSISTENCE:?}")));
    }
}

/// Tries something on any node until it succeeds.
async fn operate<F>(world: &World, what: &str, deed: impl Fn(Rooms) -> F) -> bool
where
    F: Future<Output = Result<(), via_control::Error>>,
{
    let mut dice = world.dice(7);
    let until = Instant::now() + PERSISTENCE;
    let mut last = String::new();
    while Instant::now() < until {
        if let Some((node, rooms)) = world.any_rooms(&mut dice) {
            let mut over = rooms.over.clone();
            let tried = tokio::select! {
                biased;
                _ = over.wait_for(|over| *over) => None,
                tried = deed(rooms) => Some(tried),
            };
            match tried {
                Some(Ok(())) => {
                    world.trace.note(format_args!("{what}: done through {node}"));
                    return true;
                }
                Some(Err(error)) => last = words(&error),
                None => {}
            }
        }
        tokio::time::sleep(LOOK * 4).await;
    }
    world.check(Err(format!("{what} was not done in {PERSISTENCE:?}: {last}")));
    false
}

/// Drains a node, removes it when it holds nothing, and switches it off.
async fn retire(world: &Arc<World>, whom: Whom) {
    let Some(id) = world.find(whom).filter(|id| world.may_leave(*id)) else { return };
    let drain = |rooms: Rooms| async move { rooms.control.drain(id).await.map(drop) };
    if !operate(world, &format!("drain {id}"), drain).await {
        return;
    }
    let remove = |rooms: Rooms| async move { rooms.control.remove(id).await.map(drop) };
    if operate(world, &format!("remove {id}"), remove).await {
        world.with(id, |member| {
            member.standing = Standing::Removed;
            member.node.crash(Loss::Process);
        });
    }
}

async fn waver(world: &Arc<World>, whom: Whom, time: Duration) {
    let Some(id) = world.find(whom).filter(|id| world.may_leave(*id)) else { return };
    let drain = |rooms: Rooms| async move { rooms.control.drain(id).await.map(drop) };
    if operate(world, &format!("drain {id}"), drain).await {
        tokio::time::sleep(time).await;
        let undrain = |rooms: Rooms| async move {
            match rooms.control.undrain(id).await {
                Err(error) if words(&error).contains("not draining") => Ok(()),
                done => done.map(drop),
            }
        };
        operate(world, &format!("take {id} back"), undrain).await;
    }
    world.stays(id);
}
