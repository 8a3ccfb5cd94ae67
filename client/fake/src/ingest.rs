//! The gRPC door's part that SDKs use: a stream of writes, whose columns are written
//! down as the lines of NDJSON that they stand for, so that one case judges both.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{Stream, stream};
use serde_json::{Value, json};
use tonic::{Code, Request, Response, Status, Streaming};
use tonic_types::{ErrorDetails, StatusExt};
use via_proto::v1::ingest_server::Ingest;
use via_proto::v1::write_stream_response::Outcome;
use via_proto::v1::{
    Failure, Fate, OpenProducerRequest, OpenProducerResponse, Refusal, ScoreResponse,
    SubscribeRequest, SubscribeResponse, WriteRequest, WriteResponse, WriteStreamResponse,
};

use crate::door::Line;
use crate::memory::{Answer, Attempt, Counts, Memory, Step};

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// The gRPC service.
pub(crate) struct Door {
    memory: Arc<Memory>,
}

impl Door {
    pub(crate) fn new(memory: Arc<Memory>) -> Self {
        Self { memory }
    }
}

/// One stream of writes.
struct Session {
    memory: Arc<Memory>,
    line: Option<Line>,
    headers: BTreeMap<String, String>,
    requests: Streaming<WriteRequest>,
    is_over: bool,
}

impl Session {
    async fn next(mut self) -> Option<(Result<WriteStreamResponse, Status>, Self)> {
        if self.is_over {
            return None;
        }
        let request = self.requests.message().await.ok()??;
        let tag = request.tag;
        let answer = self.memory.events(self.attempt(&request)).await;
        let outcome = match answer {
            Answer::Good(counts) => Some(Outcome::Written(written(counts, tag))),
            Answer::Garbage => None,
            Answer::Dropped => match &self.line {
                Some(line) => line.break_off().await,
                None => return None,
            },
            Answer::Failed(step) => match &step.problem {
                Some(problem) => Some(Outcome::Failure(failure(problem))),
                None => {
                    self.is_over = true;
                    return Some((Err(status(&step)), self));
                }
            },
        };
        Some((Ok(WriteStreamResponse { tag, outcome }), self))
    }

    fn attempt(&self, request: &WriteRequest) -> Attempt {
        let mut headers = self.headers.clone();
        let number = request.origin.map(|it| [it.producer, u64::from(it.epoch), it.sequence]);
        let number = number.map(|words| words.map(|word| word.to_string()));
        let names = ["x-via-producer", "x-via-epoch", "x-via-sequence"];
        for (name, word) in names.into_iter().zip(number.iter().flatten()) {
            headers.insert(name.to_owned(), word.clone());
        }
        Attempt {
            at: 0.0,
            stream: request.stream.clone(),
            number,
            body: lines(request),
            headers,
            port: self.line.as_ref().map_or(0, |line| line.port),
        }
    }
}

/// Writes columns as lines.
fn lines(request: &WriteRequest) -> String {
    let eight = |column: &[u8], row: usize| column.as_chunks::<8>().0.get(row).copied();
    let line = |(row, position): (usize, &[u8; 4])| {
        let key = request.keys.get(u32::from_le_bytes(*position) as usize);
        let mut event = json!({ "entity": key.map(|key| String::from_utf8_lossy(key)) });
        event["timestamp"] = time(eight(&request.at, row).map_or(0, i64::from_le_bytes));
        event["value"] = eight(&request.value, row).map_or(1.0, f64::from_le_bytes).into();
        let unique = eight(&request.unique, row).map_or(0, u64::from_le_bytes);
        if unique != 0 {
            event["unique_id"] = unique.to_string().into();
        }
        if let Some(text) = request.attributes.get(row).filter(|text| !text.is_empty()) {
            event["attributes"] = serde_json::from_str(text).unwrap_or_default();
        }
        for lane in &request.lanes {
            let value = eight(&lane.values, row).map_or(f64::NAN, f64::from_le_bytes);
            if !value.is_nan() {
                event["values"][&lane.name] = value.into();
            }
        }
        event.to_string()
    };
    let positions = request.entity.as_chunks::<4>().0.iter().enumerate();
    positions.map(line).collect::<Vec<_>>().join("\n")
}

/// Whole microseconds as a number, finer ones as RFC 3339.
fn time(nanos: i64) -> Value {
    if nanos % 1_000 == 0 {
        return (nanos / 1_000).into();
    }
    jiff::Timestamp::from_nanosecond(nanos.into()).map_or(Value::Null, |at| at.to_string().into())
}

fn written(counts: Counts, tag: u64) -> WriteResponse {
    let refusal = |one: crate::memory::Refusal| Refusal {
        row: one.line - 1,
        code: one.code.to_owned(),
        reason: one.reason.to_owned(),
        fate: Fate::Rejected.into(),
        retry_after_ms: 0,
    };
    WriteResponse {
        accepted: counts.accepted,
        duplicates: counts.duplicates,
        refused: counts.refused,
        refusals: counts.refusals.into_iter().map(refusal).collect(),
        repeated: counts.repeated,
        tag,
    }
}

/// What a node says of one request of a stream.
fn failure(problem: &Value) -> Failure {
    let fate = match problem["fate"].as_str() {
        Some("rejected") => Fate::Rejected,
        Some("retry") => Fate::Retry,
        Some("unknown") => Fate::Unknown,
        Some(_) | None => Fate::Unspecified,
    };
    Failure {
        code: problem["code"].as_str().unwrap_or_default().to_owned(),
        message: "as told".to_owned(),
        fate: fate.into(),
        retry_after_ms: problem["retry_after_ms"].as_u64().unwrap_or(0),
    }
}

/// What somebody who is no node says in a status' place.
fn status(step: &Step) -> Status {
    let code = match step.status {
        401 => Code::Unauthenticated,
        403 => Code::PermissionDenied,
        404 => Code::NotFound,
        408 | 504 => Code::DeadlineExceeded,
        429 => Code::ResourceExhausted,
        502 | 503 => Code::Unavailable,
        300..400 => Code::FailedPrecondition,
        400..500 => Code::InvalidArgument,
        _ => Code::Internal,
    };
    let seconds = step.headers.get("Retry-After").and_then(Value::as_u64);
    match seconds.map(Duration::from_secs) {
        Some(wait) => {
            let details = ErrorDetails::with_retry_info(Some(wait));
            Status::with_error_details(code, "as told", details)
        }
        None => Status::new(code, "as told"),
    }
}

fn absent<T>() -> Result<Response<T>, Status> {
    Err(Status::unimplemented("no case needs it"))
}

#[tonic::async_trait]
impl Ingest for Door {
    type WriteStreamStream = Answers<WriteStreamResponse>;
    type SubscribeStream = Answers<SubscribeResponse>;

    async fn write_stream(
        &self,
        request: Request<Streaming<WriteRequest>>,
    ) -> Result<Response<Self::WriteStreamStream>, Status> {
        let text = |value: &tonic::metadata::AsciiMetadataValue| value.to_str().map(str::to_owned);
        let metadata = request.metadata().iter().filter_map(|entry| match entry {
            tonic::metadata::KeyAndValueRef::Ascii(name, value) => {
                Some((name.to_string(), text(value).ok()?))
            }
            tonic::metadata::KeyAndValueRef::Binary(..) => None,
        });
        let session = Session {
            memory: Arc::clone(&self.memory),
            line: request.extensions().get::<Line>().cloned(),
            headers: metadata.collect(),
            requests: request.into_inner(),
            is_over: false,
        };
        Ok(Response::new(Box::pin(stream::unfold(session, Session::next))))
    }

    async fn open_producer(
        &self,
        _: Request<OpenProducerRequest>,
    ) -> Result<Response<OpenProducerResponse>, Status> {
        absent()
    }

    async fn write(&self, _: Request<WriteRequest>) -> Result<Response<WriteResponse>, Status> {
        absent()
    }

    async fn score(&self, _: Request<WriteRequest>) -> Result<Response<ScoreResponse>, Status> {
        absent()
    }

    async fn subscribe(
        &self,
        _: Request<SubscribeRequest>,
    ) -> Result<Response<Self::SubscribeStream>, Status> {
        absent()
    }
}
