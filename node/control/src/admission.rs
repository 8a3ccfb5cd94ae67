//! How a node joins: it shows a token at any member's door, the leader uses the
//! token up in the catalog, and certifies the newcomer's key. Asked again with
//! the same key, the answer is the same node: a lost answer can be fetched.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use tokio::time::{Instant, sleep};
use via_catalog::command::AdmitNode;
use via_catalog::{Digest, NodeState, Outcome, View};
use via_transport::{Identity, NodeKey, Safe, Validity, Welcome, knock};
use via_types::{Fate, NodeId};

use crate::Error;
use crate::invitation::Invitation;
use crate::room::Room;
use crate::wire::{self, Admitted, Ask, Knock, Told};

/// How long to wait before knocking again.
const PAUSE: Duration = Duration::from_millis(500);

/// Answers newcomers as long as the room is there.
pub(crate) struct Doorman(pub(crate) Weak<Room>);

impl Welcome for Doorman {
    fn answer(&self, from: SocketAddr, request: Bytes) -> BoxFuture<'static, Bytes> {
        let room = self.0.upgrade();
        Box::pin(async move {
            let told = match room {
                Some(room) => {
                    room.let_in(from, &request).await.unwrap_or_else(|e| Told::failed(&e))
                }
                None => Told::failed(&Error::NoLeader),
            };
            wire::encode(&told).into()
        })
    }
}

impl Room {
    async fn let_in(&self, from: SocketAddr, request: &[u8]) -> Result<Told, Error> {
        let knock: Knock = wire::decode(request)?;
        let told = self.lead(Ask::Admit(knock)).await;
        match &told {
            Ok(Told::Admitted(admitted)) => {
                tracing::info!(node = %admitted.node, %from, "a node was let in");
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(%from, %error, "a newcomer was not let in"),
        }
        told
    }

    /// Lets a newcomer in; on the leader.
    pub(crate) async fn admit(&self, knock: Knock) -> Result<Told, Error> {
        let papers = self.papers.as_ref().ok_or(Error::Alone)?;
        // Before the token is used up: what it is used for must be possible.
        papers.authority().ok_or(Error::NotEntrusted)?;
        let Knock { secret, public, name, zone } = knock;
        let admit = AdmitNode {
            token: Invitation::digest(&secret),
            key: Digest::new(via_transport::digest(&public)),
            name,
            zone,
            at: self.clock.now(),
        };
        let (_, outcome) = self.propose_here(&admit.into()).await?;
        let Outcome::Registered(node) = outcome? else { return Err(Error::Outcome) };
        let Told::Certificate { certificate, expires } = self.certify(node.id, &public)? else {
            return Err(Error::Outcome);
        };
        let Identity { cluster, authority, .. } = papers.identity();
        let peers = addresses(&self.state.view());
        let node = node.id;
        Ok(Told::Admitted(Admitted { node, cluster, authority, certificate, expires, peers }))
    }

    /// Certifies a node's new key.
    pub(crate) fn certify(&self, node: NodeId, public: &[u8]) -> Result<Told, Error> {
        let papers = self.papers.as_ref().ok_or(Error::Alone)?;
        let validity = Validity::of(self.clock.now(), self.options.certificate_lifetime);
        let certificate = papers.certify(node, public, validity)?;
        Ok(Told::Certificate { certificate, expires: validity.until })
    }
}

/// Returns where each node is that has not left.
pub(crate) fn addresses(view: &View) -> BTreeMap<NodeId, String> {
    let there = view.nodes().filter(|node| node.state != NodeState::Left);
    there.filter_map(|node| Some((node.id, node.addresses.first()?.clone()))).collect()
}

/// What a node joins with.
#[derive(Clone, Debug)]
pub struct Joining {
    /// Where members may be, `host:port`; each is asked in turn.
    pub members: Vec<String>,
    /// The token.
    pub token: Invitation,
    /// The name to take; none takes one made of the id.
    pub name: Option<String>,
    /// The failure domain, when known.
    pub zone: Option<String>,
    /// How long members are asked.
    pub patience: Duration,
}

impl Joining {
    /// Joins: afterwards `safe` holds who this node is.
    ///
    /// # Errors
    /// [`Error::Elsewhere`] with what the cluster says against it;
    /// [`Error::Peer`] when nobody could be asked in time.
    pub async fn join(&self, safe: &Safe) -> Result<Identity, Error> {
        let key = safe.joining_key()?;
        let knock = Knock {
            secret: self.token.secret,
            public: key.public(),
            name: self.name.clone(),
            zone: self.zone.clone(),
        };
        let request = Bytes::from(wire::encode(&knock));
        let until = Instant::now() + self.patience;
        loop {
            let error = match self.ask(&request).await {
                Ok(admitted) => return keep(safe, &key, admitted),
                Err(error) => error,
            };
            // The token is bound to this key: asking again is harmless.
            if error.fate() == Fate::Rejected || Instant::now() >= until {
                return Err(error);
            }
            tracing::warn!(error = error.words(), "not let in yet; asking again");
            sleep(PAUSE).await;
        }
    }

    async fn ask(&self, request: &Bytes) -> Result<Admitted, Error> {
        let mut last = Error::NoLeader;
        for member in &self.members {
            let told = match tokio::net::lookup_host(member).await.map(|mut found| found.next()) {
                Ok(Some(address)) => knock(address, self.token.authority, request.clone()).await,
                Ok(None) => Err(unknown(member, "no address is known for it")),
                Err(error) => Err(unknown(member, &error.to_string())),
            };
            last = match told.map_err(Error::from).and_then(|told| wire::decode(&told)) {
                Ok(Told::Admitted(admitted)) => return Ok(admitted),
                Ok(Told::Failed { words, fate }) => Error::Elsewhere { words, fate },
                Ok(_) => Error::Outcome,
                Err(error) => error,
            };
        }
        Err(last)
    }
}

fn unknown(member: &str, reason: &str) -> via_transport::Error {
    via_transport::Error::NoEntry { address: member.to_owned(), reason: reason.to_owned() }
}

fn keep(safe: &Safe, key: &NodeKey, admitted: Admitted) -> Result<Identity, Error> {
    let Admitted { node, cluster, authority, certificate, expires, peers } = admitted;
    safe.put_peers(&peers)?;
    let identity = Identity { node, cluster, authority, certificate, key: key.pem(), expires };
    safe.put_identity(&identity)?;
    Ok(identity)
}

/// Announces the door for newcomers on the links of `room`.
pub(crate) fn open_door(room: &Arc<Room>) {
    if let Some(papers) = &room.papers {
        papers.links().welcome(Arc::new(Doorman(Arc::downgrade(room))));
    }
}
