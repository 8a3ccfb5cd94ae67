//! The command line: which measurement, and its one table on standard output.

use anyhow::{Result, bail};
use clap::{Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};

use crate::node::Choice;
use crate::table::Table;
use crate::{cluster, engine, idle, load, rest, restart, squeeze};

/// Measures VIA. Use a release build on a machine that does nothing else.
#[derive(Debug, Parser)]
#[command(name = "via-benches", version, max_term_width = 100)]
pub struct Line {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Sends events to a node and measures rate and latency.
    Load(load::Args),
    /// Judges events on one core.
    Engine,
    /// Weighs profiles at rest.
    Rest,
    /// Measures a node that nobody talks to.
    Idle(Choice),
    /// Kills a node with much to remember and waits until it is ready again.
    Restart(restart::Args),
    /// Gives a node half of the memory that its entities need, and compares.
    Squeeze(squeeze::Args),
    /// Measures three nodes on this machine, and a fourth that joins.
    Cluster(cluster::Args),
    /// Measures everything of one node that has a target.
    All(Choice),
}

/// Every measurement that has a target, in the order of the table in README.
const ALL: [&[&str]; 7] = [
    &["engine"],
    &["load", "--protocol", "grpc"],
    &["load", "--protocol", "ndjson"],
    &["load", "--protocol", "grpc", "--rate", "500k", "--batch", "1000"],
    &["restart"],
    &["rest"],
    &["idle"],
];

/// Measures what the line asks for and prints its table.
///
/// # Errors
/// A measurement failed; one that lost an event always does.
pub fn run(line: &Line) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    if let Command::All(choice) = &line.command {
        for words in ALL {
            let line = Line::parse_from(std::iter::once(&"via-benches").chain(words));
            show(&runtime.block_on(table_or_signal(&line.command.of(choice)))?);
        }
        return Ok(());
    }
    show(&runtime.block_on(table_or_signal(&line.command))?);
    Ok(())
}

impl Command {
    /// Returns the same measurement of another node.
    fn of(self, choice: &Choice) -> Self {
        let choice = choice.clone();
        match self {
            Self::Load(args) => Self::Load(args.of(choice)),
            Self::Restart(args) => Self::Restart(args.of(choice)),
            Self::Cluster(args) => Self::Cluster(args),
            Self::Squeeze(args) => Self::Squeeze(args.of(choice)),
            Self::Idle(_) => Self::Idle(choice),
            Self::All(_) => Self::All(choice),
            Self::Engine => Self::Engine,
            Self::Rest => Self::Rest,
        }
    }
}

fn show(table: &Table) {
    anstream::print!("{table}");
}

/// Measures until told to stop: then too the node ends and its data is removed.
async fn table_or_signal(command: &Command) -> Result<Table> {
    let (mut terminate, mut interrupt) =
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::select! {
        measured = table(command) => measured,
        _ = terminate.recv() => bail!("terminated"),
        _ = interrupt.recv() => bail!("interrupted"),
    }
}

async fn table(command: &Command) -> Result<Table> {
    match command {
        Command::Load(args) => Box::pin(load::run(args)).await,
        Command::Engine => engine::run(),
        Command::Rest => rest::run(),
        Command::Idle(choice) => idle::run(choice).await,
        Command::Restart(args) => Box::pin(restart::run(args)).await,
        Command::Cluster(args) => Box::pin(cluster::run(args)).await,
        Command::Squeeze(args) => Box::pin(squeeze::run(args)).await,
        Command::All(_) => Ok(Table::default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_measurement_of_all_is_a_command() {
        for words in ALL {
            let line = Line::try_parse_from(std::iter::once(&"via-benches").chain(words)).unwrap();
            assert!(!matches!(line.command, Command::All(_)), "{words:?}");
        }
    }
}
