//! Replacing a key while programs still come with the old one.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use via_types::{ApiKeyId, Revision, TenantId, Timestamp};

use super::Outcome;
use crate::catalog::Catalog;
use crate::entry::Deed;
use crate::object::{ApiKey, Digest, Object};
use crate::refusal::Refusal;

/// Gives a key new secret parts; the old ones stay good until a given time, and
/// any older ones are good for nothing at once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RotateApiKey {
    /// Whose.
    pub tenant: Option<TenantId>,
    /// Which.
    pub key: ApiKeyId,
    /// What it hashes to from now on.
    pub digest: Digest,
    /// Until when the old one is good.
    pub earlier_until: Timestamp,
}

impl RotateApiKey {
    pub(super) fn apply(
        self,
        catalog: &mut Catalog,
        at: Revision,
        deed: &Deed,
    ) -> Result<Outcome, Refusal> {
        let Self { tenant, key, digest, earlier_until } = self;
        let there = catalog.own_key(key, tenant)?;
        deed.is_based_on(there.revision)?;
        if catalog.tables.index.keys_by_digest.get(&digest).is_some() {
            return Err(Refusal::unfit("the key", "is there already"));
        }
        let earlier = Some((there.digest, earlier_until)).filter(|(_, until)| *until > deed.at);
        let key = ApiKey { digest, earlier, revision: at, ..ApiKey::clone(&there) };
        let key = Arc::new(key);
        catalog.put(Object::ApiKey(Arc::clone(&key)));
        Ok(Outcome::ApiKey(key))
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;
    use crate::command::fixture::{TENANT, ask, catalog, key};

    #[test]
    fn two_are_good_during_a_rotation_and_never_three() {
        let mut catalog = catalog();
        ask(&mut catalog, 3, None, key(1)).unwrap();
        let rotate = |number, until| RotateApiKey {
            tenant: Some(TENANT),
            key: ApiKeyId::new(3),
            digest: Digest::new([number; 32]),
            earlier_until: Timestamp::from_nanos(until),
        };
        let good = |catalog: &Catalog, now| {
            let from = IpAddr::V4(Ipv4Addr::LOCALHOST);
            let digest = |number| Digest::new([number; 32]);
            let admits = |number: &u8| {
                let id = catalog.tables.index.keys_by_digest.get(&digest(*number));
                let key = id.and_then(|id| catalog.tables.api_keys.get(id));
                key.is_some_and(|key| key.admits(digest(*number), Timestamp::from_nanos(now), from))
            };
            (1..=4).filter(admits).collect::<Vec<_>>()
        };
        ask(&mut catalog, 4, Some(3), rotate(2, 100)).unwrap();
        assert_eq!((good(&catalog, 50), good(&catalog, 100)), (vec![1, 2], vec![2]));
        ask(&mut catalog, 5, Some(4), rotate(3, 100)).unwrap();
        assert_eq!(good(&catalog, 50), [2, 3]);
        ask(&mut catalog, 6, Some(5), rotate(4, 0)).unwrap();
        assert_eq!(good(&catalog, 50), [4], "at once");
        assert!(ask(&mut catalog, 7, Some(3), rotate(5, 0)).is_err(), "stale");
    }
}
