//! The meta group's machine: decodes entries, lets the catalog decide, sends
//! and takes the catalog whole. Called by `consensus` only.

use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use via_catalog::{Command, Key, Object, Refusal};
use via_codec::Kind;
use via_consensus::{Applied, CHUNK_BYTES, Chunks, Error, Machine, Outcome, Position};

use crate::rows::{self, AsOf};
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
        let command = match entry {
            Applied::Blank | Applied::Membership => None,
            Applied::Payload(payload) => {
                let command: Command =
                    via_codec::decode(Kind::CatalogEntry, payload).map_err(Error::machine)?;
                Some(command)
            }
        };
        match self.state.apply(at, command) {
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
        let mut keys: Option<std::vec::IntoIter<Key>> = None;
        let pieces = std::iter::from_fn(move || {
            let keys = keys.get_or_insert_with(|| {
                kept.catalog.objects().map(|object| object.key()).collect::<Vec<_>>().into_iter()
            });
            let piece = piece(keys.filter_map(|key| kept.catalog.object(key)));
            piece.map(Ok)
        });
        Ok(Box::new(std::iter::once(Ok(head.into())).chain(pieces)))
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
        let mut objects = Vec::new();
        for chunk in chunks {
            let piece: Vec<Object> =
                via_codec::decode(Kind::SnapshotChunk, &chunk?).map_err(Error::machine)?;
            objects.extend(piece);
        }
        let catalog = rows::restore(as_of, objects).map_err(Error::machine)?;
        self.state.install(catalog, found).map_err(Error::machine)
    }
}

/// Takes as many objects as fit into one chunk; none when there are no more.
fn piece(objects: impl Iterator<Item = Object>) -> Option<Bytes> {
    let mut piece = Vec::new();
    let mut bytes = 0;
    for object in objects {
        bytes += OBJECT_BYTES;
        if let Object::Stream(stream) = &object {
            bytes += stream.json.len();
        }
        piece.push(object);
        if bytes >= CHUNK_BYTES / 2 {
            break;
        }
    }
    (!piece.is_empty()).then(|| via_codec::encode(Kind::SnapshotChunk, &piece).into())
}
