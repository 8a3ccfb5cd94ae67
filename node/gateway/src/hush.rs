//! Which detections are not told: those about an entity that the tenant's
//! suppression list knows as fine. Decided when they are told, from the
//! catalog's view: what is recorded stays whole, so that an entry that is over
//! or taken away brings everything back.

use std::collections::HashMap;
use std::sync::Arc;

use via_catalog::{Hushed, Suppression, Verdict, View};
use via_types::{Detection, Revision, StreamId, TenantId, Timestamp};

/// A tenant's suppression list as of one view, by entity.
pub(crate) struct Hush {
    revision: Revision,
    by_entity: HashMap<String, Vec<Arc<Suppression>>>,
}

impl Hush {
    /// Reads the list of a tenant.
    pub(crate) fn of(view: &View, tenant: TenantId) -> Self {
        let mut by_entity: HashMap<String, Vec<_>> = HashMap::new();
        for entry in view.suppressions_of(tenant) {
            // Detections do not say which rhythm they are of.
            if let Hushed::Entity(key) = &entry.about {
                by_entity.entry(key.clone()).or_default().push(Arc::clone(entry));
            }
        }
        Self { revision: view.revision(), by_entity }
    }

    /// Says whether it is the list of that view.
    pub(crate) fn is_of(&self, view: &View) -> bool {
        self.revision == view.revision()
    }

    /// Says whether a detection is not told at `now`.
    pub(crate) fn covers(&self, detection: &Detection, now: Timestamp) -> bool {
        self.knows((detection.stream, &detection.entity), now)
    }

    /// Says whether an entity is known as fine. What is said of the stream counts
    /// before what is said of all.
    fn knows(&self, (stream, entity): (StreamId, &str), now: Timestamp) -> bool {
        let Some(entries) = self.by_entity.get(entity) else { return false };
        let holds = |it: &&Arc<Suppression>| it.expires.is_none_or(|expires| now < expires);
        let about = |stream| entries.iter().filter(holds).find(|it| it.stream == stream);
        let found = about(Some(stream)).or_else(|| about(None));
        found.is_some_and(|it| it.verdict == Verdict::Allow)
    }
}

#[cfg(test)]
mod tests {
    use via_catalog::Author;
    use via_types::SuppressionId;

    use super::*;

    fn hush(entries: &[(Option<u32>, Verdict, Option<i64>)]) -> Hush {
        let entry = |(stream, verdict, expires): &(Option<u32>, Verdict, Option<i64>)| {
            Arc::new(Suppression {
                id: SuppressionId::new(1),
                tenant: TenantId::new(1),
                stream: stream.map(StreamId::new),
                about: Hushed::Entity("e".to_owned()),
                verdict: *verdict,
                reason: String::new(),
                author: Author::Unknown,
                at: Timestamp::from_nanos(0),
                expires: expires.map(Timestamp::from_nanos),
            })
        };
        let entries = entries.iter().map(entry).collect();
        let by_entity = HashMap::from([("e".to_owned(), entries)]);
        Hush { revision: Revision::new(1), by_entity }
    }

    #[test]
    fn what_is_said_of_a_stream_counts_before_what_is_said_of_all() {
        let [first, second] = [1, 2].map(StreamId::new);
        let at = Timestamp::from_nanos;
        let hush = hush(&[(None, Verdict::Allow, None), (Some(1), Verdict::Block, Some(10))]);
        assert!(!hush.knows((first, "e"), at(9)), "its own entry says otherwise");
        assert!(hush.knows((first, "e"), at(10)), "which is over");
        assert!(hush.knows((second, "e"), at(9)));
        assert!(!hush.knows((second, "f"), at(9)));
    }
}
