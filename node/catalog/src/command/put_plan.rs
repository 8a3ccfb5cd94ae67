//! Changing what a plan gives.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use via_types::{Revision, limit};

use super::Outcome;
use crate::catalog::Catalog;
use crate::entry::Deed;
use crate::name;
use crate::object::{Object, Plan, PlanId, Quotas};
use crate::refusal::{Refusal, Thing};
use crate::rules::absent;

/// Makes or changes a plan, and with it what every tenant on it may use.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PutPlan {
    /// Which.
    pub id: PlanId,
    /// Its name, unique.
    pub name: String,
    /// What it gives.
    pub quotas: Quotas,
}

impl PutPlan {
    pub(super) fn apply(
        self,
        catalog: &mut Catalog,
        at: Revision,
        deed: &Deed,
    ) -> Result<Outcome, Refusal> {
        let Self { id, name, quotas } = self;
        catalog.formed()?;
        name::check(Thing::Plan, &name)?;
        let there = catalog.tables.plans.get(&id);
        deed.is_based_on(there.map_or_else(absent, |there| there.revision))?;
        if there.is_none() {
            Refusal::unless_below(catalog.tables.plans.len(), limit::PLANS, "plans")?;
        }
        let plans = catalog.view().plans();
        if plans.iter().any(|plan| plan.name == name && plan.id != id) {
            return Err(Refusal::NameTaken { thing: Thing::Plan, name });
        }
        let plan = Arc::new(Plan { id, name, quotas, revision: at });
        catalog.put(Object::Plan(Arc::clone(&plan)));
        Ok(Outcome::Plan(plan))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::fixture::{ask, catalog};

    fn put(id: PlanId, name: &str, streams: u64) -> PutPlan {
        let quotas = Quotas { streams: Some(streams), ..Quotas::default() };
        PutPlan { id, name: name.to_owned(), quotas }
    }

    #[test]
    fn a_built_in_plan_may_be_changed() {
        let mut catalog = catalog();
        ask(&mut catalog, 3, Some(0), put(Plan::FREE, "free", 9)).unwrap();
        assert_eq!(catalog.plan(Plan::FREE).unwrap().quotas.streams, Some(9));
        assert!(matches!(
            ask(&mut catalog, 4, Some(0), put(Plan::FREE, "free", 8)),
            Err(Refusal::Stale { .. })
        ));
    }

    #[test]
    fn a_name_is_that_of_one_plan() {
        let mut catalog = catalog();
        let taken = ask(&mut catalog, 3, Some(0), put(PlanId::new(9), "pro", 1));
        assert!(matches!(taken, Err(Refusal::NameTaken { thing: Thing::Plan, .. })), "{taken:?}");
        ask(&mut catalog, 3, Some(0), put(Plan::PRO, "team", 1)).unwrap();
        assert!(ask(&mut catalog, 4, Some(0), put(PlanId::new(9), "pro", 1)).is_ok());
    }
}
