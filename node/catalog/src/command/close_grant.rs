//! Shutting a tenant to an operator.

use serde::{Deserialize, Serialize};
use via_types::{GrantId, TenantId};

use super::Outcome;
use crate::catalog::Catalog;
use crate::object::Key;
use crate::refusal::Refusal;

/// Shuts an operator's way into a tenant before its time; either side may.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CloseGrant {
    /// Into which tenant.
    pub tenant: TenantId,
    /// Which.
    pub grant: GrantId,
}

impl CloseGrant {
    pub(super) fn apply(self, catalog: &mut Catalog) -> Result<Outcome, Refusal> {
        let there = catalog.tables.grants.get(&self.grant);
        there.filter(|it| it.tenant == self.tenant).ok_or(Refusal::no_such("grant"))?;
        catalog.remove(Key::Grant(self.grant));
        Ok(Outcome::Gone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::fixture::{TENANT, ask, catalog};

    #[test]
    fn what_is_not_there_is_not_shut() {
        let mut catalog = catalog();
        let close = CloseGrant { tenant: TENANT, grant: GrantId::new(4) };
        assert_eq!(ask(&mut catalog, 3, None, close), Err(Refusal::no_such("grant")));
    }
}
