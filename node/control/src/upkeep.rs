//! What every node of a cluster looks after by itself: where its peers are, who
//! has left, its own entry in the catalog, and its certificate.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};
use via_catalog::command::RegisterNode;
use via_catalog::{NodeState, View};
use via_transport::{NodeKey, Validity};
use via_types::NodeId;

use crate::Error;
use crate::admission::addresses;
use crate::papers::Papers;
use crate::room::Room;
use crate::wire::{Ask, Told};

/// How often names of peers are looked up anew.
const LOOKUP: Duration = Duration::from_secs(10);
/// How long looking up one name may take.
const NAME: Duration = Duration::from_secs(2);
/// How long to wait after something failed.
const AGAIN: Duration = Duration::from_secs(1);
/// The longest time between two looks at the certificate.
const LOOK: Duration = Duration::from_secs(60);

impl Room {
    /// Keeps the links' idea of where peers are, and who has left, as the
    /// catalog says; ends when this node was removed.
    pub(crate) async fn follow_peers(&self) -> Error {
        let Some(papers) = &self.papers else { return std::future::pending().await };
        let mut views = self.state.watch();
        let mut known = BTreeMap::new();
        let mut found = BTreeMap::new();
        let mut next = Instant::now();
        loop {
            let view = Arc::clone(&views.borrow_and_update());
            let peers = addresses(&view);
            if !peers.is_empty() && (peers != known || Instant::now() >= next) {
                if peers != known
                    && let Err(error) = papers.safe().put_peers(&peers)
                {
                    tracing::warn!(%error, "where peers are could not be kept");
                }
                // A name that is not known for a moment keeps its old address.
                found.extend(resolve(&peers, self.me()).await);
                found.retain(|node, _| peers.contains_key(node));
                tell_links(papers, &view, &found);
                (known, next) = (peers, Instant::now() + LOOKUP);
            }
            if view.node(self.me()).is_some_and(|node| node.state == NodeState::Left) {
                if let Err(error) = papers.distrust() {
                    tracing::warn!(%error, "the authority could not be forgotten");
                }
                return Error::Removed(self.me());
            }
            tokio::select! {
                changed = views.changed() => if changed.is_err() { sleep(AGAIN).await },
                () = tokio::time::sleep_until(next) => {}
            }
        }
    }

    /// Tells the links where peers were when this node stopped.
    pub(crate) async fn recall_peers(&self) -> Result<(), Error> {
        let Some(papers) = &self.papers else { return Ok(()) };
        let peers = papers.safe().peers()?;
        papers.links().set_peers(resolve(&peers, self.me()).await);
        Ok(())
    }

    /// Returns the entry that this node should have in the catalog; none when it
    /// has that.
    pub(crate) fn entry(&self) -> Option<RegisterNode> {
        let view = self.state.view();
        let there = view.node(self.me());
        // This node's view may be old, and stays so until the others know where
        // this node is: what is to be kept is not said.
        let name = self.options.name.clone().unwrap_or_default();
        let zone = self.options.zone.clone().or_else(|| there.and_then(|node| node.zone.clone()));
        let addresses = self.options.addresses.clone();
        let same = there.is_some_and(|node| {
            let is_named = name.is_empty() || node.name == name;
            is_named && node.addresses == addresses && node.zone == zone
        });
        (!same).then_some(RegisterNode { id: self.me(), name, addresses, zone })
    }

    /// Sees to it that the catalog says of this node what is; never ends.
    pub(crate) async fn keep_entry(&self) {
        let mut views = self.state.watch();
        loop {
            views.mark_unchanged();
            let pause = match self.entry() {
                Some(entry) => match self.propose(&entry.into()).await {
                    Ok(_) => continue,
                    Err(error) => {
                        tracing::debug!(error = error.words(), "this node's entry is not kept yet");
                        AGAIN
                    }
                },
                None => LOOKUP,
            };
            drop(timeout(pause, views.changed()).await);
        }
    }

    /// Gets this node a new certificate long before the old one expires; never
    /// ends.
    pub(crate) async fn keep_certificate(&self) {
        let Some(papers) = &self.papers else { return std::future::pending().await };
        let life = self.options.certificate_lifetime;
        loop {
            sleep((life / 30).clamp(Duration::from_millis(100), LOOK)).await;
            if !papers.are_old(self.clock.now(), life) {
                continue;
            }
            if let Err(error) = self.renew(papers).await {
                tracing::warn!(error = error.words(), "no new certificate yet; asking again");
                sleep(AGAIN).await;
            }
        }
    }

    async fn renew(&self, papers: &Papers) -> Result<(), Error> {
        let key = NodeKey::generate()?;
        if papers.authority().is_some() {
            let validity = Validity::of(self.clock.now(), self.options.certificate_lifetime);
            let certificate = papers.certify(self.me(), &key.public(), validity)?;
            return papers.renew(&key, certificate, validity.until);
        }
        let told = self.lead(Ask::Renew(key.public())).await?;
        let Told::Certificate { certificate, expires } = told else { return Err(Error::Outcome) };
        papers.renew(&key, certificate, expires)
    }
}

fn tell_links(papers: &Papers, view: &View, peers: &BTreeMap<NodeId, SocketAddr>) {
    papers.links().set_peers(peers.clone());
    let gone = view.nodes().filter(|node| node.state == NodeState::Left);
    let gone: BTreeSet<NodeId> = gone.map(|node| node.id).collect();
    papers.links().set_gone(gone);
}

/// Looks up where peers are; those that cannot be found now are left out.
async fn resolve(peers: &BTreeMap<NodeId, String>, me: NodeId) -> BTreeMap<NodeId, SocketAddr> {
    let mut found = BTreeMap::new();
    for (node, address) in peers.iter().filter(|(node, _)| **node != me) {
        match timeout(NAME, tokio::net::lookup_host(address)).await {
            Ok(Ok(mut addresses)) => found.extend(addresses.next().map(|at| (*node, at))),
            Ok(Err(error)) => {
                tracing::warn!(%node, at = address, %error, "a peer's name is not known")
            }
            Err(_) => {
                tracing::warn!(%node, at = address, "looking up a peer's name takes too long")
            }
        }
    }
    found
}
