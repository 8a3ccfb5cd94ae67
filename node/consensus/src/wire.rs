//! What groups of different nodes say to each other, as bytes. Every message
//! is in an envelope (invariant D-7); entries follow theirs as they are in the
//! log, so that payloads are neither copied nor parsed.

use std::ops::Range;

use bytes::Bytes;
use openraft::raft::{
    AppendEntriesRequest, StreamAppendError, StreamAppendResult, TransferLeaderError, VoteRequest,
    VoteResponse,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use via_codec::Kind;
use via_transport::Frame;
use via_types::GroupId;

use crate::entry::{self, PlaceForm, StoredForm, VoteForm};
use crate::raft::Types;
use crate::{Error, error::Cause};

/// A call and the group it is for.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Request {
    pub(crate) group: GroupId,
    pub(crate) call: Call,
}

/// What is asked in one frame and answered in one.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Call {
    Vote(VoteCall),
    PreVote(VoteCall),
    Transfer {
        from: VoteForm,
        to: u64,
        last: Option<PlaceForm>,
    },
    Heartbeat(AppendHead),
    /// Heartbeats of several groups; the request's own group means nothing.
    Beats(Vec<(GroupId, AppendHead)>),
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct VoteCall {
    pub(crate) vote: VoteForm,
    last: Option<PlaceForm>,
    transfer: bool,
}

/// What a call is answered.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Answer {
    Vote {
        vote: VoteForm,
        granted: bool,
        last: Option<PlaceForm>,
    },
    Transferred,
    VoteChanged {
        expected: VoteForm,
        actual: VoteForm,
    },
    NotFlushed {
        expected: Option<PlaceForm>,
        actual: Option<PlaceForm>,
    },
    Appended(Appended),
    /// One for each heartbeat, in their order: what became of it, or why nothing did.
    Beaten(Vec<Result<Appended, String>>),
}

/// What a batch of entries is answered.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) enum Appended {
    Upto(Option<PlaceForm>),
    Conflict(PlaceForm),
    HigherVote(VoteForm),
}

/// The first frame of a stream.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Opening {
    /// Batches of entries follow.
    Append(GroupId),
    /// Pieces of a snapshot follow.
    Snapshot { group: GroupId, vote: VoteForm, last: PlaceForm, membership: StoredForm },
}

/// A piece of a snapshot.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Piece {
    Chunk(serde_bytes::ByteBuf),
    /// The last piece: how many chunks there were.
    End(u64),
}

/// What precedes a batch of entries.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct AppendHead {
    pub(crate) vote: VoteForm,
    prev: Option<PlaceForm>,
    commit: Option<PlaceForm>,
    lengths: Vec<u32>,
}

fn unreadable(source: impl Into<Cause>) -> Error {
    Error::Unreadable { what: "message of a peer", source: source.into() }
}

/// Encodes a message in one frame.
pub(crate) fn encode<T: Serialize>(message: &T) -> Bytes {
    via_codec::encode(Kind::PeerFrame, message).into()
}

/// Decodes a message.
///
/// # Errors
/// [`Error::Unreadable`].
pub(crate) fn decode<T: DeserializeOwned>(frame: &[u8]) -> Result<T, Error> {
    via_codec::decode(Kind::PeerFrame, frame).map_err(unreadable)
}

/// Encodes a piece of a snapshot.
pub(crate) fn encode_piece(piece: &Piece) -> Bytes {
    via_codec::encode(Kind::SnapshotChunk, piece).into()
}

/// Decodes a piece of a snapshot.
///
/// # Errors
/// [`Error::Unreadable`].
pub(crate) fn decode_piece(frame: &[u8]) -> Result<Piece, Error> {
    via_codec::decode(Kind::SnapshotChunk, frame).map_err(unreadable)
}

impl From<VoteRequest<Types>> for VoteCall {
    fn from(request: VoteRequest<Types>) -> Self {
        Self {
            vote: request.vote.into(),
            last: request.last_log_id.map(Into::into),
            transfer: request.leadership_transfer,
        }
    }
}

impl From<VoteCall> for VoteRequest<Types> {
    fn from(call: VoteCall) -> Self {
        let mut request = Self::new(call.vote.into(), call.last.map(Into::into));
        request.leadership_transfer = call.transfer;
        request
    }
}

impl From<VoteResponse<Types>> for Answer {
    fn from(response: VoteResponse<Types>) -> Self {
        Self::Vote {
            vote: response.vote.into(),
            granted: response.vote_granted,
            last: response.last_log_id.map(Into::into),
        }
    }
}

impl From<TransferLeaderError<Types>> for Answer {
    fn from(error: TransferLeaderError<Types>) -> Self {
        match error {
            TransferLeaderError::VoteChanged { expected, actual } => {
                Self::VoteChanged { expected: expected.into(), actual: actual.into() }
            }
            TransferLeaderError::LogNotFlushed { expected, actual } => Self::NotFlushed {
                expected: expected.map(Into::into),
                actual: actual.map(Into::into),
            },
        }
    }
}

impl From<StreamAppendResult<Types>> for Appended {
    fn from(result: StreamAppendResult<Types>) -> Self {
        match result {
            Ok(upto) => Self::Upto(upto.map(Into::into)),
            Err(StreamAppendError::Conflict(at)) => Self::Conflict(at.into()),
            Err(StreamAppendError::HigherVote(vote)) => Self::HigherVote(vote.into()),
        }
    }
}

impl From<Appended> for StreamAppendResult<Types> {
    fn from(appended: Appended) -> Self {
        match appended {
            Appended::Upto(upto) => Ok(upto.map(Into::into)),
            Appended::Conflict(at) => Err(StreamAppendError::Conflict(at.into())),
            Appended::HigherVote(vote) => Err(StreamAppendError::HigherVote(vote.into())),
        }
    }
}

impl AppendHead {
    fn of(request: &AppendEntriesRequest<Types>, lengths: Vec<u32>) -> Self {
        Self {
            vote: request.vote.into(),
            prev: request.prev_log_id.map(Into::into),
            commit: request.leader_commit.map(Into::into),
            lengths,
        }
    }

    /// Returns a batch without entries: a heartbeat.
    pub(crate) fn bare(request: &AppendEntriesRequest<Types>) -> Self {
        Self::of(request, Vec::new())
    }

    /// Puts the batch together with its entries' bytes.
    ///
    /// # Errors
    /// [`Error::Unreadable`] when they do not fit.
    pub(crate) fn into_request(
        self,
        entries: &Bytes,
    ) -> Result<AppendEntriesRequest<Types>, Error> {
        let prev: Option<crate::raft::LogId> = self.prev.map(Into::into);
        let first = prev.map_or(0, |prev| prev.index + 1);
        let mut rest: Range<usize> = 0..entries.len();
        let mut decoded = Vec::with_capacity(self.lengths.len());
        for (index, length) in (first..).zip(&self.lengths) {
            let length = *length as usize;
            if length > rest.len() {
                return Err(unreadable("entries are shorter than they say"));
            }
            decoded.push(entry::decode(index, &entries.slice(rest.start..rest.start + length))?);
            rest.start += length;
        }
        if !rest.is_empty() {
            return Err(unreadable("entries are longer than they say"));
        }
        Ok(AppendEntriesRequest {
            vote: self.vote.into(),
            prev_log_id: prev,
            entries: decoded,
            leader_commit: self.commit.map(Into::into),
        })
    }
}

/// Encodes a batch of entries as one frame of many pieces.
pub(crate) fn encode_batch(request: &AppendEntriesRequest<Types>) -> Frame {
    let mut pieces = vec![Bytes::new(), Bytes::new()];
    let mut lengths = Vec::with_capacity(request.entries.len());
    for entry in &request.entries {
        let (head, payload) = entry::split(entry);
        lengths.push((head.len() + payload.len()) as u32);
        pieces.push(head);
        pieces.push(payload);
    }
    let head = encode(&AppendHead::of(request, lengths));
    pieces[0] = Bytes::copy_from_slice(&(head.len() as u32).to_le_bytes());
    pieces[1] = head;
    Frame(pieces)
}

/// Decodes a batch of entries, their payloads slices of `frame`.
///
/// # Errors
/// [`Error::Unreadable`].
pub(crate) fn decode_batch(mut frame: Bytes) -> Result<AppendEntriesRequest<Types>, Error> {
    let Some(length) = frame.first_chunk::<4>() else {
        return Err(unreadable("a batch has no head"));
    };
    let length = u32::from_le_bytes(*length) as usize;
    let mut rest = frame.split_off(4);
    if length > rest.len() {
        return Err(unreadable("a batch is shorter than its head"));
    }
    let head: AppendHead = decode(&rest.split_to(length))?;
    head.into_request(&rest)
}

#[cfg(test)]
mod tests {
    use openraft::EntryPayload;

    use super::*;
    use crate::raft::{Entry, LeaderId, LogId, Payload, Vote};

    fn batch() -> AppendEntriesRequest<Types> {
        let leader_id = LeaderId { term: 4, node_id: 2 };
        let id = |index| LogId { leader_id, index };
        let payload =
            |text: &'static str| EntryPayload::Normal(Payload(Bytes::from_static(text.as_bytes())));
        AppendEntriesRequest {
            vote: Vote { leader_id, committed: true },
            prev_log_id: Some(id(6)),
            entries: vec![
                Entry { log_id: id(7), payload: payload("seven") },
                Entry { log_id: id(8), payload: EntryPayload::Blank },
            ],
            leader_commit: Some(id(5)),
        }
    }

    #[test]
    fn a_batch_reads_back() {
        let frame = encode_batch(&batch()).into_bytes();
        let read = decode_batch(frame).unwrap();
        assert_eq!(format!("{read:?}"), format!("{:?}", batch()));
        assert_eq!(read.entries, batch().entries);
    }

    #[test]
    fn refuses_a_batch_that_is_cut_or_flipped_in_its_heads() {
        let frame = encode_batch(&batch()).into_bytes();
        for length in 0..frame.len() {
            assert!(decode_batch(frame.slice(..length)).is_err(), "cut to {length}");
        }
        let payload = frame.len() - crate::entry::HEAD - "seven".len();
        for byte in (0..frame.len()).filter(|byte| !(payload..payload + 5).contains(byte)) {
            let mut flipped = frame.to_vec();
            flipped[byte] ^= 0x10;
            assert!(decode_batch(flipped.into()).is_err(), "byte {byte}");
        }
    }
}
