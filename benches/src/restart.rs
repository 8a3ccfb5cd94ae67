//! `restart`: how soon a node that was killed is ready, with many profiles
//! saved and a tail of events that is not. What it had acknowledged must be
//! there (invariant D-1).

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::node::{Choice, Node, Site};
use crate::table::{Row, Table, Target, Unit};
use crate::tally::check;
use crate::workload::{Skew, Workload};
use crate::{http, load};

/// Saves often while the profiles are made.
const SAVING: [&str; 1] = ["persistence.checkpoint_interval=2s"];
/// Saves nothing while the tail is made.
const KEEPING: [&str; 2] =
    ["persistence.checkpoint_interval=1h", "persistence.checkpoint_tail_events=1000000000"];
/// Longest wait until all profiles are saved.
const PATIENCE: Duration = Duration::from_secs(180);

/// How much there is to come back.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// Profiles saved.
    #[arg(long, default_value_t = 1_000_000)]
    profiles: u32,
    /// Events since.
    #[arg(long, default_value_t = 1_000_000)]
    tail: usize,
    /// Restarts.
    #[arg(long, default_value_t = 3)]
    runs: usize,
    #[command(flatten)]
    choice: Choice,
}

impl Args {
    /// Returns the same measurement of another node.
    pub(crate) fn of(self, choice: Choice) -> Self {
        Self { choice, ..self }
    }
}

/// Measures.
///
/// # Errors
/// The node does not come up, does not save, or lost an event.
pub(crate) async fn run(args: &Args) -> Result<Table> {
    ensure!(args.runs > 0, "nothing would be measured");
    let site = Site::new(&args.choice)?;
    let mut acknowledged = fill(args, &site).await?;
    acknowledged += tail(args, &site).await?;
    let (mut seconds, mut busy, mut resident) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..args.runs {
        let node = site.start(&KEEPING)?;
        seconds.push(node.ready().await?.as_secs_f64());
        let usage = node.usage()?;
        busy.push(usage.cpu.as_secs_f64());
        resident.push(usage.resident as f64);
        check(acknowledged, http::stats(node.address()).await?.events)?;
    }
    let rows = vec![
        Row::new("killed to ready", Unit::Seconds, seconds).target(Some(Target::AtMost(3.0))),
        Row::new("CPU time until ready", Unit::Seconds, busy),
        Row::new("resident memory when ready", Unit::Bytes, resident),
    ];
    let title = format!(
        "restart: {} profiles saved, {} events since; {} restarts",
        args.profiles, args.tail, args.runs
    );
    let notes = vec![format!("{acknowledged} events acknowledged, each counted once after each")];
    Ok(Table { title, rows, notes })
}

/// Makes profiles and waits until they are saved.
async fn fill(args: &Args, site: &Site) -> Result<u64> {
    let node = site.start(&SAVING)?;
    node.ready().await?;
    let mut workload = Workload::in_turn(args.profiles, 42)?;
    let acknowledged = load::pour(node.address(), &mut workload, args.profiles as usize).await?;
    saved(&node).await?;
    Ok(acknowledged)
}

/// Waits until every profile is saved.
///
/// # Errors
/// The node does not answer, or does not save.
pub(crate) async fn saved(node: &Node) -> Result<()> {
    let begun = Instant::now();
    loop {
        let stats = http::stats(node.address()).await?;
        if stats.profiles_dirty == 0 {
            return Ok(());
        }
        ensure!(begun.elapsed() < PATIENCE, "{} profiles are not saved", stats.profiles_dirty);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Writes what no checkpoint will hold, then is killed.
async fn tail(args: &Args, site: &Site) -> Result<u64> {
    let node = site.start(&KEEPING)?;
    node.ready().await?;
    let mut workload = Workload::new(args.profiles, Skew::Zipf(1.1), 43)?;
    load::pour(node.address(), &mut workload, args.tail).await
}
