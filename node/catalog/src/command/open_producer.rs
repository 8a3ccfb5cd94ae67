//! Fencing off a producer's past (invariant D-2).

use serde::{Deserialize, Serialize};
use via_types::{Epoch, ProducerId, TenantId, limit};

use super::Outcome;
use crate::catalog::Catalog;
use crate::name;
use crate::object::{Counters, Object, Producer};
use crate::refusal::{Refusal, Thing};

/// Starts a new incarnation of a named producer: every earlier one is fenced
/// off (invariant D-2). Asked twice, it gives two epochs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OpenProducer {
    /// Whose it is.
    pub tenant: TenantId,
    /// Its name.
    pub name: String,
}

impl OpenProducer {
    pub(super) fn apply(self, catalog: &mut Catalog) -> Result<Outcome, Refusal> {
        let Self { tenant, name } = self;
        catalog.known(tenant)?;
        name::check(Thing::Producer, &name)?;
        let (id, epoch) = match catalog.producers.named(tenant, &name) {
            Some(there) => (there.id, there.epoch.get().checked_add(1)),
            None => (new_id(catalog)?, Some(1)),
        };
        let epochs = Refusal::full("epochs of this producer", u32::MAX.into());
        let epoch = Epoch::new(epoch.ok_or(epochs)?);
        if id.get() > catalog.counters.producer {
            catalog.put(Object::Counters(Counters { producer: id.get(), ..catalog.counters }));
        }
        catalog.put(Object::Producer(Producer { id, tenant, name, epoch }));
        Ok(Outcome::Opened { id, epoch })
    }
}

fn new_id(catalog: &Catalog) -> Result<ProducerId, Refusal> {
    if catalog.producers.by_id.len() >= limit::PRODUCER_NAMES {
        return Err(Refusal::full("producers", limit::PRODUCER_NAMES as u64));
    }
    let number = catalog.counters.producer.checked_add(1);
    number.map(ProducerId::new).ok_or(Refusal::full("producer ids", u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::Command;
    use crate::command::fixture::{TENANT, apply, catalog};

    fn open(tenant: TenantId, name: &str) -> Command {
        Command::OpenProducer(OpenProducer { tenant, name: name.to_owned() })
    }

    fn opened(id: u64, epoch: u32) -> Result<Outcome, Refusal> {
        Ok(Outcome::Opened { id: ProducerId::new(id), epoch: Epoch::new(epoch) })
    }

    #[test]
    fn each_opening_is_a_new_epoch_of_the_same_producer() {
        let mut catalog = catalog();
        assert_eq!(apply(&mut catalog, 3, open(TENANT, "a")), opened(1, 1));
        assert_eq!(apply(&mut catalog, 4, open(TENANT, "b")), opened(2, 1));
        assert_eq!(apply(&mut catalog, 5, open(TENANT, "a")), opened(1, 2), "invariant D-2");
    }

    #[test]
    fn tenants_do_not_share_names() {
        let mut catalog = catalog();
        let other = super::super::CreateTenant {
            name: "other".to_owned(),
            at: via_types::Timestamp::from_nanos(9),
        };
        apply(&mut catalog, 3, Command::CreateTenant(other)).unwrap();
        assert_eq!(apply(&mut catalog, 4, open(TENANT, "a")), opened(1, 1));
        assert_eq!(apply(&mut catalog, 5, open(TenantId::new(2), "a")), opened(2, 1));
    }

    #[test]
    fn refuses_bad_names_and_unknown_tenants() {
        let mut catalog = catalog();
        assert!(matches!(apply(&mut catalog, 3, open(TENANT, "")), Err(Refusal::Name { .. })));
        let nobody = TenantId::new(9);
        assert_eq!(apply(&mut catalog, 4, open(nobody, "a")), Err(Refusal::NoTenant(nobody)));
    }

    #[test]
    fn the_last_epoch_is_the_last() {
        let mut catalog = catalog();
        apply(&mut catalog, 3, open(TENANT, "a")).unwrap();
        let worn = Producer {
            id: ProducerId::new(1),
            tenant: TENANT,
            name: "a".to_owned(),
            epoch: Epoch::new(u32::MAX),
        };
        let mut objects: Vec<Object> = catalog.objects().collect();
        objects.retain(|object| !matches!(object, Object::Producer(_)));
        objects.push(Object::Producer(worn));
        let mut catalog = Catalog::restore(catalog.revision(), objects).unwrap();
        assert!(matches!(apply(&mut catalog, 4, open(TENANT, "a")), Err(Refusal::Full { .. })));
    }
}
