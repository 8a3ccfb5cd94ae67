//! A node's log on its simulated disk. Everything the rooms ask of it is written
//! by one task, with one sync for all that came meanwhile, after a time that the
//! disk takes: no thread, no order but the simulation's.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::Notify;
use via_storage::disk::simulated::SimulatedDisk;
use via_storage::log::{Hand, Options};
use via_storage::{Done, Error, Log, SegmentedLog, Slot};
use via_types::{GroupId, NodeId};

use crate::dice::Dice;
use crate::trace::Trace;

/// How long purges wait for an append to share its sync.
const LAZY: Duration = Duration::from_secs(1);

/// How long a node's disk takes to sync.
#[derive(Debug, Default)]
pub(crate) struct Pace(AtomicU64);

impl Pace {
    /// Lets every sync take so much longer.
    pub(crate) fn slow(&self, by: Duration) {
        self.0.store(by.as_millis() as u64, Ordering::SeqCst);
    }

    fn extra(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

/// The log as the rooms see it.
pub(crate) struct DiskLog {
    log: SegmentedLog,
    asked: Notify,
}

impl DiskLog {
    /// Opens the log of a node, and returns what writes it.
    ///
    /// # Errors
    /// A log that cannot be trusted (invariant D-7).
    pub(crate) fn open(
        disk: &SimulatedDisk,
        segment_bytes: u32,
    ) -> Result<(Arc<Self>, Hand), Error> {
        let options = Options {
            first_segment_bytes: segment_bytes,
            segment_bytes,
            recent_bytes: 64 << 10,
            ..Options::new("simulated")
        };
        let (log, hand) = SegmentedLog::by_hand(Arc::new(disk.clone()), options)?;
        Ok((Arc::new(Self { log, asked: Notify::new() }), hand))
    }
}

impl Log for DiskLog {
    fn groups(&self) -> Vec<GroupId> {
        self.log.groups()
    }

    fn bounds(&self, group: GroupId) -> Option<(u64, u64)> {
        self.log.bounds(group)
    }

    fn append(&self, group: GroupId, entries: Vec<(u64, Bytes)>, done: Done) {
        self.log.append(group, entries, done);
        self.asked.notify_one();
    }

    fn truncate_after(&self, group: GroupId, last_kept: u64, done: Done) {
        self.log.truncate_after(group, last_kept, done);
        self.asked.notify_one();
    }

    fn purge(&self, group: GroupId, upto: u64) {
        self.log.purge(group, upto);
    }

    fn read(
        &self,
        group: GroupId,
        range: Range<u64>,
        max_bytes: usize,
    ) -> Result<Vec<(u64, Bytes)>, Error> {
        self.log.read(group, range, max_bytes)
    }

    fn put(&self, group: GroupId, slot: Slot, value: Bytes, done: Done) {
        self.log.put(group, slot, value, done);
        self.asked.notify_one();
    }

    fn get(&self, group: GroupId, slot: Slot) -> Option<Bytes> {
        self.log.get(group, slot)
    }
}

/// What writes a node's log.
pub(crate) struct Pump {
    pub(crate) node: NodeId,
    pub(crate) log: Arc<DiskLog>,
    pub(crate) hand: Hand,
    pub(crate) disk: SimulatedDisk,
    pub(crate) pace: Arc<Pace>,
    pub(crate) dice: Arc<Mutex<Dice>>,
    pub(crate) trace: Trace,
}

impl Pump {
    /// Writes until the disk fails for good; says so by returning.
    pub(crate) async fn run(mut self) {
        while !self.disk.is_off() {
            let _idle = tokio::time::timeout(LAZY, self.log.asked.notified()).await;
            let usual = self.dice.lock().within(0, 2);
            let time = usual + self.pace.extra();
            if time > 0 {
                tokio::time::sleep(Duration::from_millis(time)).await;
            }
            let before = self.disk.steps();
            let outcome = self.hand.write();
            let (node, after) = (self.node, self.disk.steps());
            if after > before {
                let facts = [node.get(), after, u64::from(outcome.is_ok())].map(u64::to_le_bytes);
                let words = || format!("{node} syncs its log: step {after}, {outcome:?}");
                self.trace.count(facts.as_flattened(), words);
            }
        }
    }
}
