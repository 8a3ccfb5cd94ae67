//! A key that seals what concerns one person.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use via_types::limit;

use super::Outcome;
use crate::catalog::Catalog;
use crate::object::{Digest, Object, Subject};
use crate::refusal::Refusal;

/// Makes a person's key known; one that is there already stays.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PutSubject {
    /// What the person's name hashes to.
    pub id: Digest,
    /// The key.
    pub key: [u8; 32],
}

impl PutSubject {
    pub(super) fn apply(self, catalog: &mut Catalog) -> Result<Outcome, Refusal> {
        let Self { id, key } = self;
        catalog.formed()?;
        if let Some(there) = catalog.tables.subjects.get(&id) {
            return Ok(Outcome::Subject(Arc::clone(there)));
        }
        let what = "people with a key of their own";
        Refusal::unless_below(catalog.tables.subjects.len(), limit::SUBJECTS, what)?;
        let subject = Arc::new(Subject { id, key });
        catalog.put(Object::Subject(Arc::clone(&subject)));
        Ok(Outcome::Subject(subject))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::fixture::{ask, catalog};

    #[test]
    fn who_comes_first_gives_the_key() {
        let mut catalog = catalog();
        let put = |key| PutSubject { id: Digest::new([1; 32]), key: [key; 32] };
        ask(&mut catalog, 3, None, put(1)).unwrap();
        let Ok(Outcome::Subject(subject)) = ask(&mut catalog, 4, None, put(2)) else {
            panic!("it is there");
        };
        assert_eq!(subject.key, [1; 32]);
        assert_eq!(catalog.revision().get(), 3);
    }
}
