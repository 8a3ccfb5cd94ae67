//! Taking a key away.

use serde::{Deserialize, Serialize};
use via_types::{ApiKeyId, TenantId};

use super::Outcome;
use crate::catalog::Catalog;
use crate::object::Key;
use crate::refusal::Refusal;

/// Takes a key away, at once and whatever it is based on: one that has leaked
/// cannot wait.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RevokeApiKey {
    /// Whose.
    pub tenant: Option<TenantId>,
    /// Which.
    pub key: ApiKeyId,
}

impl RevokeApiKey {
    pub(super) fn apply(self, catalog: &mut Catalog) -> Result<Outcome, Refusal> {
        catalog.own_key(self.key, self.tenant)?;
        catalog.remove(Key::ApiKey(self.key));
        Ok(Outcome::Gone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::fixture::{TENANT, ask, catalog, key};
    use crate::object::Digest;

    #[test]
    fn a_revoked_key_is_not_found_and_another_tenant_revokes_none() {
        let mut catalog = catalog();
        ask(&mut catalog, 3, None, key(1)).unwrap();
        let revoke = |tenant| RevokeApiKey { tenant, key: ApiKeyId::new(3) };
        assert_eq!(ask(&mut catalog, 4, None, revoke(None)), Err(Refusal::no_such("API key")));
        assert_eq!(ask(&mut catalog, 4, None, revoke(Some(TENANT))), Ok(Outcome::Gone));
        assert!(catalog.tables.index.keys_by_digest.get(&Digest::new([1; 32])).is_none());
        assert_eq!(catalog.tables.keys_of(Some(TENANT)).count(), 0);
    }
}
