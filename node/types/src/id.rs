//! Identities. Each is a newtype with a readable prefix and no arithmetic, so
//! that a shard is never passed where a node is meant.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The text given is not an id of the expected kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not {expected}")]
pub struct ParseIdError {
    text: String,
    expected: &'static str,
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident($inner:ty), $prefix:literal) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name($inner);

        impl $name {
            /// Names the thing with this number.
            pub const fn new(number: $inner) -> Self {
                Self(number)
            }

            /// Returns the bare number, for formats and arrays.
            pub const fn get(self) -> $inner {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0)
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.strip_prefix($prefix)
                    .and_then(|number| number.parse().ok())
                    .map(Self)
                    .ok_or_else(|| ParseIdError {
                        text: text.to_owned(),
                        expected: concat!("an id like ", $prefix, "1"),
                    })
            }
        }
    };
}

id!(
    /// A process with an identity; carried in every log id (invariant D-3).
    NodeId(u64), "n"
);
id!(
    /// A fixed fraction of the hash space, numbered from 0.
    ShardId(u16), "s"
);
id!(
    /// A customer of the service.
    TenantId(u32), "t"
);
id!(
    /// A tenant's named flow of events; unique across tenants, never reused.
    StreamId(u32), "f"
);
id!(
    /// A Raft group: 0 is the meta group, shard `s` is group `s + 1`.
    GroupId(u32), "g"
);
id!(
    /// The catalog's version: its meta-group log index.
    Revision(u64), "r"
);
id!(
    /// A named source of numbered batches.
    ProducerId(u64), "p"
);
id!(
    /// A producer's incarnation; an older one is fenced off (invariant D-2).
    Epoch(u32), "e"
);
id!(
    /// A batch's number within its producer's epoch.
    Sequence(u64), "q"
);
id!(
    /// A position in one group's log, from 1.
    LogIndex(u64), "i"
);
id!(
    /// A Raft term.
    Term(u64), "m"
);

id!(
    /// Somebody who logs in; the revision that created them, never reused.
    UserId(u64), "u"
);
id!(
    /// A role that a tenant made; the revision that created it, never reused.
    RoleId(u64), "role"
);
id!(
    /// An API key; the revision that created it, never reused.
    ApiKeyId(u64), "k"
);
id!(
    /// A session; the revision that began it, never reused.
    SessionId(u64), "login"
);
id!(
    /// An operator's time-limited way into a tenant; the revision that opened it.
    GrantId(u64), "glass"
);
id!(
    /// An entry of a suppression list; the revision that made it.
    SuppressionId(u64), "hush"
);

impl GroupId {
    /// The group whose machine is the catalog.
    pub const META: Self = Self::new(0);

    /// Returns the group that replicates `shard`.
    pub const fn of_shard(shard: ShardId) -> Self {
        Self::new(shard.get() as u32 + 1)
    }

    /// Returns the shard this group replicates; none for the meta group.
    pub fn shard(self) -> Option<ShardId> {
        let number = self.get().checked_sub(1)?;
        u16::try_from(number).ok().map(ShardId::new)
    }
}

/// Where a detection was made: its shard, the log index of the `Events` entry
/// and the event's offset in that entry. Positional, so that telling it twice
/// is harmless (invariant D-4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DetectionId {
    /// The shard that made it.
    pub shard: ShardId,
    /// The log index of the entry that caused it.
    pub index: LogIndex,
    /// Which of that entry's outcomes it is.
    pub offset: u32,
}

impl fmt::Display for DetectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { shard, index, offset } = self;
        write!(f, "d{}-{}-{offset}", shard.get(), index.get())
    }
}

impl FromStr for DetectionId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parse = || {
            let mut parts = text.strip_prefix('d')?.split('-');
            let id = Self {
                shard: ShardId::new(parts.next()?.parse().ok()?),
                index: LogIndex::new(parts.next()?.parse().ok()?),
                offset: parts.next()?.parse().ok()?,
            };
            parts.next().is_none().then_some(id)
        };
        parse().ok_or_else(|| ParseIdError {
            text: text.to_owned(),
            expected: "a detection id like d17-1042-3",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_from_its_text() {
        let id = DetectionId { shard: ShardId::new(17), index: LogIndex::new(1042), offset: 3 };
        assert_eq!(id.to_string(), "d17-1042-3");
        assert_eq!("d17-1042-3".parse(), Ok(id));
        assert_eq!("s7".parse(), Ok(ShardId::new(7)));
        assert!("n7".parse::<ShardId>().is_err());
        assert!("d1-2".parse::<DetectionId>().is_err());
        assert!("d1-2-3-4".parse::<DetectionId>().is_err());
    }

    #[test]
    fn every_shard_has_its_own_group() {
        assert_eq!(GroupId::META.shard(), None);
        let shard = ShardId::new(63);
        assert_eq!(GroupId::of_shard(shard).shard(), Some(shard));
    }
}
