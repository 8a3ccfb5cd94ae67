//! What a node admitted of a tenant's events since it last said so.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use via_types::{NodeId, StreamId, TenantId, limit};

use super::Outcome;
use crate::catalog::Catalog;
use crate::object::{Key, NodeState, Object, Usage};
use crate::refusal::Refusal;

/// Adds to the counts of a tenant's streams and days (invariant T-2). A note
/// whose fate is not known is sent again as it was, and counts once. What is not
/// the tenant's is passed over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NoteUsage {
    /// Whose.
    pub tenant: TenantId,
    /// Who counted.
    pub node: NodeId,
    /// Above those of every earlier note of that node and tenant.
    pub number: u64,
    /// Streams, days since 1970, and events.
    pub admitted: Vec<(StreamId, u32, u64)>,
}

impl NoteUsage {
    pub(super) fn apply(self, catalog: &mut Catalog) -> Result<Outcome, Refusal> {
        let Self { tenant, node, number, admitted } = self;
        catalog.known(tenant)?;
        Refusal::at_most("what was admitted", admitted.len(), limit::RECORDS_PER_ENTRY)?;
        // None where the note was taken in before.
        let mut pages: BTreeMap<(StreamId, u32), Option<Usage>> = BTreeMap::new();
        let mut noted = 0;
        for (stream, day, events) in admitted {
            if catalog.own_stream(stream, tenant).is_err() {
                continue;
            }
            let fresh = Usage::of(tenant, stream, day);
            let page = pages.entry((stream, fresh.page)).or_insert_with(|| {
                let there = catalog.tables.usages.get(&(stream, fresh.page));
                let page = there.map_or(fresh, |page| Usage::clone(page));
                (!page.has_note(node, number)).then_some(page)
            });
            let Some(page) = page else { continue };
            if let Some(count) = page.events.get_mut((day % Usage::DAYS) as usize) {
                *count = count.saturating_add(events);
                noted += 1;
            }
        }
        for page in pages.into_values().flatten() {
            catalog.put_usage(page, (node, number));
        }
        Ok(Outcome::Noted(noted))
    }
}

impl Catalog {
    fn put_usage(&mut self, mut page: Usage, note: (NodeId, u64)) {
        let is_there = |node| self.nodes.get(&node).is_some_and(|it| it.state != NodeState::Left);
        page.notes.retain(|(known, _)| *known != note.0 && is_there(*known));
        page.notes.push(note);
        page.notes.sort_unstable();
        let stream = page.stream;
        self.put(Object::Usage(Arc::new(page)));
        let pages: Vec<u32> = self.tables.usages_of(stream).map(|page| page.page).collect();
        for old in pages.iter().rev().skip(limit::USAGE_PAGES) {
            self.remove(Key::Usage((stream, *old)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::CreateStream;
    use crate::command::fixture::{TENANT, ask, catalog};
    use via_types::Timestamp;

    const NODE: NodeId = NodeId::new(1);

    fn with_stream() -> (Catalog, StreamId) {
        let mut catalog = catalog();
        let at = Timestamp::from_nanos(1);
        let (name, config) = ("logins".to_owned(), "{}".to_owned());
        let create = CreateStream { tenant: TENANT, name, config, at };
        let Ok(Outcome::Stream { stream, .. }) = ask(&mut catalog, 3, None, create) else {
            panic!("it is made");
        };
        (catalog, stream.id)
    }

    fn note(number: u64, admitted: Vec<(StreamId, u32, u64)>) -> NoteUsage {
        NoteUsage { tenant: TENANT, node: NODE, number, admitted }
    }

    fn days(catalog: &Catalog) -> Vec<(u32, u64)> {
        catalog.view().usage_of(TENANT).flat_map(|page| page.days()).collect()
    }

    #[test]
    fn a_note_that_comes_twice_counts_once() {
        let (mut catalog, stream) = with_stream();
        let first = note(7, vec![(stream, 40, 5), (stream, 41, 2), (StreamId::new(99), 40, 1)]);
        assert_eq!(ask(&mut catalog, 4, None, first.clone()), Ok(Outcome::Noted(2)));
        assert_eq!(ask(&mut catalog, 5, None, first), Ok(Outcome::Noted(0)));
        assert_eq!(catalog.revision().get(), 4, "nothing new is no change");
        let other = NoteUsage { node: NodeId::new(2), ..note(3, vec![(stream, 40, 10)]) };
        assert_eq!(ask(&mut catalog, 6, None, other), Ok(Outcome::Noted(1)));
        assert_eq!(
            ask(&mut catalog, 7, None, note(8, vec![(stream, 64, 1)])),
            Ok(Outcome::Noted(1))
        );
        assert_eq!(days(&catalog), [(40, 15), (41, 2), (64, 1)]);
    }

    #[test]
    fn old_days_are_forgotten() {
        let (mut catalog, stream) = with_stream();
        let pages = limit::USAGE_PAGES as u32 + 2;
        for page in 0..pages {
            let note = note(u64::from(page), vec![(stream, page * Usage::DAYS, 1)]);
            ask(&mut catalog, 4 + u64::from(page), None, note).unwrap();
        }
        let kept = days(&catalog);
        assert_eq!((kept.len(), kept[0].0), (limit::USAGE_PAGES, 2 * Usage::DAYS), "D-6");
    }
}
