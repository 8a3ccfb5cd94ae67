//! A key with which programs come.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use via_types::{ApiKeyId, Permissions, Revision, StreamId, TenantId, Timestamp, limit};

use super::Outcome;
use super::put_role::check_permissions;
use crate::catalog::Catalog;
use crate::entry::{Author, Deed};
use crate::name;
use crate::object::{ApiKey, Digest, Network, Object};
use crate::refusal::{Refusal, Thing};

/// Makes a key known, by what it hashes to: the key itself is shown once, by
/// whoever drew it, and kept nowhere.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CreateApiKey {
    /// Whose; none for the platform's own.
    pub tenant: Option<TenantId>,
    /// What it is called.
    pub name: String,
    /// Its kind, the first word in it.
    pub kind: String,
    /// Its environment, the second word in it.
    pub env: String,
    /// What it hashes to.
    pub digest: Digest,
    /// What it allows.
    pub permissions: Permissions,
    /// The only streams that it touches; none for all.
    pub streams: Option<BTreeSet<StreamId>>,
    /// The only networks that it comes from; none for all.
    pub networks: Vec<Network>,
    /// From when on it is good for nothing.
    pub expires: Option<Timestamp>,
}

impl CreateApiKey {
    pub(super) fn apply(
        self,
        catalog: &mut Catalog,
        at: Revision,
        deed: &Deed,
    ) -> Result<Outcome, Refusal> {
        let Self { tenant, name, kind, env, digest, permissions, streams, networks, expires } =
            self;
        catalog.known_or_platform(tenant)?;
        [&name, &kind, &env].into_iter().try_for_each(|name| name::check(Thing::ApiKey, name))?;
        if tenant.is_some() {
            check_permissions(permissions)?;
        }
        check_scope(catalog, tenant, streams.as_ref())?;
        Refusal::at_most("networks", networks.len(), limit::NETWORKS_PER_KEY)?;
        if !networks.iter().all(|network| network.is_sound()) {
            return Err(Refusal::unfit("a network", "has a prefix longer than its address"));
        }
        if expires.is_some_and(|expires| expires <= deed.at) {
            return Err(Refusal::unfit("the key", "expires before it is made"));
        }
        if catalog.tables.index.keys_by_digest.get(&digest).is_some() {
            return Err(Refusal::unfit("the key", "is there already"));
        }
        let own = catalog.tables.keys_of(tenant).count();
        catalog.within(tenant, own, ("api_keys", |quotas| quotas.api_keys))?;
        Refusal::unless_below(own, limit::API_KEYS_PER_TENANT, "API keys of one tenant")?;
        Refusal::unless_below(catalog.tables.api_keys.len(), limit::API_KEYS, "API keys")?;
        let author = if let Author::User { user, .. } = deed.by { Some(user) } else { None };
        let key = Arc::new(ApiKey {
            id: ApiKeyId::new(at.get()),
            tenant,
            name,
            kind,
            env,
            digest,
            earlier: None,
            permissions,
            streams,
            networks,
            expires,
            used: None,
            revision: at,
            created: deed.at,
            author,
        });
        catalog.put(Object::ApiKey(Arc::clone(&key)));
        Ok(Outcome::ApiKey(key))
    }
}

fn check_scope(
    catalog: &Catalog,
    tenant: Option<TenantId>,
    streams: Option<&BTreeSet<StreamId>>,
) -> Result<(), Refusal> {
    let Some(streams) = streams else { return Ok(()) };
    Refusal::at_most("streams of one key", streams.len(), limit::STREAMS_PER_KEY)?;
    let tenant = tenant.ok_or(Refusal::unfit("the platform", "has no streams"))?;
    streams.iter().try_for_each(|stream| catalog.own_stream(*stream, tenant).map(|_| ()))
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use via_types::access::{Action, Resource};

    use super::*;
    use crate::command::fixture::{TENANT, ask, catalog, key};

    const NOW: Timestamp = Timestamp::from_nanos(50);

    #[test]
    fn a_key_is_found_by_its_hash_and_good_where_and_while_it_says() {
        let mut catalog = catalog();
        let network = Network { address: "10.0.0.0".parse().unwrap(), prefix: 8 };
        let create = CreateApiKey {
            networks: vec![network],
            expires: Some(Timestamp::from_nanos(100)),
            ..key(1)
        };
        ask(&mut catalog, 3, None, create).unwrap();
        let digest = Digest::new([1; 32]);
        let id = *catalog.tables.index.keys_by_digest.get(&digest).unwrap();
        let key = catalog.own_key(id, Some(TENANT)).unwrap();
        let [near, far]: [IpAddr; 2] = ["10.9.9.9", "11.0.0.1"].map(|text| text.parse().unwrap());
        assert!(key.admits(digest, NOW, near));
        assert!(!key.admits(digest, NOW, far));
        assert!(!key.admits(digest, Timestamp::from_nanos(100), near), "it has expired");
        assert!(!key.admits(Digest::new([2; 32]), NOW, near));
    }

    #[test]
    fn refuses_streams_of_others_and_permissions_of_the_platform() {
        let mut catalog = catalog();
        let foreign = CreateApiKey { streams: Some([StreamId::new(5)].into()), ..key(1) };
        assert_eq!(ask(&mut catalog, 3, None, foreign), Err(Refusal::NoStream(StreamId::new(5))));
        let permissions = Permissions::NONE.and(&[Resource::Nodes], &[Action::Write]);
        let refused = ask(&mut catalog, 3, None, CreateApiKey { permissions, ..key(1) });
        assert!(matches!(refused, Err(Refusal::Unfit { .. })), "{refused:?}");
        assert!(ask(&mut catalog, 3, None, key(1)).is_ok());
        assert!(ask(&mut catalog, 4, None, key(1)).is_err(), "the same key twice");
    }
}
