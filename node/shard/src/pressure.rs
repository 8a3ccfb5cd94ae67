//! How much memory the profiles of all shards on this node hold, how short that
//! is, and what was refused for it. One per node, shared by its replicas. Counts
//! and says; what is done about it is the drivers' (invariants D-5, D-6).

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;
use via_types::RowReason;
use via_types::config::Priority;
use via_types::pressure::{Bounds, Level, SLACK, Strategy};

use crate::{Options, metrics};

/// Of the share at which profiles begin to leave, what is left when enough have.
const RELIEF: f64 = 0.9;
/// How much further than a level's slack relief goes, so that the level ends.
const MARGIN: f64 = 0.01;
/// How often a node says in its log that memory is critical.
const REMINDER: Duration = Duration::from_secs(60);

/// Why events were refused for want of room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// Their entities are new and of low priority.
    LowPriority,
    /// Their entities are new.
    NewEntity,
    /// Memory for profiles was full for too long.
    Memory,
    /// The disk is full.
    Disk,
}

impl Cause {
    const ALL: [Self; 4] = [Self::LowPriority, Self::NewEntity, Self::Memory, Self::Disk];

    const fn name(self) -> &'static str {
        match self {
            Self::LowPriority => "low_priority",
            Self::NewEntity => "new_entity",
            Self::Memory => "memory",
            Self::Disk => "disk",
        }
    }
}

/// How short memory for profiles is on a node, and what that has led to since it
/// started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// How short.
    pub level: Level,
    /// Bytes that profiles hold.
    pub held_bytes: u64,
    /// Bytes that they may hold.
    pub limit_bytes: u64,
    /// Profiles that left memory for the store.
    pub evicted_profiles: u64,
    /// Events refused because their entities are new and of low priority.
    pub refused_low_priority: u64,
    /// Events refused because their entities are new.
    pub refused_new_entity: u64,
    /// Events refused because memory was full for too long.
    pub refused_memory: u64,
    /// Events refused because the disk is full.
    pub refused_disk: u64,
}

impl Report {
    /// Says whether nothing at all is accepted now.
    pub fn is_full(&self) -> bool {
        self.held_bytes >= self.limit_bytes
    }
}

/// The memory for profiles of one node.
#[derive(Debug)]
pub(crate) struct Pressure {
    limit: usize,
    pub(crate) bounds: Bounds,
    pub(crate) strategy: Strategy,
    held: AtomicUsize,
    level: AtomicU8,
    evicted: AtomicU64,
    refused: [AtomicU64; Cause::ALL.len()],
    reminded: Mutex<Option<Instant>>,
}

impl Pressure {
    pub(crate) fn new(options: &Options) -> Self {
        Self {
            limit: options.memory_bytes,
            bounds: options.bounds,
            strategy: options.strategy,
            held: AtomicUsize::new(0),
            level: AtomicU8::new(Level::Normal as u8),
            evicted: AtomicU64::new(0),
            refused: Default::default(),
            reminded: Mutex::default(),
        }
    }

    /// Returns the level now.
    pub(crate) fn look(&self) -> Level {
        let before = self.level();
        let held = self.held.load(Ordering::Relaxed);
        let now = self.bounds.level(held as u64, self.limit as u64, before);
        if self.level.swap(now as u8, Ordering::Relaxed) != now as u8 {
            self.tell(held, now);
        }
        now
    }

    fn level(&self) -> Level {
        let number = usize::from(self.level.load(Ordering::Relaxed));
        Level::ALL.get(number).copied().unwrap_or_default()
    }

    fn tell(&self, held: usize, level: Level) {
        self.publish();
        let (limit, level_name) = (self.limit, level.name());
        tracing::debug!(held, limit, level = level_name, "memory for profiles");
        let mut reminded = self.reminded.lock();
        if level == Level::Critical && reminded.is_none_or(|last| last.elapsed() >= REMINDER) {
            *reminded = Some(Instant::now());
            tracing::warn!(
                held,
                limit,
                "memory for profiles is nearly full: new entities are refused until some have left"
            );
        }
    }

    /// Shows the state to whoever reads metrics.
    pub(crate) fn publish(&self) {
        ::metrics::gauge!(metrics::PRESSURE).set(f64::from(self.level() as u8));
        ::metrics::gauge!(metrics::HELD).set(self.held.load(Ordering::Relaxed) as f64);
        ::metrics::gauge!(metrics::LIMIT).set(self.limit as f64);
    }

    /// Says whether not even what is known may grow.
    pub(crate) fn is_full(&self) -> bool {
        self.held.load(Ordering::Relaxed) >= self.limit
    }

    /// Returns what part of the memory held should be given back, 0..1.
    pub(crate) fn surplus(&self) -> f64 {
        let begin = self.bounds.of(self.strategy.evicts_from());
        let left = (begin * RELIEF).min(begin - SLACK - MARGIN).max(0.0) * self.limit as f64;
        let held = self.held.load(Ordering::Relaxed) as f64;
        if held > left { 1.0 - left / held } else { 0.0 }
    }

    /// Says why an entity of that priority, which is new, is turned away when so
    /// many bytes more are to be held; none when there is room for it.
    pub(crate) fn turns_away(&self, priority: Priority, more: usize) -> Option<RowReason> {
        let from = self.strategy.refuses_from(&self.bounds, priority) * self.limit as f64;
        let held = self.held.load(Ordering::Relaxed).saturating_add(more);
        let reason = match priority {
            Priority::Low => RowReason::LowPriority,
            Priority::Normal | Priority::High => RowReason::TableFull,
        };
        (held as f64 >= from).then_some(reason)
    }

    /// Counts events that were refused.
    pub(crate) fn refuse(&self, cause: Cause, events: usize) {
        if events > 0 {
            self.refused[cause as usize].fetch_add(events as u64, Ordering::Relaxed);
            let cause = cause.name();
            ::metrics::counter!(metrics::PRESSURE_REFUSED, "cause" => cause)
                .increment(events as u64);
        }
    }

    /// Counts rows of a receipt that were refused for want of memory.
    pub(crate) fn refuse_rows(&self, refused: &[(u32, RowReason)]) {
        if refused.is_empty() {
            return;
        }
        let count = |which| refused.iter().filter(|(_, reason)| *reason == which).count();
        self.refuse(Cause::LowPriority, count(RowReason::LowPriority));
        self.refuse(Cause::NewEntity, count(RowReason::TableFull));
    }

    /// Counts profiles that left memory.
    pub(crate) fn evict(&self, profiles: u64) {
        self.evicted.fetch_add(profiles, Ordering::Relaxed);
        ::metrics::counter!(metrics::EVICTED).increment(profiles);
    }

    pub(crate) fn report(&self) -> Report {
        let refused = |cause: Cause| self.refused[cause as usize].load(Ordering::Relaxed);
        Report {
            level: self.look(),
            held_bytes: self.held.load(Ordering::Relaxed) as u64,
            limit_bytes: self.limit as u64,
            evicted_profiles: self.evicted.load(Ordering::Relaxed),
            refused_low_priority: refused(Cause::LowPriority),
            refused_new_entity: refused(Cause::NewEntity),
            refused_memory: refused(Cause::Memory),
            refused_disk: refused(Cause::Disk),
        }
    }
}

/// One shard's part of what is held; given back when the shard is no longer
/// executed here.
#[derive(Debug)]
pub(crate) struct Held {
    pressure: Arc<Pressure>,
    bytes: AtomicUsize,
}

impl Held {
    pub(crate) fn new(pressure: &Arc<Pressure>) -> Self {
        Self { pressure: Arc::clone(pressure), bytes: AtomicUsize::new(0) }
    }

    /// Notes how many bytes the shard holds now.
    pub(crate) fn set(&self, bytes: usize) {
        let before = self.bytes.swap(bytes, Ordering::Relaxed);
        let held = &self.pressure.held;
        if bytes >= before {
            held.fetch_add(bytes - before, Ordering::Relaxed);
        } else {
            held.fetch_sub(before - bytes, Ordering::Relaxed);
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.set(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pressure(strategy: Strategy) -> Arc<Pressure> {
        let options = Options { memory_bytes: 1_000, strategy, ..Options::default() };
        Arc::new(Pressure::new(&options))
    }

    #[test]
    fn what_shards_hold_adds_up_and_is_given_back() {
        let pressure = pressure(Strategy::default());
        let shards = [Held::new(&pressure), Held::new(&pressure)];
        shards[0].set(500);
        shards[1].set(460);
        assert_eq!((pressure.look(), pressure.is_full()), (Level::Critical, false));
        shards[0].set(300);
        assert_eq!(pressure.report().held_bytes, 760);
        assert_eq!(pressure.look(), Level::Elevated);
        drop(shards);
        assert_eq!((pressure.report().held_bytes, pressure.look()), (0, Level::Normal));
    }

    #[test]
    fn relief_goes_so_far_that_the_level_ends() {
        for strategy in [Strategy::EvictStale, Strategy::RejectNew] {
            let pressure = pressure(strategy);
            let shard = Held::new(&pressure);
            for held in [100, 700, 860, 960, 2_000_usize] {
                shard.set(held);
                let level = pressure.look();
                let left = held - (held as f64 * pressure.surplus()).ceil() as usize;
                shard.set(left);
                let after = pressure.look();
                assert!(after < strategy.evicts_from(), "{held} → {left}: {level:?} → {after:?}");
            }
        }
    }

    #[test]
    fn refusals_are_counted_by_cause() {
        let pressure = pressure(Strategy::default());
        let shard = Held::new(&pressure);
        shard.set(960);
        let low = pressure.turns_away(Priority::Low, 0);
        assert_eq!(low, Some(RowReason::LowPriority));
        assert_eq!(pressure.turns_away(Priority::Normal, 0), None);
        assert_eq!(pressure.turns_away(Priority::Normal, 10), Some(RowReason::TableFull));
        let rows = [(0, RowReason::LowPriority), (1, RowReason::Late), (5, RowReason::TableFull)];
        pressure.refuse_rows(&rows);
        pressure.refuse(Cause::Disk, 7);
        let told = pressure.report();
        assert_eq!((told.refused_low_priority, told.refused_new_entity), (1, 1));
        assert_eq!((told.refused_memory, told.refused_disk), (0, 7));
    }
}
