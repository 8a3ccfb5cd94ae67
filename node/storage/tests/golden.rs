//! A segment as version 1 wrote it must be read for ever.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::fs;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use via_storage::disk::simulated::SimulatedDisk;
use via_storage::log::Options;
use via_storage::{Log, SegmentedLog, Slot};
use via_types::GroupId;

const FILE: &str = "segment-0000000001.log";
const A: GroupId = GroupId::new(1);
const B: GroupId = GroupId::new(65);

fn open(disk: &SimulatedDisk) -> SegmentedLog {
    let options =
        Options { first_segment_bytes: 4096, segment_bytes: 4096, ..Options::new("golden") };
    SegmentedLog::on(Arc::new(disk.clone()), options).unwrap()
}

/// Writes every kind of record that a log of one segment has.
fn written_today() -> Vec<u8> {
    let disk = SimulatedDisk::new();
    let log = open(&disk);
    let wait = |ask: &dyn Fn(via_storage::Done)| {
        let (tell, told) = std::sync::mpsc::channel();
        ask(Box::new(move |outcome| tell.send(outcome).unwrap()));
        told.recv().unwrap().unwrap();
    };
    let entries = |range: std::ops::Range<u64>| {
        range.map(|index| (index, Bytes::from(format!("entry {index}")))).collect::<Vec<_>>()
    };
    wait(&|done| log.append(A, entries(1..8), done));
    wait(&|done| log.append(B, entries(100..102), done));
    wait(&|done| log.put(B, Slot::Vote, Bytes::from_static(b"vote"), done));
    wait(&|done| log.truncate_after(A, 6, done));
    log.purge(A, 3);
    wait(&|done| log.put(A, Slot::Purged, Bytes::from_static(b"three"), done));
    drop(log);
    disk.bytes(FILE)
}

#[test]
fn a_segment_of_version_1_is_read() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/segment-v1.bin");
    let bytes = fs::read(&path).unwrap_or_else(|_| {
        fs::write(&path, written_today()).unwrap();
        panic!("the golden segment did not exist; it does now: look at it and add it");
    });
    let disk = SimulatedDisk::new();
    disk.put(FILE, bytes);
    let log = open(&disk);
    assert_eq!(log.groups(), [A, B]);
    assert_eq!(log.bounds(A), Some((4, 6)));
    assert_eq!(log.read(A, 6..7, 99).unwrap(), [(6, Bytes::from_static(b"entry 6"))]);
    assert_eq!(log.bounds(B), Some((100, 101)));
    assert_eq!(log.get(B, Slot::Vote), Some(Bytes::from_static(b"vote")));
    assert_eq!(log.get(A, Slot::Purged), Some(Bytes::from_static(b"three")));
    assert_eq!(log.get(A, Slot::Vote), None);
}

#[test]
fn what_is_written_today_is_read_today() {
    let disk = SimulatedDisk::new();
    disk.put(FILE, written_today());
    assert_eq!(open(&disk).bounds(A), Some((4, 6)));
}
