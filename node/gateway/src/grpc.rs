//! `via.v1.Ingest`: the same writes and the same feed as over HTTP, in columns
//! and streams. Translates; decides nothing.

mod convert;
mod pipeline;
mod subscribe;
pub(crate) mod tuning;

use std::pin::Pin;

use futures_util::{Stream, StreamExt};
use tokio_util::task::TaskTracker;
use tonic::{Request, Response, Status, Streaming};
use via_proto::v1::ingest_server;
use via_proto::v1::{
    OpenProducerRequest, OpenProducerResponse, ScoreResponse, SubscribeRequest, SubscribeResponse,
    WriteRequest, WriteResponse, WriteStreamResponse,
};
use via_shard::Answer;
use via_types::{Epoch, Origin, ProducerId};

use crate::gate::Gate;
use crate::http::edge::RequestId;
use crate::ingest::Ingest;
use crate::ingest::lines::PART_LINES;
use crate::ingest::target::Target;
use crate::ingest::writer::Tally;
use crate::metrics::{Protocol, written};
use crate::problem::{Code, Problem};

/// The gRPC service.
#[derive(Clone)]
pub(crate) struct Door {
    gate: Gate,
    sessions: TaskTracker,
}

impl Door {
    /// Makes the service; `sessions` waits for its streams when draining.
    pub(crate) fn new(gate: Gate, sessions: TaskTracker) -> Self {
        Self { gate, sessions }
    }
}

async fn write(gate: &Gate, request: &WriteRequest, answer: Answer) -> Result<Tally, Problem> {
    let outcome = match begin(gate, request, answer).await {
        Ok(ingest) => ingest.finish().await,
        Err(problem) => Err(problem),
    };
    written(Protocol::Grpc, outcome)
}

/// Starts a new incarnation of a producer.
async fn open(gate: &Gate, name: &str) -> Result<(ProducerId, Epoch), Problem> {
    let deed = gate.deed().await?;
    Ok(gate.control().open_producer_by(deed, gate.tenant(), name).await?)
}

/// Hands a batch to the shards, in the order of calls.
async fn begin(gate: &Gate, request: &WriteRequest, answer: Answer) -> Result<Ingest, Problem> {
    let target = Target::find(gate, &request.stream)?;
    let origin: Option<Origin> = request.origin.map(convert::origin);
    let mut ingest = Ingest::new(gate, target, origin, answer);
    ingest.columns(request).await?;
    Ok(ingest)
}

/// Returns the id that the outermost layer gave the request.
fn id<T>(request: &Request<T>) -> String {
    let known = request.extensions().get::<RequestId>();
    known.map_or_else(String::new, |id| id.as_str().to_owned())
}

/// Gives a status that the framework made by itself, for a message that cannot
/// be read, the details that every other one has.
fn explained(status: Status, id: &str) -> Status {
    let is_bare = status.details().is_empty();
    if is_bare { Problem::of_framework(&status).status(id) } else { status }
}

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl ingest_server::Ingest for Door {
    async fn open_producer(
        &self,
        request: Request<OpenProducerRequest>,
    ) -> Result<Response<OpenProducerResponse>, Status> {
        let id = id(&request);
        let gate = self.gate.of(request.extensions());
        let opened = open(&gate, &request.get_ref().name).await;
        let (producer, epoch) = opened.map_err(|problem| problem.status(&id))?;
        let answer = OpenProducerResponse { producer: producer.get(), epoch: epoch.get() };
        Ok(Response::new(answer))
    }

    async fn write(
        &self,
        request: Request<WriteRequest>,
    ) -> Result<Response<WriteResponse>, Status> {
        let id = id(&request);
        let gate = self.gate.of(request.extensions());
        let request = request.into_inner();
        let tally = write(&gate, &request, Answer::Counts).await;
        let tally = tally.map_err(|problem| problem.status(&id))?;
        Ok(Response::new(convert::written(&tally, request.tag)))
    }

    type WriteStreamStream = Answers<WriteStreamResponse>;

    async fn write_stream(
        &self,
        request: Request<Streaming<WriteRequest>>,
    ) -> Result<Response<Self::WriteStreamStream>, Status> {
        let id = id(&request);
        let (gate, inbound) = (self.gate.of(request.extensions()), request.into_inner());
        let answers = pipeline::run(gate, inbound, id.clone(), &self.sessions);
        let answers = answers.map_err(|problem| problem.status(&id))?;
        let told = answers.map(move |answer| answer.map_err(|status| explained(status, &id)));
        Ok(Response::new(Box::pin(told)))
    }

    async fn score(
        &self,
        request: Request<WriteRequest>,
    ) -> Result<Response<ScoreResponse>, Status> {
        let id = id(&request);
        let gate = self.gate.of(request.extensions());
        let request = request.into_inner();
        if request.entity.len() / 4 > PART_LINES {
            let words = format!("scores are given for at most {PART_LINES} events");
            return Err(Problem::new(Code::TooLarge, words).status(&id));
        }
        let tally = write(&gate, &request, Answer::Scores).await;
        let tally = tally.map_err(|problem| problem.status(&id))?;
        Ok(Response::new(convert::scored(tally, request.tag)))
    }

    type SubscribeStream = Answers<SubscribeResponse>;

    async fn subscribe(
        &self,
        request: Request<SubscribeRequest>,
    ) -> Result<Response<Self::SubscribeStream>, Status> {
        let id = id(&request);
        let gate = self.gate.of(request.extensions());
        let answers = subscribe::run(gate, request.into_inner(), id.clone()).await;
        Ok(Response::new(answers.map_err(|problem| problem.status(&id))?))
    }
}
