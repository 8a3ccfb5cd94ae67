//! Bytes that outlive a process: the envelope around every record on disk and
//! every frame to a peer. Owns kinds, versions, checksums and bincode; refuses
//! to know what a payload means. Every driver and service calls it. Invariant
//! D-7: what does not match is refused, never guessed.

mod entry;
mod envelope;
mod error;
pub mod first;
mod kind;

pub use entry::{decode_entry, holds_events};
pub use envelope::{
    OVERHEAD, Payload, decode, decode_since, decode_since_first, encode, encode_into,
    encoded_bytes, open, try_encode_into,
};
pub use error::Error;
pub use kind::Kind;
