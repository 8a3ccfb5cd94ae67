//! The writes of one request on their way to their shards: whoever asked waits
//! once for all of them, not once for each. Owns the tickets that shards answer
//! and the room they take; a ticket that is lost is answered as unknown (D-5).

use std::any::Any;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::{Instant, timeout_at};
use via_engine::Answer;
use via_types::{Batch, Fate, Receipt, ShardId, limit};

use crate::Error;
use crate::handle::Handle;
use crate::request::Request;
use crate::room::Space;

/// What became of one write: its number in the order of sending, and its receipt.
pub type Answered = (u32, Result<Receipt, Error>);

/// What is kept until a write is answered, whoever looks.
pub type Hold = Arc<dyn Any + Send + Sync>;

/// Writes that are under way together.
#[derive(Debug)]
pub struct Writes {
    handle: Handle,
    desk: Arc<Desk>,
    /// The shard of every write sent; none once it was answered.
    sent: Vec<Option<ShardId>>,
    from: From,
    patience: Duration,
    deadline: Instant,
}

/// Whose writes they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum From {
    /// A client's: they go to whichever node leads the shard.
    Client,
    /// Another node's, which was told that this one leads: they go no further.
    Peer,
}

/// Where shards answer.
#[derive(Debug, Default)]
struct Desk(Mutex<Book>);

#[derive(Debug, Default)]
struct Book {
    answers: Vec<Answered>,
    outstanding: u32,
    /// The one who waits, and whether for the last answer.
    waiting: Option<(Waker, Want)>,
    /// Nobody waits any more: answers are for nobody.
    closed: bool,
}

/// How many answers are waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Want {
    Any,
    All,
}

impl Book {
    fn has_enough(&self, want: Want) -> bool {
        self.outstanding == 0 || want == Want::Any && !self.answers.is_empty()
    }
}

/// The right, and the duty, to answer one write once.
#[derive(Debug)]
pub(crate) struct Ticket {
    desk: Arc<Desk>,
    number: u32,
    shard: ShardId,
    pub(crate) from: From,
    /// An attempt whose end nobody knows may have applied it: no refusal of a later
    /// one is believed to be all (invariant D-5).
    pub(crate) in_doubt: bool,
    answered: bool,
    _hold: Option<Hold>,
    _space: Space,
}

impl Ticket {
    /// Answers the write and gives its room back.
    pub(crate) fn answer(mut self, result: Result<Receipt, Error>) {
        self.answered = true;
        self.put(result.map_err(|error| self.whole(error)));
    }

    /// Returns what a refusal says of all attempts, not only of the last.
    fn whole(&self, error: Error) -> Error {
        // Who finds another batch under the sequence knows that this one never was.
        let is_sure = matches!(error, Error::SequenceReused { .. });
        if !self.in_doubt || is_sure || error.fate() == Fate::Unknown {
            return error;
        }
        let what = format!("an attempt may have applied it; the last one was refused: {error}");
        Error::Unknown { shard: self.shard, what }
    }

    fn put(&self, result: Result<Receipt, Error>) {
        let mut book = self.desk.0.lock();
        if book.closed {
            return;
        }
        book.outstanding -= 1;
        book.answers.push((self.number, result));
        let is_enough = book.waiting.as_ref().is_some_and(|(_, want)| book.has_enough(*want));
        let waiting = if is_enough { book.waiting.take() } else { None };
        drop(book);
        if let Some((waker, _)) = waiting {
            waker.wake();
        }
    }
}

impl Drop for Ticket {
    /// Nobody waits for ever, whatever becomes of the shard (invariant D-5).
    fn drop(&mut self) {
        if !self.answered {
            let what = "the node is shutting down".to_owned();
            self.put(Err(Error::Unknown { shard: self.shard, what }));
        }
    }
}

impl Writes {
    pub(crate) fn new(handle: Handle, from: From, patience: Duration) -> Self {
        let (desk, deadline) = (Arc::default(), Instant::now());
        Self { handle, desk, sent: Vec::new(), from, patience, deadline }
    }

    /// Hands `batch`, whose entities all belong to `shard`, to that shard, after
    /// all sent before. Waits for room when the queues are full: the caller's
    /// back-pressure. `hold` is dropped when the write is answered. The number
    /// of a write counts from 0; one that is refused here has none.
    ///
    /// # Errors
    /// Surely not applied: too large, malformed, not served here.
    pub async fn send(
        &mut self,
        shard: ShardId,
        mut batch: Batch,
        answer: Answer,
        hold: Option<Hold>,
    ) -> Result<(), Error> {
        let bytes = batch.encoded_bytes();
        if batch.len() > limit::BATCH_EVENTS || bytes > limit::ENTRY_BYTES / 2 {
            return Err(Error::TooLarge {
                events: batch.len(),
                bytes,
                max_events: limit::BATCH_EVENTS,
                max_bytes: limit::ENTRY_BYTES / 2,
            });
        }
        batch.seal().map_err(|error| Error::Malformed(error.to_string()))?;
        let space = self.handle.inner.room.take(shard, bytes).await?;
        let closed = || Error::NotReady { shard, what: "the node is shutting down".to_owned() };
        let door = match self.from {
            From::Client => self.handle.door(shard)?,
            From::Peer => self.handle.led_here(shard)?.door.clone(),
        };
        let place = door.reserve().await.map_err(|_| closed())?;
        let number = self.sent.len() as u32;
        self.sent.push(Some(shard));
        self.desk.0.lock().outstanding += 1;
        let (desk, from) = (Arc::clone(&self.desk), self.from);
        let ticket = Ticket {
            desk,
            number,
            shard,
            from,
            in_doubt: false,
            answered: false,
            _hold: hold,
            _space: space,
        };
        place.send(Request::Write { batch: Box::new(batch), answer, bytes, ticket });
        self.deadline = Instant::now() + self.patience;
        Ok(())
    }

    /// Returns the answers that have come, waiting for one if none has; none
    /// when nothing is under way. Dropping the future loses nothing.
    pub async fn some(&mut self) -> Vec<Answered> {
        self.wait(Want::Any).await
    }

    /// Waits for every write; returns the answers not returned before. An answer
    /// comes after the entry is fsynced by a majority (invariant D-1).
    pub async fn all(&mut self) -> Vec<Answered> {
        self.wait(Want::All).await
    }

    async fn wait(&mut self, want: Want) -> Vec<Answered> {
        let desk = Arc::clone(&self.desk);
        let come = poll_fn(|context| desk.poll(context, want));
        let answers = match timeout_at(self.deadline, come).await {
            Ok(answers) => answers,
            Err(_elapsed) => self.give_up(),
        };
        for (number, _) in &answers {
            self.sent[*number as usize] = None;
        }
        answers
    }

    /// Answers what nobody answered in time.
    fn give_up(&mut self) -> Vec<Answered> {
        let mut book = self.desk.0.lock();
        book.closed = true;
        book.outstanding = 0;
        let mut answers = std::mem::take(&mut book.answers);
        drop(book);
        for (number, _) in &answers {
            self.sent[*number as usize] = None;
        }
        for (number, shard) in self.sent.iter().enumerate() {
            if let Some(shard) = *shard {
                let what = "it was not committed in time; the disk may be full or behind";
                let error = Error::Unknown { shard, what: what.to_owned() };
                answers.push((number as u32, Err(error)));
            }
        }
        // What is sent from here on is answered elsewhere.
        self.desk = Arc::default();
        answers
    }
}

impl Desk {
    fn poll(&self, context: &mut Context<'_>, want: Want) -> Poll<Vec<Answered>> {
        let mut book = self.0.lock();
        if book.has_enough(want) {
            return Poll::Ready(std::mem::take(&mut book.answers));
        }
        book.waiting = Some((context.waker().clone(), want));
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use via_types::Epoch;

    use super::*;
    use crate::room::Room;

    const SHARD: ShardId = ShardId::new(1);

    async fn ticket(desk: &Arc<Desk>, number: u32, room: &Room) -> Ticket {
        desk.0.lock().outstanding += 1;
        let space = room.take(SHARD, 1).await.expect("there is room");
        let (desk, shard) = (Arc::clone(desk), SHARD);
        Ticket {
            desk,
            number,
            shard,
            from: From::Client,
            in_doubt: false,
            answered: false,
            _hold: None,
            _space: space,
        }
    }

    #[tokio::test]
    async fn one_who_waits_for_all_is_told_once_and_of_each() {
        let (desk, room) = (Arc::<Desk>::default(), Room::new(16 << 20, 2));
        let whole = room.left(SHARD);
        let tickets = [ticket(&desk, 0, &room).await, ticket(&desk, 1, &room).await];
        let mut any = poll_fn(|context| desk.poll(context, Want::Any)).boxed();
        assert!(any.as_mut().now_or_never().is_none(), "nothing was answered");
        let [first, second] = tickets;
        second.answer(Ok(Receipt { accepted: 7, ..Receipt::default() }));
        assert_eq!(room.left(SHARD), whole - 1, "an answer gives its room back");
        let mut all = poll_fn(|context| desk.poll(context, Want::All)).boxed();
        assert!(all.as_mut().now_or_never().is_none(), "one is under way");
        first.answer(Ok(Receipt::default()));
        let answers = all.await;
        let numbers: Vec<u32> = answers.iter().map(|(number, _)| *number).collect();
        assert_eq!(numbers, [1, 0], "in the order of the answers");
        assert!(poll_fn(|context| desk.poll(context, Want::Any)).await.is_empty());
    }

    #[tokio::test]
    async fn a_ticket_that_is_lost_is_answered_as_unknown() {
        let (desk, room) = (Arc::<Desk>::default(), Room::new(16 << 20, 2));
        let whole = room.left(SHARD);
        drop(ticket(&desk, 0, &room).await);
        let mut answers = poll_fn(|context| desk.poll(context, Want::All)).await;
        let (number, result) = answers.pop().expect("it was answered");
        assert_eq!(number, 0);
        assert_eq!(result.expect_err("nobody knows").fate(), Fate::Unknown);
        assert_eq!(room.left(SHARD), whole);
    }

    #[tokio::test]
    async fn no_refusal_takes_back_that_an_attempt_may_have_applied_it() {
        let (desk, room) = (Arc::<Desk>::default(), Room::new(16 << 20, 2));
        let refusals = || {
            [
                Error::NotReady { shard: SHARD, what: "it is busy".to_owned() },
                Error::Fenced { given: Epoch::new(1), current: Epoch::new(2) },
                Error::SequenceReused { given: 1, accepted: 1, refused: 0 },
            ]
        };
        for (in_doubt, fates) in [
            (false, [Fate::Retry(Duration::from_millis(100)), Fate::Rejected, Fate::Rejected]),
            (true, [Fate::Unknown, Fate::Unknown, Fate::Rejected]),
        ] {
            for (refusal, fate) in refusals().into_iter().zip(fates) {
                let words = refusal.to_string();
                let mut ticket = ticket(&desk, 0, &room).await;
                ticket.in_doubt = in_doubt;
                ticket.answer(Err(refusal));
                let mut answers = poll_fn(|context| desk.poll(context, Want::Any)).await;
                let error = answers.pop().expect("answered").1.expect_err("refused");
                assert_eq!(error.fate(), fate, "{words}");
                assert!(error.to_string().ends_with(&words), "it says why: {error}");
            }
        }
    }
}
