//! Roles: those that are built in, and those that a tenant composes. Nobody
//! composes, changes or takes away one that allows more than they may do.

use std::sync::Arc;

use axum::Json;
use axum::extract::Path;
use axum::response::Response;
use http::{HeaderMap, StatusCode, header};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use via_catalog::command::{DeleteRole, PutRole};
use via_catalog::{CustomRole, Outcome, View};
use via_types::{Permissions, Role, TenantId};

use crate::gate::Gate;
use crate::http::media::{self, Document};
use crate::http::streams::based_on;
use crate::problem::{Code, Problem};

/// What a role is to allow.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RoleChange {
    /// What it allows, like `events:read`: no more than who asks may do.
    permissions: Vec<String>,
}

/// A role.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RoleView {
    /// Its name.
    name: String,
    /// Whether it is built in, and stays as it is.
    is_built_in: bool,
    /// What it allows.
    permissions: Vec<String>,
    /// The revision that set it; also the `ETag`. Absent for one that is built in.
    #[serde(skip_serializing_if = "Option::is_none")]
    revision: Option<u64>,
}

/// Every role: those that are built in, then those that the tenant made, by name.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RoleList {
    /// The roles.
    items: Vec<RoleView>,
}

impl From<&CustomRole> for RoleView {
    fn from(role: &CustomRole) -> Self {
        Self {
            name: role.name.clone(),
            is_built_in: false,
            permissions: words(role.permissions),
            revision: Some(role.revision.get()),
        }
    }
}

/// Returns permissions as people write them.
pub(crate) fn words(permissions: Permissions) -> Vec<String> {
    permissions.pairs().map(|(resource, action)| format!("{resource}:{action}")).collect()
}

/// Returns what a role is called.
pub(crate) fn name(view: &View, role: Role) -> String {
    match (role.name(), role) {
        (Some(name), _) => name.to_owned(),
        (None, Role::Custom(id)) => {
            view.role(id).map_or_else(|| id.to_string(), |role| role.name.clone())
        }
        (None, _) => String::new(),
    }
}

/// Answers a role with its revision.
pub(crate) fn tagged(role: &CustomRole) -> Response {
    // One that was made has the revision that made it.
    let is_new = role.id.get() == role.revision.get();
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    media::tagged(status, role.revision.get(), RoleView::from(role))
}

/// Returns the tenant of the caller; the platform makes no roles.
fn home(gate: &Gate) -> Result<TenantId, Problem> {
    let words = "roles are made in tenants; the platform has those that are built in";
    gate.caller().home().ok_or_else(|| Problem::new(Code::BadRequest, words))
}

fn named(view: &View, tenant: TenantId, name: &str) -> Option<Arc<CustomRole>> {
    view.roles_of(tenant).find(|role| role.name == name).cloned()
}

/// Lists the roles.
#[utoipa::path(get, path = "/api/v1/roles", operation_id = "list_roles", tag = "access",
    responses((status = 200, description = "Every role", body = RoleList)))]
pub(crate) async fn list(gate: Gate) -> Result<Json<RoleList>, Problem> {
    gate.control().read_barrier().await?;
    let (view, home) = (gate.view(), gate.caller().home());
    let built_in = if home.is_some() { Role::OF_TENANTS } else { Role::OF_PLATFORM };
    let built_in = built_in.iter().map(|role| RoleView {
        name: role.name().unwrap_or_default().to_owned(),
        is_built_in: true,
        permissions: words(role.permissions()),
        revision: None,
    });
    let own = home.into_iter().flat_map(|home| view.roles_of(home));
    let items = built_in.chain(own.map(|role| RoleView::from(&**role))).collect();
    Ok(Json(RoleList { items }))
}

/// Makes a role, or changes what one allows, at once for everybody who has it.
#[utoipa::path(put, path = "/api/v1/roles/{role}", operation_id = "put_role", tag = "access", request_body = RoleChange,
    params(("role" = String, Path, description = "The role's name"),
        ("If-Match" = Option<String>, Header, description = "The ETag of the role that was read; left out to make one")),
    responses((status = 200, description = "The role as it is now", body = RoleView,
            headers(("ETag" = String, description = "The new revision"))),
        (status = 201, description = "The role, new", body = RoleView,
            headers(("ETag" = String, description = "The revision")))))]
pub(crate) async fn put(
    gate: Gate,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Document,
) -> Result<Response, Problem> {
    let RoleChange { permissions } = body.object(Code::BadRequest)?;
    let permissions = Permissions::parse(permissions.iter().map(String::as_str))
        .map_err(|error| Problem::new(Code::BadRequest, error.to_string()))?;
    let (tenant, caller) = (home(&gate)?, gate.caller());
    caller.covers(permissions)?;
    gate.control().read_barrier().await?;
    let there = named(&gate.view(), tenant, &name);
    let deed = gate.deed().await?;
    let deed = match &there {
        Some(there) => {
            caller.covers(there.permissions)?;
            deed.based_on(based_on(&headers)?)
        }
        None if headers.contains_key(header::IF_MATCH) => return Err(unknown(&name)),
        None => deed,
    };
    let role = there.map(|there| there.id);
    let put = PutRole { tenant, role, name, permissions };
    let Outcome::Role(role) = gate.control().commit(deed, put).await? else {
        return Err(Problem::new(Code::Internal, "the role was not made"));
    };
    Ok(tagged(&role))
}

/// Takes a role away that nobody has.
#[utoipa::path(delete, path = "/api/v1/roles/{role}", operation_id = "delete_role", tag = "access",
    params(("role" = String, Path, description = "The role's name"),
        ("If-Match" = String, Header, description = "The ETag of the role that was read")),
    responses((status = 204, description = "It is gone")))]
pub(crate) async fn delete(
    gate: Gate,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    let tenant = home(&gate)?;
    gate.control().read_barrier().await?;
    let there = named(&gate.view(), tenant, &name).ok_or_else(|| unknown(&name))?;
    gate.caller().covers(there.permissions)?;
    let deed = gate.deed().await?.based_on(based_on(&headers)?);
    gate.control().commit(deed, DeleteRole { tenant, role: there.id }).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn unknown(name: &str) -> Problem {
    let shown: String = name.chars().take(128).collect();
    Problem::new(Code::UnknownRole, format!("the tenant made no role {shown:?}"))
}
