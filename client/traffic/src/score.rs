//! How good a detector was, by the attacks that really took place.
//!
//! A finding is true when it began, or was at its worst, during an attack on
//! its entity (with some grace around it); an attack is found by its first
//! true finding. Precision counts findings, recall counts attacks.

use std::collections::BTreeSet;

use crate::{Attack, Stream, Strike};

/// What a detector said.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// The stream's name.
    pub stream: String,
    /// About whom.
    pub entity: String,
    /// Event time at which it began, nanoseconds since the epoch.
    pub started_nanos: i64,
    /// Event time of its highest score.
    pub peaked_nanos: i64,
    /// Event time reached when it was first told.
    pub told_nanos: i64,
}

/// How one attack fared.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AttackVerdict {
    /// The attack.
    pub strike: Strike,
    /// True findings about it.
    pub findings: u32,
    /// From its start to the first of them, nanoseconds; none when missed.
    pub delay_nanos: Option<i64>,
}

/// How a detector fared.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Verdict {
    /// One per attack that began, in order of time.
    pub attacks: Vec<AttackVerdict>,
    /// Findings about an attack.
    pub true_findings: u32,
    /// Findings about nothing.
    pub false_findings: u32,
}

/// Collects attacks and findings, then judges.
#[derive(Clone, Debug)]
pub struct Scorer {
    grace_nanos: i64,
    strikes: Vec<Strike>,
    findings: Vec<Finding>,
}

impl Scorer {
    /// Makes a scorer that grants `grace_nanos` before and after each attack:
    /// detectors date findings by windows, and an attack's end is a change too.
    pub fn new(grace_nanos: i64) -> Self {
        Self { grace_nanos: grace_nanos.max(0), strikes: Vec::new(), findings: Vec::new() }
    }

    /// Adds an attack.
    pub fn strike(&mut self, strike: Strike) {
        self.strikes.push(strike);
    }

    /// Adds a finding; findings about streams that are not this library's are
    /// for others to judge and are ignored.
    pub fn finding(&mut self, finding: Finding) {
        if Stream::from_name(&finding.stream).is_some() {
            self.findings.push(finding);
        }
    }

    /// Says whether a finding is about one of the attacks, and which.
    pub fn cause(&self, finding: &Finding) -> Option<Attack> {
        self.matching(finding).next().map(|(_, strike)| strike.attack)
    }

    /// Judges everything up to `horizon_nanos`; attacks that had not begun by
    /// then do not count.
    pub fn verdict(&self, horizon_nanos: i64) -> Verdict {
        let mut verdict = Verdict::default();
        let mut found: Vec<(u32, Option<i64>)> = vec![(0, None); self.strikes.len()];
        for finding in &self.findings {
            let mut is_true = false;
            for (index, strike) in self.matching(finding) {
                is_true = true;
                let (findings, delay) = &mut found[index];
                *findings += 1;
                let seen = self.delay(strike, finding);
                *delay = Some(delay.map_or(seen, |earlier| earlier.min(seen)));
            }
            if is_true {
                verdict.true_findings += 1;
            } else {
                verdict.false_findings += 1;
            }
        }
        for (strike, (findings, delay_nanos)) in self.strikes.iter().zip(found) {
            if strike.start_nanos < horizon_nanos {
                verdict.attacks.push(AttackVerdict { strike: *strike, findings, delay_nanos });
            }
        }
        verdict.attacks.sort_by_key(|attack| attack.strike.start_nanos);
        verdict
    }

    fn matching(&self, finding: &Finding) -> impl Iterator<Item = (usize, &Strike)> {
        let stream = Stream::from_name(&finding.stream);
        self.strikes.iter().enumerate().filter(move |(_, strike)| {
            stream.is_some_and(|stream| strike.attack.touches(stream, &finding.entity))
                && (self.is_during(strike, finding.started_nanos)
                    || self.is_during(strike, finding.peaked_nanos))
        })
    }

    fn is_during(&self, strike: &Strike, at_nanos: i64) -> bool {
        at_nanos >= strike.start_nanos.saturating_sub(self.grace_nanos)
            && at_nanos < strike.end_nanos.saturating_add(self.grace_nanos)
    }

    /// A finding that was open before the attack is credited from the time it
    /// grew worst, not from when it was told.
    fn delay(&self, strike: &Strike, finding: &Finding) -> i64 {
        let seen = if self.is_during(strike, finding.started_nanos) {
            finding.told_nanos
        } else {
            finding.peaked_nanos.max(finding.told_nanos)
        };
        seen.saturating_sub(strike.start_nanos).max(0)
    }
}

impl Verdict {
    /// Returns the share of findings that were true; none without findings.
    pub fn precision(&self) -> Option<f64> {
        ratio(self.true_findings, self.true_findings + self.false_findings)
    }

    /// Returns the share of attacks that were found; none without attacks.
    pub fn recall(&self) -> Option<f64> {
        let found = self.attacks.iter().filter(|attack| attack.delay_nanos.is_some()).count();
        ratio(found as u32, self.attacks.len() as u32)
    }

    /// Returns the harmonic mean of precision and recall; none without attacks.
    pub fn f1(&self) -> Option<f64> {
        let recall = self.recall()?;
        let precision = self.precision().unwrap_or(0.0);
        let sum = precision + recall;
        Some(if sum > 0.0 { 2.0 * precision * recall / sum } else { 0.0 })
    }

    /// Returns the attacks of which at least one was missed.
    pub fn missed(&self) -> BTreeSet<Attack> {
        let missed = self.attacks.iter().filter(|attack| attack.delay_nanos.is_none());
        missed.map(|attack| attack.strike.attack).collect()
    }
}

fn ratio(part: u32, whole: u32) -> Option<f64> {
    (whole > 0).then(|| f64::from(part) / f64::from(whole))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(start_nanos: i64, end_nanos: i64) -> Strike {
        Strike { attack: Attack::PortScan, start_nanos, end_nanos, intensity: 1.0 }
    }

    fn finding(entity: &str, started_nanos: i64, peaked_nanos: i64) -> Finding {
        Finding {
            stream: "net-flows".to_owned(),
            entity: entity.to_owned(),
            started_nanos,
            peaked_nanos,
            told_nanos: started_nanos + 3,
        }
    }

    #[test]
    fn one_true_one_false_one_missed() {
        let mut scorer = Scorer::new(0);
        scorer.strike(scan(100, 200));
        scorer.strike(scan(300, 400));
        scorer.finding(finding("web-3", 110, 120));
        scorer.finding(finding("web-1", 110, 120));
        let verdict = scorer.verdict(1_000);
        assert_eq!((verdict.true_findings, verdict.false_findings), (1, 1));
        assert_eq!(verdict.attacks[0].delay_nanos, Some(13));
        assert_eq!(verdict.attacks[1].delay_nanos, None);
        assert_eq!(verdict.precision(), Some(0.5));
        assert_eq!(verdict.recall(), Some(0.5));
        assert_eq!(verdict.f1(), Some(0.5));
        assert_eq!(verdict.missed(), BTreeSet::from([Attack::PortScan]));
    }

    #[test]
    fn grace_reaches_around_an_attack_and_no_further() {
        let mut scorer = Scorer::new(10);
        scorer.strike(scan(100, 200));
        for (started, is_true) in [(89, false), (90, true), (209, true), (210, false)] {
            let cause = scorer.cause(&finding("web-3", started, started));
            assert_eq!(cause.is_some(), is_true, "at {started}");
        }
    }

    #[test]
    fn what_was_open_before_counts_from_when_it_peaked() {
        let mut scorer = Scorer::new(0);
        scorer.strike(scan(100, 200));
        scorer.finding(finding("web-3", 10, 150));
        assert_eq!(scorer.verdict(1_000).attacks[0].delay_nanos, Some(50));
    }

    #[test]
    fn attacks_that_had_not_begun_do_not_count() {
        let mut scorer = Scorer::new(0);
        scorer.strike(scan(100, 200));
        assert_eq!(scorer.verdict(100).recall(), None);
        assert_eq!(scorer.verdict(101).recall(), Some(0.0));
    }

    #[test]
    fn findings_of_other_streams_are_not_judged() {
        let mut scorer = Scorer::new(0);
        scorer.finding(Finding { stream: "machine".to_owned(), ..finding("web-3", 1, 1) });
        assert_eq!(scorer.verdict(10), Verdict::default());
        assert_eq!(scorer.verdict(10).f1(), None);
    }

    #[test]
    fn a_silent_detector_has_no_precision_and_scores_zero() {
        let mut scorer = Scorer::new(0);
        scorer.strike(scan(100, 200));
        let verdict = scorer.verdict(1_000);
        assert_eq!((verdict.precision(), verdict.f1()), (None, Some(0.0)));
    }
}
