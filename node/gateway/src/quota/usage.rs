//! What a tenant was given: events admitted, by stream and day. Counts what
//! receipts say, once for each request, until the catalog has taken note; a note
//! whose fate is not known is told again as it was, and counts once. Invariants:
//! T-2 (what is metered is what was admitted), D-6.

use std::collections::BTreeMap;
use std::time::Duration;

use parking_lot::Mutex;
use via_catalog::command::NoteUsage;
use via_catalog::{Author, Deed};
use via_types::{Fate, NodeId, StreamId, TenantId, Timestamp, limit};

use super::Limiter;
use crate::gate::Gate;

const DAY_NANOS: i64 = 86_400_000_000_000;
/// Streams and days of one tenant that wait to be noted; beyond them the oldest
/// is forgotten.
const COUNTS: usize = 65_536;

/// A day, in days since 1970 in UTC.
pub(crate) type Day = u32;

/// Returns the day in which a time lies.
pub(crate) fn day_of(at: Timestamp) -> Day {
    Day::try_from(at.as_nanos().max(0) / DAY_NANOS).unwrap_or(Day::MAX)
}

/// Returns the time at which a day begins.
pub(crate) fn begin_of(day: Day) -> Timestamp {
    Timestamp::from_nanos(i64::from(day).saturating_mul(DAY_NANOS))
}

/// What is counted of one tenant and not noted yet.
#[derive(Debug, Default)]
pub(crate) struct Usage(Mutex<Counts>);

#[derive(Debug, Default)]
struct Counts {
    pending: BTreeMap<(Day, StreamId), u64>,
    /// A note that was sent and of which nothing was heard yet.
    sent: Option<NoteUsage>,
    /// The number of the last note; none before the first.
    last: Option<u64>,
}

impl Usage {
    /// Counts events of a stream that were admitted.
    pub(crate) fn count(&self, stream: StreamId, events: u64, now: Timestamp) {
        if events == 0 {
            return;
        }
        let mut counts = self.0.lock();
        let count = counts.pending.entry((day_of(now), stream)).or_default();
        *count = count.saturating_add(events);
        if counts.pending.len() > COUNTS {
            counts.pending.pop_first();
        }
    }

    /// Returns what is to be noted next: what is in doubt, as it was, before
    /// anything new. `earlier` is asked for the last number before this process.
    fn next(
        &self,
        tenant: TenantId,
        node: NodeId,
        now: Timestamp,
        earlier: impl FnOnce() -> u64,
    ) -> Option<NoteUsage> {
        let mut counts = self.0.lock();
        if counts.sent.is_none() && !counts.pending.is_empty() {
            // Numbers rise also when the clock was set back.
            let last = counts.last.unwrap_or_else(earlier);
            let number = u64::try_from(now.as_nanos()).unwrap_or(0).max(last.saturating_add(1));
            counts.last = Some(number);
            let first = std::iter::from_fn(|| counts.pending.pop_first());
            let admitted = first.take(limit::RECORDS_PER_ENTRY);
            let admitted = admitted.map(|((day, stream), events)| (stream, day, events)).collect();
            counts.sent = Some(NoteUsage { tenant, node, number, admitted });
        }
        counts.sent.clone()
    }

    /// Takes note that what was sent has its answer.
    fn settled(&self) {
        self.0.lock().sent = None;
    }
}

/// Commits what was counted, every `every`; never ends.
pub(crate) async fn keep(gate: Gate, every: Duration) {
    let mut due = tokio::time::interval(every);
    due.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        due.tick().await;
        write(&gate).await;
    }
}

/// Commits what was counted.
pub(crate) async fn write(gate: &Gate) {
    let limiter: &Limiter = gate.limiter();
    for (tenant, allowance) in limiter.all() {
        let usage = allowance.usage();
        let node = gate.control().node();
        let earlier = || {
            let view = gate.view();
            let notes = view.usage_of(tenant).flat_map(|page| &page.notes);
            notes.filter(|(known, _)| *known == node).map(|(_, number)| *number).max().unwrap_or(0)
        };
        while let Some(note) = usage.next(tenant, node, gate.now(), earlier) {
            let deed = Deed::new(Author::Node(node), gate.now());
            let outcome = gate.control().commit(deed, note).await;
            if let Err(error) = &outcome {
                tracing::warn!(%error, %tenant, "what was admitted is not noted yet");
            }
            match outcome.map_err(|error| error.fate()) {
                Ok(_) | Err(Fate::Rejected) => usage.settled(),
                Err(Fate::Retry(_) | Fate::Unknown) => break,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TENANT: TenantId = TenantId::new(1);
    const NODE: NodeId = NodeId::new(1);

    fn next(usage: &Usage, nanos: i64) -> Option<NoteUsage> {
        usage.next(TENANT, NODE, Timestamp::from_nanos(nanos), || 100)
    }

    #[test]
    fn counts_by_stream_and_day_and_notes_each_once() {
        let usage = Usage::default();
        let (one, two) = (StreamId::new(1), StreamId::new(2));
        let late = Timestamp::from_nanos(DAY_NANOS - 1);
        usage.count(one, 3, late);
        usage.count(one, 4, late);
        usage.count(two, 0, late);
        usage.count(two, 9, begin_of(1));
        let note = next(&usage, 50).expect("there is something");
        assert_eq!(note.admitted, [(one, 0, 7), (two, 1, 9)]);
        assert_eq!(note.number, 101, "above what was noted before");
        usage.count(one, 1, late);
        assert_eq!(next(&usage, 60), Some(note), "as it was, while it is in doubt");
        usage.settled();
        let more = next(&usage, 50).expect("what came meanwhile");
        assert_eq!((more.number, more.admitted), (102, vec![(one, 0, 1)]));
        usage.settled();
        assert_eq!(next(&usage, 70), None);
    }

    #[test]
    fn what_waits_is_bounded_and_a_note_has_a_length() {
        let usage = Usage::default();
        for stream in 0..=COUNTS {
            usage.count(StreamId::new(u32::try_from(stream).unwrap()), 1, Timestamp::MIN);
        }
        let (mut notes, mut events) = (0, 0);
        while let Some(note) = next(&usage, 0) {
            assert!(note.admitted.len() <= limit::RECORDS_PER_ENTRY);
            notes += 1;
            events += note.admitted.len();
            usage.settled();
        }
        assert_eq!((notes, events), (COUNTS / limit::RECORDS_PER_ENTRY, COUNTS), "D-6");
    }
}
