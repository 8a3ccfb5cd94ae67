//! One file on its way through the engine: rows in, scores, findings and traces
//! out. Owns how the judgements of one row become one: the highest counts.
//! Called by `analyze`, once for each file.

use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use anyhow::Result;
use via_types::{RowReason, Timestamp};

use super::findings::Findings;
use super::judge::{self, Judge, Verdict};
use super::rows::{Block, Row, Rows};
use super::scores::Scores;
use super::trace::{Glimpse, Traces};
use super::{Outcome, Settings, figure};

/// Rows that were not judged and are named in the summary.
const NAMED: usize = 8;
/// How often progress is shown on a terminal.
const PROGRESS_EVERY: Duration = Duration::from_millis(500);

/// A file being analyzed.
pub(super) struct Analysis<'a> {
    rows: Rows,
    settings: &'a Settings,
    judge: Judge,
    outcome: Outcome,
    stem: String,
    started: Instant,
    shown: Instant,
}

/// What one subject's batch says of a row.
#[derive(Clone, Copy, Debug)]
struct Opinion<'a> {
    subject: usize,
    place: usize,
    verdict: &'a Verdict,
}

/// What all its subjects say of a row.
#[derive(Clone, Copy, Debug)]
struct Ruling<'a> {
    /// The one with the highest score, of equal ones the first.
    highest: Opinion<'a>,
    /// Nobody was known well enough.
    warming: bool,
    /// Somebody was not judged.
    partly: bool,
}

impl<'a> Analysis<'a> {
    pub(super) fn new(rows: Rows, settings: &'a Settings, plot: bool, stem: String) -> Self {
        let columns = rows.columns().clone();
        let lanes = if columns.values.len() > 1 { columns.values.len() } else { 0 };
        let judge = Judge::new(settings.engine, &settings.stream, columns.subjects.len());
        let outcome = Outcome {
            columns,
            entities: 0,
            rows: 0,
            judged: 0,
            warming: 0,
            unjudged: 0,
            partly: 0,
            gaps: 0,
            named: Vec::new(),
            comments: 0,
            span: None,
            findings: Findings::default(),
            traces: plot.then(|| Traces::new(lanes)),
            took: Duration::ZERO,
        };
        let started = Instant::now();
        Self { rows, settings, judge, outcome, stem, started, shown: started }
    }

    /// Judges every row, writes its score, and returns what was found.
    ///
    /// # Errors
    /// The file cannot be read any further, or a score not be written.
    pub(super) fn run(mut self, mut scores: Option<Scores>) -> Result<Outcome> {
        let mut block = Block::default();
        while self.rows.next(&mut block)? {
            let verdicts = self.judge.judge(&block.batches);
            for change in self.judge.changes() {
                let detection = change.detection();
                let subject = judge::subject(detection.stream);
                let entity = self.outcome.columns.label(subject, &detection.entity);
                self.outcome.findings.note(change, &entity);
            }
            for row in &block.rows {
                self.row(row, &block, &verdicts, scores.as_mut())?;
            }
            self.outcome.findings.settle();
            self.progress();
        }
        if let Some(scores) = scores {
            scores.finish()?;
        }
        self.outcome.entities = self.judge.entities();
        self.outcome.comments = self.rows.comments();
        self.outcome.took = self.started.elapsed();
        Ok(self.outcome)
    }

    fn row(
        &mut self,
        row: &Row,
        block: &Block,
        verdicts: &[Vec<Verdict>],
        scores: Option<&mut Scores>,
    ) -> Result<()> {
        let ruling = match &row.places {
            Err(why) => Err(why.clone()),
            Ok(_) => {
                rule(row, verdicts).map_err(|reason| judge::refusal(reason, &self.settings.stream))
            }
        };
        self.outcome.rows += 1;
        let mut number = None;
        match &ruling {
            Ok(ruling) => {
                let detection = ruling.highest.verdict.detection;
                number = detection.and_then(|id| self.outcome.findings.number(id));
                self.count(row, block, ruling);
                self.trace(row, block, verdicts);
            }
            Err(why) => {
                self.outcome.unjudged += 1;
                if self.outcome.named.len() < NAMED {
                    self.outcome.named.push((row.line, why.clone()));
                }
            }
        }
        if let Some(scores) = scores {
            let subject = ruling.as_ref().map_or(0, |ruling| ruling.highest.subject);
            let key = row.entities.get(subject).map_or("", String::as_str);
            let entity = self.outcome.columns.label(subject, key);
            let verdict = ruling.as_ref().map(|ruling| ruling.highest.verdict);
            scores.write((row, &entity), verdict.map_err(String::as_str), number)?;
        }
        Ok(())
    }

    fn count(&mut self, row: &Row, block: &Block, ruling: &Ruling<'_>) {
        let Opinion { subject, place, .. } = ruling.highest;
        let at = Timestamp::from_nanos(block.batches[subject].at[place]);
        self.outcome.judged += 1;
        self.outcome.gaps += u64::from(row.gaps);
        self.outcome.warming += u64::from(ruling.warming);
        self.outcome.partly += u64::from(ruling.partly);
        let (first, last) = self.outcome.span.unwrap_or((at, at));
        self.outcome.span = Some((first.min(at), last.max(at)));
    }

    /// Draws the row in the series of each whom it is about.
    fn trace(&mut self, row: &Row, block: &Block, verdicts: &[Vec<Verdict>]) {
        let Some(traces) = &mut self.outcome.traces else { return };
        let judged = opinions(row, verdicts).filter(|opinion| opinion.verdict.refused.is_none());
        for Opinion { subject, place, verdict } in judged {
            let batch = &block.batches[subject];
            let lanes: Vec<f64> = batch.lanes.iter().map(|lane| lane.values[place]).collect();
            // Drawn first: of several values the first, or a gap where it is missing.
            let value = lanes.first().copied().unwrap_or(batch.value[place]);
            let at = Timestamp::from_nanos(batch.at[place]);
            let key = row.entities.get(subject).unwrap_or(&self.stem);
            let entity = self.outcome.columns.label(subject, key);
            traces.add(&entity, Glimpse { at, value, lanes, verdict });
        }
    }

    /// Shows on a terminal that a long file is being worked on.
    fn progress(&mut self) {
        if self.shown.elapsed() < PROGRESS_EVERY || !std::io::stderr().is_terminal() {
            return;
        }
        self.shown = Instant::now();
        let rows = figure::count(self.outcome.rows);
        let found = figure::count(self.outcome.findings.total());
        let line = format!("\r{rows} rows, {found} detections\x1b[K\r");
        // Nobody is harmed by progress that cannot be shown.
        let _ = std::io::stderr().write_all(line.as_bytes());
    }
}

/// Returns what each subject's batch says of a row, whether it was applied or
/// not.
fn opinions<'a>(
    row: &'a Row,
    verdicts: &'a [Vec<Verdict>],
) -> impl Iterator<Item = Opinion<'a>> + 'a {
    let places = row.places.iter().flatten().zip(verdicts).enumerate();
    places.filter_map(|(subject, (place, verdicts))| {
        let place = (*place)? as usize;
        Some(Opinion { subject, place, verdict: verdicts.get(place)? })
    })
}

/// Makes one judgement of several, or says why there is none.
fn rule<'a>(row: &'a Row, verdicts: &'a [Vec<Verdict>]) -> Result<Ruling<'a>, RowReason> {
    let (mut highest, mut refused) = (None::<Opinion<'_>>, None);
    let (mut warming, mut judged) = (true, 0);
    for opinion in opinions(row, verdicts) {
        if let Some(reason) = opinion.verdict.refused {
            refused = refused.or(Some(reason));
            continue;
        }
        judged += 1;
        warming &= opinion.verdict.warming;
        if highest.is_none_or(|highest| opinion.verdict.score > highest.verdict.score) {
            highest = Some(opinion);
        }
    }
    let partly = judged < verdicts.len();
    match highest {
        Some(highest) => Ok(Ruling { highest, warming, partly }),
        // A row that was placed and not applied was refused for a reason.
        None => Err(refused.unwrap_or(RowReason::Late)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(places: [Option<u32>; 2]) -> Row {
        let [first, second] = places;
        Row {
            line: 1,
            time: String::new(),
            value: String::new(),
            entities: Vec::new(),
            gaps: 0,
            places: Ok([first, second, None, None]),
        }
    }

    fn verdict(score: f64, warming: bool) -> Vec<Verdict> {
        vec![Verdict { score, warming, ..Verdict::default() }]
    }

    fn refused(reason: RowReason) -> Vec<Verdict> {
        vec![Verdict { refused: Some(reason), ..Verdict::default() }]
    }

    #[test]
    fn the_highest_rules_and_the_first_of_equal_ones() {
        let row = row([Some(0), Some(0)]);
        let ruled = |first: f64, second: f64| {
            let verdicts = [verdict(first, true), verdict(second, false)];
            let ruling = rule(&row, &verdicts).unwrap();
            assert!(!ruling.warming && !ruling.partly, "the second one is known");
            ruling.highest.subject
        };
        assert_eq!([ruled(0.1, 0.2), ruled(0.2, 0.1), ruled(0.0, 0.0)], [1, 0, 0]);
    }

    #[test]
    fn a_refused_row_is_judged_by_who_did_not_refuse_it() {
        let both = row([Some(0), Some(0)]);
        let verdicts = [refused(RowReason::Late), verdict(0.3, true)];
        let ruling = rule(&both, &verdicts).unwrap();
        assert_eq!((ruling.highest.subject, ruling.partly, ruling.warming), (1, true, true));
        let verdicts = [refused(RowReason::TableFull), refused(RowReason::Late)];
        assert_eq!(rule(&both, &verdicts).unwrap_err(), RowReason::TableFull);
        let verdicts = [Vec::new(), verdict(0.3, false)];
        assert_eq!(rule(&row([None, Some(0)]), &verdicts).unwrap().highest.subject, 1);
    }
}
