//! The log on disk: segments of a directory, written by one thread. Owns the
//! order of opening and closing; callers use it through [`Log`].

use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hasher};
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::thread::JoinHandle;

use bytes::Bytes;
use via_types::GroupId;

use super::keeper::{Keeper, Pace};
use super::options::Options;
use super::record;
use super::recover::{Recovered, recover};
use super::segment::{START, Segment};
use super::state::{Ask, Batch, Mark, Place, Shared, State};
use super::writer::Writer;
use super::{Done, Log, Slot};
use crate::Error;
use crate::disk::{Disk, RealDisk};
use crate::error::failed;

/// The log of a node. Dropping it writes what is queued and closes it.
pub struct SegmentedLog {
    pub(super) shared: Arc<Shared>,
    disk: Arc<dyn Disk>,
    writer: Option<JoinHandle<()>>,
}

/// Opens the log in `options.directory`, or begins one.
///
/// # Errors
/// [`Error::Locked`] when another process has it; [`Error::Corrupt`] when
/// something acknowledged is gone, naming the file: the node must not vote
/// (invariant D-7); [`Error::Full`], [`Error::Io`].
pub fn open(options: Options) -> Result<SegmentedLog, Error> {
    let disk = RealDisk::open(&options.directory)?;
    SegmentedLog::on(Arc::new(disk), options)
}

impl SegmentedLog {
    /// Opens a log on `disk`, whatever that is.
    ///
    /// # Errors
    /// As [`open`].
    pub fn on(disk: Arc<dyn Disk>, options: Options) -> Result<Self, Error> {
        let (mut log, writer) = assemble(disk, options, Pace::Background)?;
        let thread = std::thread::Builder::new().name("log-writer".to_owned());
        let spawned = thread.spawn(move || writer.run());
        log.writer = Some(spawned.map_err(failed("start the writer of", &log.directory()))?);
        Ok(log)
    }

    /// Opens a log on `disk` that writes nothing by itself: what is asked of it
    /// is made durable when its hand is told to. For simulation, whose order of
    /// deeds is its own.
    ///
    /// # Errors
    /// As [`open`].
    pub fn by_hand(disk: Arc<dyn Disk>, options: Options) -> Result<(Self, Hand), Error> {
        let (log, writer) = assemble(disk, options, Pace::Inline)?;
        Ok((log, Hand(writer)))
    }

    /// Returns where it is.
    pub fn directory(&self) -> std::path::PathBuf {
        self.disk.path("")
    }
}

/// Writes what is asked of a log, when it is told to.
pub struct Hand(Writer);

impl std::fmt::Debug for Hand {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hand")
    }
}

impl Hand {
    /// Makes durable what is asked for, with one sync, and tells those who wait.
    ///
    /// # Errors
    /// They were told, too.
    pub fn write(&mut self) -> Result<(), Error> {
        let batch = self.0.pending();
        self.0.commit(batch)
    }
}

impl Drop for SegmentedLog {
    fn drop(&mut self) {
        self.shared.close();
        // The last handle may be dropped by what the writer itself still held.
        if let Some(writer) = self.writer.take()
            && writer.thread().id() != std::thread::current().id()
            && writer.join().is_err()
        {
            tracing::error!("the log's writer panicked");
        }
    }
}

/// Reads the log and makes its parts, without a thread. The first thing
/// written is that it was opened: from then on, everything found is durable.
pub(crate) fn assemble(
    disk: Arc<dyn Disk>,
    options: Options,
    pace: Pace,
) -> Result<(SegmentedLog, Writer), Error> {
    let options = options.bounded();
    let failed = |doing| failed(doing, &disk.path(""));
    let found = match recover(&*disk)? {
        Some(found) => found,
        None => begin(&*disk, &options).map_err(failed("begin a log in"))?,
    };
    if found.dropped > 0 {
        tracing::warn!(
            bytes = found.dropped,
            "dropped the end of the log, which was never acknowledged"
        );
    }
    let active = found.segments.last_key_value().map(|(_, segment)| segment.clone());
    let active = active.expect("a log has at least one segment");
    let bytes = options.segment_bytes;
    let keeper = Keeper::new(disk.clone(), active.place.log, bytes, found.spares, pace)
        .map_err(failed("start the keeper of"))?;
    let state = State::new(found.groups, found.segments, found.front);
    let shared = Shared::new(options, state);
    let mut writer = Writer::new(shared.clone(), keeper, active, found.tail, found.epoch);
    writer.commit(Batch { mark: Some(Mark::Opening), ..Batch::default() })?;
    Ok((SegmentedLog { shared, disk, writer: None }, writer))
}

fn begin(disk: &dyn Disk, options: &Options) -> io::Result<Recovered> {
    // Not for secrecy: two logs must not take each other's records for theirs.
    let log = std::collections::hash_map::RandomState::new().build_hasher().finish();
    let place = record::Place { log, segment: 1 };
    let segment = Segment::create(disk, place, options.first_segment_bytes, &|_| {})?;
    Ok(Recovered {
        groups: BTreeMap::new(),
        segments: BTreeMap::from([(1, Arc::new(segment))]),
        spares: Vec::new(),
        tail: START,
        epoch: 1,
        front: 1,
        dropped: 0,
    })
}

impl Log for SegmentedLog {
    fn groups(&self) -> Vec<GroupId> {
        let state = self.shared.state.lock();
        state.groups.iter().filter(|(_, group)| group.is_used()).map(|(id, _)| *id).collect()
    }

    fn bounds(&self, group: GroupId) -> Option<(u64, u64)> {
        self.shared.state.lock().groups.get(&group)?.bounds()
    }

    fn append(&self, group: GroupId, entries: Vec<(u64, Bytes)>, done: Done) {
        self.shared.ask(group, Ask::Append(entries), done);
    }

    fn truncate_after(&self, group: GroupId, last_kept: u64, done: Done) {
        self.shared.ask(group, Ask::Truncate(last_kept), done);
    }

    fn purge(&self, group: GroupId, upto: u64) {
        self.shared.state.lock().purge(group, upto);
        self.shared.work.notify_one();
    }

    fn read(
        &self,
        group: GroupId,
        range: Range<u64>,
        max_bytes: usize,
    ) -> Result<Vec<(u64, Bytes)>, Error> {
        // Segments are held while they are read, even if removed meanwhile.
        let found = self.shared.state.lock().find(group, range, max_bytes);
        let load = |(index, place)| match place {
            Place::Memory(bytes) => Ok((index, bytes)),
            Place::Disk(location, segment) => {
                segment.read(location, group, index).map(|bytes| (index, bytes))
            }
        };
        found.into_iter().map(load).collect()
    }

    fn put(&self, group: GroupId, slot: Slot, value: Bytes, done: Done) {
        self.shared.ask(group, Ask::Put(slot, value), done);
    }

    fn get(&self, group: GroupId, slot: Slot) -> Option<Bytes> {
        self.shared.state.lock().groups.get(&group)?.slot(slot)
    }
}
