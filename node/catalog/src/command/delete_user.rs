//! Forgetting somebody.

use serde::{Deserialize, Serialize};
use via_types::{TenantId, UserId};

use super::Outcome;
use crate::catalog::Catalog;
use crate::entry::Deed;
use crate::object::Key;
use crate::refusal::Refusal;

/// Takes a user and their sessions away; the last administrator stays.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeleteUser {
    /// Whose.
    pub tenant: Option<TenantId>,
    /// Who.
    pub user: UserId,
}

impl DeleteUser {
    pub(super) fn apply(self, catalog: &mut Catalog, deed: &Deed) -> Result<Outcome, Refusal> {
        let Self { tenant, user } = self;
        let there = catalog.user(user, tenant)?;
        deed.is_based_on(there.revision)?;
        catalog.has_other_admin(&there)?;
        catalog.end_sessions_of(user, |_| true);
        catalog.remove(Key::User(user));
        Ok(Outcome::Gone)
    }
}

#[cfg(test)]
mod tests {
    use via_types::Role;

    use super::*;
    use crate::command::fixture::{TENANT, ask, begun, catalog, user};

    #[test]
    fn nothing_of_a_deleted_user_is_left() {
        let mut catalog = catalog();
        let eve = user(&mut catalog, 3, "eve", Role::Viewer);
        begun(&mut catalog, 4, eve, 1);
        let delete = DeleteUser { tenant: Some(TENANT), user: eve };
        assert_eq!(ask(&mut catalog, 5, Some(3), delete.clone()), Ok(Outcome::Gone));
        assert_eq!(ask(&mut catalog, 6, Some(3), delete), Err(Refusal::no_such("user")));
        assert!(catalog.tables.user_named(Some(TENANT), "eve").is_none());
        assert_eq!(catalog.tables.sessions.len(), 0);
        let again = user(&mut catalog, 7, "eve", Role::Viewer);
        assert_ne!(again, eve, "an id is never reused");
    }
}
