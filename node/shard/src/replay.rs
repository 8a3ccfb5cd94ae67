//! Recovery: what the store holds of a shard when it opens, and promotion by
//! replaying the log from the last boundary (DESIGN: checkpoints are fuzzy).
//! For each profile, entries up to its own index are skipped by the engine.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use via_codec::Kind;
use via_consensus::{Applied, Position, Tail};
use via_storage::{Space, Store};
use via_types::entry::{Pressed, ShardEntry, StreamConfigured};
use via_types::{Batch, LogIndex, NodeId, ShardId, StreamId, Term};

use crate::Error;
use crate::archive::Archive;
use crate::keys::{self, Fact};
use crate::ledger::Ledger;
use crate::live::Live;
use crate::pressure::Held;
use crate::replica::{Replica, State};

/// Events replayed at once: enough that neighbours in the store are read
/// together, few enough that 32 shards hold little while they replay.
const WINDOW: usize = 65_536;

/// The boundary as stored, with the number of ledger records.
#[derive(Serialize, Deserialize)]
struct Boundary {
    term: Term,
    leader: NodeId,
    index: LogIndex,
    ledger_pieces: u16,
}

pub(crate) fn encode_boundary(at: Position, ledger_pieces: u16) -> Vec<u8> {
    let Position { term, leader, index } = at;
    via_codec::encode(Kind::MachineState, &Boundary { term, leader, index, ledger_pieces })
}

/// Reads what [`encode_boundary`] wrote.
pub(crate) fn decode_boundary(bytes: &[u8]) -> Result<Position, Error> {
    let Boundary { term, leader, index, .. } = via_codec::decode(Kind::MachineState, bytes)?;
    Ok(Position { term, leader, index })
}

fn boundary(store: &dyn Store, shard: ShardId) -> Result<Option<(Position, u16)>, Error> {
    let Some(bytes) = store.get(Space::Shards, &keys::fact(shard, Fact::Boundary))? else {
        return Ok(None);
    };
    let Boundary { term, leader, index, ledger_pieces } =
        via_codec::decode(Kind::MachineState, &bytes)?;
    Ok(Some((Position { term, leader, index }, ledger_pieces)))
}

/// Reads what the store holds of `shard`. The caller has made durable what it
/// reads, so the boundary may be relied on.
pub(crate) fn open(store: &Arc<dyn Store>, shard: ShardId) -> Result<State, Error> {
    let archive = Archive::new(Arc::clone(store));
    let boundary = boundary(store.as_ref(), shard)?.map(|(at, _)| at);
    let read = |fact| store.get(Space::Shards, &keys::fact(shard, fact));
    let index = |fact| match read(fact)? {
        Some(bytes) => Ok::<_, Error>(via_codec::decode(Kind::MachineState, &bytes)?),
        None => Ok(LogIndex::default()),
    };
    let feed_trimmed = match read(Fact::Trimmed)? {
        Some(bytes) => Some(via_codec::decode(Kind::MachineState, &bytes)?),
        None => None,
    };
    Ok(State {
        live: None,
        applied: None,
        boundary,
        durable: boundary,
        finished: index(Fact::Finished)?,
        covered: index(Fact::Covered)?,
        streams: configurations(&archive, shard, LogIndex::new(u64::MAX))?,
        detections: archive.count(shard)?,
        feed_end: archive.feed_end(shard)?,
        feed_trimmed,
    })
}

/// Returns each stream's newest configuration at or below `upto`.
fn configurations(
    archive: &Archive,
    shard: ShardId,
    upto: LogIndex,
) -> Result<BTreeMap<StreamId, StreamConfigured>, Error> {
    let mut newest = BTreeMap::new();
    archive.each(Space::Shards, shard, &mut |key, value| {
        if let Some((stream, index)) = keys::stream_of_fact(key)
            && index <= upto
        {
            // Keys of one stream come in the order of their indices.
            newest.insert(stream, via_codec::decode(Kind::StreamConfig, value)?);
        }
        Ok(())
    })?;
    Ok(newest)
}

/// Returns the stored configurations that a replay from `boundary` cannot need.
pub(crate) fn superseded(
    replica: &Replica,
    boundary: LogIndex,
) -> Result<Vec<(StreamId, LogIndex)>, Error> {
    let mut old = Vec::new();
    let mut newest: Option<(StreamId, LogIndex)> = None;
    replica.archive.each(Space::Shards, replica.shard, &mut |key, _| {
        if let Some((stream, index)) = keys::stream_of_fact(key)
            && index <= boundary
        {
            old.extend(newest.filter(|(before, _)| *before == stream));
            newest = Some((stream, index));
        }
        Ok(())
    })?;
    Ok(old)
}

fn stored_ledger(store: &dyn Store, shard: ShardId, pieces: u16) -> Result<Ledger, Error> {
    let mut bytes = Vec::new();
    for piece in 0..pieces {
        let record = store.get(Space::Ledgers, &keys::ledger(shard, piece))?;
        let missing = || Error::Malformed(format!("piece {piece} of {shard}'s ledger is missing"));
        bytes.extend_from_slice(&record.ok_or_else(missing)?);
    }
    Ok(Ledger::decoded(&bytes)?)
}

/// Rebuilds the executing state as of the entry before `promotion`.
pub(crate) fn rebuild(
    replica: &Arc<Replica>,
    tail: &dyn Tail,
    promotion: Position,
) -> Result<Live, Error> {
    let shard = replica.shard;
    let store = Arc::clone(&replica.store);
    let (from, ledger) = match boundary(store.as_ref(), shard)? {
        Some((at, pieces)) => (at.index, stored_ledger(store.as_ref(), shard, pieces)?),
        None => (LogIndex::default(), Ledger::default()),
    };
    let held = Held::new(&replica.pressure);
    let mut live = Live::new((shard, replica.options.shards), promotion.term, ledger, store, held);
    live.engine.set_version(replica.options.engine);
    for configured in configurations(&replica.archive, shard, from)?.values() {
        live.configure(configured)?;
    }
    let first = LogIndex::new(from.get() + 1);
    let last = LogIndex::new(promotion.index.get() - 1);
    if first <= last {
        let mut window = Window::default();
        tail.read(first, last, &mut |at, entry| {
            window.take(&mut live, at, entry).map_err(via_consensus::Error::machine)
        })
        .map_err(|source| Error::Consensus { shard, source: Arc::new(source) })?;
        window.replay(&mut live)?;
    }
    tracing::debug!(%shard, %from, to = %last, events = live.tail_events, "rebuilt");
    Ok(live)
}

/// Entries read but not yet replayed. Their profiles are fetched all at once,
/// in the order of their keys: one by one, in the order of events, almost each
/// would read another page of the store.
#[derive(Default)]
struct Window {
    entries: Vec<(LogIndex, ShardEntry)>,
    events: usize,
}

impl Window {
    fn take(&mut self, live: &mut Live, at: Position, entry: Applied<'_>) -> Result<(), Error> {
        let Applied::Payload(bytes) = entry else {
            return Ok(());
        };
        let entry = via_codec::decode_entry(bytes)?;
        if let ShardEntry::Events(events) | ShardEntry::Pressed(Pressed { events, .. }) = &entry {
            self.events += events.batches.iter().map(Batch::len).sum::<usize>();
        }
        self.entries.push((at.index, entry));
        if self.events >= WINDOW { self.replay(live) } else { Ok(()) }
    }

    fn replay(&mut self, live: &mut Live) -> Result<(), Error> {
        live.fetch_ahead(self.entries.iter().filter_map(|(_, entry)| match entry {
            ShardEntry::Events(events) | ShardEntry::Pressed(Pressed { events, .. }) => {
                Some(events)
            }
            ShardEntry::Detections(_)
            | ShardEntry::Checkpoint(_)
            | ShardEntry::CheckpointDone(_)
            | ShardEntry::StreamConfig(_)
            | ShardEntry::Command(_) => None,
        }))?;
        self.events = 0;
        for (at, entry) in self.entries.drain(..) {
            match entry {
                ShardEntry::Events(events) => drop(live.execute(at, &events.into())?),
                ShardEntry::Pressed(pressed) => drop(live.execute(at, &pressed)?),
                ShardEntry::StreamConfig(configured) => live.configure(&configured)?,
                ShardEntry::Command(command) => drop(live.command(at, &command)?),
                // Stored already, when they were applied.
                ShardEntry::Detections(_)
                | ShardEntry::Checkpoint(_)
                | ShardEntry::CheckpointDone(_) => {}
            }
        }
        live.count_memory();
        Ok(())
    }
}
