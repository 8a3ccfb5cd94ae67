//! The order in which a node comes up: disk, consensus, catalog, shards, door;
//! and goes down: the other way round. Nothing else is decided here.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use bytes::Bytes;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use via_cluster_config::{Loaded, Settings};
use via_control::Invitation;
use via_gateway::{Drained, FirstUsers};
use via_storage::{Log, Store};
use via_transport::{Links, QuicLinks};
use via_types::clock::SystemClock;
use via_types::pressure::Policy;
use via_types::{Clock, NodeId, limit};

use crate::peers::{self, Peers};
use crate::readiness::{self, Told, Word, tell_of_room};

/// A node without peers is the first of its cluster.
pub(crate) const FIRST: NodeId = NodeId::new(1);
/// How often the metrics recorder tidies its histograms.
const UPKEEP: Duration = Duration::from_secs(5);

/// Free bytes without which nothing is opened.
const ROOM_TO_OPEN: u64 = limit::DISK_RESERVE / 4;
/// How often a node that waits for room says so.
const REMINDER: Duration = Duration::from_secs(10);

/// A node that serves.
pub(crate) struct Running {
    /// Where.
    pub(crate) address: SocketAddr,
    /// Where it listens for peers; none when it is alone.
    pub(crate) peer_address: Option<SocketAddr>,
    /// Who may log in from now on, when nobody could before.
    pub(crate) first_users: Option<FirstUsers>,
    /// Makes streams.
    pub(crate) control: via_control::Handle,
    /// Tells the time.
    pub(crate) clock: Arc<dyn Clock>,
    stop: Stops,
    door: JoinHandle<Drained>,
    shards: JoinHandle<Result<(), via_shard::Error>>,
    catalog: JoinHandle<Result<(), via_control::Error>>,
    consensus: via_consensus::Host,
    links: Option<Arc<QuicLinks>>,
    log: Arc<via_storage::SegmentedLog>,
    word: Arc<Word>,
    room: JoinHandle<()>,
}

/// One switch per layer, thrown from the door inwards.
struct Stops {
    door: watch::Sender<bool>,
    shards: watch::Sender<bool>,
    catalog: watch::Sender<bool>,
}

/// Returns a future that resolves when the switch is thrown.
async fn thrown(mut switch: watch::Receiver<bool>) {
    // A dropped switch counts as thrown.
    let _dropped = switch.wait_for(|thrown| *thrown).await;
}

/// What is on disk, open.
pub(crate) struct Disk {
    pub(crate) log: Arc<via_storage::SegmentedLog>,
    pub(crate) store: Arc<dyn Store>,
}

/// Waits until the disk has room for what opening writes: a node that gave up
/// would have to be started again by hand when there is.
fn wait_for_room(directory: &Path) -> Result<()> {
    let handle = std::fs::File::open(directory)
        .with_context(|| format!("opening the data directory {}", directory.display()))?;
    let mut told: Option<Instant> = None;
    loop {
        let free = via_storage::store::free_bytes(&handle);
        if free > ROOM_TO_OPEN {
            return Ok(());
        }
        if told.is_none_or(|told| told.elapsed() >= REMINDER) {
            told = Some(Instant::now());
            let directory = directory.display();
            tracing::warn!(%directory, free, needed = ROOM_TO_OPEN, "the disk is full: waiting for room, free some");
        }
        std::thread::sleep(Duration::from_millis(500));
    }
}

/// Opens the log and the state store of the data directory.
///
/// # Errors
/// What cannot be opened, or is in use.
pub(crate) async fn open(settings: &Settings) -> Result<Disk> {
    let settings = settings.clone();
    tokio::task::spawn_blocking(move || open_disk(&settings)).await?
}

fn open_disk(settings: &Settings) -> Result<Disk> {
    let directory = settings.node.data_directory.as_path();
    std::fs::create_dir_all(directory)
        .with_context(|| format!("making the data directory {}", directory.display()))?;
    wait_for_room(directory)?;
    let persistence = &settings.persistence;
    let segment = |bytes: u64| u32::try_from(bytes).unwrap_or(u32::MAX);
    let options = via_storage::log::Options {
        first_segment_bytes: segment(persistence.log_first_segment),
        segment_bytes: segment(persistence.log_segment),
        ..via_storage::log::Options::new(directory.join("log"))
    };
    let log = Arc::new(via_storage::log::open(options)?);
    let options = via_storage::store::Options {
        cache_bytes: persistence.state_cache,
        ..via_storage::store::Options::new(directory.join("state"))
    };
    let opened = via_storage::store::open(&options)?;
    if let Some(set_aside) = &opened.set_aside {
        tracing::error!(
            damaged = %set_aside.display(),
            "the state store was damaged and set aside; the node tries to rebuild it from the log"
        );
    }
    Ok(Disk { log, store: Arc::new(opened.store) })
}

/// Says what was being opened, and where.
fn opening(part: &str, settings: &Settings) -> String {
    format!("opening {part} of {}", settings.node.data_directory.display())
}

fn shard_options(settings: &Settings, node: NodeId, shards: u16) -> via_shard::Options {
    let persistence = &settings.persistence;
    let count = usize::try_from(persistence.detection_retention_count).unwrap_or(usize::MAX);
    via_shard::Options {
        node,
        shards,
        memory_bytes: settings.profile_memory(),
        bounds: settings.pressure.bounds,
        policy: Policy { order: settings.pressure.policy, ttl: settings.pressure.ttl },
        strategy: settings.pressure.strategy,
        checkpoint_interval: persistence.checkpoint_interval,
        checkpoint_events: persistence.checkpoint_tail_events,
        queue_bytes: settings.limits.queue,
        keep_detections: count,
        keep_for: persistence.detection_retention,
        ..via_shard::Options::default()
    }
}

/// Returns a file of the web application, as the door takes it.
fn site(path: &str, accepted: &str) -> Option<via_gateway::File> {
    let asset = via_dashboard::asset(path, accepted)?;
    Some(via_gateway::File {
        content_type: asset.content_type,
        encoding: asset.encoding,
        is_immutable: asset.is_immutable,
        etag: asset.etag,
        body: match asset.body {
            Cow::Borrowed(bytes) => Bytes::from_static(bytes),
            Cow::Owned(bytes) => Bytes::from(bytes),
        },
    })
}

fn gateway_options(settings: &Settings, tenant: via_types::TenantId) -> via_gateway::Options {
    let limits = &settings.limits;
    via_gateway::Options {
        listen: settings.listen.address,
        tenant,
        access: via_gateway::Access {
            required: settings.access.required,
            session_idle: settings.access.session_idle,
            session_lifetime: settings.access.session_lifetime,
            hashes: settings.access.concurrent_hashes as usize,
            ..via_gateway::Access::default()
        },
        create_streams: limits.auto_create_streams,
        check_config: Arc::new(via_cluster_config::check_stream),
        site: Some(site),
        connections: limits.connections as usize,
        requests: limits.concurrent_requests as usize,
        memory_bytes: limits.request_memory,
        json_bytes: limits.body,
        line_bytes: limits.line,
        expansion: u64::from(limits.decompression_ratio),
        batch_events: limits.batch_events as usize,
        header_timeout: limits.header_timeout,
        body_idle: limits.body_idle_timeout,
        query_timeout: limits.query_timeout,
        grace: settings.node.shutdown_grace,
        subscribers: limits.subscribers as usize,
        ..via_gateway::Options::default()
    }
}

/// Returns the settings of control: those of a node alone, or of one among
/// others, whose cluster has its shards and its name already.
pub(crate) fn control_options(settings: &Settings, peers: Option<&Peers>) -> via_control::Options {
    let node = peers.map_or(FIRST, |peers| peers.identity.node);
    let mut options = via_control::Options::new(node, "node-1");
    options.shards = settings.engine.shards;
    options.streams = settings.limits.streams as usize;
    options.stream_defaults = settings.stream_config();
    let Some(peers) = peers else { return options };
    options.name = settings.cluster.name.clone();
    options.zone = settings.cluster.zone.clone();
    options.addresses = vec![peers.address.clone()];
    options.adopts_shards = true;
    options.cluster = Some(peers.cluster);
    options.patience = peers.patience;
    options.replace_after = settings.cluster.replace_after;
    options.certificate_lifetime = settings.cluster.certificate_lifetime;
    if node != FIRST {
        // It is added to the group that the first node began.
        options.voters.clear();
    }
    options
}

pub(crate) fn default_tenant(control: &via_control::Handle) -> Result<via_types::TenantId> {
    let view = control.view();
    Ok(view.tenant_named(via_control::DEFAULT_TENANT).context("the default tenant")?.id)
}

/// Returns them for a start: the number of shards was fixed with the data, and a
/// default yields to it.
fn loaded_options(loaded: &Loaded, peers: Option<&Peers>) -> via_control::Options {
    let mut options = control_options(&loaded.settings, peers);
    options.adopts_shards |= !loaded.is_given("engine.shards");
    options
}

/// Makes the first users, where there are none and anybody is asked; on the
/// first node of a cluster only, since two could not agree on one password.
async fn first_users(
    settings: &Settings,
    control: &via_control::Handle,
    clock: &dyn Clock,
) -> Result<Option<FirstUsers>> {
    if !settings.access.required || control.node() != FIRST {
        return Ok(None);
    }
    Ok(via_gateway::first_users(control, clock.now()).await?)
}

/// Brings a node up; it serves when this returns, though shards with a long
/// log may still be catching up (`/readyz` tells).
///
/// # Errors
/// What the node needs and does not have, in words.
pub(crate) async fn start(
    loaded: &Loaded,
    token: Option<&Invitation>,
    metrics: Option<PrometheusHandle>,
) -> Result<Running> {
    let settings = &loaded.settings;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let disk = open(settings).await?;
    let log: Arc<dyn Log> = Arc::clone(&disk.log) as Arc<dyn Log>;
    let peers = peers::enter(settings, token, &*disk.store, &*clock).await?;
    let node = peers.as_ref().map_or(FIRST, |peers| peers.identity.node);
    let links = peers.as_ref().map(|peers| Arc::clone(&peers.links));
    let shared = links.clone().map(|links| links as Arc<dyn Links>);
    let spool = settings.node.data_directory.clone();
    let options = via_consensus::Options { spool, ..via_consensus::Options::new(node) };
    let consensus = via_consensus::Host::new(options, Arc::clone(&log), shared.clone())?;
    let options = loaded_options(loaded, peers.as_ref());
    let ground = via_control::Ground {
        host: &consensus,
        store: Arc::clone(&disk.store),
        clock: Arc::clone(&clock),
        links: shared,
        papers: peers.map(|peers| peers.papers),
    };
    let opened = via_control::Service::open_among(options, ground).await;
    let (catalog, control) = opened.with_context(|| opening("the catalog", settings))?;

    let shards = control.view().shards();
    let ground = via_shard::Ground {
        consensus: consensus.clone(),
        log,
        store: Arc::clone(&disk.store),
        view: control.watch(),
        clock: Arc::clone(&clock),
    };
    let opened = via_shard::Host::open(shard_options(settings, node, shards), ground).await;
    let (shards, shard) = opened.with_context(|| opening("the shards", settings))?;

    let tenant = default_tenant(&control)?;
    let word = Arc::new(Word::default());
    let has_room = readiness::room(disk.store);
    let rooms = via_gateway::Rooms {
        shard,
        control: control.clone(),
        clock: Arc::clone(&clock),
        readiness: Arc::new(Told { word: Arc::clone(&word), has_room: Arc::clone(&has_room) }),
        metrics,
    };
    let options = gateway_options(settings, tenant);
    let (door, handle) = via_gateway::Service::bind(options, rooms).await?;
    let (door_stop, door_stopped) = watch::channel(false);
    let (shards_stop, shards_stopped) = watch::channel(false);
    let (catalog_stop, catalog_stopped) = watch::channel(false);
    Ok(Running {
        address: handle.address(),
        first_users: first_users(settings, &control, &*clock).await?,
        peer_address: control.peer_address(),
        control,
        clock,
        stop: Stops { door: door_stop, shards: shards_stop, catalog: catalog_stop },
        catalog: tokio::spawn(catalog.run(thrown(catalog_stopped))),
        shards: tokio::spawn(shards.run(shards_stopped)),
        door: tokio::spawn(door.run(thrown(door_stopped))),
        consensus,
        links,
        log: disk.log,
        word,
        room: tokio::spawn(tell_of_room(has_room)),
    })
}

impl Running {
    /// Resolves with the reason when a part has failed for good: the node must
    /// stop acknowledging, say so, and end (D-1, D-7).
    ///
    /// # Errors
    /// Always.
    pub(crate) async fn failed(&mut self) -> Result<()> {
        let failure = tokio::select! {
            ended = &mut self.shards => ended?.context("a shard failed"),
            ended = &mut self.catalog => ended?.context("the catalog failed"),
            ended = &mut self.door => ended.map(|_| ()).context("the gateway failed"),
        };
        let error = failure.err().unwrap_or_else(|| anyhow::anyhow!("a part ended by itself"));
        self.word.fail(format!("{error:#}"));
        Err(error)
    }

    /// Drains and stops: the door first, the disk last.
    ///
    /// # Errors
    /// What did not end as it should.
    pub(crate) async fn stop(self) -> Result<()> {
        let Self { stop, door, shards, catalog, consensus, links, log, room, .. } = self;
        room.abort();
        // Ended, it lets go of the store.
        let _cancelled = room.await;
        stop.door.send_replace(true);
        let door = if door.is_finished() { Ok(Drained::default()) } else { door.await };
        stop.shards.send_replace(true);
        let shards = finish(shards).await;
        stop.catalog.send_replace(true);
        let catalog = finish(catalog).await;
        consensus.shutdown().await;
        if let Some(links) = links {
            links.close().await;
        }
        // The last owner closes the log: everything queued is synced.
        let closed = tokio::task::spawn_blocking(move || drop(log)).await;
        let Drained { cut_off } = door.context("draining the gateway")?;
        if cut_off > 0 {
            tracing::warn!(
                connections = cut_off,
                "still busy after the grace and cut off; every acknowledged event is kept"
            );
        }
        shards.context("draining the shards")?;
        catalog.context("closing the catalog")?;
        closed.context("closing the log")
    }
}

/// Waits for a layer; one that had already ended has told why.
async fn finish<E: std::error::Error + Send + Sync + 'static>(
    task: JoinHandle<Result<(), E>>,
) -> Result<()> {
    if task.is_finished() {
        return Ok(());
    }
    Ok(task.await??)
}

/// Installs the metrics recorder; once per process.
///
/// # Errors
/// It is installed already.
pub(crate) fn metrics() -> Result<PrometheusHandle> {
    let handle = PrometheusBuilder::new().install_recorder()?;
    crate::metrics::describe();
    crate::metrics::begin_at_zero();
    let upkeep = handle.clone();
    std::thread::Builder::new().name("metrics".to_owned()).spawn(move || {
        loop {
            std::thread::sleep(UPKEEP);
            upkeep.run_upkeep();
        }
    })?;
    Ok(handle)
}
