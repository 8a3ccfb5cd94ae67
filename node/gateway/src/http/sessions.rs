//! The way in for people: a password becomes a session, as a cookie for
//! browsers or a token for programs. Every failed attempt is answered alike and
//! takes as long, whoever it names. Owns no rule of passwords.

use axum::Json;
use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use via_catalog::command::{
    BeginSession, CredentialChange, EndSessions, NoteAttempt, SetCredentials, Tried, Which,
};
use via_catalog::{Author, Deed, Digest, Outcome, Session, User};
use via_control::DEFAULT_TENANT;
use via_types::access::{Action, Resource};
use via_types::{Role, SessionId, TenantId};

use crate::access::caller::Proof;
use crate::access::guard::{COOKIE, cookie};
use crate::access::ledger::{Attempt, Refused};
use crate::access::secret::{Secret, hashed};
use crate::access::{origin, password};
use crate::gate::Gate;
use crate::http::edge::RequestId;
use crate::http::media::Document;
use crate::http::view::rfc3339;
use crate::problem::{Code, Problem};

/// The cookie by which a browser that logged in before is known: what others
/// fail at does not make it wait.
const DEVICE: &str = "__Host-via-device";
const DEVICE_SECONDS: u64 = 365 * 86_400;

/// Who wants to log in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewSession {
    /// The tenant's name; when left out, `default`.
    tenant: Option<String>,
    /// Whether it is an operator of the platform, who has no tenant.
    #[serde(default)]
    operator: bool,
    /// By what the user logs in.
    user: String,
    /// The password.
    password: String,
    /// Whether the session is for a browser: its token is then set as a cookie
    /// that no script reads, and not shown.
    #[serde(default)]
    cookie: bool,
}

/// A session that has begun.
#[derive(Serialize, ToSchema)]
pub(crate) struct BegunView {
    /// Names the session.
    id: String,
    /// Send it as `Authorization: Bearer`; shown once, and not with a cookie.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
    /// From when on it is over whatever happens, RFC 3339.
    expires: String,
    /// How long it may be unused, seconds.
    idle_seconds: u64,
}

/// A session, without what it is proved with.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SessionView {
    /// Names the session.
    id: String,
    /// When it began, RFC 3339.
    begun: String,
    /// When it was used last, RFC 3339, to the minute.
    used: String,
    /// From when on it is over whatever happens, RFC 3339.
    expires: String,
    /// Whether it is the one in which this is asked.
    is_this: bool,
}

/// One's own sessions, the oldest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SessionList {
    /// The sessions.
    items: Vec<SessionView>,
}

/// Who asks, and what they may do.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Whoami {
    /// `user`, `key`, or `anybody` where nobody is asked.
    kind: &'static str,
    /// Names the user or the key.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    /// By what the user logs in, or what the key is called.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// The tenant in which they act; absent for an operator who names none.
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<String>,
    /// Whether they are the platform's own.
    is_operator: bool,
    /// What they may do, like `events:read`.
    permissions: Vec<String>,
    /// The only streams that they may touch; absent for all.
    #[serde(skip_serializing_if = "Option::is_none")]
    streams: Option<Vec<String>>,
}

/// A password and the one to replace it with.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewPassword {
    /// The password until now.
    current: String,
    /// 12 to 128 characters of any kind.
    new: String,
}

/// What every failed attempt is answered.
fn refused() -> Problem {
    let words = "the tenant, the user or the password is wrong, or too many attempts failed lately";
    Problem::new(Code::Unauthenticated, words)
}

/// Who is named by an attempt, and from which device.
struct Named {
    tenant: Option<TenantId>,
    user: Option<std::sync::Arc<User>>,
    device: Option<Digest>,
}

impl Named {
    fn by(gate: &Gate, asked: &NewSession, headers: &HeaderMap) -> Self {
        let view = gate.view();
        let name = asked.tenant.as_deref().unwrap_or(DEFAULT_TENANT);
        let tenant = view.tenant_named(name).map(|tenant| tenant.id);
        let user = match (asked.operator, tenant) {
            (true, _) => view.user_named(None, &asked.user),
            (false, Some(_)) => view.user_named(tenant, &asked.user),
            (false, None) => None,
        };
        let device = cookie(headers, DEVICE).map(|text| hashed(text.as_bytes()));
        let tenant = if asked.operator { None } else { tenant };
        Self { tenant, user: user.cloned(), device }
    }

    /// Returns who is let in with this password; the same answer and the same
    /// time for whoever is not.
    async fn proved(self, gate: &Gate, password: String) -> Result<(User, Self), Problem> {
        let now = gate.now();
        // Somebody who must wait, may not log in, or needs what is not asked for
        // here, is as nobody.
        let needs_second = |user: &User| {
            let account = self.tenant.and_then(|tenant| gate.view().account(tenant).cloned());
            let is_asked = account.is_some_and(|account| account.needs_second_factor);
            user.credentials.second.is_some() || (is_asked && user.roles.contains(&Role::Admin))
        };
        let may_try = |user: &&std::sync::Arc<User>| {
            user.is_active && now >= user.may_try_from(self.device) && !needs_second(user)
        };
        let heard = self.user.as_ref().filter(may_try);
        let kept = heard.and_then(|user| user.credentials.password.clone());
        let matches = gate.passwords().matches(password, kept).await?;
        match (heard, matches) {
            (Some(user), true) => Ok((User::clone(user), self)),
            (Some(user), false) => {
                let (tenant, user, device) = (self.tenant, user.id, self.device);
                gate.ledger().failed(Attempt { tenant, user, device, at: now });
                Err(refused())
            }
            (None, _) => {
                let why =
                    if self.user.is_some() { "too early, or not active" } else { "no such user" };
                gate.ledger().refused(Refused::login(self.tenant, why, now));
                Err(refused())
            }
        }
    }
}

/// Logs in.
#[utoipa::path(post, path = "/api/v1/sessions", operation_id = "create_session", tag = "access", request_body = NewSession,
    responses((status = 201, description = "The session, and what it is proved with", body = BegunView)))]
pub(crate) async fn begin(
    gate: Gate,
    id: RequestId,
    headers: HeaderMap,
    body: Document,
) -> Result<Response, Problem> {
    let mut asked: NewSession = body.object(Code::BadRequest)?;
    if asked.cookie && headers.contains_key(header::ORIGIN) && !origin::is_of_own_page(&headers) {
        let words = "a cookie is set only for a page of this node";
        return Err(Problem::new(Code::Forbidden, words));
    }
    if !gate.ledger().has_room() {
        return Err(Problem::new(Code::Overloaded, "too many attempts to log in are failing"));
    }
    let password = std::mem::take(&mut asked.password);
    let named = Named::by(&gate, &asked, &headers);
    let (user, Named { tenant, device, .. }) = named.proved(&gate, password).await?;
    let secret = Secret::draw("session", "live")?;
    let drawn =
        if asked.cookie && device.is_none() { Some(Secret::draw("device", "live")?) } else { None };
    let device = drawn.as_ref().map_or(device, |drawn| Some(drawn.digest()));
    let now = gate.now();
    let author = Author::User { user: user.id, home: tenant, session: None, grant: None };
    let address = gate.caller().address.to_string();
    let deed = Deed {
        request: id.as_str().chars().take(via_types::limit::REQUEST_ID_BYTES).collect(),
        personal: Some(gate.control().seal(&user.id.to_string(), &address).await?),
        ..Deed::new(author, now)
    };
    let passed = NoteAttempt { tenant, user: user.id, device, result: Tried::Passed };
    gate.control().commit(deed.clone(), passed).await?;
    let access = &gate.options().access;
    let begin = BeginSession {
        tenant,
        user: user.id,
        token: secret.digest(),
        idle_seconds: access.session_idle.as_secs(),
        expires: now.saturating_add(access.session_lifetime),
        has_second_factor: false,
    };
    let Outcome::Session(session) = gate.control().commit(deed, begin).await? else {
        return Err(Problem::new(Code::Internal, "the session did not begin"));
    };
    Ok(begun(&session, &secret, (asked.cookie, drawn.as_ref()), access.session_lifetime.as_secs()))
}

fn begun(
    session: &Session,
    secret: &Secret,
    (is_cookie, device): (bool, Option<&Secret>),
    seconds: u64,
) -> Response {
    let view = BegunView {
        id: session.id.to_string(),
        token: (!is_cookie).then(|| secret.show().to_owned()),
        expires: rfc3339(session.expires),
        idle_seconds: session.idle_seconds,
    };
    let mut response = (StatusCode::CREATED, Json(view)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let own = is_cookie.then_some((COOKIE, secret, seconds));
    let device = device.map(|device| (DEVICE, device, DEVICE_SECONDS));
    for (name, secret, seconds) in own.into_iter().chain(device) {
        let text = format!(
            "{name}={}; Path=/; Max-Age={seconds}; HttpOnly; Secure; SameSite=Lax",
            secret.show()
        );
        if let Ok(value) = HeaderValue::from_str(&text) {
            headers.append(header::SET_COOKIE, value);
        }
    }
    response
}

/// Lists one's own sessions.
#[utoipa::path(get, path = "/api/v1/sessions", operation_id = "list_sessions", tag = "access",
    responses((status = 200, description = "Every own session", body = SessionList)))]
pub(crate) async fn list(gate: Gate) -> Json<SessionList> {
    let Author::User { user, session: own, .. } = gate.caller().author else {
        return Json(SessionList { items: Vec::new() });
    };
    let (view, now) = (gate.view(), gate.now());
    let items = view.sessions_of(user).filter(|session| !session.is_over(now));
    let items = items.map(|session| SessionView {
        id: session.id.to_string(),
        begun: rfc3339(session.begun),
        used: rfc3339(session.used),
        expires: rfc3339(session.expires),
        is_this: Some(session.id) == own,
    });
    Json(SessionList { items: items.collect() })
}

/// Ends a session at once, on every node: one's own, or, with `users:delete`,
/// another user's.
#[utoipa::path(delete, path = "/api/v1/sessions/{session}", operation_id = "delete_session", tag = "access",
    params(("session" = String, Path, description = "The session's id")),
    responses((status = 204, description = "It is over")))]
pub(crate) async fn end(gate: Gate, Path(id): Path<String>) -> Result<StatusCode, Problem> {
    let caller = gate.caller();
    let unknown = || {
        let shown: String = id.chars().take(64).collect();
        Problem::new(Code::UnknownSession, format!("there is no session {shown:?}"))
    };
    let number: SessionId = id.parse().map_err(|_| unknown())?;
    let session = gate.view().session(number).cloned();
    // One of another tenant is as absent as one of nobody.
    let session = session.filter(|it| it.tenant == caller.home()).ok_or_else(unknown)?;
    let is_own = matches!(caller.author, Author::User { user, .. } if user == session.user);
    if !is_own && !caller.may_at_home(Resource::Users, Action::Delete) {
        return Err(unknown());
    }
    let end =
        EndSessions { tenant: session.tenant, user: session.user, which: Which::One(session.id) };
    gate.control().commit(gate.deed().await?, end).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Says who asks, and what they may do.
#[utoipa::path(get, path = "/api/v1/whoami", operation_id = "get_whoami", tag = "access",
    responses((status = 200, description = "Who asks", body = Whoami)))]
pub(crate) async fn whoami(gate: Gate) -> Json<Whoami> {
    let (view, caller) = (gate.view(), gate.caller());
    let (kind, id, name) = match caller.author {
        Author::User { user, .. } => {
            let name = view.user(user).map(|user| user.login.clone());
            ("user", Some(user.to_string()), name)
        }
        Author::ApiKey { key, .. } => {
            let name = view.api_key(key).map(|key| key.name.clone());
            ("key", Some(key.to_string()), name)
        }
        Author::Node(_) | Author::Unknown | Author::Console(_) => ("anybody", None, None),
    };
    let tenant = caller.tenant.and_then(|tenant| view.tenant(tenant));
    let allowed = caller.principal().map(|principal| principal.permissions).unwrap_or_default();
    let streams = caller.principal().and_then(|principal| principal.streams.as_ref());
    let names = |all: &std::collections::BTreeSet<via_types::StreamId>| {
        all.iter().map(|stream| gate.stream_name(&view, *stream)).collect()
    };
    Json(Whoami {
        kind,
        id,
        name,
        tenant: tenant.map(|tenant| tenant.name.clone()),
        is_operator: caller.home().is_none() || caller.proof == Proof::Nothing,
        permissions: allowed.pairs().map(|(on, what)| format!("{on}:{what}")).collect(),
        streams: streams.map(names),
    })
}

/// Changes one's own password; every other session of the user ends.
#[utoipa::path(put, path = "/api/v1/whoami/password", operation_id = "put_own_password", tag = "access", request_body = NewPassword,
    responses((status = 204, description = "It is changed")))]
pub(crate) async fn change_password(gate: Gate, body: Document) -> Result<StatusCode, Problem> {
    let NewPassword { current, new } = body.object(Code::BadRequest)?;
    let Author::User { user, home, session, .. } = gate.caller().author else {
        return Err(Problem::new(Code::Forbidden, "only users have passwords"));
    };
    let there = gate.view().user(user).cloned().ok_or_else(refused)?;
    password::check(&new, &there.login)?;
    let now = gate.now();
    if now < there.may_try_from(None) {
        return Err(refused());
    }
    if !gate.passwords().matches(current, there.credentials.password.clone()).await? {
        // Whoever holds a stolen session guesses no faster than a stranger.
        gate.ledger().failed(Attempt { tenant: home, user, device: None, at: now });
        return Err(Problem::new(Code::Forbidden, "the password until now is another one"));
    }
    let kept = gate.passwords().hash(new).await?;
    let change = CredentialChange::Password(Some(kept));
    let deed = gate.deed().await?;
    gate.control().commit(deed, SetCredentials { tenant: home, user, change }).await?;
    tracing::info!(%user, ?session, "a password was changed");
    Ok(StatusCode::NO_CONTENT)
}
