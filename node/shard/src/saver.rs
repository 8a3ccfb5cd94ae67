//! What saving profiles shares among the shards of a node: turns to write, so
//! that rounds of many shards never fall on the same moment, and the commit
//! that makes the store durable, once for all who ask while the last is still
//! under way. One per node; drivers call it.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use via_storage::Store;

/// Requests that may wait: one per shard is usual.
const WAITING: usize = 1_024;
/// Bytes of profiles written a second when nothing presses: encoding, logging
/// and storing them costs about a sixth of a core then.
const BYTES_A_SECOND: f64 = 8e6;

type Reply = oneshot::Sender<Result<(), via_storage::Error>>;

/// How much a round presses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Haste {
    /// It has the time of an interval.
    None,
    /// The tail is as long as it should become.
    Some,
    /// The tail is far longer, or memory is short.
    Great,
}

impl Haste {
    fn factor(self) -> f64 {
        match self {
            Self::None => 1.0,
            Self::Some => 1.5,
            Self::Great => 16.0,
        }
    }
}

/// A cheap clone of the way to the node's saver.
#[derive(Clone, Debug)]
pub(crate) struct Saver {
    commits: mpsc::Sender<Reply>,
    /// When the next turn begins.
    free: Arc<Mutex<Instant>>,
}

impl Saver {
    /// Starts it; it ends when the last clone is dropped.
    pub(crate) fn start(store: Arc<dyn Store>) -> Self {
        let (commits, mut waiting) = mpsc::channel::<Reply>(WAITING);
        let serve = async move {
            while let Some(first) = waiting.recv().await {
                let mut replies = vec![first];
                while let Ok(another) = waiting.try_recv() {
                    replies.push(another);
                }
                let store = Arc::clone(&store);
                let commit = tokio::task::spawn_blocking(move || store.commit()).await;
                let result = commit.expect("the store's commit does not panic");
                for reply in replies {
                    // One who no longer waits needs no answer.
                    let _gone = reply.send(result.clone());
                }
            }
        };
        tokio::spawn(serve);
        Self { commits, free: Arc::new(Mutex::new(Instant::now())) }
    }

    /// Returns when the caller may write about `bytes` of profiles; turns of
    /// different callers follow each other.
    pub(crate) fn turn(&self, bytes: usize, haste: Haste) -> Instant {
        let length = Duration::from_secs_f64(bytes as f64 / (BYTES_A_SECOND * haste.factor()));
        let mut free = self.free.lock();
        let begin = (*free).max(Instant::now());
        *free = begin + length;
        begin
    }

    /// Returns when everything written to the store before the call is durable;
    /// none when the node is shutting down.
    pub(crate) async fn commit(&self) -> Option<Result<(), via_storage::Error>> {
        let (reply, committed) = oneshot::channel();
        self.commits.send(reply).await.ok()?;
        committed.await.ok()
    }
}

#[cfg(test)]
mod tests {
    use via_storage::MemoryStore;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn turns_of_many_shards_follow_each_other_at_the_pace_of_their_haste() {
        let saver = Saver::start(Arc::new(MemoryStore::default()));
        let begin = Instant::now();
        let calm: Vec<_> = (0..4).map(|_| saver.turn(80_000, Haste::None) - begin).collect();
        assert_eq!(calm, [0, 10, 20, 30].map(Duration::from_millis));
        let pressed = saver.turn(80_000, Haste::Great) - begin;
        assert_eq!(pressed, Duration::from_millis(40));
        let next = saver.turn(1, Haste::None) - begin;
        assert_eq!(next, Duration::from_micros(40_625), "sixteen times as fast");
        tokio::time::advance(Duration::from_secs(9)).await;
        assert_eq!(saver.turn(1, Haste::None), Instant::now(), "time not used is not saved up");
    }
}
