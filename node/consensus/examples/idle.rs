//! Measures what many idle groups on three nodes cost: over QUIC on loopback, in
//! one process. `cargo run --release -p via-consensus --example idle [groups]`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use via_consensus::{Applied, Chunks, Error, Group, Host, Machine, Options, Outcome, Position};
use via_storage::MemoryLog;
use via_transport::{Authority, Links, QuicLinks, QuicOptions};
use via_types::{GroupId, NodeId};

struct Nothing;

impl Machine for Nothing {
    fn applied(&self) -> Option<Position> {
        None
    }

    fn apply(&mut self, _: Position, _: Applied<'_>) -> Result<Outcome, Error> {
        Ok(Outcome::none())
    }

    fn durable(&self) -> Option<Position> {
        None
    }

    fn export(&self) -> Result<Chunks, Error> {
        Ok(Box::new(std::iter::empty()))
    }

    fn install(
        &mut self,
        _: Position,
        _: &mut dyn Iterator<Item = Result<Bytes, Error>>,
    ) -> Result<(), Error> {
        Ok(())
    }
}

/// CPU seconds of this process.
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let number = |text: &str| text.parse::<u64>().unwrap_or(0);
    let ticks: u64 = stat.split_whitespace().skip(13).take(2).map(number).sum();
    ticks as f64 / 100.0
}

#[expect(clippy::print_stdout, reason = "a measuring program prints what it measures")]
fn say(what: &str, figure: String) {
    println!("{what:<44} {figure}");
}

/// Proposes on whoever leads until it is committed; returns by whom.
async fn propose(nodes: &[(Host, Vec<Group>)], group: usize) -> usize {
    loop {
        for (place, (_, groups)) in nodes.iter().enumerate() {
            let leads = groups[group].leadership().borrow().is_me;
            if leads && groups[group].propose(Bytes::from_static(b"x")).await.is_ok() {
                return place;
            }
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let count: u32 = std::env::args().nth(1).map_or(Ok(64), |count| count.parse())?;
    let authority = Authority::generate("idle")?;
    let mut links = Vec::new();
    for number in 1..=3 {
        let identity = authority.issue(NodeId::new(number))?;
        let options = QuicOptions::new(([127, 0, 0, 1], 0).into(), identity, BTreeMap::new());
        links.push(Arc::new(QuicLinks::open(options)?));
    }
    let mut addresses = BTreeMap::new();
    for links in &links {
        addresses.insert(links.node(), links.local_address()?);
    }
    let voters: BTreeSet<NodeId> = (1..=3).map(NodeId::new).collect();
    let mut nodes = Vec::new();
    for links in &links {
        links.set_peers(addresses.clone());
        let options = Options::new(links.node());
        let ways = Arc::clone(links) as Arc<dyn Links>;
        let host = Host::new(options, Arc::new(MemoryLog::new()), Some(ways))?;
        let mut groups = Vec::new();
        for number in 0..count {
            let begin = Some(voters.clone());
            groups.push(host.open(GroupId::new(number), begin, |_| Ok(Nothing)).await?);
        }
        nodes.push((host, groups));
    }
    for group in 0..count as usize {
        propose(&nodes, group).await;
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    let (before, begun) = (cpu(), Instant::now());
    tokio::time::sleep(Duration::from_secs(10)).await;
    let share = (cpu() - before) / begun.elapsed().as_secs_f64() * 100.0;
    say(
        &format!("{count} groups on three nodes, idle"),
        format!("{:.1} % of a core per node", share / 3.0),
    );
    let leads = |place: &usize| {
        let (_, groups) = &nodes[*place];
        groups.iter().filter(|group| group.leadership().borrow().is_me).count()
    };
    let victim = (0..3).max_by_key(leads).unwrap_or(0);
    let led: Vec<usize> = (0..count as usize)
        .filter(|group| nodes[victim].1[*group].leadership().borrow().is_me)
        .collect();
    let (gone, _) = nodes.remove(victim);
    links[victim].close().await;
    let begun = Instant::now();
    let mut longest = Duration::ZERO;
    for group in &led {
        propose(&nodes, *group).await;
        longest = longest.max(begun.elapsed());
    }
    say(&format!("{} groups lose their leader: all commit", led.len()), format!("{longest:?}"));
    gone.shutdown().await;
    Ok(())
}
