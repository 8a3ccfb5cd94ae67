//! One machine as openraft's state machine. Owns the machine, what has been
//! applied to it and which memberships it saw; called by openraft's worker
//! task only. A machine that fails stops its group (the replica does not carry
//! on), and says why.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::{Stream, StreamExt};
use openraft::EntryPayload;
use openraft::storage::{EntryResponder, RaftSnapshotBuilder, RaftStateMachine};
use parking_lot::Mutex;
use via_types::GroupId;

use crate::aside::{aside, may_block};
use crate::log::GroupLog;
use crate::machine::{Applied, Chunks, Machine, Outcome};
use crate::membership::Memberships;
use crate::raft::{Entry, LogId, SnapshotMeta, StoredMembership, Types, io as io_error};
use crate::raft::{log_id, position};
use crate::{Error, Position, error, metrics};

/// Applying goes on this long before other tasks of the thread get a turn.
const SLICE: Duration = Duration::from_millis(1);
/// Payloads from this size on are applied where they cannot hold up the
/// thread's other tasks: handing those over costs some ten microseconds.
const LARGE_BYTES: usize = 64 << 10;

type Snapshot = openraft::Snapshot<crate::raft::LeaderId, u64, openraft::impls::EmptyNode, Image>;

/// A machine's state on its way. The lock is never contended: openraft wants
/// what it carries to be shareable.
pub(crate) struct Image(Mutex<Chunks>);

impl Image {
    pub(crate) fn new(chunks: Chunks) -> Self {
        Self(Mutex::new(chunks))
    }

    pub(crate) fn into_chunks(self) -> Chunks {
        self.0.into_inner()
    }
}

/// Tells why a group failed, once.
pub(crate) type Failure = tokio::sync::watch::Sender<Option<Arc<str>>>;

/// A group's machine.
pub(crate) struct Replica {
    group: GroupId,
    /// Away only while a snapshot is installed.
    machine: Option<Box<dyn Machine>>,
    log: GroupLog,
    applied: Option<LogId>,
    memberships: Memberships,
    failure: Failure,
}

impl Replica {
    pub(crate) fn new(
        group: GroupId,
        machine: Box<dyn Machine>,
        log: GroupLog,
        memberships: Memberships,
        failure: Failure,
    ) -> Self {
        let applied = machine.applied().map(log_id);
        Self { group, machine: Some(machine), log, applied, memberships, failure }
    }

    fn machine(&self) -> &dyn Machine {
        self.machine.as_deref().expect("openraft runs one command at a time")
    }

    /// Returns the position up to which the log may go.
    pub(crate) fn durable(&self) -> Option<Position> {
        self.machine().durable()
    }

    fn fail(&self, failed: Error) -> io::Error {
        let words = error::words(&failed);
        tracing::error!(group = %self.group, error = %words, "the group stops");
        metrics::failed();
        self.failure.send_if_modified(|known| {
            let first = known.is_none();
            known.get_or_insert_with(|| words.into());
            first
        });
        io_error(failed)
    }

    async fn apply_one(&mut self, entry: &Entry) -> Result<Outcome, Error> {
        let at = position(entry.log_id);
        if self.applied.is_some_and(|applied| applied >= entry.log_id) {
            let what = format!("entry {at} came again");
            return Err(Error::Unreadable { what: "order of entries", source: what.into() });
        }
        if let EntryPayload::Membership(membership) = &entry.payload {
            let stored = StoredMembership::new(Some(entry.log_id), membership.clone());
            let durable = self.durable().map(log_id);
            self.memberships.adopt(stored, durable);
            self.memberships.save(&self.log).await?;
        }
        let machine = self.machine.as_mut().expect("openraft runs one command at a time");
        let outcome = match &entry.payload {
            // A promotion may replay a long log.
            EntryPayload::Blank if may_block() => {
                tokio::task::block_in_place(|| machine.apply(at, Applied::Blank))?
            }
            EntryPayload::Blank => machine.apply(at, Applied::Blank)?,
            EntryPayload::Membership(_) => machine.apply(at, Applied::Membership)?,
            EntryPayload::Normal(payload) => {
                let applied = Applied::Payload(&payload.0);
                if payload.0.len() >= LARGE_BYTES && may_block() {
                    tokio::task::block_in_place(|| machine.apply(at, applied))?
                } else {
                    machine.apply(at, applied)?
                }
            }
        };
        self.applied = Some(entry.log_id);
        self.log.applied(entry.log_id.index);
        Ok(outcome)
    }

    fn snapshot(&self) -> Result<Option<Snapshot>, Error> {
        let machine = self.machine();
        let Some(at) = machine.durable() else { return Ok(None) };
        let last_log_id = Some(log_id(at));
        let last_membership = self.memberships.as_of(log_id(at))?;
        let meta = SnapshotMeta { last_log_id, last_membership };
        Ok(Some(Snapshot { meta, snapshot: Image::new(machine.export()?) }))
    }

    async fn install(&mut self, meta: &SnapshotMeta, image: Image) -> Result<(), Error> {
        let Some(at) = meta.last_log_id else {
            return Err(Error::Unreadable { what: "snapshot", source: "it has no place".into() });
        };
        self.memberships.begin_install(meta.last_membership.clone(), at);
        self.memberships.save(&self.log).await?;
        let mut machine = self.machine.take().expect("openraft runs one command at a time");
        let install = move || {
            let mut chunks = image.into_chunks();
            let result = machine.install(position(at), &mut *chunks);
            (machine, result)
        };
        let (machine, result) =
            aside(install).await.map_err(|panicked| Error::Machine(panicked.into()))?;
        self.machine = Some(machine);
        result?;
        self.applied = Some(at);
        self.log.applied(at.index);
        Ok(())
    }
}

impl RaftStateMachine<Types> for Replica {
    type SnapshotData = Image;
    type SnapshotBuilder = Builder;

    async fn applied_state(&mut self) -> Result<(Option<LogId>, StoredMembership), io::Error> {
        // One may be noted already whose entry, or snapshot, was not applied.
        let in_force = self.applied.and_then(|at| self.memberships.as_of(at).ok());
        Ok((self.applied, in_force.unwrap_or_else(|| self.memberships.newest())))
    }

    async fn apply<S>(&mut self, mut entries: S) -> Result<(), io::Error>
    where
        S: Stream<Item = Result<EntryResponder<Types>, io::Error>> + Unpin + Send,
    {
        let mut since = Instant::now();
        while let Some(item) = entries.next().await {
            let (entry, responder) = item.map_err(|error| self.fail(Error::Log(error.into())))?;
            let durable = self.log.until_durable(entry.log_id.index).await;
            durable.map_err(|error| self.fail(error))?;
            let outcome = self.apply_one(&entry).await.map_err(|error| self.fail(error))?;
            if let Some(responder) = responder {
                responder.send(outcome);
            }
            if since.elapsed() > SLICE {
                tokio::task::yield_now().await;
                since = Instant::now();
            }
        }
        Ok(())
    }

    async fn try_create_snapshot_builder(&mut self, _force: bool) -> Option<Builder> {
        match self.snapshot() {
            Ok(None) => None,
            Ok(Some(snapshot)) => Some(Builder(Ok(Some(snapshot)))),
            Err(error) => Some(Builder(Err(Some(self.fail(error))))),
        }
    }

    async fn get_snapshot_builder(&mut self) -> Builder {
        match self.snapshot() {
            Ok(snapshot) => Builder(Ok(snapshot)),
            Err(error) => Builder(Err(Some(self.fail(error)))),
        }
    }

    async fn install_snapshot(
        &mut self,
        meta: &SnapshotMeta,
        snapshot: Image,
    ) -> Result<(), io::Error> {
        self.install(meta, snapshot).await.map_err(|error| self.fail(error))
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<Snapshot>, io::Error> {
        self.snapshot().map_err(|error| self.fail(error))
    }
}

/// A snapshot already taken, on its way to openraft.
pub(crate) struct Builder(Result<Option<Snapshot>, Option<io::Error>>);

impl RaftSnapshotBuilder<Types> for Builder {
    type SnapshotData = Image;

    async fn build_snapshot(&mut self) -> Result<Snapshot, io::Error> {
        let missing = || io::Error::other("the machine has nothing durable to send");
        match &mut self.0 {
            Ok(snapshot) => snapshot.take().ok_or_else(missing),
            Err(error) => Err(error.take().unwrap_or_else(missing)),
        }
    }
}
