//! Users: who logs in, with which roles. Whoever makes or changes one gives no
//! role that allows more than they may do themselves.

use std::sync::Arc;

use axum::Json;
use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, header};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use via_catalog::command::{CreateUser, CredentialChange, DeleteUser, PutUser, SetCredentials};
use via_catalog::{Credentials, Outcome, User};
use via_types::{Permissions, Role, UserId};

use crate::access::{password, secret};
use crate::gate::Gate;
use crate::http::media::{self, Document};
use crate::http::roles;
use crate::http::streams::based_on;
use crate::http::view::rfc3339;
use crate::problem::{Code, Problem};

/// Digits of a password that is drawn: 142 bits.
pub(crate) const DRAWN: usize = 24;

/// Asks for a user.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewUser {
    /// By what they log in, unique within the tenant; mostly an e-mail address.
    login: String,
    /// What they may do: names of roles.
    roles: Vec<String>,
    /// 12 to 128 characters; when left out, one is drawn, and shown once.
    password: Option<String>,
}

/// What a user is to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UserChange {
    /// What they may do: names of roles.
    roles: Vec<String>,
    /// Whether they may log in.
    is_active: bool,
}

/// A user, without what they prove themselves with.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UserView {
    /// Names the user.
    id: String,
    /// By what they log in.
    login: String,
    /// What they may do: names of roles.
    roles: Vec<String>,
    /// Whether they may log in.
    is_active: bool,
    /// When they logged in last, RFC 3339; absent for never.
    #[serde(skip_serializing_if = "Option::is_none")]
    seen: Option<String>,
    /// When they were made, RFC 3339.
    created: String,
    /// The revision that made or changed them; also the `ETag`.
    revision: u64,
    /// The password that was drawn; shown once.
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<String>,
}

/// Every user, by login.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UserList {
    /// The users.
    items: Vec<UserView>,
}

/// A password that was drawn.
#[derive(Serialize, ToSchema)]
pub(crate) struct DrawnPassword {
    /// The password; shown once, and absent when the request is repeated.
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<String>,
}

impl UserView {
    fn of(gate: &Gate, user: &User) -> Self {
        let view = gate.view();
        Self {
            id: user.id.to_string(),
            login: user.login.clone(),
            roles: user.roles.iter().map(|role| roles::name(&view, *role)).collect(),
            is_active: user.is_active,
            seen: user.seen.map(rfc3339),
            created: rfc3339(user.created),
            revision: user.revision.get(),
            password: None,
        }
    }
}

/// Answers a user with their revision, and with a password that was just drawn.
pub(crate) fn tagged(
    status: StatusCode,
    gate: &Gate,
    user: &User,
    drawn: Option<String>,
) -> Response {
    let view = UserView { password: drawn, ..UserView::of(gate, user) };
    media::unstored(media::tagged(status, view.revision, view))
}

/// Returns a user where the caller belongs; another's is as absent as none.
fn own(gate: &Gate, id: &str) -> Result<Arc<User>, Problem> {
    let view = gate.view();
    let user = id.parse::<UserId>().ok().and_then(|id| view.user(id));
    user.filter(|user| user.tenant == gate.caller().home()).cloned().ok_or_else(|| {
        let shown: String = id.chars().take(64).collect();
        Problem::new(Code::UnknownUser, format!("there is no user {shown:?}"))
    })
}

/// Reads names of roles, none of which allows more than the caller may do.
fn given(gate: &Gate, names: &[String]) -> Result<Vec<Role>, Problem> {
    let home = gate.caller().home();
    let view = gate.view();
    let built_in = if home.is_some() { Role::OF_TENANTS } else { Role::OF_PLATFORM };
    let mut found = Vec::new();
    for name in names {
        let known = built_in.iter().find(|role| role.name() == Some(name));
        let custom = home.and_then(|home| view.roles_of(home).find(|role| role.name == *name));
        let (role, allowed) = match (known, custom) {
            (Some(role), _) => (*role, role.permissions()),
            (None, Some(role)) => (Role::Custom(role.id), role.permissions),
            (None, None) => {
                let shown: String = name.chars().take(128).collect();
                return Err(Problem::new(Code::BadRequest, format!("there is no role {shown:?}")));
            }
        };
        gate.caller().covers(allowed)?;
        found.push(role);
    }
    Ok(found)
}

/// Refuses to change somebody who may do more than the caller.
fn is_not_above(gate: &Gate, user: &User) -> Result<(), Problem> {
    let view = gate.view();
    let allowed = user.roles.iter().map(|role| {
        let Role::Custom(id) = role else { return role.permissions() };
        view.role(*id).map_or(Permissions::NONE, |role| role.permissions)
    });
    gate.caller().covers(allowed.fold(Permissions::NONE, Permissions::union))
}

/// Lists the users of the tenant; for an operator, the operators.
#[utoipa::path(get, path = "/api/v1/users", operation_id = "list_users", tag = "access",
    responses((status = 200, description = "Every user", body = UserList)))]
pub(crate) async fn list(gate: Gate) -> Result<Json<UserList>, Problem> {
    gate.control().read_barrier().await?;
    let view = gate.view();
    let items = view.users_of(gate.caller().home()).map(|user| UserView::of(&gate, user));
    Ok(Json(UserList { items: items.collect() }))
}

/// Makes a user.
#[utoipa::path(post, path = "/api/v1/users", operation_id = "create_user", tag = "access", request_body = NewUser,
    responses((status = 201, description = "The user", body = UserView,
        headers(("ETag" = String, description = "The revision")))))]
pub(crate) async fn create(gate: Gate, body: Document) -> Result<Response, Problem> {
    let NewUser { login, roles: names, password } = body.object(Code::BadRequest)?;
    let roles = given(&gate, &names)?;
    let drawn = if password.is_none() { Some(secret::drawn::<DRAWN>()?) } else { None };
    let password = password.or_else(|| drawn.clone()).unwrap_or_default();
    password::check(&password, &login)?;
    let kept = Some(gate.passwords().hash(password).await?);
    let credentials = Credentials { password: kept.clone(), ..Credentials::default() };
    let tenant = gate.caller().home();
    let create = CreateUser { tenant, login, roles, identities: Vec::new(), credentials };
    let Outcome::User(user) = gate.control().commit(gate.deed().await?, create).await? else {
        return Err(Problem::new(Code::Internal, "the user was not made"));
    };
    // A repeated request has the user of the first, whose password was shown then.
    let drawn = drawn.filter(|_| user.credentials.password == kept);
    Ok(tagged(StatusCode::CREATED, &gate, &user, drawn))
}

/// Shows a user.
#[utoipa::path(get, path = "/api/v1/users/{user}", operation_id = "get_user", tag = "access",
    params(("user" = String, Path, description = "The user's id")),
    responses((status = 200, description = "The user", body = UserView,
        headers(("ETag" = String, description = "The revision")))))]
pub(crate) async fn show(gate: Gate, Path(id): Path<String>) -> Result<Response, Problem> {
    gate.control().read_barrier().await?;
    Ok(tagged(StatusCode::OK, &gate, &*own(&gate, &id)?, None))
}

/// Changes what a user may do, or whether they may log in; the last
/// administrator stays one.
#[utoipa::path(put, path = "/api/v1/users/{user}", operation_id = "put_user", tag = "access", request_body = UserChange,
    params(("user" = String, Path, description = "The user's id"),
        ("If-Match" = String, Header, description = "The ETag of the user that was read")),
    responses((status = 200, description = "The user as they are now", body = UserView,
        headers(("ETag" = String, description = "The new revision")))))]
pub(crate) async fn change(
    gate: Gate,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Document,
) -> Result<Response, Problem> {
    let UserChange { roles: names, is_active } = body.object(Code::BadRequest)?;
    let user = own(&gate, &id)?;
    is_not_above(&gate, &user)?;
    let deed = gate.deed().await?.based_on(based_on(&headers)?);
    let (tenant, identities) = (user.tenant, user.identities.clone());
    let roles = given(&gate, &names)?;
    let put = PutUser { tenant, user: user.id, roles, identities, is_active };
    let Outcome::User(user) = gate.control().commit(deed, put).await? else {
        return Err(Problem::new(Code::Internal, "the user was not changed"));
    };
    Ok(tagged(StatusCode::OK, &gate, &user, None))
}

/// Forgets a user and ends their sessions; the last administrator stays.
#[utoipa::path(delete, path = "/api/v1/users/{user}", operation_id = "delete_user", tag = "access",
    params(("user" = String, Path, description = "The user's id"),
        ("If-Match" = String, Header, description = "The ETag of the user that was read")),
    responses((status = 204, description = "Forgotten")))]
pub(crate) async fn delete(
    gate: Gate,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    let user = own(&gate, &id)?;
    is_not_above(&gate, &user)?;
    let deed = gate.deed().await?.based_on(based_on(&headers)?);
    let delete = DeleteUser { tenant: user.tenant, user: user.id };
    gate.control().commit(deed, delete).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Draws a new password for a user who has lost theirs; their sessions end.
#[utoipa::path(post, path = "/api/v1/users/{user}/password", operation_id = "reset_password", tag = "access",
    params(("user" = String, Path, description = "The user's id")),
    responses((status = 200, description = "The password, shown this once", body = DrawnPassword)))]
pub(crate) async fn reset_password(
    gate: Gate,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let user = own(&gate, &id)?;
    is_not_above(&gate, &user)?;
    let password = secret::drawn::<DRAWN>()?;
    let kept = Some(gate.passwords().hash(password.clone()).await?);
    let change = CredentialChange::Password(kept.clone());
    let set = SetCredentials { tenant: user.tenant, user: user.id, change };
    let outcome = gate.control().commit(gate.deed().await?, set).await?;
    let is_new = matches!(outcome, Outcome::User(user) if user.credentials.password == kept);
    Ok(drawn(is_new.then_some(password)))
}

/// Answers a password that was drawn; none was shown before.
pub(crate) fn drawn(password: Option<String>) -> Response {
    let hidden = [(header::CACHE_CONTROL, "no-store")];
    (hidden, Json(DrawnPassword { password })).into_response()
}
