//! `squeeze`: how fast a node is whose memory holds half of what its entities
//! need, against one that has plenty, in turns on one machine. The rest of the
//! profiles is on the disk and comes back with their events; every acknowledged
//! event must be counted once (invariant D-1).

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::frame::Frame;
use crate::node::{Choice, Node, Site};
use crate::pace::{Rate, Schedule};
use crate::restart::saved;
use crate::table::{Row, Table, Unit};
use crate::tally::{Tally, Window, check};
use crate::workload::{Skew, Workload};
use crate::{grpc, http, load};

/// Memory of the buffers, in MiB, so that what is left for profiles is known.
const BUFFERS: u64 = 32 + 64 + 64;
const SETTINGS: [&str; 3] =
    ["limits.queue=32MiB", "limits.request_memory=64MiB", "persistence.state_cache=64MiB"];
/// What is plenty.
const PLENTY: &str = "node.memory_limit=64GiB";
/// Events of each entity before anything is measured.
const PAST: usize = 16;
/// Events of a request, and requests under way.
const BATCH: usize = 4_096;
const IN_FLIGHT: usize = 16;
/// Requests drawn for a run; they are sent again and again with new times.
const FRAMES: usize = 512;

/// How much there is to hold, and how it is asked for.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// Entities.
    #[arg(long, default_value_t = 400_000)]
    entities: u32,
    /// How unequal they are: an exponent, or `uniform`.
    #[arg(long, default_value = "1.1", value_name = "SKEW")]
    zipf: Skew,
    /// Length of a run's measured part.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Length of the part before it.
    #[arg(long, default_value_t = 5, value_name = "SECONDS")]
    warm_up: u64,
    /// Runs with either memory.
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

/// The figures of runs with one limit.
#[derive(Default)]
struct Figures {
    rate: Vec<f64>,
    p99: Vec<f64>,
    resident: Vec<f64>,
    held: Vec<f64>,
    left: Vec<f64>,
    turned_away: u64,
}

/// Measures.
///
/// # Errors
/// The node does not come up, does not save, or lost an event.
pub(crate) async fn run(args: &Args) -> Result<Table> {
    ensure!(args.runs > 0 && args.seconds > 0, "nothing would be measured");
    let site = Site::new(&args.choice)?;
    let (mut acknowledged, need) = fill(args, &site).await?;
    let half = BUFFERS + ((need / 2) >> 20);
    ensure!(half >= 2 * BUFFERS, "{need} bytes are too few to be halved: ask for more entities");
    let half = format!("node.memory_limit={half}MiB");
    let (mut plenty, mut squeezed) = (Figures::default(), Figures::default());
    for _ in 0..args.runs {
        for (limit, figures) in [(PLENTY, &mut plenty), (&half[..], &mut squeezed)] {
            acknowledged += one(args, &site, limit, figures).await?;
            let rate = figures.rate.last().copied().unwrap_or_default();
            anstream::eprintln!("{limit}: {:.2} M events/s", rate / 1e6);
            let node = site.start(&settings(PLENTY))?;
            node.ready().await?;
            check(acknowledged, http::stats(node.address()).await?.events)?;
        }
    }
    Ok(table(args, need, acknowledged, (&plenty, &squeezed)))
}

fn settings(limit: &str) -> Vec<&str> {
    SETTINGS.into_iter().chain([limit]).collect()
}

/// Makes profiles with plenty of memory; returns the events and what they hold.
async fn fill(args: &Args, site: &Site) -> Result<(u64, u64)> {
    let mut settings = settings(PLENTY);
    settings.push("persistence.checkpoint_interval=2s");
    let node = site.start(&settings)?;
    node.ready().await?;
    let mut workload = Workload::in_turn(args.entities, 42)?;
    let mut acknowledged = 0;
    for _ in 0..PAST {
        acknowledged += load::pour(node.address(), &mut workload, args.entities as usize).await?;
    }
    saved(&node).await?;
    Ok((acknowledged, http::stats(node.address()).await?.profile_bytes))
}

/// Sends as fast as a node with that memory takes events; returns how many it
/// acknowledged.
async fn one(args: &Args, site: &Site, limit: &str, figures: &mut Figures) -> Result<u64> {
    let node: Node = site.start(&settings(limit))?;
    node.ready().await?;
    let mut workload = Workload::new(args.entities, args.zipf, 43)?;
    let frames = (0..FRAMES).map(|_| Frame::new("bench", &workload.draw(BATCH))).collect();
    let sender =
        grpc::Sender { frames, in_flight: IN_FLIGHT, times: Some(Rate::Max), origin: None };
    let from = Instant::now() + Duration::from_secs(args.warm_up);
    let window = Window { from, until: from + Duration::from_secs(args.seconds) };
    let schedule = Schedule::Closed { until: window.until, left: u64::MAX };
    let tally = grpc::run(node.address(), sender, schedule, Tally::new(window)).await?;
    let stats = http::stats(node.address()).await?;
    figures.rate.push(tally.rate());
    figures.p99.push(tally.quantile(0.99).as_secs_f64());
    figures.resident.push(node.usage()?.resident as f64);
    figures.held.push(stats.profile_bytes as f64);
    figures.left.push(stats.memory.evicted_profiles as f64);
    figures.turned_away += tally.turned_away;
    Ok(tally.accepted)
}

fn table(args: &Args, need: u64, acknowledged: u64, sides: (&Figures, &Figures)) -> Table {
    let row = |name: &str, unit, figure: fn(&Figures) -> &Vec<f64>| {
        let side = |word: &str, figures| {
            Row::new(format!("{name}, {word}"), unit, figure(figures).clone())
        };
        [side("plenty", sides.0), side("half", sides.1)]
    };
    let rows = [
        row("events acknowledged", Unit::PerSecond, |figures| &figures.rate),
        row("p99 acknowledgement", Unit::Seconds, |figures| &figures.p99),
        row("memory of profiles", Unit::Bytes, |figures| &figures.held),
        row("resident memory", Unit::Bytes, |figures| &figures.resident),
    ];
    let mut ratios: Vec<f64> =
        sides.0.rate.iter().zip(&sides.1.rate).map(|(plenty, half)| half / plenty).collect();
    ratios.sort_by(f64::total_cmp);
    let left = sides.1.left.iter().fold(0.0, |sum, left| sum + left);
    let notes = vec![
        format!(
            "half the memory keeps {:.2} of the rate ({:.2} to {:.2}); {left} profiles left it, {} requests were asked to come later",
            ratios[ratios.len() / 2],
            ratios[0],
            ratios[ratios.len() - 1],
            sides.1.turned_away
        ),
        format!("{acknowledged} events acknowledged, each counted once"),
    ];
    let title = format!(
        "squeeze: {} entities {}, {:.0} MB of profiles and half of it; {} runs of {} s each",
        args.entities,
        args.zipf,
        need as f64 / 1e6,
        args.runs,
        args.seconds
    );
    Table { title, rows: rows.into_iter().flatten().collect(), notes }
}
