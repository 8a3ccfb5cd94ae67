//! Whose costly tests are set aside while memory is short, and when they come
//! back. A function of the profile, its plan and the entry's regime alone, so
//! that whoever replays the log does the same (invariant E-1). Called by `event`
//! before a bucket closes.

use via_types::config::Priority;
use via_types::pressure::Regime;

use crate::engine::Engine;
use crate::execute::Work;
use crate::grove::EARNED;
use crate::profile::{Profile, SPARED};

/// What is said of a test that is set aside.
pub(crate) const WORDS: &str =
    "it is set aside: memory was short when the last bucket closed, and others matter more";

/// Says whether an entity is among those that matter least: of low priority, or of
/// normal priority and seldom seen.
fn matters_least(priority: Priority, events: u64) -> bool {
    match priority {
        Priority::Low => true,
        Priority::Normal => events < EARNED,
        Priority::High => false,
    }
}

impl Engine {
    /// Sets the costly tests of a profile aside, or lets them begin anew, if its
    /// bucket has ended at `at`.
    #[inline(always)]
    pub(crate) fn spare(&mut self, work: &Work<'_>, slot: u32, at: i64) {
        let hot = &self.places.get(slot).hot;
        if at >= hot.wake && (work.regime == Regime::Frugal || hot.is(SPARED)) {
            self.spare_one(work, slot);
        }
    }

    #[cold]
    fn spare_one(&mut self, work: &Work<'_>, slot: u32) {
        let Profile { hot, cold } = self.places.get_mut(slot);
        let least = matters_least(work.plan.priority, hot.events);
        if work.regime != Regime::Frugal || !least {
            hot.flags &= !SPARED;
            return;
        }
        hot.flags |= SPARED;
        let Some(history) = &mut cold.history else { return };
        history.course = None;
        history.marks = None;
        let grove = history.grove.take();
        if let Some(grove) = grove.filter(|_| work.at.index.get() > self.habits.skip) {
            let peers = &mut self.habits.peers;
            peers.forests = peers.forests.saturating_sub(grove.places() as u32);
            self.habits.is_changed = true;
        }
        self.count_memory(slot);
    }
}
