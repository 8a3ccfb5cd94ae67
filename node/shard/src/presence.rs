//! Which nodes answer, and which shards they lead: every node asks every other
//! a little more than once a second, whatever the number of shards. Routing and
//! the steward read it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use parking_lot::Mutex;
use tokio::time::Instant;
use via_types::NodeId;

use crate::handle::Handle;
use crate::route;
use crate::wire::{Answer, Call};

/// Time between two questions to a node.
const PULSE: Duration = Duration::from_millis(750);
/// How long one may take.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long one may take when something waits for it.
const SOON: Duration = Duration::from_millis(300);
/// A node that has not answered for so long counts as gone.
const GONE: Duration = Duration::from_secs(3);

/// When each node answered last.
#[derive(Debug, Default)]
pub(crate) struct Presence(Mutex<BTreeMap<NodeId, Instant>>);

impl Presence {
    /// Says whether a node answered lately.
    pub(crate) fn is_live(&self, node: NodeId) -> bool {
        self.0.lock().get(&node).is_some_and(|last| last.elapsed() < GONE)
    }

    fn note(&self, node: NodeId) {
        self.0.lock().insert(node, Instant::now());
    }

    fn forget(&self, node: NodeId) {
        self.0.lock().remove(&node);
    }
}

/// Asks every node, again and again.
pub(crate) async fn watch(handle: Handle) {
    let me = handle.inner.options.node;
    let mut pulse = tokio::time::interval(PULSE);
    pulse.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        pulse.tick().await;
        let view = Arc::clone(&handle.inner.view.borrow());
        let others = route::present(&view).filter(|node| *node != me);
        join_all(others.map(|node| ask(&handle, node))).await;
    }
}

async fn ask(handle: &Handle, node: NodeId) {
    match handle.call(node, &Call::<()>::Pulse, PATIENCE).await {
        Ok(Answer::Pulse { leads }) => {
            handle.inner.presence.note(node);
            for (shard, term) in leads {
                handle.inner.hints.learn(shard, term, node);
            }
        }
        // It is about to stop, and says so.
        Ok(_) => handle.inner.presence.forget(node),
        // One lost question does not make it gone.
        Err(_) => {}
    }
}

/// Says whether `node` answers now and goes on doing so.
pub(crate) async fn answers(handle: &Handle, node: NodeId) -> bool {
    let answer = handle.call(node, &Call::<()>::Pulse, SOON).await;
    let answers = matches!(answer, Ok(Answer::Pulse { .. }));
    if !answers {
        handle.inner.presence.forget(node);
    }
    answers
}
