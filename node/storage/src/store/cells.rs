//! How values lie in the tree: each in a cell with a checksum over its key and
//! content (invariant D-7); values too large for one cell in pieces beside it,
//! because sled leaks the disk space of large ones. Owns that layout only.
//!
//! ```text
//! cell      crc32 u32 | tag u8 | content
//! main key  space u8 | key                        tag 0: the value; 1: its length u32
//! piece key 255 | space u8 | key length u16 | key | number u16       tag 2: a piece
//! ```

use via_types::limit::STORE_VALUE_BYTES;

use crate::Space;

/// Bytes a cell adds to its content.
const HEAD: usize = 5;
/// Most content of one cell.
pub(super) const CONTENT: usize = STORE_VALUE_BYTES - HEAD;
/// The first byte of every piece's key; spaces are below.
pub(super) const PIECES: u8 = 255;

/// What a cell is. Numbers are on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Tag {
    Whole = 0,
    Split = 1,
    Piece = 2,
}

pub(super) fn main_key(space: Space, key: &[u8]) -> Vec<u8> {
    let mut full = Vec::with_capacity(1 + key.len());
    full.push(space as u8);
    full.extend_from_slice(key);
    full
}

/// Returns the key of a piece of the value at `main` (a [`main_key`]).
pub(super) fn piece_key(main: &[u8], number: usize) -> Vec<u8> {
    let key_bytes = (main.len() - 1) as u16;
    let mut full = Vec::with_capacity(main.len() + 5);
    full.extend_from_slice(&[PIECES, main[0]]);
    full.extend_from_slice(&key_bytes.to_be_bytes());
    full.extend_from_slice(&main[1..]);
    full.extend_from_slice(&(number as u16).to_be_bytes());
    full
}

/// Returns how many pieces a value of `bytes` has.
pub(super) fn piece_count(bytes: usize) -> usize {
    bytes.div_ceil(CONTENT)
}

pub(super) fn seal(key: &[u8], tag: Tag, content: &[u8]) -> Vec<u8> {
    let mut cell = Vec::with_capacity(HEAD + content.len());
    cell.extend_from_slice(&checksum(key, tag as u8, content).to_le_bytes());
    cell.push(tag as u8);
    cell.extend_from_slice(content);
    cell
}

/// Returns a cell's tag and content; none when it is not what was sealed
/// under `key`.
pub(super) fn open<'a>(key: &[u8], cell: &'a [u8]) -> Option<(Tag, &'a [u8])> {
    let (crc, rest) = cell.split_first_chunk()?;
    let (tag, content) = rest.split_first()?;
    let known =
        [Tag::Whole, Tag::Split, Tag::Piece].into_iter().find(|known| *known as u8 == *tag)?;
    (u32::from_le_bytes(*crc) == checksum(key, *tag, content)).then_some((known, content))
}

fn checksum(key: &[u8], tag: u8, content: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&(key.len() as u32).to_le_bytes());
    crc.update(key);
    crc.update(&[tag]);
    crc.update(content);
    crc.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_opens_only_under_its_key_and_unchanged() {
        let cell = seal(b"key", Tag::Whole, b"value");
        assert_eq!(open(b"key", &cell), Some((Tag::Whole, &b"value"[..])));
        assert_eq!(open(b"kez", &cell), None);
        for bit in 0..cell.len() * 8 {
            let mut flipped = cell.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(open(b"key", &flipped), None, "bit {bit}");
        }
        for length in 0..cell.len() {
            assert_eq!(open(b"key", &cell[..length]), None, "cut to {length}");
        }
    }

    #[test]
    fn pieces_of_keys_that_begin_alike_do_not_meet() {
        let short = main_key(Space::Catalog, b"a");
        let long = main_key(Space::Catalog, b"a\0\0");
        assert_ne!(piece_key(&short, 0), piece_key(&long, 0));
        assert!(!piece_key(&long, 0).starts_with(&piece_key(&short, 0)));
    }
}
