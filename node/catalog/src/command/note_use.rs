//! That keys and sessions are used, as far as it matters later.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use via_types::{ApiKeyId, SessionId, TenantId, Timestamp, limit};

use super::Outcome;
use crate::catalog::Catalog;
use crate::object::{ApiKey, Object, Session};
use crate::refusal::Refusal;

/// Notes on which day keys, and when sessions of a tenant were used last. Those
/// that are gone meanwhile are passed over, and nothing becomes older.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NoteUse {
    /// Whose.
    pub tenant: Option<TenantId>,
    /// Keys and days since 1970.
    pub keys: Vec<(ApiKeyId, u32)>,
    /// Sessions and times.
    pub sessions: Vec<(SessionId, Timestamp)>,
}

impl NoteUse {
    pub(super) fn apply(self, catalog: &mut Catalog) -> Result<Outcome, Refusal> {
        let Self { tenant, keys, sessions } = self;
        catalog.known_or_platform(tenant)?;
        let many = keys.len().max(sessions.len());
        Refusal::at_most("what was used", many, limit::RECORDS_PER_ENTRY)?;
        let mut noted = 0;
        for (id, day) in keys {
            let Ok(there) = catalog.own_key(id, tenant) else { continue };
            if there.used.is_none_or(|used| used < day) {
                let key = ApiKey { used: Some(day), ..ApiKey::clone(&there) };
                catalog.put(Object::ApiKey(Arc::new(key)));
                noted += 1;
            }
        }
        for (id, used) in sessions {
            let there = catalog.tables.sessions.get(&id).filter(|it| it.tenant == tenant);
            let Some(there) = there.filter(|there| there.used < used).cloned() else { continue };
            let session = Session { used, ..Session::clone(&there) };
            catalog.put(Object::Session(Arc::new(session)));
            noted += 1;
        }
        Ok(Outcome::Noted(noted))
    }
}

#[cfg(test)]
mod tests {
    use via_types::Role;

    use super::*;
    use crate::command::fixture::{TENANT, ask, begun, catalog, key, user};

    #[test]
    fn use_is_noted_forwards_and_of_what_is_there() {
        let mut catalog = catalog();
        ask(&mut catalog, 3, None, key(1)).unwrap();
        let ada = user(&mut catalog, 4, "ada", Role::Admin);
        let session = begun(&mut catalog, 5, ada, 1);
        let id = ApiKeyId::new(3);
        let note = |day, nanos| NoteUse {
            tenant: Some(TENANT),
            keys: vec![(id, day), (ApiKeyId::new(99), day)],
            sessions: vec![(session, Timestamp::from_nanos(nanos))],
        };
        assert_eq!(ask(&mut catalog, 6, None, note(20_000, 900)), Ok(Outcome::Noted(2)));
        assert_eq!(ask(&mut catalog, 7, None, note(19_999, 800)), Ok(Outcome::Noted(0)));
        assert_eq!(catalog.own_key(id, Some(TENANT)).unwrap().used, Some(20_000));
        assert_eq!(catalog.revision().get(), 6, "nothing new is no change");
    }
}
