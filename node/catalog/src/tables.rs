//! The tables of tenancy, access and audit, and the indexes by which their
//! things are found. Owns that an index says what the table says; the rules of
//! what may be in them are the commands'.

use std::collections::BTreeSet;
use std::sync::Arc;

use via_types::{
    ApiKeyId, GrantId, Revision, Role, RoleId, SessionId, StreamId, SuppressionId, TenantId,
    Timestamp, UserId,
};

use crate::object::{
    Account, Answer, ApiKey, CustomRole, Digest, Edition, Grant, Identity, Key, Object, Plan,
    PlanId, Session, Subject, Suppression, Trail, TrailId, Usage, User,
};
use crate::table::Table;

macro_rules! tables {
    ($($field:ident: $variant:ident($key:ty => $value:ty),)*) => {
        /// Everything that is found by its own key, and the indexes.
        #[derive(Clone, Debug, Default, PartialEq)]
        pub(crate) struct Tables {
            $(pub(crate) $field: Table<$key, Arc<$value>>,)*
            pub(crate) index: Index,
        }

        impl Tables {
            /// Returns the object of that name; none also for one of another kind.
            pub(crate) fn object(&self, key: Key) -> Option<Object> {
                $(if let Key::$variant(id) = key {
                    return self.$field.get(&id).cloned().map(Object::$variant);
                })*
                None
            }

            pub(crate) fn put(&mut self, object: Object) {
                self.index.forget(self.object(object.key()).as_ref());
                self.index.note(&object);
                $(if let (Key::$variant(id), Object::$variant(value)) = (object.key(), &object) {
                    self.$field.insert(id, Arc::clone(value));
                })*
            }

            pub(crate) fn remove(&mut self, key: Key) {
                self.index.forget(self.object(key).as_ref());
                $(if let Key::$variant(id) = key {
                    self.$field.remove(&id);
                })*
            }

            pub(crate) fn len(&self) -> usize {
                0 $(+ self.$field.len())*
            }

            /// Returns every object, in the order of keys.
            pub(crate) fn objects(&self) -> impl Iterator<Item = Object> + '_ {
                std::iter::empty()
                    $(.chain(self.$field.values().cloned().map(Object::$variant)))*
            }
        }
    };
}

tables! {
    accounts: Account(TenantId => Account),
    plans: Plan(PlanId => Plan),
    users: User(UserId => User),
    roles: Role(RoleId => CustomRole),
    api_keys: ApiKey(ApiKeyId => ApiKey),
    sessions: Session(SessionId => Session),
    grants: Grant(GrantId => Grant),
    editions: Edition((StreamId, Revision) => Edition),
    suppressions: Suppression(SuppressionId => Suppression),
    answers: Answer((TrailId, Digest) => Answer),
    trails: Trail(TrailId => Trail),
    subjects: Subject(Digest => Subject),
    usages: Usage((StreamId, u32) => Usage),
}

/// How things are found that are not asked for by their own key.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Index {
    pub(crate) logins: Table<(TrailId, String), UserId>,
    pub(crate) identities: Table<(TrailId, Identity), UserId>,
    pub(crate) role_names: Table<(TrailId, String), RoleId>,
    pub(crate) keys_of: Table<(TrailId, ApiKeyId), ()>,
    pub(crate) keys_by_digest: Table<Digest, ApiKeyId>,
    pub(crate) sessions_of: Table<(UserId, SessionId), ()>,
    pub(crate) sessions_by_token: Table<Digest, SessionId>,
    pub(crate) suppressions_of: Table<(TrailId, SuppressionId), ()>,
    /// Answers by when they are forgotten.
    pub(crate) expiry: Arc<BTreeSet<(Timestamp, TrailId, Digest)>>,
    pub(crate) answer_bytes: usize,
}

impl Index {
    fn note(&mut self, object: &Object) {
        if let Object::User(user) = object {
            let whose = TrailId::of(user.tenant);
            self.logins.insert((whose, user.login.clone()), user.id);
            for identity in &user.identities {
                self.identities.insert((whose, identity.clone()), user.id);
            }
        } else if let Object::Role(role) = object {
            self.role_names.insert((TrailId::of(Some(role.tenant)), role.name.clone()), role.id);
        } else if let Object::ApiKey(key) = object {
            self.keys_of.insert((TrailId::of(key.tenant), key.id), ());
            for digest in digests(key) {
                self.keys_by_digest.insert(digest, key.id);
            }
        } else if let Object::Session(session) = object {
            self.sessions_of.insert((session.user, session.id), ());
            self.sessions_by_token.insert(session.token, session.id);
        } else if let Object::Suppression(entry) = object {
            self.suppressions_of.insert((TrailId::of(Some(entry.tenant)), entry.id), ());
        } else if let Object::Answer(answer) = object {
            let Answer { whose, key, expires, .. } = **answer;
            Arc::make_mut(&mut self.expiry).insert((expires, whose, key));
            self.answer_bytes += answer.outcome.len();
        }
    }

    fn forget(&mut self, object: Option<&Object>) {
        if let Some(Object::User(user)) = object {
            let whose = TrailId::of(user.tenant);
            self.logins.remove(&(whose, user.login.clone()));
            for identity in &user.identities {
                self.identities.remove(&(whose, identity.clone()));
            }
        } else if let Some(Object::Role(role)) = object {
            self.role_names.remove(&(TrailId::of(Some(role.tenant)), role.name.clone()));
        } else if let Some(Object::ApiKey(key)) = object {
            self.keys_of.remove(&(TrailId::of(key.tenant), key.id));
            digests(key).for_each(|digest| {
                self.keys_by_digest.remove(&digest);
            });
        } else if let Some(Object::Session(session)) = object {
            self.sessions_of.remove(&(session.user, session.id));
            self.sessions_by_token.remove(&session.token);
        } else if let Some(Object::Suppression(entry)) = object {
            self.suppressions_of.remove(&(TrailId::of(Some(entry.tenant)), entry.id));
        } else if let Some(Object::Answer(answer)) = object {
            let Answer { whose, key, expires, .. } = **answer;
            Arc::make_mut(&mut self.expiry).remove(&(expires, whose, key));
            self.answer_bytes -= answer.outcome.len();
        }
    }
}

fn digests(key: &ApiKey) -> impl Iterator<Item = Digest> {
    let earlier = key.earlier.map(|(digest, _)| digest);
    [key.digest].into_iter().chain(earlier)
}

impl Tables {
    /// Returns the users of a tenant; of none, the operators.
    pub(crate) fn users_of(&self, tenant: Option<TenantId>) -> impl Iterator<Item = &Arc<User>> {
        let ids = self.index.logins.chunk(u64::from(TrailId::of(tenant).get()));
        ids.filter_map(|(_, id)| self.users.get(id))
    }

    pub(crate) fn user_named(&self, tenant: Option<TenantId>, login: &str) -> Option<&Arc<User>> {
        let id = self.index.logins.get(&(TrailId::of(tenant), login.to_owned()))?;
        self.users.get(id)
    }

    /// Returns the roles that a tenant made.
    pub(crate) fn roles_of(&self, tenant: TenantId) -> impl Iterator<Item = &Arc<CustomRole>> {
        let ids = self.index.role_names.chunk(u64::from(tenant.get()));
        ids.filter_map(|(_, id)| self.roles.get(id))
    }

    /// Returns the live keys of a tenant; of none, the platform's.
    pub(crate) fn keys_of(&self, tenant: Option<TenantId>) -> impl Iterator<Item = &Arc<ApiKey>> {
        let ids = self.index.keys_of.chunk(u64::from(TrailId::of(tenant).get()));
        ids.filter_map(|((_, id), ())| self.api_keys.get(id))
    }

    /// Returns the sessions of a user, the oldest first.
    pub(crate) fn sessions_of(&self, user: UserId) -> impl Iterator<Item = &Arc<Session>> {
        // A chunk holds neighbours too.
        let ids = self.index.sessions_of.chunk(crate::table::Slot::slot(&user));
        let own = ids.filter(move |((whose, _), ())| *whose == user);
        own.filter_map(|((_, id), ())| self.sessions.get(id))
    }

    /// Returns a tenant's suppression list, the oldest entry first.
    pub(crate) fn suppressions_of(
        &self,
        tenant: TenantId,
    ) -> impl Iterator<Item = &Arc<Suppression>> {
        let ids = self.index.suppressions_of.chunk(u64::from(tenant.get()));
        ids.filter_map(|((_, id), ())| self.suppressions.get(id))
    }

    /// Returns what a stream said at earlier revisions, the oldest first.
    pub(crate) fn editions_of(&self, stream: StreamId) -> impl Iterator<Item = &Arc<Edition>> {
        self.editions.chunk(u64::from(stream.get())).map(|(_, edition)| edition)
    }

    /// Returns what was admitted of a stream, the oldest page first.
    pub(crate) fn usages_of(&self, stream: StreamId) -> impl Iterator<Item = &Arc<Usage>> {
        self.usages.chunk(u64::from(stream.get())).map(|(_, page)| page)
    }

    /// Says whether a role is one that `tenant` (none: the platform) may give.
    pub(crate) fn is_role_of(&self, role: Role, tenant: Option<TenantId>) -> bool {
        match role {
            Role::Custom(id) => self.roles.get(&id).is_some_and(|role| Some(role.tenant) == tenant),
            Role::Admin
            | Role::Sre
            | Role::Viewer
            | Role::Auditor
            | Role::OperatorAdmin
            | Role::OperatorSre
            | Role::OperatorAuditor => role.is_of_platform() == tenant.is_none(),
        }
    }
}
