//! Events that were captured and are not settled: bounded, batched by stream. Owns
//! the counters, so that what was captured is always accounted for. Knows no node.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex, MutexGuard};
use tokio::sync::Notify;

use crate::clock;
use crate::columns::Columns;
use crate::counters::{Loss, State};
use crate::event::Event;
use crate::settings::{LARGEST, Overflow, Settings};

/// What a batch is made of.
pub(crate) enum Body {
    /// Columns, for a stream of writes.
    Columns(Box<Columns>),
    /// Lines of NDJSON, for the spool.
    Lines(String),
}

/// Events of one stream, in the order of capture.
pub(crate) struct Batch {
    id: u64,
    pub(crate) stream: Arc<str>,
    pub(crate) body: Body,
    /// The bytes of each event, those that were dropped included.
    sizes: Vec<u32>,
    /// How many were dropped from its beginning.
    pub(crate) skipped: usize,
    bytes: usize,
    since: Instant,
}

impl Batch {
    /// Events that it holds.
    pub(crate) fn events(&self) -> usize {
        self.sizes.len() - self.skipped
    }

    /// Returns its lines; none where it is made of columns.
    pub(crate) fn lines(&self) -> Option<&str> {
        let Body::Lines(text) = &self.body else { return None };
        let dropped: usize = self.sizes[..self.skipped].iter().map(|size| *size as usize).sum();
        Some(&text[dropped..])
    }

    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    fn push(&mut self, captured: Captured) {
        match &mut self.body {
            Body::Columns(columns) => columns.push(captured.event, captured.at),
            Body::Lines(text) => {
                text.push_str(captured.line.as_deref().unwrap_or_default());
                text.push('\n');
            }
        }
        self.sizes.push(u32::try_from(captured.size).unwrap_or(u32::MAX));
        self.bytes += captured.size;
    }

    fn takes(&self, event: &Event, size: usize, most: usize) -> bool {
        let has_room = match &self.body {
            Body::Columns(columns) => columns.fits(event),
            Body::Lines(_) => true,
        };
        has_room && self.sizes.len() < LARGEST && self.bytes + size <= most
    }
}

/// An event on its way into a batch.
struct Captured<'a> {
    event: &'a Event<'a>,
    at: i64,
    line: Option<String>,
    size: usize,
}

/// Hands batches from those who capture to those who send.
pub(crate) struct Buffer {
    limits: Limits,
    held: Mutex<Held>,
    wake: Notify,
    room: Condvar,
    settled: Notify,
}

struct Limits {
    batch_events: usize,
    batch_bytes: usize,
    queue_events: usize,
    queue_bytes: usize,
    linger: Duration,
    overflow: Overflow,
    keeps_lines: bool,
}

#[derive(Default)]
struct Held {
    counters: State,
    next: u64,
    open: HashMap<Arc<str>, Batch>,
    ready: VecDeque<Batch>,
    /// Events and bytes of what is being sent.
    taken: BTreeMap<u64, (usize, usize)>,
    /// Every batch that is not settled.
    live: BTreeSet<u64>,
    events: usize,
    bytes: usize,
    /// Events in the spool.
    elsewhere: u64,
    closed_as: Option<Loss>,
}

/// What a sender finds.
enum Next {
    Due(Batch),
    At(Instant),
    Nothing,
    Ended,
}

impl Buffer {
    pub(crate) fn new(settings: &Settings) -> Self {
        let limits = Limits {
            batch_events: settings.batch_events,
            batch_bytes: settings.batch_bytes,
            queue_events: settings.queue_events,
            queue_bytes: settings.queue_bytes,
            linger: settings.linger,
            overflow: settings.overflow,
            keeps_lines: settings.spool_dir.is_some(),
        };
        Self {
            limits,
            held: Mutex::default(),
            wake: Notify::new(),
            room: Condvar::new(),
            settled: Notify::new(),
        }
    }

    /// Takes an event, or counts it as lost.
    pub(crate) fn add(&self, stream: &str, event: &Event) {
        let limits = &self.limits;
        let at = event.at.unwrap_or_else(clock::now_nanos);
        let line = limits.keeps_lines.then(|| {
            let mut line = String::with_capacity(96);
            event.write_line(at, &mut line);
            line
        });
        let size = line.as_ref().map_or_else(|| event.line_len(at), |line| line.len() + 1);
        let captured = Captured { event, at, line, size };
        // A file of the spool names its stream in its first line.
        let is_nameable = !limits.keeps_lines || !stream.contains('\n');
        let is_valid = event.is_sendable() && size <= limits.batch_bytes && is_nameable;
        let mut held = self.held.lock();
        held.counters.captured += 1;
        if let Some(reason) = held.closed_as {
            held.counters.lose(reason, 1);
        } else if !is_valid {
            held.counters.lose(Loss::Invalid, 1);
        } else if held.is_full(limits, size) && !self.make_room(&mut held, size) {
            let reason = held.closed_as.unwrap_or(Loss::Overflow);
            held.counters.lose(reason, 1);
        } else if held.push(limits, stream, captured) {
            drop(held);
            self.wake.notify_one();
        }
    }

    fn make_room(&self, held: &mut MutexGuard<'_, Held>, size: usize) -> bool {
        let limits = &self.limits;
        match limits.overflow {
            Overflow::DropNewest => false,
            Overflow::DropOldest => {
                while held.is_full(limits, size) {
                    if size > limits.queue_bytes || !held.drop_oldest() {
                        return false;
                    }
                }
                true
            }
            Overflow::Block(timeout) => {
                let until = Instant::now() + timeout;
                while held.is_full(limits, size) && held.closed_as.is_none() {
                    if self.room.wait_until(held, until).timed_out() {
                        return held.closed_as.is_none() && !held.is_full(limits, size);
                    }
                }
                held.closed_as.is_none()
            }
        }
    }

    /// Waits for a batch that is due; none once the buffer has ended.
    pub(crate) async fn take(&self) -> Option<Batch> {
        loop {
            let woken = self.wake.notified();
            let next = self.held.lock().next(self.limits.linger);
            match next {
                Next::Due(batch) => {
                    // Whoever else waits looks after what is left.
                    self.wake.notify_one();
                    return Some(batch);
                }
                Next::Ended => {
                    self.wake.notify_one();
                    return None;
                }
                Next::Nothing => woken.await,
                Next::At(due) => {
                    drop(tokio::time::timeout_at(due.into(), woken).await);
                }
            }
        }
    }

    /// Counts the outcome of a batch, unless it was given up before.
    pub(crate) fn settle(&self, id: u64, count: impl FnOnce(&mut State, u64)) {
        let mut held = self.held.lock();
        if let Some(events) = held.forget(id) {
            count(&mut held.counters, events as u64);
        }
        drop(held);
        self.tell_settled();
    }

    /// Forgets a batch that is in the spool now.
    pub(crate) fn move_away(&self, id: u64) {
        let mut held = self.held.lock();
        if let Some(events) = held.forget(id) {
            held.elsewhere += events as u64;
        }
        drop(held);
        self.tell_settled();
    }

    /// Counts events that were found in the spool.
    pub(crate) fn found(&self, events: u64) {
        let mut held = self.held.lock();
        held.counters.recovered += events;
        held.elsewhere += events;
    }

    /// Counts the outcome of events in the spool.
    pub(crate) fn settle_elsewhere(&self, events: u64, count: impl FnOnce(&mut State, u64)) {
        let mut held = self.held.lock();
        held.elsewhere -= events;
        count(&mut held.counters, events);
        drop(held);
        self.tell_settled();
    }

    fn tell_settled(&self) {
        self.room.notify_all();
        self.settled.notify_waiters();
    }

    /// Seals what is open, and waits until all that was captured before is settled.
    pub(crate) async fn flush(&self) {
        let before = {
            let mut held = self.held.lock();
            held.seal_all();
            held.next
        };
        self.wake.notify_one();
        loop {
            let settled = self.settled.notified();
            tokio::pin!(settled);
            settled.as_mut().enable();
            {
                let held = self.held.lock();
                let is_moved = held.live.first().is_none_or(|oldest| *oldest >= before);
                if is_moved && held.elsewhere == 0 {
                    return;
                }
            }
            settled.await;
        }
    }

    /// Takes nothing more.
    pub(crate) fn stop(&self, reason: Loss) {
        self.held.lock().closed_as.get_or_insert(reason);
        self.room.notify_all();
        self.wake.notify_one();
    }

    /// Counts what waits, and is not being sent, as lost.
    pub(crate) fn abandon_waiting(&self, reason: Loss) {
        let mut held = self.held.lock();
        held.seal_all();
        for batch in std::mem::take(&mut held.ready) {
            held.drop_batch(&batch, reason);
        }
        drop(held);
        self.tell_settled();
    }

    /// Counts everything that is held as lost.
    pub(crate) fn abandon_all(&self, reason: Loss) {
        self.abandon_waiting(reason);
        let mut held = self.held.lock();
        let taken: Vec<u64> = held.taken.keys().copied().collect();
        for id in taken {
            let events = held.forget(id).unwrap_or(0);
            held.counters.lose(reason, events as u64);
        }
        drop(held);
        self.tell_settled();
    }

    /// Changes the counters.
    pub(crate) fn count(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.held.lock().counters);
    }

    /// Returns what was lost, in words.
    pub(crate) fn losses(&self) -> String {
        self.held.lock().counters.losses()
    }

    /// Copies the counters.
    pub(crate) fn state(&self) -> State {
        let held = self.held.lock();
        State { pending: held.events as u64 + held.elsewhere, ..held.counters.clone() }
    }
}

impl Held {
    fn is_full(&self, limits: &Limits, size: usize) -> bool {
        self.events >= limits.queue_events || self.bytes + size > limits.queue_bytes
    }

    /// Adds an event to its stream's batch; says whether a sender has to look.
    fn push(&mut self, limits: &Limits, stream: &str, captured: Captured) -> bool {
        let size = captured.size;
        if let Some(batch) = self.open.get_mut(stream) {
            if batch.takes(captured.event, size, limits.batch_bytes) {
                batch.push(captured);
                let is_whole = batch.events() >= limits.batch_events;
                self.events += 1;
                self.bytes += size;
                if is_whole {
                    self.seal(stream);
                }
                return is_whole;
            }
            self.seal(stream);
        } else if self.events * 2 >= limits.queue_events
            && let Some(newest) = self.ready.back_mut()
            && *newest.stream == *stream
            && newest.takes(captured.event, size, limits.batch_bytes)
        {
            newest.push(captured);
            self.events += 1;
            self.bytes += size;
            return false;
        }
        let mut batch = self.begin(limits, stream);
        batch.push(captured);
        self.events += 1;
        self.bytes += size;
        if batch.events() < limits.batch_events {
            self.open.insert(Arc::clone(&batch.stream), batch);
        } else {
            self.ready.push_back(batch);
        }
        true
    }

    fn begin(&mut self, limits: &Limits, stream: &str) -> Batch {
        let id = self.next;
        self.next += 1;
        self.live.insert(id);
        let body = if limits.keeps_lines {
            Body::Lines(String::new())
        } else {
            Body::Columns(Box::new(Columns::with_capacity(limits.batch_events.min(500))))
        };
        let since = Instant::now();
        let sizes = Vec::with_capacity(limits.batch_events.min(500));
        Batch { id, stream: stream.into(), body, sizes, skipped: 0, bytes: 0, since }
    }

    fn seal(&mut self, stream: &str) {
        if let Some(batch) = self.open.remove(stream) {
            self.ready.push_back(batch);
        }
    }

    fn seal_all(&mut self) {
        let mut open: Vec<Batch> = self.open.drain().map(|(_, batch)| batch).collect();
        open.sort_by_key(|batch| batch.id);
        self.ready.extend(open);
    }

    fn next(&mut self, linger: Duration) -> Next {
        if self.ready.is_empty() {
            let oldest = self.open.values().min_by_key(|batch| batch.since);
            let Some(oldest) = oldest else {
                return if self.closed_as.is_some() { Next::Ended } else { Next::Nothing };
            };
            let due = oldest.since + linger;
            if due > Instant::now() {
                return Next::At(due);
            }
            let stream = Arc::clone(&oldest.stream);
            self.seal(&stream);
        }
        let batch = self.ready.pop_front().expect("one is ready");
        self.taken.insert(batch.id, (batch.events(), batch.bytes));
        Next::Due(batch)
    }

    /// Ends a batch that is being sent; returns its events, or none if it had ended.
    fn forget(&mut self, id: u64) -> Option<usize> {
        let (events, bytes) = self.taken.remove(&id)?;
        self.live.remove(&id);
        self.events -= events;
        self.bytes -= bytes;
        Some(events)
    }

    fn drop_batch(&mut self, batch: &Batch, reason: Loss) {
        self.live.remove(&batch.id);
        self.events -= batch.events();
        self.bytes -= batch.bytes;
        self.counters.lose(reason, batch.events() as u64);
    }

    /// Drops the oldest event that is not being sent; says no when there is none.
    fn drop_oldest(&mut self) -> bool {
        let open = self.open.values().min_by_key(|batch| batch.id);
        let open = open.map(|batch| (batch.id, Arc::clone(&batch.stream)));
        let is_ready = match (self.ready.front(), &open) {
            (Some(ready), Some((id, _))) => ready.id < *id,
            (Some(_), None) => true,
            (None, Some(_)) => false,
            (None, None) => return false,
        };
        let batch = match &open {
            Some((_, stream)) if !is_ready => self.open.get_mut(stream),
            Some(_) | None => self.ready.front_mut(),
        };
        let batch = batch.expect("it was found");
        let size = batch.sizes[batch.skipped] as usize;
        batch.skipped += 1;
        batch.bytes -= size;
        let (is_empty, id) = (batch.events() == 0, batch.id);
        self.events -= 1;
        self.bytes -= size;
        self.counters.lose(Loss::Overflow, 1);
        if is_empty {
            self.live.remove(&id);
            match open {
                Some((_, stream)) if !is_ready => drop(self.open.remove(&stream)),
                Some(_) | None => drop(self.ready.pop_front()),
            }
        }
        true
    }
}

#[cfg(test)]
#[path = "buffer_tests.rs"]
mod tests;
