//! What a tenant may use: its plan, its own quotas, where its data may lie and
//! whether it is served. A tenant without an account has all that the node can
//! give, as one that was there before there were accounts.

use serde::{Deserialize, Serialize};
use via_types::access::{Action, Resource};
use via_types::{Permissions, Revision, TenantId, Timestamp};

/// Names a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PlanId(u16);

impl PlanId {
    /// Names the plan with this number.
    pub const fn new(number: u16) -> Self {
        Self(number)
    }

    /// Returns the bare number.
    pub const fn get(self) -> u16 {
        self.0
    }
}

macro_rules! quotas {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// How much of each thing; none has no bound of its own.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
        pub struct Quotas {
            $($(#[$doc])* pub $name: Option<u64>,)*
        }

        impl Quotas {
            /// Returns these, and in what they leave open those of `below`.
            #[must_use]
            pub fn over(self, below: Self) -> Self {
                Self { $($name: self.$name.or(below.$name),)* }
            }

            /// Returns each with its name.
            pub fn named(self) -> impl Iterator<Item = (&'static str, Option<u64>)> {
                [$((stringify!($name), self.$name),)*].into_iter()
            }
        }
    };
}

quotas! {
    /// Events in a second, sustained.
    events_per_second,
    /// Events at once, above what is sustained.
    events_burst,
    /// Entities with a profile.
    entities,
    /// Streams.
    streams,
    /// Users.
    users,
    /// Live API keys.
    api_keys,
    /// Requests to the API in a second.
    requests_per_second,
    /// Detections that are stored.
    detections,
    /// How long detections are stored, seconds.
    retention_seconds,
    /// Live feeds at a time.
    subscribers,
    /// Bytes of one request.
    request_bytes,
}

/// A plan that tenants may be on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Which.
    pub id: PlanId,
    /// Its name, unique.
    pub name: String,
    /// What it gives.
    pub quotas: Quotas,
    /// The revision that set it; 0 for one that is built in.
    pub revision: Revision,
}

impl Plan {
    /// The plan for trying.
    pub const FREE: PlanId = PlanId::new(1);
    /// The plan for a team.
    pub const PRO: PlanId = PlanId::new(2);
    /// The plan that bounds nothing by itself.
    pub const ENTERPRISE: PlanId = PlanId::new(3);

    /// Returns the plans that are there unless changed.
    pub fn built_in() -> [Self; 3] {
        let free = Quotas {
            events_per_second: Some(1_000),
            events_burst: Some(10_000),
            entities: Some(10_000),
            streams: Some(5),
            users: Some(3),
            api_keys: Some(5),
            requests_per_second: Some(20),
            detections: Some(100_000),
            retention_seconds: Some(7 * 86_400),
            subscribers: Some(2),
            request_bytes: Some(1 << 20),
        };
        let pro = Quotas {
            events_per_second: Some(50_000),
            events_burst: Some(500_000),
            entities: Some(1_000_000),
            streams: Some(100),
            users: Some(100),
            api_keys: Some(100),
            requests_per_second: Some(200),
            detections: Some(10_000_000),
            retention_seconds: Some(90 * 86_400),
            subscribers: Some(50),
            request_bytes: Some(16 << 20),
        };
        let plan = |id, name: &str, quotas| Self {
            id,
            name: name.to_owned(),
            quotas,
            revision: Revision::new(0),
        };
        [
            plan(Self::FREE, "free", free),
            plan(Self::PRO, "pro", pro),
            plan(Self::ENTERPRISE, "enterprise", Quotas::default()),
        ]
    }
}

/// Whether a tenant is served.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Standing {
    /// It is.
    #[default]
    Active,
    /// It may look and change nothing.
    Suspended,
    /// It is leaving: what is left is to look at the audit log and take its data.
    Closing,
}

impl Standing {
    /// Returns what it leaves the tenant's own people and programs of everything.
    pub const fn leaves(self) -> Permissions {
        let look = Permissions::NONE.and(&[Resource::Audit], &[Action::Read, Action::Execute]);
        match self {
            Self::Active => Permissions::NONE.and(Resource::ALL, Action::ALL),
            Self::Suspended => look.and(Resource::ALL, &[Action::Read]),
            Self::Closing => look.and(&[Resource::Reports], &[Action::Read]),
        }
    }
}

/// What a tenant may use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Whose.
    pub tenant: TenantId,
    /// Its plan.
    pub plan: PlanId,
    /// What it has different from its plan.
    pub quotas: Quotas,
    /// The only region in which its data may lie; none for any.
    pub region: Option<String>,
    /// Whether it is served.
    pub standing: Standing,
    /// Whether its administrators need a second factor.
    pub needs_second_factor: bool,
    /// The revision that set it.
    pub revision: Revision,
    /// When.
    pub changed: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_tenant_has_of_its_own_is_over_its_plan() {
        let [free, _, enterprise] = Plan::built_in();
        let own = Quotas { streams: Some(50), ..Quotas::default() };
        let quotas = own.over(free.quotas);
        assert_eq!((quotas.streams, quotas.users), (Some(50), free.quotas.users));
        assert!(enterprise.quotas.named().all(|(_, quota)| quota.is_none()));
        assert!(free.quotas.named().all(|(_, quota)| quota.is_some()));
    }
}
