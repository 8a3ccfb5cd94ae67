//! `via-node serve` and the node under `via-node demo`: a runtime, signals,
//! and the same start and stop.

use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};
use via_cluster_config::Loaded;
use via_control::Invitation;
use via_gateway::FirstUsers;

use crate::flags::Flags;
use crate::start::Running;
use crate::{demo, logging, start};

/// Threads of the runtime: at least two, since applying an entry may block one.
const LEAST_THREADS: usize = 2;
/// The status of a process that Ctrl-C ended: 128 and the signal's number.
const INTERRUPTED: i32 = 130;

/// Runs a node: alone, as the first of a cluster, or as one more of it.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    flags: Flags,
    /// Listens for the other nodes of its cluster here, for example 0.0.0.0:7400.
    #[arg(long, value_name = "ADDRESS")]
    peer_listen: Option<String>,
    /// Tells other nodes to reach it here, when that is another address.
    #[arg(long, value_name = "HOST:PORT")]
    advertise: Option<String>,
    /// Joins the cluster of the member that listens for peers here; several are
    /// separated by commas. A node that has joined needs it no more.
    #[arg(long, value_name = "HOST:PORT")]
    join: Option<String>,
    /// Shows this token to be let in. Other users of this machine may see it:
    /// --token-file hides it.
    #[arg(long, value_name = "TOKEN", conflicts_with = "token_file")]
    token: Option<String>,
    /// Reads the token from this file.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Takes this name in the cluster.
    #[arg(long)]
    name: Option<String>,
    /// Says what fails together with it: a rack, a data centre.
    #[arg(long)]
    zone: Option<String>,
}

impl Args {
    fn flags(&self) -> Flags {
        let mut flags = self.flags.clone();
        for (name, key, value) in [
            ("--peer-listen", "cluster.peer_address", &self.peer_listen),
            ("--advertise", "cluster.advertise", &self.advertise),
            ("--join", "cluster.join", &self.join),
            ("--name", "cluster.name", &self.name),
            ("--zone", "cluster.zone", &self.zone),
        ] {
            flags.name(name, key, value.clone());
        }
        flags
    }

    fn token(&self) -> Result<Option<Invitation>> {
        let text = match (&self.token, &self.token_file) {
            (Some(text), _) => Some(text.clone()),
            (None, Some(path)) => {
                let read = std::fs::read_to_string(path);
                Some(read.with_context(|| format!("reading {}", path.display()))?)
            }
            (None, None) => None,
        };
        text.map(|text| text.parse().context("--token")).transpose()
    }
}

pub(crate) fn runtime() -> Result<Runtime> {
    let cores = std::thread::available_parallelism().map_or(LEAST_THREADS, usize::from);
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(cores.max(LEAST_THREADS)).max_blocking_threads(64).enable_all();
    builder.build().context("starting the runtime")
}

/// Hears SIGTERM and Ctrl-C from now on; resolves at the first of them. What comes
/// while the node is still being opened is not lost, and kills nobody. The second
/// Ctrl-C ends the process at once: what was acknowledged is in the log (D-1).
///
/// # Errors
/// Signals cannot be heard.
fn interrupted() -> Result<impl Future<Output = ()>> {
    let hearing = "hearing signals";
    let mut terminate = signal(SignalKind::terminate()).context(hearing)?;
    let mut interrupt = signal(SignalKind::interrupt()).context(hearing)?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tokio::spawn(async move {
            // Nobody hears any more: there is no second one.
            if interrupt.recv().await.is_some() {
                anstream::eprintln!(
                    "via-node: interrupted again: ended at once; what was acknowledged is kept"
                );
                std::process::exit(INTERRUPTED);
            }
        });
    })
}

/// Brings a node up; none when it was told to stop before it served, of which
/// nobody has been acknowledged anything (D-1).
async fn start_unless(
    interrupted: &mut (impl Future<Output = ()> + Unpin),
    loaded: &Loaded,
    token: Option<&Invitation>,
) -> Result<Option<Running>> {
    tokio::select! {
        biased;
        () = interrupted => Ok(None),
        node = start::start(loaded, token, Some(start::metrics()?)) => node.map(Some),
    }
}

/// Runs a node until it is told to stop.
///
/// # Errors
/// What is wrong with the settings, what the node lacks, or what failed.
pub(crate) fn serve(args: &Args) -> Result<()> {
    let runtime = runtime()?;
    let interrupted = runtime.block_on(async { interrupted() })?;
    let loaded = args.flags().load()?;
    let token = args.token()?;
    logging::start(&loaded.settings.observability)?;
    for notice in &loaded.notices {
        tracing::warn!("{notice}");
    }
    let result = runtime.block_on(async {
        let mut interrupted = std::pin::pin!(interrupted);
        let started = start_unless(&mut interrupted, &loaded, token.as_ref()).await?;
        let Some(mut node) = started else {
            tracing::info!("told to stop before it served");
            return Ok(());
        };
        tracing::info!(
            address = %node.address,
            peer = node.peer_address.map(tracing::field::display),
            node = %node.control.node(),
            data = %loaded.settings.node.data_directory.display(),
            "serving"
        );
        tell(node.first_users.take());
        let failure = tokio::select! {
            () = &mut interrupted => None,
            failure = node.failed() => failure.err(),
        };
        tracing::info!("draining");
        let stopped = drain(node, loaded.settings.node.shutdown_grace).await;
        failure.map_or(stopped, Err)
    });
    runtime.shutdown_timeout(Duration::from_secs(1));
    result
}

/// Tells whoever starts the node how to log in, once: on standard error, and not
/// as a line of the log, which may be kept.
fn tell(first: Option<FirstUsers>) {
    let Some(FirstUsers { login, administrator, operator }) = first else { return };
    anstream::eprintln!(
        "\nNobody could log in here yet. Two users are made; their passwords are shown this once:\n\n  \
         administrator of the tenant \"default\":  {login}  {administrator}\n  \
         operator of the platform:              {login}  {operator}\n\n\
         Log in with POST /api/v1/sessions, change them with PUT /api/v1/whoami/password.\n"
    );
}

/// Stops the node within its grace. One among others may wait in vain for a
/// majority, to which it would hand over what it leads: that is no failure of
/// this node, and what was acknowledged is in its log.
async fn drain(node: Running, grace: Duration) -> Result<()> {
    let is_alone = node.peer_address.is_none();
    let stopped = tokio::time::timeout(grace + Duration::from_secs(2), node.stop()).await;
    match stopped {
        Ok(stopped) => stopped,
        Err(_) if !is_alone => {
            tracing::warn!(
                "not everything was handed over in time; every acknowledged event is kept"
            );
            Ok(())
        }
        Err(elapsed) => Err(elapsed)
            .context("the node did not drain in time; what was acknowledged is in its log"),
    }
}

/// Runs the demo on a node of its own.
///
/// # Errors
/// What is wrong with the settings, what the node lacks, or what failed.
pub(crate) fn demo(args: &demo::Args) -> Result<()> {
    let runtime = runtime()?;
    // Before there is anything that would be left behind.
    let interrupted = runtime.block_on(async { interrupted() })?;
    let folder = demo::Folder::new(args.data_dir.as_deref())?;
    let flags = Flags {
        data_dir: Some(folder.path().display().to_string()),
        listen: Some(format!("127.0.0.1:{}", args.port)),
        set: vec!["observability.log_level=warn".to_owned()],
        ..Flags::default()
    };
    let loaded = flags.load()?;
    let settings = &loaded.settings;
    logging::start(&settings.observability)?;
    let result = runtime.block_on(async {
        let mut interrupted = std::pin::pin!(interrupted);
        let Some(mut node) = start_unless(&mut interrupted, &loaded, None).await? else {
            return Ok(());
        };
        tell(node.first_users.take());
        let tenant = start::default_tenant(&node.control)?;
        let key = via_gateway::key_of_admin(&node.control, (tenant, "demo"), node.clock.now());
        let stage = demo::Node {
            address: node.address,
            key: key.await?,
            data: folder.path().to_owned(),
            control: node.control.clone(),
            clock: node.clock.clone(),
        };
        let shown = tokio::select! {
            shown = demo::run(args, &stage, interrupted) => shown,
            failure = node.failed() => failure,
        };
        let stopped = drain(node, settings.node.shutdown_grace).await;
        shown.and(stopped)
    });
    runtime.shutdown_timeout(Duration::from_secs(1));
    result.and(std::io::stdout().flush().map_err(anyhow::Error::from))
}
