//! The meta group's life on this node: opens it, sees to it that the cluster,
//! this node and the default tenant are there, looks after the cluster while
//! this node leads it, and makes the catalog durable so that its log can be
//! purged. Called by the node.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use via_catalog::command::FormCluster;
use via_catalog::{ClusterId, View};
use via_consensus::Host;
use via_storage::Store;
use via_transport::{Links, Service as Topic};
use via_types::{Clock, Fate, GroupId};

use crate::admission::open_door;
use crate::error::LogGone;
use crate::machine::Meta;
use crate::office::Office;
use crate::options::{DEFAULT_TENANT, Options};
use crate::papers::Papers;
use crate::room::Room;
use crate::rows::{self, Identity};
use crate::state::State;
use crate::{Error, Handle};

/// How long to wait after a failed commit point.
const AGAIN: Duration = Duration::from_secs(1);
/// How long to wait for what others decide.
const SOON: Duration = Duration::from_millis(50);

/// What control runs on.
pub struct Ground<'a> {
    /// Runs the meta group.
    pub host: &'a Host,
    /// Stored state.
    pub store: Arc<dyn Store>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// The links to other nodes; none on a node that is alone.
    pub links: Option<Arc<dyn Links>>,
    /// This node's papers, with which it lets others in; none where nobody asks
    /// for any.
    pub papers: Option<Papers>,
}

/// Control on this node, to be run.
pub struct Service {
    room: Arc<Room>,
}

impl Service {
    /// Opens the meta group of a node without peers, see [`Self::open_among`].
    ///
    /// # Errors
    /// Those of [`Self::open_among`].
    pub async fn open(
        options: Options,
        host: &Host,
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
    ) -> Result<(Self, Handle), Error> {
        let ground = Ground { host, store, clock, links: None, papers: None };
        Self::open_among(options, ground).await
    }

    /// Opens the meta group and returns once the cluster is there: formed just
    /// now, joined, or found as it was left.
    ///
    /// # Errors
    /// [`Error::OtherNode`], [`Error::OtherCluster`] and [`Error::OtherShards`]
    /// when what is there is not what the options say; [`Error::NotThere`] when
    /// nobody leads the group in time; [`Error::Group`] when its log cannot be
    /// trusted or is gone; [`Error::Kept`]; [`Error::Removed`].
    pub async fn open_among(options: Options, ground: Ground<'_>) -> Result<(Self, Handle), Error> {
        let Ground { host, store, clock, links, papers } = ground;
        let (identity, state) = load(Arc::clone(&store), options.commit_entries).await?;
        check_traces(&options, host, (identity, &state), papers.as_ref())?;
        let state = Arc::new(state);
        fits(&options, &state.view())?;
        let machine = Meta::new(Arc::clone(&state));
        let voters = Some(options.voters.clone()).filter(|voters| !voters.is_empty());
        let group = host.open(GroupId::META, voters, move |_| Ok(machine)).await?;
        let (host, watch) = (host.clone(), Mutex::default());
        let room = Room { options, state, group, host, clock, links, papers, watch };
        let room = Arc::new(room);
        room.recall_peers().await?;
        if let Some(links) = &room.links {
            links.serve(Topic::Control, Arc::new(Office(Arc::downgrade(&room))));
        }
        tokio::select! {
            settled = tokio::time::timeout(room.options.patience, room.settle()) => match settled {
                Ok(settled) => settled?,
                Err(_) => return Err(late(&room)),
            },
            error = room.group.failed() => return Err(error.into()),
        }
        let view = room.state.view();
        fits(&room.options, &view)?;
        if let (None, Some(cluster)) = (identity, view.cluster()) {
            let identity = Identity { node: room.me(), cluster: cluster.id };
            let state = Arc::clone(&room.state);
            let is_among = room.links.is_some();
            blocking(move || {
                // A node among others shows what it knows before it hears of
                // its leader again.
                if is_among {
                    state.commit()?;
                }
                rows::put_identity(&*store, identity)
            })
            .await?;
        }
        if let Some(papers) = &room.papers {
            papers.safe().mark_started()?;
        }
        open_door(&room);
        let handle = Handle::new(Arc::clone(&room));
        Ok((Self { room }, handle))
    }

    /// Runs until `shutdown`, then hands leadership over and makes the catalog
    /// durable once more.
    ///
    /// # Errors
    /// [`Error::Group`] when the group stopped for good: this node cannot serve
    /// changes any more. [`Error::Removed`].
    pub async fn run(self, shutdown: impl Future<Output = ()> + Send) -> Result<(), Error> {
        let mut shutdown = pin!(shutdown);
        let room = &*self.room;
        let is_among = room.links.is_some();
        let mut duties = pin!(async {
            if !is_among {
                return std::future::pending().await;
            }
            tokio::select! {
                removed = room.follow_peers() => removed,
                () = room.look_after() => Error::Outcome,
                () = room.keep_entry() => Error::Outcome,
                () = room.keep_certificate() => Error::Outcome,
            }
        });
        let mut archive = pin!(room.keep_archive());
        loop {
            tokio::select! {
                () = &mut shutdown => break,
                error = room.group.failed() => return Err(error.into()),
                removed = &mut duties => return Err(removed),
                () = &mut archive => {}
                () = room.state.due() => {}
            }
            if self.commit().await {
                continue;
            }
            tokio::select! {
                () = &mut shutdown => break,
                () = tokio::time::sleep(AGAIN) => {}
            }
        }
        if is_among {
            room.hand_over().await;
        }
        self.commit().await;
        Ok(())
    }

    /// Makes what is applied durable, and purges the log when it is long; says
    /// whether the former went well. What failed is tried again: nothing is
    /// lost meanwhile, the log still has it.
    async fn commit(&self) -> bool {
        let state = Arc::clone(&self.room.state);
        match blocking(move || state.commit()).await {
            Ok(false) => return true,
            Ok(true) => {}
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "the catalog could not be made durable; trying again");
                return false;
            }
        }
        if !self.is_log_long() {
            return true;
        }
        if let Err(error) = self.room.group.purge().await {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "the catalog's log could not be purged");
        }
        true
    }

    fn is_log_long(&self) -> bool {
        let status = self.room.group.status();
        let last = status.last.map_or(0, |last| last.get());
        let purged = status.purged.map_or(0, |purged| purged.index.get());
        last.saturating_sub(purged) > self.room.options.keep_entries
    }
}

async fn load(
    store: Arc<dyn Store>,
    commit_entries: u64,
) -> Result<(Option<Identity>, State), Error> {
    blocking(move || Ok((rows::identity(&*store)?, State::load(store, commit_entries)?))).await
}

pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, rows::Error> + Send + 'static,
) -> Result<T, Error> {
    let done = via_consensus::aside(work).await;
    done.map_err(Error::kept)?.map_err(Error::kept)
}

/// Refuses to begin anew beside what is left of the old (invariant D-7): who
/// voted before and forgot it could help to lose what was committed.
fn check_traces(
    options: &Options,
    host: &Host,
    (identity, state): (Option<Identity>, &State),
    papers: Option<&Papers>,
) -> Result<(), Error> {
    let has_log = host.has_log(GroupId::META);
    let Some(Identity { node, cluster }) = identity else {
        let started = papers.is_some_and(|papers| papers.safe().is_started());
        return match options.cluster {
            Some(cluster) if started && !has_log => {
                Err(LogGone { node: options.node, cluster }.into())
            }
            _ => Ok(()),
        };
    };
    if node != options.node {
        return Err(Error::OtherNode { found: node, asked: options.node });
    }
    same_cluster(options, cluster)?;
    if state.applied().is_none() && !has_log {
        return Err(LogGone { node, cluster }.into());
    }
    Ok(())
}

impl Room {
    /// Waits until the cluster and this node's entry are there, and sees to it:
    /// every command here changes nothing when what it asks for is there.
    async fn settle(&self) -> Result<(), Error> {
        let mut leadership = self.group.leadership();
        let mut views = self.state.watch();
        loop {
            let lead = *leadership.borrow_and_update();
            let view = Arc::clone(&views.borrow_and_update());
            let is_there = view.tenant_named(DEFAULT_TENANT).is_some();
            if self.links.is_some() && is_there && self.entry().is_none() {
                return Ok(());
            }
            if lead.is_me {
                match self.arrange().await {
                    Ok(()) => return Ok(()),
                    Err(error) => pause(error).await?,
                }
                continue;
            }
            let led_elsewhere = lead.leader.is_some_and(|leader| leader != self.me());
            if self.links.is_some() && (is_there || self.options.voters.is_empty()) {
                // Nobody can reach this node before it says where it is.
                if let Some(entry) = self.entry()
                    && let Err(error) = self.propose(&entry.into()).await
                {
                    pause(error).await?;
                    continue;
                }
            } else if led_elsewhere && is_there {
                // After a restart this node may still be named as the leader it was.
                return Ok(());
            }
            tokio::select! {
                changed = leadership.changed() => if changed.is_err() {
                    return Err(self.group.failed().await.into());
                },
                _ = views.changed() => {}
            }
        }
    }

    /// Proposes what is missing; on the leader.
    pub(crate) async fn arrange(&self) -> Result<(), Error> {
        // Everything answered before the restart is in the view from here on.
        self.group.read_barrier().await?;
        if self.state.view().cluster().is_none() {
            let new = || ClusterId::new(uuid::Uuid::now_v7().as_u128());
            let id = self.options.cluster.unwrap_or_else(new);
            let (shards, at) = (self.options.shards, self.clock.now());
            self.propose_here(&FormCluster { id, shards, at }.into()).await?.1?;
        }
        fits(&self.options, &self.state.view())?;
        if let Some(entry) = self.entry() {
            self.propose_here(&entry.into()).await?.1?;
        }
        self.arrange_tenant().await
    }
}

/// Waits before something is tried again that surely or perhaps was not done.
async fn pause(error: Error) -> Result<(), Error> {
    tracing::debug!(error = error.words(), "the cluster is not there yet");
    match error.fate() {
        Fate::Rejected => return Err(error),
        Fate::Retry(after) => tokio::time::sleep(after).await,
        Fate::Unknown => tokio::time::sleep(SOON).await,
    }
    Ok(())
}

/// Checks that what is there is what the options say.
fn fits(options: &Options, view: &View) -> Result<(), Error> {
    let Some(cluster) = view.cluster() else { return Ok(()) };
    same_cluster(options, cluster.id)?;
    if cluster.shards != options.shards && !options.adopts_shards {
        return Err(Error::OtherShards { found: cluster.shards, asked: options.shards });
    }
    Ok(())
}

fn same_cluster(options: &Options, found: ClusterId) -> Result<(), Error> {
    match options.cluster {
        Some(asked) if asked != found => Err(Error::OtherCluster { found, asked }),
        _ => Ok(()),
    }
}

fn late(room: &Room) -> Error {
    let why = room.not_ready().unwrap_or_else(|| "its catalog is not complete yet".to_owned());
    Error::NotThere { waited: room.options.patience, why }
}
