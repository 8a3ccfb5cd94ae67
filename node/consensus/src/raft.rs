//! openraft's types as this crate uses them: one configuration for all groups,
//! whatever their machines. Nothing of this leaves the crate.

use std::fmt;

use bytes::Bytes;
use openraft::impls::{EmptyNode, OneshotResponder, leader_id_adv};
use openraft::{EntryPayload, OptionalSend, RaftTypeConfig};
use via_types::{LogIndex, NodeId, Term};

use crate::machine::Outcome;
use crate::replica::Replica;
use crate::{Error, Position};

/// Every group's configuration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Types;

/// What was submitted, opaque here.
#[derive(Clone, PartialEq)]
pub(crate) struct Payload(pub(crate) Bytes);

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

impl fmt::Display for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

type Runtime = openraft::impls::TokioRuntime;

impl RaftTypeConfig for Types {
    type D = Payload;
    type R = Outcome;
    type NodeId = u64;
    type Node = EmptyNode;
    type Term = u64;
    type LeaderId = LeaderId;
    type Vote = Vote;
    type Payload = EntryPayload<Payload, u64, EmptyNode>;
    type Entry = Entry;
    type AsyncRuntime = Runtime;
    type Responder<T>
        = OneshotResponder<Self, T>
    where
        T: OptionalSend + 'static;
    type Batch<T>
        = openraft::impls::InlineBatch<T>
    where
        T: OptionalSend + 'static;
    type ErrorSource = openraft::impls::BoxedErrorSource;
}

pub(crate) type LeaderId = leader_id_adv::LeaderId<u64, u64>;
pub(crate) type LogId = openraft::LogId<LeaderId>;
pub(crate) type Vote = openraft::Vote<LeaderId>;
pub(crate) type Entry = openraft::Entry<LeaderId, EntryPayload<Payload, u64, EmptyNode>>;
pub(crate) type Membership = openraft::Membership<u64, EmptyNode>;
pub(crate) type StoredMembership = openraft::StoredMembership<LeaderId, u64, EmptyNode>;
pub(crate) type SnapshotMeta = openraft::SnapshotMeta<LeaderId, u64, EmptyNode>;
pub(crate) type Raft = openraft::Raft<Types, Replica>;

/// openraft counts entries from 0, everybody else from 1: translated here.
pub(crate) fn number(index: u64) -> LogIndex {
    LogIndex::new(index + 1)
}

/// Returns openraft's index of an entry.
pub(crate) fn index(number: LogIndex) -> u64 {
    number.get().checked_sub(1).expect("positions are checked to count from 1 where they enter")
}

pub(crate) fn position(id: LogId) -> Position {
    Position {
        term: Term::new(id.leader_id.term),
        leader: NodeId::new(id.leader_id.node_id),
        index: number(id.index),
    }
}

pub(crate) fn log_id(at: Position) -> LogId {
    let leader_id = LeaderId { term: at.term.get(), node_id: at.leader.get() };
    LogId { leader_id, index: index(at.index) }
}

/// Puts an error where openraft wants one of I/O.
pub(crate) fn io(error: impl Into<crate::error::Cause>) -> std::io::Error {
    std::io::Error::other(error)
}

/// Returns the settings in openraft's terms.
pub(crate) fn config(options: &crate::Options) -> Result<openraft::Config, Error> {
    let millis = |span: std::time::Duration| span.as_millis() as u64;
    let queue = options.queue as u64;
    openraft::Config {
        cluster_name: "via".to_owned(),
        heartbeat_interval: millis(options.heartbeat),
        election_timeout_min: millis(options.election_min),
        election_timeout_max: millis(options.election_max),
        // Replicas that lag get entries as long as the log has them, and the
        // machine says when a snapshot is worth it.
        replication_lag_threshold: u64::MAX,
        snapshot_policy: openraft::SnapshotPolicy::Never,
        max_in_snapshot_log_to_keep: u64::MAX,
        // One chunk of a snapshot in the slowest case; the sender also watches
        // every chunk.
        install_snapshot_timeout: 60_000,
        max_payload_entries: 64,
        max_append_entries: Some(256),
        api_channel_size: Some(queue),
        notification_channel_size: Some(queue),
        state_machine_channel_size: Some(queue),
        api_batch_capacity: queue,
        backoff: "50ms 100ms 200ms ...1s".to_owned(),
        enable_pre_vote: Some(true),
        // Invariant D-3: a restarted leader executes nothing in its old term.
        enable_leader_restore: Some(false),
        ..openraft::Config::default()
    }
    .validate()
    .map_err(|error| Error::Options(error.to_string()))
}
