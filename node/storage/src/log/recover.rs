//! Opening a log: reads every record, rebuilds what the groups hold, and tells
//! a tail torn by power loss (dropped: it was never acknowledged) from damage
//! (refused: invariant D-7). Epochs decide: nothing is written after a sync
//! but with a higher epoch, so damage *before* a record of a later epoch was
//! acknowledged once.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use via_types::GroupId;

use super::Slot;
use super::group::Group;
use super::record::{HEAD, Head, Kind, Place};
use super::segment::{self, Location, START, Segment, corrupt};
use crate::Error;
use crate::disk::Disk;
use crate::error::failed;

const SECTOR: usize = 512;

/// A log as it was found.
pub(crate) struct Recovered {
    pub(crate) groups: BTreeMap<GroupId, Group>,
    /// The segments in use, the active one last.
    pub(crate) segments: BTreeMap<u32, Arc<Segment>>,
    /// Segments prepared but never written.
    pub(crate) spares: Vec<Segment>,
    /// Where the next record goes in the active segment.
    pub(crate) tail: u32,
    /// The next extent's epoch.
    pub(crate) epoch: u64,
    pub(crate) front: u32,
    /// Bytes of a torn tail that were dropped.
    pub(crate) dropped: u64,
}

/// Opens every segment on `disk`; none when there are none.
pub(crate) fn recover(disk: &dyn Disk) -> Result<Option<Recovered>, Error> {
    let numbers = segment_numbers(disk)?;
    let (Some(first), Some(last)) = (numbers.first(), numbers.last()) else { return Ok(None) };
    if let Some(missing) = (*first..*last).find(|number| numbers.binary_search(number).is_err()) {
        return Err(is_missing(disk, missing));
    }
    let mut scan = Scan::default();
    let mut segments = Vec::new();
    let mut buffer = Vec::new();
    for number in &numbers {
        let segment = Segment::open(disk, *number)?;
        scan.segment(&segment, &mut buffer)?;
        segments.push(segment);
    }
    if let Some(next) = scan.replay.next.filter(|next| next > last) {
        return Err(is_missing(disk, next));
    }
    let front = scan.replay.front.max(1);
    if *first > front {
        return Err(is_missing(disk, first - 1));
    }
    scan.erase(&segments)?;
    Ok(Some(scan.into_recovered(segments, front)?))
}

fn segment_numbers(disk: &dyn Disk) -> Result<Vec<u32>, Error> {
    let failed = |doing, name: &str| failed(doing, &disk.path(name));
    let mut numbers = Vec::new();
    for name in disk.list().map_err(failed("list", ""))? {
        if let Some(number) = segment::number(&name) {
            numbers.push(number);
        } else if segment::is_unfinished(&name) {
            disk.remove(&name).map_err(failed("remove", &name))?;
        }
    }
    numbers.sort_unstable();
    Ok(numbers)
}

fn is_missing(disk: &dyn Disk, number: u32) -> Error {
    corrupt(disk.path(&segment::name(number)), 0, "it is missing".to_owned())
}

/// The reading of all segments, one after the other.
#[derive(Default)]
struct Scan {
    replay: Replay,
    log: Option<u64>,
    last: Option<Last>,
    /// Bytes that are neither records nor zeros, since the last record.
    garbage: Vec<Garbage>,
    /// A record of the extent in which the log ends was found behind a hole.
    torn: bool,
}

/// The last record accepted.
#[derive(Clone, Copy)]
struct Last {
    head: Head,
    segment: u32,
    /// Where it ends.
    end: u32,
}

#[derive(Clone, Copy)]
struct Garbage {
    segment: u32,
    from: u32,
    to: u32,
}

impl Scan {
    fn segment(&mut self, segment: &Segment, buffer: &mut Vec<u8>) -> Result<(), Error> {
        let Place { log, segment: number } = segment.place;
        if *self.log.get_or_insert(log) != log {
            let what = "it belongs to another log".to_owned();
            return Err(corrupt(segment.path.clone(), 0, what));
        }
        buffer.resize(segment.bytes as usize, 0);
        segment.file.read_at(buffer, 0).map_err(failed("read", &segment.path))?;
        let mut at = START;
        while let Some((head, body)) = record_at(buffer, segment.place, at) {
            self.accept(segment, &head)?;
            let location = Location { segment: number, offset: at, body_bytes: head.body_bytes };
            self.replay
                .apply(&head, body, location)
                .map_err(|what| corrupt(segment.path.clone(), at.into(), what))?;
            at += head.record_bytes() as u32;
            self.last = Some(Last { head, segment: number, end: at });
        }
        if at == START && self.last.is_none() && number != 1 {
            let what = "its first record is damaged".to_owned();
            return Err(corrupt(segment.path.clone(), START.into(), what));
        }
        self.rest(segment, buffer, at)
    }

    /// Checks that `head` may follow what was read so far.
    fn accept(&mut self, segment: &Segment, head: &Head) -> Result<(), Error> {
        let Some(last) = &self.last else { return Ok(()) };
        let before = &last.head;
        let continues = last.segment == segment.place.segment
            && before.left > 0
            && head.epoch == before.epoch
            && head.left as usize + head.record_bytes() == before.left as usize;
        let is_sealed = before.kind == Kind::Sealed && last.segment == segment.place.segment;
        let reopens =
            before.left > 0 && head.kind == Kind::Opened && head.epoch == before.epoch + 1;
        let follows = before.left == 0 && head.epoch == before.next_epoch();
        if self.torn || is_sealed || !(continues || reopens || follows) {
            return Err(self.hole(segment));
        }
        self.garbage.clear();
        Ok(())
    }

    /// The error for a record of `segment` that shows that something
    /// acknowledged before it is gone: what cannot be read, or else the end of
    /// what can.
    fn hole(&self, segment: &Segment) -> Error {
        let garbage = self.garbage.first().map(|garbage| (garbage.segment, garbage.from));
        let end = || self.last.map(|last| (last.segment, last.end));
        let here = segment.place.segment;
        let (number, at) = garbage.or_else(end).unwrap_or((here, START));
        let what =
            format!("what was there is gone, but records written after it are in segment {here}");
        corrupt(segment.path.with_file_name(segment::name(number)), at.into(), what)
    }

    /// Looks at what follows the last readable record of a segment.
    fn rest(&mut self, segment: &Segment, buffer: &[u8], at: u32) -> Result<(), Error> {
        let used = used_bytes(buffer);
        if used <= at as usize {
            return Ok(());
        }
        let expected = self.last.map_or(1, |last| last.head.next_epoch());
        let mut offset = at;
        let mut torn = self.torn;
        while (offset as usize) < used {
            if let Some(head) = Head::parse(&buffer[offset as usize..], segment.place, offset) {
                if self.torn || head.epoch != expected {
                    let what = "a record is damaged, and records written after it follow";
                    return Err(corrupt(segment.path.clone(), at.into(), what.to_owned()));
                }
                torn = true;
            }
            offset += 8;
        }
        self.torn = torn;
        let to = (used.next_multiple_of(8) as u32).min(segment.bytes);
        self.garbage.push(Garbage { segment: segment.place.segment, from: at, to });
        Ok(())
    }

    /// Overwrites the torn tail, so that nothing of it is ever found behind
    /// what is written next.
    fn erase(&self, segments: &[Segment]) -> Result<(), Error> {
        for garbage in &self.garbage {
            let segment = segments
                .iter()
                .find(|segment| segment.place.segment == garbage.segment)
                .expect("garbage was found in one of them");
            segment
                .erase(garbage.from, garbage.to)
                .map_err(failed("erase the torn tail of", &segment.path))?;
        }
        Ok(())
    }

    fn into_recovered(self, segments: Vec<Segment>, front: u32) -> Result<Recovered, Error> {
        let first = segments.first().map_or(1, |segment| segment.place.segment);
        let (active, tail, epoch) = match self.last {
            Some(Last { head, segment, end }) if head.left > 0 => (segment, end, head.epoch + 1),
            // The crash came between the seal and the next segment's first record.
            Some(Last { head, .. }) if head.kind == Kind::Sealed => {
                let next = self.replay.next.expect("a seal names the next segment");
                (next, START, head.next_epoch())
            }
            Some(Last { head, segment, end }) => (segment, end, head.next_epoch()),
            None => (first, START, 1),
        };
        let dropped = self.garbage.iter().map(|garbage| u64::from(garbage.to - garbage.from)).sum();
        let path = |number: u32| {
            let segment = segments.iter().find(|segment| segment.place.segment == number);
            segment.map(|segment| segment.path.clone()).unwrap_or_default()
        };
        let groups = self.replay.into_groups(|at| path(at.segment))?;
        let mut used = BTreeMap::new();
        let mut spares = Vec::new();
        for segment in segments {
            if segment.place.segment <= active {
                used.insert(segment.place.segment, Arc::new(segment));
            } else {
                spares.push(segment);
            }
        }
        Ok(Recovered { groups, segments: used, spares, tail, epoch, front, dropped })
    }
}

/// Returns where the zeros at the end begin.
fn used_bytes(buffer: &[u8]) -> usize {
    // Whole sectors are folded, which the compiler does many bytes at a time.
    let is_used = |sector: &[u8]| sector.iter().fold(0, |any, byte| any | byte) != 0;
    let Some(unused) = buffer.rchunks(SECTOR).position(is_used) else { return 0 };
    let used = &buffer[..buffer.len() - unused * SECTOR];
    used.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1)
}

/// Returns the whole, sound record at `at`.
fn record_at(buffer: &[u8], place: Place, at: u32) -> Option<(Head, &[u8])> {
    let bytes = buffer.get(at as usize..)?;
    let head = Head::parse(bytes, place, at)?;
    let body = bytes.get(HEAD..HEAD + head.body_bytes as usize)?;
    (head.is_of(body) && bytes.len() >= head.record_bytes()).then_some((head, body))
}

/// What the records say, applied in order.
#[derive(Default)]
struct Replay {
    groups: BTreeMap<GroupId, Replayed>,
    front: u32,
    /// The segment in which the log goes on, by the last seal.
    next: Option<u32>,
}

#[derive(Default)]
struct Replayed {
    floor: u64,
    entries: BTreeMap<u64, Location>,
    slots: BTreeMap<Slot, (Bytes, Location)>,
}

impl Replay {
    fn apply(&mut self, head: &Head, body: &[u8], at: Location) -> Result<(), String> {
        if matches!(head.kind, Kind::Front | Kind::Sealed) {
            let number = u32::try_from(head.index).map_err(|_| "no such segment".to_owned())?;
            if head.kind == Kind::Front {
                self.front = number;
            } else {
                self.next = Some(number);
            }
            return Ok(());
        }
        if matches!(head.kind, Kind::Opened | Kind::Synced) {
            return Ok(());
        }
        let Head { group, index, .. } = *head;
        let state = self.groups.entry(group).or_default();
        match head.kind {
            Kind::Append if index > state.floor => {
                if state.entries.insert(index, at).is_some() {
                    return Err(format!("entry {index} of group {group} was already there"));
                }
            }
            Kind::Relocate if index > state.floor => {
                state.entries.insert(index, at);
            }
            Kind::Truncate => {
                state.entries.split_off(&index.saturating_add(1));
            }
            Kind::Purge => {
                state.floor = state.floor.max(index);
                state.entries = state.entries.split_off(&state.floor.saturating_add(1));
            }
            Kind::Put => {
                let slot = Slot::from_number(head.slot)
                    .ok_or_else(|| format!("slot {} is from a newer version", head.slot))?;
                state.slots.insert(slot, (Bytes::copy_from_slice(body), at));
            }
            Kind::Append | Kind::Relocate => {}
            Kind::Front | Kind::Opened | Kind::Synced | Kind::Sealed => {}
        }
        Ok(())
    }

    /// Checks that no entry is missing among those that are there.
    fn into_groups(
        self,
        path: impl Fn(Location) -> std::path::PathBuf,
    ) -> Result<BTreeMap<GroupId, Group>, Error> {
        let mut groups = BTreeMap::new();
        for (id, Replayed { floor, entries, slots }) in self.groups {
            let mut group = Group::restore(floor, slots);
            let first = entries.first_key_value().map_or(0, |(index, _)| *index);
            for (expected, (index, at)) in (first..).zip(entries) {
                if index != expected {
                    let what =
                        format!("entry {expected} of group {id} is missing before entry {index}");
                    return Err(corrupt(path(at), at.offset.into(), what));
                }
                group.settle_entry(index, at);
            }
            groups.insert(id, group);
        }
        Ok(groups)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_last_byte_that_is_not_zero() {
        assert_eq!(used_bytes(&[0; 5000]), 0);
        for last in [0, 1, 511, 512, 4487, 4488, 4999] {
            let mut buffer = [0; 5000];
            buffer[last] = 1;
            assert_eq!(used_bytes(&buffer), last + 1);
        }
    }
}
