//! Taking a tenant's own role away.

use serde::{Deserialize, Serialize};
use via_types::{Role, RoleId, TenantId};

use super::Outcome;
use crate::catalog::Catalog;
use crate::entry::Deed;
use crate::object::Key;
use crate::refusal::Refusal;

/// Takes a role away that nobody has.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeleteRole {
    /// Whose.
    pub tenant: TenantId,
    /// Which.
    pub role: RoleId,
}

impl DeleteRole {
    pub(super) fn apply(self, catalog: &mut Catalog, deed: &Deed) -> Result<Outcome, Refusal> {
        let Self { tenant, role } = self;
        let there = catalog.tables.roles.get(&role).filter(|role| role.tenant == tenant);
        deed.is_based_on(there.ok_or(Refusal::no_such("role"))?.revision)?;
        let has =
            |user: &std::sync::Arc<crate::object::User>| user.roles.contains(&Role::Custom(role));
        if catalog.tables.users_of(Some(tenant)).any(has) {
            return Err(Refusal::unfit("this role", "is one that users have"));
        }
        catalog.remove(Key::Role(role));
        Ok(Outcome::Gone)
    }
}

#[cfg(test)]
mod tests {
    use via_types::Permissions;

    use super::*;
    use crate::command::PutRole;
    use crate::command::fixture::{TENANT, ask, catalog, user};

    #[test]
    fn a_role_that_somebody_has_stays() {
        let mut catalog = catalog();
        let name = "on-call".to_owned();
        let permissions = Permissions::NONE;
        ask(&mut catalog, 3, None, PutRole { tenant: TENANT, role: None, name, permissions })
            .unwrap();
        let role = RoleId::new(3);
        let eve = user(&mut catalog, 4, "eve", Role::Custom(role));
        let delete = DeleteRole { tenant: TENANT, role };
        let refused = ask(&mut catalog, 5, Some(3), delete.clone());
        assert!(matches!(refused, Err(Refusal::Unfit { .. })), "{refused:?}");
        let gone = crate::command::DeleteUser { tenant: Some(TENANT), user: eve };
        ask(&mut catalog, 5, Some(4), gone).unwrap();
        assert_eq!(ask(&mut catalog, 6, Some(3), delete), Ok(Outcome::Gone));
        assert_eq!(catalog.tables.roles_of(TENANT).count(), 0);
    }
}
