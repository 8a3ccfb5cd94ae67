//! A shard's stored state on its way to a new replica: every record of its own
//! ranges, in pieces. Facts go first, so that what follows is at least as new
//! as the boundary they name.

use std::collections::VecDeque;
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;
use via_codec::Kind;
use via_consensus::{Chunks, Position};
use via_storage::{Order, Space, Store, Write};
use via_types::ShardId;

use crate::archive::{Archive, Stored, delete, put};
use crate::feed::Heard;
use crate::replica::Replica;
use crate::{Error, keys, replay};

/// The spaces whose keys begin with the shard, by the numbers that pieces have.
const SPACES: [Space; 6] = [
    Space::Shards,
    Space::Ledgers,
    Space::Profiles,
    Space::Detections,
    Space::Feed,
    Space::Feedback,
];
/// The order in which they are sent. The feed goes before what it tells of: while
/// it is read more is recorded, and a change whose detection came too late would
/// be taken for told.
const ORDER: [usize; SPACES.len()] = [0, 1, 2, 4, 3, 5];
/// Records read at a time.
const STRIDE: usize = 256;
/// Bytes of one piece, but for a single record that is longer: within what a
/// chunk may be, whatever records take besides.
const PIECE_BYTES: usize = via_consensus::CHUNK_BYTES / 2;

/// A piece: the number of a space in [`SPACES`], and records of it.
type Piece = (u8, Vec<(Vec<u8>, Vec<u8>)>);

struct Exporter {
    replica: Arc<Replica>,
    store: Arc<dyn Store>,
    shard: ShardId,
    /// The boundary that the snapshot is named after.
    at: Option<Position>,
    /// The facts and the ledger, read at one moment; none before they are.
    head: Option<VecDeque<Bytes>>,
    /// The place in [`ORDER`].
    turn: usize,
    after: Option<Vec<u8>>,
}

/// How many of [`ORDER`] must be of one moment: a ledger of another round would
/// say of events after the boundary that they are applied (invariant D-2).
const HEAD: usize = 2;

impl Exporter {
    /// Reads the facts and the ledger.
    fn read_head(&mut self) -> Result<VecDeque<Bytes>, Error> {
        let replica = Arc::clone(&self.replica);
        let mut head = VecDeque::new();
        replica.with(|state| {
            if state.boundary != self.at {
                let what = "a checkpoint has been finished since this snapshot was begun";
                return Err(Error::NotReady { shard: self.shard, what: what.to_owned() });
            }
            while self.turn < HEAD
                && let Some(piece) = self.scan_piece(HEAD)?
            {
                head.push_back(piece);
            }
            Ok(head)
        })
    }

    fn next_piece(&mut self) -> Result<Option<Bytes>, Error> {
        if self.head.is_none() {
            self.head = Some(self.read_head()?);
        }
        if let Some(piece) = self.head.as_mut().and_then(VecDeque::pop_front) {
            return Ok(Some(piece));
        }
        self.scan_piece(ORDER.len())
    }

    /// Reads the next piece before that turn.
    fn scan_piece(&mut self, before: usize) -> Result<Option<Bytes>, Error> {
        while self.turn < before
            && let Some(number) = ORDER.get(self.turn).copied()
        {
            let (from, to) = keys::of_shard(self.shard);
            let from = match &self.after {
                Some(key) => Bound::Excluded(key.as_slice()),
                None => Bound::Included(from.as_slice()),
            };
            let to = to.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
            let found = self.store.scan(SPACES[number], (from, to), Order::Ascending, STRIDE)?;
            let mut bytes = 0;
            let mut records = Vec::new();
            for (key, value) in found {
                bytes += key.len() + value.len();
                if bytes > PIECE_BYTES && !records.is_empty() {
                    break;
                }
                records.push((key.to_vec(), value.to_vec()));
            }
            let Some((last, _)) = records.last() else {
                self.turn += 1;
                self.after = None;
                continue;
            };
            self.after = Some(last.clone());
            let piece: Piece = (number as u8, records);
            return Ok(Some(via_codec::encode(Kind::SnapshotChunk, &piece).into()));
        }
        Ok(None)
    }
}

impl Iterator for Exporter {
    type Item = Result<Bytes, via_consensus::Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_piece().map_err(via_consensus::Error::machine).transpose()
    }
}

/// Returns the stored state of the shard as of the boundary `at`, read as it is
/// taken.
pub(crate) fn export(replica: &Arc<Replica>, at: Option<Position>) -> Chunks {
    let (store, shard) = (Arc::clone(&replica.store), replica.shard);
    let replica = Arc::clone(replica);
    Box::new(Exporter { replica, store, shard, at, head: None, turn: 0, after: None })
}

/// Replaces the stored state of the shard, durably. The boundary is written
/// last: until then the shard has none, and is rebuilt from nothing.
pub(crate) fn install(
    replica: &Replica,
    at: Position,
    chunks: &mut dyn Iterator<Item = Result<Bytes, via_consensus::Error>>,
) -> Result<(), via_consensus::Error> {
    let broken = |error: Error| via_consensus::Error::machine(error);
    replica.with(|state| state.live = None);
    clear(&replica.store, replica.shard).map_err(broken)?;
    let mut facts = Vec::new();
    for chunk in chunks {
        let writes = read_piece(replica.shard, &chunk?, &mut facts).map_err(broken)?;
        replica.store.write(writes).map_err(|error| broken(error.into()))?;
    }
    finish(replica, at, facts).map_err(broken)
}

fn read_piece(shard: ShardId, chunk: &[u8], facts: &mut Vec<Write>) -> Result<Vec<Write>, Error> {
    let (space, records): Piece = via_codec::decode(Kind::SnapshotChunk, chunk)?;
    let foreign = || Error::Malformed("a snapshot piece is not of this shard".to_owned());
    let space = *SPACES.get(usize::from(space)).ok_or_else(foreign)?;
    let mut writes = Vec::with_capacity(records.len());
    for (key, value) in records {
        if !key.starts_with(&shard.get().to_be_bytes()) {
            return Err(foreign());
        }
        if space == Space::Detections {
            let stored = Stored::read(&value)?;
            let index = keys::by_time(stored.tenant, stored.detection.started, stored.detection.id);
            writes.push(put(Space::DetectionsByTime, &index, Vec::new()));
        }
        let write = put(space, &key, value);
        if space == Space::Shards { facts.push(write) } else { writes.push(write) }
    }
    Ok(writes)
}

fn finish(replica: &Replica, at: Position, facts: Vec<Write>) -> Result<(), Error> {
    let named = keys::fact(replica.shard, keys::Fact::Boundary);
    let boundary = facts.iter().find_map(|fact| match fact {
        Write::Put { key, value, .. } if key[..] == named => Some(value),
        Write::Put { .. } | Write::Delete { .. } => None,
    });
    if boundary.map(|bytes| replay::decode_boundary(bytes)).transpose()? != Some(at) {
        return Err(Error::Malformed(format!("a snapshot is not as of {at}")));
    }
    replica.store.commit()?;
    replica.store.write(facts)?;
    replica.store.commit()?;
    let mut state = replay::open(&replica.store, replica.shard)?;
    state.applied = Some(at);
    state.durable = state.boundary;
    replica.with(|old| *old = state);
    // What is in it was told to nobody here.
    let _listeners = replica.feed.send(Heard::Jump(replica.shard));
    Ok(())
}

/// Deletes everything the store holds of the shard.
pub(crate) fn clear(store: &Arc<dyn Store>, shard: ShardId) -> Result<(), Error> {
    let archive = Archive::new(Arc::clone(store));
    for space in SPACES {
        let mut writes = Vec::new();
        archive.each(space, shard, &mut |key, value| {
            if space == Space::Detections {
                let stored = Stored::read(value)?;
                let index =
                    keys::by_time(stored.tenant, stored.detection.started, stored.detection.id);
                writes.push(delete(Space::DetectionsByTime, &index));
            }
            writes.push(delete(space, key));
            Ok(())
        })?;
        for piece in writes.chunks(STRIDE) {
            store.write(piece.to_vec())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use via_storage::MemoryStore;
    use via_types::{LogIndex, NodeId, Term};

    use super::*;
    use crate::Options;
    use crate::retention::tests::{SHARD, open, record};

    #[test]
    fn what_is_recorded_while_a_snapshot_is_read_is_told_once_it_is_whole() {
        let (term, leader) = (Term::new(1), NodeId::new(1));
        let at = Position { term, leader, index: LogIndex::new(5) };
        let source: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let fact = keys::fact(SHARD, keys::Fact::Boundary);
        let boundary = put(Space::Shards, &fact, replay::encode_boundary(at, 0));
        source.write(vec![boundary]).expect("memory");
        let leader = Arc::new(open(Options::default(), source));
        // So many that each space takes several pieces.
        let before = 3 * STRIDE as u64;
        (1..=before).for_each(|number| record(&leader, number * 10));

        let newcomer = open(Options::default(), Arc::new(MemoryStore::new()));
        let mut later = before;
        let mut pieces = export(&leader, Some(at)).inspect(|_| {
            // As many as there are pieces, and not for ever.
            if later < before + 32 {
                later += 1;
                record(&leader, later * 10);
            }
        });
        install(&newcomer, at, &mut pieces).expect("it is whole");

        let told = newcomer.archive.changes_after(SHARD, (0, 0), usize::MAX).expect("memory");
        let told: BTreeSet<_> = told.into_iter().map(|change| change.at).collect();
        assert!(told.len() as u64 >= 2 * before);
        // What the log brings again up to there is not told a second time.
        let end = newcomer.feed_end().expect("there is something");
        let all = leader.archive.changes_after(SHARD, (0, 0), usize::MAX).expect("memory");
        let all: BTreeSet<_> = all.into_iter().map(|change| change.at).collect();
        assert_eq!(told, all.range(..=end).copied().collect());
    }
}
