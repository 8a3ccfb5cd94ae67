//! The node under measurement: a real process of the release build, on a port
//! of its own choice and a data directory that is removed afterwards. Owns the
//! process and ends no other.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use hyper::StatusCode;

use crate::http;
use crate::usage::{self, Usage};

/// Log lines kept to explain a node that ended.
const KEPT: usize = 12;
/// Longest wait for a node to come up.
const PATIENCE: Duration = Duration::from_secs(120);
/// Pause between questions whether it is ready.
const ASK_EVERY: Duration = Duration::from_millis(1);

/// Which node is measured.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Choice {
    /// Measures this executable instead of building the one of this workspace.
    #[arg(long, value_name = "FILE")]
    pub(crate) node: Option<PathBuf>,
    /// Makes data directories in this folder; the disk below it is what acknowledgements wait for.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) disk: Option<PathBuf>,
    /// Sets any setting of the node, for example persistence.checkpoint_interval=30s.
    #[arg(long = "set", value_name = "SECTION.KEY=VALUE")]
    pub(crate) set: Vec<String>,
}

/// A node that can be started, and its data.
pub(crate) struct Site {
    executable: PathBuf,
    data: tempfile::TempDir,
    set: Vec<String>,
}

impl Site {
    /// Finds or builds the executable and makes a data directory.
    ///
    /// # Errors
    /// This is not a release build, or the node cannot be built.
    pub(crate) fn new(choice: &Choice) -> Result<Self> {
        ensure!(
            !cfg!(debug_assertions),
            "unoptimized figures mean nothing: use cargo run --release"
        );
        let executable = match &choice.node {
            Some(file) => file.clone(),
            None => build()?,
        };
        let mut builder = tempfile::Builder::new();
        let builder = builder.prefix("via-benches-");
        let data = match &choice.disk {
            Some(folder) => builder.tempdir_in(folder),
            None => builder.tempdir(),
        };
        let data = data.context("making a data directory")?;
        anstream::eprintln!("node {} on {}", executable.display(), data.path().display());
        Ok(Self { executable, data, set: choice.set.clone() })
    }

    /// Starts the node with further settings.
    ///
    /// # Errors
    /// It does not come up.
    pub(crate) fn start(&self, set: &[&str]) -> Result<Node> {
        let settings: Vec<&str> = set.iter().flat_map(|setting| ["--set", setting]).collect();
        self.start_in("node", &settings)
    }

    /// Runs a command about the cluster of the node in `folder`; returns what it says.
    ///
    /// # Errors
    /// It fails, with what it said.
    pub(crate) fn cluster(&self, folder: &str, words: &[&str]) -> Result<String> {
        let mut command = Command::new(&self.executable);
        command.arg("cluster").args(words).arg("--data-dir").arg(self.data.path().join(folder));
        let output = command.output().context("running a command")?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "cluster {words:?}: {}", said.trim());
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// Starts a node whose data is in `folder`, with further arguments.
    ///
    /// # Errors
    /// It does not come up.
    pub(crate) fn start_in(&self, folder: &str, arguments: &[&str]) -> Result<Node> {
        let settings = self.set.iter().flat_map(|setting| ["--set", setting]);
        let begun = Instant::now();
        let mut child = Command::new(&self.executable)
            .args([
                "serve",
                "--set",
                "access.required=false",
                "--listen",
                "127.0.0.1:0",
                "--data-dir",
            ])
            .arg(self.data.path().join(folder))
            .args(settings)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("starting {}", self.executable.display()))?;
        let log = child.stderr.take().expect("it was just piped");
        let process = Process(child);
        let (told, listening) = mpsc::sync_channel(1);
        std::thread::Builder::new().name("node log".to_owned()).spawn(move || read(log, &told))?;
        match listening.recv_timeout(PATIENCE) {
            Ok(Ok((address, peer))) => Ok(Node { process, address, peer, begun }),
            Ok(Err(last)) => bail!("the node ended:\n{last}"),
            Err(_) => bail!("the node did not say where it serves"),
        }
    }

    /// Removes what the node keeps, so that the next start is the first one.
    ///
    /// # Errors
    /// The directory cannot be removed.
    pub(crate) fn clear(&self) -> Result<()> {
        Ok(std::fs::remove_dir_all(self.data.path().join("node"))?)
    }
}

/// Builds the release executable beside this one, so that no stale one is measured.
fn build() -> Result<PathBuf> {
    let own = std::env::current_exe()?;
    let folder = own.parent().context("the executable is in a folder")?;
    let target = folder.parent().context("the executable is in a target folder")?;
    let mut arguments: Vec<OsString> =
        ["build", "--release", "-p", "via-node", "--target-dir"].map(OsString::from).into();
    arguments.push(target.into());
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("benches is a member");
    let built = Command::new("cargo").args(arguments).current_dir(workspace).status();
    ensure!(
        built.context("running cargo; --node names an executable instead")?.success(),
        "the node does not build"
    );
    Ok(folder.join(format!("via-node{}", std::env::consts::EXE_SUFFIX)))
}

/// Tells the address when it is logged, or the last lines when none is; then
/// reads on, so that the node never waits for its log.
fn read(log: ChildStderr, told: &mpsc::SyncSender<Result<Listening, String>>) {
    let mut last = VecDeque::new();
    for line in BufReader::new(log).lines().map_while(Result::ok) {
        if let Some(address) = address(&line, " address=") {
            // Nobody waits for a second one.
            let _told = told.try_send(Ok((address, address_of_peers(&line))));
        }
        if line.contains("ERROR") {
            anstream::eprintln!("{line}");
        }
        if last.len() == KEPT {
            last.pop_front();
        }
        last.push_back(line);
    }
    let _told = told.try_send(Err(Vec::from(last).join("\n")));
}

/// Where a node serves clients, and peers if it has any.
type Listening = (SocketAddr, Option<SocketAddr>);

fn address(line: &str, key: &str) -> Option<SocketAddr> {
    let (_, address) = line.split_once("serving")?.1.split_once(key)?;
    address.split_whitespace().next()?.parse().ok()
}

fn address_of_peers(line: &str) -> Option<SocketAddr> {
    address(line, " peer=")
}

/// A child that does not outlive its owner.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ended = self.0.kill();
        let _status = self.0.wait();
    }
}

/// A running node. Dropping it kills it, as a power cut would.
pub(crate) struct Node {
    process: Process,
    address: SocketAddr,
    peer: Option<SocketAddr>,
    begun: Instant,
}

impl Node {
    /// Returns where it serves.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns where it serves peers; none when it is alone.
    pub(crate) fn peer(&self) -> Option<SocketAddr> {
        self.peer
    }

    /// Returns what it takes.
    ///
    /// # Errors
    /// It has ended.
    pub(crate) fn usage(&self) -> Result<Usage> {
        usage::of(self.process.0.id()).context("the node")
    }

    /// Waits until it is ready; returns the time since it was executed.
    ///
    /// # Errors
    /// It does not become ready.
    pub(crate) async fn ready(&self) -> Result<Duration> {
        loop {
            let answer = http::get(self.address, "/readyz").await;
            let elapsed = self.begun.elapsed();
            match answer {
                Ok((StatusCode::OK, _)) => return Ok(elapsed),
                Ok((_, body)) if elapsed > PATIENCE => {
                    bail!("the node is not ready: {}", String::from_utf8_lossy(&body))
                }
                Err(error) if elapsed > PATIENCE => return Err(error),
                Ok(_) | Err(_) => tokio::time::sleep(ASK_EVERY).await,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_address_in_a_log_line() {
        let at = |port| Some(SocketAddr::from(([127, 0, 0, 1], port)));
        let line =
            "2026-01-01T00:00:00Z  INFO via_node::serve: serving address=127.0.0.1:4242 data=/x";
        assert_eq!((address(line, " address="), address_of_peers(line)), (at(4242), None));
        let member = "INFO serving address=127.0.0.1:4242 peer=127.0.0.1:4243 data=/x";
        assert_eq!((address(member, " address="), address_of_peers(member)), (at(4242), at(4243)));
        assert_eq!(address("INFO draining", " address="), None);
        assert_eq!(address("serving soon", " address="), None);
    }
}
