//! Why bytes were refused (invariant D-7).

use crate::Kind;

/// Bytes that are not what they should be, or a value too large to become bytes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Fewer bytes than the envelope itself.
    #[error("{found} bytes are too few for an envelope")]
    Short {
        /// How many there are.
        found: usize,
    },
    /// The first byte is not that of an envelope.
    #[error("not an envelope: it begins with {found:#04x}")]
    Magic {
        /// The first byte.
        found: u8,
    },
    /// Another kind of record was expected.
    #[error("kind {found} where {expected:?} was expected")]
    Kind {
        /// The kind asked for.
        expected: Kind,
        /// The number found.
        found: u16,
    },
    /// A version this program does not read.
    #[error("{kind:?} has format version {found}; this program reads 1 to {current}")]
    Version {
        /// The kind.
        kind: Kind,
        /// The version found.
        found: u8,
        /// The newest version this program reads.
        current: u8,
    },
    /// The length in the envelope is not that of the bytes given.
    #[error("{kind:?} says {claimed} payload bytes but has {found}")]
    Length {
        /// The kind.
        kind: Kind,
        /// The length it claims.
        claimed: usize,
        /// The length it has.
        found: usize,
    },
    /// The checksum does not match.
    #[error("{kind:?} fails its checksum")]
    Checksum {
        /// The kind.
        kind: Kind,
    },
    /// Larger than its kind may be (invariant D-6).
    #[error("{kind:?} has {bytes} bytes; at most {limit} are allowed")]
    TooLarge {
        /// The kind.
        kind: Kind,
        /// How large it is.
        bytes: usize,
        /// How large it may be.
        limit: usize,
    },
    /// The payload is sound but is not the value expected.
    #[error("{kind:?} does not decode: {what}")]
    Payload {
        /// The kind.
        kind: Kind,
        /// What is wrong.
        what: String,
    },
    /// The value has no byte form (an unsized sequence, a failing serialiser).
    #[error("{kind:?} does not encode: {what}")]
    Encode {
        /// The kind.
        kind: Kind,
        /// What is wrong.
        what: String,
    },
}
