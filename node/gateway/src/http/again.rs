//! An answer told again, made from the outcome that the catalog remembers: what
//! was changed as it was then. Secrets are told once: what holds one leaves it
//! out here.

use std::sync::Arc;

use axum::response::{IntoResponse, Response};
use http::{Method, StatusCode};
use via_catalog::{Outcome, Stream};

use crate::gate::Gate;
use crate::http::{
    grants, keys, overrides, plans, producers, roles, streams, suppressions, tenants, users,
};
use crate::problem::{Code, Problem};

/// Answers a request that had this outcome: by the method and the route that it
/// asked for, and the entity that its path names.
pub(crate) fn told(
    gate: &Gate,
    (method, route): (&Method, &str),
    entity: &str,
    outcome: Outcome,
) -> Result<Response, Problem> {
    // What is made is made at the address of all of its kind.
    let status = if route.contains('{') { StatusCode::OK } else { StatusCode::CREATED };
    match outcome {
        Outcome::Stream { stream, existed: true } => Err(streams::exists(&stream)),
        Outcome::Stream { stream, existed: false } => {
            streams::tagged(StatusCode::CREATED, &*as_then(gate, stream)?)
        }
        Outcome::Configured(stream) => {
            let stream = as_then(gate, stream)?;
            if !route.ends_with("/entities/{entity}/config") {
                streams::tagged(StatusCode::OK, &stream)
            } else if *method == Method::DELETE {
                Ok(overrides::taken_away(&stream))
            } else {
                overrides::found(&stream, entity.to_owned())
            }
        }
        Outcome::Opened { id, epoch } => Ok(producers::opened(id, epoch).into_response()),
        Outcome::ApiKey(key) => Ok(keys::tagged(status, gate, &key, None)),
        Outcome::Role(role) => Ok(roles::tagged(&role)),
        Outcome::Account(account) => tenants::changed(gate, &account),
        Outcome::User(user) if route == "/api/v1/tenants" => tenants::made(gate, &user, None),
        Outcome::User(_) if route.ends_with("/password") => Ok(users::drawn(None)),
        Outcome::User(user) => Ok(users::tagged(status, gate, &user, None)),
        Outcome::Suppression(entry) => Ok(suppressions::made(gate, &entry)),
        Outcome::Grant(grant) => Ok(grants::opened(gate, &grant)),
        Outcome::Plan(plan) => Ok(plans::tagged(&plan)),
        Outcome::Gone | Outcome::Ended(_) => Ok(StatusCode::NO_CONTENT.into_response()),
        Outcome::Formed(_)
        | Outcome::Registered(_)
        | Outcome::Tenant { .. }
        | Outcome::Defaults(_)
        | Outcome::Issued
        | Outcome::Session(_)
        | Outcome::Reused
        | Outcome::Noted(_)
        | Outcome::Pruned { .. }
        | Outcome::Subject(_) => {
            let words = format!("what {method} {route} was answered cannot be told again");
            Err(Problem::new(Code::Internal, words))
        }
    }
}

/// Returns a stream as it was, which was kept without the defaults of all
/// streams.
fn as_then(gate: &Gate, kept: Arc<Stream>) -> Result<Arc<Stream>, Problem> {
    let view = gate.view();
    let now = view.stream_by_id(kept.id).filter(|now| now.revision == kept.revision);
    if let Some(now) = now {
        return Ok(Arc::clone(now));
    }
    let config = view.in_force(&kept.own).map_err(via_control::Error::Refused)?;
    let json = serde_json::to_string(&config).map_err(|error| {
        Problem::new(Code::Internal, format!("the configuration cannot be shown: {error}"))
    })?;
    Ok(Arc::new(Stream { config, json, ..Stream::clone(&kept) }))
}
