//! `cluster`: real nodes on this machine's loopback, three unless more are asked
//! for, and one that joins them. Owns the order of the measurements, which share one cluster, and
//! the table; every part is a figure that has a target.

mod flow;
mod formation;
mod gap;
mod growth;

use anyhow::{Result, ensure};

use self::formation::Formation;
use crate::node::{Choice, Site};
use crate::table::{Row, Table};

/// Something that is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Part {
    /// What nodes take that nobody talks to.
    Idle,
    /// How late acknowledgements are at 250,000 events a second.
    Latency,
    /// How many events are acknowledged.
    Ingest,
    /// How often events are judged, against one node.
    Work,
    /// How long a shard is without a leader when its leader is killed.
    Failover,
    /// How long when it is handed over.
    Transfer,
    /// What moves when a node joins, and how late acknowledgements are meanwhile.
    Growth,
}

const ALL: [Part; 7] = [
    Part::Idle,
    Part::Latency,
    Part::Ingest,
    Part::Work,
    Part::Failover,
    Part::Transfer,
    Part::Growth,
];

/// What to measure, how often.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// Only these.
    #[arg(long, value_delimiter = ',')]
    only: Vec<Part>,
    /// Nodes at the beginning; each shard has three replicas, however many.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(3..=16))]
    nodes: u8,
    /// Shards.
    #[arg(long, default_value_t = 64)]
    shards: u16,
    /// Length of a measured part under load, and at rest.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Runs under load.
    #[arg(long, default_value_t = 3)]
    runs: usize,
    /// Leaders killed, and shards handed over.
    #[arg(long, default_value_t = 6)]
    rounds: usize,
    /// Profiles that there are when a node joins.
    #[arg(long, default_value_t = 300_000)]
    profiles: u32,
    #[command(flatten)]
    choice: Choice,
}

impl Args {
    fn nodes(&self) -> usize {
        usize::from(self.nodes)
    }
}

/// Rows, and what else was found.
type Found = (Vec<Row>, Vec<String>);

/// Measures.
///
/// # Errors
/// Nodes do not come up or do not form a cluster, or an event is lost or counted
/// twice.
pub(crate) async fn run(args: &Args) -> Result<Table> {
    ensure!(args.runs > 0 && args.rounds > 0 && args.seconds > 0, "nothing would be measured");
    let site = Site::new(&args.choice)?;
    let mut formation = Formation::new(&site, args.shards, args.nodes()).await?;
    let title = format!(
        "cluster: {} nodes, {} shards, three replicas each, on one machine; {} runs of {} s \
         under load, exactly once, {} rounds of failing over and handing over",
        args.nodes, args.shards, args.runs, args.seconds, args.rounds
    );
    let mut table = Table { title, ..Table::default() };
    let wanted = |part: &&Part| args.only.is_empty() || args.only.contains(part);
    for part in ALL.iter().filter(wanted) {
        anstream::eprintln!("{part:?}");
        match Box::pin(measure(*part, args, &mut formation)).await {
            Ok((rows, notes)) => {
                table.rows.extend(rows);
                table.notes.extend(notes);
            }
            Err(error) => {
                // What was measured before took long.
                anstream::eprintln!("{table}");
                return Err(error.context(format!("{part:?}")));
            }
        }
    }
    Ok(table)
}

async fn measure(part: Part, args: &Args, formation: &mut Formation<'_>) -> Result<Found> {
    match part {
        Part::Idle => flow::idle(args, formation).await,
        Part::Latency => flow::latency(args, formation).await,
        Part::Ingest => flow::ingest(args, formation).await,
        Part::Work => flow::work(args, formation).await,
        Part::Failover => gap::failover(args, formation).await,
        Part::Transfer => gap::transfer(args, formation).await,
        Part::Growth => growth::joining(args, formation).await,
    }
}
