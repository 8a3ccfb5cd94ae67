//! `via-node health`: asks a node whether it lives or is ready, for container
//! and service managers that have no HTTP client of their own.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use via_cluster_config::Listen;

use crate::flags::Flags;

/// How long the answer may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// Longest answer read, bytes.
const ANSWER_BYTES: u64 = 64 << 10;

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
    let answer = ask(address, path).with_context(|| format!("asking http://{address}{path}"))?;
    let Some((head, body)) = answer.split_once("\r\n\r\n") else {
        bail!("http://{address}{path} does not speak HTTP");
    };
    if head.split_whitespace().nth(1) != Some("200") {
        bail!("http://{address}{path}: {}", body.trim());
    }
    Ok(writeln!(anstream::stdout(), "{}", body.trim())?)
}

fn ask(address: SocketAddr, path: &str) -> Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES).read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
