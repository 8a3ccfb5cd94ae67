//! A write request over gRPC, encoded beforehand: only its times, its tag and
//! its origin are made when it is sent. Rests on protobuf's rule that messages
//! set one after the other merge. Called by `grpc`.

use bytes::{BufMut as _, Bytes};
use prost::Message as _;
use tonic::Status;
use tonic::codec::{BufferSettings, Codec, EncodeBuf, Encoder};
use tonic_prost::{ProstCodec, ProstDecoder};
use via_proto::v1::{Origin, WriteRequest, WriteStreamResponse};

use crate::pace::Times;
use crate::workload::{Draw, key};

/// What does not change from one sending to the next.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    head: Bytes,
    events: usize,
}

/// A request ready to be sent.
#[derive(Debug)]
pub(crate) struct Prepared {
    head: Bytes,
    tail: WriteRequest,
}

impl Frame {
    /// Encodes the events of a draw.
    pub(crate) fn new(stream: &str, draw: &Draw) -> Self {
        let request = WriteRequest {
            stream: stream.to_owned(),
            keys: draw.keys.iter().map(|entity| key(*entity).into()).collect(),
            entity: Bytes::from(bytemuck::cast_slice(&draw.entity).to_vec()),
            value: Bytes::from(bytemuck::cast_slice(&draw.value).to_vec()),
            ..WriteRequest::default()
        };
        Self { head: request.encode_to_vec().into(), events: draw.value.len() }
    }

    /// Returns how many events it holds.
    pub(crate) fn events(&self) -> usize {
        self.events
    }

    /// Completes it for one sending.
    pub(crate) fn prepare(&self, times: Times, tag: u64, origin: Option<Origin>) -> Prepared {
        let mut at = Vec::new();
        if let Times::Spread { first, spacing } = times {
            at.reserve_exact(self.events * 8);
            at.extend(
                (0..self.events as i64).flat_map(|row| (first + row * spacing).to_le_bytes()),
            );
        }
        let tail = WriteRequest { at: at.into(), tag, origin, ..WriteRequest::default() };
        Prepared { head: self.head.clone(), tail }
    }
}

/// Sends prepared requests, reads answers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Prefixed;

impl Codec for Prefixed {
    type Encode = Prepared;
    type Decode = WriteStreamResponse;
    type Encoder = Self;
    type Decoder = ProstDecoder<WriteStreamResponse>;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self::Decoder {
        ProstCodec::<WriteRequest, WriteStreamResponse>::raw_decoder(BufferSettings::default())
    }
}

impl Encoder for Prefixed {
    type Item = Prepared;
    type Error = Status;

    fn encode(&mut self, item: Prepared, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.reserve(item.head.len() + item.tail.encoded_len());
        buffer.put_slice(&item.head);
        item.tail.encode(buffer).map_err(|error| Status::internal(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::{Skew, Workload};

    #[test]
    fn head_and_tail_make_one_request() {
        let draw = Workload::new(50, Skew::Uniform, 3).unwrap().draw(100);
        let frame = Frame::new("bench", &draw);
        let origin = Some(Origin { producer: 4, epoch: 2, sequence: 9 });
        let times = Times::Spread { first: 1_000, spacing: 10 };
        let prepared = frame.prepare(times, 77, origin);
        let mut bytes = prepared.head.to_vec();
        prepared.tail.encode(&mut bytes).unwrap();

        let request = WriteRequest::decode(&bytes[..]).unwrap();
        assert_eq!((request.stream.as_str(), request.tag, request.origin), ("bench", 77, origin));
        assert_eq!(request.keys.len(), draw.keys.len());
        assert_eq!(bytemuck::pod_collect_to_vec::<u8, u32>(&request.entity), draw.entity);
        assert_eq!(bytemuck::pod_collect_to_vec::<u8, f64>(&request.value), draw.value);
        let at = bytemuck::pod_collect_to_vec::<u8, i64>(&request.at);
        assert_eq!((at.len(), at[0], at[99]), (100, 1_000, 1_990));
    }

    #[test]
    fn arrival_times_are_left_to_the_node() {
        let draw = Workload::new(5, Skew::Uniform, 3).unwrap().draw(10);
        assert!(Frame::new("bench", &draw).prepare(Times::Arrival, 1, None).tail.at.is_empty());
    }
}
