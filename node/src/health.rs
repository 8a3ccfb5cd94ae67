//! `via-node health`: asks a node whether it lives or is ready, for container
//! and service managers that have no HTTP client of their own.

use std::io::Write as _;

use anyhow::{Result, bail};
use via_cluster_config::Listen;

use crate::flags::Flags;
use crate::http;

/// Asks a running node whether it lives; exits 1 when not.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    flags: Flags,
    /// Asks whether it is ready to serve, not only whether it lives.
    #[arg(long)]
    ready: bool,
}

/// Asks, and prints what is missing if anything is.
///
/// # Errors
/// The node does not answer, or not with 200.
pub(crate) fn run(args: &Args) -> Result<()> {
    let settings = args.flags.load()?.settings;
    let address = Listen::from_this_machine(settings.listen.address);
    let path = if args.ready { "/readyz" } else { "/livez" };
    let answer = http::ask(address, path, (None, None))?;
    if answer.status != 200 {
        bail!("http://{address}{path}: {}", answer.body.trim());
    }
    Ok(writeln!(anstream::stdout(), "{}", answer.body.trim())?)
}
