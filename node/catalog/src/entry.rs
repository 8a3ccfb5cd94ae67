//! One entry of the catalog's log: a command, and the deed it is part of: who
//! asked for it, when, why, based on what. Owns their shape and bounds; control
//! fills them in, since a catalog has no clock and knows nobody.

use std::fmt;

use serde::{Deserialize, Serialize};
use via_types::{
    ApiKeyId, GrantId, NodeId, Revision, SessionId, TenantId, Timestamp, UserId, limit,
};

use crate::command::Command;
use crate::object::Digest;
use crate::refusal::Refusal;

/// A command as it rests in the meta group's log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Who asked for it; none in an entry from before there was an audit log,
    /// which leaves no record.
    pub deed: Option<Deed>,
    /// What is asked for.
    pub command: Command,
}

impl<C: Into<Command>> From<C> for Entry {
    fn from(command: C) -> Self {
        Self { deed: None, command: command.into() }
    }
}

/// Who asks, and how: what the audit record says besides the change (invariant
///
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deed {
    /// Who.
    pub by: Author,
    /// When: the time of whoever proposed it.
    pub at: Timestamp,
    /// The id of the request; empty when there was none.
    pub request: String,
    /// Why, in the words of who asks; may be empty.
    pub reason: String,
    /// What concerns a person, such as the address it came from, sealed.
    pub personal: Option<Personal>,
    /// The revision of the object that the change is based on (invariant C-1);
    /// 0 says that it must not be there yet.
    pub based_on: Option<Revision>,
    /// By which repetitions are recognised.
    pub idempotency: Option<Idempotency>,
}

/// Somebody who asks for a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Author {
    /// A node, by itself.
    Node(NodeId),
    /// Somebody of whom nobody asked who they are.
    Unknown,
    /// A user in a session; of no tenant, one of the platform.
    User {
        /// Who.
        user: UserId,
        /// Whose.
        home: Option<TenantId>,
        /// In which session, when it is known.
        session: Option<SessionId>,
        /// An operator who came through a grant.
        grant: Option<GrantId>,
    },
    /// A program with a key.
    ApiKey {
        /// Which.
        key: ApiKeyId,
        /// Whose.
        home: Option<TenantId>,
    },
    /// Somebody at the machine, with a node's own papers.
    Console(NodeId),
}

impl Author {
    /// Returns whose they are; none for the platform's own.
    pub fn home(self) -> Option<TenantId> {
        match self {
            Self::User { home, .. } | Self::ApiKey { home, .. } => home,
            Self::Node(_) | Self::Unknown | Self::Console(_) => None,
        }
    }

    /// Says whether it is a person of the platform, whose deeds in a tenant are
    /// told to the platform too.
    pub fn is_operator(self) -> bool {
        matches!(self, Self::User { home: None, .. } | Self::ApiKey { home: None, .. })
            || matches!(self, Self::Console(_))
    }
}

impl fmt::Display for Author {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node(node) => write!(f, "node {node}"),
            Self::Unknown => f.write_str("unknown"),
            Self::User { user, home: None, grant: Some(grant), .. } => {
                write!(f, "operator {user} by {grant}")
            }
            Self::User { user, home: None, .. } => write!(f, "operator {user}"),
            Self::User { user, .. } => write!(f, "user {user}"),
            Self::ApiKey { key, .. } => write!(f, "key {key}"),
            Self::Console(node) => write!(f, "console {node}"),
        }
    }
}

/// Something sealed with the key of the person that it concerns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Personal {
    /// Whose key: see [`crate::object::Subject`].
    pub subject: Digest,
    /// The sealed bytes.
    pub sealed: Vec<u8>,
}

/// Names a request so that a repetition is recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Idempotency {
    /// Whose request; none for the platform's own.
    pub tenant: Option<TenantId>,
    /// What the key and the route hash to.
    pub key: Digest,
    /// What the body hashes to.
    pub body: Digest,
}

impl Deed {
    /// Makes a deed of `by` at `at`, with nothing else said.
    pub fn new(by: Author, at: Timestamp) -> Self {
        Self {
            by,
            at,
            request: String::new(),
            reason: String::new(),
            personal: None,
            based_on: None,
            idempotency: None,
        }
    }

    /// Returns the deed, based on that revision.
    #[must_use]
    pub fn based_on(self, revision: Revision) -> Self {
        Self { based_on: Some(revision), ..self }
    }

    /// Checks what it says against the limits (invariant D-6).
    pub(crate) fn check(&self) -> Result<(), Refusal> {
        let personal = self.personal.as_ref().map_or(0, |personal| personal.sealed.len());
        let lengths = [
            ("the request's id", self.request.len(), limit::REQUEST_ID_BYTES),
            ("the reason", self.reason.len(), limit::REASON_BYTES),
            ("the personal part", personal, limit::PERSONAL_BYTES),
        ];
        lengths.into_iter().try_for_each(|(what, bytes, most)| Refusal::at_most(what, bytes, most))
    }

    /// Checks that the change is based on what is current (invariant C-1).
    pub(crate) fn is_based_on(&self, current: Revision) -> Result<(), Refusal> {
        match self.based_on {
            None => Err(Refusal::BasisMissing { current }),
            Some(based_on) if based_on != current => Err(Refusal::Stale { based_on, current }),
            Some(_) => Ok(()),
        }
    }
}
