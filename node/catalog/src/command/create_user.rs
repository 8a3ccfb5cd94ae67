//! Making somebody known who may log in.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use via_types::{Revision, Role, TenantId, UserId, limit};

use super::Outcome;
use crate::catalog::Catalog;
use crate::entry::Deed;
use crate::name;
use crate::object::{Attempts, Credentials, Identity, Object, User};
use crate::refusal::{Refusal, Thing};
use crate::rules::check_credentials;

/// Makes a user of a tenant, or an operator of the platform.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CreateUser {
    /// Whose; none for a platform operator.
    pub tenant: Option<TenantId>,
    /// By what they log in, unique within the tenant.
    pub login: String,
    /// What they may do.
    pub roles: Vec<Role>,
    /// Who they are elsewhere.
    pub identities: Vec<Identity>,
    /// What they prove it with.
    pub credentials: Credentials,
}

impl CreateUser {
    pub(super) fn apply(
        self,
        catalog: &mut Catalog,
        at: Revision,
        deed: &Deed,
    ) -> Result<Outcome, Refusal> {
        let Self { tenant, login, roles, identities, credentials } = self;
        catalog.known_or_platform(tenant)?;
        name::check(Thing::User, &login)?;
        catalog.check_roles(&roles, tenant)?;
        catalog.check_identities(&identities, tenant, None)?;
        check_credentials(&credentials)?;
        if catalog.tables.user_named(tenant, &login).is_some() {
            return Err(Refusal::NameTaken { thing: Thing::User, name: login });
        }
        let own = catalog.tables.users_of(tenant).count();
        catalog.within(tenant, own, ("users", |quotas| quotas.users))?;
        Refusal::unless_below(own, limit::USERS_PER_TENANT, "users of one tenant")?;
        Refusal::unless_below(catalog.tables.users.len(), limit::USERS, "users")?;
        let user = Arc::new(User {
            id: UserId::new(at.get()),
            tenant,
            login,
            roles,
            identities,
            is_active: true,
            credentials,
            strange: Attempts::default(),
            devices: Vec::new(),
            seen: None,
            revision: at,
            created: deed.at,
        });
        catalog.put(Object::User(Arc::clone(&user)));
        Ok(Outcome::User(user))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::PutAccount;
    use crate::command::fixture::{TENANT, ask, catalog};
    use crate::object::{Plan, Quotas, Standing};

    fn create(tenant: Option<TenantId>, login: &str, roles: &[Role]) -> CreateUser {
        let (login, roles) = (login.to_owned(), roles.to_vec());
        let (identities, credentials) = (Vec::new(), Credentials::default());
        CreateUser { tenant, login, roles, identities, credentials }
    }

    #[test]
    fn a_login_is_unique_within_its_tenant() {
        let mut catalog = catalog();
        let login = "ada@example.org";
        ask(&mut catalog, 3, None, create(Some(TENANT), login, &[Role::Admin])).unwrap();
        let again = ask(&mut catalog, 4, None, create(Some(TENANT), login, &[]));
        assert!(matches!(again, Err(Refusal::NameTaken { thing: Thing::User, .. })), "{again:?}");
        assert!(ask(&mut catalog, 4, None, create(None, login, &[Role::OperatorSre])).is_ok());
    }

    #[test]
    fn roles_are_those_of_the_tenant_or_of_the_platform() {
        let mut catalog = catalog();
        for (tenant, role) in [
            (Some(TENANT), Role::OperatorAdmin),
            (None, Role::Admin),
            (Some(TENANT), Role::Custom(via_types::RoleId::new(1))),
        ] {
            let refused = ask(&mut catalog, 3, None, create(tenant, "eve", &[role]));
            assert_eq!(refused, Err(Refusal::no_such("role")), "{tenant:?} {role:?}");
        }
    }

    #[test]
    fn an_identity_is_one_user_s() {
        let mut catalog = catalog();
        let who = Identity { issuer: "https://id.example".to_owned(), subject: "7".to_owned() };
        let with = |login| CreateUser {
            identities: vec![who.clone()],
            ..create(Some(TENANT), login, &[])
        };
        ask(&mut catalog, 3, None, with("ada")).unwrap();
        let other = ask(&mut catalog, 4, None, with("eve"));
        assert!(matches!(other, Err(Refusal::Unfit { .. })), "{other:?}");
    }

    #[test]
    fn the_quota_of_users_holds() {
        let mut catalog = catalog();
        let account = PutAccount {
            tenant: TENANT,
            plan: Plan::PRO,
            quotas: Quotas { users: Some(1), ..Quotas::default() },
            region: None,
            standing: Standing::Active,
            needs_second_factor: false,
        };
        ask(&mut catalog, 3, Some(0), account).unwrap();
        ask(&mut catalog, 4, None, create(Some(TENANT), "ada", &[])).unwrap();
        let more = ask(&mut catalog, 5, None, create(Some(TENANT), "bob", &[]));
        assert_eq!(more, Err(Refusal::Quota { quota: "users".into(), limit: 1 }));
        assert!(ask(&mut catalog, 5, None, create(None, "op", &[])).is_ok(), "an operator is none");
    }
}
