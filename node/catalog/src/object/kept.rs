//! What is kept beside the things themselves: earlier configurations of
//! streams, suppression lists, remembered answers, and keys that seal what
//! concerns a person.

use serde::{Deserialize, Serialize};
use via_types::{Revision, StreamId, SuppressionId, TenantId, Timestamp};

use super::{Digest, TrailId};
use crate::entry::Author;

/// What a stream said of its configuration at a revision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edition {
    /// Which stream.
    pub stream: StreamId,
    /// The revision that set it.
    pub revision: Revision,
    /// What it said, as JSON.
    pub own: String,
    /// Who set it.
    pub author: Author,
    /// When.
    pub at: Timestamp,
    /// Why.
    pub reason: String,
}

/// What an entry of a suppression list is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Hushed {
    /// An entity, by its key.
    Entity(String),
    /// A rhythm, by its hash.
    Rhythm(u64),
}

/// What is to be done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verdict {
    /// It is known and fine: nothing is told of it.
    Allow,
    /// It is known and bad: it is always told.
    Block,
}

/// An entry of a tenant's suppression list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suppression {
    /// Which, never reused.
    pub id: SuppressionId,
    /// Whose.
    pub tenant: TenantId,
    /// Of which stream; none for all of the tenant's.
    pub stream: Option<StreamId>,
    /// What it is about.
    pub about: Hushed,
    /// What is to be done.
    pub verdict: Verdict,
    /// Why.
    pub reason: String,
    /// Who made it.
    pub author: Author,
    /// When.
    pub at: Timestamp,
    /// From when on it does not hold; none holds until it is taken away.
    pub expires: Option<Timestamp>,
}

/// What a request was answered, kept for its repetition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// Whose request.
    pub whose: TrailId,
    /// What its key hashes to.
    pub key: Digest,
    /// What its body hashes to.
    pub body: Digest,
    /// The outcome, as JSON.
    pub outcome: String,
    /// At which revision.
    pub revision: Revision,
    /// From when on it is forgotten.
    pub expires: Timestamp,
}

/// The key that seals what concerns one person. Without it nobody reads what it
/// sealed, and every proof stays good.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// What the person's name hashes to.
    pub id: Digest,
    /// The key.
    pub key: [u8; 32],
}

impl Subject {
    /// Nobody's: the seed of the key with which heads of audit logs are signed.
    pub const SIGNER: Digest = Digest::new(*b"via-audit-head-signing-key-00001");
}
