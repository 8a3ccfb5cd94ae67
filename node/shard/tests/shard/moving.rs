//! Replicas that move while the cluster works: nodes come and go, and what was
//! acknowledged, listed or followed is the same.

use std::collections::BTreeSet;

use crate::cluster::{Cluster, Writing, listed, mine, node};
use crate::rig::{batch, origin};
use crate::three_nodes::{entities, options};
use via_catalog::object::NodeState;
use via_shard::{Answer, Cursor, Feed, FeedItem, Options, Said, Sort, Start};
use via_types::{DetectionId, Timestamp};

fn eight() -> Options {
    Options { shards: 8, checkpoint_events: 8_192, ..options() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_one_node_to_three_to_five_to_four_every_event_is_counted_once() {
    let mut cluster = Cluster::start(eight(), 1).await;
    let writing = Writing::begin(&cluster, 1, &[1, 3]);
    for numbers in [2..=3, 4..=5] {
        writing.until_more(60).await;
        // Whoever comes now gets a snapshot before the log.
        cluster.until("a log is purged", Cluster::is_purged).await;
        for number in numbers {
            cluster.join(number).await;
        }
        cluster.until("every shard is in its place", Cluster::is_settled).await;
    }
    writing.until_more(60).await;
    cluster.set_state(1, NodeState::Draining);
    cluster.until("every shard has left the first node", Cluster::is_settled).await;
    let is_empty = |cluster: &Cluster| {
        let mut shards = cluster.shards();
        shards.all(|shard| cluster.stored(1, shard) == 0)
    };
    cluster.until("a drained node holds nothing", is_empty).await;
    writing.until_more(60).await;
    let told = writing.end().await;
    let census = cluster.handle(1).census().await;
    assert_eq!(census.shards.len(), 8);
    assert!(census.shards.iter().all(|report| report.voters.len() == 3), "{census:?}");
    assert!(census.shards.iter().all(|report| report.leader != node(1)), "{census:?}");
    let events = census.nodes.values().flatten().map(|stats| stats.events);
    assert_eq!(events.sum::<u64>(), told.values().sum::<u64>(), "invariant D-2");
    cluster.set_state(1, NodeState::Left);
    cluster.kill(1).await;
    for (entity, count) in told {
        for number in 2..=5 {
            let counted = cluster.counted(number, &entity).await;
            assert_eq!(counted, count, "invariant D-2: {entity} on n{number}");
        }
    }
    cluster.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_move_goes_on_after_any_node_has_crashed() {
    let mut cluster = Cluster::start(eight(), 3).await;
    let writing = Writing::begin(&cluster, 1, &[1, 2]);
    writing.until_more(60).await;
    cluster.join(4).await;
    for victim in [4, 1, 3] {
        writing.until_more(20).await;
        cluster.kill(victim).await;
        if victim != 1 {
            writing.until_more(10).await;
        }
        cluster.run(victim).await;
    }
    cluster.until("every shard is in its place", Cluster::is_settled).await;
    // One that left comes back: it begins with nothing of before.
    cluster.set_state(4, NodeState::Draining);
    cluster.until("every shard has left the fourth node", Cluster::is_settled).await;
    cluster.kill(4).await;
    cluster.run(4).await;
    cluster.set_state(4, NodeState::Active);
    cluster.until("every shard is in its place again", Cluster::is_settled).await;
    let told = writing.end().await;
    for (entity, count) in told {
        for number in 1..=4 {
            let counted = cluster.counted(number, &entity).await;
            assert_eq!(counted, count, "invariant D-2: {entity} on n{number}");
        }
    }
    cluster.end().await;
}

/// Lets twelve entities that nobody has seen before misbehave once each.
async fn misbehave(cluster: &Cluster, round: i64, numbers: &[u64]) {
    let begin = 1_700_000_000_000_000_000;
    for (place, entity) in entities().enumerate() {
        for part in 0..9 {
            let at = begin + (round * 100 + part) * 1_000_000_000;
            let entity = format!("{entity}-{round}");
            let mut events = batch(cluster.stream, &entity, 100, Timestamp::from_nanos(at));
            for (row, value) in events.value.iter_mut().enumerate() {
                *value = 100.0 + ((row * 7919) % 13) as f64;
            }
            if part == 8 {
                events.value[60] = 1e6;
            }
            events.origin = Some(origin(1, 1, (round * 1_000 + place as i64 * 10 + part) as u64));
            let number = numbers[place % numbers.len()];
            cluster.write(number, events).await.expect("acknowledged");
        }
    }
}

async fn until_recorded(cluster: &Cluster, number: u64, wild: usize) {
    cluster
        .until_async("the wild values are recorded", async |cluster| {
            let found = listed(cluster, number, Sort::Oldest, 50).await;
            let found = found.iter().filter(|detection| detection.value == 1e6).count();
            (found >= wild).then_some(())
        })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_node_lists_the_detections_of_all_shards_also_while_they_move() {
    let mut cluster = Cluster::start(eight(), 5).await;
    for round in 0..2 {
        misbehave(&cluster, round, &[1, 2, 3, 4, 5]).await;
    }
    until_recorded(&cluster, 4, 24).await;
    let whole = listed(&cluster, 1, Sort::Newest, 1_000).await;
    assert!(whole.len() >= 24, "{}", whole.len());
    for sort in [Sort::Newest, Sort::Oldest, Sort::Score] {
        let at_once = listed(&cluster, 2, sort, 1_000).await;
        let by_page = listed(&cluster, 5, sort, 3).await;
        assert!(at_once == by_page, "{sort:?}");
        assert_eq!(at_once.len(), whole.len(), "{sort:?}");
    }
    let shown = cluster.handle(3).detection(via_types::TenantId::new(1), whole[0].id).await;
    assert_eq!(shown.expect("readable").map(|found| found.detection).as_ref(), Some(&whole[0]));
    // Page by page, with moves in between.
    let mut query = via_shard::Query {
        filter: mine(),
        sort: Sort::Newest,
        limit: 5,
        ..via_shard::Query::default()
    };
    let mut paged = Vec::new();
    let mut leaving = [5_u64, 1].into_iter();
    loop {
        let page = cluster.handle(3).detections(&query).await.expect("readable");
        paged.extend(page.items.into_iter().map(|found| found.detection));
        let Some(next) = page.next else { break };
        query.after = Some(next);
        if let Some(number) = leaving.next() {
            cluster.set_state(number, NodeState::Draining);
            cluster.until("its shards have left", Cluster::is_settled).await;
        }
    }
    assert!(paged == whole, "a cursor holds while shards move");
    cluster.end().await;
}

/// Follows until so many wild values opened; returns them in order, with the
/// cursor after each change.
async fn follow(feed: &mut Feed, wild: usize) -> (Vec<DetectionId>, Cursor) {
    let mut opened = Vec::new();
    let mut last = feed.cursor();
    let following = async {
        while opened.len() < wild {
            match feed.next().await.expect("readable").expect("open") {
                FeedItem::Change { change, cursor } => {
                    if let via_types::detection::Change::Opened(detection) = &*change {
                        opened.push(detection.id);
                    }
                    last = cursor;
                }
                FeedItem::Gap { shard, .. } => panic!("nothing was trimmed: {shard}"),
            }
        }
    };
    let followed = tokio::time::timeout(crate::cluster::PATIENCE, following).await;
    followed.unwrap_or_else(|_| panic!("the feed shows everything: {wild} are to come"));
    (opened, last)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_feed_on_any_node_shows_all_shards_and_goes_on_on_another() {
    let mut cluster = Cluster::start(eight(), 5).await;
    let mut feed = cluster.handle(2).subscribe(Start::Now, mine()).await.expect("open");
    misbehave(&cluster, 0, &[3, 4]).await;
    let (before, from) = follow(&mut feed, 9).await;
    drop(feed);
    misbehave(&cluster, 1, &[5, 1]).await;
    cluster.kill(2).await;
    let mut feed = cluster.handle(4).subscribe(Start::After(from), mine()).await.expect("open");
    misbehave(&cluster, 2, &[1]).await;
    cluster.set_state(5, NodeState::Draining);
    misbehave(&cluster, 3, &[3]).await;
    until_recorded(&cluster, 3, 48).await;
    let all: BTreeSet<DetectionId> =
        listed(&cluster, 3, Sort::Oldest, 100).await.iter().map(|one| one.id).collect();
    let (after, _) = follow(&mut feed, all.len() - before.len()).await;
    let told: Vec<DetectionId> = before.into_iter().chain(after).collect();
    let distinct: BTreeSet<DetectionId> = told.iter().copied().collect();
    assert_eq!(distinct.len(), told.len(), "nothing is told twice");
    assert!(distinct == all, "nothing is lost");
    cluster.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn questions_scores_labels_and_deeds_are_taken_by_any_node() {
    let cluster = Cluster::start(eight(), 4).await;
    misbehave(&cluster, 0, &[1, 2, 3, 4]).await;
    until_recorded(&cluster, 1, 12).await;
    let found = listed(&cluster, 2, Sort::Oldest, 100).await;
    let wild = found.iter().find(|detection| detection.value == 1e6).expect("it is recorded");
    let tenant = via_types::TenantId::new(1);
    for number in 1..=4 {
        let handle = cluster.handle(number);
        let series = handle.series(cluster.stream, &wild.entity, 100).await.expect("readable");
        assert!(series.is_some_and(|points| !points.is_empty()), "n{number}");
        let events = batch(cluster.stream, &wild.entity, 3, cluster.tick());
        let shard = cluster.shard_of(&wild.entity);
        let receipt = handle.write(shard, events, Answer::Scores).await.expect("acknowledged");
        assert_eq!(receipt.scores.len(), 3, "n{number}");
        let label = Some(via_types::feedback::Label::Confirmed);
        let said = Said { label, note: format!("by n{number}"), author: "ops".to_owned() };
        let labelled = handle.label(tenant, wild.id, said).await.expect("kept").expect("there");
        assert_eq!(labelled.taught.labels, 1, "said again it changes nothing: n{number}");
        let shown = cluster.handle(number % 4 + 1).detection(tenant, wild.id).await;
        let feedback = shown.expect("readable").and_then(|shown| shown.feedback);
        assert_eq!(feedback.map(|feedback| feedback.note), Some(format!("by n{number}")));
        let unknown = handle.profile(cluster.stream, "nobody").await.expect("readable");
        assert_eq!(unknown, None);
    }
    for (number, entity) in (1..=4).zip(entities()) {
        let entity = format!("{entity}-0");
        let handle = cluster.handle(number);
        assert!(handle.reset(cluster.stream, &entity).await.expect("forgotten"));
        assert!(!handle.reset(cluster.stream, &entity).await.expect("known to be"));
        assert_eq!(cluster.counted(number % 4 + 1, &entity).await, 0);
    }
    cluster.end().await;
}
