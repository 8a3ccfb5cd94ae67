//! What callers and the writer share: groups, the queue and the use of
//! segments, under one lock that is never held during I/O. Owns visibility and
//! bounds (invariant D-6); refuses to touch files.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use metrics::{counter, gauge};
use parking_lot::{Condvar, Mutex, MutexGuard};
use via_types::GroupId;

use super::group::{Found, Freed, Group};
use super::options::Options;
use super::recent::Recent;
use super::record::record_bytes;
use super::segment::{Location, Segment};
use super::{Done, Slot};
use crate::{Error, metrics as names};

/// Bytes after which a batch takes no further request.
pub(crate) const BATCH_BYTES: u64 = 8 << 20;
/// Most bytes copied forward with one batch: its sync waits for them.
const MOVE_BYTES: u64 = 256 << 10;
/// Live bytes of a segment that are few, whatever its size.
const FEW_BYTES: u64 = 1 << 20;
/// How long purges wait for an append to share its sync.
const LAZY: Duration = Duration::from_secs(1);

/// Requests that are worth a sync without gathering more.
const ENOUGH: usize = 64;
/// Batches further apart than this do not follow each other.
const BUSY: Duration = Duration::from_millis(5);

/// The shared part of a log.
pub(crate) struct Shared {
    pub(crate) options: Options,
    pub(crate) state: Mutex<State>,
    pub(crate) work: Condvar,
}

/// Everything the lock protects.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) groups: BTreeMap<GroupId, Group>,
    pub(crate) segments: BTreeMap<u32, Usage>,
    pub(crate) recent: Recent,
    queue: VecDeque<Request>,
    queued_bytes: u64,
    /// Entries asked for or live.
    entries: u64,
    /// Purges not yet on disk.
    floors: BTreeMap<GroupId, u64>,
    /// The last front on disk.
    front: u32,
    poison: Option<Arc<str>>,
    closing: bool,
}

/// One segment and how much of it is live.
pub(crate) struct Usage {
    pub(crate) segment: Arc<Segment>,
    pub(crate) live_bytes: u64,
}

/// One request in the queue.
pub(crate) struct Request {
    pub(crate) group: GroupId,
    pub(crate) ask: Ask,
    pub(crate) done: Done,
    bytes: u64,
}

/// What is asked for.
pub(crate) enum Ask {
    Append(Vec<(u64, Bytes)>),
    Truncate(u64),
    Put(Slot, Bytes),
}

impl Ask {
    fn bytes(&self) -> u64 {
        let bytes = match self {
            Self::Append(entries) => entries.iter().map(|(_, e)| record_bytes(e.len())).sum(),
            Self::Truncate(_) => record_bytes(0),
            Self::Put(_, value) => record_bytes(value.len()),
        };
        bytes as u64
    }
}

/// What one sync makes durable.
#[derive(Default)]
pub(crate) struct Batch {
    pub(crate) floors: BTreeMap<GroupId, u64>,
    pub(crate) front: Option<u32>,
    pub(crate) moves: Vec<Move>,
    pub(crate) requests: Vec<Request>,
    /// The log says that it was opened or is being closed.
    pub(crate) mark: Option<Mark>,
}

/// Why a batch carries an `Opened` record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    Opening,
    Closing,
}

/// A live record to be copied out of the oldest segment.
pub(crate) struct Move {
    pub(crate) group: GroupId,
    pub(crate) what: Moved,
    pub(crate) old: Location,
    pub(crate) segment: Arc<Segment>,
}

/// Where a reader finds an entry.
pub(crate) enum Place {
    Memory(Bytes),
    Disk(Location, Arc<Segment>),
}

/// What is to be copied.
pub(crate) enum Moved {
    Entry(u64),
    Slot(Slot, Bytes),
}

impl State {
    pub(crate) fn new(
        groups: BTreeMap<GroupId, Group>,
        segments: BTreeMap<u32, Arc<Segment>>,
        front: u32,
    ) -> Self {
        let segments = segments
            .into_iter()
            .map(|(number, segment)| (number, Usage { segment, live_bytes: 0 }))
            .collect();
        let mut state = Self { segments, front, ..Self::default() };
        for group in groups.values() {
            state.entries += group.settled_len() as u64;
            let slots = group.settled_slots().map(|(_, _, location)| location);
            for location in group.settled().map(|(_, location)| location).chain(slots) {
                state.hold(location);
            }
        }
        state.groups = groups;
        state.publish_bytes();
        state
    }

    /// Counts a record as live.
    pub(crate) fn hold(&mut self, location: Location) {
        let usage = self.segments.get_mut(&location.segment);
        let usage = usage.expect("invariant D-7: live records lie in segments that are kept");
        usage.live_bytes += record_bytes(location.body_bytes as usize) as u64;
    }

    /// Counts a record as dead.
    pub(crate) fn release(&mut self, location: Location) {
        let usage = self.segments.get_mut(&location.segment);
        let usage = usage.expect("invariant D-7: live records lie in segments that are kept");
        usage.live_bytes -= record_bytes(location.body_bytes as usize) as u64;
    }

    pub(crate) fn release_entries(&mut self, freed: Freed) {
        self.entries -= freed.len() as u64;
        for location in freed {
            self.release(location);
        }
    }

    /// An entry that was purged before it was settled.
    pub(crate) fn entry_was_purged(&mut self) {
        self.entries -= 1;
    }

    pub(crate) fn purge(&mut self, group: GroupId, upto: u64) {
        let state = self.groups.entry(group).or_default();
        if upto <= state.floor {
            return;
        }
        let freed = state.purge(upto);
        self.release_entries(freed);
        self.floors.insert(group, upto);
    }

    /// Queues a request, or says why not and gives it back.
    pub(crate) fn ask(
        &mut self,
        options: &Options,
        group: GroupId,
        ask: Ask,
        done: Done,
    ) -> Result<(), (Error, Done)> {
        if let Err(error) = self.refusal(options, group, &ask) {
            return Err((error, done));
        }
        match ask {
            Ask::Append(entries) => self.ask_append(group, entries, done),
            Ask::Truncate(last_kept) => {
                self.groups.entry(group).or_default().ask_truncate(last_kept);
                self.enqueue(group, ask, done);
            }
            Ask::Put(slot, ref value) => {
                self.groups.entry(group).or_default().ask_put(slot, value.clone());
                self.enqueue(group, ask, done);
            }
        }
        Ok(())
    }

    /// Queues an append in pieces that fit a batch; the last one's end is the
    /// whole one's, because whatever fails one piece fails those after it.
    fn ask_append(&mut self, group: GroupId, mut entries: Vec<(u64, Bytes)>, done: Done) {
        self.entries += entries.len() as u64;
        loop {
            let mut bytes = 0;
            let piece = entries.iter().take_while(|(_, entry)| {
                let fits = bytes < BATCH_BYTES;
                bytes += entry.len() as u64;
                fits
            });
            let rest = entries.split_off(piece.count());
            let state = self.groups.entry(group).or_default();
            state.ask_append(entries.iter().cloned());
            if rest.is_empty() {
                return self.enqueue(group, Ask::Append(entries), done);
            }
            self.enqueue(group, Ask::Append(entries), Box::new(|_| ()));
            entries = rest;
        }
    }

    fn enqueue(&mut self, group: GroupId, ask: Ask, done: Done) {
        let bytes = ask.bytes();
        self.queued_bytes += bytes;
        self.queue.push_back(Request { group, ask, done, bytes });
    }

    fn refusal(&self, options: &Options, group: GroupId, ask: &Ask) -> Result<(), Error> {
        self.check_poison()?;
        let (held, limit) = (self.queued_bytes, options.queue_bytes);
        if held > 0 && held + ask.bytes() > limit {
            return Err(Error::Overloaded { what: "the log's queue", held, limit });
        }
        match ask {
            Ask::Append(entries) => {
                let (held, limit) = (self.entries, options.entries);
                if held + entries.len() as u64 > limit {
                    return Err(Error::Overloaded { what: "the log's index", held, limit });
                }
                let state = self.groups.get(&group);
                let floor = state.map_or(0, |state| state.floor);
                super::check_append(group, state.and_then(Group::next), floor, entries)
            }
            Ask::Truncate(_) => Ok(()),
            Ask::Put(_, value) => super::check_slot(value),
        }
    }

    /// Returns where the entries of `range` are, until `max_bytes` is reached.
    pub(crate) fn find(
        &self,
        group: GroupId,
        range: Range<u64>,
        max_bytes: usize,
    ) -> Vec<(u64, Place)> {
        let mut found = Vec::new();
        let Some(state) = self.groups.get(&group) else { return found };
        let Some((first, last)) = state.bounds() else { return found };
        let mut total = 0;
        for index in range.start.max(first)..range.end.min(last + 1) {
            let (bytes, place) = match state.find(index) {
                Some(Found::Asked(bytes)) => (bytes.len(), Place::Memory(bytes)),
                Some(Found::Settled(location)) => {
                    (location.body_bytes as usize, self.place(group, index, location))
                }
                None => break,
            };
            total += bytes;
            if total > max_bytes && !found.is_empty() {
                break;
            }
            found.push((index, place));
        }
        found
    }

    fn place(&self, group: GroupId, index: u64, location: Location) -> Place {
        if let Some(bytes) = self.recent.get(group, index) {
            return Place::Memory(bytes.clone());
        }
        let usage = self.segments.get(&location.segment);
        let usage = usage.expect("invariant D-7: live records lie in segments that are kept");
        Place::Disk(location, usage.segment.clone())
    }

    /// Returns the oldest segment that is still needed.
    fn needed_front(&self) -> u32 {
        let live = self.segments.iter().find(|(_, usage)| usage.live_bytes > 0);
        let last = || self.segments.last_key_value();
        live.map(|(number, _)| *number).or_else(|| last().map(|(number, _)| *number)).unwrap_or(0)
    }

    fn has_lazy_work(&self) -> bool {
        !self.floors.is_empty() || self.needed_front() > self.front
    }

    fn next_batch(&mut self, options: &Options) -> Batch {
        let mut batch = Batch { floors: std::mem::take(&mut self.floors), ..Batch::default() };
        batch.front = Some(self.needed_front()).filter(|front| *front > self.front);
        if self.segments.len() > options.segments {
            batch.moves = self.moves();
        }
        let mut bytes = 0;
        while bytes < BATCH_BYTES
            && let Some(request) = self.queue.pop_front()
        {
            bytes += request.bytes;
            batch.requests.push(request);
        }
        batch
    }

    /// Returns the live records of the oldest segment when they are few.
    fn moves(&self) -> Vec<Move> {
        let front = self.needed_front();
        let Some(usage) = self.segments.get(&front) else { return Vec::new() };
        let is_active = self.segments.last_key_value().is_some_and(|(last, _)| *last == front);
        // More will be purged sooner than they are worth a second write.
        let few = FEW_BYTES.min(u64::from(usage.segment.bytes) / 4);
        if is_active || usage.live_bytes > few {
            return Vec::new();
        }
        let mut moves = Vec::new();
        let mut bytes = 0;
        for (group, state) in &self.groups {
            let entries = state.settled().map(|(index, old)| (Moved::Entry(index), old));
            let slots = state
                .settled_slots()
                .map(|(slot, value, old)| (Moved::Slot(slot, value.clone()), old));
            for (what, old) in entries.chain(slots).filter(|(_, old)| old.segment == front) {
                if bytes > MOVE_BYTES {
                    return moves;
                }
                bytes += u64::from(old.body_bytes);
                let segment = usage.segment.clone();
                moves.push(Move { group: *group, what, old, segment });
            }
        }
        moves
    }

    /// Records that `front` is on disk; returns the segments before it.
    pub(crate) fn set_front(&mut self, front: u32) -> Vec<u32> {
        self.front = front;
        let kept = self.segments.split_off(&front);
        let doomed = std::mem::replace(&mut self.segments, kept).into_keys().collect();
        self.publish_bytes();
        doomed
    }

    pub(crate) fn publish_bytes(&self) {
        let sizes = self.segments.values().map(|usage| u64::from(usage.segment.bytes));
        gauge!(names::LOG_BYTES).set(sizes.sum::<u64>() as f64);
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.queue.is_empty() && !self.closing
    }

    /// Drops the queue and everything asked for (what was asked after a failed
    /// request cannot happen); returns the queue.
    pub(crate) fn forget_asked(&mut self, batch: &mut Batch) -> Vec<Request> {
        for (group, floor) in std::mem::take(&mut batch.floors) {
            let newest = self.floors.entry(group).or_default();
            *newest = floor.max(*newest);
        }
        let mut lost = std::mem::take(&mut batch.requests);
        lost.extend(self.queue.drain(..));
        self.queued_bytes = 0;
        for request in &lost {
            if let Ask::Append(entries) = &request.ask {
                self.entries -= entries.len() as u64;
            }
        }
        for group in self.groups.values_mut() {
            group.forget_asked();
        }
        lost
    }

    pub(crate) fn finish(&mut self, request: &Request) {
        self.queued_bytes -= request.bytes;
    }

    pub(crate) fn check_poison(&self) -> Result<(), Error> {
        match &self.poison {
            Some(cause) => Err(Error::Poisoned { cause: cause.clone() }),
            None => Ok(()),
        }
    }

    /// Accepts nothing from now on; returns the error that says so.
    pub(crate) fn poison(&mut self, cause: &str) -> Error {
        let cause = self.poison.get_or_insert_with(|| cause.into()).clone();
        Error::Poisoned { cause }
    }
}

impl Shared {
    pub(crate) fn new(options: Options, mut state: State) -> Arc<Self> {
        state.recent.set_limit(options.recent_bytes);
        Arc::new(Self { options, state: Mutex::new(state), work: Condvar::new() })
    }

    /// Queues a request; a refused one is told at once.
    pub(crate) fn ask(&self, group: GroupId, ask: Ask, done: Done) {
        let outcome = {
            let mut state = self.state.lock();
            let outcome = state.ask(&self.options, group, ask, done);
            gauge!(names::LOG_QUEUED_BYTES).set(state.queued_bytes as f64);
            outcome
        };
        match outcome {
            Ok(()) => {
                self.work.notify_one();
            }
            Err((error, done)) => {
                counter!(names::LOG_REFUSED, "reason" => names::reason(&error)).increment(1);
                done(Err(error));
            }
        }
    }

    /// Waits for something to do; none when the log is closed and all is done.
    /// With `gather`, those who come within that time of the first join it.
    pub(crate) fn next_batch(&self, mut gather: Option<Duration>) -> Option<Batch> {
        let since = Instant::now();
        let mut state = self.state.lock();
        let mut patience = LAZY;
        loop {
            if !state.queue.is_empty() {
                let is_short = state.queue.len() < ENOUGH && !state.closing;
                let is_short = is_short && since.elapsed() < BUSY;
                if let Some(time) = gather.take().filter(|_| is_short) {
                    // Asleep, not waiting: nobody has to wake anybody meanwhile.
                    MutexGuard::unlocked(&mut state, || std::thread::sleep(time));
                    continue;
                }
                return Some(state.next_batch(&self.options));
            }
            if state.closing || state.poison.is_some() {
                return None;
            }
            if !state.has_lazy_work() {
                self.work.wait(&mut state);
                patience = LAZY;
            } else if patience.is_zero() {
                return Some(state.next_batch(&self.options));
            } else if self.work.wait_for(&mut state, patience).timed_out() {
                patience = Duration::ZERO;
            }
        }
    }

    /// Takes what there is to do without waiting.
    pub(crate) fn pending_batch(&self) -> Batch {
        self.state.lock().next_batch(&self.options)
    }

    pub(crate) fn close(&self) {
        self.state.lock().closing = true;
        self.work.notify_all();
    }
}
