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
    batch.push(Write::Delete { space: Space::Machines, key: as_of_key() });
    store.write(batch)?;
    Ok(store.commit()?)
}

fn deletions(store: &dyn Store) -> Result<Vec<Write>, Error> {
    let delete = |(key, _)| Write::Delete { space: Space::Catalog, key };
    Ok(all(store)?.into_iter().map(delete).collect())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde::de::DeserializeOwned;
    use via_catalog::command::{
        AdmitNode, CreateStream, CreateTenant, FormCluster, IssueToken, ObserveNode, OpenProducer,
        PutDefaults, PutStreamConfig, RegisterNode, SetNodeState,
    };
    use via_catalog::{
        Command, Counters, Defaults, Digest, Node, NodeState, Producer, Stream, Tenant, Token,
    };
    use via_types::{Epoch, ProducerId, StreamConfig, StreamId, TenantId, Timestamp};

    use super::*;

    const AT: Timestamp = Timestamp::from_nanos(1_700_000_000_000_000_000);
    const TENANT: TenantId = TenantId::new(1);

    fn commands() -> Vec<Command> {
        let (id, name, stream) = (NodeId::new(3), "logins".to_owned(), StreamId::new(2));
        let config = r#"{"explain":"basic"}"#.to_owned();
        let addresses = vec!["a.example:7400".to_owned()];
        let zone = Some("eu-1".to_owned());
        let based_on = Revision::new(9);
        vec![
            FormCluster { id: ClusterId::new(7), shards: 64, at: AT }.into(),
            RegisterNode { id, name: "third".to_owned(), addresses, zone }.into(),
            CreateTenant { name: "default".to_owned(), at: AT }.into(),
            CreateStream { tenant: TENANT, name: name.clone(), config: config.clone(), at: AT }
                .into(),
            PutStreamConfig { tenant: TENANT, stream, based_on, config }.into(),
            OpenProducer { tenant: TENANT, name }.into(),
            SetNodeState { id, state: NodeState::Draining }.into(),
        ]
    }

    fn objects() -> Vec<Object> {
        let node = Node {
            id: NodeId::new(3),
            name: "third".to_owned(),
            addresses: vec!["a.example:7400".to_owned()],
            zone: None,
            state: NodeState::Left,
        };
        let stream = Stream {
            id: StreamId::new(2),
            tenant: TENANT,
            name: "logins".to_owned(),
            own: "{}".to_owned(),
            config: StreamConfig::default(),
            json: "{}".to_owned(),
            revision: Revision::new(9),
            created: AT,
        };
        let producer = Producer {
            id: ProducerId::new(5),
            tenant: TENANT,
            name: "agent-1".to_owned(),
            epoch: Epoch::new(4),
        };
        let tenant = Tenant { id: TENANT, name: "default".to_owned(), created: AT };
        let cluster = via_catalog::Cluster { id: ClusterId::new(7), shards: 64, formed: AT };
        vec![
            Object::Cluster(cluster),
            Object::Counters(Counters { tenant: 1, stream: 2, producer: 5 }),
            Object::Node(Arc::new(node)),
            Object::Tenant(Arc::new(tenant)),
            Object::Stream(Arc::new(stream)),
            Object::Producer(producer),
        ]
    }

    fn as_of() -> AsOf {
        AsOf {
            term: Term::new(2),
            leader: NodeId::new(3),
            index: LogIndex::new(77),
            revision: Revision::new(70),
            objects: 6,
        }
    }

    /// Checks that bytes written by an earlier version still mean the same and
    /// would be written the same today.
    fn golden<T>(kind: Kind, golden: &[u8], values: &[T])
    where
        T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug,
    {
        let mut rest = golden;
        for value in values {
            let bytes = via_codec::encode(kind, value);
            let (old, after) = rest.split_at_checked(bytes.len()).expect("the file is shorter");
            assert_eq!(via_codec::decode::<T>(kind, old).as_ref(), Ok(value), "invariant D-7");
            assert_eq!(old, bytes, "{value:?}");
            rest = after;
        }
        assert!(rest.is_empty(), "the file has more than is checked");
    }

    #[test]
    fn commands_read_as_they_were_written() {
        let bytes = include_bytes!("../tests/golden/catalog-entry-v1.bin");
        golden(Kind::CatalogEntry, bytes, &commands());
    }

    #[test]
    fn objects_read_as_they_were_written() {
        let bytes = include_bytes!("../tests/golden/catalog-state-v1.bin");
        golden(Kind::CatalogState, bytes, &objects());
    }

    #[test]
    fn the_defaults_of_streams_read_as_they_were_written() {
        let config = r#"{"explain":"basic"}"#.to_owned();
        let bytes = include_bytes!("../tests/golden/catalog-entry-defaults-v1.bin");
        golden(Kind::CatalogEntry, bytes, &[Command::from(PutDefaults { config: config.clone() })]);
        let defaults = Defaults { json: config, revision: Revision::new(9) };
        let bytes = include_bytes!("../tests/golden/catalog-state-defaults-v1.bin");
        golden(Kind::CatalogState, bytes, &[Object::Defaults(Arc::new(defaults))]);
        assert_eq!(&*key(Key::Defaults), &[7]);
    }

    #[test]
    fn nodes_that_come_and_go_read_as_they_were_written() {
        let (digest, key) = (Digest::new([3; 32]), Digest::new([4; 32]));
        let (id, zone) = (NodeId::new(4), Some("eu-1".to_owned()));
        let name = Some("fourth".to_owned());
        let commands: Vec<Command> = vec![
            IssueToken { digest, expires: AT, at: AT }.into(),
            AdmitNode { token: digest, key, name, zone: zone.clone(), at: AT }.into(),
            ObserveNode { id, is_up: false }.into(),
        ];
        let bytes = include_bytes!("../tests/golden/catalog-entry-nodes-v1.bin");
        golden(Kind::CatalogEntry, bytes, &commands);
        let node = |state| {
            let (name, addresses) = ("fourth".to_owned(), Vec::new());
            Object::Node(Arc::new(Node { id, name, addresses, zone: zone.clone(), state }))
        };
        let token = Token { digest, expires: AT, admitted: Some((id, key)) };
        let objects = vec![node(NodeState::Joining), node(NodeState::Down), Object::Token(token)];
        let bytes = include_bytes!("../tests/golden/catalog-state-nodes-v1.bin");
        golden(Kind::CatalogState, bytes, &objects);
        assert_eq!(super::key(Key::Token(digest))[..2], [8, 3]);
    }

    #[test]
    fn positions_and_identities_read_as_they_were_written() {
        let bytes = include_bytes!("../tests/golden/machine-state-v1.bin");
        golden(Kind::MachineState, bytes, &[as_of()]);
        let identity = Identity { node: NodeId::new(3), cluster: ClusterId::new(7) };
        let bytes = include_bytes!("../tests/golden/store-meta-v1.bin");
        golden(Kind::StoreMeta, bytes, &[identity]);
    }

    #[test]
    fn row_keys_never_change() {
        let keys: Vec<_> = objects().iter().map(|object| key(object.key())).collect();
        let expected: [&[u8]; 6] = [
            &[1],
            &[2],
            &[3, 0, 0, 0, 0, 0, 0, 0, 3],
            &[4, 0, 0, 0, 1],
            &[5, 0, 0, 0, 2],
            &[6, 0, 0, 0, 0, 0, 0, 0, 5],
        ];
        assert_eq!(keys, expected);
        assert_eq!(as_of_key(), GroupId::META.get().to_be_bytes().as_slice());
    }
}
