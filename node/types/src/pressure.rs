//! How short memory is, and what is done about it: levels, with the shares of
//! the memory for profiles at which they begin, the order in which profiles
//! leave, and the strategies. Words and one pure function; acting on them is the
//! shard's.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::config::Priority;

/// How far the share must fall below a level's beginning before it ends, of 1:
/// so that a node does not enter and leave a level at every event.
pub const SLACK: f64 = 0.05;

/// How short memory for profiles is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// There is enough.
    #[default]
    Normal,
    /// Profiles that are saved and not in use leave memory.
    Elevated,
    /// Changed profiles are saved at once, so that they may leave; no forest is
    /// planted.
    High,
    /// New entities are refused, those of low priority first.
    Critical,
}

impl Level {
    /// Every level, from the lowest.
    pub const ALL: [Self; 4] = [Self::Normal, Self::Elevated, Self::High, Self::Critical];

    /// Returns the name that people read.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Elevated => "elevated",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

/// Shares of the memory for profiles at which levels begin, 0..1, ascending.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bounds {
    /// Where [`Level::Elevated`] begins.
    pub elevated: f64,
    /// Where [`Level::High`] begins.
    pub high: f64,
    /// Where [`Level::Critical`] begins.
    pub critical: f64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { elevated: 0.70, high: 0.85, critical: 0.95 }
    }
}

impl Bounds {
    /// Returns the share at which `level` begins.
    pub fn of(&self, level: Level) -> f64 {
        match level {
            Level::Normal => 0.0,
            Level::Elevated => self.elevated,
            Level::High => self.high,
            Level::Critical => self.critical,
        }
    }

    /// Returns the level at which `held` of `limit` bytes are, when it was `before`
    /// until now: one ends only [`SLACK`] below where it began.
    pub fn level(&self, held: u64, limit: u64, before: Level) -> Level {
        let share = held as f64 / limit.max(1) as f64;
        let holds = |level: &Level| {
            let slack = if before >= *level { SLACK } else { 0.0 };
            share >= self.of(*level) - slack
        };
        let reached = Level::ALL.into_iter().skip(1).rev().find(holds);
        reached.unwrap_or(Level::Normal)
    }
}

/// Which profiles leave memory first, of those that are saved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// Those not used for the longest time.
    #[default]
    Lru,
    /// Those without an event for [`Policy::ttl`], and no others.
    Ttl,
    /// Those without an event for [`Policy::ttl`]; then as [`Order::Lru`].
    Hybrid,
    /// Those of low priority, then of normal, then of high; of each as
    /// [`Order::Lru`].
    Priority,
}

/// The order, and the time it may need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The order.
    pub order: Order,
    /// How long an entity without events is stale.
    pub ttl: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self { order: Order::default(), ttl: Duration::from_secs(3_600) }
    }
}

/// What gives way first when memory is short.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Strategy {
    /// Profiles not in use: they go to the disk, and come back with their next
    /// event.
    #[default]
    EvictStale,
    /// New entities: they are refused one level earlier, and profiles leave one
    /// level later.
    RejectNew,
    /// The costly tests of entities that matter least: they are set aside from
    /// [`Level::High`] on.
    DowngradeSensitivity,
    /// Profiles in their large form: those changed longest ago are saved, and
    /// leave, one level earlier.
    CompressOldest,
}

impl Strategy {
    /// Returns the level from which on saved profiles leave memory.
    pub const fn evicts_from(self) -> Level {
        match self {
            Self::RejectNew => Level::High,
            Self::EvictStale | Self::DowngradeSensitivity | Self::CompressOldest => Level::Elevated,
        }
    }

    /// Returns the level from which on changed profiles are saved at once.
    pub const fn saves_from(self) -> Level {
        match self {
            Self::CompressOldest => Level::Elevated,
            Self::EvictStale | Self::RejectNew | Self::DowngradeSensitivity => Level::High,
        }
    }

    /// Returns the share of the memory for profiles from which on new entities of
    /// a priority are refused. Between critical and full the three follow each
    /// other at equal distances.
    pub fn refuses_from(self, bounds: &Bounds, priority: Priority) -> f64 {
        if self == Self::RejectNew {
            return match priority {
                Priority::Low => bounds.elevated,
                Priority::Normal => bounds.high,
                Priority::High => bounds.critical,
            };
        }
        let part = match priority {
            Priority::Low => 0.0,
            Priority::Normal => 1.0 / 3.0,
            Priority::High => 2.0 / 3.0,
        };
        bounds.critical + (1.0 - bounds.critical) * part
    }

    /// Returns the regime under which events are executed at `level`.
    pub const fn regime(self, level: Level) -> Regime {
        match (level, self) {
            (Level::Normal | Level::Elevated, _) => Regime::Full,
            (Level::High | Level::Critical, Self::DowngradeSensitivity) => Regime::Frugal,
            (Level::High | Level::Critical, _) => Regime::Tight,
        }
    }
}

/// How sparing events are executed. It may change scores, so it is in the log
/// with the events: whoever executes them does the same (invariant E-1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Regime {
    /// With everything.
    #[default]
    Full,
    /// No entity gets a forest that has none.
    Tight,
    /// Moreover the costly tests of entities that matter least are set aside.
    Frugal,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_begin_at_their_bounds() {
        let bounds = Bounds::default();
        for (held, level) in [
            (0, Level::Normal),
            (699, Level::Normal),
            (700, Level::Elevated),
            (849, Level::Elevated),
            (850, Level::High),
            (949, Level::High),
            (950, Level::Critical),
            (5_000, Level::Critical),
        ] {
            assert_eq!(bounds.level(held, 1_000, Level::Normal), level, "{held}");
        }
        assert_eq!(bounds.level(1, 0, Level::Normal), Level::Critical, "without memory");
    }

    #[test]
    fn a_level_ends_only_below_where_it_began() {
        let bounds = Bounds::default();
        for (held, before, level) in [
            (901, Level::Critical, Level::Critical),
            (899, Level::Critical, Level::High),
            (801, Level::High, Level::High),
            (799, Level::High, Level::Elevated),
            (651, Level::Elevated, Level::Elevated),
            (649, Level::Elevated, Level::Normal),
            (651, Level::Normal, Level::Normal),
            (300, Level::Critical, Level::Normal),
        ] {
            assert_eq!(bounds.level(held, 1_000, before), level, "{held} after {before:?}");
        }
        let levels = Level::ALL;
        for before in levels {
            let all: Vec<Level> =
                (0..=1_200).map(|held| bounds.level(held, 1_000, before)).collect();
            assert!(all.is_sorted(), "more memory is never a lower level, after {before:?}");
        }
    }

    #[test]
    fn low_priority_is_refused_first_then_all() {
        let bounds = Bounds::default();
        for strategy in [
            Strategy::EvictStale,
            Strategy::RejectNew,
            Strategy::DowngradeSensitivity,
            Strategy::CompressOldest,
        ] {
            let each = [Priority::Low, Priority::Normal, Priority::High]
                .map(|priority| strategy.refuses_from(&bounds, priority));
            assert!(each[0] < each[1] && each[1] < each[2] && each[2] < 1.0, "{each:?}");
            assert!(strategy == Strategy::RejectNew || each[0] == bounds.critical);
        }
        let first = Strategy::RejectNew;
        assert_eq!(first.refuses_from(&bounds, Priority::Low), bounds.elevated);
        assert!(first.evicts_from() > Strategy::EvictStale.evicts_from());
    }
}
