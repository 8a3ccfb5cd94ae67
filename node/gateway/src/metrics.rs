//! The gateway's metrics, by name.
//!
//! | name | kind | labels | meaning |
//! |---|---|---|---|
//! | `via_ingest_events_total` | counter | `protocol`, `outcome` | events by fate: accepted, duplicate, refused |
//! | `via_ingest_requests_total` | counter | `protocol`, `outcome` | write requests: written, or the failure's code |
//! | `via_http_requests_total` | counter | `route`, `method`, `status` | requests answered |
//! | `via_http_request_seconds` | histogram | `route` | time to the answer's head |
//! | `via_http_panics_total` | counter | | handlers that panicked |
//! | `via_connections` | gauge | | open connections |
//! | `via_subscribers` | gauge | | open live feeds |
//! | `via_live_gaps_total` | counter | | gaps told to live subscribers |

use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};

use crate::ingest::writer::Tally;
use crate::problem::Problem;

const EVENTS: &str = "via_ingest_events_total";
const WRITES: &str = "via_ingest_requests_total";
const REQUESTS: &str = "via_http_requests_total";
const SECONDS: &str = "via_http_request_seconds";
const PANICS: &str = "via_http_panics_total";
const CONNECTIONS: &str = "via_connections";
const SUBSCRIBERS: &str = "via_subscribers";
const GAPS: &str = "via_live_gaps_total";

/// Tells the recorder what each metric means.
pub fn describe() {
    describe_counter!(EVENTS, "Events by protocol and fate");
    describe_counter!(WRITES, "Write requests by protocol and outcome");
    describe_counter!(REQUESTS, "Requests answered");
    describe_histogram!(SECONDS, metrics::Unit::Seconds, "Time to the answer's head");
    describe_counter!(PANICS, "Handlers that panicked");
    describe_gauge!(CONNECTIONS, "Open connections");
    describe_gauge!(SUBSCRIBERS, "Open live feeds");
    describe_counter!(GAPS, "Gaps told to live subscribers");
}

/// By which way events came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// A JSON body.
    Json,
    /// An NDJSON body.
    Ndjson,
    /// A columnar gRPC message.
    Grpc,
}

impl Protocol {
    const fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Ndjson => "ndjson",
            Self::Grpc => "grpc",
        }
    }
}

/// Counts what became of one write request; returns it unchanged.
pub(crate) fn written(
    protocol: Protocol,
    outcome: Result<Tally, Problem>,
) -> Result<Tally, Problem> {
    let protocol = protocol.name();
    let word = match &outcome {
        Ok(tally) => {
            let counts = [
                ("accepted", tally.accepted),
                ("duplicate", tally.duplicates),
                ("refused", tally.refusals.count),
            ];
            for (fate, count) in counts {
                counter!(EVENTS, "protocol" => protocol, "outcome" => fate).increment(count);
            }
            "written"
        }
        Err(problem) => problem.code.name(),
    };
    counter!(WRITES, "protocol" => protocol, "outcome" => word).increment(1);
    outcome
}

/// Counts one answered request.
pub(crate) fn answered(route: &str, method: &http::Method, status: u16, seconds: f64) {
    let labels = [
        ("route", route.to_owned()),
        ("method", known(method).to_owned()),
        ("status", status.to_string()),
    ];
    counter!(REQUESTS, &labels).increment(1);
    histogram!(SECONDS, "route" => route.to_owned()).record(seconds);
}

/// Methods are the client's words: only known ones become labels.
fn known(method: &http::Method) -> &str {
    let words = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"];
    words.into_iter().find(|word| *word == method.as_str()).unwrap_or("other")
}

/// Counts a handler's panic.
pub(crate) fn panicked() {
    counter!(PANICS).increment(1);
}

/// Counts a gap.
pub(crate) fn gap() {
    counter!(GAPS).increment(1);
}

/// Something open that a gauge counts until it is dropped.
#[derive(Debug)]
pub(crate) struct Open(&'static str);

impl Open {
    /// Counts a connection.
    pub(crate) fn connection() -> Self {
        Self::count(CONNECTIONS)
    }

    /// Counts a live feed.
    pub(crate) fn subscriber() -> Self {
        Self::count(SUBSCRIBERS)
    }

    fn count(name: &'static str) -> Self {
        gauge!(name).increment(1.0);
        Self(name)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        gauge!(self.0).decrement(1.0);
    }
}
