//! One node of the cluster: where it lives, what is preloaded into it, and whether
//! it runs. Every deed may be done twice, or to a node that does not run: faults
//! overlap.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Context;

use super::{Plan, name};
use crate::clock::Clock;
use crate::disk::Disk;
use crate::net::Net;
use crate::node::{Node, Site};

/// What is preloaded into every node; the disk costs time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shims {
    /// A disk that forgets, fills up and fails.
    pub disk: bool,
    /// A clock that is wrong.
    pub clock: bool,
}

/// Where a node lives.
pub(super) enum Place {
    /// In a namespace.
    Space {
        /// Which.
        node: usize,
        /// Where it serves clients.
        clients: SocketAddr,
        /// Where it serves peers, when there are any.
        peers: Option<SocketAddr>,
    },
    /// On the loopback, at a port that the system chooses.
    Loopback,
}

/// Whether it runs.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It does not.
    Down,
    /// It does.
    Up,
    /// It holds still.
    Paused,
}

pub(super) struct Member {
    number: usize,
    binary: PathBuf,
    site: Site,
    place: Place,
    disk: Option<Disk>,
    clock: Option<Clock>,
    /// It is being let go: it ends itself when it is gone.
    pub(super) is_draining: bool,
    /// It must be let in before it is a member.
    pub(super) is_outside: bool,
    invitation: Option<(SocketAddr, String)>,
    /// How often it left.
    left: u32,
    node: Option<Node>,
    pub(super) state: State,
    said: PathBuf,
    /// One of its files was damaged: it may refuse to start.
    pub(super) is_damaged: bool,
    /// Its disk has failed: it may end itself.
    pub(super) is_disk_faulty: bool,
    ended: Vec<String>,
}

impl Member {
    pub(super) fn new(plan: &Plan<'_>, number: usize, place: Place) -> anyhow::Result<Self> {
        let folder = plan.folder.join(name(number));
        std::fs::create_dir_all(&folder)?;
        let site = Site::new(&folder)?;
        let disk = plan.shims.disk.then(|| Disk::new(&site.beside("disk")?)).transpose()?;
        let clock = plan.shims.clock.then(|| Clock::new(&site.beside("clock")?)).transpose()?;
        Ok(Self {
            number,
            binary: plan.binary.to_owned(),
            site,
            place,
            disk,
            clock,
            is_draining: false,
            is_outside: number > 0,
            invitation: None,
            left: 0,
            node: None,
            state: State::Down,
            said: folder.join("said.txt"),
            is_damaged: false,
            is_disk_faulty: false,
            ended: Vec::new(),
        })
    }

    pub(super) fn data(&self) -> &Path {
        self.site.data()
    }

    pub(super) fn said(&self) -> &Path {
        &self.said
    }

    pub(super) fn peer(&self) -> Option<SocketAddr> {
        match self.place {
            Place::Space { peers, .. } => peers,
            Place::Loopback => None,
        }
    }

    /// Returns what it is called: a node that comes back is another one.
    pub(super) fn name(&self) -> String {
        match self.left {
            0 => name(self.number),
            left => format!("{}-{left}", name(self.number)),
        }
    }

    pub(super) fn is_invited(&mut self, host: SocketAddr, token: String) {
        self.invitation = Some((host, token));
    }

    /// Has left for good: what it had is gone, and it may come back as another.
    pub(super) fn forget(&mut self) -> anyhow::Result<()> {
        std::fs::remove_dir_all(self.site.data())?;
        std::fs::create_dir_all(self.site.data())?;
        if let Some(disk) = &self.disk {
            disk.forget()?;
        }
        self.is_outside = true;
        (self.is_damaged, self.is_draining) = (false, false);
        self.left += 1;
        Ok(())
    }

    pub(super) fn disk(&self) -> anyhow::Result<&Disk> {
        self.disk.as_ref().context("no disk is preloaded")
    }

    pub(super) fn clock(&self) -> anyhow::Result<&Clock> {
        self.clock.as_ref().context("no clock is preloaded")
    }

    pub(super) fn has_clock(&self) -> bool {
        self.clock.is_some()
    }

    pub(super) fn run(&mut self, net: Option<&Net>) -> anyhow::Result<()> {
        let config = self.site.configure(&[])?;
        let environment = self.environment();
        let mut command = match (&self.place, net) {
            (Place::Space { node, .. }, Some(net)) => net.command(*node, &self.binary, environment),
            (Place::Space { .. } | Place::Loopback, _) => {
                let mut command = Command::new(&self.binary);
                command.envs(environment);
                command
            }
        };
        command.arg("serve").arg("--config").arg(config);
        if let Place::Space { clients, peers, .. } = &self.place {
            command.arg("--listen").arg(clients.to_string());
            if let Some(peers) = peers {
                command.arg("--peer-listen").arg(peers.to_string());
                command.arg("--name").arg(self.name());
            }
        }
        // A token is good once; a member finds its peers in its own data.
        if let Some((host, token)) = self.invitation.take() {
            command.arg("--join").arg(host.to_string()).arg("--token").arg(token);
        }
        self.node = Some(Node::launch(command, self.said.clone())?);
        self.state = State::Up;
        Ok(())
    }

    fn environment(&self) -> Vec<(&'static str, OsString)> {
        let libraries =
            [self.disk.as_ref().map(Disk::object), self.clock.as_ref().map(Clock::object)];
        let libraries: Vec<&Path> = libraries.into_iter().flatten().collect();
        if libraries.is_empty() {
            return Vec::new();
        }
        let mut all = OsString::new();
        for library in &libraries {
            all.push(if all.is_empty() { "" } else { ":" });
            all.push(library);
        }
        let mut environment: Vec<_> = self
            .disk
            .iter()
            .flat_map(|disk| disk.environment(self.site.data()))
            .filter(|(name, _)| *name != "LD_PRELOAD")
            .chain(self.clock.iter().flat_map(Clock::environment))
            .collect();
        environment.push(("LD_PRELOAD", all));
        environment
    }

    pub(super) async fn wait_ready(&mut self, within: Duration) -> anyhow::Result<()> {
        let node = self.node.as_mut().context("it does not run")?;
        node.wait_ready_within(within).await?;
        self.is_outside = false;
        Ok(())
    }

    /// Waits until it accepts connections; or not, when it cannot.
    pub(super) async fn wait_listening(&mut self, within: Duration) {
        let began = Instant::now();
        while began.elapsed() < within && self.address().is_none() && !self.has_ended() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Returns where clients find it: in a namespace always the same.
    pub(super) fn address(&self) -> Option<SocketAddr> {
        match self.place {
            Place::Space { clients, .. } => self.node.as_ref().map(|_| clients),
            Place::Loopback => self.node.as_ref().and_then(Node::listening),
        }
    }

    pub(super) fn is_down(&mut self) -> bool {
        self.note_end();
        self.state == State::Down
    }

    pub(super) fn has_ended(&mut self) -> bool {
        self.node.as_mut().is_some_and(Node::has_ended)
    }

    pub(super) fn kill(&mut self) {
        self.note_end();
        if let Some(node) = self.node.take() {
            node.kill();
        }
        self.state = State::Down;
    }

    pub(super) async fn stop(&mut self) -> anyhow::Result<()> {
        self.resume()?;
        self.note_end();
        if let Some(node) = self.node.take() {
            self.state = State::Down;
            let status = node.stop().await?;
            // One that was still starting ends as it would have without a handler.
            let was_asked = status.signal() == Some(rustix::process::Signal::TERM.as_raw());
            if !status.success() && !was_asked && !self.is_disk_faulty {
                self.ended.push(format!("asked to stop, it ended with {status}"));
            }
        }
        Ok(())
    }

    pub(super) fn pause(&mut self) -> anyhow::Result<()> {
        self.note_end();
        if let (State::Up, Some(node)) = (&self.state, &self.node) {
            node.pause()?;
            self.state = State::Paused;
        }
        Ok(())
    }

    pub(super) fn resume(&mut self) -> anyhow::Result<()> {
        if let (State::Paused, Some(node)) = (&self.state, &self.node) {
            node.resume()?;
            self.state = State::Up;
        }
        Ok(())
    }

    /// Notes when it ended though nobody ended it.
    fn note_end(&mut self) {
        if !self.has_ended() {
            return;
        }
        let may_end = self.is_damaged || self.is_disk_faulty || self.is_draining;
        if let Some(node) = self.node.take()
            && !may_end
        {
            let said = node.said();
            let last: Vec<&str> = said.lines().rev().take(3).collect();
            self.ended.push(format!("it ended by itself: {}", last.join(" | ")));
        }
        self.state = State::Down;
    }

    /// Returns how it ended when it should not have, and where it panicked, unless
    /// its disk has failed: then the store may, when it is dropped.
    pub(super) fn oddities(&mut self) -> Vec<String> {
        self.note_end();
        let panics = self.panics().into_iter().filter(|_| !self.is_disk_faulty);
        self.ended.iter().cloned().chain(panics.take(5)).collect()
    }

    pub(super) fn panics(&self) -> Vec<String> {
        let said = std::fs::read(&self.said).unwrap_or_default();
        let said = String::from_utf8_lossy(&said);
        said.lines().filter(|line| line.contains("panicked at")).map(str::to_owned).collect()
    }
}
