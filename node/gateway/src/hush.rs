//! Which detections are not told: those about an entity that the tenant's
//! suppression list knows as fine. Decided when they are told, from the
//! catalog's view: what is recorded stays whole, so that an entry that is over
//! or taken away brings everything back.

use std::collections::HashMap;
use std::sync::Arc;

use via_catalog::{Hushed, Suppression, Verdict, View};
use via_types::{Detection, Revision, TenantId, Timestamp};

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

    /// Says whether a detection is not told at `now`. What is said of the stream
    /// counts before what is said of all.
    pub(crate) fn covers(&self, detection: &Detection, now: Timestamp) -> bool {
        let Some(entries) = self.by_entity.get(&detection.entity) else { return false };
        let holds = |it: &&Arc<Suppression>| it.expires.is_none_or(|expires| now < expires);
        let about = |stream| entries.iter().filter(holds).find(|it| it.stream == stream);
        let found = about(Some(detection.stream)).or_else(|| about(None));
        found.is_some_and(|it| it.verdict == Verdict::Allow)
    }
}
