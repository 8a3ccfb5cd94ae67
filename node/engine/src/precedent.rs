//! Detections of one entity that ended, each in 40 bytes, and which of them are
//! like another. Owns the ring and what alike means; refuses to know how
//! detections are worded. Filled by `verdict`, read by `explain`; rests with the
//! history. Invariant E-1: a function of the profile alone.

use bytemuck::{Pod, Zeroable};
use via_types::detection::{Direction, Similar};
use via_types::{Detection, DetectionId, LogIndex, ShardId, Timestamp};

use crate::ensemble::score;
use crate::profile::Feature;

/// Detections remembered; the oldest gives way.
pub(crate) const KEPT: usize = 8;
/// Most that are named.
const NAMED: usize = 5;
/// Alike below this is not alike.
const LEAST: f64 = 0.3;
/// How alike detections of another feature of the same detector are, of another
/// detector, and of another direction.
const OF_DETECTOR: f64 = 0.6;
const OF_ANOTHER: f64 = 0.3;
const OTHER_WAY: f64 = 0.5;
/// What of being alike does not depend on size, nor on duration.
const WHATEVER: f64 = 0.5;
/// Sizes and durations are compared as if they were larger by this.
const SOFT: f32 = 1e-3;

/// What a detection was about, and how far off it was.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Kind {
    pub(crate) feature: Feature,
    /// Which named value; 0 for none.
    pub(crate) name: u32,
    pub(crate) direction: Direction,
    /// The deviation, relative to what it is measured by.
    pub(crate) size: f32,
}

/// A detection that ended.
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Precedent {
    at: i64,
    index: u64,
    offset: u32,
    shard: u16,
    feature: u8,
    direction: u8,
    name: u32,
    evidence: f32,
    size: f32,
    secs: f32,
}

/// The last detections that ended.
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Precedents {
    kept: [Precedent; KEPT],
    /// How many there ever were.
    seen: u64,
}

/// Returns the number of a named value, the same whatever its place in the
/// stream (FNV-1a, 32 bits; never 0).
pub(crate) fn number_of(name: &str) -> u32 {
    let hash = name
        .bytes()
        .fold(0x811c_9dc5u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    hash.max(1)
}

fn code(direction: Direction) -> u8 {
    match direction {
        Direction::Above => 0,
        Direction::Below => 1,
        Direction::Changed => 2,
    }
}

/// Returns the seconds from a detection's first to its newest event.
pub(crate) fn duration(detection: &Detection) -> f32 {
    detection.last.as_nanos().saturating_sub(detection.started.as_nanos()) as f32 * 1e-9
}

impl Precedents {
    /// Remembers a detection that ended.
    pub(crate) fn keep(&mut self, kind: Kind, detection: &Detection) {
        let DetectionId { shard, index, offset } = detection.id;
        self.kept[(self.seen % KEPT as u64) as usize] = Precedent {
            at: detection.started.as_nanos(),
            index: index.get(),
            offset,
            shard: shard.get(),
            feature: kind.feature as u8,
            direction: code(kind.direction),
            name: kind.name,
            evidence: detection.evidence as f32,
            size: kind.size,
            secs: duration(detection),
        };
        self.seen += 1;
    }

    /// Returns the detections most like one of `kind`, that lasted `secs` where
    /// that is known.
    pub(crate) fn similar(&self, kind: Kind, secs: Option<f32>) -> Vec<Similar> {
        let held = self.seen.min(KEPT as u64) as usize;
        let alike = |kept: &Precedent| Similar {
            id: DetectionId {
                shard: ShardId::new(kept.shard),
                index: LogIndex::new(kept.index),
                offset: kept.offset,
            },
            at: Timestamp::from_nanos(kept.at),
            similarity: kept.likeness(kind, secs),
            score: score(f64::from(kept.evidence)),
        };
        let mut similar: Vec<Similar> =
            self.kept[..held].iter().map(alike).filter(|one| one.similarity >= LEAST).collect();
        similar.sort_by(|a, b| {
            b.similarity.total_cmp(&a.similarity).then(b.at.cmp(&a.at)).then(b.id.cmp(&a.id))
        });
        similar.truncate(NAMED);
        similar
    }
}

impl Precedent {
    fn likeness(&self, kind: Kind, secs: Option<f32>) -> f64 {
        let known = Feature::ALL.get(usize::from(self.feature)).copied();
        let about = match known {
            Some(feature) if feature == kind.feature && self.name == kind.name => 1.0,
            Some(feature) if feature.detector() == kind.feature.detector() => OF_DETECTOR,
            Some(_) | None => OF_ANOTHER,
        };
        let way = if self.direction == code(kind.direction) { 1.0 } else { OTHER_WAY };
        let size = WHATEVER + (1.0 - WHATEVER) * ratio(self.size, kind.size);
        let length = secs.map_or(1.0, |secs| WHATEVER + (1.0 - WHATEVER) * ratio(self.secs, secs));
        about * way * size * length
    }
}

/// Returns 1 for equal sizes, less the more times one is the other.
fn ratio(a: f32, b: f32) -> f64 {
    let (a, b) = (a.abs().min(1e30) + SOFT, b.abs().min(1e30) + SOFT);
    f64::from(a.min(b) / a.max(b)).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIND: Kind =
        Kind { feature: Feature::Value, name: 0, direction: Direction::Above, size: 4.0 };

    fn precedent(number: u64, kind: Kind, secs: f32) -> Precedent {
        Precedent {
            at: number as i64,
            index: number,
            feature: kind.feature as u8,
            direction: code(kind.direction),
            name: kind.name,
            evidence: 5.0,
            size: kind.size,
            secs,
            ..Precedent::zeroed()
        }
    }

    fn all(kept: &[Precedent]) -> Precedents {
        let mut all = Precedents::zeroed();
        for one in kept {
            all.kept[(all.seen % KEPT as u64) as usize] = *one;
            all.seen += 1;
        }
        all
    }

    #[test]
    fn the_most_alike_come_first_and_what_is_not_alike_not_at_all() {
        let past = all(&[
            precedent(1, Kind { size: 400.0, ..KIND }, 9.0),
            precedent(2, KIND, 10.0),
            precedent(3, Kind { feature: Feature::Step, ..KIND }, 10.0),
            precedent(4, Kind { feature: Feature::Rate, direction: Direction::Below, ..KIND }, 9.0),
        ]);
        let similar = past.similar(KIND, Some(10.0));
        let ids: Vec<u64> = similar.iter().map(|one| one.id.index.get()).collect();
        assert_eq!(ids, [2, 3, 1]);
        assert!((similar[0].similarity - 1.0).abs() < 1e-9);
        assert!((similar[0].score - score(5.0)).abs() < 1e-9);
        assert!(past.similar(KIND, None)[0].similarity >= similar[0].similarity);
    }

    #[test]
    fn five_are_named_and_the_oldest_give_way() {
        let many: Vec<Precedent> = (0..20).map(|number| precedent(number, KIND, 1.0)).collect();
        let similar = all(&many).similar(KIND, None);
        let ids: Vec<u64> = similar.iter().map(|one| one.id.index.get()).collect();
        assert_eq!(ids, [19, 18, 17, 16, 15]);
        assert!(size_of::<Precedent>() <= 40);
    }
}
