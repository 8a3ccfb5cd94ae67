//! One file of the log: a header, then records, then zeros. Owns names,
//! headers and checked reads; refuses a file whose header or length is wrong.

use std::io::{self, IoSlice};
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use via_codec::Kind as Format;
use via_types::GroupId;

use super::record::{HEAD, Head, Place};
use crate::Error;
use crate::disk::{Disk, DiskFile};
use crate::error::failed;

/// Bytes before the first record: one sector.
pub(crate) const START: u32 = 512;
const ZEROS: usize = 256 << 10;
/// Zeros between two syncs, so that preparing a segment does not hold up the
/// syncs of the active one.
const SYNC_EVERY: u64 = 256 << 10;

/// Where a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Location {
    pub(crate) segment: u32,
    pub(crate) offset: u32,
    pub(crate) body_bytes: u32,
}

/// An open segment.
pub(crate) struct Segment {
    pub(crate) place: Place,
    /// The file's length.
    pub(crate) bytes: u32,
    pub(crate) file: Arc<dyn DiskFile>,
    pub(crate) path: PathBuf,
}

pub(crate) fn name(number: u32) -> String {
    format!("segment-{number:010}.log")
}

/// Reads a segment's number from its file name; none for other files.
pub(crate) fn number(name: &str) -> Option<u32> {
    let digits = name.strip_prefix("segment-")?.strip_suffix(".log")?;
    if digits.len() == 10 { digits.parse().ok() } else { None }
}

/// Says whether a file is a segment that was never finished.
pub(crate) fn is_unfinished(name: &str) -> bool {
    name.starts_with("segment-") && name.ends_with(".new")
}

impl Segment {
    /// Makes a segment of zeros. It appears under its name only when whole.
    /// `rest` is called after each piece with the bytes written so far.
    pub(crate) fn create(
        disk: &dyn Disk,
        place: Place,
        bytes: u32,
        rest: &dyn Fn(u32),
    ) -> io::Result<Self> {
        let name = name(place.segment);
        let unfinished = format!("segment-{:010}.new", place.segment);
        let file = disk.create(&unfinished)?;
        if let Err(error) = fill(&*file, place, bytes, rest) {
            // A full disk gets its space back; the file would be removed at
            // the next start anyway.
            let _ = disk.remove(&unfinished);
            return Err(error);
        }
        disk.rename(&unfinished, &name)?;
        disk.sync_names()?;
        Ok(Self { place, bytes, file, path: disk.path(&name) })
    }

    /// Opens segment `number` and checks its header and length.
    pub(crate) fn open(disk: &dyn Disk, number: u32) -> Result<Self, Error> {
        let name = name(number);
        let path = disk.path(&name);
        let failed = |doing| failed(doing, &path);
        let file = disk.open(&name).map_err(failed("open"))?;
        let length = file.length().map_err(failed("measure"))?;
        let corrupt = |what: String| corrupt(path.clone(), 0, what);
        if length < u64::from(START) {
            return Err(corrupt(format!("it is cut short to {length} bytes")));
        }
        let mut block = [0; START as usize];
        file.read_at(&mut block, 0).map_err(failed("read"))?;
        let (log, segment, bytes) = parse_header(&block).map_err(&corrupt)?;
        if segment != number {
            return Err(corrupt(format!("it is segment {segment} under another name")));
        }
        if u64::from(bytes) != length {
            return Err(corrupt(format!("it has {length} bytes instead of {bytes}")));
        }
        Ok(Self { place: Place { log, segment }, bytes, file, path })
    }

    /// Reads the entry at `location`, checked.
    pub(crate) fn read(&self, at: Location, group: GroupId, index: u64) -> Result<Bytes, Error> {
        let mut bytes = vec![0; HEAD + at.body_bytes as usize];
        self.file.read_at(&mut bytes, at.offset.into()).map_err(failed("read", &self.path))?;
        let sound = Head::parse(&bytes, self.place, at.offset).is_some_and(|head| {
            head.group == group && head.index == index && head.is_of(&bytes[HEAD..])
        });
        if !sound {
            let what = format!("entry {index} of group {group} fails its checksum");
            return Err(corrupt(self.path.clone(), at.offset.into(), what));
        }
        Ok(Bytes::from(bytes).slice(HEAD..))
    }

    /// Overwrites `from..to` with zeros and syncs.
    pub(crate) fn erase(&self, from: u32, to: u32) -> io::Result<()> {
        let zeros = vec![0; ZEROS.min((to - from) as usize)];
        let mut at = from;
        while at < to {
            let part = &zeros[..zeros.len().min((to - at) as usize)];
            self.file.write_at(&[IoSlice::new(part)], at.into())?;
            at += part.len() as u32;
        }
        self.file.sync()
    }
}

/// Builds the error that makes a node refuse to start (invariant D-7).
pub(crate) fn corrupt(file: PathBuf, offset: u64, what: String) -> Error {
    let advice = "this node must not vote with a damaged log: move its data directory away and \
                  let it join again as a new node, or restore it from a backup";
    Error::Corrupt { file, offset, what, advice }
}

fn fill(file: &dyn DiskFile, place: Place, bytes: u32, rest: &dyn Fn(u32)) -> io::Result<()> {
    file.write_at(&[IoSlice::new(&header(place, bytes))], 0)?;
    let zeros = vec![0; ZEROS.min((bytes - START) as usize)];
    let mut at = START;
    let mut synced = 0;
    while at < bytes {
        let part = &zeros[..zeros.len().min((bytes - at) as usize)];
        file.write_at(&[IoSlice::new(part)], at.into())?;
        at += part.len() as u32;
        if u64::from(at) - synced >= SYNC_EVERY {
            file.sync()?;
            synced = at.into();
            rest(at);
        }
    }
    file.sync()
}

fn header(place: Place, bytes: u32) -> [u8; START as usize] {
    let envelope = via_codec::encode(Format::LogSegmentHeader, &(place.log, place.segment, bytes));
    let mut block = [0; START as usize];
    block[..2].copy_from_slice(&(envelope.len() as u16).to_le_bytes());
    block[2..2 + envelope.len()].copy_from_slice(&envelope);
    block
}

fn parse_header(block: &[u8; START as usize]) -> Result<(u64, u32, u32), String> {
    let length = usize::from(u16::from_le_bytes([block[0], block[1]]));
    let envelope = block.get(2..2 + length).ok_or("its header has no end")?;
    via_codec::decode(Format::LogSegmentHeader, envelope)
        .map_err(|error| format!("its header is not one: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::simulated::SimulatedDisk;

    #[test]
    fn only_finished_segments_have_numbers() {
        assert_eq!(number(&name(7)), Some(7));
        assert_eq!(number("segment-0000000007.new"), None);
        assert!(is_unfinished("segment-0000000007.new"));
        assert_eq!(number("segment-7.log"), None);
        assert_eq!(number("lock"), None);
    }

    #[test]
    fn refuses_a_segment_cut_short_or_under_another_name() {
        let disk = SimulatedDisk::new();
        let place = Place { log: 5, segment: 1 };
        Segment::create(&disk, place, 8192, &|_| {}).unwrap();
        assert_eq!(Segment::open(&disk, 1).unwrap().place, place);
        disk.rename(&name(1), &name(2)).unwrap();
        assert!(matches!(Segment::open(&disk, 2), Err(Error::Corrupt { .. })));
        disk.rename(&name(2), &name(1)).unwrap();
        disk.cut(&name(1), 4096);
        assert!(matches!(Segment::open(&disk, 1), Err(Error::Corrupt { .. })));
        disk.cut(&name(1), 100);
        assert!(matches!(Segment::open(&disk, 1), Err(Error::Corrupt { .. })));
    }
}
