//! The catalogue of everything that is stored or sent as bytes. Owns the
//! numbers, which are never reused, and each kind's version and bound.

use via_types::limit;

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $number:literal, version $version:literal, at most $bytes:expr, $pack:ident;)*) => {
        /// What an envelope holds. Numbers are part of the format: a kind may
        /// be retired, its number never given away again.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u16)]
        pub enum Kind {
            $($(#[$doc])* $name = $number,)*
        }

        impl Kind {
            /// Every kind, by number.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// Returns the kind with this number.
            pub const fn from_number(number: u16) -> Option<Self> {
                match number {
                    $($number => Some(Self::$name),)*
                    _ => None,
                }
            }

            /// Returns the version written today.
            pub const fn version(self) -> u8 {
                match self { $(Self::$name => $version,)* }
            }

            /// Returns the most bytes a payload may have, unpacked (invariant D-6).
            pub const fn max_bytes(self) -> usize {
                match self { $(Self::$name => $bytes,)* }
            }

            pub(crate) const fn packing(self) -> Packing {
                match self { $(Self::$name => Packing::$pack,)* }
            }
        }
    };
}

/// Whether a kind's payload is compressed when that makes it smaller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Packing {
    Plain,
    Lz4,
    /// Only payloads so large that they are more than what has its own compact
    /// form, which does not get smaller.
    Lz4Large,
}

const MIB: usize = 1 << 20;

kinds! {
    /// One entry of a Raft log, with its log id.
    RaftEntry = 1, version 1, at most limit::ENTRY_BYTES + MIB, Plain;
    /// A Raft group's vote, committed or purged position.
    HardState = 2, version 1, at most 64 << 10, Plain;
    /// One entry of a shard's log.
    ShardEntry = 3, version 2, at most limit::ENTRY_BYTES, Plain;
    /// One profile at rest.
    Profile = 4, version 1, at most 256 << 10, Lz4Large;
    /// One detection at rest.
    Detection = 5, version 2, at most 256 << 10, Lz4;
    /// A shard's producers, unique ids and counters.
    Ledger = 6, version 3, at most limit::ENTRY_BYTES, Lz4;
    /// One command of the catalog's log.
    CatalogEntry = 7, version 2, at most limit::ENTRY_BYTES, Plain;
    /// The catalog, whole or one record of it.
    CatalogState = 8, version 1, at most limit::ENTRY_BYTES, Lz4;
    /// A piece of a group's snapshot.
    SnapshotChunk = 9, version 1, at most limit::ENTRY_BYTES, Lz4;
    /// The start of a log segment.
    LogSegmentHeader = 10, version 1, at most 4 << 10, Plain;
    /// What a node's state store is and whose.
    StoreMeta = 11, version 1, at most 64 << 10, Plain;
    /// An opaque position given to a client.
    Cursor = 12, version 1, at most 4 << 10, Plain;
    /// A message between peers.
    PeerFrame = 13, version 1, at most limit::ENTRY_BYTES + MIB, Plain;
    /// A Raft group's membership.
    Membership = 14, version 1, at most 64 << 10, Plain;
    /// How far a group's machine has applied its log.
    MachineState = 15, version 1, at most MIB, Plain;
    /// A stream's configuration as a shard keeps it.
    StreamConfig = 16, version 1, at most MIB, Plain;
    /// What somebody said of a detection, at rest.
    Feedback = 17, version 1, at most 64 << 10, Plain;
    /// What a node asks of another about shards.
    ShardCall = 24, version 1, at most limit::ENTRY_BYTES + MIB, Plain;
    /// What it is answered.
    ShardAnswer = 25, version 1, at most limit::ENTRY_BYTES + MIB, Lz4;
    /// Changes of detections on their way to a live feed on another node.
    ShardNews = 26, version 1, at most limit::ENTRY_BYTES + MIB, Lz4;
    /// One audit record at rest: its text.
    AuditRecord = 40, version 1, at most 64 << 10, Lz4;
    /// One node of an audit log's tree.
    AuditNode = 41, version 1, at most 4 << 10, Plain;
    /// A piece of the audit logs in a snapshot of the catalog.
    AuditPiece = 42, version 1, at most limit::ENTRY_BYTES, Lz4;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_names_its_kind_and_no_other() {
        for kind in Kind::ALL {
            assert_eq!(Kind::from_number(*kind as u16), Some(*kind));
            assert!(kind.version() >= 1, "version 0 is what zeroed bytes claim");
        }
        assert_eq!(Kind::from_number(0), None);
        assert_eq!(Kind::from_number(u16::MAX), None);
    }
}
