//! Forming the cluster: once, for good.

use serde::{Deserialize, Serialize};
use via_types::Timestamp;

use super::Outcome;
use crate::catalog::Catalog;
use crate::object::{Cluster, ClusterId, Object};
use crate::refusal::Refusal;

/// Forms the cluster. Asked again with the same id and shards it changes
/// nothing; with others it is refused.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FormCluster {
    /// The cluster's identity.
    pub id: ClusterId,
    /// Shards of the default pool: a power of two.
    pub shards: u16,
    /// When it was asked for.
    pub at: Timestamp,
}

impl FormCluster {
    pub(super) fn apply(self, catalog: &mut Catalog) -> Result<Outcome, Refusal> {
        let Self { id, shards, at } = self;
        if let Some(there) = &catalog.cluster {
            if there.id == id && there.shards == shards {
                return Ok(Outcome::Formed(there.clone()));
            }
            return Err(Refusal::AlreadyFormed { id: there.id, shards: there.shards });
        }
        if !shards.is_power_of_two() {
            return Err(Refusal::Shards { shards });
        }
        let cluster = Cluster { id, shards, formed: at };
        catalog.put(Object::Cluster(cluster.clone()));
        catalog.put(Object::Counters(catalog.counters));
        Ok(Outcome::Formed(cluster))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::Command;
    use crate::command::fixture::apply;

    fn form(id: u128, shards: u16) -> Command {
        let id = ClusterId::new(id);
        Command::FormCluster(FormCluster { id, shards, at: Timestamp::from_nanos(5) })
    }

    #[test]
    fn forms_once_and_says_so_again() {
        let mut catalog = Catalog::default();
        let first = apply(&mut catalog, 1, form(7, 64)).unwrap();
        assert_eq!(apply(&mut catalog, 2, form(7, 64)), Ok(first));
        assert_eq!(catalog.revision().get(), 1, "the repetition is no change");
    }

    #[test]
    fn refuses_another_identity_or_shard_count() {
        let mut catalog = Catalog::default();
        apply(&mut catalog, 1, form(7, 64)).unwrap();
        let there = Refusal::AlreadyFormed { id: ClusterId::new(7), shards: 64 };
        assert_eq!(apply(&mut catalog, 2, form(8, 64)), Err(there.clone()));
        assert_eq!(apply(&mut catalog, 3, form(7, 32)), Err(there));
    }

    #[test]
    fn refuses_shards_that_do_not_split_evenly() {
        for shards in [0, 3, 65_535] {
            let refused = apply(&mut Catalog::default(), 1, form(7, shards));
            assert_eq!(refused, Err(Refusal::Shards { shards }));
        }
    }

    #[test]
    fn nothing_happens_before_it() {
        let tenant =
            super::super::CreateTenant { name: "default".to_owned(), at: Timestamp::from_nanos(5) };
        let refused = apply(&mut Catalog::default(), 1, Command::CreateTenant(tenant));
        assert_eq!(refused, Err(Refusal::NotFormed));
    }
}
