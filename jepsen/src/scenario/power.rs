//! The power fails: what was not synced is gone, or partly gone. The model of
//! the disk is in `shim/disk.c`; that it sees every write, and that a disk that
//! lies is found out, is shown by two scenarios of their own.

use std::time::Duration;

use super::{some_time, summary, verify};
use crate::Arena;
use crate::disk::{Disk, Fault, Survivors};
use crate::load::{Load, Shape};
use crate::node::Start;

/// Cuts the power again and again while clients send; of what was not synced,
/// sometimes nothing survives, sometimes random sectors.
///
/// # Errors
/// An acknowledged event is lost or counted twice.
pub async fn loss(arena: &Arena) -> anyhow::Result<String> {
    let site = arena.site("power")?;
    let disk = Disk::new(&site.beside("disk")?)?;
    let start = Start { binary: arena.binary(), site: &site, disk: Some(&disk), settings: &[] };
    let mut rng = arena.rng(3);
    let shape = Shape::default();
    let mut load = Load::start(shape.clone(), arena.seed());
    for round in 0..arena.rounds() {
        let node = start.ready().await?;
        load.node_is_at(Some(node.address()));
        load.progress(8).await?;
        some_time(&mut rng, Duration::from_millis(1_500)).await;
        node.kill();
        load.node_is_at(None);
        let survivors = if round % 2 == 0 { Survivors::Some } else { Survivors::None };
        disk.lose_power(site.data(), survivors, &mut rng)?;
    }
    let node = start.ready().await?;
    load.node_is_at(Some(node.address()));
    load.progress(1).await?;
    let told = summary(&load, &format!("power lost {} times", arena.rounds()));
    verify(&node, &shape, &load.finish().await?).await?;
    Ok(told)
}

/// A planted bug: with a disk whose syncs do nothing, the same attack must find
/// acknowledged events missing, or the node must refuse to start.
///
/// # Errors
/// Nothing was found: the attack is blind.
pub async fn a_lying_disk_is_found_out(arena: &Arena) -> anyhow::Result<String> {
    let site = arena.site("lies")?;
    let disk = Disk::new(&site.beside("disk")?)?;
    let start = Start { binary: arena.binary(), site: &site, disk: Some(&disk), settings: &[] };
    let shape = Shape::default();
    let mut load = Load::start(shape.clone(), arena.seed());
    let node = start.ready().await?;
    load.node_is_at(Some(node.address()));
    load.progress(8).await?;
    disk.begin(Fault::SyncLies)?;
    load.progress(40).await?;
    let acknowledged = load.finish().await?;
    verify(&node, &shape, &acknowledged).await?;
    node.kill();
    disk.mend(Fault::SyncLies)?;
    disk.lose_power(site.data(), Survivors::None, &mut arena.rng(4))?;
    let Ok(node) = start.ready().await else {
        return Ok("a disk that lies was found out: the node refused to start".to_owned());
    };
    match verify(&node, &shape, &acknowledged).await {
        Ok(()) => anyhow::bail!("no sync was done and nothing is missing: the attack is blind"),
        Err(found) => Ok(format!("a disk that lies was found out: {found}")),
    }
}

/// Checks the model: after real work, a stop and a start, every file equals
/// its mirror wherever it was synced.
///
/// # Errors
/// A write passed the disk unseen.
pub async fn no_write_passes_unseen(arena: &Arena) -> anyhow::Result<String> {
    let site = arena.site("unseen")?;
    let disk = Disk::new(&site.beside("disk")?)?;
    disk.begin(Fault::Verify)?;
    let start = Start { binary: arena.binary(), site: &site, disk: Some(&disk), settings: &[] };
    let shape = Shape::default();
    let mut load = Load::start(shape.clone(), arena.seed());
    for _ in 0..2 {
        let node = start.ready().await?;
        load.node_is_at(Some(node.address()));
        load.progress(40).await?;
        // Long enough for a checkpoint, which ends with a syncfs.
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        load.node_is_at(None);
        node.stop().await?;
    }
    let missed = disk.missed();
    anyhow::ensure!(missed.is_empty(), "writes passed the disk unseen: {missed}");
    for part in ["/log/", "/state/"] {
        anyhow::ensure!(disk.compared().contains(part), "nothing in {part} was compared");
    }
    Ok(summary(&load, "no write passed the disk unseen"))
}
