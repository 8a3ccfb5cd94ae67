//! Recorded detections: listed page by page, or one by its id. Owns the cursor's
//! outer form, which ties it to the listing it came from.

use axum::Json;
use axum::extract::{Path, Query};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use via_shard::{Cursor, Filter, Page, Sort};
use via_types::detection::State as DetectionState;
use via_types::{DetectionId, Timestamp};
use xxhash_rust::xxh3::xxh3_64;

use crate::gate::Gate;
use crate::http::view::DetectionView;
use crate::hush::Hush;
use crate::ingest::stamp::Stamp;
use crate::problem::{Code, Problem};

/// Most detections on one page.
const PAGE: usize = 1_000;
/// Pages of nothing but what is suppressed that one request reads.
const PAGES: usize = 16;

/// Which detections are wanted; every part that is given must hold.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(crate) struct Wanted {
    /// Of this stream.
    stream: Option<String>,
    /// About this entity; needs `stream`.
    entity: Option<String>,
    /// At least this severe: low, medium, high, critical.
    severity: Option<String>,
    /// At least this score, 0..1.
    min_score: Option<f64>,
    /// Whose strongest test is: volume, distribution, cardinality, burst, spectral,
    /// change_point, forest, multi_scale, behavioural, drift.
    detector: Option<String>,
    /// open or closed.
    state: Option<String>,
    /// Began at or after: RFC 3339 or epoch s, ms, µs or ns.
    from: Option<String>,
    /// Began before: RFC 3339 or epoch s, ms, µs or ns.
    until: Option<String>,
    /// Whether those about entities of the suppression list are listed too.
    suppressed: bool,
    /// newest (default), oldest, or score.
    sort: Option<String>,
    /// At most so many, 1 to 1,000; default 100.
    limit: Option<usize>,
    /// Where the page before ended; with the same filter and order.
    cursor: Option<String>,
}

/// A page of detections.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct DetectionList {
    /// The detections.
    items: Vec<DetectionView>,
    /// Send it as `cursor` for the next page; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// Reads a filter's words; shared with the live feed.
pub(crate) fn filter(
    gate: &Gate,
    stream: Option<&str>,
    entity: Option<&str>,
    severity: Option<&str>,
) -> Result<Filter, Problem> {
    let stream = match stream.filter(|name| !name.is_empty()) {
        Some(name) => Some(gate.stream(name)?.id),
        None => None,
    };
    if stream.is_none() && !gate.caller().sees_all() {
        let words = "this key is for some streams: name one of them";
        return Err(Problem::new(Code::Forbidden, words));
    }
    if entity.is_some() && stream.is_none() {
        return Err(Problem::new(Code::BadParameter, "entity needs stream beside it"));
    }
    Ok(Filter {
        tenant: gate.tenant(),
        stream,
        entity: entity.map(str::to_owned),
        severity: word("severity", severity)?,
        ..Filter::default()
    })
}

fn word<T: std::str::FromStr<Err: std::fmt::Display>>(
    name: &str,
    given: Option<&str>,
) -> Result<Option<T>, Problem> {
    let Some(text) = given.filter(|text| !text.is_empty()) else { return Ok(None) };
    text.parse().map(Some).map_err(|error| bad(name, &format!("{error}")))
}

fn bad(name: &str, words: &str) -> Problem {
    Problem::new(Code::BadParameter, format!("{name}: {words}"))
}

fn time(name: &str, given: Option<&str>) -> Result<Option<Timestamp>, Problem> {
    let Some(text) = given else { return Ok(None) };
    let nanos = Stamp::Text(text.into()).nanos().map_err(|fault| bad(name, &fault.reason))?;
    Ok(Some(Timestamp::from_nanos(nanos)))
}

impl Wanted {
    fn query(&self, gate: &Gate) -> Result<via_shard::Query, Problem> {
        let state = match self.state.as_deref() {
            None => None,
            Some("open") => Some(DetectionState::Open),
            Some("closed") => Some(DetectionState::Closed),
            Some(_) => return Err(bad("state", "it must be open or closed")),
        };
        let sort = match self.sort.as_deref() {
            None | Some("newest") => Sort::Newest,
            Some("oldest") => Sort::Oldest,
            Some("score") => Sort::Score,
            Some(_) => return Err(bad("sort", "it must be newest, oldest or score")),
        };
        if self.min_score.is_some_and(|score| !(0.0..=1.0).contains(&score)) {
            return Err(bad("min_score", "it must be from 0 to 1"));
        }
        let limit = self.limit.unwrap_or(100);
        if !(1..=PAGE).contains(&limit) {
            return Err(bad("limit", "it must be from 1 to 1,000"));
        }
        let base =
            filter(gate, self.stream.as_deref(), self.entity.as_deref(), self.severity.as_deref())?;
        let detector = word("detector", self.detector.as_deref())?;
        let mut query = via_shard::Query {
            filter: Filter { score: self.min_score, detector, state, ..base },
            from: time("from", self.from.as_deref())?,
            until: time("until", self.until.as_deref())?,
            sort,
            limit,
            after: None,
        };
        if let Some(text) = &self.cursor {
            query.after = Some(read_cursor(text, self.fingerprint(&query))?);
        }
        Ok(query)
    }

    /// Tells listings apart: everything but the page's size and beginning.
    fn fingerprint(&self, query: &via_shard::Query) -> u64 {
        let via_shard::Query { filter, from, until, sort, .. } = query;
        let all = if self.suppressed { " suppressed" } else { "" };
        xxh3_64(format!("{filter:?} {from:?} {until:?} {sort:?}{all}").as_bytes())
    }
}

/// The form of listing cursors; another form gets another number.
const FORM: &str = "1";

fn write_cursor(cursor: &Cursor, fingerprint: u64) -> String {
    format!("{FORM}.{fingerprint:016x}.{}", cursor.to_text())
}

fn read_cursor(text: &str, fingerprint: u64) -> Result<Cursor, Problem> {
    let bad = |words: &str| Problem::new(Code::BadCursor, words);
    let mut pieces = text.splitn(3, '.');
    let (form, print, inner) = (pieces.next(), pieces.next(), pieces.next());
    if form != Some(FORM) {
        return Err(bad("it was not given by this version of a listing"));
    }
    let print = print.and_then(|print| u64::from_str_radix(print, 16).ok());
    if print != Some(fingerprint) {
        return Err(bad("it belongs to a listing with another filter or order"));
    }
    Cursor::from_text(inner.unwrap_or("")).map_err(Problem::from)
}

/// Lists recorded detections. Those about entities of the suppression list are
/// left out, so that a page may have fewer than were asked for.
#[utoipa::path(get, path = "/api/v1/detections", operation_id = "list_detections", tag = "query", params(Wanted),
    responses((status = 200, description = "A page of detections", body = DetectionList)))]
pub(crate) async fn list(
    gate: Gate,
    Query(wanted): Query<Wanted>,
) -> Result<Json<DetectionList>, Problem> {
    let mut query = wanted.query(&gate)?;
    let print = wanted.fingerprint(&query);
    let view = gate.view();
    let (hush, now) = (Hush::of(&view, gate.tenant()), gate.now());
    let mut left = PAGES;
    let Page { items, next } = loop {
        let mut page = gate.shard().detections(&query).await?;
        page.items.retain(|item| wanted.suppressed || !hush.covers(&item.detection, now));
        left -= 1;
        if !page.items.is_empty() || page.next.is_none() || left == 0 {
            break page;
        }
        query.after = page.next;
    };
    Ok(Json(DetectionList {
        items: items.iter().map(|item| DetectionView::recorded(&gate, &view, item)).collect(),
        next: next.map(|cursor| write_cursor(&cursor, print)),
    }))
}

/// Shows one detection.
#[utoipa::path(get, path = "/api/v1/detections/{id}", operation_id = "get_detection", tag = "query",
    params(("id" = String, Path, description = "Like d17-1042-3")),
    responses((status = 200, description = "The detection", body = DetectionView)))]
pub(crate) async fn show(
    gate: Gate,
    Path(id): Path<String>,
) -> Result<Json<DetectionView>, Problem> {
    let id: DetectionId = id.parse().map_err(|error| bad("id", &format!("{error}")))?;
    let found = gate.shard().detection(gate.tenant(), id).await?;
    let seen = found.filter(|it| gate.caller().sees(it.detection.stream));
    let recorded = seen.ok_or_else(|| unknown(id))?;
    Ok(Json(DetectionView::recorded(&gate, &gate.view(), &recorded)))
}

/// Says that there is no such detection.
pub(crate) fn unknown(id: DetectionId) -> Problem {
    Problem::new(Code::UnknownDetection, format!("there is no detection {id}"))
}
