//! One run of one seed, from an empty world to its verdict, on one thread in
//! virtual time.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::client::Client;
use crate::oracle::Tally;
use crate::plan::Plan;
use crate::subscriber::Subscriber;
use crate::trace::{Telling, Trace};
use crate::world::World;
use crate::{director, verdict, watch as looking};

/// Subscribers of a run.
const SUBSCRIBERS: u64 = 2;
/// How long clients go on after faults have ended.
const AFTERMATH: Duration = Duration::from_secs(1);

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The hash of all that happened.
    pub hash: u64,
    /// Messages, syncs, answers and deeds in it.
    pub entries: u64,
    /// Messages between nodes.
    pub messages: u64,
    /// What clients did.
    pub tally: Tally,
    /// Terms in which some node executed a shard.
    pub terms: u64,
    /// Entries that are committed.
    pub committed: u64,
    /// Detections that are recorded.
    pub detections: u64,
    /// Nodes that crashed or ended.
    pub crashes: u64,
    /// Virtual time that passed.
    pub span: Duration,
    /// What was not as it must be.
    pub violations: Vec<String>,
    /// The last lines of what happened.
    pub last: Vec<String>,
}

/// Runs a plan. The process's chance and time must come from its seed
/// ([`crate::entropy::seed`]), and the thread must be a new one, or two runs of
/// one plan differ.
///
/// # Errors
/// The runtime cannot be made.
pub fn run(plan: Plan, telling: Telling) -> std::io::Result<Outcome> {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_time().start_paused(true).build()?;
    let outcome = runtime.block_on(play(plan, telling));
    // Whatever still goes on has nothing to say.
    runtime.shutdown_background();
    Ok(outcome)
}

async fn play(plan: Plan, telling: Telling) -> Outcome {
    let trace = Trace::begin(telling);
    let panics = trace.clone();
    std::panic::set_hook(Box::new(move |panicked| {
        panics.violation(format_args!("panic: {panicked}"));
    }));
    let world = World::new(plan, trace);
    world.trace.note(format_args!("{:?}", world.plan));
    let detections = story(&world).await;
    let (hash, entries) = world.trace.sum();
    let oracle = world.oracle.lock();
    Outcome {
        hash,
        entries,
        messages: world.sky.messages(),
        tally: oracle.tally(),
        terms: oracle.terms(),
        committed: world.canon.lock().len() as u64,
        detections,
        crashes: *world.crashes.lock(),
        span: Duration::from_micros(world.trace.micros()),
        violations: world.trace.violations(),
        last: world.trace.last(),
    }
}

/// Forms, lets clients work while faults strike, heals, and judges; returns how
/// many detections there are.
async fn story(world: &Arc<World>) -> u64 {
    if let Err(why) = world.form().await {
        world.check(Err(format!("the cluster is not formed: {why}")));
        return 0;
    }
    let (over, is_over) = watch::channel(false);
    let watching = tokio::spawn(looking::watch(Arc::clone(world), is_over));
    world.trace.note(format_args!("=== clients begin"));
    world.sky.turn(world.plan.climate);
    let until = Instant::now() + world.plan.span + AFTERMATH;
    let mut clients = JoinSet::new();
    let mut following = JoinSet::new();
    for number in 1..=SUBSCRIBERS {
        let mut subscriber = Subscriber::new(Arc::clone(world), number);
        if subscriber.begin().await {
            following.spawn(subscriber.run(until));
        }
    }
    for number in 1..=world.plan.clients {
        clients.spawn(Client::new(Arc::clone(world), number).run(until));
    }
    let mut operators = director::direct(world).await;
    verdict::heal(world);
    while clients.join_next().await.is_some() {}
    let mut subscribers = Vec::new();
    while let Some(ended) = following.join_next().await {
        subscribers.extend(ended);
    }
    while operators.join_next().await.is_some() {}
    let detections = judge(world, subscribers).await;
    over.send_replace(true);
    let _ended = watching.await;
    detections
}

async fn judge(world: &Arc<World>, mut subscribers: Vec<Subscriber>) -> u64 {
    if !verdict::whole(world).await {
        return 0;
    }
    verdict::write_everywhere(world).await;
    verdict::count(world).await;
    let recorded = verdict::recorded(world).await;
    for subscriber in &mut subscribers {
        subscriber.finish().await;
        subscriber.check(&recorded);
    }
    // What was recorded meanwhile was shown, too.
    let recorded = verdict::recorded(world).await;
    verdict::check_shown(world, &recorded);
    verdict::compare_replicas(world).await;
    looking::look(world);
    recorded.len() as u64
}
