//! When faults begin and end: each chosen nemesis strikes again and again, with
//! pauses between, whatever the others do, so that they overlap. Pure.

use std::time::Duration;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::{Deed, Nemesis, Scene};

/// What is due.
#[derive(Clone, Debug, PartialEq)]
pub struct Due {
    /// Whose strike it is.
    pub nemesis: Nemesis,
    /// Whether it begins or ends.
    pub phase: Phase,
    /// What is to be done.
    pub deeds: Vec<Deed>,
}

/// Which end of a strike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// It begins.
    Begin,
    /// It ends.
    End,
}

impl Phase {
    /// Returns its word in histories.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Begin => "begin",
            Self::End => "end",
        }
    }
}

/// One nemesis, and what it does next.
struct Item {
    nemesis: Nemesis,
    at: Duration,
    /// How to end the strike that lasts.
    end: Option<Vec<Deed>>,
}

/// The strikes to come.
pub struct Agenda {
    items: Vec<Item>,
    rng: ChaCha8Rng,
}

impl Agenda {
    /// Makes the agenda of these nemeses; each lets some time pass first.
    pub fn new(nemeses: &[Nemesis], mut rng: ChaCha8Rng) -> Self {
        let items = nemeses
            .iter()
            .map(|nemesis| Item { nemesis: *nemesis, at: pause(&mut rng), end: None })
            .collect();
        Self { items, rng }
    }

    /// Returns when something is due next; none when there are no nemeses.
    pub fn next_at(&self) -> Option<Duration> {
        self.items.iter().map(|item| item.at).min()
    }

    /// Says whether what is due first is planned for who leads then.
    pub fn needs_leader(&self) -> bool {
        let first = self.items.iter().min_by_key(|item| item.at);
        first.is_some_and(|item| item.end.is_none() && item.nemesis.needs_leader())
    }

    /// Takes what is due first.
    pub fn take(&mut self, scene: Scene) -> Option<Due> {
        let item = self.items.iter_mut().min_by_key(|item| item.at)?;
        let nemesis = item.nemesis;
        if let Some(deeds) = item.end.take() {
            item.at += pause(&mut self.rng);
            return Some(Due { nemesis, phase: Phase::End, deeds });
        }
        let strike = nemesis.plan(scene, &mut self.rng);
        item.at += strike.hold;
        item.end = Some(strike.end);
        Some(Due { nemesis, phase: Phase::Begin, deeds: strike.begin })
    }

    /// Notes that it is later than planned: deeds took time.
    pub fn catch_up(&mut self, now: Duration) {
        let Some(first) = self.next_at() else { return };
        let late = now.saturating_sub(first);
        self.items.iter_mut().for_each(|item| item.at += late);
    }
}

fn pause(rng: &mut ChaCha8Rng) -> Duration {
    Duration::from_millis(rng.random_range(500..3_000))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use rand::SeedableRng;

    use super::*;

    fn course(nemeses: &[Nemesis], seed: u64) -> Vec<(Duration, Due)> {
        let mut agenda = Agenda::new(nemeses, ChaCha8Rng::seed_from_u64(seed));
        let scene = Scene { nodes: 5, leader: 0 };
        let mut course = Vec::new();
        while agenda.next_at().is_some_and(|at| at < Duration::from_secs(120)) {
            course.push((agenda.next_at().unwrap(), agenda.take(scene).unwrap()));
        }
        course
    }

    #[test]
    fn strikes_of_one_nemesis_alternate_and_those_of_two_overlap() {
        let course = course(&[Nemesis::Pause, Nemesis::PartitionHalves], 3);
        let mut open: BTreeMap<Nemesis, bool> = BTreeMap::new();
        let (mut overlaps, mut begun) = (0, 0);
        for (_, due) in &course {
            let is_open = open.entry(due.nemesis).or_default();
            assert_eq!(*is_open, due.phase == Phase::End);
            *is_open = due.phase == Phase::Begin;
            begun += u32::from(due.phase == Phase::Begin);
            overlaps += u32::from(open.values().filter(|open| **open).count() == 2);
        }
        assert!(begun > 20 && overlaps > 5, "{begun} {overlaps}");
        assert!(course.windows(2).all(|pair| pair[0].0 <= pair[1].0));
    }

    #[test]
    fn a_seed_gives_one_course() {
        assert_eq!(course(Nemesis::ALL, 1), course(Nemesis::ALL, 1));
        assert_ne!(course(Nemesis::ALL, 1), course(Nemesis::ALL, 2));
    }

    #[test]
    fn who_leads_is_asked_when_a_strike_at_the_leader_begins() {
        let scene = Scene { nodes: 3, leader: 2 };
        let mut agenda = Agenda::new(&[Nemesis::KillLeader], ChaCha8Rng::seed_from_u64(1));
        assert!(agenda.needs_leader());
        assert_eq!(agenda.take(scene).unwrap().deeds, [Deed::Kill(2)]);
        assert!(!agenda.needs_leader(), "what has begun is ended where it was begun");
        assert!(!Agenda::new(&[Nemesis::Kill], ChaCha8Rng::seed_from_u64(1)).needs_leader());
    }

    #[test]
    fn without_nemeses_nothing_is_due() {
        let mut agenda = Agenda::new(&[], ChaCha8Rng::seed_from_u64(1));
        assert_eq!(agenda.next_at(), None);
        assert_eq!(agenda.take(Scene { nodes: 1, leader: 0 }), None);
    }
}
