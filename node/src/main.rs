//! The node's binary: reads the command line and calls the one thing asked
//! for. No logic lives here; `start` has the order in which a node comes up and
//! goes down.

mod analyze;
mod audit;
mod cluster;
mod configure;
mod demo;
mod flags;
mod health;
mod http;
mod logging;
mod machine;
mod metrics;
mod peers;
mod readiness;
mod serve;
mod start;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// What one thread allocates another one frees, all along an event's way: an
/// allocator made for that saves a fifth of the CPU.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// VIA watches every entity in a stream of events, learns what is normal for
/// each, and says within milliseconds when something is not, and why.
#[derive(Debug, Parser)]
#[command(name = "via-node", version, max_term_width = 100)]
struct Line {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs a node with real and made-up traffic and shows what it detects.
    Demo(demo::Args),
    /// Runs a node.
    Serve(serve::Args),
    /// Makes a cluster, and shows and changes its nodes and shards.
    Cluster(cluster::Args),
    /// Detects anomalies in a CSV file, or in every CSV file of a folder.
    Analyze(analyze::Args),
    /// Checks exports of audit logs.
    Audit(audit::Args),
    /// Checks, prints, describes or migrates configuration.
    Config(configure::Args),
    /// Asks a running node whether it lives; exits 1 when not.
    Health(health::Args),
}

fn main() -> ExitCode {
    let result = match Line::parse().command {
        Command::Demo(args) => while_watched(serve::demo(&args)),
        Command::Serve(args) => serve::serve(&args),
        Command::Cluster(args) => cluster::run(&args),
        Command::Analyze(args) => while_watched(analyze::run(&args)),
        Command::Audit(args) => while_watched(audit::run(&args)),
        Command::Config(args) => while_watched(configure::run(&args)),
        Command::Health(args) => health::run(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            anstream::eprintln!("via-node: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Takes it for no failure that nobody reads on what is printed: whoever did has
/// seen enough of it, as in `… | head`.
fn while_watched(result: anyhow::Result<()>) -> anyhow::Result<()> {
    let is_closed = |error: &std::io::Error| error.kind() == std::io::ErrorKind::BrokenPipe;
    match result {
        Err(error) if error.downcast_ref().is_some_and(is_closed) => Ok(()),
        result => result,
    }
}
