//! Changing what somebody may do, or whether they may log in.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use via_types::{Revision, Role, TenantId, UserId};

use super::Outcome;
use crate::catalog::Catalog;
use crate::entry::Deed;
use crate::object::{Identity, Object, User};
use crate::refusal::Refusal;

/// Changes a user. Whoever may not log in any more has no sessions either; the
/// last administrator stays one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PutUser {
    /// Whose.
    pub tenant: Option<TenantId>,
    /// Who.
    pub user: UserId,
    /// What they may do from now on.
    pub roles: Vec<Role>,
    /// Who they are elsewhere.
    pub identities: Vec<Identity>,
    /// Whether they may log in.
    pub is_active: bool,
}

impl PutUser {
    pub(super) fn apply(
        self,
        catalog: &mut Catalog,
        at: Revision,
        deed: &Deed,
    ) -> Result<Outcome, Refusal> {
        let Self { tenant, user, roles, identities, is_active } = self;
        let there = catalog.user(user, tenant)?;
        deed.is_based_on(there.revision)?;
        catalog.check_roles(&roles, tenant)?;
        catalog.check_identities(&identities, tenant, Some(user))?;
        let admin = if tenant.is_some() { Role::Admin } else { Role::OperatorAdmin };
        if !is_active || !roles.contains(&admin) {
            catalog.has_other_admin(&there)?;
        }
        let changed = User { roles, identities, is_active, revision: at, ..User::clone(&there) };
        let changed = Arc::new(changed);
        catalog.put(Object::User(Arc::clone(&changed)));
        if !is_active {
            catalog.end_sessions_of(user, |_| true);
        }
        Ok(Outcome::User(changed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::fixture::{TENANT, ask, begun, catalog, user};

    fn put(user: UserId, roles: &[Role], is_active: bool) -> PutUser {
        let (roles, identities) = (roles.to_vec(), Vec::new());
        PutUser { tenant: Some(TENANT), user, roles, identities, is_active }
    }

    #[test]
    fn the_last_administrator_stays() {
        let mut catalog = catalog();
        let ada = user(&mut catalog, 3, "ada", Role::Admin);
        for change in [put(ada, &[Role::Viewer], true), put(ada, &[Role::Admin], false)] {
            let refused = ask(&mut catalog, 4, Some(3), change);
            assert!(matches!(refused, Err(Refusal::Unfit { .. })), "{refused:?}");
        }
        user(&mut catalog, 4, "bob", Role::Admin);
        assert!(ask(&mut catalog, 5, Some(3), put(ada, &[Role::Viewer], true)).is_ok());
    }

    #[test]
    fn who_may_not_log_in_has_no_sessions() {
        let mut catalog = catalog();
        let eve = user(&mut catalog, 3, "eve", Role::Viewer);
        begun(&mut catalog, 4, eve, 1);
        ask(&mut catalog, 5, Some(3), put(eve, &[Role::Viewer], false)).unwrap();
        assert_eq!(catalog.tables.sessions_of(eve).count(), 0);
    }

    #[test]
    fn a_user_of_another_tenant_is_not_there() {
        let mut catalog = catalog();
        let eve = user(&mut catalog, 3, "eve", Role::Viewer);
        let foreign = PutUser { tenant: None, ..put(eve, &[], true) };
        assert_eq!(ask(&mut catalog, 4, Some(3), foreign), Err(Refusal::no_such("user")));
    }
}
