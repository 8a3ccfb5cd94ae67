//! `via-jepsen`: attacks a `via-node` for as long as one likes, with a seed
//! that makes the choices repeatable, and reports.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::{Parser, Subcommand};
use via_jepsen::Arena;
use via_jepsen::scenario::Scenario;

/// Attacks a VIA node and checks that nothing acknowledged is lost or doubled.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Carries out attacks.
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
    /// Lists the attacks.
    List,
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let mut out = std::io::stdout();
    match Arguments::parse().command {
        Command::List => {
            for scenario in Scenario::ALL {
                writeln!(out, "{}", scenario.name())?;
            }
            Ok(ExitCode::SUCCESS)
        }
        Command::Run { rounds, seed, only, node } => {
            for name in &only {
                let is_known = Scenario::ALL.iter().any(|scenario| scenario.name() == name);
                anyhow::ensure!(is_known, "there is no attack {name:?}; see `via-jepsen list`");
            }
            let mut failed = 0;
            for scenario in Scenario::ALL {
                if !only.is_empty() && !only.iter().any(|name| name == scenario.name()) {
                    continue;
                }
                let begun = Instant::now();
                let arena = Arena::new(node.as_deref(), seed, rounds)?;
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
    }
}
