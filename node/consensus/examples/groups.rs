//! Measures many groups of one node on a log in memory: start, idle cost,
//! memory, proposals. `cargo run --release -p via-consensus --example groups`.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::join_all;
use via_consensus::{Applied, Chunks, Error, Group, Host, Machine, Options, Outcome, Position};
use via_storage::MemoryLog;
use via_types::{GroupId, NodeId};

const GROUPS: u32 = 65;

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

/// Resident KiB and CPU seconds of this process.
fn usage() -> (u64, f64) {
    let number = |text: &str| text.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or(0);
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).map_or(0, number);
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let ticks: u64 = stat.split_whitespace().skip(13).take(2).map(number).sum();
    (resident, ticks as f64 / 100.0)
}

#[expect(clippy::print_stdout, reason = "a measuring program prints what it measures")]
fn say(what: &str, figure: String) {
    println!("{what:<44} {figure}");
}

async fn propose(groups: &[Group], each: usize, in_flight: usize) -> Result<(), Error> {
    let (before, start) = (usage().1, Instant::now());
    let tasks = groups.iter().cloned().map(|group| {
        tokio::spawn(async move {
            for _ in 0..each / in_flight {
                let mut pending = Vec::with_capacity(in_flight);
                for _ in 0..in_flight {
                    pending.push(group.submit(Bytes::from_static(&[7; 256])).await?);
                }
                for answer in pending {
                    answer.await?;
                }
            }
            Ok::<_, Error>(())
        })
    });
    for task in join_all(tasks).await {
        task.map_err(Error::machine)??;
    }
    let count = (groups.len() * (each / in_flight) * in_flight) as f64;
    let (wall, cpu) = (start.elapsed().as_secs_f64(), usage().1 - before);
    say(
        &format!("{} groups, {in_flight} in flight each", groups.len()),
        format!("{:.0} proposals/s, {:.1} µs CPU each", count / wall, cpu / count * 1e6),
    );
    Ok(())
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), Error> {
    let (empty, _) = usage();
    let node = NodeId::new(1);
    let host = Host::new(Options::new(node), Arc::new(MemoryLog::new()), None)?;
    let start = Instant::now();
    let opening = (0..GROUPS).map(|number| {
        let host = host.clone();
        async move {
            let voters = Some(BTreeSet::from([node]));
            let group = host.open(GroupId::new(number), voters, |_| Ok(Nothing)).await?;
            let mut leadership = group.leadership();
            let led = leadership.wait_for(|leadership| leadership.is_me).await.map(drop);
            led.map_err(Error::machine)?;
            Ok::<_, Error>(group)
        }
    });
    let groups: Vec<_> = join_all(opening).await.into_iter().collect::<Result<_, _>>()?;
    say("65 groups open and leading", format!("{:?}", start.elapsed()));
    say("resident before / after", format!("{empty} / {} KiB", usage().0));
    let (_, before) = usage();
    tokio::time::sleep(Duration::from_secs(5)).await;
    say("idle for 5 s", format!("{:.1} % of a core", (usage().1 - before) * 20.0));
    propose(&groups[..1], 20_000, 1).await?;
    propose(&groups[..1], 100_000, 16).await?;
    propose(&groups[..64], 2_000, 1).await?;
    propose(&groups[..64], 4_000, 16).await?;
    say("resident after", format!("{} KiB", usage().0));
    host.shutdown().await;
    Ok(())
}
