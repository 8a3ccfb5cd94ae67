//! Placement: watchers ask every node in turn where the shards are, and note
//! which nodes run, while nodes come and go. Needs a cluster's commands.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use futures_util::future::{BoxFuture, LocalBoxFuture};
use serde_json::{Value, json};

use super::{Client, Invocation, Stage, Workload, insist};
use crate::caller::Targets;
use crate::checker::{Verdict, placement};
use crate::cluster::console::{self, Console, Program};
use crate::history::{Operation, Told};

/// Longest that a shard may be without a leader while it has a majority.
const GAP: Duration = Duration::from_secs(10);
/// Pause between two looks.
const PAUSE: Duration = Duration::from_millis(250);

/// The workload.
#[derive(Default)]
pub struct Placement {}

impl Workload for Placement {
    fn crowd(&self) -> (u32, Duration) {
        (2, PAUSE)
    }

    fn prepare<'a>(&'a self, _: &'a Stage) -> LocalBoxFuture<'a, anyhow::Result<()>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn client(&self, stage: &Stage, number: u32) -> Box<dyn Client> {
        let console = Arc::new(Program::new(stage.binary.clone()));
        Box::new(Watcher { console, targets: stage.targets.clone(), looks: number as usize })
    }

    fn close<'a>(&'a self, stage: &'a Stage) -> LocalBoxFuture<'a, anyhow::Result<()>> {
        Box::pin(async move {
            let mut watcher = self.client(stage, 0);
            for _ in 0..2 * stage.targets.nodes() {
                let asked = watcher.invent();
                insist(stage, &asked, async || watcher.perform(&asked).await).await?;
            }
            Ok(())
        })
    }

    fn check(&self, operations: &[Operation]) -> Vec<Verdict> {
        vec![placement::check(operations, GAP.as_nanos() as u64)]
    }
}

struct Watcher {
    console: Arc<dyn Console>,
    targets: Targets,
    looks: usize,
}

impl Client for Watcher {
    fn invent(&mut self) -> Invocation {
        self.looks += 1;
        match self.looks % 2 {
            0 => Invocation { function: "living", value: Value::Null },
            _ => {
                let node = self.looks / 2 % self.targets.nodes().max(1);
                Invocation { function: "shards", value: json!(node) }
            }
        }
    }

    fn perform<'a>(&'a mut self, asked: &'a Invocation) -> BoxFuture<'a, Told> {
        Box::pin(async move {
            let (console, targets) = (Arc::clone(&self.console), self.targets.clone());
            let node = asked.value.as_u64();
            let asked = tokio::task::spawn_blocking(move || match node {
                Some(node) => shards(&*console, &targets, node as usize),
                None => living(&*console, &targets),
            });
            match asked.await {
                Ok(Ok(told)) => Told::ok(told),
                Ok(Err(error)) => Told::fail(format!("{error:#}")),
                Err(error) => Told::fail(error.to_string()),
            }
        })
    }
}

fn shards(console: &dyn Console, targets: &Targets, node: usize) -> anyhow::Result<Value> {
    let address = targets.get(node).with_context(|| format!("node {node} is down"))?;
    Ok(json!(console::shards(console, address)?))
}

/// Returns the members whose host is one that runs: a node that left and came back
/// has another number.
fn living(console: &dyn Console, targets: &Targets) -> anyhow::Result<Value> {
    let up: Vec<SocketAddr> = (0..targets.nodes()).filter_map(|node| targets.get(node)).collect();
    let asked = up.iter().map(|address| console::nodes(console, *address));
    let nodes = asked.flatten().next().context("no node says who is a member")?;
    let runs = |host: &IpAddr| up.iter().any(|address| address.ip() == *host);
    let living = nodes.iter().filter(|node| !node.has_left && node.hosts.iter().any(runs));
    Ok(json!(living.map(|node| node.id).collect::<Vec<u64>>()))
}
