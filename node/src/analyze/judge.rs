//! The engine as the server runs it, fed from a table: one shard, one stream
//! for each subject of its rows, one log entry for each block of rows and
//! stream, and time that passes between blocks.

use via_engine::{Answer, Engine, Options, Outcome, Position};
use via_types::detection::Expected;
use via_types::{
    Batch, DetectionId, LogIndex, Revision, RowReason, ShardId, StreamConfig, StreamId, Timestamp,
};

/// Returns the stream in which a table's rows are about one of their subjects:
/// entities of one name are two profiles in two streams, and have other habits.
pub(crate) fn stream(subject: usize) -> StreamId {
    StreamId::new(subject as u32 + 1)
}

/// Returns the subject whose stream it is.
pub(crate) fn subject(stream: StreamId) -> usize {
    stream.get() as usize - 1
}

/// What the engine said of one row.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Verdict {
    pub(crate) score: f64,
    pub(crate) warming: bool,
    /// What the first value was expected to be.
    pub(crate) expected: Option<Expected>,
    pub(crate) detection: Option<DetectionId>,
    pub(crate) reason: String,
    /// Why the engine did not apply the row.
    pub(crate) refused: Option<RowReason>,
}

/// Judges rows in the order in which they come.
pub(crate) struct Judge {
    engine: Engine,
    entries: u64,
    newest: Timestamp,
    outcome: Outcome,
}

impl Judge {
    /// Makes an engine of so many streams; they share its memory.
    pub(crate) fn new(options: Options, config: &StreamConfig, subjects: usize) -> Self {
        let mut engine = Engine::new(options);
        for subject in 0..subjects {
            engine.configure(stream(subject), Revision::new(1), config);
        }
        Self { engine, entries: 0, newest: Timestamp::MIN, outcome: Outcome::default() }
    }

    /// Judges the sealed batches of one block of rows: per batch one verdict per
    /// event, each from that event and those before it; the changes of detections
    /// are left in [`Self::changes`].
    pub(crate) fn judge(&mut self, batches: &[Batch]) -> Vec<Vec<Verdict>> {
        self.outcome = Outcome::default();
        if batches.iter().all(Batch::is_empty) {
            return vec![Vec::new(); batches.len()];
        }
        self.pass_time();
        for at in batches.iter().flat_map(|batch| batch.at.iter()) {
            self.newest = self.newest.max(Timestamp::from_nanos(*at));
        }
        batches.iter().map(|batch| self.verdicts(batch)).collect()
    }

    fn verdicts(&mut self, batch: &Batch) -> Vec<Verdict> {
        let mut verdicts = vec![Verdict::default(); batch.len()];
        if batch.is_empty() {
            return verdicts;
        }
        let at = self.next_position();
        self.engine.execute(at, self.newest, batch, Answer::Scores, &mut self.outcome);
        for (row, reason) in self.outcome.refused.drain(..) {
            verdicts[row as usize].refused = Some(reason);
        }
        // What is said of another of several values is not said of the first.
        let first_lane = (!batch.lanes.is_empty()).then_some(0);
        for scored in self.outcome.scored.drain(..) {
            verdicts[scored.row as usize] = Verdict {
                score: scored.score.clamp(0.0, 1.0),
                warming: scored.warming,
                expected: scored.expected.filter(|_| scored.lane == first_lane),
                detection: scored.detection,
                reason: scored.reason,
                refused: None,
            };
        }
        // A score for each row is not asked for twice.
        self.outcome.scores.clear();
        verdicts
    }

    /// Where several entities speak, one may fall silent: the others' events
    /// up to the last batch say how late it is.
    fn pass_time(&mut self) {
        if self.engine.profiles() > 1 {
            let at = self.next_position();
            self.engine.tick(at, self.newest, &mut self.outcome);
        }
    }

    fn next_position(&mut self) -> Position {
        self.entries += 1;
        Position { shard: ShardId::new(0), index: LogIndex::new(self.entries), base: 0 }
    }

    /// Returns the detections that the last block opened or changed.
    pub(crate) fn changes(&self) -> &[via_types::detection::Change] {
        &self.outcome.changes
    }

    /// Returns how many entities there are, of all subjects together.
    pub(crate) fn entities(&self) -> usize {
        self.engine.profiles()
    }
}

/// Says why a row was not applied, in words.
pub(crate) fn refusal(reason: RowReason, config: &StreamConfig) -> String {
    match reason {
        RowReason::Late => format!(
            "more than {} s older than the newest row of its entity (engine.lateness); \
             sort the file by time",
            config.timing.lateness_secs
        ),
        RowReason::Duplicate => "its unique id was seen before".to_owned(),
        RowReason::TableFull | RowReason::LowPriority => {
            "no memory left for another entity (node.memory_limit)".to_owned()
        }
    }
}
