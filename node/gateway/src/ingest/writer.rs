//! Sends pieces to their shards and adds up what became of them. Owns the order
//! (pieces of one shard are handed over as they were cut), the bound on what is
//! in flight, and the one fate of a request whose pieces fared differently
//! (invariants D-1, D-5).

use std::sync::Arc;

use via_shard::writes::{Answered, Hold};
use via_shard::{Answer, Handle, Writes};
use via_types::{Fate, Receipt, RowReason, Scored};

use super::admission::Grant;
use super::refusal::{Refusals, RowCode};
use super::split::Piece;
use crate::problem::{Code, Problem};

/// Most events of one request waiting for commit.
const WINDOW_EVENTS: usize = 65_536;

/// What became of one request.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Events that changed state, now or when the same request came first.
    pub(crate) accepted: u64,
    /// Events whose unique id had been seen.
    pub(crate) duplicates: u64,
    /// Events that were not applied.
    pub(crate) refusals: Refusals,
    /// Pieces that were committed, and those of them that had been before.
    pub(crate) pieces: (u64, u64),
    /// Verdicts by line, when asked for.
    pub(crate) scores: Vec<(u64, Scored)>,
    failure: Option<Problem>,
    is_unsure: bool,
    /// Pieces of new entities alone, for which there was no memory.
    crowded: Vec<(Source, RowReason)>,
}

impl Tally {
    /// Says whether the whole request had been applied before.
    pub(crate) fn is_repeated(&self) -> bool {
        self.pieces.0 > 0 && self.pieces.0 == self.pieces.1
    }

    /// Says whether some piece failed.
    pub(crate) fn has_failed(&self) -> bool {
        self.failure.is_some()
    }

    /// Counts a failure of the request itself, such as a broken body.
    pub(crate) fn fail(&mut self, problem: Problem) {
        self.is_unsure |= problem.fate == Fate::Unknown;
        let outranks = |held: &Problem| rank(problem.fate) > rank(held.fate);
        if self.failure.as_ref().is_none_or(outranks) {
            self.failure = Some(problem);
        }
    }

    /// Puts lines in order; a failure becomes the request's outcome, `unknown`
    /// as soon as one event was applied (invariant D-5).
    pub(crate) fn settle(mut self) -> Result<Self, Problem> {
        self.settle_crowded();
        self.refusals.listed.sort_by_key(|(line, _)| *line);
        self.scores.sort_by_key(|(line, _)| *line);
        let Some(problem) = self.failure else { return Ok(self) };
        let applied = self.pieces.0 > 0;
        let fate = if applied || self.is_unsure { Fate::Unknown } else { problem.fate };
        let problem = problem.with_fate(fate);
        Err(if applied { problem.with("accepted_before_failure", self.accepted) } else { problem })
    }

    /// Lists the events of new entities as refused when others of the request were
    /// applied; when none was, the request as a whole may come again.
    fn settle_crowded(&mut self) {
        for (piece, reason) in std::mem::take(&mut self.crowded) {
            if self.pieces.0 == 0 {
                let code = RowCode::from(reason);
                self.fail(Problem::new(Code::Overloaded, code.help()).with_fate(code.fate()));
                continue;
            }
            for line in &piece.lines {
                let line = piece.first_line + u64::from(*line);
                self.refusals.push(line, || RowCode::from(reason).into());
            }
        }
    }

    fn add(&mut self, piece: Source, receipt: Receipt) {
        let line = |row: u32| piece.first_line + u64::from(piece.lines[row as usize]);
        self.accepted += u64::from(receipt.accepted);
        self.pieces.0 += 1;
        self.pieces.1 += u64::from(receipt.repeated);
        for (row, reason) in receipt.refused {
            if reason == RowReason::Duplicate {
                self.duplicates += 1;
            } else {
                self.refusals.push(line(row), || RowCode::from(reason).into());
            }
        }
        self.scores.extend(receipt.scores.into_iter().map(|scored| (line(scored.row), scored)));
    }
}

/// What a client most needs to hear: that repeating is useless, then that the
/// outcome is unsure, then that it should wait.
fn rank(fate: Fate) -> u8 {
    match fate {
        Fate::Rejected => 2,
        Fate::Unknown => 1,
        Fate::Retry(_) => 0,
    }
}

/// Where the rows of a piece came from.
#[derive(Debug, Default)]
struct Source {
    lines: Vec<u32>,
    first_line: u64,
}

/// The pieces of one request on their way.
pub(crate) struct Writer {
    writes: Writes,
    answer: Answer,
    /// By number of the write.
    sources: Vec<Source>,
    events: usize,
    tally: Tally,
}

impl Writer {
    /// Makes a writer for one request.
    pub(crate) fn new(shard: &Handle, answer: Answer) -> Self {
        let writes = shard.writes();
        Self { writes, answer, sources: Vec::new(), events: 0, tally: Tally::default() }
    }

    /// Hands pieces over in order, waiting while too much is in flight. The
    /// grant is held until the last of them is answered.
    pub(crate) async fn submit(&mut self, pieces: Vec<Piece>, grant: Grant) {
        let incoming: usize = pieces.iter().map(|piece| piece.batch.len()).sum();
        while self.events > 0 && self.events + incoming > WINDOW_EVENTS {
            self.next().await;
        }
        let grant: Hold = Arc::new(grant);
        for Piece { shard, batch, lines, first_line, .. } in pieces {
            let hold = Some(Arc::clone(&grant));
            match self.writes.send(shard, batch, self.answer, hold).await {
                Ok(()) => {
                    self.events += lines.len();
                    self.sources.push(Source { lines, first_line });
                }
                Err(error) => self.tally.fail(error.into()),
            }
        }
    }

    /// Says whether something is in flight.
    pub(crate) fn is_busy(&self) -> bool {
        self.events > 0
    }

    /// Waits for some pieces, if any are in flight.
    pub(crate) async fn next(&mut self) {
        let answered = self.writes.some().await;
        self.count(answered);
    }

    /// Gives access to the sums so far.
    pub(crate) fn tally(&mut self) -> &mut Tally {
        &mut self.tally
    }

    /// Waits for everything and returns the sums.
    pub(crate) async fn finish(mut self) -> Result<Tally, Problem> {
        let answered = self.writes.all().await;
        self.count(answered);
        self.tally.settle()
    }

    fn count(&mut self, answered: Vec<Answered>) {
        for (number, result) in answered {
            let source = std::mem::take(&mut self.sources[number as usize]);
            self.events -= source.lines.len();
            match result {
                Ok(receipt) => self.tally.add(source, receipt),
                Err(via_shard::Error::Crowded { reason, .. }) => {
                    self.tally.crowded.push((source, reason));
                }
                Err(error) => self.tally.fail(error.into()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn done() -> Source {
        Source { lines: vec![0, 4, 9], first_line: 10 }
    }

    #[test]
    fn rows_lead_back_to_lines() {
        let mut tally = Tally::default();
        let refused = vec![(2, RowReason::Late), (1, RowReason::Duplicate)];
        tally.add(done(), Receipt { accepted: 1, refused, ..Receipt::default() });
        let tally = tally.settle().expect("no failure");
        assert_eq!((tally.accepted, tally.duplicates, tally.refusals.count), (1, 1, 1));
        assert_eq!(tally.refusals.listed[0].0, 19);
    }

    #[test]
    fn a_partly_applied_request_is_never_called_surely_not_applied() {
        let mut tally = Tally::default();
        tally.add(done(), Receipt { accepted: 3, ..Receipt::default() });
        tally.fail(Problem::new(Code::Overloaded, "full"));
        let problem = tally.settle().expect_err("failed");
        assert_eq!((problem.code, problem.fate), (Code::Overloaded, Fate::Unknown));
        assert_eq!(problem.more["accepted_before_failure"], 3);
    }

    #[test]
    fn new_entities_without_room_are_lines_of_a_request_that_was_applied_or_all_of_it() {
        let crowded = || (done(), RowReason::TableFull);
        let mut tally = Tally { crowded: vec![crowded()], ..Tally::default() };
        tally.add(done(), Receipt { accepted: 3, ..Receipt::default() });
        let told = tally.settle().expect("the others were applied");
        assert_eq!((told.accepted, told.refusals.count), (3, 3), "invariant D-5");
        assert_eq!(told.refusals.listed[1].0, 14);
        let tally = Tally { crowded: vec![crowded(), crowded()], ..Tally::default() };
        let problem = tally.settle().expect_err("nothing was applied");
        assert_eq!(problem.code, Code::Overloaded);
        assert!(matches!(problem.fate, Fate::Retry(_)), "surely not applied");
    }

    #[test]
    fn a_request_refused_everywhere_keeps_its_fate() {
        let wait = Fate::Retry(Duration::from_millis(100));
        let mut tally = Tally::default();
        tally.fail(Problem::new(Code::NotReady, "s1").with_fate(wait));
        assert_eq!(tally.settle().expect_err("failed").fate, wait);
        let mut mixed = Tally::default();
        mixed.fail(Problem::new(Code::NotReady, "s1").with_fate(wait));
        mixed.fail(Problem::new(Code::OutcomeUnknown, "s2"));
        assert_eq!(mixed.settle().expect_err("failed").fate, Fate::Unknown);
    }

    #[test]
    fn repeated_means_every_piece_had_been_applied() {
        let mut tally = Tally::default();
        tally.add(done(), Receipt { repeated: true, ..Receipt::default() });
        assert!(tally.is_repeated());
        tally.add(done(), Receipt::default());
        assert!(!tally.is_repeated());
    }
}
