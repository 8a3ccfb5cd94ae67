//! What was tried in somebody's name.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use via_types::{TenantId, UserId};

use super::Outcome;
use crate::catalog::Catalog;
use crate::entry::Deed;
use crate::object::{Digest, Object, User};
use crate::refusal::Refusal;

/// Notes an attempt to log in as a user who is there. After a few failures from
/// devices that the user never used, only those have to wait, each time longer:
/// the user's own devices do not. A code is good once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NoteAttempt {
    /// Whose.
    pub tenant: Option<TenantId>,
    /// As whom.
    pub user: UserId,
    /// What the device's token hashes to, when it showed one or is given one.
    pub device: Option<Digest>,
    /// What became of it.
    pub result: Tried,
}

/// What became of an attempt to log in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Tried {
    /// Something was wrong.
    Failed,
    /// The password was right, and no second factor is asked for.
    Passed,
    /// The code of that step was right too.
    PassedWithCode {
        /// Its step.
        step: u64,
    },
    /// A recovery code was right too; it is used up.
    PassedWithRecovery {
        /// What it hashes to.
        code: Digest,
    },
}

impl NoteAttempt {
    pub(super) fn apply(self, catalog: &mut Catalog, deed: &Deed) -> Result<Outcome, Refusal> {
        let Self { tenant, user, device, result } = self;
        let there = catalog.user(user, tenant)?;
        let mut noted = User::clone(&there);
        if result == Tried::Failed {
            noted.note_failure(device, deed.at);
        } else {
            let until = there.may_try_from(device);
            if deed.at < until {
                return Err(Refusal::TooEarly { until });
            }
            if !there.is_active {
                return Err(Refusal::unfit("this user", "may not log in"));
            }
            use_up(&mut noted, result)?;
            noted.note_success(device, deed.at);
        }
        let noted = Arc::new(noted);
        catalog.put(Object::User(Arc::clone(&noted)));
        Ok(Outcome::User(noted))
    }
}

fn use_up(user: &mut User, result: Tried) -> Result<(), Refusal> {
    let credentials = &mut user.credentials;
    match result {
        Tried::Failed => Ok(()),
        Tried::Passed if credentials.second.is_none() => Ok(()),
        Tried::Passed => Err(Refusal::unfit("this user", "has a second factor")),
        Tried::PassedWithCode { step } => {
            let second = credentials.second.as_mut().ok_or(Refusal::no_such("second factor"))?;
            if step <= second.step {
                return Err(Refusal::UsedBefore);
            }
            second.step = step;
            Ok(())
        }
        Tried::PassedWithRecovery { code } => {
            let place = credentials.recovery.iter().position(|there| *there == code);
            credentials.recovery.remove(place.ok_or(Refusal::UsedBefore)?);
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use via_types::{Revision, Role, Timestamp};

    use super::*;
    use crate::command::fixture::{TENANT, ask, ask_at, catalog, user};
    use crate::command::{CredentialChange, SetCredentials};

    fn secs(seconds: i64) -> Timestamp {
        Timestamp::from_nanos(seconds * 1_000_000_000)
    }

    fn tried(user: UserId, device: Option<u8>, result: Tried) -> NoteAttempt {
        let device = device.map(|number| Digest::new([number; 32]));
        NoteAttempt { tenant: Some(TENANT), user, device, result }
    }

    #[test]
    fn a_stranger_s_failures_do_not_lock_the_owner_out() {
        let mut catalog = catalog();
        let ada = user(&mut catalog, 3, "ada", Role::Admin);
        ask_at(&mut catalog, 4, secs(1), tried(ada, Some(1), Tried::Passed)).unwrap();
        for at in 5..40 {
            ask_at(&mut catalog, at, secs(10), tried(ada, Some(9), Tried::Failed)).unwrap();
        }
        let stranger = ask_at(&mut catalog, 40, secs(11), tried(ada, Some(9), Tried::Passed));
        assert_eq!(stranger, Err(Refusal::TooEarly { until: secs(910) }), "even when it is right");
        let own = ask_at(&mut catalog, 40, secs(11), tried(ada, Some(1), Tried::Passed));
        assert!(own.is_ok(), "{own:?}");
        assert!(ask_at(&mut catalog, 41, secs(12), tried(ada, Some(9), Tried::Passed)).is_ok());
    }

    #[test]
    fn a_device_of_the_user_that_is_stolen_waits_by_itself() {
        let mut catalog = catalog();
        let ada = user(&mut catalog, 3, "ada", Role::Admin);
        ask_at(&mut catalog, 4, secs(1), tried(ada, Some(1), Tried::Passed)).unwrap();
        for at in 5..15 {
            ask_at(&mut catalog, at, secs(10), tried(ada, Some(1), Tried::Failed)).unwrap();
        }
        let again = ask_at(&mut catalog, 20, secs(11), tried(ada, Some(1), Tried::Passed));
        assert!(matches!(again, Err(Refusal::TooEarly { .. })), "{again:?}");
        assert!(ask_at(&mut catalog, 20, secs(11), tried(ada, None, Tried::Passed)).is_ok());
    }

    #[test]
    fn a_code_is_good_once() {
        let mut catalog = catalog();
        let ada = user(&mut catalog, 3, "ada", Role::Admin);
        let set = |change| SetCredentials { tenant: Some(TENANT), user: ada, change };
        let code = Digest::new([5; 32]);
        ask(&mut catalog, 4, None, set(CredentialChange::SecondFactor(Some(vec![7])))).unwrap();
        ask(&mut catalog, 5, None, set(CredentialChange::Recovery(vec![code]))).unwrap();
        let mut at = 5;
        let mut tries = |result| {
            at += 1;
            ask_at(&mut catalog, at, secs(1), tried(ada, None, result)).map(|_| ())
        };
        assert!(tries(Tried::Passed).is_err(), "a password alone is not enough");
        assert!(tries(Tried::PassedWithCode { step: 70 }).is_ok());
        assert_eq!(tries(Tried::PassedWithCode { step: 70 }), Err(Refusal::UsedBefore));
        assert_eq!(tries(Tried::PassedWithCode { step: 69 }), Err(Refusal::UsedBefore));
        assert!(tries(Tried::PassedWithRecovery { code }).is_ok());
        assert_eq!(tries(Tried::PassedWithRecovery { code }), Err(Refusal::UsedBefore));
    }

    #[test]
    fn logging_in_is_no_change_of_the_user_that_others_wait_for() {
        let mut catalog = catalog();
        let ada = user(&mut catalog, 3, "ada", Role::Admin);
        ask_at(&mut catalog, 4, secs(1), tried(ada, None, Tried::Passed)).unwrap();
        assert_eq!(catalog.user(ada, Some(TENANT)).unwrap().revision, Revision::new(3));
    }
}
