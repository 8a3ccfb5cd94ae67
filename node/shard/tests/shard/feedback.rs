//! Labels over in-memory twins: kept with their detection, followed, learned by
//! every shard of the stream, and counted once whatever happens.

use std::time::Duration;

use via_shard::{FeedItem, Filter, Labelled, Options, Query, Recorded, Said, Sort, Start};
use via_types::detection::Change;
use via_types::feedback::Taught;
use via_types::{DetectionId, Label, LogIndex, TenantId};

use crate::detections::{mine, misbehave, options, settle};
use crate::rig::Rig;

const TENANT: TenantId = TenantId::new(1);

fn said(label: Label) -> Said {
    Said { label: Some(label), note: "a deployment".to_owned(), author: "ops".to_owned() }
}

/// Returns the wild detection of `entity`.
fn wild(rig: &Rig, entity: &str) -> Recorded {
    let filter = Filter { stream: Some(rig.stream), entity: Some(entity.to_owned()), ..mine() };
    let query = Query { filter, sort: Sort::Score, limit: 10, ..Query::default() };
    let page = rig.detections(&query).expect("readable");
    let mut found = page.items.into_iter().filter(|found| found.detection.value == 1e6);
    found.next().expect("it was recorded")
}

async fn say(rig: &Rig, id: DetectionId, said: Said) -> Labelled {
    let labelled = rig.handle().label(TENANT, id, said).await.expect("committed");
    labelled.expect("there is such a detection")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_label_is_kept_with_its_detection_followed_and_taken_back() {
    let mut rig = Rig::start(options()).await;
    misbehave(&rig, "a").await;
    settle(&rig, 1).await;
    let found = wild(&rig, "a");
    assert_eq!(found.feedback, None);
    let id = found.detection.id;
    let mut feed = rig.subscribe(Start::Now, mine()).expect("open");
    let first = say(&rig, id, said(Label::FalseAlarm)).await;
    let kept = first.recorded.feedback.clone().expect("kept");
    assert_eq!((kept.label, kept.author.as_str()), (Some(Label::FalseAlarm), "ops"));
    assert_eq!((first.taught.labels, first.recorded.detection.id), (1, id));
    assert!(first.taught.after < first.taught.before);
    loop {
        let item = tokio::time::timeout(Duration::from_secs(10), feed.next()).await;
        let item = item.expect("in time").expect("readable").expect("open");
        let FeedItem::Change { change, .. } = item else { panic!("a gap") };
        if let Change::Labelled(detection, feedback) = &*change {
            assert_eq!((detection.id, feedback), (id, &kept));
            break;
        }
    }
    rig.crash(0).await;
    settle(&rig, 1).await;
    rig.until("the label is there again", |rig| wild(rig, "a").feedback.is_some()).await;
    assert_eq!(wild(&rig, "a").feedback, Some(kept));
    let last = say(&rig, id, said(Label::Confirmed)).await;
    assert_eq!(last.taught.labels, 1, "the last one counts, and the first no longer");
    assert!(last.taught.after > last.taught.before);
    let none = say(&rig, id, Said::default()).await;
    assert_eq!(none.taught.labels, 0);
    assert_eq!(none.recorded.feedback.expect("that is kept too").label, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_there_or_not_ones_own_cannot_be_labelled() {
    let rig = Rig::start(options()).await;
    misbehave(&rig, "a").await;
    settle(&rig, 1).await;
    let id = wild(&rig, "a").detection.id;
    let other = rig.handle().label(TenantId::new(2), id, said(Label::Confirmed)).await;
    assert_eq!(other.expect("readable"), None);
    let nothing = DetectionId { index: LogIndex::new(id.index.get() + 1_000), ..id };
    let none = rig.handle().label(TENANT, nothing, said(Label::Confirmed)).await;
    assert_eq!(none.expect("readable"), None);
    assert_eq!(wild(&rig, "a").feedback, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_shard_of_the_stream_learns_from_a_label() {
    let rig = Rig::start(options()).await;
    let names = ["a", "b", "c", "d", "e"];
    for entity in names {
        misbehave(&rig, entity).await;
    }
    settle(&rig, names.len()).await;
    let ids = names.map(|entity| wild(&rig, entity).detection.id);
    assert!(ids.iter().any(|id| id.shard != ids[0].shard), "more than one shard");
    for (number, id) in ids.into_iter().enumerate() {
        let taught = say(&rig, id, said(Label::FalseAlarm)).await.taught;
        assert_eq!(taught.labels as usize, number + 1);
    }
}

/// Feeds, labels and feeds again; says what the labels changed and what was
/// detected after. Where it is told to, the node loses all that is not synced.
async fn story(options: Options, crash: Option<usize>) -> (Vec<Taught>, Vec<String>) {
    let mut rig = Rig::start(options).await;
    let names = ["a", "b", "c"];
    let mut taught = Vec::new();
    for entity in names {
        misbehave(&rig, entity).await;
        rig.until("recorded", |rig| wild_or_none(rig, entity).is_some()).await;
        let id = wild(&rig, entity).detection.id;
        taught.push(say(&rig, id, said(Label::FalseAlarm)).await.taught);
        if let Some(kept) = crash {
            rig.crash(kept).await;
        }
    }
    misbehave(&rig, "d").await;
    rig.until("recorded", |rig| wild_or_none(rig, "d").is_some()).await;
    let last = wild(&rig, "d").detection;
    let terms = last.contributions.iter().map(|term| format!("{term:?}")).collect();
    (taught, terms)
}

fn wild_or_none(rig: &Rig, entity: &str) -> Option<DetectionId> {
    let filter = Filter { stream: Some(rig.stream), entity: Some(entity.to_owned()), ..mine() };
    let query = Query { filter, limit: 10, ..Query::default() };
    let items = rig.detections(&query).expect("readable").items;
    items.iter().map(|found| &found.detection).find(|one| one.value == 1e6).map(|one| one.id)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_label_is_counted_twice_or_lost_by_a_crash() {
    let plain = story(options(), None).await;
    assert_eq!(plain.0.iter().map(|taught| taught.labels).collect::<Vec<_>>(), [1, 2, 3]);
    assert!(plain.1.iter().any(|term| term.contains("labels of people")), "{:?}", plain.1);
    for kept in [0, 3, usize::MAX] {
        assert_eq!(story(options(), Some(kept)).await, plain, "with {kept} writes kept");
        // With checkpoints all the time, some labels are in what is restored.
        let brisk = Options { checkpoint_events: 1, ..options() };
        assert_eq!(story(brisk, Some(kept)).await, plain, "with {kept} writes kept");
    }
}
