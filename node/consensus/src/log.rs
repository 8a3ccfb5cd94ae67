//! One group's part of the node's log, as openraft wants it. Owns the group's
//! vote, purged position and what was appended lately; refuses to know what
//! entries mean. A log that is full or behind for a while delays a group
//! (`stall`); one that has failed stops it.

mod reader;
mod recent;
mod stall;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use openraft::LogState;
use openraft::storage::{IOFlushed, RaftLogStorage};
use parking_lot::Mutex;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::{oneshot, watch};
use via_codec::Kind;
use via_storage::{Log, Slot};
use via_types::GroupId;

use self::recent::Recent;
use self::stall::Stall;
use crate::entry::{PlaceForm, VoteForm};
use crate::raft::{Entry, LogId, Types, Vote, io};
use crate::{Error, entry};

#[derive(Clone, Copy, Default)]
struct Ends {
    purged: Option<LogId>,
    last: Option<LogId>,
}

/// Up to where a group's log is durable on this node.
#[derive(Clone)]
enum Durable {
    Upto(Option<u64>),
    /// It failed, and so: nothing more will be.
    Failed(Arc<str>),
}

impl Durable {
    fn holds(&self, index: u64) -> bool {
        matches!(self, Self::Upto(upto) if *upto >= Some(index))
    }
}

/// What all users of a group's log share.
pub(crate) struct Shared {
    group: GroupId,
    /// Under which number the node's log keeps it.
    key: GroupId,
    log: Arc<dyn Log>,
    vote: Mutex<Option<Vote>>,
    ends: Mutex<Ends>,
    recent: Mutex<Recent>,
    durable: watch::Sender<Durable>,
    stall: Stall,
    /// While openraft scans the log at start, payloads are left out.
    bare: AtomicBool,
}

/// A group's log.
#[derive(Clone)]
pub(crate) struct GroupLog(Arc<Shared>);

/// Returns the number under which the log keeps an entry: it counts from 1.
fn key(index: u64) -> u64 {
    crate::raft::number(index).get()
}

fn unreadable(what: &'static str, source: impl Into<crate::error::Cause>) -> Error {
    Error::Unreadable { what, source: source.into() }
}

fn slot<T: DeserializeOwned>(
    log: &dyn Log,
    group: GroupId,
    slot: Slot,
) -> Result<Option<T>, Error> {
    let Some(bytes) = log.get(group, slot) else { return Ok(None) };
    via_codec::decode(Kind::HardState, &bytes)
        .map(Some)
        .map_err(|error| unreadable("hard state", error))
}

impl GroupLog {
    /// Reads where the group stands; `number` is the one under which the node's
    /// log keeps it.
    ///
    /// # Errors
    /// [`Error::Unreadable`] and [`Error::Log`] (invariant D-7): a group whose
    /// log cannot be read must not vote.
    pub(crate) fn open(group: GroupId, number: GroupId, log: Arc<dyn Log>) -> Result<Self, Error> {
        let vote: Option<VoteForm> = slot(&*log, number, Slot::Vote)?;
        let purged: Option<PlaceForm> = slot(&*log, number, Slot::Purged)?;
        let purged = purged.map(LogId::from);
        if let Some(purged) = purged {
            // A log may forget a purge, not that one was asked for: were entries
            // left that end before a snapshot, none would ever follow them.
            log.purge(number, key(purged.index));
        }
        let mut last = purged;
        if let Some((_, end)) =
            log.bounds(number).filter(|(_, end)| purged.is_none_or(|p| key(p.index) < *end))
        {
            let read =
                log.read(number, end..end + 1, 0).map_err(|error| Error::Log(error.into()))?;
            let (key, bytes) =
                read.first().ok_or_else(|| unreadable("log entry", "the last one is missing"))?;
            last = Some(entry::place(key - 1, bytes)?);
        }
        Ok(Self(Arc::new(Shared {
            group,
            key: number,
            stall: Stall::new(number, Arc::clone(&log)),
            log,
            vote: Mutex::new(vote.map(Into::into)),
            ends: Mutex::new(Ends { purged, last }),
            recent: Mutex::new(Recent::default()),
            // What was found is durable.
            durable: watch::Sender::new(Durable::Upto(last.map(|last| last.index))),
            bare: AtomicBool::new(false),
        })))
    }

    /// From here on entries are read without what was submitted, for scans
    /// that only look for leaders and memberships.
    pub(crate) fn begin_scan(&self) {
        self.0.bare.store(true, Ordering::Release);
    }

    /// From here on entries are read whole.
    pub(crate) fn end_scan(&self) {
        self.0.bare.store(false, Ordering::Release);
    }

    /// Returns the place of a live entry; none when it is not in the log.
    ///
    /// # Errors
    /// The log failed or the entry is unreadable.
    pub(crate) fn place(&self, index: u64) -> Result<Option<LogId>, Error> {
        let range = key(index)..key(index) + 1;
        let read = self.0.log.read(self.0.key, range, 0);
        let read = read.map_err(|error| Error::Log(error.into()))?;
        read.first().map(|(_, bytes)| entry::place(index, bytes)).transpose()
    }

    /// Returns the last log id, purged entries included.
    pub(crate) fn last(&self) -> Option<LogId> {
        self.0.ends.lock().last
    }

    /// Returns the last purged log id.
    pub(crate) fn purged(&self) -> Option<LogId> {
        self.0.ends.lock().purged
    }

    /// Says whether the log cannot grow now.
    pub(crate) fn is_full(&self) -> bool {
        self.0.stall.is_stalled()
    }

    /// Lets go of what was kept for applying up to `index`.
    pub(crate) fn applied(&self, index: u64) {
        self.0.recent.lock().applied(index);
    }

    /// Waits until the entry at `index` is durable on this node. What a machine
    /// makes of an entry may be durable at any time; were it before the entry is,
    /// a power loss would leave a state that its log does not reach, which must be
    /// refused (invariant D-7).
    ///
    /// # Errors
    /// The log failed.
    pub(crate) async fn until_durable(&self, index: u64) -> Result<(), Error> {
        if self.0.durable.borrow().holds(index) {
            return Ok(());
        }
        let mut durable = self.0.durable.subscribe();
        let reached =
            |durable: &Durable| durable.holds(index) || matches!(durable, Durable::Failed(_));
        let durable = durable.wait_for(reached).await.map(|durable| durable.clone());
        match durable {
            Ok(Durable::Upto(_)) => Ok(()),
            Ok(Durable::Failed(why)) => Err(Error::Log((*why).into())),
            Err(_) => Err(Error::Log("the group is gone".into())),
        }
    }

    /// Stores a small value of the group and waits until it is durable.
    ///
    /// # Errors
    /// The log failed.
    pub(crate) async fn store(&self, slot: Slot, value: Bytes) -> Result<(), Error> {
        loop {
            let (tx, rx) = oneshot::channel();
            let done = Box::new(move |result| drop(tx.send(result)));
            self.0.log.put(self.0.key, slot, value.clone(), done);
            match rx.await {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(error)) if stall::passes(&error) => self.0.stall.pause().await,
                Ok(Err(error)) => return Err(Error::Log(error.into())),
                Err(_) => return Err(Error::Log("the log was closed".into())),
            }
        }
    }

    /// Returns a small value of the group.
    pub(crate) fn load(&self, slot: Slot) -> Option<Bytes> {
        self.0.log.get(self.0.key, slot)
    }

    async fn store_form<T: Serialize>(&self, slot: Slot, form: &T) -> Result<(), io::Error> {
        let bytes = via_codec::encode(Kind::HardState, form).into();
        self.store(slot, bytes).await.map_err(io)
    }
}

impl RaftLogStorage<Types> for GroupLog {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> Result<LogState<Types>, io::Error> {
        let ends = *self.0.ends.lock();
        Ok(LogState { last_purged_log_id: ends.purged, last_log_id: ends.last })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> Result<(), io::Error> {
        self.store_form(Slot::Vote, &VoteForm::from(*vote)).await?;
        *self.0.vote.lock() = Some(*vote);
        Ok(())
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<Types>) -> Result<(), io::Error>
    where
        I: IntoIterator<Item = Entry> + Send,
        I::IntoIter: Send,
    {
        let mut records = Vec::new();
        let last = {
            let mut recent = self.0.recent.lock();
            let mut last = None;
            for entry in entries {
                last = Some(entry.log_id);
                let bytes = entry::encode(&entry);
                // The copy in the log's own buffer is the one that is kept.
                let kept = entry::decode(entry.log_id.index, &bytes).map_err(io)?;
                records.push((key(entry.log_id.index), bytes));
                recent.push(kept);
            }
            last
        };
        let Some(last) = last else {
            callback.io_completed(Ok(()));
            return Ok(());
        };
        self.0.ends.lock().last = Some(last);
        let shared = Arc::clone(&self.0);
        let done = Box::new(move |result: Result<(), Error>| {
            shared.durable.send_modify(|durable| match (&result, &mut *durable) {
                (Ok(()), Durable::Upto(upto)) => *upto = (*upto).max(Some(last.index)),
                (Err(error), Durable::Upto(_)) => {
                    *durable = Durable::Failed(crate::error::words(error).into());
                }
                // Why it failed first is why.
                (_, Durable::Failed(_)) => {}
            });
            if result.is_ok() {
                shared.recent.lock().flushed(last.index);
            }
            callback.io_completed(result.map_err(io));
        });
        self.0.stall.append(records, done);
        Ok(())
    }

    async fn truncate_after(&mut self, last_kept: Option<LogId>) -> Result<(), io::Error> {
        if self.0.stall.is_stalled() {
            return Err(io(Error::LogFull(self.0.group)));
        }
        let (tx, rx) = oneshot::channel();
        let done = Box::new(move |result| drop(tx.send(result)));
        // First, so that who reads what is being cut off is not told of a hole.
        self.0.ends.lock().last = last_kept;
        self.0.recent.lock().truncate(last_kept.map(|kept| kept.index));
        let kept = last_kept.map(|kept| kept.index);
        self.0.log.truncate_after(self.0.key, kept.map_or(0, key), done);
        rx.await.map_err(io)?.map_err(io)?;
        // By now whatever was appended before has told that it is durable.
        self.0.durable.send_modify(|durable| {
            if let Durable::Upto(upto) = durable {
                *upto = (*upto).min(kept);
            }
        });
        Ok(())
    }

    async fn purge(&mut self, upto: LogId) -> Result<(), io::Error> {
        self.store_form(Slot::Purged, &PlaceForm::from(upto)).await?;
        {
            let mut ends = self.0.ends.lock();
            ends.purged = Some(upto);
            if ends.last.is_none_or(|last| last.index < upto.index) {
                ends.last = Some(upto);
            }
        }
        self.0.recent.lock().purge(upto.index);
        self.0.log.purge(self.0.key, key(upto.index));
        Ok(())
    }
}
