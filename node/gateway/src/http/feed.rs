//! `GET /api/v1/live`: detections as they happen, over WebSocket when asked to
//! upgrade, else as server-sent events. Both carry the same JSON messages.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::Query;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::{Stream, StreamExt, stream};
use http::{HeaderMap, header};
use serde::{Deserialize, Serialize};
use tokio_util::task::TaskTracker;
use utoipa::{IntoParams, ToSchema};
use via_types::detection::Change;

use crate::gate::Gate;
use crate::http::detections::filter;
use crate::http::view::DetectionView;
use crate::live::{Item, Live};
use crate::problem::{Code, Problem};

/// Largest message a client may send; it has nothing to say.
const INCOMING_BYTES: usize = 4_096;

/// Which detections to follow.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(crate) struct Followed {
    /// Of this stream.
    stream: Option<String>,
    /// About this entity; needs `stream`.
    entity: Option<String>,
    /// At least this severe: low, medium, high, critical.
    severity: Option<String>,
    /// Resume after this cursor; `Last-Event-ID` does the same.
    cursor: Option<String>,
}

/// One message of the live feed.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(crate) enum LiveMessage {
    /// The first message: where the feed begins.
    Hello {
        /// Resume here to miss nothing that comes from now on.
        cursor: String,
    },
    /// A detection opened, grew or ended; the newest copy of an id replaces
    /// the one before.
    Detection {
        /// Resume here to see only what follows.
        cursor: String,
        /// opened, grown, or labelled: somebody said something of it, or took it back.
        change: &'static str,
        /// The detection as it is now.
        detection: Box<DetectionView>,
    },
    /// Some detections could not be delivered; the listing has them.
    Gap {
        /// Resume here to see only what follows.
        cursor: String,
    },
}

impl LiveMessage {
    fn of(gate: &Gate, item: Item) -> Self {
        match item {
            Item::Gap { cursor } => Self::Gap { cursor },
            Item::Change { change, cursor } => Self::Detection {
                cursor,
                change: match &*change {
                    Change::Opened(_) => "opened",
                    Change::Grown(_) => "grown",
                    Change::Labelled(..) => "labelled",
                },
                detection: Box::new(
                    DetectionView::of(gate, &gate.view(), change.detection())
                        .said(change.feedback()),
                ),
            },
        }
    }

    fn cursor(&self) -> &str {
        match self {
            Self::Hello { cursor } | Self::Detection { cursor, .. } | Self::Gap { cursor } => {
                cursor
            }
        }
    }

    fn text(&self) -> String {
        serde_json::to_string(self).expect("plain data has a JSON form")
    }
}

/// Follows detections live: WebSocket on upgrade, else server-sent events.
#[utoipa::path(get, path = "/api/v1/live", operation_id = "follow_detections", tag = "query", params(Followed,
        ("Last-Event-ID" = Option<String>, Header, description = "Resume after this cursor")),
    responses((status = 200, description = "Server-sent events, each with the cursor as its id",
            body = LiveMessage, content_type = "text/event-stream"),
        (status = 101, description = "A WebSocket with one message per text frame")))]
pub(crate) async fn follow(
    gate: Gate,
    sessions: axum::Extension<TaskTracker>,
    Query(followed): Query<Followed>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    let Followed { stream, entity, severity, cursor } = followed;
    let filter = filter(&gate, stream.as_deref(), entity.as_deref(), severity.as_deref())?;
    let last = headers.get("last-event-id").and_then(|value| value.to_str().ok());
    if headers.contains_key(header::UPGRADE)
        && let Err(refused) = &upgrade
    {
        return Err(Problem::new(Code::BadRequest, refused.to_string()));
    }
    let live = Live::open(&gate, filter, last.or(cursor.as_deref())).await?;
    let Ok(upgrade) = upgrade else {
        let ping = gate.options().ping;
        let alive = KeepAlive::new().interval(ping);
        return Ok(Sse::new(events(gate, live)).keep_alive(alive).into_response());
    };
    let upgrade = upgrade.max_message_size(INCOMING_BYTES).max_frame_size(INCOMING_BYTES);
    Ok(upgrade.on_upgrade(move |socket| sessions.track_future(speak(gate, live, socket))))
}

fn events(gate: Gate, live: Live) -> impl Stream<Item = Result<Event, Infallible>> {
    let hello = LiveMessage::Hello { cursor: live.cursor() };
    let rest = stream::unfold((gate, live), |(gate, mut live)| async move {
        match live.next().await {
            Ok(Some(item)) => Some((LiveMessage::of(&gate, item), (gate, live))),
            Ok(None) => None,
            Err(problem) => {
                tracing::warn!(detail = problem.detail, "a live feed ended");
                None
            }
        }
    });
    stream::once(std::future::ready(hello))
        .chain(rest)
        .map(|message| Ok(Event::default().id(message.cursor()).data(message.text())))
}

async fn speak(gate: Gate, mut live: Live, mut socket: WebSocket) {
    let ping = gate.options().ping;
    let hello = LiveMessage::Hello { cursor: live.cursor() };
    if !send(&mut socket, Message::Text(hello.text().into()), ping).await {
        return;
    }
    let mut quiet = tokio::time::interval(ping);
    quiet.reset();
    loop {
        let message = tokio::select! {
            item = live.next() => match item {
                Ok(Some(item)) => Message::Text(LiveMessage::of(&gate, item).text().into()),
                Ok(None) => Message::Close(Some(CloseFrame {
                    code: close_code::AWAY,
                    reason: "the node is shutting down".into(),
                })),
                Err(problem) => Message::Close(Some(CloseFrame {
                    code: close_code::ERROR,
                    reason: problem.code.name().into(),
                })),
            },
            heard = socket.recv() => match heard {
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                // Nothing a client says has a meaning here; pings are answered below.
                Some(Ok(_)) => continue,
            },
            _ = quiet.tick() => Message::Ping(Vec::new().into()),
        };
        let is_end = matches!(message, Message::Close(_));
        if !send(&mut socket, message, ping).await || is_end {
            return;
        }
    }
}

/// Sends one message; says whether the client took it in time.
async fn send(socket: &mut WebSocket, message: Message, within: Duration) -> bool {
    matches!(tokio::time::timeout(within, socket.send(message)).await, Ok(Ok(())))
}
