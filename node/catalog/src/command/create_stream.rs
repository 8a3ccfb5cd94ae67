//! Creating a stream, by whoever comes first.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use via_types::{Revision, StreamId, TenantId, Timestamp, limit};

use super::Outcome;
use crate::catalog::Catalog;
use crate::entry::Deed;
use crate::name;
use crate::object::{Counters, Object, Stream};
use crate::refusal::{Refusal, Thing};

/// Creates a stream. One of that name that is there already is returned as it
/// is, its configuration untouched: many writers may create it at once, and
/// none of them may undo what an operator has set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CreateStream {
    /// Whose it is.
    pub tenant: TenantId,
    /// Its name.
    pub name: String,
    /// What it says itself of its configuration, as JSON; the defaults say the
    /// rest.
    pub config: String,
    /// When it was asked for.
    pub at: Timestamp,
}

impl CreateStream {
    pub(super) fn apply(
        self,
        catalog: &mut Catalog,
        at: Revision,
        deed: Option<&Deed>,
    ) -> Result<Outcome, Refusal> {
        let Self { tenant, name, config: own, at: created } = self;
        catalog.known(tenant)?;
        name::check(Thing::Stream, &name)?;
        if let Some(there) = catalog.streams.named(tenant, &name) {
            return Ok(Outcome::Stream { stream: Arc::clone(there), existed: true });
        }
        if catalog.streams.by_id.len() >= limit::STREAMS {
            return Err(Refusal::full("streams", limit::STREAMS as u64));
        }
        // An entry from before there were quotas counts as it did then.
        if deed.is_some() {
            let own = catalog.streams.of(tenant).count();
            catalog.within(Some(tenant), own, ("streams", |quotas| quotas.streams))?;
        }
        let (config, json) = catalog.in_force(&own)?;
        let number = catalog.counters.stream.checked_add(1);
        let number = number.ok_or(Refusal::full("stream ids", u32::MAX.into()))?;
        let id = StreamId::new(number);
        let revision = at;
        let stream = Stream { id, tenant, name, own, config, json, revision, created };
        let stream = Arc::new(stream);
        catalog.put(Object::Counters(Counters { stream: number, ..catalog.counters }));
        catalog.put(Object::Stream(Arc::clone(&stream)));
        if let Some(deed) = deed {
            catalog.keep_edition(None, &stream, deed);
        }
        Ok(Outcome::Stream { stream, existed: false })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::Command;
    use crate::command::fixture::{TENANT, apply, catalog};

    fn create(tenant: TenantId, name: &str, config: &str) -> Command {
        Command::CreateStream(CreateStream {
            tenant,
            name: name.to_owned(),
            config: config.to_owned(),
            at: Timestamp::from_nanos(9),
        })
    }

    #[test]
    fn a_new_stream_has_its_own_id_and_its_revision() {
        let mut catalog = catalog();
        for (at, name) in [(3, "a"), (4, "b")] {
            let Ok(Outcome::Stream { stream, existed: false }) =
                apply(&mut catalog, at, create(TENANT, name, r#"{"explain":"basic"}"#))
            else {
                panic!("the stream is new");
            };
            assert_eq!(stream.id, StreamId::new(at as u32 - 2));
            assert_eq!(stream.revision, Revision::new(at));
            assert_eq!(stream.config.explain, via_types::config::Explain::Basic);
        }
    }

    #[test]
    fn one_that_is_there_keeps_its_configuration() {
        let mut catalog = catalog();
        apply(&mut catalog, 3, create(TENANT, "a", r#"{"explain":"basic"}"#)).unwrap();
        let Ok(Outcome::Stream { stream, existed: true }) =
            apply(&mut catalog, 4, create(TENANT, "a", "{}"))
        else {
            panic!("the stream is there");
        };
        assert_eq!(stream.revision, Revision::new(3));
        assert_eq!(catalog.revision(), Revision::new(3));
    }

    #[test]
    fn refuses_strangers_bad_names_and_unreadable_configurations() {
        let mut catalog = catalog();
        let before = catalog.clone();
        let nobody = TenantId::new(9);
        let refused = apply(&mut catalog, 3, create(nobody, "a", "{}"));
        assert_eq!(refused, Err(Refusal::NoTenant(nobody)));
        let refused = apply(&mut catalog, 4, create(TENANT, ".a", "{}"));
        assert!(matches!(refused, Err(Refusal::Name { .. })));
        let refused = apply(&mut catalog, 5, create(TENANT, "a", r#"{"colour":1}"#));
        assert!(matches!(refused, Err(Refusal::Unreadable { .. })));
        let long = format!("{{}}{}", " ".repeat(limit::CONFIG_BYTES));
        let refused = apply(&mut catalog, 6, create(TENANT, "a", &long));
        assert!(matches!(refused, Err(Refusal::ConfigTooLong { .. })));
        assert_eq!(catalog, before, "refusals change nothing");
    }

    #[test]
    fn refuses_more_streams_than_the_limit() {
        let mut catalog = catalog();
        for number in 1..=limit::STREAMS as u64 {
            let name = format!("s{number}");
            apply(&mut catalog, 2 + number, create(TENANT, &name, "{}")).unwrap();
        }
        let at = limit::STREAMS as u64 + 3;
        let full = Refusal::full("streams", limit::STREAMS as u64);
        assert_eq!(apply(&mut catalog, at, create(TENANT, "late", "{}")), Err(full), "D-6");
        assert!(apply(&mut catalog, at + 1, create(TENANT, "s1", "{}")).is_ok(), "it is there");
    }
}
