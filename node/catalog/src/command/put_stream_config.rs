//! Changing how a stream is judged (invariant C-1).

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use via_types::{Revision, StreamId, TenantId};

use super::Outcome;
use crate::catalog::Catalog;
use crate::entry::Deed;
use crate::object::{Object, Stream};
use crate::refusal::Refusal;

/// Replaces what a stream says of its configuration, if nobody changed it since the sender
/// looked (invariant C-1).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PutStreamConfig {
    /// Whose stream.
    pub tenant: TenantId,
    /// Which stream.
    pub stream: StreamId,
    /// The revision of the configuration that the sender saw.
    pub based_on: Revision,
    /// What it says from now on, as JSON; the defaults say the rest.
    pub config: String,
}

impl PutStreamConfig {
    pub(super) fn apply(
        self,
        catalog: &mut Catalog,
        at: Revision,
        deed: Option<&Deed>,
    ) -> Result<Outcome, Refusal> {
        let Self { tenant, stream, based_on, config: own } = self;
        catalog.known(tenant)?;
        let there = catalog.streams.by_id.get(&stream).filter(|there| there.tenant == tenant);
        let there = Arc::clone(there.ok_or(Refusal::NoStream(stream))?);
        if there.revision != based_on {
            return Err(Refusal::Stale { based_on, current: there.revision });
        }
        let (config, json) = catalog.in_force(&own)?;
        if there.own == own {
            return Ok(Outcome::Configured(there));
        }
        let stream = Arc::new(Stream { own, config, json, revision: at, ..Stream::clone(&there) });
        catalog.put(Object::Stream(Arc::clone(&stream)));
        if let Some(deed) = deed {
            catalog.keep_edition(Some(&there), &stream, deed);
        }
        Ok(Outcome::Configured(stream))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::fixture::{TENANT, apply, catalog};
    use crate::command::{Command, CreateStream};
    use via_types::Timestamp;

    const STREAM: StreamId = StreamId::new(1);

    fn with_stream() -> Catalog {
        let mut catalog = catalog();
        let create = CreateStream {
            tenant: TENANT,
            name: "a".to_owned(),
            config: "{}".to_owned(),
            at: Timestamp::from_nanos(9),
        };
        apply(&mut catalog, 3, Command::CreateStream(create)).unwrap();
        catalog
    }

    fn put(based_on: u64, config: &str) -> Command {
        Command::PutStreamConfig(PutStreamConfig {
            tenant: TENANT,
            stream: STREAM,
            based_on: Revision::new(based_on),
            config: config.to_owned(),
        })
    }

    #[test]
    fn the_newest_revision_may_be_changed_and_readers_by_name_see_it() {
        let mut catalog = with_stream();
        let Ok(Outcome::Configured(stream)) =
            apply(&mut catalog, 4, put(3, r#"{"explain":"none"}"#))
        else {
            panic!("it is based on the newest revision");
        };
        assert_eq!(stream.revision, Revision::new(4));
        assert_eq!(catalog.view().stream(TENANT, "a"), Some(&stream));
        assert_eq!(catalog.view().stream_by_id(STREAM), Some(&stream));
    }

    #[test]
    fn refuses_a_stale_change_and_says_what_is_current() {
        let mut catalog = with_stream();
        apply(&mut catalog, 4, put(3, r#"{"explain":"none"}"#)).unwrap();
        let stale = apply(&mut catalog, 5, put(3, r#"{"explain":"full"}"#));
        let (based_on, current) = (Revision::new(3), Revision::new(4));
        assert_eq!(stale, Err(Refusal::Stale { based_on, current }), "invariant C-1");
        let ahead = apply(&mut catalog, 6, put(9, "{}"));
        assert!(matches!(ahead, Err(Refusal::Stale { .. })), "invariant C-1: {ahead:?}");
    }

    #[test]
    fn the_same_configuration_is_no_change() {
        let mut catalog = with_stream();
        assert!(apply(&mut catalog, 4, put(3, "{}")).is_ok());
        assert_eq!(catalog.revision(), Revision::new(3));
    }

    #[test]
    fn a_stream_of_another_tenant_is_not_there() {
        let mut catalog = with_stream();
        let other =
            super::super::CreateTenant { name: "other".to_owned(), at: Timestamp::from_nanos(9) };
        apply(&mut catalog, 4, Command::CreateTenant(other)).unwrap();
        let foreign = PutStreamConfig {
            tenant: TenantId::new(2),
            stream: STREAM,
            based_on: Revision::new(3),
            config: "{}".to_owned(),
        };
        let refused = apply(&mut catalog, 5, Command::PutStreamConfig(foreign));
        assert_eq!(refused, Err(Refusal::NoStream(STREAM)), "as if it were not there");
    }
}
