//! Profiles at rest: exact, and small.

use via_codec::{Kind, decode, encode};
use via_engine::Record;
use via_types::{EntityHash, StreamConfig, StreamId};

use crate::feed::{Dice, Fed, Feed, MONDAY};

const KEYS: [&str; 8] = [
    "user-1001",
    "user-1002",
    "user-1003",
    "user-1004",
    "user-1005",
    "user-1006",
    "user-1007",
    "user-1008",
];

/// Exports every profile after each of eight entities had `events` events,
/// `pace` seconds apart on average, with so many different `marks` or 0 for none.
fn records(events: usize, pace: f64, marks: u64) -> Vec<(StreamId, EntityHash, Record)> {
    // Forests have a memory of their own.
    let mut config = StreamConfig::default();
    config.detectors.forest.enabled = events <= 2000;
    let mut feed = Feed::new(&config);
    let mut dice = Dice::new(21);
    let mut at = MONDAY;
    let fed: Vec<Fed> = (0..events * KEYS.len())
        .map(|i| {
            at += dice.exponential(pace / KEYS.len() as f64);
            let value = libm::exp(dice.normal(3.0, 0.8));
            let mark = dice.bits().checked_rem(marks).map_or(0, |mark| mark + 1);
            Fed { key: KEYS[i % KEYS.len()], at, value, mark }
        })
        .collect();
    feed.feed(&fed);
    let mut records = Vec::new();
    feed.engine.begin_round();
    let left = feed.engine.export(usize::MAX, &mut |stream, entity, record| {
        records.push((stream, entity, record));
    });
    // And the habits of their stream.
    assert_eq!((left, records.len()), (0, KEYS.len() + 1));
    records
}

fn mean_bytes(events: usize, pace: f64, marks: u64) -> usize {
    let records = records(events, pace, marks);
    let bytes: usize =
        records.iter().map(|(_, _, record)| encode(Kind::Profile, record).len()).sum();
    bytes / records.len()
}

#[test]
fn a_record_survives_the_codec_exactly() {
    for events in [1, 10, 200, 1500, 5000] {
        let marks = [40, 0, 12][events % 3];
        for (_, _, record) in records(events, 1.0, marks) {
            let bytes = encode(Kind::Profile, &record);
            let back: Record = decode(Kind::Profile, &bytes).unwrap();
            assert_eq!(back, record);
            assert_eq!(encode(Kind::Profile, &back), bytes);
        }
    }
}

const PACES: [f64; 3] = [0.05, 1.0, 60.0];

#[test]
fn a_profile_at_rest_is_small() {
    for (pace, marks) in [0, 20, 40].into_iter().flat_map(|marks| PACES.map(|pace| (pace, marks))) {
        let (young, mature) = (mean_bytes(10, pace, marks), mean_bytes(10_000, pace, marks));
        println!(
            "one event every {pace} s, {marks} marks: {young} B after 10 events, {mature} B after 10,000"
        );
        assert!(young <= 340, "{young} B after 10 events, every {pace} s");
        // Every event of a slow entity is a point, whose tests and patterns it keeps.
        let most = if pace < 1.0 { 1700 } else { 2500 };
        assert!(mature <= most, "{mature} B after 10,000 events, every {pace} s");
    }
}
