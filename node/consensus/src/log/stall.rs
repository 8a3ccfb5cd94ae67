//! What happens while the log cannot take more (its disk is full, its queue is
//! long): appends wait in order and are tried again, new submissions are
//! refused early, and nothing is lost or reordered.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use via_storage::Log;
use via_types::GroupId;

use crate::{Error, metrics};

/// How long a full log is left alone.
const PAUSE: Duration = Duration::from_millis(20);

pub(super) type Records = Vec<(u64, Bytes)>;
pub(super) type Done = Box<dyn FnOnce(Result<(), Error>) + Send>;

struct Waiting {
    records: Records,
    done: Done,
}

struct Inner {
    group: GroupId,
    log: Arc<dyn Log>,
    /// By first index: what was refused and what came after it.
    waiting: Mutex<BTreeMap<u64, Waiting>>,
    stalled: AtomicBool,
}

/// The way in which a group appends.
#[derive(Clone)]
pub(super) struct Stall(Arc<Inner>);

/// Says whether the log may take the same records later.
pub(super) fn passes(error: &via_storage::Error) -> bool {
    matches!(error, via_storage::Error::Full { .. } | via_storage::Error::Overloaded { .. })
}

impl Stall {
    pub(super) fn new(group: GroupId, log: Arc<dyn Log>) -> Self {
        let waiting = Mutex::new(BTreeMap::new());
        Self(Arc::new(Inner { group, log, waiting, stalled: AtomicBool::new(false) }))
    }

    pub(super) fn is_stalled(&self) -> bool {
        self.0.stalled.load(Ordering::Acquire)
    }

    pub(super) async fn pause(&self) {
        tokio::time::sleep(PAUSE).await;
    }

    /// Appends, at once or when the log takes it, after all earlier appends.
    pub(super) fn append(&self, records: Records, done: Done) {
        let mut waiting = self.0.waiting.lock();
        if self.is_stalled() {
            waiting.insert(records[0].0, Waiting { records, done });
            return;
        }
        drop(waiting);
        self.submit(records, done);
    }

    fn submit(&self, records: Records, done: Done) {
        let this = self.clone();
        let kept = records.clone();
        let runtime = tokio::runtime::Handle::current();
        let answer = move |result: Result<(), via_storage::Error>| match result {
            Ok(()) => done(Ok(())),
            // While stalled, what was on its way behind the refused append
            // no longer follows the log's end; it waits too.
            Err(error) if passes(&error) || this.is_stalled() => {
                this.hold(&runtime, Waiting { records: kept, done });
            }
            Err(error) => done(Err(Error::Log(error.into()))),
        };
        self.0.log.append(self.0.group, records, Box::new(answer));
    }

    fn hold(&self, runtime: &tokio::runtime::Handle, held: Waiting) {
        let mut waiting = self.0.waiting.lock();
        waiting.insert(held.records[0].0, held);
        if !self.0.stalled.swap(true, Ordering::AcqRel) {
            tracing::warn!(group = %self.0.group, "the log takes no more; appends wait");
            metrics::stalled();
            let this = self.clone();
            runtime.spawn(async move { this.retry().await });
        }
    }

    /// Appends what waits, one after the other, until nothing waits.
    async fn retry(self) {
        loop {
            self.pause().await;
            let first = {
                let mut waiting = self.0.waiting.lock();
                let Some((_, first)) = waiting.pop_first() else {
                    self.0.stalled.store(false, Ordering::Release);
                    tracing::info!(group = %self.0.group, "the log takes more again");
                    return;
                };
                first
            };
            let Waiting { records, done } = first;
            let (tx, rx) = tokio::sync::oneshot::channel();
            let answer = Box::new(move |result| drop(tx.send(result)));
            self.0.log.append(self.0.group, records.clone(), answer);
            match rx.await {
                Ok(Ok(())) => done(Ok(())),
                Ok(Err(error)) if passes(&error) => {
                    self.0.waiting.lock().insert(records[0].0, Waiting { records, done });
                }
                Ok(Err(error)) => done(Err(Error::Log(error.into()))),
                Err(_) => done(Err(Error::Log("the log was closed".into()))),
            }
        }
    }
}
