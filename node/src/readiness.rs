//! What the gateway's `/readyz` says of the parts that only the node knows.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use via_gateway::{Component, Readiness};

/// The node's own word on whether it can serve.
#[derive(Debug, Default)]
pub(crate) struct Word {
    failed: AtomicBool,
    reason: Mutex<String>,
}

impl Word {
    /// Says that a part has failed for good.
    pub(crate) fn fail(&self, reason: String) {
        *self.reason.lock() = reason;
        self.failed.store(true, Ordering::Release);
    }
}

/// Shares the word with the gateway.
pub(crate) struct Told(pub(crate) Arc<Word>);

impl Readiness for Told {
    fn components(&self) -> Vec<Component> {
        let failed = self.0.failed.load(Ordering::Acquire);
        let missing = failed.then(|| self.0.reason.lock().clone());
        vec![Component::new("storage", missing)]
    }
}
