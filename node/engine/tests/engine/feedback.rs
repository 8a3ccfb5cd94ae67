//! What labels teach: less of what was wrong, more of what was right, and
//! nothing where nobody said anything.

use via_engine::{Engine, Options, Record, lesson};
use via_types::config::Side;
use via_types::detection::Detection;
use via_types::feedback::{Label, Taught};
use via_types::{EntityHash, LogIndex, Revision, StreamConfig, StreamId};

use crate::feed::{Dice, Fed, Feed, STREAM, event};

/// Steady values of which one in `every` jumps; every second, one event.
fn jumpy(dice: &mut Dice, from: usize, count: usize, every: usize, size: f64) -> Vec<Fed> {
    let mut events = Vec::with_capacity(count);
    for number in from..from + count {
        let jump = if number % every == every - 1 { size } else { 0.0 };
        events.push(event(number as f64, dice.normal(100.0, 1.0) + jump));
    }
    events
}

impl Feed {
    fn say(&mut self, detection: &Detection, label: Option<Label>) -> Taught {
        self.index += 1;
        let at = LogIndex::new(self.index);
        self.engine.learn_label(at, &lesson(detection, label, at))
    }
}

fn newest(feed: &Feed) -> Detection {
    feed.changes.last().expect("something was told").detection().clone()
}

#[test]
fn a_label_states_what_it_changed() {
    let mut feed = Feed::default();
    let mut dice = Dice::new(5);
    feed.feed(&jumpy(&mut dice, 0, 3000, 1500, 9.0));
    let detection = newest(&feed);
    let told = feed.say(&detection, Some(Label::FalseAlarm));
    assert_eq!(told.labels, 1);
    assert!((told.before - detection.score).abs() < 1e-3, "{told:?} {}", detection.score);
    assert!(told.after < told.before);
    let gain = told.gains.iter().find(|gain| gain.detector == detection.detector);
    let gain = gain.expect("every detector is told");
    assert!(gain.before == 1.0 && gain.after < 0.95, "{gain:?}");
    let back = feed.say(&detection, None);
    assert_eq!((back.labels, back.after), (0, told.before));
    let right = feed.say(&detection, Some(Label::Confirmed));
    assert!(right.after > right.before);
}

#[test]
fn what_labels_change_is_a_term_of_its_own_and_what_is_promised_holds() {
    let mut choosy = StreamConfig::default();
    choosy.threshold.direction = Side::Above;
    for config in [StreamConfig::default(), choosy] {
        terms_and_promises(&config);
    }
}

fn terms_and_promises(config: &StreamConfig) {
    let mut feed = Feed::new(config);
    let mut dice = Dice::new(6);
    feed.feed(&jumpy(&mut dice, 0, 3200, 1500, 9.0));
    let detection = newest(&feed);
    for label in [Label::Confirmed, Label::FalseAlarm] {
        feed.say(&detection, Some(label));
        let mut probe = feed.clone();
        probe.one(event(3200.5, 130.0));
        let told = newest(&probe);
        assert_ne!(told.id, detection.id);
        let sum: f64 = told.contributions.iter().map(|term| term.evidence).sum();
        assert!((sum - told.evidence).abs() < 1e-9);
        let labels = told.contributions.last().expect("terms");
        assert_eq!(labels.feature, "labels of people");
        assert_eq!(labels.evidence > 0.0, label == Label::Confirmed);
        let again = lesson(&told, None, LogIndex::new(9));
        assert!((again.evidence - (told.evidence - labels.evidence)).abs() < 1e-9);
        let promised = told.counterfactual.expect("the value alone deviates");
        let mut probe = feed.clone();
        let score = f64::from(probe.one(event(3200.5, promised.value)));
        assert!((score - promised.score).abs() < 0.01, "{score} {promised:?}");
        assert!(score < told.threshold);
    }
}

#[test]
fn a_hundred_false_alarms_of_one_kind_make_it_rarer_while_others_are_found() {
    let run = |is_taught: bool| {
        let mut feed = Feed::default();
        let mut dice = Dice::new(7);
        feed.feed(&jumpy(&mut dice, 0, 4000, 4001, 0.0));
        for _ in 0..100 {
            feed.feed(&jumpy(&mut dice, feed.index as usize * 64, 64, 1 << 20, 0.0));
        }
        let at = feed.engine.profile(STREAM, crate::feed::hash("e")).expect("known").last;
        let at = at.as_nanos() as f64 / 1e9;
        let told = |feed: &Feed, value: f64| {
            let mut probe = feed.clone();
            let known = probe.changes.len();
            probe.one(event(at + 1.0, value));
            (probe.changes.len() > known).then(|| newest(&probe))
        };
        let mut least = 103.0;
        let wrong = loop {
            least += 0.25;
            if let Some(found) = told(&feed, least) {
                break found;
            }
        };
        for number in 0..100u32 {
            let mut one = wrong.clone();
            one.id.offset = number;
            if is_taught {
                feed.say(&one, Some(Label::FalseAlarm));
            }
        }
        let mut crowd = feed.clone();
        let calm = |number: u32| event(at + 1.0 + 0.01 * f64::from(number), 100.0);
        crowd.feed(&(0..600).map(calm).collect::<Vec<_>>());
        let is_of_others = |found: &Detection| found.detector != wrong.detector;
        let is_crowd_told = crowd.changes.iter().any(|change| is_of_others(change.detection()));
        (told(&feed, least).is_some(), told(&feed, 140.0).is_some(), is_crowd_told)
    };
    assert_eq!(run(false), (true, true, true));
    assert_eq!(run(true), (false, true, true), "jump like those, large jump, crowd");
}

#[test]
fn labels_that_were_taken_back_leave_no_trace() {
    let mut dice = Dice::new(8);
    let events = jumpy(&mut dice, 0, 6000, 700, 8.0);
    let run = |is_labelled: bool| {
        let mut feed = Feed::default();
        feed.feed(&events[..3008]);
        if is_labelled {
            let detection = newest(&feed);
            feed.say(&detection, Some(Label::FalseAlarm));
            feed.say(&detection, None);
        }
        feed.feed(&events[3008..]);
        feed.scores.iter().map(|score| score.to_bits()).collect::<Vec<_>>()
    };
    assert_eq!(run(false), run(true));
}

/// The habits of the stream as they rest.
fn habits(engine: &mut Engine) -> Option<(StreamId, EntityHash, Record)> {
    let mut found = None;
    engine.begin_round();
    while engine.export(64, &mut |stream, entity, record| {
        if entity == EntityHash::from_parts(u64::MAX, u64::MAX) {
            found = Some((stream, entity, record));
        }
    }) > 0
    {}
    found
}

#[test]
fn labels_rest_with_the_habits_and_replay_counts_none_twice() {
    let mut feed = Feed::default();
    let mut dice = Dice::new(9);
    feed.feed(&jumpy(&mut dice, 0, 3000, 1500, 9.0));
    let detection = newest(&feed);
    let at = LogIndex::new(feed.index + 1);
    feed.say(&detection, Some(Label::FalseAlarm));
    let (stream, entity, record) = habits(&mut feed.engine).expect("they changed");
    let mut again = Engine::new(Options::default());
    again.configure(STREAM, Revision::new(5), &StreamConfig::default());
    assert_eq!(again.missing_habits(STREAM), Some(entity));
    assert!(again.restore(stream, entity, at, record));
    // The same entry, and an older word on the same detection, come again.
    let told = again.learn_label(at, &lesson(&detection, Some(Label::FalseAlarm), at));
    assert_eq!(told.labels, 1);
    assert!(habits(&mut again).is_none(), "nothing is new");
    let next = LogIndex::new(at.get() + 1);
    let told = again.learn_label(next, &lesson(&detection, Some(Label::Confirmed), next));
    let same = feed.engine.learn_label(next, &lesson(&detection, Some(Label::Confirmed), next));
    assert_eq!(told, same);
    let rests = habits(&mut again).expect("they changed").2;
    assert_eq!(rests, habits(&mut feed.engine).expect("they changed").2, "bit for bit");
}
