//! `via-jepsen`: attacks `via-node`, with a seed that makes the choices
//! repeatable, and reports. Exits 0 when all held, 1 when something did not, 2
//! when it could not be tested, 77 when this machine cannot make the network.

mod echo;
mod suite;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::{Parser, Subcommand};
use via_jepsen::Arena;
use via_jepsen::net::Impossible;
use via_jepsen::scenario::Scenario;

/// What a skipped test exits with, as automake has it.
const SKIPPED: u8 = 77;
/// What a test exits with that could not be made.
const UNTESTED: u8 = 2;

/// Attacks VIA and checks that nothing acknowledged is lost or doubled.
#[derive(Parser)]
#[command(version, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Carries out attacks on one node.
    Run {
        /// How often each repeated fault strikes.
        #[arg(long, default_value_t = 20)]
        rounds: u32,
        /// Where all choices come from.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Only attacks of these names; all when none is given.
        #[arg(long)]
        only: Vec<String>,
        /// The program to attack; found or built when not given.
        #[arg(long)]
        node: Option<PathBuf>,
    },
    /// Lets clients work while faults strike, and judges the history.
    Test(suite::Test),
    /// Every workload with every nemesis that so many nodes allow, and pairs.
    All(suite::All),
    /// Judges a history that was written before.
    Check(suite::Check),
    /// Answers or asks over UDP, to test a network.
    #[command(hide = true)]
    Echo {
        /// Which end.
        role: echo::Role,
        /// Where it is.
        address: std::net::SocketAddr,
    },
    /// Builds nodes with planted bugs, and attacks each until its bug is found.
    Mutants(suite::Mutants),
    /// Lists the attacks, workloads, nemeses and planted bugs.
    List,
}

#[tokio::main]
async fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Run { rounds, seed, only, node } => {
            run(&Attacks { rounds, seed, only }, node.as_deref()).await
        }
        Command::Test(test) => suite::test(&test).await,
        Command::All(all) => suite::all(&all).await,
        Command::Check(check) => suite::check(&check),
        Command::Mutants(mutants) => suite::mutants(&mutants).await,
        Command::Echo { role, address } => echo::play(role, address).map(|()| ExitCode::SUCCESS),
        Command::List => list().map(|()| ExitCode::SUCCESS),
    };
    result.unwrap_or_else(|error| {
        let is_skipped = error.downcast_ref::<Impossible>().is_some();
        let word = if is_skipped { "SKIPPED" } else { "via-jepsen" };
        // There is nobody else to tell.
        let _ = writeln!(std::io::stderr(), "{word}: {error:#}");
        ExitCode::from(if is_skipped { SKIPPED } else { UNTESTED })
    })
}

fn list() -> anyhow::Result<()> {
    let mut out = std::io::stdout();
    for scenario in Scenario::ALL {
        writeln!(out, "attack    {}", scenario.name())?;
    }
    for workload in via_jepsen::workload::Name::ALL {
        let (word, least) = (workload.word(), workload.least_nodes());
        writeln!(out, "workload  {word:18} {least}+ nodes")?;
    }
    for nemesis in via_jepsen::nemesis::Nemesis::ALL {
        let (word, least) = (nemesis.word(), nemesis.least_nodes());
        writeln!(out, "nemesis   {word:18} {least}+ nodes  {}", nemesis.help())?;
    }
    for mutant in via_jepsen::mutant::Mutant::ALL {
        writeln!(out, "mutant    {:20} {}", mutant.word(), mutant.help())?;
    }
    Ok(())
}

struct Attacks {
    rounds: u32,
    seed: u64,
    only: Vec<String>,
}

async fn run(attacks: &Attacks, node: Option<&std::path::Path>) -> anyhow::Result<ExitCode> {
    let Attacks { rounds, seed, only } = attacks;
    let mut out = std::io::stdout();
    for name in only {
        let is_known = Scenario::ALL.iter().any(|scenario| scenario.name() == name);
        anyhow::ensure!(is_known, "there is no attack {name:?}; see `via-jepsen list`");
    }
    let mut failed = 0;
    for scenario in Scenario::ALL {
        if !only.is_empty() && !only.iter().any(|name| name == scenario.name()) {
            continue;
        }
        let begun = Instant::now();
        let arena = Arena::new(node, *seed, *rounds)?;
        let (word, told) = match scenario.run(&arena).await {
            Ok(told) => ("held", told),
            Err(fault) => {
                failed += 1;
                ("FAILED", format!("{fault:#}"))
            }
        };
        let seconds = begun.elapsed().as_secs_f64();
        writeln!(out, "{word:6} {:15} {seconds:6.1} s  {told}", scenario.name())?;
    }
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
