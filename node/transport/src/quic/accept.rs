//! The answering side: who is calling, and which handler answers. A peer first
//! says which node it is, and must have a certificate for that; who has none may
//! ask one thing at the door for newcomers, when somebody answers there.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::RwLock;
use quinn::crypto::rustls::HandshakeData;
use quinn::{Connection, Endpoint, Incoming, VarInt};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::server::ParsedCertificate;
use serde::{Deserialize, Serialize};
use tokio::sync::{Semaphore, watch};
use via_codec::Kind;
use via_types::NodeId;

use super::frames::{Form, QuicReceiver, QuicSender};
use super::join::{self, Welcome};
use super::tls;
use crate::identity::node_name;
use crate::{Duplex, Error, Handler, Service, metrics};

/// What a refused peer is told.
pub(super) const REFUSED: VarInt = VarInt::from_u32(1);
/// Newest protocol this node speaks.
const PROTOCOL: u32 = 1;
/// How long a newcomer has to introduce itself.
const HELLO: Duration = Duration::from_secs(2);
/// Connections that may be introducing themselves at once: strangers must not
/// take memory without bound.
const NEWCOMERS: usize = 64;

/// The first frame each way on a connection's first stream.
#[derive(Debug, Serialize, Deserialize)]
struct Hello {
    protocol: u32,
    node: NodeId,
}

/// Who answers what, and who is not answered at all.
#[derive(Default)]
pub(super) struct Services {
    handlers: RwLock<HashMap<Service, Arc<dyn Handler>>>,
    welcome: RwLock<Option<Arc<dyn Welcome>>>,
    gone: watch::Sender<BTreeSet<NodeId>>,
}

impl Services {
    pub(super) fn insert(&self, service: Service, handler: Arc<dyn Handler>) {
        self.handlers.write().insert(service, handler);
    }

    pub(super) fn set_welcome(&self, welcome: Arc<dyn Welcome>) {
        *self.welcome.write() = Some(welcome);
    }

    /// Turns away these nodes, whatever certificates they have.
    pub(super) fn set_gone(&self, nodes: BTreeSet<NodeId>) {
        self.gone.send_replace(nodes);
    }

    pub(super) fn clear(&self) {
        self.handlers.write().clear();
        *self.welcome.write() = None;
    }

    fn get(&self, service: Service) -> Option<Arc<dyn Handler>> {
        self.handlers.read().get(&service).cloned()
    }

    fn welcome(&self) -> Option<Arc<dyn Welcome>> {
        self.welcome.read().clone()
    }
}

/// Who it is that answers.
#[derive(Clone, Debug)]
pub(super) struct Me {
    pub(super) node: NodeId,
    pub(super) cluster: String,
}

/// Who called.
enum Caller {
    Peer(NodeId, Connection),
    Newcomer(Connection, Arc<dyn Welcome>),
}

/// Says to the peer of a new connection who this node is.
pub(super) async fn introduce(connection: &Connection, me: NodeId) -> Result<(), String> {
    let words = |error: Error| error.to_string();
    let (send, receive) = connection.open_bi().await.map_err(|error| error.to_string())?;
    let mut sender = QuicSender::new(me, send);
    let hello = Hello { protocol: PROTOCOL, node: me };
    let frame = bytes::Bytes::from(via_codec::encode(Kind::PeerFrame, &hello));
    sender.write(frame.into()).await.map_err(words)?;
    sender.end().map_err(words)?;
    let answer = QuicReceiver::new(me, receive).read().await.map_err(words)?;
    let answer = answer.ok_or_else(|| "it did not introduce itself".to_owned())?;
    let answer: Hello =
        via_codec::decode(Kind::PeerFrame, &answer).map_err(|error| error.to_string())?;
    if answer.protocol != PROTOCOL {
        return Err(format!("it speaks protocol {}, not {PROTOCOL}", answer.protocol));
    }
    Ok(())
}

/// Accepts connections until the endpoint closes.
pub(super) async fn accept(endpoint: Endpoint, me: Me, services: Arc<Services>) {
    let me = Arc::new(me);
    let newcomers = Arc::new(Semaphore::new(NEWCOMERS));
    while let Some(incoming) = endpoint.accept().await {
        let Ok(seat) = Arc::clone(&newcomers).try_acquire_owned() else {
            incoming.refuse();
            continue;
        };
        let (me, services) = (Arc::clone(&me), Arc::clone(&services));
        tokio::spawn(async move {
            let address = incoming.remote_address();
            let met = tokio::time::timeout(HELLO, meet(incoming, &me, &services)).await;
            drop(seat);
            match met.unwrap_or_else(|_| Err("it did not introduce itself".to_owned())) {
                Ok(Caller::Peer(peer, connection)) => serve(peer, connection, services).await,
                Ok(Caller::Newcomer(connection, welcome)) => {
                    join::answer(connection, welcome).await;
                }
                Err(reason) => {
                    metrics::refused();
                    tracing::warn!(from = %address, reason, "a peer was refused");
                }
            }
        });
    }
}

/// Finds out who calls.
async fn meet(incoming: Incoming, me: &Me, services: &Services) -> Result<Caller, String> {
    let connection = incoming.await.map_err(|error| error.to_string())?;
    let met = if is_newcomer(&connection) {
        let welcome = services.welcome().ok_or_else(|| "nobody is let in here".to_owned());
        welcome.map(|welcome| Caller::Newcomer(connection.clone(), welcome))
    } else {
        let greeted = greet(&connection, me, services).await;
        greeted.map(|peer| Caller::Peer(peer, connection.clone()))
    };
    if let Err(reason) = &met {
        connection.close(REFUSED, reason.as_bytes());
    }
    met
}

fn is_newcomer(connection: &Connection) -> bool {
    let data = connection.handshake_data().and_then(|data| data.downcast::<HandshakeData>().ok());
    data.is_some_and(|data| data.protocol.as_deref() == Some(tls::NEWCOMERS))
}

async fn greet(connection: &Connection, me: &Me, services: &Services) -> Result<NodeId, String> {
    let words = |error: Error| error.to_string();
    let Me { node: me, cluster } = me;
    let me = *me;
    let (send, receive) = connection.accept_bi().await.map_err(|error| error.to_string())?;
    let hello = QuicReceiver::new(me, receive).read().await.map_err(words)?;
    let hello = hello.ok_or_else(|| "it did not introduce itself".to_owned())?;
    let hello: Hello =
        via_codec::decode(Kind::PeerFrame, &hello).map_err(|error| error.to_string())?;
    if hello.protocol != PROTOCOL {
        return Err(format!("it speaks protocol {}, not {PROTOCOL}", hello.protocol));
    }
    prove(connection, &node_name(hello.node, cluster))?;
    if services.gone.borrow().contains(&hello.node) {
        return Err(format!("{} has left the cluster", hello.node));
    }
    let mut sender = QuicSender::new(hello.node, send);
    let answer = Hello { protocol: PROTOCOL, node: me };
    let frame = bytes::Bytes::from(via_codec::encode(Kind::PeerFrame, &answer));
    sender.write(frame.into()).await.map_err(words)?;
    sender.end().map_err(words)?;
    Ok(hello.node)
}

/// Checks that the peer's certificate is for the name it claims.
fn prove(connection: &Connection, name: &str) -> Result<(), String> {
    let chain = connection.peer_identity().and_then(|identity| {
        identity
            .downcast::<Vec<CertificateDer<'static>>>()
            .ok()
            .and_then(|chain| chain.into_iter().next())
    });
    let certificate = chain.ok_or_else(|| "it has no certificate".to_owned())?;
    let parsed = ParsedCertificate::try_from(&certificate).map_err(|error| error.to_string())?;
    let server = ServerName::try_from(name).map_err(|error| error.to_string())?;
    rustls::client::verify_server_name(&parsed, &server)
        .map_err(|_| format!("its certificate is not for {name}"))
}

/// Answers one peer until its connection ends, or it has left the cluster.
async fn serve(peer: NodeId, connection: Connection, services: Arc<Services>) {
    let mut gone = services.gone.subscribe();
    loop {
        let accepted = tokio::select! {
            accepted = connection.accept_bi() => accepted,
            left = gone.wait_for(|gone| gone.contains(&peer)) => {
                drop(left);
                connection.close(REFUSED, format!("{peer} has left the cluster").as_bytes());
                return;
            }
        };
        let Ok((send, receive)) = accepted else { return };
        let services = Arc::clone(&services);
        tokio::spawn(async move {
            let (sender, receiver) =
                (QuicSender::new(peer, send), QuicReceiver::new(peer, receive));
            if let Err(error) = handle(peer, sender, receiver, &services).await {
                tracing::debug!(%peer, %error, "a stream ended");
            }
        });
    }
}

async fn handle(
    peer: NodeId,
    mut sender: QuicSender,
    mut receiver: QuicReceiver,
    services: &Services,
) -> Result<(), Error> {
    let Some((service, form)) = receiver.preamble().await? else {
        return Err(Error::Refused(format!("{peer} asks for something unknown")));
    };
    let handler = services.get(service).ok_or(Error::NotServed { peer, service });
    match (form, handler) {
        (Form::Call, Ok(handler)) => {
            let Some(request) = receiver.read().await? else { return Ok(()) };
            let answer = handler.call(peer, request).await;
            sender.answer(answer).await
        }
        (Form::Call, Err(error)) => sender.answer(Err(error)).await,
        (Form::Stream, Ok(handler)) => handler.stream(peer, Duplex::of(sender, receiver)).await,
        (Form::Stream, Err(error)) => Err(error),
    }
}
