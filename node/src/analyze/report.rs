//! The page of one file: everything in one HTML file, no network needed. Says
//! what is drawn; how, is the page's own script.

use std::path::Path;

use anyhow::{Context as _, Result};
use serde::Serialize;
use via_types::Detection;
use via_types::detection::{Contribution, Counterfactual, Expected, Similar};

use super::trace::{Drawn, Traces};
use super::{Outcome, summary};

/// Entities drawn.
const ENTITIES: usize = 24;
/// Detections listed.
const DETECTIONS: usize = 300;
const PAGE: &str = include_str!("report.html");
/// Where the page expects its data.
const SLOT: &str = "{\"slot\":\"data\"}";

#[derive(Serialize)]
struct Page<'a> {
    file: String,
    roles: String,
    rows: u64,
    judged: u64,
    warming: u64,
    unjudged: u64,
    named: &'a [(u64, String)],
    has_time: bool,
    has_entities: bool,
    entities: usize,
    value: &'a str,
    lanes: Vec<&'a str>,
    total: u64,
    threshold: f64,
    version: &'static str,
    series: Vec<Drawn>,
    detections: Vec<Found<'a>>,
}

#[derive(Serialize)]
struct Found<'a> {
    number: u64,
    entity: &'a str,
    /// Milliseconds since 1970.
    started: f64,
    peaked: f64,
    last: f64,
    events: u64,
    score: f64,
    severity: &'static str,
    detector: &'static str,
    value: f64,
    expected: Option<Expected>,
    reason: &'a str,
    contributions: &'a [Contribution],
    context: Vec<&'a str>,
    actions: &'a [String],
    counterfactual: Option<&'a Counterfactual>,
    similar: Vec<Alike>,
}

/// An earlier detection that is listed too.
#[derive(Serialize)]
struct Alike {
    number: u64,
    similarity: f64,
}

impl<'a> Found<'a> {
    fn of((number, detection): (u64, &'a Detection), listed: &[(u64, &Detection)]) -> Self {
        let alike = |similar: &Similar| {
            let found = listed.iter().find(|(_, listed)| listed.id == similar.id);
            found.map(|(number, _)| Alike { number: *number, similarity: similar.similarity })
        };
        let millis = |at: via_types::Timestamp| (at.as_nanos() / 1_000_000) as f64;
        Self {
            number,
            entity: &detection.entity,
            started: millis(detection.started),
            peaked: millis(detection.peaked),
            last: millis(detection.last),
            events: detection.events,
            score: detection.score,
            severity: detection.severity.name(),
            detector: detection.detector.name(),
            value: detection.value,
            expected: detection.expected,
            reason: &detection.reason,
            contributions: &detection.contributions,
            context: detection.context.iter().map(|one| one.text.as_str()).collect(),
            actions: &detection.actions,
            counterfactual: detection.counterfactual.as_ref(),
            similar: detection.similar.iter().filter_map(alike).collect(),
        }
    }
}

/// Writes the page.
///
/// # Errors
/// The file cannot be written.
pub(super) fn write(path: &Path, input: &Path, outcome: &Outcome) -> Result<()> {
    let page = render(input, outcome)?;
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("making the folder {}", folder.display()))?;
    }
    std::fs::write(path, page).with_context(|| format!("writing {}", path.display()))
}

fn render(input: &Path, outcome: &Outcome) -> Result<String> {
    let highest = outcome.findings.highest(DETECTIONS);
    let columns = &outcome.columns;
    let lanes = match columns.values.as_slice() {
        [] | [_] => Vec::new(),
        several => several.iter().map(|column| columns.name(*column)).collect(),
    };
    let page = Page {
        file: input.file_name().unwrap_or(input.as_os_str()).to_string_lossy().into_owned(),
        roles: summary::roles(outcome),
        rows: outcome.rows,
        judged: outcome.judged,
        warming: outcome.warming,
        unjudged: outcome.unjudged,
        named: &outcome.named,
        has_time: columns.time.is_some(),
        has_entities: columns.has_entities(),
        entities: outcome.entities,
        value: columns.values.first().map_or("events", |column| columns.name(*column)),
        lanes,
        total: outcome.findings.total(),
        threshold: highest.first().map_or(0.5, |(_, detection)| detection.threshold),
        version: env!("CARGO_PKG_VERSION"),
        series: outcome
            .traces
            .as_ref()
            .map_or_else(Vec::new, |traces: &Traces| traces.draw(ENTITIES)),
        detections: highest.iter().map(|found| Found::of(*found, &highest)).collect(),
    };
    // Inside a script element only "<" can end what is meant as text.
    let data = serde_json::to_string(&page)?.replace('<', "\\u003c");
    Ok(PAGE.replacen(SLOT, &data, 1))
}
