//! The network's weather: how long each message takes, and which are lost or come
//! twice, drawn in the order in which they are sent. What is sent is noted, so
//! that two runs that differ anywhere differ here.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use via_transport::{Leg, Message, Passage, Service, Weather};
use xxhash_rust::xxh3::xxh3_64;

use crate::dice::Dice;
use crate::plan::Climate;
use crate::trace::Trace;

/// The weather of one run.
pub(crate) struct Sky {
    trace: Trace,
    dice: Mutex<Dice>,
    climate: Mutex<Climate>,
    messages: AtomicU64,
}

impl Sky {
    pub(crate) fn new(trace: Trace, dice: Dice, climate: Climate) -> Self {
        let (dice, climate) = (Mutex::new(dice), Mutex::new(climate));
        Self { trace, dice, climate, messages: AtomicU64::new(0) }
    }

    /// Changes what the network is like.
    pub(crate) fn turn(&self, climate: Climate) {
        *self.climate.lock() = climate;
    }

    /// Returns how many messages were sent.
    pub(crate) fn messages(&self) -> u64 {
        self.messages.load(Ordering::Relaxed)
    }

    fn draw(&self, message: &Message<'_>) -> Passage {
        let climate = *self.climate.lock();
        let mut dice = self.dice.lock();
        if dice.below(10_000) < climate.lost {
            return Passage::Lost;
        }
        let span = climate.slowest.saturating_sub(climate.fastest);
        let usual = climate.fastest + dice.millis(0, span.as_millis() as u64);
        let (share, longest) = climate.late;
        let time = if dice.chance(share) {
            usual + dice.millis(0, longest.as_millis() as u64)
        } else {
            usual
        };
        // QUIC delivers once; only what consensus asks may come twice without
        // meaning something else.
        let may_repeat = message.leg == Leg::Request && message.service == Service::Raft;
        if may_repeat && dice.chance(climate.twice) {
            return Passage::Twice(time, time + dice.millis(0, 50));
        }
        Passage::After(time)
    }
}

impl Weather for Sky {
    fn passage(&self, message: &Message<'_>) -> Passage {
        self.messages.fetch_add(1, Ordering::Relaxed);
        let passage = self.draw(message);
        let Message { from, to, service, leg, bytes } = *message;
        let time = match passage {
            Passage::After(time) | Passage::Twice(time, _) => time,
            Passage::Lost => Duration::MAX,
        };
        let facts = [
            from.get(),
            to.get(),
            service as u64,
            leg as u64,
            bytes.len() as u64,
            xxh3_64(bytes),
            time.as_micros() as u64,
        ];
        let facts = facts.map(u64::to_le_bytes);
        let words = || {
            let hash = xxh3_64(bytes);
            format!("{from}>{to} {service:?} {leg:?} {} B {hash:016x} {passage:?}", bytes.len())
        };
        self.trace.count(facts.as_flattened(), words);
        passage
    }
}
