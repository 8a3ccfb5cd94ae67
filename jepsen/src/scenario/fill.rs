//! The disk refuses: no space is left, or syncing fails. What was acknowledged
//! stays; what cannot be kept is refused with a reason.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Context;

use super::{summary, verify};
use crate::Arena;
use crate::disk::{Disk, Fault};
use crate::door::{Answer, Door};
use crate::load::{Load, Shape};
use crate::node::{Node, Start};

/// Longest time until a node notices what its disk does.
const PATIENCE: Duration = Duration::from_secs(60);
const EVENT: &str = "{\"entity\":\"probe\",\"value\":1}\n";

/// Fills the disk under load, on a file system of its own where that can be
/// mounted, else by a disk that refuses to grow; then makes room.
///
/// # Errors
/// An acknowledged event is lost or doubled, a refusal has no reason, or the
/// node does not recover, at the latest when it is started anew.
pub async fn full_disk(arena: &Arena) -> anyhow::Result<String> {
    let site = arena.site("full")?;
    let small = SmallDisk::mount(&site.beside("small")?);
    let (site, disk) = match &small {
        Ok(small) => (site.clone().with_data(&small.folder.join("data")), None),
        Err(_) => (site.clone(), Some(Disk::new(&site.beside("disk")?)?)),
    };
    fs::create_dir_all(site.data())?;
    let ballast = small.as_ref().ok().map(|small| small.folder.join("ballast"));
    if let Some(ballast) = &ballast {
        fs::write(ballast, vec![1; 118 << 20])?;
    }
    let start = Start { binary: arena.binary(), site: &site, disk: disk.as_ref(), settings: &[] };
    let shape = Shape::default();
    let mut load = Load::start(shape.clone(), arena.seed());
    let mut node = start.ready().await?;
    load.node_is_at(Some(node.address()));
    load.progress(20).await?;
    load.node_is_at(None);
    if let Some(disk) = &disk {
        disk.begin(Fault::Full)?;
    }
    let refusal = until_refused(&mut node, &"x".repeat(3_500)).await?;
    told_once(&node)?;
    match (&ballast, &disk) {
        (Some(ballast), _) => fs::remove_file(ballast)?,
        (None, Some(disk)) => disk.mend(Fault::Full)?,
        (None, None) => {}
    }
    let (node, how) = recovered(node, &start).await?;
    load.node_is_at(Some(node.address()));
    load.progress(20).await?;
    let how = match &small {
        Ok(_) => how.to_owned(),
        Err(error) => format!("{how} (simulated: {error:#})"),
    };
    let told = summary(&load, &format!("full disk: refused with {refusal:?}, recovered {how}"));
    verify(&node, &shape, &load.finish().await?).await?;
    drop(node);
    Ok(told)
}

/// However many groups share the log, each stall of it is one line.
fn told_once(node: &Node) -> anyhow::Result<()> {
    let said = node.said();
    let count = |words: &str| said.lines().filter(|line| line.contains(words)).count();
    // One that begins may be told before the end of the one before.
    let (begun, ended) = (count("the log takes no more"), count("the log takes more again"));
    anyhow::ensure!(begun <= ended + 2, "{begun} stalls begun, {ended} ended: {said}");
    Ok(())
}

/// Lets syncing fail under load: from then on nothing may be acknowledged, and
/// the node must say so; after a restart everything acknowledged is there.
///
/// # Errors
/// Something was acknowledged that was not synced, or is missing later.
pub async fn sync_error(arena: &Arena) -> anyhow::Result<String> {
    let site = arena.site("sync-error")?;
    let disk = Disk::new(&site.beside("disk")?)?;
    let start = Start { binary: arena.binary(), site: &site, disk: Some(&disk), settings: &[] };
    let shape = Shape::default();
    let mut load = Load::start(shape.clone(), arena.seed());
    let mut node = start.ready().await?;
    load.node_is_at(Some(node.address()));
    load.progress(20).await?;
    disk.begin(Fault::SyncError)?;
    load.node_is_at(None);
    let refusal = until_refused(&mut node, "").await?;
    // A sync that failed once must not be trusted when it succeeds again.
    disk.mend(Fault::SyncError)?;
    if !node.has_ended() {
        let mut door = Door::new(node.address());
        let answer = send(&mut door, "").await;
        let is_refused = answer.as_ref().map_or(true, |answer| !answer.status.is_success());
        anyhow::ensure!(is_refused, "acknowledged after a failed sync: {answer:?}");
        if let Ok(answer) = door.get("/readyz").await {
            anyhow::ensure!(!answer.status.is_success(), "ready after a failed sync");
        }
    }
    let said = node.said();
    anyhow::ensure!(
        said.lines().any(|line| line.contains("ERROR") || line.to_lowercase().contains("sync")),
        "a failed sync was not mentioned: {said}"
    );
    node.kill();
    let node = start.ready().await?;
    load.node_is_at(Some(node.address()));
    load.progress(20).await?;
    let told = summary(&load, &format!("sync error: refused with {refusal:?}"));
    verify(&node, &shape, &load.finish().await?).await?;
    Ok(told)
}

async fn send(door: &mut Door, padding: &str) -> anyhow::Result<Answer> {
    let body = if padding.is_empty() {
        EVENT.to_owned()
    } else {
        let line = format!(
            "{{\"entity\":\"probe\",\"value\":1,\"attributes\":{{\"padding\":\"{padding}\"}}}}\n"
        );
        line.repeat(100)
    };
    let headers = [("content-type", "application/x-ndjson")];
    Ok(door.post("/api/v1/streams/probe/events", &headers, body).await?)
}

/// Sends until the node refuses, and returns its words; a node that ends
/// itself must have said why.
async fn until_refused(node: &mut Node, padding: &str) -> anyhow::Result<String> {
    let started = Instant::now();
    let mut door = Door::new(node.address());
    while started.elapsed() < PATIENCE {
        match send(&mut door, padding).await {
            Ok(answer) if answer.status.is_success() => {}
            Ok(answer) => {
                anyhow::ensure!(answer.is_problem(), "a refusal without a reason: {answer:?}");
                anyhow::ensure!(
                    answer.status.is_server_error(),
                    "the client is blamed: {answer:?}"
                );
                return Ok(answer.json()["title"].as_str().unwrap_or_default().to_owned());
            }
            Err(_) if node.has_ended() => {
                let said = node.said();
                let last = said.lines().last().context("it ended without a word")?;
                return Ok(last.chars().take(200).collect());
            }
            Err(_) => {}
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    anyhow::bail!("the node did not notice within {PATIENCE:?}")
}

/// Returns a node that acknowledges again: the same, or one started anew.
async fn recovered(mut node: Node, start: &Start<'_>) -> anyhow::Result<(Node, &'static str)> {
    let started = Instant::now();
    let mut door = Door::new(node.address());
    while !node.has_ended() && started.elapsed() < Duration::from_secs(5) {
        if let Ok(answer) = send(&mut door, "").await
            && answer.status.is_success()
        {
            return Ok((node, "by itself"));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    node.kill();
    Ok((start.ready().await?, "when started anew"))
}

/// A small file system in memory; unmounted when dropped.
struct SmallDisk {
    folder: PathBuf,
}

impl SmallDisk {
    fn mount(folder: &Path) -> anyhow::Result<Self> {
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=160m", "via-jepsen"])
            .arg(folder)
            .output()
            .context("run mount")?;
        let words = String::from_utf8_lossy(&mounted.stderr).trim().to_owned();
        anyhow::ensure!(mounted.status.success(), "no file system can be mounted: {words}");
        Ok(Self { folder: folder.to_owned() })
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a process that is being killed may still hold a file.
        let _ = Command::new("umount").arg("-l").arg(&self.folder).status();
    }
}
