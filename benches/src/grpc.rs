//! One connection that writes over gRPC: one stream, a bounded number of
//! requests under way, answers in the order sent. Called by `load`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, Result, bail, ensure};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Request;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, Endpoint};
use via_proto::v1::ingest_client::IngestClient;
use via_proto::v1::write_stream_response::Outcome;
use via_proto::v1::{Fate, OpenProducerRequest, Origin, WriteResponse, WriteStreamResponse};

use crate::frame::{Frame, Prefixed, Prepared};
use crate::pace::{Rate, Schedule, Times};
use crate::tally::{Counts, Tally};

/// What one connection sends and how.
pub(crate) struct Sender {
    /// The requests, sent in turn.
    pub(crate) frames: Vec<Frame>,
    /// Most requests under way.
    pub(crate) in_flight: usize,
    /// The rate of the whole run, for the events' times; none for arrival times.
    pub(crate) times: Option<Rate>,
    /// The producer's first name, for exactly-once.
    pub(crate) origin: Option<Origin>,
}

/// A request under way.
struct Sent {
    due: Instant,
    tag: u64,
    events: usize,
    _room: OwnedSemaphorePermit,
}

async fn connect(node: SocketAddr) -> Result<Channel> {
    let endpoint = Endpoint::from_shared(format!("http://{node}"))?;
    endpoint.tcp_nodelay(true).connect().await.with_context(|| format!("connecting to {node}"))
}

/// Opens a producer.
///
/// # Errors
/// The node cannot be reached or refuses.
pub(crate) async fn open_producer(node: SocketAddr, name: &str) -> Result<Origin> {
    let mut client = IngestClient::new(connect(node).await?);
    let answer = client.open_producer(OpenProducerRequest { name: name.to_owned() }).await;
    let opened = answer.context("opening a producer")?.into_inner();
    Ok(Origin { producer: opened.producer, epoch: opened.epoch, sequence: 0 })
}

/// Sends until the schedule ends and everything is answered.
///
/// # Errors
/// The connection fails, or the node gives up an event.
pub(crate) async fn run(
    node: SocketAddr,
    sender: Sender,
    schedule: Schedule,
    mut tally: Tally,
) -> Result<Tally> {
    let mut grpc = Grpc::new(connect(node).await?);
    grpc.ready().await.context("connecting")?;
    let (out, outgoing) = mpsc::channel(1);
    let (noted, mut under_way) = mpsc::channel(sender.in_flight.max(1));
    let sending = tokio::spawn(send(sender, schedule, out, noted));
    let path = PathAndQuery::from_static("/via.v1.Ingest/WriteStream");
    let requests = Request::new(ReceiverStream::new(outgoing));
    let mut answers = grpc.streaming(requests, path, Prefixed).await?.into_inner();
    while let Some(answer) = answers.message().await.context("waiting for an answer")? {
        let sent: Sent = under_way.recv().await.context("an answer to no request")?;
        ensure!(answer.tag == sent.tag, "answer {} came for {}", answer.tag, sent.tag);
        note(&mut tally, &sent, answer)?;
    }
    let left = under_way.recv().await;
    ensure!(left.is_none(), "the node ended the stream with requests unanswered");
    sending.await?;
    Ok(tally)
}

async fn send(
    sender: Sender,
    mut schedule: Schedule,
    out: mpsc::Sender<Prepared>,
    noted: mpsc::Sender<Sent>,
) {
    let room = Arc::new(Semaphore::new(sender.in_flight.max(1)));
    let mut tag = 0;
    for frame in sender.frames.iter().cycle() {
        let Some(due) = schedule.next().await else { return };
        let Ok(room) = Arc::clone(&room).acquire_owned().await else { return };
        tag += 1;
        let events = frame.events();
        let times = sender.times.map_or(Times::Arrival, |rate| Times::until_now(events, rate));
        let origin = sender.origin.map(|origin| Origin { sequence: tag, ..origin });
        let prepared = frame.prepare(times, tag, origin);
        // The receiving side says why when it has ended.
        let sent = Sent { due, tag, events, _room: room };
        if noted.send(sent).await.is_err() || out.send(prepared).await.is_err() {
            return;
        }
    }
}

fn note(tally: &mut Tally, sent: &Sent, answer: WriteStreamResponse) -> Result<()> {
    match answer.outcome.context("an answer without an outcome")? {
        Outcome::Written(WriteResponse { accepted, duplicates, refused, refusals, .. }) => {
            if let Some(refusal) = refusals.first()
                && refusal.code != "late"
            {
                bail!("row {} was refused: {}", refusal.row, refusal.reason);
            }
            let [accepted, duplicates, refused] = [accepted, duplicates, refused].map(u64::from);
            tally.acknowledge(sent.due, sent.events, Counts { accepted, duplicates, refused })
        }
        Outcome::Failure(failure) if failure.fate() == Fate::Retry => {
            tally.turn_away();
            Ok(())
        }
        Outcome::Failure(failure) => bail!("{}: {}", failure.code, failure.message),
    }
}

#[cfg(test)]
mod tests;
