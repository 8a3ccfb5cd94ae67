//! What operators do about members: let a node go for good, or give one up whose
//! disk is lost and let it join again as another, with nothing. Says also whether
//! every shard has all its replicas, before another disk may be lost.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::Context;
use serde_json::Value;

use super::console::{self, Change};
use super::{Cluster, EMPTYING};

/// Replicas of a shard when there are nodes enough.
const REPLICAS: usize = 3;
/// Pause between two attempts.
const PAUSE: Duration = Duration::from_millis(200);

impl Cluster {
    /// Lets a node leave the cluster for good, as an operator does, and forgets what
    /// it had. One that does not go in time stays.
    ///
    /// # Errors
    /// Nobody else runs, or the cluster says no.
    pub async fn leave(&mut self, node: usize) -> anyhow::Result<()> {
        let name = self.members[node].name();
        // Also when nobody knows whether it was.
        self.members[node].is_draining = true;
        let began = Instant::now();
        // It is told so as long as it holds a shard, or votes.
        while let Err(error) = self.drain_and_remove(node) {
            if began.elapsed() > EMPTYING {
                self.keep(node)?;
                return Err(error.context(format!("{name} did not go within {EMPTYING:?}")));
            }
            tokio::time::sleep(PAUSE).await;
        }
        self.kill(node);
        self.members[node].forget()
    }

    /// Gives up a node that does not start any more, and lets it join as another.
    ///
    /// # Errors
    /// Nobody else runs, the cluster does not let it go in time, or it does not
    /// become ready.
    pub(super) async fn replace(&mut self, node: usize) -> anyhow::Result<()> {
        self.kill(node);
        let began = Instant::now();
        // Other faults may strike: a majority must decide.
        while let Err(error) = self.change(Change::GiveUp, node) {
            anyhow::ensure!(began.elapsed() < EMPTYING, "{error:#}");
            tokio::time::sleep(PAUSE).await;
        }
        self.members[node].forget()?;
        self.launch(node).await
    }

    /// Lets those stay that were to go and have not.
    pub(super) async fn keep_all(&mut self) -> anyhow::Result<()> {
        let began = Instant::now();
        for node in 0..self.members.len() {
            while self.members[node].is_draining
                && let Err(error) = self.keep(node)
            {
                anyhow::ensure!(began.elapsed() < EMPTYING, "{error:#}");
                tokio::time::sleep(PAUSE).await;
            }
        }
        Ok(())
    }

    /// Asked again until it is done, whatever became of it before.
    fn drain_and_remove(&self, node: usize) -> anyhow::Result<()> {
        let drained = self.change(Change::Drain, node);
        // One that has left cannot be drained, and may be removed again.
        self.change(Change::Remove, node).or_else(|error| drained.and(Err(error)))
    }

    fn keep(&mut self, node: usize) -> anyhow::Result<()> {
        match self.change(Change::Undrain, node) {
            Err(error) if !error.to_string().contains("not draining") => return Err(error),
            Ok(()) | Err(_) => self.members[node].is_draining = false,
        }
        Ok(())
    }

    /// Asks another node for a change of `node`.
    fn change(&self, change: Change, node: usize) -> anyhow::Result<()> {
        let (_, target) = self.other(node).context("nobody else runs")?;
        console::change(&self.console, change, &self.members[node].name(), target)
    }

    /// Says whether every shard has as many replicas as it should, each on a node
    /// that is a member, and no node was damaged and has not come back.
    ///
    /// # Errors
    /// One has not, or nobody says.
    pub(super) fn is_whole(&mut self) -> anyhow::Result<()> {
        let is_lost = self.members.iter_mut().any(|member| member.is_damaged && member.is_down());
        anyhow::ensure!(!is_lost, "a damaged node has not come back yet");
        let (_, target) = self.other(usize::MAX).context("nobody runs")?;
        let nodes = console::nodes(&self.console, target)?;
        let members: BTreeSet<u64> =
            nodes.iter().filter(|node| !node.has_left).map(|node| node.id).collect();
        let wanted = REPLICAS.min(self.members.len());
        for shard in console::shards(&self.console, target)? {
            let voters = shard["voters"].as_array().into_iter().flatten();
            let there = voters.filter_map(Value::as_u64).filter(|voter| members.contains(voter));
            let there = there.count();
            anyhow::ensure!(there >= wanted, "not every replica is made up for yet: {shard}");
        }
        Ok(())
    }
}
