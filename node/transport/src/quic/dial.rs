//! One connection to each peer, made when first needed and made again when it
//! broke, with growing pauses while the peer cannot be reached.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Mutex, RwLock};
use quinn::{ClientConfig, Connection, Endpoint};
use via_types::NodeId;

use super::CLOSED;
use crate::identity::node_name;
use crate::{Error, metrics};

/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(2);
/// The first pause after a failure; each further one doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// The longest pause.
const LAST_PAUSE: Duration = Duration::from_secs(2);

#[derive(Default)]
struct Way {
    connection: Option<(SocketAddr, Connection)>,
    failures: u32,
    /// Until when it is left alone, and why.
    left_alone: Option<(Instant, String)>,
}

/// Connections to peers.
pub(super) struct Dialer {
    endpoint: Endpoint,
    client: RwLock<ClientConfig>,
    me: NodeId,
    cluster: String,
    peers: Mutex<BTreeMap<NodeId, SocketAddr>>,
    ways: Mutex<HashMap<NodeId, Arc<tokio::sync::Mutex<Way>>>>,
}

impl Dialer {
    pub(super) fn new(
        endpoint: Endpoint,
        client: ClientConfig,
        (me, cluster): (NodeId, String),
        peers: BTreeMap<NodeId, SocketAddr>,
    ) -> Self {
        let (client, peers) = (RwLock::new(client), Mutex::new(peers));
        Self { endpoint, client, me, cluster, peers, ways: Mutex::default() }
    }

    /// Shows another certificate on every connection made from now on.
    pub(super) fn set_client(&self, client: ClientConfig) {
        *self.client.write() = client;
    }

    pub(super) fn set_peers(&self, peers: BTreeMap<NodeId, SocketAddr>) {
        let gone = |node: &NodeId| !peers.contains_key(node);
        self.ways.lock().retain(|node, _| !gone(node));
        *self.peers.lock() = peers;
    }

    /// Returns a connection to `peer` that was alive a moment ago.
    ///
    /// # Errors
    /// [`Error::UnknownPeer`]; [`Error::Unreachable`], at once while pausing.
    pub(super) async fn connection(&self, peer: NodeId) -> Result<Connection, Error> {
        let address = self.peers.lock().get(&peer).copied().ok_or(Error::UnknownPeer(peer))?;
        let way = Arc::clone(self.ways.lock().entry(peer).or_default());
        let mut way = way.lock().await;
        if let Some((at, connection)) = &way.connection {
            if *at == address && connection.close_reason().is_none() {
                return Ok(connection.clone());
            }
            connection.close(CLOSED, b"replaced");
            way.connection = None;
        }
        let unreachable = |reason: String| Error::Unreachable { peer, reason };
        if let Some((_, why)) = way.left_alone.as_ref().filter(|(until, _)| Instant::now() < *until)
        {
            return Err(unreachable(format!("it could not be reached a moment ago: {why}")));
        }
        match self.dial(peer, address).await {
            Ok(connection) => {
                metrics::connected();
                *way = Way { connection: Some((address, connection.clone())), ..Way::default() };
                Ok(connection)
            }
            Err(reason) => {
                metrics::refused();
                let pause = FIRST_PAUSE * 2_u32.saturating_pow(way.failures.min(10));
                way.failures += 1;
                way.left_alone = Some((Instant::now() + pause.min(LAST_PAUSE), reason.clone()));
                Err(unreachable(reason))
            }
        }
    }

    async fn dial(&self, peer: NodeId, address: SocketAddr) -> Result<Connection, String> {
        let name = node_name(peer, &self.cluster);
        let client = self.client.read().clone();
        let connecting = self.endpoint.connect_with(client, address, &name);
        let connecting = connecting.map_err(|error| error.to_string())?;
        let hello = async {
            let connection = connecting.await.map_err(|error| error.to_string())?;
            match super::accept::introduce(&connection, self.me).await {
                Ok(()) => Ok(connection),
                // Why the peer closed says more than that it did.
                Err(words) => Err(connection.close_reason().map_or(words, |why| why.to_string())),
            }
        };
        tokio::time::timeout(HANDSHAKE, hello).await.map_err(|_| "no answer".to_owned())?
    }
}
