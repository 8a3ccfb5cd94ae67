//! The nodes under attack: real processes, each in a namespace of its own or, when
//! there is only one, on the loopback. Starts, kills, pauses and restarts them, and
//! tells clients where they are. Does what the nemesis says; decides nothing.

pub mod console;
mod member;
mod membership;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use self::console::Program;
pub use self::member::Shims;
use self::member::{Member, Place, State};
use crate::caller::Targets;
use crate::clock::Shift;
use crate::disk::{Fault, Survivors};
use crate::net::link::Weather;
use crate::net::proxy::{Climate, Proxy, Route};
use crate::net::{End, Net};
use crate::rot::{self, Rot};

/// Where nodes serve clients and peers, each in a namespace of its own.
const CLIENT_PORT: u16 = 8080;
const PEER_PORT: u16 = 7400;
/// Shards of a cluster under attack: few, so that each meets many faults.
const SHARDS: u16 = 8;
/// Longest time from a start to ready when nothing is wrong any more.
pub const RECOVERY: Duration = Duration::from_secs(60);

/// Longest time until a node that is to leave holds nothing, or one that joins is
/// ready, while other faults may strike.
const EMPTYING: Duration = Duration::from_secs(20);

/// How the nodes are connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    /// Each in a namespace of its own.
    Namespaces,
    /// One node on the loopback.
    Loopback,
}

/// What a cluster is made of.
#[derive(Clone, Debug)]
pub struct Plan<'a> {
    /// The program.
    pub binary: &'a Path,
    /// How many nodes.
    pub nodes: usize,
    /// How they are connected.
    pub network: Network,
    /// What is preloaded into them.
    pub shims: Shims,
    /// Where all choices come from.
    pub seed: u64,
    /// Where their data and sayings go.
    pub folder: &'a Path,
}

/// The nodes.
pub struct Cluster {
    members: Vec<Member>,
    net: Option<Net>,
    climate: Climate,
    targets: Targets,
    console: Program,
    rng: ChaCha8Rng,
    _proxies: Vec<Proxy>,
}

impl Cluster {
    /// Starts all nodes and waits until they are ready.
    ///
    /// # Errors
    /// The network cannot be made, the program cannot cluster, or a node does not
    /// become ready.
    pub async fn start(plan: &Plan<'_>) -> anyhow::Result<Self> {
        let console = Program::new(plan.binary.to_owned());
        if plan.nodes > 1 {
            anyhow::ensure!(
                plan.network == Network::Namespaces,
                "more than one node needs namespaces"
            );
            console::can_cluster(&console)?;
        }
        let net = match plan.network {
            Network::Namespaces => Some(Net::new(plan.nodes)?),
            Network::Loopback => None,
        };
        let mut members = Vec::new();
        for number in 0..plan.nodes {
            members.push(Member::new(plan, number, place(net.as_ref(), number, plan.nodes))?);
        }
        let rng = ChaCha8Rng::seed_from_u64(plan.seed ^ 0x636c_7573);
        let (climate, targets) = (Climate::default(), Targets::new(plan.nodes));
        let mut cluster =
            Self { members, net, climate, targets, console, rng, _proxies: Vec::new() };
        cluster.lead_through_proxies(plan.seed).await?;
        cluster.form().await?;
        Ok(cluster)
    }

    /// Every pair of nodes speaks through proxies, which carry all until told
    /// otherwise.
    async fn lead_through_proxies(&mut self, seed: u64) -> anyhow::Result<()> {
        let Some(net) = self.net.as_ref().filter(|_| self.members.len() > 1) else { return Ok(()) };
        let nodes = self.members.len();
        for (from, to) in (0..nodes).flat_map(|from| (0..nodes).map(move |to| (from, to))) {
            if from == to {
                continue;
            }
            let target = SocketAddr::from((net.address(End::Node(to)), PEER_PORT));
            let seed = seed ^ ((from as u64) << 40 | (to as u64) << 48);
            let route = Route { from, to, target, climate: self.climate.clone(), seed };
            let proxy = Proxy::start(net.address(End::Clients), route).await?;
            net.detour(from, (to, PEER_PORT), proxy.address())?;
            self._proxies.push(proxy);
        }
        Ok(())
    }

    async fn form(&mut self) -> anyhow::Result<()> {
        let alone = self.members.len() == 1;
        if !alone {
            let first = self.members[0].data().display().to_string();
            console::init(&self.console, &first, &name(0), SHARDS)?;
        }
        for node in 0..self.members.len() {
            self.run(node)?;
            self.members[node].wait_ready(RECOVERY).await?;
            self.publish(node);
        }
        Ok(())
    }

    /// Returns where clients find the nodes.
    pub fn targets(&self) -> &Targets {
        &self.targets
    }

    /// Returns how many nodes there are.
    pub fn nodes(&self) -> usize {
        self.members.len()
    }

    /// Returns a node that leads the first shard; the only one leads everything.
    pub fn leader(&self) -> usize {
        if self.members.len() == 1 {
            return 0;
        }
        let living = (0..self.members.len()).filter_map(|node| self.targets.get(node));
        let seen = living.map(|address| console::shards(&self.console, address));
        let leader = seen.flatten().find_map(|shards| shards.first()?["leader"].as_u64());
        leader.and_then(|leader| self.place_of(leader)).unwrap_or(0)
    }

    /// Returns where the node lives that has this number in the catalog: one that
    /// came back has another than before.
    fn place_of(&self, id: u64) -> Option<usize> {
        let (_, target) = self.other(usize::MAX)?;
        let nodes = console::nodes(&self.console, target).ok()?;
        let listed = nodes.into_iter().find(|node| node.id == id && !node.has_left)?;
        self.members
            .iter()
            .position(|member| member.peer().is_some_and(|peer| listed.hosts.contains(&peer.ip())))
    }

    /// Kills a node that runs.
    pub fn kill(&mut self, node: usize) {
        self.targets.set(node, None);
        self.members[node].kill();
    }

    /// Starts a node that does not run, and waits a while until it serves; one that
    /// cannot yet is left to itself. One that is no member is let in first.
    ///
    /// # Errors
    /// The process cannot be started.
    pub async fn launch(&mut self, node: usize) -> anyhow::Result<()> {
        if !self.members[node].is_down() {
            return Ok(());
        }
        self.run(node)?;
        if self.members[node].is_outside {
            // It serves nobody before it is a member.
            return match self.members[node].wait_ready(EMPTYING).await {
                Ok(()) => {
                    self.publish(node);
                    Ok(())
                }
                Err(error) => {
                    self.members[node].kill();
                    Err(error)
                }
            };
        }
        if self.members[node].is_damaged {
            // It ends before it serves if it cannot trust what it has.
            let ready = self.members[node].wait_ready(EMPTYING).await;
            if ready.is_err() && self.members[node].has_ended() {
                return Box::pin(self.replace(node)).await;
            }
        }
        self.members[node].wait_listening(Duration::from_secs(10)).await;
        self.publish(node);
        Ok(())
    }

    /// Asks a node that runs to stop, waits until it has, and starts it again.
    ///
    /// # Errors
    /// It does not end, or cannot be started.
    pub async fn restart(&mut self, node: usize) -> anyhow::Result<()> {
        self.members[node].stop().await?;
        self.targets.set(node, None);
        self.launch(node).await
    }

    /// Stops a node in its tracks.
    ///
    /// # Errors
    /// It has ended.
    pub fn pause(&mut self, node: usize) -> anyhow::Result<()> {
        self.members[node].pause()
    }

    /// Lets it go on.
    ///
    /// # Errors
    /// It has ended.
    pub fn resume(&mut self, node: usize) -> anyhow::Result<()> {
        self.members[node].resume()
    }

    /// Cuts a direction, for packets and for what goes through proxies.
    ///
    /// # Errors
    /// There are no namespaces, or a rule cannot be made.
    pub fn cut(&mut self, from: End, to: End) -> anyhow::Result<()> {
        self.net.as_mut().context("partitions need namespaces")?.cut(from, to)?;
        if let (End::Node(from), End::Node(to)) = (from, to) {
            let weather = Weather { is_cut: true, ..self.climate.of(from, to) };
            self.climate.set(from, to, weather);
        }
        Ok(())
    }

    /// Lets everything pass that partitions stopped.
    ///
    /// # Errors
    /// A rule cannot be removed.
    pub fn heal(&mut self) -> anyhow::Result<()> {
        for (from, to) in self.directions() {
            let weather = Weather { is_cut: false, ..self.climate.of(from, to) };
            self.climate.set(from, to, weather);
        }
        self.net.as_mut().map_or(Ok(()), Net::heal)
    }

    /// Sets the weather between two nodes; a cut stays.
    pub fn weather(&mut self, from: usize, to: usize, weather: Weather) {
        let is_cut = self.climate.of(from, to).is_cut;
        self.climate.set(from, to, Weather { is_cut, ..weather });
    }

    /// Makes a node's clock wrong.
    ///
    /// # Errors
    /// Its clock cannot be reached.
    pub fn shift(&mut self, node: usize, shift: Shift) -> anyhow::Result<()> {
        self.members[node].clock()?.shift(shift)
    }

    /// Kills a node and takes from its disk what was not synced.
    ///
    /// # Errors
    /// Its disk cannot be reached.
    pub fn lose_power(&mut self, node: usize, survivors: Survivors) -> anyhow::Result<()> {
        self.kill(node);
        let member = &self.members[node];
        member.disk()?.lose_power(member.data(), survivors, &mut self.rng)
    }

    /// Kills a node and damages one of its files; says which.
    ///
    /// # Errors
    /// It has none, or another disk that was lost is not made up for yet: of more
    /// than a minority of its disks no shard survives the loss.
    pub fn damage(&mut self, node: usize, rot: Rot) -> anyhow::Result<String> {
        self.is_whole()?;
        self.kill(node);
        let (file, at) = rot::damage(self.members[node].data(), rot, &mut self.rng)?;
        self.members[node].is_damaged = true;
        Ok(format!("{} at {at}", file.display()))
    }

    /// Begins a fault of a node's disk.
    ///
    /// # Errors
    /// Its disk cannot be reached.
    pub fn begin(&mut self, node: usize, fault: Fault) -> anyhow::Result<()> {
        self.members[node].is_disk_faulty = true;
        self.members[node].disk()?.begin(fault)
    }

    /// Ends a fault of a node's disk.
    ///
    /// # Errors
    /// Its disk cannot be reached.
    pub fn mend(&mut self, node: usize, fault: Fault) -> anyhow::Result<()> {
        let disk = self.members[node].disk()?;
        if disk.has(fault) { disk.mend(fault) } else { Ok(()) }
    }

    /// Returns what nodes said and did that they should not have: those that ended
    /// by themselves though nothing was wrong with their disk, and panics.
    pub fn oddities(&mut self) -> Vec<String> {
        let mut odd = Vec::new();
        for (number, member) in self.members.iter_mut().enumerate() {
            odd.extend(
                member.oddities().into_iter().map(|what| format!("{}: {what}", name(number))),
            );
        }
        odd
    }

    /// Returns how often nodes have panicked.
    pub fn panics(&self) -> usize {
        self.members.iter().map(|member| member.panics().len()).sum()
    }

    /// Ends every fault, lets every node run, and returns after how long all were
    /// ready.
    ///
    /// # Errors
    /// A node does not become ready in time, with what it said.
    pub async fn recover(&mut self) -> anyhow::Result<Duration> {
        let began = Instant::now();
        self.heal()?;
        self.climate.clear();
        for node in 0..self.members.len() {
            self.resume(node)?;
            let was_faulty = self.members[node].is_disk_faulty;
            for fault in [Fault::Full, Fault::SyncError] {
                if was_faulty {
                    self.mend(node, fault)?;
                }
            }
            if self.members[node].has_clock() {
                self.shift(node, Shift::Ahead(Duration::ZERO))?;
            }
            // A node whose disk has failed may not trust it until it starts anew.
            if was_faulty || self.members[node].has_ended() {
                self.kill(node);
            }
            if self.members[node].is_down() && !self.members[node].is_outside {
                self.run(node)?;
            }
        }
        // Members first: they let the others in.
        let mut order: Vec<usize> = (0..self.members.len()).collect();
        order.sort_by_key(|node| self.members[*node].is_outside);
        for node in order {
            if self.members[node].is_down() {
                self.run(node)?;
            }
            let left = RECOVERY.saturating_sub(began.elapsed());
            let ready = match self.members[node].wait_ready(left).await {
                Err(_) if self.members[node].is_damaged && self.members[node].has_ended() => {
                    self.replace(node).await
                }
                ready => ready,
            };
            ready.with_context(|| format!("{} did not recover", name(node)))?;
            self.publish(node);
        }
        self.keep_all().await?;
        Ok(began.elapsed())
    }

    /// Returns another node that runs, and where clients find it.
    fn other(&self, node: usize) -> Option<(usize, SocketAddr)> {
        let others = (0..self.members.len()).filter(|other| *other != node);
        let runs = |other: &usize| {
            let member = &self.members[*other];
            !member.is_outside && member.state == State::Up
        };
        others.filter(runs).find_map(|other| Some((other, self.targets.get(other)?)))
    }

    /// A node that is no member is let in by one that is.
    fn invite(&mut self, node: usize) -> anyhow::Result<()> {
        let (host, _) = self.other(node).context("nobody can let it in")?;
        let data = self.members[host].data().display().to_string();
        let token = console::token(&self.console, &data)?;
        let peer = self.members[host].peer().context("a peer's address")?;
        self.members[node].is_invited(peer, token);
        Ok(())
    }

    fn run(&mut self, node: usize) -> anyhow::Result<()> {
        if self.members[node].is_outside {
            self.invite(node)?;
        }
        let net = self.net.as_ref();
        self.members[node].run(net).with_context(|| format!("start {}", name(node)))
    }

    fn publish(&mut self, node: usize) {
        let address = self.members[node].address();
        self.targets.set(node, address);
    }

    fn directions(&self) -> Vec<(usize, usize)> {
        let nodes = self.members.len();
        (0..nodes).flat_map(|from| (0..nodes).map(move |to| (from, to))).collect()
    }

    /// Returns the files in which the nodes' sayings are.
    pub fn sayings(&self) -> Vec<PathBuf> {
        self.members.iter().map(|member| member.said().to_owned()).collect()
    }
}

/// Returns what a node is called.
pub fn name(node: usize) -> String {
    format!("node-{}", node + 1)
}

fn place(net: Option<&Net>, node: usize, nodes: usize) -> Place {
    let Some(net) = net else { return Place::Loopback };
    let host = net.address(End::Node(node));
    Place::Space {
        node,
        clients: SocketAddr::from((host, CLIENT_PORT)),
        peers: (nodes > 1).then(|| SocketAddr::from((host, PEER_PORT))),
    }
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let states: Vec<&State> = self.members.iter().map(|member| &member.state).collect();
        f.debug_struct("Cluster").field("members", &states).finish_non_exhaustive()
    }
}
