//! Old audit records give way; their hashes stay.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use via_types::Revision;

use super::Outcome;
use crate::catalog::Catalog;
use crate::entry::Deed;
use crate::object::{Key, Object, Trail, TrailId};
use crate::recording::bare;
use crate::refusal::Refusal;

/// Lets the records of an audit log go that are older than they must be kept.
/// Which these are follows from the deed's time; proofs of every record stay
/// possible, since the tree keeps its nodes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PruneTrail {
    /// Which log.
    pub trail: TrailId,
}

impl PruneTrail {
    pub(super) fn apply(
        self,
        catalog: &mut Catalog,
        at: Revision,
        deed: &Deed,
    ) -> Result<Outcome, Refusal> {
        let there = catalog.tables.trails.get(&self.trail).ok_or(Refusal::no_such("audit log"))?;
        let from = there.prunable(deed.at);
        if from > there.kept_from {
            let mut trail = Trail::clone(there);
            trail.prune(from);
            catalog.put(Object::Trail(Arc::new(trail)));
            let mut record = bare(at, deed, "prune_trail");
            record.object = Key::Trail(self.trail).to_string();
            record.after = serde_json::json!({"kept_from": from});
            catalog.append(self.trail, deed.at, &record);
        }
        Ok(Outcome::Pruned { kept_from: from })
    }
}

#[cfg(test)]
mod tests {
    use via_types::{Timestamp, limit};

    use super::*;
    use crate::command::CreateTenant;
    use crate::command::fixture::{ask_at, catalog};

    #[test]
    fn what_must_be_kept_is_kept() {
        let mut catalog = catalog();
        let day = |number: i64| Timestamp::from_nanos(number * 86_400_000_000_000);
        for number in 0..3 {
            let name = format!("t{number}");
            let create = CreateTenant { name, at: day(0) };
            ask_at(&mut catalog, 3 + number, day(40 * number as i64), create).unwrap();
        }
        let year = (limit::RECORD_SECS / 86_400) as i64;
        let prune = |trail| PruneTrail { trail };
        let trail = TrailId::new(3);
        assert_eq!(
            ask_at(&mut catalog, 6, day(40 + year - 1), prune(trail)),
            Ok(Outcome::Pruned { kept_from: 0 })
        );
        assert!(matches!(
            ask_at(&mut catalog, 7, day(0), prune(TrailId::new(77))),
            Err(Refusal::NoSuch { .. })
        ));
    }
}
