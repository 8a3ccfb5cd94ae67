//! API keys: how programs come. A key is shown once, when it is made or
//! replaced; it allows no more than who made it may do, on some streams, from
//! some networks, for a while.

use std::collections::BTreeSet;
use std::time::Duration;

use axum::Json;
use axum::extract::Path;
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use via_catalog::command::{CreateApiKey, RevokeApiKey, RotateApiKey};
use via_catalog::{ApiKey, Network, Outcome};
use via_types::{ApiKeyId, Permissions, StreamId, Timestamp};

use crate::access::secret::Secret;
use crate::gate::Gate;
use crate::http::media::{self, Document};
use crate::http::streams::based_on;
use crate::http::view::rfc3339;
use crate::ingest::stamp::Stamp;
use crate::problem::{Code, Problem};

const DAY_NANOS: i64 = 86_400_000_000_000;
/// The first word of every key.
const KIND: &str = "key";
/// Longest time for which a key may be good that a new one replaces, seconds.
const OVERLAP: u64 = 30 * 86_400;

/// Asks for a key.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewKey {
    /// What it is called: 1 to 128 characters of `[A-Za-z0-9._-]`.
    name: String,
    /// What it allows, like `events:write`: no more than who asks may do.
    permissions: Vec<String>,
    /// The only streams that it touches; when left out, all.
    streams: Option<Vec<String>>,
    /// The only networks that it comes from, like `10.0.0.0/8`; none for all.
    #[serde(default)]
    networks: Vec<String>,
    /// From when on it is good for nothing: RFC 3339; when left out, never.
    expires: Option<String>,
    /// The environment, the second word in it; when left out, `live`.
    env: Option<String>,
}

/// Asks for a key's replacement.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewRotation {
    /// How long the key until now stays good, seconds; at most 30 days.
    #[serde(default)]
    overlap_seconds: u64,
}

/// A key, without its secret.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct KeyView {
    /// Names the key.
    id: String,
    /// What it is called.
    name: String,
    /// How it begins, which is no secret.
    prefix: String,
    /// What it allows.
    permissions: Vec<String>,
    /// The only streams that it touches; absent for all.
    #[serde(skip_serializing_if = "Option::is_none")]
    streams: Option<Vec<String>>,
    /// The only networks that it comes from; none for all.
    networks: Vec<String>,
    /// From when on it is good for nothing, RFC 3339; absent for never.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<String>,
    /// Until when the one before is good too, RFC 3339; during a rotation.
    #[serde(skip_serializing_if = "Option::is_none")]
    earlier_until: Option<String>,
    /// The last day on which it was used; absent for never.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_used: Option<String>,
    /// When it was made, RFC 3339.
    created: String,
    /// The revision that set it; also the `ETag`.
    revision: u64,
    /// The key itself; shown once, when it is made or replaced.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
}

/// Every key, the oldest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct KeyList {
    /// The keys.
    items: Vec<KeyView>,
}

impl KeyView {
    fn of(gate: &Gate, key: &ApiKey) -> Self {
        let view = gate.view();
        let name = |stream: &StreamId| gate.stream_name(&view, *stream);
        let networks = key.networks.iter().map(|it| format!("{}/{}", it.address, it.prefix));
        let day = |day: u32| Timestamp::from_nanos(i64::from(day).saturating_mul(DAY_NANOS));
        Self {
            id: key.id.to_string(),
            name: key.name.clone(),
            prefix: format!("via_{}_{}_", key.kind, key.env),
            permissions: key.permissions.pairs().map(|(on, what)| format!("{on}:{what}")).collect(),
            streams: key.streams.as_ref().map(|all| all.iter().map(name).collect()),
            networks: networks.collect(),
            expires: key.expires.map(rfc3339),
            earlier_until: key.earlier.map(|(_, until)| rfc3339(until)),
            last_used: key.used.map(|used| rfc3339(day(used)).chars().take(10).collect()),
            created: rfc3339(key.created),
            revision: key.revision.get(),
            key: None,
        }
    }
}

/// Answers a key with its revision, and with its secret when it was just drawn.
pub(crate) fn tagged(
    status: StatusCode,
    gate: &Gate,
    key: &ApiKey,
    secret: Option<&Secret>,
) -> Response {
    let shown = secret.map(|secret| secret.show().to_owned());
    let view = KeyView { key: shown, ..KeyView::of(gate, key) };
    media::unstored(media::tagged(status, view.revision, view))
}

/// Returns a key of whoever asks; another's is as absent as none.
fn own(gate: &Gate, id: &str) -> Result<std::sync::Arc<ApiKey>, Problem> {
    let view = gate.view();
    let key = id.parse::<ApiKeyId>().ok().and_then(|id| view.api_key(id));
    key.filter(|key| key.tenant == gate.caller().home()).cloned().ok_or_else(|| {
        let shown: String = id.chars().take(64).collect();
        Problem::new(Code::UnknownKey, format!("there is no API key {shown:?}"))
    })
}

/// Lists the keys of the tenant, or of the platform.
#[utoipa::path(get, path = "/api/v1/keys", operation_id = "list_keys", tag = "access",
    responses((status = 200, description = "Every key", body = KeyList)))]
pub(crate) async fn list(gate: Gate) -> Result<Json<KeyList>, Problem> {
    gate.control().read_barrier().await?;
    let view = gate.view();
    let items = view.api_keys_of(gate.caller().home()).map(|key| KeyView::of(&gate, key));
    Ok(Json(KeyList { items: items.collect() }))
}

/// Makes a key.
#[utoipa::path(post, path = "/api/v1/keys", operation_id = "create_key", tag = "access", request_body = NewKey,
    responses((status = 201, description = "The key, shown this once", body = KeyView,
        headers(("ETag" = String, description = "The revision")))))]
pub(crate) async fn create(gate: Gate, body: Document) -> Result<Response, Problem> {
    let asked: NewKey = body.object(Code::BadRequest)?;
    let bad = |words: String| Problem::new(Code::BadRequest, words);
    let words = asked.permissions.iter().map(String::as_str);
    let permissions = Permissions::parse(words).map_err(|error| bad(error.to_string()))?;
    if permissions.is_empty() {
        return Err(bad("permissions: a key that allows nothing is of no use".to_owned()));
    }
    let caller = gate.caller();
    caller.covers(permissions)?;
    let networks: Result<Vec<_>, _> = asked.networks.iter().map(|text| network(text)).collect();
    let expires = match asked.expires.as_deref() {
        Some(text) => Some(moment(text)?),
        None => None,
    };
    let env = asked.env.clone().unwrap_or_else(|| "live".to_owned());
    let secret = Secret::draw(KIND, &env)?;
    let create = CreateApiKey {
        tenant: caller.home(),
        name: asked.name,
        kind: KIND.to_owned(),
        env,
        digest: secret.digest(),
        permissions,
        streams: scope(&gate, asked.streams.as_deref())?,
        networks: networks?,
        expires,
    };
    let outcome = gate.control().commit(gate.deed().await?, create).await?;
    made(StatusCode::CREATED, &gate, outcome, &secret)
}

fn made(
    status: StatusCode,
    gate: &Gate,
    outcome: Outcome,
    secret: &Secret,
) -> Result<Response, Problem> {
    let Outcome::ApiKey(key) = outcome else {
        return Err(Problem::new(Code::Internal, "the key was not made"));
    };
    // A repeated request has the key of the first, whose secret was shown then.
    let secret = Some(secret).filter(|secret| secret.digest() == key.digest);
    Ok(tagged(status, gate, &key, secret))
}

/// Returns the streams that a key may touch: those named, all of which who asks
/// may touch; when none are named, all that who asks may.
fn scope(gate: &Gate, names: Option<&[String]>) -> Result<Option<BTreeSet<StreamId>>, Problem> {
    let Some(names) = names else {
        return Ok(gate.caller().principal().and_then(|principal| principal.streams.clone()));
    };
    if names.is_empty() {
        return Err(Problem::new(Code::BadRequest, "streams: name one, or leave it out for all"));
    }
    let ids: Result<_, _> = names.iter().map(|name| Ok(gate.stream(name)?.id)).collect();
    ids.map(Some)
}

fn network(text: &str) -> Result<Network, Problem> {
    let bad = || {
        let shown: String = text.chars().take(64).collect();
        let words = format!("networks: {shown:?} is no network like 10.0.0.0/8");
        Problem::new(Code::BadRequest, words)
    };
    let (address, prefix) = text.split_once('/').ok_or_else(bad)?;
    let address = address.parse().map_err(|_| bad())?;
    Ok(Network { address, prefix: prefix.parse().map_err(|_| bad())? })
}

/// Reads from when on something is over.
pub(crate) fn moment(text: &str) -> Result<Timestamp, Problem> {
    let nanos = Stamp::Text(text.into()).nanos();
    let nanos = nanos
        .map_err(|fault| Problem::new(Code::BadRequest, format!("expires: {}", fault.reason)))?;
    Ok(Timestamp::from_nanos(nanos))
}

/// Shows a key, without its secret.
#[utoipa::path(get, path = "/api/v1/keys/{key}", operation_id = "get_key", tag = "access",
    params(("key" = String, Path, description = "The key's id")),
    responses((status = 200, description = "The key", body = KeyView,
        headers(("ETag" = String, description = "The revision")))))]
pub(crate) async fn show(gate: Gate, Path(id): Path<String>) -> Result<Response, Problem> {
    gate.control().read_barrier().await?;
    Ok(tagged(StatusCode::OK, &gate, &*own(&gate, &id)?, None))
}

/// Takes a key away at once, on every node.
#[utoipa::path(delete, path = "/api/v1/keys/{key}", operation_id = "delete_key", tag = "access",
    params(("key" = String, Path, description = "The key's id")),
    responses((status = 204, description = "It is good for nothing any more")))]
pub(crate) async fn revoke(gate: Gate, Path(id): Path<String>) -> Result<StatusCode, Problem> {
    let key = own(&gate, &id)?;
    let revoke = RevokeApiKey { tenant: key.tenant, key: key.id };
    gate.control().commit(gate.deed().await?, revoke).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Replaces a key; the one until now stays good for a while, when that is asked.
#[utoipa::path(post, path = "/api/v1/keys/{key}/rotate", operation_id = "rotate_key", tag = "access", request_body = NewRotation,
    params(("key" = String, Path, description = "The key's id"),
        ("If-Match" = String, Header, description = "The ETag of the key that was read")),
    responses((status = 200, description = "The new key, shown this once", body = KeyView,
        headers(("ETag" = String, description = "The new revision")))))]
pub(crate) async fn rotate(
    gate: Gate,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Document,
) -> Result<Response, Problem> {
    let NewRotation { overlap_seconds } = body.object(Code::BadRequest)?;
    let key = own(&gate, &id)?;
    gate.caller().covers(key.permissions)?;
    let is_within =
        key.streams.as_ref().is_some_and(|all| all.iter().all(|it| gate.caller().sees(*it)));
    if !gate.caller().sees_all() && !is_within {
        let words = "it touches streams that who asks may not touch";
        return Err(Problem::new(Code::Forbidden, words));
    }
    if overlap_seconds > OVERLAP {
        let words = format!("overlap_seconds: at most {OVERLAP}");
        return Err(Problem::new(Code::BadRequest, words));
    }
    let based_on = based_on(&headers)?;
    let secret = Secret::draw(&key.kind, &key.env)?;
    let earlier_until = gate.now().saturating_add(Duration::from_secs(overlap_seconds));
    let (tenant, digest) = (key.tenant, secret.digest());
    let rotate = RotateApiKey { tenant, key: key.id, digest, earlier_until };
    let deed = gate.deed().await?.based_on(based_on);
    let outcome = gate.control().commit(deed, rotate).await?;
    made(StatusCode::OK, &gate, outcome, &secret)
}
