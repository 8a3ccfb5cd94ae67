//! What clients know, against what the node says: an event that was
//! acknowledged is counted exactly once (invariants D-1, D-2). Pure.

use std::collections::BTreeMap;
use std::fmt;

/// Events per entity.
pub type Counts = BTreeMap<String, u64>;

/// An entity whose count is not what its clients know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Discrepancy {
    /// Acknowledged events are missing.
    Lost {
        /// Whose.
        entity: String,
        /// How many were acknowledged.
        acknowledged: u64,
        /// How many the node counts.
        counted: u64,
    },
    /// Events were counted more often than they were sent.
    Doubled {
        /// Whose.
        entity: String,
        /// How many were acknowledged.
        acknowledged: u64,
        /// How many the node counts.
        counted: u64,
    },
}

impl fmt::Display for Discrepancy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, entity, acknowledged, counted) = match self {
            Self::Lost { entity, acknowledged, counted } => ("lost", entity, acknowledged, counted),
            Self::Doubled { entity, acknowledged, counted } => {
                ("doubled", entity, acknowledged, counted)
            }
        };
        write!(f, "{entity}: {what}: {acknowledged} acknowledged, {counted} counted")
    }
}

/// Compares what was acknowledged with what is counted, entity by entity. Every
/// request's outcome must be known: unknown ones are retried first.
pub fn judge(acknowledged: &Counts, counted: &Counts) -> Vec<Discrepancy> {
    let entities =
        acknowledged.keys().chain(counted.keys().filter(|e| !acknowledged.contains_key(*e)));
    let of = |counts: &Counts, entity: &String| counts.get(entity).copied().unwrap_or(0);
    let mut discrepancies = Vec::new();
    for entity in entities {
        let (acknowledged, counted) = (of(acknowledged, entity), of(counted, entity));
        let entity = entity.clone();
        match counted.cmp(&acknowledged) {
            std::cmp::Ordering::Less => {
                discrepancies.push(Discrepancy::Lost { entity, acknowledged, counted });
            }
            std::cmp::Ordering::Greater => {
                discrepancies.push(Discrepancy::Doubled { entity, acknowledged, counted });
            }
            std::cmp::Ordering::Equal => {}
        }
    }
    discrepancies
}

/// Fails unless every acknowledged event is counted exactly once.
///
/// # Errors
/// The first few discrepancies, in words.
pub fn require_exact(acknowledged: &Counts, counted: &Counts) -> anyhow::Result<()> {
    let discrepancies = judge(acknowledged, counted);
    let first: Vec<String> = discrepancies.iter().take(5).map(ToString::to_string).collect();
    anyhow::ensure!(
        discrepancies.is_empty(),
        "{} of {} entities are wrong: {}",
        discrepancies.len(),
        acknowledged.len(),
        first.join("; ")
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(pairs: &[(&str, u64)]) -> Counts {
        pairs.iter().map(|(entity, count)| ((*entity).to_owned(), *count)).collect()
    }

    #[test]
    fn sees_lost_doubled_and_invented_events() {
        let acknowledged = counts(&[("a", 3), ("b", 2), ("c", 1)]);
        assert_eq!(judge(&acknowledged, &acknowledged), []);
        let counted = counts(&[("a", 2), ("b", 3), ("c", 1), ("d", 1)]);
        let seen: Vec<String> =
            judge(&acknowledged, &counted).iter().map(ToString::to_string).collect();
        assert_eq!(
            seen,
            [
                "a: lost: 3 acknowledged, 2 counted",
                "b: doubled: 2 acknowledged, 3 counted",
                "d: doubled: 0 acknowledged, 1 counted",
            ]
        );
        assert!(require_exact(&acknowledged, &counted).is_err());
    }

    #[test]
    fn a_forgotten_entity_is_a_lost_one() {
        let acknowledged = counts(&[("a", 3)]);
        assert_eq!(judge(&acknowledged, &Counts::new()).len(), 1);
    }
}
