//! Frames on a QUIC stream: a length, then that many bytes; lengths are
//! checked before anything is allocated. A stream begins by saying what it is
//! for; a call's answer begins by saying whether it is one.

use bytes::{Bytes, BytesMut};
use futures_util::future::BoxFuture;
use quinn::{ReadExactError, RecvStream, SendStream};
use via_types::NodeId;

use crate::links::{FRAME_BYTES, check_length, check_within};
use crate::{Error, Frame, FrameReceiver, FrameSender, Service, metrics};

/// What a stream is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub(super) enum Form {
    /// One frame and its answer.
    Call = 1,
    /// Frames both ways.
    Stream = 2,
}

const ANSWERED: u8 = 0;
const FAILED: u8 = 1;
const NOT_SERVED: u8 = 2;
/// Longest words of a failure that travel.
const WORDS_BYTES: usize = 1024;

/// The sending half of a QUIC stream.
pub(super) struct QuicSender {
    peer: NodeId,
    stream: SendStream,
}

/// The receiving half of a QUIC stream.
pub(super) struct QuicReceiver {
    peer: NodeId,
    stream: RecvStream,
}

impl QuicSender {
    pub(super) fn new(peer: NodeId, stream: SendStream) -> Self {
        Self { peer, stream }
    }

    fn broken(&self, error: impl std::fmt::Display) -> Error {
        Error::Broken { peer: self.peer, reason: error.to_string() }
    }

    pub(super) async fn preamble(&mut self, service: Service, form: Form) -> Result<(), Error> {
        let mut preamble = [0; 4];
        preamble[..2].copy_from_slice(&(service as u16).to_le_bytes());
        preamble[2..].copy_from_slice(&(form as u16).to_le_bytes());
        self.stream.write_all(&preamble).await.map_err(|error| self.broken(error))
    }

    pub(super) async fn write(&mut self, frame: Frame) -> Result<(), Error> {
        let bytes = frame.len();
        check_length(bytes)?;
        let mut pieces = frame.0;
        pieces.insert(0, Bytes::copy_from_slice(&(bytes as u32).to_le_bytes()));
        pieces.retain(|piece| !piece.is_empty());
        self.stream.write_all_chunks(&mut pieces).await.map_err(|error| self.broken(error))?;
        metrics::sent(bytes);
        Ok(())
    }

    /// Answers a call.
    pub(super) async fn answer(&mut self, answer: Result<Bytes, Error>) -> Result<(), Error> {
        let (outcome, body) = match answer {
            Ok(body) => (ANSWERED, body),
            Err(Error::NotServed { .. }) => (NOT_SERVED, Bytes::new()),
            Err(error) => {
                let mut words = error.to_string().into_bytes();
                words.truncate(WORDS_BYTES);
                (FAILED, words.into())
            }
        };
        self.write(Frame(vec![Bytes::copy_from_slice(&[outcome]), body])).await?;
        self.end()
    }

    pub(super) fn end(&mut self) -> Result<(), Error> {
        self.stream.finish().map_err(|error| self.broken(error))
    }
}

impl QuicReceiver {
    pub(super) fn new(peer: NodeId, stream: RecvStream) -> Self {
        Self { peer, stream }
    }

    fn broken(&self, error: impl std::fmt::Display) -> Error {
        Error::Broken { peer: self.peer, reason: error.to_string() }
    }

    /// Reads what the stream is for; none when the number means nothing here.
    pub(super) async fn preamble(&mut self) -> Result<Option<(Service, Form)>, Error> {
        let mut preamble = [0; 4];
        self.stream.read_exact(&mut preamble).await.map_err(|error| self.broken(error))?;
        let service = Service::from_number(u16::from_le_bytes([preamble[0], preamble[1]]));
        let form = match u16::from_le_bytes([preamble[2], preamble[3]]) {
            1 => Some(Form::Call),
            2 => Some(Form::Stream),
            _ => None,
        };
        Ok(service.zip(form))
    }

    pub(super) async fn read(&mut self) -> Result<Option<Bytes>, Error> {
        self.read_within(FRAME_BYTES).await
    }

    /// Reads a frame of at most `limit` bytes.
    pub(super) async fn read_within(&mut self, limit: usize) -> Result<Option<Bytes>, Error> {
        let mut length = [0; 4];
        match self.stream.read_exact(&mut length).await {
            Ok(()) => {}
            Err(ReadExactError::FinishedEarly(0)) => return Ok(None),
            Err(error) => return Err(self.broken(error)),
        }
        let bytes = u32::from_le_bytes(length) as usize;
        check_within(bytes, limit)?;
        let mut frame = BytesMut::zeroed(bytes);
        self.stream.read_exact(&mut frame).await.map_err(|error| self.broken(error))?;
        metrics::received(bytes);
        Ok(Some(frame.freeze()))
    }
}

/// Reads a call's answer.
pub(super) async fn read_answer(
    receiver: &mut QuicReceiver,
    service: Service,
) -> Result<Bytes, Error> {
    let peer = receiver.peer;
    let missing = || receiver_broken(peer, "no answer");
    let mut answer = receiver.read().await?.ok_or_else(missing)?;
    if answer.is_empty() {
        return Err(missing());
    }
    match answer.split_to(1)[0] {
        ANSWERED => Ok(answer),
        NOT_SERVED => Err(Error::NotServed { peer, service }),
        _ => Err(Error::Remote { peer, reason: String::from_utf8_lossy(&answer).into_owned() }),
    }
}

fn receiver_broken(peer: NodeId, reason: &str) -> Error {
    Error::Broken { peer, reason: reason.to_owned() }
}

impl FrameSender for QuicSender {
    fn send(&mut self, frame: Frame) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(self.write(frame))
    }

    fn finish(&mut self) -> Result<(), Error> {
        self.end()
    }
}

impl FrameReceiver for QuicReceiver {
    fn receive(&mut self) -> BoxFuture<'_, Result<Option<Bytes>, Error>> {
        Box::pin(self.read())
    }
}
