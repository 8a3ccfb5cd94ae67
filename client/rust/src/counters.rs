//! What became of everything that was captured, as sums that add up.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::Serialize;

/// Why an event is lost.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Loss {
    /// It can never be sent.
    Invalid,
    /// The queue was full.
    Overflow,
    /// The client was closed.
    Closed,
    /// The node refused its batch for good.
    Rejected,
    /// Another process took the producer's name.
    Fenced,
    /// Nobody can say whether it was applied.
    Unknown,
    /// The spool was full, or lost it.
    Spool,
}

impl Loss {
    /// Returns its name in the contract.
    pub fn name(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::Overflow => "overflow",
            Self::Closed => "closed",
            Self::Rejected => "rejected",
            Self::Fenced => "fenced",
            Self::Unknown => "unknown",
            Self::Spool => "spool",
        }
    }
}

/// A client's counters, all of them events but `repeats` and `batches`. At every
/// moment `captured + recovered = pending + accepted + duplicates + refused + lost`.
#[derive(Clone, Debug, Default, Serialize)]
pub struct State {
    /// Given to `event`.
    pub captured: u64,
    /// Found in the spool.
    pub recovered: u64,
    /// Not settled yet.
    pub pending: u64,
    /// Durable, and counted once.
    pub accepted: u64,
    /// Seen before, by their unique id.
    pub duplicates: u64,
    /// Not applied by the node, one by one.
    pub refused: u64,
    /// Attempts after one that failed.
    pub repeats: u64,
    /// Batches that were answered well.
    pub batches: u64,
    /// Lost, by reason; a reason without a loss is absent.
    pub lost: BTreeMap<Loss, u64>,
    /// What failed last; empty when nothing did.
    pub last_error: String,
}

impl State {
    pub(crate) fn lose(&mut self, reason: Loss, events: u64) {
        if events > 0 {
            *self.lost.entry(reason).or_default() += events;
        }
    }

    /// Says to the node what was lost; empty when nothing was.
    pub(crate) fn losses(&self) -> String {
        let mut words = String::new();
        for (reason, events) in &self.lost {
            let comma = if words.is_empty() { "" } else { "," };
            write!(words, "{comma}{}={events}", reason.name()).expect("a String takes everything");
        }
        words
    }
}
