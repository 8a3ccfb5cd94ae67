//! Prepares the next segment and removes old ones, off the writer's thread:
//! both would make a sync wait for tens of milliseconds. The writer calls it.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use super::record::Place;
use super::segment::{Segment, name};
use crate::disk::Disk;

/// Longest rest after a piece of a segment: one that nobody fills on is ready
/// within seconds too.
const LONGEST_REST: Duration = Duration::from_millis(50);
/// How often it looks whether to go on.
const LOOK: Duration = Duration::from_millis(2);
/// How much faster the next segment is made than the active one fills.
const AHEAD: f64 = 2.0;

/// The keeper of a log's files.
pub(crate) struct Keeper {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    disk: Arc<dyn Disk>,
    log: u64,
    bytes: u32,
    state: Mutex<State>,
    changed: Condvar,
    /// The writer waits for the segment that is being made.
    hurry: AtomicBool,
    /// Bytes of the active segment that are filled.
    filled: AtomicU32,
}

#[derive(Default)]
struct State {
    ready: VecDeque<Segment>,
    wanted: Option<u32>,
    doomed: VecDeque<u32>,
    /// Could not be removed; goes first next time.
    stuck: Option<u32>,
    /// Could not be made; not tried again before it is needed.
    failed: Option<u32>,
    closing: bool,
}

impl State {
    fn has_work(&self) -> bool {
        self.wanted.is_some() || (self.stuck.is_none() && !self.doomed.is_empty())
    }
}

/// Whether files are prepared and removed by a thread of the keeper's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    Background,
    /// By the caller, at once: for proofs that count every step.
    Inline,
}

impl Keeper {
    pub(crate) fn new(
        disk: Arc<dyn Disk>,
        log: u64,
        bytes: u32,
        spares: Vec<Segment>,
        pace: Pace,
    ) -> io::Result<Self> {
        let state = State { ready: spares.into(), ..State::default() };
        let shared = Arc::new(Shared {
            disk,
            log,
            bytes,
            state: Mutex::new(state),
            changed: Condvar::new(),
            hurry: AtomicBool::new(false),
            filled: AtomicU32::new(0),
        });
        let thread = match pace {
            Pace::Inline => None,
            Pace::Background => {
                let shared = shared.clone();
                let body = move || shared.run();
                Some(std::thread::Builder::new().name("log-keeper".to_owned()).spawn(body)?)
            }
        };
        Ok(Self { shared, thread })
    }

    /// Asks for segment `number` to be ready before the active one is full, of
    /// which `filled` bytes are used.
    pub(crate) fn prepare(&self, number: u32, filled: u32) {
        if self.thread.is_none() {
            return;
        }
        self.shared.filled.store(filled, Ordering::Relaxed);
        let mut state = self.shared.state.lock();
        let is_ready = state.ready.iter().any(|segment| segment.place.segment == number);
        if !is_ready && state.failed != Some(number) {
            state.wanted = Some(number);
            self.shared.changed.notify_all();
        }
    }

    /// Returns segment `number`, of at least `bytes` when it is made now.
    pub(crate) fn take(&self, number: u32, bytes: u32) -> io::Result<Segment> {
        let mut state = self.shared.state.lock();
        loop {
            if state.ready.front().is_some_and(|ready| ready.place.segment == number) {
                return Ok(state.ready.pop_front().expect("just seen"));
            }
            if state.wanted != Some(number) {
                break;
            }
            self.shared.hurry.store(true, Ordering::Release);
            self.shared.changed.wait(&mut state);
        }
        state.failed = None;
        drop(state);
        self.shared.create(number, bytes, &|_| {})
    }

    /// Removes segments, oldest first.
    pub(crate) fn remove(&self, numbers: Vec<u32>) {
        if numbers.is_empty() {
            return;
        }
        let mut state = self.shared.state.lock();
        if let Some(stuck) = state.stuck.take() {
            state.doomed.push_front(stuck);
        }
        state.doomed.extend(numbers);
        drop(state);
        if self.thread.is_none() {
            self.shared.remove_doomed();
        } else {
            self.shared.changed.notify_all();
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.shared.state.lock().closing = true;
        self.shared.hurry.store(true, Ordering::Release);
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            // A panic there left files to the next start; nothing is lost.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn run(&self) {
        loop {
            let wanted = {
                let mut state = self.state.lock();
                while !state.has_work() && !state.closing {
                    self.changed.wait(&mut state);
                }
                if state.closing {
                    // What is wanted is not needed any more; a taker that still
                    // waits makes its own.
                    state.wanted = None;
                    self.changed.notify_all();
                    drop(state);
                    self.remove_doomed();
                    return;
                }
                state.wanted
            };
            if let Some(number) = wanted {
                self.make_ready(number);
            }
            self.remove_doomed();
        }
    }

    fn make_ready(&self, number: u32) {
        // The disk belongs to those who wait for a sync: it is written to no
        // faster than needed, unless the writer waits for this segment.
        let first = self.filled.load(Ordering::Relaxed);
        let rest = |written: u32| {
            let since = Instant::now();
            while since.elapsed() < LONGEST_REST && self.is_ahead(written, first) {
                std::thread::sleep(LOOK);
            }
        };
        let made = self.create(number, self.bytes, &rest);
        let mut state = self.state.lock();
        state.wanted = None;
        self.hurry.store(false, Ordering::Release);
        match made {
            Ok(segment) => state.ready.push_back(segment),
            // The writer tries again when it needs it, and reports.
            Err(error) => {
                tracing::warn!(%error, number, "could not prepare a log segment");
                state.failed = Some(number);
            }
        }
        self.changed.notify_all();
    }

    /// Says whether there is time: a segment of which `written` bytes are made
    /// will be ready long before the active one is full, of which `first` bytes
    /// were used at the beginning.
    fn is_ahead(&self, written: u32, first: u32) -> bool {
        let filled = self.filled.load(Ordering::Relaxed).saturating_sub(first);
        let is_waited_for = self.hurry.load(Ordering::Acquire);
        !is_waited_for && f64::from(written) > AHEAD * f64::from(filled)
    }

    fn create(&self, number: u32, bytes: u32, rest: &dyn Fn(u32)) -> io::Result<Segment> {
        let place = Place { log: self.log, segment: number };
        Segment::create(&*self.disk, place, bytes.max(self.bytes), rest)
    }

    /// Each removal is durable before the next, so that those left over after
    /// a power loss have no gap between them. One that fails is tried again
    /// with the next.
    fn remove_doomed(&self) {
        loop {
            let Some(number) = self.next_doomed() else { return };
            let removed = self.disk.remove(&name(number)).and_then(|()| self.disk.sync_names());
            if let Err(error) = removed {
                tracing::warn!(%error, number, "could not remove a log segment");
                self.state.lock().stuck = Some(number);
                return;
            }
        }
    }

    fn next_doomed(&self) -> Option<u32> {
        let mut state = self.state.lock();
        if state.stuck.is_some() { None } else { state.doomed.pop_front() }
    }
}
