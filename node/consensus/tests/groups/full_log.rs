//! A log that is full for a while, and one that fails for good.

use std::collections::BTreeSet;
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use bytes::Bytes;
use tokio::time::{Duration, timeout};
use via_consensus::{Error, Group, Host, Options};
use via_storage::{Done, Log, MemoryLog, Slot};
use via_types::{Fate, GroupId, NodeId};

use crate::journal::Disk;

const GROUP: GroupId = GroupId::new(2);
const ME: NodeId = NodeId::new(1);
const LONG: Duration = Duration::from_secs(20);

const WELL: u8 = 0;
const FULL: u8 = 1;
const POISONED: u8 = 2;

/// A log in memory that refuses when told to.
#[derive(Clone, Default)]
struct Moody {
    log: MemoryLog,
    mood: Arc<AtomicU8>,
}

impl Moody {
    fn set(&self, mood: u8) {
        self.mood.store(mood, Ordering::SeqCst);
    }

    fn refuse(&self, done: Done) -> Option<Done> {
        let source = || Arc::new(io::Error::other("no space"));
        match self.mood.load(Ordering::SeqCst) {
            WELL => return Some(done),
            FULL => done(Err(via_storage::Error::Full { doing: "append", source: source() })),
            _ => done(Err(via_storage::Error::Poisoned { cause: "a sync failed".into() })),
        }
        None
    }
}

impl Log for Moody {
    fn groups(&self) -> Vec<GroupId> {
        self.log.groups()
    }

    fn bounds(&self, group: GroupId) -> Option<(u64, u64)> {
        self.log.bounds(group)
    }

    fn append(&self, group: GroupId, entries: Vec<(u64, Bytes)>, done: Done) {
        if let Some(done) = self.refuse(done) {
            self.log.append(group, entries, done);
        }
    }

    fn truncate_after(&self, group: GroupId, last_kept: u64, done: Done) {
        self.log.truncate_after(group, last_kept, done);
    }

    fn purge(&self, group: GroupId, upto: u64) {
        self.log.purge(group, upto);
    }

    fn read(
        &self,
        group: GroupId,
        range: Range<u64>,
        max_bytes: usize,
    ) -> Result<Vec<(u64, Bytes)>, via_storage::Error> {
        self.log.read(group, range, max_bytes)
    }

    fn put(&self, group: GroupId, slot: Slot, value: Bytes, done: Done) {
        if let Some(done) = self.refuse(done) {
            self.log.put(group, slot, value, done);
        }
    }

    fn get(&self, group: GroupId, slot: Slot) -> Option<Bytes> {
        self.log.get(group, slot)
    }
}

async fn started(log: &Moody, disk: &Disk) -> (Host, Group) {
    let host = Host::new(Options::new(ME), Arc::new(log.clone()), None).unwrap();
    let voters = Some(BTreeSet::from([ME]));
    let group = host.open(GROUP, voters, |tail| Ok(disk.journal(tail))).await.unwrap();
    let mut leadership = group.leadership();
    timeout(LONG, leadership.wait_for(|leadership| leadership.is_me)).await.unwrap().unwrap();
    (host, group)
}

fn word(number: usize) -> Bytes {
    format!("entry {number}").into()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn entries_wait_in_order_while_the_log_is_full_and_new_ones_are_refused() {
    let (log, disk) = (Moody::default(), Disk::default());
    let (host, group) = started(&log, &disk).await;
    group.propose(word(0)).await.unwrap();
    log.set(FULL);
    let mut pending = Vec::new();
    let refusal = async {
        loop {
            match group.submit(word(pending.len() + 1)).await {
                Ok(accepted) => pending.push(accepted),
                Err(error) => return error,
            }
            tokio::task::yield_now().await;
        }
    };
    let error = timeout(LONG, refusal).await.expect("invariant D-6: waiting is bounded");
    assert!(matches!(error, Error::LogFull(GROUP)), "{error}");
    assert!(matches!(error.fate(), Fate::Retry(_)), "invariant D-5: surely not applied");
    assert_eq!(disk.payloads(), [word(0)], "invariant D-1: nothing counts before it is durable");
    log.set(WELL);
    let accepted = pending.len();
    for pending in pending {
        timeout(LONG, pending).await.expect("it goes on").unwrap();
    }
    let expected: Vec<_> = (0..=accepted).map(word).collect();
    assert_eq!(disk.payloads(), expected, "nothing is lost or reordered");
    let again = async {
        while group.propose(word(accepted + 1)).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    timeout(LONG, again).await.expect("it takes entries again");
    host.shutdown().await;

    let (host, group) = started(&log, &disk).await;
    group.propose(word(accepted + 2)).await.unwrap();
    assert_eq!(disk.payloads(), (0..accepted + 3).map(word).collect::<Vec<_>>());
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_log_stops_the_group_and_says_why() {
    let (log, disk) = (Moody::default(), Disk::default());
    let (host, group) = started(&log, &disk).await;
    log.set(POISONED);
    let error = group.propose(word(0)).await.unwrap_err();
    assert_eq!(error.fate(), Fate::Unknown, "{error}");
    let failed = timeout(LONG, group.failed()).await.expect("it is told");
    assert!(failed.to_string().contains("a sync failed"), "{failed}");
    assert_eq!(disk.payloads().len(), 0, "invariant D-1: nothing counts before it is durable");
    host.shutdown().await;
}
