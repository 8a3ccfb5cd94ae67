//! The settings as the program uses them: validated, in `Duration`s, bytes and
//! addresses. Owns the conversion from what was written; called with values
//! whose types and ranges hold. Knows no layers and no texts.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use via_types::StreamConfig;
use via_types::config::{self, Explain, Mapping, Method, Priority, Threshold, Timing};

use crate::raw::{Detectors, MethodName, MinDeviation, Overrides, Raw, Side, Thresholds};
use crate::{access::Access, membership::Cluster, pressure::Pressure};

/// Everything an operator may set.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// The process.
    pub node: Node,
    /// Where clients reach it.
    pub listen: Listen,
    /// Who is let in.
    pub access: Access,
    /// The cluster that it belongs to.
    pub cluster: Cluster,
    /// How many shards there are.
    pub engine: Engine,
    /// How events are judged, on streams that say nothing else.
    pub stream: StreamConfig,
    /// What is done when memory is short.
    pub pressure: Pressure,
    /// What is kept on disk.
    pub persistence: Persistence,
    /// What the node tells about itself.
    pub observability: Observability,
    /// Bounds of requests.
    pub limits: Limits,
}

/// The process.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Directory of the log and the state.
    pub data_directory: PathBuf,
    /// Memory for profiles and buffers, bytes.
    pub memory_limit: usize,
    /// How long stopping may take.
    pub shutdown_grace: Duration,
}

/// Where clients reach the node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// Address for HTTP and gRPC; port 0 lets the system choose.
    pub address: SocketAddr,
}

impl Listen {
    /// Returns where a client on the same machine reaches a node that listens
    /// on `bound`: loopback in place of "every address".
    pub fn from_this_machine(bound: SocketAddr) -> SocketAddr {
        let ip = match bound.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
            ip @ (IpAddr::V4(_) | IpAddr::V6(_)) => ip,
        };
        SocketAddr::new(ip, bound.port())
    }
}

/// How the engine is laid out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Engine {
    /// Parts of the hash space; a power of two, 1..1024.
    pub shards: u16,
}

/// What is kept on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Persistence {
    /// Time in which every changed profile is written once.
    pub checkpoint_interval: Duration,
    /// Logged events that hurry the next checkpoint.
    pub checkpoint_tail_events: u64,
    /// How long detections are kept.
    pub detection_retention: Duration,
    /// How many detections are kept.
    pub detection_retention_count: u64,
    /// Size of the log's first file, bytes.
    pub log_first_segment: u64,
    /// Size of its further files, bytes.
    pub log_segment: u64,
    /// Memory for recently read state, bytes.
    pub state_cache: u64,
}

/// What the node tells about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observability {
    /// The mildest log line written.
    pub log_level: LogLevel,
    /// Exceptions by target: `target=level`, comma-separated; may be empty.
    pub log_filter: String,
    /// Log lines for people or for machines.
    pub log_format: LogFormat,
}

impl Observability {
    /// Returns level and exceptions as one directive list, mildest rule first,
    /// in the form of `tracing_subscriber`'s `EnvFilter`.
    pub fn directives(&self) -> String {
        let level = self.log_level.name();
        if self.log_filter.is_empty() {
            level.to_owned()
        } else {
            format!("{level},{}", self.log_filter)
        }
    }
}

/// The mildest log line written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum LogLevel {
    /// Only what needs somebody to act.
    Error,
    /// Also what may soon.
    Warn,
    /// Also starts, stops, and changes of state.
    Info,
    /// Also each request.
    Debug,
    /// Everything.
    Trace,
}

impl LogLevel {
    /// Returns the name used in configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

/// Log lines for people or for machines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum LogFormat {
    /// One readable line each.
    Text,
    /// One JSON object per line.
    Json,
}

/// How much of a detection is explained, as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(crate) enum Explainability {
    /// Score and reason only.
    None,
    /// Contributions and expected range too.
    Basic,
    /// Context, counterfactual and recommended actions too.
    Full,
}

/// How much entities matter, as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(crate) enum Importance {
    /// Detections are one step less severe; gives way first when memory is short.
    Low,
    /// As all others.
    Normal,
    /// Detections are one step more severe; gives way last when memory is short.
    High,
}

/// Bounds of requests (invariant D-6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Largest request held whole, decompressed, bytes.
    pub body: usize,
    /// Longest line of a streamed body, bytes.
    pub line: usize,
    /// How many times a body may grow when decompressed.
    pub decompression_ratio: u32,
    /// Connections at the same time.
    pub connections: u32,
    /// Requests answered at the same time.
    pub concurrent_requests: u32,
    /// How long a request's head may take.
    pub header_timeout: Duration,
    /// How long a client may pause inside a body.
    pub body_idle_timeout: Duration,
    /// Memory for bodies and batches of all requests together, bytes.
    pub request_memory: usize,
    /// How long a query may take.
    pub query_timeout: Duration,
    /// Whether events of a stream that does not exist create it.
    pub auto_create_streams: bool,
    /// Most streams.
    pub streams: u32,
    /// Most subscribers to live detections.
    pub subscribers: u32,
    /// Most events in one gRPC batch.
    pub batch_events: u32,
    /// Memory for events not yet committed, bytes.
    pub queue: usize,
}

impl Settings {
    /// Returns how a stream is judged that says nothing else.
    pub fn stream_config(&self) -> StreamConfig {
        self.stream.clone()
    }

    /// Returns the memory for profiles, bytes: what the buffers leave of the
    /// memory limit, at least half of it.
    pub fn profile_memory(&self) -> usize {
        let Limits { queue, request_memory, .. } = self.limits;
        let cache = usize::try_from(self.persistence.state_cache).unwrap_or(usize::MAX);
        let buffers = queue.saturating_add(request_memory).saturating_add(cache);
        self.node.memory_limit.saturating_sub(buffers)
    }

    /// Converts what was written; the addresses are `raw.listen.address` and
    /// `raw.cluster.peer_address`, read.
    pub(crate) fn of(raw: &Raw, address: SocketAddr, peers: SocketAddr) -> Self {
        Self {
            node: Node {
                data_directory: PathBuf::from(&raw.node.data_directory),
                memory_limit: raw.node.memory_limit.in_memory(),
                shutdown_grace: raw.node.shutdown_grace.duration(),
            },
            listen: Listen { address },
            access: Access::of(&raw.access),
            cluster: Cluster::of(&raw.cluster, peers),
            engine: Engine { shards: raw.engine.shards },
            stream: stream(raw),
            pressure: Pressure::of(&raw.pressure),
            persistence: persistence(raw),
            observability: Observability {
                log_level: raw.observability.log_level,
                log_filter: raw.observability.log_filter.clone().unwrap_or_default(),
                log_format: raw.observability.log_format,
            },
            limits: limits(raw),
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        let local = |port| SocketAddr::from(([127, 0, 0, 1], port));
        Self::of(&Raw::default(), local(8080), local(7400))
    }
}

fn persistence(raw: &Raw) -> Persistence {
    let written = &raw.persistence;
    Persistence {
        checkpoint_interval: written.checkpoint_interval.duration(),
        checkpoint_tail_events: written.checkpoint_tail_events,
        detection_retention: written.detection_retention.duration(),
        detection_retention_count: written.detection_retention_count,
        log_first_segment: written.log_first_segment.bytes(),
        log_segment: written.log_segment.bytes(),
        state_cache: written.state_cache.bytes(),
    }
}

fn limits(raw: &Raw) -> Limits {
    let written = &raw.limits;
    Limits {
        body: written.body.in_memory(),
        line: written.line.in_memory(),
        decompression_ratio: written.decompression_ratio,
        connections: written.connections,
        concurrent_requests: written.concurrent_requests,
        request_memory: written.request_memory.in_memory(),
        query_timeout: written.query_timeout.duration(),
        header_timeout: written.header_timeout.duration(),
        body_idle_timeout: written.body_idle_timeout.duration(),
        auto_create_streams: written.auto_create_streams,
        streams: written.streams,
        subscribers: written.subscribers,
        batch_events: written.batch_events,
        queue: written.queue.in_memory(),
    }
}

fn stream(raw: &Raw) -> StreamConfig {
    StreamConfig {
        detectors: detectors(&raw.detectors, &raw.thresholds),
        threshold: threshold(&raw.thresholds),
        explain: match raw.engine.explain {
            Explainability::None => Explain::None,
            Explainability::Basic => Explain::Basic,
            Explainability::Full => Explain::Full,
        },
        mapping: Mapping {
            entity_from: raw.engine.entity_from.clone(),
            distinct_of: raw.engine.distinct_of.clone(),
            line_from: raw.engine.line_from.clone(),
            service_from: raw.engine.service_from.clone(),
            severity_from: raw.engine.severity_from.clone(),
        },
        timing: Timing {
            lateness_secs: raw.engine.lateness.duration().as_secs_f64(),
            warmup_events: raw.engine.warmup_events,
        },
        priority: match raw.engine.priority {
            Importance::Low => Priority::Low,
            Importance::Normal => Priority::Normal,
            Importance::High => Priority::High,
        },
        // Those of single entities are the stream's own affair.
        entities: std::collections::BTreeMap::new(),
        business_hours: raw.business_hours.meant(),
        calendar: raw.calendar.meant(),
    }
}

fn detectors(raw: &Detectors, all: &Thresholds) -> config::Detectors {
    let Detectors { volume, distribution, burst, .. } = raw;
    let Detectors { spectral, change_point, forest, multi_scale, behavioural, drift, .. } = raw;
    config::Detectors {
        volume: config::Volume {
            enabled: volume.enabled,
            weight: volume.weight,
            alpha: volume.alpha,
            beta: volume.beta,
            gamma: volume.gamma,
            season_secs: volume.season.map(|season| season.duration().as_secs_f64()),
            threshold: overridden(&volume.threshold, all),
        },
        distribution: config::Distribution {
            enabled: distribution.enabled,
            weight: distribution.weight,
            half_life_events: distribution.half_life_events,
            min: distribution.min,
            max: distribution.max,
            threshold: overridden(&distribution.threshold, all),
        },
        cardinality: cardinality(raw, all),
        burst: config::Burst {
            enabled: burst.enabled,
            weight: burst.weight,
            alpha: burst.alpha,
            slack: burst.slack,
            threshold: overridden(&burst.threshold, all),
        },
        spectral: config::Spectral {
            enabled: spectral.enabled,
            weight: spectral.weight,
            threshold: overridden(&spectral.threshold, all),
        },
        change_point: config::ChangePoint {
            enabled: change_point.enabled,
            weight: change_point.weight,
            gap_buckets: change_point.gap_buckets,
            threshold: overridden(&change_point.threshold, all),
        },
        forest: config::Forest {
            enabled: forest.enabled,
            weight: forest.weight,
            threshold: overridden(&forest.threshold, all),
        },
        multi_scale: config::MultiScale {
            enabled: multi_scale.enabled,
            weight: multi_scale.weight,
            threshold: overridden(&multi_scale.threshold, all),
        },
        behavioural: config::Behavioural {
            enabled: behavioural.enabled,
            weight: behavioural.weight,
            recent_buckets: behavioural.recent_buckets,
            past_buckets: behavioural.past_buckets,
            threshold: overridden(&behavioural.threshold, all),
        },
        drift: config::Drift {
            enabled: drift.enabled,
            weight: drift.weight,
            delta: drift.delta,
            threshold: overridden(&drift.threshold, all),
        },
    }
}

fn cardinality(raw: &Detectors, all: &Thresholds) -> config::Cardinality {
    let cardinality = &raw.cardinality;
    config::Cardinality {
        enabled: cardinality.enabled,
        weight: cardinality.weight,
        precision: cardinality.precision,
        new_entities: cardinality.new_entities,
        threshold: overridden(&cardinality.threshold, all),
    }
}

fn threshold(raw: &Thresholds) -> Threshold {
    Threshold {
        method: match raw.method {
            MethodName::EwmaSigma => Method::EwmaSigma(raw.ewma_sigma),
            MethodName::Percentile => Method::Percentile(raw.percentile),
            MethodName::Mad => Method::Mad(raw.mad),
            MethodName::Ensemble => Method::Ensemble(raw.ensemble),
            MethodName::Budget => Method::Budget(raw.budget),
            MethodName::StreamBudget => Method::StreamBudget(raw.stream_budget),
        },
        sensitivity: raw.sensitivity,
        adaptive_factor: raw.adaptive_factor,
        direction: match raw.direction {
            Side::Any => config::Side::Any,
            Side::Above => config::Side::Above,
            Side::Below => config::Side::Below,
        },
        min_deviation: config::MinDeviation {
            absolute: raw.min_deviation.absolute,
            relative: raw.min_deviation.relative,
        },
    }
}

/// Returns the detector's own rule, filled up from the common one; none when
/// nothing of its own is set.
fn overridden(own: &Overrides, all: &Thresholds) -> Option<Threshold> {
    if *own == Overrides::default() {
        return None;
    }
    Some(threshold(&Thresholds {
        method: own.method.unwrap_or(all.method),
        ewma_sigma: own.ewma_sigma.unwrap_or(all.ewma_sigma),
        percentile: own.percentile.unwrap_or(all.percentile),
        mad: own.mad.unwrap_or(all.mad),
        ensemble: own.ensemble.unwrap_or(all.ensemble),
        budget: own.budget.unwrap_or(all.budget),
        stream_budget: own.stream_budget.unwrap_or(all.stream_budget),
        sensitivity: own.sensitivity.unwrap_or(all.sensitivity),
        adaptive_factor: own.adaptive_factor.unwrap_or(all.adaptive_factor),
        direction: own.direction.unwrap_or(all.direction),
        min_deviation: MinDeviation {
            absolute: own.min_deviation.absolute.unwrap_or(all.min_deviation.absolute),
            relative: own.min_deviation.relative.unwrap_or(all.min_deviation.relative),
        },
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_stream_is_the_engine_s_own_default() {
        assert_eq!(Settings::default().stream_config(), StreamConfig::default());
    }

    #[test]
    fn a_detector_s_rule_is_filled_up_from_the_common_one() {
        let mut raw = Raw::default();
        raw.thresholds.sensitivity = 2.0;
        raw.thresholds.mad = 9.0;
        raw.detectors.burst.threshold.method = Some(MethodName::Mad);
        let stream = stream(&raw);
        let expected =
            Threshold { method: Method::Mad(9.0), sensitivity: 2.0, ..Threshold::default() };
        assert_eq!(stream.detectors.burst.threshold, Some(expected));
        assert_eq!(stream.detectors.volume.threshold, None);
    }

    #[test]
    fn a_node_on_every_address_is_reached_on_loopback() {
        let reach =
            |text: &str| Listen::from_this_machine(text.parse().expect("an address")).to_string();
        assert_eq!(reach("0.0.0.0:8080"), "127.0.0.1:8080");
        assert_eq!(reach("[::]:8080"), "[::1]:8080");
        assert_eq!(reach("10.0.0.7:9000"), "10.0.0.7:9000");
    }

    #[test]
    fn log_directives_put_the_exceptions_last() {
        let mut settings = Settings::default();
        assert_eq!(settings.observability.directives(), "info");
        settings.observability.log_filter = "via_shard=debug".to_owned();
        assert_eq!(settings.observability.directives(), "info,via_shard=debug");
    }
}
