//! The catalog at rest: one row per object, and one that says as of which
//! entry they are true, changed together. Owns their keys and envelopes; a
//! row that does not read makes the whole unreadable (invariant D-7).

use std::ops::Bound;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use via_catalog::{Catalog, ClusterId, Damage, Key, Object};
use via_codec::Kind;
use via_consensus::Position;
use via_storage::{Order, Space, Store, Write, keys};
use via_types::{GroupId, LogIndex, NodeId, Revision, Term};

/// Rows read at once.
const PAGE: usize = 1_024;
const IDENTITY: &[u8] = b"node";

/// As of which entry the rows are true, and how many there must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AsOf {
    term: Term,
    leader: NodeId,
    index: LogIndex,
    revision: Revision,
    objects: u64,
}

impl AsOf {
    pub(crate) fn new(at: Position, catalog: &Catalog) -> Self {
        let Position { term, leader, index } = at;
        let (revision, objects) = (catalog.revision(), catalog.len() as u64);
        Self { term, leader, index, revision, objects }
    }

    pub(crate) fn position(self) -> Position {
        Position { term: self.term, leader: self.leader, index: self.index }
    }
}

/// Whose data directory this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Identity {
    pub(crate) node: NodeId,
    pub(crate) cluster: ClusterId,
}

/// Why the rows are not a catalog.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("the state store failed")]
    Store(#[from] via_storage::Error),
    #[error("a catalog row is unreadable")]
    Row(#[from] via_codec::Error),
    #[error("{found} catalog rows are stored where {expected} should be")]
    Count { found: u64, expected: u64 },
    #[error(transparent)]
    Damage(#[from] Damage),
}

pub(crate) fn identity(store: &dyn Store) -> Result<Option<Identity>, Error> {
    let Some(bytes) = store.get(Space::Node, IDENTITY)? else { return Ok(None) };
    Ok(Some(via_codec::decode(Kind::StoreMeta, &bytes)?))
}

pub(crate) fn put_identity(store: &dyn Store, identity: Identity) -> Result<(), Error> {
    let value = via_codec::encode(Kind::StoreMeta, &identity).into();
    let key = Bytes::from_static(IDENTITY);
    store.write(vec![Write::Put { space: Space::Node, key, value }])?;
    Ok(store.commit()?)
}

/// The row key of an object: a table number, never reused, and its id.
fn key(key: Key) -> Bytes {
    match key {
        Key::Cluster => keys::catalog(1, &[]),
        Key::Counters => keys::catalog(2, &[]),
        Key::Node(id) => keys::catalog(3, &id.get().to_be_bytes()),
        Key::Tenant(id) => keys::catalog(4, &id.get().to_be_bytes()),
        Key::Stream(id) => keys::catalog(5, &id.get().to_be_bytes()),
        Key::Producer(id) => keys::catalog(6, &id.get().to_be_bytes()),
    }
}

pub(crate) fn put(object: &Object) -> Write {
    let value = via_codec::encode(Kind::CatalogState, object).into();
    Write::Put { space: Space::Catalog, key: key(object.key()), value }
}

pub(crate) fn put_as_of(as_of: AsOf) -> Write {
    let value = via_codec::encode(Kind::MachineState, &as_of).into();
    Write::Put { space: Space::Machines, key: keys::machine(GroupId::META), value }
}

/// Reads every row. There are at most as many as the catalog's limits allow.
fn all(store: &dyn Store) -> Result<Vec<(Bytes, Bytes)>, Error> {
    let mut rows: Vec<(Bytes, Bytes)> = Vec::new();
    loop {
        let from = rows.last().map(|(key, _)| key.clone());
        let from = from.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        let bounds = (from, Bound::Unbounded);
        let page = store.scan(Space::Catalog, bounds, Order::Ascending, PAGE)?;
        let last = page.len() < PAGE;
        rows.extend(page);
        if last {
            return Ok(rows);
        }
    }
}

/// Reads the catalog and the entry it is true as of; none when nothing was
/// ever kept.
pub(crate) fn load(store: &dyn Store) -> Result<Option<(Catalog, Position)>, Error> {
    let Some(bytes) = store.get(Space::Machines, &keys::machine(GroupId::META))? else {
        return Ok(None);
    };
    let as_of: AsOf = via_codec::decode(Kind::MachineState, &bytes)?;
    let decode = |(_, row): &(Bytes, Bytes)| via_codec::decode(Kind::CatalogState, row);
    let objects = all(store)?.iter().map(decode).collect::<Result<_, _>>()?;
    Ok(Some((restore(as_of, objects)?, as_of.position())))
}

/// Makes the catalog of `objects`, which must be all there are as of `as_of`.
pub(crate) fn restore(as_of: AsOf, objects: Vec<Object>) -> Result<Catalog, Error> {
    if objects.len() as u64 != as_of.objects {
        return Err(Error::Count { found: objects.len() as u64, expected: as_of.objects });
    }
    Ok(Catalog::restore(as_of.revision, objects)?)
}

/// Replaces all rows by those of `catalog`; durable on return.
pub(crate) fn replace(store: &dyn Store, catalog: &Catalog, at: Position) -> Result<(), Error> {
    let mut batch = deletions(store)?;
    batch.extend(catalog.objects().map(|object| put(&object)));
    batch.push(put_as_of(AsOf::new(at, catalog)));
    store.write(batch)?;
    Ok(store.commit()?)
}

/// Removes everything, so that the catalog is rebuilt from its log or a peer.
pub(crate) fn discard(store: &dyn Store) -> Result<(), Error> {
    let mut batch = deletions(store)?;
    batch.push(Write::Delete { space: Space::Machines, key: keys::machine(GroupId::META) });
    store.write(batch)?;
    Ok(store.commit()?)
}

fn deletions(store: &dyn Store) -> Result<Vec<Write>, Error> {
    let delete = |(key, _)| Write::Delete { space: Space::Catalog, key };
    Ok(all(store)?.into_iter().map(delete).collect())
}
