//! What is known and need not, or must, be told.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use via_types::{Revision, StreamId, SuppressionId, TenantId, Timestamp, limit};

use super::Outcome;
use crate::catalog::Catalog;
use crate::entry::Deed;
use crate::object::{Hushed, Key, Object, Suppression, Verdict};
use crate::refusal::Refusal;

/// Adds an entry to a tenant's suppression list, and takes those of the tenant
/// away that do not hold any more. Of two about the same, the newer holds: the
/// older one goes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PutSuppression {
    /// Whose.
    pub tenant: TenantId,
    /// Of which stream; none for all of the tenant's.
    pub stream: Option<StreamId>,
    /// What it is about.
    pub about: Hushed,
    /// What is to be done.
    pub verdict: Verdict,
    /// From when on it does not hold; none holds until it is taken away.
    pub expires: Option<Timestamp>,
}

impl PutSuppression {
    pub(super) fn apply(
        self,
        catalog: &mut Catalog,
        at: Revision,
        deed: &Deed,
    ) -> Result<Outcome, Refusal> {
        let Self { tenant, stream, about, verdict, expires } = self;
        catalog.known(tenant)?;
        stream.map_or(Ok(()), |stream| catalog.own_stream(stream, tenant).map(|_| ()))?;
        if let Hushed::Entity(key) = &about {
            Refusal::at_most("the entity's key", key.len(), limit::ENTITY_KEY_BYTES)?;
        }
        if expires.is_some_and(|expires| expires <= deed.at) {
            return Err(Refusal::unfit("the entry", "is over before it begins"));
        }
        let gives_way = |there: &&Arc<Suppression>| {
            let is_over = there.expires.is_some_and(|expires| expires <= deed.at);
            is_over || (there.stream == stream && there.about == about)
        };
        let own = catalog.tables.suppressions_of(tenant);
        let gone: Vec<_> = own.filter(gives_way).map(|there| there.id).collect();
        let own = catalog.tables.suppressions_of(tenant).count() - gone.len();
        let what = "entries of one suppression list";
        Refusal::unless_below(own, limit::SUPPRESSIONS_PER_TENANT, what)?;
        let all = catalog.tables.suppressions.len() - gone.len();
        Refusal::unless_below(all, limit::SUPPRESSIONS, "entries of suppression lists")?;
        gone.into_iter().for_each(|id| catalog.remove(Key::Suppression(id)));
        let entry = Arc::new(Suppression {
            id: SuppressionId::new(at.get()),
            tenant,
            stream,
            about,
            verdict,
            reason: deed.reason.clone(),
            author: deed.by,
            at: deed.at,
            expires,
        });
        catalog.put(Object::Suppression(Arc::clone(&entry)));
        Ok(Outcome::Suppression(entry))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::fixture::{TENANT, ask, ask_at, catalog};

    fn put(about: Hushed, verdict: Verdict, expires: Option<i64>) -> PutSuppression {
        let expires = expires.map(Timestamp::from_nanos);
        PutSuppression { tenant: TENANT, stream: None, about, verdict, expires }
    }

    fn entity(key: &str) -> Hushed {
        Hushed::Entity(key.to_owned())
    }

    #[test]
    fn the_newest_entry_about_a_thing_is_the_one_that_holds() {
        let mut catalog = catalog();
        ask(&mut catalog, 3, None, put(entity("a"), Verdict::Allow, None)).unwrap();
        ask(&mut catalog, 4, None, put(Hushed::Rhythm(7), Verdict::Allow, None)).unwrap();
        ask(&mut catalog, 5, None, put(entity("a"), Verdict::Block, None)).unwrap();
        let list: Vec<_> = catalog
            .tables
            .suppressions_of(TENANT)
            .map(|entry| (entry.id.get(), entry.verdict))
            .collect();
        assert_eq!(list, [(4, Verdict::Allow), (5, Verdict::Block)]);
    }

    #[test]
    fn what_is_over_goes_with_the_next_entry() {
        let mut catalog = catalog();
        let at = Timestamp::from_nanos;
        ask_at(&mut catalog, 3, at(1), put(entity("a"), Verdict::Allow, Some(50))).unwrap();
        let late = put(entity("b"), Verdict::Allow, Some(10));
        assert!(matches!(ask_at(&mut catalog, 4, at(10), late), Err(Refusal::Unfit { .. })));
        ask_at(&mut catalog, 4, at(50), put(entity("b"), Verdict::Allow, None)).unwrap();
        assert_eq!(catalog.tables.suppressions_of(TENANT).count(), 1);
    }

    #[test]
    fn refuses_streams_of_others_and_keys_that_no_entity_has() {
        let mut catalog = catalog();
        let stream = Some(StreamId::new(9));
        let foreign = PutSuppression { stream, ..put(entity("a"), Verdict::Allow, None) };
        assert_eq!(ask(&mut catalog, 3, None, foreign), Err(Refusal::NoStream(StreamId::new(9))));
        let long = put(entity(&"x".repeat(257)), Verdict::Allow, None);
        assert!(matches!(ask(&mut catalog, 3, None, long), Err(Refusal::Unfit { .. })));
    }
}
