//! How long recorded detections are kept: so many per shard, and for so long.
//! A detection's age is counted from its recording, not from its event time: a
//! replay of last year's data is news. Time is that of the log's ticks, so every
//! replica forgets the same at the same entry. Called by the machine.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use via_codec::Kind;
use via_storage::Space;
use via_types::{LogIndex, Timestamp};

use crate::archive::{Trimmed, put};
use crate::keys::{self, Fact};
use crate::replica::Replica;
use crate::{Error, metrics};

/// Marks in a retention period: by its share a detection may outstay it.
const MARKS: u32 = 64;
/// Most marks: the period was made longer more than once.
const MOST_MARKS: usize = 3 * MARKS as usize;
/// Most detections deleted at one tick.
const STEP: usize = 4_096;

/// Which entries of the log were there at what time, oldest first.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct Marks(Vec<(LogIndex, Timestamp)>);

impl Marks {
    /// Notes that the entry at `at` came at `now`, if the last mark is a share
    /// of `period` old; an entry applied again is noted already.
    fn note(&mut self, at: LogIndex, now: Timestamp, period: Duration) -> bool {
        let is_due = self.0.last().is_none_or(|(index, stamp)| {
            at > *index && now.saturating_since(*stamp) >= period / MARKS
        });
        if !is_due {
            return false;
        }
        if self.0.len() >= MOST_MARKS {
            // Whatever lies between its neighbours goes with the later one.
            self.0.remove(1);
        }
        self.0.push((at, now));
        true
    }

    /// Returns the last entry that is `period` old, and the number of its mark.
    fn expired(&self, now: Timestamp, period: Duration) -> Option<(usize, LogIndex)> {
        let old = self.0.partition_point(|(_, stamp)| now.saturating_since(*stamp) >= period);
        let last = old.checked_sub(1)?;
        Some((last, self.0[last].0))
    }
}

/// Forgets what was recorded too long ago, as of the tick at `at`.
pub(crate) fn by_age(replica: &Replica, at: LogIndex, now: Timestamp) -> Result<(), Error> {
    let period = replica.options.keep_for;
    let key = keys::fact(replica.shard, Fact::Marks);
    let mut marks: Marks = match replica.store.get(Space::Shards, &key)? {
        Some(bytes) => via_codec::decode(Kind::MachineState, &bytes)?,
        None => Marks::default(),
    };
    let mut is_changed = marks.note(at, now, period);
    if let Some((number, upto)) = marks.expired(now, period)
        && forget(replica, STEP, upto)? < STEP
    {
        marks.0.drain(..=number);
        is_changed = true;
    }
    if is_changed {
        let value = via_codec::encode(Kind::MachineState, &marks);
        replica.store.write(vec![put(Space::Shards, &key, value)])?;
    }
    Ok(())
}

/// Keeps the number of detections within this shard's share of the bound.
pub(crate) fn by_count(replica: &Replica) -> Result<(), Error> {
    let options = &replica.options;
    let share = (options.keep_detections / usize::from(options.shards)).max(1);
    let count = replica.with(|state| state.detections);
    if count <= share {
        return Ok(());
    }
    // Some more than must be, so that it costs little per detection recorded.
    let surplus = count - share + share / 16;
    forget(replica, surplus, LogIndex::new(u64::MAX)).map(drop)
}

/// Deletes the oldest `most` detections of entries up to `upto`; returns how many.
fn forget(replica: &Replica, most: usize, upto: LogIndex) -> Result<usize, Error> {
    let shard = replica.shard;
    let mut writes = Vec::new();
    let Trimmed { detections, feed_end } = replica.archive.trim(shard, most, upto, &mut writes)?;
    if detections == 0 {
        return Ok(0);
    }
    if let Some(end) = feed_end {
        let value = via_codec::encode(Kind::MachineState, &end);
        writes.push(put(Space::Shards, &keys::fact(shard, Fact::Trimmed), value));
    }
    replica.store.write(writes)?;
    if let Some(end) = feed_end {
        // After the gap is noted: a node that stops in between tells of it.
        replica.archive.trim_feed(shard, end)?;
    }
    ::metrics::counter!(metrics::DETECTIONS_FORGOTTEN).increment(detections as u64);
    replica.with(|state| {
        state.detections = state.detections.saturating_sub(detections);
        state.feed_trimmed = state.feed_trimmed.max(feed_end);
    });
    Ok(detections)
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::Arc;

    use tokio::sync::broadcast;
    use via_storage::{MemoryStore, Store};
    use via_types::detection::{Change, State};
    use via_types::{
        Detection, DetectionId, Detector, Direction, Revision, Severity, ShardId, StreamId,
        TenantId,
    };

    use super::*;
    use crate::feed::Published;
    use crate::{Options, replay};

    pub(crate) const SHARD: ShardId = ShardId::new(0);
    const HOUR: Duration = Duration::from_secs(3_600);
    const BEGIN: Timestamp = Timestamp::from_nanos(1_700_000_000_000_000_000);

    fn replica(options: Options) -> Replica {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        open(options, store)
    }

    pub(crate) fn open(options: Options, store: Arc<dyn Store>) -> Replica {
        let state = replay::open(&store, SHARD).expect("memory");
        let pressure = Arc::new(crate::pressure::Pressure::new(&options));
        Replica::new(SHARD, options, store, broadcast::channel(1).0, pressure, state)
    }

    pub(crate) fn detection(index: u64) -> Detection {
        Detection {
            id: DetectionId { shard: SHARD, index: LogIndex::new(index), offset: 0 },
            stream: StreamId::new(1),
            entity: "e".to_owned(),
            // Old data, judged today.
            started: Timestamp::from_nanos(1),
            peaked: Timestamp::from_nanos(1),
            last: Timestamp::from_nanos(1),
            state: State::Closed,
            events: 1,
            score: 0.9,
            evidence: 1.0,
            threshold: 0.5,
            severity: Severity::Low,
            detector: Detector::Volume,
            direction: Direction::Above,
            value: 1.0,
            expected: None,
            percentile: None,
            contributions: Vec::new(),
            context: Vec::new(),
            similar: Vec::new(),
            counterfactual: None,
            actions: Vec::new(),
            reason: String::new(),
            attributes: String::new(),
            revision: Revision::default(),
            engine: 1,
        }
    }

    /// Records a detection of the entry at `index`, in the entry after it, and
    /// that it grew, in the one after that.
    pub(crate) fn record(replica: &Replica, index: u64) {
        let mut writes = Vec::new();
        let grown = Change::Grown(Box::new(detection(index)));
        for (after, change) in [(1, Change::Opened(Box::new(detection(index)))), (2, grown)] {
            let (at, tenant) = ((index + after, 0), TenantId::new(1));
            let one = Published { shard: SHARD, at, tenant, change: Arc::new(change) };
            replica.archive.put(&mut writes, &one);
        }
        replica.store.write(writes).expect("memory");
        replica.with(|state| state.detections += 1);
    }

    fn kept(replica: &Replica) -> Vec<u64> {
        let mut kept = Vec::new();
        let mut each = |key: &bytes::Bytes, _: &bytes::Bytes| {
            kept.push(keys::detection_id(key).expect("its own key").index.get());
            Ok(())
        };
        replica.archive.each(Space::Detections, SHARD, &mut each).expect("memory");
        assert_eq!(replica.with(|state| state.detections), kept.len(), "what is counted is there");
        kept
    }

    fn tick(replica: &Replica, index: u64, after: Duration) {
        by_age(replica, LogIndex::new(index), BEGIN.saturating_add(after)).expect("memory");
    }

    #[test]
    fn a_detection_goes_when_its_time_has_passed_since_it_was_recorded() {
        let options = Options { keep_for: HOUR, ..Options::default() };
        let replica = replica(options.clone());
        record(&replica, 10);
        tick(&replica, 13, Duration::ZERO);
        record(&replica, 20);
        tick(&replica, 23, HOUR / 2);
        tick(&replica, 24, HOUR - Duration::from_secs(1));
        assert_eq!(kept(&replica), [10, 20]);
        tick(&replica, 25, HOUR);
        assert_eq!(kept(&replica), [20], "the first has been there for an hour");
        assert_eq!(replica.feed_trimmed(), None, "its changes came after the mark of its entry");
        // What is known of time survives a restart.
        let replica = open(options, Arc::clone(&replica.store));
        tick(&replica, 26, HOUR * 3 / 2);
        assert!(kept(&replica).is_empty());
        assert_eq!(replica.feed_trimmed(), Some((12, 0)), "the gap is known");
    }

    #[test]
    fn an_entry_applied_again_forgets_nothing_more() {
        let replica = replica(Options { keep_for: HOUR, ..Options::default() });
        tick(&replica, 5, Duration::ZERO);
        record(&replica, 10);
        tick(&replica, 13, HOUR / 2);
        for (index, after) in [(5, Duration::ZERO), (13, HOUR / 2), (14, HOUR * 5 / 4)] {
            tick(&replica, index, after);
        }
        assert_eq!(kept(&replica), [10]);
        tick(&replica, 15, HOUR * 3 / 2);
        assert!(kept(&replica).is_empty());
    }

    #[test]
    fn the_marks_fit_one_record_whatever_the_period_was() {
        let mut marks = Marks::default();
        let mut now = BEGIN;
        for at in 0..10_000 {
            let period = if at < 5_000 { HOUR } else { HOUR * 87_600 };
            now = now.saturating_add(period / MARKS);
            marks.note(LogIndex::new(u64::MAX - 10_000 + at), now, period);
        }
        let bytes = via_codec::encode(Kind::MachineState, &marks).len();
        assert!(bytes <= via_types::limit::STORE_VALUE_BYTES, "{bytes}");
        assert!(marks.0.is_sorted());
    }

    #[test]
    fn all_shards_together_keep_no_more_than_the_bound() {
        // The least that may be configured.
        let options = Options { keep_detections: 1_000, shards: 32, ..Options::default() };
        let replica = replica(options);
        for index in 1..=100 {
            record(&replica, index * 10);
            by_count(&replica).expect("memory");
            assert!(kept(&replica).len() <= 1_000 / 32);
        }
        assert_eq!(kept(&replica).last(), Some(&1_000), "the newest stay");
        assert!(kept(&replica).len() >= 29);
        let mut changes = 0;
        let mut count = |_: &bytes::Bytes, _: &bytes::Bytes| {
            changes += 1;
            Ok(())
        };
        replica.archive.each(Space::Feed, SHARD, &mut count).expect("memory");
        assert!(changes <= 64, "the feed goes with them: {changes}");
    }
}
