//! The settings as they are written: one struct per section, every field's doc
//! comment its manual entry, its attributes the range. The JSON Schema made from
//! them drives checking, the manual and the example file. Knows no layers, no
//! files. Relations between fields are in `relation`.

mod access;
mod course;
mod detectors;
mod membership;
mod pressure;
mod section;
mod time;

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::{Deserialize, Serialize};

pub(crate) use access::AccessSection;
pub(crate) use detectors::{Detectors, MethodName, MinDeviation, Overrides, Side, Thresholds};
pub(crate) use membership::ClusterSection;
pub(crate) use pressure::{GivesWay, LeaveFirst, PressureSection};
pub(crate) use section::{
    EngineSection, LimitsSection, ListenSection, NodeSection, ObservabilitySection,
    PersistenceSection,
};

pub(crate) use time::{BusinessHours, CalendarSection, Event};

/// The version of the file format that this program writes.
pub(crate) const VERSION: i64 = 1;

/// Settings of one VIA node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(title = "VIA configuration")]
pub(crate) struct Raw {
    /// Version of this file's format; only a file can say it. A file without it
    /// is read as version 0 and migrated in memory, with a notice.
    #[schemars(range(min = 1, max = 1))]
    pub(crate) version: i64,
    /// The process: where it keeps its data, how much memory it may use, how it
    /// stops.
    pub(crate) node: NodeSection,
    /// Where clients reach it.
    pub(crate) listen: ListenSection,
    /// Who is let in, and for how long.
    pub(crate) access: AccessSection,
    /// The cluster that a node belongs to; nothing of it matters to a node alone.
    pub(crate) cluster: ClusterSection,
    /// How events are judged, on streams that say nothing else.
    pub(crate) engine: EngineSection,
    /// The statistical tests, each with its own parameters.
    pub(crate) detectors: Detectors,
    /// When a score becomes a detection.
    pub(crate) thresholds: Thresholds,
    /// When people are usually at work, on streams that say nothing else: said in
    /// explanations, changes no score.
    pub(crate) business_hours: BusinessHours,
    /// Known events, such as sales, holidays and maintenance, on streams that say
    /// nothing else: a detection within one says so, and its score stays.
    pub(crate) calendar: CalendarSection,
    /// What a node does when its memory for profiles becomes short. Shares are of
    /// what the buffers leave of `node.memory_limit`; each level ends 0.05 below
    /// where it began.
    pub(crate) pressure: PressureSection,
    /// What is kept on disk, how often, how long.
    pub(crate) persistence: PersistenceSection,
    /// What the node tells about itself.
    pub(crate) observability: ObservabilitySection,
    /// Bounds beyond which requests are refused early, with a reason.
    pub(crate) limits: LimitsSection,
}

impl Default for Raw {
    fn default() -> Self {
        Self {
            version: VERSION,
            node: NodeSection::default(),
            listen: ListenSection::default(),
            access: AccessSection::default(),
            cluster: ClusterSection::default(),
            engine: EngineSection::default(),
            detectors: Detectors::default(),
            thresholds: Thresholds::default(),
            business_hours: BusinessHours::default(),
            calendar: CalendarSection::default(),
            pressure: PressureSection::default(),
            persistence: PersistenceSection::default(),
            observability: ObservabilitySection::default(),
            limits: LimitsSection::default(),
        }
    }
}

impl Raw {
    /// Returns the defaults with an example in place of everything unset, so
    /// that every key appears.
    pub(crate) fn with_examples() -> Self {
        let mut raw = Self::default();
        raw.cluster.advertise = Some("node-1.example:7400".to_owned());
        raw.cluster.name = Some("node-1".to_owned());
        raw.cluster.zone = Some("rack-1".to_owned());
        raw.engine.distinct_of = Some("client.address".to_owned());
        raw.engine.line_from = Some("body".to_owned());
        raw.engine.service_from = Some("service.name".to_owned());
        raw.engine.severity_from = Some("severity_text".to_owned());
        raw.observability.log_filter = Some("via_shard=debug".to_owned());
        raw.detectors.fill_with_examples();
        raw
    }
}

/// Returns the JSON Schema of [`Raw`], with no references in it.
pub(crate) fn schema() -> serde_json::Value {
    SchemaSettings::draft2020_12()
        .with(|settings| settings.inline_subschemas = true)
        .into_generator()
        .into_root_schema_for::<Raw>()
        .into()
}
