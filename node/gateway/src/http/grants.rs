//! How an operator comes to see what is in a tenant: by a grant, for a reason
//! and for a while. The tenant sees it, in its list and in its audit log, and
//! may shut it; so may operators.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use via_catalog::command::{CloseGrant, OpenGrant};
use via_catalog::{Author, Deed, Grant, Outcome};
use via_types::{GrantId, TenantId, limit};

use crate::gate::Gate;
use crate::http::media::Document;
use crate::http::tenants::named;
use crate::http::view::rfc3339;
use crate::problem::{Code, Problem};

/// Asks for a way into a tenant, for whoever asks.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewGrant {
    /// Why: 1 to 512 bytes. The tenant reads it.
    reason: String,
    /// For how long, seconds: 1 to 28,800.
    #[schema(minimum = 1, maximum = 28_800)]
    seconds: u64,
}

/// An operator's way into a tenant.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct GrantView {
    /// Names the grant.
    id: String,
    /// Into which tenant.
    tenant: String,
    /// Which operator, as records name them.
    operator: String,
    /// By what they log in; for operators only.
    #[serde(skip_serializing_if = "Option::is_none")]
    login: Option<String>,
    /// Why.
    reason: String,
    /// When it was opened, RFC 3339.
    opened: String,
    /// From when on it is shut, RFC 3339.
    expires: String,
    /// Whether it is open now.
    is_open: bool,
}

/// The grants that are kept, the oldest first; those that are over go when
/// another is opened.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct GrantList {
    /// The grants.
    items: Vec<GrantView>,
}

impl GrantView {
    fn of(gate: &Gate, grant: &Grant) -> Self {
        let (view, is_operator) = (gate.view(), gate.caller().home().is_none());
        let login = view.user(grant.operator).filter(|_| is_operator);
        let tenant = view.tenant(grant.tenant);
        Self {
            id: grant.id.to_string(),
            tenant: tenant.map_or_else(|| grant.tenant.to_string(), |it| it.name.clone()),
            operator: grant.operator.to_string(),
            login: login.map(|user| user.login.clone()),
            reason: grant.reason.clone(),
            opened: rfc3339(grant.opened),
            expires: rfc3339(grant.expires),
            is_open: gate.now() < grant.expires,
        }
    }
}

/// Answers a grant that was opened.
pub(crate) fn opened(gate: &Gate, grant: &Grant) -> Response {
    (StatusCode::CREATED, Json(GrantView::of(gate, grant))).into_response()
}

async fn listed(gate: &Gate, tenant: Option<TenantId>) -> Result<Json<GrantList>, Problem> {
    gate.control().read_barrier().await?;
    let view = gate.view();
    let mut grants: Vec<&Arc<Grant>> =
        view.grants().filter(|grant| tenant.is_none_or(|tenant| grant.tenant == tenant)).collect();
    grants.sort_by_key(|grant| grant.id);
    let items = grants.into_iter().map(|grant| GrantView::of(gate, grant)).collect();
    Ok(Json(GrantList { items }))
}

async fn shut(gate: &Gate, tenant: TenantId, id: &str) -> Result<StatusCode, Problem> {
    let view = gate.view();
    let number = id.parse::<GrantId>().ok();
    let there = view.grants().find(|it| it.tenant == tenant && Some(it.id) == number);
    let there = there.ok_or_else(|| {
        let shown: String = id.chars().take(64).collect();
        Problem::new(Code::UnknownGrant, format!("there is no grant {shown:?}"))
    })?;
    let close = CloseGrant { tenant, grant: there.id };
    gate.control().commit(gate.deed().await?, close).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Lists the ways that operators have into one's own tenant; for operators, into
/// any.
#[utoipa::path(get, path = "/api/v1/grants", operation_id = "list_grants", tag = "access",
    responses((status = 200, description = "Every grant that is kept", body = GrantList)))]
pub(crate) async fn own(gate: Gate) -> Result<Json<GrantList>, Problem> {
    listed(&gate, gate.caller().home()).await
}

/// Shuts an operator's way into one's own tenant: what they follow ends, and they
/// read no more.
#[utoipa::path(delete, path = "/api/v1/grants/{grant}", operation_id = "delete_grant", tag = "access",
    params(("grant" = String, Path, description = "The grant's id")),
    responses((status = 204, description = "It is shut")))]
pub(crate) async fn revoke(gate: Gate, Path(id): Path<String>) -> Result<StatusCode, Problem> {
    gate.control().read_barrier().await?;
    let words = "operators shut a grant under its tenant";
    let home = gate.caller().home().ok_or_else(|| Problem::new(Code::UnknownGrant, words))?;
    shut(&gate, home, &id).await
}

/// Lists the ways that operators have into a tenant.
#[utoipa::path(get, path = "/api/v1/tenants/{tenant}/grants", operation_id = "list_tenant_grants", tag = "tenants",
    params(("tenant" = String, Path, description = "The tenant's name")),
    responses((status = 200, description = "Every grant that is kept", body = GrantList)))]
pub(crate) async fn list(gate: Gate, Path(name): Path<String>) -> Result<Json<GrantList>, Problem> {
    gate.control().read_barrier().await?;
    let tenant = named(&gate, &name)?.id;
    listed(&gate, Some(tenant)).await
}

/// Opens a tenant to the operator who asks. They say `X-Via-Tenant` then; each
/// read is in the tenant's audit log, under the grant.
#[utoipa::path(post, path = "/api/v1/tenants/{tenant}/grants", operation_id = "open_grant", tag = "tenants", request_body = NewGrant,
    params(("tenant" = String, Path, description = "The tenant's name")),
    responses((status = 201, description = "The grant", body = GrantView)))]
pub(crate) async fn open(
    gate: Gate,
    Path(name): Path<String>,
    body: Document,
) -> Result<Response, Problem> {
    let NewGrant { reason, seconds } = body.object(Code::BadRequest)?;
    if reason.trim().is_empty() {
        return Err(Problem::new(Code::BadRequest, "reason: say why"));
    }
    if !(1..=limit::GRANT_SECS).contains(&seconds) {
        let words = format!("seconds: must be 1 to {}", limit::GRANT_SECS);
        return Err(Problem::new(Code::BadRequest, words));
    }
    let deed = Deed { reason, ..gate.deed().await? };
    let Author::User { user: operator, .. } = deed.by else {
        return Err(Problem::new(Code::BadRequest, "a grant is a person's: log in to open one"));
    };
    gate.control().read_barrier().await?;
    let tenant = named(&gate, &name)?.id;
    let expires = deed.at.saturating_add(Duration::from_secs(seconds));
    let open = OpenGrant { tenant, operator, expires };
    let Outcome::Grant(grant) = gate.control().commit(deed, open).await? else {
        return Err(Problem::new(Code::Internal, "the grant was not opened"));
    };
    Ok(opened(&gate, &grant))
}

/// Shuts an operator's way into a tenant.
#[utoipa::path(delete, path = "/api/v1/tenants/{tenant}/grants/{grant}", operation_id = "delete_tenant_grant", tag = "tenants",
    params(("tenant" = String, Path, description = "The tenant's name"),
        ("grant" = String, Path, description = "The grant's id")),
    responses((status = 204, description = "It is shut")))]
pub(crate) async fn close(
    gate: Gate,
    Path((name, id)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    gate.control().read_barrier().await?;
    let tenant = named(&gate, &name)?.id;
    shut(&gate, tenant, &id).await
}
