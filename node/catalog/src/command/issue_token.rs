//! Making a join token known: what it hashes to, and until when it is good.

use serde::{Deserialize, Serialize};
use via_types::{Timestamp, limit};

use super::Outcome;
use crate::catalog::Catalog;
use crate::object::{Digest, Object, Token};
use crate::refusal::Refusal;

/// Makes a token known by which one node may join. Only its digest is kept:
/// who reads the catalog cannot join with it. Expired ones are forgotten.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IssueToken {
    /// What its secret hashes to.
    pub digest: Digest,
    /// From when on it is good for nothing.
    pub expires: Timestamp,
    /// When it was issued.
    pub at: Timestamp,
}

impl IssueToken {
    pub(super) fn apply(self, catalog: &mut Catalog) -> Result<Outcome, Refusal> {
        catalog.formed()?;
        let Self { digest, expires, at } = self;
        if catalog.tokens.contains_key(&digest) {
            return Ok(Outcome::Issued);
        }
        let expired = catalog.tokens.values().filter(|token| token.expires <= at);
        let expired: Vec<Digest> = expired.map(|token| token.digest).collect();
        let left = catalog.tokens.len() - expired.len();
        if left >= limit::JOIN_TOKENS {
            return Err(Refusal::full("join tokens", limit::JOIN_TOKENS as u64));
        }
        expired.into_iter().for_each(|digest| catalog.forget_token(digest));
        catalog.put(Object::Token(Token { digest, expires, admitted: None }));
        Ok(Outcome::Issued)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::Command;
    use crate::command::fixture::{apply, catalog};

    fn issue(number: u8, at: i64, expires: i64) -> Command {
        let [at, expires] = [at, expires].map(Timestamp::from_nanos);
        IssueToken { digest: Digest::new([number; 32]), expires, at }.into()
    }

    #[test]
    fn there_are_only_so_many_and_expired_ones_make_room() {
        let mut catalog = catalog();
        let full = limit::JOIN_TOKENS as u8;
        for number in 0..full {
            apply(&mut catalog, 3 + u64::from(number), issue(number, 0, 100)).unwrap();
        }
        let refused = apply(&mut catalog, 900, issue(full, 99, 200));
        assert!(matches!(refused, Err(Refusal::Full { .. })), "invariant D-6: {refused:?}");
        apply(&mut catalog, 901, issue(full, 100, 200)).unwrap();
        assert_eq!(catalog.tokens.len(), 1, "the others had expired");
    }

    #[test]
    fn issued_again_it_is_the_same_token() {
        let mut catalog = catalog();
        apply(&mut catalog, 3, issue(1, 0, 100)).unwrap();
        apply(&mut catalog, 4, issue(1, 0, 900)).unwrap();
        assert_eq!(catalog.revision().get(), 3, "the repetition is no change");
    }
}
