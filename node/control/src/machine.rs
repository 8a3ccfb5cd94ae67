//! The meta group's machine: decodes entries, lets the catalog decide, sends
//! and takes the catalog whole. Called by `consensus` only.

use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use via_catalog::{Command, Entry, Key, Object, Refusal};
use via_codec::Kind;
use via_consensus::{Applied, CHUNK_BYTES, Chunks, Error, Machine, Outcome, Position};

use crate::rows::{self, AsOf};
use crate::shelf::{self, Shelving};
use crate::state::{Kept, State};

/// What an object takes in a snapshot besides a stream's configuration, at most.
const OBJECT_BYTES: usize = 4 << 10;

/// What is wrong with a snapshot of the catalog.
#[derive(Debug, thiserror::Error)]
enum Malformed {
    #[error("the catalog's snapshot is empty")]
    Empty,
    #[error("the catalog's snapshot is as of {found}, not of {expected}")]
    Other { found: Position, expected: Position },
}

pub(crate) struct Meta {
    state: Arc<State>,
    /// The commit point last told of, which is what is exported: another may be
    /// reached between the two calls.
    told: Mutex<Option<Kept>>,
}

impl Meta {
    pub(crate) fn new(state: Arc<State>) -> Self {
        Self { state, told: Mutex::default() }
    }
}

impl Machine for Meta {
    fn applied(&self) -> Option<Position> {
        self.state.applied()
    }

    fn apply(&mut self, at: Position, entry: Applied<'_>) -> Result<Outcome, Error> {
        let entry = match entry {
            Applied::Blank | Applied::Membership => None,
            Applied::Payload(payload) => Some(read(payload).map_err(Error::machine)?),
        };
        match self.state.apply(at, entry) {
            None => Ok(Outcome::none()),
            // Another version committed what this one cannot read: stop rather
            // than disagree with the replicas that can.
            Some(Err(refusal @ Refusal::Unreadable { .. })) => Err(Error::machine(refusal)),
            Some(outcome) => Ok(Outcome::of(outcome)),
        }
    }

    fn durable(&self) -> Option<Position> {
        let kept = self.state.kept();
        let at = kept.as_ref().map(|kept| kept.at);
        *self.told.lock() = kept;
        at
    }

    fn export(&self) -> Result<Chunks, Error> {
        let kept = self.told.lock().clone();
        let kept = kept.ok_or_else(|| Error::machine(Malformed::Empty))?;
        let head = via_codec::encode(Kind::MachineState, &AsOf::new(kept.at, &kept.catalog));
        let records = shelf::pieces(&kept.catalog.view(), self.state.store());
        let mut keys: Option<std::vec::IntoIter<Key>> = None;
        let pieces = std::iter::from_fn(move || {
            let keys = keys.get_or_insert_with(|| {
                kept.catalog.objects().map(|object| object.key()).collect::<Vec<_>>().into_iter()
            });
            let piece = piece(keys.filter_map(|key| kept.catalog.object(key)));
            piece.map(Ok)
        });
        Ok(Box::new(std::iter::once(Ok(head.into())).chain(pieces).chain(records)))
    }

    fn install(
        &mut self,
        at: Position,
        chunks: &mut dyn Iterator<Item = Result<Bytes, Error>>,
    ) -> Result<(), Error> {
        let head = chunks.next().ok_or_else(|| Error::machine(Malformed::Empty))??;
        let as_of: AsOf = via_codec::decode(Kind::MachineState, &head).map_err(Error::machine)?;
        let (found, expected) = (as_of.position(), at);
        if found != expected {
            return Err(Error::machine(Malformed::Other { found, expected }));
        }
        let mut objects: Vec<Object> = Vec::new();
        let mut shelving = Shelving::new(self.state.store());
        for chunk in chunks {
            let chunk = chunk?;
            if via_codec::open(Kind::AuditPiece, &chunk).is_ok() {
                shelving.take(&chunk).map_err(Error::machine)?;
                continue;
            }
            let piece: Vec<Object> =
                via_codec::decode(Kind::SnapshotChunk, &chunk).map_err(Error::machine)?;
            objects.extend(piece);
        }
        let catalog = rows::restore(as_of, objects).map_err(Error::machine)?;
        shelving.finish(&catalog.view()).map_err(Error::machine)?;
        self.state.install(catalog, found).map_err(Error::machine)
    }
}

/// Reads an entry; one of version 1 says nothing of who asked for it.
///
/// # Errors
/// Any [`via_codec::Error`].
pub(crate) fn read(payload: &[u8]) -> Result<Entry, via_codec::Error> {
    via_codec::decode_since_first::<Entry, Command>(Kind::CatalogEntry, payload)
}

/// Takes as many objects as fit into one chunk; none when there are no more.
fn piece(objects: impl Iterator<Item = Object>) -> Option<Bytes> {
    let mut piece = Vec::new();
    let mut bytes = 0;
    for object in objects {
        bytes += OBJECT_BYTES;
        if let Object::Stream(stream) = &object {
            bytes += stream.own.len();
        }
        piece.push(object);
        if bytes >= CHUNK_BYTES / 2 {
            break;
        }
    }
    (!piece.is_empty()).then(|| via_codec::encode(Kind::SnapshotChunk, &piece).into())
}

#[cfg(test)]
mod tests {
    use via_catalog::command::{CreateStream, CreateTenant, FormCluster};
    use via_catalog::{Author, Catalog, ClusterId, Deed};
    use via_storage::MemoryStore;
    use via_types::{LogIndex, NodeId, TenantId, Term, Timestamp};

    use super::*;

    fn at(index: u64) -> Position {
        Position { term: Term::new(1), leader: NodeId::new(1), index: LogIndex::new(index) }
    }

    fn machine() -> Meta {
        Meta::new(Arc::new(State::load(Arc::new(MemoryStore::new()), 1_000).unwrap()))
    }

    fn apply(machine: &mut Meta, index: u64, command: Command) -> Result<Outcome, Error> {
        let by = Deed::new(Author::Unknown, Timestamp::from_nanos(index as i64));
        let entry = Entry { deed: Some(by), command };
        let payload = via_codec::encode(Kind::CatalogEntry, &entry).into();
        machine.apply(at(index), Applied::Payload(&payload))
    }

    fn stream(name: String, config: String) -> Command {
        let at = Timestamp::from_nanos(1);
        CreateStream { tenant: TenantId::new(1), name, config, at }.into()
    }

    /// A machine with as many streams, all durable.
    fn filled(streams: u64) -> Meta {
        let mut machine = machine();
        machine.apply(at(1), Applied::Blank).unwrap();
        let formed = Timestamp::from_nanos(1);
        let form = FormCluster { id: ClusterId::new(7), shards: 16, at: formed };
        apply(&mut machine, 2, form.into()).unwrap();
        let tenant = CreateTenant { name: "default".to_owned(), at: formed };
        apply(&mut machine, 3, tenant.into()).unwrap();
        let padding = " ".repeat(20_000);
        for number in 0..streams {
            let command = stream(format!("s{number}"), format!("{{}}{padding}"));
            apply(&mut machine, 4 + number, command).unwrap();
        }
        assert!(machine.state.commit().unwrap());
        machine
    }

    fn catalog(machine: &Meta) -> Catalog {
        (*machine.state.kept().expect("it was made durable").catalog).clone()
    }

    #[test]
    fn a_new_replica_becomes_what_was_exported() {
        let mut old = filled(200);
        let told = old.durable().unwrap();
        // Another commit point between the two calls does not show.
        let before = catalog(&old);
        apply(&mut old, 500, stream("late".to_owned(), "{}".to_owned())).unwrap();
        old.state.commit().unwrap();
        let chunks: Vec<Bytes> = old.export().unwrap().collect::<Result<_, _>>().unwrap();
        assert!(chunks.len() > 3, "it comes in pieces");
        assert!(chunks.iter().all(|chunk| chunk.len() <= CHUNK_BYTES), "invariant D-6");
        let mut new = filled(3);
        new.install(told, &mut chunks.iter().cloned().map(Ok)).unwrap();
        assert_eq!(catalog(&new), before);
        assert_eq!((new.applied(), new.durable()), (Some(told), Some(told)));
        assert_eq!(new.state.view().streams().count(), 200);
        // And it is there after a restart.
        let kept = rows::load(&*new.state.store()).unwrap();
        assert_eq!(kept, Some((before, told)));
    }

    #[test]
    fn refuses_a_snapshot_that_is_not_whole() {
        let old = filled(60);
        let told = old.durable().unwrap();
        let chunks: Vec<Bytes> = old.export().unwrap().collect::<Result<_, _>>().unwrap();
        let mut new = filled(3);
        let before = catalog(&new);
        for missing in 0..chunks.len() {
            let some = chunks.iter().enumerate().filter(|(number, _)| *number != missing);
            let mut some = some.map(|(_, chunk)| Ok(chunk.clone()));
            assert!(new.install(told, &mut some).is_err(), "invariant D-7: without {missing}");
        }
        assert!(new.install(at(9), &mut chunks.iter().cloned().map(Ok)).is_err(), "elsewhere");
        assert_eq!(catalog(&new), before, "a refused snapshot changes nothing");
    }

    #[test]
    fn stops_at_an_entry_it_cannot_read() {
        let mut machine = filled(1);
        let junk = Bytes::from_static(b"junk");
        assert!(machine.apply(at(9), Applied::Payload(&junk)).is_err());
        let newer = stream("newer".to_owned(), r#"{"colour":"red"}"#.to_owned());
        assert!(apply(&mut machine, 10, newer).is_err(), "a newer version may have written it");
    }

    #[test]
    fn an_entry_that_is_in_the_state_is_not_applied_again() {
        let mut machine = filled(2);
        let again = stream("s9".to_owned(), "{}".to_owned());
        let outcome = apply(&mut machine, 5, again).unwrap();
        assert!(outcome.take::<Result<via_catalog::Outcome, Refusal>>().is_none());
        assert_eq!(machine.state.view().streams().count(), 2);
    }
}
