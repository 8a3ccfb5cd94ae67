//! Taking a configuration back.

use serde::{Deserialize, Serialize};
use via_types::{Revision, StreamId, TenantId};

use super::{Outcome, PutStreamConfig};
use crate::catalog::Catalog;
use crate::entry::Deed;
use crate::refusal::Refusal;

/// Makes a stream say again what it said at an earlier revision. A change like
/// any other: with a new revision, a record, and a place in the history.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RevertStreamConfig {
    /// Whose.
    pub tenant: TenantId,
    /// Which.
    pub stream: StreamId,
    /// To which revision of it.
    pub to: Revision,
}

impl RevertStreamConfig {
    pub(super) fn apply(
        self,
        catalog: &mut Catalog,
        at: Revision,
        deed: &Deed,
    ) -> Result<Outcome, Refusal> {
        let Self { tenant, stream, to } = self;
        let there = catalog.own_stream(stream, tenant)?;
        deed.is_based_on(there.revision)?;
        let edition = catalog.tables.editions.get(&(stream, to));
        let config = edition.ok_or(Refusal::no_such("revision of this stream"))?.own.clone();
        let based_on = there.revision;
        PutStreamConfig { tenant, stream, based_on, config }.apply(catalog, at, Some(deed))
    }
}

#[cfg(test)]
mod tests {
    use via_types::Timestamp;

    use super::*;
    use crate::command::CreateStream;
    use crate::command::fixture::{TENANT, apply, ask, ask_for, catalog};
    use crate::entry::Author;

    const STREAM: StreamId = StreamId::new(1);

    fn create() -> CreateStream {
        let (name, config) = ("a".to_owned(), r#"{"explain":"full"}"#.to_owned());
        CreateStream { tenant: TENANT, name, config, at: Timestamp::from_nanos(9) }
    }

    fn put(based_on: u64, config: &str) -> PutStreamConfig {
        let (based_on, config) = (Revision::new(based_on), config.to_owned());
        PutStreamConfig { tenant: TENANT, stream: STREAM, based_on, config }
    }

    fn history(catalog: &Catalog) -> Vec<(u64, String, String)> {
        let editions = catalog.tables.editions_of(STREAM);
        let told = |it: &std::sync::Arc<crate::object::Edition>| {
            (it.revision.get(), it.own.clone(), it.reason.clone())
        };
        editions.map(told).collect()
    }

    #[test]
    fn what_a_stream_said_can_be_had_again() {
        let mut catalog = catalog();
        ask_for(&mut catalog, 3, "first", create()).unwrap();
        ask_for(&mut catalog, 4, "quieter", put(3, r#"{"explain":"none"}"#)).unwrap();
        let revert = RevertStreamConfig { tenant: TENANT, stream: STREAM, to: Revision::new(3) };
        assert!(matches!(
            ask(&mut catalog, 5, Some(3), revert.clone()),
            Err(Refusal::Stale { .. })
        ));
        let Ok(Outcome::Configured(stream)) = ask(&mut catalog, 5, Some(4), revert.clone()) else {
            panic!("it is based on the newest");
        };
        assert_eq!((stream.own.as_str(), stream.revision.get()), (r#"{"explain":"full"}"#, 5));
        let reasons: Vec<_> =
            history(&catalog).into_iter().map(|(at, _, reason)| (at, reason)).collect();
        let expected = [(3, "first"), (4, "quieter"), (5, "")];
        assert_eq!(reasons, expected.map(|(at, reason)| (at, reason.to_owned())));
        let unknown = RevertStreamConfig { to: Revision::new(77), ..revert };
        assert!(matches!(ask(&mut catalog, 6, Some(5), unknown), Err(Refusal::NoSuch { .. })));
    }

    #[test]
    fn a_stream_from_before_there_was_a_history_has_what_it_said_then() {
        let mut catalog = catalog();
        apply(&mut catalog, 3, create().into()).unwrap();
        assert_eq!(history(&catalog), [], "nobody said who asked");
        ask_for(&mut catalog, 4, "", put(3, "{}")).unwrap();
        let first = catalog.tables.editions_of(STREAM).next().unwrap();
        assert_eq!((first.revision.get(), first.author), (3, Author::Unknown));
        assert_eq!(first.own, r#"{"explain":"full"}"#);
    }

    #[test]
    fn the_history_is_bounded_and_keeps_the_newest() {
        let mut catalog = catalog();
        ask(&mut catalog, 3, None, create()).unwrap();
        let padding = " ".repeat(40_000);
        for at in 4..10 {
            ask(
                &mut catalog,
                at,
                None,
                put(at - 1, &format!("{{}}{padding}{}", " ".repeat(at as usize))),
            )
            .unwrap();
        }
        let kept: Vec<_> = history(&catalog).into_iter().map(|(at, ..)| at).collect();
        assert_eq!(kept, [7, 8, 9], "invariant D-6");
    }
}
