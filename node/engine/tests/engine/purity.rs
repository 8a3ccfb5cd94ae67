//! Invariant E-1: same profile, same events, same configuration: same bits.

use proptest::prelude::*;
use via_engine::{Answer, Outcome, Position, Record};
use via_types::detection::Change;
use via_types::{Batch, LogIndex, ShardId, Timestamp};

use crate::feed::{Dice, Fed, Feed, MONDAY, STREAM, batch, hash};

const KEYS: [&str; 5] = ["a", "b", "c", "d", "e"];

fn events(seed: u64, count: usize) -> Vec<Fed> {
    let mut dice = Dice::new(seed);
    let mut at = MONDAY;
    (0..count)
        .map(|i| {
            at += dice.exponential(0.7);
            let odd = i > 1500 && i % 400 < 12;
            Fed {
                key: KEYS[(dice.bits() % 5) as usize],
                at: at - if i % 17 == 0 { 5.0 } else { 0.0 },
                value: dice.normal(if odd { 90.0 } else { 10.0 }, 1.0),
                mark: dice.bits() % 20 + 1,
            }
        })
        .collect()
}

/// Executes each batch as one entry, all stamped alike; returns all that came.
fn run(feed: &mut Feed, batches: &[Batch]) -> Vec<Outcome> {
    let mut index = feed.index;
    let outcomes = batches.iter().map(|batch| {
        index += 1;
        let at = Position { shard: ShardId::new(0), index: LogIndex::new(index), base: 0 };
        let mut out = Outcome::default();
        let stamp = Timestamp::from_nanos((MONDAY * 1e9) as i64 + 100_000_000_000_000);
        feed.engine.execute(at, stamp, batch, Answer::Scores, &mut out);
        out
    });
    outcomes.collect()
}

fn bits(outcomes: &[Outcome]) -> Vec<u32> {
    outcomes.iter().flat_map(|out| out.scores.iter().map(|score| score.to_bits())).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn scores_do_not_depend_on_how_batches_are_cut(seed in any::<u64>(), size in 1usize..700) {
        let events = events(seed, 3000);
        let whole = run(&mut Feed::default(), &[batch(&events)]);
        let cut: Vec<Batch> = events.chunks(size).map(batch).collect();
        let cut = run(&mut Feed::default(), &cut);
        prop_assert_eq!(bits(&whole), bits(&cut), "invariant E-1");
    }

    #[test]
    fn a_restored_profile_goes_on_as_if_it_had_stayed(seed in any::<u64>(), split in 1usize..2900) {
        let events = events(seed, 3000);
        let (before, after) = events.split_at(split);
        let mut stayed = Feed::default();
        run(&mut stayed, &[batch(before)]);
        let mut restored = Feed::default();
        stayed.engine.begin_round();
        stayed.engine.export(usize::MAX, &mut |stream, entity, record| {
            assert!(restored.engine.restore(stream, entity, LogIndex::new(1), record));
        });
        stayed.index = 1;
        restored.index = 1;
        let rest = [batch(after)];
        let (stayed_out, restored_out) = (run(&mut stayed, &rest), run(&mut restored, &rest));
        prop_assert_eq!(bits(&stayed_out), bits(&restored_out), "invariant E-1");
        prop_assert_eq!(&stayed_out[0].changes, &restored_out[0].changes);
        for key in KEYS {
            let hash = hash(key);
            prop_assert_eq!(stayed.engine.profile(STREAM, hash), restored.engine.profile(STREAM, hash));
            prop_assert_eq!(stayed.engine.series(STREAM, hash, 64), restored.engine.series(STREAM, hash, 64));
        }
    }
}

#[test]
fn counts_and_scores_leave_the_same_profiles() {
    let events = events(1, 3000);
    let batch = batch(&events);
    let mut asked = Feed::default();
    let mut counted = Feed::default();
    for (feed, answer) in [(&mut asked, Answer::Scores), (&mut counted, Answer::Counts)] {
        let at = Position { shard: ShardId::new(0), index: LogIndex::new(1), base: 0 };
        let mut out = Outcome::default();
        feed.engine.execute(at, Timestamp::default(), &batch, answer, &mut out);
        feed.changes = out.changes;
    }
    assert_eq!(asked.changes, counted.changes);
    for key in KEYS {
        let (a, b) =
            (asked.engine.profile(STREAM, hash(key)), counted.engine.profile(STREAM, hash(key)));
        assert_eq!(a, b);
    }
}

/// Executes `events` in batches of `size`; returns what was told and every record.
fn told_and_kept(events: &[Fed], size: usize, answer: Answer) -> (Vec<Change>, Vec<Record>) {
    let mut feed = Feed::default();
    let mut changes = Vec::new();
    for (number, chunk) in events.chunks(size).enumerate() {
        // Where a batch stands is part of a detection's id: all stand alike here.
        let base = (number * size) as u32;
        let at = Position { shard: ShardId::new(0), index: LogIndex::new(1), base };
        let stamp = Timestamp::from_nanos((MONDAY * 1e9) as i64 + 100_000_000_000_000);
        let mut out = Outcome::default();
        feed.engine.execute(at, stamp, &batch(chunk), answer, &mut out);
        changes.append(&mut out.changes);
    }
    let mut records = Vec::new();
    feed.engine.begin_round();
    feed.engine.export(usize::MAX, &mut |_, _, record| records.push(record));
    records.sort_by(|a, b| a.key().cmp(b.key()));
    (changes, records)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn nothing_that_is_kept_depends_on_the_batches_or_the_answer(
        seed in any::<u64>(), size in 1usize..40,
    ) {
        let events = events(seed, 6000);
        let whole = told_and_kept(&events, events.len(), Answer::Counts);
        prop_assert!(whole == told_and_kept(&events, size, Answer::Counts), "invariant E-1");
        prop_assert!(whole == told_and_kept(&events, size, Answer::Scores), "invariant E-1");
    }
}

#[test]
fn entries_that_a_restored_record_contains_change_nothing() {
    let events = events(2, 500);
    let mut feed = Feed::default();
    run(&mut feed, &[batch(&events)]);
    let mut replayed = Feed::default();
    feed.engine.begin_round();
    feed.engine.export(usize::MAX, &mut |stream, entity, record| {
        assert!(replayed.engine.restore(stream, entity, LogIndex::new(1), record));
    });
    let again = run(&mut replayed, &[batch(&events)]);
    assert_eq!(again[0].accepted as usize + again[0].refused.len(), events.len());
    assert!(again[0].changes.is_empty() && again[0].scores.iter().all(|score| score.is_nan()));
    assert_eq!(replayed.engine.dirty(), 0);
    let (a, b) =
        (feed.engine.profile(STREAM, hash("a")), replayed.engine.profile(STREAM, hash("a")));
    assert_eq!(a, b, "invariant D-2: applied once");
}

#[test]
fn a_fleet_with_few_marks_is_judged_alike_however_batches_are_cut() {
    const FLEET: [&str; 9] = ["f0", "f1", "f2", "f3", "f4", "f5", "f6", "f7", "f8"];
    let mut dice = Dice::new(77);
    let events: Vec<Fed> = (0..FLEET.len() * 3000)
        .map(|i| Fed {
            key: FLEET[i % FLEET.len()],
            at: MONDAY + i as f64 * 0.6 + dice.uniform(),
            value: dice.normal(10.0, 1.0),
            mark: dice.bits() % 6 + 1,
        })
        .collect();
    let whole = told_and_kept(&events, events.len(), Answer::Counts);
    assert!(whole == told_and_kept(&events, 41, Answer::Counts), "invariant E-1");
    assert!(whole == told_and_kept(&events, 1024, Answer::Scores), "invariant E-1");
}
