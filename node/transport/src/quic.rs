//! Links over QUIC with certificates on both sides. Owns the endpoint and one
//! connection to each peer that was ever asked for; a peer that cannot be
//! reached is left alone for a while. Nothing listens unless this is opened.

mod accept;
mod dial;
mod frames;
mod join;
mod tls;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use quinn::{Endpoint, EndpointConfig, TokioRuntime, VarInt};
use via_types::NodeId;

use self::accept::{Me, Services};
use self::dial::Dialer;
use self::frames::{Form, QuicReceiver, QuicSender};
pub use self::join::{NEWCOMER_BYTES, Welcome, knock};
use crate::links::in_time;
use crate::{Duplex, Error, Handler, Identity, Links, Service, metrics};

/// What the peer is told when links are closed on purpose.
const CLOSED: VarInt = VarInt::from_u32(0);
/// Bytes the kernel may hold for the endpoint in each direction: a burst of
/// several batches must not be dropped while both cores are busy.
const SOCKET_BYTES: usize = 8 << 20;

/// How a node is linked to its peers.
#[derive(Clone, Debug)]
pub struct QuicOptions {
    /// Where to listen; port 0 lets the system choose.
    pub listen: SocketAddr,
    /// Who this node is.
    pub identity: Identity,
    /// Where the peers are.
    pub peers: BTreeMap<NodeId, SocketAddr>,
    /// After how long without a sign of life a connection is given up. A third
    /// of it is how often an idle connection shows one.
    pub idle: Duration,
}

impl QuicOptions {
    /// Returns options with the idle limit of 3 s: well above a heartbeat,
    /// well below what a client waits for.
    pub fn new(
        listen: SocketAddr,
        identity: Identity,
        peers: BTreeMap<NodeId, SocketAddr>,
    ) -> Self {
        Self { listen, identity, peers, idle: Duration::from_secs(3) }
    }
}

/// One node's links over QUIC.
pub struct QuicLinks {
    node: NodeId,
    idle: Duration,
    endpoint: Endpoint,
    dialer: Dialer,
    services: Arc<Services>,
}

impl std::fmt::Debug for QuicLinks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "QuicLinks({})", self.node)
    }
}

impl QuicLinks {
    /// Opens the endpoint and starts answering peers. Must be called on a
    /// tokio runtime.
    ///
    /// # Errors
    /// [`Error::Identity`], [`Error::Listen`].
    pub fn open(options: QuicOptions) -> Result<Self, Error> {
        let node = options.identity.node;
        let server = tls::server(&options.identity, options.idle)?;
        let client = tls::client(&options.identity, options.idle)?;
        let listen = |error: std::io::Error| Error::Listen {
            address: options.listen.to_string(),
            reason: error.to_string(),
        };
        let socket = std::net::UdpSocket::bind(options.listen).map_err(listen)?;
        widen(&socket);
        let runtime = Arc::new(TokioRuntime);
        let endpoint = Endpoint::new(EndpointConfig::default(), Some(server), socket, runtime)
            .map_err(listen)?;
        let services = Arc::new(Services::default());
        let Identity { cluster, .. } = options.identity;
        let me = Me { node, cluster: cluster.clone() };
        tokio::spawn(accept::accept(endpoint.clone(), me, Arc::clone(&services)));
        let dialer = Dialer::new(endpoint.clone(), client, (node, cluster), options.peers);
        Ok(Self { node, idle: options.idle, endpoint, dialer, services })
    }

    /// Shows another certificate from now on, without interrupting what is
    /// connected.
    ///
    /// # Errors
    /// [`Error::Identity`] when it is another node's, or cannot be read.
    pub fn renew(&self, identity: &Identity) -> Result<(), Error> {
        if identity.node != self.node {
            let words = format!("{} cannot become {}", self.node, identity.node);
            return Err(Error::Identity(words));
        }
        let server = tls::server(identity, self.idle)?;
        let client = tls::client(identity, self.idle)?;
        self.endpoint.set_server_config(Some(server));
        self.dialer.set_client(client);
        Ok(())
    }

    /// Turns away these nodes from now on, whatever certificates they have, and
    /// ends their connections.
    pub fn set_gone(&self, nodes: BTreeSet<NodeId>) {
        self.services.set_gone(nodes);
    }

    /// Lets `welcome` answer who has no certificate yet.
    pub fn welcome(&self, welcome: Arc<dyn Welcome>) {
        self.services.set_welcome(welcome);
    }

    /// Returns where it listens.
    ///
    /// # Errors
    /// [`Error::Listen`] when the system does not say.
    pub fn local_address(&self) -> Result<SocketAddr, Error> {
        self.endpoint.local_addr().map_err(|error| Error::Listen {
            address: "the endpoint".to_owned(),
            reason: error.to_string(),
        })
    }

    /// Replaces what is known of where peers are. Connections to addresses
    /// that are no longer known end.
    pub fn set_peers(&self, peers: BTreeMap<NodeId, SocketAddr>) {
        self.dialer.set_peers(peers);
    }

    async fn ask(&self, peer: NodeId, service: Service, request: Bytes) -> Result<Bytes, Error> {
        let (mut sender, mut receiver) = self.begin(peer, service, Form::Call).await?;
        let sent = match sender.write(request.into()).await {
            Ok(()) => sender.end(),
            // Who refuses a call may say so without reading all of it.
            Err(error @ Error::Broken { .. }) => Err(error),
            Err(error) => return Err(error),
        };
        match (frames::read_answer(&mut receiver, service).await, sent) {
            (Err(Error::Broken { .. }), Err(error)) => Err(error),
            (answer, _) => answer,
        }
    }

    async fn begin(
        &self,
        peer: NodeId,
        service: Service,
        form: Form,
    ) -> Result<(QuicSender, QuicReceiver), Error> {
        let connection = self.dialer.connection(peer).await?;
        let (send, receive) = connection
            .open_bi()
            .await
            .map_err(|error| Error::Unreachable { peer, reason: error.to_string() })?;
        let mut sender = QuicSender::new(peer, send);
        sender.preamble(service, form).await?;
        Ok((sender, QuicReceiver::new(peer, receive)))
    }
}

/// Asks for large socket buffers; systems may grant less, which costs speed
/// under bursts and nothing else.
fn widen(socket: &std::net::UdpSocket) {
    use rustix::net::sockopt;
    let received = sockopt::set_socket_recv_buffer_size(socket, SOCKET_BYTES);
    let sent = sockopt::set_socket_send_buffer_size(socket, SOCKET_BYTES);
    if received.is_err() || sent.is_err() {
        tracing::debug!("the system keeps its own size of socket buffers");
    }
}

impl Links for QuicLinks {
    fn node(&self) -> NodeId {
        self.node
    }

    fn call(
        &self,
        peer: NodeId,
        service: Service,
        request: Bytes,
        deadline: Duration,
    ) -> BoxFuture<'_, Result<Bytes, Error>> {
        Box::pin(async move {
            let answer = in_time(peer, deadline, self.ask(peer, service, request)).await;
            metrics::called(&answer);
            answer
        })
    }

    fn open(
        &self,
        peer: NodeId,
        service: Service,
        deadline: Duration,
    ) -> BoxFuture<'_, Result<Duplex, Error>> {
        Box::pin(async move {
            let begun = self.begin(peer, service, Form::Stream);
            let (sender, receiver) = in_time(peer, deadline, begun).await?;
            Ok(Duplex::of(sender, receiver))
        })
    }

    fn serve(&self, service: Service, handler: Arc<dyn Handler>) {
        self.services.insert(service, handler);
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            self.services.clear();
            self.endpoint.close(CLOSED, b"closed");
            self.endpoint.wait_idle().await;
        })
    }
}
