//! What can go wrong in a group, and what a caller may believe then.

use std::time::Duration;

use via_types::{Fate, GroupId, LogIndex, NodeId};

use crate::Position;

/// How long a caller waits before it tries again, when a leader is being found.
const SOON: Duration = Duration::from_millis(50);
/// How long a caller waits when the log cannot grow.
const LATER: Duration = Duration::from_secs(1);

/// Anything of any type that a machine reports as its error.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// A request that a group did not serve.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// This node does not lead the group, or not surely any more.
    #[error("{group} is led by {}", leader.map_or("nobody".to_owned(), |leader| leader.to_string()))]
    NotLeader {
        /// Which group.
        group: GroupId,
        /// Who leads it, when known.
        leader: Option<NodeId>,
    },
    /// Leadership was lost after the entry was appended; a later leader may
    /// still commit it.
    #[error("{group} changed its leader before the entry was committed")]
    Deposed {
        /// Which group.
        group: GroupId,
        /// Who leads it, when known.
        leader: Option<NodeId>,
    },
    /// The group stopped before it took the request.
    #[error("{0} has stopped")]
    Stopped(GroupId),
    /// The group stopped while the request was under way.
    #[error("{0} stopped before the entry was applied")]
    Interrupted(GroupId),
    /// The log cannot take more now: its disk is full or behind.
    #[error("{0} cannot grow its log now")]
    LogFull(GroupId),
    /// A payload is over the limit.
    #[error("an entry of {bytes} bytes is over the limit of {limit}")]
    TooLong {
        /// Its length.
        bytes: usize,
        /// The most there may be.
        limit: usize,
    },
    /// No majority confirmed in time.
    #[error("{0} did not confirm in time")]
    Deadline(GroupId),
    /// A change of replicas that cannot be made now.
    #[error("{group} cannot change its replicas: {reason}")]
    Membership {
        /// Which group.
        group: GroupId,
        /// Why not.
        reason: String,
    },
    /// The log ends before what the machine has already applied: entries that
    /// were acknowledged are gone (invariant D-7).
    #[error(
        "the log of {group} ends at {} but its state has applied {applied}: acknowledged entries \
         are missing from the log; restore the log or this node's whole data directory from backup",
        last.map_or("nothing".to_owned(), |last| last.to_string())
    )]
    LogBehind {
        /// Which group.
        group: GroupId,
        /// Where the log ends.
        last: Option<LogIndex>,
        /// What the machine has applied.
        applied: Position,
    },
    /// The log starts after what the machine needs next.
    #[error(
        "the log of {group} starts after {purged} but its state has applied {}: what was between \
         them is lost with the state; restore this node's whole data directory from a backup, or \
         move it away to begin anew",
        applied.map_or("nothing".to_owned(), |at| format!("only {at}"))
    )]
    LogAhead {
        /// Which group.
        group: GroupId,
        /// The last index that is not in the log any more.
        purged: LogIndex,
        /// What the machine has applied.
        applied: Option<Position>,
    },
    /// A group of this number is already open.
    #[error("{0} is already open")]
    AlreadyOpen(GroupId),
    /// The group stopped for good: its log or its machine failed.
    #[error("{group} failed: {reason}")]
    Fatal {
        /// Which group.
        group: GroupId,
        /// What happened.
        reason: String,
    },
    /// Bytes in the log or from a peer are not what they should be.
    #[error("unreadable {what}")]
    Unreadable {
        /// What was read.
        what: &'static str,
        /// What is wrong with it.
        source: Cause,
    },
    /// The log failed.
    #[error("the log failed")]
    Log(#[source] Cause),
    /// The machine failed.
    #[error("the machine failed")]
    Machine(#[source] Cause),
    /// A peer could not be reached.
    #[error("a peer could not be reached")]
    Peer(#[from] via_transport::Error),
    /// The settings do not fit together.
    #[error("settings: {0}")]
    Options(String),
}

impl Error {
    /// Wraps what a machine has to say about its failure.
    pub fn machine(cause: impl Into<Cause>) -> Self {
        Self::Machine(cause.into())
    }

    /// Says what became of the request (invariant D-5).
    pub fn fate(&self) -> Fate {
        match self {
            Self::NotLeader { .. } | Self::Stopped(_) => Fate::Retry(SOON),
            Self::LogFull(_) => Fate::Retry(LATER),
            Self::Membership { .. } => Fate::Retry(LATER),
            Self::TooLong { .. } | Self::Options(_) | Self::AlreadyOpen(_) => Fate::Rejected,
            Self::LogBehind { .. } | Self::LogAhead { .. } => Fate::Rejected,
            Self::Deposed { .. } | Self::Interrupted(_) | Self::Deadline(_) => Fate::Unknown,
            Self::Fatal { .. } | Self::Unreadable { .. } => Fate::Unknown,
            Self::Log(_) | Self::Machine(_) => Fate::Unknown,
            Self::Peer(error) => error.fate(),
        }
    }

    /// Returns who leads the group instead of this node, when that is the
    /// reason and is known.
    pub fn leader(&self) -> Option<NodeId> {
        if let Self::NotLeader { leader, .. } | Self::Deposed { leader, .. } = self {
            *leader
        } else {
            None
        }
    }
}

/// Returns an error and all its causes in one line.
pub(crate) fn words(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        words.push_str(": ");
        words.push_str(&error.to_string());
        cause = error.source();
    }
    words
}
