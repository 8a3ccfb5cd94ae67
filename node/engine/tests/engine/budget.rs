//! Budgets are kept by normal traffic, whatever its kind, and rest with the stream.

use via_engine::{Answer, Outcome, Position, Record};
use via_types::config::Method;
use via_types::detection::Change;
use via_types::{Batch, EntityHash, LogIndex, ShardId, StreamConfig, StreamId, Timestamp};

use crate::feed::{Dice, Feed, MONDAY, STREAM, nanos};

type Shape = fn(&mut Dice, f64) -> f64;

const SHAPES: [(&str, Shape); 4] = [
    ("normal", |dice, _| dice.normal(50.0, 4.0)),
    ("heavy", |dice, _| libm::exp(dice.normal(2.0, 1.0))),
    ("counts", |dice, _| libm::floor(dice.exponential(4.0))),
    ("season", |dice, at| {
        dice.normal(50.0 + 20.0 * libm::sin(at * std::f64::consts::TAU / 86_400.0), 4.0)
    }),
];

/// Normal traffic of `entities`, one event each `gap` seconds, for `days`; one
/// batch for each event of all.
fn traffic(shape: Shape, entities: usize, gap: f64, days: f64) -> Vec<Batch> {
    let mut dice = Dice::new(entities as u64 + gap as u64);
    let mut batches = Vec::new();
    let mut at = MONDAY;
    while at < MONDAY + days * 86_400.0 {
        at += gap;
        let mut batch = Batch { stream: STREAM, ..Batch::default() };
        for number in 0..entities {
            batch.entity.push(batch.keys.push(&format!("e{number}")));
            batch.at.push(nanos(at + dice.uniform() * gap));
            batch.value.push(shape(&mut dice, at));
        }
        batch.seal().expect("columns fit");
        batches.push(batch);
    }
    batches
}

fn execute(feed: &mut Feed, batches: &[Batch]) -> usize {
    let mut opened = 0;
    for batch in batches {
        feed.index += 1;
        let index = LogIndex::new(feed.index);
        let at = Position { shard: ShardId::new(3), index, base: 0 };
        let stamp = Timestamp::from_nanos(batch.at[0]);
        let mut out = Outcome::default();
        feed.engine.execute(at, stamp, batch, Answer::Counts, &mut out);
        let is_opened = |change: &&Change| matches!(change, Change::Opened(_));
        opened += out.changes.iter().filter(is_opened).count();
    }
    opened
}

fn of(method: Method) -> Feed {
    let mut config = StreamConfig::default();
    config.threshold.method = method;
    Feed::new(&config)
}

#[test]
fn a_budget_is_kept_by_normal_traffic_of_every_kind() {
    for (name, shape) in SHAPES {
        for (budget, entities, gap, days) in
            [(0.5, 60, 600.0, 10.0), (2.0, 20, 120.0, 7.0), (10.0, 6, 60.0, 7.0)]
        {
            let asked = budget * entities as f64 * days;
            let batches = traffic(shape, entities, gap, days);
            let had = execute(&mut of(Method::Budget(budget)), &batches) as f64;
            println!("{name}: {budget} a day of each: {had} for {asked}");
            assert!((0.7 * asked..1.3 * asked).contains(&had), "{name}: {had} for {asked}");
        }
    }
}

#[test]
fn a_stream_s_budget_is_kept_however_many_entities_it_has() {
    for (entities, gap, days) in [(3, 60.0, 14.0), (100, 600.0, 10.0)] {
        let asked = 20.0 * days;
        let batches = traffic(SHAPES[0].1, entities, gap, days);
        let had = execute(&mut of(Method::StreamBudget(20.0)), &batches) as f64;
        println!("20 a day of all {entities}: {had} for {asked}");
        assert!((0.7 * asked..1.3 * asked).contains(&had), "{entities}: {had} for {asked}");
    }
}

#[test]
fn what_a_budget_has_seen_rests_and_comes_back() {
    let batches = traffic(SHAPES[1].1, 20, 300.0, 3.0);
    let (first, rest) = batches.split_at(batches.len() / 2);
    let mut stayed = of(Method::Budget(2.0));
    assert!(execute(&mut stayed, first) > 0);
    let mut records: Vec<(StreamId, EntityHash, Record)> = Vec::new();
    stayed.engine.begin_round();
    stayed.engine.export(1000, &mut |stream, entity, record| {
        records.push((stream, entity, record));
    });
    let mut restored = of(Method::Budget(2.0));
    restored.index = stayed.index;
    for (stream, entity, record) in records {
        let as_of = LogIndex::new(stayed.index);
        assert!(restored.engine.restore(stream, entity, as_of, record), "invariant D-7");
    }
    assert_eq!(execute(&mut stayed, rest), execute(&mut restored, rest), "invariant E-1");
}

#[test]
fn a_budget_still_finds_what_is_odd() {
    for method in [Method::Budget(0.01), Method::StreamBudget(0.2)] {
        let mut feed = of(method);
        execute(&mut feed, &traffic(SHAPES[0].1, 20, 300.0, 4.0));
        let mut odd = Batch { stream: STREAM, ..Batch::default() };
        odd.entity.push(odd.keys.push("e7"));
        odd.at.push(nanos(MONDAY + 4.0 * 86_400.0 + 700.0));
        odd.value.push(500.0);
        odd.seal().expect("columns fit");
        assert_eq!(execute(&mut feed, &[odd]), 1, "{method:?}");
    }
}
