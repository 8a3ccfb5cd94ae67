//! The HTTP door's part that SDKs use.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, Method, Response, StatusCode, Uri};
use axum::response::IntoResponse;
use axum::routing::{get, post, put};
use axum::{Extension, Json, Router};
use serde_json::{Value, json};

use crate::door::Line;
use crate::memory::{Answer, Attempt, Kind, Memory, Step};

type Said = Response<Body>;

/// Returns the routes.
pub(crate) fn routes(memory: Arc<Memory>) -> Router {
    Router::new()
        .route("/api/v1/producers", post(open))
        .route("/api/v1/streams/{stream}/events", post(events))
        .route("/api/v1/streams/{stream}/score", post(score))
        .route("/api/v1/detections", get(page))
        .route("/api/v1/detections/{id}/feedback", put(say).delete(say))
        .route("/api/v1/stats", get(stats))
        .route("/api/v1/live", get(live))
        .with_state(memory)
}

/// Answers badly, as told.
async fn misbehave<T>(line: &Line, answer: Answer<T>, good: impl FnOnce(T) -> Said) -> Said {
    match answer {
        Answer::Good(answer) => good(answer),
        Answer::Dropped => line.break_off().await,
        Answer::Garbage => ([("content-type", "application/json")], "<html>").into_response(),
        Answer::Failed(step) => failed(&step),
    }
}

fn failed(step: &Step) -> Said {
    let mut said = Response::builder().status(step.status);
    for (name, value) in &step.headers {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        said = said.header(name, text);
    }
    let Some(problem) = &step.problem else {
        return said.body("as told".into()).unwrap_or_default();
    };
    let mut document = json!({ "status": step.status, "detail": "as told" });
    for (name, value) in problem.as_object().into_iter().flatten() {
        document[name] = value.clone();
    }
    let said = said.header("content-type", "application/problem+json");
    said.body(document.to_string().into()).unwrap_or_default()
}

/// Misbehaves if that is due, else answers what `good` makes.
async fn answer(memory: &Memory, line: &Line, kind: Kind, good: impl FnOnce() -> Value) -> Said {
    match memory.next::<()>(kind) {
        Some(bad) => misbehave(line, bad, |()| StatusCode::OK.into_response()).await,
        None => Json(good()).into_response(),
    }
}

async fn open(State(memory): State<Arc<Memory>>, line: Extension<Line>, body: Bytes) -> Said {
    let asked: Value = serde_json::from_slice(&body).unwrap_or_default();
    let name = asked["name"].as_str().unwrap_or_default();
    answer(&memory, &line, Kind::Opens, || memory.open(name)).await
}

async fn events(
    State(memory): State<Arc<Memory>>,
    Path(stream): Path<String>,
    line: Extension<Line>,
    headers: HeaderMap,
    body: Bytes,
) -> Said {
    let headers: BTreeMap<String, String> = headers
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap_or_default().to_owned()))
        .collect();
    let number = ["x-via-producer", "x-via-epoch", "x-via-sequence"];
    let number = number.map(|name| headers.get(name).cloned().unwrap_or_default());
    let attempt = Attempt {
        at: 0.0,
        stream,
        number: number.iter().all(|word| !word.is_empty()).then_some(number),
        body: String::from_utf8_lossy(&body).into_owned(),
        headers,
        port: line.port,
    };
    let answer = memory.events(attempt).await;
    misbehave(&line, answer, |counts| Json(counts).into_response()).await
}

async fn score(State(memory): State<Arc<Memory>>, line: Extension<Line>, body: Bytes) -> Said {
    let event: Value = serde_json::from_slice(&body).unwrap_or_default();
    answer(&memory, &line, Kind::Score, || {
        let mut said = json!({ "accepted": 1, "duplicates": 0, "refused": 0, "repeated": false,
            "refusals": [], "scores": [] });
        if event["entity"].as_str().unwrap_or_default().is_empty() {
            let refusal = json!({ "line": 1, "code": "entity_missing", "reason": "no entity" });
            (said["accepted"], said["refused"]) = (0.into(), 1.into());
            said["refusals"] = json!([refusal]);
            return said;
        }
        said["scores"] = json!([{ "line": 1, "score": 0.5, "warming": false, "expected": null,
            "contributions": [], "reason": event["entity"], "detection": null }]);
        memory.apply_score(&String::from_utf8_lossy(&body));
        said
    })
    .await
}

async fn say(
    State(memory): State<Arc<Memory>>,
    Path(id): Path<String>,
    line: Extension<Line>,
    method: Method,
    uri: Uri,
    body: Bytes,
) -> Said {
    answer(&memory, &line, Kind::Queries, || {
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        memory.say(json!([method.as_str(), uri.path(), body]));
        json!({ "detection": { "id": id }, "taught": { "labels": 1 } })
    })
    .await
}

async fn page(
    State(memory): State<Arc<Memory>>,
    line: Extension<Line>,
    Query(words): Query<BTreeMap<String, String>>,
) -> Said {
    answer(&memory, &line, Kind::Queries, || {
        let number = |name: &str| words.get(name).and_then(|word| word.parse::<usize>().ok());
        let (start, all) = (number("cursor").unwrap_or(0), memory.detections());
        let end = (start + number("limit").unwrap_or(100)).min(all);
        let items: Vec<Value> =
            (start..end).map(|nth| json!({ "id": format!("d1-{nth}-0") })).collect();
        let mut page = json!({ "items": items });
        if end < all {
            page["next"] = end.to_string().into();
        }
        page
    })
    .await
}

async fn stats(State(memory): State<Arc<Memory>>, line: Extension<Line>) -> Said {
    answer(&memory, &line, Kind::Queries, || json!({ "events": memory.applied() })).await
}

async fn live(State(memory): State<Arc<Memory>>, headers: HeaderMap) -> Said {
    let from = headers.get("last-event-id").and_then(|value| value.to_str().ok());
    let session = match memory.follow(from.map(str::to_owned)) {
        Ok(session) => session,
        Err(step) => return failed(&step),
    };
    let mut text = String::new();
    for message in session {
        let cursor = message["cursor"].as_str().unwrap_or_default();
        text.push_str(&format!(": alive\n\nid: {cursor}\ndata: {message}\n\n"));
    }
    let kind = [("content-type", "text/event-stream"), ("access-control-allow-origin", "*")];
    (kind, text).into_response()
}
