//! The engine as the server runs it, fed from a table: one shard, one stream,
//! one log entry for each block of rows, and time that passes between them.

use via_engine::{Answer, Engine, Options, Outcome, Position};
use via_types::detection::Expected;
use via_types::{
    Batch, DetectionId, LogIndex, Revision, RowReason, ShardId, StreamConfig, StreamId, Timestamp,
};

/// The stream that a table is.
pub(crate) const STREAM: StreamId = StreamId::new(1);

/// What the engine said of one row.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Verdict {
    pub(crate) score: f64,
    pub(crate) warming: bool,
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
    pub(crate) fn new(options: Options, config: &StreamConfig) -> Self {
        let mut engine = Engine::new(options);
        engine.configure(STREAM, Revision::new(1), config);
        Self { engine, entries: 0, newest: Timestamp::MIN, outcome: Outcome::default() }
    }

    /// Judges a sealed batch: one verdict per event, each from that event and
    /// those before it; the changes of detections are left in [`Self::changes`].
    pub(crate) fn judge(&mut self, batch: &Batch) -> Vec<Verdict> {
        self.outcome = Outcome::default();
        if batch.is_empty() {
            return Vec::new();
        }
        self.pass_time();
        for at in batch.at.iter() {
            self.newest = self.newest.max(Timestamp::from_nanos(*at));
        }
        let at = self.next_position();
        self.engine.execute(at, self.newest, batch, Answer::Scores, &mut self.outcome);
        let mut verdicts = vec![Verdict::default(); batch.len()];
        for (row, reason) in &self.outcome.refused {
            verdicts[*row as usize].refused = Some(*reason);
        }
        for scored in self.outcome.scored.drain(..) {
            verdicts[scored.row as usize] = Verdict {
                score: scored.score.clamp(0.0, 1.0),
                warming: scored.warming,
                expected: scored.expected,
                detection: scored.detection,
                reason: scored.reason,
                refused: None,
            };
        }
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

    /// Returns the detections that the last batch opened or changed.
    pub(crate) fn changes(&self) -> &[via_types::detection::Change] {
        &self.outcome.changes
    }

    /// Returns how many entities there are.
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
        RowReason::TableFull => "no memory left for another entity (node.memory_limit)".to_owned(),
    }
}
