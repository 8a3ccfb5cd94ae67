//! The meta group's machine: decodes entries, lets the catalog decide, sends
//! and takes the catalog whole. Called by `consensus` only.

use std::sync::Arc;

use bytes::Bytes;
use via_catalog::{Command, Refusal};
use via_codec::Kind;
use via_consensus::{Applied, Chunks, Error, Machine, Outcome, Position};

use crate::rows::{self, AsOf};
use crate::state::State;

/// What is wrong with a snapshot of the catalog.
#[derive(Debug, thiserror::Error)]
enum Malformed {
    #[error("the catalog's snapshot is empty")]
    Empty,
    #[error("the catalog's snapshot is as of {found}, which is before {expected}")]
    Old { found: Position, expected: Position },
}

pub(crate) struct Meta(pub(crate) Arc<State>);

impl Machine for Meta {
    fn applied(&self) -> Option<Position> {
        self.0.applied()
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
        match self.0.apply(at, command) {
            None => Ok(Outcome::none()),
            // Another version committed what this one cannot read: stop rather
            // than disagree with the replicas that can.
            Some(Err(refusal @ Refusal::Unreadable { .. })) => Err(Error::machine(refusal)),
            Some(outcome) => Ok(Outcome::of(outcome)),
        }
    }

    fn durable(&self) -> Option<Position> {
        self.0.durable()
    }

    fn export(&self) -> Result<Chunks, Error> {
        let state = Arc::clone(&self.0);
        let mut chunks = None;
        Ok(Box::new(std::iter::from_fn(move || {
            if chunks.is_none() {
                match state.kept() {
                    Ok(Some((as_of, rows))) => {
                        let head = via_codec::encode(Kind::MachineState, &as_of).into();
                        chunks = Some(std::iter::once(head).chain(rows));
                    }
                    Ok(None) => return Some(Err(Error::machine(Malformed::Empty))),
                    Err(why) => return Some(Err(Error::machine(why))),
                }
            }
            chunks.as_mut()?.next().map(Ok)
        })))
    }

    fn install(
        &mut self,
        at: Position,
        chunks: &mut dyn Iterator<Item = Result<Bytes, Error>>,
    ) -> Result<(), Error> {
        let head = chunks.next().ok_or_else(|| Error::machine(Malformed::Empty))??;
        let as_of: AsOf = via_codec::decode(Kind::MachineState, &head).map_err(Error::machine)?;
        let found = as_of.position();
        if found < at {
            return Err(Error::machine(Malformed::Old { found, expected: at }));
        }
        let rows = chunks.collect::<Result<Vec<Bytes>, Error>>()?;
        let catalog = rows::restore(as_of, rows.iter()).map_err(Error::machine)?;
        self.0.install(catalog, found).map_err(Error::machine)
    }
}
