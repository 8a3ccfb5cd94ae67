//! `GET /api/v1/usage`: events admitted by stream and day, as the catalog has
//! taken note of them; as JSON, or as CSV for a bill.

use axum::Json;
use axum::extract::Query;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, header};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use via_types::StreamId;

use crate::gate::Gate;
use crate::http::view::rfc3339;
use crate::problem::{Code, Problem};
use crate::quota::usage::{Day, begin_of, day_of};

/// Most rows of one page.
const PAGE: usize = 10_000;
/// Days that are shown when nothing is said.
const MONTH: Day = 31;
/// The form of cursors; another form gets another letter.
const FORM: &str = "u1.";

/// Which usage is wanted.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(crate) struct Wanted {
    /// The first day, as `2026-01-31`, in UTC; when left out, 30 days before the last.
    from: Option<String>,
    /// The last day; when left out, today.
    until: Option<String>,
    /// Only this stream.
    stream: Option<String>,
    /// `json` or `csv`.
    format: Format,
    /// At most so many rows, 1 to 10,000.
    limit: usize,
    /// Go on after a page: its `next`.
    cursor: Option<String>,
}

impl Default for Wanted {
    fn default() -> Self {
        let (from, until, stream, cursor) = (None, None, None, None);
        Self { from, until, stream, format: Format::Json, limit: 1_000, cursor }
    }
}

/// How it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Format {
    /// One document.
    Json,
    /// Lines of `day,stream,events` below a head.
    Csv,
}

/// What was admitted of a stream on a day.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UsageView {
    /// The day, in UTC.
    day: String,
    /// The stream.
    stream: String,
    /// Events that changed state, each counted once.
    events: u64,
}

/// A page of usage, by day and stream.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UsageList {
    /// The rows.
    items: Vec<UsageView>,
    /// Send it as `cursor` for the next page; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

type Place = (Day, StreamId);

/// Shows how many events were admitted, by stream and day. What the last
/// seconds brought may be missing yet.
#[utoipa::path(get, path = "/api/v1/usage", operation_id = "get_usage", tag = "operate", params(Wanted),
    responses((status = 200, description = "A page of usage; of CSV, `Link` leads to the next",
        content((UsageList = "application/json"), (String = "text/csv")))))]
pub(crate) async fn show(gate: Gate, Query(wanted): Query<Wanted>) -> Result<Response, Problem> {
    if !(1..=PAGE).contains(&wanted.limit) {
        return Err(Problem::new(Code::BadParameter, "limit: it must be from 1 to 10,000"));
    }
    let until = day("until", wanted.until.as_deref())?.unwrap_or_else(|| day_of(gate.now()));
    let from = day("from", wanted.from.as_deref())?;
    let from = from.unwrap_or_else(|| until.saturating_sub(MONTH - 1));
    let only = wanted.stream.as_deref().filter(|name| !name.is_empty());
    let only = only.map(|name| gate.stream(name)).transpose()?.map(|stream| stream.id);
    let after = wanted.cursor.as_deref().map(read_cursor).transpose()?;
    let rows = rows(&gate, only, |place| {
        (from..=until).contains(&place.0) && after.is_none_or(|after| after < place)
    });
    let next = rows.get(wanted.limit).map(|_| write_cursor(rows[wanted.limit - 1].0));
    let view = gate.view();
    let shown = rows.into_iter().take(wanted.limit).map(|((day, stream), events)| UsageView {
        day: text(day),
        stream: gate.stream_name(&view, stream),
        events,
    });
    let items = shown.collect();
    Ok(match wanted.format {
        Format::Json => Json(UsageList { items, next }).into_response(),
        Format::Csv => csv(&items, next.as_deref(), &wanted),
    })
}

/// Returns what is counted, by day and stream; of a stream that the caller may
/// not touch, nothing.
fn rows(
    gate: &Gate,
    only: Option<StreamId>,
    is_wanted: impl Fn(Place) -> bool,
) -> Vec<(Place, u64)> {
    let view = gate.view();
    let pages = view.usage_of(gate.tenant()).filter(|page| {
        gate.caller().sees(page.stream) && only.is_none_or(|only| only == page.stream)
    });
    let days = pages.flat_map(|page| {
        page.days().map(|(day, events)| ((day, page.stream), events)).collect::<Vec<_>>()
    });
    let mut rows: Vec<_> = days.filter(|(place, _)| is_wanted(*place)).collect();
    rows.sort_unstable();
    rows
}

/// Names of streams need no quotes: they have no comma in them.
fn csv(items: &[UsageView], next: Option<&str>, wanted: &Wanted) -> Response {
    let mut text = "day,stream,events\n".to_owned();
    for UsageView { day, stream, events } in items {
        text.push_str(&format!("{day},{stream},{events}\n"));
    }
    let mut response = ([(header::CONTENT_TYPE, "text/csv; charset=utf-8")], text).into_response();
    let further = next.map(|cursor| {
        let part = |name: &str, value: &Option<String>| {
            value.as_ref().map_or_else(String::new, |value| format!("&{name}={value}"))
        };
        let Wanted { from, until, stream, limit, .. } = wanted;
        let more = [part("from", from), part("until", until), part("stream", stream)].concat();
        format!("</api/v1/usage?format=csv&limit={limit}&cursor={cursor}{more}>; rel=\"next\"")
    });
    if let Some(value) = further.and_then(|link| HeaderValue::from_str(&link).ok()) {
        response.headers_mut().insert(header::LINK, value);
    }
    response
}

fn text(day: Day) -> String {
    rfc3339(begin_of(day)).chars().take(10).collect()
}

fn day(name: &str, text: Option<&str>) -> Result<Option<Day>, Problem> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(None) };
    let date: Option<Date> = text.parse().ok();
    let begin = date.and_then(|date| date.to_zoned(TimeZone::UTC).ok());
    let day = begin.and_then(|at| Day::try_from(at.timestamp().as_second() / 86_400).ok());
    let bad =
        || Problem::new(Code::BadParameter, format!("{name}: it must be a day, as 2026-01-31"));
    day.map(Some).ok_or_else(bad)
}

fn write_cursor((day, stream): Place) -> String {
    format!("{FORM}{day}.{}", stream.get())
}

fn read_cursor(text: &str) -> Result<Place, Problem> {
    let parts = text.strip_prefix(FORM).and_then(|text| text.split_once('.'));
    let place = parts
        .and_then(|(day, stream)| Some((day.parse().ok()?, StreamId::new(stream.parse().ok()?))));
    place.ok_or_else(|| Problem::new(Code::BadCursor, "it was not given by this listing"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_read_as_they_are_written() {
        let read = |text| day("from", Some(text));
        assert_eq!(read("1970-01-02"), Ok(Some(1)));
        assert_eq!(text(19_675), "2023-11-14");
        assert_eq!(read("2023-11-14"), Ok(Some(19_675)));
        for odd in ["2023-11-31", "yesterday", "1969-12-31", "19675"] {
            assert_eq!(read(odd).expect_err(odd).code, Code::BadParameter);
        }
    }

    #[test]
    fn a_cursor_leads_back_to_its_place() {
        let place = (19_675, StreamId::new(7));
        assert_eq!(read_cursor(&write_cursor(place)), Ok(place));
        assert!(read_cursor("u1.x.7").is_err() && read_cursor("f1.abc").is_err());
    }
}
