//! `WriteStream`: many batches under way at a time, answered in the order sent.
//! The next message is read only while a bounded number is unanswered, so the
//! transport's flow control reaches the client (invariant D-6).

use futures_util::future::BoxFuture;
use futures_util::stream::FuturesOrdered;
use futures_util::{FutureExt, StreamExt};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::task::TaskTracker;
use tonic::{Status, Streaming};
use via_proto::v1::write_stream_response::Outcome;
use via_proto::v1::{WriteRequest, WriteStreamResponse};
use via_shard::Answer;

use super::{Answers, begin, convert};
use crate::gate::Gate;
use crate::ingest::Ingest;
use crate::metrics::{Protocol, written};
use crate::problem::{Code, Problem};

/// Most requests of one stream unanswered at a time.
const WINDOW: usize = 16;

/// Runs a stream of writes beside the handler; it holds a place among the
/// requests in flight for as long as it lives, and `sessions` waits for its end.
pub(super) fn run(
    gate: Gate,
    requests: Streaming<WriteRequest>,
    id: String,
    sessions: &TaskTracker,
) -> Result<Answers<WriteStreamResponse>, Problem> {
    let place = gate.enter()?;
    let (answers, taken) = mpsc::channel(WINDOW);
    sessions.spawn(async move {
        pump(gate, requests, id, answers).await;
        drop(place);
    });
    Ok(Box::pin(ReceiverStream::new(taken)))
}

type Pending = FuturesOrdered<BoxFuture<'static, WriteStreamResponse>>;

async fn pump(
    gate: Gate,
    mut requests: Streaming<WriteRequest>,
    id: String,
    answers: mpsc::Sender<Result<WriteStreamResponse, Status>>,
) {
    let mut pending = Pending::new();
    let end = loop {
        let request = tokio::select! {
            biased;
            Some(answer) = pending.next() => {
                if answers.send(Ok(answer)).await.is_err() {
                    return;
                }
                continue;
            }
            () = answers.closed() => return,
            () = gate.drained() => {
                let words = "the node is shutting down; unanswered requests were not read";
                break Some(Problem::new(Code::ShuttingDown, words).status(&id));
            }
            request = requests.message(), if pending.len() < WINDOW => request,
        };
        match request {
            Ok(Some(request)) => {
                if let Err(problem) = gate.recheck() {
                    break Some(problem.status(&id));
                }
                let tag = request.tag;
                let begun = begin(&gate, &request, Answer::Counts).await;
                pending.push_back(answer(begun, tag).boxed());
            }
            Ok(None) => break None,
            Err(status) => break Some(status),
        }
    };
    while let Some(answer) = pending.next().await {
        if answers.send(Ok(answer)).await.is_err() {
            return;
        }
    }
    if let Some(status) = end {
        // The client may be gone already; then nobody is left to be told.
        drop(answers.send(Err(status)).await);
    }
}

async fn answer(begun: Result<Ingest, Problem>, tag: u64) -> WriteStreamResponse {
    let outcome = match begun {
        Ok(ingest) => ingest.finish().await,
        Err(problem) => Err(problem),
    };
    let outcome = match written(Protocol::Grpc, outcome) {
        Ok(tally) => Outcome::Written(convert::written(&tally, tag)),
        Err(problem) => Outcome::Failure(convert::failure(problem)),
    };
    WriteStreamResponse { tag, outcome: Some(outcome) }
}
