//! A stream of writes to one node: one batch out, its answer back. A stream that
//! fell silent or broke is lost, and a new one is opened for the next batch.

use futures_util::stream;
use http::HeaderValue;
use tokio::sync::mpsc;
use tonic::metadata::MetadataMap;
use tonic::{Request, Status, Streaming};
use via_proto::v1::ingest_client::IngestClient;
use via_proto::v1::write_stream_response::Outcome;
use via_proto::v1::{WriteRequest, WriteStreamResponse};

use crate::error::{Error, Fate};
use crate::outcome::of_response;
use crate::types::Written;
use crate::wire::Wire;

/// The stream that one sender uses, while there is one.
#[derive(Default)]
pub(crate) struct Link {
    open: Option<Open>,
    tag: u64,
    /// The last attempt was sent twice, and the first may have arrived.
    pub(crate) is_after_lost: bool,
}

struct Open {
    requests: mpsc::Sender<WriteRequest>,
    answers: Streaming<WriteStreamResponse>,
    address: usize,
    /// The losses that the node was told of when it was opened.
    told: String,
}

impl Link {
    /// Makes one attempt. A stream that was kept open and breaks is opened again
    /// once: nothing was answered, and the number makes the repeat harmless.
    pub(crate) async fn attempt(
        &mut self,
        wire: &Wire,
        address: usize,
        request: &WriteRequest,
        losses: &str,
    ) -> Result<Written, Error> {
        self.is_after_lost = false;
        let attempt = async {
            let is_fit = |open: &Open| open.address == address && open.told == losses;
            self.open = self.open.take().filter(is_fit);
            let was_kept = self.open.is_some();
            let outcome = self.once(wire, address, request, losses).await;
            let is_repeatable = request.origin.is_some();
            match outcome {
                Err(error) if was_kept && is_repeatable && error.is_no_answer() => {
                    self.is_after_lost = error.fate() == Fate::Unknown;
                    self.once(wire, address, request, losses).await
                }
                outcome => outcome,
            }
        };
        let outcome = tokio::time::timeout(wire.timeout, attempt).await;
        outcome.unwrap_or_else(|_| {
            self.open = None;
            // Whatever else is on that connection waits for nothing, too.
            wire.forget(address);
            Err(Error::lost("no answer within the timeout"))
        })
    }

    /// Sends a batch and reads its answer; the stream is kept only when it answered.
    async fn once(
        &mut self,
        wire: &Wire,
        address: usize,
        request: &WriteRequest,
        losses: &str,
    ) -> Result<Written, Error> {
        self.tag += 1;
        let tag = self.tag;
        let request = WriteRequest { tag, ..request.clone() };
        let mut open = match self.open.take() {
            Some(open) => {
                let sent = open.requests.send(request).await;
                sent.map_err(|_| Error::lost("the stream of writes has ended"))?;
                open
            }
            None => begin(wire, address, request, losses).await?,
        };
        let answer = open.answers.message().await.map_err(|status| Error::of_status(&status))?;
        let answer = answer.ok_or_else(|| Error::lost("the stream of writes has ended"))?;
        if answer.tag != tag {
            return Err(Error::lost("the answer is to another request"));
        }
        match answer.outcome {
            Some(Outcome::Written(written)) => {
                self.open = Some(open);
                Ok(of_response(written))
            }
            Some(Outcome::Failure(failure)) => {
                self.open = Some(open);
                Err(Error::of_failure(failure))
            }
            None => Err(Error::lost("the answer cannot be read")),
        }
    }
}

/// Opens a stream with its first request.
async fn begin(
    wire: &Wire,
    address: usize,
    first: WriteRequest,
    losses: &str,
) -> Result<Open, Error> {
    let (requests, mut taken) = mpsc::channel(1);
    requests.try_send(first).expect("a new channel has room");
    let outbound = stream::poll_fn(move |cx| taken.poll_recv(cx));
    let mut headers = wire.headers();
    if let Ok(value) = HeaderValue::from_str(losses)
        && !losses.is_empty()
    {
        headers.insert("x-via-lost", value);
    }
    let mut request = Request::new(outbound);
    *request.metadata_mut() = MetadataMap::from_headers(headers);
    let mut client = IngestClient::new(wire.channel(address));
    let answers = client.write_stream(request).await;
    let answers = answers.map_err(|status: Status| Error::of_status(&status))?.into_inner();
    Ok(Open { requests, answers, address, told: losses.to_owned() })
}
