//! A log in memory on a disk that may hang: what is written then is seen at once,
//! as a write is in a cache, and durable only when the disk goes on.

use std::ops::Range;

use bytes::Bytes;
use parking_lot::Mutex;
use via_storage::{Done, Error, Log, MemoryLog, Slot};
use via_types::GroupId;

type Held = (Done, Result<(), Error>);

/// The disk and the log on it.
#[derive(Default)]
pub(crate) struct Disk {
    log: MemoryLog,
    /// What waits for the disk; none while it goes on.
    held: std::sync::Arc<Mutex<Option<Vec<Held>>>>,
}

impl Disk {
    /// Lets it hang.
    pub(crate) fn hang(&self) {
        self.held.lock().get_or_insert_default();
    }

    /// Lets it go on with all that waits, in order.
    pub(crate) fn go_on(&self) {
        let held = self.held.lock().take().unwrap_or_default();
        for (done, outcome) in held {
            done(outcome);
        }
    }

    fn when_durable(&self, done: Done) -> Done {
        let held = std::sync::Arc::clone(&self.held);
        Box::new(move |outcome| {
            let mut waiting = held.lock();
            match &mut *waiting {
                Some(waiting) => waiting.push((done, outcome)),
                None => {
                    drop(waiting);
                    done(outcome);
                }
            }
        })
    }
}

impl Log for Disk {
    fn groups(&self) -> Vec<GroupId> {
        self.log.groups()
    }

    fn bounds(&self, group: GroupId) -> Option<(u64, u64)> {
        self.log.bounds(group)
    }

    fn append(&self, group: GroupId, entries: Vec<(u64, Bytes)>, done: Done) {
        self.log.append(group, entries, self.when_durable(done));
    }

    fn truncate_after(&self, group: GroupId, last_kept: u64, done: Done) {
        self.log.truncate_after(group, last_kept, self.when_durable(done));
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
        self.log.put(group, slot, value, self.when_durable(done));
    }

    fn get(&self, group: GroupId, slot: Slot) -> Option<Bytes> {
        self.log.get(group, slot)
    }
}
