//! `via-node serve` and the node under `via-node demo`: a runtime, signals,
//! and the same start and stop.

use std::io::Write as _;
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};
use via_cluster_config::Settings;

use crate::analyze::is_closed_pipe;
use crate::flags::Flags;
use crate::start::Running;
use crate::{demo, logging, start};

/// Threads of the runtime: at least two, since applying an entry may block one.
const LEAST_THREADS: usize = 2;

fn runtime() -> Result<Runtime> {
    let cores = std::thread::available_parallelism().map_or(LEAST_THREADS, usize::from);
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(cores.max(LEAST_THREADS)).max_blocking_threads(64).enable_all();
    builder.build().context("starting the runtime")
}

/// Resolves at SIGTERM or Ctrl-C.
async fn interrupted() {
    let terminate = signal(SignalKind::terminate());
    let interrupt = signal(SignalKind::interrupt());
    match (terminate, interrupt) {
        (Ok(mut terminate), Ok(mut interrupt)) => {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        }
        (Err(error), _) | (_, Err(error)) => {
            tracing::error!(%error, "signals cannot be heard; stop with kill -9");
            std::future::pending().await
        }
    }
}

/// Runs a node until it is told to stop.
///
/// # Errors
/// What is wrong with the settings, what the node lacks, or what failed.
pub(crate) fn serve(flags: &Flags) -> Result<()> {
    let loaded = flags.load()?;
    logging::start(&loaded.settings.observability)?;
    for notice in &loaded.notices {
        tracing::warn!("{notice}");
    }
    let runtime = runtime()?;
    let result = runtime.block_on(async {
        let mut node = start::start(&loaded.settings, Some(start::metrics()?)).await?;
        tracing::info!(
            address = %node.address,
            data = %loaded.settings.node.data_directory.display(),
            "serving"
        );
        let failure = tokio::select! {
            () = interrupted() => None,
            failure = node.failed() => failure.err(),
        };
        tracing::info!("draining");
        let stopped = drain(node, loaded.settings.node.shutdown_grace).await;
        failure.map_or(stopped, Err)
    });
    runtime.shutdown_timeout(Duration::from_secs(1));
    result
}

/// Stops the node within its grace.
async fn drain(node: Running, grace: Duration) -> Result<()> {
    let stopped = tokio::time::timeout(grace + Duration::from_secs(2), node.stop()).await;
    stopped.context("the node did not drain in time; what was acknowledged is in its log")?
}

/// Runs the demo on a node of its own.
///
/// # Errors
/// What is wrong with the settings, what the node lacks, or what failed.
pub(crate) fn demo(args: &demo::Args) -> Result<()> {
    let folder = demo::Folder::new(args.data_dir.as_deref())?;
    let flags = Flags {
        data_dir: Some(folder.path().display().to_string()),
        listen: Some(format!("127.0.0.1:{}", args.port)),
        set: vec!["observability.log_level=warn".to_owned()],
        ..Flags::default()
    };
    let settings: Settings = flags.load()?.settings;
    logging::start(&settings.observability)?;
    let runtime = runtime()?;
    let result = runtime.block_on(async {
        let mut node = start::start(&settings, Some(start::metrics()?)).await?;
        let stage = demo::Node {
            address: node.address,
            data: folder.path().to_owned(),
            control: node.control.clone(),
            clock: node.clock.clone(),
        };
        let shown = tokio::select! {
            shown = demo::run(args, &stage, interrupted()) => shown,
            failure = node.failed() => failure,
        };
        let stopped = drain(node, settings.node.shutdown_grace).await;
        shown.and(stopped)
    });
    runtime.shutdown_timeout(Duration::from_secs(1));
    let flushed = std::io::stdout().flush().map_err(anyhow::Error::from);
    match result.and(flushed) {
        // Whoever watched has seen enough: `… | head`.
        Err(error) if is_closed_pipe(&error) => Ok(()),
        result => result,
    }
}
