//! Somebody who logs in: what they are known by, what they prove it with, and
//! what was tried in their name. Owns the arithmetic of growing delays; hashes
//! and seals come from outside, and are never shown.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use via_types::{Revision, Role, TenantId, Timestamp, UserId};

use super::Digest;

/// Somebody who logs in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// Who, never reused.
    pub id: UserId,
    /// Whose; none for a platform operator.
    pub tenant: Option<TenantId>,
    /// By what they log in, unique within the tenant.
    pub login: String,
    /// What they may do.
    pub roles: Vec<Role>,
    /// Who they are elsewhere.
    pub identities: Vec<Identity>,
    /// Whether they may log in.
    pub is_active: bool,
    /// What they prove it with.
    pub credentials: Credentials,
    /// What was tried in their name from devices that they never used.
    pub strange: Attempts,
    /// Devices from which they logged in, the newest last, and what was tried
    /// from each: a stranger's failures do not lock these out.
    pub devices: Vec<(Digest, Attempts)>,
    /// When they logged in last.
    pub seen: Option<Timestamp>,
    /// The revision that made or changed them, logging in aside.
    pub revision: Revision,
    /// When they were made.
    pub created: Timestamp,
}

/// Who somebody is at an issuer of identities.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Identity {
    /// The issuer's name, a URL.
    pub issuer: String,
    /// What the issuer calls them.
    pub subject: String,
}

/// What somebody proves with that it is them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credentials {
    /// The hash of the password, as a PHC string; none has no password.
    pub password: Option<String>,
    /// The second factor, when there is one.
    pub second: Option<SecondFactor>,
    /// What the recovery codes that are left hash to.
    pub recovery: Vec<Digest>,
}

/// A second factor by time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecondFactor {
    /// The sealed secret.
    pub sealed: Vec<u8>,
    /// The newest step whose code was used; none older or equal is good again.
    pub step: u64,
}

/// How often something failed in a row, and when last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempts {
    /// How often.
    pub failed: u32,
    /// When last.
    pub last: Timestamp,
}

/// Failures that cost nothing: everybody mistypes.
const FREE: u32 = 4;
/// The first delay, which doubles.
const FIRST: Duration = Duration::from_secs(2);
/// The longest delay: long enough that guessing is hopeless.
const LONGEST: Duration = Duration::from_secs(900);
/// Devices that are remembered.
const DEVICES: usize = 8;

impl Attempts {
    /// Returns from when on the next attempt is heard.
    pub fn until(self) -> Timestamp {
        let Some(doublings) = self.failed.checked_sub(FREE + 1) else { return Timestamp::MIN };
        let delay = FIRST.saturating_mul(1 << doublings.min(20)).min(LONGEST);
        self.last.saturating_add(delay)
    }

    fn failed_at(&mut self, at: Timestamp) {
        self.failed = self.failed.saturating_add(1);
        self.last = self.last.max(at);
    }
}

impl User {
    /// Returns from when on an attempt from that device is heard; none is a
    /// device that they never used.
    pub fn may_try_from(&self, device: Option<Digest>) -> Timestamp {
        let known = self.devices.iter().find(|(known, _)| Some(*known) == device);
        known.map_or(self.strange, |(_, attempts)| *attempts).until()
    }

    /// Notes a failed attempt.
    pub(crate) fn note_failure(&mut self, device: Option<Digest>, at: Timestamp) {
        let known = self.devices.iter_mut().find(|(known, _)| Some(*known) == device);
        known.map_or(&mut self.strange, |(_, attempts)| attempts).failed_at(at);
    }

    /// Notes that they logged in, from then on from a device that is known.
    pub(crate) fn note_success(&mut self, device: Option<Digest>, at: Timestamp) {
        self.seen = Some(at);
        if let Some(device) = device {
            self.devices.retain(|(known, _)| *known != device);
            if self.devices.len() >= DEVICES {
                self.devices.remove(0);
            }
            self.devices.push((device, Attempts::default()));
        }
        self.strange = Attempts::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secs(seconds: i64) -> Timestamp {
        Timestamp::from_nanos(seconds * 1_000_000_000)
    }

    #[test]
    fn delays_grow_and_end() {
        let mut attempts = Attempts::default();
        let mut delays = Vec::new();
        for _ in 0..40 {
            attempts.failed_at(secs(100));
            delays.push(attempts.until().saturating_since(secs(100)).as_secs());
        }
        assert_eq!(delays[..8], [0, 0, 0, 0, 2, 4, 8, 16]);
        assert_eq!(delays[39], 900);
        assert!(delays.is_sorted());
    }
}
