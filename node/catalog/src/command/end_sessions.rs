//! Somebody logs out, or is logged out.

use serde::{Deserialize, Serialize};
use via_types::{SessionId, TenantId, UserId};

use super::Outcome;
use crate::catalog::Catalog;
use crate::refusal::Refusal;

/// Ends sessions of a user, at once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EndSessions {
    /// Whose.
    pub tenant: Option<TenantId>,
    /// Of whom.
    pub user: UserId,
    /// Which.
    pub which: Which,
}

/// Which sessions of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Which {
    /// This one.
    One(SessionId),
    /// All but this one.
    AllBut(SessionId),
    /// All.
    All,
}

impl EndSessions {
    pub(super) fn apply(self, catalog: &mut Catalog) -> Result<Outcome, Refusal> {
        let Self { tenant, user, which } = self;
        catalog.user(user, tenant)?;
        let ended = catalog.end_sessions_of(user, |session| match which {
            Which::One(id) => session.id == id,
            Which::AllBut(id) => session.id != id,
            Which::All => true,
        });
        Ok(Outcome::Ended(ended))
    }
}

#[cfg(test)]
mod tests {
    use via_types::Role;

    use super::*;
    use crate::command::fixture::{TENANT, ask, begun, catalog, user};

    #[test]
    fn one_some_or_all_end_and_nobody_else_s() {
        let mut catalog = catalog();
        let ada = user(&mut catalog, 3, "ada", Role::Admin);
        let bob = user(&mut catalog, 4, "bob", Role::Admin);
        let [first, second, _] =
            [(5, 1), (6, 2), (7, 3)].map(|(at, token)| begun(&mut catalog, at, ada, token));
        let others = begun(&mut catalog, 8, bob, 9);
        let end = |which| EndSessions { tenant: Some(TENANT), user: ada, which };
        let foreign = ask(&mut catalog, 9, None, end(Which::One(others)));
        assert_eq!(foreign, Ok(Outcome::Ended(0)), "it is another user's");
        assert_eq!(ask(&mut catalog, 10, None, end(Which::One(first))), Ok(Outcome::Ended(1)));
        assert_eq!(ask(&mut catalog, 11, None, end(Which::AllBut(second))), Ok(Outcome::Ended(1)));
        assert_eq!(ask(&mut catalog, 12, None, end(Which::All)), Ok(Outcome::Ended(1)));
        assert_eq!(catalog.tables.sessions.len(), 1);
    }
}
