//! What happens while the log cannot take more (its disk is full, its queue is
//! long): appends wait in order and are tried again, new submissions are
//! refused early, and nothing is lost or reordered. All groups of a node share
//! its log: what it refuses to all of them is told once.

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

/// How many groups wait for each log, by its address.
static WAITING: Mutex<BTreeMap<usize, usize>> = Mutex::new(BTreeMap::new());

/// A group's part in the stall of its log, for as long as it waits.
struct Part {
    log: Option<usize>,
}

impl Part {
    /// Takes part; says whether no other group did.
    fn take(log: &Arc<dyn Log>) -> (Self, bool) {
        let log = Arc::as_ptr(log).cast::<()>() as usize;
        let mut waiting = WAITING.lock();
        let groups = waiting.entry(log).or_default();
        *groups += 1;
        (Self { log: Some(log) }, *groups == 1)
    }

    /// Ends the part; says whether no other group waits any more.
    fn leave(mut self) -> bool {
        self.log.take().is_some_and(Self::give_back)
    }

    fn give_back(log: usize) -> bool {
        let mut waiting = WAITING.lock();
        let left = waiting.get(&log).map_or(0, |groups| groups.saturating_sub(1));
        if left == 0 {
            waiting.remove(&log);
        } else {
            waiting.insert(log, left);
        }
        left == 0
    }
}

impl Drop for Part {
    /// A group that ends while it waits does not silence the next stall.
    fn drop(&mut self) {
        self.log.take().map(Self::give_back);
    }
}

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
            let (part, is_first) = Part::take(&self.0.log);
            if is_first {
                tracing::warn!(group = %self.0.group, "the log takes no more; appends of all groups wait");
                metrics::stalled();
            }
            let this = self.clone();
            runtime.spawn(async move { this.retry(part).await });
        }
    }

    /// Appends what waits, one after the other, until nothing waits.
    async fn retry(self, part: Part) {
        loop {
            self.pause().await;
            let first = {
                let mut waiting = self.0.waiting.lock();
                let Some((_, first)) = waiting.pop_first() else {
                    self.0.stalled.store(false, Ordering::Release);
                    if part.leave() {
                        tracing::info!("the log takes more again");
                    }
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

#[cfg(test)]
mod tests {
    use via_storage::MemoryLog;

    use super::*;

    #[test]
    fn only_the_first_group_of_a_log_begins_its_stall_and_only_the_last_ends_it() {
        let (one, other): (Arc<dyn Log>, Arc<dyn Log>) =
            (Arc::new(MemoryLog::new()), Arc::new(MemoryLog::new()));
        let (first, is_first) = Part::take(&one);
        assert!(is_first);
        let (second, is_first) = Part::take(&Arc::clone(&one));
        assert!(!is_first, "64 groups say it once");
        let (stranger, is_first) = Part::take(&other);
        assert!(is_first, "another node in the same process has its own log");
        assert!(!first.leave());
        drop(second);
        let (again, is_first) = Part::take(&one);
        assert!(is_first, "the next stall is told, also after a group that just ended");
        assert!(again.leave() && stranger.leave());
    }
}
