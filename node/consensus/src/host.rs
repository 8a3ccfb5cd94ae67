//! All groups of a node: opens them, finds them for peers, watches them and
//! shuts them down. Owns the map of groups; refuses to know what they are for.
//! A group whose log has lost acknowledged entries does not open (D-7).

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use futures_util::future::{BoxFuture, join_all};
use openraft::async_runtime::WatchReceiver as _;
use openraft::errors::{Fatal, InitializeError, RaftError};
use openraft::impls::EmptyNode;
use parking_lot::Mutex;
use tokio::sync::{Semaphore, watch};
use via_storage::Log;
use via_transport::{Links, Service};
use via_types::{GroupId, LogIndex, NodeId, Term};

use crate::group::{Group, Inner, Leadership};
use crate::log::GroupLog;
use crate::machine::{Machine, Tail};
use crate::membership::Memberships;
use crate::network::Peers;
use crate::raft::{Raft, Types, index, log_id, position};
use crate::replica::{Failure, Replica};
use crate::server::Door;
use crate::ways::Ways;
use crate::{Error, Options, Position, error, lives, metrics};

/// Groups that are built at a time: building one takes 400 KiB, which must not
/// add up when a node opens all of its groups at once.
const BUILDERS: usize = 2;

/// What all clones of a host share.
pub(crate) struct Shared {
    options: Arc<Options>,
    config: Arc<openraft::Config>,
    log: Arc<dyn Log>,
    ways: Option<Arc<Ways>>,
    /// Bounds how many groups are built at a time.
    builders: Semaphore,
    /// None while a group opens.
    groups: Mutex<HashMap<GroupId, Option<Group>>>,
}

impl Shared {
    /// Returns the group as peers reach it.
    pub(crate) fn raft(&self, group: GroupId) -> Option<Raft> {
        self.groups.lock().get(&group).and_then(|open| Some(open.as_ref()?.0.raft.clone()))
    }

    /// Returns where snapshots are kept until they are whole.
    pub(crate) fn spool(&self) -> &Path {
        &self.options.spool
    }
}

/// The groups of one node; a cheap clone.
#[derive(Clone)]
pub struct Host(Arc<Shared>);

impl std::fmt::Debug for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Host({})", self.0.options.node)
    }
}

impl Host {
    /// Makes a host without groups. Without `links` every group is this
    /// node's alone.
    ///
    /// # Errors
    /// [`Error::Options`].
    pub fn new(
        options: Options,
        log: Arc<dyn Log>,
        links: Option<Arc<dyn Links>>,
    ) -> Result<Self, Error> {
        options.validate()?;
        let config = Arc::new(crate::raft::config(&options)?);
        let groups = Mutex::default();
        let options = Arc::new(options);
        let builders = Semaphore::new(BUILDERS);
        let ways = links.map(|links| Arc::new(Ways::new(links, &options)));
        let shared = Arc::new(Shared { options, config, log, ways, builders, groups });
        if let Some(Ways { links, .. }) = shared.ways.as_deref() {
            let door = Arc::new(Door(Arc::downgrade(&shared)));
            for service in [Service::Raft, Service::Append, Service::Snapshot] {
                links.serve(service, Arc::<Door>::clone(&door));
            }
        }
        Ok(Self(shared))
    }

    /// Opens a group: reads its log, makes its machine, and takes part. With
    /// `bootstrap`, a group that has never existed begins with these voters;
    /// every one of them must be given the same.
    ///
    /// A group whose only voter is this node leads at once; what was committed
    /// before is then applied again from where the machine stands.
    ///
    /// # Errors
    /// [`Error::LogBehind`], [`Error::LogAhead`], [`Error::Unreadable`]: the
    /// node's disk is not what it was (invariant D-7). What `make` returns.
    pub async fn open<M: Machine>(
        &self,
        group: GroupId,
        bootstrap: Option<BTreeSet<NodeId>>,
        make: impl FnOnce(Arc<dyn Tail>) -> Result<M, Error> + Send,
    ) -> Result<Group, Error> {
        {
            let mut groups = self.0.groups.lock();
            if groups.contains_key(&group) {
                return Err(Error::AlreadyOpen(group));
            }
            groups.insert(group, None);
        }
        let opened = self.start(group, bootstrap, make).await;
        let mut groups = self.0.groups.lock();
        match &opened {
            Ok(handle) => drop(groups.insert(group, Some(handle.clone()))),
            Err(_) => drop(groups.remove(&group)),
        }
        opened
    }

    async fn start<M: Machine>(
        &self,
        group: GroupId,
        bootstrap: Option<BTreeSet<NodeId>>,
        make: impl FnOnce(Arc<dyn Tail>) -> Result<M, Error> + Send,
    ) -> Result<Group, Error> {
        let number = lives::begin(&self.0.log, group).await?;
        let log = GroupLog::open(group, number, Arc::clone(&self.0.log))?;
        let memberships = Memberships::load(&log)?;
        let machine = make(Arc::new(log.clone()))?;
        check(group, &machine, &log, &memberships)?;
        let (failure, _) = watch::channel(None);
        let replica =
            Replica::new(group, Box::new(machine), log.clone(), memberships, failure.clone());
        let reading = Arc::new(AtomicUsize::new(0));
        let peers = Peers::new(group, self.0.ways.clone(), Arc::clone(&reading));
        let node = self.0.options.node;
        log.begin_scan();
        let config = Arc::clone(&self.0.config);
        let seat = self.0.builders.acquire().await.expect("it is never closed");
        let built = build(node, config, (peers, log.clone(), replica)).await;
        drop(seat);
        log.end_scan();
        let fatal =
            |error: &dyn std::error::Error| Error::Fatal { group, reason: error::words(error) };
        let raft = built.map_err(|error| fatal(&error))?;
        raft.run();
        let (leadership, watched) = watch::channel(Leadership::default());
        tokio::spawn(follow(group, raft.clone(), leadership, failure.clone()));
        let options = Arc::clone(&self.0.options);
        let handle = Group(Arc::new(Inner {
            group,
            raft,
            log,
            options,
            leadership: watched,
            failure,
            reading,
            ways: self.0.ways.clone(),
        }));
        handle.begin(node, bootstrap).await?;
        Ok(handle)
    }

    /// Says whether this node's log holds anything of a group, open or not.
    pub fn has_log(&self, group: GroupId) -> bool {
        self.0.log.groups().contains(&group)
    }

    /// Returns every group that is open, by number.
    pub fn groups(&self) -> Vec<Group> {
        let mut groups: Vec<_> = self.0.groups.lock().values().flatten().cloned().collect();
        groups.sort_by_key(Group::id);
        groups
    }

    /// Says whether this node has a replica of a group, open or not.
    ///
    /// # Errors
    /// [`Error::Unreadable`].
    pub fn has_replica(&self, group: GroupId) -> Result<bool, Error> {
        Ok(lives::newest(&*self.0.log, group)?.is_some_and(|life| !life.has_ended))
    }

    /// Says whether this node once had a replica of a group and left.
    ///
    /// # Errors
    /// [`Error::Unreadable`].
    pub fn has_left(&self, group: GroupId) -> Result<bool, Error> {
        Ok(lives::newest(&*self.0.log, group)?.is_some_and(|life| life.has_ended))
    }

    /// Returns the last entry in this node's log of a group.
    ///
    /// # Errors
    /// [`Error::Unreadable`].
    pub fn last(&self, group: GroupId) -> Result<LogIndex, Error> {
        let life = lives::newest(&*self.0.log, group)?.filter(|life| !life.has_ended);
        let bounds = life.and_then(|life| self.0.log.bounds(life.number));
        Ok(bounds.map_or(LogIndex::default(), |(_, last)| LogIndex::new(last)))
    }

    /// Closes a group and notes durably that this node's replica has left: its
    /// machine's state may be deleted then, and [`Self::discard`] called. If the
    /// group comes back it begins with nothing but its vote.
    ///
    /// The caller has asked the group's leader, and this node is no member. That
    /// answer is void when the replica has meanwhile got another membership than
    /// `as_of`, the one it had when the question was asked: it may have been let
    /// in again, and have acknowledged entries that count. It is kept then, and
    /// may be opened again.
    ///
    /// Returns whether it has left.
    ///
    /// # Errors
    /// The log failed; the group is closed in any case.
    pub async fn leave(&self, group: GroupId, as_of: Option<Position>) -> Result<bool, Error> {
        let open = self.0.groups.lock().remove(&group).flatten();
        if let Some(open) = open {
            if let Err(error) = open.0.raft.shutdown().await {
                tracing::error!(%group, %error, "the group did not stop cleanly");
            }
            // Only what has stopped acknowledges nothing any more.
            if open.status().members_at != as_of {
                return Ok(false);
            }
        }
        lives::end(&self.0.log, group).await
    }

    /// Deletes the log of a replica that has left.
    ///
    /// # Errors
    /// [`Error::Unreadable`].
    pub fn discard(&self, group: GroupId) -> Result<(), Error> {
        lives::discard(&*self.0.log, group)
    }

    /// Returns the links to the other nodes; none when this node is alone.
    pub fn links(&self) -> Option<Arc<dyn Links>> {
        self.0.ways.as_ref().map(|ways| Arc::clone(&ways.links))
    }

    /// Returns a group that is open.
    pub fn group(&self, group: GroupId) -> Option<Group> {
        self.0.groups.lock().get(&group).cloned().flatten()
    }

    /// Stops all groups; what was submitted and not answered has an unknown
    /// fate.
    pub async fn shutdown(&self) {
        let groups: Vec<_> = self.0.groups.lock().drain().filter_map(|(_, group)| group).collect();
        join_all(groups.into_iter().map(|group| async move {
            if let Err(error) = group.0.raft.shutdown().await {
                tracing::error!(group = %group.id(), %error, "the group did not stop cleanly");
            }
        }))
        .await;
    }
}

/// Builds a group's openraft, whatever its machine: so all of it is compiled once,
/// here, and not by every crate that has a machine.
fn build(
    node: NodeId,
    config: Arc<openraft::Config>,
    (peers, log, replica): (Peers, GroupLog, Replica),
) -> BoxFuture<'static, Result<Raft, Fatal<Types>>> {
    Box::pin(Raft::build(node.get(), config, peers, log, replica))
}

/// Refuses to start on a log that does not reach what the machine has applied,
/// or does not reach back to it (invariant D-7).
fn check(
    group: GroupId,
    machine: &impl Machine,
    log: &GroupLog,
    memberships: &Memberships,
) -> Result<(), Error> {
    let (applied, last, purged) = (machine.applied(), log.last(), log.purged());
    let wrong = |what: &str| Error::Unreadable { what: "machine", source: what.into() };
    if applied.is_some_and(|at| at.index.get() == 0) {
        return Err(wrong("it has applied position 0, and positions count from 1"));
    }
    if machine.durable() > applied {
        return Err(wrong("more is durable than was applied"));
    }
    if let Some(purged) = purged.map(position).filter(|purged| Some(*purged) > applied) {
        return Err(Error::LogAhead { group, purged: purged.index, applied });
    }
    let Some(applied) = applied else { return Ok(()) };
    if last.is_none_or(|last| last.index < index(applied.index)) {
        if memberships.installed(log_id(applied)) {
            return Ok(());
        }
        let last = last.map(|last| position(last).index);
        return Err(Error::LogBehind { group, last, applied });
    }
    match log.place(index(applied.index))? {
        Some(found) if found != log_id(applied) => {
            Err(wrong("its last applied entry is another one in the log"))
        }
        Some(_) | None => Ok(()),
    }
}

impl Group {
    /// Lets a new group begin, and a group of one lead at once.
    async fn begin(&self, me: NodeId, bootstrap: Option<BTreeSet<NodeId>>) -> Result<(), Error> {
        let raft = &self.0.raft;
        let fatal = |error: String| Error::Fatal { group: self.0.group, reason: error };
        if self.0.log.last().is_none() {
            let Some(voters) = bootstrap else { return Ok(()) };
            if voters.first() != Some(&me) {
                tokio::spawn(begin_late(self.clone(), voters));
                return Ok(());
            }
            return self.initialize(voters).await;
        }
        let alone = {
            let metrics = raft.metrics();
            let metrics = metrics.borrow_watched();
            is_alone(metrics.membership_config.membership(), me.get())
        };
        if alone {
            raft.trigger().elect(false).await.map_err(|error| fatal(error.to_string()))?;
        }
        Ok(())
    }

    async fn initialize(&self, voters: BTreeSet<NodeId>) -> Result<(), Error> {
        let voters: BTreeMap<_, _> =
            voters.into_iter().map(|node| (node.get(), EmptyNode {})).collect();
        match self.0.raft.initialize(voters).await {
            // A peer was quicker and has begun it with us.
            Ok(()) | Err(RaftError::APIError(InitializeError::NotAllowed(_))) => Ok(()),
            Err(error) => Err(Error::Fatal { group: self.0.group, reason: error.to_string() }),
        }
    }
}

/// Begins a new group when its first voter has not done so: all beginning at
/// once would vote against each other.
async fn begin_late(group: Group, voters: BTreeSet<NodeId>) {
    let patience = group.0.options.election_max * 2;
    let begun = group.0.raft.wait(Some(patience));
    let begun = begun.metrics(|metrics| metrics.last_log_index.is_some(), "the beginning");
    if begun.await.is_err()
        && let Err(error) = group.initialize(voters).await
    {
        tracing::warn!(group = %group.id(), %error, "the group could not begin");
    }
}

fn is_alone(membership: &crate::raft::Membership, me: u64) -> bool {
    membership.voter_ids().eq([me]) && membership.learner_ids().next().is_none()
}

/// Tells who leads, and saves a group of one its clock.
async fn follow(
    group: GroupId,
    raft: Raft,
    leadership: watch::Sender<Leadership>,
    failure: Failure,
) {
    let mut server = raft.server_metrics();
    loop {
        let (now, alone) = {
            let server = server.borrow_watched();
            let leader = server.current_leader.map(NodeId::new);
            let me = server.id;
            let now = Leadership {
                term: Term::new(server.vote.leader_id.term),
                leader,
                is_me: leader == Some(NodeId::new(me)) && server.vote.committed,
            };
            (now, now.is_me && is_alone(server.membership_config.membership(), me))
        };
        // Nobody waits for a heartbeat, and nobody else could lead.
        raft.runtime_config().tick(!alone);
        let changed = leadership.send_if_modified(|known| {
            let changed = *known != now;
            *known = now;
            changed
        });
        if changed {
            metrics::leader_changed();
            tracing::debug!(%group, term = %now.term, leader = ?now.leader, "leadership");
        }
        if server.changed().await.is_err() {
            break;
        }
    }
    leadership.send_modify(|known| *known = Leadership { is_me: false, leader: None, ..*known });
    let stopped = raft.metrics().borrow_watched().running_state.clone();
    if let Err(
        fatal @ (openraft::errors::Fatal::StorageError(_) | openraft::errors::Fatal::Panicked),
    ) = stopped
    {
        failure.send_if_modified(|known| {
            let first = known.is_none();
            known.get_or_insert_with(|| error::words(&fatal).into());
            first
        });
    }
}
