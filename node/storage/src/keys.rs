//! The catalogue of every stored key: its layout and its lifecycle. Numbers
//! are big-endian so that keys sort by them; a shard, a stream and a time
//! range are contiguous. Shard and control build keys only through this file.

use std::ops::Bound;

use bytes::{BufMut, Bytes, BytesMut};
use via_types::{DetectionId, EntityHash, GroupId, ShardId, StreamId, Timestamp};

/// A family of keys. Numbers are on disk: never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Space {
    /// `name` → the node's own identity. Written once; lives as long as the store.
    Node = 1,
    /// `group u32` → how far its machine has applied. Rewritten with every
    /// checkpoint; deleted with the replica.
    Machines = 2,
    /// `shard u16, stream u32, entity u128` → profile. Rewritten by checkpoints;
    /// deleted by reset, expiry and with the replica.
    Profiles = 3,
    /// `shard u16` → the shard's ledger. Rewritten by checkpoints.
    Ledgers = 4,
    /// `shard u16, stream u32` → the stream's configuration in force.
    Streams = 5,
    /// `shard u16, index u64, offset u32` → detection. Written when recorded,
    /// rewritten as it grows, deleted by retention.
    Detections = 6,
    /// `shard u16, stream u32, time i64, index u64, offset u32` → nothing. One
    /// per detection, at its start; lives and dies with it.
    DetectionsByTime = 7,
    /// `shard u16, stream u32, entity u128, time i64, index u64, offset u32` →
    /// nothing. One per detection; lives and dies with it.
    DetectionsByEntity = 8,
    /// `table u8, key` → a record of the catalog. Rewritten by its commands.
    Catalog = 9,
    /// `group u32, number u32` → a chunk of a snapshot being received. Deleted
    /// when it is installed or given up.
    Incoming = 10,
    /// `shard u16, entry u64, place u32` → which detection opened or grew there:
    /// the live feed's order. Written when recorded, deleted by retention.
    Feed = 11,
    /// `shard u16, fact u8, stream u32, index u64` → the shard's boundary, its
    /// covered index, its trimmed feed, its streams' configurations by index.
    Shards = 12,
}

impl Space {
    /// Every space.
    pub const ALL: [Self; 12] = [
        Self::Node,
        Self::Machines,
        Self::Profiles,
        Self::Ledgers,
        Self::Streams,
        Self::Detections,
        Self::DetectionsByTime,
        Self::DetectionsByEntity,
        Self::Catalog,
        Self::Incoming,
        Self::Feed,
        Self::Shards,
    ];
}

/// Key in [`Space::Machines`].
pub fn machine(group: GroupId) -> Bytes {
    Bytes::copy_from_slice(&group.get().to_be_bytes())
}

/// Key in [`Space::Ledgers`], and the prefix of everything else of a shard.
pub fn shard(shard: ShardId) -> Bytes {
    Bytes::copy_from_slice(&shard.get().to_be_bytes())
}

/// Key in [`Space::Streams`], and the prefix of a stream's profiles and
/// detections by time or entity in one shard.
pub fn stream(shard: ShardId, stream: StreamId) -> Bytes {
    stream_key(shard, stream, 0).freeze()
}

/// Key in [`Space::Profiles`], and the prefix of an entity's detections.
pub fn profile(shard: ShardId, stream: StreamId, entity: EntityHash) -> Bytes {
    entity_key(shard, stream, entity, 0).freeze()
}

/// Key in [`Space::Detections`].
pub fn detection(id: DetectionId) -> Bytes {
    let mut key = BytesMut::with_capacity(14);
    key.put_u16(id.shard.get());
    put_position(&mut key, id);
    key.freeze()
}

/// Key in [`Space::DetectionsByTime`].
pub fn detection_by_time(stream: StreamId, at: Timestamp, id: DetectionId) -> Bytes {
    let mut key = stream_key(id.shard, stream, 20);
    key.put_u64(sortable(at));
    put_position(&mut key, id);
    key.freeze()
}

/// Where the detections of `stream` at or after `at` begin in
/// [`Space::DetectionsByTime`].
pub fn detections_from(shard: ShardId, stream: StreamId, at: Timestamp) -> Bytes {
    let mut key = stream_key(shard, stream, 8);
    key.put_u64(sortable(at));
    key.freeze()
}

/// Key in [`Space::DetectionsByEntity`].
pub fn detection_by_entity(
    stream: StreamId,
    entity: EntityHash,
    at: Timestamp,
    id: DetectionId,
) -> Bytes {
    let mut key = entity_key(id.shard, stream, entity, 20);
    key.put_u64(sortable(at));
    put_position(&mut key, id);
    key.freeze()
}

/// Where the detections of `entity` at or after `at` begin in
/// [`Space::DetectionsByEntity`].
pub fn entity_detections_from(
    shard: ShardId,
    stream: StreamId,
    entity: EntityHash,
    at: Timestamp,
) -> Bytes {
    let mut key = entity_key(shard, stream, entity, 8);
    key.put_u64(sortable(at));
    key.freeze()
}

/// Key in [`Space::Catalog`].
pub fn catalog(table: u8, name: &[u8]) -> Bytes {
    let mut key = BytesMut::with_capacity(1 + name.len());
    key.put_u8(table);
    key.put_slice(name);
    key.freeze()
}

/// Key in [`Space::Incoming`]; the first four bytes are its group's prefix.
pub fn incoming(group: GroupId, number: u32) -> Bytes {
    let mut key = BytesMut::with_capacity(8);
    key.put_u32(group.get());
    key.put_u32(number);
    key.freeze()
}

/// Reads the detection a key of any of the three detection spaces names; none
/// when the key is not one of theirs.
pub fn detection_of(space: Space, key: &[u8]) -> Option<DetectionId> {
    let length = match space {
        Space::Detections => 14,
        Space::DetectionsByTime => 26,
        Space::DetectionsByEntity => 42,
        Space::Node
        | Space::Machines
        | Space::Profiles
        | Space::Ledgers
        | Space::Streams
        | Space::Catalog
        | Space::Incoming
        | Space::Feed
        | Space::Shards => return None,
    };
    if key.len() != length {
        return None;
    }
    let (shard, _) = key.split_first_chunk()?;
    let (rest, offset) = key.split_last_chunk()?;
    let (_, index) = rest.split_last_chunk()?;
    Some(DetectionId {
        shard: ShardId::new(u16::from_be_bytes(*shard)),
        index: via_types::LogIndex::new(u64::from_be_bytes(*index)),
        offset: u32::from_be_bytes(*offset),
    })
}

/// Reads what a key of [`Space::Profiles`] names.
pub fn profile_of(key: &[u8]) -> Option<(ShardId, StreamId, EntityHash)> {
    if key.len() != 22 {
        return None;
    }
    let (shard, rest) = key.split_first_chunk()?;
    let (stream, rest) = rest.split_first_chunk()?;
    let (high, rest) = rest.split_first_chunk()?;
    let (low, _) = rest.split_first_chunk()?;
    let entity = EntityHash::from_parts(u64::from_be_bytes(*low), u64::from_be_bytes(*high));
    let (shard, stream) = (u16::from_be_bytes(*shard), u32::from_be_bytes(*stream));
    Some((ShardId::new(shard), StreamId::new(stream), entity))
}

/// Returns the bounds of all keys that begin with `prefix`; `end` keeps the
/// upper one alive.
pub fn within<'a>(prefix: &'a [u8], end: &'a mut Vec<u8>) -> (Bound<&'a [u8]>, Bound<&'a [u8]>) {
    end.clear();
    end.extend_from_slice(prefix);
    while let Some(last) = end.last_mut() {
        if *last < u8::MAX {
            *last += 1;
            return (Bound::Included(prefix), Bound::Excluded(end));
        }
        end.pop();
    }
    (Bound::Included(prefix), Bound::Unbounded)
}

fn stream_key(shard: ShardId, stream: StreamId, more: usize) -> BytesMut {
    let mut key = BytesMut::with_capacity(6 + more);
    key.put_u16(shard.get());
    key.put_u32(stream.get());
    key
}

fn entity_key(shard: ShardId, stream: StreamId, entity: EntityHash, more: usize) -> BytesMut {
    let mut key = stream_key(shard, stream, 16 + more);
    key.put_u64(entity.high());
    key.put_u64(entity.low());
    key
}

fn put_position(key: &mut BytesMut, id: DetectionId) {
    key.put_u64(id.index.get());
    key.put_u32(id.offset);
}

/// Maps times to numbers of the same order, before 1970 too.
fn sortable(at: Timestamp) -> u64 {
    (at.as_nanos() as u64) ^ (1 << 63)
}

#[cfg(test)]
mod tests {
    use via_types::LogIndex;

    use super::*;

    fn id(index: u64, offset: u32) -> DetectionId {
        DetectionId { shard: ShardId::new(3), index: LogIndex::new(index), offset }
    }

    #[test]
    fn detections_sort_by_time_before_and_after_1970() {
        let at =
            |nanos| detection_by_time(StreamId::new(1), Timestamp::from_nanos(nanos), id(9, 1));
        assert!(at(i64::MIN) < at(-1) && at(-1) < at(0) && at(0) < at(i64::MAX));
        let from = detections_from(ShardId::new(3), StreamId::new(1), Timestamp::from_nanos(5));
        assert!(at(4) < from && from <= at(5));
    }

    #[test]
    fn keys_name_what_they_were_made_of() {
        let entity = EntityHash::of(StreamId::new(7), "käse");
        let key = profile(ShardId::new(3), StreamId::new(7), entity);
        assert_eq!(profile_of(&key), Some((ShardId::new(3), StreamId::new(7), entity)));
        let at = Timestamp::from_nanos(-5);
        for (space, key) in [
            (Space::Detections, detection(id(8, 2))),
            (Space::DetectionsByTime, detection_by_time(StreamId::new(7), at, id(8, 2))),
            (
                Space::DetectionsByEntity,
                detection_by_entity(StreamId::new(7), entity, at, id(8, 2)),
            ),
        ] {
            assert_eq!(detection_of(space, &key), Some(id(8, 2)), "{space:?}");
            assert_eq!(detection_of(space, &key[1..]), None);
        }
    }

    #[test]
    fn a_prefix_bounds_exactly_its_keys() {
        let mut end = Vec::new();
        let prefix = [1, 255, 255];
        let (from, to) = within(&prefix, &mut end);
        assert_eq!((from, to), (Bound::Included(&prefix[..]), Bound::Excluded(&[2][..])));
        let (_, to) = within(&[255, 255], &mut end);
        assert_eq!(to, Bound::Unbounded);
    }
}
