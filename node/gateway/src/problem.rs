//! What a client is told when a request fails: the one table from error code to
//! HTTP status, gRPC code, title and fate (invariant D-5), and its two forms,
//! `application/problem+json` (RFC 9457) and a gRPC status with details.
//! Internal errors are turned into external words here and nowhere else.

use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde_json::{Map, Value, json};
use tonic::Code as Grpc;
use tonic_types::{ErrorDetails, StatusExt};
use via_types::Fate;

/// What is asked of who is not known (RFC 6750).
const CHALLENGE: &str = "Bearer realm=\"via\"";

/// The media type of every failure over HTTP.
pub(crate) const MEDIA_TYPE: &str = "application/problem+json";

macro_rules! codes {
    ($($name:ident = $code:literal, $status:ident, $grpc:ident, $fate:expr, $title:literal, $help:literal;)*) => {
        /// A stable name for one kind of failure.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub(crate) enum Code {
            $(#[doc = $title] $name,)*
        }

        impl Code {
            /// Every code, in the order of the documents.
            pub(crate) const ALL: &[Self] = &[$(Self::$name,)*];

            /// Returns the stable name.
            pub(crate) const fn name(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            /// Returns the HTTP status.
            pub(crate) const fn status(self) -> StatusCode {
                match self { $(Self::$name => StatusCode::$status,)* }
            }

            /// Returns the gRPC code.
            pub(crate) const fn grpc(self) -> Grpc {
                match self { $(Self::$name => Grpc::$grpc,)* }
            }

            /// Returns what to believe when nothing better is known.
            pub(crate) const fn fate(self) -> Fate {
                match self { $(Self::$name => $fate,)* }
            }

            /// Returns the short summary, the same for every occurrence.
            pub(crate) const fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)* }
            }

            /// Returns what a client can do about it.
            pub(crate) const fn help(self) -> &'static str {
                match self { $(Self::$name => $help,)* }
            }
        }
    };
}

const REJECTED: Fate = Fate::Rejected;
const SECOND: Fate = Fate::Retry(Duration::from_secs(1));

codes! {
    BadRequest = "bad_request", BAD_REQUEST, InvalidArgument, REJECTED, "The request is malformed", "Compare it with the description of the route.";
    BadJson = "bad_json", BAD_REQUEST, InvalidArgument, REJECTED, "The body is not valid JSON", "The detail names the place. Nothing of the body was applied.";
    BadEncoding = "bad_encoding", BAD_REQUEST, InvalidArgument, REJECTED, "The compressed body is damaged", "It is truncated or was altered on its way; send it again.";
    BodyIncomplete = "body_incomplete", BAD_REQUEST, Cancelled, SECOND, "The body ended early", "The connection broke; send it again. The fate says whether parts may have been applied.";
    BadParameter = "bad_parameter", BAD_REQUEST, InvalidArgument, REJECTED, "A parameter or header is not valid", "The detail names it and what is allowed.";
    BadCursor = "bad_cursor", BAD_REQUEST, InvalidArgument, REJECTED, "The cursor is not valid here", "Cursors belong to one listing with one filter; begin again without one.";
    BadBatch = "bad_batch", BAD_REQUEST, InvalidArgument, REJECTED, "The columns do not fit together", "Every column has one element per event; the detail names the one that does not.";
    Unauthenticated = "unauthenticated", UNAUTHORIZED, Unauthenticated, REJECTED, "It is not known who asks", "Send Authorization: Bearer with an API key or a session's token; POST /api/v1/sessions gives one.";
    Forbidden = "forbidden", FORBIDDEN, PermissionDenied, REJECTED, "It is not permitted", "The detail says what is lacking; GET /api/v1/whoami says what is permitted.";
    TenantSuspended = "tenant_suspended", FORBIDDEN, PermissionDenied, REJECTED, "The tenant is suspended", "It may look and change nothing; ask who runs the platform.";
    TenantClosing = "tenant_closing", FORBIDDEN, PermissionDenied, REJECTED, "The tenant is closing", "Its audit log and its reports are left to look at; ask who runs the platform.";
    NotFound = "not_found", NOT_FOUND, NotFound, REJECTED, "There is nothing at this address", "See /api/v1/docs for every route.";
    UnknownTenant = "unknown_tenant", NOT_FOUND, NotFound, REJECTED, "There is no such tenant", "GET /api/v1/tenants lists every tenant; name one by its name.";
    UnknownRole = "unknown_role", NOT_FOUND, NotFound, REJECTED, "There is no such role", "GET /api/v1/roles lists every role; those that are built in stay as they are.";
    UnknownStream = "unknown_stream", NOT_FOUND, NotFound, REJECTED, "There is no such stream", "Create it with POST /api/v1/streams.";
    UnknownRevision = "unknown_revision", NOT_FOUND, NotFound, REJECTED, "The stream was never configured at that revision, or it is forgotten", "GET /api/v1/streams/{stream}/config/history lists those that are kept.";
    UnknownEntity = "unknown_entity", NOT_FOUND, NotFound, REJECTED, "The entity was never seen", "Check its key; keys are compared byte by byte.";
    UnknownNode = "unknown_node", NOT_FOUND, NotFound, REJECTED, "There is no such node", "GET /api/v1/cluster/nodes lists every node; name one by its id or its name.";
    UnknownSession = "unknown_session", NOT_FOUND, NotFound, REJECTED, "There is no such session", "GET /api/v1/sessions lists your own.";
    UnknownUser = "unknown_user", NOT_FOUND, NotFound, REJECTED, "There is no such user", "GET /api/v1/users lists every user.";
    UnknownKey = "unknown_key", NOT_FOUND, NotFound, REJECTED, "There is no such API key", "GET /api/v1/keys lists every key.";
    UnknownDetection = "unknown_detection", NOT_FOUND, NotFound, REJECTED, "There is no such detection", "Old detections are forgotten after the configured time.";
    UnknownSuppression = "unknown_suppression", NOT_FOUND, NotFound, REJECTED, "There is no such entry", "GET /api/v1/suppressions lists every entry.";
    UnknownPlan = "unknown_plan", NOT_FOUND, NotFound, REJECTED, "There is no such plan", "GET /api/v1/plans lists every plan; PUT without If-Match makes one.";
    UnknownGrant = "unknown_grant", NOT_FOUND, NotFound, REJECTED, "There is no such grant", "GET /api/v1/grants lists every grant; one that is over may be gone.";
    MethodNotAllowed = "method_not_allowed", METHOD_NOT_ALLOWED, Unimplemented, REJECTED, "There is no such method here", "Over HTTP the Allow header lists the route's methods; gRPC has those of via.v1.Ingest and via.v1.Tuning.";
    BodyTimeout = "body_timeout", REQUEST_TIMEOUT, DeadlineExceeded, SECOND, "The body came too slowly", "Send it again without long pauses, at 1 KiB/s or more. The fate says whether parts may have been applied.";
    StreamExists = "stream_exists", CONFLICT, AlreadyExists, REJECTED, "A stream of that name exists", "Change its configuration with PUT instead.";
    TenantExists = "tenant_exists", CONFLICT, AlreadyExists, REJECTED, "A tenant of that name exists", "Change it with PUT instead.";
    NameTaken = "name_taken", CONFLICT, AlreadyExists, REJECTED, "Another has that name", "Take another name, or change the one that is there.";
    LimitReached = "limit_reached", CONFLICT, ResourceExhausted, REJECTED, "A table of the cluster is full", "Use an existing one, or ask the operator.";
    ClusterRefused = "cluster_refused", CONFLICT, FailedPrecondition, REJECTED, "The cluster cannot do that as it is", "The detail says what stands against it.";
    NeverOpened = "never_opened", CONFLICT, FailedPrecondition, REJECTED, "The producer's epoch was never opened", "Open the producer with POST /api/v1/producers, and send the id and epoch it answers.";
    Fenced = "fenced", CONFLICT, FailedPrecondition, REJECTED, "A newer epoch of the producer is open", "Another incarnation of this producer took over; open the producer again if this one is right.";
    SequenceTooOld = "sequence_too_old", CONFLICT, OutOfRange, Fate::Unknown, "The sequence is no longer remembered", "Whether it was applied cannot be told any more, however often it is repeated; repeat within the last 1,024 sequences.";
    SequenceReused = "sequence_reused", CONFLICT, FailedPrecondition, REJECTED, "The sequence was used for other events", "A sequence names one content for ever; send other events under a new sequence.";
    StaleRevision = "stale_revision", PRECONDITION_FAILED, Aborted, REJECTED, "It has changed since it was read", "Read it again and apply the change to the current revision.";
    QuotaExceeded = "quota_exceeded", TOO_MANY_REQUESTS, ResourceExhausted, SECOND, "The tenant's quota is used up", "Go on after Retry-After; `quota` names what is used up, and RateLimit says what is left.";
    TooLarge = "too_large", PAYLOAD_TOO_LARGE, InvalidArgument, REJECTED, "The request is too large", "Send it in pieces, or as NDJSON, which may be of any length.";
    DecompressionBomb = "decompression_bomb", PAYLOAD_TOO_LARGE, InvalidArgument, REJECTED, "The body expands beyond what is allowed", "The detail says by how much; send it less compressed, or plain.";
    UnsupportedMediaType = "unsupported_media_type", UNSUPPORTED_MEDIA_TYPE, InvalidArgument, REJECTED, "The content type is not supported", "Send application/json or application/x-ndjson.";
    UnsupportedEncoding = "unsupported_encoding", UNSUPPORTED_MEDIA_TYPE, Unimplemented, REJECTED, "The content encoding is not supported", "Send it plain, gzip or zstd.";
    BadConfig = "bad_config", UNPROCESSABLE_ENTITY, InvalidArgument, REJECTED, "The stream configuration is not valid", "The detail names the key and what is allowed.";
    OtherRequest = "other_request", UNPROCESSABLE_ENTITY, InvalidArgument, REJECTED, "The idempotency key was used for another request", "Take a new key for each request; repeat a request with the same body.";
    BadPassword = "bad_password", UNPROCESSABLE_ENTITY, InvalidArgument, REJECTED, "The password is not taken", "Take a longer one that nobody else would; several words do.";
    BadName = "bad_name", UNPROCESSABLE_ENTITY, InvalidArgument, REJECTED, "The name is not allowed", "Names have 1 to 128 characters of [A-Za-z0-9._-] and do not begin with a dot.";
    RevisionRequired = "revision_required", PRECONDITION_REQUIRED, FailedPrecondition, REJECTED, "The revision to change is not named", "Send the ETag of what you read as If-Match.";
    Overloaded = "overloaded", SERVICE_UNAVAILABLE, Unavailable, SECOND, "The node is at its limit", "Wait for the time in Retry-After, then send it again.";
    NotReady = "not_ready", SERVICE_UNAVAILABLE, Unavailable, SECOND, "The node is not ready", "/readyz says what is missing.";
    ShuttingDown = "shutting_down", SERVICE_UNAVAILABLE, Unavailable, SECOND, "The node is shutting down", "Send it again, to another node if there is one.";
    OutcomeUnknown = "outcome_unknown", GATEWAY_TIMEOUT, Unknown, Fate::Unknown, "It is not known whether the request was applied", "Send it again with the same producer, epoch and sequence.";
    Internal = "internal", INTERNAL_SERVER_ERROR, Internal, Fate::Unknown, "The node failed", "This is a defect; the request id finds it in the node's log.";
}

/// Returns the word by which a fate is told.
pub(crate) const fn fate_word(fate: Fate) -> &'static str {
    match fate {
        Fate::Rejected => "rejected",
        Fate::Retry(_) => "retry",
        Fate::Unknown => "unknown",
    }
}

/// Returns how long to wait before the same is sent again, where that helps.
pub(crate) fn retry_after_ms(fate: Fate) -> Option<u64> {
    match fate {
        Fate::Retry(after) => Some(after.as_millis() as u64),
        Fate::Rejected | Fate::Unknown => None,
    }
}

/// One failed request.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Problem {
    /// Which kind.
    pub(crate) code: Code,
    /// What happened this time, in one sentence.
    pub(crate) detail: String,
    /// What the client may believe.
    pub(crate) fate: Fate,
    /// Further members of the document.
    pub(crate) more: Map<String, Value>,
}

impl Problem {
    /// Makes a problem with the table's fate.
    pub(crate) fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), fate: code.fate(), more: Map::new() }
    }

    /// Replaces the fate.
    pub(crate) fn with_fate(self, fate: Fate) -> Self {
        Self { fate, ..self }
    }

    /// Adds a member to the document.
    pub(crate) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.more.insert(name.to_owned(), value.into());
        self
    }

    /// Returns the document for the request of that id.
    pub(crate) fn document(&self, request_id: &str) -> Value {
        let mut document = json!({
            "type": format!("/problems/{}", self.code.name()),
            "title": self.code.title(),
            "status": self.code.status().as_u16(),
            "detail": self.detail,
            "code": self.code.name(),
            "fate": fate_word(self.fate),
            "request_id": request_id,
        });
        let members = document.as_object_mut().expect("it was written as an object");
        if let Some(after) = retry_after_ms(self.fate) {
            members.insert("retry_after_ms".to_owned(), after.into());
        }
        members.extend(self.more.clone());
        document
    }

    /// Writes it as the HTTP answer to the request of that id.
    pub(crate) fn respond(&self, request_id: &str) -> Response {
        let body = self.document(request_id).to_string();
        let mut response = (self.code.status(), body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        if self.code == Code::Unauthenticated {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(CHALLENGE));
        }
        if let Fate::Retry(after) = self.fate {
            let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }

    /// Describes a status that the gRPC framework made by itself: before a
    /// handler saw the message, or instead of one.
    pub(crate) fn of_framework(status: &tonic::Status) -> Self {
        let code = match status.code() {
            Grpc::Unimplemented if status.metadata().contains_key("grpc-accept-encoding") => {
                Code::UnsupportedEncoding
            }
            Grpc::Unimplemented => Code::MethodNotAllowed,
            Grpc::OutOfRange | Grpc::ResourceExhausted => Code::TooLarge,
            Grpc::Cancelled | Grpc::Aborted | Grpc::Unavailable => Code::BodyIncomplete,
            Grpc::DeadlineExceeded => Code::BodyTimeout,
            Grpc::Unknown | Grpc::DataLoss => Code::OutcomeUnknown,
            // The framework says `Internal` when a message cannot be decoded.
            Grpc::Internal
            | Grpc::Ok
            | Grpc::InvalidArgument
            | Grpc::NotFound
            | Grpc::AlreadyExists
            | Grpc::PermissionDenied
            | Grpc::FailedPrecondition
            | Grpc::Unauthenticated => Code::BadRequest,
        };
        let words = if status.message().is_empty() { code.help() } else { status.message() };
        Self::new(code, words)
    }

    /// Writes it as the gRPC status of the request of that id.
    pub(crate) fn status(&self, request_id: &str) -> tonic::Status {
        let fate = [("fate".to_owned(), fate_word(self.fate).to_owned())];
        let mut details = ErrorDetails::new();
        details.set_error_info(self.code.name(), "via", fate);
        details.set_request_info(request_id, "");
        if let Fate::Retry(after) = self.fate {
            details.set_retry_info(Some(after));
        }
        if let Some(quota) = self.more.get("quota").and_then(Value::as_str) {
            details.add_quota_failure_violation(quota, self.detail.as_str());
        }
        let message = format!("{}: {}", self.code.title(), self.detail);
        tonic::Status::with_error_details(self.code.grpc(), message, details)
    }
}

/// The answer waits in the response's extensions until the outermost layer,
/// which knows the request's id, writes it.
impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.code.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl From<via_shard::Error> for Problem {
    fn from(error: via_shard::Error) -> Self {
        use via_shard::Error as E;
        let fate = error.fate();
        let code = match &error {
            E::UnknownStream(_) => Code::UnknownStream,
            E::TooLarge { .. } => Code::TooLarge,
            E::Malformed(_) => Code::BadBatch,
            E::Fenced { .. } => Code::Fenced,
            E::NeverOpened { .. } => Code::NeverOpened,
            E::SequenceTooOld { .. } => Code::SequenceTooOld,
            E::SequenceReused { .. } => Code::SequenceReused,
            E::BadCursor(_) => Code::BadCursor,
            E::Overloaded { .. } | E::Crowded { .. } => Code::Overloaded,
            E::NotReady { .. } | E::Elsewhere { .. } => Code::NotReady,
            E::Remote { .. } => by_fate(fate),
            E::Unknown { .. } => Code::OutcomeUnknown,
            E::Consensus { .. } => by_fate(fate),
            E::Storage(_) | E::Codec(_) => Code::Internal,
        };
        told(code, fate, &error)
    }
}

impl From<via_control::Error> for Problem {
    fn from(error: via_control::Error) -> Self {
        use via_catalog::{Refusal as R, Thing};
        use via_control::Error as E;
        let fate = error.fate();
        let code = match &error {
            E::NoStream { .. } => Code::UnknownStream,
            E::UnknownNode(_) => Code::UnknownNode,
            E::Unfit(_) | E::Alone | E::Removed(_) | E::NoToken => Code::ClusterRefused,
            E::Elsewhere { fate: Fate::Rejected, .. } => Code::ClusterRefused,
            E::Elsewhere { .. } | E::NoLeader | E::NotEntrusted | E::Peer(_) => by_fate(fate),
            E::Garbled(_) => Code::Internal,
            E::Config { .. } => Code::BadConfig,
            E::Group(_) => by_fate(fate),
            E::NotThere { .. } => Code::NotReady,
            E::Outcome => Code::OutcomeUnknown,
            E::Refused(refusal) => match refusal {
                R::NotFormed => Code::NotReady,
                R::Name { .. } => Code::BadName,
                R::NameTaken { thing: Thing::Stream, .. } => Code::StreamExists,
                R::Full { .. } | R::Quota { .. } => Code::LimitReached,
                R::Stale { .. } => Code::StaleRevision,
                R::BasisMissing { .. } => Code::RevisionRequired,
                R::OtherRequest => Code::OtherRequest,
                R::ConfigTooLong { .. } | R::Unreadable { .. } => Code::BadConfig,
                R::NoStream(_) => Code::UnknownStream,
                R::NoNode(_) => Code::UnknownNode,
                R::NodeLeft(_) => Code::ClusterRefused,
                R::NameTaken { .. } => Code::NameTaken,
                R::AlreadyFormed { .. }
                | R::Shards { .. }
                | R::NoTenant(_)
                | R::TokenUnknown
                | R::TokenExpired
                | R::TokenUsed
                | R::Anonymous
                | R::NoSuch { .. }
                | R::Unfit { .. }
                | R::TooEarly { .. }
                | R::UsedBefore => Code::BadRequest,
            },
            E::OtherNode { .. } | E::OtherCluster { .. } | E::OtherShards { .. } | E::Kept(_) => {
                Code::Internal
            }
        };
        let problem = told(code, fate, &error);
        match error.current_revision() {
            Some(current) => problem.with("current_revision", current.get()),
            None => problem,
        }
    }
}

fn by_fate(fate: Fate) -> Code {
    match fate {
        Fate::Rejected => Code::Internal,
        Fate::Retry(_) => Code::NotReady,
        Fate::Unknown => Code::OutcomeUnknown,
    }
}

/// Internal failures are logged in full and told without their inside.
fn told(code: Code, fate: Fate, error: &(dyn std::error::Error + 'static)) -> Problem {
    let detail = error.to_string();
    if code == Code::Internal {
        tracing::error!(error = chain(error), "a request failed inside the node");
        return Problem::new(code, "the node could not read or write its own state")
            .with_fate(fate);
    }
    Problem::new(code, detail).with_fate(fate)
}

fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        words.push_str(": ");
        words.push_str(&error.to_string());
        cause = error.source();
    }
    words
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_are_unique_and_fit_a_url() {
        let names: HashSet<_> = Code::ALL.iter().map(|code| code.name()).collect();
        assert_eq!(names.len(), Code::ALL.len());
        let plain =
            |name: &&str| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        assert!(names.iter().all(plain));
    }

    #[test]
    fn every_code_is_a_failure_in_both_forms() {
        for code in Code::ALL {
            assert!(code.status().is_client_error() || code.status().is_server_error());
            assert_ne!(code.grpc(), Grpc::Ok);
            assert!(code.title().len() > 5 && code.help().ends_with('.'));
        }
    }

    #[test]
    fn a_retry_says_when_in_both_forms() {
        let fate = Fate::Retry(Duration::from_millis(1_500));
        let problem = Problem::new(Code::Overloaded, "queue is full").with_fate(fate);
        let response = problem.respond("r-1");
        assert_eq!(response.status(), 503);
        assert_eq!(response.headers()[header::RETRY_AFTER], "2");
        assert_eq!(response.headers()[header::CONTENT_TYPE], MEDIA_TYPE);
        let document = problem.document("r-1");
        assert_eq!(document["retry_after_ms"], 1_500);
        assert_eq!(document["type"], "/problems/overloaded");
        assert_eq!(document["request_id"], "r-1");
        let details = problem.status("r-1").get_error_details();
        let delay = details.retry_info().and_then(|info| info.retry_delay);
        assert_eq!(delay, Some(Duration::from_millis(1_500)));
        assert_eq!(details.error_info().expect("set").metadata["fate"], "retry");
        assert_eq!(details.request_info().expect("set").request_id, "r-1");
    }

    #[test]
    fn what_the_grpc_framework_says_itself_gets_a_code_of_the_table() {
        let mut packed = tonic::Status::unimplemented("`br` isn't supported");
        packed.metadata_mut().insert("grpc-accept-encoding", "identity".parse().expect("ASCII"));
        for (status, code) in [
            (tonic::Status::internal("failed to decode"), Code::BadRequest),
            (tonic::Status::out_of_range("message length too large"), Code::TooLarge),
            (tonic::Status::unimplemented(""), Code::MethodNotAllowed),
            (packed, Code::UnsupportedEncoding),
        ] {
            let problem = Problem::of_framework(&status);
            assert_eq!((problem.code, problem.fate), (code, Fate::Rejected));
            assert!(problem.detail.len() > 5, "{status:?}");
            if status.code() == Grpc::Unimplemented {
                assert_eq!(problem.status("r").code(), Grpc::Unimplemented, "as gRPC prescribes");
            }
        }
    }

    #[test]
    fn the_shard_s_fate_is_told_unchanged() {
        let shard = via_types::ShardId::new(1);
        let lost = via_shard::Error::Unknown { shard, what: "gone".to_owned() };
        let problem = Problem::from(lost);
        assert_eq!((problem.code, problem.fate), (Code::OutcomeUnknown, Fate::Unknown));
        let full = via_shard::Error::Overloaded { shard, what: "memory".into() };
        assert!(matches!(Problem::from(full).fate, Fate::Retry(_)));
    }
}
