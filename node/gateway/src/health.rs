//! Whether the node lives, whether it is ready, and why not, in words. Called
//! by load balancers and people; needs no permission and no place in the queue.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use serde::Serialize;
use utoipa::ToSchema;
use via_shard::Pressure;
use via_types::pressure::Level;

use crate::gate::Gate;

/// Something that must be in order before the node serves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Component {
    /// What it is: "storage", "meta group", "shard s3".
    pub name: String,
    /// What is missing, in words; absent when it is ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing: Option<String>,
    /// What is short although it is ready, in words; absent when nothing is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub short: Option<String>,
}

impl Component {
    /// Makes a component of which nothing is short.
    pub fn new(name: impl Into<String>, missing: Option<String>) -> Self {
        Self { name: name.into(), missing, short: None }
    }
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
    components.push(Component::new("catalog", gate.control().not_ready()));
    let late = gate.shard().not_ready();
    let total = gate.shard().shards();
    let missing = (!late.is_empty()).then(|| {
        let (shard, why) = &late[0];
        format!("{} of {total} are not ready; {shard}: {why}", late.len())
    });
    components.push(Component::new("shards", missing));
    components.push(memory(&gate.shard().pressure()));
    let missing = gate.is_draining().then(|| "the node is shutting down".to_owned());
    components.push(Component::new("gateway", missing));
    Report { ready: components.iter().all(|component| component.missing.is_none()), components }
}

/// Says how short memory for profiles is; missing only when nothing fits any more.
fn memory(pressure: &Pressure) -> Component {
    let mebibytes = |bytes: u64| bytes >> 20;
    let share = pressure.held_bytes as f64 * 100.0 / pressure.limit_bytes.max(1) as f64;
    let level = pressure.level.name();
    let what = match pressure.level {
        Level::Normal => "",
        Level::Elevated => "profiles that are not in use leave for the disk",
        Level::High => "profiles are saved at once so that they can leave for the disk",
        Level::Critical => "new entities are refused, those of low priority first",
    };
    let (held, limit) = (mebibytes(pressure.held_bytes), mebibytes(pressure.limit_bytes));
    let full = format!("it is full, {held} of {limit} MiB: events wait until profiles have left");
    let words = format!("{level}, {share:.0} % of {limit} MiB: {what}");
    Component {
        name: "memory for profiles".to_owned(),
        missing: pressure.is_full().then_some(full),
        short: (pressure.level > Level::Normal).then_some(words),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_memory_is_told_and_only_full_memory_is_missing() {
        let told = |level, held_bytes| {
            let pressure = Pressure {
                level,
                held_bytes,
                limit_bytes: 100 << 20,
                evicted_profiles: 0,
                refused_low_priority: 0,
                refused_new_entity: 0,
                refused_memory: 0,
                refused_disk: 0,
            };
            memory(&pressure)
        };
        let normal = told(Level::Normal, 10 << 20);
        assert_eq!((normal.missing, normal.short), (None, None));
        for level in [Level::Elevated, Level::High, Level::Critical] {
            let short = told(level, 96 << 20);
            assert_eq!(short.missing, None, "it still serves");
            let words = short.short.expect("it is told");
            assert!(
                words.starts_with(level.name()) && words.contains("96 % of 100 MiB"),
                "{words}"
            );
        }
        let full = told(Level::Critical, 100 << 20);
        assert!(full.missing.is_some_and(|words| words.contains("full")));
    }
}
