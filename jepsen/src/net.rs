//! A network of namespaces on this machine: one per node, each on a link to one
//! bridge, with the clients at the bridge. Cuts it in any direction with iptables
//! and leads the peers' datagrams through proxies. Names carry this process's id;
//! all goes when it is dropped, and what a dead process left goes before.

pub mod link;
pub mod proxy;

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Command, Output};

use anyhow::Context;
use rustix::process::{Pid, Signal, kill_process};

/// Where clients meet the nodes: the bridge's own address.
const CLIENTS: u8 = 254;
const SPACE: &str = "via-jepsen-";
const LINK: &str = "vj";

/// One end of a direction that can be cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum End {
    /// A node by number, from 0.
    Node(usize),
    /// All clients.
    Clients,
}

/// Namespaces cannot be had here: why, and what would help.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("network namespaces are impossible here: {0}")]
pub struct Impossible(pub String);

/// The network.
#[derive(Debug)]
pub struct Net {
    owner: u32,
    nodes: usize,
    cuts: BTreeSet<(End, End)>,
}

impl Net {
    /// Says whether a network can be made at all.
    ///
    /// # Errors
    /// Not root, or a tool or a part of the kernel is missing.
    pub fn possible() -> Result<(), Impossible> {
        if !rustix::process::geteuid().is_root() {
            return Err(Impossible("only root may make them".to_owned()));
        }
        for (tool, package) in [("ip", "iproute2"), ("iptables", "iptables")] {
            if Command::new(tool).arg("-V").output().is_err() {
                return Err(Impossible(format!("{tool} is missing; install {package}")));
            }
        }
        let probe = format!("{SPACE}{}-probe", std::process::id());
        let bridge = format!("{LINK}{}p", std::process::id());
        let tried = run("ip", &["netns", "add", &probe])
            .and_then(|()| run("ip", &["netns", "exec", &probe, "iptables", "-w", "-L", "-n"]))
            .and_then(|()| run("ip", &["link", "add", &bridge, "type", "bridge"]));
        // Whether they could be made is known; that they go does not matter.
        let _ = run("ip", &["link", "del", &bridge]);
        let _ = run("ip", &["netns", "del", &probe]);
        tried.map_err(|error| Impossible(format!("{error:#}")))
    }

    /// Makes a network for so many nodes.
    ///
    /// # Errors
    /// It is impossible here, or a command fails.
    pub fn new(nodes: usize) -> anyhow::Result<Self> {
        anyhow::ensure!((1..=200).contains(&nodes), "1 to 200 nodes, not {nodes}");
        Self::possible()?;
        remove_stale();
        let net = Self { owner: std::process::id(), nodes, cuts: BTreeSet::new() };
        let bridge = net.bridge();
        run("ip", &["link", "add", &bridge, "type", "bridge"])?;
        let address = format!("{}/24", net.address(End::Clients));
        run("ip", &["address", "add", &address, "dev", &bridge])?;
        run("ip", &["link", "set", &bridge, "up"])?;
        for node in 0..nodes {
            net.add(node).with_context(|| format!("make the namespace of node {node}"))?;
        }
        Ok(net)
    }

    fn add(&self, node: usize) -> anyhow::Result<()> {
        let (space, bridge) = (self.space(node), self.bridge());
        let (outer, inner) = (format!("{LINK}{}h{node}", self.owner), "eth0");
        run("ip", &["netns", "add", &space])?;
        let pair = ["link", "add", &outer, "type", "veth", "peer", "name", inner, "netns", &space];
        run("ip", &pair)?;
        run("ip", &["link", "set", &outer, "master", &bridge, "up"])?;
        let address = format!("{}/24", self.address(End::Node(node)));
        run("ip", &["-n", &space, "address", "add", &address, "dev", inner])?;
        run("ip", &["-n", &space, "link", "set", inner, "up"])?;
        run("ip", &["-n", &space, "link", "set", "lo", "up"])
    }

    /// Returns where one end is reached.
    pub fn address(&self, end: End) -> Ipv4Addr {
        let host = match end {
            End::Node(node) => u8::try_from(node + 1).unwrap_or(CLIENTS - 1),
            End::Clients => CLIENTS,
        };
        let [high, low] = (self.owner as u16).to_be_bytes();
        // 198.18.0.0/15 is kept for tests of networks (RFC 2544).
        Ipv4Addr::new(198, 18 + (high & 1), low, host)
    }

    /// Returns a command that will run `program` where a node lives, with further
    /// variables in its environment only.
    pub fn command<'a>(
        &self,
        node: usize,
        program: &Path,
        environment: impl IntoIterator<Item = (&'a str, std::ffi::OsString)>,
    ) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.space(node), "env"]);
        for (name, value) in environment {
            let mut pair = std::ffi::OsString::from(name);
            pair.push("=");
            pair.push(value);
            command.arg(pair);
        }
        command.arg(program);
        command
    }

    /// Lets nothing pass any more from `from` to `to`.
    ///
    /// # Errors
    /// The rule cannot be made.
    pub fn cut(&mut self, from: End, to: End) -> anyhow::Result<()> {
        if !self.cuts.insert((from, to)) {
            return Ok(());
        }
        let (from_ip, to_ip) = (self.address(from).to_string(), self.address(to).to_string());
        match (from, to) {
            (_, End::Node(node)) => {
                self.iptables(node, &["-A", "INPUT", "-s", &from_ip, "-j", "DROP"])
            }
            // This machine's own rules are left alone.
            (End::Node(node), End::Clients) => {
                self.iptables(node, &["-A", "OUTPUT", "-d", &to_ip, "-j", "DROP"])
            }
            (End::Clients, End::Clients) => Ok(()),
        }
    }

    /// Lets everything pass again.
    ///
    /// # Errors
    /// A rule cannot be removed.
    pub fn heal(&mut self) -> anyhow::Result<()> {
        self.cuts.clear();
        (0..self.nodes).try_for_each(|node| self.iptables(node, &["-F"]))
    }

    /// Leads what `from` sends to `to`'s UDP port to a proxy instead.
    ///
    /// # Errors
    /// The rule cannot be made.
    pub fn detour(
        &self,
        from: usize,
        to: (usize, u16),
        proxy: std::net::SocketAddr,
    ) -> anyhow::Result<()> {
        let (address, port) = (self.address(End::Node(to.0)).to_string(), to.1.to_string());
        let rule = ["-t", "nat", "-A", "OUTPUT", "-p", "udp", "-d", &address, "--dport", &port];
        let target = proxy.to_string();
        self.iptables(from, &[&rule[..], &["-j", "DNAT", "--to-destination", &target]].concat())
    }

    fn iptables(&self, node: usize, arguments: &[&str]) -> anyhow::Result<()> {
        let space = self.space(node);
        run("ip", &[&["netns", "exec", &space, "iptables", "-w"], arguments].concat())
    }

    fn space(&self, node: usize) -> String {
        format!("{SPACE}{}-{node}", self.owner)
    }

    fn bridge(&self) -> String {
        format!("{LINK}{}b", self.owner)
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        remove(self.owner);
    }
}

fn remove(owner: u32) {
    for space in spaces().filter(|(_, of)| *of == owner).map(|(name, _)| name) {
        end_all_in(&space);
        // By itself a link goes with its namespace, but only some time later, and
        // its name is needed for the next network.
        if let Some((_, node)) = space.rsplit_once('-') {
            let _ = run("ip", &["link", "del", &format!("{LINK}{owner}h{node}")]);
        }
        // Nothing can be done about one that stays; the next run tries again.
        let _ = run("ip", &["netns", "del", &space]);
    }
    let _ = run("ip", &["link", "del", &format!("{LINK}{owner}b")]);
}

/// Ends what still runs in a namespace: nodes of a test that was killed.
fn end_all_in(space: &str) {
    let listed = output("ip", &["netns", "pids", space]).map(|output| output.stdout);
    for process in String::from_utf8_lossy(&listed.unwrap_or_default()).split_whitespace() {
        let process = process.parse().ok().and_then(Pid::from_raw);
        if let Some(process) = process {
            // It may have ended meanwhile.
            let _ = kill_process(process, Signal::KILL);
        }
    }
}

/// Removes what processes left that were killed.
fn remove_stale() {
    let owners: BTreeSet<u32> = spaces().map(|(_, owner)| owner).collect();
    // One that has ended and was not waited for has no command line either.
    let is_gone = |owner: &u32| {
        std::fs::read(format!("/proc/{owner}/cmdline")).map_or(true, |line| line.is_empty())
    };
    let own = std::process::id();
    owners.into_iter().filter(|owner| *owner == own || is_gone(owner)).for_each(remove);
}

/// Returns every namespace of ours, with the process that made it.
fn spaces() -> impl Iterator<Item = (String, u32)> {
    let listed = output("ip", &["netns", "list"]).map(|output| output.stdout).unwrap_or_default();
    let listed = String::from_utf8_lossy(&listed).into_owned();
    let names: Vec<(String, u32)> = listed.lines().filter_map(owned).collect();
    names.into_iter()
}

fn owned(line: &str) -> Option<(String, u32)> {
    let name = line.split_whitespace().next()?;
    let owner = name.strip_prefix(SPACE)?.split('-').next()?.parse().ok()?;
    Some((name.to_owned(), owner))
}

fn output(program: &str, arguments: &[&str]) -> anyhow::Result<Output> {
    Command::new(program).args(arguments).output().with_context(|| format!("run {program}"))
}

fn run(program: &str, arguments: &[&str]) -> anyhow::Result<()> {
    let output = output(program, arguments)?;
    let said = String::from_utf8_lossy(&output.stderr);
    let what = || format!("{program} {}: {}", arguments.join(" "), said.trim());
    anyhow::ensure!(output.status.success(), "{}", what());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_its_own_spaces_again() {
        assert_eq!(owned("via-jepsen-42-0 (id: 3)"), Some(("via-jepsen-42-0".to_owned(), 42)));
        assert_eq!(owned("other-42-0"), None);
        assert_eq!(owned("via-jepsen-x-0"), None);
    }

    #[test]
    fn every_end_has_an_address_of_its_own() {
        let net =
            std::mem::ManuallyDrop::new(Net { owner: 0x0304, nodes: 3, cuts: BTreeSet::new() });
        let ends = [End::Node(0), End::Node(1), End::Node(2), End::Clients];
        let addresses: BTreeSet<Ipv4Addr> = ends.map(|end| net.address(end)).into();
        assert_eq!(addresses.len(), 4);
        assert!(addresses.contains(&Ipv4Addr::new(198, 19, 4, 1)));
    }
}
