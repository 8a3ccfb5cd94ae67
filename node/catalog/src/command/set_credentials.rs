//! Changing what somebody proves themselves with.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use via_types::{Revision, TenantId, UserId};

use super::Outcome;
use crate::catalog::Catalog;
use crate::entry::{Author, Deed};
use crate::object::{Attempts, Digest, Object, SecondFactor, User};
use crate::refusal::Refusal;
use crate::rules::check_credentials;

/// Changes one thing that a user proves themselves with, and ends all their
/// sessions but the one in which it was asked for. The last one asked for
/// counts: a forgotten password is not based on anything.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SetCredentials {
    /// Whose.
    pub tenant: Option<TenantId>,
    /// Who.
    pub user: UserId,
    /// What is changed.
    pub change: CredentialChange,
}

/// What of somebody's credentials is changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CredentialChange {
    /// The password, by its hash; none takes it away. Devices are forgotten:
    /// whoever had the old one may have had one of them.
    Password(Option<String>),
    /// The second factor, by its sealed secret; none takes it and the recovery
    /// codes away.
    SecondFactor(Option<Vec<u8>>),
    /// The recovery codes, by what they hash to.
    Recovery(Vec<Digest>),
}

impl SetCredentials {
    pub(super) fn apply(
        self,
        catalog: &mut Catalog,
        at: Revision,
        deed: &Deed,
    ) -> Result<Outcome, Refusal> {
        let Self { tenant, user, change } = self;
        let mut changed = User::clone(&*catalog.user(user, tenant)?);
        match change {
            CredentialChange::Password(password) => {
                changed.credentials.password = password;
                changed.devices.clear();
                changed.strange = Attempts::default();
            }
            CredentialChange::SecondFactor(None) => {
                changed.credentials.second = None;
                changed.credentials.recovery.clear();
            }
            CredentialChange::SecondFactor(Some(sealed)) => {
                changed.credentials.second = Some(SecondFactor { sealed, step: 0 });
            }
            CredentialChange::Recovery(codes) => changed.credentials.recovery = codes,
        }
        check_credentials(&changed.credentials)?;
        changed.revision = at;
        let changed = Arc::new(changed);
        catalog.put(Object::User(Arc::clone(&changed)));
        let own = if let Author::User { session, .. } = deed.by { session } else { None };
        catalog.end_sessions_of(user, |session| Some(session.id) != own);
        Ok(Outcome::User(changed))
    }
}

#[cfg(test)]
mod tests {
    use via_types::{Role, Timestamp};

    use super::*;
    use crate::command::fixture::{TENANT, ask, begun, catalog, user};
    use crate::entry::Entry;

    #[test]
    fn a_new_password_ends_every_other_session() {
        let mut catalog = catalog();
        let ada = user(&mut catalog, 3, "ada", Role::Admin);
        let own = begun(&mut catalog, 4, ada, 1);
        begun(&mut catalog, 5, ada, 2);
        let by = Author::User { user: ada, home: Some(TENANT), session: Some(own), grant: None };
        let deed = Deed::new(by, Timestamp::from_nanos(9));
        let change = CredentialChange::Password(Some("$argon2id$x".to_owned()));
        let set = SetCredentials { tenant: Some(TENANT), user: ada, change };
        let entry = Entry { deed: Some(deed), command: set.into() };
        catalog.apply(Revision::new(6), entry).outcome.unwrap();
        let left: Vec<_> = catalog.tables.sessions_of(ada).map(|session| session.id).collect();
        assert_eq!(left, [own]);
    }

    #[test]
    fn without_a_second_factor_no_recovery_code_is_left() {
        let mut catalog = catalog();
        let ada = user(&mut catalog, 3, "ada", Role::Admin);
        let set = |change| SetCredentials { tenant: Some(TENANT), user: ada, change };
        let codes = vec![Digest::new([1; 32])];
        ask(&mut catalog, 4, None, set(CredentialChange::SecondFactor(Some(vec![7])))).unwrap();
        ask(&mut catalog, 5, None, set(CredentialChange::Recovery(codes))).unwrap();
        ask(&mut catalog, 6, None, set(CredentialChange::SecondFactor(None))).unwrap();
        let ada = catalog.user(ada, Some(TENANT)).unwrap();
        assert!(ada.credentials.second.is_none() && ada.credentials.recovery.is_empty());
    }

    #[test]
    fn what_is_too_long_is_refused() {
        let mut catalog = catalog();
        let ada = user(&mut catalog, 3, "ada", Role::Admin);
        for change in [
            CredentialChange::Password(Some("x".repeat(257))),
            CredentialChange::SecondFactor(Some(vec![0; 257])),
            CredentialChange::Recovery(vec![Digest::new([1; 32]); 17]),
        ] {
            let set = SetCredentials { tenant: Some(TENANT), user: ada, change };
            let refused = ask(&mut catalog, 4, None, set);
            assert!(matches!(refused, Err(Refusal::Unfit { .. })), "D-6: {refused:?}");
        }
    }
}
