//! What becomes of messages between nodes in memory: asked of whoever simulates
//! a network, message by message, in the order in which they are sent.

use std::time::Duration;

use via_types::NodeId;

use crate::Service;

/// Which part of a conversation a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leg {
    /// The question of a call.
    Request,
    /// The answer to a call.
    Answer,
    /// A stream is opened.
    Opening,
    /// The next frame of a stream.
    Frame,
}

/// A message that is about to go.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// Who sends it.
    pub from: NodeId,
    /// To whom.
    pub to: NodeId,
    /// Under which service.
    pub service: Service,
    /// Which part of a conversation it is.
    pub leg: Leg,
    /// What it says.
    pub bytes: &'a [u8],
}

/// What becomes of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passage {
    /// It arrives after this time.
    After(Duration),
    /// It vanishes: a call waits for its deadline, a stream breaks.
    Lost,
    /// It arrives after the first time, and once more after the second, if it is
    /// the request of a call; other messages arrive once.
    Twice(Duration, Duration),
}

impl Passage {
    /// It arrives now.
    pub const AT_ONCE: Self = Self::After(Duration::ZERO);
}

/// Decides what becomes of messages.
pub trait Weather: Send + Sync + 'static {
    /// Says what becomes of a message; called once for each, in order.
    fn passage(&self, message: &Message<'_>) -> Passage;
}
