//! The sections about the process: `[node]`, `[listen]`, `[engine]`,
//! `[persistence]`, `[observability]`, `[limits]`. Each default runs out of
//! the box and is the fixed bound of `via_types::limit` where there is one.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use via_types::limit;

use crate::settings::{Explainability, Importance, LogFormat, LogLevel};
use crate::units::{Size, Span};

/// The process: where it keeps its data, how much memory it may use, how it
/// stops.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct NodeSection {
    /// Directory that holds the log and the state; created when missing. A
    /// relative one is relative to the working directory. Only one process can
    /// use it at a time.
    #[schemars(length(min = 1, max = 4096), extend("format" = "via-path"))]
    pub(crate) data_directory: String,
    /// How much memory profiles and buffers may take together; what the buffers
    /// (`limits.queue`, `limits.request_memory`, `persistence.state_cache`) leave
    /// is for profiles; `[pressure]` says what happens when that becomes short. Set
    /// it below what the machine or container grants: the code itself, the
    /// allocator and short peaks come on top.
    #[schemars(extend("x-minimum" = "64MiB", "x-maximum" = "64TiB"))]
    pub(crate) memory_limit: Size,
    /// How long a stopping node goes on answering what it has accepted before
    /// it ends. Supervisors must wait longer than this before they kill.
    #[schemars(extend("x-minimum" = "0s", "x-maximum" = "1h"))]
    pub(crate) shutdown_grace: Span,
}

impl Default for NodeSection {
    fn default() -> Self {
        Self {
            data_directory: "via-data".to_owned(),
            memory_limit: Size::from_mib(4096),
            shutdown_grace: Span::from_secs(20),
        }
    }
}

/// Where clients reach it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ListenSection {
    /// IP address and port for HTTP and gRPC. Port 0 lets the system choose.
    /// The default is reachable from this machine only, because what is said is
    /// not encrypted; `0.0.0.0:8080` opens it to every network the machine is
    /// on, best behind something that speaks TLS.
    #[schemars(extend("format" = "via-address"))]
    pub(crate) address: String,
}

impl Default for ListenSection {
    fn default() -> Self {
        Self { address: "127.0.0.1:8080".to_owned() }
    }
}

/// How events are judged, on streams that say nothing else.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct EngineSection {
    /// Parts into which the entities are divided; each is executed by one
    /// thread at a time. Fixed when the data directory is first used.
    #[schemars(range(min = 1, max = 1024), extend("x-power-of-two" = true))]
    pub(crate) shards: u16,
    /// How much of a detection is explained.
    pub(crate) explain: Explainability,
    /// How much entities matter that say nothing of their own.
    pub(crate) priority: Importance,
    /// Events of an entity before it is judged; until then it is warming up.
    #[schemars(range(min = 2, max = 1_000_000), extend("x-unit" = "events"))]
    pub(crate) warmup_events: u32,
    /// How much older than its entity's newest event an event may be; older
    /// ones are refused as late.
    #[schemars(extend("x-minimum" = "0s", "x-maximum" = "30d"))]
    pub(crate) lateness: Span,
    /// Attributes whose values, joined by `/`, name the entity of an event that
    /// names none. When empty, such events are refused.
    #[schemars(length(max = 16))]
    pub(crate) entity_from: Vec<String>,
    /// The attribute whose distinct values are counted; an event without it is
    /// not counted. When unset, all attributes together are one value.
    #[schemars(length(min = 1, max = 256))]
    pub(crate) distinct_of: Option<String>,
    /// The attribute that holds a log line. The entity of an event that names
    /// none is then the line's template, `[service] severity: text` with `<*>` for
    /// what varies. When unset, events are no log lines.
    #[schemars(length(min = 1, max = 256))]
    pub(crate) line_from: Option<String>,
    /// The attribute that says which service logs. Lines of one service share a
    /// shard; those of different services share no template.
    #[schemars(length(min = 1, max = 256))]
    pub(crate) service_from: Option<String>,
    /// The attribute that says how severe a log line is. Lines of different
    /// severities share no template.
    #[schemars(length(min = 1, max = 256))]
    pub(crate) severity_from: Option<String>,
}

impl Default for EngineSection {
    fn default() -> Self {
        Self {
            shards: limit::SHARDS,
            explain: Explainability::Full,
            priority: Importance::Normal,
            warmup_events: 10,
            lateness: Span::from_secs(600),
            entity_from: Vec::new(),
            distinct_of: None,
            line_from: None,
            service_from: None,
            severity_from: None,
        }
    }
}

/// What is kept on disk, how often, how long.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct PersistenceSection {
    /// Time in which every changed profile is written once. Acknowledged events
    /// are safe in the log at any moment; this bounds how much of it is read
    /// again after a restart.
    #[schemars(extend("x-minimum" = "1s", "x-maximum" = "1h"))]
    pub(crate) checkpoint_interval: Span,
    /// Events logged since the last checkpoint at which the next one is hurried,
    /// whatever the interval says.
    #[schemars(range(min = 1_000, max = 1_000_000_000), extend("x-unit" = "events"))]
    pub(crate) checkpoint_tail_events: u64,
    /// How long detections are kept after they were recorded; each goes within
    /// a sixtieth of that time later.
    #[schemars(extend("x-minimum" = "1h", "x-maximum" = "3650d"))]
    pub(crate) detection_retention: Span,
    /// How many detections are kept at most; the oldest go first. Every shard
    /// keeps an equal share.
    #[schemars(range(min = 1_000, max = 1_000_000_000), extend("x-unit" = "detections"))]
    pub(crate) detection_retention_count: u64,
    /// Size of the first file of a new log; small, so that a first start is
    /// quick.
    #[schemars(extend("x-minimum" = "1MiB", "x-maximum" = "1GiB"))]
    pub(crate) log_first_segment: Size,
    /// Size of each further file of the log. Disk is given back in such pieces.
    #[schemars(extend("x-minimum" = "32MiB", "x-maximum" = "1GiB"))]
    pub(crate) log_segment: Size,
    /// Memory for recently read state.
    #[schemars(extend("x-minimum" = "1MiB", "x-maximum" = "1TiB"))]
    pub(crate) state_cache: Size,
}

impl Default for PersistenceSection {
    fn default() -> Self {
        Self {
            checkpoint_interval: Span::from_secs(60),
            checkpoint_tail_events: 20_000_000,
            detection_retention: Span::from_secs(30 * 86_400),
            detection_retention_count: 200_000,
            log_first_segment: Size::from_mib(4),
            log_segment: Size::from_mib(64),
            state_cache: Size::from_mib(128),
        }
    }
}

/// What the node tells about itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ObservabilitySection {
    /// The mildest log line written.
    pub(crate) log_level: LogLevel,
    /// Exceptions to `log_level` by part of the program: `target=level`,
    /// separated by commas.
    #[schemars(length(min = 1, max = 1024), extend("format" = "via-filter"))]
    pub(crate) log_filter: Option<String>,
    /// Log lines for people or for machines.
    pub(crate) log_format: LogFormat,
}

impl Default for ObservabilitySection {
    fn default() -> Self {
        Self { log_level: LogLevel::Info, log_filter: None, log_format: LogFormat::Text }
    }
}

/// Bounds beyond which requests are refused early, with a reason.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct LimitsSection {
    /// Largest request that is held in memory whole, before and after
    /// decompression. Newline-delimited bodies are read as a stream and may be longer.
    #[schemars(extend("x-minimum" = "64KiB", "x-maximum" = "1GiB"))]
    pub(crate) body: Size,
    /// Longest line of a newline-delimited body.
    #[schemars(extend("x-minimum" = "1KiB", "x-maximum" = "64MiB"))]
    pub(crate) line: Size,
    /// How many times larger than its compressed form a body may become.
    #[schemars(range(min = 2, max = 10_000), extend("x-unit" = "times"))]
    pub(crate) decompression_ratio: u32,
    /// Connections at the same time; further ones wait in the system's queue.
    #[schemars(range(min = 1, max = 1_000_000), extend("x-unit" = "connections"))]
    pub(crate) connections: u32,
    /// Requests answered at the same time; further ones are told to retry.
    #[schemars(range(min = 1, max = 1_000_000), extend("x-unit" = "requests"))]
    pub(crate) concurrent_requests: u32,
    /// How long a client may take to send a request's head.
    #[schemars(extend("x-minimum" = "100ms", "x-maximum" = "10m"))]
    pub(crate) header_timeout: Span,
    /// How long a client may pause inside a body.
    #[schemars(extend("x-minimum" = "100ms", "x-maximum" = "1h"))]
    pub(crate) body_idle_timeout: Span,
    /// Memory for bodies and batches held at the same time, all requests
    /// together; beyond it clients are told to retry.
    #[schemars(extend("x-minimum" = "1MiB", "x-maximum" = "1TiB"))]
    pub(crate) request_memory: Size,
    /// How long a query may take.
    #[schemars(extend("x-minimum" = "100ms", "x-maximum" = "1h"))]
    pub(crate) query_timeout: Span,
    /// Whether events for a stream that does not exist create it; otherwise
    /// they are refused.
    pub(crate) auto_create_streams: bool,
    /// Most streams; creating more is refused. Those being created at the same
    /// moment may exceed it by their number.
    #[schemars(range(min = 1, max = limit::STREAMS), extend("x-unit" = "streams"))]
    pub(crate) streams: u32,
    /// Most subscribers to live detections.
    #[schemars(range(min = 1, max = 100_000), extend("x-unit" = "subscribers"))]
    pub(crate) subscribers: u32,
    /// Most events in one batch of the gRPC interface.
    #[schemars(range(min = 1, max = limit::BATCH_EVENTS), extend("x-unit" = "events"))]
    pub(crate) batch_events: u32,
    /// Memory for events accepted for processing but not yet committed; beyond
    /// it clients are told to retry.
    #[schemars(extend("x-minimum" = "8MiB", "x-maximum" = "1TiB"))]
    pub(crate) queue: Size,
}

impl Default for LimitsSection {
    fn default() -> Self {
        Self {
            body: Size::from_mib(32),
            line: Size::from_mib(1),
            decompression_ratio: 100,
            connections: 4096,
            concurrent_requests: 1024,
            request_memory: Size::from_mib(256),
            query_timeout: Span::from_secs(30),
            header_timeout: Span::from_secs(10),
            body_idle_timeout: Span::from_secs(30),
            auto_create_streams: true,
            streams: limit::STREAMS as u32,
            subscribers: 1024,
            batch_events: limit::BATCH_EVENTS as u32,
            queue: Size::from_mib(128),
        }
    }
}
