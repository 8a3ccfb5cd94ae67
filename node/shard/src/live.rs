//! What only the executing replica has: the engine, the ledger and detections
//! not yet recorded. Dropped on demotion, rebuilt from checkpoint and log on
//! promotion (invariant D-3). Reads the store for profiles not in memory;
//! otherwise a function of the log (E-1).

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use via_codec::Kind;
use via_consensus::Position;
use via_engine::{Answer, Engine, Outcome, Record};
use via_storage::{Space, Store};
use via_types::detection::Change;
use via_types::entry::{Command, Events, Pressed, ProfileImage, StreamConfigured, TurnedAway};
use via_types::feedback::Lesson;
use via_types::{
    Batch, EntityHash, LogIndex, Receipt, RowReason, ShardId, StreamConfig, StreamId, Term,
    Timestamp,
};

use crate::deed::Deed;
use crate::ledger::{Ledger, Told, Verdict};
use crate::pressure::Held;
use crate::relief::by_key;
use crate::{Error, keys};

/// What a proposer learns of one of its batches.
pub(crate) type Answered = Result<Receipt, Refused>;

/// Why a whole batch was refused after commit: all replicas agree on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    Fenced { given: via_types::Epoch, current: via_types::Epoch },
    TooOld { given: u64, newest: u64 },
    Reused { given: u64, accepted: u32, refused: u32 },
}

/// A profile in the store: true as of an index (see `entry::ProfileImage`).
#[derive(Serialize, Deserialize)]
struct Saved {
    as_of: LogIndex,
    record: Record,
}

/// A checkpoint round under way.
#[derive(Debug)]
pub(crate) struct Round {
    pub(crate) boundary: Position,
    pub(crate) ledger: Vec<u8>,
}

/// The executing state of one shard in one term.
pub(crate) struct Live {
    pub(crate) shard: ShardId,
    pub(crate) term: Term,
    pub(crate) engine: Engine,
    pub(crate) ledger: Ledger,
    store: Arc<dyn Store>,
    /// Detections made by entries above the covered index, oldest first.
    pending: Vec<(LogIndex, Change)>,
    /// Events executed since the boundary: the length of a recovery.
    pub(crate) tail_events: u64,
    /// Profiles of the round that is not durable yet.
    pub(crate) saving: usize,
    outcome: Outcome,
    absent: Vec<u32>,
    held: Held,
}

impl std::fmt::Debug for Live {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Live({} in {}, {} profiles)", self.shard, self.term, self.engine.profiles())
    }
}

impl Live {
    /// Makes the state of `shard`, one of so many.
    pub(crate) fn new(
        (shard, shards): (ShardId, u16),
        term: Term,
        ledger: Ledger,
        store: Arc<dyn Store>,
        held: Held,
    ) -> Self {
        // Whom the memory of the node has no room for is decided before the log.
        let options =
            via_engine::Options { shards, is_bounded: false, ..via_engine::Options::default() };
        Self {
            shard,
            term,
            engine: Engine::new(options),
            ledger,
            store,
            pending: Vec::new(),
            tail_events: 0,
            saving: 0,
            outcome: Outcome::default(),
            absent: Vec::new(),
            held,
        }
    }

    /// Tells the node how much memory the profiles hold.
    pub(crate) fn count_memory(&self) {
        self.held.set(self.engine.memory_bytes());
    }

    /// Executes an `Events` or a `Pressed` entry; one answer per batch.
    pub(crate) fn execute(
        &mut self,
        at: LogIndex,
        pressed: &Pressed,
    ) -> Result<Vec<Answered>, Error> {
        let events = &pressed.events;
        self.ledger.stamp = self.ledger.stamp.max(events.stamp);
        self.engine.set_regime(pressed.regime);
        let mut base = 0;
        let mut answers = Vec::with_capacity(events.batches.len());
        for (number, batch) in events.batches.iter().enumerate() {
            let number = number as u32;
            let scored = events.scored.binary_search(&number).is_ok();
            let answer = if scored { Answer::Scores } else { Answer::Counts };
            let away = pressed.turned_away_of(number);
            answers.push(self.execute_once((at, base), batch, answer, away)?);
            base += batch.len() as u32;
        }
        Ok(answers)
    }

    /// Executes one batch unless the ledger has it already (invariant D-2).
    fn execute_once(
        &mut self,
        (at, base): (LogIndex, u32),
        batch: &Batch,
        answer: Answer,
        away: &[TurnedAway],
    ) -> Result<Answered, Error> {
        let position = Some((self.shard, at));
        let mut content = 0;
        if let Some(origin) = batch.origin {
            content = batch.content();
            match self.ledger.judge(origin, (content, batch.len())) {
                Verdict::Fresh => {}
                Verdict::Repeated(told) => {
                    let receipt = Receipt {
                        position,
                        accepted: told.accepted,
                        repeated: true,
                        refused: told.refused.to_vec(),
                        scores: Vec::new(),
                    };
                    self.ledger.counts.repeated_batches += 1;
                    return Ok(Ok(receipt));
                }
                Verdict::Reused(told) => {
                    let (accepted, refused) = (told.accepted, told.refused.len() as u32);
                    let given = origin.sequence.get();
                    return Ok(Err(Refused::Reused { given, accepted, refused }));
                }
                Verdict::Fenced { current } => {
                    return Ok(Err(Refused::Fenced { given: origin.epoch, current }));
                }
                Verdict::TooOld { newest } => {
                    return Ok(Err(Refused::TooOld { given: origin.sequence.get(), newest }));
                }
            }
        }
        let mut receipt = if batch.unique.is_empty() && away.is_empty() {
            self.run(at, base, batch, answer)?
        } else {
            self.run_some((at, base), batch, answer, away)?
        };
        receipt.position = position;
        if let Some(origin) = batch.origin {
            let refused = receipt.refused.as_slice().into();
            self.ledger.note(origin, Told { accepted: receipt.accepted, refused, content }, at);
        }
        self.count(batch, &receipt);
        Ok(Ok(receipt))
    }

    fn count(&mut self, batch: &Batch, receipt: &Receipt) {
        let counts = &mut self.ledger.counts;
        counts.events += u64::from(receipt.accepted);
        self.tail_events += batch.len() as u64;
        for (_, reason) in &receipt.refused {
            match reason {
                RowReason::Late => counts.late_events += 1,
                RowReason::Duplicate => counts.duplicate_events += 1,
                RowReason::TableFull | RowReason::LowPriority => {}
            }
        }
    }

    /// Runs the engine over `batch`.
    fn run(
        &mut self,
        at: LogIndex,
        base: u32,
        batch: &Batch,
        answer: Answer,
    ) -> Result<Receipt, Error> {
        self.fetch_absent(batch)?;
        let mut outcome = std::mem::take(&mut self.outcome);
        let position = via_engine::Position { shard: self.shard, index: at, base };
        self.engine.execute(position, self.ledger.stamp, batch, answer, &mut outcome);
        let receipt = Receipt {
            position: None,
            accepted: outcome.accepted,
            repeated: false,
            refused: std::mem::take(&mut outcome.refused),
            scores: std::mem::take(&mut outcome.scored),
        };
        self.keep(at, outcome);
        Ok(receipt)
    }

    /// Runs the engine over the rows whose unique id is new and whose entity is not
    /// turned away, and tells of the others.
    fn run_some(
        &mut self,
        (at, base): (LogIndex, u32),
        batch: &Batch,
        answer: Answer,
        away: &[TurnedAway],
    ) -> Result<Receipt, Error> {
        let reasons = by_key(batch, away);
        let mut left_out = Vec::new();
        let mut fresh = Vec::with_capacity(batch.len());
        for row in 0..batch.len() {
            let key = batch.entity[row] as usize;
            // What is not applied may come again under its unique id.
            if let Some(reason) = reasons[key] {
                left_out.push((row as u32, reason));
                continue;
            }
            let unique = batch.unique.get(row).copied().unwrap_or(0);
            // The id is the entity's: two entities may use the same one.
            let of_entity = unique ^ batch.hashes[key].low().rotate_left(32);
            if unique != 0 && self.ledger.repeats(of_entity) {
                left_out.push((row as u32, RowReason::Duplicate));
            } else {
                fresh.push(row as u32);
            }
        }
        if left_out.is_empty() {
            return self.run(at, base, batch, answer);
        }
        let mut receipt = self.run(at, base, &batch.select(&fresh), answer)?;
        for (row, _) in &mut receipt.refused {
            *row = fresh[*row as usize];
        }
        for scored in &mut receipt.scores {
            scored.row = fresh[scored.row as usize];
        }
        receipt.refused.extend(left_out);
        receipt.refused.sort_unstable_by_key(|(row, _)| *row);
        Ok(receipt)
    }

    /// Lets time pass, forgets an entity, or learns from a label.
    pub(crate) fn command(&mut self, at: LogIndex, command: &Command) -> Result<Deed, Error> {
        Ok(match command {
            Command::Tick { stamp } => {
                self.ledger.stamp = self.ledger.stamp.max(*stamp);
                let mut outcome = std::mem::take(&mut self.outcome);
                let position = via_engine::Position { shard: self.shard, index: at, base: 0 };
                self.engine.tick(position, self.ledger.stamp, &mut outcome);
                self.keep(at, outcome);
                Deed::Done
            }
            Command::Reset { stream, entity } => {
                Deed::Forgot(self.engine.reset(*stream, EntityHash::of(*stream, entity)))
            }
            Command::Label { lesson, .. } => {
                let lesson = Lesson { version: at, ..Lesson::clone(lesson) };
                self.learn(at, &lesson)?
            }
            Command::Learn { lesson } => self.learn(at, lesson)?,
        })
    }

    /// Learns what a label teaches, as its stream's habits do.
    fn learn(&mut self, at: LogIndex, lesson: &Lesson) -> Result<Deed, Error> {
        if let Some(everybody) = self.engine.missing_habits(lesson.stream) {
            self.fetch(lesson.stream, everybody)?;
        }
        Ok(Deed::Taught(Box::new(self.engine.learn_label(at, lesson)), at))
    }

    /// Keeps what the engine told for recording, and its buffers for next time.
    fn keep(&mut self, at: LogIndex, mut outcome: Outcome) {
        self.pending.extend(outcome.changes.drain(..).map(|change| (at, change)));
        outcome.accepted = 0;
        outcome.refused.clear();
        outcome.scored.clear();
        outcome.scores.clear();
        self.outcome = outcome;
    }

    /// Switches a stream to a configuration; a malformed one is refused when it
    /// is proposed, so here it breaks an invariant.
    pub(crate) fn configure(&mut self, configured: &StreamConfigured) -> Result<(), Error> {
        let config: StreamConfig = serde_json::from_str(&configured.config)
            .map_err(|error| Error::Malformed(format!("stream configuration: {error}")))?;
        self.engine.configure(configured.stream, configured.revision, &config);
        Ok(())
    }

    /// Brings the profiles of `batch` that are in the store into memory.
    fn fetch_absent(&mut self, batch: &Batch) -> Result<(), Error> {
        let mut absent = std::mem::take(&mut self.absent);
        absent.clear();
        if let Some(everybody) = self.engine.missing_habits(batch.stream) {
            self.fetch(batch.stream, everybody)?;
        }
        self.engine.missing(batch, &mut absent);
        for position in &absent {
            self.fetch(batch.stream, batch.hashes[*position as usize])?;
        }
        self.absent = absent;
        Ok(())
    }

    /// Brings the profiles of many entries that are in the store into memory.
    pub(crate) fn fetch_ahead<'a>(
        &mut self,
        entries: impl Iterator<Item = &'a Events>,
    ) -> Result<(), Error> {
        let mut wanted = Vec::new();
        for batch in entries.flat_map(|events| &events.batches) {
            let mut absent = std::mem::take(&mut self.absent);
            absent.clear();
            self.engine.missing(batch, &mut absent);
            let hash = |position: &u32| batch.hashes[*position as usize];
            wanted.extend(
                absent.iter().map(hash).map(|hash| (batch.stream, hash.high(), hash.low())),
            );
            self.absent = absent;
        }
        // The order of `keys::profile`.
        wanted.sort_unstable();
        wanted.dedup();
        for (stream, high, low) in wanted {
            self.fetch(stream, EntityHash::from_parts(low, high))?;
        }
        Ok(())
    }

    /// Brings one profile from the store into memory; says whether it was there.
    pub(crate) fn fetch(&mut self, stream: StreamId, entity: EntityHash) -> Result<bool, Error> {
        let key = keys::profile(self.shard, stream, entity);
        let Some(bytes) = self.store.get(Space::Profiles, &key)? else {
            return Ok(false);
        };
        let Saved { as_of, record } = via_codec::decode(Kind::Profile, &bytes)?;
        let is_restored = self.engine.restore(stream, entity, as_of, record);
        if !is_restored {
            tracing::error!(shard = %self.shard, %stream, "invariant D-7: a profile of another layout is set aside and learned anew");
        }
        Ok(is_restored)
    }

    /// Takes the detections to be recorded; those up to `covered` already are.
    pub(crate) fn take_pending(&mut self, covered: LogIndex) -> Vec<Change> {
        let pending = std::mem::take(&mut self.pending);
        pending.into_iter().filter(|(at, _)| *at > covered).map(|(_, change)| change).collect()
    }

    /// Keeps detections that could not be proposed, before those made since.
    pub(crate) fn put_back(&mut self, at: LogIndex, changes: Vec<Change>) {
        self.pending.splice(0..0, changes.into_iter().map(|change| (at, change)));
    }

    /// Says whether detections wait to be recorded.
    pub(crate) fn has_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Returns the newest stamp executed.
    pub(crate) fn stamp(&self) -> Timestamp {
        self.ledger.stamp
    }

    /// Begins a checkpoint round with its boundary at `applied`.
    pub(crate) fn begin_round(&mut self, applied: Position) -> Round {
        self.saving = self.engine.dirty();
        self.engine.begin_round();
        self.tail_events = 0;
        Round { boundary: applied, ledger: self.ledger.encoded() }
    }

    /// Returns up to `max` profiles of the round, true as of `applied`, and how
    /// many remain.
    pub(crate) fn export(&mut self, applied: LogIndex, max: usize) -> (Vec<ProfileImage>, usize) {
        let mut profiles = Vec::new();
        let remaining = self.engine.export(max, &mut |stream, entity, record| {
            let record = via_codec::encode(Kind::Profile, &Saved { as_of: applied, record }).into();
            profiles.push(ProfileImage { stream, entity, as_of: applied, record });
        });
        (profiles, remaining)
    }
}
