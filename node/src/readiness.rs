//! What the gateway's `/readyz` says of the parts that only the node knows.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use via_gateway::{Component, Readiness};
use via_storage::Store;

/// What is said of a disk on which nothing new may be written
/// ([`via_types::limit::DISK_RESERVE`]).
const NO_ROOM: &str = "the disk is full: less than 32 MiB are left, and events are refused until \
                       there is more; free some";
/// How often the node looks whether there is room.
const LOOK: Duration = Duration::from_secs(1);

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

/// Says whether the disk has room for something new.
pub(crate) type Room = Arc<dyn Fn() -> bool + Send + Sync>;

/// Returns what says it of the disk of a store.
pub(crate) fn room(store: Arc<dyn Store>) -> Room {
    Arc::new(move || store.has_room())
}

/// Shares the word with the gateway, and whether the disk has room.
pub(crate) struct Told {
    pub(crate) word: Arc<Word>,
    pub(crate) has_room: Room,
}

impl Readiness for Told {
    fn components(&self) -> Vec<Component> {
        let failed = self.word.failed.load(Ordering::Acquire);
        let missing = if failed {
            Some(self.word.reason.lock().clone())
        } else {
            (!(self.has_room)()).then(|| NO_ROOM.to_owned())
        };
        vec![Component::new("storage", missing)]
    }
}

/// Writes in the log when the disk has no room any more, and when it has again;
/// never ends.
pub(crate) async fn tell_of_room(has_room: Room) {
    let mut had_room = true;
    let mut looks = tokio::time::interval(LOOK);
    loop {
        looks.tick().await;
        let now = has_room();
        match (had_room, now) {
            (true, false) => tracing::error!("{NO_ROOM}"),
            (false, true) => tracing::info!("the disk has room again: events are taken"),
            (true, true) | (false, false) => {}
        }
        had_room = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_without_room_is_not_ready_and_says_so() {
        let word = Arc::new(Word::default());
        let missing = |has_room: bool| {
            let told = Told { word: Arc::clone(&word), has_room: Arc::new(move || has_room) };
            told.components()[0].missing.clone()
        };
        let full = missing(false).expect("it has no room");
        assert!(full.contains("disk is full") && full.contains("refused"), "{full}");
        assert_eq!(missing(true), None);
        word.fail("the log failed".to_owned());
        assert_eq!(missing(false).as_deref(), Some("the log failed"));
    }
}
