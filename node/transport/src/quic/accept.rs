//! The answering side: who is calling, and which handler answers. A peer first
//! says which node it is, and must have a certificate for that.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::RwLock;
use quinn::{Connection, Endpoint, Incoming, VarInt};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::server::ParsedCertificate;
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use via_codec::Kind;
use via_types::NodeId;

use super::frames::{Form, QuicReceiver, QuicSender};
use crate::identity::node_name;
use crate::{Duplex, Error, Handler, Identity, Service, metrics};

/// What a refused peer is told.
const REFUSED: VarInt = VarInt::from_u32(1);
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

/// Who answers what.
#[derive(Default)]
pub(super) struct Services(RwLock<HashMap<Service, Arc<dyn Handler>>>);

impl Services {
    pub(super) fn insert(&self, service: Service, handler: Arc<dyn Handler>) {
        self.0.write().insert(service, handler);
    }

    pub(super) fn clear(&self) {
        self.0.write().clear();
    }

    fn get(&self, service: Service) -> Option<Arc<dyn Handler>> {
        self.0.read().get(&service).cloned()
    }
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
pub(super) async fn accept(endpoint: Endpoint, identity: Identity, services: Arc<Services>) {
    let identity = Arc::new(identity);
    let newcomers = Arc::new(Semaphore::new(NEWCOMERS));
    while let Some(incoming) = endpoint.accept().await {
        let Ok(seat) = Arc::clone(&newcomers).try_acquire_owned() else {
            incoming.refuse();
            continue;
        };
        let (identity, services) = (Arc::clone(&identity), Arc::clone(&services));
        tokio::spawn(async move {
            let address = incoming.remote_address();
            let met = tokio::time::timeout(HELLO, meet(incoming, &identity)).await;
            drop(seat);
            match met.unwrap_or_else(|_| Err("it did not introduce itself".to_owned())) {
                Ok((peer, connection)) => serve(peer, connection, services).await,
                Err(reason) => {
                    metrics::refused();
                    tracing::warn!(%address, reason, "a peer was refused");
                }
            }
        });
    }
}

/// Finds out who calls.
async fn meet(incoming: Incoming, identity: &Identity) -> Result<(NodeId, Connection), String> {
    let connection = incoming.await.map_err(|error| error.to_string())?;
    let greeted = greet(&connection, identity).await;
    if let Err(reason) = &greeted {
        connection.close(REFUSED, reason.as_bytes());
    }
    greeted.map(|peer| (peer, connection))
}

async fn greet(connection: &Connection, identity: &Identity) -> Result<NodeId, String> {
    let words = |error: Error| error.to_string();
    let me = identity.node;
    let (send, receive) = connection.accept_bi().await.map_err(|error| error.to_string())?;
    let hello = QuicReceiver::new(me, receive).read().await.map_err(words)?;
    let hello = hello.ok_or_else(|| "it did not introduce itself".to_owned())?;
    let hello: Hello =
        via_codec::decode(Kind::PeerFrame, &hello).map_err(|error| error.to_string())?;
    if hello.protocol != PROTOCOL {
        return Err(format!("it speaks protocol {}, not {PROTOCOL}", hello.protocol));
    }
    prove(connection, &node_name(hello.node, &identity.cluster))?;
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

/// Answers one peer until its connection ends.
async fn serve(peer: NodeId, connection: Connection, services: Arc<Services>) {
    while let Ok((send, receive)) = connection.accept_bi().await {
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
