//! Saying what a tenant may use.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use via_types::{Revision, TenantId};

use super::Outcome;
use crate::catalog::Catalog;
use crate::entry::Deed;
use crate::name;
use crate::object::{Account, Object, PlanId, Quotas, Standing};
use crate::refusal::{Refusal, Thing};
use crate::rules::absent;

/// Sets a tenant's plan, quotas, region and standing, based on its account as
/// it is; on 0 when it has none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PutAccount {
    /// Whose.
    pub tenant: TenantId,
    /// Its plan.
    pub plan: PlanId,
    /// What it has different from the plan.
    pub quotas: Quotas,
    /// The only region in which its data may lie; fixed once it is set, since
    /// what lies elsewhere stays there.
    pub region: Option<String>,
    /// Whether it is served.
    pub standing: Standing,
    /// Whether its administrators need a second factor.
    pub needs_second_factor: bool,
}

impl PutAccount {
    pub(super) fn apply(
        self,
        catalog: &mut Catalog,
        at: Revision,
        deed: &Deed,
    ) -> Result<Outcome, Refusal> {
        let Self { tenant, plan, quotas, region, standing, needs_second_factor } = self;
        catalog.known(tenant)?;
        let there = catalog.tables.accounts.get(&tenant).cloned();
        deed.is_based_on(there.as_ref().map_or_else(absent, |there| there.revision))?;
        catalog.plan(plan).ok_or(Refusal::no_such("plan"))?;
        region.iter().try_for_each(|region| name::check(Thing::Region, region))?;
        let pinned = there.as_ref().and_then(|there| there.region.as_ref());
        if pinned.is_some() && pinned != region.as_ref() {
            return Err(Refusal::unfit("the region", "is fixed once it is set"));
        }
        let (revision, changed) = (at, deed.at);
        let account = Account {
            tenant,
            plan,
            quotas,
            region,
            standing,
            needs_second_factor,
            revision,
            changed,
        };
        let account = Arc::new(account);
        catalog.put(Object::Account(Arc::clone(&account)));
        Ok(Outcome::Account(account))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::fixture::{TENANT, ask, catalog};
    use crate::object::Plan;

    fn put(plan: PlanId, region: Option<&str>) -> PutAccount {
        PutAccount {
            tenant: TENANT,
            plan,
            quotas: Quotas { users: Some(7), ..Quotas::default() },
            region: region.map(str::to_owned),
            standing: Standing::Active,
            needs_second_factor: false,
        }
    }

    #[test]
    fn an_account_follows_its_plan_and_its_own_quotas() {
        let mut catalog = catalog();
        assert_eq!(catalog.quotas(TENANT), Quotas::default(), "no account, no bound");
        ask(&mut catalog, 3, Some(0), put(Plan::FREE, None)).unwrap();
        let quotas = catalog.quotas(TENANT);
        assert_eq!((quotas.users, quotas.streams), (Some(7), Some(5)));
    }

    #[test]
    fn a_change_names_what_it_is_based_on() {
        let mut catalog = catalog();
        let [based_on, current] = [0, 3].map(Revision::new);
        let missing = ask(&mut catalog, 3, None, put(Plan::PRO, None));
        assert_eq!(missing, Err(Refusal::BasisMissing { current: based_on }));
        ask(&mut catalog, 3, Some(0), put(Plan::PRO, None)).unwrap();
        let stale = ask(&mut catalog, 4, Some(0), put(Plan::FREE, None));
        assert_eq!(stale, Err(Refusal::Stale { based_on, current }));
        assert!(ask(&mut catalog, 4, Some(3), put(Plan::FREE, None)).is_ok());
    }

    #[test]
    fn a_region_is_set_once_and_a_plan_must_be_there() {
        let mut catalog = catalog();
        ask(&mut catalog, 3, Some(0), put(Plan::PRO, Some("eu"))).unwrap();
        let moved = ask(&mut catalog, 4, Some(3), put(Plan::PRO, Some("us")));
        assert!(matches!(moved, Err(Refusal::Unfit { .. })), "{moved:?}");
        let freed = ask(&mut catalog, 4, Some(3), put(Plan::PRO, None));
        assert!(matches!(freed, Err(Refusal::Unfit { .. })), "{freed:?}");
        let unknown = ask(&mut catalog, 4, Some(3), put(PlanId::new(77), Some("eu")));
        assert_eq!(unknown, Err(Refusal::no_such("plan")));
    }
}
