//! The audit logs at rest: one row per record and one per node of a tree, which
//! never change. Owns their keys and envelopes, the way of a log into a snapshot
//! and out of it, and that what comes is what the catalog's trees say (D-7).

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use via_audit::{Frontier, Hash, Place, leaf};
use via_catalog::{Key, Recorded, Trail, TrailId, View};
use via_codec::Kind;
use via_consensus::CHUNK_BYTES;
use via_storage::{Order, Space, Store, Write};

use crate::rows::Error;

/// Rows that one commit point deletes of each log, so that none waits for many.
const PRUNED: usize = 1_024;
/// Most records of one piece of a snapshot.
const PIECE: usize = 4_096;

const RECORDS: u8 = 1;
const NODES: u8 = 2;

fn key(trail: TrailId, part: u8, level: u8, index: u64) -> Bytes {
    let number = trail.get().to_be_bytes();
    [number.as_slice(), &[part, level], &index.to_be_bytes()].concat().into()
}

pub(crate) fn record_key(trail: TrailId, index: u64) -> Bytes {
    key(trail, RECORDS, 0, index)
}

pub(crate) fn node_key(trail: TrailId, place: Place) -> Bytes {
    key(trail, NODES, place.level, place.index)
}

pub(crate) fn record(row: &[u8]) -> Result<String, Error> {
    Ok(via_codec::decode(Kind::AuditRecord, row)?)
}

pub(crate) fn node(row: &[u8]) -> Result<Hash, Error> {
    Ok(via_codec::decode(Kind::AuditNode, row)?)
}

/// Returns the rows of one record: its text, and the nodes that it made final.
pub(crate) fn rows(recorded: &Recorded) -> Vec<(Bytes, Bytes)> {
    let Recorded { trail, index, text, nodes } = recorded;
    let text = (record_key(*trail, *index), via_codec::encode(Kind::AuditRecord, text).into());
    let nodes = nodes.iter().map(|(place, hash)| node_row(*trail, *place, *hash));
    std::iter::once(text).chain(nodes).collect()
}

fn node_row(trail: TrailId, place: Place, hash: Hash) -> (Bytes, Bytes) {
    (node_key(trail, place), via_codec::encode(Kind::AuditNode, &hash).into())
}

pub(crate) fn put(key: Bytes, value: Bytes) -> Write {
    Write::Put { space: Space::Audit, key, value }
}

/// Returns deletions of records that their logs do not keep any more, of logs
/// that changed.
pub(crate) fn pruned(
    store: &dyn Store,
    view: &View,
    changed: &BTreeSet<Key>,
) -> Result<Vec<Write>, Error> {
    let mut deletions = Vec::new();
    for key in changed {
        let Key::Trail(id) = key else { continue };
        let kept_from = view.trail(*id).map_or(0, |trail| trail.kept_from);
        if kept_from == 0 {
            continue;
        }
        let (from, to) = (record_key(*id, 0), record_key(*id, kept_from));
        let bounds = (Bound::Included(&*from), Bound::Excluded(&*to));
        let old = store.scan(Space::Audit, bounds, Order::Ascending, PRUNED)?;
        deletions
            .extend(old.into_iter().map(|(key, _)| Write::Delete { space: Space::Audit, key }));
    }
    Ok(deletions)
}

/// Checks that the nodes that each log's tree stands on are there and the same.
pub(crate) fn check(store: &dyn Store, view: &View) -> Result<(), Error> {
    for trail in view.trails() {
        for (place, hash) in Frontier::places(trail.tree.size()).zip(trail.tree.peaks()) {
            let row = store.get(Space::Audit, &node_key(trail.id, place))?;
            let found = row.map(|row| node(&row)).transpose()?;
            if found != Some(*hash) {
                return Err(Error::Trail(trail.id));
            }
        }
    }
    Ok(())
}

/// Some records of one log in a row: the hashes of their leaves, and the texts
/// of those that are kept whole.
#[derive(Serialize, Deserialize)]
struct Piece {
    trail: TrailId,
    from: u64,
    leaves: Vec<(Hash, Option<String>)>,
}

/// Returns the audit logs of `view` in pieces, read as they are asked for.
pub(crate) fn pieces(
    view: &View,
    store: Arc<dyn Store>,
) -> impl Iterator<Item = Result<Bytes, via_consensus::Error>> + Send + use<> {
    let trails: Vec<Arc<Trail>> = view.trails().cloned().collect();
    let mut trails = trails.into_iter();
    let mut current: Option<(Arc<Trail>, u64)> = None;
    std::iter::from_fn(move || {
        let (trail, from) = match current.take() {
            Some((trail, from)) if from < trail.tree.size() => (trail, from),
            _ => (trails.find(|trail| trail.tree.size() > 0)?, 0),
        };
        let piece = piece(&*store, &trail, from);
        if let Ok(piece) = &piece {
            current = Some((trail, from + piece.leaves.len() as u64));
        }
        let encoded = piece.map(|piece| via_codec::encode(Kind::AuditPiece, &piece).into());
        Some(encoded.map_err(via_consensus::Error::machine))
    })
}

fn piece(store: &dyn Store, trail: &Trail, from: u64) -> Result<Piece, Error> {
    let mut leaves = Vec::new();
    let mut bytes = 0;
    for index in (from..trail.tree.size()).take(PIECE) {
        let place = Place { level: 0, index };
        let row = store.get(Space::Audit, &node_key(trail.id, place))?;
        let hash = node(&row.ok_or(Error::Trail(trail.id))?)?;
        let row = store.get(Space::Audit, &record_key(trail.id, index))?;
        let text = row.map(|row| record(&row)).transpose()?;
        bytes += 40 + text.as_ref().map_or(0, String::len);
        leaves.push((hash, text));
        if bytes >= CHUNK_BYTES / 2 {
            break;
        }
    }
    Ok(Piece { trail: trail.id, from, leaves })
}

/// Takes the audit logs out of a snapshot, piece by piece. Their rows are written
/// as they come: they are never changed, so that those of a snapshot that is
/// refused in the end are ones that are there already, or are not looked at.
pub(crate) struct Shelving {
    store: Arc<dyn Store>,
    trees: BTreeMap<TrailId, Frontier>,
    /// From where on the texts of a log have come without a gap.
    whole_from: BTreeMap<TrailId, u64>,
}

impl Shelving {
    pub(crate) fn new(store: Arc<dyn Store>) -> Self {
        Self { store, trees: BTreeMap::new(), whole_from: BTreeMap::new() }
    }

    pub(crate) fn take(&mut self, chunk: &[u8]) -> Result<(), Error> {
        let Piece { trail, from, leaves } = via_codec::decode(Kind::AuditPiece, chunk)?;
        let tree = self.trees.entry(trail).or_default();
        if tree.size() != from {
            return Err(Error::Trail(trail));
        }
        let mut batch = Vec::new();
        for (hash, text) in leaves {
            let index = tree.size();
            match text {
                Some(text) if leaf(text.as_bytes()) != hash => return Err(Error::Trail(trail)),
                Some(text) => {
                    let row = via_codec::encode(Kind::AuditRecord, &text).into();
                    batch.push(put(record_key(trail, index), row));
                }
                None => {
                    self.whole_from.insert(trail, index + 1);
                }
            }
            tree.append(hash, |place, hash| {
                let (key, row) = node_row(trail, place, hash);
                batch.push(put(key, row));
            });
        }
        Ok(self.store.write(batch)?)
    }

    /// Checks that what came is what the catalog says that there is.
    pub(crate) fn finish(mut self, view: &View) -> Result<(), Error> {
        for trail in view.trails() {
            let tree = self.trees.remove(&trail.id).unwrap_or_default();
            let whole_from = self.whole_from.get(&trail.id).copied().unwrap_or(0);
            if tree != trail.tree || whole_from > trail.kept_from {
                return Err(Error::Trail(trail.id));
            }
        }
        self.trees.keys().next().map_or(Ok(()), |stray| Err(Error::Trail(*stray)))
    }
}
