//! The meta group's life on this node: opens it, sees to it that the cluster,
//! this node and the default tenant are there, and makes the catalog durable
//! so that its log can be purged. Called by the node.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use via_catalog::command::{FormCluster, RegisterNode};
use via_catalog::{ClusterId, View};
use via_consensus::{Group, Host};
use via_storage::Store;
use via_types::{Clock, Fate, GroupId};

use crate::error::LogGone;
use crate::machine::Meta;
use crate::options::{DEFAULT_TENANT, Options};
use crate::rows::{self, Identity};
use crate::state::State;
use crate::{Error, Handle};

/// How long to wait after a failed commit point.
const AGAIN: Duration = Duration::from_secs(1);

/// Control on this node, to be run.
pub struct Service {
    state: Arc<State>,
    group: Group,
    keep_entries: u64,
}

impl Service {
    /// Opens the meta group and returns once the cluster is there: formed just
    /// now, or found as it was left. Needs tokio's multi-threaded runtime.
    ///
    /// # Errors
    /// [`Error::OtherNode`], [`Error::OtherCluster`] and [`Error::OtherShards`]
    /// when what is there is not what the options say; [`Error::NotThere`] when
    /// nobody leads the group in time; [`Error::Group`] when its log cannot be
    /// trusted or is gone; [`Error::Kept`].
    pub async fn open(
        options: Options,
        host: &Host,
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
    ) -> Result<(Self, Handle), Error> {
        let (identity, state) = load(Arc::clone(&store), options.commit_entries).await?;
        if let Some(Identity { node, cluster }) = identity {
            if node != options.node {
                return Err(Error::OtherNode { found: node, asked: options.node });
            }
            same_cluster(&options, cluster)?;
            if state.applied().is_none() && !host.has_log(GroupId::META) {
                // Never begun anew beside what is left of the old (D-7).
                return Err(LogGone { node, cluster }.into());
            }
        }
        let state = Arc::new(state);
        fits(&options, &state.view())?;
        let machine = Meta::new(Arc::clone(&state));
        let voters = Some(options.voters.clone()).filter(|voters| !voters.is_empty());
        let group = host.open(GroupId::META, voters, move |_| Ok(machine)).await?;
        let handle =
            Handle::new(Arc::clone(&state), group.clone(), Arc::clone(&clock), options.streams);
        let settle = settle(&options, &group, &handle, &*clock);
        tokio::select! {
            settled = tokio::time::timeout(options.patience, settle) => match settled {
                Ok(settled) => settled?,
                Err(_) => return Err(late(&options, &handle)),
            },
            error = group.failed() => return Err(error.into()),
        }
        let view = state.view();
        fits(&options, &view)?;
        if let (None, Some(cluster)) = (identity, view.cluster()) {
            let identity = Identity { node: options.node, cluster: cluster.id };
            blocking(move || rows::put_identity(&*store, identity)).await?;
        }
        Ok((Self { state, group, keep_entries: options.keep_entries }, handle))
    }

    /// Runs until `shutdown`, then makes the catalog durable once more.
    ///
    /// # Errors
    /// [`Error::Group`] when the group stopped for good: this node cannot serve
    /// changes any more.
    pub async fn run(self, shutdown: impl Future<Output = ()> + Send) -> Result<(), Error> {
        let mut shutdown = pin!(shutdown);
        loop {
            tokio::select! {
                () = &mut shutdown => break,
                error = self.group.failed() => return Err(error.into()),
                () = self.state.due() => {}
            }
            if self.commit().await {
                continue;
            }
            tokio::select! {
                () = &mut shutdown => break,
                () = tokio::time::sleep(AGAIN) => {}
            }
        }
        self.commit().await;
        Ok(())
    }

    /// Makes what is applied durable, and purges the log when it is long; says
    /// whether the former went well. What failed is tried again: nothing is
    /// lost meanwhile, the log still has it.
    async fn commit(&self) -> bool {
        let state = Arc::clone(&self.state);
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
        if let Err(error) = self.group.purge().await {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "the catalog's log could not be purged");
        }
        true
    }

    fn is_log_long(&self) -> bool {
        let status = self.group.status();
        let last = status.last.map_or(0, |last| last.get());
        let purged = status.purged.map_or(0, |purged| purged.index.get());
        last.saturating_sub(purged) > self.keep_entries
    }
}

async fn load(
    store: Arc<dyn Store>,
    commit_entries: u64,
) -> Result<(Option<Identity>, State), Error> {
    blocking(move || Ok((rows::identity(&*store)?, State::load(store, commit_entries)?))).await
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, rows::Error> + Send + 'static,
) -> Result<T, Error> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(Error::kept)?.map_err(Error::kept)
}

/// Proposes what is missing, again and again until nothing is: every command
/// here changes nothing when what it asks for is there.
async fn settle(
    options: &Options,
    group: &Group,
    handle: &Handle,
    clock: &dyn Clock,
) -> Result<(), Error> {
    let mut leadership = group.leadership();
    let mut views = handle.watch();
    loop {
        let lead = *leadership.borrow_and_update();
        if lead.is_me {
            match arrange(options, group, handle, clock).await {
                Ok(()) => return Ok(()),
                Err(error) => match error.fate() {
                    Fate::Rejected => return Err(error),
                    Fate::Retry(after) => tokio::time::sleep(after).await,
                    Fate::Unknown => tokio::time::sleep(Duration::from_millis(50)).await,
                },
            }
            continue;
        }
        let view = Arc::clone(&views.borrow_and_update());
        // After a restart this node may still be named as the leader it was.
        let led_elsewhere = lead.leader.is_some_and(|leader| leader != options.node);
        if led_elsewhere && view.tenant_named(DEFAULT_TENANT).is_some() {
            return Ok(());
        }
        tokio::select! {
            changed = leadership.changed() => if changed.is_err() {
                return Err(group.failed().await.into());
            },
            _ = views.changed() => {}
        }
    }
}

async fn arrange(
    options: &Options,
    group: &Group,
    handle: &Handle,
    clock: &dyn Clock,
) -> Result<(), Error> {
    // Everything answered before the restart is in the view from here on.
    group.read_barrier().await?;
    if handle.view().cluster().is_none() {
        let id = options.cluster.unwrap_or_else(|| ClusterId::new(uuid::Uuid::now_v7().as_u128()));
        let form = FormCluster { id, shards: options.shards, at: clock.now() };
        handle.propose(&form.into()).await?;
    }
    let view = handle.view();
    fits(options, &view)?;
    let Options { node: id, name, addresses, zone, .. } = options.clone();
    let same = |node: &via_catalog::Node| {
        node.name == name && node.addresses == addresses && node.zone == zone
    };
    if !view.node(id).is_some_and(|node| same(node)) {
        handle.propose(&RegisterNode { id, name, addresses, zone }.into()).await?;
    }
    handle.create_tenant(DEFAULT_TENANT).await?;
    handle.put_defaults(&options.stream_defaults).await
}

/// Checks that what is there is what the options say.
fn fits(options: &Options, view: &View) -> Result<(), Error> {
    let Some(cluster) = view.cluster() else { return Ok(()) };
    same_cluster(options, cluster.id)?;
    if cluster.shards != options.shards {
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

fn late(options: &Options, handle: &Handle) -> Error {
    let why = handle.not_ready().unwrap_or_else(|| "its catalog is not complete yet".to_owned());
    Error::NotThere { waited: options.patience, why }
}
