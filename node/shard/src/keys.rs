//! The keys of everything a shard stores, as `via_storage::Space` lays them
//! out: big-endian, so that a shard, a tenant and a time range are contiguous
//! and in order.

use via_types::{DetectionId, EntityHash, LogIndex, ShardId, StreamId, TenantId, Timestamp};

/// `shard(2) stream(4) entity(16)` in `Space::Profiles`.
pub(crate) fn profile(shard: ShardId, stream: StreamId, entity: EntityHash) -> [u8; 22] {
    let mut key = [0; 22];
    key[..2].copy_from_slice(&shard.get().to_be_bytes());
    key[2..6].copy_from_slice(&stream.get().to_be_bytes());
    key[6..14].copy_from_slice(&entity.high().to_be_bytes());
    key[14..].copy_from_slice(&entity.low().to_be_bytes());
    key
}

/// `shard(2) index(8) offset(4)` in `Space::Detections`.
pub(crate) fn detection(id: DetectionId) -> [u8; 14] {
    let mut key = [0; 14];
    key[..2].copy_from_slice(&id.shard.get().to_be_bytes());
    key[2..10].copy_from_slice(&id.index.get().to_be_bytes());
    key[10..].copy_from_slice(&id.offset.to_be_bytes());
    key
}

/// Reads what [`detection`] wrote.
pub(crate) fn detection_id(key: &[u8]) -> Option<DetectionId> {
    let (shard, rest) = key.split_first_chunk::<2>()?;
    let (index, rest) = rest.split_first_chunk::<8>()?;
    let offset: [u8; 4] = rest.try_into().ok()?;
    Some(DetectionId {
        shard: ShardId::new(u16::from_be_bytes(*shard)),
        index: LogIndex::new(u64::from_be_bytes(*index)),
        offset: u32::from_be_bytes(offset),
    })
}

/// `tenant(4) started(8) detection(14)` in `Space::DetectionsByTime`.
pub(crate) fn by_time(tenant: TenantId, started: Timestamp, id: DetectionId) -> [u8; 26] {
    let mut key = [0; 26];
    key[..12].copy_from_slice(&time(tenant, started));
    key[12..].copy_from_slice(&detection(id));
    key
}

/// The part of [`by_time`] before the id: a bound of a time range.
pub(crate) fn time(tenant: TenantId, started: Timestamp) -> [u8; 12] {
    let mut key = [0; 12];
    key[..4].copy_from_slice(&tenant.get().to_be_bytes());
    // Flipping the sign bit makes the order of bytes that of numbers.
    let ordered = (started.as_nanos() as u64) ^ (1 << 63);
    key[4..].copy_from_slice(&ordered.to_be_bytes());
    key
}

/// The detection named by a [`by_time`] key.
pub(crate) fn id_of_time(key: &[u8]) -> Option<DetectionId> {
    detection_id(key.get(12..)?)
}

/// `shard(2) entry(8) place(4)` in `Space::Feed`: which change was the
/// `place`th of the `Detections` entry at that index.
pub(crate) fn feed(shard: ShardId, at: (u64, u32)) -> [u8; 14] {
    detection(DetectionId { shard, index: LogIndex::new(at.0), offset: at.1 })
}

/// What a shard keeps in `Space::Shards`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fact {
    /// The finished checkpoint's boundary.
    Boundary,
    /// The newest index whose detections are all recorded.
    Covered,
    /// How far the feed was trimmed.
    Trimmed,
    /// The index of the entry that finished the checkpoint.
    Finished,
    /// Which entries were there at what time: how old detections are.
    Marks,
    /// One stream's configuration, switched to at this index.
    Stream(StreamId, LogIndex),
}

/// `shard(2) fact(1) stream(4) index(8)` in `Space::Shards`.
pub(crate) fn fact(shard: ShardId, fact: Fact) -> [u8; 15] {
    let (tag, stream, index) = match fact {
        Fact::Boundary => (1, 0, 0),
        Fact::Covered => (2, 0, 0),
        Fact::Trimmed => (3, 0, 0),
        Fact::Stream(stream, index) => (4, stream.get(), index.get()),
        Fact::Finished => (5, 0, 0),
        Fact::Marks => (6, 0, 0),
    };
    let mut key = [0; 15];
    key[..2].copy_from_slice(&shard.get().to_be_bytes());
    key[2] = tag;
    key[3..7].copy_from_slice(&u32::to_be_bytes(stream));
    key[7..].copy_from_slice(&u64::to_be_bytes(index));
    key
}

/// The stream and index of a [`Fact::Stream`] key; none for the other facts.
pub(crate) fn stream_of_fact(key: &[u8]) -> Option<(StreamId, LogIndex)> {
    let rest = key.get(2..)?.strip_prefix(&[4])?;
    let (stream, index) = rest.split_first_chunk::<4>()?;
    let stream = StreamId::new(u32::from_be_bytes(*stream));
    Some((stream, LogIndex::new(u64::from_be_bytes(index.try_into().ok()?))))
}

/// `shard(2) piece(2)` in `Space::Ledgers`: a long ledger is several records.
pub(crate) fn ledger(shard: ShardId, piece: u16) -> [u8; 4] {
    let mut key = [0; 4];
    key[..2].copy_from_slice(&shard.get().to_be_bytes());
    key[2..].copy_from_slice(&piece.to_be_bytes());
    key
}

/// The keys of one shard, in any space whose keys begin with it: `from <= key
/// < to`; an open end after the last shard.
pub(crate) fn of_shard(shard: ShardId) -> (Vec<u8>, Option<Vec<u8>>) {
    let next = shard.get().checked_add(1).map(|next| next.to_be_bytes().to_vec());
    (shard.get().to_be_bytes().to_vec(), next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_sort_as_what_they_name() {
        let id = |index, offset| DetectionId {
            shard: ShardId::new(1),
            index: LogIndex::new(index),
            offset,
        };
        assert!(detection(id(255, 9)) < detection(id(256, 0)));
        assert_eq!(detection_id(&detection(id(7, 8))), Some(id(7, 8)));
        let tenant = TenantId::new(1);
        let early = by_time(tenant, Timestamp::from_nanos(-5), id(9, 9));
        let late = by_time(tenant, Timestamp::from_nanos(5), id(1, 1));
        assert!(early < late);
        assert_eq!(id_of_time(&late), Some(id(1, 1)));
    }

    #[test]
    fn layouts_are_what_the_catalogue_says_and_never_change() {
        let (shard, stream) = (ShardId::new(0x0102), StreamId::new(0x0304_0506));
        let entity = EntityHash::from_parts(0x1111_1111_1111_1111, 0x2222_2222_2222_2222);
        let id = DetectionId { shard, index: LogIndex::new(7), offset: 8 };
        let position = [1, 2, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 8];
        let expected = [[1, 2, 3, 4, 5, 6].as_slice(), &[0x22; 8], &[0x11; 8]].concat();
        assert_eq!(profile(shard, stream, entity).as_slice(), expected);
        assert_eq!(ledger(shard, 3), [1, 2, 0, 3]);
        assert_eq!(detection(id), position);
        assert_eq!(feed(shard, (7, 8)), position);
        let at = [0, 0, 0, 9, 0x80, 0, 0, 0, 0, 0, 0, 5].as_slice();
        let expected = [at, &position].concat();
        assert_eq!(by_time(TenantId::new(9), Timestamp::from_nanos(5), id).as_slice(), expected);
        let facts =
            [(Fact::Boundary, 1), (Fact::Covered, 2), (Fact::Trimmed, 3), (Fact::Finished, 5)];
        for (kept, number) in facts {
            assert_eq!(fact(shard, kept), [1, 2, number, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        }
        let kept = fact(shard, Fact::Stream(stream, LogIndex::new(7)));
        assert_eq!(kept, [1, 2, 4, 3, 4, 5, 6, 0, 0, 0, 0, 0, 0, 0, 7]);
        assert_eq!(stream_of_fact(&kept), Some((stream, LogIndex::new(7))));
    }

    #[test]
    fn a_shards_range_holds_its_keys_only() {
        let (from, to) = of_shard(ShardId::new(3));
        let mine = profile(
            ShardId::new(3),
            StreamId::new(u32::MAX),
            EntityHash::from_parts(u64::MAX, u64::MAX),
        );
        let next = profile(ShardId::new(4), StreamId::new(0), EntityHash::from_parts(0, 0));
        assert!(
            mine.as_slice() >= from.as_slice()
                && mine.as_slice() < to.as_deref().expect("not the last")
        );
        assert!(next.as_slice() >= to.as_deref().expect("not the last"));
    }
}
