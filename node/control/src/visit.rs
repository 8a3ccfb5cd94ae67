//! Asking a running node with that node's own papers: who can read them may.
//! Used by commands on the machine that the node runs on.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use via_transport::{Links as _, QuicLinks, QuicOptions, Safe, Service};

use crate::Error;
use crate::wire::{self, Ask, Told};

/// How long the node may take.
const PATIENCE: Duration = Duration::from_secs(15);

/// Makes a join token that is good for `life`, at the node whose papers are in
/// `safe` and which listens for peers at `address`, or at whoever leads.
///
/// # Errors
/// [`Error::Alone`] when there are no papers; [`Error::Peer`] when the node does
/// not run; [`Error::Elsewhere`] with what it says.
pub async fn issue_token(
    safe: &Safe,
    address: SocketAddr,
    life: Duration,
) -> Result<String, Error> {
    let identity = safe.identity()?.ok_or(Error::Alone)?;
    let me = identity.node;
    let any: IpAddr = match address {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let peers = BTreeMap::from([(me, address)]);
    let links = QuicLinks::open(QuicOptions::new((any, 0).into(), identity, peers))?;
    let told = async {
        let request = wire::encode(&Ask::IssueToken(life)).into();
        wire::decode(&links.call(me, Service::Control, request, PATIENCE).await?)
    };
    let told: Result<Told, Error> = told.await;
    links.close().await;
    let told = told?;
    if let Told::Token(text) = told { Ok(text) } else { Err(told.into_error()) }
}
