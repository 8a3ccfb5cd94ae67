//! A data directory and the node that runs on it.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use via_consensus::Host;
use via_control::{
    ClusterId, DEFAULT_TENANT, Error, Ground, Handle, Joining, Options, Papers, Service, View,
};
use via_storage::{MemoryLog, MemoryStore};
use via_transport::{Authority, Links, QuicLinks, QuicOptions, Safe, Validity};
use via_types::clock::{ManualClock, SystemClock};
use via_types::{Clock, NodeId, TenantId};

pub(crate) const LONG: Duration = Duration::from_secs(30);
const CLUSTER: ClusterId = ClusterId::new(0x0190_0000_0000_7000_8000_0000_0000_0007);

/// What a node is started with.
#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) zone: Option<String>,
    pub(crate) replace_after: Duration,
    pub(crate) life: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        let day = Duration::from_secs(86_400);
        Self { zone: None, replace_after: day, life: day }
    }
}

/// What survives a node.
pub(crate) struct Site {
    folder: TempDir,
    log: MemoryLog,
    store: Arc<MemoryStore>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) settings: Settings,
    listen: SocketAddr,
    pub(crate) running: Option<Running>,
}

/// A node that runs.
pub(crate) struct Running {
    pub(crate) handle: Handle,
    pub(crate) address: SocketAddr,
    links: Arc<QuicLinks>,
    host: Host,
    stop: oneshot::Sender<()>,
    pub(crate) service: JoinHandle<Result<(), Error>>,
}

impl Site {
    pub(crate) fn new(settings: Settings) -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            log: MemoryLog::new(),
            store: Arc::new(MemoryStore::new()),
            clock: Arc::new(ManualClock::new(SystemClock.now())),
            settings,
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            running: None,
        }
    }

    pub(crate) fn safe(&self) -> Safe {
        Safe::of(self.folder.path())
    }

    /// Makes the first node of a cluster, and runs it.
    pub(crate) async fn found(settings: Settings) -> Self {
        let mut site = Self::new(settings);
        let authority = Authority::generate(&CLUSTER.to_string()).unwrap();
        let validity = Validity::of(site.clock.now(), site.settings.life);
        let identity = authority.identify(NodeId::new(1), validity).unwrap();
        site.safe().put_authority(&authority).unwrap();
        site.safe().put_identity(&identity).unwrap();
        site.start().await.unwrap();
        site
    }

    /// Makes a node that joins through `member`, and runs it.
    pub(crate) async fn join(member: &Self, settings: Settings) -> Self {
        let token = member.token().await;
        let mut site = Self::new(settings);
        site.enter(&token, member.running().address).await.unwrap();
        site.start().await.unwrap();
        site
    }

    pub(crate) async fn enter(&self, token: &str, member: SocketAddr) -> Result<NodeId, Error> {
        let joining = Joining {
            members: vec![member.to_string()],
            token: token.parse().unwrap(),
            name: None,
            zone: self.settings.zone.clone(),
            patience: LONG,
        };
        joining.join(&self.safe()).await.map(|identity| identity.node)
    }

    pub(crate) async fn token(&self) -> String {
        self.handle().issue_token(Duration::from_secs(3_600)).await.unwrap()
    }

    /// Runs the node on what is there; a second time at the same address.
    pub(crate) async fn start(&mut self) -> Result<(), Error> {
        let identity = self.safe().identity().unwrap().expect("it has papers");
        let node = identity.node;
        let options = || QuicOptions::new(self.listen, identity.clone(), Default::default());
        let links = loop {
            match QuicLinks::open(options()) {
                Ok(links) => break Arc::new(links),
                // The address of the node before is not free yet.
                Err(_) => tokio::task::yield_now().await,
            }
        };
        let address = links.local_address().unwrap();
        self.listen = address;
        let settings = via_consensus::Options::new(node);
        let shared = Arc::clone(&links) as Arc<dyn Links>;
        let log = Arc::new(self.log.clone());
        let host = Host::new(settings, log, Some(Arc::clone(&shared))).unwrap();
        let first = node == NodeId::new(1);
        let options = Options {
            name: None,
            addresses: vec![address.to_string()],
            zone: self.settings.zone.clone(),
            shards: 16,
            adopts_shards: !first,
            cluster: Some(identity.cluster.parse().unwrap()),
            voters: if first { BTreeSet::from([node]) } else { BTreeSet::new() },
            replace_after: self.settings.replace_after,
            certificate_lifetime: self.settings.life,
            ..Options::new(node, "")
        };
        let papers = Papers::open(self.safe(), Arc::clone(&links)).unwrap();
        let (store, clock) = (Arc::clone(&self.store), Arc::clone(&self.clock));
        let ground =
            Ground { host: &host, store, clock, links: Some(shared), papers: Some(papers) };
        let (service, handle) = match Service::open_among(options, ground).await {
            Ok(opened) => opened,
            Err(error) => {
                host.shutdown().await;
                links.close().await;
                return Err(error);
            }
        };
        let (stop, stopped) = oneshot::channel();
        let service = tokio::spawn(service.run(async { drop(stopped.await) }));
        self.running = Some(Running { handle, address, links, host, stop, service });
        Ok(())
    }

    pub(crate) fn running(&self) -> &Running {
        self.running.as_ref().expect("it runs")
    }

    pub(crate) fn handle(&self) -> &Handle {
        &self.running().handle
    }

    pub(crate) fn id(&self) -> NodeId {
        self.handle().node()
    }

    /// Ends the node without a word to anybody.
    pub(crate) async fn kill(&mut self) {
        let Running { links, host, service, .. } = self.running.take().expect("it runs");
        service.abort();
        links.close().await;
        host.shutdown().await;
        drop(service.await);
    }

    /// Ends the node as it should.
    pub(crate) async fn stop(&mut self) {
        let Running { links, host, service, stop, .. } = self.running.take().expect("it runs");
        stop.send(()).unwrap();
        service.await.unwrap().unwrap();
        host.shutdown().await;
        links.close().await;
    }

    /// Waits until the node's view is as it should be.
    pub(crate) async fn sees(&self, what: impl Fn(&View) -> bool) {
        let mut watch = self.handle().watch();
        let seen = tokio::time::timeout(LONG, watch.wait_for(|view| what(view))).await;
        drop(seen.expect("the view follows").unwrap());
    }

    /// Waits until exactly these vote in the meta group.
    pub(crate) async fn voters(&self, expected: &[u64]) {
        let expected: BTreeSet<_> = expected.iter().copied().map(NodeId::new).collect();
        let mut last = None;
        let waiting = async {
            loop {
                match self.handle().overview().await {
                    Ok(overview) if overview.voters == expected => return,
                    Ok(overview) => last = Some(overview.voters),
                    Err(error) => assert_ne!(error.fate(), via_types::Fate::Rejected, "{error}"),
                }
            }
        };
        let waited = tokio::time::timeout(LONG, waiting).await;
        assert!(waited.is_ok(), "{last:?} vote, not {expected:?}");
    }

    pub(crate) fn tenant(&self) -> TenantId {
        self.handle().view().tenant_named(DEFAULT_TENANT).expect("every cluster has it").id
    }

    /// Creates a stream through this node, whoever leads.
    pub(crate) async fn create(&self, name: &str) {
        let own = serde_json::json!({"explain": "basic"});
        let creating = async {
            loop {
                match self.handle().create_stream(self.tenant(), name, &own).await {
                    Ok(created) => return created,
                    Err(error) => assert_ne!(error.fate(), via_types::Fate::Rejected, "{error}"),
                }
            }
        };
        let created = tokio::time::timeout(LONG, creating).await.expect("somebody leads");
        let shown = self.handle().view().stream(self.tenant(), name).cloned();
        assert_eq!(shown, Some(created.stream), "what is answered shows here");
    }
}

/// Ends every node that runs.
pub(crate) async fn stop(sites: &mut [Site]) {
    for site in sites.iter_mut().filter(|site| site.running.is_some()) {
        site.kill().await;
    }
}
