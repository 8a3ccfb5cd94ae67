//! Log lines to standard error, as text or JSON.

use std::io::IsTerminal as _;

use anyhow::{Context as _, Result};
use tracing_subscriber::EnvFilter;
use via_cluster_config::{LogFormat, Observability};

/// Starts writing log lines; once per process.
///
/// # Errors
/// Directives that cannot be read.
pub(crate) fn start(observability: &Observability) -> Result<()> {
    let directives = observability.directives();
    // Its own level would tell of every election of every group.
    let filter = EnvFilter::try_new(format!("openraft=error,sled=warn,{directives}"))
        .context("observability.log_filter")?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    match observability.log_format {
        LogFormat::Text => lines.init(),
        LogFormat::Json => lines.json().flatten_event(true).init(),
    }
    Ok(())
}
