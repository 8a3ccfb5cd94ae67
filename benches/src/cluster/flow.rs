//! Figures of a cluster at rest and under load: what it takes, how much it
//! acknowledges and how late, and how often each event is judged.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::formation::{Formation, counter};
use super::{Args, Found};
use crate::http;
use crate::load::{self, Run, Subject};
use crate::node::{Node, Site};
use crate::table::{Row, Target, Unit};

/// Events a second at which acknowledgements are timed.
const PACE: &str = "250k";
/// Before nodes count as idle, what they have to do is done.
const SETTLE: Duration = Duration::from_secs(3);
/// Events that a node judged.
const JUDGED: &str = "via_shard_events_total";

/// Measures the processors that nodes keep busy when nobody talks to them.
pub(super) async fn idle(args: &Args, formation: &Formation<'_>) -> Result<Found> {
    tokio::time::sleep(SETTLE).await;
    let usage = || formation.nodes().into_iter().map(Node::usage).collect::<Result<Vec<_>>>();
    let (before, begun) = (usage()?, Instant::now());
    tokio::time::sleep(Duration::from_secs(args.seconds)).await;
    let (after, length) = (usage()?, begun.elapsed().as_secs_f64());
    let taken = after.iter().zip(&before).map(|(after, before)| after.cpu - before.cpu);
    let cores = taken.map(|cpu| cpu.as_secs_f64() / length).collect();
    let resident = after.iter().map(|usage| usage.resident as f64).collect();
    let busy = Row::new("idle: CPU of a node", Unit::Cores, cores);
    let rows = vec![
        busy.target(Some(Target::AtMost(0.05))),
        Row::new("idle: resident memory of a node", Unit::Bytes, resident),
    ];
    Ok((rows, Vec::new()))
}

/// Measures how late acknowledgements are at a pace.
pub(super) async fn latency(args: &Args, formation: &Formation<'_>) -> Result<Found> {
    let words = ["--rate", PACE, "--batch", "1000"];
    let runs = runs(args, &subject(formation), &words).await?;
    let rate = runs.iter().map(|run| run.tally.rate()).collect();
    let rate = Row::new(format!("{PACE}/s: events acknowledged"), Unit::PerSecond, rate);
    let mut rows = vec![rate.target(Some(Target::AtLeast(250e3 * 0.995)))];
    for (name, quantile, target) in
        [("p50", 0.5, None), ("p99", 0.99, Some(Target::AtMost(0.01))), ("p99.9", 0.999, None)]
    {
        let seconds = runs.iter().map(|run| run.tally.quantile(quantile).as_secs_f64()).collect();
        let what = format!("{PACE}/s: {name} acknowledgement");
        rows.push(Row::new(what, Unit::Seconds, seconds).target(target));
    }
    Ok((rows, Vec::new()))
}

/// Measures how many events are acknowledged.
pub(super) async fn ingest(args: &Args, formation: &Formation<'_>) -> Result<Found> {
    let runs = runs(args, &subject(formation), &[]).await?;
    let rate = runs.iter().map(|run| run.tally.rate()).collect();
    let rate = Row::new("gRPC: events acknowledged", Unit::PerSecond, rate);
    let acknowledged: u64 = runs.iter().map(|run| run.tally.accepted).sum();
    let mut rows = vec![rate.target(Some(Target::AtLeast(2.5e6)))];
    let per_cpu: Option<Vec<f64>> = runs.iter().map(Run::rate_per_core).collect();
    if let Some(per_cpu) = per_cpu {
        rows.push(Row::new("gRPC: events per second of node CPU", Unit::PerSecond, per_cpu));
    }
    Ok((rows, vec![format!("gRPC: {acknowledged} events acknowledged, each counted once")]))
}

/// Measures how often nodes judge each event that is acknowledged, against a node
/// that is alone.
pub(super) async fn work(args: &Args, formation: &Formation<'_>) -> Result<Found> {
    let before = formation.counted(JUDGED, &[]).await?;
    let accepted = accepted(&runs(args, &subject(formation), &["--rate", PACE]).await?);
    let many = (formation.counted(JUDGED, &[]).await? - before) / accepted;
    let site = Site::new(&args.choice)?;
    let node = site.start(&[])?;
    node.ready().await?;
    let alone = Subject { doors: vec![node.address()], nodes: vec![&node] };
    let accepted = self::accepted(&runs(args, &alone, &["--rate", PACE]).await?);
    let (_, text) = http::get(node.address(), "/metrics").await?;
    let one = counter(&String::from_utf8_lossy(&text), JUDGED, &[]) / accepted;
    let what = "events judged per event acknowledged, against one node";
    let row = Row::new(what, Unit::Times, vec![many / one]);
    let notes =
        vec![format!("judged per acknowledged: {many:.4} in the cluster, {one:.4} on one node")];
    Ok((vec![row.target(Some(Target::AtMost(1.1)))], notes))
}

fn accepted(runs: &[Run]) -> f64 {
    runs.iter().map(|run| run.tally.accepted).sum::<u64>() as f64
}

/// Returns the cluster as what is under load: connections go to its nodes in turn.
pub(super) fn subject<'a>(formation: &'a Formation<'_>) -> Subject<'a> {
    Subject { doors: formation.doors(), nodes: formation.nodes() }
}

async fn runs(args: &Args, subject: &Subject<'_>, words: &[&str]) -> Result<Vec<Run>> {
    let (seconds, number) = (args.seconds.to_string(), args.runs);
    let connections = subject.doors.len().max(2).to_string();
    // By name: an answer that is lost with a leader is asked for again.
    let mut all = vec!["--exactly-once", "--seconds", &seconds, "--connections", &connections];
    all.extend(words);
    let load = load::Args::of_words(&all)?;
    let draws = load.draw()?;
    let mut runs = Vec::new();
    for _ in 0..number {
        let run = Box::pin(load::once(&load, subject, &draws)).await?;
        anstream::eprintln!(
            "{:.2} M events/s, p99 {:.2?}",
            run.tally.rate() / 1e6,
            run.tally.quantile(0.99)
        );
        runs.push(run);
    }
    Ok(runs)
}
