//! The handle of one group: submit, read, watch, purge, change replicas. Owns
//! no state of its own; a cheap clone. Every failure says what became of the
//! request (invariant D-5).

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use openraft::async_runtime::WatchReceiver as _;
use openraft::errors::{
    ClientWriteError, Fatal, ForwardToLeader, LinearizableReadError, RaftError,
};
use openraft::impls::{EmptyNode, OneshotResponder};
use openraft::raft::ClientWriteResult;
use openraft::type_config::alias::OneshotReceiverOf;
use openraft::{ChangeMembers, ReadPolicy};
use tokio::sync::watch;
use via_types::{GroupId, LogIndex, NodeId, Term, limit};

use crate::log::GroupLog;
use crate::machine::Outcome;
use crate::raft::{Payload, Raft, Types, index, number, position};
use crate::replica::Failure;
use crate::ways::Ways;
use crate::{Error, Options, Position, error, metrics};

/// How long purging waits for its two steps.
const PURGE_DEADLINE: Duration = Duration::from_secs(10);
/// How long a new leader may take to take over.
const TRANSFER_DEADLINE: Duration = Duration::from_secs(10);

/// Who leads a group, as far as this node knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Leadership {
    /// The newest term known.
    pub term: Term,
    /// Its leader, when known.
    pub leader: Option<NodeId>,
    /// Whether that is this node.
    pub is_me: bool,
}

/// What became of an entry.
#[derive(Debug)]
pub struct Committed {
    /// Where it is in the log: committed, fsynced by a majority (invariant D-1)
    /// and applied here.
    pub at: Position,
    /// What the machine answered.
    pub outcome: Outcome,
}

/// How a group is doing.
#[derive(Clone, Debug)]
pub struct Status {
    /// Who leads.
    pub leadership: Leadership,
    /// The last index in this node's log.
    pub last: Option<LogIndex>,
    /// The last entry applied to this node's machine.
    pub applied: Option<Position>,
    /// The last entry purged from this node's log.
    pub purged: Option<Position>,
    /// No change of replicas is under way: `voters` is one set and committed.
    pub settled: bool,
    /// Who votes; more than one set while they change.
    pub voters: Vec<BTreeSet<NodeId>>,
    /// Who only listens.
    pub learners: BTreeSet<NodeId>,
    /// The entry that made them so, committed or not; none in a new group.
    pub members_at: Option<Position>,
    /// On the leader: how far each other replica has come.
    pub replicated: BTreeMap<NodeId, Option<LogIndex>>,
}

pub(crate) struct Inner {
    pub(crate) group: GroupId,
    pub(crate) raft: Raft,
    pub(crate) log: GroupLog,
    pub(crate) options: Arc<Options>,
    pub(crate) leadership: watch::Receiver<Leadership>,
    pub(crate) failure: Failure,
    /// Reads that wait for a heartbeat: it must not be held back.
    pub(crate) reading: Arc<AtomicUsize>,
    pub(crate) ways: Option<Arc<Ways>>,
}

/// Counts a read for as long as it waits.
struct Reading<'a>(&'a AtomicUsize);

impl<'a> Reading<'a> {
    fn begin(inner: &'a Inner) -> Self {
        inner.reading.fetch_add(1, Ordering::AcqRel);
        if let Some(ways) = &inner.ways {
            ways.hurry();
        }
        Self(&inner.reading)
    }
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// One group on this node.
#[derive(Clone)]
pub struct Group(pub(crate) Arc<Inner>);

impl std::fmt::Debug for Group {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Group({})", self.0.group)
    }
}

impl Inner {
    fn fatal(&self, otherwise: Error) -> Error {
        match self.failure.borrow().as_ref() {
            Some(reason) => Error::Fatal { group: self.group, reason: reason.to_string() },
            None => otherwise,
        }
    }

    /// The group was stopped or failed before it took the request.
    fn refused(&self, fatal: &Fatal<Types>) -> Error {
        match fatal {
            Fatal::Stopped => self.fatal(Error::Stopped(self.group)),
            Fatal::Panicked | Fatal::StorageError(_) => {
                self.fatal(Error::Fatal { group: self.group, reason: fatal.to_string() })
            }
        }
    }

    fn not_leader(&self, forward: &ForwardToLeader<Types>) -> Error {
        Error::NotLeader { group: self.group, leader: forward.leader_id.map(NodeId::new) }
    }

    fn write_error(&self, error: ClientWriteError<Types>) -> Error {
        let group = self.group;
        match error {
            ClientWriteError::ForwardToLeader(forward) => self.not_leader(&forward),
            ClientWriteError::LogEntryDiscarded(forward) => {
                Error::Deposed { group, leader: forward.leader_id.map(NodeId::new) }
            }
            ClientWriteError::ChangeMembershipError(error) => {
                Error::Membership { group, reason: error.to_string() }
            }
            ClientWriteError::PreconditionFailed(error) => {
                Error::Membership { group, reason: error.to_string() }
            }
        }
    }

    fn written(
        &self,
        result: Result<
            openraft::raft::ClientWriteResponse<Types>,
            RaftError<Types, ClientWriteError<Types>>,
        >,
    ) -> Result<Position, Error> {
        match result {
            Ok(response) => Ok(position(response.log_id)),
            Err(RaftError::APIError(error)) => Err(self.write_error(error)),
            Err(RaftError::Fatal(_)) => Err(self.fatal(Error::Interrupted(self.group))),
        }
    }
}

/// An entry on its way: resolves when it is committed and applied here.
///
/// Dropping it does not take the entry back.
#[must_use = "the entry may still fail"]
pub struct Pending {
    inner: Arc<Inner>,
    answer: OneshotReceiverOf<Types, ClientWriteResult<Types>>,
    since: Instant,
}

impl Future for Pending {
    type Output = Result<Committed, Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = ready!(Pin::new(&mut self.answer).poll(context));
        Poll::Ready(match answer {
            Ok(Ok(response)) => {
                metrics::committed(self.since.elapsed());
                Ok(Committed { at: position(response.log_id), outcome: response.data })
            }
            Ok(Err(error)) => Err(self.inner.write_error(error)),
            Err(_dropped) => Err(self.inner.fatal(Error::Interrupted(self.inner.group))),
        })
    }
}

impl Group {
    /// Returns which group it is.
    pub fn id(&self) -> GroupId {
        self.0.group
    }

    /// Puts an entry into the leader's queue; waits only while that is full.
    /// What one task submits keeps its order in the log.
    ///
    /// # Errors
    /// Surely not applied: no leader here, the log is full, too long. What
    /// happens later is told by the [`Pending`].
    pub async fn submit(&self, payload: Bytes) -> Result<Pending, Error> {
        let (bytes, limit) = (payload.len(), limit::ENTRY_BYTES);
        if bytes > limit {
            return Err(Error::TooLong { bytes, limit });
        }
        if self.0.log.is_full() {
            return Err(Error::LogFull(self.0.group));
        }
        let (responder, answer) = OneshotResponder::new_pair();
        let since = Instant::now();
        let sent = self.0.raft.client_write_ff(Payload(payload), Some(responder)).await;
        sent.map_err(|fatal| self.0.refused(&fatal))?;
        metrics::submitted();
        Ok(Pending { inner: Arc::clone(&self.0), answer, since })
    }

    /// Submits an entry and waits until it is applied.
    ///
    /// # Errors
    /// See [`Error::fate`].
    pub async fn propose(&self, payload: Bytes) -> Result<Committed, Error> {
        self.submit(payload).await?.await
    }

    /// Watches who leads.
    pub fn leadership(&self) -> watch::Receiver<Leadership> {
        self.0.leadership.clone()
    }

    /// Waits until this node may answer reads that see every write answered
    /// before: a majority confirmed that it leads, and all that was committed
    /// then is applied. Returns up to where.
    ///
    /// # Errors
    /// Not the leader, or no majority in time.
    pub async fn read_barrier(&self) -> Result<LogIndex, Error> {
        let _reading = Reading::begin(&self.0);
        let read = self.0.raft.ensure_linearizable(ReadPolicy::ReadIndex);
        let read = tokio::time::timeout(self.0.options.read_deadline, read).await;
        match read.map_err(|_| Error::Deadline(self.0.group))? {
            Ok(read) => Ok(number(read.index())),
            Err(RaftError::Fatal(fatal)) => Err(self.0.refused(&fatal)),
            Err(RaftError::APIError(LinearizableReadError::ForwardToLeader(forward))) => {
                Err(self.0.not_leader(&forward))
            }
            Err(RaftError::APIError(LinearizableReadError::QuorumNotEnough(_))) => {
                Err(Error::Deadline(self.0.group))
            }
        }
    }

    /// Lets the log forget what the machine says is durable, but for a little
    /// that followers have not got yet.
    ///
    /// # Errors
    /// The group stopped, or was too busy; the next purge catches up.
    pub async fn purge(&self) -> Result<(), Error> {
        let raft = &self.0.raft;
        let refused = |fatal: Fatal<Types>| self.0.refused(&fatal);
        let durable = raft
            .with_state_machine(|replica| {
                let durable = replica.durable();
                Box::pin(async move { durable })
            })
            .await
            .map_err(refused)?;
        let Some(durable) = durable.map(|at| index(at.index)) else { return Ok(()) };
        let reached = |at: &Option<crate::raft::LogId>, index: u64| {
            at.as_ref().is_some_and(|at| at.index >= index)
        };
        let timed_out = |_| self.0.fatal(Error::Deadline(self.0.group));
        if !reached(&raft.metrics().borrow_watched().snapshot, durable) {
            raft.trigger().snapshot().await.map_err(refused)?;
            raft.wait(Some(PURGE_DEADLINE))
                .metrics(|metrics| reached(&metrics.snapshot, durable), "the snapshot")
                .await
                .map_err(timed_out)?;
        }
        let upto = self.purgeable(durable);
        if upto.is_some_and(|upto| !reached(&raft.metrics().borrow_watched().purged, upto)) {
            let upto = upto.expect("just seen to be some");
            raft.trigger().purge_log(upto).await.map_err(refused)?;
            raft.wait(Some(PURGE_DEADLINE))
                .metrics(|metrics| reached(&metrics.purged, upto), "the purge")
                .await
                .map_err(timed_out)?;
        }
        Ok(())
    }

    /// Returns up to where the log may go without sending a snapshot to a
    /// follower that lags less than [`Options::keep_entries`].
    fn purgeable(&self, durable: u64) -> Option<u64> {
        let metrics = self.0.raft.metrics();
        let metrics = metrics.borrow_watched();
        let floor = durable.checked_sub(self.0.options.keep_entries);
        let slowest = metrics
            .replication
            .iter()
            .flatten()
            .filter(|(node, _)| **node != self.0.options.node.get())
            .map(|(_, matched)| matched.as_ref().map(|matched| matched.index))
            .min();
        slowest.map_or(Some(durable), |slowest| slowest.max(floor)).map(|upto| upto.min(durable))
    }

    /// Hands leadership to `to` and waits until that is so. While it lasts, no
    /// entry is accepted. Tried again when `to` was not ready yet.
    ///
    /// # Errors
    /// Not the leader (any more), or `to` did not take over in time.
    pub async fn transfer(&self, to: NodeId) -> Result<(), Error> {
        let mut leadership = self.0.leadership.clone();
        let deadline = tokio::time::Instant::now() + TRANSFER_DEADLINE;
        while tokio::time::Instant::now() < deadline {
            let now = *leadership.borrow_and_update();
            match now.leader {
                Some(leader) if leader == to => return Ok(()),
                Some(_) if now.is_me => {
                    let sent = self.0.raft.trigger().transfer_leader(to.get()).await;
                    sent.map_err(|fatal| self.0.refused(&fatal))?;
                }
                Some(_) => {
                    return Err(Error::NotLeader { group: self.0.group, leader: now.leader });
                }
                None => {}
            }
            // An election that follows is over by then, with or without `to`.
            let turn = self.0.options.election_max * 2;
            let changed = tokio::time::timeout(turn, leadership.changed()).await;
            if matches!(changed, Ok(Err(_))) {
                return Err(self.0.fatal(Error::Stopped(self.0.group)));
            }
        }
        Err(self.0.fatal(Error::Deadline(self.0.group)))
    }

    /// Adds a replica that listens and waits until it has caught up.
    ///
    /// # Errors
    /// Not the leader, or another change is under way.
    pub async fn add_learner(&self, node: NodeId) -> Result<Position, Error> {
        let added = self.0.raft.add_learner(node.get(), EmptyNode {}, true).await;
        self.0.written(added)
    }

    /// Adds a replica that listens, and does not wait until it has caught up:
    /// [`Status::replicated`] tells, once it has come to the entry that is
    /// returned. What it has before may be of a life that ends.
    ///
    /// # Errors
    /// Not the leader, or another change is under way.
    pub async fn admit(&self, node: NodeId) -> Result<Position, Error> {
        let added = self.0.raft.add_learner(node.get(), EmptyNode {}, false).await;
        let at = self.0.written(added)?;
        // It may leave for having been out of the group, and begin again with an
        // empty log; whether it counts on it is decided by what it has later.
        let allowed = self.0.raft.trigger().allow_next_revert(&node.get(), true).await;
        let gone = |error: &dyn std::error::Error| Error::Membership {
            group: self.0.group,
            reason: error::words(error),
        };
        allowed.map_err(|fatal| self.0.refused(&fatal))?.map_err(|error| gone(&error))?;
        Ok(at)
    }

    /// Makes exactly `voters` vote; they must be replicas already. Former
    /// voters leave the group.
    ///
    /// # Errors
    /// Not the leader, or another change is under way.
    pub async fn change_voters(&self, voters: &BTreeSet<NodeId>) -> Result<Position, Error> {
        let voters = voters.iter().map(|node| node.get()).collect();
        let changed = self.0.raft.change_membership(ChangeMembers::ReplaceAllVoters(voters), false);
        self.0.written(changed.await)
    }

    /// Makes exactly `voters` vote; they must be replicas already. Former
    /// voters go on listening.
    ///
    /// # Errors
    /// Not the leader, or another change is under way.
    pub async fn seat_voters(&self, voters: &BTreeSet<NodeId>) -> Result<Position, Error> {
        let voters = voters.iter().map(|node| node.get()).collect();
        let changed = self.0.raft.change_membership(ChangeMembers::ReplaceAllVoters(voters), true);
        self.0.written(changed.await)
    }

    /// Removes replicas that only listen.
    ///
    /// # Errors
    /// Not the leader, or another change is under way.
    pub async fn remove_learners(&self, nodes: &BTreeSet<NodeId>) -> Result<Position, Error> {
        let nodes = nodes.iter().map(|node| node.get()).collect();
        let changed = self.0.raft.change_membership(ChangeMembers::RemoveNodes(nodes), false);
        self.0.written(changed.await)
    }

    /// Says whether the log refuses appends: its disk is full or behind.
    pub fn is_stalled(&self) -> bool {
        self.0.log.is_full()
    }

    /// Returns how the group is doing.
    pub fn status(&self) -> Status {
        let metrics = self.0.raft.metrics();
        let metrics = metrics.borrow_watched();
        let membership = metrics.membership_config.membership();
        let nodes = |set: &BTreeSet<u64>| set.iter().copied().map(NodeId::new).collect();
        let settled = metrics.membership_config.log_id()
            == metrics.committed_membership_config.log_id()
            && membership.get_joint_config().len() == 1;
        Status {
            settled,
            leadership: *self.0.leadership.borrow(),
            last: metrics.last_log_index.map(number),
            applied: metrics.last_applied.map(position),
            purged: metrics.purged.map(position),
            voters: membership.get_joint_config().iter().map(nodes).collect(),
            learners: membership.learner_ids().map(NodeId::new).collect(),
            members_at: metrics.membership_config.log_id().map(position),
            replicated: metrics
                .replication
                .iter()
                .flatten()
                .map(|(node, at)| (NodeId::new(*node), at.as_ref().map(|at| number(at.index))))
                .collect(),
        }
    }

    /// Returns the entry that made this replica's newest members so, like
    /// [`Status::members_at`], as the group itself has it now: what is watched comes
    /// a little later.
    ///
    /// # Errors
    /// The group stopped.
    pub async fn members_at(&self) -> Result<Option<Position>, Error> {
        let read = self
            .0
            .raft
            .with_raft_state(|state| state.membership_state.effective().log_id().map(position));
        read.await.map_err(|fatal| self.0.refused(&fatal))
    }

    /// Resolves when the group has stopped for good because its log or its
    /// machine failed.
    pub async fn failed(&self) -> Error {
        let mut failure = self.0.failure.subscribe();
        let reason = match failure.wait_for(Option::is_some).await {
            Ok(reason) => reason.as_ref().map_or_else(String::new, ToString::to_string),
            Err(_) => "it was dropped".to_owned(),
        };
        Error::Fatal { group: self.0.group, reason }
    }
}
