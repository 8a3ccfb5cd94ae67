//! An operator looks into a tenant, for a while and for a reason.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use via_types::{GrantId, Revision, TenantId, Timestamp, UserId, limit};

use super::Outcome;
use crate::catalog::Catalog;
use crate::entry::Deed;
use crate::object::{Grant, Key, Object};
use crate::refusal::Refusal;
use crate::rules::check_end;

/// Opens a tenant to an operator. The tenant sees it in its audit log and among
/// its grants; there is always a reason and always an end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OpenGrant {
    /// Into which tenant.
    pub tenant: TenantId,
    /// Who.
    pub operator: UserId,
    /// From when on it is shut.
    pub expires: Timestamp,
}

impl OpenGrant {
    pub(super) fn apply(
        self,
        catalog: &mut Catalog,
        at: Revision,
        deed: &Deed,
    ) -> Result<Outcome, Refusal> {
        let Self { tenant, operator, expires } = self;
        catalog.known(tenant)?;
        if !catalog.user(operator, None)?.is_active {
            return Err(Refusal::unfit("this operator", "may not log in"));
        }
        if deed.reason.trim().is_empty() {
            return Err(Refusal::unfit("the reason", "is missing"));
        }
        check_end("the grant", (deed.at, expires), limit::GRANT_SECS)?;
        let over = catalog.tables.grants.values().filter(|grant| grant.expires <= deed.at);
        let over: Vec<_> = over.map(|grant| grant.id).collect();
        let left = catalog.tables.grants.len() - over.len();
        Refusal::unless_below(left, limit::GRANTS, "grants")?;
        let id = GrantId::new(at.get());
        let (reason, opened) = (deed.reason.clone(), deed.at);
        let grant = Arc::new(Grant { id, tenant, operator, reason, opened, expires });
        // Those of others that are over go with the next change of their own.
        let own = |id: &GrantId| {
            catalog.tables.grants.get(id).is_some_and(|grant| grant.tenant == tenant)
        };
        let is_tight = left + over.len() >= limit::GRANTS;
        let gone: Vec<_> = over.into_iter().filter(|id| is_tight || own(id)).collect();
        gone.into_iter().for_each(|id| catalog.remove(Key::Grant(id)));
        catalog.put(Object::Grant(Arc::clone(&grant)));
        Ok(Outcome::Grant(grant))
    }
}

#[cfg(test)]
mod tests {
    use via_types::Role;

    use super::*;
    use crate::command::CreateUser;
    use crate::command::fixture::{TENANT, ask_for, catalog, user};
    use crate::object::Credentials;

    fn operator(catalog: &mut Catalog) -> UserId {
        let create = CreateUser {
            tenant: None,
            login: "op".to_owned(),
            roles: vec![Role::OperatorSre],
            identities: Vec::new(),
            credentials: Credentials::default(),
        };
        let Ok(Outcome::User(user)) = ask_for(catalog, 3, "", create) else { panic!("it is new") };
        user.id
    }

    fn open(operator: UserId, seconds: i64) -> OpenGrant {
        let expires = Timestamp::from_nanos(seconds * 1_000_000_000);
        OpenGrant { tenant: TENANT, operator, expires }
    }

    #[test]
    fn a_grant_has_a_reason_and_an_end() {
        let mut catalog = catalog();
        let operator = operator(&mut catalog);
        for (reason, seconds) in [(" ", 60), ("ticket 7", 0), ("ticket 7", 8 * 3_600 + 1)] {
            let refused = ask_for(&mut catalog, 4, reason, open(operator, seconds));
            assert!(matches!(refused, Err(Refusal::Unfit { .. })), "{reason} {seconds}");
        }
        let Ok(Outcome::Grant(grant)) = ask_for(&mut catalog, 4, "ticket 7", open(operator, 60))
        else {
            panic!("it is allowed");
        };
        assert_eq!((grant.reason.as_str(), grant.id), ("ticket 7", GrantId::new(4)));
    }

    #[test]
    fn only_operators_get_one() {
        let mut catalog = catalog();
        let ada = user(&mut catalog, 3, "ada", Role::Admin);
        let refused = ask_for(&mut catalog, 4, "ticket 7", open(ada, 60));
        assert_eq!(refused, Err(Refusal::no_such("user")));
    }
}
