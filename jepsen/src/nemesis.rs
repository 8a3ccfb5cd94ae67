//! What goes wrong while clients work: faults by name, each planned as deeds that
//! begin it, a time that it lasts and deeds that end it. Planning is pure; `agenda`
//! says when, `hand` does it.

pub mod agenda;
pub mod flood;
pub mod hand;

use std::time::Duration;

use rand::seq::SliceRandom;
use rand::{Rng, RngExt};

use crate::clock::Shift;
use crate::cluster::Shims;
use crate::disk::{Fault, Survivors};
use crate::net::End;
use crate::net::link::Weather;
use crate::rot::Rot;

/// One thing that is done to the cluster.
#[derive(Clone, Debug, PartialEq)]
pub enum Deed {
    /// Kills a node.
    Kill(usize),
    /// Starts a node that does not run.
    Launch(usize),
    /// Stops a node as an operator does, and starts it again.
    Restart(usize),
    /// Holds a node still.
    Pause(usize),
    /// Lets it go on.
    Resume(usize),
    /// Lets nothing pass in one direction.
    Cut(End, End),
    /// Ends every partition.
    Heal,
    /// Sets the weather from one node to another.
    Weather(usize, usize, Weather),
    /// Makes a node's clock wrong, or right.
    Shift(usize, Shift),
    /// Takes a node's power.
    LosePower(usize, Survivors),
    /// Damages a file of a node that is down.
    Damage(usize, Rot),
    /// Begins a fault of a node's disk.
    Begin(usize, Fault),
    /// Ends it.
    Mend(usize, Fault),
    /// Lets a node leave the cluster for good.
    Leave(usize),
    /// Sends as much as the nodes take and more.
    Flood,
    /// Stops sending it.
    Relief,
}

/// A fault, from its beginning to its end.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Strike {
    /// What begins it.
    pub begin: Vec<Deed>,
    /// How long it lasts.
    pub hold: Duration,
    /// What ends it.
    pub end: Vec<Deed>,
}

macro_rules! nemeses {
    ($($name:ident = $word:literal, $least:literal, $help:literal;)*) => {
        /// A kind of fault.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Nemesis {
            $(#[doc = $help] $name,)*
        }

        impl Nemesis {
            /// Every kind.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// Returns its name on the command line.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }

            /// Returns what it does.
            pub const fn help(self) -> &'static str {
                match self { $(Self::$name => $help,)* }
            }

            /// Returns how many nodes it needs at least.
            pub const fn least_nodes(self) -> usize {
                match self { $(Self::$name => $least,)* }
            }
        }
    };
}

nemeses! {
    Kill = "kill", 1, "Kills a node, starts it again.";
    KillLeader = "kill-leader", 2, "Kills a node that leads.";
    KillMajority = "kill-majority", 3, "Kills a majority at once.";
    KillAll = "kill-all", 1, "Kills every node at once.";
    Pause = "pause", 1, "Holds a node still for longer than an election takes.";
    PauseLeader = "pause-leader", 2, "Holds a node still that leads.";
    PartitionHalves = "partition-halves", 3, "Parts the nodes in two.";
    PartitionRing = "partition-ring", 5, "Each node sees a majority, no two the same one.";
    PartitionOneWay = "partition-one-way", 1, "One direction is lost: to or from a node.";
    PartitionNode = "partition-node", 1, "One node is alone; the only one loses its clients.";
    PartitionLeader = "partition-leader", 2, "A node that leads is alone.";
    ProxyDelay = "proxy-delay", 2, "Peers' datagrams are late, and not equally.";
    ProxyLoss = "proxy-loss", 2, "Peers' datagrams are lost.";
    ProxyDuplicate = "proxy-duplicate", 2, "Peers' datagrams arrive twice.";
    ProxyReorder = "proxy-reorder", 2, "Peers' datagrams overtake each other.";
    ProxyNarrow = "proxy-narrow", 2, "Peers share a narrow link.";
    ClockJump = "clock-jump", 1, "A node's clock is wrong by up to a minute for a while.";
    ClockStrobe = "clock-strobe", 1, "A node's clock jumps to and fro.";
    Power = "power", 1, "A node loses its power, and what it had not synced.";
    PowerAll = "power-all", 1, "Every node loses its power at once.";
    Rot = "rot", 3, "A file of a node is damaged while it is down.";
    DiskFull = "disk-full", 1, "A node's disk has no space left.";
    DiskError = "disk-error", 1, "A node's disk fails to sync.";
    RollingRestart = "rolling-restart", 1, "Each node in turn is asked to stop, and started.";
    Churn = "churn", 4, "A node is drained and removed, and joins again as another.";
    Overload = "overload", 1, "Clients send as much as they can beside the others.";
}

/// What a plan is made for.
#[derive(Clone, Copy, Debug)]
pub struct Scene {
    /// How many nodes there are.
    pub nodes: usize,
    /// One that leads.
    pub leader: usize,
}

impl Nemesis {
    /// Returns what must be preloaded into the nodes.
    pub fn shims(self) -> Shims {
        Shims {
            disk: matches!(self, Self::Power | Self::PowerAll | Self::DiskFull | Self::DiskError),
            clock: matches!(self, Self::ClockJump | Self::ClockStrobe),
        }
    }

    /// Says whether its plan depends on who leads: to ask costs time.
    pub fn needs_leader(self) -> bool {
        matches!(self, Self::KillLeader | Self::PauseLeader | Self::PartitionLeader)
    }

    /// Says whether it needs namespaces.
    pub fn needs_namespaces(self) -> bool {
        self.word().starts_with("partition") || self.word().starts_with("proxy")
    }

    /// Plans one strike.
    pub fn plan(self, scene: Scene, rng: &mut impl Rng) -> Strike {
        let mut order: Vec<usize> = (0..scene.nodes).collect();
        order.shuffle(rng);
        let victim = order[0];
        let majority = &order[..scene.nodes / 2 + 1];
        match self {
            Self::Kill => kill(&[victim], rng),
            Self::KillLeader => kill(&[scene.leader], rng),
            Self::KillMajority => kill(majority, rng),
            Self::KillAll => kill(&order, rng),
            Self::Pause => pause(victim, rng),
            Self::PauseLeader => pause(scene.leader, rng),
            Self::PartitionHalves => halves(&order, rng),
            Self::PartitionRing => ring(&order, rng),
            Self::PartitionOneWay => one_way(victim, scene, rng),
            Self::PartitionNode => alone(victim, scene, rng),
            Self::PartitionLeader => alone(scene.leader, scene, rng),
            Self::ProxyDelay => {
                let (delay, jitter) = (some(5, 80, rng), some(1, 60, rng));
                weather(&Weather { delay, jitter, ..Weather::default() }, scene, rng)
            }
            Self::ProxyLoss => {
                let loss = rng.random_range(0.02..0.3);
                weather(&Weather { loss, ..Weather::default() }, scene, rng)
            }
            Self::ProxyDuplicate => {
                let duplication = rng.random_range(0.05..0.5);
                weather(&Weather { duplication, ..Weather::default() }, scene, rng)
            }
            Self::ProxyReorder => {
                let (reordering, jitter) = (rng.random_range(0.05..0.4), some(1, 10, rng));
                weather(&Weather { reordering, jitter, ..Weather::default() }, scene, rng)
            }
            Self::ProxyNarrow => {
                let rate = Some(rng.random_range(50_000..1_000_000));
                weather(&Weather { rate, ..Weather::default() }, scene, rng)
            }
            Self::ClockJump => clock_jump(victim, rng),
            Self::ClockStrobe => clock_strobe(victim, rng),
            Self::Power => power(&[victim], rng),
            Self::PowerAll => power(&order, rng),
            Self::Rot => rot(victim, rng),
            Self::DiskFull => disk(victim, Fault::Full, rng),
            Self::DiskError => disk(victim, Fault::SyncError, rng),
            Self::RollingRestart => {
                order.sort_unstable();
                Strike { begin: each(&order, Deed::Restart), hold: some(0, 500, rng), end: vec![] }
            }
            Self::Churn => Strike {
                begin: vec![Deed::Leave(victim)],
                hold: some(500, 3_000, rng),
                end: vec![Deed::Launch(victim)],
            },
            Self::Overload => Strike {
                begin: vec![Deed::Flood],
                hold: some(2_000, 5_000, rng),
                end: vec![Deed::Relief],
            },
        }
    }
}

fn some(least: u64, most: u64, rng: &mut impl Rng) -> Duration {
    Duration::from_millis(rng.random_range(least..=most))
}

fn each<T>(nodes: &[usize], deed: impl Fn(usize) -> T) -> Vec<T> {
    nodes.iter().map(|node| deed(*node)).collect()
}

fn kill(nodes: &[usize], rng: &mut impl Rng) -> Strike {
    let (begin, end) = (each(nodes, Deed::Kill), each(nodes, Deed::Launch));
    Strike { begin, hold: some(100, 2_500, rng), end }
}

fn pause(node: usize, rng: &mut impl Rng) -> Strike {
    let hold = some(800, 6_000, rng);
    Strike { begin: vec![Deed::Pause(node)], hold, end: vec![Deed::Resume(node)] }
}

fn cut_both(one: End, other: End) -> [Deed; 2] {
    [Deed::Cut(one, other), Deed::Cut(other, one)]
}

fn partition(begin: Vec<Deed>, rng: &mut impl Rng) -> Strike {
    Strike { begin, hold: some(2_000, 7_000, rng), end: vec![Deed::Heal] }
}

fn halves(order: &[usize], rng: &mut impl Rng) -> Strike {
    let (one, other) = order.split_at(order.len() / 2);
    let pairs = one.iter().flat_map(|a| other.iter().map(move |b| (*a, *b)));
    partition(pairs.flat_map(|(a, b)| cut_both(End::Node(a), End::Node(b))).collect(), rng)
}

/// In a circle, each sees those that are near: with itself just a majority.
fn ring(order: &[usize], rng: &mut impl Rng) -> Strike {
    let nodes = order.len();
    let near = (nodes / 2).div_ceil(2);
    let mut begin = Vec::new();
    for (at, a) in order.iter().enumerate() {
        for (to, b) in order.iter().enumerate().skip(at + 1) {
            let apart = (to - at).min(nodes - (to - at));
            if apart > near {
                begin.extend(cut_both(End::Node(*a), End::Node(*b)));
            }
        }
    }
    partition(begin, rng)
}

/// Whoever is at the other ends of a node's links.
fn others(node: usize, scene: Scene) -> Vec<End> {
    match scene.nodes {
        1 => vec![End::Clients],
        nodes => (0..nodes).filter(|other| *other != node).map(End::Node).collect(),
    }
}

fn one_way(node: usize, scene: Scene, rng: &mut impl Rng) -> Strike {
    let is_deaf: bool = rng.random();
    let deed = |other: End| match is_deaf {
        true => Deed::Cut(other, End::Node(node)),
        false => Deed::Cut(End::Node(node), other),
    };
    partition(others(node, scene).into_iter().map(deed).collect(), rng)
}

fn alone(node: usize, scene: Scene, rng: &mut impl Rng) -> Strike {
    let cut = |other| cut_both(End::Node(node), other);
    partition(others(node, scene).into_iter().flat_map(cut).collect(), rng)
}

/// Either all links or those of one node.
fn weather(weather: &Weather, scene: Scene, rng: &mut impl Rng) -> Strike {
    let only: Option<usize> = rng.random_bool(0.5).then(|| rng.random_range(0..scene.nodes));
    let pairs = (0..scene.nodes).flat_map(|from| (0..scene.nodes).map(move |to| (from, to)));
    let links: Vec<(usize, usize)> = pairs
        .filter(|(from, to)| from != to && only.is_none_or(|only| *from == only || *to == only))
        .collect();
    let set = |weather: &Weather| -> Vec<Deed> {
        links.iter().map(|(from, to)| Deed::Weather(*from, *to, weather.clone())).collect()
    };
    Strike { begin: set(weather), hold: some(3_000, 8_000, rng), end: set(&Weather::default()) }
}

fn shift(rng: &mut impl Rng) -> Shift {
    let by = some(50, 60_000, rng);
    if rng.random() { Shift::Ahead(by) } else { Shift::Behind(by) }
}

const RIGHT: Shift = Shift::Ahead(Duration::ZERO);

fn clock_jump(node: usize, rng: &mut impl Rng) -> Strike {
    let (begin, end) = (vec![Deed::Shift(node, shift(rng))], vec![Deed::Shift(node, RIGHT)]);
    Strike { begin, hold: some(1_000, 6_000, rng), end }
}

fn clock_strobe(node: usize, rng: &mut impl Rng) -> Strike {
    let begin = (0..40).map(|_| Deed::Shift(node, shift(rng))).collect();
    Strike { begin, hold: some(100, 1_000, rng), end: vec![Deed::Shift(node, RIGHT)] }
}

fn power(nodes: &[usize], rng: &mut impl Rng) -> Strike {
    let survivors = if rng.random() { Survivors::Some } else { Survivors::None };
    let begin = each(nodes, |node| Deed::LosePower(node, survivors));
    Strike { begin, hold: some(50, 1_500, rng), end: each(nodes, Deed::Launch) }
}

/// One node is a minority of the three replicas of any shard; two of five may be
/// the majority of one.
fn rot(node: usize, rng: &mut impl Rng) -> Strike {
    let kind = if rng.random() { Rot::Flipped } else { Rot::Cut };
    let begin = vec![Deed::Damage(node, kind)];
    Strike { begin, hold: some(100, 2_000, rng), end: vec![Deed::Launch(node)] }
}

/// A disk that has failed is not trusted again before the node starts anew.
fn disk(node: usize, fault: Fault, rng: &mut impl Rng) -> Strike {
    let end = vec![Deed::Mend(node, fault), Deed::Kill(node), Deed::Launch(node)];
    Strike { begin: vec![Deed::Begin(node, fault)], hold: some(300, 3_000, rng), end }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    fn strikes() -> impl Iterator<Item = (Nemesis, Scene, Strike)> {
        let sizes = [1, 2, 3, 4, 5, 7];
        let kinds = Nemesis::ALL.iter().flat_map(move |kind| sizes.map(|nodes| (*kind, nodes)));
        let possible = kinds.filter(|(kind, nodes)| *nodes >= kind.least_nodes());
        possible.flat_map(|(kind, nodes)| {
            (0..20).map(move |seed| {
                let scene = Scene { nodes, leader: seed as usize % nodes };
                (kind, scene, kind.plan(scene, &mut ChaCha8Rng::seed_from_u64(seed)))
            })
        })
    }

    fn touched(deed: &Deed) -> Option<usize> {
        match deed {
            Deed::Kill(node)
            | Deed::Pause(node)
            | Deed::LosePower(node, _)
            | Deed::Leave(node)
            | Deed::Damage(node, _)
            | Deed::Begin(node, _) => Some(*node),
            Deed::Launch(_)
            | Deed::Restart(_)
            | Deed::Resume(_)
            | Deed::Cut(..)
            | Deed::Heal
            | Deed::Weather(..)
            | Deed::Shift(..)
            | Deed::Mend(..)
            | Deed::Flood
            | Deed::Relief => None,
        }
    }

    #[test]
    fn every_strike_does_something_and_what_it_stops_goes_on() {
        for (kind, _, strike) in strikes() {
            assert!(!strike.begin.is_empty(), "{kind:?}");
            for node in strike.begin.iter().filter_map(touched) {
                let goes_on = [Deed::Launch(node), Deed::Resume(node)];
                assert!(
                    strike.end.iter().any(|deed| goes_on.contains(deed)),
                    "{kind:?}: {strike:?}"
                );
            }
            let cuts = strike.begin.iter().any(|deed| matches!(deed, Deed::Cut(..)));
            assert_eq!(cuts, strike.end.contains(&Deed::Heal), "{kind:?}");
        }
    }

    #[test]
    fn only_a_minority_of_any_shards_replicas_is_damaged() {
        for (_, _, strike) in strikes().filter(|(kind, ..)| *kind == Nemesis::Rot) {
            let damaged: BTreeSet<usize> = strike.begin.iter().filter_map(touched).collect();
            assert_eq!(damaged.len(), 1);
        }
    }

    #[test]
    fn in_a_ring_each_sees_a_majority_and_no_two_the_same() {
        for (_, scene, strike) in strikes().filter(|(kind, ..)| *kind == Nemesis::PartitionRing) {
            let sees = |node: usize| -> BTreeSet<usize> {
                let cut = |other: usize| Deed::Cut(End::Node(node), End::Node(other));
                (0..scene.nodes).filter(|other| !strike.begin.contains(&cut(*other))).collect()
            };
            let seen: BTreeSet<BTreeSet<usize>> = (0..scene.nodes).map(sees).collect();
            assert_eq!(seen.len(), scene.nodes, "{strike:?}");
            assert!(
                seen.iter().all(|seen| seen.len() * 2 > scene.nodes && seen.len() < scene.nodes)
            );
        }
    }

    #[test]
    fn a_seed_repeats_its_plans() {
        let scene = Scene { nodes: 5, leader: 2 };
        for kind in Nemesis::ALL {
            let plan = || kind.plan(scene, &mut ChaCha8Rng::seed_from_u64(9));
            assert_eq!(plan(), plan());
        }
    }
}
