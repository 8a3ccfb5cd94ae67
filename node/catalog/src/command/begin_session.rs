//! Somebody logs in.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use via_types::{Revision, SessionId, TenantId, Timestamp, UserId, limit};

use super::Outcome;
use crate::catalog::Catalog;
use crate::entry::Deed;
use crate::object::{Digest, Key, Object, Session};
use crate::refusal::Refusal;
use crate::rules::check_end;

/// Begins a session. Those of the user that are over end, and beyond the bound
/// the one that was not used for longest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BeginSession {
    /// Whose.
    pub tenant: Option<TenantId>,
    /// Who.
    pub user: UserId,
    /// What its token hashes to.
    pub token: Digest,
    /// How long it may be unused, seconds.
    pub idle_seconds: u64,
    /// From when on it is over whatever happens.
    pub expires: Timestamp,
    /// Whether they proved a second factor.
    pub has_second_factor: bool,
}

impl BeginSession {
    pub(super) fn apply(
        self,
        catalog: &mut Catalog,
        at: Revision,
        deed: &Deed,
    ) -> Result<Outcome, Refusal> {
        let Self { tenant, user, token, idle_seconds, expires, has_second_factor } = self;
        if !catalog.user(user, tenant)?.is_active {
            return Err(Refusal::unfit("this user", "may not log in"));
        }
        check_end("the session", (deed.at, expires), limit::SESSION_SECS)?;
        if catalog.tables.index.sessions_by_token.get(&token).is_some() {
            return Err(Refusal::UsedBefore);
        }
        let ended = ended(catalog, user, deed.at);
        let left = catalog.tables.sessions.len() - ended.len();
        Refusal::unless_below(left, limit::SESSIONS, "sessions")?;
        ended.into_iter().for_each(|id| catalog.remove(Key::Session(id)));
        let session = Arc::new(Session {
            id: SessionId::new(at.get()),
            user,
            tenant,
            token,
            earlier: None,
            begun: deed.at,
            used: deed.at,
            idle_seconds,
            expires,
            has_second_factor,
        });
        catalog.put(Object::Session(Arc::clone(&session)));
        Ok(Outcome::Session(session))
    }
}

/// Sessions of anybody that are swept when there is no room.
const SWEPT: usize = 256;

/// Returns the sessions that give way.
fn ended(catalog: &Catalog, user: UserId, now: Timestamp) -> Vec<SessionId> {
    let own: Vec<_> = catalog.tables.sessions_of(user).collect();
    let (mut over, mut live): (Vec<_>, Vec<_>) =
        own.into_iter().partition(|session| session.is_over(now));
    live.sort_by_key(|session| session.used);
    let too_many = (live.len() + 1).saturating_sub(limit::SESSIONS_PER_USER);
    over.extend(live.into_iter().take(too_many));
    if catalog.tables.sessions.len() >= limit::SESSIONS {
        let others = catalog.tables.sessions.values();
        let others = others.filter(|session| session.user != user && session.is_over(now));
        over.extend(others.take(SWEPT));
    }
    over.into_iter().map(|session| session.id).collect()
}

#[cfg(test)]
mod tests {
    use via_types::Role;

    use super::*;
    use crate::command::fixture::{TENANT, ask, ask_at, begun, catalog, user};

    fn begin(user: UserId, token: u8, (idle_seconds, until): (u64, i64)) -> BeginSession {
        BeginSession {
            tenant: Some(TENANT),
            user,
            token: Digest::new([token; 32]),
            idle_seconds,
            expires: Timestamp::from_nanos(until * 1_000_000_000),
            has_second_factor: false,
        }
    }

    #[test]
    fn the_one_unused_for_longest_gives_way() {
        let mut catalog = catalog();
        let ada = user(&mut catalog, 3, "ada", Role::Admin);
        for number in 0..limit::SESSIONS_PER_USER as u64 + 3 {
            begun(&mut catalog, 4 + number, ada, number as u8);
        }
        let left: Vec<_> = catalog.tables.sessions_of(ada).map(|it| it.token).collect();
        assert_eq!(left.len(), limit::SESSIONS_PER_USER);
        assert!(!left.contains(&Digest::new([2; 32])) && left.contains(&Digest::new([3; 32])));
    }

    #[test]
    fn a_session_is_over_when_it_is_idle_or_old() {
        let mut catalog = catalog();
        let ada = user(&mut catalog, 3, "ada", Role::Admin);
        let secs = |seconds: i64| Timestamp::from_nanos(seconds * 1_000_000_000);
        let Ok(Outcome::Session(session)) =
            ask_at(&mut catalog, 4, secs(10), begin(ada, 1, (60, 1_000)))
        else {
            panic!("it begins");
        };
        assert!(!session.is_over(secs(69)) && session.is_over(secs(70)));
        ask_at(&mut catalog, 5, secs(80), begin(ada, 2, (600, 100))).unwrap();
        assert_eq!(catalog.tables.sessions_of(ada).count(), 1, "the idle one is forgotten");
        let second = catalog.tables.sessions_of(ada).next().unwrap();
        assert!(second.is_over(secs(100)), "though it was used");
    }

    #[test]
    fn refuses_endless_sessions_and_strangers() {
        let mut catalog = catalog();
        let ada = user(&mut catalog, 3, "ada", Role::Admin);
        let endless = begin(ada, 1, (60, limit::SESSION_SECS as i64 + 2));
        assert!(matches!(ask(&mut catalog, 4, None, endless), Err(Refusal::Unfit { .. })));
        let past = begin(ada, 1, (60, 0));
        assert!(matches!(ask(&mut catalog, 4, None, past), Err(Refusal::Unfit { .. })));
        let nobody = begin(UserId::new(77), 1, (60, 100));
        assert_eq!(ask(&mut catalog, 4, None, nobody), Err(Refusal::no_such("user")));
    }
}
