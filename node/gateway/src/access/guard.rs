//! The layer that asks every request who makes it, and lets in who may and has
//! the quota. Denies by default: a route without a rule is not answered. Tokens are taken from
//! headers and nowhere else; `X-Forwarded-*` is not believed.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::body::HttpBody;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use via_catalog::Digest;
use via_types::Timestamp;

use super::caller::{Caller, Proof, unknown};
use super::ledger::Refused;
use super::rule::{self, Rule};
use super::{origin, secret};
use crate::gate::Gate;
use crate::http::edge::RequestId;
use crate::problem::{Code, Problem};
use crate::quota::allowance::Allowance;
use crate::quota::headers;

/// The cookie that a browser's session is in.
pub(crate) const COOKIE: &str = "__Host-via";
/// The header in which an operator names the tenant to act in.
pub(crate) const TENANT: HeaderName = HeaderName::from_static("x-via-tenant");

/// Where a connection comes from; the server says so of each request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) SocketAddr);

/// What was shown, and whether a browser may have added it by itself.
struct Shown {
    secret: Digest,
    is_cookie: bool,
}

/// Wraps every request.
pub(crate) async fn guard(State(gate): State<Gate>, mut request: Request, next: Next) -> Response {
    let Some(path) = path(&request) else {
        // It leads nowhere.
        return next.run(request).await;
    };
    let Some(rule) = rule::of(request.method(), &path) else {
        let words = format!("{} is not answered here", request.method());
        let mut response = Problem::new(Code::MethodNotAllowed, words).into_response();
        if let Ok(allowed) = HeaderValue::from_str(&rule::allowed(&path)) {
            response.headers_mut().insert(header::ALLOW, allowed);
        }
        return response;
    };
    match admit(&gate, &request, rule, &path) {
        Ok(caller) => {
            let spender = spender(&gate, &caller, rule);
            let spent = spender.as_deref().map_or(Ok(()), |of| spend(of, &request, gate.now()));
            let mut response = match spent {
                Ok(()) => {
                    request.extensions_mut().insert(Arc::new(caller));
                    next.run(request).await
                }
                Err(problem) => problem.into_response(),
            };
            if let Some(of) = spender {
                headers::tell(&of, gate.now(), response.headers_mut());
            }
            response
        }
        Err(problem) => problem.into_response(),
    }
}

/// Returns whose quota a request is answered from: its caller's own tenant's,
/// since nobody spends another's. What is the platform's is nobody's.
fn spender(gate: &Gate, caller: &Caller, rule: Rule) -> Option<Arc<Allowance>> {
    match rule {
        Rule::Open | Rule::Platform(..) => None,
        Rule::Anyone | Rule::Home(..) | Rule::Tenant(..) => {
            let home = caller.home()?;
            Some(gate.limiter().of(&gate.view(), home, gate.now()))
        }
    }
}

/// Spends what a request costs before any of it is read.
fn spend(of: &Allowance, request: &Request, now: Timestamp) -> Result<(), Problem> {
    of.request(now)?;
    of.bytes(request.body().size_hint().lower())
}

/// Returns the path that rules know it by: the route's, or a gRPC method's own.
fn path(request: &Request) -> Option<String> {
    let matched = request.extensions().get::<MatchedPath>()?.as_str();
    let is_grpc = matched.starts_with("/via.v1.");
    Some(if is_grpc { request.uri().path() } else { matched }.to_owned())
}

fn admit(gate: &Gate, request: &Request, rule: Rule, path: &str) -> Result<Caller, Problem> {
    let headers = request.headers();
    refuse_secrets_in(request.uri().query().unwrap_or(""))?;
    let peer = request.extensions().get::<Peer>().map(|peer| peer.0.ip());
    let address = peer.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)).to_canonical();
    let id = request.extensions().get::<RequestId>().map_or("", RequestId::as_str);
    let named = |caller: Caller| caller.coming(address, id);
    if rule == Rule::Open {
        return Ok(named(Caller::nobody()));
    }
    if !gate.options().access.required {
        return named(Caller::anybody(gate.options().tenant)).asking(rule);
    }
    let (view, now) = (gate.view(), gate.now());
    let shown = shown(headers)?;
    let known = Caller::known_by(&view, shown.secret, now, address).ok_or_else(|| {
        gate.ledger().refused(Refused::stranger(path, now));
        unknown("the key or the session is not known, or not good any more, or not from there")
    })?;
    let mut caller = named(known);
    if shown.is_cookie && !origin::is_own(request.method(), headers) {
        gate.ledger().refused(Refused::of(&caller, path, "another site's page asks", now));
        let words = "a cookie is believed only when a page of this node makes the request";
        return Err(Problem::new(Code::Forbidden, words));
    }
    if let Some(name) = headers.get(TENANT).and_then(|name| name.to_str().ok())
        && let Some(tenant) = view.tenant_named(name)
    {
        caller = caller.acting_in(tenant.id, &view, now);
    }
    let lacking = Refused::of(&caller, path, "it is not permitted", now);
    let caller = caller.asking(rule).inspect_err(|_| gate.ledger().refused(lacking))?;
    note_use(gate, &view, &caller);
    Ok(caller)
}

/// Notes when sessions and keys are used, when that is news.
fn note_use(gate: &Gate, view: &via_catalog::View, caller: &Caller) {
    let now = gate.now();
    match caller.proof {
        Proof::Session(id, _) => {
            if let Some(session) = view.session(id) {
                gate.ledger().session_used(session, now);
            }
        }
        Proof::Key(id, _) => {
            if let Some(key) = view.api_key(id) {
                gate.ledger().key_used(key, now);
            }
        }
        Proof::Nothing => {}
    }
}

/// Returns the secret that the request shows: as a bearer's, else as a cookie.
fn shown(headers: &HeaderMap) -> Result<Shown, Problem> {
    let bad = || unknown("the key or the token is mistyped: its checksum does not fit");
    if let Some(value) = headers.get(header::AUTHORIZATION) {
        let text = value.to_str().ok().and_then(|text| text.split_once(' '));
        let bearer = text.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        let (_, text) = bearer.ok_or_else(|| unknown("Authorization must be Bearer and a key"))?;
        let secret = secret::read(text.trim()).ok_or_else(bad)?;
        return Ok(Shown { secret, is_cookie: false });
    }
    let text = cookie(headers, COOKIE).ok_or_else(|| {
        unknown("say who you are: Authorization: Bearer, with a key or a session's token")
    })?;
    Ok(Shown { secret: secret::read(text).ok_or_else(bad)?, is_cookie: true })
}

/// Returns the value of a cookie.
pub(crate) fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.split_once('='));
    pairs
        .map(|(key, value)| (key.trim(), value.trim()))
        .find(|(key, _)| *key == name)
        .map(|it| it.1)
}

/// Refuses secrets in an address: addresses get into logs and histories.
fn refuse_secrets_in(query: &str) -> Result<(), Problem> {
    let is_secret = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        matches!(name, "access_token" | "token" | "api_key") || secret::is_secret(value)
    };
    if query.split('&').any(is_secret) {
        let words = "a secret in an address gets into logs: send it as Authorization: Bearer, \
                     and replace this one";
        return Err(Problem::new(Code::BadParameter, words));
    }
    Ok(())
}
