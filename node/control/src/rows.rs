//! The catalog at rest: one row per object, and one that says as of which
//! entry they are true, changed together. Owns their keys and envelopes; a
//! row that does not read makes the whole unreadable (invariant D-7).

use std::ops::Bound;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use via_catalog::{Catalog, ClusterId, Damage, Key, Object};
use via_codec::Kind;
use via_consensus::Position;
use via_storage::{Order, Space, Store, Write};
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
    #[error("the audit log of {0} is not the one that the catalog knows")]
    Trail(via_catalog::TrailId),
    #[error(transparent)]
    Node(#[from] via_audit::MissingNode),
    #[error(transparent)]
    Damage(#[from] Damage),
}

pub(crate) fn identity(store: &dyn Store) -> Result<Option<Identity>, Error> {
    let Some(bytes) = store.get(Space::Node, IDENTITY)? else { return Ok(None) };
    Ok(Some(via_codec::decode(Kind::StoreMeta, &bytes)?))
}

/// Returns whose data directory `store` is in; none when it is nobody's yet.
///
/// # Errors
/// [`crate::Error::Kept`] when it cannot be read.
pub fn owner(store: &dyn Store) -> Result<Option<(NodeId, ClusterId)>, crate::Error> {
    let identity = identity(store).map_err(crate::Error::kept)?;
    Ok(identity.map(|identity| (identity.node, identity.cluster)))
}

pub(crate) fn put_identity(store: &dyn Store, identity: Identity) -> Result<(), Error> {
    let value = via_codec::encode(Kind::StoreMeta, &identity).into();
    let key = Bytes::from_static(IDENTITY);
    store.write(vec![Write::Put { space: Space::Node, key, value }])?;
    Ok(store.commit()?)
}

/// The row key of an object: a table number, never reused, and its id.
fn key(key: Key) -> Bytes {
    let row = |table: u8, id: &[u8]| [&[table], id].concat().into();
    match key {
        Key::Cluster => row(1, &[]),
        Key::Counters => row(2, &[]),
        Key::Node(id) => row(3, &id.get().to_be_bytes()),
        Key::Tenant(id) => row(4, &id.get().to_be_bytes()),
        Key::Stream(id) => row(5, &id.get().to_be_bytes()),
        Key::Producer(id) => row(6, &id.get().to_be_bytes()),
        Key::Defaults => row(7, &[]),
        Key::Token(digest) => row(8, digest.bytes()),
        Key::Account(id) => row(9, &id.get().to_be_bytes()),
        Key::Plan(id) => row(10, &id.get().to_be_bytes()),
        Key::User(id) => row(11, &id.get().to_be_bytes()),
        Key::Role(id) => row(12, &id.get().to_be_bytes()),
        Key::ApiKey(id) => row(13, &id.get().to_be_bytes()),
        Key::Session(id) => row(14, &id.get().to_be_bytes()),
        Key::Grant(id) => row(15, &id.get().to_be_bytes()),
        Key::Edition((stream, revision)) => row(
            16,
            &[stream.get().to_be_bytes().as_slice(), &revision.get().to_be_bytes()].concat(),
        ),
        Key::Suppression(id) => row(17, &id.get().to_be_bytes()),
        Key::Answer((whose, digest)) => {
            row(18, &[whose.get().to_be_bytes().as_slice(), digest.bytes()].concat())
        }
        Key::Trail(id) => row(19, &id.get().to_be_bytes()),
        Key::Subject(digest) => row(20, digest.bytes()),
        Key::Usage((stream, page)) => {
            row(21, &[stream.get().to_be_bytes(), page.to_be_bytes()].concat())
        }
    }
}

/// The key of [`AsOf`].
fn as_of_key() -> Bytes {
    Bytes::copy_from_slice(&GroupId::META.get().to_be_bytes())
}

pub(crate) fn put(object: &Object) -> Write {
    let value = via_codec::encode(Kind::CatalogState, object).into();
    Write::Put { space: Space::Catalog, key: key(object.key()), value }
}

/// Removes the row of an object that is gone.
pub(crate) fn delete(gone: Key) -> Write {
    Write::Delete { space: Space::Catalog, key: key(gone) }
}

pub(crate) fn put_as_of(as_of: AsOf) -> Write {
    let value = via_codec::encode(Kind::MachineState, &as_of).into();
    Write::Put { space: Space::Machines, key: as_of_key(), value }
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
    let Some(bytes) = store.get(Space::Machines, &as_of_key())? else {
        return Ok(None);
    };
    let as_of: AsOf = via_codec::decode(Kind::MachineState, &bytes)?;
    let decode = |(_, row): &(Bytes, Bytes)| via_codec::decode(Kind::CatalogState, row);
    let objects = all(store)?.iter().map(decode).collect::<Result<_, _>>()?;
    let catalog = restore(as_of, objects)?;
    crate::shelf::check(store, &catalog.view())?;
    Ok(Some((catalog, as_of.position())))
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
    batch.push(Write::Delete { space: Space::Machines, key: as_of_key() });
    store.write(batch)?;
    Ok(store.commit()?)
}

fn deletions(store: &dyn Store) -> Result<Vec<Write>, Error> {
    let delete = |(key, _)| Write::Delete { space: Space::Catalog, key };
    Ok(all(store)?.into_iter().map(delete).collect())
}

#[cfg(test)]
mod tests;
