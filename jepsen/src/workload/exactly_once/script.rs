//! What one producer does next, by chance and by what it has learned. Pure.

use std::collections::BTreeMap;

use rand::{Rng, RngExt};
use rand_chacha::ChaCha8Rng;

use crate::history::Kind;

/// How far back a producer repeats: well within what a shard remembers.
const WINDOW: u64 = 200;

/// A batch to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Send {
    /// Under which epoch.
    pub(super) epoch: u64,
    /// Under which number.
    pub(super) sequence: u64,
    /// How many events are in it, the tracked one included.
    pub(super) events: u64,
}

/// A producer's memory.
pub(super) struct Script<R = ChaCha8Rng> {
    rng: R,
    epoch: Option<u64>,
    /// The highest sequence that each epoch has given out.
    highest: BTreeMap<u64, u64>,
    /// A sequence that was left out, to be sent after its successor.
    held: Option<u64>,
    /// What was sent in this epoch and is not known to be applied.
    unknown: Vec<u64>,
}

impl<R: Rng> Script<R> {
    /// Makes a producer that has done nothing.
    pub(super) fn new(rng: R) -> Self {
        Self { rng, epoch: None, highest: BTreeMap::new(), held: None, unknown: Vec::new() }
    }

    /// Decides what to send; none means to open the next epoch.
    pub(super) fn next(&mut self) -> Option<Send> {
        let epoch = self.epoch?;
        if self.highest[&epoch] > 20 && self.rng.random_bool(0.01) {
            return None;
        }
        let chance: f64 = self.rng.random();
        let sequence = match chance {
            // Forced retries of what is not known.
            _ if !self.unknown.is_empty() && self.rng.random_bool(0.5) => {
                self.unknown[self.rng.random_range(0..self.unknown.len())]
            }
            c if c < 0.12 => return Some(self.repeat(epoch)),
            c if c < 0.20 => self.out_of_order(epoch),
            c if c < 0.26 => return Some(self.zombie(epoch)),
            _ => self.held.take().unwrap_or_else(|| self.fresh(epoch)),
        };
        Some(send(epoch, sequence))
    }

    /// Notes that an epoch was opened.
    pub(super) fn opened(&mut self, epoch: u64) {
        self.epoch = Some(epoch);
        self.highest.insert(epoch, 0);
        self.held = None;
        // What the epoch before left unknown stays so: it is fenced off.
        self.unknown.clear();
    }

    /// Notes how a sending ended.
    pub(super) fn learn(&mut self, epoch: u64, sequence: u64, outcome: Kind) {
        if self.epoch != Some(epoch) {
            return;
        }
        self.unknown.retain(|unknown| *unknown != sequence);
        if outcome != Kind::Ok {
            self.unknown.push(sequence);
        }
    }

    fn fresh(&mut self, epoch: u64) -> u64 {
        let highest = self.highest.entry(epoch).or_default();
        *highest += 1;
        *highest
    }

    fn out_of_order(&mut self, epoch: u64) -> u64 {
        if let Some(held) = self.held.take() {
            return held;
        }
        self.held = Some(self.fresh(epoch));
        self.fresh(epoch)
    }

    fn repeat(&mut self, epoch: u64) -> Send {
        let highest = self.highest[&epoch];
        let lowest = highest.saturating_sub(WINDOW).max(1);
        match highest {
            0 => send(epoch, self.fresh(epoch)),
            _ => send(epoch, self.rng.random_range(lowest..=highest)),
        }
    }

    /// Sends under an epoch that is fenced off: something new, or something old.
    fn zombie(&mut self, epoch: u64) -> Send {
        let older: Vec<u64> = self.highest.keys().copied().filter(|old| *old < epoch).collect();
        if older.is_empty() {
            return send(epoch, self.fresh(epoch));
        }
        let old = older[self.rng.random_range(0..older.len())];
        if self.rng.random() { send(old, self.fresh(old)) } else { self.repeat(old) }
    }
}

/// A batch's content follows from its name.
fn send(epoch: u64, sequence: u64) -> Send {
    Send { epoch, sequence, events: 2 + (epoch * 7 + sequence * 3) % 4 }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rand::SeedableRng;

    use super::*;

    #[test]
    fn does_everything_a_producer_may_get_wrong() {
        let mut script = Script::new(ChaCha8Rng::seed_from_u64(3));
        let (mut opened, mut repeated, mut zombies, mut disordered) = (0, 0, 0, 0);
        let mut seen = BTreeSet::new();
        let (mut last, mut sizes) = (0, BTreeMap::new());
        for _ in 0..5_000 {
            let Some(send) = script.next() else {
                opened += 1;
                script.opened(opened);
                last = 0;
                continue;
            };
            zombies += u32::from(send.epoch < opened);
            let is_new = seen.insert((send.epoch, send.sequence));
            repeated += u32::from(!is_new);
            disordered += u32::from(is_new && send.epoch == opened && send.sequence < last);
            if send.epoch == opened {
                last = last.max(send.sequence);
            }
            let size = *sizes.entry((send.epoch, send.sequence)).or_insert(send.events);
            assert_eq!(size, send.events, "one name, one content");
            script.learn(send.epoch, send.sequence, Kind::Ok);
        }
        assert!(
            opened > 20 && repeated > 200 && zombies > 100 && disordered > 50,
            "{opened} {repeated} {zombies} {disordered}"
        );
    }

    #[test]
    fn repeats_what_it_does_not_know() {
        let mut script = Script::new(ChaCha8Rng::seed_from_u64(4));
        script.opened(1);
        let first = script.next().unwrap();
        script.learn(1, first.sequence, Kind::Info);
        assert!((0..100).any(|_| script.next() == Some(first)));
    }
}
