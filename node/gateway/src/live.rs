//! One live subscription, whatever the protocol: a seat, a feed from a cursor,
//! and an end when the node drains. What could not be delivered is said as a
//! gap (invariant D-5). Holds a bounded amount whatever the subscriber does.

use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;
use via_shard::feed::Start;
use via_shard::{Cursor, Feed, FeedItem, Filter};
use via_types::detection::Change;

use crate::gate::Gate;
use crate::hush::Hush;
use crate::metrics::{self, Open};
use crate::problem::{Code, Problem};
use crate::quota::allowance::Seat;

/// The form of feed cursors; another form gets another number.
const FORM: &str = "f1.";

/// What a subscriber is told.
#[derive(Clone, Debug)]
pub(crate) enum Item {
    /// A detection opened, grew or ended.
    Change {
        /// What changed.
        change: Arc<Change>,
        /// Resume here.
        cursor: String,
    },
    /// Some changes cannot be delivered here any more.
    Gap {
        /// Resume here.
        cursor: String,
    },
}

/// A subscription.
pub(crate) struct Live {
    feed: Feed,
    gate: Gate,
    hush: Hush,
    _seats: (OwnedSemaphorePermit, Seat),
    _open: Open,
}

impl Live {
    /// Takes a seat and follows what passes `filter`, from `cursor` or from now.
    pub(crate) async fn open(
        gate: &Gate,
        filter: Filter,
        cursor: Option<&str>,
    ) -> Result<Self, Problem> {
        if gate.is_draining() {
            return Err(Problem::new(Code::ShuttingDown, "no new live feeds are opened"));
        }
        let start = match cursor.filter(|text| !text.is_empty()) {
            None => Start::Now,
            Some(text) => Start::After(read_cursor(text)?),
        };
        let seats = (gate.seat()?, gate.allowance().seat()?);
        let feed = gate.shard().subscribe(start, filter).await?;
        let hush = Hush::of(&gate.view(), gate.tenant());
        Ok(Self { feed, gate: gate.clone(), hush, _seats: seats, _open: Open::subscriber() })
    }

    /// Returns the position before the next item.
    pub(crate) fn cursor(&self) -> String {
        write_cursor(&self.feed.cursor())
    }

    /// Waits for the next item; none when the node goes down.
    pub(crate) async fn next(&mut self) -> Result<Option<Item>, Problem> {
        let item = loop {
            let item = tokio::select! {
                biased;
                () = self.gate.drained() => return Ok(None),
                problem = self.gate.shut_out() => return Err(problem),
                item = self.feed.next() => item?,
            };
            if !item.as_ref().is_some_and(|item| self.is_hushed(item)) {
                break item;
            }
        };
        Ok(item.map(|item| match item {
            FeedItem::Change { change, cursor } => {
                Item::Change { change, cursor: write_cursor(&cursor) }
            }
            FeedItem::Gap { cursor, .. } => {
                metrics::gap();
                Item::Gap { cursor: write_cursor(&cursor) }
            }
        }))
    }

    /// Says whether an item is about an entity of the suppression list as it is now.
    fn is_hushed(&mut self, item: &FeedItem) -> bool {
        let FeedItem::Change { change, .. } = item else { return false };
        let view = self.gate.view();
        if !self.hush.is_of(&view) {
            self.hush = Hush::of(&view, self.gate.tenant());
        }
        self.hush.covers(change.detection(), self.gate.now())
    }
}

fn write_cursor(cursor: &Cursor) -> String {
    format!("{FORM}{}", cursor.to_text())
}

fn read_cursor(text: &str) -> Result<Cursor, Problem> {
    let inner = text.strip_prefix(FORM).ok_or_else(|| {
        Problem::new(Code::BadCursor, "it was not given by this version of the live feed")
    })?;
    Ok(Cursor::from_text(inner)?)
}
