//! Detections on their way into the log, in entries of bounded size. Only the
//! last entry covers the index: after a crash between them all are made and
//! recorded again, under the same ids (invariant D-4).

use via_codec::Kind;
use via_types::LogIndex;
use via_types::detection::Change;
use via_types::entry::Detections;

use crate::replica::State;

/// Detections taken from the executing state at one moment.
#[derive(Debug)]
pub(crate) struct Unrecorded {
    changes: Vec<Change>,
    /// With these, every detection of entries up to here is recorded.
    pub(crate) covers: LogIndex,
    /// Without them, up to here.
    covered: LogIndex,
}

impl Unrecorded {
    /// Takes what `state` has not recorded yet.
    pub(crate) fn take(state: &mut State) -> Self {
        let covered = state.covered;
        let covers = state.applied.map_or(covered, |at| at.index);
        let live = state.live.as_mut().filter(|live| live.has_pending());
        let changes = live.map(|live| live.take_pending(covered)).unwrap_or_default();
        Self { changes, covers, covered }
    }

    /// Returns the entries that record them, each of about `bytes` at most.
    pub(crate) fn into_entries(self, bytes: usize) -> Vec<Detections> {
        let mut entries: Vec<Detections> = Vec::new();
        let mut room = 0;
        for change in self.changes {
            let size = via_codec::encoded_bytes(Kind::Detection, change.detection())
                .expect("a detection is bounded far below its kind's limit");
            match entries.last_mut().filter(|_| size <= room) {
                Some(entry) => {
                    entry.changes.push(change);
                    room -= size;
                }
                None => {
                    entries.push(Detections { covers: self.covered, changes: vec![change] });
                    room = bytes.saturating_sub(size);
                }
            }
        }
        if let Some(last) = entries.last_mut() {
            last.covers = self.covers;
        }
        entries
    }
}
