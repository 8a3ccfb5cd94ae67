//! Memory that is short: entities go to the store and come back as they were,
//! whoever is turned away is told, and what was decided is replayed alike.

use std::time::{Duration, Instant};

use via_shard::{Answer, Error, Options, Pressure};
use via_types::config::{EntityConfig, Priority};
use via_types::pressure::{Level, Order, Policy, Strategy};
use via_types::profile::ProfileView;
use via_types::{
    Batch, EntityHash, Fate, Receipt, RowReason, ShardId, StreamConfig, StreamId, Timestamp,
};

use crate::rig::{Rig, batch, origin};

const ONLY: ShardId = ShardId::new(0);
const PATIENCE: Duration = Duration::from_secs(30);

fn options() -> Options {
    Options {
        shards: 1,
        // Rounds and ticks only when memory asks for them.
        checkpoint_interval: Duration::from_secs(3_600),
        tick_interval: Duration::from_secs(3_600),
        ..Options::default()
    }
}

/// Options under which nothing leaves memory.
fn full_for_good(memory_bytes: usize) -> Options {
    let policy = Policy { order: Order::Ttl, ttl: Duration::from_secs(4_000_000_000) };
    Options { memory_bytes, policy, ..options() }
}

fn pressure(rig: &Rig) -> Pressure {
    rig.handle().pressure()
}

/// Makes one event of each of these entities.
fn crowd(stream: StreamId, names: &[String], at: Timestamp) -> Batch {
    let mut batch = Batch { stream, ..Batch::default() };
    for (row, name) in names.iter().enumerate() {
        let key = batch.keys.push(name);
        batch.entity.push(key);
        batch.at.push(at.as_nanos() + row as i64);
        batch.value.push((row % 13) as f64);
    }
    batch
}

async fn profile(rig: &Rig, entity: &str) -> Option<ProfileView> {
    rig.handle().profile(rig.stream, entity).await.expect("readable")
}

async fn counted(rig: &Rig, entity: &str) -> u64 {
    profile(rig, entity).await.map_or(0, |profile| profile.events)
}

/// Scores and counts of a story of `ENTITIES` told by a client that waits while
/// memory is high; and the most that profiles held.
async fn tell(memory_bytes: usize) -> (Vec<u64>, Vec<u64>, u64, Pressure) {
    const ENTITIES: usize = 1_500;
    const TOGETHER: usize = 20;
    const ROUNDS: usize = 4;
    let rig = Rig::start(Options { memory_bytes, ..options() }).await;
    let mut scores = Vec::new();
    let mut most = 0;
    for round in 0..ROUNDS {
        for first in (0..ENTITIES).step_by(TOGETHER) {
            rig.until("memory is not high", |rig| pressure(rig).level < Level::High).await;
            let at = Timestamp::from_nanos(
                1_700_000_000_000_000_000 + (round * ENTITIES + first) as i64 * 1_000_000_000,
            );
            let mut events = Batch { stream: rig.stream, ..Batch::default() };
            for number in first..first + TOGETHER {
                let key = events.keys.push(&format!("entity-{number}"));
                for event in 0..12_i64 {
                    events.entity.push(key);
                    events.at.push(at.as_nanos() + event * 50_000_000 + number as i64);
                    let wild = round == ROUNDS - 1 && event == 9 && number % 50 == 0;
                    let usual = 100.0 + ((number as i64 * 31 + event * 7) % 17) as f64;
                    events.value.push(if wild { 1e6 } else { usual });
                }
            }
            let rows = events.len();
            let receipt = rig.handle().write(ONLY, events, Answer::Scores).await;
            let receipt = receipt.expect("acknowledged");
            assert_eq!((receipt.accepted as usize, receipt.refused.len()), (rows, 0));
            scores.extend(receipt.scores.iter().map(|scored| scored.score.to_bits()));
            most = most.max(pressure(&rig).held_bytes);
        }
    }
    let mut counts = Vec::new();
    for number in 0..ENTITIES {
        counts.push(counted(&rig, &format!("entity-{number}")).await);
    }
    (scores, counts, most, pressure(&rig))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_half_the_memory_every_count_and_every_score_is_the_same() {
    let (scores, counts, need, told) = tell(1 << 30).await;
    assert_eq!((told.level, told.evicted_profiles), (Level::Normal, 0));
    let limit = need / 2;
    let (squeezed, recounted, most, told) = tell(limit as usize).await;
    assert!(counts.iter().all(|count| *count == 48), "{counts:?}");
    assert_eq!(recounted, counts);
    assert!(squeezed == scores, "invariant E-1: memory changes no score");
    assert!(scores.iter().any(|score| f64::from_bits(*score) > 0.5), "something was found");
    assert!(told.evicted_profiles > 3_000, "entities go and come back: {told:?}");
    assert!(most < limit, "at most {most} of {limit} bytes were held");
    let refused = told.refused_new_entity + told.refused_low_priority + told.refused_memory;
    assert_eq!(refused, 0);
}

/// Sends events of these entities until each is accepted.
async fn insist(rig: &Rig, names: &[String]) -> u64 {
    let begun = Instant::now();
    let (mut left, mut turned_away) = (names.to_vec(), 0);
    while !left.is_empty() {
        assert!(
            begun.elapsed() < PATIENCE,
            "{} are still refused: {:?}",
            left.len(),
            pressure(rig)
        );
        let events = crowd(rig.stream, &left, rig.tick());
        match rig.handle().write(ONLY, events, Answer::Counts).await {
            Ok(receipt) => {
                assert_eq!(receipt.accepted as usize + receipt.refused.len(), left.len());
                turned_away += receipt.refused.len() as u64;
                left = receipt.refused.iter().map(|(row, _)| left[*row as usize].clone()).collect();
            }
            Err(error) => {
                assert!(matches!(error.fate(), Fate::Retry(_)), "invariant D-5: {error}");
                turned_away += left.len() as u64;
                tokio::task::yield_now().await;
            }
        }
    }
    turned_away
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_that_does_not_fit_comes_in_when_sent_again_and_counts_once() {
    for strategy in [
        Strategy::EvictStale,
        Strategy::RejectNew,
        Strategy::DowngradeSensitivity,
        Strategy::CompressOldest,
    ] {
        let mut rig = Rig::start(Options { memory_bytes: 1 << 20, strategy, ..options() }).await;
        let mut turned_away = 0;
        for group in 0..6 {
            let names: Vec<String> = (0..700).map(|number| format!("e{group}-{number}")).collect();
            turned_away += insist(&rig, &names).await;
            let held = pressure(&rig).held_bytes;
            assert!(held < (1 << 20) * 11 / 10, "invariant D-6: {held} bytes, {strategy:?}");
        }
        let told = pressure(&rig);
        assert!(turned_away > 0 && told.evicted_profiles > 2_000, "{strategy:?}: {told:?}");
        assert_eq!(told.refused_new_entity + told.refused_memory, turned_away, "{told:?}");
        assert_eq!(rig.handle().stats().events, 4_200);
        rig.crash(0).await;
        for (group, number) in [(0, 0), (0, 699), (3, 350), (5, 0), (5, 699)] {
            assert_eq!(counted(&rig, &format!("e{group}-{number}")).await, 1, "{strategy:?}");
        }
        assert_eq!(rig.handle().stats().events, 4_200, "{strategy:?}");
    }
}

/// A stream in which some entities have a priority of their own.
fn ranked() -> StreamConfig {
    let own = |priority| EntityConfig { priority: Some(priority), ..EntityConfig::default() };
    let mut config = StreamConfig::default();
    for number in 0..50 {
        config.entities.insert(format!("low-{number}"), own(Priority::Low));
        config.entities.insert(format!("high-{number}"), own(Priority::High));
    }
    config
}

/// Makes new entities one by one until one is refused, or so much is held.
async fn fill(rig: &Rig, share: f64) {
    let limit = pressure(rig).limit_bytes as f64;
    let mut number = 0;
    while (pressure(rig).held_bytes as f64) < share * limit {
        let events = batch(rig.stream, &format!("usual-{number}"), 1, rig.tick());
        let receipt = rig.handle().write(ONLY, events, Answer::Counts).await;
        assert_eq!(receipt.expect("there is room").accepted, 1);
        number += 1;
    }
}

async fn one(rig: &Rig, entity: &str) -> Result<Receipt, Error> {
    let events = batch(rig.stream, entity, 1, rig.tick());
    rig.handle().write(ONLY, events, Answer::Counts).await
}

/// Makes new entities, called `name` and a number, until one is refused; says how
/// many were made.
async fn until_refused(rig: &Rig, name: &str) -> usize {
    for number in 0.. {
        let told = one(rig, &format!("{name}-{number}")).await;
        if told.is_err() {
            assert_turned_away(told);
            return number;
        }
    }
    0
}

fn assert_turned_away(told: Result<Receipt, Error>) {
    let error = told.expect_err("it is new");
    assert!(matches!(error, Error::Crowded { .. }), "{error}");
    assert!(matches!(error.fate(), Fate::Retry(_)), "invariant D-5: {error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn new_entities_of_low_priority_are_refused_first_and_known_ones_go_on() {
    let rig = Rig::start_with(full_for_good(2 << 20), &ranked()).await;
    assert_eq!(one(&rig, "low-0").await.expect("there is room").accepted, 1);
    fill(&rig, 0.951).await;
    assert_eq!(pressure(&rig).level, Level::Critical);
    assert_turned_away(one(&rig, "low-1").await);
    assert_eq!(one(&rig, "usual-new").await.expect("of normal priority").accepted, 1);
    assert_eq!(one(&rig, "low-0").await.expect("it is known").accepted, 1);
    let names = ["usual-0", "low-2", "low-0", "low-3"].map(str::to_owned);
    let mixed = crowd(rig.stream, &names, rig.tick());
    let receipt = rig.handle().write(ONLY, mixed, Answer::Counts).await.expect("acknowledged");
    assert_eq!(receipt.accepted, 2);
    assert_eq!(receipt.refused, [(1, RowReason::LowPriority), (3, RowReason::LowPriority)]);
    assert!(until_refused(&rig, "another").await > 2);
    let high = until_refused(&rig, "high").await;
    assert!((3..50).contains(&high), "those of high priority are taken for longest: {high}");
    assert_eq!(one(&rig, "usual-1").await.expect("it is known").accepted, 1);
    let told = pressure(&rig);
    assert_eq!((told.refused_low_priority, told.refused_new_entity), (3, 2), "{told:?}");
    assert_eq!((told.evicted_profiles, told.refused_memory), (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_nothing_fits_events_wait_a_while_and_are_refused_with_a_retry() {
    let rig = Rig::start(full_for_good(256 << 10)).await;
    fill(&rig, 0.95).await;
    // An entity that is known may grow beyond the limit, once.
    let begun = Instant::now();
    while !pressure(&rig).is_full() {
        assert!(begun.elapsed() < PATIENCE, "{:?}", pressure(&rig));
        for number in 0..50 {
            let entity = format!("usual-{number}");
            let mut events = batch(rig.stream, &entity, 400, rig.tick());
            events.mark = (0..400).map(|mark| mark * 7_919 + number + 1).collect();
            if rig.handle().write(ONLY, events, Answer::Counts).await.is_err() {
                break;
            }
        }
    }
    let begun = Instant::now();
    let error = one(&rig, "usual-0").await.expect_err("nothing fits");
    assert!(matches!(error.fate(), Fate::Retry(_)), "{error}");
    assert!(begun.elapsed() >= Duration::from_millis(900), "it was held back first");
    assert!(pressure(&rig).refused_memory > 0);
    let room = rig.handle().reset(rig.stream, "usual-0").await;
    assert!(room.expect("what frees memory still works"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_was_turned_away_is_told_so_again_under_the_same_sequence_and_comes_in_under_another() {
    let mut rig = Rig::start(full_for_good(256 << 10)).await;
    until_refused(&rig, "usual").await;
    let named = |mut batch: Batch, sequence| {
        batch.origin = Some(origin(1, 2, sequence));
        batch
    };
    let write = async |rig: &Rig, batch: &Batch| {
        rig.handle().write(ONLY, batch.clone(), Answer::Counts).await.expect("in the log")
    };
    let whole = named(batch(rig.stream, "new", 2, rig.tick()), 1);
    let all = [(0, RowReason::TableFull), (1, RowReason::TableFull)];
    let told = write(&rig, &whole).await;
    assert_eq!((told.accepted, &told.refused[..]), (0, &all[..]));
    let names = ["usual-0", "other"].map(str::to_owned);
    let mut part = named(crowd(rig.stream, &names, rig.tick()), 2);
    part.unique = vec![7, 8].into();
    let first = write(&rig, &part).await;
    assert_eq!((first.accepted, &first.refused[..]), (1, &all[1..]));
    for number in 0..20 {
        let usual = format!("usual-{}", 20 + number);
        assert!(rig.handle().reset(rig.stream, &usual).await.expect("forgotten"));
    }
    for _ in 0..2 {
        let again = write(&rig, &whole).await;
        assert!(again.repeated && again.refused == all, "invariant D-5: {again:?}");
        let again = write(&rig, &part).await;
        assert!(again.repeated && again.refused == first.refused, "invariant D-2: {again:?}");
        rig.crash(0).await;
    }
    assert_eq!(write(&rig, &named(whole.clone(), 3)).await.accepted, 2);
    // Its unique id was not used up.
    let mut other = named(batch(rig.stream, "other", 1, rig.tick()), 4);
    other.unique = vec![8].into();
    assert_eq!(write(&rig, &other).await.accepted, 1);
    assert_eq!((counted(&rig, "new").await, counted(&rig, "other").await), (2, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tests_that_were_set_aside_are_set_aside_again_by_whoever_replays_the_log() {
    let strategy = Strategy::DowngradeSensitivity;
    let options = Options { strategy, ..full_for_good(512 << 10) };
    let mut rig = Rig::start_with(options, &ranked()).await;
    let minutes = |rig: &Rig, entity: &str, from: i64| {
        let at = Timestamp::from_nanos(1_600_000_000_000_000_000 + from * 60_000_000_000);
        let mut events = batch(rig.stream, entity, 200, at);
        events.at = (0..200).map(|event| at.as_nanos() + event * 60_000_000_000).collect();
        events
    };
    for entity in ["low-0", "high-0"] {
        for from in [0, 200] {
            let events = minutes(&rig, entity, from);
            rig.handle().write(ONLY, events, Answer::Counts).await.expect("acknowledged");
        }
    }
    let set_aside = |profile: &ProfileView| {
        profile.detectors.iter().any(|state| state.warmup.reason.starts_with("it is set aside"))
    };
    assert!(!set_aside(&profile(&rig, "low-0").await.expect("known")));
    fill(&rig, 0.86).await;
    for entity in ["low-0", "high-0"] {
        let events = minutes(&rig, entity, 400);
        rig.handle().write(ONLY, events, Answer::Counts).await.expect("acknowledged");
    }
    let before = [profile(&rig, "low-0").await, profile(&rig, "high-0").await]
        .map(|one| one.expect("known"));
    assert_eq!(before.each_ref().map(set_aside), [true, false]);
    // All of it is in the log alone, part of it in no checkpoint.
    rig.crash(0).await;
    let after = [profile(&rig, "low-0").await, profile(&rig, "high-0").await]
        .map(|one| one.expect("known"));
    assert_eq!(after, before, "invariant E-1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_two_shards_hold_is_one_node_s_memory() {
    let rig = Rig::start(Options { shards: 2, ..full_for_good(512 << 10) }).await;
    let mut number = 0;
    // All in one shard: the other has nothing, and takes no new entity either.
    let of = |shard: u16, number: &mut u32| loop {
        *number += 1;
        let name = format!("n{number}");
        if EntityHash::of(rig.stream, &name).shard(2) == ShardId::new(shard) {
            return name;
        }
    };
    let send = async |name: String, shard: u16| {
        let events = batch(rig.stream, &name, 1, rig.tick());
        rig.handle().write(ShardId::new(shard), events, Answer::Counts).await
    };
    while send(of(0, &mut number), 0).await.is_ok() {}
    assert_eq!(pressure(&rig).level, Level::Critical);
    assert_turned_away(send(of(1, &mut number), 1).await);
    assert_eq!(pressure(&rig).refused_new_entity, 2);
}
