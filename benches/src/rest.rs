//! `rest`: how many bytes a profile takes where it is kept.

use anyhow::Result;
use via_codec::Kind;
use via_engine::{Answer, Engine, Options, Outcome, Position};
use via_types::{EntityHash, LogIndex, Revision, ShardId, StreamConfig, StreamId, Timestamp};

use crate::table::{Row, Table, Target, Unit};
use crate::workload::Workload;

const STREAM: StreamId = StreamId::new(1);
const ENTITIES: u32 = 512;
/// Event time between two events of an entity.
const PERIOD: i64 = 1_000_000_000;

/// Measures.
///
/// # Errors
/// Never: the workload is valid.
pub(crate) fn run() -> Result<Table> {
    let mut rows = Vec::new();
    for (events, most) in [(10, 400.0), (10_000, 2_000.0)] {
        let sizes = sizes(events)?;
        let mean = sizes.iter().sum::<f64>() / sizes.len() as f64;
        let what = format!("profile at rest after {events} events");
        let row = Row::new(format!("{what}, mean"), Unit::Bytes, vec![mean]);
        rows.push(row.target(Some(Target::AtMost(most))));
        rows.push(Row::new(format!("{what}, each"), Unit::Bytes, sizes));
    }
    let title =
        format!("rest: {ENTITIES} profiles with values and marks, as a checkpoint keeps them");
    Ok(Table { title, rows, notes: Vec::new() })
}

/// Returns every profile's size after so many events.
fn sizes(events: u64) -> Result<Vec<f64>> {
    let mut engine = Engine::new(Options::default());
    engine.configure(STREAM, Revision::new(1), &StreamConfig::default());
    let mut workload = Workload::in_turn(ENTITIES, 42)?;
    for round in 0..events {
        let mut batch = workload.draw(ENTITIES as usize).batch(STREAM, round as i64 * PERIOD, 0);
        for (row, at) in batch.at.iter_mut().enumerate() {
            // Irregular, yet in order for each entity.
            let noise = (row as u64 + round * 7_919).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 33;
            *at += noise as i64 % (PERIOD * 4 / 5);
        }
        batch.mark = batch.value.iter().map(|value| value.to_bits() | 1).collect();
        let at = Position { shard: ShardId::new(0), index: LogIndex::new(round + 1), base: 0 };
        let stamp = Timestamp::from_nanos((round as i64 + 1) * PERIOD);
        engine.execute(at, stamp, &batch, Answer::Counts, &mut Outcome::default());
    }
    let mut sizes = Vec::new();
    engine.begin_round();
    engine.export(usize::MAX, &mut |_, entity, record| {
        // The habits of the whole stream are kept beside the profiles.
        if entity == EntityHash::from_parts(u64::MAX, u64::MAX) {
            return;
        }
        // A checkpoint keeps the record with the log index it is true at.
        let bytes = via_codec::encode(Kind::Profile, &(LogIndex::new(events), record));
        sizes.push(bytes.len() as f64);
    });
    Ok(sizes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_profile_is_weighed() {
        let sizes = sizes(10).unwrap();
        assert_eq!(sizes.len(), ENTITIES as usize);
        assert!(sizes.iter().all(|size| *size > via_codec::OVERHEAD as f64));
    }
}
