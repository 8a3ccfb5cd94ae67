//! The numbers given under a producer's name: each names one batch for ever. Knows
//! who holds the name only by what it is told.

use std::collections::BTreeSet;

use parking_lot::Mutex;
use tokio::sync::Notify;

/// How far the newest number may be ahead of the oldest that is not settled: the
/// node recognises the newest 1,024.
const AHEAD: u64 = 512;

/// A batch's number.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Number {
    pub(crate) producer: u64,
    pub(crate) epoch: u32,
    pub(crate) sequence: u64,
}

impl Number {
    pub(crate) fn identity(self) -> (u64, u32) {
        (self.producer, self.epoch)
    }
}

/// What is known when a number is asked for.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Given {
    Number(Number),
    /// The name is not open.
    Closed,
    /// An earlier number must be settled first.
    Ahead,
}

/// The numbers of one name.
pub(crate) struct Numbering {
    pub(crate) name: String,
    state: Mutex<Numbers>,
    /// Held by whoever opens the name.
    pub(crate) opening: tokio::sync::Mutex<()>,
    settled: Notify,
}

#[derive(Default)]
struct Numbers {
    identity: Option<(u64, u32)>,
    sequence: u64,
    unsettled: BTreeSet<u64>,
}

impl Numbering {
    pub(crate) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            state: Mutex::default(),
            opening: tokio::sync::Mutex::new(()),
            settled: Notify::new(),
        }
    }

    /// Gives the next number to a batch that will be settled.
    pub(crate) fn give(&self) -> Given {
        let mut state = self.state.lock();
        let Some((producer, epoch)) = state.identity else { return Given::Closed };
        let sequence = state.sequence + 1;
        if state.unsettled.first().is_some_and(|oldest| sequence - oldest > AHEAD) {
            return Given::Ahead;
        }
        state.sequence = sequence;
        state.unsettled.insert(sequence);
        Given::Number(Number { producer, epoch, sequence })
    }

    /// Gives the next number to a batch that is kept on disk, and sent in order.
    pub(crate) fn give_kept(&self) -> Option<Number> {
        let mut state = self.state.lock();
        let (producer, epoch) = state.identity?;
        state.sequence += 1;
        Some(Number { producer, epoch, sequence: state.sequence })
    }

    /// Ends a number's use.
    pub(crate) fn settle(&self, number: Number) {
        let mut state = self.state.lock();
        if state.identity == Some(number.identity()) {
            state.unsettled.remove(&number.sequence);
        }
        drop(state);
        self.settled.notify_waiters();
    }

    /// Waits until a number's use has ended.
    pub(crate) async fn wait_settled(&self) {
        let settled = self.settled.notified();
        tokio::pin!(settled);
        settled.as_mut().enable();
        if self.give_would_wait() {
            settled.await;
        }
    }

    fn give_would_wait(&self) -> bool {
        let state = self.state.lock();
        state.unsettled.first().is_some_and(|oldest| state.sequence + 1 - oldest > AHEAD)
    }

    /// Says whether a number belongs to the identity that is open now.
    pub(crate) fn holds(&self, number: Number) -> bool {
        self.identity() == Some(number.identity())
    }

    pub(crate) fn identity(&self) -> Option<(u64, u32)> {
        self.state.lock().identity
    }

    /// Begins with the numbers of another identity.
    pub(crate) fn open_as(&self, identity: (u64, u32)) {
        *self.state.lock() = Numbers { identity: Some(identity), ..Numbers::default() };
        self.settled.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sequences(numbering: &Numbering, count: usize) -> Vec<u64> {
        let mut given = Vec::new();
        for _ in 0..count {
            match numbering.give() {
                Given::Number(number) => given.push(number.sequence),
                Given::Closed | Given::Ahead => break,
            }
        }
        given
    }

    #[test]
    fn numbers_count_from_one_in_every_epoch() {
        let numbering = Numbering::new("a");
        assert_eq!(numbering.give(), Given::Closed);
        numbering.open_as((1, 1));
        assert_eq!(sequences(&numbering, 3), [1, 2, 3]);
        numbering.open_as((1, 2));
        assert_eq!(sequences(&numbering, 2), [1, 2]);
    }

    #[test]
    fn no_number_is_given_that_would_make_the_node_forget_an_unsettled_one() {
        let numbering = Numbering::new("a");
        numbering.open_as((1, 1));
        let given = sequences(&numbering, 2_000);
        assert_eq!(given.len() as u64, AHEAD + 1);
        assert_eq!(numbering.give(), Given::Ahead);
        let of = |sequence| Number { producer: 1, epoch: 1, sequence };
        numbering.settle(of(2));
        assert_eq!(numbering.give(), Given::Ahead);
        numbering.settle(Number { epoch: 0, ..of(1) });
        assert_eq!(numbering.give(), Given::Ahead, "another epoch's number says nothing");
        numbering.settle(of(1));
        assert_eq!(sequences(&numbering, 9), [AHEAD + 2, AHEAD + 3]);
    }
}
