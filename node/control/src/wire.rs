//! What the control rooms of different nodes say to each other, and what a
//! newcomer says at the door, as bytes in envelopes (invariant D-7).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use via_catalog::{Outcome, Refusal};
use via_codec::Kind;
use via_types::{Fate, LogIndex, NodeId, ShardId, Term, Timestamp};

use crate::Error;

/// What one node asks another.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) enum Ask {
    /// Propose this command, encoded as it rests in the log.
    Propose(Vec<u8>),
    /// Up to where must I have applied to read what was answered before?
    ReadIndex,
    /// Are you there?
    Ping,
    /// How are your groups?
    Report,
    /// What do you, who leads, know of the nodes?
    Overview,
    /// Let another replica lead the shard.
    Transfer { shard: ShardId, to: NodeId },
    /// Keep nothing new on the node; or do again.
    Drain { node: NodeId, is_undone: bool },
    /// Let the node go for good.
    Remove { node: NodeId, is_forced: bool },
    /// Make a join token that is good for so long.
    IssueToken(Duration),
    /// Let a newcomer in.
    Admit(Knock),
    /// Certify my new key.
    Renew(Vec<u8>),
    /// Keep the cluster's authority: you are to vote.
    Entrust(Vec<u8>),
}

/// What is answered.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) enum Told {
    /// The command was committed at this index.
    Done { at: LogIndex, outcome: Result<Outcome, Refusal> },
    /// Up to there.
    Index(LogIndex),
    /// I am there.
    Alive(Alive),
    /// So are my groups.
    Report(Report),
    /// So are the nodes.
    Overview(Overview),
    /// The token.
    Token(String),
    /// You are in.
    Admitted(Admitted),
    /// Your certificate, and until when it is good.
    Certificate { certificate: String, expires: Timestamp },
    /// It is done.
    Yes,
    /// I do not lead; perhaps this one does.
    NotLeader(Option<NodeId>),
    /// It failed.
    Failed { words: String, fate: Fate },
}

impl Told {
    /// Takes an answer that is not the one that was asked for.
    pub(crate) fn into_error(self) -> Error {
        if let Self::Failed { words, fate } = self {
            Error::Elsewhere { words, fate }
        } else {
            Error::Outcome
        }
    }

    pub(crate) fn failed(error: &Error) -> Self {
        Self::Failed { words: error.words(), fate: error.fate() }
    }
}

/// A sign of life.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Alive {
    /// Shards of which the node has a replica.
    pub(crate) holds: u16,
    /// Whether it has the cluster's authority.
    pub(crate) is_entrusted: bool,
    /// Which version it runs.
    pub(crate) version: String,
}

/// How the groups of one node are.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// Which node.
    pub node: NodeId,
    /// Its shards' groups, by number.
    pub shards: Vec<ShardReport>,
}

/// How a shard's replica on one node is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ShardReport {
    /// Which shard.
    pub shard: ShardId,
    /// The newest term it knows.
    pub term: Term,
    /// Who leads in that term, when it is known.
    pub leader: Option<NodeId>,
    /// Who votes; more than one set while they change.
    pub voters: Vec<BTreeSet<NodeId>>,
    /// Who only listens.
    pub learners: BTreeSet<NodeId>,
    /// The last entry of its log.
    pub last: Option<LogIndex>,
    /// The last entry that it applied.
    pub applied: Option<LogIndex>,
}

/// What the leader of the meta group knows of the nodes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Overview {
    /// Who leads.
    pub leader: NodeId,
    /// In which term.
    pub term: Term,
    /// Who votes in the meta group.
    pub voters: BTreeSet<NodeId>,
    /// Who only listens.
    pub learners: BTreeSet<NodeId>,
    /// How each node is that has not left.
    pub nodes: BTreeMap<NodeId, Sighting>,
}

/// How a node is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Sighting {
    /// How long it has not answered the leader.
    pub silence: Duration,
    /// Whether it answered a moment ago.
    pub is_seen: bool,
    /// Shards of which it has a replica; none when it never answered this leader.
    pub holds: Option<u16>,
    /// Which version it runs; none when it never answered this leader.
    pub version: Option<String>,
}

/// What a newcomer says.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Knock {
    /// The token's secret.
    pub(crate) secret: [u8; 16],
    /// The key to certify.
    pub(crate) public: Vec<u8>,
    pub(crate) name: Option<String>,
    pub(crate) zone: Option<String>,
}

/// What a newcomer gets.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Admitted {
    pub(crate) node: NodeId,
    pub(crate) cluster: String,
    /// The authority's certificate.
    pub(crate) authority: String,
    pub(crate) certificate: String,
    pub(crate) expires: Timestamp,
    pub(crate) peers: BTreeMap<NodeId, String>,
}

pub(crate) fn encode<T: Serialize>(message: &T) -> Vec<u8> {
    via_codec::encode(Kind::PeerFrame, message)
}

/// Decodes a message.
///
/// # Errors
/// [`Error::Garbled`].
pub(crate) fn decode<T: DeserializeOwned>(frame: &[u8]) -> Result<T, Error> {
    via_codec::decode(Kind::PeerFrame, frame).map_err(Error::Garbled)
}
