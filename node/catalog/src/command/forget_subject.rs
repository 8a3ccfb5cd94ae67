//! Erasing what concerns a person, by destroying the key that seals it.

use serde::{Deserialize, Serialize};

use super::Outcome;
use crate::catalog::Catalog;
use crate::object::{Digest, Key, Subject};
use crate::refusal::Refusal;

/// Destroys a person's key: nobody reads any more what it sealed, in whatever
/// copy, and every proof stays good.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ForgetSubject {
    /// What the person's name hashes to.
    pub id: Digest,
}

impl ForgetSubject {
    pub(super) fn apply(self, catalog: &mut Catalog) -> Result<Outcome, Refusal> {
        if self.id == Subject::SIGNER {
            return Err(Refusal::unfit("the key that signs audit logs", "is nobody's"));
        }
        catalog.tables.subjects.get(&self.id).ok_or(Refusal::no_such("person"))?;
        catalog.remove(Key::Subject(self.id));
        Ok(Outcome::Gone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::PutSubject;
    use crate::command::fixture::{ask, catalog};

    #[test]
    fn a_key_that_is_destroyed_is_gone() {
        let mut catalog = catalog();
        let id = Digest::new([1; 32]);
        ask(&mut catalog, 3, None, PutSubject { id, key: [7; 32] }).unwrap();
        assert_eq!(ask(&mut catalog, 4, None, ForgetSubject { id }), Ok(Outcome::Gone));
        assert!(catalog.object(Key::Subject(id)).is_none());
        assert!(ask(&mut catalog, 5, None, ForgetSubject { id }).is_err());
        let id = Subject::SIGNER;
        ask(&mut catalog, 5, None, PutSubject { id, key: [7; 32] }).unwrap();
        assert!(ask(&mut catalog, 6, None, ForgetSubject { id }).is_err(), "proofs need it");
    }
}
