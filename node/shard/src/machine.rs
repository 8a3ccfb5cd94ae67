//! The shard as a replicated state machine: what each committed entry does
//! here. Follows the log and nothing else: live only in the very term whose
//! first entry promoted this node (invariant D-3). Called by consensus alone.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use via_codec::Kind;
use via_consensus::{Applied, Chunks, Machine, Outcome, Position, Tail};
use via_storage::{Space, Write};
use via_types::detection::Change;
use via_types::entry::{
    CheckpointDone, Chunk, Command, Detections, Pressed, ShardEntry, StreamConfigured,
};
use via_types::{DetectionId, EntityHash, Feedback, LogIndex, NodeId, TenantId};

use crate::archive::{delete, put};
use crate::deed::Deed;
use crate::feed::{Heard, Published};
use crate::keys::{self, Fact};
use crate::replica::{Replica, State};
use crate::{Error, replay, retention, snapshot};

/// Bytes of a ledger record: well within what the store takes in one value.
const LEDGER_PIECE: usize = 128 << 10;

/// One shard's machine.
pub(crate) struct Shard {
    pub(crate) replica: Arc<Replica>,
    pub(crate) tail: Arc<dyn Tail>,
    pub(crate) node: NodeId,
    /// Entries up to here were in the log when it was opened: a blank among
    /// them began a term that is over.
    pub(crate) opened_at: LogIndex,
    /// The boundary last told of, which names what is exported: another may be
    /// durable by then.
    pub(crate) told: Mutex<Option<Position>>,
}

impl Machine for Shard {
    fn applied(&self) -> Option<Position> {
        self.replica.with(|state| state.boundary)
    }

    fn apply(&mut self, at: Position, entry: Applied<'_>) -> Result<Outcome, via_consensus::Error> {
        self.apply_entry(at, entry).map_err(|error| self.broken(error))
    }

    fn durable(&self) -> Option<Position> {
        let durable = self.replica.with(|state| state.durable);
        *self.told.lock() = durable;
        durable
    }

    fn export(&self) -> Result<Chunks, via_consensus::Error> {
        Ok(snapshot::export(&self.replica, *self.told.lock()))
    }

    fn install(
        &mut self,
        at: Position,
        chunks: &mut dyn Iterator<Item = Result<Bytes, via_consensus::Error>>,
    ) -> Result<(), via_consensus::Error> {
        snapshot::install(&self.replica, at, chunks)
    }
}

impl Shard {
    pub(crate) fn broken(&self, error: Error) -> via_consensus::Error {
        via_consensus::Error::machine(error)
    }

    fn apply_entry(&mut self, at: Position, entry: Applied<'_>) -> Result<Outcome, Error> {
        let outcome = match entry {
            Applied::Blank => {
                self.begin_term(at)?;
                Outcome::none()
            }
            Applied::Membership => Outcome::none(),
            Applied::Payload(bytes) => self.apply_payload(at, bytes)?,
        };
        self.replica.advance(at, |_| Ok(outcome))
    }

    /// Promotes this node if the term is its own and new; demotes it otherwise.
    fn begin_term(&mut self, at: Position) -> Result<(), Error> {
        self.replica.with(|state| state.live = None);
        self.replica.expect_nothing();
        if at.leader != self.node || at.index <= self.opened_at {
            return Ok(());
        }
        let live = replay::rebuild(&self.replica, self.tail.as_ref(), at)?;
        self.replica.with(|state| self.replica.signal(state.live.insert(live)));
        Ok(())
    }

    fn apply_payload(&mut self, at: Position, bytes: &Bytes) -> Result<Outcome, Error> {
        let executes = self.replica.with(|state| {
            let own = |live: &mut crate::live::Live| live.term == at.term && at.leader == self.node;
            // An entry of another leader's term ends this one (invariant D-3).
            if !state.live.as_mut().is_some_and(own) {
                state.live = None;
            }
            state.live.is_some()
        });
        if !executes && via_codec::holds_events(bytes)? {
            return Ok(Outcome::none());
        }
        if let Some(events) = self.replica.expected(bytes) {
            return self.execute(at, &events);
        }
        match via_codec::decode_entry(bytes)? {
            ShardEntry::Events(events) => self.execute(at, &events.into()),
            ShardEntry::Pressed(pressed) => self.execute(at, &pressed),
            ShardEntry::Detections(detections) => self.record(at, detections),
            ShardEntry::Checkpoint(chunk) => self.store_profiles(at, chunk),
            ShardEntry::CheckpointDone(done) => self.finish_round(at, done),
            ShardEntry::StreamConfig(configured) => self.configure(at, configured),
            ShardEntry::Command(command) => self.command(at, &command),
        }
    }

    /// Executes events if this node is the one that executes them.
    fn execute(&self, at: Position, events: &Pressed) -> Result<Outcome, Error> {
        self.replica.advance(at, |state| {
            let Some(live) = &mut state.live else {
                return Ok(Outcome::none());
            };
            let answers = live.execute(at.index, events)?;
            self.replica.signal(live);
            Ok(Outcome::of(answers))
        })
    }

    /// Stores detections, then shows them: they are durable (invariant D-4).
    fn record(&mut self, at: Position, detections: Detections) -> Result<Outcome, Error> {
        let shard = self.replica.shard;
        let mut writes = Vec::new();
        let mut published = Vec::with_capacity(detections.changes.len());
        let (mut opened, mut added) = (0, BTreeSet::new());
        for (place, change) in detections.changes.into_iter().enumerate() {
            let stream = change.detection().stream;
            let tenant = self.replica.with(|state| {
                state.streams.get(&stream).map_or(TenantId::default(), |known| known.tenant)
            });
            let at = (at.index.get(), place as u32);
            opened += u64::from(matches!(change, Change::Opened(_)));
            // One applied again is there; one forgotten since it opened is not.
            let id = change.detection().id;
            if !self.replica.archive.holds(id)? {
                added.insert(id);
            }
            let one = Published { shard, at, tenant, change: Arc::new(change) };
            self.replica.archive.put(&mut writes, &one);
            published.push(one);
        }
        let known = self.replica.feed_end();
        let covers = detections.covers;
        let covered = self.replica.with(|state| state.covered.max(covers));
        let value = via_codec::encode(Kind::MachineState, &covered);
        writes.push(put(Space::Shards, &keys::fact(shard, Fact::Covered), value));
        self.replica.store.write(writes)?;
        let live = self.replica.with(|state| {
            state.covered = covered;
            state.detections += added.len();
            state.feed_end = state.feed_end.max(published.last().map(|one| one.at));
            state.live.is_some()
        });
        retention::by_count(&self.replica)?;
        if live {
            metrics::counter!(crate::metrics::DETECTIONS).increment(opened);
        }
        // Every replica tells its own listeners; what is applied again was told.
        for one in published.into_iter().filter(|one| Some(one.at) > known) {
            // Nobody listening is not an error.
            let _listeners = self.replica.feed.send(Heard::Change(one));
        }
        Ok(Outcome::none())
    }

    fn store_profiles(&self, at: Position, chunk: Chunk) -> Result<Outcome, Error> {
        // A node that starts again applies anew what lies after the boundary, and
        // the round that ended with it lies there.
        if at.index <= self.replica.with(|state| state.finished) {
            return Ok(Outcome::none());
        }
        let shard = self.replica.shard;
        let write = |image: via_types::entry::ProfileImage| {
            let key = keys::profile(shard, image.stream, image.entity);
            put(Space::Profiles, &key, image.record.to_vec())
        };
        let writes: Vec<Write> = chunk.profiles.into_iter().map(write).collect();
        self.replica.store.write(writes)?;
        Ok(Outcome::none())
    }

    /// Moves the boundary: recovery will begin there.
    fn finish_round(&self, at: Position, done: CheckpointDone) -> Result<Outcome, Error> {
        let shard = self.replica.shard;
        let boundary =
            Position { term: done.upto_term, leader: done.upto_leader, index: done.upto };
        let mut writes = Vec::new();
        for (piece, bytes) in done.ledger.chunks(LEDGER_PIECE).enumerate() {
            writes.push(put(Space::Ledgers, &keys::ledger(shard, piece as u16), bytes.to_vec()));
        }
        let pieces = writes.len() as u16;
        let value = replay::encode_boundary(boundary, pieces);
        writes.push(put(Space::Shards, &keys::fact(shard, Fact::Boundary), value));
        let value = via_codec::encode(Kind::MachineState, &at.index);
        writes.push(put(Space::Shards, &keys::fact(shard, Fact::Finished), value));
        // Replay needs each stream's configuration as of the boundary and later.
        for (stream, index) in replay::superseded(&self.replica, boundary.index)? {
            writes.push(delete(Space::Shards, &keys::fact(shard, Fact::Stream(stream, index))));
        }
        // Under the lock, so that a snapshot takes boundary and ledger of one round.
        let is_live = self.replica.with(|state| {
            self.replica.store.write(writes)?;
            state.boundary = state.boundary.max(Some(boundary));
            state.finished = state.finished.max(at.index);
            Ok::<_, Error>(state.live.is_some())
        })?;
        if !is_live {
            self.replica.note_checkpoint();
        }
        Ok(Outcome::none())
    }

    fn configure(&self, at: Position, configured: StreamConfigured) -> Result<Outcome, Error> {
        let shard = self.replica.shard;
        let newest = self.replica.with(|state| {
            let known = state.streams.get(&configured.stream);
            known.is_none_or(|known| configured.revision >= known.revision)
        });
        if !newest {
            return Ok(Outcome::none());
        }
        let key = keys::fact(shard, Fact::Stream(configured.stream, at.index));
        let value = via_codec::encode(Kind::StreamConfig, &configured);
        self.replica.store.write(vec![put(Space::Shards, &key, value)])?;
        self.replica.advance(at, |state: &mut State| {
            if let Some(live) = &mut state.live {
                live.configure(&configured)?;
            }
            state.streams.insert(configured.stream, configured);
            Ok(Outcome::none())
        })
    }

    fn command(&self, at: Position, command: &Command) -> Result<Outcome, Error> {
        let mut forgot = false;
        match command {
            Command::Tick { stamp } => retention::by_age(&self.replica, at.index, *stamp)?,
            Command::Reset { stream, entity } => {
                let hash = EntityHash::of(*stream, entity);
                let key = keys::profile(self.replica.shard, *stream, hash);
                forgot = self.replica.store.get(Space::Profiles, &key)?.is_some();
                self.replica.store.write(vec![delete(Space::Profiles, &key)])?;
            }
            Command::Label { lesson, note, author, stamp } => {
                let feedback = Feedback {
                    label: lesson.label,
                    note: note.clone(),
                    author: author.clone(),
                    at: *stamp,
                    version: at.index,
                };
                self.keep_feedback(at, lesson.id, feedback)?;
            }
            Command::Learn { .. } => {}
        }
        let deed = self.replica.advance(at, |state| {
            let Some(live) = &mut state.live else { return Ok(None) };
            let deed = live.command(at.index, command)?;
            self.replica.signal(live);
            Ok::<_, Error>(Some(deed))
        })?;
        Ok(match deed {
            Some(Deed::Forgot(live)) => Outcome::of(Deed::Forgot(live | forgot)),
            Some(deed) => Outcome::of(deed),
            // What is stored is forgotten, whoever executes.
            None if matches!(command, Command::Reset { .. }) => Outcome::of(Deed::Forgot(forgot)),
            None => Outcome::none(),
        })
    }

    /// Keeps what was said of a detection of this shard, and shows it. What was
    /// forgotten meanwhile is not kept; an entry applied again changes nothing.
    fn keep_feedback(
        &self,
        at: Position,
        id: DetectionId,
        feedback: Feedback,
    ) -> Result<(), Error> {
        let archive = &self.replica.archive;
        let known = archive.feedback(id)?;
        let is_newer = known.is_none_or(|known| known.version < at.index);
        let Some(stored) = archive.get(id)?.filter(|_| is_newer) else {
            return Ok(());
        };
        let shard = self.replica.shard;
        let change = Change::Labelled(Box::new(stored.detection), feedback.clone());
        let place = (at.index.get(), 0);
        let (tenant, change) = (stored.tenant, Arc::new(change));
        let published = Published { shard, at: place, tenant, change };
        let mut writes = Vec::new();
        archive.put_feedback(&mut writes, &published, &feedback);
        self.replica.store.write(writes)?;
        self.replica.with(|state| state.feed_end = state.feed_end.max(Some(place)));
        // Nobody listening is not an error.
        let _listeners = self.replica.feed.send(Heard::Change(published));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use tokio::sync::broadcast;
    use via_storage::MemoryStore;
    use via_types::entry::Events;
    use via_types::{Batch, ShardId, StreamId, Term, Timestamp};

    use super::*;
    use crate::Options;
    use crate::ledger::Ledger;
    use crate::live::Live;
    use crate::pressure::{Held, Pressure};

    struct NoTail;

    impl Tail for NoTail {
        fn read(
            &self,
            _: LogIndex,
            _: LogIndex,
            _: &mut via_consensus::Visit<'_>,
        ) -> Result<(), via_consensus::Error> {
            Ok(())
        }
    }

    fn shard() -> Shard {
        let store = Arc::new(MemoryStore::new());
        let shard = ShardId::new(0);
        let pressure = Arc::new(Pressure::new(&Options::default()));
        let (term, held) = (Term::new(1), Held::new(&pressure));
        let live = Live::new((shard, 1), term, Ledger::default(), store.clone(), held);
        let state = State { live: Some(live), ..State::default() };
        let (feed, _) = broadcast::channel(1);
        let replica = Replica::new(shard, Options::default(), store, feed, pressure, state);
        Shard {
            replica: Arc::new(replica),
            tail: Arc::new(NoTail),
            node: NodeId::new(1),
            opened_at: LogIndex::default(),
            told: Mutex::default(),
        }
    }

    fn entry(at: i64) -> Bytes {
        let mut batch = Batch { stream: StreamId::new(1), ..Batch::default() };
        let entity = batch.keys.push("a");
        batch.entity.push(entity);
        batch.at.push(at);
        batch.value.push(1.0);
        batch.seal().expect("the columns fit");
        let stamp = Timestamp::from_nanos(at);
        let events = Events { stamp, batches: vec![batch], scored: Vec::new() };
        via_codec::encode(Kind::ShardEntry, &ShardEntry::Events(events)).into()
    }

    #[test]
    fn what_is_executed_counts_as_applied_whenever_somebody_looks() {
        let mut shard = shard();
        let replica = Arc::clone(&shard.replica);
        let is_over = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&is_over);
        let watcher = std::thread::spawn(move || {
            let mut looks = 0_u64;
            while !over.load(Ordering::Relaxed) {
                replica.with(|state| {
                    let executed = state.live.as_ref().map_or(0, |live| live.ledger.counts.events);
                    let applied = state.applied.map_or(0, |at| at.index.get());
                    assert_eq!(executed, applied, "invariant D-2: after {looks} looks");
                });
                looks += 1;
            }
        });
        for index in 1..=20_000 {
            let at = Position {
                term: Term::new(1),
                leader: NodeId::new(1),
                index: LogIndex::new(index),
            };
            let bytes = entry(index as i64 * 1_000_000);
            shard.apply_entry(at, Applied::Payload(&bytes)).expect("applied");
        }
        is_over.store(true, Ordering::Relaxed);
        watcher.join().expect("every look found both alike");
    }
}
