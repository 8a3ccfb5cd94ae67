//! A node alone: order, restart, replay, purge, failure.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use tokio::time::{Duration, timeout};
use via_consensus::{Applied, Error, Group, Host, Options};
use via_storage::{Log, MemoryLog, Slot};
use via_types::{Fate, GroupId, LogIndex, NodeId, limit};

use crate::journal::{BREAK, CHECKPOINT, Disk};

const GROUP: GroupId = GroupId::new(7);
const ME: NodeId = NodeId::new(3);

fn host(log: &MemoryLog) -> Host {
    Host::new(Options::new(ME), Arc::new(log.clone()), None).unwrap()
}

async fn open(host: &Host, disk: &Disk) -> Result<Group, Error> {
    host.open(GROUP, Some(BTreeSet::from([ME])), |tail| Ok(disk.journal(tail))).await
}

async fn led(group: &Group) {
    let mut leadership = group.leadership();
    let led = leadership.wait_for(|leadership| leadership.is_me);
    timeout(Duration::from_secs(5), led).await.expect("a group of one leads at once").unwrap();
}

async fn started(log: &MemoryLog, disk: &Disk) -> (Host, Group) {
    let host = host(log);
    let group = open(&host, disk).await.unwrap();
    led(&group).await;
    (host, group)
}

fn word(number: usize) -> Bytes {
    format!("entry {number}").into()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_with_the_machines_outcome_in_the_order_of_submission() {
    let (log, disk) = (MemoryLog::new(), Disk::default());
    let (host, group) = started(&log, &disk).await;
    let mut pending = Vec::new();
    for number in 0..500 {
        pending.push(group.submit(word(number)).await.unwrap());
    }
    let mut last = LogIndex::new(0);
    for (number, pending) in pending.into_iter().enumerate() {
        let committed = pending.await.unwrap();
        assert!(committed.at.index > last, "submission order is log order");
        assert_eq!(committed.at.leader, ME, "invariant D-3: the position names its leader");
        last = committed.at.index;
        assert_eq!(committed.outcome.take::<usize>(), Some(number + 1));
    }
    assert_eq!(disk.payloads(), (0..500).map(word).collect::<Vec<_>>());
    assert_eq!(group.read_barrier().await.unwrap(), last);
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_applies_again_what_was_not_durable_and_leads_in_a_new_term() {
    let (log, disk) = (MemoryLog::new(), Disk::default());
    let (host, group) = started(&log, &disk).await;
    for number in 0..10 {
        group.propose(word(number)).await.unwrap();
    }
    group.propose(CHECKPOINT.into()).await.unwrap();
    group.propose(word(10)).await.unwrap();
    let before = *group.leadership().borrow();
    host.shutdown().await;

    let (host, group) = started(&log, &disk).await;
    assert!(group.leadership().borrow().term > before.term, "invariant D-3: a new term");
    let committed = group.propose(word(11)).await.unwrap();
    assert_eq!(committed.outcome.take::<usize>(), Some(12));
    assert_eq!(disk.payloads(), (0..12).map(word).collect::<Vec<_>>());
    let blanks = disk.blanks.lock().clone();
    assert!(blanks.len() >= 2 && blanks.is_sorted(), "one blank entry starts each term");
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn works_on_a_runtime_of_one_thread_too() {
    let task = std::thread::spawn(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (log, disk) = (MemoryLog::new(), Disk::default());
            let (host, group) = started(&log, &disk).await;
            group.propose(vec![b'x'; 1 << 20].into()).await.unwrap();
            host.shutdown().await;
            disk.payloads().len()
        })
    });
    assert_eq!(task.join().unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn purging_keeps_what_is_not_durable_and_survives_a_restart() {
    let (log, disk) = (MemoryLog::new(), Disk::default());
    let (host, group) = started(&log, &disk).await;
    group.purge().await.unwrap();
    assert_eq!(group.status().purged, None, "nothing is durable yet");
    for number in 0..20 {
        group.propose(word(number)).await.unwrap();
    }
    let boundary = group.propose(CHECKPOINT.into()).await.unwrap().at;
    group.propose(word(20)).await.unwrap();
    group.purge().await.unwrap();
    assert_eq!(group.status().purged, Some(boundary));
    assert_eq!(log.bounds(GROUP).unwrap().0, boundary.index.get() + 1);
    host.shutdown().await;

    let (host, group) = started(&log, &disk).await;
    group.propose(word(21)).await.unwrap();
    assert_eq!(disk.payloads(), (0..22).map(word).collect::<Vec<_>>());
    let boundary = group.propose(CHECKPOINT.into()).await.unwrap().at;
    group.purge().await.unwrap();
    group.purge().await.unwrap();
    assert_eq!(group.status().purged, Some(boundary));
    host.shutdown().await;

    let (host, group) = started(&log, &disk).await;
    group.propose(word(22)).await.unwrap();
    assert_eq!(disk.payloads().len(), 23);
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_tail_is_read_in_order_with_positions() {
    let (log, disk) = (MemoryLog::new(), Disk::default());
    let (host, group) = started(&log, &disk).await;
    let mut positions = Vec::new();
    for number in 0..50 {
        positions.push(group.propose(word(number)).await.unwrap().at);
    }
    host.shutdown().await;

    let host = self::host(&log);
    let (first, last) = (positions[0].index, positions[49].index);
    let mut seen = Vec::new();
    let seen_by_make = &mut seen;
    let reopened = host.open(GROUP, None, |tail| {
        tail.read(first, last, &mut |at, entry| {
            if let Applied::Payload(payload) = entry {
                seen_by_make.push((at, payload.clone()));
            }
            Ok(())
        })?;
        Ok(disk.journal(tail))
    });
    reopened.await.unwrap();
    assert_eq!(seen.iter().map(|(at, _)| *at).collect::<Vec<_>>(), positions);
    assert!(seen.iter().enumerate().all(|(number, (_, payload))| *payload == word(number)));
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_machine_stops_its_group_and_says_why() {
    let (log, disk) = (MemoryLog::new(), Disk::default());
    let (host, group) = started(&log, &disk).await;
    let error = group.propose(BREAK.into()).await.unwrap_err();
    assert_eq!(error.fate(), Fate::Unknown, "{error}");
    let failed = group.failed().await;
    assert!(failed.to_string().contains("told to break"), "{failed}");
    let error = group.propose(word(1)).await.unwrap_err();
    assert!(error.to_string().contains("told to break"), "{error}");
    let mut leadership = group.leadership();
    let stopped = leadership.wait_for(|leadership| !leadership.is_me);
    timeout(Duration::from_secs(5), stopped).await.expect("it does not carry on").unwrap();
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refuses_what_is_too_long_and_what_comes_after_shutdown() {
    let (log, disk) = (MemoryLog::new(), Disk::default());
    let (host, group) = started(&log, &disk).await;
    let error = group.submit(vec![0; limit::ENTRY_BYTES + 1].into()).await.err().unwrap();
    assert_eq!(error.fate(), Fate::Rejected);
    assert!(matches!(open(&host, &disk).await, Err(Error::AlreadyOpen(GROUP))));
    host.shutdown().await;
    let error = group.propose(word(1)).await.unwrap_err();
    assert!(matches!(error.fate(), Fate::Retry(_)), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refuses_to_open_on_a_log_that_lost_acknowledged_entries() {
    let (log, disk) = (MemoryLog::new(), Disk::default());
    let (host, group) = started(&log, &disk).await;
    group.propose(word(0)).await.unwrap();
    let applied = group.propose(CHECKPOINT.into()).await.unwrap().at;
    host.shutdown().await;

    log.truncate_after(GROUP, applied.index.get() - 1, Box::new(|_| {}));
    let error = open(&self::host(&log), &disk).await.unwrap_err();
    assert!(matches!(error, Error::LogBehind { .. }), "invariant D-7: {error}");
    assert!(error.to_string().contains(&format!("has applied {applied}")), "{error}");
    let error = open(&self::host(&MemoryLog::new()), &disk).await.unwrap_err();
    assert!(matches!(error, Error::LogBehind { last: None, .. }), "invariant D-7: {error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refuses_to_open_when_the_machine_lost_what_was_purged() {
    let (log, disk) = (MemoryLog::new(), Disk::default());
    let (host, group) = started(&log, &disk).await;
    group.propose(word(0)).await.unwrap();
    group.propose(CHECKPOINT.into()).await.unwrap();
    group.purge().await.unwrap();
    host.shutdown().await;
    let error = open(&self::host(&log), &Disk::default()).await.unwrap_err();
    assert!(matches!(error, Error::LogAhead { applied: None, .. }), "invariant D-7: {error}");
    assert!(error.to_string().contains("restore this node's whole data directory"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refuses_a_damaged_vote() {
    let (log, disk) = (MemoryLog::new(), Disk::default());
    let (host, _) = started(&log, &disk).await;
    host.shutdown().await;
    let mut vote = log.get(GROUP, Slot::Vote).unwrap().to_vec();
    vote[14] ^= 1;
    log.put(GROUP, Slot::Vote, vote.into(), Box::new(|_| {}));
    let error = open(&self::host(&log), &disk).await.unwrap_err();
    assert!(matches!(error, Error::Unreadable { .. }), "invariant D-7: {error}");
}
