//! Files at rest are damaged. A damaged log is refused with its name and
//! advice, unless nothing acknowledged was hit; damaged state is rebuilt from
//! the log, and what the log no longer holds is said to be lost.

use std::fs;
use std::path::Path;

use anyhow::Context;

use super::verify;
use crate::Arena;
use crate::load::{Load, Shape, count};
use crate::node::{Node, Site, Start};
use crate::oracle::{self, Counts, Discrepancy};
use crate::rot::{self, Rot};

/// Checkpoints that never come: the log holds everything.
const NO_CHECKPOINTS: &[(&str, &str)] =
    &[("checkpoint_interval", "\"1h\""), ("checkpoint_tail_events", "1000000000")];
const KINDS: [Rot; 3] = [Rot::Flipped, Rot::Cut, Rot::Gone];

/// Damages the log after a clean stop: once with checkpoints, so that the state
/// knows how far the log must reach, once without.
///
/// # Errors
/// Something acknowledged is missing and the node does not say so.
pub async fn log(arena: &Arena) -> anyhow::Result<String> {
    let with = damaged_logs(arena, "log-rot", &[]).await?;
    let without = damaged_logs(arena, "log-rot-unsaved", NO_CHECKPOINTS).await?;
    Ok(format!("log damaged: {with}; without checkpoints: {without}"))
}

async fn damaged_logs(
    arena: &Arena,
    name: &str,
    settings: &[(&str, &str)],
) -> anyhow::Result<String> {
    let site = arena.site(name)?;
    let start = Start { binary: arena.binary(), site: &site, disk: None, settings };
    let shape = Shape::default();
    let acknowledged = fill(&start, &shape, arena.seed()).await?;
    let sound = site.beside("sound")?;
    copy(site.data(), &sound)?;
    let mut rng = arena.rng(5);
    let (mut refused, mut unharmed) = (0, 0);
    for round in 0..arena.rounds() {
        restore(&sound, &site)?;
        let kind = KINDS[round as usize % KINDS.len()];
        let (file, at) = rot::damage(&site.data().join("log"), kind, &mut rng)?;
        let case = || format!("{name}: {kind:?} at {at} of {file:?}");
        match start.ready().await {
            Ok(node) => {
                verify(&node, &shape, &acknowledged).await.with_context(case)?;
                unharmed += 1;
            }
            Err(error) => {
                let said = format!("{error:#}");
                // Of a file that is gone only the folder may be known.
                let named = if kind == Rot::Gone { site.data().join("log") } else { file.clone() };
                names_and_advises(&said, &named).with_context(case)?;
                refused += 1;
            }
        }
    }
    Ok(format!("{refused} refused with reason, {unharmed} unharmed"))
}

/// Damages the state after a clean stop, with the log purged below checkpoints.
///
/// # Errors
/// Something acknowledged is missing and the node does not say so.
pub async fn state(arena: &Arena) -> anyhow::Result<String> {
    let site = arena.site("state-rot")?;
    let start = Start { binary: arena.binary(), site: &site, disk: None, settings: &[] };
    let shape = Shape::default();
    let acknowledged = fill(&start, &shape, arena.seed()).await?;
    let sound = site.beside("sound")?;
    copy(site.data(), &sound)?;
    let mut rng = arena.rng(6);
    let (mut refused, mut healed, mut told) = (0, 0, 0);
    for round in 0..arena.rounds() {
        restore(&sound, &site)?;
        let kind = KINDS[round as usize % KINDS.len()];
        let (file, at) = rot::damage(&site.data().join("state"), kind, &mut rng)?;
        let case = || format!("{kind:?} at {at} of {file:?}");
        let node = match start.ready().await {
            Ok(node) => node,
            Err(error) => {
                names_and_advises(&format!("{error:#}"), &site.data().join("state"))
                    .with_context(case)?;
                refused += 1;
                continue;
            }
        };
        match exact_or_told(&node, &shape, &acknowledged).await.with_context(case)? {
            Loss::None => healed += 1,
            Loss::Told => told += 1,
        }
    }
    Ok(format!(
        "state damaged {} times: unharmed or rebuilt {healed}, said what is lost {told}, refused with reason {refused}",
        arena.rounds()
    ))
}

/// Damages the state while the log still holds everything: all is rebuilt.
///
/// # Errors
/// An acknowledged event is lost or counted twice.
pub async fn state_rebuilt_from_the_log(arena: &Arena) -> anyhow::Result<String> {
    let site = arena.site("state-gone")?;
    let start = Start { binary: arena.binary(), site: &site, disk: None, settings: NO_CHECKPOINTS };
    let shape = Shape::default();
    let acknowledged = fill(&start, &shape, arena.seed()).await?;
    let sound = site.beside("sound")?;
    copy(site.data(), &sound)?;
    let mut rng = arena.rng(7);
    for kind in KINDS {
        restore(&sound, &site)?;
        let state = site.data().join("state");
        let case = match kind {
            Rot::Gone => {
                fs::remove_dir_all(&state)?;
                "all of it gone".to_owned()
            }
            Rot::Flipped | Rot::Cut => {
                let (file, at) = rot::damage(&state, kind, &mut rng)?;
                format!("{kind:?} at {at} of {file:?}")
            }
        };
        let node = start.ready().await.with_context(|| case.clone())?;
        verify(&node, &shape, &acknowledged).await.context(case)?;
    }
    Ok("state damaged 3 times while the log held everything: all rebuilt".to_owned())
}

/// Lets clients fill a node for some checkpoints, then stops it cleanly.
async fn fill(start: &Start<'_>, shape: &Shape, seed: u64) -> anyhow::Result<Counts> {
    let mut load = Load::start(shape.clone(), seed);
    let node = start.ready().await?;
    load.node_is_at(Some(node.address()));
    load.progress(60).await?;
    tokio::time::sleep(std::time::Duration::from_millis(2_500)).await;
    let acknowledged = load.finish().await?;
    verify(&node, shape, &acknowledged).await?;
    let status = node.stop().await?;
    anyhow::ensure!(status.success(), "a clean stop ends with {status}");
    Ok(acknowledged)
}

enum Loss {
    None,
    Told,
}

/// Fewer events than acknowledged are allowed only if the node says so.
async fn exact_or_told(node: &Node, shape: &Shape, acknowledged: &Counts) -> anyhow::Result<Loss> {
    let said = node.said();
    let says_so = said.contains("lost") || said.contains("set aside");
    let counted = match count(node.address(), &shape.stream, acknowledged.keys()).await {
        Ok(counted) => counted,
        // A record that cannot be read is refused, never guessed.
        Err(error) => {
            let node_says = node.said();
            anyhow::ensure!(
                format!("{error:#}").contains("corrupt")
                    || node_says.contains("corrupt")
                    || says_so,
                "a question failed without a reason: {error:#}"
            );
            return Ok(Loss::Told);
        }
    };
    let wrong = oracle::judge(acknowledged, &counted);
    let doubled = wrong.iter().find(|wrong| matches!(wrong, Discrepancy::Doubled { .. }));
    anyhow::ensure!(doubled.is_none(), "damage made events count twice: {doubled:?}");
    if wrong.is_empty() {
        return Ok(Loss::None);
    }
    anyhow::ensure!(
        says_so,
        "{} entities lost events and the node says nothing of it: {}; it said: {said}",
        wrong.len(),
        wrong[0]
    );
    Ok(Loss::Told)
}

/// The operator must learn which file it is, and what can be done.
fn names_and_advises(said: &str, file: &Path) -> anyhow::Result<()> {
    let file_name = file.file_name().context("a file has a name")?.to_string_lossy();
    anyhow::ensure!(said.contains(&*file_name), "{file_name} is not named: {said}");
    let said_lower = said.to_lowercase();
    let advises = ["restore", "backup", "remove", "move", "replace"];
    anyhow::ensure!(advises.iter().any(|word| said_lower.contains(word)), "no advice: {said}");
    Ok(())
}

fn restore(sound: &Path, site: &Site) -> anyhow::Result<()> {
    fs::remove_dir_all(site.data())?;
    copy(sound, site.data())
}

fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
