//! A tenant's own roles.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use via_types::access::Resource;
use via_types::{Permissions, Revision, RoleId, TenantId, limit};

use super::Outcome;
use crate::catalog::Catalog;
use crate::entry::Deed;
use crate::name;
use crate::object::{CustomRole, Object, TrailId};
use crate::refusal::{Refusal, Thing};

/// Makes a role, or changes one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PutRole {
    /// Whose.
    pub tenant: TenantId,
    /// Which; none makes a new one.
    pub role: Option<RoleId>,
    /// Its name, unique within the tenant.
    pub name: String,
    /// What it allows.
    pub permissions: Permissions,
}

impl PutRole {
    pub(super) fn apply(
        self,
        catalog: &mut Catalog,
        at: Revision,
        deed: &Deed,
    ) -> Result<Outcome, Refusal> {
        let Self { tenant, role, name, permissions } = self;
        catalog.known(tenant)?;
        name::check(Thing::Role, &name)?;
        check_permissions(permissions)?;
        let id = if let Some(id) = role {
            let there = catalog.tables.roles.get(&id).filter(|role| role.tenant == tenant);
            deed.is_based_on(there.ok_or(Refusal::no_such("role"))?.revision)?;
            id
        } else {
            let own = catalog.tables.roles_of(tenant).count();
            Refusal::unless_below(own, limit::ROLES_PER_TENANT, "roles of one tenant")?;
            RoleId::new(at.get())
        };
        let named = catalog.tables.index.role_names.get(&(TrailId::of(Some(tenant)), name.clone()));
        let is_built_in = via_types::Role::OF_TENANTS
            .iter()
            .chain(via_types::Role::OF_PLATFORM)
            .any(|role| role.name() == Some(name.as_str()));
        if is_built_in || named.is_some_and(|named| *named != id) {
            return Err(Refusal::NameTaken { thing: Thing::Role, name });
        }
        let role = Arc::new(CustomRole { id, tenant, name, permissions, revision: at });
        catalog.put(Object::Role(Arc::clone(&role)));
        Ok(Outcome::Role(role))
    }
}

/// Refuses what is no tenant's to give.
pub(super) fn check_permissions(permissions: Permissions) -> Result<(), Refusal> {
    let is_platforms = |(resource, _)| matches!(resource, Resource::Tenants | Resource::Nodes);
    if !permissions.is_known() || permissions.pairs().any(is_platforms) {
        return Err(Refusal::unfit("a permission", "is not one that a tenant may give"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use via_types::access::Action;

    use super::*;
    use crate::command::fixture::{TENANT, ask, catalog};

    fn put(role: Option<RoleId>, name: &str, resource: Resource) -> PutRole {
        let permissions = Permissions::NONE.and(&[resource], &[Action::Read]);
        PutRole { tenant: TENANT, role, name: name.to_owned(), permissions }
    }

    #[test]
    fn a_role_is_made_and_changed_from_what_was_read() {
        let mut catalog = catalog();
        ask(&mut catalog, 3, None, put(None, "on-call", Resource::Events)).unwrap();
        let id = RoleId::new(3);
        let blind = ask(&mut catalog, 4, None, put(Some(id), "on-call", Resource::Keys));
        assert_eq!(blind, Err(Refusal::BasisMissing { current: Revision::new(3) }));
        ask(&mut catalog, 4, Some(3), put(Some(id), "night-watch", Resource::Keys)).unwrap();
        assert_eq!(catalog.tables.roles_of(TENANT).count(), 1);
        assert!(ask(&mut catalog, 5, None, put(None, "on-call", Resource::Events)).is_ok());
    }

    #[test]
    fn refuses_what_is_the_platform_s_and_names_that_are_taken() {
        let mut catalog = catalog();
        for resource in [Resource::Tenants, Resource::Nodes] {
            let refused = ask(&mut catalog, 3, None, put(None, "a", resource));
            assert!(matches!(refused, Err(Refusal::Unfit { .. })), "{refused:?}");
        }
        ask(&mut catalog, 3, None, put(None, "a", Resource::Events)).unwrap();
        for name in ["a", "admin", "operator-sre"] {
            let refused = ask(&mut catalog, 4, None, put(None, name, Resource::Events));
            assert!(matches!(refused, Err(Refusal::NameTaken { .. })), "{name}: {refused:?}");
        }
    }
}
