//! `POST …/events` and `POST …/score`: events in as JSON or NDJSON, counts and
//! verdicts out.

use std::collections::HashMap;

use axum::Json;
use axum::extract::{Path, Request};
use http::HeaderMap;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use via_shard::Answer;
use via_types::{Origin, Scored};

use crate::gate::Gate;
use crate::http::media::media;
use crate::http::view::{ContributionView, ExpectedView};
use crate::ingest::Ingest;
use crate::ingest::body::{Encoding, Patience, Source};
use crate::ingest::lines::PART_LINES;
use crate::ingest::refusal::Fault;
use crate::ingest::target::Target;
use crate::ingest::writer::Tally;
use crate::metrics::{Protocol, written};
use crate::problem::{Code, Problem, fate_word, retry_after_ms};

/// An event, as documented; it is read without passing through this form.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "a schema only: lines are parsed borrowed, field by field")]
pub(crate) struct EventBody {
    /// Who it is about, 1 to 256 bytes. May be left out when the stream's
    /// mapping derives it from attributes.
    entity: Option<NameBody>,
    /// When it happened: RFC 3339, or a number of s, ms, µs or ns since 1970
    /// (told apart by magnitude). Left out: now.
    timestamp: Option<TimeBody>,
    /// What was observed; finite. Left out: 1.
    #[schema(nullable = false)]
    value: Option<f64>,
    /// Your own id of it, up to 128 bytes; a repeat for the same entity within
    /// the window is counted as duplicate and not applied.
    unique_id: Option<NameBody>,
    /// What else is known: up to 64 texts, numbers or booleans, 4,096 bytes.
    attributes: Option<HashMap<String, AttributeBody>>,
    /// Further named numbers, up to 64, judged together with the value.
    values: Option<HashMap<String, f64>>,
}

/// A name or an id.
#[derive(Deserialize, ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "a schema only")]
pub(crate) enum NameBody {
    /// A text.
    Text(String),
    /// A whole number, taken as its digits.
    Number(i64),
}

/// A point in time.
#[derive(Deserialize, ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "a schema only: stamps are read by `ingest::stamp`")]
pub(crate) enum TimeBody {
    /// RFC 3339, or a number as text.
    #[schema(example = "2026-01-31T12:00:00Z")]
    Text(String),
    /// s, ms, µs or ns since 1970.
    Number(f64),
}

/// What is known of an event under one name.
#[derive(Deserialize, ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "a schema only")]
pub(crate) enum AttributeBody {
    /// A text.
    Text(String),
    /// A number.
    Number(f64),
    /// Yes or no.
    Truth(bool),
}

/// What a JSON body may be.
#[derive(Deserialize, ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "a schema only")]
pub(crate) enum EventsBody {
    /// One event.
    One(EventBody),
    /// Several.
    Many(Vec<EventBody>),
}

/// One event that was not applied.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct RefusalView {
    /// Its line (NDJSON) or position (JSON), from 1.
    line: u64,
    /// A stable code; /problems lists all.
    code: &'static str,
    /// Why, in words.
    reason: String,
    /// `rejected`: sending it again cannot help. `retry`: send it again, with what
    /// follows it of the same entity, under a new sequence.
    fate: &'static str,
    /// How long to wait before it is sent again; for `retry`.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_ms: Option<u64>,
}

impl RefusalView {
    fn of((line, fault): &(u64, Fault)) -> Self {
        let fate = fault.code.fate();
        Self {
            line: *line,
            code: fault.code.name(),
            reason: fault.reason.clone(),
            fate: fate_word(fate),
            retry_after_ms: retry_after_ms(fate),
        }
    }
}

/// What became of the events: accepted + duplicates + refused is their number.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Written {
    /// Events that changed state, now or when the same request came first.
    accepted: u64,
    /// Events whose unique id had been seen.
    duplicates: u64,
    /// Events that were not applied.
    refused: u64,
    /// The whole request had been applied before; nothing changed now.
    repeated: bool,
    /// The first thousand refused events.
    refusals: Vec<RefusalView>,
}

impl Written {
    fn of(tally: &Tally) -> Self {
        let listed = tally.refusals.listed.iter();
        Self {
            accepted: tally.accepted,
            duplicates: tally.duplicates,
            refused: tally.refusals.count,
            repeated: tally.is_repeated(),
            refusals: listed.map(RefusalView::of).collect(),
        }
    }
}

/// One event's verdict.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct ScoreView {
    /// Its line (NDJSON) or position (JSON), from 1.
    line: u64,
    /// 0..1, calibrated: the same number means the same rarity everywhere.
    score: f64,
    /// The entity is still being learned; the score is provisional.
    warming: bool,
    /// What the value was expected to be.
    expected: Option<ExpectedView>,
    /// What made up the score, largest first.
    contributions: Vec<ContributionView>,
    /// One sentence; empty when nothing is remarkable.
    reason: String,
    /// The detection it opened or belongs to.
    detection: Option<String>,
}

impl ScoreView {
    fn of((line, scored): (u64, Scored)) -> Self {
        Self {
            line,
            score: scored.score,
            warming: scored.warming,
            expected: scored.expected.map(Into::into),
            contributions: scored.contributions.iter().map(Into::into).collect(),
            reason: scored.reason,
            detection: scored.detection.map(|id| id.to_string()),
        }
    }
}

/// Counts, and each applied event's verdict.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct ScoredEvents {
    /// The counts.
    #[serde(flatten)]
    written: Written,
    /// One per applied event, by line.
    scores: Vec<ScoreView>,
}

/// Writes events: answers once they are durable.
#[utoipa::path(post, path = "/api/v1/streams/{stream}/events", operation_id = "write_events", tag = "ingest",
    params(
        ("stream" = String, Path, description = "The stream's name"),
        ("X-Via-Producer" = Option<u64>, Header, description = "Producer id, with epoch and sequence: exactly once"),
        ("X-Via-Epoch" = Option<u32>, Header, description = "The producer's epoch"),
        ("X-Via-Sequence" = Option<u64>, Header, description = "The request's number in that epoch")),
    request_body(description = "One event, an array of events, or one event per line; plain, gzip or zstd",
        content((EventsBody = "application/json"), (EventBody = "application/x-ndjson"))),
    responses((status = 200, description = "What became of each event", body = Written)))]
pub(crate) async fn write(
    gate: Gate,
    Path(stream): Path<String>,
    request: Request,
) -> Result<Json<Written>, Problem> {
    let (protocol, ingest, source) = open(&gate, &stream, request, Answer::Counts).await?;
    let outcome = match protocol {
        Protocol::Json => Box::pin(ingest.json(source, usize::MAX)).await,
        Protocol::Ndjson | Protocol::Grpc => Box::pin(ingest.lines(source)).await,
    };
    written(protocol, outcome).map(|tally| Json(Written::of(&tally)))
}

/// Writes events and answers with each one's score and explanation.
#[utoipa::path(post, path = "/api/v1/streams/{stream}/score", operation_id = "score_events", tag = "ingest",
    params(
        ("stream" = String, Path, description = "The stream's name"),
        ("X-Via-Producer" = Option<u64>, Header, description = "Producer id, with epoch and sequence: exactly once"),
        ("X-Via-Epoch" = Option<u32>, Header, description = "The producer's epoch"),
        ("X-Via-Sequence" = Option<u64>, Header, description = "The request's number in that epoch")),
    request_body(description = "As for events; at most 16,384 of them",
        content((EventsBody = "application/json"), (EventBody = "application/x-ndjson"))),
    responses((status = 200, description = "What became of each event, and its verdict", body = ScoredEvents)))]
pub(crate) async fn score(
    gate: Gate,
    Path(stream): Path<String>,
    request: Request,
) -> Result<Json<ScoredEvents>, Problem> {
    let (protocol, ingest, source) = open(&gate, &stream, request, Answer::Scores).await?;
    let outcome = match protocol {
        Protocol::Json => Box::pin(ingest.json(source, PART_LINES)).await,
        Protocol::Ndjson | Protocol::Grpc => Box::pin(ingest.few_lines(source)).await,
    };
    let tally = written(protocol, outcome)?;
    let written = Written::of(&tally);
    Ok(Json(ScoredEvents {
        written,
        scores: tally.scores.into_iter().map(ScoreView::of).collect(),
    }))
}

async fn open(
    gate: &Gate,
    stream: &str,
    request: Request,
    answer: Answer,
) -> Result<(Protocol, Ingest, Source), Problem> {
    let (parts, body) = request.into_parts();
    let protocol = protocol(&parts.headers)?;
    let encoding = Encoding::of(&parts.headers)?;
    let origin = origin(&parts.headers)?;
    let target = Target::find(gate, stream)?;
    let allowance = gate.allowance();
    allowance.expect_room(gate.now())?;
    let ingest = Ingest::new(gate, target, origin, answer);
    let options = gate.options();
    let patience = Patience { idle: options.body_idle, expansion: options.expansion.max(1) };
    Ok((protocol, ingest, Source::new(body, encoding, patience).of(allowance)))
}

fn protocol(headers: &HeaderMap) -> Result<Protocol, Problem> {
    match media(headers)?.as_str() {
        "application/json" => Ok(Protocol::Json),
        "application/x-ndjson" | "application/ndjson" | "application/jsonl" => Ok(Protocol::Ndjson),
        other => Err(Problem::new(
            Code::UnsupportedMediaType,
            format!(
                "Content-Type {other:?} is not supported; send application/json or \
                 application/x-ndjson"
            ),
        )),
    }
}

/// Reads the exactly-once headers: all three or none.
fn origin(headers: &HeaderMap) -> Result<Option<Origin>, Problem> {
    let producer = number(headers, "x-via-producer", "p")?;
    let epoch = number(headers, "x-via-epoch", "e")?;
    let sequence = number(headers, "x-via-sequence", "q")?;
    match (producer, epoch, sequence) {
        (None, None, None) => Ok(None),
        (Some(producer), Some(epoch), Some(sequence)) => Ok(Some(Origin {
            producer: via_types::ProducerId::new(producer),
            epoch: via_types::Epoch::new(u32::try_from(epoch).map_err(|_| {
                Problem::new(Code::BadParameter, "X-Via-Epoch does not fit 32 bits")
            })?),
            sequence: via_types::Sequence::new(sequence),
            part: 0,
        })),
        _ => Err(Problem::new(
            Code::BadParameter,
            "X-Via-Producer, X-Via-Epoch and X-Via-Sequence belong together; send all or none",
        )),
    }
}

fn number(headers: &HeaderMap, name: &str, prefix: &str) -> Result<Option<u64>, Problem> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let bad = |words: &str| Problem::new(Code::BadParameter, format!("header {name} {words}"));
    if values.next().is_some() {
        return Err(bad("is given more than once"));
    }
    let text = value.to_str().unwrap_or("");
    let digits = text.strip_prefix(prefix).unwrap_or(text);
    let number = digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok());
    number.flatten().map(Some).ok_or_else(|| bad("must be a whole number below 2^64, in digits"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| {
                let name = http::HeaderName::from_static(name);
                (name, value.parse().expect("header"))
            })
            .collect()
    }

    #[test]
    fn producer_headers_belong_together() {
        let all = [("x-via-producer", "p7"), ("x-via-epoch", "2"), ("x-via-sequence", "9")];
        let origin = super::origin(&headers(&all)).expect("valid").expect("given");
        assert_eq!((origin.producer.get(), origin.epoch.get(), origin.sequence.get()), (7, 2, 9));
        assert_eq!(super::origin(&headers(&[])).expect("valid"), None);
        for bad in [&all[..2], &[("x-via-producer", "x"), all[1], all[2]][..]] {
            let problem = super::origin(&headers(bad)).expect_err("incomplete");
            assert_eq!(problem.code, Code::BadParameter);
        }
        for odd in ["+9", "-9", " 9 9", "9.0", "0x9", "", "18446744073709551616"] {
            let odd = [all[0], all[1], ("x-via-sequence", odd)];
            let problem = super::origin(&headers(&odd)).expect_err("no number");
            assert_eq!(problem.code, Code::BadParameter);
        }
        for second in ["9", "10"] {
            let mut twice = headers(&all);
            twice.append("x-via-sequence", second.parse().expect("header"));
            assert!(super::origin(&twice).is_err(), "which of them is meant?");
        }
        let wide = [all[0], ("x-via-epoch", "4294967296"), all[2]];
        assert!(super::origin(&headers(&wide)).is_err());
    }

    #[test]
    fn only_json_and_ndjson_are_read() {
        let kind = |value: &str| protocol(&headers(&[("content-type", value)]));
        assert_eq!(kind("application/json; charset=utf-8"), Ok(Protocol::Json));
        assert_eq!(kind("application/x-ndjson"), Ok(Protocol::Ndjson));
        for other in ["text/plain", "", "application/x-www-form-urlencoded"] {
            assert_eq!(kind(other).expect_err(other).code, Code::UnsupportedMediaType);
        }
    }
}
