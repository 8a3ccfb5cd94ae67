//! Proofs that the log keeps its word: power loss, crash and failure at every
//! single step of random workloads; every kind of damage. Deterministic: the
//! disk is simulated and the writer is driven by hand.

mod run;

use std::io;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use via_types::GroupId;

use self::run::{Run, Step, steps};
use super::segment::{START, name};
use super::{Log, Slot};
use crate::Error;
use crate::disk::Disk;
use crate::disk::simulated::{Fault, SimulatedDisk};

fn config(cases: u32) -> Config {
    Config { cases, failure_persistence: None, ..Config::default() }
}

/// Returns how many disk steps a workload takes when nothing goes wrong.
fn length_of(steps: &[Step]) -> u64 {
    let disk = SimulatedDisk::new();
    Run::new(disk.clone()).perform(steps).expect("nothing goes wrong");
    disk.steps()
}

fn more() -> Vec<Step> {
    vec![
        Step::Append { group: 0, entries: 2, bytes: 100 },
        Step::Append { group: 1, entries: 3, bytes: 300 },
        Step::Commit,
        Step::Put { group: 2, slot: Slot::Vote, bytes: 20 },
        Step::TruncateBack { group: 1, entries: 1 },
        Step::Append { group: 1, entries: 1, bytes: 10 },
        Step::Reopen,
    ]
}

proptest! {
    #![proptest_config(config(64))]

    #[test]
    fn readers_see_what_a_naive_log_would_show(steps in steps(20..120)) {
        Run::new(SimulatedDisk::new()).perform(&steps).unwrap();
    }
}

#[test]
fn power_loss_at_any_step_loses_nothing_acknowledged() {
    let check = |steps: Vec<Step>| {
        for at in 0..length_of(&steps) {
            for seed in 0..3 {
                let disk = SimulatedDisk::new();
                disk.fail_at(at, Fault::PowerLoss);
                let mut run = Run::new(disk.clone());
                let _ = run.perform(&steps);
                prop_assert!(disk.is_off());
                lose_power_again_while_recovering(&mut run, disk, seed + at * 7)?;
            }
        }
        Ok(())
    };
    TestRunner::new(config(48)).run(&steps(5..40), check).unwrap();
}

/// The proofs are worth something: they catch a disk that lies.
#[test]
fn a_disk_that_does_not_sync_is_caught() {
    let caught = (0..20).filter(|seed| {
        let disk = SimulatedDisk::new();
        let mut run = Run::new(disk.clone());
        run.open().unwrap();
        disk.ignore_syncs();
        run.perform(&busy()).unwrap();
        let lost = disk.after_power_loss(*seed);
        let check = std::panic::AssertUnwindSafe(|| run.inspect(lost).is_err());
        std::panic::catch_unwind(check).unwrap_or(true)
    });
    assert_eq!(caught.count(), 20);
}

fn lose_power_again_while_recovering(
    run: &mut Run,
    disk: SimulatedDisk,
    seed: u64,
) -> Result<(), TestCaseError> {
    let mut disk = disk.after_power_loss(seed);
    disk.fail_at(seed % 5, Fault::PowerLoss);
    let outcome = run.recover_on(disk.clone());
    if disk.is_off() {
        disk = disk.after_power_loss(seed + 1);
        let outcome = run.recover_on(disk.clone());
        prop_assert!(outcome.is_ok(), "{outcome:?}");
    } else {
        prop_assert!(outcome.is_ok(), "{outcome:?}");
    }
    // The planned fault may still be ahead; it is not part of what follows.
    disk.fail_at(u64::MAX, Fault::PowerLoss);
    run.perform(&more()).map_err(|error| TestCaseError::fail(error.to_string()))
}

#[test]
fn a_killed_process_loses_nothing_acknowledged() {
    let check = |steps: Vec<Step>| {
        for at in 0..length_of(&steps) {
            let disk = SimulatedDisk::new();
            disk.fail_at(at, Fault::PowerLoss);
            let mut run = Run::new(disk.clone());
            let _ = run.perform(&steps);
            prop_assert!(disk.is_off());
            // The kernel lives on and has every byte that was written.
            run.recover_on(disk.image()).unwrap();
            run.perform(&more()).unwrap();
        }
        Ok(())
    };
    TestRunner::new(config(48)).run(&steps(5..40), check).unwrap();
}

#[test]
fn a_full_disk_at_any_step_undoes_what_was_asked_and_nothing_else() {
    let check = |steps: Vec<Step>| {
        for at in 0..length_of(&steps) {
            let disk = SimulatedDisk::new();
            disk.fail_at(at, Fault::Once(io::ErrorKind::StorageFull));
            let mut run = Run::new(disk.clone());
            match run.perform(&steps) {
                // Removing an old file, or a mark, may fail without harm.
                Ok(()) => continue,
                Err(Error::Full { .. }) if run.is_open() => run.forget_unacknowledged(),
                // It did not open, or a sync failed: that loses data whatever its reason.
                Err(Error::Full { .. } | Error::Poisoned { .. }) => {
                    run.recover_on(disk.image()).unwrap();
                }
                Err(error) => prop_assert!(false, "{error:?}"),
            }
            run.perform(&more()).unwrap();
        }
        Ok(())
    };
    TestRunner::new(config(48)).run(&steps(5..40), check).unwrap();
}

#[test]
fn after_a_failed_write_or_sync_nothing_more_is_accepted() {
    let check = |steps: Vec<Step>| {
        for at in 0..length_of(&steps) {
            let disk = SimulatedDisk::new();
            disk.fail_at(at, Fault::Once(io::ErrorKind::Other));
            let mut run = Run::new(disk.clone());
            let outcome = run.perform(&steps);
            let is_poisoned =
                matches!(outcome, Err(Error::Io { doing: "write to" | "sync" | "erase", .. }));
            if is_poisoned && run.is_open() {
                run.check_acknowledged();
                let refusal = run.ask_once();
                prop_assert!(matches!(refusal, Some(Err(Error::Poisoned { .. }))), "{refusal:?}");
                prop_assert!(run.commit().is_err());
                run.recover_on(disk.after_power_loss(at)).unwrap();
                run.perform(&more()).unwrap();
            }
        }
        Ok(())
    };
    TestRunner::new(config(48)).run(&steps(5..40), check).unwrap();
}

/// A log of several segments, idle: its last sync is marked.
fn idle_log() -> (SimulatedDisk, Run) {
    let mut run = Run::new(SimulatedDisk::new());
    run.perform(&busy()).unwrap();
    (run.disk.image(), run)
}

fn busy() -> Vec<Step> {
    let mut all = Vec::new();
    for round in 0..6 {
        all.push(Step::Append { group: round % 3, entries: 3, bytes: 250 });
        all.push(Step::Put { group: round % 3, slot: Slot::Vote, bytes: 16 });
        all.push(Step::Commit);
    }
    all
}

/// Flips bits of every file: every third where there is data, some where there is
/// none. Returns how many flips were refused.
fn flip_everything(disk: &SimulatedDisk, run: &mut Run) -> usize {
    let files = disk.list().unwrap();
    assert!(files.len() >= 2, "the test needs several segments");
    let mut refused = 0;
    for file in files {
        let bytes = disk.bytes(&file);
        let used = bytes.iter().rposition(|byte| *byte != 0).unwrap() as u64 * 8 + 64;
        let empty = (used..bytes.len() as u64 * 8).step_by(97);
        for bit in (0..used).step_by(3).chain(empty) {
            let damaged = disk.image();
            damaged.flip(&file, bit);
            match run.inspect(damaged) {
                Ok(_) => {}
                Err(Error::Corrupt { file: named, .. }) => {
                    refused += 1;
                    assert!(named.ends_with(&file), "bit {bit} of {file} was blamed on {named:?}");
                }
                Err(error) => panic!("bit {bit} of {file}: {error}"),
            }
        }
    }
    refused
}

#[test]
fn any_flipped_bit_is_refused_or_harmless() {
    let (disk, mut run) = idle_log();
    let refused = flip_everything(&disk, &mut run);
    assert!(refused > 4_000, "only {refused} flips were noticed");
}

#[test]
fn without_a_mark_a_flipped_bit_may_drop_the_last_sync_and_nothing_else() {
    let disk = SimulatedDisk::new();
    disk.fail_at(length_of(&busy()) - 1, Fault::PowerLoss);
    let mut run = Run::new(disk.clone());
    run.perform(&busy()).expect("only the mark is missing");
    assert!(disk.is_off());
    run.doubt_last_batch();
    let refused = flip_everything(&disk.image(), &mut run);
    assert!(refused > 4_000, "only {refused} flips were noticed");
}

#[test]
fn a_missing_short_or_foreign_segment_is_refused() {
    let (disk, _) = idle_log();
    let refusal = |disk: SimulatedDisk| match Run::new(disk).open() {
        Err(Error::Corrupt { file, .. }) => file.file_name().unwrap().to_str().unwrap().to_owned(),
        other => panic!("not refused: {other:?}"),
    };
    let first_missing = disk.image();
    first_missing.remove(&name(1)).unwrap();
    assert_eq!(refusal(first_missing), name(1));

    let short = disk.image();
    short.cut(&name(1), START as usize + 100);
    assert_eq!(refusal(short), name(1));

    let gap = disk.image();
    gap.rename(&name(2), &name(4)).unwrap();
    assert_eq!(refusal(gap), name(2));

    let (other, _) = idle_log();
    let foreign = disk.image();
    foreign.put(&name(2), other.bytes(&name(2)));
    assert_eq!(refusal(foreign), name(2));
}

#[test]
fn the_last_segment_is_missed_though_only_it_is_gone() {
    let disk = SimulatedDisk::new();
    let mut run = Run::new(disk.clone());
    run.open().unwrap();
    let mut lost = 0;
    for _ in 0..30 {
        let step = Step::Append { group: 0, entries: 1, bytes: 700 };
        run.step(&step).and_then(|()| run.commit()).unwrap();
        let newest = disk.list().unwrap().into_iter().max().unwrap();
        if newest == name(1) {
            continue;
        }
        let damaged = disk.image();
        damaged.remove(&newest).unwrap();
        let refusal = Run::new(damaged).open();
        let Err(Error::Corrupt { file, .. }) = refusal else {
            panic!("invariant D-7: {newest} is gone and not missed: {refusal:?}");
        };
        assert!(file.ends_with(&newest), "{newest} is gone, {file:?} is blamed");
        lost += 1;
    }
    assert!(lost > 20, "only {lost} had a segment to lose");
}

#[test]
fn a_sealed_segment_is_not_written_again() {
    let steps: Vec<_> = (0..6)
        .flat_map(|_| [Step::Append { group: 0, entries: 1, bytes: 1_000 }, Step::Commit])
        .collect();
    let mut sealed = 0;
    for at in 0..length_of(&steps) {
        let disk = SimulatedDisk::new();
        disk.fail_at(at, Fault::PowerLoss);
        let mut run = Run::new(disk.clone());
        let _ = run.perform(&steps);
        let left = disk.image();
        let newest = left.list().unwrap().into_iter().filter(|file| file.ends_with(".log")).max();
        let Some(newest) = newest.filter(|newest| *newest != name(1)) else { continue };
        if left.bytes(&newest)[START as usize..].iter().any(|byte| *byte != 0) {
            continue;
        }
        // It is there and empty: before the seal it may be lost, after it not.
        let damaged = left.image();
        damaged.remove(&newest).unwrap();
        sealed += usize::from(Run::new(damaged).open().is_err());
        run.recover_on(left).unwrap();
        run.perform(&more()).unwrap();
    }
    assert!(sealed > 0, "no crash fell between a seal and what follows it");
}

#[test]
fn reading_damaged_bytes_is_refused_while_the_log_is_open() {
    let disk = SimulatedDisk::new();
    let mut run = Run::new(disk.clone());
    run.perform(&[Step::Append { group: 0, entries: 1, bytes: 64 }, Step::Commit]).unwrap();
    let bytes = disk.bytes(&name(1));
    let body = bytes.windows(9).position(|window| window == [1; 9]).unwrap();
    disk.flip(&name(1), body as u64 * 8);
    let read = run.log().read(GroupId::new(0), 0..9, usize::MAX);
    assert!(matches!(read, Err(Error::Corrupt { .. })), "{read:?}");
}

#[test]
fn a_group_that_rarely_writes_does_not_keep_old_segments() {
    let disk = SimulatedDisk::new();
    let mut run = Run::new(disk.clone());
    run.perform(&[
        Step::Append { group: 0, entries: 2, bytes: 50 },
        Step::Put { group: 1, slot: Slot::Vote, bytes: 30 },
        Step::Commit,
    ])
    .unwrap();
    for _ in 0..100 {
        run.step(&Step::Append { group: 2, entries: 3, bytes: 500 }).unwrap();
        run.step(&Step::PurgeAllBut { group: 2, entries: 1 }).unwrap();
        run.step(&Step::Commit).unwrap();
        assert!(disk.used() < 6 * 4096, "{} bytes", disk.used());
    }
    run.step(&Step::Reopen).unwrap();
}

#[test]
fn the_log_goes_on_when_a_full_disk_has_room_again() {
    let disk = SimulatedDisk::new();
    let mut run = Run::new(disk.clone());
    run.perform(&[Step::Append { group: 0, entries: 1, bytes: 100 }]).unwrap();
    disk.set_capacity(Some(disk.used()));
    let fill = [Step::Append { group: 1, entries: 3, bytes: 1200 }, Step::Commit];
    let outcome = run.perform(&fill);
    assert!(matches!(outcome, Err(Error::Full { .. })), "{outcome:?}");
    run.forget_unacknowledged();
    disk.set_capacity(None);
    run.perform(&fill).unwrap();
    run.step(&Step::Reopen).unwrap();
}
