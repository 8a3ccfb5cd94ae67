//! Makes the state store durable for whoever asks, once for all who ask while
//! the last time is still under way. One per node; drivers call it.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};
use via_storage::Store;

/// Requests that may wait: one per shard is usual.
const WAITING: usize = 1_024;

type Reply = oneshot::Sender<Result<(), via_storage::Error>>;

/// A cheap clone of the way to the committer.
#[derive(Clone, Debug)]
pub(crate) struct Committer(mpsc::Sender<Reply>);

impl Committer {
    /// Starts it; it ends when the last clone is dropped.
    pub(crate) fn start(store: Arc<dyn Store>) -> Self {
        let (sender, mut waiting) = mpsc::channel::<Reply>(WAITING);
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
        Self(sender)
    }

    /// Returns when everything written to the store before the call is durable;
    /// none when the node is shutting down.
    pub(crate) async fn commit(&self) -> Option<Result<(), via_storage::Error>> {
        let (reply, committed) = oneshot::channel();
        self.0.send(reply).await.ok()?;
        committed.await.ok()
    }
}
