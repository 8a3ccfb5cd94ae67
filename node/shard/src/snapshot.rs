//! A shard's stored state on its way to a new replica: every record of its own
//! ranges, in pieces. Facts go first, so that what follows is at least as new
//! as the boundary they name.

use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;
use via_codec::Kind;
use via_consensus::{Chunks, Position};
use via_storage::{Order, Space, Store, Write};
use via_types::ShardId;

use crate::archive::{Stored, delete, put};
use crate::replica::Replica;
use crate::{Error, keys, replay};

/// The spaces whose keys begin with the shard, in the order they are sent.
const SPACES: [Space; 6] = [
    Space::Shards,
    Space::Ledgers,
    Space::Profiles,
    Space::Detections,
    Space::Feed,
    Space::Feedback,
];
/// Records read at a time, and about how many bytes one piece holds.
const STRIDE: usize = 256;

/// A piece: the number of a space in [`SPACES`], and records of it.
type Piece = (u8, Vec<(Vec<u8>, Vec<u8>)>);

struct Exporter {
    store: Arc<dyn Store>,
    shard: ShardId,
    space: usize,
    after: Option<Vec<u8>>,
}

impl Exporter {
    fn next_piece(&mut self) -> Result<Option<Bytes>, Error> {
        while let Some(space) = SPACES.get(self.space) {
            let (from, to) = keys::of_shard(self.shard);
            let from = match &self.after {
                Some(key) => Bound::Excluded(key.as_slice()),
                None => Bound::Included(from.as_slice()),
            };
            let to = to.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
            let found = self.store.scan(*space, (from, to), Order::Ascending, STRIDE)?;
            let Some((last, _)) = found.last() else {
                self.space += 1;
                self.after = None;
                continue;
            };
            self.after = Some(last.to_vec());
            let number = self.space as u8;
            let records = found.into_iter().map(|(key, value)| (key.to_vec(), value.to_vec()));
            let piece: Piece = (number, records.collect());
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

/// Returns the stored state of the shard, read as it is taken.
pub(crate) fn export(replica: &Replica) -> Chunks {
    let store = Arc::clone(&replica.store);
    Box::new(Exporter { store, shard: replica.shard, space: 0, after: None })
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
    clear(replica).map_err(broken)?;
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
    replica.store.commit()?;
    replica.store.write(facts)?;
    replica.store.commit()?;
    let mut state = replay::open(&replica.store, replica.shard)?;
    state.applied = Some(at);
    state.durable = state.boundary;
    replica.with(|old| *old = state);
    Ok(())
}

/// Deletes everything the store holds of the shard.
fn clear(replica: &Replica) -> Result<(), Error> {
    for space in SPACES {
        let mut writes = Vec::new();
        replica.archive.each(space, replica.shard, &mut |key, value| {
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
            replica.store.write(piece.to_vec())?;
        }
    }
    Ok(())
}
