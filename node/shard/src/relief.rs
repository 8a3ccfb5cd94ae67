//! What a driver does while memory for profiles is short: lets saved profiles
//! go, turns new entities away before their events may go into the log, and
//! holds everything back when nothing fits any more (invariants D-5, D-6). What
//! of it changes scores is written into the entry (invariant E-1).

use std::time::Duration;

use tokio::time::Instant;
use via_engine::Leaving;
use via_types::entry::TurnedAway;
use via_types::pressure::Level;
use via_types::{Batch, RowReason, Timestamp};

use crate::Error;
use crate::driver::Driver;
use crate::live::Live;
use crate::pressure::Cause;
use crate::request::Waiting;

/// Memory that an entity takes with its first events, bytes, about.
const NEWCOMER: usize = 1_200;
/// How long writes wait for memory before they are refused.
const HOLD: Duration = Duration::from_secs(1);
/// How long nothing is proposed when there is no memory.
const PAUSE: Duration = Duration::from_millis(20);
/// How long profiles are left alone after few of them could leave.
const REST: Duration = Duration::from_millis(50);

/// Why nothing fits any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lack {
    /// The disk is full: refused at once, for that does not pass by itself.
    Disk,
    /// Memory is full: that passes when profiles are saved and leave.
    Memory,
}

/// What a batch that waits may do.
pub(crate) enum Triage {
    /// It may go, without these entities.
    Goes(Vec<(u32, RowReason)>),
    /// None of its entities may, and nobody will ask what became of it: it does not
    /// go into the log at all.
    Stays(RowReason),
}

impl Driver {
    /// Says what is lacking for any event at all.
    pub(crate) fn lacking(&self) -> Option<Lack> {
        if !self.replica.store.has_room() {
            return Some(Lack::Disk);
        }
        self.replica.pressure.is_full().then_some(Lack::Memory)
    }

    /// Refuses what waits, or lets it wait for memory a while.
    pub(crate) fn hold_back(&mut self, lack: Lack) {
        let (cause, what, patience) = match lack {
            Lack::Disk => (Cause::Disk, "its disk is full", Duration::ZERO),
            Lack::Memory => (Cause::Memory, "its memory for profiles is full", HOLD),
        };
        let is_over = |one: &Waiting| patience.is_zero() || one.since.elapsed() >= patience;
        let (over, kept): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.queue).into_iter().partition(is_over);
        self.queue = kept.into();
        let shard = self.replica.shard;
        for waiting in over {
            self.queued_bytes -= waiting.bytes;
            self.replica.pressure.refuse(cause, waiting.batch.len());
            waiting.ticket.answer(Err(Error::Overloaded { shard, what: what.into() }));
        }
        self.pause = Instant::now() + PAUSE;
    }

    /// Lets profiles go that are saved, each shard the same part of what it holds.
    /// Not while profiles that count as saved are still on their way to the store.
    pub(crate) fn relieve(&mut self) {
        let pressure = &self.replica.pressure;
        let level = pressure.look();
        if level < pressure.strategy.evicts_from() || self.rest > Instant::now() {
            return;
        }
        let (part, options) = (pressure.surplus(), &self.replica.options);
        let ttl = i64::try_from(options.policy.ttl.as_nanos()).unwrap_or(i64::MAX);
        let freed = self.replica.with(|state| {
            let live = state.live.as_mut()?;
            let surplus = (live.engine.memory_bytes() as f64 * part) as usize;
            if surplus == 0 || live.engine.clean() == 0 {
                return None;
            }
            let stale_before = Timestamp::from_nanos(live.stamp().as_nanos().saturating_sub(ttl));
            let leaving = Leaving::new(options.policy.order, stale_before);
            let mut gone = 0;
            let freed = live.engine.evict(surplus, leaving, &mut |_, _| gone += 1);
            pressure.evict(gone);
            // While events are held back nothing else would tell of the room.
            self.replica.signal(live);
            Some((freed, surplus))
        });
        if freed.is_none_or(|(freed, surplus)| freed < surplus / 2) {
            self.rest = Instant::now() + REST;
        }
    }

    /// Shows how short memory is; gives back what is not in use when it is.
    pub(crate) fn tidy_up(&self) {
        let pressure = &self.replica.pressure;
        let level = pressure.look();
        pressure.publish();
        if level >= Level::High {
            self.replica.with(|state| {
                if let Some(live) = &mut state.live {
                    live.engine.trim();
                }
            });
        }
    }

    /// Decides who of a batch is turned away: entities that are new, when there is
    /// no room for them beside the `admitted` that the same entry makes. Looks at
    /// nobody while there is room for all. A batch that names its producer always
    /// goes: its refusals are remembered, so that a repeat is told the same
    /// (invariant D-2).
    pub(crate) fn triage(&self, batch: &Batch, admitted: &mut usize) -> Result<Triage, Error> {
        let pressure = &self.replica.pressure;
        let first = via_types::config::Priority::Low;
        if pressure.turns_away(first, (*admitted + batch.keys.len()) * NEWCOMER).is_none() {
            return Ok(Triage::Goes(Vec::new()));
        }
        self.replica.with(|state| {
            let Some(live) = &mut state.live else { return Ok(Triage::Goes(Vec::new())) };
            let mut away = Vec::new();
            for key in live.strangers(batch)? {
                let priority = live.engine.priority(batch.stream, batch.hashes[key as usize]);
                match pressure.turns_away(priority, *admitted * NEWCOMER) {
                    Some(reason) => away.push((key, reason)),
                    None => *admitted += 1,
                }
            }
            self.replica.signal(live);
            Ok(match away.first() {
                Some((_, reason)) if batch.origin.is_none() && away.len() == batch.keys.len() => {
                    Triage::Stays(*reason)
                }
                Some(_) | None => Triage::Goes(away),
            })
        })
    }

    /// Refuses a batch of which every entity was turned away.
    pub(crate) fn turn_away(&self, waiting: Waiting, reason: RowReason) {
        let cause = match reason {
            RowReason::LowPriority => Cause::LowPriority,
            RowReason::TableFull | RowReason::Late | RowReason::Duplicate => Cause::NewEntity,
        };
        let shard = self.replica.shard;
        self.replica.pressure.refuse(cause, waiting.batch.len());
        waiting.ticket.answer(Err(Error::Crowded { shard, reason }));
    }
}

impl Live {
    /// Returns the positions in `batch.keys` of entities that are neither in memory
    /// nor in the store, and brings the others into memory.
    fn strangers(&mut self, batch: &Batch) -> Result<Vec<u32>, Error> {
        let mut missing = Vec::new();
        self.engine.missing(batch, &mut missing);
        let mut strangers = Vec::new();
        for key in missing {
            if !self.fetch(batch.stream, batch.hashes[key as usize])? {
                strangers.push(key);
            }
        }
        Ok(strangers)
    }
}

/// Says by key why its rows are refused.
pub(crate) fn by_key(batch: &Batch, away: &[TurnedAway]) -> Vec<Option<RowReason>> {
    let mut reasons = vec![None; batch.keys.len()];
    for one in away {
        if let Some(reason) = reasons.get_mut(one.key as usize) {
            *reason = Some(one.reason);
        }
    }
    reasons
}
