//! One run of a random workload on a simulated disk, step by step, beside a
//! naive model: a list of everything asked for, of which some was acknowledged.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use proptest::prelude::*;
use via_types::GroupId;

use crate::Error;
use crate::disk::simulated::SimulatedDisk;
use crate::log::keeper::Pace;
use crate::log::segmented::assemble;
use crate::log::writer::Writer;
use crate::log::{Log, MemoryLog, Options, SegmentedLog, Slot};

pub(super) const GROUPS: u32 = 3;

/// One step of a workload. Amounts are relative, so that any list makes sense.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Append { group: u32, entries: usize, bytes: usize },
    TruncateBack { group: u32, entries: u64 },
    PurgeAllBut { group: u32, entries: u64 },
    PurgeBeyond { group: u32, gap: u64 },
    Put { group: u32, slot: Slot, bytes: usize },
    Commit,
    Reopen,
}

pub(super) fn steps(length: std::ops::Range<usize>) -> impl Strategy<Value = Vec<Step>> {
    let group = 0..GROUPS;
    let step = prop_oneof![
        6 => (group.clone(), 0..4_usize, 0..700_usize)
            .prop_map(|(group, entries, bytes)| Step::Append { group, entries, bytes }),
        1 => (group.clone(), 0..6_u64)
            .prop_map(|(group, entries)| Step::TruncateBack { group, entries }),
        2 => (group.clone(), 0..6_u64)
            .prop_map(|(group, entries)| Step::PurgeAllBut { group, entries }),
        1 => (group.clone(), 0..3_u64).prop_map(|(group, gap)| Step::PurgeBeyond { group, gap }),
        2 => (group, 0..5_usize, 0..200_usize)
            .prop_map(|(group, slot, bytes)| Step::Put { group, slot: Slot::ALL[slot], bytes }),
        5 => Just(Step::Commit),
        1 => Just(Step::Reopen),
    ];
    proptest::collection::vec(step, length)
}

pub(super) fn options() -> Options {
    Options {
        first_segment_bytes: 4096,
        segment_bytes: 4096,
        recent_bytes: 0,
        segments: 2,
        ..Options::new("simulated")
    }
}

/// One record's worth of change, in the order of the log.
#[derive(Clone, Debug)]
enum Change {
    Entry(GroupId, u64, Bytes),
    Truncate(GroupId, u64),
    Put(GroupId, Slot, Bytes),
}

/// What a group should hold.
#[derive(Clone, Debug, Default, PartialEq)]
struct Expected {
    /// Purged ones included: a purge may be forgotten.
    entries: BTreeMap<u64, Bytes>,
    slots: BTreeMap<Slot, Bytes>,
}

#[derive(Clone, Debug, Default)]
struct Model {
    groups: BTreeMap<GroupId, Expected>,
}

impl Model {
    fn apply(&mut self, change: &Change) {
        match change {
            Change::Entry(group, index, bytes) => {
                let group = self.groups.entry(*group).or_default();
                group.entries.insert(*index, bytes.clone());
            }
            Change::Truncate(group, last_kept) => {
                self.groups.entry(*group).or_default().entries.split_off(&(last_kept + 1));
            }
            Change::Put(group, slot, value) => {
                self.groups.entry(*group).or_default().slots.insert(*slot, value.clone());
            }
        }
    }
}

pub(super) struct Run {
    pub(super) disk: SimulatedDisk,
    open: Option<(SegmentedLog, Writer)>,
    /// The state everything in `changes` comes after.
    base: Model,
    changes: Vec<Change>,
    acked: Arc<AtomicUsize>,
    /// What was acknowledged before the last batch that held anything.
    acked_before: usize,
    floors: BTreeMap<GroupId, u64>,
    /// What readers should see.
    visible: MemoryLog,
    counter: u64,
}

impl Run {
    pub(super) fn new(disk: SimulatedDisk) -> Self {
        Self {
            disk,
            open: None,
            base: Model::default(),
            changes: Vec::new(),
            acked: Arc::default(),
            acked_before: 0,
            floors: BTreeMap::new(),
            visible: MemoryLog::new(),
            counter: 0,
        }
    }

    pub(super) fn open(&mut self) -> Result<(), Error> {
        self.open = Some(assemble(Arc::new(self.disk.clone()), options(), Pace::Inline)?);
        Ok(())
    }

    pub(super) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Runs a workload to its end or its first failure.
    pub(super) fn perform(&mut self, steps: &[Step]) -> Result<(), Error> {
        if self.open.is_none() {
            self.open()?;
        }
        steps.iter().try_for_each(|step| self.step(step))?;
        self.commit()
    }

    pub(super) fn step(&mut self, step: &Step) -> Result<(), Error> {
        match *step {
            Step::Append { group, entries, bytes } => {
                self.append(GroupId::new(group), entries, bytes)
            }
            Step::TruncateBack { group, entries } => {
                let group = GroupId::new(group);
                let last = self.visible.bounds(group).map_or(0, |(_, last)| last);
                self.truncate(group, last.saturating_sub(entries));
            }
            Step::PurgeAllBut { group, entries } => {
                let group = GroupId::new(group);
                let last = self.visible.bounds(group).map_or(0, |(_, last)| last);
                self.purge(group, last.saturating_sub(entries));
            }
            Step::PurgeBeyond { group, gap } => {
                let group = GroupId::new(group);
                let last = self.visible.bounds(group).map_or(0, |(_, last)| last);
                self.purge(group, last + gap);
            }
            Step::Put { group, slot, bytes } => self.put(GroupId::new(group), slot, bytes),
            Step::Commit => self.commit()?,
            Step::Reopen => {
                self.commit()?;
                self.open = None;
                self.open()?;
                // A purge that was not on disk yet may be forgotten.
                let acked = self.acked.load(Ordering::SeqCst);
                self.check_prefix(acked).unwrap();
                self.rebase();
            }
        }
        self.check_visible();
        Ok(())
    }

    pub(super) fn log(&self) -> &SegmentedLog {
        &self.open.as_ref().expect("the log is open").0
    }

    fn payload(&mut self, bytes: usize) -> Bytes {
        self.counter += 1;
        let mut payload = self.counter.to_le_bytes().to_vec();
        payload.resize(bytes.max(8), self.counter as u8);
        payload.into()
    }

    /// Where the changes asked for so far will be acknowledged.
    fn acknowledge(&self) -> crate::Done {
        let (acked, upto) = (self.acked.clone(), self.changes.len());
        Box::new(move |outcome| {
            if outcome.is_ok() {
                acked.fetch_max(upto, Ordering::SeqCst);
            }
        })
    }

    fn append(&mut self, group: GroupId, entries: usize, bytes: usize) {
        let floor = self.floors.get(&group).copied().unwrap_or(0);
        let next = self.visible.bounds(group).map_or(floor + 1, |(_, last)| last + 1);
        let entries: Vec<(u64, Bytes)> =
            (next..).take(entries).map(|index| (index, self.payload(bytes))).collect();
        self.visible.append(group, entries.clone(), Box::new(|outcome| outcome.unwrap()));
        let changes = entries.iter().cloned();
        self.changes.extend(changes.map(|(index, bytes)| Change::Entry(group, index, bytes)));
        self.log().append(group, entries, self.acknowledge());
    }

    fn truncate(&mut self, group: GroupId, last_kept: u64) {
        self.visible.truncate_after(group, last_kept, Box::new(|outcome| outcome.unwrap()));
        self.changes.push(Change::Truncate(group, last_kept));
        self.log().truncate_after(group, last_kept, self.acknowledge());
    }

    fn purge(&mut self, group: GroupId, upto: u64) {
        let floor = self.floors.entry(group).or_default();
        *floor = upto.max(*floor);
        self.visible.purge(group, upto);
        self.log().purge(group, upto);
    }

    fn put(&mut self, group: GroupId, slot: Slot, bytes: usize) {
        let value = self.payload(bytes);
        self.visible.put(group, slot, value.clone(), Box::new(|outcome| outcome.unwrap()));
        self.changes.push(Change::Put(group, slot, value.clone()));
        self.log().put(group, slot, value, self.acknowledge());
    }

    /// Asks for something outside the model; returns what was told at once.
    pub(super) fn ask_once(&self) -> Option<Result<(), Error>> {
        let (tell, told) = std::sync::mpsc::channel();
        let done = Box::new(move |outcome| tell.send(outcome).unwrap());
        self.log().put(GroupId::new(0), Slot::Vote, Bytes::new(), done);
        told.try_recv().ok()
    }

    pub(super) fn commit(&mut self) -> Result<(), Error> {
        let (log, writer) = self.open.as_mut().expect("the log is open");
        let batch = log.shared.pending_batch();
        if !batch.requests.is_empty() {
            self.acked_before = self.acked.load(Ordering::SeqCst);
        }
        writer.commit(batch)
    }

    /// From now on the last batch counts as not acknowledged.
    pub(super) fn doubt_last_batch(&mut self) {
        self.acked.store(self.acked_before, Ordering::SeqCst);
    }

    /// Compares what readers see with the model that does everything at once.
    fn check_visible(&self) {
        let log = self.log();
        assert_eq!(log.groups(), self.visible.groups());
        for group in (0..GROUPS).map(GroupId::new) {
            assert_eq!(log.bounds(group), self.visible.bounds(group), "bounds of {group}");
            let all = log.read(group, 0..u64::MAX, usize::MAX).unwrap();
            assert_eq!(all, self.visible.read(group, 0..u64::MAX, usize::MAX).unwrap());
            for slot in Slot::ALL {
                assert_eq!(log.get(group, slot), self.visible.get(group, slot));
            }
        }
    }

    /// After a failure that undid what was not acknowledged: readers see what
    /// was, and purges stand.
    pub(super) fn forget_unacknowledged(&mut self) {
        let acked = self.acked.load(Ordering::SeqCst);
        self.check_prefix(acked).unwrap();
        self.changes.truncate(acked);
        self.rebase();
        self.check_visible();
    }

    /// After a failure that ended the log: readers see what was acknowledged.
    pub(super) fn check_acknowledged(&self) {
        self.check_prefix(self.acked.load(Ordering::SeqCst)).unwrap();
    }

    /// Opens a disk after a crash, checks that it holds everything
    /// acknowledged, then a prefix of the rest, and nothing else, and goes on
    /// from there.
    pub(super) fn recover_on(&mut self, disk: SimulatedDisk) -> Result<(), Error> {
        let found = self.inspect(disk)?;
        self.changes.truncate(found);
        self.rebase();
        self.check_visible();
        Ok(())
    }

    /// Opens a disk after a crash, checks it as [`Self::recover_on`] does, and
    /// returns how many changes were found.
    pub(super) fn inspect(&mut self, disk: SimulatedDisk) -> Result<usize, Error> {
        self.open = None;
        self.disk = disk;
        self.open()?;
        let from = self.acked.load(Ordering::SeqCst);
        let found = (from..=self.changes.len()).find(|upto| self.check_prefix(*upto).is_ok());
        Ok(found.unwrap_or_else(|| {
            panic!("no prefix was found; with all acknowledged: {:?}", self.check_prefix(from))
        }))
    }

    /// Checks that the log holds exactly the first `upto` changes.
    fn check_prefix(&self, upto: usize) -> Result<(), String> {
        let mut model = self.base.clone();
        self.changes[..upto].iter().for_each(|change| model.apply(change));
        for group in (0..GROUPS).map(GroupId::new) {
            let expected = model.groups.remove(&group).unwrap_or_default();
            self.check_group(group, &expected).map_err(|what| format!("{group}: {what}"))?;
        }
        Ok(())
    }

    fn check_group(&self, group: GroupId, expected: &Expected) -> Result<(), String> {
        let log = self.log();
        for slot in Slot::ALL {
            if log.get(group, slot).as_ref() != expected.slots.get(&slot) {
                return Err(format!("slot {slot:?}"));
            }
        }
        let found = log.read(group, 0..u64::MAX, usize::MAX).map_err(|error| error.to_string())?;
        for (index, bytes) in &found {
            if expected.entries.get(index) != Some(bytes) {
                return Err(format!("entry {index} was not there, or was another"));
            }
        }
        let floor = self.floors.get(&group).copied().unwrap_or(0);
        let found: BTreeMap<u64, Bytes> = found.into_iter().collect();
        let mut live = expected.entries.range(floor + 1..);
        match live.find(|(index, _)| !found.contains_key(index)) {
            Some((index, _)) => Err(format!("entry {index} is gone")),
            None => Ok(()),
        }
    }

    /// Takes what the log holds now as the state from which to go on.
    fn rebase(&mut self) {
        let mut base = Model::default();
        self.visible = MemoryLog::new();
        for group in (0..GROUPS).map(GroupId::new) {
            let log = self.log();
            let entries = log.read(group, 0..u64::MAX, usize::MAX).unwrap();
            let expected = base.groups.entry(group).or_default();
            expected.entries = entries.iter().cloned().collect();
            for slot in Slot::ALL {
                if let Some(value) = log.get(group, slot) {
                    expected.slots.insert(slot, value.clone());
                    self.visible.put(group, slot, value, Box::new(|outcome| outcome.unwrap()));
                }
            }
            self.visible.append(group, entries, Box::new(|outcome| outcome.unwrap()));
            let floor = self.floors.get(&group).copied().unwrap_or(0);
            if self.visible.bounds(group).is_none() {
                self.visible.purge(group, floor);
            }
        }
        self.base = base;
        self.changes.clear();
        self.acked = Arc::default();
    }
}
