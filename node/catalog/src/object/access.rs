//! What is needed to be let in: roles that tenants make, API keys, sessions, and
//! operators' grants. Secrets are there as what they hash to.

use core::net::IpAddr;
use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use via_types::{
    ApiKeyId, GrantId, Permissions, Revision, RoleId, SessionId, StreamId, TenantId, Timestamp,
    UserId,
};

use super::Digest;

/// A role that a tenant made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CustomRole {
    /// Which, never reused.
    pub id: RoleId,
    /// Whose.
    pub tenant: TenantId,
    /// Its name, unique within the tenant.
    pub name: String,
    /// What it allows.
    pub permissions: Permissions,
    /// The revision that set it.
    pub revision: Revision,
}

/// A key with which programs come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKey {
    /// Which, never reused.
    pub id: ApiKeyId,
    /// Whose; none for the platform's own.
    pub tenant: Option<TenantId>,
    /// What it is called.
    pub name: String,
    /// Its first parts, which are no secret: the kind and the environment.
    pub kind: String,
    /// The environment.
    pub env: String,
    /// What it hashes to.
    pub digest: Digest,
    /// During a rotation, what the earlier one hashes to, and until when it is good.
    pub earlier: Option<(Digest, Timestamp)>,
    /// What it allows.
    pub permissions: Permissions,
    /// The only streams that it touches; none for all.
    pub streams: Option<BTreeSet<StreamId>>,
    /// The only networks that it comes from; none for all.
    pub networks: Vec<Network>,
    /// From when on it is good for nothing.
    pub expires: Option<Timestamp>,
    /// The last day on which it was used, days since 1970.
    pub used: Option<u32>,
    /// The revision that set it, its use aside.
    pub revision: Revision,
    /// When it was made.
    pub created: Timestamp,
    /// Who made it, when it was a user.
    pub author: Option<UserId>,
}

/// A network by address and length of its prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Network {
    /// An address in it.
    pub address: IpAddr,
    /// How many bits of it count.
    pub prefix: u8,
}

impl Network {
    /// Says whether the prefix is not longer than the address.
    pub fn is_sound(self) -> bool {
        self.prefix <= if self.address.is_ipv4() { 32 } else { 128 }
    }

    /// Says whether an address is in the network. One of version 4 that is
    /// written as one of version 6 is the same.
    pub fn holds(self, address: IpAddr) -> bool {
        let bits = |address: IpAddr| match address.to_canonical() {
            IpAddr::V4(address) => (u128::from(address.to_bits()) << 96, 32),
            IpAddr::V6(address) => (address.to_bits(), 128),
        };
        let ((ours, width), (theirs, other)) = (bits(self.address), bits(address));
        let kept = u128::MAX.checked_shl(128 - u32::from(self.prefix)).unwrap_or(0);
        width == other && ours & kept == theirs & kept
    }
}

impl ApiKey {
    /// Says whether what was shown hashes to this key, and it is good at `now`
    /// and from there.
    pub fn admits(&self, digest: Digest, now: Timestamp, from: IpAddr) -> bool {
        let earlier = self.earlier.is_some_and(|(earlier, until)| earlier == digest && now < until);
        let is_it = self.digest == digest || earlier;
        let is_good = self.expires.is_none_or(|expires| now < expires);
        let is_near = self.networks.is_empty() || self.networks.iter().any(|it| it.holds(from));
        is_it && is_good && is_near
    }
}

/// Somebody who has logged in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Which, never reused.
    pub id: SessionId,
    /// Who.
    pub user: UserId,
    /// Whose they are.
    pub tenant: Option<TenantId>,
    /// What its token hashes to now.
    pub token: Digest,
    /// What its token before hashed to, and when it was replaced.
    pub earlier: Option<(Digest, Timestamp)>,
    /// When they logged in.
    pub begun: Timestamp,
    /// When it was used last, as far as it is known here.
    pub used: Timestamp,
    /// How long it may be unused, seconds.
    pub idle_seconds: u64,
    /// From when on it is over whatever happens.
    pub expires: Timestamp,
    /// Whether they proved a second factor.
    pub has_second_factor: bool,
}

impl Session {
    /// Says whether it is over at `now`.
    pub fn is_over(&self, now: Timestamp) -> bool {
        let idle = std::time::Duration::from_secs(self.idle_seconds);
        now >= self.expires || now >= self.used.saturating_add(idle)
    }
}

/// An operator's time-limited way into a tenant, which the tenant sees.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// Which, never reused.
    pub id: GrantId,
    /// Into which tenant.
    pub tenant: TenantId,
    /// Who.
    pub operator: UserId,
    /// Why.
    pub reason: String,
    /// When it was opened.
    pub opened: Timestamp,
    /// From when on it is shut.
    pub expires: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_holds_what_its_prefix_says() {
        let network = |text: &str, prefix| Network { address: text.parse().unwrap(), prefix };
        let holds = |network: Network, text: &str| network.holds(text.parse().unwrap());
        let ten = network("10.1.0.0", 16);
        assert!(holds(ten, "10.1.255.7") && holds(ten, "::ffff:10.1.0.1"));
        assert!(!holds(ten, "10.2.0.1") && !holds(ten, "::1"));
        assert!(holds(network("0.0.0.0", 0), "8.8.8.8"));
        assert!(!holds(network("0.0.0.0", 0), "2001:db8::1"));
        assert!(holds(network("2001:db8::", 32), "2001:db8:1::5"));
        assert!(!holds(network("2001:db8::", 128), "2001:db8::1"));
        assert!(!network("10.0.0.0", 33).is_sound() && network("::", 128).is_sound());
    }
}
