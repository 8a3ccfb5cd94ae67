//! What a replicated state machine is to this crate, and what it is given.

use std::any::Any;
use std::fmt;

use bytes::Bytes;
use via_types::{LogIndex, NodeId, Term};

use crate::Error;

/// A place in a group's log. Two entries at the same place are the same entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The term it was proposed in.
    pub term: Term,
    /// Who proposed it: the node that executes it (invariant D-3).
    pub leader: NodeId,
    /// Its index.
    pub index: LogIndex,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}-{}", self.index, self.term, self.leader)
    }
}

/// What a committed entry carries.
#[derive(Clone, Copy, Debug)]
pub enum Applied<'a> {
    /// Nothing: the first entry of a term. Applying it on the node it names is
    /// that node's promotion (invariant D-3).
    Blank,
    /// What was submitted.
    Payload(&'a Bytes),
    /// A change of replicas, which this crate keeps by itself.
    Membership,
}

/// What applying an entry answers to whoever proposed it: a value of any type,
/// or nothing.
#[derive(Default)]
pub struct Outcome(Option<Box<dyn Any + Send + Sync>>);

impl Outcome {
    /// Answers nothing.
    pub const fn none() -> Self {
        Self(None)
    }

    /// Answers `value`.
    pub fn of<T: Any + Send + Sync>(value: T) -> Self {
        Self(Some(Box::new(value)))
    }

    /// Returns the value when it is a `T`.
    pub fn take<T: Any>(self) -> Option<T> {
        self.0.and_then(|value| value.downcast().ok()).map(|value| *value)
    }
}

impl fmt::Debug for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Outcome(value)" } else { "Outcome(none)" })
    }
}

/// Longest piece of a machine's state, bytes.
pub const CHUNK_BYTES: usize = 1 << 20;

/// Pieces of a machine's state on their way to a new replica, each at most
/// [`CHUNK_BYTES`] long.
pub type Chunks = Box<dyn Iterator<Item = Result<Bytes, Error>> + Send>;

/// A state machine that a group replicates.
///
/// This crate calls it from one task at a time, never concurrently. It may
/// block for bounded file I/O.
pub trait Machine: Send + Sync + 'static {
    /// Returns how far its durable state reaches: asked once, when the group
    /// opens. Entries up to there are not applied again; none means all are.
    fn applied(&self) -> Option<Position>;

    /// Applies one committed entry; positions only grow.
    ///
    /// # Errors
    /// A broken invariant or a failed store. The group stops then and does not
    /// carry on; [`crate::Group::failed`] tells.
    fn apply(&mut self, at: Position, entry: Applied<'_>) -> Result<Outcome, Error>;

    /// Returns the newest position up to which the log is not needed any more,
    /// because all it did is durable elsewhere; none when nothing may be purged.
    fn durable(&self) -> Option<Position>;

    /// Returns the state as of [`Self::durable`]. Must be cheap to call and do
    /// its reading as the chunks are taken: it is also called only to learn
    /// whether there is a state to send.
    ///
    /// # Errors
    /// The state cannot be read.
    fn export(&self) -> Result<Chunks, Error>;

    /// Replaces the state by one exported elsewhere as of `at`, durably.
    /// Afterwards [`Self::durable`] returns `at` or later.
    ///
    /// # Errors
    /// The chunks end in an error or do not fit; the group stops. The state is
    /// then the old one or none, never a mixture that looks whole.
    fn install(
        &mut self,
        at: Position,
        chunks: &mut dyn Iterator<Item = Result<Bytes, Error>>,
    ) -> Result<(), Error>;
}

/// What a machine does with each entry it reads again.
pub type Visit<'a> = dyn FnMut(Position, Applied<'_>) -> Result<(), Error> + 'a;

/// A group's log, for a machine that rebuilds itself from it.
pub trait Tail: Send + Sync {
    /// Visits the entries `from..=to` in order, reading bounded pieces at a
    /// time. The caller keeps to indices that are committed.
    ///
    /// # Errors
    /// An entry in the range is missing or unreadable, or `each` failed.
    fn read(&self, from: LogIndex, to: LogIndex, each: &mut Visit<'_>) -> Result<(), Error>;
}
