//! The suppression list: entities that are known and fine, for a reason and
//! perhaps for a while. Detections about them are recorded and not told.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use via_catalog::command::{DeleteSuppression, PutSuppression};
use via_catalog::{Deed, Hushed, Outcome, Suppression, Verdict};
use via_types::access::{Action, Resource};
use via_types::{StreamId, SuppressionId};

use crate::gate::Gate;
use crate::http::entities::check;
use crate::http::history::name;
use crate::http::keys::moment;
use crate::http::media::Document;
use crate::http::page::Listing;
use crate::http::view::rfc3339;
use crate::problem::{Code, Problem};

/// Asks for an entry. One about the same entity of the same stream gives way.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewSuppression {
    /// The entity's key.
    entity: String,
    /// In this stream; when left out, in all of the tenant's.
    stream: Option<String>,
    /// Why: 1 to 512 bytes.
    reason: String,
    /// From when on it does not hold: RFC 3339; when left out, it holds until it is
    /// taken away.
    expires: Option<String>,
}

/// An entry of the suppression list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SuppressionView {
    /// Names the entry.
    id: String,
    /// The entity's key; absent for one about a rhythm.
    #[serde(skip_serializing_if = "Option::is_none")]
    entity: Option<String>,
    /// In which stream; absent for all.
    #[serde(skip_serializing_if = "Option::is_none")]
    stream: Option<String>,
    /// Why.
    reason: String,
    /// Who made it, as records name them.
    by: String,
    /// By what that user logs in, or what that key is called; absent for others,
    /// and for who is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// When, RFC 3339.
    at: String,
    /// From when on it does not hold, RFC 3339; absent for never.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<String>,
    /// Whether it holds now.
    holds: bool,
}

/// A page of the suppression list, the oldest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SuppressionList {
    /// The entries.
    items: Vec<SuppressionView>,
    /// Send it as `cursor` for the next page; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// Which entries are wanted; every part that is given must hold.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(crate) struct Wanted {
    /// In this stream; those of all streams are not listed then.
    stream: Option<String>,
    /// About this entity.
    entity: Option<String>,
    /// At most so many, 1 to 1,000; default 100.
    limit: Option<usize>,
    /// Where the page before ended; with the same filter.
    cursor: Option<String>,
}

impl SuppressionView {
    fn of(gate: &Gate, entry: &Suppression) -> Self {
        let view = gate.view();
        let entity = match &entry.about {
            Hushed::Entity(key) => Some(key.clone()),
            Hushed::Rhythm(_) => None,
        };
        Self {
            id: entry.id.to_string(),
            entity,
            stream: entry.stream.map(|stream| gate.stream_name(&view, stream)),
            reason: entry.reason.clone(),
            by: entry.author.to_string(),
            name: name(gate, &view, entry.author),
            at: rfc3339(entry.at),
            expires: entry.expires.map(rfc3339),
            holds: entry.expires.is_none_or(|expires| gate.now() < expires),
        }
    }
}

/// Answers an entry that was made.
pub(crate) fn made(gate: &Gate, entry: &Suppression) -> Response {
    (StatusCode::CREATED, Json(SuppressionView::of(gate, entry))).into_response()
}

/// Says whether the caller may touch what an entry is about.
fn sees(gate: &Gate, stream: Option<StreamId>) -> bool {
    stream.map_or_else(|| gate.caller().sees_all(), |stream| gate.caller().sees(stream))
}

/// Lists the suppression list.
#[utoipa::path(get, path = "/api/v1/suppressions", operation_id = "list_suppressions", tag = "query", params(Wanted),
    responses((status = 200, description = "A page of entries", body = SuppressionList)))]
pub(crate) async fn list(
    gate: Gate,
    Query(Wanted { stream, entity, limit, cursor }): Query<Wanted>,
) -> Result<Json<SuppressionList>, Problem> {
    let filter = format!("suppressions {} {stream:?} {entity:?}", gate.tenant());
    let listing = Listing::read(&filter, limit, cursor.as_deref())?;
    gate.control().read_barrier().await?;
    let stream = stream.map(|name| gate.stream(&name)).transpose()?.map(|stream| stream.id);
    let view = gate.view();
    let is_wanted = |entry: &&Arc<Suppression>| {
        let is_about =
            |wanted: &String| matches!(&entry.about, Hushed::Entity(key) if key == wanted);
        let is_in = stream.is_none() || entry.stream == stream;
        is_in && entity.as_ref().is_none_or(is_about) && sees(&gate, entry.stream)
    };
    let rest = view.suppressions_of(gate.tenant()).filter(|it| it.id.get() > listing.after);
    let (page, next) = listing.page(rest.filter(is_wanted), |entry| entry.id.get());
    let items = page.into_iter().map(|entry| SuppressionView::of(&gate, entry)).collect();
    Ok(Json(SuppressionList { items, next }))
}

/// Adds an entity to the suppression list: what is detected about it is not
/// told from now on.
#[utoipa::path(post, path = "/api/v1/suppressions", operation_id = "create_suppression", tag = "query", request_body = NewSuppression,
    responses((status = 201, description = "The entry", body = SuppressionView)))]
pub(crate) async fn create(gate: Gate, body: Document) -> Result<Response, Problem> {
    let NewSuppression { entity, stream, reason, expires } = body.object(Code::BadRequest)?;
    check(&entity)?;
    if reason.trim().is_empty() {
        return Err(Problem::new(Code::BadRequest, "reason: say why"));
    }
    let stream = match stream {
        Some(name) => Some(gate.newest_stream(&name).await?.id),
        None if gate.caller().sees_all() => None,
        None => return Err(gate.caller().lacks((Resource::Config, Action::Write))),
    };
    let put = PutSuppression {
        tenant: gate.tenant(),
        stream,
        about: Hushed::Entity(entity),
        verdict: Verdict::Allow,
        expires: expires.as_deref().map(moment).transpose()?,
    };
    let deed = Deed { reason, ..gate.deed().await? };
    let Outcome::Suppression(entry) = gate.control().commit(deed, put).await? else {
        return Err(Problem::new(Code::Internal, "the entry was not made"));
    };
    Ok(made(&gate, &entry))
}

/// Takes an entry off the suppression list: what was recorded meanwhile is
/// listed again.
#[utoipa::path(delete, path = "/api/v1/suppressions/{suppression}", operation_id = "delete_suppression", tag = "query",
    params(("suppression" = String, Path, description = "The entry's id")),
    responses((status = 204, description = "It is gone")))]
pub(crate) async fn delete(gate: Gate, Path(id): Path<String>) -> Result<StatusCode, Problem> {
    gate.control().read_barrier().await?;
    let (view, tenant) = (gate.view(), gate.tenant());
    let number = id.parse::<SuppressionId>().ok();
    let there = view.suppressions_of(tenant).find(|entry| Some(entry.id) == number);
    let there = there.filter(|entry| sees(&gate, entry.stream)).ok_or_else(|| {
        let shown: String = id.chars().take(64).collect();
        Problem::new(Code::UnknownSuppression, format!("there is no entry {shown:?}"))
    })?;
    let delete = DeleteSuppression { tenant, entry: there.id };
    gate.control().commit(gate.deed().await?, delete).await?;
    Ok(StatusCode::NO_CONTENT)
}
