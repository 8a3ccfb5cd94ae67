//! Who can do what, and when they last did: for whoever reviews access. Told is
//! what would be decided now, by the one question that decides.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use serde::Serialize;
use utoipa::ToSchema;
use via_catalog::{Access, Grant, Holder, View};
use via_types::access::{Action, Resource};
use via_types::{Permissions, StreamId, TenantId, Wish, may};

use crate::gate::Gate;
use crate::http::roles::{self, words};
use crate::http::view::rfc3339;
use crate::problem::Problem;

/// Somebody who can do something.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AccessView {
    /// `user`, `key`, or `operator` for one who looks in by a grant.
    kind: &'static str,
    /// Names the user or the key.
    id: String,
    /// By what the user logs in, or what the key is called; an operator's own
    /// name is the platform's.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// A user's roles.
    roles: Vec<String>,
    /// What they may do now, by their roles or key and the tenant's standing.
    permissions: Vec<String>,
    /// The only streams that they may touch; absent for all.
    #[serde(skip_serializing_if = "Option::is_none")]
    streams: Option<Vec<String>>,
    /// Why an operator was let in.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// From when on they may not any more, RFC 3339; absent for no such time.
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<String>,
    /// When they last did anything, RFC 3339: users and operators when they logged
    /// in, keys by day; absent for never.
    #[serde(skip_serializing_if = "Option::is_none")]
    last: Option<String>,
}

/// Everybody who can do something.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AccessReview {
    /// When it was so, RFC 3339.
    at: String,
    /// Everybody: users by name, keys by age, operators.
    items: Vec<AccessView>,
}

/// Tells who can do what where the caller belongs, and when they last did.
#[utoipa::path(get, path = "/api/v1/access/review", operation_id = "review_access", tag = "access",
    responses((status = 200, description = "Everybody who can do something", body = AccessReview)))]
pub(crate) async fn show(gate: Gate) -> Result<Json<AccessReview>, Problem> {
    gate.control().read_barrier().await?;
    let (view, now, home) = (gate.view(), gate.now(), gate.caller().home());
    let all = view.access(home, now);
    let items = all.iter().map(|access| line(&gate, &view, home, access));
    Ok(Json(AccessReview { at: rfc3339(now), items: items.collect() }))
}

fn line(gate: &Gate, view: &View, home: Option<TenantId>, access: &Access) -> AccessView {
    let Access { holder, principal, last } = access;
    let stream = |stream: &StreamId| gate.stream_name(view, *stream);
    let streams: Option<&BTreeSet<StreamId>> = principal.streams.as_ref();
    let first = streams.and_then(|streams| streams.first().copied());
    let is_allowed = |(resource, action): &(Resource, Action)| {
        may(principal, Wish { resource: *resource, action: *action, tenant: home, stream: first })
    };
    let all = Permissions::NONE.and(Resource::ALL, Action::ALL);
    let bare = AccessView {
        kind: "user",
        id: String::new(),
        name: None,
        roles: Vec::new(),
        permissions: words(all.pairs().filter(is_allowed).collect()),
        streams: streams.map(|streams| streams.iter().map(stream).collect()),
        reason: None,
        until: None,
        last: last.map(rfc3339),
    };
    match *holder {
        Holder::User(id) => {
            let user = view.user(id);
            let roles = user.iter().flat_map(|user| &user.roles).map(|it| roles::name(view, *it));
            let name = user.map(|user| user.login.clone());
            AccessView { id: id.to_string(), name, roles: roles.collect(), ..bare }
        }
        Holder::ApiKey(id) => {
            let key = view.api_key(id);
            let until = key.and_then(|key| key.expires).map(rfc3339);
            let name = key.map(|key| key.name.clone());
            AccessView { kind: "key", id: id.to_string(), name, until, ..bare }
        }
        Holder::Grant(operator, id) => {
            let grant = view.grants().find(|grant| grant.id == id);
            let reason = grant.map(|grant: &Arc<Grant>| grant.reason.clone());
            let until = grant.map(|grant| rfc3339(grant.expires));
            AccessView { kind: "operator", id: operator.to_string(), reason, until, ..bare }
        }
    }
}
