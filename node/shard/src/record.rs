//! Detections on their way into the log, in entries of bounded size. Only the
//! last entry covers the index: after a crash between them all are made and
//! recorded again, under the same ids (invariant D-4).

use std::sync::Arc;

use tokio::time::Instant;
use via_codec::Kind;
use via_types::LogIndex;
use via_types::detection::Change;
use via_types::entry::{Detections, ShardEntry};

use crate::driver::{Done, Driver, RECORD_BYTES};
use crate::replica::State;
use crate::request::{Fate, complain};
use crate::standing::PAUSE;

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

impl Driver {
    /// Proposes the detections that were made since the last time, unless some are
    /// under way. Nothing is recorded after what may be missing from the log.
    pub(crate) async fn record(&mut self) {
        if self.recording || self.is_ruined || self.pause > Instant::now() {
            return;
        }
        if self.unsent.is_empty() && self.replica.has_news() {
            let unrecorded = self.replica.with(Unrecorded::take);
            self.unsent = unrecorded.into_entries(RECORD_BYTES).into();
        }
        // A refusal is told and the detections are kept for the next time.
        let _told = self.propose_detections().await;
    }

    /// Says whether detections are on their way into the log.
    pub(crate) fn is_recording(&self) -> bool {
        self.recording || !self.unsent.is_empty()
    }

    /// Proposes the next entry of detections; what the group refuses is put back.
    pub(crate) async fn propose_detections(&mut self) -> Result<(), Arc<via_consensus::Error>> {
        let Some(detections) = self.unsent.pop_front() else { return Ok(()) };
        let entry = ShardEntry::Detections(detections);
        let submitted = self.submit(&entry, "detections").await;
        let ShardEntry::Detections(detections) = entry else { unreachable!("it was just made") };
        match submitted {
            Ok(pending) => {
                self.recording = true;
                let recorded = async move { Done::Recorded(detections, pending.await) };
                self.tasks.push(Box::pin(recorded));
                Ok(())
            }
            Err(error) => {
                tracing::warn!(shard = %self.replica.shard, %error, "detections not proposed");
                self.put_back(detections);
                Err(error)
            }
        }
    }

    /// Keeps for the next time what surely is not in the log, and what was to follow.
    fn put_back(&mut self, first: Detections) {
        let covers = self.unsent.back().map_or(first.covers, |last| last.covers);
        let all = std::iter::once(first).chain(self.unsent.drain(..));
        let changes = all.flat_map(|entry| entry.changes).collect();
        self.replica.with(|state| {
            if let Some(live) = &mut state.live {
                live.put_back(covers, changes);
            }
        });
        self.replica.renew();
        self.pause = Instant::now() + PAUSE;
    }

    /// Goes on when an entry of detections is recorded, or was refused.
    pub(crate) fn recorded(&mut self, detections: Detections, result: &Fate) {
        self.recording = false;
        complain(self.replica.shard, "detections", result);
        let Err(error) = result else {
            if self.unsent.is_empty() {
                self.checkpoints.resume();
            }
            return;
        };
        let is_in_doubt = error.fate() == via_types::Fate::Unknown;
        if is_in_doubt && self.step_aside() {
            // They are neither in memory nor surely in the log any more.
            self.is_ruined = true;
            self.unsent.clear();
        } else {
            // Told twice they are the same: their ids say where they were made.
            self.put_back(detections);
        }
    }
}
