//! Passwords: which are taken, and what is kept of them (Argon2id as OWASP's
//! cheat sheet says: 19 MiB, two passes, one lane). Hashing is work of tens of
//! milliseconds: it is done on threads of its own, and only so much at a time
//! (invariant D-6). Knows no users.

use std::sync::Arc;

use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Argon2, Params};
use ring::rand::{SecureRandom, SystemRandom};
use tokio::sync::Semaphore;

use crate::problem::{Code, Problem};

/// Fewest characters of a new password.
const SHORTEST: usize = 12;
/// Most characters of a password.
const LONGEST: usize = 128;
const MEMORY_KIB: u32 = 19 * 1_024;
const PASSES: u32 = 2;
const SALT_BYTES: usize = 16;

/// What a password is compared with when there is nobody: it costs as much as
/// a real comparison, and nothing hashes to it.
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5IGhhcyB0aGlz\
    $AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Passwords that everybody tries first, among those long enough to be taken.
const BREACHED: &str = include_str!("breached.txt");

/// Hashes and compares, so many at a time.
#[derive(Clone)]
pub(crate) struct Pool(Arc<Semaphore>);

impl Pool {
    /// Makes a pool for `most` at a time.
    pub(crate) fn new(most: usize) -> Self {
        Self(Arc::new(Semaphore::new(most)))
    }

    /// Says whether the password hashes to `kept`; when nothing is kept, it
    /// takes as long and says no.
    ///
    /// # Errors
    /// [`Code::Overloaded`] when too many are being hashed.
    pub(crate) async fn matches(
        &self,
        password: String,
        kept: Option<String>,
    ) -> Result<bool, Problem> {
        self.run(move || {
            let is_somebody = kept.is_some();
            let kept = kept.unwrap_or_else(|| NOBODY.to_owned());
            // Longer ones are never set, and cost no more than others.
            let shown: String = password.chars().take(LONGEST + 1).collect();
            let verified = hasher().verify_password(shown.as_bytes(), kept.as_str());
            verified.is_ok() && is_somebody
        })
        .await
    }

    /// Returns what is kept of a password, as a PHC string.
    ///
    /// # Errors
    /// [`Code::Overloaded`] when too many are being hashed; [`Code::Internal`].
    pub(crate) async fn hash(&self, password: String) -> Result<String, Problem> {
        let hashed = self.run(move || hash(&password)).await?;
        hashed.ok_or_else(|| Problem::new(Code::Internal, "the password could not be hashed"))
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let busy = |_| Problem::new(Code::Overloaded, "too many passwords are being checked");
        let place = Arc::clone(&self.0).try_acquire_owned().map_err(busy)?;
        // The work goes on when the request is given up, and keeps its place.
        let done = tokio::task::spawn_blocking(move || {
            let result = work();
            drop(place);
            result
        });
        done.await.map_err(|_| Problem::new(Code::Internal, "checking a password was stopped"))
    }
}

fn hasher() -> Argon2<'static> {
    let params = Params::new(MEMORY_KIB, PASSES, 1, None).expect("they are within the bounds");
    Argon2::from(params)
}

/// Returns what is kept of a password; none when the machine gives no
/// randomness or no memory.
pub(crate) fn hash(password: &str) -> Option<String> {
    let mut salt = [0; SALT_BYTES];
    SystemRandom::new().fill(&mut salt).ok()?;
    let hashed = hasher().hash_password_with_salt(password.as_bytes(), &salt).ok()?;
    Some(hashed.to_string())
}

/// Checks a new password as OWASP ASVS 5 (6.2) has it: length, nothing that is
/// tried first, and no rule of what it is composed of.
///
/// # Errors
/// [`Code::BadPassword`] with the reason.
pub(crate) fn check(password: &str, login: &str) -> Result<(), Problem> {
    let refused = |words: String| Err(Problem::new(Code::BadPassword, words));
    let characters = password.chars().count();
    if !(SHORTEST..=LONGEST).contains(&characters) {
        return refused(format!("a password has {SHORTEST} to {LONGEST} characters"));
    }
    let plain = password.to_lowercase();
    if BREACHED.lines().any(|known| known == plain) {
        return refused("it is among the passwords that everybody tries first".to_owned());
    }
    let login = login.to_lowercase();
    let is_one_thing = plain.chars().all(|c| plain.starts_with(c));
    if is_one_thing || (login.len() > 3 && plain.contains(&login)) {
        return refused("it is made of the user's name, or of one character".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_matches_its_hash_and_nobody_s_matches_none() {
        let pool = Pool::new(1);
        let kept = pool.hash("correct horse".to_owned()).await.unwrap();
        assert!(kept.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{kept}");
        assert!(kept.len() <= via_types::limit::PASSWORD_HASH_BYTES);
        assert!(pool.matches("correct horse".to_owned(), Some(kept.clone())).await.unwrap());
        assert!(!pool.matches("wrong horse".to_owned(), Some(kept.clone())).await.unwrap());
        assert!(!pool.matches("correct horse".to_owned(), None).await.unwrap());
        assert_ne!(pool.hash("correct horse".to_owned()).await.unwrap(), kept, "salted");
    }

    #[test]
    fn nobody_s_hash_is_work_as_any_other() {
        let parsed = argon2::password_hash::phc::PasswordHash::new(NOBODY).expect("it reads");
        assert_eq!(parsed.hash.expect("it has one").len(), 32);
        let real = hash("x").unwrap();
        assert_eq!(NOBODY.split('$').nth(3), real.split('$').nth(3), "the same cost");
    }

    #[tokio::test]
    async fn beyond_the_bound_one_is_told_to_come_again() {
        let pool = Pool::new(0);
        let refused = pool.matches("x".to_owned(), None).await.expect_err("D-6");
        assert_eq!(refused.code, Code::Overloaded);
    }

    #[test]
    fn what_is_short_or_tried_first_is_refused() {
        for bad in ["", "short", "password1234", "PASSWORD1234", "aaaaaaaaaaaaaa", "ada.lovelace1"]
        {
            assert!(check(bad, "ada.lovelace").is_err(), "{bad}");
        }
        assert!(check(&"x1".repeat(65), "ada").is_err(), "too long");
        for good in ["only lower case words", "ünïcödé ist auch gut", "korrekt pferd batterie"]
        {
            assert!(check(good, "ada").is_ok(), "{good}");
        }
    }

    #[test]
    fn every_breached_one_would_be_taken_otherwise() {
        for line in BREACHED.lines() {
            assert!((SHORTEST..=LONGEST).contains(&line.len()), "{line}");
            assert_eq!(line, line.to_lowercase());
        }
    }
}
