//! How long a shard acknowledges nothing when its leader is killed, or hands it
//! over: writers that send one event after the other, each of one shard, note
//! when each was acknowledged; the longest pause around the deed is the figure.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use hyper::StatusCode;
use tokio::task::JoinSet;
use tokio::time::timeout;
use via_types::{EntityHash, ShardId, StreamId};

use super::formation::{Formation, id};
use super::{Args, Found};
use crate::http::{self, Connection};
use crate::table::{Row, Target, Unit};
use crate::workload::key;

/// The first stream of a catalog.
const STREAM: StreamId = StreamId::new(1);
const PATH: &str = "/api/v1/streams/bench/events";
/// Shards of one leader that are written to.
const WRITERS: usize = 4;
/// Writing before the deed, and after it.
const BEFORE: Duration = Duration::from_millis(500);
const AFTER: Duration = Duration::from_secs(4);
/// A request that is not answered by then is sent anew.
const DEADLINE: Duration = Duration::from_secs(10);
/// Pause after a refusal.
const PAUSE: Duration = Duration::from_millis(2);

/// When events were acknowledged, and how many requests were refused or unanswered.
#[derive(Default)]
struct Noted {
    acknowledged: Vec<Instant>,
    failed: u32,
}

impl Noted {
    /// Returns the longest time between two acknowledgements of which the later
    /// one came after `deed`.
    fn longest(&self, deed: Instant) -> Option<Duration> {
        let pairs = self.acknowledged.windows(2).filter(|pair| pair[1] > deed);
        pairs.map(|pair| pair[1] - pair[0]).max()
    }
}

/// Kills leaders.
pub(super) async fn failover(args: &Args, formation: &mut Formation<'_>) -> Result<Found> {
    let (mut longest, mut all) = (Vec::new(), Vec::new());
    for round in 0..args.rounds {
        let victim = round % args.nodes();
        let door = formation.door((victim + 1) % args.nodes())?;
        let shards = led_by(formation, victim).await?;
        let writers = Writers::begin(door, args.shards, &shards)?;
        tokio::time::sleep(BEFORE).await;
        let deed = formation.kill(victim);
        tokio::time::sleep(AFTER).await;
        let noted = writers.end().await?;
        let gaps: Vec<f64> = gaps(&noted, deed)?;
        anstream::eprintln!("killed n{}: {gaps:.3?} s", victim + 1);
        longest.push(gaps.iter().copied().fold(0.0, f64::max));
        all.extend(gaps);
        formation.restart(victim).await?;
    }
    let slowest = Row::new("leader killed: slowest of its shards", Unit::Seconds, longest);
    let rows = vec![
        slowest.target(Some(Target::AtMost(2.0))),
        Row::new("leader killed: each shard", Unit::Seconds, all),
    ];
    Ok((rows, Vec::new()))
}

/// Hands shards over.
pub(super) async fn transfer(args: &Args, formation: &Formation<'_>) -> Result<Found> {
    let (mut all, mut failed) = (Vec::new(), 0);
    for round in 0..args.rounds {
        let from = round % args.nodes();
        let door = formation.door((round + 1) % args.nodes())?;
        let shards = led_by(formation, from).await?;
        let shard = *shards.get(round / args.nodes()).context("a shard")?;
        let places = formation.shards().await?;
        let place = places.get(usize::from(shard.get())).context("the shard")?;
        let to = place.placed.get(1).context("a replica that follows")?;
        let writers = Writers::begin(door, args.shards, &[shard])?;
        tokio::time::sleep(BEFORE).await;
        let deed = Instant::now();
        let path = format!("/api/v1/cluster/shards/{shard}/transfer");
        let body = format!("{{\"to\":\"{to}\"}}");
        let (status, answer) = http::post(door, &path, "application/json", body).await?;
        ensure!(status == StatusCode::OK, "{}", String::from_utf8_lossy(&answer));
        // It is handed back to where it should be led, which counts too.
        formation.settle().await?;
        tokio::time::sleep(BEFORE).await;
        let noted = writers.end().await?;
        failed += noted.iter().map(|noted| noted.failed).sum::<u32>();
        all.extend(gaps(&noted, deed)?);
    }
    let row = Row::new("leader handed over, there and back: longest pause", Unit::Seconds, all);
    let notes = vec![format!("handed over: {failed} writes failed")];
    Ok((vec![row.target(Some(Target::AtMost(0.3)))], notes))
}

fn gaps(noted: &[Noted], deed: Instant) -> Result<Vec<f64>> {
    let gap = |noted: &Noted| Some(noted.longest(deed)?.as_secs_f64());
    let gaps: Option<Vec<f64>> = noted.iter().map(gap).collect();
    gaps.context("a shard acknowledged nothing any more")
}

/// Returns some shards that a node leads.
async fn led_by(formation: &Formation<'_>, number: usize) -> Result<Vec<ShardId>> {
    let (shards, name) = (formation.shards().await?, id(number));
    let led = (0_u16..).map(ShardId::new).zip(&shards);
    let led = led.filter(|(_, shard)| shard.leader.as_ref() == Some(&name));
    Ok(led.map(|(shard, _)| shard).take(WRITERS).collect())
}

/// Writers of one event at a time.
struct Writers {
    stopping: Arc<AtomicBool>,
    tasks: JoinSet<Noted>,
}

impl Writers {
    fn begin(door: SocketAddr, shards: u16, written: &[ShardId]) -> Result<Self> {
        ensure!(!written.is_empty(), "the node leads nothing");
        let (stopping, mut tasks) = (Arc::new(AtomicBool::new(false)), JoinSet::new());
        for shard in written {
            let of_shard = |key: &String| EntityHash::of(STREAM, key).shard(shards) == *shard;
            let entity = (0..).map(key).find(of_shard).context("every shard has entities")?;
            tasks.spawn(write(door, entity, Arc::clone(&stopping)));
        }
        Ok(Self { stopping, tasks })
    }

    async fn end(mut self) -> Result<Vec<Noted>> {
        self.stopping.store(true, Ordering::SeqCst);
        let mut all = Vec::new();
        while let Some(noted) = self.tasks.join_next().await {
            all.push(noted?);
        }
        Ok(all)
    }
}

async fn write(door: SocketAddr, entity: String, stopping: Arc<AtomicBool>) -> Noted {
    let (mut noted, mut connection) = (Noted::default(), None);
    let body = format!("{{\"entity\":\"{entity}\",\"value\":1}}\n");
    while !stopping.load(Ordering::SeqCst) {
        let asked = timeout(DEADLINE, once(&mut connection, door, &body)).await;
        if let Ok(Ok(StatusCode::OK)) = asked {
            noted.acknowledged.push(Instant::now());
            continue;
        }
        noted.failed += 1;
        if !matches!(asked, Ok(Ok(_))) {
            connection = None;
        }
        tokio::time::sleep(PAUSE).await;
    }
    noted
}

async fn once(
    connection: &mut Option<Connection>,
    door: SocketAddr,
    body: &str,
) -> Result<StatusCode> {
    let open = match connection {
        Some(open) => open,
        None => connection.insert(Connection::open(door).await?),
    };
    let request = http::posted(PATH, "application/x-ndjson", body.to_owned())?;
    Ok(open.ask(request).await?.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_pause_around_a_deed_counts() {
        let begun = Instant::now();
        let at = |millis: u64| begun + Duration::from_millis(millis);
        // One pause before the deed, one in which it lies, one after it.
        let acknowledged = [0, 900, 910, 1_200, 1_210, 1_400].map(at).to_vec();
        let noted = Noted { acknowledged, failed: 0 };
        assert_eq!(noted.longest(at(1_000)), Some(Duration::from_millis(290)));
        assert_eq!(noted.longest(at(1_205)), Some(Duration::from_millis(190)));
        assert_eq!(noted.longest(at(2_000)), None);
    }
}
