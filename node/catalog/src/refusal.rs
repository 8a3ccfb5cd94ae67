//! Why a command changed nothing. Texts are meant for whoever sent it.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};
use via_types::{NodeId, Revision, StreamId, TenantId, Timestamp};

use crate::object::ClusterId;

/// A kind of thing with a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Thing {
    /// A node.
    Node,
    /// A tenant.
    Tenant,
    /// A stream.
    Stream,
    /// A producer.
    Producer,
    /// A failure domain.
    Zone,
    /// Where a node is reached.
    Address,
    /// A role.
    Role,
    /// A user.
    User,
    /// An API key.
    ApiKey,
    /// A plan.
    Plan,
    /// Where data may lie.
    Region,
}

impl fmt::Display for Thing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Node => "node",
            Self::Tenant => "tenant",
            Self::Stream => "stream",
            Self::Producer => "producer",
            Self::Zone => "zone",
            Self::Address => "address",
            Self::Role => "role",
            Self::User => "user",
            Self::ApiKey => "API key",
            Self::Plan => "plan",
            Self::Region => "region",
        })
    }
}

/// A command was refused; the catalog is as it was before.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum Refusal {
    /// Nothing else may happen before the cluster is formed.
    #[error("the cluster is not formed yet")]
    NotFormed,
    /// A cluster is formed once.
    #[error("this is cluster {id} with {shards} shards already")]
    AlreadyFormed {
        /// The cluster that exists.
        id: ClusterId,
        /// Its shard count.
        shards: u16,
    },
    /// The shard count cannot split the hash space evenly.
    #[error("{shards} shards: the number must be a power of two from 1 to 32768")]
    Shards {
        /// What was asked for.
        shards: u16,
    },
    /// The name breaks the rule of [`crate::name`].
    #[error("{thing} {name:?} {wrong}")]
    Name {
        /// What was to be named.
        thing: Thing,
        /// The name, cut to the longest allowed.
        name: String,
        /// What is wrong with it.
        wrong: String,
    },
    /// Another thing of the kind has that name.
    #[error("another {thing} is named {name:?}")]
    NameTaken {
        /// What was to be named.
        thing: Thing,
        /// The name.
        name: String,
    },
    /// A table is full (invariant D-6).
    #[error("there are {limit} {what} already, which is the limit")]
    Full {
        /// What there are too many of.
        what: Cow<'static, str>,
        /// How many are allowed.
        limit: u64,
    },
    /// There is no such tenant.
    #[error("there is no tenant {0}")]
    NoTenant(TenantId),
    /// The tenant has no such stream.
    #[error("there is no stream {0} of this tenant")]
    NoStream(StreamId),
    /// There is no such node.
    #[error("there is no node {0}")]
    NoNode(NodeId),
    /// The node left for good; its id is not used again.
    #[error("node {0} has left the cluster; start it with a new id")]
    NodeLeft(NodeId),
    /// The change was based on a revision that is no longer the newest (C-1).
    #[error("the configuration was changed meanwhile: it is at {current}, not at {based_on}")]
    Stale {
        /// What the change was based on.
        based_on: Revision,
        /// What it must be based on.
        current: Revision,
    },
    /// The configuration is too long.
    #[error(
        "the configuration has {bytes} bytes of JSON; {} are allowed",
        via_types::limit::CONFIG_BYTES
    )]
    ConfigTooLong {
        /// Its length.
        bytes: usize,
    },
    /// This version cannot read the configuration. Proposers check before they
    /// propose, so a committed one that is unreadable comes from a newer
    /// version: a replica must stop rather than disagree with the others.
    #[error("this version cannot read the configuration: {why}")]
    Unreadable {
        /// What the reader said.
        why: String,
    },
    /// No such join token was issued, or it is long forgotten.
    #[error("the join token is not known here; make a new one with `via-node cluster token`")]
    TokenUnknown,
    /// The join token's time is over.
    #[error("the join token has expired; make a new one with `via-node cluster token`")]
    TokenExpired,
    /// Another node has joined with the token.
    #[error(
        "the join token was used by another node; make a new one with `via-node cluster token`"
    )]
    TokenUsed,
    /// Changes of this kind say who asks for them (invariant A-1).
    #[error("nobody says who asks for this change")]
    Anonymous,
    /// The change must say what it is based on (invariant C-1).
    #[error("the change does not say what it is based on; it is at {current}")]
    BasisMissing {
        /// What it must be based on.
        current: Revision,
    },
    /// A request with this idempotency key was another one.
    #[error("this idempotency key was used for another request")]
    OtherRequest,
    /// There is no such thing, or it is somebody else's.
    #[error("there is no {what}")]
    NoSuch {
        /// What was asked for.
        what: Cow<'static, str>,
    },
    /// A part of the command cannot be.
    #[error("{what} {wrong}")]
    Unfit {
        /// Which part.
        what: Cow<'static, str>,
        /// What is wrong with it.
        wrong: Cow<'static, str>,
    },
    /// The tenant's quota is used up.
    #[error("the quota of {quota} is {limit}, and used up")]
    Quota {
        /// Which quota.
        quota: Cow<'static, str>,
        /// How much it is.
        limit: u64,
    },
    /// Too much failed lately: no attempt is heard before.
    #[error("too many attempts failed; the next is heard at {until}")]
    TooEarly {
        /// From when on.
        until: Timestamp,
    },
    /// A code or a token that is good once was used before.
    #[error("it was used before")]
    UsedBefore,
}

impl Refusal {
    /// Says that a table is full (invariant D-6).
    pub fn full(what: &'static str, limit: u64) -> Self {
        Self::Full { what: Cow::Borrowed(what), limit }
    }

    pub(crate) fn no_such(what: &'static str) -> Self {
        Self::NoSuch { what: Cow::Borrowed(what) }
    }

    pub(crate) fn unfit(what: &'static str, wrong: &'static str) -> Self {
        Self::Unfit { what: Cow::Borrowed(what), wrong: Cow::Borrowed(wrong) }
    }

    /// Refuses what is longer than it may be (invariant D-6).
    pub(crate) fn at_most(what: &'static str, found: usize, most: usize) -> Result<(), Self> {
        if found <= most {
            return Ok(());
        }
        let wrong = Cow::Owned(format!("has {found} bytes or parts; {most} are allowed"));
        Err(Self::Unfit { what: Cow::Borrowed(what), wrong })
    }

    /// Refuses one more when there are `most` already (invariant D-6).
    pub(crate) fn unless_below(found: usize, most: usize, what: &'static str) -> Result<(), Self> {
        if found < most { Ok(()) } else { Err(Self::full(what, most as u64)) }
    }
}
