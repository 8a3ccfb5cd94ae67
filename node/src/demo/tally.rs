//! What was detected against what truly happened. Owns the books of one run;
//! the rules of judgement are the traffic library's.

use std::collections::BTreeMap;

use via_traffic::{Attack, Finding, Scorer, Stream, Strike, Verdict};

use super::watch::Sighting;

/// How far a finding may lie outside of its attack: windows date it, and the
/// end of an attack is a change too.
const GRACE_NANOS: i64 = 30 * 1_000_000_000;
/// An attack this young when all ends is not held against the detector.
const YOUNG_NANOS: i64 = 10 * 1_000_000_000;
/// Detections remembered; those of later ones that grow are not corrected.
const REMEMBERED: usize = 100_000;

/// The books of one run.
#[derive(Debug)]
pub(crate) struct Tally {
    findings: BTreeMap<String, Finding>,
    strikes: Vec<Strike>,
    live_nanos: i64,
    /// Detections in the shop's history, which holds no attacks.
    in_history: u64,
    about_machine: u64,
}

/// What a sighting is, when it is told for the first time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum News {
    /// About this machine: nobody knows the truth.
    Machine,
    /// While learning, when nothing was wrong.
    History,
    /// An attack that is going on.
    True(Attack),
    /// Nothing was wrong.
    False,
}

impl Tally {
    /// Opens the books; no attack has begun before `live_nanos`.
    pub(crate) fn new(live_nanos: i64) -> Self {
        Self {
            findings: BTreeMap::new(),
            strikes: Vec::new(),
            live_nanos,
            in_history: 0,
            about_machine: 0,
        }
    }

    /// Says that history ends later than thought.
    pub(crate) fn go_live(&mut self, live_nanos: i64) {
        self.live_nanos = live_nanos;
    }

    /// Adds attacks that are planned.
    pub(crate) fn plan(&mut self, strikes: Vec<Strike>) {
        self.strikes.extend(strikes);
    }

    /// Takes note of a sighting; returns what it is when it is new.
    pub(crate) fn note(&mut self, sighting: &Sighting, told_nanos: i64) -> Option<News> {
        let nanos = |at: jiff::Timestamp| i64::try_from(at.as_nanosecond()).unwrap_or(i64::MAX);
        if let Some(known) = self.findings.get_mut(&sighting.id) {
            known.peaked_nanos = nanos(sighting.peaked);
            return None;
        }
        if self.findings.len() >= REMEMBERED {
            return None;
        }
        let finding = Finding {
            stream: sighting.stream.clone(),
            entity: sighting.entity.clone(),
            started_nanos: nanos(sighting.started),
            peaked_nanos: nanos(sighting.peaked),
            told_nanos,
        };
        let news = if Stream::from_name(&finding.stream).is_none() {
            self.about_machine += 1;
            News::Machine
        } else if finding.started_nanos < self.live_nanos {
            self.in_history += 1;
            News::History
        } else {
            self.scorer().cause(&finding).map_or(News::False, News::True)
        };
        self.findings.insert(sighting.id.clone(), finding);
        Some(news)
    }

    /// Judges the run so far, history left out.
    pub(crate) fn verdict(&self, now_nanos: i64) -> Verdict {
        let mut scorer = self.scorer();
        for finding in self.findings.values() {
            if finding.peaked_nanos >= self.live_nanos {
                scorer.finding(finding.clone());
            }
        }
        scorer.verdict(now_nanos - YOUNG_NANOS)
    }

    /// Returns how many detections there were in the history.
    pub(crate) fn in_history(&self) -> u64 {
        self.in_history
    }

    /// Returns how many detections were about this machine.
    pub(crate) fn about_machine(&self) -> u64 {
        self.about_machine
    }

    fn scorer(&self) -> Scorer {
        let mut scorer = Scorer::new(GRACE_NANOS);
        for strike in &self.strikes {
            scorer.strike(*strike);
        }
        scorer
    }
}

#[cfg(test)]
mod tests {
    use via_types::Severity;

    use super::*;

    const SECOND: i64 = 1_000_000_000;

    fn sighting(id: &str, stream: &str, entity: &str, second: i64) -> Sighting {
        let at = jiff::Timestamp::from_second(second).unwrap();
        Sighting {
            id: id.to_owned(),
            stream: stream.to_owned(),
            entity: entity.to_owned(),
            started: at,
            peaked: at,
            score: 0.9,
            severity: Severity::High,
            reason: String::new(),
        }
    }

    #[test]
    fn each_sighting_is_judged_once_by_what_truly_happened() {
        let mut tally = Tally::new(1_000 * SECOND);
        tally.plan(vec![Strike {
            attack: Attack::PortScan,
            start_nanos: 1_100 * SECOND,
            end_nanos: 1_160 * SECOND,
            intensity: 1.0,
        }]);
        let told = 1_110 * SECOND;
        let scan = sighting("d1", "net-flows", "web-3", 1_105);
        assert_eq!(tally.note(&scan, told), Some(News::True(Attack::PortScan)));
        assert_eq!(tally.note(&scan, told), None, "it grew");
        let calm = sighting("d2", "net-flows", "web-1", 1_105);
        assert_eq!(tally.note(&calm, told), Some(News::False));
        let early = sighting("d3", "net-flows", "web-1", 900);
        assert_eq!(tally.note(&early, told), Some(News::History));
        let own = sighting("d4", "machine-cpu", "core 0", 1_105);
        assert_eq!(tally.note(&own, told), Some(News::Machine));
        let verdict = tally.verdict(1_200 * SECOND);
        assert_eq!((verdict.true_findings, verdict.false_findings), (1, 1));
        assert_eq!(verdict.recall(), Some(1.0));
        assert_eq!(verdict.attacks[0].delay_nanos, Some(10 * SECOND));
        assert_eq!((tally.in_history(), tally.about_machine()), (1, 1));
        assert_eq!(tally.verdict(1_109 * SECOND).recall(), None, "too young to be judged");
    }
}
