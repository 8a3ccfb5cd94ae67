//! The catalogue of every stored key: its layout and its lifecycle. Numbers
//! are big-endian, so that keys sort by them and a shard, a tenant and a time
//! range are contiguous. The room that owns a space makes its keys: `shard` in
//! its `keys`, `control` in its `rows`.

/// A family of keys. Numbers are on disk: never reused. 5, 8 and 10 belonged to
/// spaces that nothing was ever written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Space {
    /// `name` → whose data directory it is. Written once by control; lives as
    /// long as the store.
    Node = 1,
    /// `group u32` → as of which entry the catalog's rows are true. Rewritten
    /// with them; deleted when they are discarded.
    Machines = 2,
    /// `shard u16, stream u32, entity u128` → profile. Rewritten by checkpoints;
    /// deleted by reset and with the replica.
    Profiles = 3,
    /// `shard u16, piece u16` → a piece of the shard's ledger. Rewritten by
    /// checkpoints.
    Ledgers = 4,
    /// `shard u16, index u64, offset u32` → detection. Written when recorded,
    /// rewritten as it grows, deleted by retention.
    Detections = 6,
    /// `tenant u32, time i64, shard u16, index u64, offset u32` → nothing; the
    /// time has its sign bit flipped. One per detection, at its start; lives and
    /// dies with it.
    DetectionsByTime = 7,
    /// `table u8, id` → a row of the catalog. Rewritten by its commands.
    Catalog = 9,
    /// `shard u16, entry u64, place u32` → which detection opened or grew there:
    /// the live feed's order. Written when recorded, deleted by retention.
    Feed = 11,
    /// `shard u16, fact u8, stream u32, index u64` → the shard's boundary, its
    /// covered index, how far its feed is trimmed, how old its entries are, its
    /// streams' configurations by index. Rewritten by checkpoints and as they change.
    Shards = 12,
    /// `shard u16, index u64, offset u32` → what was said of the detection of that
    /// name. Rewritten by its labels; lives and dies with it.
    Feedback = 13,
    /// `log u32, part u8, level u8, index u64` → an audit record, or a node of
    /// its log's tree. Written once with the catalog; records are deleted when
    /// their log is pruned, nodes never.
    Audit = 14,
}

impl Space {
    /// Every space.
    pub const ALL: [Self; 11] = [
        Self::Node,
        Self::Machines,
        Self::Profiles,
        Self::Ledgers,
        Self::Detections,
        Self::DetectionsByTime,
        Self::Catalog,
        Self::Feed,
        Self::Shards,
        Self::Feedback,
        Self::Audit,
    ];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_of_spaces_never_change() {
        assert_eq!(Space::ALL.map(|space| space as u8), [1, 2, 3, 4, 6, 7, 9, 11, 12, 13, 14]);
    }
}
