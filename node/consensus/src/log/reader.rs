//! Reading a group's log: for applying and replicating, for opening, and for
//! machines that rebuild themselves. Always in pieces of bounded bytes.

use std::collections::VecDeque;
use std::fmt::Debug;
use std::io;
use std::ops::{Bound, RangeBounds};
use std::sync::atomic::Ordering;

use futures_util::Stream;
use openraft::{EntryPayload, RaftLogReader};
use via_types::LogIndex;

use super::{GroupLog, key, unreadable};
use crate::machine::{Applied, Tail, Visit};
use crate::raft::{Entry, Types, Vote, index, io, position};
use crate::{Error, entry};

/// Most bytes read at once, but at least one entry.
pub(crate) const PIECE_BYTES: usize = 2 << 20;

impl GroupLog {
    /// Reads entries from `from`, below `to`: at least one, at most a piece.
    fn piece(&self, from: u64, to: u64) -> Result<Vec<Entry>, Error> {
        if let Some(entries) = self.0.recent.lock().range(from, to, PIECE_BYTES) {
            return Ok(entries);
        }
        let bare = self.0.bare.load(Ordering::Acquire);
        let decode = if bare { entry::decode_bare } else { entry::decode };
        let read = self.0.log.read(self.0.key, key(from)..key(to), PIECE_BYTES);
        let records = read.map_err(|error| Error::Log(error.into()))?;
        let mut entries = Vec::with_capacity(records.len());
        for (index, (found, bytes)) in (from..to).zip(records) {
            if found != key(index) {
                return Err(unreadable("log", format!("entry {} is missing", key(index))));
            }
            entries.push(decode(index, &bytes)?);
        }
        if entries.is_empty() {
            return Err(unreadable("log", format!("entry {} is missing", key(from))));
        }
        Ok(entries)
    }
}

impl GroupLog {
    /// Reads entries for whoever replicates them: none when the first has gone
    /// meanwhile, purged or cut off. The replication of a leader that was deposed
    /// goes on for a moment, while its successor's entries replace the ones it
    /// reads; what it sends is refused for its term, and to read nothing ends it
    /// without a word. An entry that should be there and is not is an error.
    fn piece_that_may_go(&self, from: u64, to: u64) -> Result<Vec<Entry>, Error> {
        self.piece(from, to).or_else(|error| {
            let is_purged = self.purged().is_some_and(|purged| from <= purged.index);
            let is_cut_off = self.last().is_none_or(|last| last.index < from);
            if is_purged || is_cut_off { Ok(Vec::new()) } else { Err(error) }
        })
    }
}

fn half_open(range: &impl RangeBounds<u64>) -> (u64, u64) {
    let from = match range.start_bound() {
        Bound::Included(from) => *from,
        Bound::Excluded(before) => before + 1,
        Bound::Unbounded => 0,
    };
    let to = match range.end_bound() {
        Bound::Included(last) => last + 1,
        Bound::Excluded(to) => *to,
        Bound::Unbounded => u64::MAX - 1,
    };
    (from, to)
}

impl RaftLogReader<Types> for GroupLog {
    async fn entries_stream<RB>(
        &mut self,
        range: RB,
    ) -> impl Stream<Item = Result<Entry, io::Error>> + Send
    where
        RB: RangeBounds<u64> + Clone + Debug + Send,
    {
        let (from, to) = half_open(&range);
        let state = (self.clone(), from, VecDeque::new());
        futures_util::stream::try_unfold(state, move |(log, from, mut piece)| async move {
            if from >= to {
                return Ok(None);
            }
            if piece.is_empty() {
                piece = log.piece(from, to).map_err(io)?.into();
            }
            Ok(piece.pop_front().map(|entry| (entry, (log, from + 1, piece))))
        })
    }

    async fn try_get_log_entries<RB>(&mut self, range: RB) -> Result<Vec<Entry>, io::Error>
    where
        RB: RangeBounds<u64> + Clone + Debug + Send,
    {
        let (mut from, to) = half_open(&range);
        let end = self.last().map_or(0, |last| last.index + 1).min(to);
        let mut entries = Vec::new();
        while from < end {
            let piece = self.piece_that_may_go(from, end).map_err(io)?;
            from = piece.last().map_or(end, |last| last.log_id.index + 1);
            entries.extend(piece);
        }
        Ok(entries)
    }

    async fn read_vote(&mut self) -> Result<Option<Vote>, io::Error> {
        Ok(*self.0.vote.lock())
    }

    async fn limited_get_log_entries(
        &mut self,
        from: u64,
        to: u64,
    ) -> Result<Vec<Entry>, io::Error> {
        self.piece_that_may_go(from, to).map_err(io)
    }
}

impl Tail for GroupLog {
    fn read(&self, from: LogIndex, to: LogIndex, each: &mut Visit<'_>) -> Result<(), Error> {
        let (mut next, last) = (index(from), index(to));
        while next <= last {
            for entry in self.piece(next, last + 1)? {
                next = entry.log_id.index + 1;
                let applied = match &entry.payload {
                    EntryPayload::Blank => Applied::Blank,
                    EntryPayload::Normal(payload) => Applied::Payload(&payload.0),
                    EntryPayload::Membership(_) => Applied::Membership,
                };
                each(position(entry.log_id), applied)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures_util::FutureExt as _;
    use openraft::storage::{IOFlushed, RaftLogStorage as _};
    use via_storage::disk::simulated::SimulatedDisk;
    use via_storage::{Log as _, MemoryLog, SegmentedLog, Slot};
    use via_types::{GroupId, NodeId, Term};

    use super::*;
    use crate::entry::PlaceForm;
    use crate::machine::Position;
    use crate::raft::{log_id, number};

    const GROUP: GroupId = GroupId::META;

    fn entry(index: u64) -> Entry {
        let at = Position { term: Term::new(1), leader: NodeId::new(1), index: number(index) };
        Entry { log_id: log_id(at), payload: EntryPayload::Blank }
    }

    /// A log of entries 0 to 9, of which those after 5 were cut off and those up to
    /// 2 purged.
    async fn remnant() -> (Arc<MemoryLog>, GroupLog) {
        let disk = Arc::new(MemoryLog::new());
        let mut log = GroupLog::open(GROUP, GROUP, disk.clone()).expect("an empty log");
        log.append((0..10).map(entry), IOFlushed::noop()).await.expect("room");
        log.truncate_after(Some(entry(5).log_id)).await.expect("it can be cut");
        log.purge(entry(2).log_id).await.expect("it can be purged");
        (disk, log)
    }

    #[tokio::test]
    async fn who_replicates_reads_nothing_of_what_is_cut_off_or_purged() {
        let (_disk, mut log) = remnant().await;
        for (from, to) in [(6, 9), (7, 8), (0, 5), (2, 9)] {
            let read = log.limited_get_log_entries(from, to).await.expect("no error");
            assert!(read.is_empty(), "{from}..{to}: {read:?}");
        }
        let read = log.limited_get_log_entries(3, 6).await.expect("it is there");
        assert_eq!(read, [entry(3), entry(4), entry(5)]);
        let read = log.try_get_log_entries(3..9).await.expect("some are there");
        assert_eq!(read, [entry(3), entry(4), entry(5)]);
    }

    #[tokio::test]
    async fn an_entry_is_waited_for_until_it_is_durable_here() {
        let disk = Arc::new(SimulatedDisk::new());
        let options = || via_storage::log::Options::new("simulated");
        let (shared, mut hand) =
            SegmentedLog::by_hand(disk.clone(), options()).expect("an empty disk");
        let shared: Arc<dyn via_storage::Log> = Arc::new(shared);
        let mut log = GroupLog::open(GROUP, GROUP, Arc::clone(&shared)).expect("an empty log");
        log.append((0..3).map(entry), IOFlushed::noop()).await.expect("room");
        assert!(log.until_durable(2).now_or_never().is_none(), "it is only asked for");
        hand.write().expect("the disk is whole");
        log.until_durable(2).now_or_never().expect("by now").expect("it did not fail");
        assert!(log.until_durable(3).now_or_never().is_none(), "there is no such entry yet");
        drop((log, hand, shared));
        let (again, _hand) = SegmentedLog::by_hand(disk, options()).expect("it is whole");
        let log = GroupLog::open(GROUP, GROUP, Arc::new(again)).expect("it is whole");
        log.until_durable(2).now_or_never().expect("found").expect("it did not fail");
    }

    #[tokio::test]
    async fn an_entry_that_should_be_there_and_is_not_is_an_error() {
        let (disk, _) = remnant().await;
        let mut log = GroupLog::open(GROUP, GROUP, disk.clone()).expect("it is whole");
        disk.truncate_after(GROUP, key(3), Box::new(|_| {}));
        assert!(log.limited_get_log_entries(3, 6).await.is_ok(), "a part of it");
        log.limited_get_log_entries(4, 6).await.expect_err("invariant D-7");
    }

    #[tokio::test]
    async fn a_purge_beyond_the_end_that_the_log_forgot_is_made_up_for() {
        let disk = Arc::new(MemoryLog::new());
        let mut log = GroupLog::open(GROUP, GROUP, disk.clone()).expect("an empty log");
        log.append((0..10).map(entry), IOFlushed::noop()).await.expect("room");
        // A snapshot of 15 entries came, and power failed: what is purged is known,
        // that the entries before are gone is not.
        let snapshot = entry(14).log_id;
        log.store_form(Slot::Purged, &PlaceForm::from(snapshot)).await.expect("room");
        assert!(disk.bounds(GROUP).is_some(), "the log still has them");
        let mut log = GroupLog::open(GROUP, GROUP, disk.clone()).expect("it is whole");
        assert_eq!(log.last(), Some(snapshot));
        log.append((15..17).map(entry), IOFlushed::noop()).await.expect("room");
        log.until_durable(16).now_or_never().expect("by now").expect("it follows the snapshot");
        assert_eq!(log.place(16).expect("readable"), Some(entry(16).log_id));
    }
}
