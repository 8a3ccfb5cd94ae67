//! `via-sim`: runs simulated clusters, one per seed. Exits 0 when everything
//! held, 1 when something did not, 2 when it could not be run.

use std::io::Write;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result};
use clap::Parser;
use via_sim::{Outcome, Plan, Telling, entropy, fleet};

/// Simulates clusters of VIA: one seed decides everything that happens.
#[derive(Parser)]
#[command(version, max_term_width = 100)]
struct Arguments {
    /// How many seeds are run.
    #[arg(long, default_value_t = 200)]
    seeds: u64,
    /// The first of them.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// This one alone.
    #[arg(long, conflicts_with_all = ["seeds", "from"])]
    seed: Option<u64>,
    /// Tells everything that happens, message by message.
    #[arg(long, requires = "seed")]
    trace: bool,
    /// Also tells what the nodes log: a filter such as `info` or `via_shard=debug`.
    #[arg(long, requires = "seed")]
    log: Option<String>,
    /// Runs the seed in this process.
    #[arg(long, hide = true)]
    inside: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let ran = match arguments.seed {
        Some(seed) if arguments.inside || arguments.trace || arguments.log.is_some() => {
            inside(seed, &arguments)
        }
        Some(seed) => many(seed..seed + 1),
        None => many(arguments.from..arguments.from + arguments.seeds),
    };
    match ran {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            let _closed = writeln!(std::io::stderr(), "{error:#}");
            ExitCode::from(2)
        }
    }
}

/// Runs seeds in processes of their own; says whether all held.
fn many(seeds: std::ops::Range<u64>) -> Result<bool> {
    let path = std::env::current_exe().context("finding this program")?;
    let begun = Instant::now();
    let count = seeds.end - seeds.start;
    let failed = fleet::run_many(&path, seeds, |report| {
        // Whoever closed the pipe has seen enough.
        let _closed = fleet::tell(&mut std::io::stdout().lock(), report);
    })
    .context("running seeds")?;
    let took = begun.elapsed().as_secs_f64();
    let mut out = std::io::stdout().lock();
    writeln!(out, "{count} seeds in {took:.1} s, {} failed", failed.len())?;
    for report in &failed {
        writeln!(out, "  {}", fleet::replay(report.seed))?;
    }
    Ok(failed.is_empty())
}

/// Runs one seed here, on a thread that has drawn nothing yet.
fn inside(seed: u64, arguments: &Arguments) -> Result<bool> {
    let telling = if arguments.trace { Telling::Everything } else { Telling::Quiet };
    if let Some(filter) = &arguments.log {
        let filter = tracing_subscriber::EnvFilter::try_new(filter).context("reading --log")?;
        let log = tracing_subscriber::fmt().with_env_filter(filter).without_time();
        log.with_writer(std::io::stdout).with_ansi(false).init();
    }
    entropy::seed(seed);
    let thread = std::thread::Builder::new().stack_size(64 << 20);
    let thread = thread.spawn(move || via_sim::run(Plan::of(seed), telling))?;
    let joined = thread.join().map_err(|_| anyhow::anyhow!("the simulation panicked"))?;
    let outcome = joined.context("making the runtime")?;
    report(seed, &outcome)?;
    Ok(outcome.violations.is_empty())
}

fn report(seed: u64, outcome: &Outcome) -> Result<()> {
    let mut out = std::io::stdout().lock();
    if !outcome.violations.is_empty() {
        for line in &outcome.last {
            writeln!(out, "{line}")?;
        }
        for violation in &outcome.violations {
            writeln!(out, "VIOLATION {violation}")?;
        }
    }
    let tally = outcome.tally;
    writeln!(
        out,
        "seed={seed} hash={:016x} entries={} messages={} accepted={} refused={} unknown={} repeated={} reads={} events={} terms={} committed={} detections={} crashes={} virtual={:.1}s violations={}",
        outcome.hash,
        outcome.entries,
        outcome.messages,
        tally.accepted,
        tally.refused,
        tally.unknown,
        tally.repeated,
        tally.reads,
        tally.events,
        outcome.terms,
        outcome.committed,
        outcome.detections,
        outcome.crashes,
        outcome.span.as_secs_f64(),
        outcome.violations.len(),
    )?;
    Ok(())
}
