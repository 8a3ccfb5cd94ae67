//! Somebody who follows the live feed through everything: breaks off, goes on at
//! another node from where it was, and must be told each detection once, unless
//! it was told of a gap (invariants D-4 and D-5).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use via_shard::{Cursor, Feed, FeedItem, Filter, Start};
use via_types::detection::Change;
use via_types::{Detection, DetectionId, ShardId};
use xxhash_rust::xxh3::xxh3_64;

use crate::client::TENANT;
use crate::dice::Dice;
use crate::node::Rooms;
use crate::world::World;

/// How long the feed is quiet before all of it counts as told.
const QUIET: Duration = Duration::from_secs(3);

/// A subscriber.
pub(crate) struct Subscriber {
    world: Arc<World>,
    number: u64,
    dice: Dice,
    cursor: Option<Cursor>,
    seen: BTreeSet<DetectionId>,
    gaps: BTreeMap<ShardId, u64>,
}

impl Subscriber {
    pub(crate) fn new(world: Arc<World>, number: u64) -> Self {
        let dice = world.dice(200 + number);
        let (seen, gaps) = (BTreeSet::new(), BTreeMap::new());
        Self { world, number, dice, cursor: None, seen, gaps }
    }

    /// Begins with the next change; says whether it could.
    pub(crate) async fn begin(&mut self) -> bool {
        let Some((_, rooms)) = self.world.any_rooms(&mut self.dice) else { return false };
        let opened = rooms.shard.subscribe(Start::Now, filter()).await;
        self.cursor = opened.as_ref().map(Feed::cursor).ok();
        self.cursor.is_some()
    }

    /// Follows until `until`.
    pub(crate) async fn run(mut self, until: Instant) -> Self {
        while Instant::now() < until {
            let patience = self.dice.millis(200, 4_000);
            let end = until.min(Instant::now() + patience);
            self.follow(|_| end).await;
            let pause = self.dice.millis(1, 300);
            tokio::time::sleep(pause).await;
        }
        self
    }

    /// Follows until nothing has come for a while; the cluster must be whole.
    pub(crate) async fn finish(&mut self) {
        self.follow(|last| last + QUIET).await;
    }

    /// Follows on one node until the time that `end` says of the last item's.
    async fn follow(&mut self, end: impl Fn(Instant) -> Instant) {
        let Some(cursor) = self.cursor.clone() else { return };
        let Some((node, rooms)) = self.world.any_rooms(&mut self.dice) else { return };
        let mut last = Instant::now();
        let opening = rooms.shard.subscribe(Start::After(cursor), filter());
        let Ok(Ok(mut feed)) = tokio::time::timeout_at(end(last), opening).await else { return };
        while let Some(item) = self.next(&rooms, &mut feed, end(last)).await {
            last = Instant::now();
            match item {
                FeedItem::Gap { shard, cursor } => {
                    *self.gaps.entry(shard).or_default() += 1;
                    self.cursor = Some(cursor);
                }
                FeedItem::Change { change, cursor } => {
                    self.cursor = Some(cursor);
                    self.compare(change.detection());
                    if let Change::Opened(detection) = &*change {
                        let id = detection.id;
                        let number = self.number;
                        self.world.trace.note(format_args!("f{number} {node} shows {id}"));
                        self.shown(detection);
                    }
                }
            }
        }
    }

    async fn next(&self, rooms: &Rooms, feed: &mut Feed, until: Instant) -> Option<FeedItem> {
        let mut over = rooms.over.clone();
        tokio::select! {
            biased;
            _ = over.wait_for(|over| *over) => None,
            next = tokio::time::timeout_at(until, feed.next()) => next.ok()?.ok()?,
        }
    }

    fn shown(&mut self, detection: &Detection) {
        let id = detection.id;
        if !self.seen.insert(id) {
            let number = self.number;
            self.world.check(Err(format!("invariant D-4: f{number} is shown {id} twice")));
        }
    }

    /// Whoever is shown a detection that has grown so far is shown the same.
    fn compare(&self, detection: &Detection) {
        // What is read later shows the detection as it is by then.
        let grown = xxh3_64(
            format!("{} {} {:?}", detection.events, detection.last, detection.state).as_bytes(),
        );
        let outcome = self.world.oracle.lock().shown(detection.id, grown, body(detection));
        self.world.check(outcome);
    }

    /// Checks that it was shown everything that is recorded.
    pub(crate) fn check(&self, recorded: &[Detection]) {
        for detection in recorded {
            let id = detection.id;
            if !self.seen.contains(&id) && !self.gaps.contains_key(&id.shard) {
                let number = self.number;
                let what =
                    format!("invariant D-5: f{number} was never shown {id}, nor told of a gap");
                self.world.check(Err(what));
            }
        }
    }
}

fn filter() -> Filter {
    Filter { tenant: TENANT, ..Filter::default() }
}

/// Returns a hash of all that a detection says.
fn body(detection: &Detection) -> u64 {
    serde_json::to_vec(detection).map_or(0, |bytes| xxh3_64(&bytes))
}
