//! What a seed decides before anything runs: how large the cluster is, how its
//! parts are set, what the network is like, and which deeds befall it when. Pure:
//! the same seed gives the same plan, and a plan can be read.

use std::time::Duration;

use crate::dice::Dice;

mod deeds;

pub use deeds::{Deed, Loss, Rotten, Whom};

/// One run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What all of it follows from.
    pub seed: u64,
    /// Nodes at the beginning.
    pub nodes: u64,
    /// Shards; a power of two.
    pub shards: u16,
    /// How the nodes are set.
    pub settings: Settings,
    /// What the network is like.
    pub climate: Climate,
    /// Clients that write and ask.
    pub clients: u64,
    /// How long clients work and faults strike.
    pub span: Duration,
    /// What befalls the cluster, and when, by time since clients began.
    pub deeds: Vec<(Duration, Deed)>,
}

/// How the nodes of a run are set: small bounds, so that what is rare in a day
/// happens within seconds.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Longest time between checkpoint rounds.
    pub checkpoint_interval: Duration,
    /// Events after which a round begins early.
    pub checkpoint_events: u64,
    /// Entries kept for followers that lag; one that lags more gets a snapshot.
    pub keep_entries: u64,
    /// Detections kept.
    pub keep_detections: usize,
    /// How long a node may be gone before others take what it holds.
    pub replace_after: Duration,
    /// Bytes of one segment of the log.
    pub segment_bytes: u32,
}

/// What a network does to messages.
#[derive(Clone, Copy, Debug)]
pub struct Climate {
    /// The shortest way.
    pub fastest: Duration,
    /// The longest way of most messages.
    pub slowest: Duration,
    /// Of a thousand messages, so many take up to this long.
    pub late: (u64, Duration),
    /// Of ten thousand messages, so many vanish.
    pub lost: u64,
    /// Of a thousand requests that may come twice, so many do.
    pub twice: u64,
}

impl Climate {
    /// A network that only takes its time.
    pub const CALM: Self = Self {
        fastest: Duration::from_millis(1),
        slowest: Duration::from_millis(2),
        late: (0, Duration::ZERO),
        lost: 0,
        twice: 0,
    };
}

impl Plan {
    /// Returns the plan of a seed.
    pub fn of(seed: u64) -> Self {
        let root = Dice::new(seed);
        let mut dice = root.fork(1);
        let nodes = *dice.pick(&[3, 3, 3, 4, 5]);
        let shards = *dice.pick(&[2, 4]);
        let settings = Settings {
            checkpoint_interval: dice.millis(1_000, 6_000),
            checkpoint_events: dice.within(500, 8_000),
            keep_entries: *dice.pick(&[0, 8, 64, 4_096]),
            keep_detections: *dice.pick(&[40, 200, 100_000]),
            replace_after: dice.millis(4_000, 12_000),
            segment_bytes: *dice.pick(&[32 << 10, 64 << 10, 256 << 10]),
        };
        let climate = climate(&mut dice);
        let clients = dice.within(2, 4);
        let span = dice.millis(6_000, 10_000);
        let deeds = deeds::plan(&mut root.fork(2), nodes, shards, span);
        Self { seed, nodes, shards, settings, climate, clients, span, deeds }
    }
}

fn climate(dice: &mut Dice) -> Climate {
    let fastest = dice.millis(1, 3);
    Climate {
        fastest,
        slowest: fastest + dice.millis(0, 12),
        late: (*dice.pick(&[0, 2, 10]), dice.millis(20, 400)),
        lost: *dice.pick(&[0, 0, 5, 30]),
        twice: *dice.pick(&[0, 10, 100]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_one_plan_and_seeds_give_different_ones() {
        let plans: Vec<String> = (0..50).map(|seed| format!("{:?}", Plan::of(seed))).collect();
        let again: Vec<String> = (0..50).map(|seed| format!("{:?}", Plan::of(seed))).collect();
        assert_eq!(plans, again);
        let distinct: std::collections::BTreeSet<_> = plans.iter().collect();
        assert_eq!(distinct.len(), 50);
    }

    #[test]
    fn deeds_come_in_order_and_within_the_span() {
        for plan in (0..200).map(Plan::of) {
            assert!(plan.deeds.is_sorted_by_key(|(at, _)| *at), "{plan:?}");
            assert!(plan.deeds.iter().all(|(at, _)| *at <= plan.span), "{plan:?}");
            let rots = plan.deeds.iter().filter(|(_, deed)| matches!(deed, Deed::Rot(..)));
            assert!(rots.count() <= 1, "only a minority may be damaged: {plan:?}");
        }
    }
}
