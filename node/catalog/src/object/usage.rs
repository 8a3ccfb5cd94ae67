//! What a tenant was given: events admitted, by stream and day. Counts of some
//! days lie together, so that a year of a stream is a few objects; each says
//! which notes it has taken in, so that one that comes twice counts once.

use serde::{Deserialize, Serialize};
use via_types::{NodeId, StreamId, TenantId};

/// What was admitted of a stream on the days of one page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Whose.
    pub tenant: TenantId,
    /// Of which stream.
    pub stream: StreamId,
    /// Which days: this many times [`Usage::DAYS`] after 1970, and following.
    pub page: u32,
    /// Events, by day of the page.
    pub events: Vec<u64>,
    /// The newest note of each node that was taken in.
    pub notes: Vec<(NodeId, u64)>,
}

impl Usage {
    /// Days of one page.
    pub const DAYS: u32 = 32;

    /// Makes an empty page, for the one in which a day lies.
    pub fn of(tenant: TenantId, stream: StreamId, day: u32) -> Self {
        let (page, events) = (day / Self::DAYS, vec![0; Self::DAYS as usize]);
        Self { tenant, stream, page, events, notes: Vec::new() }
    }

    /// Says whether a node's note of that number was taken in.
    pub fn has_note(&self, node: NodeId, number: u64) -> bool {
        self.notes.iter().any(|(known, newest)| *known == node && number <= *newest)
    }

    /// Returns each day, in days since 1970, on which there was something.
    pub fn days(&self) -> impl Iterator<Item = (u32, u64)> + '_ {
        let first = self.page.saturating_mul(Self::DAYS);
        let days = self.events.iter().zip(first..).map(|(events, day)| (day, *events));
        days.filter(|(_, events)| *events > 0)
    }
}
