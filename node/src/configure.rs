//! `via-node config`: shows what `cluster-config` says of the settings given.

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::{Subcommand, ValueEnum};
use via_cluster_config::{Detail, Format, check, migrate, schema};

use crate::flags::Flags;

/// Checks, prints, describes or migrates configuration.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    deed: Deed,
}

#[derive(Debug, Subcommand)]
enum Deed {
    /// Says whether the settings are valid, and everything that is wrong.
    Check {
        #[command(flatten)]
        flags: Flags,
        /// The file, as with --config.
        #[arg(conflicts_with = "config")]
        file: Option<PathBuf>,
    },
    /// Prints every effective value, and where it comes from.
    Print {
        #[command(flatten)]
        flags: Flags,
        /// The file, as with --config.
        #[arg(conflicts_with = "config")]
        file: Option<PathBuf>,
        /// The notation.
        #[arg(long, value_enum, default_value_t = Notation::Toml)]
        format: Notation,
        /// Leaves out where values come from.
        #[arg(long)]
        values_only: bool,
    },
    /// Prints the JSON Schema of the file.
    Schema,
    /// Rewrites a file of an older version in today's, keeping its comments.
    Migrate {
        /// The file.
        file: PathBuf,
        /// Writes the result back instead of printing it.
        #[arg(long)]
        write: bool,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Notation {
    Toml,
    Json,
}

/// Does what was asked for.
///
/// # Errors
/// What is wrong with the settings or the file.
pub(crate) fn run(args: &Args) -> Result<()> {
    let mut out = anstream::stdout();
    match &args.deed {
        Deed::Check { flags, file } => {
            let notices = check(&reading(flags, file.as_ref()).sources())?;
            for notice in notices {
                anstream::eprintln!("note: {notice}");
            }
            writeln!(out, "the configuration is valid")?;
        }
        Deed::Print { flags, file, format, values_only } => {
            let format = match format {
                Notation::Toml => Format::Toml,
                Notation::Json => Format::Json,
            };
            let detail = if *values_only { Detail::Values } else { Detail::Origins };
            let loaded = reading(flags, file.as_ref()).load()?;
            for notice in &loaded.notices {
                anstream::eprintln!("note: {notice}");
            }
            writeln!(out, "{}", loaded.print(format, detail).trim_end())?;
        }
        Deed::Schema => writeln!(out, "{}", schema().trim_end())?,
        Deed::Migrate { file, write } => {
            let text =
                fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
            let migrated = migrate(file, &text)?;
            for notice in &migrated.notices {
                anstream::eprintln!("note: {notice}");
            }
            if *write {
                replace(file, &migrated.text)?;
            } else {
                write!(out, "{}", migrated.text)?;
            }
        }
    }
    Ok(())
}

/// Lets the flags name the file that was named without one.
fn reading(flags: &Flags, file: Option<&PathBuf>) -> Flags {
    Flags { config: file.or(flags.config.as_ref()).cloned(), ..flags.clone() }
}

/// Replaces the file whole or not at all.
fn replace(file: &PathBuf, text: &str) -> Result<()> {
    let new = file.with_extension("new");
    let written = fs::write(&new, text).and_then(|()| fs::rename(&new, file));
    written.with_context(|| format!("writing {}", file.display()))
}
