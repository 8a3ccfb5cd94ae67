//! The first who may log in: made once, where nobody can yet, with passwords
//! that are drawn and shown to whoever starts the node. There are no default
//! passwords.

use std::time::Duration;

use via_catalog::command::{CreateApiKey, CreateUser, RevokeApiKey};
use via_catalog::{Author, Credentials, Deed};
use via_control::DEFAULT_TENANT;
use via_types::{Role, TenantId, Timestamp};

use super::{password, secret};
use crate::error::Error;
use crate::problem::Problem;

/// Digits of a drawn password: 142 bits.
const DIGITS: usize = 24;
/// How long a key of [`key_of_admin`] is good.
const WEEK: Duration = Duration::from_secs(7 * 86_400);
/// By what they log in.
const LOGIN: &str = "admin";

/// Who may log in from now on. Has no `Debug`: it must not get into a log.
pub struct FirstUsers {
    /// By what both log in.
    pub login: &'static str,
    /// The password of the default tenant's administrator.
    pub administrator: String,
    /// The password of the platform's operator.
    pub operator: String,
}

/// Makes an administrator of the default tenant and an operator of the
/// platform, when there is no user at all; else none.
///
/// # Errors
/// [`Error::FirstUsers`].
pub async fn first_users(
    control: &via_control::Handle,
    now: Timestamp,
) -> Result<Option<FirstUsers>, Error> {
    let failed = |why: String| Error::FirstUsers { why };
    control.read_barrier().await.map_err(|error| failed(error.to_string()))?;
    let view = control.view();
    let Some(tenant) = view.tenant_named(DEFAULT_TENANT).map(|tenant| tenant.id) else {
        return Ok(None);
    };
    let tenants = view.tenants().map(|tenant| Some(tenant.id)).chain([None]);
    if tenants.into_iter().any(|whose| view.users_of(whose).next().is_some()) {
        return Ok(None);
    }
    let told = |problem: Problem| failed(problem.detail);
    let administrator = create(control, Some(tenant), Role::Admin, now).await.map_err(told)?;
    let operator = create(control, None, Role::OperatorAdmin, now).await.map_err(told)?;
    Ok(Some(FirstUsers { login: LOGIN, administrator, operator }))
}

/// Makes an API key that allows what an administrator of the tenant may do, good
/// for a week, in place of any of the same name; returns the key.
///
/// # Errors
/// [`Error::FirstUsers`].
pub async fn key_of_admin(
    control: &via_control::Handle,
    (tenant, name): (TenantId, &str),
    now: Timestamp,
) -> Result<String, Error> {
    let told = |problem: Problem| Error::FirstUsers { why: problem.detail };
    new_key(control, tenant, name, now).await.map_err(told)
}

async fn new_key(
    control: &via_control::Handle,
    tenant: TenantId,
    name: &str,
    now: Timestamp,
) -> Result<String, Problem> {
    let deed = Deed::new(Author::Node(control.node()), now);
    let view = control.view();
    for key in view.api_keys_of(Some(tenant)).filter(|key| key.name == name) {
        let revoke = RevokeApiKey { tenant: Some(tenant), key: key.id };
        control.commit(deed.clone(), revoke).await?;
    }
    let (kind, env) = ("key", name);
    let secret = secret::Secret::draw(kind, env)?;
    let create = CreateApiKey {
        tenant: Some(tenant),
        name: name.to_owned(),
        kind: kind.to_owned(),
        env: env.to_owned(),
        digest: secret.digest(),
        permissions: Role::Admin.permissions(),
        streams: None,
        networks: Vec::new(),
        expires: Some(now.saturating_add(WEEK)),
    };
    control.commit(deed, create).await?;
    Ok(secret.show().to_owned())
}

async fn create(
    control: &via_control::Handle,
    tenant: Option<TenantId>,
    role: Role,
    now: Timestamp,
) -> Result<String, Problem> {
    let drawn = secret::drawn::<DIGITS>()?;
    let kept = password::Pool::new(1).hash(drawn.clone()).await?;
    let create = CreateUser {
        tenant,
        login: LOGIN.to_owned(),
        roles: vec![role],
        identities: Vec::new(),
        credentials: Credentials { password: Some(kept), ..Credentials::default() },
    };
    control.commit(Deed::new(Author::Node(control.node()), now), create).await?;
    Ok(drawn)
}
