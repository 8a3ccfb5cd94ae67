//! Whether the node lives, whether it is ready, and why not, in words. Called
//! by load balancers and people; needs no permission and no place in the queue.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use serde::Serialize;
use utoipa::ToSchema;

use crate::gate::Gate;

/// Something that must be in order before the node serves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Component {
    /// What it is: "storage", "meta group", "shard s3".
    pub name: String,
    /// What is missing, in words; absent when it is ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing: Option<String>,
}

/// Says what the node knows of its own readiness beyond shards and catalog.
pub trait Readiness: Send + Sync + 'static {
    /// Returns every component, ready or not.
    fn components(&self) -> Vec<Component>;
}

/// A node without components of its own.
impl Readiness for () {
    fn components(&self) -> Vec<Component> {
        Vec::new()
    }
}

/// The answer of `/readyz`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Report {
    /// Whether requests are served in full.
    ready: bool,
    /// Everything that was looked at.
    components: Vec<Component>,
}

fn report(gate: &Gate) -> Report {
    let mut components = gate.rooms().readiness.components();
    components.push(Component { name: "catalog".to_owned(), missing: gate.control().not_ready() });
    let late = gate.shard().not_ready();
    let total = gate.shard().shards();
    let missing = (!late.is_empty()).then(|| {
        let (shard, why) = &late[0];
        format!("{} of {total} are not ready; {shard}: {why}", late.len())
    });
    components.push(Component { name: "shards".to_owned(), missing });
    let missing = gate.is_draining().then(|| "the node is shutting down".to_owned());
    components.push(Component { name: "gateway".to_owned(), missing });
    Report { ready: components.iter().all(|component| component.missing.is_none()), components }
}

/// Answers 200 while the process runs.
#[utoipa::path(get, path = "/livez", operation_id = "get_livez", tag = "operate",
    responses((status = 200, description = "The process runs", body = str, content_type = "text/plain")))]
pub(crate) async fn livez() -> &'static str {
    "live\n"
}

/// Answers 200 when the node serves in full, else 503 with what is missing.
#[utoipa::path(get, path = "/readyz", operation_id = "get_readyz", tag = "operate", responses(
    (status = 200, description = "Ready", body = Report),
    (status = 503, description = "Not ready: what is missing, in words", body = Report)))]
pub(crate) async fn readyz(State(gate): State<Gate>) -> Response {
    let report = report(&gate);
    let status = if report.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(report)).into_response()
}

/// Answers with every metric in Prometheus' text format.
#[utoipa::path(get, path = "/metrics", operation_id = "get_metrics", tag = "operate", responses(
    (status = 200, description = "Metrics", body = str, content_type = "text/plain")))]
pub(crate) async fn metrics(State(gate): State<Gate>) -> Response {
    let text = gate.rooms().metrics.as_ref().map(|metrics| metrics.render());
    let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    (kind, text.unwrap_or_default()).into_response()
}
