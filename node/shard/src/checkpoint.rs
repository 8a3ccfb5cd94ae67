//! Continuous checkpoints (DESIGN: checkpoints are fuzzy): a round notes its
//! boundary, writes every profile changed before it through the log, in turns
//! with the node's other shards, ends with `CheckpointDone`, makes the store
//! durable and only then lets the log be purged below the boundary.

use std::time::Duration;

use tokio::time::Instant;
use via_consensus::Position;
use via_types::entry::{CheckpointDone, Chunk, ProfileImage, ShardEntry};
use via_types::pressure::Strategy;
use via_types::{EntityHash, ShardId, StreamId};

use crate::driver::{Done, Driver, RECORD_BYTES};
use crate::live::Round;
use crate::record::Unrecorded;
use crate::request::complain;
use crate::saver::TURN;
use crate::{Error, Options, metrics};

/// Profiles written in a turn when nothing presses: a fraction of a millisecond.
const FEW: f64 = 16.0;
/// The most: an entry of about 200 KiB, a few milliseconds.
const MANY: f64 = 256.0;
/// Least time between the beginnings of rounds that memory alone asks for.
const BREATH: Duration = Duration::from_millis(250);

/// Entries of the log tail, whatever they hold, that start a round: ticks of a
/// quiet shard must not pile up for ever.
const MAX_TAIL_ENTRIES: u64 = 8_192;

/// Least time between looks at whether a round is due: each takes the lock
/// under which events are executed.
const LOOK: Duration = Duration::from_millis(20);

/// How long a round waits before it looks again whether the disk has room.
const ROOM: Duration = Duration::from_millis(500);

/// How much a round presses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Haste {
    /// It has the time of an interval.
    None,
    /// The tail is as long as it should become.
    Some,
    /// The tail is far longer, or memory is short.
    Great,
}

/// Where the current round stands.
enum Stage {
    Idle,
    /// Profiles are being written; the next entry may go at this time.
    Writing {
        round: Round,
        next: Instant,
        under_way: bool,
        /// How much it pressed from the beginning.
        haste: Haste,
        /// Profiles to write in the next turn.
        size: usize,
        /// Profiles that are written, and how many remain, once the detections that
        /// they forgot are recorded.
        held: Option<(Vec<ProfileImage>, usize)>,
    },
    /// `CheckpointDone` is being committed, then the store made durable.
    Ending {
        boundary: Position,
    },
    /// Profiles taken for writing were not written: until the shard is rebuilt
    /// the engine's idea of what is saved is wrong, so nothing more is saved,
    /// evicted or purged.
    Broken,
}

/// The rounds of one shard.
pub(crate) struct Checkpoints {
    stage: Stage,
    /// When to look next whether a round is due.
    look: Instant,
    began: Instant,
    interval: Duration,
    /// Events and entries of the tail that start a round.
    max_tail: u64,
    max_entries: u64,
}

impl Checkpoints {
    /// Shards begin their first rounds spread over the interval.
    pub(crate) fn new(options: &Options, shard: ShardId) -> Self {
        let share = f64::from(shard.get()) / f64::from(options.shards);
        // Equally busy shards must not all reach their bounds at once.
        let stagger = |most: u64| (most as f64 * (1.0 - share / 2.0)) as u64;
        let began = Instant::now();
        let offset = options.checkpoint_interval.mul_f64(share);
        Self {
            stage: Stage::Idle,
            look: Instant::now(),
            began: began.checked_sub(offset).unwrap_or(began),
            interval: options.checkpoint_interval,
            max_tail: stagger((options.checkpoint_events / u64::from(options.shards)).max(1_024)),
            max_entries: stagger(MAX_TAIL_ENTRIES),
        }
    }

    /// Forgets the round of an earlier term: the engine was rebuilt since.
    pub(crate) fn restart(&mut self) {
        self.stage = Stage::Idle;
    }

    /// Goes on with what waited for detections to be recorded.
    pub(crate) fn resume(&mut self) {
        if let Stage::Writing { next, under_way, held: Some(_), .. } = &mut self.stage {
            *under_way = false;
            *next = Instant::now();
        }
    }

    /// Leaves out a profile that is being forgotten, if it is among those that wait;
    /// says whether it was.
    pub(crate) fn leave_out(&mut self, stream: StreamId, entity: EntityHash) -> bool {
        let Stage::Writing { held: Some((profiles, _)), .. } = &mut self.stage else {
            return false;
        };
        let before = profiles.len();
        profiles.retain(|profile| (profile.stream, profile.entity) != (stream, entity));
        profiles.len() < before
    }

    /// Notes that a profile that counts as saved is not.
    pub(crate) fn is_missing_one(&mut self) {
        self.stage = Stage::Broken;
    }

    /// Says whether nothing more is saved before the shard is rebuilt.
    pub(crate) fn is_broken(&self) -> bool {
        matches!(self.stage, Stage::Broken)
    }

    /// Says whether profiles that count as saved may not be: they are on their way
    /// to the store, or were lost on it.
    fn is_sending(&self) -> bool {
        match &self.stage {
            Stage::Writing { under_way, held, .. } => *under_way || held.is_some(),
            Stage::Broken => true,
            Stage::Idle | Stage::Ending { .. } => false,
        }
    }

    /// Returns when the next profiles may be written.
    pub(crate) fn next_write(&self) -> Option<Instant> {
        match &self.stage {
            Stage::Writing { next, under_way: false, .. } => Some(*next),
            Stage::Writing { .. } | Stage::Idle | Stage::Ending { .. } | Stage::Broken => None,
        }
    }
}

impl Driver {
    /// Takes the next step of a round, if one is due.
    pub(crate) async fn checkpoint(&mut self) {
        let now = Instant::now();
        if self.checkpoints.look <= now {
            self.checkpoints.look = now + LOOK;
            if !self.checkpoints.is_sending() {
                self.relieve();
            }
            if matches!(self.checkpoints.stage, Stage::Idle) && self.replica.store.has_room() {
                self.begin_round_if_due();
            }
        }
        if self.checkpoints.next_write().is_some_and(|next| next <= now) {
            if self.replica.store.has_room() {
                self.write_chunk().await;
            } else if let Stage::Writing { next, .. } = &mut self.checkpoints.stage {
                *next = now + ROOM;
            }
        }
    }

    fn begin_round_if_due(&mut self) {
        let Checkpoints { began, interval, max_tail, max_entries, .. } = self.checkpoints;
        let is_short = self.is_short() && began.elapsed() >= BREATH;
        let strategy = self.replica.pressure.strategy;
        let round = self.replica.with(|state| {
            let applied = state.applied?;
            let boundary = state.boundary.map_or(0, |at| at.index.get());
            let live = state.live.as_mut()?;
            let stale = began.elapsed() >= interval && live.engine.dirty() > 0;
            let squeezed = is_short && live.engine.dirty() > 0;
            let long = applied.index.get() - boundary > max_entries || live.tail_events >= max_tail;
            let haste = if long { Haste::Some } else { Haste::None };
            let dirty = live.engine.dirty();
            if !(stale || squeezed || long) {
                return None;
            }
            let round = live.begin_round(applied);
            if squeezed && strategy == Strategy::CompressOldest {
                live.engine.oldest_first();
            }
            Some((round, haste, dirty))
        });
        if let Some((round, haste, dirty)) = round {
            self.checkpoints.began = Instant::now();
            let haste = self.haste(haste);
            let (next, size) = (self.saver.turn(), self.size(haste, dirty));
            self.checkpoints.stage =
                Stage::Writing { round, next, under_way: false, haste, size, held: None };
        }
    }

    /// Says whether memory is so short that changed profiles are saved at once.
    fn is_short(&self) -> bool {
        let pressure = &self.replica.pressure;
        pressure.look() >= pressure.strategy.saves_from()
    }

    /// Returns how much the round under way presses by now.
    fn haste(&self, at_first: Haste) -> Haste {
        if self.is_short() {
            return Haste::Great;
        }
        let max_tail = self.checkpoints.max_tail;
        self.replica.with(|state| match &state.live {
            Some(live) if live.tail_events >= max_tail => Haste::Great,
            Some(live) if live.tail_events >= max_tail / 2 => Haste::Some,
            Some(_) | None => at_first,
        })
    }

    /// Returns how many profiles to write in a turn, so that all shards with
    /// `remaining` of them are done in half an interval.
    fn size(&self, haste: Haste, remaining: usize) -> usize {
        let turns = (self.checkpoints.interval / 2).div_duration_f64(TURN).max(1.0);
        let even = remaining as f64 * f64::from(self.replica.options.shards) / turns;
        let least = match haste {
            Haste::None => FEW,
            Haste::Some => 2.0 * FEW,
            Haste::Great => MANY,
        };
        even.clamp(least, MANY) as usize
    }

    /// Takes the next profiles of the round; none when they have to wait.
    async fn export(&mut self, size: usize) -> Option<(Vec<ProfileImage>, usize)> {
        if self.is_recording() {
            // Detections under way may be refused; nothing newer may cover them.
            if let Stage::Writing { next, .. } = &mut self.checkpoints.stage {
                *next = self.saver.turn() + TURN;
            }
            return None;
        }
        let taken = self.replica.with(|state| {
            let applied = state.applied?;
            // A saved profile has forgotten the detections it made up to then: at
            // the same moment they are taken, and are recorded first.
            let unrecorded = Unrecorded::take(state);
            let exported = state.live.as_mut()?.export(applied.index, size);
            Some((unrecorded.into_entries(RECORD_BYTES), exported))
        });
        let Some((unrecorded, exported)) = taken else {
            self.checkpoints.restart();
            return None;
        };
        if unrecorded.is_empty() {
            return Some(exported);
        }
        self.unsent = unrecorded.into();
        // What is refused is put back, and recorded at the next time.
        let _told = self.propose_detections().await;
        if let Stage::Writing { held, under_way, .. } = &mut self.checkpoints.stage {
            (*held, *under_way) = (Some(exported), true);
        }
        None
    }

    /// Writes the next profiles of the round, or ends it.
    async fn write_chunk(&mut self) {
        // A profile forgotten by an entry not yet applied must not come back.
        if self.resets > 0 {
            return;
        }
        let Stage::Writing { haste, size, held, .. } = &mut self.checkpoints.stage else { return };
        let (haste, size, held) = (*haste, *size, held.take());
        let (profiles, remaining) = match held {
            Some(held) => held,
            None => match self.export(size).await {
                Some(exported) => exported,
                None => return,
            },
        };
        if profiles.is_empty() && remaining == 0 {
            return self.end_round().await;
        }
        let entry = ShardEntry::Checkpoint(Chunk { profiles });
        let Ok(pending) = self.submit(&entry, "checkpoint").await else {
            self.checkpoints.stage = Stage::Broken;
            return;
        };
        let term = self.term;
        self.tasks.push(Box::pin(async move { Done::Chunk(term, pending.await) }));
        // The end of a round is no work to wait for.
        let turn = if remaining == 0 { Instant::now() } else { self.saver.turn() };
        let now = self.size(self.haste(haste), remaining);
        if let Stage::Writing { next, under_way, size, .. } = &mut self.checkpoints.stage {
            *next = turn;
            *under_way = true;
            // It never slows down: what remains shrinks, the time for it too.
            *size = (*size).max(now);
        }
    }

    async fn end_round(&mut self) {
        let stage = std::mem::replace(&mut self.checkpoints.stage, Stage::Idle);
        let Stage::Writing { round: Round { boundary, ledger }, .. } = stage else {
            return;
        };
        let entry = ShardEntry::CheckpointDone(CheckpointDone {
            upto: boundary.index,
            upto_term: boundary.term,
            upto_leader: boundary.leader,
            ledger: ledger.into(),
        });
        if let Ok(pending) = self.submit(&entry, "checkpoint_done").await {
            let term = self.term;
            self.tasks.push(Box::pin(async move { Done::Boundary(term, pending.await) }));
            self.checkpoints.stage = Stage::Ending { boundary };
        }
    }

    /// Goes on when a step of a round is done.
    pub(crate) fn advance_checkpoint(&mut self, done: Done) {
        let shard = self.replica.shard;
        match done {
            Done::Chunk(_, result) => {
                complain(shard, "profiles", &result);
                if result.is_err() {
                    self.checkpoints.stage = Stage::Broken;
                }
                if let Stage::Writing { under_way, .. } = &mut self.checkpoints.stage {
                    *under_way = false;
                }
            }
            Done::Boundary(_, result) => {
                complain(shard, "a checkpoint's boundary", &result);
                if result.is_err() {
                    self.checkpoints.stage = Stage::Broken;
                    return;
                }
                self.make_durable(Duration::ZERO);
            }
            Done::Durable(_, Ok(())) => self.purge(),
            Done::Durable(_, Err(Error::Storage(via_storage::Error::Full { .. }))) if self.open => {
                self.make_durable(ROOM);
            }
            Done::Durable(_, Err(error)) => {
                tracing::error!(%shard, %error, "the state could not be made durable");
                self.checkpoints.stage = Stage::Broken;
            }
            Done::Purged
            | Done::Events(..)
            | Done::Recorded(..)
            | Done::Deed(..)
            | Done::Kept(_)
            | Done::Aside
            | Done::Minor(_) => {}
        }
    }

    /// Makes the store durable, after a pause.
    fn make_durable(&mut self, pause: Duration) {
        let (shard, saver, term) = (self.replica.shard, self.saver.clone(), self.term);
        self.tasks.push(Box::pin(async move {
            tokio::time::sleep(pause).await;
            let stopped = || Error::NotReady { shard, what: "the node stops".to_owned() };
            let committed = saver.commit().await.ok_or_else(stopped);
            Done::Durable(term, committed.and_then(|result| result.map_err(Error::from)))
        }));
    }

    /// The boundary is on disk: the log below it is not needed any more.
    fn purge(&mut self) {
        let stage = std::mem::replace(&mut self.checkpoints.stage, Stage::Idle);
        let Stage::Ending { boundary } = stage else {
            return;
        };
        self.replica.with(|state| {
            state.durable = state.durable.max(Some(boundary));
            if let Some(live) = &mut state.live {
                live.saving = 0;
            }
        });
        ::metrics::counter!(metrics::CHECKPOINTS).increment(1);
        ::metrics::histogram!(metrics::CHECKPOINT_SECONDS)
            .record(self.checkpoints.began.elapsed().as_secs_f64());
        let group = self.group.clone();
        let shard = self.replica.shard;
        self.tasks.push(Box::pin(async move {
            if let Err(error) = group.purge().await {
                tracing::warn!(%shard, %error, "the log was not purged");
            }
            Done::Purged
        }));
    }
}
