//! What storage refuses, and what it means for the caller.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use via_types::{Fate, GroupId};

/// How long to wait before trying again when a queue or a disk is full.
const RETRY: Duration = Duration::from_millis(100);

/// Storage could not do what was asked. Cheap to clone: one failed sync fails
/// every request that waited for it.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// A queue is at its bound (invariant D-6); nothing was written.
    #[error("{what} holds {held} of at most {limit}")]
    Overloaded {
        /// Which bound.
        what: &'static str,
        /// How much it holds.
        held: u64,
        /// How much it may hold.
        limit: u64,
    },
    /// The disk is full; nothing was written and what was there is intact.
    #[error("the disk is full: could not {doing}")]
    Full {
        /// What was attempted.
        doing: &'static str,
        /// The operating system's answer.
        #[source]
        source: Arc<io::Error>,
    },
    /// An earlier write or sync failed, so nothing later can be trusted to be
    /// durable; only a restart, which reads the files again, clears this.
    #[error("the log stopped accepting writes: {cause}")]
    Poisoned {
        /// What failed.
        cause: Arc<str>,
    },
    /// Stored bytes are not what was written (invariant D-7).
    #[error("{} is damaged at byte {offset}: {what}; {advice}", file.display())]
    Corrupt {
        /// The damaged file.
        file: PathBuf,
        /// Where the damage begins.
        offset: u64,
        /// What is wrong.
        what: String,
        /// What the operator should do.
        advice: &'static str,
    },
    /// Another process has the directory open.
    #[error("{} is in use by another process", path.display())]
    Locked {
        /// The lock file.
        path: PathBuf,
    },
    /// An append would leave a gap or overlap; a mistake of the caller.
    #[error("group {group} expects entry {expected}, was given {given}")]
    Gap {
        /// The group.
        group: GroupId,
        /// The next index it can take.
        expected: u64,
        /// The index given.
        given: u64,
    },
    /// A single value exceeds its bound (invariant D-6).
    #[error("{what} of {bytes} bytes; at most {limit} are allowed")]
    TooLarge {
        /// What it is.
        what: &'static str,
        /// Its size.
        bytes: usize,
        /// The bound.
        limit: usize,
    },
    /// The operating system refused.
    #[error("could not {doing} {}", path.display())]
    Io {
        /// What was attempted.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// Its answer.
        #[source]
        source: Arc<io::Error>,
    },
    /// The state store failed.
    #[error("the state store could not {doing}: {what}")]
    Store {
        /// What was attempted.
        doing: &'static str,
        /// Its answer.
        what: String,
    },
}

impl Error {
    /// Says what became of the write (invariant D-5).
    pub fn fate(&self) -> Fate {
        match self {
            Self::Overloaded { .. } | Self::Full { .. } => Fate::Retry(RETRY),
            Self::Gap { .. } | Self::TooLarge { .. } | Self::Locked { .. } => Fate::Rejected,
            Self::Poisoned { .. } | Self::Corrupt { .. } | Self::Io { .. } | Self::Store { .. } => {
                Fate::Unknown
            }
        }
    }
}

/// Makes the error of an attempt at `path`.
pub(crate) fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error + use<> {
    let path = path.to_owned();
    move |source| {
        let is_full = is_full(&source);
        let source = Arc::new(source);
        if is_full { Error::Full { doing, source } } else { Error::Io { doing, path, source } }
    }
}

/// Says whether a disk or a quota has no room: the one failure that passes.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
