//! The one writer of the log: takes what is queued, writes it with one call,
//! makes it durable with one sync, then tells those who wait. Owns the active
//! segment; refuses to go on after a failed sync, whose effect nobody knows.

use std::io::{self, IoSlice};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use metrics::{counter, histogram};
use via_types::GroupId;

use super::keeper::Keeper;
use super::record::{HEAD, Head, Kind};
use super::segment::{Location, START, Segment};
use super::state::{Ask, Batch, Mark, Moved, Request, Shared, State, Usage};
use crate::error::{failed, is_full};
use crate::{Error, metrics as names};

/// Bodies up to this size are copied beside their heads: cheaper than a part
/// of the write of their own.
const COPY_BYTES: usize = 4 << 10;
/// After a batch of so many requests the writer gathers for a moment before the
/// next: as many appends with far fewer syncs. A lone append never waits.
const MANY: usize = 3;
const GATHER: Duration = Duration::from_micros(200);
/// Segments are made in whole pages.
const PAGE: u32 = 4 << 10;

/// The writer's own state.
pub(crate) struct Writer {
    shared: Arc<Shared>,
    keeper: Keeper,
    active: Arc<Segment>,
    tail: u32,
    epoch: u64,
    /// What a failed write left behind the tail; erased before the next one.
    unclean: Option<(u32, u32)>,
    /// A `Synced` record already says what it could say.
    is_marked: bool,
}

/// The outcome of writing a batch that failed.
enum Failure {
    /// Nothing happened; later batches may do better.
    Clean(Error),
    /// Nothing is known; there is no later batch.
    Fatal(Error),
}

struct Record {
    head: Head,
    body: Bytes,
}

impl Writer {
    pub(crate) fn new(
        shared: Arc<Shared>,
        keeper: Keeper,
        active: Arc<Segment>,
        tail: u32,
        epoch: u64,
    ) -> Self {
        Self { shared, keeper, active, tail, epoch, unclean: None, is_marked: false }
    }

    /// Writes batches until the log is closed.
    pub(crate) fn run(mut self) {
        let mut gather = None;
        while let Some(batch) = self.shared.next_batch(gather) {
            gather = (batch.requests.len() >= MANY).then_some(GATHER);
            // Those who wait were told; the log keeps the rest of the story.
            let _ = self.commit(batch);
        }
        let mut last = self.pending();
        last.mark = Some(Mark::Closing);
        let _ = self.commit(last);
    }

    /// Takes what there is to do without waiting.
    pub(crate) fn pending(&self) -> Batch {
        self.shared.pending_batch()
    }

    /// Makes one batch durable and tells those who wait for it.
    pub(crate) fn commit(&mut self, batch: Batch) -> Result<(), Error> {
        match self.try_commit(&batch) {
            Ok(locations) => {
                self.settle(batch, &locations);
                self.mark_when_idle();
                Ok(())
            }
            Err(Failure::Clean(error)) => {
                self.fail(batch, &error);
                Err(error)
            }
            Err(Failure::Fatal(error)) => {
                tracing::error!(%error, "the log stops accepting writes");
                let error = self.shared.state.lock().poison(&chain(&error));
                self.fail(batch, &error);
                Err(error)
            }
        }
    }

    fn try_commit(&mut self, batch: &Batch) -> Result<Vec<Location>, Failure> {
        // A failed sync is never tried again: the second one may lie.
        self.shared.state.lock().check_poison().map_err(Failure::Fatal)?;
        let mut records = records(batch).map_err(Failure::Fatal)?;
        let bytes: usize = records.iter().map(|record| record.head.record_bytes()).sum();
        let bytes = u32::try_from(bytes).expect("invariant D-6: a batch is bounded");
        if bytes == 0 {
            return Ok(Vec::new());
        }
        self.clean()?;
        // Room for the seal is kept in every segment.
        if bytes + HEAD as u32 > self.active.bytes - self.tail {
            self.rotate(bytes)?;
        }
        let locations = self.write(&mut records, bytes)?;
        let started = Instant::now();
        self.active.file.sync().map_err(|source| Failure::Fatal(self.failed("sync", source)))?;
        histogram!(names::LOG_SYNC_SECONDS).record(started.elapsed().as_secs_f64());
        self.tail += bytes;
        self.epoch += 1;
        self.is_marked = false;
        // Early, so that a slow disk has the time of a whole segment for it.
        if self.tail > self.active.bytes / 8 {
            self.keeper.prepare(self.active.place.segment + 1, self.tail);
        }
        Ok(locations)
    }

    /// Writes one extent at the tail.
    fn write(&mut self, records: &mut [Record], bytes: u32) -> Result<Vec<Location>, Failure> {
        let mut heads = Vec::with_capacity(records.len());
        let mut locations = Vec::with_capacity(records.len());
        let mut at = self.tail;
        for Record { head, .. } in &mut *records {
            let next = at + head.record_bytes() as u32;
            head.epoch = self.epoch;
            head.left = self.tail + bytes - next;
            heads.push(head.encode(self.active.place, at));
            let segment = self.active.place.segment;
            locations.push(Location { segment, offset: at, body_bytes: head.body_bytes });
            at = next;
        }
        let copied = copy_small(records, &heads);
        let parts = parts(records, &copied);
        match self.active.file.write_at(&parts, self.tail.into()) {
            Ok(()) => Ok(locations),
            Err(source) => {
                self.unclean = Some((self.tail, at));
                let full = is_full(&source);
                let error = self.failed("write to", source);
                if !full {
                    return Err(Failure::Fatal(error));
                }
                self.clean()?;
                Err(Failure::Clean(error))
            }
        }
    }

    /// Erases what a failed write left, so that it is never taken for a record.
    fn clean(&mut self) -> Result<(), Failure> {
        let Some((from, to)) = self.unclean else { return Ok(()) };
        match self.active.erase(from, to) {
            Ok(()) => {
                self.unclean = None;
                Ok(())
            }
            Err(source) if is_full(&source) => Err(Failure::Clean(self.failed("erase", source))),
            Err(source) => Err(Failure::Fatal(self.failed("erase", source))),
        }
    }

    /// Goes on to a segment that has room for an extent of `bytes`.
    fn rotate(&mut self, bytes: u32) -> Result<(), Failure> {
        let needed = (START + bytes + HEAD as u32).next_multiple_of(PAGE);
        loop {
            let number = self.active.place.segment + 1;
            let made = self.keeper.take(number, needed);
            let made =
                made.map_err(|source| Failure::Clean(self.failed("make a segment after", source)))?;
            self.seal(number)?;
            let segment = Arc::new(made);
            let usage = Usage { segment: segment.clone(), live_bytes: 0 };
            let mut state = self.shared.state.lock();
            state.segments.insert(number, usage);
            state.publish_bytes();
            drop(state);
            self.active = segment;
            self.tail = START;
            if self.active.bytes >= needed {
                return Ok(());
            }
        }
    }

    /// Says on disk, before anything is written there, that the log goes on in
    /// segment `next`: should that file be lost, it is missed (invariant D-7).
    fn seal(&mut self, next: u32) -> Result<(), Failure> {
        if self.active.bytes - self.tail < HEAD as u32 {
            // Written by a version that kept no room.
            return Ok(());
        }
        let mut head = Head::new(Kind::Sealed, GroupId::META, next.into(), &[]);
        head.epoch = self.epoch;
        self.write(&mut [Record { head, body: Bytes::new() }], HEAD as u32)?;
        self.active.file.sync().map_err(|source| Failure::Fatal(self.failed("sync", source)))?;
        self.tail += HEAD as u32;
        self.is_marked = false;
        Ok(())
    }

    /// Makes visible what became durable, then tells.
    fn settle(&mut self, mut batch: Batch, locations: &[Location]) {
        let mut doomed = Vec::new();
        {
            let mut state = self.shared.state.lock();
            let mut locations = locations.iter().copied();
            let mut next = || locations.next().expect("every record has its place");
            for _ in &batch.floors {
                next();
            }
            if batch.front.is_some() {
                next();
            }
            for moved in &batch.moves {
                settle_move(&mut state, moved, next());
            }
            for request in &batch.requests {
                settle_request(&mut state, request, &mut next);
            }
            if let Some(front) = batch.front {
                doomed = state.set_front(front);
            }
        }
        self.keeper.remove(doomed);
        // Invariant D-1: nobody is told before the sync that made it durable.
        histogram!(names::LOG_BATCH).record(batch.requests.len() as f64);
        for request in batch.requests.drain(..) {
            (request.done)(Ok(()));
        }
    }

    fn fail(&mut self, mut batch: Batch, error: &Error) {
        let lost = self.shared.state.lock().forget_asked(&mut batch);
        for request in lost {
            counter!(names::LOG_REFUSED, "reason" => names::reason(error)).increment(1);
            (request.done)(Err(error.clone()));
        }
    }

    /// Says on disk that the last sync succeeded, when there is time: damage to
    /// that extent is then known from a torn tail. Costs no sync.
    fn mark_when_idle(&mut self) {
        if self.is_marked || self.active.bytes - self.tail < 2 * HEAD as u32 {
            return;
        }
        if !self.shared.state.lock().is_idle() {
            return;
        }
        let mut head = Head::new(Kind::Synced, GroupId::META, 0, &[]);
        head.epoch = self.epoch;
        let bytes = head.encode(self.active.place, self.tail);
        match self.active.file.write_at(&[IoSlice::new(&bytes)], self.tail.into()) {
            Ok(()) => {
                self.tail += HEAD as u32;
                self.is_marked = true;
            }
            // The mark is a courtesy; the next extent overwrites what is left of it.
            Err(error) => tracing::debug!(%error, "could not mark the log"),
        }
    }

    /// Makes the error of an attempt at the active segment.
    fn failed(&self, doing: &'static str, source: io::Error) -> Error {
        failed(doing, &self.active.path)(source)
    }
}

impl Drop for Writer {
    /// A writer that panics must not let anybody wait for ever.
    fn drop(&mut self) {
        if std::thread::panicking() {
            let error = self.shared.state.lock().poison("its writer panicked");
            self.fail(Batch::default(), &error);
        }
    }
}

/// Describes an error with its causes, for those who only see the text.
fn chain(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// Lists the records of a batch in the order in which `settle` expects them.
fn records(batch: &Batch) -> Result<Vec<Record>, Error> {
    let mut records = Vec::new();
    let mut push = |kind, group, index, body: Bytes| {
        records.push(Record { head: Head::new(kind, group, index, &body), body });
        records.len() - 1
    };
    for (group, floor) in &batch.floors {
        push(Kind::Purge, *group, *floor, Bytes::new());
    }
    if let Some(front) = batch.front {
        push(Kind::Front, GroupId::META, front.into(), Bytes::new());
    }
    let mut slots = Vec::new();
    for moved in &batch.moves {
        match &moved.what {
            Moved::Entry(index) => {
                let body = moved.segment.read(moved.old, moved.group, *index)?;
                push(Kind::Relocate, moved.group, *index, body);
            }
            Moved::Slot(slot, value) => {
                slots.push((push(Kind::Put, moved.group, 0, value.clone()), *slot));
            }
        }
    }
    for Request { group, ask, .. } in &batch.requests {
        match ask {
            Ask::Append(entries) => {
                for (index, bytes) in entries {
                    push(Kind::Append, *group, *index, bytes.clone());
                }
            }
            Ask::Truncate(last_kept) => {
                push(Kind::Truncate, *group, *last_kept, Bytes::new());
            }
            Ask::Put(slot, value) => {
                slots.push((push(Kind::Put, *group, 0, value.clone()), *slot));
            }
        }
    }
    if batch.mark.is_some() {
        push(Kind::Opened, GroupId::META, 0, Bytes::new());
    }
    for (position, slot) in slots {
        records[position].head.slot = slot as u8;
    }
    Ok(records)
}

/// Copies heads, small bodies and padding into runs: one before each large
/// body, one after the last.
fn copy_small(records: &[Record], heads: &[[u8; HEAD]]) -> Vec<Vec<u8>> {
    let mut runs = vec![Vec::new()];
    for (record, head) in records.iter().zip(heads) {
        let run = runs.last_mut().expect("there is always one");
        run.extend_from_slice(head);
        if record.body.len() <= COPY_BYTES {
            run.extend_from_slice(&record.body);
            run.extend_from_slice(record.head.padding());
        } else {
            runs.push(record.head.padding().to_vec());
        }
    }
    runs
}

/// Lists the parts of one write: runs and large bodies by turns.
fn parts<'a>(records: &'a [Record], runs: &'a [Vec<u8>]) -> Vec<IoSlice<'a>> {
    let large = records.iter().map(|record| &record.body).filter(|body| body.len() > COPY_BYTES);
    let mut runs = runs.iter();
    let mut parts = Vec::new();
    parts.extend(runs.next().map(|run| IoSlice::new(run)));
    for (body, run) in large.zip(runs) {
        parts.push(IoSlice::new(body));
        parts.push(IoSlice::new(run));
    }
    parts
}

fn settle_move(state: &mut State, moved: &super::state::Move, new: Location) {
    let Some(group) = state.groups.get_mut(&moved.group) else { return };
    let is_moved = match moved.what {
        Moved::Entry(index) => group.relocate(index, moved.old, new),
        Moved::Slot(slot, _) => group.relocate_slot(slot, moved.old, new),
    };
    if is_moved {
        state.hold(new);
        state.release(moved.old);
    }
}

fn settle_request(state: &mut State, request: &Request, next: &mut impl FnMut() -> Location) {
    state.finish(request);
    let id = request.group;
    match &request.ask {
        Ask::Append(entries) => {
            let mut payload = 0;
            for (index, bytes) in entries {
                let location = next();
                payload += bytes.len() as u64;
                let group = state.groups.entry(id).or_default();
                if group.settle_entry(*index, location) {
                    state.hold(location);
                    state.recent.insert(id, *index, bytes.clone());
                } else {
                    state.entry_was_purged();
                }
            }
            state.groups.entry(id).or_default().settle_append();
            counter!(names::LOG_APPENDS).increment(entries.len() as u64);
            counter!(names::LOG_APPENDED_BYTES).increment(payload);
        }
        Ask::Truncate(last_kept) => {
            next();
            let freed = state.groups.entry(id).or_default().settle_truncate(*last_kept);
            state.release_entries(freed);
        }
        Ask::Put(slot, value) => {
            let location = next();
            let group = state.groups.entry(id).or_default();
            if let Some(old) = group.settle_put(*slot, value.clone(), location) {
                state.release(old);
            }
            state.hold(location);
        }
    }
}
