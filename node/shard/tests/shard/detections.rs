//! Detections over in-memory twins: told only when recorded, the same after a
//! crash, each once, and followed without loss from any cursor.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::rig::{Rig, batch};
use via_shard::{Answer, Cursor, Feed, FeedItem, Filter, Options, Query, Sort, Start};
use via_types::{Detection, DetectionId, EntityHash, TenantId};

const SHARDS: u16 = 2;

pub(crate) fn options() -> Options {
    Options {
        shards: SHARDS,
        checkpoint_interval: Duration::from_secs(3_600),
        ..Options::default()
    }
}

pub(crate) fn mine() -> Filter {
    Filter { tenant: TenantId::new(1), ..Filter::default() }
}

/// Steady values, then one far away, for `entity`.
pub(crate) async fn misbehave(rig: &Rig, entity: &str) {
    let shard = EntityHash::of(rig.stream, entity).shard(SHARDS);
    for _ in 0..8 {
        let mut steady = batch(rig.stream, entity, 100, rig.tick());
        for (row, value) in steady.value.iter_mut().enumerate() {
            *value = 100.0 + ((row * 7919) % 13) as f64;
        }
        rig.handle().write(shard, steady, Answer::Counts).await.expect("acknowledged");
    }
    let mut wild = batch(rig.stream, entity, 1, rig.tick());
    wild.value[0] = 1e6;
    rig.handle().write(shard, wild, Answer::Counts).await.expect("acknowledged");
}

fn listed(rig: &Rig, sort: Sort, limit: usize) -> Vec<Detection> {
    let mut query = Query { filter: mine(), sort, limit, ..Query::default() };
    let mut all = Vec::new();
    loop {
        let page = rig.detections(&query).expect("readable");
        assert!(page.items.len() <= limit);
        all.extend(page.items.into_iter().map(|found| found.detection));
        match page.next {
            Some(next) => query.after = Some(next),
            None => return all,
        }
    }
}

/// Waits until the wild values of so many entities are recorded.
pub(crate) async fn settle(rig: &Rig, entities: usize) {
    rig.until("detections are recorded", |rig| {
        let found = listed(rig, Sort::Newest, 100);
        let wild = found.iter().filter(|detection| detection.value == 1e6);
        wild.map(|detection| &detection.entity).collect::<BTreeSet<_>>().len() >= entities
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wild_value_is_recorded_and_survives_a_crash_unchanged() {
    let mut rig = Rig::start(options()).await;
    for entity in ["a", "b", "c", "d", "e"] {
        misbehave(&rig, entity).await;
    }
    settle(&rig, 5).await;
    let before = listed(&rig, Sort::Oldest, 2);
    rig.crash(0).await;
    rig.until("recorded again", |rig| listed(rig, Sort::Oldest, 2).len() >= before.len()).await;
    let after = listed(&rig, Sort::Oldest, 2);
    assert!(before == after, "{before:#?} became {after:#?}");
    let ids: BTreeMap<DetectionId, u32> =
        after.iter().fold(BTreeMap::new(), |mut ids, detection| {
            *ids.entry(detection.id).or_default() += 1;
            ids
        });
    assert!(ids.values().all(|times| *times == 1), "{ids:?}");
    for detection in &after {
        let sum: f64 = detection.contributions.iter().map(|one| one.evidence).sum();
        assert!((sum - detection.evidence).abs() < 1e-6, "invariant E-2: {detection:?}");
        let found = rig.detection(TenantId::new(1), detection.id).expect("readable");
        assert_eq!(found.map(|found| found.detection).as_ref(), Some(detection));
        let foreign = rig.detection(TenantId::new(2), detection.id).expect("readable");
        assert_eq!(foreign, None);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_in_each_order_page_by_page() {
    let rig = Rig::start(options()).await;
    for number in 0..12 {
        misbehave(&rig, &format!("e{number}")).await;
    }
    settle(&rig, 12).await;
    let newest = listed(&rig, Sort::Newest, 5);
    let mut oldest = listed(&rig, Sort::Oldest, 3);
    oldest.reverse();
    assert_eq!(newest, oldest);
    let by_score = listed(&rig, Sort::Score, 4);
    assert_eq!(by_score.len(), newest.len());
    assert!(by_score.is_sorted_by(|a, b| a.score >= b.score));
    let one = Filter { stream: Some(rig.stream), entity: Some("e3".to_owned()), ..mine() };
    let query = Query { filter: one, limit: 100, ..Query::default() };
    let page = rig.detections(&query).expect("readable");
    assert!(
        !page.items.is_empty() && page.items.iter().all(|found| found.detection.entity == "e3")
    );
    let other = Filter { tenant: TenantId::new(2), ..Filter::default() };
    let query = Query { filter: other, limit: 100, ..Query::default() };
    assert!(rig.detections(&query).expect("readable").items.is_empty());
}

async fn next(feed: &mut Feed) -> (Detection, Cursor) {
    let item = tokio::time::timeout(Duration::from_secs(10), feed.next()).await.expect("in time");
    match item.expect("readable").expect("still open") {
        FeedItem::Change { change, cursor } => (change.detection().clone(), cursor),
        FeedItem::Gap { shard, .. } => panic!("a gap in {shard}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscriber_resumes_where_it_stopped_also_after_a_crash() {
    let mut rig = Rig::start(options()).await;
    let mut feed = rig.subscribe(Start::Now, mine()).expect("open");
    misbehave(&rig, "a").await;
    let (first, cursor) = next(&mut feed).await;
    assert_eq!(first.entity, "a");
    drop(feed);
    for entity in ["b", "c", "d"] {
        misbehave(&rig, entity).await;
    }
    settle(&rig, 4).await;
    rig.crash(usize::MAX).await;
    misbehave(&rig, "e").await;
    let cursor = Cursor::from_text(&cursor.to_text()).expect("its own text");
    let mut feed = rig.subscribe(Start::After(cursor), mine()).expect("open");
    let mut seen = BTreeMap::new();
    while !["b", "c", "d", "e"].iter().all(|entity| seen.contains_key(*entity)) {
        let (detection, _) = next(&mut feed).await;
        *seen.entry(detection.entity).or_insert(0) += 1;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cursor_of_a_listing_or_of_nothing_is_refused() {
    let rig = Rig::start(options()).await;
    assert!(Cursor::from_text("bm9uc2Vuc2U").is_err());
    misbehave(&rig, "a").await;
    misbehave(&rig, "b").await;
    settle(&rig, 2).await;
    let query = Query { filter: mine(), limit: 1, ..Query::default() };
    let page = rig.detections(&query).expect("readable");
    let next = page.next.expect("more than one");
    assert!(rig.subscribe(Start::After(next.clone()), mine()).is_err());
    let query = Query { sort: Sort::Score, after: Some(next), ..query };
    assert!(rig.detections(&query).is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_detections_are_trimmed_and_the_gap_is_said() {
    let rig = Rig::start(Options { keep_detections: 8, ..options() }).await;
    let mut feed = rig.subscribe(Start::Now, mine()).expect("open");
    misbehave(&rig, "e0").await;
    let (_, cursor) = next(&mut feed).await;
    drop(feed);
    for number in 1..40 {
        misbehave(&rig, &format!("e{number}")).await;
    }
    rig.until("some were trimmed", |rig| {
        let stats = rig.handle().stats();
        stats.detections <= 8 && listed(rig, Sort::Oldest, 100).iter().all(|d| d.entity != "e0")
    })
    .await;
    let mut feed = rig.subscribe(Start::After(cursor), mine()).expect("open");
    let first = feed.next().await.expect("readable").expect("open");
    assert!(matches!(first, FeedItem::Gap { .. }), "{first:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn detections_that_are_old_enough_go_though_nothing_new_comes() {
    let hour = Duration::from_secs(3_600);
    let brief = Options { keep_for: hour, tick_interval: Duration::ZERO, ..options() };
    let rig = Rig::start(brief).await;
    misbehave(&rig, "a").await;
    settle(&rig, 1).await;
    rig.until("all are gone", |rig| {
        rig.advance(Duration::from_secs(1));
        listed(rig, Sort::Oldest, 100).is_empty()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scores_are_answered_when_asked_for() {
    let rig = Rig::start(options()).await;
    misbehave(&rig, "a").await;
    let shard = EntityHash::of(rig.stream, "a").shard(SHARDS);
    let events = batch(rig.stream, "a", 3, rig.tick());
    let receipt = rig.handle().write(shard, events, Answer::Scores).await.expect("acknowledged");
    assert_eq!(receipt.scores.len(), 3);
    assert!(receipt.scores.iter().all(|scored| (0.0..=1.0).contains(&scored.score)));
}
