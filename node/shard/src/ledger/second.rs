//! The ledger as version 2 stored it: without the contents of batches. Owns
//! nothing but those shapes; what was not stored is not known.

use std::collections::BTreeMap;

use serde::Deserialize;
use via_types::{Epoch, ProducerId, RowReason, Timestamp};

use super::{Counts, Uniques};

#[derive(Deserialize)]
struct Told {
    accepted: u32,
    refused: Box<[(u32, RowReason)]>,
}

#[derive(Deserialize)]
struct Producer {
    epoch: Epoch,
    newest: u64,
    floor: (u64, u32),
    seen: BTreeMap<(u64, u32), Told>,
    weight: usize,
    used: u64,
}

/// A ledger of version 2.
#[derive(Deserialize)]
pub(super) struct Ledger {
    producers: BTreeMap<ProducerId, Producer>,
    seen: usize,
    uniques: Uniques,
    counts: Counts,
    stamp: Timestamp,
}

impl From<Told> for super::Told {
    fn from(told: Told) -> Self {
        Self { accepted: told.accepted, refused: told.refused, content: 0 }
    }
}

impl From<Producer> for super::Producer {
    fn from(producer: Producer) -> Self {
        let Producer { epoch, newest, floor, seen, weight, used } = producer;
        let seen = seen.into_iter().map(|(pair, told)| (pair, told.into())).collect();
        Self { epoch, newest, floor, seen, weight, used }
    }
}

impl From<Ledger> for super::Ledger {
    fn from(ledger: Ledger) -> Self {
        let Ledger { producers, seen, uniques, counts, stamp } = ledger;
        let producers = producers.into_iter().map(|(id, producer)| (id, producer.into())).collect();
        Self { producers, seen, uniques, counts, stamp }
    }
}
