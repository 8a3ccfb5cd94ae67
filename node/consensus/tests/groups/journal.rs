//! A machine that remembers what was applied, with a "disk" that outlives it.

use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::Duration;
use via_consensus::{Applied, Chunks, Error, Machine, Outcome, Position, Tail};

/// Applying this makes everything up to it durable.
pub(crate) const CHECKPOINT: &[u8] = b"!checkpoint";
/// Applying this breaks the machine.
pub(crate) const BREAK: &[u8] = b"!break";

/// What was applied, in order.
pub(crate) type Entries = Vec<(Position, Bytes)>;

/// What survives a restart, and what tests look at.
#[derive(Clone, Default)]
pub(crate) struct Disk {
    pub(crate) durable: Arc<Mutex<Option<(Position, Entries)>>>,
    /// The live state of whoever runs on this disk now.
    pub(crate) live: Arc<Mutex<Entries>>,
    pub(crate) blanks: Arc<Mutex<Vec<Position>>>,
    /// Changes with every entry applied.
    changes: watch::Sender<u64>,
}

impl Disk {
    pub(crate) fn payloads(&self) -> Vec<Bytes> {
        self.live.lock().iter().map(|(_, payload)| payload.clone()).collect()
    }

    /// Waits until what was applied is as `expected`.
    pub(crate) async fn until(&self, expected: impl Fn(&[Bytes]) -> bool) {
        let mut changes = self.changes.subscribe();
        let reached = async {
            while !expected(&self.payloads()) {
                changes.changed().await.expect("the disk holds the sender");
            }
        };
        let reached = tokio::time::timeout(Duration::from_secs(20), reached).await;
        assert!(reached.is_ok(), "not reached with {} entries", self.live.lock().len());
    }

    pub(crate) fn journal(&self, _tail: Arc<dyn Tail>) -> Journal {
        let entries = self.durable.lock().as_ref().map_or_else(Vec::new, |(_, e)| e.clone());
        *self.live.lock() = entries;
        Journal(self.clone())
    }
}

pub(crate) struct Journal(Disk);

impl Journal {
    fn take(&mut self, at: Position, entry: Applied<'_>) -> Result<Outcome, Error> {
        let mut live = self.0.live.lock();
        match entry {
            Applied::Blank => {
                self.0.blanks.lock().push(at);
                return Ok(Outcome::none());
            }
            Applied::Membership => return Ok(Outcome::none()),
            Applied::Payload(payload) if payload == BREAK => {
                return Err(Error::machine("told to break"));
            }
            Applied::Payload(payload) if payload == CHECKPOINT => {
                *self.0.durable.lock() = Some((at, live.clone()));
            }
            Applied::Payload(payload) => live.push((at, payload.clone())),
        }
        Ok(Outcome::of(live.len()))
    }
}

impl Machine for Journal {
    fn applied(&self) -> Option<Position> {
        self.durable()
    }

    fn apply(&mut self, at: Position, entry: Applied<'_>) -> Result<Outcome, Error> {
        let outcome = self.take(at, entry);
        self.0.changes.send_modify(|changes| *changes += 1);
        outcome
    }

    fn durable(&self) -> Option<Position> {
        self.0.durable.lock().as_ref().map(|(at, _)| *at)
    }

    fn export(&self) -> Result<Chunks, Error> {
        let entries = self.0.durable.lock().as_ref().map_or_else(Vec::new, |(_, e)| e.clone());
        Ok(Box::new(entries.into_iter().map(|(at, payload)| {
            let mut chunk = Vec::new();
            for number in [at.term.get(), at.leader.get(), at.index.get()] {
                chunk.extend_from_slice(&number.to_le_bytes());
            }
            chunk.extend_from_slice(&payload);
            Ok(chunk.into())
        })))
    }

    fn install(
        &mut self,
        at: Position,
        chunks: &mut dyn Iterator<Item = Result<Bytes, Error>>,
    ) -> Result<(), Error> {
        let mut entries = Vec::new();
        for chunk in chunks {
            let chunk = chunk?;
            let number = |from: usize| {
                u64::from_le_bytes(chunk[from..from + 8].try_into().expect("eight bytes"))
            };
            let at = Position {
                term: via_types::Term::new(number(0)),
                leader: via_types::NodeId::new(number(8)),
                index: via_types::LogIndex::new(number(16)),
            };
            entries.push((at, chunk.slice(24..)));
        }
        *self.0.live.lock() = entries.clone();
        *self.0.durable.lock() = Some((at, entries));
        self.0.changes.send_modify(|changes| *changes += 1);
        Ok(())
    }
}
