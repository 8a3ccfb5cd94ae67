//! Recorded detections in the store: put as their entry is applied, listed and
//! followed by cursor, trimmed to a bound (D-6). Ids and contents are a function
//! of the log, so that applying an entry again changes nothing.

use std::collections::{BTreeSet, BinaryHeap};
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use via_codec::Kind;
use via_storage::{Order, Space, Store, Write};
use via_types::detection::Change;
use via_types::{Detection, DetectionId, Feedback, LogIndex, ShardId, TenantId};

use crate::cursor::Position;
use crate::feed::Published;
use crate::query::{Page, Query, Recorded, Sort};
use crate::{Cursor, Error, keys};

/// Index entries read for one page: bounds the cost of a filter that matches
/// little; the page then ends early with a cursor.
const SCAN: usize = 20_000;
/// Index entries read at a time.
const STRIDE: usize = 512;

/// What a change was, in the feed's records.
const OPENED: u8 = 0;
const GROWN: u8 = 1;
const LABELLED: u8 = 2;

/// A detection as stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Stored {
    pub(crate) tenant: TenantId,
    pub(crate) detection: Detection,
}

/// A detection as it was stored in version 1.
#[derive(Deserialize)]
struct First {
    tenant: TenantId,
    detection: via_codec::first::Detection,
}

impl From<First> for Stored {
    fn from(First { tenant, detection }: First) -> Self {
        Self { tenant, detection: detection.into() }
    }
}

impl Stored {
    /// Reads a detection, of whatever version.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, via_codec::Error> {
        via_codec::decode_since_first::<Self, First>(Kind::Detection, bytes)
    }
}

/// Which shards are listed; none means all that are here.
pub(crate) type Shards<'a> = Option<&'a BTreeSet<ShardId>>;

/// What a trim deletes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Trimmed {
    pub(crate) detections: usize,
    /// The last change that no longer has a detection.
    pub(crate) feed_end: Option<(u64, u32)>,
}

/// The detections of every shard on this node.
#[derive(Clone)]
pub(crate) struct Archive {
    store: Arc<dyn Store>,
}

impl Archive {
    pub(crate) fn new(store: Arc<dyn Store>) -> Self {
        Self { store }
    }

    /// Adds what storing `change`, recorded at `at`, takes.
    pub(crate) fn put(&self, writes: &mut Vec<Write>, published: &Published) {
        let detection = published.change.detection();
        let id = keys::detection(detection.id);
        let stored = Stored { tenant: published.tenant, detection: detection.clone() };
        writes.push(put(Space::Detections, &id, via_codec::encode(Kind::Detection, &stored)));
        let by_time = keys::by_time(published.tenant, detection.started, detection.id);
        writes.push(put(Space::DetectionsByTime, &by_time, Vec::new()));
        put_change(writes, published);
    }

    /// Adds what keeping `feedback`, said in the change `published`, takes.
    pub(crate) fn put_feedback(
        &self,
        writes: &mut Vec<Write>,
        published: &Published,
        feedback: &Feedback,
    ) {
        let id = keys::detection(published.change.detection().id);
        writes.push(put(Space::Feedback, &id, via_codec::encode(Kind::Feedback, feedback)));
        put_change(writes, published);
    }

    /// Returns what was said of the detection with this id, if anything.
    pub(crate) fn feedback(&self, id: DetectionId) -> Result<Option<Feedback>, Error> {
        let Some(bytes) = self.store.get(Space::Feedback, &keys::detection(id))? else {
            return Ok(None);
        };
        Ok(Some(via_codec::decode(Kind::Feedback, &bytes)?))
    }

    /// Returns the detection with this id and what was said of it, if it is `tenant`'s.
    pub(crate) fn recorded(
        &self,
        tenant: TenantId,
        id: DetectionId,
    ) -> Result<Option<Recorded>, Error> {
        let Some(stored) = self.get(id)?.filter(|stored| stored.tenant == tenant) else {
            return Ok(None);
        };
        Ok(Some(Recorded { detection: stored.detection, feedback: self.feedback(id)? }))
    }

    /// Returns the detection with this id.
    pub(crate) fn get(&self, id: DetectionId) -> Result<Option<Stored>, Error> {
        let Some(bytes) = self.store.get(Space::Detections, &keys::detection(id))? else {
            return Ok(None);
        };
        Ok(Some(Stored::read(&bytes)?))
    }

    /// Returns how many detections of `shard` are stored.
    pub(crate) fn count(&self, shard: ShardId) -> Result<usize, Error> {
        let mut count = 0;
        self.each(Space::Detections, shard, &mut |_, _| {
            count += 1;
            Ok(())
        })?;
        Ok(count)
    }

    /// Returns where the last stored change of `shard` was recorded.
    pub(crate) fn feed_end(&self, shard: ShardId) -> Result<Option<(u64, u32)>, Error> {
        let (from, to) = keys::of_shard(shard);
        let to = to.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        let last =
            self.store.scan(Space::Feed, (Bound::Included(&from), to), Order::Descending, 1)?;
        Ok(last
            .first()
            .and_then(|(key, _)| keys::detection_id(key))
            .map(|at| (at.index.get(), at.offset)))
    }

    /// Returns up to `limit` changes of `shard` recorded after `seen`. A change
    /// is read as its detection is now.
    pub(crate) fn changes_after(
        &self,
        shard: ShardId,
        seen: (u64, u32),
        limit: usize,
    ) -> Result<Vec<Published>, Error> {
        let from = keys::feed(shard, seen);
        let (_, to) = keys::of_shard(shard);
        let to = to.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        let found =
            self.store.scan(Space::Feed, (Bound::Excluded(&from), to), Order::Ascending, limit)?;
        let read = |(key, value): (Bytes, Bytes)| self.change(shard, &key, &value).transpose();
        found.into_iter().filter_map(read).collect()
    }

    fn change(&self, shard: ShardId, key: &[u8], value: &[u8]) -> Result<Option<Published>, Error> {
        let (Some(at), Some((what, id))) = (keys::detection_id(key), value.split_last()) else {
            return Err(Error::BadCursor("a stored feed record is damaged".into()));
        };
        let Some(stored) = keys::detection_id(id).map(|id| self.get(id)).transpose()?.flatten()
        else {
            return Ok(None);
        };
        let detection = Box::new(stored.detection);
        let change = match *what {
            OPENED => Change::Opened(detection),
            LABELLED => match self.feedback(detection.id)? {
                Some(feedback) => Change::Labelled(detection, feedback),
                None => Change::Grown(detection),
            },
            _ => Change::Grown(detection),
        };
        Ok(Some(Published {
            shard,
            at: (at.index.get(), at.offset),
            tenant: stored.tenant,
            change: Arc::new(change),
        }))
    }

    /// Says whether a detection is stored.
    pub(crate) fn holds(&self, id: DetectionId) -> Result<bool, Error> {
        Ok(self.store.get(Space::Detections, &keys::detection(id))?.is_some())
    }

    /// Adds what deleting the `most` oldest detections of entries up to `upto`
    /// takes, and says how many they are.
    pub(crate) fn trim(
        &self,
        shard: ShardId,
        most: usize,
        upto: LogIndex,
        writes: &mut Vec<Write>,
    ) -> Result<Trimmed, Error> {
        let last = keys::detection(DetectionId { shard, index: upto, offset: u32::MAX });
        let oldest = self.upto(Space::Detections, shard, &last, Order::Ascending, most)?;
        let Some((newest_gone, _)) = oldest.last() else {
            return Ok(Trimmed::default());
        };
        for (key, value) in &oldest {
            let stored = Stored::read(value)?;
            let Detection { started, id, .. } = stored.detection;
            writes.push(delete(Space::Detections, key));
            writes.push(delete(Space::Feedback, key));
            writes
                .push(delete(Space::DetectionsByTime, &keys::by_time(stored.tenant, started, id)));
        }
        let newest = self.upto(Space::Feed, shard, newest_gone, Order::Descending, 1)?;
        let feed_end = newest.first().and_then(|(key, _)| keys::detection_id(key));
        let feed_end = feed_end.map(|at| (at.index.get(), at.offset));
        Ok(Trimmed { detections: oldest.len(), feed_end })
    }

    /// Deletes the changes of `shard` up to `end`, a piece at a time.
    pub(crate) fn trim_feed(&self, shard: ShardId, end: (u64, u32)) -> Result<(), Error> {
        let last = keys::feed(shard, end);
        loop {
            let gone = self.upto(Space::Feed, shard, &last, Order::Ascending, STRIDE)?;
            let writes = gone.iter().map(|(key, _)| delete(Space::Feed, key)).collect();
            self.store.write(writes)?;
            if gone.len() < STRIDE {
                return Ok(());
            }
        }
    }

    /// Reads the records of `shard` with keys up to `last`.
    fn upto(
        &self,
        space: Space,
        shard: ShardId,
        last: &[u8],
        order: Order,
        most: usize,
    ) -> Result<Vec<(Bytes, Bytes)>, Error> {
        let (from, _) = keys::of_shard(shard);
        let range = (Bound::Included(from.as_slice()), Bound::Included(last));
        Ok(self.store.scan(space, range, order, most)?)
    }

    /// Lists detections of `shards`, or of all that are here, as `query` asks,
    /// reading a bounded number of index entries.
    pub(crate) fn list(&self, query: &Query, shards: Shards<'_>) -> Result<Page, Error> {
        match query.sort {
            Sort::Newest => self.list_by_time(query, shards, Order::Descending),
            Sort::Oldest => self.list_by_time(query, shards, Order::Ascending),
            Sort::Score => self.list_by_score(query, shards),
        }
    }

    fn list_by_time(&self, query: &Query, shards: Shards<'_>, order: Order) -> Result<Page, Error> {
        let after = match &query.after {
            None => None,
            Some(Cursor(Position::Time { key })) => Some(key.clone()),
            Some(Cursor(Position::Score { .. } | Position::Feed { .. })) => {
                return Err(Error::BadCursor("it belongs to another order".into()));
            }
        };
        let mut page = Page::default();
        let (mut found, mut end) = (Vec::new(), None);
        let scanned = self.scan_time((query, shards), order, after, &mut |key, stored| {
            found.push(stored.detection);
            if found.len() == query.limit {
                end = Some(key.to_vec());
            }
            found.len() < query.limit
        })?;
        page.items = self.said_of(found)?;
        page.next = end.or(scanned).map(|key| Cursor(Position::Time { key }));
        Ok(page)
    }

    /// Visits matching detections in time order until `visit` says false or the
    /// scan bound is reached; returns the last key read in the latter case.
    fn scan_time(
        &self,
        (query, shards): (&Query, Shards<'_>),
        order: Order,
        mut after: Option<Vec<u8>>,
        visit: &mut dyn FnMut(&[u8], Stored) -> bool,
    ) -> Result<Option<Vec<u8>>, Error> {
        let tenant = query.filter.tenant;
        let low = keys::time(tenant, query.from.unwrap_or(via_types::Timestamp::MIN));
        let next = TenantId::new(tenant.get().saturating_add(1));
        let high = match query.until {
            Some(until) => keys::time(tenant, until),
            None => keys::time(next, via_types::Timestamp::MIN),
        };
        for _ in 0..SCAN / STRIDE {
            let (from, to) = match (&after, order) {
                (None, _) => (Bound::Included(low.as_slice()), Bound::Excluded(high.as_slice())),
                (Some(key), Order::Ascending) => {
                    (Bound::Excluded(key.as_slice()), Bound::Excluded(high.as_slice()))
                }
                (Some(key), Order::Descending) => {
                    (Bound::Included(low.as_slice()), Bound::Excluded(key.as_slice()))
                }
            };
            let keys = self.store.scan(Space::DetectionsByTime, (from, to), order, STRIDE)?;
            for (key, _) in &keys {
                let wanted = |id: &DetectionId| shards.is_none_or(|some| some.contains(&id.shard));
                let id = keys::id_of_time(key).filter(wanted);
                let stored = id.map(|id| self.get(id)).transpose()?.flatten();
                if let Some(stored) = stored.filter(|s| query.filter.admits(s.tenant, &s.detection))
                    && !visit(key, stored)
                {
                    return Ok(None);
                }
            }
            if keys.len() < STRIDE {
                return Ok(None);
            }
            after = keys.last().map(|(key, _)| key.to_vec());
        }
        Ok(after)
    }

    /// The `limit` highest scores among the newest [`SCAN`] in range, after the
    /// cursor; a heap of at most `limit + 1`.
    fn list_by_score(&self, query: &Query, shards: Shards<'_>) -> Result<Page, Error> {
        let after = match &query.after {
            None => None,
            Some(Cursor(Position::Score { bits, key })) => Some((*bits, key.clone())),
            Some(Cursor(Position::Time { .. } | Position::Feed { .. })) => {
                return Err(Error::BadCursor("it belongs to another order".into()));
            }
        };
        let mut best: BinaryHeap<std::cmp::Reverse<(u64, Vec<u8>)>> = BinaryHeap::new();
        let mut more = false;
        self.scan_time((query, shards), Order::Descending, None, &mut |key, stored| {
            // Scores are in 0..=1, where the order of bits is that of numbers.
            let rank = (stored.detection.score.max(0.0).to_bits(), key.to_vec());
            if after.as_ref().is_none_or(|after| rank < *after) {
                best.push(std::cmp::Reverse(rank));
                if best.len() > query.limit {
                    best.pop();
                    more = true;
                }
            }
            true
        })?;
        let ranked: Vec<(u64, Vec<u8>)> = best.into_sorted_vec().into_iter().map(|r| r.0).collect();
        let mut found = Vec::new();
        for (_, key) in &ranked {
            let stored = keys::id_of_time(key).map(|id| self.get(id)).transpose()?.flatten();
            found.extend(stored.map(|stored| stored.detection));
        }
        let mut page = Page { items: self.said_of(found)?, next: None };
        let last = ranked.into_iter().next_back().filter(|_| more);
        page.next = last.map(|(bits, key)| Cursor(Position::Score { bits, key }));
        Ok(page)
    }

    /// Adds to each detection what was said of it.
    fn said_of(&self, found: Vec<Detection>) -> Result<Vec<Recorded>, Error> {
        let read = |detection: Detection| {
            let feedback = self.feedback(detection.id)?;
            Ok(Recorded { detection, feedback })
        };
        found.into_iter().map(read).collect()
    }

    /// Visits every record of `shard` in `space`, in order, a piece at a time.
    pub(crate) fn each(
        &self,
        space: Space,
        shard: ShardId,
        visit: &mut dyn FnMut(&Bytes, &Bytes) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let (mut from, to) = keys::of_shard(shard);
        let mut first = true;
        loop {
            let start = if first { Bound::Included(&*from) } else { Bound::Excluded(&*from) };
            let end = to.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
            let found = self.store.scan(space, (start, end), Order::Ascending, STRIDE)?;
            for (key, value) in &found {
                visit(key, value)?;
            }
            match found.last() {
                Some((key, _)) if found.len() == STRIDE => from = key.to_vec(),
                _ => return Ok(()),
            }
            first = false;
        }
    }
}

/// Adds a change to the feed.
fn put_change(writes: &mut Vec<Write>, published: &Published) {
    let feed = keys::feed(published.shard, published.at);
    let mut value = keys::detection(published.change.detection().id).to_vec();
    value.push(match *published.change {
        Change::Opened(_) => OPENED,
        Change::Grown(_) => GROWN,
        Change::Labelled(..) => LABELLED,
    });
    writes.push(put(Space::Feed, &feed, value));
}

pub(crate) fn put(space: Space, key: &[u8], value: Vec<u8>) -> Write {
    Write::Put { space, key: Bytes::copy_from_slice(key), value: Bytes::from(value) }
}

pub(crate) fn delete(space: Space, key: &[u8]) -> Write {
    Write::Delete { space, key: Bytes::copy_from_slice(key) }
}
