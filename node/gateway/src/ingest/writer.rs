//! Sends pieces to their shards and adds up what became of them. Owns the order
//! (pieces of one shard are handed over as they were cut), the bound on what is
//! in flight, what is paid for and metered, and the one fate of a request whose
//! pieces fared differently (invariants D-1, D-5, T-2).

use std::sync::Arc;

use via_shard::writes::{Answered, Hold};
use via_shard::{Answer, Writes};
use via_types::{Fate, Receipt, RowReason, Scored, StreamId};

use super::admission::Grant;
use super::refusal::{Refusals, RowCode};
use super::split::Piece;
use crate::gate::Gate;
use crate::problem::{Code, Problem};
use crate::quota::allowance::Allowance;

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

    fn count(&mut self, source: Source, result: Landed) {
        match result {
            Ok(receipt) => self.add(source, receipt),
            Err(via_shard::Error::Crowded { reason, .. }) => self.crowded.push((source, reason)),
            Err(error) => self.fail(error.into()),
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

/// What the events of one request cost their tenant, and what is metered.
struct Toll {
    gate: Gate,
    allowance: Arc<Allowance>,
    stream: StreamId,
    admitted: u64,
}

impl Toll {
    /// Settles a piece of so many events, whose tokens were taken.
    fn settle(&mut self, events: usize, result: &Result<Receipt, via_shard::Error>) {
        match result {
            // It was paid for and counted when it came first.
            Ok(receipt) if receipt.repeated => self.allowance.give_back(events as u64),
            Ok(receipt) => self.admitted += u64::from(receipt.accepted),
            Err(error) => match error.fate() {
                Fate::Retry(_) | Fate::Rejected => self.allowance.give_back(events as u64),
                Fate::Unknown => {}
            },
        }
    }
}

impl Drop for Toll {
    fn drop(&mut self) {
        self.allowance.usage().count(self.stream, self.admitted, self.gate.now());
    }
}

/// What is under way.
struct Flight {
    writes: Writes,
    /// By number of the write.
    sources: Vec<Source>,
    events: usize,
    toll: Toll,
}

impl Flight {
    /// Pairs answers with where their rows came from.
    fn landed(&mut self, answered: Vec<Answered>) -> Vec<(Source, Landed)> {
        let pair = |(number, result): Answered| {
            let source = std::mem::take(&mut self.sources[number as usize]);
            self.events -= source.lines.len();
            self.toll.settle(source.lines.len(), &result);
            (source, result)
        };
        answered.into_iter().map(pair).collect()
    }
}

type Landed = Result<Receipt, via_shard::Error>;

/// The pieces of one request on their way.
pub(crate) struct Writer {
    gate: Gate,
    allowance: Arc<Allowance>,
    answer: Answer,
    /// None before anything was sent.
    flight: Option<Flight>,
    tally: Tally,
}

impl Writer {
    /// Makes a writer for one request, which pays from its tenant's allowance.
    pub(crate) fn new(gate: &Gate, answer: Answer) -> Self {
        let (gate, allowance) = (gate.clone(), gate.allowance());
        Self { gate, allowance, answer, flight: None, tally: Tally::default() }
    }

    /// Returns what the tenant may ask.
    pub(crate) fn allowance(&self) -> &Allowance {
        &self.allowance
    }

    /// Takes the tokens of so many events before anything is done with them
    /// (invariant T-2). When they are not there, what is under way is waited for
    /// first: what repeats gives its tokens back, and a request that repeats what
    /// was cut off gets further than the time before.
    pub(crate) async fn admit(&mut self, events: u64) -> Result<(), Problem> {
        loop {
            match self.allowance.admit(events, self.gate.now()) {
                Err(_) if self.is_busy() => self.next().await,
                settled => return settled,
            }
        }
    }

    /// Hands pieces over in order, waiting while too much is in flight. The
    /// grant is held until the last of them is answered.
    pub(crate) async fn submit(&mut self, pieces: Vec<Piece>, grant: Grant) {
        let incoming: usize = pieces.iter().map(|piece| piece.batch.len()).sum();
        while self.is_busy() && self.under_way() + incoming > WINDOW_EVENTS {
            self.next().await;
        }
        let grant: Hold = Arc::new(grant);
        for Piece { shard, batch, lines, first_line, .. } in pieces {
            let hold = Some(Arc::clone(&grant));
            let Self { gate, allowance, answer, flight, tally } = self;
            let flight = flight.get_or_insert_with(|| {
                let (gate, allowance, stream) = (gate.clone(), Arc::clone(allowance), batch.stream);
                let (writes, sources) = (gate.shard().writes(), Vec::new());
                let toll = Toll { gate, allowance, stream, admitted: 0 };
                Flight { writes, sources, events: 0, toll }
            });
            match flight.writes.send(shard, batch, *answer, hold).await {
                Ok(()) => {
                    flight.events += lines.len();
                    flight.sources.push(Source { lines, first_line });
                }
                Err(error) => {
                    let failed = Err(error);
                    flight.toll.settle(lines.len(), &failed);
                    tally.count(Source { lines, first_line }, failed);
                }
            }
        }
    }

    fn under_way(&self) -> usize {
        self.flight.as_ref().map_or(0, |flight| flight.events)
    }

    /// Says whether something is in flight.
    pub(crate) fn is_busy(&self) -> bool {
        self.under_way() > 0
    }

    /// Waits for some pieces, if any are in flight.
    pub(crate) async fn next(&mut self) {
        let Some(flight) = &mut self.flight else { return };
        let answered = flight.writes.some().await;
        for (source, result) in flight.landed(answered) {
            self.tally.count(source, result);
        }
    }

    /// Gives access to the sums so far.
    pub(crate) fn tally(&mut self) -> &mut Tally {
        &mut self.tally
    }

    /// Waits for everything and returns the sums.
    pub(crate) async fn finish(mut self) -> Result<Tally, Problem> {
        if let Some(flight) = &mut self.flight {
            let answered = flight.writes.all().await;
            for (source, result) in flight.landed(answered) {
                self.tally.count(source, result);
            }
        }
        // It is metered before its answer is told.
        self.flight = None;
        std::mem::take(&mut self.tally).settle()
    }
}

impl Drop for Writer {
    /// What is under way when a client goes away is counted all the same (T-2).
    fn drop(&mut self) {
        let Some(mut flight) = self.flight.take().filter(|flight| flight.events > 0) else {
            return;
        };
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                let answered = flight.writes.all().await;
                drop(flight.landed(answered));
            });
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
