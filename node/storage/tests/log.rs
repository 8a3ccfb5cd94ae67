//! One suite for every log: the contract of `Log`, on the twin in memory and
//! on real files; then what only real files can show.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::sync::Arc;
use std::sync::mpsc;

use bytes::Bytes;
use via_storage::disk::simulated::SimulatedDisk;
use via_storage::log::{self, ENTRY_BYTES, Options, SLOT_BYTES};
use via_storage::{Done, Error, Log, MemoryLog, SegmentedLog, Slot};
use via_types::GroupId;

const A: GroupId = GroupId::new(1);
const B: GroupId = GroupId::new(70_000);

/// A callback and the place where its outcome arrives.
fn done() -> (Done, mpsc::Receiver<Result<(), Error>>) {
    let (tell, told) = mpsc::channel();
    (Box::new(move |outcome| tell.send(outcome).unwrap()), told)
}

fn entries(range: std::ops::Range<u64>) -> Vec<(u64, Bytes)> {
    range.map(|index| (index, Bytes::from(format!("entry {index}")))).collect()
}

fn append(log: &dyn Log, group: GroupId, entries: Vec<(u64, Bytes)>) -> Result<(), Error> {
    let (done, told) = done();
    log.append(group, entries, done);
    told.recv().unwrap()
}

fn truncate(log: &dyn Log, group: GroupId, last_kept: u64) {
    let (done, told) = done();
    log.truncate_after(group, last_kept, done);
    told.recv().unwrap().unwrap();
}

fn put(log: &dyn Log, group: GroupId, slot: Slot, value: &[u8]) -> Result<(), Error> {
    let (done, told) = done();
    log.put(group, slot, Bytes::copy_from_slice(value), done);
    told.recv().unwrap()
}

fn all(log: &dyn Log, group: GroupId) -> Vec<(u64, Bytes)> {
    log.read(group, 0..u64::MAX, usize::MAX).unwrap()
}

/// Runs the whole contract on an empty log.
fn conforms(log: &dyn Log) {
    keeps_groups_apart(log);
    reads_within_its_limits(log);
    truncates_and_goes_on(log);
    purges(log);
    keeps_slots(log);
    refuses_what_does_not_fit(log);
    answers_in_order(log);
}

fn keeps_groups_apart(log: &dyn Log) {
    assert_eq!(log.groups(), []);
    assert_eq!(log.bounds(A), None);
    assert_eq!(all(log, A), []);
    append(log, A, entries(1..4)).unwrap();
    append(log, B, entries(900..902)).unwrap();
    assert_eq!(log.groups(), [A, B]);
    assert_eq!(log.bounds(A), Some((1, 3)));
    assert_eq!(log.bounds(B), Some((900, 901)));
    assert_eq!(all(log, B), entries(900..902));
    append(log, A, Vec::new()).unwrap();
    assert_eq!(log.bounds(A), Some((1, 3)));
}

fn reads_within_its_limits(log: &dyn Log) {
    assert_eq!(log.read(A, 2..3, usize::MAX).unwrap(), entries(2..3));
    assert_eq!(log.read(A, 2..9, usize::MAX).unwrap(), entries(2..4));
    assert_eq!(log.read(A, 1..4, 14).unwrap(), entries(1..3));
    assert_eq!(log.read(A, 1..4, 0).unwrap(), entries(1..2), "at least one");
    assert_eq!(log.read(A, 4..9, usize::MAX).unwrap(), []);
    assert_eq!(log.read(A, 3..3, usize::MAX).unwrap(), []);
}

fn truncates_and_goes_on(log: &dyn Log) {
    truncate(log, A, 1);
    assert_eq!(log.bounds(A), Some((1, 1)));
    let again = vec![(2, Bytes::from_static(b"another"))];
    append(log, A, again.clone()).unwrap();
    assert_eq!(log.read(A, 2..3, usize::MAX).unwrap(), again);
    truncate(log, A, 99);
    assert_eq!(log.bounds(A), Some((1, 2)), "nothing lies after it");
    truncate(log, A, 0);
    assert_eq!(log.bounds(A), None);
    append(log, A, entries(1..11)).unwrap();
}

fn purges(log: &dyn Log) {
    log.purge(A, 4);
    assert_eq!(log.bounds(A), Some((5, 10)));
    assert_eq!(all(log, A), entries(5..11));
    log.purge(A, 2);
    assert_eq!(log.bounds(A), Some((5, 10)), "a purge never goes back");
    log.purge(A, 50);
    assert_eq!(log.bounds(A), None);
    let below = append(log, A, entries(50..51));
    assert!(matches!(below, Err(Error::Gap { expected: 51, given: 50, .. })), "{below:?}");
    append(log, A, entries(51..60)).unwrap();
    assert_eq!(all(log, A), entries(51..60));
}

fn keeps_slots(log: &dyn Log) {
    let c = GroupId::new(5);
    assert_eq!(log.get(c, Slot::Vote), None);
    put(log, c, Slot::Vote, b"first").unwrap();
    put(log, c, Slot::Vote, b"second").unwrap();
    put(log, c, Slot::Membership, b"").unwrap();
    assert_eq!(log.get(c, Slot::Vote), Some(Bytes::from_static(b"second")));
    assert_eq!(log.get(c, Slot::Membership), Some(Bytes::new()));
    assert_eq!(log.get(A, Slot::Vote), None);
    assert_eq!(log.groups(), [A, c, B]);
    let large = put(log, c, Slot::Vote, &vec![0; SLOT_BYTES + 1]);
    assert!(matches!(large, Err(Error::TooLarge { .. })), "{large:?}");
    assert_eq!(log.get(c, Slot::Vote), Some(Bytes::from_static(b"second")));
}

fn refuses_what_does_not_fit(log: &dyn Log) {
    for given in [59, 61] {
        let gap = append(log, A, vec![(given, Bytes::new())]);
        assert!(matches!(gap, Err(Error::Gap { expected: 60, .. })), "{gap:?}");
    }
    let hole = append(log, A, vec![(60, Bytes::new()), (62, Bytes::new())]);
    assert!(matches!(hole, Err(Error::Gap { expected: 61, given: 62, .. })), "{hole:?}");
    let large = append(log, A, vec![(60, vec![0; ENTRY_BYTES + 1].into())]);
    assert!(matches!(large, Err(Error::TooLarge { .. })), "{large:?}");
    assert_eq!(log.bounds(A), Some((51, 59)));
}

fn answers_in_order(log: &dyn Log) {
    let (tell, told) = mpsc::channel();
    for round in 0..100_u64 {
        let tell = tell.clone();
        let done: Done = Box::new(move |outcome| tell.send((round, outcome.is_ok())).unwrap());
        let next = 60 + round;
        if round % 2 == 0 {
            log.append(A, entries(next..next + 1), done);
        } else {
            log.append(B, entries(902 + round / 2..903 + round / 2), done);
            log.append(A, entries(next..next + 1), Box::new(|outcome| outcome.unwrap()));
        }
        assert_eq!(log.bounds(A), Some((51, next)), "an append is visible at once");
    }
    let order: Vec<_> = told.iter().take(100).collect();
    assert!(order.iter().enumerate().all(|(at, answer)| *answer == (at as u64, true)));
    assert_eq!(all(log, A), entries(51..160));
    assert_eq!(all(log, B), entries(900..952));
}

#[test]
fn the_log_in_memory_conforms() {
    conforms(&MemoryLog::new());
}

#[test]
fn a_log_that_is_written_by_hand_tells_nobody_before() {
    let disk = SimulatedDisk::new();
    let open = || SegmentedLog::by_hand(Arc::new(disk.clone()), Options::new("simulated")).unwrap();
    let (log, mut hand) = open();
    let (tell, told) = done();
    log.append(A, entries(1..3), tell);
    assert!(told.try_recv().is_err(), "invariant D-1");
    assert_eq!(all(&log, A), entries(1..3), "it is visible at once");
    hand.write().unwrap();
    told.try_recv().unwrap().unwrap();
    drop((log, hand));
    assert_eq!(all(&open().0, A), entries(1..3));
}

#[test]
fn the_log_on_disk_conforms() {
    let directory = tempfile::tempdir().unwrap();
    conforms(&log::open(Options::new(directory.path())).unwrap());
}

#[test]
fn the_log_on_disk_conforms_with_tiny_segments_and_no_cache() {
    let directory = tempfile::tempdir().unwrap();
    let options = Options {
        first_segment_bytes: 4096,
        segment_bytes: 4096,
        recent_bytes: 0,
        ..Options::new(directory.path())
    };
    conforms(&log::open(options).unwrap());
}

#[test]
fn what_was_acknowledged_is_there_after_closing_and_opening() {
    let directory = tempfile::tempdir().unwrap();
    for round in 0..5 {
        let log = log::open(Options::new(directory.path())).unwrap();
        assert_eq!(all(&log, A), entries(1..1 + round * 10));
        append(&log, A, entries(1 + round * 10..11 + round * 10)).unwrap();
        let value = round.to_le_bytes();
        put(&log, B, Slot::Vote, &value).unwrap();
        assert_eq!(log.get(B, Slot::Vote), Some(Bytes::copy_from_slice(&value)));
    }
}

#[test]
fn large_entries_span_many_segments_and_purged_ones_free_them() {
    let directory = tempfile::tempdir().unwrap();
    let options = Options {
        first_segment_bytes: 1 << 20,
        segment_bytes: 4 << 20,
        recent_bytes: 1 << 20,
        ..Options::new(directory.path())
    };
    let body = |index: u64| Bytes::from(vec![index as u8; 700_000]);
    let log = log::open(options.clone()).unwrap();
    for index in 1..40 {
        append(&log, A, vec![(index, body(index))]).unwrap();
    }
    // More than one batch, and an entry larger than a segment.
    append(&log, A, (40..60).map(|index| (index, body(index))).collect()).unwrap();
    append(&log, A, vec![(60, vec![60; ENTRY_BYTES].into())]).unwrap();
    drop(log);

    let log = log::open(options).unwrap();
    assert_eq!(log.bounds(A), Some((1, 60)));
    for index in 1..60 {
        assert_eq!(log.read(A, index..index + 1, 0).unwrap(), [(index, body(index))]);
    }
    assert_eq!(log.read(A, 60..61, 0).unwrap()[0].1.len(), ENTRY_BYTES);
    log.purge(A, 59);
    append(&log, B, entries(1..2)).unwrap();
    append(&log, B, entries(2..3)).unwrap();
    drop(log);
    let files = std::fs::read_dir(directory.path()).unwrap();
    let segments = files.filter(|file| {
        file.as_ref().unwrap().path().extension().is_some_and(|extension| extension == "log")
    });
    assert!(segments.count() <= 4, "purged segments are still there");
}

#[test]
fn a_second_process_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let first = log::open(Options::new(directory.path())).unwrap();
    let second = log::open(Options::new(directory.path())).map(|_| ());
    assert!(matches!(second, Err(Error::Locked { .. })), "{second:?}");
    drop(first);
    log::open(Options::new(directory.path())).unwrap();
}

#[test]
fn a_full_queue_refuses_early_and_keeps_its_word() {
    let directory = tempfile::tempdir().unwrap();
    let options = Options { queue_bytes: 1 << 20, ..Options::new(directory.path()) };
    let log = Arc::new(log::open(options).unwrap());
    let (tell, told) = mpsc::channel();
    let mut next = 1;
    let mut refused = 0;
    for _ in 0..400 {
        let tell = tell.clone();
        let body = Bytes::from(vec![7; 100_000]);
        let done: Done = Box::new(move |outcome| tell.send(outcome).unwrap());
        log.append(A, vec![(next, body)], done);
        if log.bounds(A).map_or(0, |(_, last)| last) == next {
            next += 1;
        } else {
            refused += 1;
        }
    }
    let outcomes: Vec<_> = told.iter().take(400).collect();
    let overloaded =
        |outcome: &&Result<(), Error>| matches!(outcome, Err(Error::Overloaded { .. }));
    assert_eq!(outcomes.iter().filter(overloaded).count(), refused);
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count() as u64, next - 1);
    assert_eq!(log.bounds(A), Some((1, next - 1)));
}

#[test]
fn many_threads_share_syncs_and_lose_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let options = || Options { segment_bytes: 64 << 10, ..Options::new(directory.path()) };
    let log = log::open(options()).unwrap();
    std::thread::scope(|scope| {
        for group in (0..8).map(GroupId::new) {
            let log = &log;
            scope.spawn(move || {
                for index in 1..=200 {
                    append(log, group, entries(index..index + 1)).unwrap();
                    if index % 50 == 0 {
                        log.purge(group, index - 20);
                    }
                }
            });
        }
    });
    drop(log);
    let log = log::open(options()).unwrap();
    for group in (0..8).map(GroupId::new) {
        assert_eq!(all(&log, group), entries(181..201));
    }
}
