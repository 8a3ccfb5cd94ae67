//! Taking an entry off a suppression list.

use serde::{Deserialize, Serialize};
use via_types::{SuppressionId, TenantId};

use super::Outcome;
use crate::catalog::Catalog;
use crate::object::Key;
use crate::refusal::Refusal;

/// Takes an entry off a tenant's suppression list. An entry never changes, so
/// its id says what the change is based on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeleteSuppression {
    /// Whose.
    pub tenant: TenantId,
    /// Which.
    pub entry: SuppressionId,
}

impl DeleteSuppression {
    pub(super) fn apply(self, catalog: &mut Catalog) -> Result<Outcome, Refusal> {
        let there = catalog.tables.suppressions.get(&self.entry);
        there
            .filter(|it| it.tenant == self.tenant)
            .ok_or(Refusal::no_such("entry of the suppression list"))?;
        catalog.remove(Key::Suppression(self.entry));
        Ok(Outcome::Gone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::PutSuppression;
    use crate::command::fixture::{TENANT, ask, catalog};
    use crate::object::{Hushed, Verdict};

    #[test]
    fn an_entry_goes_once() {
        let mut catalog = catalog();
        let (tenant, stream, expires) = (TENANT, None, None);
        let (about, verdict) = (Hushed::Rhythm(7), Verdict::Block);
        ask(&mut catalog, 3, None, PutSuppression { tenant, stream, about, verdict, expires })
            .unwrap();
        let delete = DeleteSuppression { tenant: TENANT, entry: SuppressionId::new(3) };
        assert_eq!(ask(&mut catalog, 4, None, delete.clone()), Ok(Outcome::Gone));
        assert!(matches!(ask(&mut catalog, 5, None, delete), Err(Refusal::NoSuch { .. })));
    }
}
