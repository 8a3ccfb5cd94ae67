//! Which `via-node` is attacked: the one named by `VIA_NODE_BIN`, else the one
//! cargo builds beside this crate, built anew when its sources are younger.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;
use std::{env, fs};

use anyhow::Context;

/// Folders whose sources end up in the node.
const SOURCES: &[&str] = &["node", "proto", "cluster-config", "client"];

/// Returns the path of a `via-node` that is as young as its sources.
///
/// # Errors
/// It cannot be built, or the one named does not exist.
pub fn find() -> anyhow::Result<PathBuf> {
    if let Some(named) = named() {
        anyhow::ensure!(named.is_file(), "VIA_NODE_BIN: {named:?} is not a file");
        return Ok(named);
    }
    let own = env::current_exe().context("where this program is")?;
    // target/<profile>/deps/<test> or target/<profile>/via-jepsen
    let profile = own.ancestors().skip(1).find(|folder| !folder.ends_with("deps"));
    let profile = profile.context("this program is in a target folder")?;
    let binary = profile.join("via-node");
    if is_stale(&binary)? {
        build(profile)?;
    }
    Ok(binary)
}

#[expect(clippy::disallowed_methods, reason = "the harness is not the node: no settings here")]
fn named() -> Option<PathBuf> {
    env::var("VIA_NODE_BIN").ok().map(PathBuf::from)
}

fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("jepsen/ has a parent")
}

fn is_stale(binary: &Path) -> anyhow::Result<bool> {
    let Ok(built) = binary.metadata().and_then(|metadata| metadata.modified()) else {
        return Ok(true);
    };
    let mut youngest = SystemTime::UNIX_EPOCH;
    for folder in SOURCES {
        youngest = youngest.max(youngest_in(&top().join(folder))?);
    }
    Ok(youngest > built)
}

fn youngest_in(folder: &Path) -> anyhow::Result<SystemTime> {
    let mut youngest = SystemTime::UNIX_EPOCH;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        let is_source =
            path.extension().is_some_and(|end| end == "rs" || end == "proto" || end == "toml");
        if path.is_dir() && !path.ends_with("tests") && !path.ends_with("target") {
            youngest = youngest.max(youngest_in(&path)?);
        } else if is_source {
            youngest = youngest.max(entry.metadata()?.modified()?);
        }
    }
    Ok(youngest)
}

fn build(profile: &Path) -> anyhow::Result<()> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(top()).args(["build", "--package", "via-node", "--bin", "via-node"]);
    cargo.arg("--target-dir").arg(profile.parent().context("a profile lies in a target folder")?);
    if profile.ends_with("release") {
        cargo.arg("--release");
    }
    let status = cargo.status().context("run cargo")?;
    anyhow::ensure!(status.success(), "via-node does not build: {status}");
    Ok(())
}
