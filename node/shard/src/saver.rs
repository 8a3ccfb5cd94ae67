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
/// Length of a turn. What is written in one must take far less, so that events
/// are never held up for long.
pub(crate) const TURN: Duration = Duration::from_millis(3);

type Reply = oneshot::Sender<Result<(), via_storage::Error>>;

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
                let commit = move || store.ensure_room().and_then(|()| store.commit());
                let commit = via_consensus::aside(commit).await;
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

    /// Returns when the caller may write some profiles; turns of different
    /// callers follow each other.
    pub(crate) fn turn(&self) -> Instant {
        self.turn_after(Instant::now())
    }

    fn turn_after(&self, now: Instant) -> Instant {
        let mut free = self.free.lock();
        let begin = (*free).max(now);
        *free = begin + TURN;
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

    #[tokio::test]
    async fn turns_of_many_shards_follow_each_other() {
        let saver = Saver::start(Arc::new(MemoryStore::default()));
        let begin = Instant::now() + TURN;
        let turns: Vec<_> = (0..4).map(|_| saver.clone().turn_after(begin) - begin).collect();
        assert_eq!(turns, [0, 1, 2, 3].map(|turn| TURN * turn));
        let later = begin + 100 * TURN;
        assert_eq!(saver.turn_after(later), later, "time not used is not saved up");
        assert_eq!(saver.turn_after(later), later + TURN);
    }
}
