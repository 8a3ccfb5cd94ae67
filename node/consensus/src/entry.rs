//! One log entry as bytes: a checked head of fixed length, then the payload as
//! it was submitted, so that a large payload is copied once and never parsed.
//!
//! ```text
//! envelope (kind RaftEntry) of: term u64 | node u64 | form u8 | payload length u32
//! payload
//! ```

use std::collections::{BTreeMap, BTreeSet};

use bytes::{Bytes, BytesMut};
use openraft::EntryPayload;
use openraft::impls::EmptyNode;
use serde::{Deserialize, Serialize};
use via_codec::Kind;

use crate::Error;
use crate::raft::{Entry, LeaderId, LogId, Membership, Payload, StoredMembership, Vote};

const FIELDS: usize = 8 + 8 + 1 + 4;
/// Bytes an entry adds to its payload.
pub(crate) const HEAD: usize = via_codec::OVERHEAD + FIELDS;

const BLANK: u8 = 0;
const PAYLOAD: u8 = 1;
const MEMBERSHIP: u8 = 2;

/// A membership in numbers.
#[derive(Debug, Serialize, Deserialize)]
struct MembershipForm {
    configs: Vec<BTreeSet<u64>>,
    nodes: BTreeSet<u64>,
}

/// A log id in numbers.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct PlaceForm {
    term: u64,
    node: u64,
    index: u64,
}

impl From<LogId> for PlaceForm {
    fn from(id: LogId) -> Self {
        Self { term: id.leader_id.term, node: id.leader_id.node_id, index: id.index }
    }
}

impl From<PlaceForm> for LogId {
    fn from(form: PlaceForm) -> Self {
        let leader_id = LeaderId { term: form.term, node_id: form.node };
        Self { leader_id, index: form.index }
    }
}

/// A vote in numbers.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct VoteForm {
    term: u64,
    node: u64,
    committed: bool,
}

impl From<Vote> for VoteForm {
    fn from(vote: Vote) -> Self {
        let Vote { leader_id, committed } = vote;
        Self { term: leader_id.term, node: leader_id.node_id, committed }
    }
}

impl From<VoteForm> for Vote {
    fn from(form: VoteForm) -> Self {
        let leader_id = LeaderId { term: form.term, node_id: form.node };
        Self { leader_id, committed: form.committed }
    }
}

/// A membership and the entry that set it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct StoredForm {
    at: Option<PlaceForm>,
    membership: MembershipForm,
}

impl From<&Membership> for MembershipForm {
    fn from(membership: &Membership) -> Self {
        Self {
            configs: membership.get_joint_config().clone(),
            nodes: membership.nodes().map(|(node, _)| *node).collect(),
        }
    }
}

impl TryFrom<MembershipForm> for Membership {
    type Error = Error;

    fn try_from(form: MembershipForm) -> Result<Self, Error> {
        if form.configs.is_empty() {
            return Ok(Self::default());
        }
        let nodes: BTreeMap<_, _> = form.nodes.into_iter().map(|n| (n, EmptyNode {})).collect();
        Self::new(form.configs, nodes).map_err(|error| unreadable("membership", error))
    }
}

impl From<&StoredMembership> for StoredForm {
    fn from(stored: &StoredMembership) -> Self {
        Self { at: stored.log_id().map(Into::into), membership: stored.membership().into() }
    }
}

impl TryFrom<StoredForm> for StoredMembership {
    type Error = Error;

    fn try_from(form: StoredForm) -> Result<Self, Error> {
        Ok(Self::new(form.at.map(Into::into), form.membership.try_into()?))
    }
}

fn unreadable(what: &'static str, source: impl Into<crate::error::Cause>) -> Error {
    Error::Unreadable { what, source: source.into() }
}

/// Returns an entry's head and its payload, still apart.
pub(crate) fn split(entry: &Entry) -> (Bytes, Bytes) {
    let (form, payload) = match &entry.payload {
        EntryPayload::Blank => (BLANK, Bytes::new()),
        EntryPayload::Normal(payload) => (PAYLOAD, payload.0.clone()),
        EntryPayload::Membership(membership) => {
            let form = MembershipForm::from(membership);
            (MEMBERSHIP, via_codec::encode(Kind::Membership, &form).into())
        }
    };
    let length = u32::try_from(payload.len()).expect("payloads are bounded when submitted");
    let mut fields = [0; FIELDS];
    fields[..8].copy_from_slice(&entry.log_id.leader_id.term.to_le_bytes());
    fields[8..16].copy_from_slice(&entry.log_id.leader_id.node_id.to_le_bytes());
    fields[16] = form;
    fields[17..].copy_from_slice(&length.to_le_bytes());
    (via_codec::encode(Kind::RaftEntry, &fields).into(), payload)
}

/// Encodes an entry in one piece; its index is the log's to keep.
pub(crate) fn encode(entry: &Entry) -> Bytes {
    let (head, payload) = split(entry);
    if payload.is_empty() {
        return head;
    }
    let mut bytes = BytesMut::with_capacity(head.len() + payload.len());
    bytes.extend_from_slice(&head);
    bytes.extend_from_slice(&payload);
    bytes.freeze()
}

struct Head {
    leader: LeaderId,
    form: u8,
}

fn head(bytes: &Bytes) -> Result<Head, Error> {
    if bytes.len() < HEAD {
        return Err(unreadable("log entry", "it is shorter than its head"));
    }
    let fields: [u8; FIELDS] = via_codec::decode(Kind::RaftEntry, &bytes[..HEAD])
        .map_err(|error| unreadable("log entry", error))?;
    let number = |at: usize| {
        let mut number = [0; 8];
        number.copy_from_slice(&fields[at..at + 8]);
        u64::from_le_bytes(number)
    };
    let mut length = [0; 4];
    length.copy_from_slice(&fields[17..]);
    if u32::from_le_bytes(length) as usize != bytes.len() - HEAD {
        return Err(unreadable("log entry", "its payload is not as long as it says"));
    }
    Ok(Head { leader: LeaderId { term: number(0), node_id: number(8) }, form: fields[16] })
}

/// Reads an entry back, its payload a slice of `bytes`.
///
/// # Errors
/// [`Error::Unreadable`] (invariant D-7).
pub(crate) fn decode(index: u64, bytes: &Bytes) -> Result<Entry, Error> {
    let head = head(bytes)?;
    let payload = match head.form {
        BLANK => EntryPayload::Blank,
        PAYLOAD => EntryPayload::Normal(Payload(bytes.slice(HEAD..))),
        MEMBERSHIP => {
            let form: MembershipForm = via_codec::decode(Kind::Membership, &bytes[HEAD..])
                .map_err(|error| unreadable("membership", error))?;
            EntryPayload::Membership(form.try_into()?)
        }
        form => return Err(unreadable("log entry", format!("there is no form {form}"))),
    };
    Ok(Entry { log_id: LogId { leader_id: head.leader, index }, payload })
}

/// Reads an entry back without what was submitted, for scans that only look
/// for leaders and memberships.
///
/// # Errors
/// As [`decode`].
pub(crate) fn decode_bare(index: u64, bytes: &Bytes) -> Result<Entry, Error> {
    let mut entry = decode(index, bytes)?;
    if let EntryPayload::Normal(payload) = &mut entry.payload {
        payload.0 = Bytes::new();
    }
    Ok(entry)
}

/// Returns the place of an entry.
///
/// # Errors
/// As [`decode`].
pub(crate) fn place(index: u64, bytes: &Bytes) -> Result<LogId, Error> {
    Ok(LogId { leader_id: head(bytes)?.leader, index })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries() -> Vec<Entry> {
        let leader_id = LeaderId { term: 7, node_id: 3 };
        let nodes: BTreeMap<u64, EmptyNode> = (1..=4).map(|n| (n, EmptyNode {})).collect();
        let configs = vec![BTreeSet::from([1, 2, 3]), BTreeSet::from([2, 3])];
        let membership = Membership::new(configs, nodes).unwrap();
        [
            EntryPayload::Blank,
            EntryPayload::Normal(Payload(Bytes::from_static(b"events"))),
            EntryPayload::Normal(Payload(Bytes::new())),
            EntryPayload::Membership(membership),
        ]
        .into_iter()
        .map(|payload| Entry { log_id: LogId { leader_id, index: 9 }, payload })
        .collect()
    }

    #[test]
    fn an_entry_reads_back() {
        for entry in entries() {
            assert_eq!(decode(9, &encode(&entry)).unwrap(), entry);
            assert_eq!(place(9, &encode(&entry)).unwrap(), entry.log_id);
        }
    }

    #[test]
    fn reading_back_does_not_copy_the_payload() {
        let bytes = encode(&entries()[1]);
        let EntryPayload::Normal(payload) = decode(9, &bytes).unwrap().payload else {
            panic!("another form came back");
        };
        assert_eq!(payload.0.as_ptr(), bytes[HEAD..].as_ptr());
    }

    #[test]
    fn refuses_cut_and_flipped_heads() {
        for entry in entries() {
            let bytes = encode(&entry);
            for length in 0..bytes.len() {
                assert!(decode(9, &bytes.slice(..length)).is_err(), "cut to {length}");
            }
            for bit in 0..HEAD * 8 {
                let mut flipped = bytes.to_vec();
                flipped[bit / 8] ^= 1 << (bit % 8);
                assert!(decode(9, &flipped.into()).is_err(), "bit {bit}");
            }
        }
    }
}
