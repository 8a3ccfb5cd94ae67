//! What readers see of tenancy and access: things by every name they are asked
//! for, principals compiled for the one question, and who can do what. Pure
//! functions of a view; deciding is [`via_types::may`]'s.

use std::sync::Arc;

use via_types::{
    ApiKeyId, GrantId, Permissions, Principal, Revision, Role, RoleId, SessionId, StreamId,
    TenantId, Timestamp, UserId,
};

use crate::object::{
    Account, Answer, ApiKey, CustomRole, Digest, Edition, Grant, Identity, Plan, PlanId, Quotas,
    Session, Standing, Subject, Suppression, Trail, TrailId, Usage, User,
};
use crate::tables::Tables;
use crate::view::View;

/// Who can do something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    /// A user.
    User(UserId),
    /// A program with a key.
    ApiKey(ApiKeyId),
    /// An operator who may look for a while.
    Grant(UserId, GrantId),
}

/// One line of an access review.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// Who.
    pub holder: Holder,
    /// What they may do, as it is decided.
    pub principal: Principal,
    /// When they last did anything, as far as it is known: keys by day.
    pub last: Option<Timestamp>,
}

const DAY_NANOS: i64 = 86_400_000_000_000;

impl View {
    /// Returns what a tenant may use; none when that was never said.
    pub fn account(&self, tenant: TenantId) -> Option<&Arc<Account>> {
        self.tables.accounts.get(&tenant)
    }

    /// Returns a plan, changed or as it is built in.
    pub fn plan(&self, id: PlanId) -> Option<Plan> {
        self.plans().into_iter().find(|plan| plan.id == id)
    }

    /// Returns every plan, by number.
    pub fn plans(&self) -> Vec<Plan> {
        let changed = |id| self.tables.plans.get(&id).is_some();
        let built_in = Plan::built_in().into_iter().filter(|plan| !changed(plan.id));
        let mut plans: Vec<_> = self.tables.plans.values().map(|plan| Plan::clone(plan)).collect();
        plans.extend(built_in);
        plans.sort_by_key(|plan| plan.id);
        plans
    }

    /// Returns a tenant's quotas: its own over those of its plan; without an
    /// account, none.
    pub fn quotas(&self, tenant: TenantId) -> Quotas {
        let Some(account) = self.account(tenant) else { return Quotas::default() };
        let below = self.plan(account.plan).map_or_else(Quotas::default, |plan| plan.quotas);
        account.quotas.over(below)
    }

    /// Returns a user, whoever they belong to.
    pub fn user(&self, id: UserId) -> Option<&Arc<User>> {
        self.tables.users.get(&id)
    }

    /// Returns the users of a tenant by login; of none, the operators.
    pub fn users_of(&self, tenant: Option<TenantId>) -> impl Iterator<Item = &Arc<User>> {
        self.tables.users_of(tenant)
    }

    /// Returns who logs in by that name.
    pub fn user_named(&self, tenant: Option<TenantId>, login: &str) -> Option<&Arc<User>> {
        self.tables.user_named(tenant, login)
    }

    /// Returns who that is at an issuer.
    pub fn user_known_as(
        &self,
        tenant: Option<TenantId>,
        identity: &Identity,
    ) -> Option<&Arc<User>> {
        let key = (TrailId::of(tenant), identity.clone());
        self.user(*self.tables.index.identities.get(&key)?)
    }

    /// Returns a role that a tenant made.
    pub fn role(&self, id: RoleId) -> Option<&Arc<CustomRole>> {
        self.tables.roles.get(&id)
    }

    /// Returns the roles that a tenant made, by name.
    pub fn roles_of(&self, tenant: TenantId) -> impl Iterator<Item = &Arc<CustomRole>> {
        self.tables.roles_of(tenant)
    }

    /// Returns an API key, whoever it belongs to.
    pub fn api_key(&self, id: ApiKeyId) -> Option<&Arc<ApiKey>> {
        self.tables.api_keys.get(&id)
    }

    /// Returns the API keys of a tenant, the oldest first; of none, the platform's.
    pub fn api_keys_of(&self, tenant: Option<TenantId>) -> impl Iterator<Item = &Arc<ApiKey>> {
        self.tables.keys_of(tenant)
    }

    /// Returns the API key that hashes to `digest`, now or before its rotation;
    /// [`ApiKey::admits`] says whether it is good.
    pub fn api_key_of(&self, digest: Digest) -> Option<&Arc<ApiKey>> {
        self.api_key(*self.tables.index.keys_by_digest.get(&digest)?)
    }

    /// Returns a session; [`Session::is_over`] says whether it is good.
    pub fn session(&self, id: SessionId) -> Option<&Arc<Session>> {
        self.tables.sessions.get(&id)
    }

    /// Returns the session whose token hashes to `digest` now.
    pub fn session_of(&self, digest: Digest) -> Option<&Arc<Session>> {
        self.session(*self.tables.index.sessions_by_token.get(&digest)?)
    }

    /// Returns a user's sessions, the oldest first.
    pub fn sessions_of(&self, user: UserId) -> impl Iterator<Item = &Arc<Session>> {
        self.tables.sessions_of(user)
    }

    /// Returns every way of operators into tenants, shut by time or not.
    pub fn grants(&self) -> impl Iterator<Item = &Arc<Grant>> {
        self.tables.grants.values()
    }

    /// Returns what a stream said at each revision that is kept, the oldest first.
    pub fn history(&self, stream: StreamId) -> impl Iterator<Item = &Arc<Edition>> {
        self.tables.editions_of(stream)
    }

    /// Returns what a stream said at a revision.
    pub fn edition(&self, stream: StreamId, revision: Revision) -> Option<&Arc<Edition>> {
        self.tables.editions.get(&(stream, revision))
    }

    /// Returns a tenant's suppression list, the oldest entry first; some may be
    /// over.
    pub fn suppressions_of(&self, tenant: TenantId) -> impl Iterator<Item = &Arc<Suppression>> {
        self.tables.suppressions_of(tenant)
    }

    /// Returns what a request was answered that had this key; none also for one of
    /// which nothing was kept, some may be over.
    pub fn answer(&self, whose: Option<TenantId>, key: Digest) -> Option<&Arc<Answer>> {
        self.tables.answers.get(&(TrailId::of(whose), key))
    }

    /// Returns what was admitted of a tenant's streams, by name of the stream and
    /// the oldest page first.
    pub fn usage_of(&self, tenant: TenantId) -> impl Iterator<Item = &Arc<Usage>> {
        self.streams_of(tenant).flat_map(|stream| self.tables.usages_of(stream.id))
    }

    /// Returns an audit log; none while nothing is recorded in it.
    pub fn trail(&self, id: TrailId) -> Option<&Arc<Trail>> {
        self.tables.trails.get(&id)
    }

    /// Returns every audit log, the platform's first.
    pub fn trails(&self) -> impl Iterator<Item = &Arc<Trail>> {
        self.tables.trails.values()
    }

    /// Returns the key that seals what concerns a person.
    pub fn subject(&self, id: Digest) -> Option<&Arc<Subject>> {
        self.tables.subjects.get(&id)
    }

    /// Returns a user as the one question sees them at `now`; none for one who
    /// may not log in.
    pub fn principal_of_user(&self, user: UserId, now: Timestamp) -> Option<Principal> {
        let user = self.user(user).filter(|user| user.is_active)?;
        let roles = user.roles.iter().map(|role| self.tables.permissions(*role));
        let permissions = roles.fold(Permissions::NONE, Permissions::union);
        let open = self.grants().filter(|it| it.operator == user.id && now < it.expires);
        Some(Principal {
            home: user.tenant,
            permissions: permissions.intersection(self.standing(user.tenant).leaves()),
            streams: None,
            glass: open.map(|grant| grant.tenant).collect(),
        })
    }

    /// Returns a program with that key as the one question sees it. Whether the
    /// key is good is another question: [`ApiKey::admits`].
    pub fn principal_of_key(&self, key: ApiKeyId) -> Option<Principal> {
        let key = self.api_key(key)?;
        Some(Principal {
            home: key.tenant,
            permissions: key.permissions.intersection(self.standing(key.tenant).leaves()),
            streams: key.streams.clone(),
            glass: Default::default(),
        })
    }

    /// Returns who can do what in a tenant at `now`; in none, on the platform.
    pub fn access(&self, tenant: Option<TenantId>, now: Timestamp) -> Vec<Access> {
        let users = self.users_of(tenant).filter_map(|user| {
            let principal = self.principal_of_user(user.id, now)?;
            Some(Access { holder: Holder::User(user.id), principal, last: user.seen })
        });
        let is_good = |key: &&Arc<ApiKey>| key.expires.is_none_or(|expires| now < expires);
        let keys = self.api_keys_of(tenant).filter(is_good).filter_map(|key| {
            let principal = self.principal_of_key(key.id)?;
            let last = key.used.map(|day| Timestamp::from_nanos(i64::from(day) * DAY_NANOS));
            Some(Access { holder: Holder::ApiKey(key.id), principal, last })
        });
        let open = self.grants().filter(|it| Some(it.tenant) == tenant && now < it.expires);
        let operators = open.filter_map(|grant| {
            let principal = self.principal_of_user(grant.operator, now)?;
            let holder = Holder::Grant(grant.operator, grant.id);
            Some(Access { holder, principal, last: self.user(grant.operator)?.seen })
        });
        users.chain(keys).chain(operators).collect()
    }

    /// Returns whether a tenant is served; the platform always is.
    pub fn standing(&self, tenant: Option<TenantId>) -> Standing {
        let account = tenant.and_then(|tenant| self.account(tenant));
        account.map_or(Standing::Active, |account| account.standing)
    }
}

impl Tables {
    /// Returns what a role allows; one that is gone allows nothing.
    fn permissions(&self, role: Role) -> Permissions {
        let Role::Custom(id) = role else { return role.permissions() };
        self.roles.get(&id).map_or(Permissions::NONE, |role| role.permissions)
    }
}

#[cfg(test)]
mod tests {
    use via_types::access::{Action, Resource};
    use via_types::{Wish, may};

    use super::*;
    use crate::command::fixture::{TENANT, ask, ask_for, catalog, key, user};
    use crate::command::{CreateUser, OpenGrant, PutAccount, PutRole};
    use crate::object::Credentials;

    const NOW: Timestamp = Timestamp::from_nanos(10);

    fn allows(view: &View, user: UserId, resource: Resource, action: Action) -> bool {
        let wish = Wish { resource, action, tenant: Some(TENANT), stream: None };
        view.principal_of_user(user, NOW).is_some_and(|principal| may(&principal, wish))
    }

    #[test]
    fn a_user_may_what_any_of_their_roles_allows() {
        let mut catalog = catalog();
        let permissions = Permissions::NONE.and(&[Resource::Keys], &[Action::Delete]);
        let name = "key-keeper".to_owned();
        ask(&mut catalog, 3, None, PutRole { tenant: TENANT, role: None, name, permissions })
            .unwrap();
        let eve = user(&mut catalog, 4, "eve", Role::Custom(RoleId::new(3)));
        let bob = user(&mut catalog, 5, "bob", Role::Viewer);
        let view = catalog.view();
        assert!(allows(&view, eve, Resource::Keys, Action::Delete));
        assert!(!allows(&view, eve, Resource::Events, Action::Read));
        assert!(allows(&view, bob, Resource::Events, Action::Read));
        assert!(!allows(&view, bob, Resource::Keys, Action::Delete));
        assert!(!allows(&view, UserId::new(99), Resource::Events, Action::Read));
    }

    #[test]
    fn a_tenant_that_is_suspended_looks_and_changes_nothing() {
        let mut catalog = catalog();
        let ada = user(&mut catalog, 3, "ada", Role::Admin);
        let put = |standing| PutAccount {
            tenant: TENANT,
            plan: Plan::PRO,
            quotas: Quotas::default(),
            region: None,
            standing,
            needs_second_factor: false,
        };
        ask(&mut catalog, 4, Some(0), put(Standing::Suspended)).unwrap();
        let view = catalog.view();
        assert!(allows(&view, ada, Resource::Events, Action::Read));
        assert!(!allows(&view, ada, Resource::Events, Action::Write));
        ask(&mut catalog, 5, Some(4), put(Standing::Closing)).unwrap();
        let view = catalog.view();
        assert!(allows(&view, ada, Resource::Audit, Action::Execute));
        assert!(!allows(&view, ada, Resource::Events, Action::Read));
    }

    #[test]
    fn a_review_names_everybody_who_can_do_anything_here() {
        let mut catalog = catalog();
        let ada = user(&mut catalog, 3, "ada", Role::Admin);
        ask(&mut catalog, 4, None, key(1)).unwrap();
        let operator = CreateUser {
            tenant: None,
            login: "op".to_owned(),
            roles: vec![Role::OperatorSre],
            identities: Vec::new(),
            credentials: Credentials::default(),
        };
        ask(&mut catalog, 5, None, operator).unwrap();
        let (operator, expires) = (UserId::new(5), Timestamp::from_nanos(1_000));
        let open = OpenGrant { tenant: TENANT, operator, expires };
        ask_for(&mut catalog, 6, "ticket 7", open).unwrap();
        let view = catalog.view();
        let holders = |now| view.access(Some(TENANT), now).into_iter().map(|it| it.holder);
        let own = [Holder::User(ada), Holder::ApiKey(ApiKeyId::new(4))];
        let with = [own[0], own[1], Holder::Grant(operator, GrantId::new(6))];
        assert!(holders(NOW).eq(with));
        assert!(holders(expires).eq(own), "the grant is over");
        assert!(view.access(None, NOW).iter().all(|it| it.holder == Holder::User(operator)));
        assert!(allows(&view, operator, Resource::Events, Action::Read), "behind glass");
    }
}
