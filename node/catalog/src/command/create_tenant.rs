//! Creating a tenant.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use via_types::{TenantId, Timestamp, limit};

use super::Outcome;
use crate::catalog::Catalog;
use crate::name;
use crate::object::{Counters, Object, Tenant};
use crate::refusal::{Refusal, Thing};

/// Creates a tenant; one that is there already is returned as it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CreateTenant {
    /// Its name.
    pub name: String,
    /// When it was asked for.
    pub at: Timestamp,
}

impl CreateTenant {
    pub(super) fn apply(self, catalog: &mut Catalog) -> Result<Outcome, Refusal> {
        catalog.formed()?;
        let Self { name, at } = self;
        name::check(Thing::Tenant, &name)?;
        if let Some(there) = catalog.tenants.values().find(|tenant| tenant.name == name) {
            return Ok(Outcome::Tenant { tenant: Arc::clone(there), existed: true });
        }
        if catalog.tenants.len() >= limit::TENANTS {
            return Err(Refusal::full("tenants", limit::TENANTS as u64));
        }
        let number = catalog.counters.tenant.checked_add(1);
        let number = number.ok_or(Refusal::full("tenant ids", u32::MAX.into()))?;
        let tenant = Arc::new(Tenant { id: TenantId::new(number), name, created: at });
        catalog.put(Object::Counters(Counters { tenant: number, ..catalog.counters }));
        catalog.put(Object::Tenant(Arc::clone(&tenant)));
        Ok(Outcome::Tenant { tenant, existed: false })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::Command;
    use crate::command::fixture::{TENANT, apply, catalog};

    fn create(name: &str) -> Command {
        Command::CreateTenant(CreateTenant { name: name.to_owned(), at: Timestamp::from_nanos(9) })
    }

    #[test]
    fn the_same_name_is_the_same_tenant() {
        let mut catalog = catalog();
        let Ok(Outcome::Tenant { tenant, existed: true }) =
            apply(&mut catalog, 3, create("default"))
        else {
            panic!("the tenant is there");
        };
        assert_eq!(tenant.id, TENANT);
    }

    #[test]
    fn another_name_is_another_tenant() {
        let mut catalog = catalog();
        let Ok(Outcome::Tenant { tenant, existed: false }) = apply(&mut catalog, 3, create("acme"))
        else {
            panic!("the tenant is new");
        };
        assert_eq!(tenant.id, TenantId::new(2));
        assert!(matches!(apply(&mut catalog, 4, create("a/b")), Err(Refusal::Name { .. })));
    }
}
