//! The records of a segment. Owns their layout; refuses what does not carry
//! the checksum of this log, this segment and this very offset (invariant
//! D-7), so that nothing stale or misplaced is ever taken for a record.
//!
//! ```text
//! 0 mark u16 | 2 kind u8 | 3 slot u8 | 4 head crc u32 | 8 body length u32 |
//! 12 left u32 | 16 group u32 | 20 body crc u32 | 24 epoch u64 | 32 index u64 | body, padded to 8
//! ```

use via_types::GroupId;

/// Bytes before a record's body.
pub(crate) const HEAD: usize = 40;
const MARK: u16 = 0xA17E;
const ZEROS: [u8; 8] = [0; 8];

/// What a record says. Numbers are on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    /// An entry: `group`, `index`, body.
    Append = 1,
    /// An entry copied from a segment about to be removed.
    Relocate = 2,
    /// Entries of `group` after `index` are gone.
    Truncate = 3,
    /// Entries of `group` up to `index` are gone.
    Purge = 4,
    /// `slot` of `group` holds the body.
    Put = 5,
    /// Segments before number `index` are not needed.
    Front = 6,
    /// The log was opened, or closed, here; all before is durable.
    Opened = 7,
    /// Every sync before `epoch` succeeded. Written without a sync.
    Synced = 8,
    /// The segment ends here and the log goes on in segment `index`, which was
    /// durable before; every sync before `epoch` succeeded.
    Sealed = 9,
}

impl Kind {
    fn from_number(number: u8) -> Option<Self> {
        [
            Self::Append,
            Self::Relocate,
            Self::Truncate,
            Self::Purge,
            Self::Put,
            Self::Front,
            Self::Opened,
            Self::Synced,
            Self::Sealed,
        ]
        .into_iter()
        .find(|kind| *kind as u8 == number)
    }
}

/// Where records live: part of every checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The log's own random number.
    pub(crate) log: u64,
    pub(crate) segment: u32,
}

/// A record without its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) kind: Kind,
    /// The slot's number; 0 unless `kind` is `Put`.
    pub(crate) slot: u8,
    pub(crate) group: GroupId,
    pub(crate) index: u64,
    pub(crate) body_bytes: u32,
    /// How many syncs had succeeded when it was written. All records between
    /// two syncs form one extent.
    pub(crate) epoch: u64,
    /// Bytes of its extent after this record.
    pub(crate) left: u32,
    body_crc: u32,
}

impl Head {
    pub(crate) fn new(kind: Kind, group: GroupId, index: u64, body: &[u8]) -> Self {
        let body_bytes = u32::try_from(body.len()).expect("bodies are bounded far below 4 GiB");
        let body_crc = crc32fast::hash(body);
        Self { kind, slot: 0, group, index, body_bytes, epoch: 0, left: 0, body_crc }
    }

    /// Returns what the record occupies, padding included.
    pub(crate) fn record_bytes(&self) -> usize {
        record_bytes(self.body_bytes as usize)
    }

    /// Returns the zeros that follow the body.
    pub(crate) fn padding(&self) -> &'static [u8] {
        &ZEROS[..self.record_bytes() - HEAD - self.body_bytes as usize]
    }

    /// Encodes the head of a record at `offset` of `place`.
    pub(crate) fn encode(&self, place: Place, offset: u32) -> [u8; HEAD] {
        let mut bytes = [0; HEAD];
        bytes[0..2].copy_from_slice(&MARK.to_le_bytes());
        bytes[2] = self.kind as u8;
        bytes[3] = self.slot;
        bytes[8..12].copy_from_slice(&self.body_bytes.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.left.to_le_bytes());
        bytes[16..20].copy_from_slice(&self.group.get().to_le_bytes());
        bytes[20..24].copy_from_slice(&self.body_crc.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.epoch.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.index.to_le_bytes());
        let crc = head_crc(&bytes, place, offset);
        bytes[4..8].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Reads the head of the record that begins at `offset` of `place`; none
    /// when no sound head begins there. `bytes` may go on behind it.
    pub(crate) fn parse(bytes: &[u8], place: Place, offset: u32) -> Option<Self> {
        let bytes = bytes.first_chunk::<HEAD>()?;
        let u32_at = |at: usize| u32::from_le_bytes(*bytes[at..].first_chunk().expect("in head"));
        let u64_at = |at: usize| u64::from_le_bytes(*bytes[at..].first_chunk().expect("in head"));
        if bytes[0..2] != MARK.to_le_bytes() || u32_at(4) != head_crc(bytes, place, offset) {
            return None;
        }
        Some(Self {
            kind: Kind::from_number(bytes[2])?,
            slot: bytes[3],
            body_bytes: u32_at(8),
            left: u32_at(12),
            group: GroupId::new(u32_at(16)),
            body_crc: u32_at(20),
            epoch: u64_at(24),
            index: u64_at(32),
        })
    }

    /// Says whether `body` is this record's.
    pub(crate) fn is_of(&self, body: &[u8]) -> bool {
        body.len() == self.body_bytes as usize && crc32fast::hash(body) == self.body_crc
    }

    /// Returns the epoch that whatever follows this record must have.
    pub(crate) fn next_epoch(&self) -> u64 {
        let is_mark = matches!(self.kind, Kind::Synced | Kind::Sealed);
        if is_mark || self.left > 0 { self.epoch } else { self.epoch + 1 }
    }
}

/// Returns what a record with a body of `body` bytes occupies.
pub(crate) const fn record_bytes(body: usize) -> usize {
    HEAD + body.next_multiple_of(8)
}

fn head_crc(bytes: &[u8; HEAD], place: Place, offset: u32) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&place.log.to_le_bytes());
    crc.update(&place.segment.to_le_bytes());
    crc.update(&offset.to_le_bytes());
    crc.update(&bytes[..4]);
    crc.update(&bytes[8..]);
    crc.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: Place = Place { log: 77, segment: 3 };

    #[test]
    fn a_head_reads_back_only_where_it_was_written() {
        let body = b"twelve bytes";
        let mut head = Head::new(Kind::Append, GroupId::new(9), 42, body);
        (head.epoch, head.left) = (5, 64);
        let bytes = head.encode(PLACE, 512);
        assert_eq!(Head::parse(&bytes, PLACE, 512), Some(head));
        assert!(head.is_of(body) && !head.is_of(b"twelve bytez"));
        assert_eq!(Head::parse(&bytes, PLACE, 520), None);
        assert_eq!(Head::parse(&bytes, Place { segment: 4, ..PLACE }, 512), None);
        assert_eq!(Head::parse(&bytes, Place { log: 78, ..PLACE }, 512), None);
    }

    #[test]
    fn every_flipped_bit_of_a_head_shows() {
        let bytes = Head::new(Kind::Put, GroupId::new(1), 0, b"x").encode(PLACE, 512);
        for bit in 0..HEAD * 8 {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Head::parse(&flipped, PLACE, 512), None, "bit {bit}");
        }
    }
}
