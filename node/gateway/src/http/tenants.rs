//! Tenants, for the platform's operators: made with a first administrator,
//! listed, and changed in what they may use and whether they are served. A
//! tenant's own people see their own, and change nothing of it.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query};
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use via_catalog::command::{CreateTenant, CreateUser, PutAccount};
use via_catalog::{
    Account, Credentials, Deed, Outcome, PlanId, Quotas, Standing, Tenant, Thing, User, View, name,
};
use via_types::{Revision, Role};

use crate::access::secret;
use crate::gate::Gate;
use crate::http::media::{self, Document};
use crate::http::page::Listing;
use crate::http::plans::QuotasDocument;
use crate::http::streams::based_on;
use crate::http::users;
use crate::http::view::rfc3339;
use crate::problem::{Code, Problem};

/// Whether a tenant is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum StatusWord {
    /// It is.
    Active,
    /// It may look and change nothing.
    Suspended,
    /// It is leaving: its audit log and its reports are left to look at.
    Closing,
}

impl From<Standing> for StatusWord {
    fn from(standing: Standing) -> Self {
        match standing {
            Standing::Active => Self::Active,
            Standing::Suspended => Self::Suspended,
            Standing::Closing => Self::Closing,
        }
    }
}

impl From<StatusWord> for Standing {
    fn from(word: StatusWord) -> Self {
        match word {
            StatusWord::Active => Self::Active,
            StatusWord::Suspended => Self::Suspended,
            StatusWord::Closing => Self::Closing,
        }
    }
}

/// Asks for a tenant.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewTenant {
    /// Its name, unique: 1 to 128 characters of `[A-Za-z0-9._-]`.
    name: String,
    /// By what its first administrator logs in.
    administrator: String,
    /// Its plan, by name.
    plan: String,
    /// What it has different from the plan.
    #[serde(default)]
    quotas: QuotasDocument,
    /// The only region in which its data may lie; fixed once it is set.
    region: Option<String>,
    /// Whether its administrators need a second factor.
    #[serde(default)]
    needs_second_factor: bool,
}

/// What a tenant is to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TenantChange {
    /// Whether it is served.
    status: StatusWord,
    /// Its plan, by name.
    plan: String,
    /// All that it has different from the plan.
    #[serde(default)]
    quotas: QuotasDocument,
    /// The only region in which its data may lie; fixed once it is set.
    region: Option<String>,
    /// Whether its administrators need a second factor.
    #[serde(default)]
    needs_second_factor: bool,
}

/// The first who may administer a tenant.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AdministratorView {
    /// Names the user.
    id: String,
    /// By what they log in.
    login: String,
    /// The password that was drawn; shown once.
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<String>,
}

/// A tenant.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TenantView {
    /// Its name.
    name: String,
    /// As records name it.
    id: String,
    /// Whether it is served.
    status: StatusWord,
    /// Its plan; absent for one that nobody put on a plan, which nothing bounds.
    #[serde(skip_serializing_if = "Option::is_none")]
    plan: Option<String>,
    /// What it may use of each thing: what it has of its own, and of its plan.
    quotas: QuotasDocument,
    /// What of that it has different from its plan.
    own_quotas: QuotasDocument,
    /// The only region in which its data may lie; absent for any.
    #[serde(skip_serializing_if = "Option::is_none")]
    region: Option<String>,
    /// Whether its administrators need a second factor.
    needs_second_factor: bool,
    /// When it was made, RFC 3339.
    created: String,
    /// When it was changed last, RFC 3339; absent for never.
    #[serde(skip_serializing_if = "Option::is_none")]
    changed: Option<String>,
    /// The revision of what it may use, 0 for one that nobody put on a plan; also
    /// the `ETag`.
    revision: u64,
    /// Who may administer it, in the answer that makes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    administrator: Option<AdministratorView>,
}

/// A page of tenants, the oldest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TenantList {
    /// The tenants.
    items: Vec<TenantView>,
    /// Send it as `cursor` for the next page; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// Which tenants are wanted; every part that is given must hold.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(crate) struct Wanted {
    /// Of this status: active, suspended, closing.
    status: Option<StatusWord>,
    /// On this plan, by name.
    plan: Option<String>,
    /// At most so many, 1 to 1,000; default 100.
    limit: Option<usize>,
    /// Where the page before ended; with the same filter.
    cursor: Option<String>,
}

impl TenantView {
    fn of(view: &View, tenant: &Tenant, account: Option<&Account>) -> Self {
        let plan = account.and_then(|account| view.plan(account.plan));
        let own = account.map(|account| account.quotas).unwrap_or_default();
        let below = plan.as_ref().map(|plan| plan.quotas).unwrap_or_default();
        Self {
            name: tenant.name.clone(),
            id: tenant.id.to_string(),
            status: account.map_or(Standing::Active, |account| account.standing).into(),
            plan: plan.map(|plan| plan.name),
            quotas: own.over(below).into(),
            own_quotas: own.into(),
            region: account.and_then(|account| account.region.clone()),
            needs_second_factor: account.is_some_and(|account| account.needs_second_factor),
            created: rfc3339(tenant.created),
            changed: account.map(|account| rfc3339(account.changed)),
            revision: account.map_or(0, |account| account.revision.get()),
            administrator: None,
        }
    }
}

fn tagged(status: StatusCode, view: TenantView) -> Response {
    media::unstored(media::tagged(status, view.revision, view))
}

/// Answers a tenant with an account as it was put, for whom nothing is there
/// that is not.
pub(crate) fn changed(gate: &Gate, account: &Account) -> Result<Response, Problem> {
    let view = gate.view();
    let tenant = view.tenant(account.tenant);
    let tenant = tenant.ok_or_else(|| Problem::new(Code::Internal, "a tenant is gone"))?;
    Ok(tagged(StatusCode::OK, TenantView::of(&view, tenant, Some(account))))
}

/// Answers a tenant that was made, with its administrator.
pub(crate) fn made(
    gate: &Gate,
    user: &User,
    password: Option<String>,
) -> Result<Response, Problem> {
    let view = gate.view();
    let tenant = user.tenant.and_then(|tenant| view.tenant(tenant));
    let tenant = tenant.ok_or_else(|| Problem::new(Code::Internal, "a tenant is gone"))?;
    let account = view.account(tenant.id).map(Arc::as_ref);
    let (id, login) = (user.id.to_string(), user.login.clone());
    let administrator = Some(AdministratorView { id, login, password });
    let shown = TenantView { administrator, ..TenantView::of(&view, tenant, account) };
    Ok(tagged(StatusCode::CREATED, shown))
}

/// Returns a tenant by its name.
///
/// # Errors
/// [`Code::UnknownTenant`].
pub(crate) fn named(gate: &Gate, name: &str) -> Result<Arc<Tenant>, Problem> {
    gate.view().tenant_named(name).cloned().ok_or_else(|| {
        let shown: String = name.chars().take(128).collect();
        Problem::new(Code::UnknownTenant, format!("there is no tenant {shown:?}"))
    })
}

fn plan(gate: &Gate, name: &str) -> Result<PlanId, Problem> {
    let plan = gate.view().plans().into_iter().find(|plan| plan.name == name);
    plan.map(|plan| plan.id).ok_or_else(|| {
        let shown: String = name.chars().take(128).collect();
        Problem::new(Code::BadRequest, format!("plan: there is no plan {shown:?}"))
    })
}

/// Lists the tenants.
#[utoipa::path(get, path = "/api/v1/tenants", operation_id = "list_tenants", tag = "tenants", params(Wanted),
    responses((status = 200, description = "A page of tenants", body = TenantList)))]
pub(crate) async fn list(
    gate: Gate,
    Query(Wanted { status, plan: on, limit, cursor }): Query<Wanted>,
) -> Result<Json<TenantList>, Problem> {
    let filter = format!("tenants {status:?} {on:?}");
    let listing = Listing::read(&filter, limit, cursor.as_deref())?;
    let on = on.as_deref().map(|name| plan(&gate, name)).transpose()?;
    gate.control().read_barrier().await?;
    let view = gate.view();
    let is_wanted = |tenant: &&Arc<Tenant>| {
        let account = view.account(tenant.id);
        let is_on = on.is_none_or(|plan| account.is_some_and(|account| account.plan == plan));
        let standing = account.map_or(Standing::Active, |account| account.standing);
        is_on && status.is_none_or(|status| status == StatusWord::from(standing))
    };
    let id = |tenant: &Tenant| u64::from(tenant.id.get());
    let rest = view.tenants().filter(|tenant| id(tenant) > listing.after).filter(is_wanted);
    let (page, next) = listing.page(rest, |tenant| id(tenant));
    let shown = |tenant: &Arc<Tenant>| {
        TenantView::of(&view, tenant, view.account(tenant.id).map(Arc::as_ref))
    };
    Ok(Json(TenantList { items: page.into_iter().map(shown).collect(), next }))
}

/// Makes a tenant, with who may administer it. Asked again after it was cut
/// short, it goes on with a tenant that has nothing and nobody in it yet.
#[utoipa::path(post, path = "/api/v1/tenants", operation_id = "create_tenant", tag = "tenants", request_body = NewTenant,
    responses((status = 201, description = "The tenant, and its administrator's password, shown this once", body = TenantView,
        headers(("ETag" = String, description = "The revision")))))]
pub(crate) async fn create(gate: Gate, body: Document) -> Result<Response, Problem> {
    let asked: NewTenant = body.object(Code::BadRequest)?;
    let plan = plan(&gate, &asked.plan)?;
    let refused = |refusal| Problem::from(via_control::Error::Refused(refusal));
    asked.region.iter().try_for_each(|it| name::check(Thing::Region, it)).map_err(refused)?;
    let password = secret::drawn::<{ users::DRAWN }>()?;
    let kept = Some(gate.passwords().hash(password.clone()).await?);
    // The last of three steps is the one whose repetition is recognised.
    let last = gate.deed().await?;
    let step = || Deed { idempotency: None, ..last.clone() };
    let (name, at) = (asked.name, last.at);
    let outcome = gate.control().commit(step(), CreateTenant { name, at }).await?;
    let Outcome::Tenant { tenant, existed } = outcome else {
        return Err(Problem::new(Code::Internal, "the tenant was not made"));
    };
    if existed && !is_bare(&gate.view(), &tenant) {
        let words = format!("tenant {:?} is there", tenant.name);
        return Err(Problem::new(Code::TenantExists, words));
    }
    let (there, tenant) = (gate.view().account(tenant.id).cloned(), tenant.id);
    let put = PutAccount {
        tenant,
        plan,
        quotas: asked.quotas.into(),
        region: asked.region,
        standing: Standing::Active,
        needs_second_factor: asked.needs_second_factor,
    };
    let revision = there.map_or(Revision::new(0), |there| there.revision);
    gate.control().commit(step().based_on(revision), put).await?;
    let create = CreateUser {
        tenant: Some(tenant),
        login: asked.administrator,
        roles: vec![Role::Admin],
        identities: Vec::new(),
        credentials: Credentials { password: kept.clone(), ..Credentials::default() },
    };
    let Outcome::User(user) = gate.control().commit(last, create).await? else {
        return Err(Problem::new(Code::Internal, "the administrator was not made"));
    };
    let password = Some(password).filter(|_| user.credentials.password == kept);
    made(&gate, &user, password)
}

/// Says whether nothing and nobody is in a tenant.
fn is_bare(view: &View, tenant: &Tenant) -> bool {
    let whose = Some(tenant.id);
    let is_empty =
        view.users_of(whose).next().is_none() && view.api_keys_of(whose).next().is_none();
    is_empty && view.streams_of(tenant.id).next().is_none()
}

/// Shows a tenant.
#[utoipa::path(get, path = "/api/v1/tenants/{tenant}", operation_id = "get_tenant", tag = "tenants",
    params(("tenant" = String, Path, description = "The tenant's name")),
    responses((status = 200, description = "The tenant", body = TenantView,
        headers(("ETag" = String, description = "The revision")))))]
pub(crate) async fn show(gate: Gate, Path(name): Path<String>) -> Result<Response, Problem> {
    gate.control().read_barrier().await?;
    let (tenant, view) = (named(&gate, &name)?, gate.view());
    let account = view.account(tenant.id).map(Arc::as_ref);
    Ok(tagged(StatusCode::OK, TenantView::of(&view, &tenant, account)))
}

/// Changes what a tenant may use, and whether it is served; at once, on every
/// node.
#[utoipa::path(put, path = "/api/v1/tenants/{tenant}", operation_id = "put_tenant", tag = "tenants", request_body = TenantChange,
    params(("tenant" = String, Path, description = "The tenant's name"),
        ("If-Match" = String, Header, description = "The ETag of the tenant that was read")),
    responses((status = 200, description = "The tenant as it is now", body = TenantView,
        headers(("ETag" = String, description = "The new revision")))))]
pub(crate) async fn change(
    gate: Gate,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Document,
) -> Result<Response, Problem> {
    let asked: TenantChange = body.object(Code::BadRequest)?;
    let tenant = named(&gate, &name)?.id;
    let put = PutAccount {
        tenant,
        plan: plan(&gate, &asked.plan)?,
        quotas: Quotas::from(asked.quotas),
        region: asked.region,
        standing: asked.status.into(),
        needs_second_factor: asked.needs_second_factor,
    };
    let deed = gate.deed().await?.based_on(based_on(&headers)?);
    let Outcome::Account(account) = gate.control().commit(deed, put).await? else {
        return Err(Problem::new(Code::Internal, "the tenant was not changed"));
    };
    changed(&gate, &account)
}

/// Shows one's own tenant: its plan, what it may use, whether it is served.
#[utoipa::path(get, path = "/api/v1/tenant", operation_id = "get_own_tenant", tag = "tenants",
    responses((status = 200, description = "The tenant", body = TenantView,
        headers(("ETag" = String, description = "The revision")))))]
pub(crate) async fn own(gate: Gate) -> Result<Response, Problem> {
    gate.control().read_barrier().await?;
    let view = gate.view();
    let tenant = gate.caller().home().and_then(|home| view.tenant(home));
    let words = "operators are of no tenant; GET /api/v1/tenants/{tenant} shows one by its name";
    let tenant = tenant.ok_or_else(|| Problem::new(Code::UnknownTenant, words))?;
    let account = view.account(tenant.id).map(Arc::as_ref);
    Ok(tagged(StatusCode::OK, TenantView::of(&view, tenant, account)))
}
