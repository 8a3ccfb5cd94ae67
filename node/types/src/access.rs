//! Who may do what: resources, actions, sets of permissions, the roles that
//! everybody has, and the one question. A set of bits, so that the data path
//! answers in nanoseconds. Refuses to know users and keys: the catalog compiles
//! them.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{RoleId, StreamId, TenantId};

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$each:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum $name {
            $($(#[$each])* $variant,)*
        }

        impl $name {
            /// All of them, in order.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// Returns its word, as people write it.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.word())
            }
        }

        impl FromStr for $name {
            type Err = UnknownWord;

            fn from_str(text: &str) -> Result<Self, UnknownWord> {
                let found = Self::ALL.iter().find(|it| it.word() == text);
                found.copied().ok_or_else(|| UnknownWord(text.chars().take(64).collect()))
            }
        }
    };
}

/// The text names no resource, action or permission.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no resource, action or permission; a permission is like events:read")]
pub struct UnknownWord(String);

words! {
    /// What may be acted on. Variants are appended, never reordered: bits of
    /// stored sets count them.
    Resource {
        /// Events: read back, sent, erased.
        Events = "events",
        /// Detections and what is said of them.
        Detections = "detections",
        /// Entities and what was learned of them.
        Entities = "entities",
        /// Streams as such.
        Streams = "streams",
        /// How streams are judged, suppression lists, settings of the tenant.
        Config = "config",
        /// Users, roles and sessions.
        Users = "users",
        /// API keys.
        Keys = "keys",
        /// Plans and quotas.
        Quotas = "quotas",
        /// The audit log.
        Audit = "audit",
        /// Usage and reports.
        Reports = "reports",
        /// Tenants, the platform's.
        Tenants = "tenants",
        /// Nodes, the platform's.
        Nodes = "nodes",
    }
}

words! {
    /// What is done.
    Action {
        /// Look.
        Read = "read",
        /// Make or change.
        Write = "write",
        /// Remove.
        Delete = "delete",
        /// Set something going.
        Execute = "execute",
    }
}

impl Resource {
    /// Says whether every one of its things belongs to a stream.
    pub const fn is_of_stream(self) -> bool {
        matches!(
            self,
            Self::Events | Self::Detections | Self::Entities | Self::Streams | Self::Config
        )
    }

    /// Says whether it belongs to tenants, and operators see it only with a
    /// grant that the tenant sees.
    pub const fn is_tenants_own(self) -> bool {
        !matches!(self, Self::Tenants | Self::Nodes | Self::Quotas)
    }

    /// Says whether an operator with a grant may look at it.
    pub const fn is_behind_glass(self) -> bool {
        self.is_of_stream() || matches!(self, Self::Reports)
    }
}

/// A set of pairs of a resource and an action.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Permissions(u64);

const ACTIONS: u32 = 4;

impl Permissions {
    /// Nothing.
    pub const NONE: Self = Self(0);

    const fn bit(resource: Resource, action: Action) -> u64 {
        1 << (resource as u32 * ACTIONS + action as u32)
    }

    /// Returns the set with these actions on these resources too.
    #[must_use]
    pub const fn and(mut self, resources: &[Resource], actions: &[Action]) -> Self {
        let mut r = 0;
        while r < resources.len() {
            let mut a = 0;
            while a < actions.len() {
                self.0 |= Self::bit(resources[r], actions[a]);
                a += 1;
            }
            r += 1;
        }
        self
    }

    /// Returns what is in either set.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Returns what is in both sets.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Says whether the pair is in the set.
    pub const fn has(self, resource: Resource, action: Action) -> bool {
        self.0 & Self::bit(resource, action) != 0
    }

    /// Says whether everything in `other` is in this set.
    pub const fn covers(self, other: Self) -> bool {
        other.0 & !self.0 == 0
    }

    /// Says whether nothing is in the set.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Returns every pair there is in the set, resources first.
    pub fn pairs(self) -> impl Iterator<Item = (Resource, Action)> {
        let all = Resource::ALL.iter().flat_map(|r| Action::ALL.iter().map(move |a| (*r, *a)));
        all.filter(move |(resource, action)| self.has(*resource, *action))
    }

    /// Returns whether every bit means something.
    pub const fn is_known(self) -> bool {
        self.0 >> (Resource::ALL.len() as u32 * ACTIONS) == 0
    }

    /// Reads permissions as people write them: `events:read`.
    ///
    /// # Errors
    /// [`UnknownWord`].
    pub fn parse<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<Self, UnknownWord> {
        let mut set = Self::NONE;
        for word in words {
            let unknown = || UnknownWord(word.chars().take(64).collect());
            let (resource, action) = word.split_once(':').ok_or_else(unknown)?;
            set = set.and(&[resource.parse()?], &[action.parse()?]);
        }
        Ok(set)
    }
}

impl FromIterator<(Resource, Action)> for Permissions {
    fn from_iter<I: IntoIterator<Item = (Resource, Action)>>(pairs: I) -> Self {
        pairs.into_iter().fold(Self::NONE, |set, (r, a)| set.and(&[r], &[a]))
    }
}

impl fmt::Debug for Permissions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.pairs().map(|(r, a)| format!("{r}:{a}"))).finish()
    }
}

/// What somebody may do, by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Role {
    /// A tenant's administrator.
    Admin,
    /// Runs a tenant's detection.
    Sre,
    /// Looks.
    Viewer,
    /// Examines who did what, and sees no events.
    Auditor,
    /// Manages tenants and nodes.
    OperatorAdmin,
    /// Runs the platform.
    OperatorSre,
    /// Examines the platform.
    OperatorAuditor,
    /// One that a tenant made.
    Custom(RoleId),
}

use Action::{Delete, Execute, Read, Write};
use Resource::{
    Audit, Config, Detections, Entities, Events, Keys, Nodes, Quotas, Reports, Streams, Tenants,
    Users,
};

impl Role {
    /// The roles that every tenant has.
    pub const OF_TENANTS: &[Self] = &[Self::Admin, Self::Sre, Self::Viewer, Self::Auditor];
    /// The roles of the platform.
    pub const OF_PLATFORM: &[Self] =
        &[Self::OperatorAdmin, Self::OperatorSre, Self::OperatorAuditor];

    /// Returns its name; none for one that a tenant made.
    pub const fn name(self) -> Option<&'static str> {
        match self {
            Self::Admin => Some("admin"),
            Self::Sre => Some("sre"),
            Self::Viewer => Some("viewer"),
            Self::Auditor => Some("auditor"),
            Self::OperatorAdmin => Some("operator-admin"),
            Self::OperatorSre => Some("operator-sre"),
            Self::OperatorAuditor => Some("operator-auditor"),
            Self::Custom(_) => None,
        }
    }

    /// Says whether it is a role of the platform.
    pub const fn is_of_platform(self) -> bool {
        matches!(self, Self::OperatorAdmin | Self::OperatorSre | Self::OperatorAuditor)
    }

    /// Returns what it allows; of one that a tenant made, nothing is known here.
    pub const fn permissions(self) -> Permissions {
        const NONE: Permissions = Permissions::NONE;
        const LOOKS: &[Resource] =
            &[Events, Detections, Entities, Streams, Config, Quotas, Reports];
        match self {
            Self::Admin => NONE
                .and(
                    &[Events, Detections, Entities, Streams, Config, Users, Keys, Reports],
                    &[Read, Write, Delete, Execute],
                )
                .and(&[Quotas], &[Read])
                .and(&[Audit], &[Read, Execute]),
            Self::Sre => NONE
                .and(LOOKS, &[Read])
                .and(&[Detections, Entities, Streams, Config], &[Write, Execute])
                .and(&[Reports], &[Execute])
                .and(&[Keys], &[Read]),
            Self::Viewer => NONE.and(LOOKS, &[Read]),
            Self::Auditor => NONE
                .and(&[Streams, Config, Users, Keys, Quotas, Audit, Reports], &[Read])
                .and(&[Audit], &[Execute]),
            Self::OperatorAdmin => NONE
                .and(&[Tenants, Nodes, Users, Keys], &[Read, Write, Delete, Execute])
                .and(&[Quotas, Config], &[Read, Write])
                .and(&[Audit], &[Read, Execute])
                .and(&[Reports], &[Read]),
            Self::OperatorSre => NONE
                .and(&[Tenants, Nodes], &[Read, Execute])
                .and(&[Nodes], &[Write])
                .and(&[Quotas, Config, Reports], &[Read]),
            Self::OperatorAuditor => NONE
                .and(&[Tenants, Nodes, Users, Keys, Quotas, Config, Audit, Reports], &[Read])
                .and(&[Audit], &[Execute]),
            Self::Custom(_) => NONE,
        }
    }
}

/// Somebody as the one question sees them: compiled, so that nothing has to be
/// looked up to answer it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Principal {
    /// Whose they are; none for the platform's own.
    pub home: Option<TenantId>,
    /// What they may do at home.
    pub permissions: Permissions,
    /// The only streams that they may touch; none for all.
    pub streams: Option<BTreeSet<StreamId>>,
    /// Tenants that an operator may look into, by a grant that is open.
    pub glass: BTreeSet<TenantId>,
}

/// What somebody wants to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wish {
    /// To what.
    pub resource: Resource,
    /// What.
    pub action: Action,
    /// Whose it is; none for the platform's own.
    pub tenant: Option<TenantId>,
    /// Of which stream, when it is of one.
    pub stream: Option<StreamId>,
}

/// Says whether it is allowed. Whatever is not, is not.
pub fn may(principal: &Principal, wish: Wish) -> bool {
    let Wish { resource, action, tenant, stream } = wish;
    if let Some(streams) = &principal.streams
        && resource.is_of_stream()
        && !stream.is_some_and(|stream| streams.contains(&stream))
    {
        return false;
    }
    let allowed = principal.permissions.has(resource, action);
    match (principal.home, tenant) {
        (Some(home), Some(tenant)) => allowed && home == tenant,
        (Some(_), None) => false,
        (None, None) => allowed,
        (None, Some(_)) if !resource.is_tenants_own() => allowed,
        (None, Some(tenant)) => {
            let is_look = matches!(action, Read) && resource.is_behind_glass();
            is_look && principal.glass.contains(&tenant)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T1: TenantId = TenantId::new(1);
    const T2: TenantId = TenantId::new(2);

    fn wish(resource: Resource, action: Action, tenant: Option<TenantId>) -> Wish {
        Wish { resource, action, tenant, stream: None }
    }

    #[test]
    fn permissions_read_back_from_their_words() {
        for role in Role::OF_TENANTS.iter().chain(Role::OF_PLATFORM) {
            let set = role.permissions();
            let words: Vec<String> = set.pairs().map(|(r, a)| format!("{r}:{a}")).collect();
            assert_eq!(Permissions::parse(words.iter().map(String::as_str)), Ok(set));
            assert!(!set.is_empty() && set.is_known());
        }
        for wrong in ["events", "events:look", "event:read", ":", ""] {
            assert!(Permissions::parse([wrong]).is_err(), "{wrong}");
        }
    }

    #[test]
    fn nothing_is_allowed_in_another_tenant_or_on_the_platform() {
        let all = Permissions::NONE.and(Resource::ALL, Action::ALL);
        let somebody = Principal { home: Some(T1), permissions: all, ..Principal::default() };
        for (resource, action) in all.pairs() {
            assert!(may(&somebody, wish(resource, action, Some(T1))));
            assert!(!may(&somebody, wish(resource, action, Some(T2))));
            assert!(!may(&somebody, wish(resource, action, None)));
        }
    }

    #[test]
    fn an_operator_looks_into_a_tenant_only_with_a_grant_and_only_looks() {
        let permissions = Role::OperatorAdmin.permissions();
        let mut operator = Principal { permissions, ..Principal::default() };
        assert!(may(&operator, wish(Tenants, Write, Some(T1))));
        assert!(may(&operator, wish(Quotas, Write, Some(T1))));
        assert!(!may(&operator, wish(Events, Read, Some(T1))));
        assert!(!may(&operator, wish(Users, Write, Some(T1))), "a tenant's users are its own");
        operator.glass.insert(T1);
        assert!(may(&operator, wish(Events, Read, Some(T1))));
        assert!(!may(&operator, wish(Events, Write, Some(T1))));
        assert!(!may(&operator, wish(Audit, Read, Some(T1))));
        assert!(!may(&operator, wish(Events, Read, Some(T2))));
    }

    #[test]
    fn a_key_for_some_streams_touches_no_other() {
        let streams = Some(BTreeSet::from([StreamId::new(3)]));
        let permissions = Permissions::NONE.and(&[Events, Users], &[Write]);
        let key = Principal { home: Some(T1), permissions, streams, ..Principal::default() };
        let of = |stream: Option<u32>| Wish {
            stream: stream.map(StreamId::new),
            ..wish(Events, Write, Some(T1))
        };
        assert!(may(&key, of(Some(3))));
        assert!(!may(&key, of(Some(4))));
        assert!(!may(&key, of(None)), "all streams at once");
        assert!(may(&key, wish(Users, Write, Some(T1))), "which is of no stream");
    }
}
