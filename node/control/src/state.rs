//! The catalog on this node, live: shared by the machine that applies
//! entries, the handle that reads views and the service that makes it durable.
//! Invariants: D-4 (a view shows only committed entries), D-7 (the durable
//! position never runs ahead of the durable rows).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use via_audit::{Hash, Place};
use via_catalog::{Catalog, Entry, Key, Outcome, Refusal, TrailId, View};
use via_consensus::Position;
use via_storage::Store;
use via_types::{LogIndex, Revision};

use crate::metrics;
use crate::rows::{self, AsOf};
use crate::shelf;

/// Bytes of audit rows that wait in memory at most before a commit point is due.
const FRESH_BYTES: usize = 4 << 20;

/// The catalog as of a commit point.
#[derive(Clone)]
pub(crate) struct Kept {
    pub(crate) at: Position,
    pub(crate) catalog: Arc<Catalog>,
}

struct Live {
    catalog: Catalog,
    applied: Option<Position>,
    /// Changed since the last commit point.
    dirty: BTreeSet<Key>,
    /// Rows of the audit logs since then, and how long they are together.
    fresh: BTreeMap<Bytes, Bytes>,
    fresh_bytes: usize,
    /// What replicas are given: exactly what the log may be purged up to.
    kept: Option<Kept>,
}

pub(crate) struct State {
    live: Mutex<Live>,
    /// Held while rows are written; taken before `live`.
    rows: Mutex<()>,
    store: Arc<dyn Store>,
    view: watch::Sender<Arc<View>>,
    /// The index of the last entry applied.
    reached: watch::Sender<LogIndex>,
    commit_entries: u64,
    due: Notify,
}

impl State {
    /// Loads what is kept in `store`. Unreadable rows are discarded: the log or
    /// a peer has the truth, and where neither does the group will not open.
    pub(crate) fn load(store: Arc<dyn Store>, commit_entries: u64) -> Result<Self, rows::Error> {
        let kept = match rows::load(&*store) {
            Ok(kept) => kept,
            Err(why) => {
                tracing::error!(
                    error = &why as &dyn std::error::Error,
                    "the kept catalog is damaged and was discarded; the node tries to rebuild it from the log"
                );
                rows::discard(&*store)?;
                None
            }
        };
        let kept = kept.map(|(catalog, at)| Kept { at, catalog: Arc::new(catalog) });
        let catalog = kept.as_ref().map_or_else(Catalog::default, |kept| (*kept.catalog).clone());
        let view = Arc::new(catalog.view());
        metrics::published(view.revision().get(), view.stream_count());
        let applied = kept.as_ref().map(|kept| kept.at);
        let live = Live::new(catalog, applied, kept);
        Ok(Self {
            live: Mutex::new(live),
            rows: Mutex::new(()),
            store,
            view: watch::Sender::new(view),
            reached: watch::Sender::new(applied.map_or(LogIndex::new(0), |at| at.index)),
            commit_entries: commit_entries.max(1),
            due: Notify::new(),
        })
    }

    pub(crate) fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.store)
    }

    /// Returns the text of an audit record; none when it is pruned or not there.
    pub(crate) fn record(&self, trail: TrailId, index: u64) -> Result<Option<String>, rows::Error> {
        let key = shelf::record_key(trail, index);
        self.shelved(&key)?.map(|row| shelf::record(&row)).transpose()
    }

    /// Returns a node of an audit log's tree.
    pub(crate) fn node(&self, trail: TrailId, place: Place) -> Result<Option<Hash>, rows::Error> {
        let key = shelf::node_key(trail, place);
        self.shelved(&key)?.map(|row| shelf::node(&row)).transpose()
    }

    /// Reads a row that may not be in the store yet.
    fn shelved(&self, key: &Bytes) -> Result<Option<Bytes>, rows::Error> {
        let fresh = self.live.lock().fresh.get(key).cloned();
        if fresh.is_some() {
            return Ok(fresh);
        }
        Ok(self.store.get(via_storage::Space::Audit, key)?)
    }

    pub(crate) fn view(&self) -> Arc<View> {
        Arc::clone(&self.view.borrow())
    }

    pub(crate) fn watch(&self) -> watch::Receiver<Arc<View>> {
        self.view.subscribe()
    }

    pub(crate) fn applied(&self) -> Option<Position> {
        self.live.lock().applied
    }

    pub(crate) fn kept(&self) -> Option<Kept> {
        self.live.lock().kept.clone()
    }

    /// Applies the entry at `at`; none for one that carries nothing. Returns
    /// nothing for an entry that is in the state already.
    pub(crate) fn apply(
        &self,
        at: Position,
        entry: Option<Entry>,
    ) -> Option<Result<Outcome, Refusal>> {
        let mut live = self.live.lock();
        if live.applied.is_some_and(|applied| at.index <= applied.index) {
            return None;
        }
        let outcome = entry.map(|entry| {
            let kind = entry.command.word();
            let applied = live.catalog.apply(Revision::new(at.index.get()), entry);
            metrics::command(kind, if applied.outcome.is_ok() { "applied" } else { "refused" });
            live.keep(&applied.recorded);
            // Also for a record alone: its proofs are asked for by view.
            if applied.changed.iter().any(|key| !matches!(key, Key::Counters)) {
                self.publish(&live.catalog);
            }
            live.dirty.extend(applied.changed);
            applied.outcome
        });
        live.applied = Some(at);
        self.reached.send_replace(at.index);
        if is_due(&live, self.commit_entries) {
            self.due.notify_one();
        }
        outcome
    }

    /// Waits until the entry at `index` shows in the view.
    pub(crate) async fn reach(&self, index: LogIndex) {
        let mut reached = self.reached.subscribe();
        // An error would mean that this state is gone, and nobody waits then.
        let _gone = reached.wait_for(|reached| *reached >= index).await;
    }

    fn publish(&self, catalog: &Catalog) {
        let view = Arc::new(catalog.view());
        metrics::published(view.revision().get(), view.stream_count());
        self.view.send_replace(view);
    }

    /// Waits until so much is not durable that it is worth a commit point.
    pub(crate) async fn due(&self) {
        loop {
            let notified = self.due.notified();
            if is_due(&self.live.lock(), self.commit_entries) {
                return;
            }
            notified.await;
        }
    }

    /// Makes everything applied so far durable; returns whether there was
    /// anything. Blocks on the disk.
    pub(crate) fn commit(&self) -> Result<bool, rows::Error> {
        let _rows = self.rows.lock();
        let started = Instant::now();
        let (dirty, fresh, kept) = {
            let mut live = self.live.lock();
            let Some(at) = live.applied.filter(|at| Some(*at) != live.durable()) else {
                return Ok(false);
            };
            let catalog = Arc::new(live.catalog.clone());
            (std::mem::take(&mut live.dirty), live.fresh.clone(), Kept { at, catalog })
        };
        let row = |key: &Key| match kept.catalog.object(*key) {
            Some(object) => rows::put(&object),
            None => rows::delete(*key),
        };
        let mut batch: Vec<_> = dirty.iter().map(row).collect();
        batch.extend(fresh.iter().map(|(key, row)| shelf::put(key.clone(), row.clone())));
        batch.extend(shelf::pruned(&*self.store, &kept.catalog.view(), &dirty)?);
        batch.push(rows::put_as_of(AsOf::new(kept.at, &kept.catalog)));
        let written = self.store.ensure_room();
        let written = written.and_then(|()| self.store.write(batch));
        let written = written.and_then(|()| self.store.commit());
        let mut live = self.live.lock();
        if let Err(error) = written {
            live.dirty.extend(dirty);
            metrics::commit_failed();
            return Err(error.into());
        }
        live.kept = Some(kept);
        live.forget(&fresh);
        metrics::committed(started.elapsed().as_secs_f64());
        Ok(true)
    }

    /// Replaces everything by `catalog` as of `at`, durably.
    pub(crate) fn install(&self, catalog: Catalog, at: Position) -> Result<(), rows::Error> {
        let _rows = self.rows.lock();
        rows::replace(&*self.store, &catalog, at)?;
        let kept = Some(Kept { at, catalog: Arc::new(catalog.clone()) });
        let mut live = self.live.lock();
        self.publish(&catalog);
        *live = Live::new(catalog, Some(at), kept);
        self.reached.send_replace(at.index);
        Ok(())
    }
}

impl Live {
    fn new(catalog: Catalog, applied: Option<Position>, kept: Option<Kept>) -> Self {
        let (dirty, fresh) = (BTreeSet::new(), BTreeMap::new());
        Self { catalog, applied, dirty, fresh, fresh_bytes: 0, kept }
    }

    /// Keeps rows of what was recorded until they are in the store.
    fn keep(&mut self, recorded: &[via_catalog::Recorded]) {
        for (key, row) in recorded.iter().flat_map(shelf::rows) {
            self.fresh_bytes += key.len() + row.len();
            self.fresh.insert(key, row);
        }
    }

    fn forget(&mut self, stored: &BTreeMap<Bytes, Bytes>) {
        for key in stored.keys() {
            if let Some(row) = self.fresh.remove(key) {
                self.fresh_bytes -= key.len() + row.len();
            }
        }
    }

    fn durable(&self) -> Option<Position> {
        self.kept.as_ref().map(|kept| kept.at)
    }
}

fn is_due(live: &Live, commit_entries: u64) -> bool {
    let index = |at: Option<Position>| at.map_or(0, |at| at.index.get());
    index(live.applied) >= index(live.durable()) + commit_entries || live.fresh_bytes > FRESH_BYTES
}
