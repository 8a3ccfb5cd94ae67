use proptest::prelude::*;
use via_types::config::Method;
use via_types::{DetectionId, Direction, LogIndex, Revision, ShardId, StreamConfig, StreamId};

use super::*;

fn plan() -> Plan {
    Plan::of(Revision::default(), &StreamConfig::default())
}

/// A label of the `index`th detection, whose evidence is all of one detector.
fn said(index: u64, label: Option<Label>, detector: Detector, evidence: f64) -> Lesson {
    Lesson {
        stream: StreamId::new(1),
        id: DetectionId { shard: ShardId::new(2), index: LogIndex::new(index), offset: 0 },
        entity: "e".to_owned(),
        label,
        evidence,
        parts: vec![(detector, evidence)],
        detector,
        direction: Direction::Above,
        last: Timestamp::from_nanos(5),
        version: LogIndex::new(index),
    }
}

fn taught(lessons: impl IntoIterator<Item = Lesson>) -> Meta {
    let mut meta = Meta::default();
    lessons.into_iter().for_each(|lesson| meta.learn(&lesson));
    meta
}

const VOLUME: usize = Detector::Volume as usize;
const BURST: usize = Detector::Burst as usize;

#[test]
fn without_labels_nothing_changes() {
    let meta = Meta::default();
    assert!(!meta.is_taught());
    for number in 0..DETECTORS {
        assert_eq!(meta.gain_of(number), 1.0);
    }
    for evidence in [0.0f32, 1.9, 2.1, 4.2, 29.9] {
        assert_eq!(corrected(evidence, meta.gain_of(0), ORDINARY).to_bits(), evidence.to_bits());
    }
}

#[test]
fn a_hundred_false_alarms_of_one_kind_leave_the_others_found() {
    let wrong = |index| said(index, Some(Label::FalseAlarm), Detector::Volume, 5.0);
    let meta = taught((1..=100).map(wrong));
    assert!(meta.gain_of(VOLUME) < 0.6, "{}", meta.gain_of(VOLUME));
    assert!(meta.gain_of(BURST) > 0.93, "{}", meta.gain_of(BURST));
    let score = |detector, evidence| meta.score(&said(999, None, detector, evidence), &plan());
    assert!(score(Detector::Volume, 5.0) < 0.5, "what was told is no longer told");
    assert!(score(Detector::Volume, 8.0) > 0.5, "what is far beyond it still is");
    assert!(score(Detector::Burst, 4.5) > 0.5);
}

#[test]
fn one_label_changes_a_little_and_more_change_more() {
    let gain = |count: u64, label| {
        let lesson = |index| said(index, Some(label), Detector::Volume, 5.0);
        taught((0..count).map(lesson)).gain_of(VOLUME)
    };
    let wrong: Vec<f64> = [1, 3, 10, 30].map(|count| gain(count, Label::FalseAlarm)).into();
    assert!((0.8..0.95).contains(&wrong[0]), "{wrong:?}");
    assert!(wrong.is_sorted_by(|a, b| a > b), "{wrong:?}");
    let right: Vec<f64> = [1, 3, 10, 30].map(|count| gain(count, Label::Confirmed)).into();
    assert!((1.05..1.2).contains(&right[0]), "{right:?}");
    assert!(right.is_sorted_by(|a, b| a < b), "{right:?}");
}

#[test]
fn where_large_ones_are_right_and_small_ones_wrong_size_tells() {
    let mut lessons = Vec::new();
    for index in 0..20 {
        lessons.push(said(2 * index, Some(Label::FalseAlarm), Detector::Volume, 4.4));
        lessons.push(said(2 * index + 1, Some(Label::Confirmed), Detector::Volume, 9.0));
    }
    let meta = taught(lessons);
    let gain = |evidence| meta.gain(&Held::of(&said(0, None, Detector::Volume, evidence)).terms());
    assert!(gain(4.4) < 0.9 && gain(9.0) > 1.1, "{} {}", gain(4.4), gain(9.0));
}

#[test]
fn the_last_label_of_a_detection_wins_and_it_can_be_taken_back() {
    let say = |version, label| Lesson {
        version: LogIndex::new(version),
        ..said(7, label, Detector::Volume, 5.0)
    };
    let wrong = taught([say(1, Some(Label::FalseAlarm))]);
    let mut meta = taught([say(1, Some(Label::Confirmed))]);
    let right = meta.clone();
    meta.learn(&say(2, Some(Label::FalseAlarm)));
    assert_eq!(meta.weights, wrong.weights);
    meta.learn(&say(1, Some(Label::Confirmed)));
    assert_eq!(meta.weights, wrong.weights, "an older one that comes late changes nothing");
    let before = meta.clone();
    meta.learn(&say(2, Some(Label::FalseAlarm)));
    assert_eq!(meta, before, "said twice is said once");
    meta.learn(&say(3, None));
    assert!(!meta.is_taught());
    assert_eq!(meta.weights, Meta::default().weights);
    meta.learn(&say(4, Some(Label::Confirmed)));
    assert_eq!(meta.weights, right.weights);
}

#[test]
fn what_is_expected_is_expected_of_that_entity_that_way_and_for_a_time() {
    let mut meta = taught([said(1, Some(Label::Expected), Detector::Volume, 6.0)]);
    let mut hot = Hot::zeroed();
    hot.low = EntityHash::of(StreamId::new(1), "e").low();
    let evidence = |meta: &Meta, hot: &Hot, z: f64, at: i64| {
        let mut verdict = Judgement { evidence: 6.0, plain_evidence: 6.0, ..Judgement::default() };
        verdict.odds[Feature::Rate as usize] = 1e6;
        verdict.weights[Feature::Rate as usize] = 1.0;
        let counted = crate::detector::volume::Counted { z, ..Default::default() };
        verdict.closing.rate = Some(counted);
        meta.correct(&mut verdict, (hot, &Cold::default(), &plan()), at);
        verdict.evidence
    };
    let week = limit::EXPECTED_SECS as i64 * 1_000_000_000;
    assert_eq!(evidence(&meta, &hot, 9.0, 6), 3.0);
    assert!(evidence(&meta, &hot, -9.0, 6) > 5.5, "the other way is another thing");
    assert!(evidence(&meta, &hot, 9.0, 6 + week) > 5.5, "it does not last for ever");
    let other = Hot { low: 1, ..hot };
    assert!(evidence(&meta, &other, 9.0, 6) > 5.5, "nor is it expected of others");
    meta.learn(&Lesson { version: LogIndex::new(9), ..said(1, None, Detector::Volume, 6.0) });
    assert!(evidence(&meta, &hot, 9.0, 6) == 6.0);
}

#[test]
fn a_low_threshold_can_be_taught_too() {
    let mut config = StreamConfig::default();
    config.threshold.method = Method::Ensemble(0.2);
    let plan = Plan::of(Revision::default(), &config);
    let wrong = |index| said(index, Some(Label::FalseAlarm), Detector::Volume, 1.5);
    let mut meta = taught((0..40).map(wrong));
    let told = meta.be_taught(&wrong(50), &plan);
    assert!(told.after < 0.2, "{told:?}");
}

fn any_lesson() -> impl Strategy<Value = Lesson> {
    let label = prop::option::of(prop::sample::select(Label::ALL.to_vec()));
    let detector = prop::sample::select(Detector::ALL.to_vec());
    (0u64..80, label, detector, 0f64..40.0, 0f64..9.0).prop_map(
        |(index, label, detector, evidence, rest)| {
            let mut lesson = said(index, label, detector, evidence);
            lesson.parts.push((Detector::Distribution, rest));
            lesson
        },
    )
}

proptest! {
    #[test]
    fn gains_stay_within_their_bounds_and_evidence_in_its_order(
        lessons in prop::collection::vec(any_lesson(), 0..150),
        low in 0f32..30.0,
        high in 0f32..30.0,
    ) {
        let meta = taught(lessons);
        prop_assert!(meta.labels.len() <= limit::LABELS);
        prop_assert!(usize::from(meta.said) <= meta.labels.len());
        let again = Meta::open(meta.at_rest());
        prop_assert_eq!(again.as_ref(), Some(&meta), "what rests is all there is");
        for number in 0..DETECTORS {
            let gain = |evidence: f32| {
                let mut terms = [0.0; TERMS];
                terms[number] = 1.0;
                terms[COMMON] = 1.0;
                terms[SIZE] = size_of_evidence(f64::from(evidence));
                meta.gain(&terms)
            };
            prop_assert!((0.5..=1.5).contains(&gain(low)));
            let (low, high) = (low.min(high), low.max(high));
            let corrected = |evidence| corrected(evidence, gain(evidence), ORDINARY);
            prop_assert!(corrected(low) <= corrected(high) + 1e-5, "more stays more");
        }
    }

    #[test]
    fn what_is_learned_follows_from_the_labels_in_force(
        lessons in prop::collection::vec(any_lesson(), 0..60),
    ) {
        let mut numbered = lessons;
        for (number, lesson) in numbered.iter_mut().enumerate() {
            lesson.version = LogIndex::new(number as u64);
            // Fewer than are held: none is forgotten.
            lesson.id.index = LogIndex::new(lesson.id.index.get() % 40);
        }
        let whole = taught(numbered.iter().cloned());
        let is_last = |at: usize| numbered[at + 1..].iter().all(|next| next.id != numbered[at].id);
        let last = (0..numbered.len()).filter(|at| is_last(*at)).map(|at| numbered[at].clone());
        let brief = taught(last);
        for (a, b) in whole.weights.iter().zip(brief.weights) {
            prop_assert!((a - b).abs() < 1e-4, "{:?} {:?}", whole.weights, brief.weights);
        }
    }
}
