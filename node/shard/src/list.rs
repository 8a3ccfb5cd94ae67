//! Detections of all shards, wherever they are led: every leader is asked for
//! its own, at once, and their pages are merged in order. A cursor names a
//! position in the order and no node, so it holds while shards move.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::future::join_all;
use via_types::ShardId;

use crate::cursor::Position;
use crate::handle::Handle;
use crate::query::{Page, Query, Recorded, Sort};
use crate::route::{Place, Search};
use crate::wire::{self, Answer, Call, Hint};
use crate::{Cursor, Error, keys};

/// How long one node may take; then the leaders of its shards are looked for anew.
const QUESTION: Duration = Duration::from_secs(2);
/// How long all of it may take.
const PATIENCE: Duration = Duration::from_secs(8);

/// Where the feeds of shards end.
pub(crate) type Ends = BTreeMap<ShardId, (u64, u32)>;

/// Who is asked for which shards.
#[derive(Debug, Default)]
struct Plan {
    here: Vec<ShardId>,
    there: BTreeMap<via_types::NodeId, Vec<ShardId>>,
    nowhere: Vec<ShardId>,
}

impl Handle {
    /// Lists recorded detections of every shard.
    ///
    /// # Errors
    /// A cursor of another listing; a store that fails; a shard that nobody
    /// leads for long.
    pub async fn detections(&self, query: &Query) -> Result<Page, Error> {
        let mut left: Vec<ShardId> = match query.filter.entity_hash() {
            Some(entity) => vec![entity.shard(self.shards())],
            None => self.inner.seats.shards().collect(),
        };
        let mut search = Search::new(left[0], PATIENCE);
        let mut pages = Vec::new();
        loop {
            let Plan { here, there, mut nowhere } = self.plan(&left, &search);
            if !here.is_empty() {
                pages.push(self.list_here(query.clone(), here).await?);
            }
            let asked = there.into_iter().map(|(node, shards)| async move {
                let call = Call::<()>::List { shards: shards.clone(), query: query.clone() };
                (node, shards, self.call(node, &call, QUESTION).await)
            });
            for (node, shards, answer) in join_all(asked).await {
                match answer {
                    Ok(Answer::Listed { page, elsewhere }) => {
                        pages.push(page);
                        self.correct_all(node, &elsewhere);
                        nowhere.extend(elsewhere.into_iter().map(|(shard, _)| shard));
                    }
                    Ok(Answer::Refused(refusal)) => {
                        return Err(refusal.into_error(shards[0], node));
                    }
                    Ok(_) | Err(_) => {
                        shards.iter().for_each(|shard| self.inner.hints.forget(*shard, node));
                        nowhere.extend(shards);
                    }
                }
            }
            if nowhere.is_empty() {
                return Ok(merge(pages, query));
            }
            left = nowhere;
            search.pause().await?;
        }
    }

    /// Lists what is stored here of shards that this node leads.
    pub(crate) async fn list_here(
        &self,
        query: Query,
        shards: Vec<ShardId>,
    ) -> Result<Page, Error> {
        let archive = crate::archive::Archive::new(std::sync::Arc::clone(&self.inner.store));
        let shard = shards[0];
        let are_all = shards.len() == usize::from(self.shards());
        let shards = (!are_all).then(|| shards.into_iter().collect::<BTreeSet<_>>());
        let read = via_consensus::aside(move || archive.list(&query, shards.as_ref()));
        let stopped = |_| Error::NotReady { shard, what: "a read was stopped".to_owned() };
        read.await.map_err(stopped)?
    }

    fn plan(&self, shards: &[ShardId], search: &Search) -> Plan {
        let mut plan = Plan::default();
        for shard in shards {
            match self.place(*shard, search.attempt()) {
                Place::Here(_) => plan.here.push(*shard),
                Place::There(node) => plan.there.entry(node).or_default().push(*shard),
                Place::Nowhere => plan.nowhere.push(*shard),
            }
        }
        plan
    }

    fn correct_all(&self, from: via_types::NodeId, elsewhere: &[(ShardId, Hint)]) {
        for (shard, hint) in elsewhere {
            self.correct(*shard, from, *hint);
        }
    }

    /// Says where the feed of every shard ends: as its leader says, or as a
    /// replica here does when no leader answers soon.
    pub(crate) async fn ends(&self) -> Result<Ends, Error> {
        let mut left: Vec<ShardId> = self.inner.seats.shards().collect();
        let mut ends = Ends::new();
        let mut search = Search::new(left[0], QUESTION);
        loop {
            let Plan { here, there, nowhere } = self.plan(&left, &search);
            let mut known: BTreeSet<ShardId> = here.into_iter().collect();
            ends.extend(self.ends_here(known.iter().copied()));
            let asked = there.into_iter().map(|(node, shards)| async move {
                let call = Call::<()>::Ends { shards: shards.clone() };
                (node, shards, self.call(node, &call, search_left()).await)
            });
            for (node, shards, answer) in join_all(asked).await {
                if let Ok(Answer::Ends { ends: told, elsewhere }) = answer {
                    ends.extend(told);
                    self.correct_all(node, &elsewhere);
                    known.extend(shards);
                    known.retain(|shard| !elsewhere.iter().any(|(other, _)| other == shard));
                } else {
                    shards.iter().for_each(|shard| self.inner.hints.forget(*shard, node));
                }
            }
            left.retain(|shard| !known.contains(shard));
            if left.is_empty() {
                return Ok(ends);
            }
            if let Err(error) = search.pause().await {
                let absent = |shard: &ShardId| self.inner.seats.get(*shard).is_none();
                if left.iter().any(absent) || !nowhere.is_empty() && self.inner.links.is_none() {
                    return Err(error);
                }
                ends.extend(self.ends_here(left.into_iter()));
                return Ok(ends);
            }
        }
    }

    /// Says where the feeds of shards with a replica here end.
    pub(crate) fn ends_here(&self, shards: impl Iterator<Item = ShardId>) -> Ends {
        let end = |shard| Some((shard, self.inner.seats.get(shard)?.replica.feed_end()?));
        shards.filter_map(end).collect()
    }
}

/// How long one node may take to say where feeds end.
fn search_left() -> Duration {
    QUESTION / 4
}

/// Returns where a detection stands in the listing that `query` asks for.
pub(crate) fn position(query: &Query, item: &Recorded) -> Cursor {
    let detection = &item.detection;
    let key = keys::by_time(query.filter.tenant, detection.started, detection.id).to_vec();
    Cursor(match query.sort {
        Sort::Newest | Sort::Oldest => Position::Time { key },
        Sort::Score => Position::Score { bits: detection.score.max(0.0).to_bits(), key },
    })
}

/// A position that compares in the order of the listing.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Ascending(u64, Vec<u8>),
    Descending(std::cmp::Reverse<(u64, Vec<u8>)>),
}

fn rank(query: &Query, cursor: &Cursor) -> Rank {
    let (bits, key) = match &cursor.0 {
        Position::Time { key } => (0, key.clone()),
        Position::Score { bits, key } => (*bits, key.clone()),
        Position::Feed { .. } => (0, Vec::new()),
    };
    match query.sort {
        Sort::Oldest => Rank::Ascending(bits, key),
        Sort::Newest | Sort::Score => Rank::Descending(std::cmp::Reverse((bits, key))),
    }
}

/// Merges pages of different shards. What lies beyond the end of any page that
/// goes on is left for the next: that page may have something before it.
fn merge(mut pages: Vec<Page>, query: &Query) -> Page {
    if pages.len() == 1 {
        return pages.pop().unwrap_or_default();
    }
    let nexts = pages.iter().filter_map(|page| page.next.as_ref());
    let horizon = nexts.min_by_key(|next| rank(query, next)).cloned();
    let items = pages.into_iter().flat_map(|page| page.items);
    let mut ranked: Vec<(Rank, Recorded)> =
        items.map(|item| (rank(query, &position(query, &item)), item)).collect();
    ranked.sort_by(|(one, _), (other, _)| one.cmp(other));
    let all = ranked.len();
    if let Some(horizon) = &horizon {
        let horizon = rank(query, horizon);
        ranked.retain(|(rank, _)| *rank <= horizon);
    }
    let within = ranked.len();
    ranked.truncate(query.limit);
    let items: Vec<Recorded> = ranked.into_iter().map(|(_, item)| item).collect();
    let next = if items.len() < within {
        items.last().map(|last| position(query, last))
    } else if within < all || horizon.is_some() {
        horizon
    } else {
        None
    };
    Page { items, next }
}

/// Cuts a page to what one message holds.
pub(crate) fn fit(page: Page, query: &Query) -> Page {
    wire::fit(page, |item| position(query, item))
}
