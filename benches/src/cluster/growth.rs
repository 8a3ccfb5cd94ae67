//! A node joins others: how many replicas move, against the fewest that could, and
//! how late acknowledgements are while they do.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Result, ensure};

use super::formation::{Formation, Shard};
use super::{Args, Found, flow};
use crate::load::{self, Subject};
use crate::table::{Row, Target, Unit};
use crate::tally::Tally;
use crate::workload::Workload;

/// Events a second meanwhile.
const PACE: &str = "50k";
/// One run under load; several are made while shards move.
const SECONDS: &str = "2";
/// Copies of a replica that were begun and ended well.
const COPIED: (&str, [&str; 2]) =
    ("via_shard_steps_total", ["step=\"learn\"", "outcome=\"taken\""]);

/// Measures.
pub(super) async fn joining(args: &Args, formation: &mut Formation<'_>) -> Result<Found> {
    let mut workload = Workload::in_turn(args.profiles, 42)?;
    load::pour(formation.door(0)?, &mut workload, args.profiles as usize).await?;
    let load = load::Args::of_words(&[
        "--exactly-once",
        "--rate",
        PACE,
        "--batch",
        "500",
        "--seconds",
        SECONDS,
        "--warm-up",
        "0",
        "--connections",
        "3",
    ])?;
    let draws = load.draw()?;
    let calm = {
        let subject = flow::subject(formation);
        let mut calm = None;
        for _ in 0..(args.seconds / 2).max(1) {
            add(&mut calm, Box::pin(load::once(&load, &subject, &draws)).await?.tally);
        }
        calm
    };
    let (before, copied) =
        (formation.shards().await?, formation.counted(COPIED.0, &COPIED.1).await?);
    let doors = formation.doors();
    formation.join().await?;
    let subject = Subject { doors, nodes: Vec::new() };
    let mut moving = None;
    // What was measured while nothing moved any more does not count.
    let settled = formation.settle();
    tokio::pin!(settled);
    let took = loop {
        tokio::select! {
            took = &mut settled => break took?,
            run = Box::pin(load::once(&load, &subject, &draws)) => add(&mut moving, run?.tally),
        }
    };
    let copied = formation.counted(COPIED.0, &COPIED.1).await? - copied;
    let replicas = before.iter().map(|shard| shard.placed.len()).sum::<usize>();
    let planned = planned(&before, &formation.shards().await?);
    ensure!(copied >= planned as f64, "{planned} replicas moved, {copied} were copied");
    rows(&Moved { nodes: args.nodes() + 1, replicas, planned, copied, took, calm, moving })
}

struct Moved {
    nodes: usize,
    replicas: usize,
    planned: usize,
    copied: f64,
    took: Duration,
    calm: Option<Tally>,
    moving: Option<Tally>,
}

fn rows(moved: &Moved) -> Result<Found> {
    let Moved { nodes, replicas, planned, copied, took, calm, moving } = moved;
    let share = copied / *replicas as f64 * *nodes as f64;
    let share = Row::new("node added: replicas moved, against 1/N", Unit::Times, vec![share]);
    let mut rows = vec![share.target(Some(Target::AtMost(1.2)))];
    let mut notes = vec![format!(
        "node added: {planned} of {replicas} replicas have another node, {copied} were copied, in \
         {:.1} s",
        took.as_secs_f64()
    )];
    match (calm, moving) {
        (Some(calm), Some(moving)) => {
            let p99 = |tally: &Tally| tally.quantile(0.99).as_secs_f64();
            let what = format!("p99 at {PACE}/s while shards move, against before");
            let row = Row::new(what, Unit::Times, vec![p99(moving) / p99(calm)]);
            rows.push(row.target(Some(Target::AtMost(2.0))));
            let before = format!("p99 at {PACE}/s before");
            rows.push(Row::new(before, Unit::Seconds, vec![p99(calm)]));
            let meanwhile = format!("p99 at {PACE}/s while shards move");
            rows.push(Row::new(meanwhile, Unit::Seconds, vec![p99(moving)]));
        }
        (_, _) => notes.push(format!(
            "node added: shards moved within {SECONDS} s, too fast to time acknowledgements: ask \
             for more --profiles"
        )),
    }
    Ok((rows, notes))
}

fn add(sum: &mut Option<Tally>, more: Tally) {
    match sum {
        Some(sum) => sum.add(&more),
        None => *sum = Some(more),
    }
}

/// Counts the replicas that should be where they were not.
fn planned(before: &[Shard], after: &[Shard]) -> usize {
    let pairs = before.iter().zip(after);
    let new = |(before, after): (&Shard, &Shard)| {
        let had: BTreeSet<&String> = before.placed.iter().collect();
        after.placed.iter().filter(|node| !had.contains(node)).count()
    };
    pairs.map(new).sum()
}
