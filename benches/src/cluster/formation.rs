//! The nodes of a cluster: formed, joined, killed and started again with the
//! commands of operators, each on ports of its own choice. Says where shards are
//! and waits until they are where they should be. Measures nothing.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use hyper::StatusCode;
use serde::Deserialize;

use crate::http;
use crate::node::{Node, Site};

/// Longest wait until all shards are where they should be.
const PATIENCE: Duration = Duration::from_secs(300);
/// Pause between two looks.
const LOOK: Duration = Duration::from_millis(100);

/// Where a shard is, and where it should be.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Shard {
    /// Nodes that should have it, the one that should lead it first.
    pub(crate) placed: Vec<String>,
    /// Who leads it.
    pub(crate) leader: Option<String>,
    voters: Vec<String>,
    learners: Vec<String>,
}

impl Shard {
    fn is_settled(&self) -> bool {
        let set = |nodes: &[String]| nodes.iter().cloned().collect::<BTreeSet<_>>();
        self.learners.is_empty()
            && set(&self.voters) == set(&self.placed)
            && self.leader.is_some()
            && self.leader.as_ref() == self.placed.first()
    }
}

/// A cluster.
pub(crate) struct Formation<'a> {
    site: &'a Site,
    /// By number, from 0; none while it does not run.
    nodes: Vec<Option<Node>>,
}

impl<'a> Formation<'a> {
    /// Forms a cluster of so many nodes and waits until its shards are spread.
    ///
    /// # Errors
    /// A node does not come up, or does not join.
    pub(crate) async fn new(site: &'a Site, shards: u16, nodes: usize) -> Result<Self> {
        let shards = shards.to_string();
        site.cluster(&folder(0), &["init", "--name", &folder(0), "--shards", &shards])?;
        let mut formation = Self { site, nodes: Vec::new() };
        formation.start(0, &[]).await?;
        for _ in 1..nodes {
            formation.join().await?;
        }
        formation.settle().await?;
        Ok(formation)
    }

    async fn start(&mut self, number: usize, more: &[&str]) -> Result<()> {
        let (folder, mut words) = (folder(number), vec!["--peer-listen", "127.0.0.1:0"]);
        words.extend(["--name", &folder]);
        words.extend(more);
        let node = self.site.start_in(&folder, &words)?;
        node.ready().await?;
        if self.nodes.len() <= number {
            self.nodes.resize_with(number + 1, || None);
        }
        self.nodes[number] = Some(node);
        Ok(())
    }

    /// Lets another node join.
    ///
    /// # Errors
    /// It does not come up, or is not let in.
    pub(crate) async fn join(&mut self) -> Result<()> {
        let token = self.site.cluster(&folder(0), &["token"])?;
        let member = self.nodes.first().and_then(Option::as_ref).context("somebody to join")?;
        let peer = member.peer().context("a peer's address")?.to_string();
        let number = self.nodes.len();
        self.start(number, &["--join", &peer, "--token", &token]).await
    }

    /// Kills a node; says when.
    pub(crate) fn kill(&mut self, number: usize) -> Instant {
        let now = Instant::now();
        self.nodes[number] = None;
        now
    }

    /// Starts a node that was killed, and waits until all shards are where they
    /// should be.
    ///
    /// # Errors
    /// It does not come up.
    pub(crate) async fn restart(&mut self, number: usize) -> Result<()> {
        self.start(number, &[]).await?;
        self.settle().await.map(drop)
    }

    /// Returns the nodes that run.
    pub(crate) fn nodes(&self) -> Vec<&Node> {
        self.nodes.iter().flatten().collect()
    }

    /// Returns where the nodes that run serve clients.
    pub(crate) fn doors(&self) -> Vec<SocketAddr> {
        self.nodes().into_iter().map(Node::address).collect()
    }

    /// Returns where one node serves clients.
    pub(crate) fn door(&self, number: usize) -> Result<SocketAddr> {
        let node = self.nodes.get(number).and_then(Option::as_ref);
        Ok(node.context("a node that runs")?.address())
    }

    /// Returns where every shard is.
    ///
    /// # Errors
    /// Nobody says.
    pub(crate) async fn shards(&self) -> Result<Vec<Shard>> {
        #[derive(Deserialize)]
        struct List {
            items: Vec<Shard>,
        }
        let door = *self.doors().first().context("somebody to ask")?;
        let (status, body) = http::get(door, "/api/v1/cluster/shards").await?;
        ensure!(status == StatusCode::OK, "shards: {}", String::from_utf8_lossy(&body));
        Ok(serde_json::from_slice::<List>(&body).context("shards")?.items)
    }

    /// Waits until all shards are where they should be; returns for how long.
    ///
    /// # Errors
    /// They do not come there.
    pub(crate) async fn settle(&self) -> Result<Duration> {
        let begun = Instant::now();
        loop {
            let shards = self.shards().await?;
            if !shards.is_empty() && shards.iter().all(Shard::is_settled) {
                return Ok(begun.elapsed());
            }
            let left: Vec<&Shard> = shards.iter().filter(|shard| !shard.is_settled()).collect();
            let first = left.first();
            ensure!(begun.elapsed() < PATIENCE, "{} not in place: {first:?}", left.len());
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Sums a counter over all nodes that run; of several with other labels those
    /// count that have all of `labels`.
    ///
    /// # Errors
    /// A node does not answer.
    pub(crate) async fn counted(&self, name: &str, labels: &[&str]) -> Result<f64> {
        let mut sum = 0.0;
        for door in self.doors() {
            let (_, text) = http::get(door, "/metrics").await?;
            sum += counter(&String::from_utf8_lossy(&text), name, labels);
        }
        Ok(sum)
    }
}

/// Returns what a node of this number is called in the catalog that began empty.
pub(crate) fn id(number: usize) -> String {
    format!("n{}", number + 1)
}

fn folder(number: usize) -> String {
    format!("node-{}", number + 1)
}

/// Sums a counter in the text format of Prometheus.
pub(crate) fn counter(text: &str, name: &str, labels: &[&str]) -> f64 {
    let value = |line: &str| {
        let rest = line.strip_prefix(name)?;
        let (shown, value) = rest.rsplit_once(' ')?;
        let is_it = shown.is_empty() || shown.starts_with('{');
        let has_all = labels.iter().all(|label| shown.contains(label));
        if is_it && has_all { value.parse::<f64>().ok() } else { None }
    };
    text.lines().filter_map(value).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_is_the_sum_of_the_lines_with_its_labels() {
        let text = "# TYPE a_total counter\na_total 3\nb_total{k=\"x\",o=\"taken\"} 4\n\
                    b_total{k=\"x\",o=\"not\"} 5\nb_total_more 9\n";
        assert_eq!(counter(text, "a_total", &[]), 3.0);
        assert_eq!(counter(text, "b_total", &["k=\"x\""]), 9.0);
        assert_eq!(counter(text, "b_total", &["k=\"x\"", "o=\"taken\""]), 4.0);
        assert_eq!(counter(text, "c_total", &[]), 0.0);
    }

    #[test]
    fn a_shard_is_settled_when_it_is_where_it_should_be_and_led_by_the_first() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let shard = Shard {
            placed: names(&["n2", "n1"]),
            leader: Some("n2".to_owned()),
            voters: names(&["n1", "n2"]),
            learners: Vec::new(),
        };
        assert!(shard.is_settled());
        assert!(!Shard { leader: Some("n1".to_owned()), ..shard.clone() }.is_settled());
        assert!(!Shard { learners: names(&["n3"]), ..shard.clone() }.is_settled());
        assert!(!Shard { voters: names(&["n2"]), ..shard }.is_settled());
    }
}
