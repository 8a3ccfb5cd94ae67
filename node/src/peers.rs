//! What a node needs before it takes part in a cluster: papers, which it has or
//! gets by joining, and links to its peers. A node that belongs to no cluster
//! and joins none has neither, and listens to nobody.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use via_cluster_config::{Cluster, Settings};
use via_control::{ClusterId, Invitation, Joining, Papers};
use via_storage::Store;
use via_transport::{Identity, QuicLinks, QuicOptions, Safe};
use via_types::Clock;

/// How long a newcomer asks to be let in, and then waits for its cluster.
const JOINING: Duration = Duration::from_secs(120);
/// How long a member waits for enough others to be there: it may be the first
/// of them that starts again.
const WAITING: Duration = Duration::from_secs(3_600);

/// A node's place among others.
pub(crate) struct Peers {
    /// Who it is.
    pub(crate) identity: Identity,
    /// Of which cluster.
    pub(crate) cluster: ClusterId,
    /// Its links.
    pub(crate) links: Arc<QuicLinks>,
    /// Its papers.
    pub(crate) papers: Papers,
    /// What others are told to reach it by.
    pub(crate) address: String,
    /// How long it waits for the cluster to be there.
    pub(crate) patience: Duration,
}

/// Returns the place that the node has or gets; none when it is alone.
///
/// # Errors
/// What is there does not fit what is asked for, in words; the cluster lets
/// nobody in; the port is taken.
pub(crate) async fn enter(
    settings: &Settings,
    token: Option<&Invitation>,
    store: &dyn Store,
    clock: &dyn Clock,
) -> Result<Option<Peers>> {
    let directory = &settings.node.data_directory;
    let safe = Safe::of(directory);
    let life = settings.cluster.certificate_lifetime;
    let own = Papers::fresh(&safe, clock.now(), life).with_context(|| reading(&safe))?;
    let (identity, patience) = match (own, settings.cluster.join.is_empty()) {
        (Some(identity), _) => {
            fits(token, &identity, settings)?;
            (identity, WAITING)
        }
        (None, true) if token.is_none() => return Ok(None),
        (None, true) => bail!("a join token is of no use without --join and a member's address"),
        (None, false) => {
            if let Some((node, cluster)) = via_control::owner(store)? {
                bail!(
                    "{} belongs to node {node} of cluster {cluster}, which cannot join another: give the new node an empty data directory",
                    directory.display()
                );
            }
            (join(settings, token, &safe).await?, JOINING)
        }
    };
    let cluster = identity.cluster.parse().with_context(|| reading(&safe))?;
    let listen = settings.cluster.peer_address;
    let links = QuicLinks::open(QuicOptions::new(listen, identity.clone(), BTreeMap::new()))?;
    let links = Arc::new(links);
    let bound = links.local_address()?;
    safe.put_address(bound)?;
    let address = match &settings.cluster.advertise {
        Some(address) => address.clone(),
        None if bound.ip().is_unspecified() => bail!(
            "cluster.peer_address {listen} is every address of this machine: say with --advertise by which one other nodes reach it"
        ),
        None => bound.to_string(),
    };
    let papers = Papers::open(safe, Arc::clone(&links))?;
    Ok(Some(Peers { identity, cluster, links, papers, address, patience }))
}

fn reading(safe: &Safe) -> String {
    format!("reading {}", safe.path().display())
}

/// Refuses the token of another cluster than the node belongs to.
fn fits(token: Option<&Invitation>, identity: &Identity, settings: &Settings) -> Result<()> {
    let digest = identity.authority_digest()?;
    if token.is_some_and(|token| !token.is_of(digest)) {
        bail!(
            "{} belongs to node {} of cluster {}, and the join token is another cluster's: give the new node an empty data directory",
            settings.node.data_directory.display(),
            identity.node,
            identity.cluster
        );
    }
    Ok(())
}

async fn join(settings: &Settings, token: Option<&Invitation>, safe: &Safe) -> Result<Identity> {
    let Some(token) = token else {
        bail!("joining needs a token: `via-node cluster token` on a member makes one");
    };
    let Cluster { join, name, zone, .. } = settings.cluster.clone();
    let members = join.join(", ");
    let joining = Joining { members: join, token: *token, name, zone, patience: JOINING };
    let identity = joining.join(safe).await;
    let identity = identity.with_context(|| format!("joining through {members}"))?;
    tracing::info!(node = %identity.node, cluster = %identity.cluster, "joined");
    Ok(identity)
}
