//! The process ends at once, at any moment: under load, inside a checkpoint,
//! while it starts.

use std::time::{Duration, Instant};

use super::{some_time, summary, verify};
use crate::Arena;
use crate::load::{Load, Shape};
use crate::node::Start;

/// Kills the node again and again while clients send.
///
/// # Errors
/// An acknowledged event is lost or counted twice.
pub async fn under_load(arena: &Arena) -> anyhow::Result<String> {
    let site = arena.site("crash")?;
    let start = Start { binary: arena.binary(), site: &site, disk: None, settings: &[] };
    let mut rng = arena.rng(1);
    let shape = Shape::default();
    let mut load = Load::start(shape.clone(), arena.seed());
    let mut slowest = Duration::ZERO;
    for _ in 0..arena.rounds() {
        let begun = Instant::now();
        let node = start.ready().await?;
        slowest = slowest.max(begun.elapsed());
        load.node_is_at(Some(node.address()));
        load.progress(8).await?;
        // Checkpoints begin every second: some of the moments lie inside one.
        some_time(&mut rng, Duration::from_millis(1_500)).await;
        node.kill();
        load.node_is_at(None);
    }
    let node = start.ready().await?;
    load.node_is_at(Some(node.address()));
    load.progress(1).await?;
    let what =
        format!("killed {} times under load, ready again within {slowest:.1?}", arena.rounds());
    let told = summary(&load, &what);
    verify(&node, &shape, &load.finish().await?).await?;
    Ok(told)
}

/// Kills the node several times while it starts, after each crash under load.
///
/// # Errors
/// An acknowledged event is lost or counted twice.
pub async fn while_starting(arena: &Arena) -> anyhow::Result<String> {
    let site = arena.site("crash-starting")?;
    let start = Start { binary: arena.binary(), site: &site, disk: None, settings: &[] };
    let mut rng = arena.rng(2);
    let shape = Shape::default();
    let mut load = Load::start(shape.clone(), arena.seed());
    for _ in 0..arena.rounds() {
        let node = start.ready().await?;
        load.node_is_at(Some(node.address()));
        load.progress(20).await?;
        node.kill();
        load.node_is_at(None);
        for _ in 0..4 {
            let starting = start.spawn()?;
            some_time(&mut rng, Duration::from_millis(150)).await;
            starting.kill();
        }
    }
    let node = start.ready().await?;
    load.node_is_at(Some(node.address()));
    load.progress(1).await?;
    let told = summary(&load, &format!("killed {} times while starting", 4 * arena.rounds()));
    verify(&node, &shape, &load.finish().await?).await?;
    Ok(told)
}
