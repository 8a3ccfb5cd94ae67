//! The three fates of a request as one type, and how answers become it: a problem
//! document, a gRPC status, a failure on a stream of writes, or silence.

use std::error::Error as _;
use std::fmt;
use std::time::Duration;

use http::StatusCode;
use serde::Deserialize;
use tonic::{Code, Status};
use tonic_types::StatusExt;
use via_proto::v1;

/// The longest wait that a node may ask for.
const LONGEST_WAIT: Duration = Duration::from_secs(300);

/// What may be believed of a request that failed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fate {
    /// Surely not applied; repeating it is useless.
    Rejected,
    /// Surely not applied; repeat it after [`Error::retry_after`].
    Retry,
    /// May have been applied; repeat it only under the same number.
    Unknown,
}

impl Fate {
    /// Returns its name in the interface: `rejected`, `retry` or `unknown`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rejected => "rejected",
            Self::Retry => "retry",
            Self::Unknown => "unknown",
        }
    }

    fn of_name(name: &str) -> Option<Self> {
        [Self::Rejected, Self::Retry, Self::Unknown].into_iter().find(|fate| fate.name() == name)
    }
}

/// A request that failed; the variant says what to believe of it.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// Surely not applied; repeating it is useless.
    #[error("{0}")]
    Rejected(Box<Failure>),
    /// Surely not applied; repeat it after `retry_after`.
    #[error("{0}")]
    Retry(Box<Failure>),
    /// May have been applied; repeat it only under the same number.
    #[error("{0}")]
    Unknown(Box<Failure>),
}

/// How a request failed.
#[derive(Clone, Debug, Default)]
pub struct Failure {
    /// The stable name of the failure; `no_answer` when nothing was answered.
    pub code: String,
    /// One sentence.
    pub detail: String,
    /// The HTTP status; 0 when nothing was answered over HTTP.
    pub status: u16,
    /// The node's name of the request; empty when it gave none.
    pub request_id: String,
    /// How long to wait before a repeat, where the node said so; at most 5 minutes.
    pub retry_after: Option<Duration>,
    /// Events accepted before the failure, where several requests were made.
    pub accepted: u64,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.detail)
    }
}

impl Error {
    /// Returns what may be believed.
    pub fn fate(&self) -> Fate {
        match self {
            Self::Rejected(_) => Fate::Rejected,
            Self::Retry(_) => Fate::Retry,
            Self::Unknown(_) => Fate::Unknown,
        }
    }

    /// Returns how it failed.
    pub fn failure(&self) -> &Failure {
        let (Self::Rejected(failure) | Self::Retry(failure) | Self::Unknown(failure)) = self;
        failure
    }

    /// Returns the stable name of the failure.
    pub fn code(&self) -> &str {
        &self.failure().code
    }

    /// Returns how long to wait before a repeat, where the node said so.
    pub fn retry_after(&self) -> Option<Duration> {
        self.failure().retry_after
    }

    pub(crate) fn of(fate: Fate, failure: Failure) -> Self {
        let failure = Box::new(failure);
        match fate {
            Fate::Rejected => Self::Rejected(failure),
            Fate::Retry => Self::Retry(failure),
            Fate::Unknown => Self::Unknown(failure),
        }
    }

    pub(crate) fn plain(fate: Fate, code: &str, detail: impl Into<String>) -> Self {
        Self::of(
            fate,
            Failure { code: code.to_owned(), detail: detail.into(), ..Failure::default() },
        )
    }

    /// Something on this side is not as it must be.
    pub(crate) fn local(detail: impl Into<String>) -> Self {
        Self::plain(Fate::Rejected, "local", detail)
    }

    /// Nothing was answered, or nothing that can be read.
    pub(crate) fn lost(detail: impl Into<String>) -> Self {
        Self::plain(Fate::Unknown, "no_answer", detail)
    }

    /// The client ended while the request was under way.
    pub(crate) fn closed() -> Self {
        Self::plain(Fate::Unknown, "closed", "the client was closed")
    }

    /// A connection failed; where it was never made, nothing was sent.
    pub(crate) fn of_transport(error: &(dyn std::error::Error + 'static)) -> Self {
        let mut words = error.to_string();
        let mut fate = Fate::Unknown;
        let mut cause = Some(error);
        while let Some(inner) = cause {
            if inner.is::<tonic::ConnectError>() {
                fate = Fate::Retry;
            }
            words = inner.to_string();
            cause = inner.source();
        }
        Self::plain(fate, "no_answer", words)
    }

    pub(crate) fn with_accepted(mut self, events: u64) -> Self {
        let (Self::Rejected(failure) | Self::Retry(failure) | Self::Unknown(failure)) = &mut self;
        failure.accepted = events;
        self
    }

    /// The same failure of a request that may have been applied before.
    pub(crate) fn into_unknown(self) -> Self {
        let (Self::Rejected(failure) | Self::Retry(failure) | Self::Unknown(failure)) = self;
        Self::Unknown(failure)
    }

    pub(crate) fn is_no_answer(&self) -> bool {
        self.code() == "no_answer"
    }

    /// Reads a failed answer over HTTP: the document's fate, else what the status says.
    pub(crate) fn of_answer(status: StatusCode, headers: &http::HeaderMap, body: &[u8]) -> Self {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let is_json = text("content-type").is_some_and(|kind| kind.contains("json"));
        let problem: Problem =
            if is_json { serde_json::from_slice(body).unwrap_or_default() } else { <_>::default() };
        let number = status.as_u16();
        let fate = problem.fate.as_deref().and_then(Fate::of_name);
        let fate = fate.unwrap_or(match number {
            408 | 429 | 503 => Fate::Retry,
            500.. => Fate::Unknown,
            _ => Fate::Rejected,
        });
        let seconds = || text("retry-after").and_then(|value| value.trim().parse::<f64>().ok());
        let wait = problem.retry_after_ms.map(|millis| millis / 1000.0).or_else(seconds);
        let said = || String::from_utf8_lossy(&body[..body.len().min(200)]).into_owned();
        let failure = Failure {
            code: problem.code.unwrap_or_else(|| format!("status_{number}")),
            detail: problem.detail.unwrap_or_else(said),
            status: number,
            request_id: problem
                .request_id
                .or_else(|| text("x-request-id").map(str::to_owned))
                .unwrap_or_default(),
            retry_after: wait.and_then(believed),
            accepted: 0,
        };
        Self::of(fate, failure)
    }

    /// Reads the status with which a gRPC call ended.
    pub(crate) fn of_status(status: &Status) -> Self {
        let details = status.get_error_details();
        let Some(info) = details.error_info() else {
            return match status.source() {
                Some(cause) => Self::of_transport(cause),
                None => Self::of_bare_status(status, details.retry_info()),
            };
        };
        let fate = info.metadata.get("fate").and_then(|name| Fate::of_name(name));
        let request_id = details.request_info().map(|info| info.request_id.clone());
        let failure = Failure {
            code: info.reason.clone(),
            detail: status.message().to_owned(),
            request_id: request_id.unwrap_or_default(),
            retry_after: details.retry_info().and_then(wait_of),
            ..Failure::default()
        };
        Self::of(fate.unwrap_or_else(|| fate_of(status.code())), failure)
    }

    fn of_bare_status(status: &Status, retry: Option<&tonic_types::RetryInfo>) -> Self {
        let failure = Failure {
            code: format!("grpc_{:?}", status.code()).to_lowercase(),
            detail: status.message().to_owned(),
            retry_after: retry.and_then(wait_of),
            ..Failure::default()
        };
        Self::of(fate_of(status.code()), failure)
    }

    /// Reads the answer to one request of a stream of writes.
    pub(crate) fn of_failure(failure: v1::Failure) -> Self {
        let fate = match v1::Fate::try_from(failure.fate) {
            Ok(v1::Fate::Rejected) => Fate::Rejected,
            Ok(v1::Fate::Retry) => Fate::Retry,
            Ok(v1::Fate::Unknown | v1::Fate::Unspecified) | Err(_) => Fate::Unknown,
        };
        let wait = Some(failure.retry_after_ms).filter(|millis| *millis > 0);
        let made = Failure {
            code: failure.code,
            detail: failure.message,
            retry_after: wait.map(Duration::from_millis).map(|wait| wait.min(LONGEST_WAIT)),
            ..Failure::default()
        };
        Self::of(fate, made)
    }
}

/// What is read of a problem document.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Problem {
    code: Option<String>,
    detail: Option<String>,
    fate: Option<String>,
    request_id: Option<String>,
    retry_after_ms: Option<f64>,
}

fn believed(seconds: f64) -> Option<Duration> {
    if seconds.is_nan() {
        return None;
    }
    Some(Duration::from_secs_f64(seconds.clamp(0.0, LONGEST_WAIT.as_secs_f64())))
}

fn wait_of(info: &tonic_types::RetryInfo) -> Option<Duration> {
    info.retry_delay.map(|wait| wait.min(LONGEST_WAIT))
}

/// What a status without details says: who sends it did not say more, so what is
/// about the request itself is given up, and all else is repeated.
fn fate_of(code: Code) -> Fate {
    match code {
        Code::Unavailable | Code::ResourceExhausted => Fate::Retry,
        Code::Ok
        | Code::Cancelled
        | Code::Unknown
        | Code::DeadlineExceeded
        | Code::Aborted
        | Code::Internal
        | Code::DataLoss => Fate::Unknown,
        Code::InvalidArgument
        | Code::NotFound
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::FailedPrecondition
        | Code::OutOfRange
        | Code::Unimplemented
        | Code::Unauthenticated => Fate::Rejected,
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;

    fn answered(status: u16, headers: &[(&'static str, &str)], body: &str) -> Error {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().unwrap());
        }
        Error::of_answer(StatusCode::from_u16(status).unwrap(), &map, body.as_bytes())
    }

    #[test]
    fn a_bare_status_is_repeated_or_not_as_the_contract_says() {
        for status in [408, 429, 500, 502, 503, 504] {
            assert_ne!(answered(status, &[], "").fate(), Fate::Rejected, "{status}");
        }
        for status in [301, 307, 400, 401, 403, 404, 409, 413, 422] {
            assert_eq!(answered(status, &[], "").fate(), Fate::Rejected, "{status}");
        }
    }

    #[test]
    fn the_documents_fate_outranks_its_status_and_its_wait_the_header() {
        let json = [("content-type", "application/problem+json"), ("retry-after", "9")];
        let error = answered(409, &json, r#"{"code":"x","fate":"retry","retry_after_ms":400}"#);
        assert_eq!(error.fate(), Fate::Retry);
        assert_eq!(error.retry_after(), Some(Duration::from_millis(400)));
        let error = answered(500, &json, r#"{"code":"internal","fate":"rejected"}"#);
        assert_eq!((error.fate(), error.code()), (Fate::Rejected, "internal"));
    }

    #[test]
    fn no_wait_beyond_five_minutes_is_believed() {
        for (said, believed) in [
            ("1", Some(1.0)),
            ("9999999", Some(300.0)),
            ("-3", Some(0.0)),
            ("soon", None),
            ("NaN", None),
        ] {
            let error = answered(503, &[("retry-after", said)], "");
            assert_eq!(error.retry_after().map(|wait| wait.as_secs_f64()), believed, "{said}");
        }
    }

    #[test]
    fn a_failure_that_names_no_fate_may_have_been_applied() {
        let failure = v1::Failure { code: "new".to_owned(), ..v1::Failure::default() };
        assert_eq!(Error::of_failure(failure).fate(), Fate::Unknown);
    }
}
