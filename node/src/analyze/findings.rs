//! The detections of one file: numbered as they open, kept as they stand. The
//! highest are kept whole, the rest are counted (invariant D-6).

use std::collections::{BTreeMap, HashMap};

use via_types::detection::{Change, State};
use via_types::{Detection, DetectionId};

/// Detections kept whole.
const KEPT: usize = 1_000;

/// What was detected so far.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    total: u64,
    /// Numbers of the detections that may still be spoken of.
    numbers: HashMap<DetectionId, u64>,
    closed: Vec<DetectionId>,
    kept: BTreeMap<u64, Detection>,
}

impl Findings {
    /// Takes note of a new or grown detection; `entity` is what it is about, as
    /// it is shown.
    pub(crate) fn note(&mut self, change: &Change, entity: &str) {
        let detection = change.detection();
        let number = match self.numbers.get(&detection.id) {
            Some(number) => *number,
            None => {
                self.total += 1;
                self.numbers.insert(detection.id, self.total);
                self.kept.insert(self.total, detection.clone());
                self.total
            }
        };
        if let Some(kept) = self.kept.get_mut(&number) {
            kept.clone_from(detection);
            entity.clone_into(&mut kept.entity);
        }
        if detection.state == State::Closed {
            self.closed.push(detection.id);
        }
        if self.kept.len() > 2 * KEPT {
            self.drop_lower_half();
        }
    }

    /// Returns the number of a detection of the rows judged last.
    pub(crate) fn number(&self, id: DetectionId) -> Option<u64> {
        self.numbers.get(&id).copied()
    }

    /// Forgets the numbers of detections that have ended: no later row
    /// belongs to them.
    pub(crate) fn settle(&mut self) {
        for id in self.closed.drain(..) {
            self.numbers.remove(&id);
        }
    }

    /// Returns how many there were.
    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    /// Returns up to `most` of the highest, highest first.
    pub(crate) fn highest(&self, most: usize) -> Vec<(u64, &Detection)> {
        let mut all: Vec<_> = self.kept.iter().map(|(number, kept)| (*number, kept)).collect();
        all.sort_by(|(a, one), (b, other)| {
            let by_evidence = other.evidence.total_cmp(&one.evidence);
            other.score.total_cmp(&one.score).then(by_evidence).then(a.cmp(b))
        });
        all.truncate(most);
        all
    }

    fn drop_lower_half(&mut self) {
        let keep: Vec<u64> = self.highest(KEPT).into_iter().map(|(number, _)| number).collect();
        let mut kept = std::mem::take(&mut self.kept);
        self.kept = keep
            .into_iter()
            .filter_map(|number| kept.remove(&number).map(|detection| (number, detection)))
            .collect();
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use via_types::{
        Detector, Direction, LogIndex, Revision, Severity, ShardId, StreamId, Timestamp,
    };

    use super::*;

    /// A detection that says little; tests set what they are about.
    pub(crate) fn detection(index: u64, score: f64) -> Detection {
        Detection {
            id: DetectionId { shard: ShardId::new(0), index: LogIndex::new(index), offset: 0 },
            stream: StreamId::new(1),
            entity: "cpu".to_owned(),
            started: Timestamp::from_nanos(0),
            peaked: Timestamp::from_nanos(0),
            last: Timestamp::from_nanos(0),
            state: State::Open,
            events: 1,
            score,
            evidence: 5.0,
            threshold: 0.5,
            severity: Severity::High,
            detector: Detector::Distribution,
            direction: Direction::Above,
            value: 9.0,
            expected: None,
            percentile: None,
            contributions: Vec::new(),
            context: Vec::new(),
            similar: Vec::new(),
            counterfactual: None,
            actions: Vec::new(),
            reason: "9 where 1 to 2 is normal".to_owned(),
            attributes: String::new(),
            revision: Revision::new(1),
            engine: 1,
        }
    }

    #[test]
    fn a_detection_keeps_its_number_while_it_grows() {
        let mut findings = Findings::default();
        findings.note(&Change::Opened(Box::new(detection(1, 0.6))), "cpu");
        findings.note(&Change::Opened(Box::new(detection(2, 0.7))), "cpu");
        let mut grown = detection(1, 0.9);
        grown.state = State::Closed;
        findings.note(&Change::Grown(Box::new(grown.clone())), "host=cpu");
        assert_eq!(findings.number(grown.id), Some(1));
        findings.settle();
        assert_eq!(findings.number(grown.id), None);
        let highest = findings.highest(9);
        assert_eq!((highest[0].0, highest[0].1.score), (1, 0.9));
        assert_eq!(highest[0].1.entity, "host=cpu");
        assert_eq!(findings.total(), 2);
    }

    #[test]
    fn the_highest_are_kept_and_all_are_counted() {
        let mut findings = Findings::default();
        for index in 0..5_000 {
            let opened = Change::Opened(Box::new(detection(index, index as f64 / 5_000.0)));
            findings.note(&opened, "cpu");
        }
        assert_eq!(findings.total(), 5_000);
        assert!(findings.kept.len() <= 2 * KEPT);
        assert_eq!(findings.highest(1)[0].0, 5_000);
    }
}
