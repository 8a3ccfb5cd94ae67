//! What an entity is remembered by: detections like another, its first events,
//! and what its owner knows of time.

use via_engine::Record;
use via_types::calendar::{BusinessHours, CalendarEvent, Every};
use via_types::detection::Change;
use via_types::{Detection, LogIndex, StreamConfig};

use crate::feed::{Dice, Feed, MONDAY, STREAM, event, hash};

/// Feeds `count` normal events a second apart, every 300th wildly high.
fn feed_spikes(feed: &mut Feed, dice: &mut Dice, from: usize, count: usize) {
    for number in from..from + count {
        let value = if number % 300 == 299 { 900.0 } else { dice.normal(100.0, 5.0) };
        feed.one(event(MONDAY + number as f64, value));
    }
}

fn spikes(feed: &Feed) -> Vec<&Detection> {
    feed.opened().into_iter().filter(|found| found.value == 900.0).collect()
}

#[test]
fn detections_name_those_before_that_were_like_them() {
    let mut feed = Feed::default();
    feed_spikes(&mut feed, &mut Dice::new(1), 0, 3000);
    let found = spikes(&feed);
    assert!(found.len() >= 3, "{}", found.len());
    assert!(found[0].similar.is_empty());
    for (number, one) in found.iter().enumerate().skip(1) {
        assert!(!one.similar.is_empty() && one.similar.len() <= 5, "{number}");
        assert!(one.similar.is_sorted_by(|a, b| a.similarity >= b.similarity));
        let first = one.similar[0];
        assert!(found[..number].iter().any(|before| before.id == first.id));
        assert!((0.3..=1.0).contains(&first.similarity) && first.score >= 0.5);
        assert!(first.at < one.started);
        assert!(one.context.iter().any(|phrase| phrase.text.contains("like it before")));
    }
}

#[test]
fn what_is_remembered_survives_rest() {
    let mut stayed = Feed::default();
    let mut dice = Dice::new(2);
    feed_spikes(&mut stayed, &mut dice, 0, 1600);
    let mut back = Feed::default();
    let mut records: Vec<(_, _, Record)> = Vec::new();
    stayed.engine.begin_round();
    stayed.engine.export(usize::MAX, &mut |stream, entity, record| {
        records.push((stream, entity, record));
    });
    for (stream, entity, record) in records {
        let bytes = via_codec::encode(via_codec::Kind::Profile, &record);
        let record = via_codec::decode(via_codec::Kind::Profile, &bytes).unwrap();
        assert!(back.engine.restore(stream, entity, LogIndex::new(stayed.index), record));
    }
    back.index = stayed.index;
    let mut again = dice.clone();
    let told = stayed.changes.len();
    feed_spikes(&mut stayed, &mut dice, 1600, 600);
    feed_spikes(&mut back, &mut again, 1600, 600);
    assert_eq!(&stayed.changes[told..], &back.changes[..]);
    assert!(spikes(&back).iter().all(|found| !found.similar.is_empty()));
    let series = |feed: &Feed| feed.engine.series(STREAM, hash("e"), 100);
    assert_eq!(series(&stayed), series(&back));
}

#[test]
fn a_young_entity_has_a_series_from_its_first_event_on() {
    let mut feed = Feed::default();
    for number in 0..40usize {
        feed.one(event(MONDAY + number as f64 * 60.0, number as f64));
        let series = feed.engine.series(STREAM, hash("e"), 100).unwrap();
        let count: f64 = series.iter().map(|point| point.count).sum();
        assert!((count - (number + 1) as f64).abs() < 0.2, "{number}: {series:?}");
        assert!(series.is_sorted_by(|a, b| a.at <= b.at), "{number}: {series:?}");
        assert!(series.len() >= (number + 1).min(6), "{number}: {series:?}");
        assert!((series[0].mean).abs() < 0.2);
    }
}

#[test]
fn what_is_in_the_calendar_is_said_and_changes_no_score() {
    let monday = |config: &StreamConfig| {
        let mut feed = Feed::new(config);
        let mut dice = Dice::new(5);
        for number in 0..500 {
            feed.one(event(MONDAY + f64::from(number), dice.normal(100.0, 5.0)));
        }
        feed.one(event(MONDAY + 500.0, 700.0));
        feed
    };
    let plain = monday(&StreamConfig::default());
    let known = monday(&StreamConfig {
        calendar: vec![CalendarEvent {
            name: "New Year".to_owned(),
            from: "2020-01-01".to_owned(),
            to: "2020-01-01".to_owned(),
            every: Every::Year,
        }],
        business_hours: BusinessHours { utc_offset_minutes: 480, ..BusinessHours::default() },
        ..StreamConfig::default()
    });
    assert_eq!(plain.scores, known.scores);
    let texts = |feed: &Feed| -> Vec<String> {
        let Some(Change::Opened(found)) = feed.changes.last() else { panic!("no detection") };
        found.context.iter().map(|one| one.text.clone()).collect()
    };
    let (plain, known) = (texts(&plain), texts(&known));
    assert!(known[0].contains("New Year"), "{known:?}");
    assert!(!plain.iter().any(|text| text.contains("New Year")), "{plain:?}");
    assert!(plain.iter().any(|text| text == "outside business hours"), "{plain:?}");
    assert!(known.iter().any(|text| text == "during business hours"), "{known:?}");
    assert!(known.iter().any(|text| text == "Monday, 08:08 UTC+08:00"), "{known:?}");
}
