//! `via-node cluster init`: makes a data directory the first node of a cluster.
//! The catalog is formed, or kept as it is, before there are papers: who is
//! interrupted in between begins again.

use std::io::Write as _;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use via_cluster_config::Settings;
use via_control::{ClusterId, Error, Service};
use via_storage::Log;
use via_transport::{Authority, Safe, Validity};
use via_types::Clock;
use via_types::clock::SystemClock;

use crate::flags::Flags;
use crate::start::{self, Disk, FIRST};
use crate::{logging, serve};

/// Makes a data directory the first node of a new cluster.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    flags: Flags,
    /// Takes this name in the cluster.
    #[arg(long)]
    name: Option<String>,
    /// Divides the entities into so many shards, a power of two, for good.
    #[arg(long)]
    shards: Option<String>,
}

/// Makes the cluster, and says which it is.
///
/// # Errors
/// The data directory belongs to a cluster already or is in use; what is asked
/// for is not what is there.
pub(crate) fn run(args: &Args) -> Result<()> {
    let mut flags = args.flags.clone();
    flags.name("--name", "cluster.name", args.name.clone());
    flags.name("--shards", "engine.shards", args.shards.clone());
    let loaded = flags.load()?;
    let is_asked = loaded.is_given("engine.shards");
    let settings = loaded.settings;
    logging::start(&settings.observability)?;
    let directory = settings.node.data_directory.display();
    let safe = Safe::of(&settings.node.data_directory);
    if let Some(there) = safe.identity()? {
        bail!("{directory} is node {} of cluster {} already", there.node, there.cluster);
    }
    let shards = is_asked.then_some(settings.engine.shards);
    let (cluster, shards) = serve::runtime()?.block_on(form(&settings, shards))?;
    let authority = Authority::generate(&cluster.to_string())?;
    let life = settings.cluster.certificate_lifetime;
    let identity = authority.identify(FIRST, Validity::of(SystemClock.now(), life))?;
    safe.put_authority(&authority)?;
    safe.put_identity(&identity)?;
    let mut out = anstream::stdout();
    writeln!(
        out,
        "cluster {cluster}: {directory} is its first node, {FIRST}, with {shards} shards"
    )?;
    Ok(())
}

/// Forms the catalog, or reads it as it is; returns which cluster it is and how
/// many shards it has.
async fn form(settings: &Settings, asked: Option<u16>) -> Result<(ClusterId, u16)> {
    let disk = start::open(settings).await?;
    let formed = match attempt(settings, &disk, asked.unwrap_or(settings.engine.shards)).await {
        // What is there holds unless another number was asked for.
        Err(Error::OtherShards { found, .. }) if asked.is_none() => {
            attempt(settings, &disk, found).await
        }
        formed => formed,
    };
    let formed = formed.with_context(|| {
        format!("forming the cluster in {}", settings.node.data_directory.display())
    });
    tokio::task::spawn_blocking(move || drop(disk)).await.context("closing the log")?;
    formed
}

async fn attempt(settings: &Settings, disk: &Disk, shards: u16) -> Result<(ClusterId, u16), Error> {
    let log = Arc::clone(&disk.log) as Arc<dyn Log>;
    let spool = settings.node.data_directory.clone();
    let options = via_consensus::Options { spool, ..via_consensus::Options::new(FIRST) };
    let host = via_consensus::Host::new(options, log, None)?;
    let mut options = start::control_options(settings, None);
    options.shards = shards;
    options.name = settings.cluster.name.clone();
    let (store, clock) = (Arc::clone(&disk.store), Arc::new(SystemClock));
    let opened = Service::open(options, &host, store, clock).await;
    let formed = match opened {
        Ok((service, handle)) => {
            let view = handle.view();
            let cluster = view.cluster().map(|cluster| (cluster.id, cluster.shards));
            // It ends at once, after all is durable.
            service.run(std::future::ready(())).await.map(|()| cluster)
        }
        Err(error) => Err(error),
    };
    host.shutdown().await;
    formed?.ok_or(Error::Outcome)
}
