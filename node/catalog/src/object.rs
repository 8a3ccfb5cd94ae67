//! The things a catalog holds, as they are read and as they rest. Owns their
//! shape; the rules by which they change live in [`crate::command`].

pub mod access;
pub mod account;
pub mod kept;
pub mod trail;
pub mod usage;
pub mod user;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use via_types::{
    ApiKeyId, Epoch, GrantId, NodeId, ProducerId, Revision, RoleId, SessionId, StreamConfig,
    StreamId, SuppressionId, TenantId, Timestamp, UserId,
};

pub use access::{ApiKey, CustomRole, Grant, Network, Session};
pub use account::{Account, Plan, PlanId, Quotas, Standing};
pub use kept::{Answer, Edition, Hushed, Subject, Suppression, Verdict};
pub use trail::{Recorded, Trail, TrailId};
pub use usage::Usage;
pub use user::{Attempts, Credentials, Identity, SecondFactor, User};

use crate::overlay;

/// A cluster's identity; shown as 32 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ClusterId(u128);

impl ClusterId {
    /// Names the cluster with this number.
    pub const fn new(number: u128) -> Self {
        Self(number)
    }

    /// Returns the bare number.
    pub const fn get(self) -> u128 {
        self.0
    }
}

impl fmt::Display for ClusterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// The text given is not a cluster id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a cluster id of 32 hexadecimal digits")]
pub struct ParseClusterIdError(String);

impl FromStr for ClusterId {
    type Err = ParseClusterIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits: String = text.chars().filter(|c| *c != '-').collect();
        let plain = digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = plain.then(|| u128::from_str_radix(&digits, 16).ok()).flatten();
        number.map(Self).ok_or_else(|| ParseClusterIdError(text.to_owned()))
    }
}

/// The cluster as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cluster {
    /// Its identity, which never changes.
    pub id: ClusterId,
    /// Shards of the default pool: a power of two that never changes.
    pub shards: u16,
    /// When it was formed.
    pub formed: Timestamp,
}

/// Whether a node takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum NodeState {
    /// It may hold shards.
    Active,
    /// It keeps what it has until its shards have moved away.
    Draining,
    /// It is gone for good; its id is never used again.
    Left,
    /// It was let in and has not run yet: it holds nothing.
    Joining,
    /// It has not been seen for long: others take what it held until it is back.
    Down,
}

/// A process with an identity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// Its id, carried in log ids.
    pub id: NodeId,
    /// Its name, unique among nodes that have not left.
    pub name: String,
    /// Where peers reach it, `host:port`; empty when it has no peers.
    pub addresses: Vec<String>,
    /// Its failure domain, when known.
    pub zone: Option<String>,
    /// Whether it takes part.
    pub state: NodeState,
}

/// What a secret or a key hashes to (SHA-256); shown as hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Digest([u8; 32]);

impl Digest {
    /// Takes these bytes for a digest.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Returns its bytes.
    pub const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A join token: lets one node in, once, for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// What its secret hashes to.
    pub digest: Digest,
    /// From when on it lets nobody in.
    pub expires: Timestamp,
    /// Whom it let in, and what the key hashes to that asked.
    pub admitted: Option<(NodeId, Digest)>,
}

/// A customer of the service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tenant {
    /// Its id, never reused.
    pub id: TenantId,
    /// Its name, unique.
    pub name: String,
    /// When it was created.
    pub created: Timestamp,
}

/// A tenant's named flow of events with one configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "StreamAtRest", into = "StreamAtRest")]
pub struct Stream {
    /// Its id, unique across tenants, never reused.
    pub id: StreamId,
    /// Whose it is.
    pub tenant: TenantId,
    /// Its name, unique within its tenant.
    pub name: String,
    /// What it says itself of how it is judged, as JSON, exactly as it was
    /// committed; in what it leaves out it follows the [`Defaults`].
    pub own: String,
    /// How its events are judged: `json`, read.
    pub config: StreamConfig,
    /// The configuration in force, whole. A text, so that reading it again
    /// gives the same numbers on every node and version.
    pub json: String,
    /// The revision that set the configuration in force (invariant C-1).
    pub revision: Revision,
    /// When the stream was created.
    pub created: Timestamp,
}

#[derive(Clone, Serialize, Deserialize)]
struct StreamAtRest {
    id: StreamId,
    tenant: TenantId,
    name: String,
    own: String,
    revision: Revision,
    created: Timestamp,
}

impl From<Stream> for StreamAtRest {
    fn from(stream: Stream) -> Self {
        let Stream { id, tenant, name, own, config: _, json: _, revision, created } = stream;
        Self { id, tenant, name, own, revision, created }
    }
}

impl TryFrom<StreamAtRest> for Stream {
    type Error = String;

    fn try_from(rest: StreamAtRest) -> Result<Self, Self::Error> {
        let StreamAtRest { id, tenant, name, own, revision, created } = rest;
        // The defaults are another object: a catalog overlays them when it is whole.
        let (config, json) = overlay::in_force("{}", &own)
            .map_err(|why| format!("configuration of stream {name:?}: {why}"))?;
        Ok(Self { id, tenant, name, own, config, json, revision, created })
    }
}

/// How streams are judged in what they do not say themselves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Defaults {
    /// A stream's whole configuration as JSON.
    pub json: String,
    /// The revision that set it.
    pub revision: Revision,
}

/// A named source of numbered batches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Producer {
    /// Its id, never reused.
    pub id: ProducerId,
    /// Whose it is.
    pub tenant: TenantId,
    /// Its name, unique within its tenant.
    pub name: String,
    /// Its newest incarnation; older ones are fenced off (invariant D-2).
    pub epoch: Epoch,
}

/// The last id given out of each kind; ids are never given twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Tenants.
    pub tenant: u32,
    /// Streams.
    pub stream: u32,
    /// Producers.
    pub producer: u64,
}

/// Names one object of the catalog.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// The one [`Cluster`].
    Cluster,
    /// The one [`Counters`].
    Counters,
    /// A [`Node`].
    Node(NodeId),
    /// A [`Tenant`].
    Tenant(TenantId),
    /// A [`Stream`].
    Stream(StreamId),
    /// A [`Producer`].
    Producer(ProducerId),
    /// The one [`Defaults`].
    Defaults,
    /// A [`Token`].
    Token(Digest),
    /// A tenant's [`Account`].
    Account(TenantId),
    /// A [`Plan`].
    Plan(PlanId),
    /// A [`User`].
    User(UserId),
    /// A [`CustomRole`].
    Role(RoleId),
    /// An [`ApiKey`].
    ApiKey(ApiKeyId),
    /// A [`Session`].
    Session(SessionId),
    /// A [`Grant`].
    Grant(GrantId),
    /// An [`Edition`].
    Edition((StreamId, Revision)),
    /// A [`Suppression`].
    Suppression(SuppressionId),
    /// An [`Answer`].
    Answer((TrailId, Digest)),
    /// A [`Trail`].
    Trail(TrailId),
    /// A [`Subject`].
    Subject(Digest),
    /// A page of [`Usage`].
    Usage((StreamId, u32)),
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cluster => f.write_str("cluster"),
            Self::Counters => f.write_str("counters"),
            Self::Node(id) => write!(f, "node {id}"),
            Self::Tenant(id) => write!(f, "tenant {id}"),
            Self::Stream(id) => write!(f, "stream {id}"),
            Self::Producer(id) => write!(f, "producer {id}"),
            Self::Defaults => f.write_str("defaults"),
            Self::Token(_) => f.write_str("join token"),
            Self::Account(id) => write!(f, "account {id}"),
            Self::Plan(id) => write!(f, "plan {}", id.get()),
            Self::User(id) => write!(f, "user {id}"),
            Self::Role(id) => write!(f, "role {id}"),
            Self::ApiKey(id) => write!(f, "key {id}"),
            Self::Session(id) => write!(f, "session {id}"),
            Self::Grant(id) => write!(f, "grant {id}"),
            Self::Edition((stream, revision)) => write!(f, "stream {stream} at {revision}"),
            Self::Suppression(id) => write!(f, "suppression {id}"),
            Self::Answer(_) => f.write_str("answer"),
            Self::Trail(id) => write!(f, "audit log of {id}"),
            Self::Subject(_) => f.write_str("subject"),
            Self::Usage((stream, page)) => write!(f, "usage of {stream}, page {page}"),
        }
    }
}

/// One object of the catalog, as it rests.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Object {
    /// The cluster.
    Cluster(Cluster),
    /// The id counters.
    Counters(Counters),
    /// A node.
    Node(Arc<Node>),
    /// A tenant.
    Tenant(Arc<Tenant>),
    /// A stream.
    Stream(Arc<Stream>),
    /// A producer.
    Producer(Producer),
    /// The defaults of streams.
    Defaults(Arc<Defaults>),
    /// A join token.
    Token(Token),
    /// What a tenant may use.
    Account(Arc<Account>),
    /// A plan.
    Plan(Arc<Plan>),
    /// Somebody who logs in.
    User(Arc<User>),
    /// A role that a tenant made.
    Role(Arc<CustomRole>),
    /// A key with which programs come.
    ApiKey(Arc<ApiKey>),
    /// Somebody who has logged in.
    Session(Arc<Session>),
    /// An operator's way into a tenant.
    Grant(Arc<Grant>),
    /// What a stream said at a revision.
    Edition(Arc<Edition>),
    /// An entry of a suppression list.
    Suppression(Arc<Suppression>),
    /// What a request was answered.
    Answer(Arc<Answer>),
    /// An audit log.
    Trail(Arc<Trail>),
    /// A key that seals what concerns a person.
    Subject(Arc<Subject>),
    /// What was admitted of a stream.
    Usage(Arc<Usage>),
}

impl Object {
    /// Returns the object's name.
    pub fn key(&self) -> Key {
        match self {
            Self::Cluster(_) => Key::Cluster,
            Self::Counters(_) => Key::Counters,
            Self::Node(node) => Key::Node(node.id),
            Self::Tenant(tenant) => Key::Tenant(tenant.id),
            Self::Stream(stream) => Key::Stream(stream.id),
            Self::Producer(producer) => Key::Producer(producer.id),
            Self::Defaults(_) => Key::Defaults,
            Self::Token(token) => Key::Token(token.digest),
            Self::Account(account) => Key::Account(account.tenant),
            Self::Plan(plan) => Key::Plan(plan.id),
            Self::User(user) => Key::User(user.id),
            Self::Role(role) => Key::Role(role.id),
            Self::ApiKey(key) => Key::ApiKey(key.id),
            Self::Session(session) => Key::Session(session.id),
            Self::Grant(grant) => Key::Grant(grant.id),
            Self::Edition(edition) => Key::Edition((edition.stream, edition.revision)),
            Self::Suppression(entry) => Key::Suppression(entry.id),
            Self::Answer(answer) => Key::Answer((answer.whose, answer.key)),
            Self::Trail(trail) => Key::Trail(trail.id),
            Self::Subject(subject) => Key::Subject(subject.id),
            Self::Usage(usage) => Key::Usage((usage.stream, usage.page)),
        }
    }

    /// Returns whose it is; none for what is the platform's or the cluster's.
    pub fn tenant(&self) -> Option<TenantId> {
        match self {
            Self::Cluster(_) | Self::Counters(_) | Self::Node(_) | Self::Defaults(_) => None,
            Self::Token(_) | Self::Plan(_) | Self::Subject(_) => None,
            Self::Tenant(tenant) => Some(tenant.id),
            Self::Stream(stream) => Some(stream.tenant),
            Self::Producer(producer) => Some(producer.tenant),
            Self::Account(account) => Some(account.tenant),
            Self::User(user) => user.tenant,
            Self::Role(role) => Some(role.tenant),
            Self::ApiKey(key) => key.tenant,
            Self::Session(session) => session.tenant,
            Self::Grant(grant) => Some(grant.tenant),
            // Of its stream, which is recorded with it.
            Self::Edition(_) => None,
            Self::Suppression(entry) => Some(entry.tenant),
            Self::Answer(answer) => answer.whose.tenant(),
            Self::Trail(trail) => trail.id.tenant(),
            Self::Usage(usage) => Some(usage.tenant),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_id_reads_back_from_its_text() {
        let id = ClusterId::new(0x0190_0000_0000_7000_8000_0000_0000_0001);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!("01900000-0000-7000-8000-000000000001".parse(), Ok(id));
        assert!("1".parse::<ClusterId>().is_err());
        assert!("+1900000000070008000000000000001".parse::<ClusterId>().is_err());
    }
}
