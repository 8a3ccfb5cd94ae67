//! One node that has served alone becomes the first of a cluster, with all that is
//! in its data directory; the cluster grows to three and five and shrinks to four,
//! without the one that was first; clients send all the while. On the loopback.

use std::net::SocketAddr;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Context;
use serde_json::Value;

use super::{summary, verify};
use crate::Arena;
use crate::cluster::console::{self, Change, Program};
use crate::door::Door;
use crate::load::{Load, Shape};
use crate::node::{Node, Site, Start};

/// Longest that shards may take to be where they should, or a node to go.
const PATIENCE: Duration = Duration::from_secs(90);
/// Pause between two looks.
const LOOK: Duration = Duration::from_millis(100);
/// Batches that must be acknowledged in each size of the cluster.
const BATCHES: u64 = 100;
/// Shards, as in the settings of every node under attack.
const SHARDS: u16 = 8;

/// Lets the cluster grow and shrink while clients send.
///
/// # Errors
/// An acknowledged event is lost or counted twice; a node does not come or go.
pub async fn under_load(arena: &Arena) -> anyhow::Result<String> {
    let began = Instant::now();
    let mut town = Town::new(arena);
    let shape = Shape::default();
    let mut load = Load::start(shape.clone(), arena.seed());
    town.found(&mut load).await?;
    for size in [3, 5] {
        while town.nodes.len() < size {
            town.join(&load).await?;
        }
        town.settle().await?;
        load.progress(BATCHES).await?;
    }
    town.send_away_the_first(&load).await?;
    town.settle().await?;
    load.progress(BATCHES).await?;
    let took = began.elapsed().as_secs();
    let told = summary(&load, &format!("1 alone, 1, 3, 5 and 4 nodes in {took} s"));
    let acknowledged = load.finish().await?;
    for (_, node) in &town.nodes {
        verify(node, &shape, &acknowledged).await?;
    }
    let events: u64 = acknowledged.values().sum();
    Ok(format!("{told}, {events} events, counted once by each of {} nodes", town.nodes.len()))
}

/// The nodes, each with its home.
struct Town<'a> {
    arena: &'a Arena,
    console: Program,
    nodes: Vec<(Site, Node)>,
    /// How many there ever were.
    names: u32,
}

impl<'a> Town<'a> {
    fn new(arena: &'a Arena) -> Self {
        let console = Program::new(arena.binary().to_owned());
        Self { arena, console, nodes: Vec::new(), names: 0 }
    }

    /// A node serves alone, is stopped, and comes back as the first of a cluster.
    async fn found(&mut self, load: &mut Load) -> anyhow::Result<()> {
        let site = self.arena.site("scale-1")?;
        let start = Start { binary: self.arena.binary(), site: &site, disk: None, settings: &[] };
        let alone = start.ready().await?;
        load.node_is_at(Some(alone.address()));
        load.progress(BATCHES).await?;
        load.node_is_at(None);
        let status = alone.stop().await?;
        anyhow::ensure!(status.success(), "asked to stop, it ended with {status}");
        console::init(&self.console, &site.data().display().to_string(), "node-1", SHARDS)?;
        self.start(site, &[]).await?;
        load.nodes_are_at(self.addresses());
        load.progress(BATCHES).await
    }

    async fn join(&mut self, load: &Load) -> anyhow::Result<()> {
        let (host, member) = self.nodes.first().context("somebody to join")?;
        let token = console::token(&self.console, &host.data().display().to_string())?;
        let peer = peer(member)?;
        let site = self.arena.site(&format!("scale-{}", self.names + 1))?;
        self.start(site, &["--join", &peer.to_string(), "--token", &token]).await?;
        load.nodes_are_at(self.addresses());
        Ok(())
    }

    async fn start(&mut self, site: Site, more: &[&str]) -> anyhow::Result<()> {
        self.names += 1;
        let mut command = Command::new(self.arena.binary());
        command.arg("serve").arg("--config").arg(site.configure(&[])?);
        command.args(["--peer-listen", "127.0.0.1:0", "--name", &format!("node-{}", self.names)]);
        let said = site.beside("said")?.join("member.txt");
        command.args(more);
        let mut node = Node::launch(command, said)?;
        node.wait_ready().await?;
        self.nodes.push((site, node));
        Ok(())
    }

    fn addresses(&self) -> Vec<SocketAddr> {
        self.nodes.iter().map(|(_, node)| node.address()).collect()
    }

    /// Waits until every shard is on the nodes where it should be, and no others.
    async fn settle(&self) -> anyhow::Result<()> {
        let (_, node) = self.nodes.last().context("somebody to ask")?;
        let (mut door, began) = (Door::new(node.address()), Instant::now());
        loop {
            let shards = door.get("/api/v1/cluster/shards").await?.json();
            if is_settled(&shards, self.nodes.len().min(3)) {
                return Ok(());
            }
            anyhow::ensure!(
                began.elapsed() < PATIENCE,
                "shards are not where they should: {shards}"
            );
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Drains the node that was first, and removes it; it ends by itself.
    async fn send_away_the_first(&mut self, load: &Load) -> anyhow::Result<()> {
        let (_, mut first) = self.nodes.remove(0);
        load.nodes_are_at(self.addresses());
        let (_, other) = self.nodes.first().context("somebody stays")?;
        let target = other.address();
        console::change(&self.console, Change::Drain, "node-1", target)?;
        let began = Instant::now();
        while let Err(error) = console::change(&self.console, Change::Remove, "node-1", target) {
            // It is told so as long as it holds a shard, or votes.
            anyhow::ensure!(began.elapsed() < PATIENCE, "node-1 does not go: {error:#}");
            tokio::time::sleep(LOOK).await;
        }
        first.wait_end().await.context("it was removed").map(drop)
    }
}

/// Returns where a node listens for peers, as it says itself.
fn peer(node: &Node) -> anyhow::Result<SocketAddr> {
    let said = node.said();
    let word = said.lines().find_map(|line| {
        let (_, rest) = line.split_once(" serving ")?.1.split_once(" peer=")?;
        rest.split_whitespace().next()?.parse().ok()
    });
    word.with_context(|| format!("it does not say where it listens for peers: {said}"))
}

fn is_settled(document: &Value, replicas: usize) -> bool {
    let names = |shard: &Value, key: &str| -> Vec<String> {
        let listed = shard[key].as_array().into_iter().flatten();
        let mut names: Vec<String> = listed.filter_map(Value::as_str).map(str::to_owned).collect();
        names.sort();
        names
    };
    let shards = document["items"].as_array().map_or(&[][..], Vec::as_slice);
    let is_placed = |shard: &Value| {
        let voters = names(shard, "voters");
        voters.len() == replicas
            && voters == names(shard, "placed")
            && names(shard, "learners").is_empty()
            && shard["leader"].is_string()
    };
    !shards.is_empty() && shards.iter().all(is_placed)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn shards_are_settled_when_each_is_where_it_should_be() {
        let shard = |voters: &[&str], learners: &[&str], leader: Value| {
            json!({"items": [{"shard": "s1", "voters": voters, "learners": learners,
                "placed": ["n2", "n1", "n3"], "leader": leader}]})
        };
        assert!(is_settled(&shard(&["n1", "n2", "n3"], &[], json!("n1")), 3));
        assert!(!is_settled(&shard(&["n1", "n2"], &[], json!("n1")), 3));
        assert!(!is_settled(&shard(&["n1", "n2", "n4"], &[], json!("n1")), 3));
        assert!(!is_settled(&shard(&["n1", "n2", "n3"], &["n4"], json!("n1")), 3));
        assert!(!is_settled(&shard(&["n1", "n2", "n3"], &[], Value::Null), 3));
        assert!(!is_settled(&json!({"items": []}), 3));
    }
}
