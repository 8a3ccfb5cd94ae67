//! What befalls a cluster: faults that begin and end, and what operators do.
//! Each is drawn by itself, so that any two may fall together; what may not is
//! the damage of more than a minority.

use std::time::Duration;

use crate::dice::Dice;

/// Whom a deed concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whom {
    /// The node at that place among those that take part.
    Nth(u64),
    /// Whoever leads that shard then.
    LeaderOf(u16),
    /// Whoever leads the meta group then.
    Chair,
}

/// What is lost in a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// Nothing that was written to a file: only the process dies.
    Process,
    /// What was not synced, sector by sector.
    Power,
    /// The same, in the middle of the write that is so many steps away.
    PowerWithin(u64),
}

/// What decays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rotten {
    /// So many bits of the log's files.
    Log(u64),
    /// The state store: it is set aside, as whatever fails its checksum.
    State,
}

/// One deed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// A node ends at once, and starts again after that time.
    Crash(Whom, Loss, Duration),
    /// All nodes end at once, and start again one after the other.
    CrashAll(Loss),
    /// A node is stopped as it should be, and starts again.
    Restart(Whom),
    /// A node hears and is heard by nobody for that time.
    Isolate(Whom, Duration),
    /// Messages from the one to the other vanish for that time.
    OneWay(Whom, Whom, Duration),
    /// Two nodes do not reach each other, all others do.
    Between(Whom, Whom, Duration),
    /// The cluster falls apart into those before that place and the others.
    Halves(u64, Duration),
    /// Syncing takes that long on a node for a while.
    SlowDisk(Whom, Duration, Duration),
    /// The next sync of a node fails: it ends by itself, and starts again.
    SyncError(Whom),
    /// A node's files decay while it is down. At most one of a run.
    Rot(Whom, Rotten),
    /// A node's wall clock is off by so many milliseconds from now on.
    Skew(Whom, i64),
    /// A new node joins.
    Join,
    /// A node is drained, and removed when it holds nothing.
    Retire(Whom),
    /// A node is drained, and taken back after that time.
    Waver(Whom, Duration),
    /// An operator has every shard led where it should be.
    Rebalance,
    /// Every node is stopped in turn and started with the next version of the
    /// engine.
    Upgrade,
}

/// What a run is mostly about: several of them together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Theme {
    Crashes,
    Cuts,
    Disks,
    Members,
    Clocks,
    Upgrade,
    Rot,
    Everybody,
}

/// Draws the deeds of a run.
pub(super) fn plan(
    dice: &mut Dice,
    nodes: u64,
    shards: u16,
    span: Duration,
) -> Vec<(Duration, Deed)> {
    let all = [
        Theme::Crashes,
        Theme::Crashes,
        Theme::Cuts,
        Theme::Cuts,
        Theme::Disks,
        Theme::Members,
        Theme::Members,
        Theme::Clocks,
        Theme::Upgrade,
        Theme::Rot,
        Theme::Everybody,
    ];
    let mut themes: Vec<Theme> = (0..dice.within(1, 3)).map(|_| *dice.pick(&all)).collect();
    themes.sort_unstable_by_key(|theme| *theme as u8);
    themes.dedup_by(|one, other| one == other && matches!(one, Theme::Rot | Theme::Upgrade));
    let mut deeds = Vec::new();
    for theme in themes {
        let count = match theme {
            Theme::Rot | Theme::Upgrade => 1,
            Theme::Everybody => dice.within(1, 2),
            Theme::Crashes | Theme::Cuts | Theme::Disks | Theme::Members | Theme::Clocks => {
                dice.within(2, 5)
            }
        };
        for _ in 0..count {
            // The last ones still have time to matter.
            let at = dice.millis(300, span.as_millis() as u64 * 8 / 10);
            deeds.push((at, draw(dice, theme, nodes, shards)));
        }
    }
    deeds.sort_by_key(|(at, _)| *at);
    deeds
}

fn whom(dice: &mut Dice, nodes: u64, shards: u16) -> Whom {
    match dice.below(10) {
        0..4 => Whom::Nth(dice.below(nodes)),
        4..9 => Whom::LeaderOf(dice.below(u64::from(shards)) as u16),
        _ => Whom::Chair,
    }
}

fn loss(dice: &mut Dice) -> Loss {
    match dice.below(3) {
        0 => Loss::Process,
        1 => Loss::Power,
        _ => Loss::PowerWithin(dice.within(1, 40)),
    }
}

fn draw(dice: &mut Dice, theme: Theme, nodes: u64, shards: u16) -> Deed {
    let one = whom(dice, nodes, shards);
    let other = whom(dice, nodes, shards);
    match theme {
        Theme::Crashes if dice.chance(200) => Deed::Restart(one),
        Theme::Crashes => Deed::Crash(one, loss(dice), dice.millis(50, 5_000)),
        Theme::Everybody => Deed::CrashAll(match dice.below(2) {
            0 => Loss::Process,
            _ => Loss::Power,
        }),
        Theme::Cuts => match dice.below(5) {
            0 => Deed::Isolate(one, dice.millis(100, 4_000)),
            1 | 2 => Deed::OneWay(one, other, dice.millis(100, 4_000)),
            3 => Deed::Between(one, other, dice.millis(100, 4_000)),
            _ => Deed::Halves(dice.within(1, nodes - 1), dice.millis(100, 4_000)),
        },
        Theme::Disks => match dice.below(3) {
            0 => Deed::SyncError(one),
            _ => Deed::SlowDisk(one, dice.millis(20, 800), dice.millis(500, 5_000)),
        },
        Theme::Members => match dice.below(7) {
            0..3 => Deed::Join,
            3 => Deed::Retire(one),
            4 => Deed::Waver(one, dice.millis(100, 4_000)),
            _ => Deed::Rebalance,
        },
        Theme::Clocks => {
            let off = dice.within(1, 120_000) as i64;
            Deed::Skew(one, if dice.chance(500) { off } else { -off })
        }
        Theme::Upgrade => Deed::Upgrade,
        Theme::Rot => Deed::Rot(
            one,
            match dice.below(3) {
                0 => Rotten::State,
                _ => Rotten::Log(dice.within(1, 4)),
            },
        ),
    }
}
