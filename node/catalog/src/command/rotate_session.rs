//! A token is replaced by the next; one that comes twice was stolen.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use via_types::{SessionId, TenantId};

use super::Outcome;
use crate::catalog::Catalog;
use crate::entry::Deed;
use crate::object::{Digest, Key, Object, Session};
use crate::refusal::Refusal;

/// How long the token before may ask for the same successor: two requests of
/// one program may cross.
const CROSSING: Duration = Duration::from_secs(10);

/// Replaces a session's token. A token of the session that was replaced before
/// ends it: somebody else has one too, and nobody knows who is who. Only right
/// after it was replaced, and for the same successor, it is answered again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RotateSession {
    /// Whose.
    pub tenant: Option<TenantId>,
    /// Which.
    pub session: SessionId,
    /// What the token hashes to that was shown.
    pub shown: Digest,
    /// What the next one hashes to.
    pub next: Digest,
}

impl RotateSession {
    pub(super) fn apply(self, catalog: &mut Catalog, deed: &Deed) -> Result<Outcome, Refusal> {
        let Self { tenant, session, shown, next } = self;
        let there = catalog.tables.sessions.get(&session).filter(|it| it.tenant == tenant);
        let there = Arc::clone(there.ok_or(Refusal::no_such("session"))?);
        if there.is_over(deed.at) {
            return Err(Refusal::no_such("session"));
        }
        if shown != there.token {
            let crossed = there.earlier.is_some_and(|(earlier, since)| {
                let is_soon = deed.at.saturating_since(since) <= CROSSING;
                earlier == shown && is_soon && next == there.token
            });
            if crossed {
                return Ok(Outcome::Session(there));
            }
            catalog.remove(Key::Session(session));
            return Ok(Outcome::Reused);
        }
        if catalog.tables.index.sessions_by_token.get(&next).is_some() {
            return Err(Refusal::UsedBefore);
        }
        let rotated = Session {
            token: next,
            earlier: Some((shown, deed.at)),
            used: there.used.max(deed.at),
            ..Session::clone(&there)
        };
        let rotated = Arc::new(rotated);
        catalog.put(Object::Session(Arc::clone(&rotated)));
        Ok(Outcome::Session(rotated))
    }
}

#[cfg(test)]
mod tests {
    use via_types::{Role, Timestamp};

    use super::*;
    use crate::command::fixture::{TENANT, ask_at, begun, catalog, user};

    fn rotate(session: SessionId, shown: u8, next: u8) -> RotateSession {
        let [shown, next] = [shown, next].map(|number| Digest::new([number; 32]));
        RotateSession { tenant: Some(TENANT), session, shown, next }
    }

    fn secs(seconds: i64) -> Timestamp {
        Timestamp::from_nanos(seconds * 1_000_000_000)
    }

    #[test]
    fn a_token_that_comes_twice_ends_the_session() {
        let mut catalog = catalog();
        let ada = user(&mut catalog, 3, "ada", Role::Admin);
        let session = begun(&mut catalog, 4, ada, 1);
        ask_at(&mut catalog, 5, secs(1), rotate(session, 1, 2)).unwrap();
        ask_at(&mut catalog, 6, secs(2), rotate(session, 2, 3)).unwrap();
        let stolen = ask_at(&mut catalog, 7, secs(3), rotate(session, 1, 9));
        assert_eq!(stolen, Ok(Outcome::Reused));
        let owner = ask_at(&mut catalog, 8, secs(4), rotate(session, 3, 4));
        assert_eq!(owner, Err(Refusal::no_such("session")), "both are out");
    }

    #[test]
    fn requests_that_cross_get_the_same_successor_for_a_moment() {
        let mut catalog = catalog();
        let ada = user(&mut catalog, 3, "ada", Role::Admin);
        let session = begun(&mut catalog, 4, ada, 1);
        let first = ask_at(&mut catalog, 5, secs(1), rotate(session, 1, 2)).unwrap();
        assert_eq!(ask_at(&mut catalog, 6, secs(11), rotate(session, 1, 2)), Ok(first));
        let late = ask_at(&mut catalog, 7, secs(12), rotate(session, 1, 2));
        assert_eq!(late, Ok(Outcome::Reused));
    }
}
