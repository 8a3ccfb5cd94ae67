//! What several commands ask of the tables: whose a thing is, whether there is
//! room under the quota, who would be left to administer. Owns no command.

use std::sync::Arc;

use via_types::{Revision, Role, StreamId, TenantId, Timestamp, UserId, limit};

use crate::catalog::Catalog;
use crate::entry::{Author, Deed};
use crate::object::{
    Account, ApiKey, Credentials, Edition, Identity, Key, Object, Plan, PlanId, Quotas, Session,
    Stream, TrailId, User,
};
use crate::refusal::Refusal;

impl Catalog {
    /// Returns a user of that tenant; one of another is not there.
    pub(crate) fn user(&self, id: UserId, tenant: Option<TenantId>) -> Result<Arc<User>, Refusal> {
        let there = self.tables.users.get(&id).filter(|user| user.tenant == tenant);
        there.cloned().ok_or(Refusal::no_such("user"))
    }

    /// Checks that the tenant is there; none, the platform, always is.
    pub(crate) fn known_or_platform(&self, tenant: Option<TenantId>) -> Result<(), Refusal> {
        tenant.map_or_else(|| self.formed().map(|_| ()), |tenant| self.known(tenant))
    }

    pub(crate) fn own_stream(
        &self,
        stream: StreamId,
        tenant: TenantId,
    ) -> Result<Arc<Stream>, Refusal> {
        let there = self.streams.by_id.get(&stream).filter(|stream| stream.tenant == tenant);
        there.cloned().ok_or(Refusal::NoStream(stream))
    }

    pub(crate) fn own_key(
        &self,
        key: via_types::ApiKeyId,
        tenant: Option<TenantId>,
    ) -> Result<Arc<ApiKey>, Refusal> {
        let there = self.tables.api_keys.get(&key).filter(|key| key.tenant == tenant);
        there.cloned().ok_or(Refusal::no_such("API key"))
    }

    /// Returns a plan, changed or as it is built in.
    pub(crate) fn plan(&self, id: PlanId) -> Option<Plan> {
        let there = self.tables.plans.get(&id).map(|plan| Plan::clone(plan));
        there.or_else(|| Plan::built_in().into_iter().find(|plan| plan.id == id))
    }

    /// Returns what a tenant may use: its own quotas over those of its plan.
    pub(crate) fn quotas(&self, tenant: TenantId) -> Quotas {
        let Some(account) = self.tables.accounts.get(&tenant) else { return Quotas::default() };
        let Account { plan, quotas, .. } = **account;
        quotas.over(self.plan(plan).map_or_else(Quotas::default, |plan| plan.quotas))
    }

    /// Refuses one more of what the tenant has `found` of already.
    pub(crate) fn within(
        &self,
        tenant: Option<TenantId>,
        found: usize,
        quota: (&'static str, fn(Quotas) -> Option<u64>),
    ) -> Result<(), Refusal> {
        let (name, of) = quota;
        match tenant.and_then(|tenant| of(self.quotas(tenant))) {
            Some(limit) if found as u64 >= limit => {
                Err(Refusal::Quota { quota: name.into(), limit })
            }
            _ => Ok(()),
        }
    }

    /// Refuses when nobody but `user` could administer what they administer.
    pub(crate) fn has_other_admin(&self, user: &User) -> Result<(), Refusal> {
        let admin = if user.tenant.is_some() { Role::Admin } else { Role::OperatorAdmin };
        let is_admin = |user: &User| user.is_active && user.roles.contains(&admin);
        let others = || self.tables.users_of(user.tenant).filter(|other| other.id != user.id);
        if is_admin(user) && !others().any(|other| is_admin(other)) {
            return Err(Refusal::unfit("this user", "is the last who may administer"));
        }
        Ok(())
    }

    /// Ends the sessions of a user, but perhaps one.
    pub(crate) fn end_sessions_of(
        &mut self,
        user: UserId,
        is_meant: impl Fn(&Session) -> bool,
    ) -> u32 {
        let sessions = self.tables.sessions_of(user).filter(|session| is_meant(session));
        let sessions: Vec<_> = sessions.map(|session| session.id).collect();
        for id in &sessions {
            self.remove(Key::Session(*id));
        }
        sessions.len() as u32
    }

    /// Keeps what a stream says from now on, and what it said before there was
    /// a history; forgets the oldest beyond the bounds.
    pub(crate) fn keep_edition(&mut self, old: Option<&Stream>, new: &Stream, deed: &Deed) {
        let edition = |stream: &Stream, author, at, reason: &str| Edition {
            stream: stream.id,
            revision: stream.revision,
            own: stream.own.clone(),
            author,
            at,
            reason: reason.to_owned(),
        };
        if let Some(old) = old
            && self.tables.editions_of(old.id).next().is_none()
        {
            let first = edition(old, Author::Unknown, old.created, "");
            self.put(Object::Edition(Arc::new(first)));
        }
        let newest = edition(new, deed.by, deed.at, &deed.reason);
        self.put(Object::Edition(Arc::new(newest)));
        let mut bytes = 0;
        let kept: Vec<_> = self.tables.editions_of(new.id).cloned().collect();
        for (place, edition) in kept.iter().rev().enumerate() {
            bytes += edition.own.len();
            let is_over = place >= limit::STREAM_HISTORY || bytes > limit::STREAM_HISTORY_BYTES;
            if place > 0 && is_over {
                self.remove(Key::Edition((edition.stream, edition.revision)));
            }
        }
    }

    /// Checks roles that somebody of `tenant` is to have.
    pub(crate) fn check_roles(
        &self,
        roles: &[Role],
        tenant: Option<TenantId>,
    ) -> Result<(), Refusal> {
        Refusal::at_most("roles of one user", roles.len(), limit::ROLES_PER_USER)?;
        if roles.iter().all(|role| self.tables.is_role_of(*role, tenant)) {
            return Ok(());
        }
        Err(Refusal::no_such("role"))
    }

    /// Checks identities that `user`, or nobody yet, is to have.
    pub(crate) fn check_identities(
        &self,
        identities: &[Identity],
        tenant: Option<TenantId>,
        user: Option<UserId>,
    ) -> Result<(), Refusal> {
        Refusal::at_most("identities of one user", identities.len(), limit::IDENTITIES)?;
        for identity in identities {
            let longest = identity.issuer.len().max(identity.subject.len());
            Refusal::at_most("an identity", longest, limit::IDENTITY_BYTES)?;
            let whose = self.tables.index.identities.get(&(TrailId::of(tenant), identity.clone()));
            if whose.is_some_and(|whose| Some(*whose) != user) {
                return Err(Refusal::unfit("an identity", "is somebody else's"));
            }
        }
        Ok(())
    }
}

/// Checks what somebody is to prove themselves with against the limits.
pub(crate) fn check_credentials(credentials: &Credentials) -> Result<(), Refusal> {
    let Credentials { password, second, recovery } = credentials;
    let bytes = password.as_ref().map_or(0, String::len);
    Refusal::at_most("the hash of the password", bytes, limit::PASSWORD_HASH_BYTES)?;
    let bytes = second.as_ref().map_or(0, |second| second.sealed.len());
    Refusal::at_most("the sealed secret", bytes, limit::SEALED_SECRET_BYTES)?;
    Refusal::at_most("recovery codes", recovery.len(), limit::RECOVERY_CODES)
}

/// Refuses an end that has passed, or is further away than allowed.
pub(crate) fn check_end(
    what: &'static str,
    (now, end): (Timestamp, Timestamp),
    longest_seconds: u64,
) -> Result<(), Refusal> {
    let longest = std::time::Duration::from_secs(longest_seconds);
    if end <= now {
        return Err(Refusal::unfit(what, "is over before it begins"));
    }
    if end.saturating_since(now) > longest {
        return Err(Refusal::unfit(what, "is longer than is allowed"));
    }
    Ok(())
}

/// Returns 0, the revision of what is not there.
pub(crate) fn absent() -> Revision {
    Revision::new(0)
}
