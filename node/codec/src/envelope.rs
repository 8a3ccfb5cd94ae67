//! The envelope: 12 bytes before every payload. Owns its layout, checksum,
//! compression and bounds; refuses to know what payloads mean.
//!
//! ```text
//! 0 mark and flags | 1 version | 2 kind u16 | 4 payload length u32 | 8 crc32 u32 | payload
//! ```

use std::borrow::Cow;

use bincode::config::{Configuration, Limit, LittleEndian, Varint};
use bincode::enc::write::{SizeWriter, Writer};
use bincode::error::EncodeError;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::kind::Packing;
use crate::{Error, Kind};

/// Bytes an envelope adds to its payload.
pub const OVERHEAD: usize = 12;

const MARK: u8 = 0xB4;
const FLAGS: u8 = 0b0000_0011;
const PACKED: u8 = 0b0000_0001;
/// Payloads smaller than this do not get smaller by packing.
const PACK_FROM: usize = 96;
const PACK_LARGE_FROM: usize = 3 << 10;
/// Most memory a decoded value may claim: varints are smaller than what they
/// decode to.
const DECODE_LIMIT: usize = 64 << 20;

const FORMAT: Configuration<LittleEndian, Varint, Limit<DECODE_LIMIT>> =
    bincode::config::standard().with_limit::<DECODE_LIMIT>();

/// Encodes `value` into an envelope of its own.
///
/// # Panics
/// When the value is larger than its kind may be or has no byte form: callers
/// bound what they build (invariant D-6). Where they cannot, [`try_encode_into`].
pub fn encode<T: Serialize + ?Sized>(kind: Kind, value: &T) -> Vec<u8> {
    let mut out = Vec::new();
    encode_into(kind, value, &mut out);
    out
}

/// Appends `value` in its envelope to `out`, growing it once, by exactly what
/// is needed.
///
/// # Panics
/// As [`encode`].
pub fn encode_into<T: Serialize + ?Sized>(kind: Kind, value: &T, out: &mut Vec<u8>) {
    if let Err(error) = try_encode_into(kind, value, out) {
        panic!("invariant D-6: callers bound what they encode: {error}");
    }
}

/// As [`encode_into`], for values whose size nobody has bounded yet. On error
/// `out` is as it was.
///
/// # Errors
/// [`Error::TooLarge`] before anything is allocated; [`Error::Encode`].
pub fn try_encode_into<T: Serialize + ?Sized>(
    kind: Kind,
    value: &T,
    out: &mut Vec<u8>,
) -> Result<(), Error> {
    let bytes = payload_bytes(kind, value)?;
    let start = out.len();
    out.reserve_exact(OVERHEAD + bytes);
    out.extend_from_slice(&[0; OVERHEAD]);
    if let Err(error) = bincode::serde::encode_into_writer(value, Appender(out), FORMAT) {
        out.truncate(start);
        return Err(unencodable(kind, &error));
    }
    let flags = match kind.packing() {
        Packing::Plain => 0,
        Packing::Lz4 => pack(out, start, PACK_FROM),
        Packing::Lz4Large => pack(out, start, PACK_LARGE_FROM),
    };
    seal(kind, flags, &mut out[start..]);
    Ok(())
}

/// Returns how long `value` is in its envelope before packing.
///
/// # Errors
/// [`Error::TooLarge`] and [`Error::Encode`].
pub fn encoded_bytes<T: Serialize + ?Sized>(kind: Kind, value: &T) -> Result<usize, Error> {
    Ok(OVERHEAD + payload_bytes(kind, value)?)
}

/// Decodes the value of an envelope that must be of `kind`, of the current
/// version, and the whole of `bytes`.
///
/// # Errors
/// Any [`Error`]: nothing is guessed (invariant D-7).
pub fn decode<T: DeserializeOwned>(kind: Kind, bytes: &[u8]) -> Result<T, Error> {
    let payload = open(kind, bytes)?;
    if payload.version != kind.version() {
        return Err(Error::Version { kind, found: payload.version, current: kind.version() });
    }
    whole(kind, &payload)
}

/// Decodes like [`decode`], or, of version 1, what was a `First` then.
///
/// # Errors
/// Any [`Error`]: nothing is guessed (invariant D-7).
pub fn decode_since_first<T, First>(kind: Kind, bytes: &[u8]) -> Result<T, Error>
where
    T: DeserializeOwned,
    First: DeserializeOwned + Into<T>,
{
    if kind.version() == 2 { decode_since::<T, First>(kind, 1, bytes) } else { decode(kind, bytes) }
}

/// Decodes like [`decode`], or, of the one older `version`, what was a `Before`
/// then.
///
/// # Errors
/// Any [`Error`]: nothing is guessed (invariant D-7).
pub fn decode_since<T, Before>(kind: Kind, version: u8, bytes: &[u8]) -> Result<T, Error>
where
    T: DeserializeOwned,
    Before: DeserializeOwned + Into<T>,
{
    let payload = open(kind, bytes)?;
    if payload.version == version && version < kind.version() {
        return whole::<Before>(kind, &payload).map(Into::into);
    }
    decode(kind, bytes)
}

fn whole<T: DeserializeOwned>(kind: Kind, payload: &Payload<'_>) -> Result<T, Error> {
    let (value, used) = bincode::serde::borrow_decode_from_slice::<T, _>(&payload.bytes, FORMAT)
        .map_err(|error| Error::Payload { kind, what: error.to_string() })?;
    if used != payload.bytes.len() {
        let left = payload.bytes.len() - used;
        return Err(Error::Payload { kind, what: format!("{left} bytes are left over") });
    }
    Ok(value)
}

/// A payload whose envelope was found sound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payload<'a> {
    /// The version it was written in, 1 to the kind's current one: a kind's
    /// owner reads older ones with the types of their time.
    pub version: u8,
    /// The payload, unpacked.
    pub bytes: Cow<'a, [u8]>,
}

/// Checks an envelope and returns its payload, without decoding it.
///
/// # Errors
/// Any [`Error`] but those of payloads.
pub fn open(kind: Kind, bytes: &[u8]) -> Result<Payload<'_>, Error> {
    let Some((head, payload)) = bytes.split_first_chunk::<OVERHEAD>() else {
        return Err(Error::Short { found: bytes.len() });
    };
    if head[0] & !FLAGS != MARK {
        return Err(Error::Magic { found: head[0] });
    }
    let number = u16::from_le_bytes([head[2], head[3]]);
    if number != kind as u16 {
        return Err(Error::Kind { expected: kind, found: number });
    }
    let claimed = u32::from_le_bytes([head[4], head[5], head[6], head[7]]) as usize;
    if claimed != payload.len() {
        return Err(Error::Length { kind, claimed, found: payload.len() });
    }
    let crc = u32::from_le_bytes([head[8], head[9], head[10], head[11]]);
    if crc != checksum(head, payload) {
        return Err(Error::Checksum { kind });
    }
    let (version, current) = (head[1], kind.version());
    if version == 0 || version > current {
        return Err(Error::Version { kind, found: version, current });
    }
    let bytes = match head[0] & FLAGS {
        0 => Cow::Borrowed(payload),
        PACKED => Cow::Owned(unpack(kind, payload)?),
        _ => return Err(Error::Magic { found: head[0] }),
    };
    refuse_large(kind, bytes.len())?;
    Ok(Payload { version, bytes })
}

fn payload_bytes<T: Serialize + ?Sized>(kind: Kind, value: &T) -> Result<usize, Error> {
    let mut size = SizeWriter::default();
    bincode::serde::encode_into_writer(value, &mut size, FORMAT)
        .map_err(|error| unencodable(kind, &error))?;
    refuse_large(kind, size.bytes_written)?;
    Ok(size.bytes_written)
}

fn refuse_large(kind: Kind, bytes: usize) -> Result<(), Error> {
    let limit = kind.max_bytes();
    if bytes > limit { Err(Error::TooLarge { kind, bytes, limit }) } else { Ok(()) }
}

fn unencodable(kind: Kind, error: &EncodeError) -> Error {
    Error::Encode { kind, what: error.to_string() }
}

/// Replaces the payload after `start` by its packed form when it has `from` bytes
/// and that is smaller; returns the flags that say so.
fn pack(out: &mut Vec<u8>, start: usize, from: usize) -> u8 {
    let plain = &out[start + OVERHEAD..];
    if plain.len() < from {
        return 0;
    }
    let packed = lz4_flex::block::compress(plain);
    if packed.len() + size_of::<u32>() >= plain.len() {
        return 0;
    }
    let bytes = plain.len() as u32;
    out.truncate(start + OVERHEAD);
    out.extend_from_slice(&bytes.to_le_bytes());
    out.extend_from_slice(&packed);
    PACKED
}

fn unpack(kind: Kind, payload: &[u8]) -> Result<Vec<u8>, Error> {
    let wrong = |what: String| Error::Payload { kind, what };
    let Some((bytes, packed)) = payload.split_first_chunk::<4>() else {
        return Err(wrong("packed payload has no length".to_owned()));
    };
    let bytes = u32::from_le_bytes(*bytes) as usize;
    refuse_large(kind, bytes)?;
    let mut plain = vec![0; bytes];
    let used = lz4_flex::block::decompress_into(packed, &mut plain)
        .map_err(|error| wrong(error.to_string()))?;
    if used != bytes {
        return Err(wrong(format!("unpacks to {used} bytes instead of {bytes}")));
    }
    Ok(plain)
}

fn seal(kind: Kind, flags: u8, envelope: &mut [u8]) {
    let (head, payload) = envelope
        .split_first_chunk_mut::<OVERHEAD>()
        .expect("the envelope's own bytes were written before its payload");
    head[0] = MARK | flags;
    head[1] = kind.version();
    head[2..4].copy_from_slice(&(kind as u16).to_le_bytes());
    let bytes = u32::try_from(payload.len()).expect("every kind's bound is below 4 GiB");
    head[4..8].copy_from_slice(&bytes.to_le_bytes());
    let crc = checksum(head, payload);
    head[8..12].copy_from_slice(&crc.to_le_bytes());
}

/// CRC-32 of everything but the checksum itself: any single flipped bit shows.
fn checksum(head: &[u8; OVERHEAD], payload: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&head[..8]);
    crc.update(payload);
    crc.finalize()
}

struct Appender<'a>(&'a mut Vec<u8>);

impl Writer for Appender<'_> {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_reads_back_and_costs_twelve_bytes() {
        let bytes = encode(Kind::HardState, &(7_u64, "seven"));
        assert_eq!(bytes.len(), OVERHEAD + 1 + 1 + 5);
        assert_eq!(decode::<(u64, String)>(Kind::HardState, &bytes), Ok((7, "seven".to_owned())));
    }

    #[test]
    fn appends_without_touching_what_is_there() {
        let mut out = vec![1, 2, 3];
        encode_into(Kind::HardState, &9_u8, &mut out);
        assert_eq!(out[..3], [1, 2, 3]);
        assert_eq!(decode::<u8>(Kind::HardState, &out[3..]), Ok(9));
    }

    #[test]
    fn refuses_another_kind_and_a_newer_version() {
        let bytes = encode(Kind::HardState, &1_u8);
        assert!(matches!(decode::<u8>(Kind::Cursor, &bytes), Err(Error::Kind { .. })));
        let mut newer = bytes;
        newer[1] = 2;
        let (head, payload) = newer.split_first_chunk::<OVERHEAD>().unwrap();
        let crc = checksum(head, payload);
        newer[8..12].copy_from_slice(&crc.to_le_bytes());
        assert_eq!(
            decode::<u8>(Kind::HardState, &newer),
            Err(Error::Version { kind: Kind::HardState, found: 2, current: 1 })
        );
    }

    #[test]
    fn refuses_bytes_left_over_inside_the_payload() {
        let bytes = encode(Kind::HardState, &(1_u8, 2_u8));
        assert!(matches!(decode::<u8>(Kind::HardState, &bytes), Err(Error::Payload { .. })));
    }

    #[test]
    fn refuses_what_is_larger_than_its_kind() {
        let large = "x".repeat(Kind::Cursor.max_bytes() + 1);
        let mut out = vec![1];
        let refused = try_encode_into(Kind::Cursor, &large, &mut out);
        assert!(matches!(refused, Err(Error::TooLarge { .. })));
        assert_eq!(out, [1]);
    }

    #[test]
    fn packs_when_it_helps_and_refuses_a_bomb() {
        let text = "the same again ".repeat(1000);
        let bytes = encode(Kind::Profile, &text);
        assert!(bytes.len() < 300, "{}", bytes.len());
        assert_eq!(decode::<String>(Kind::Profile, &bytes), Ok(text));

        let mut bomb = bytes;
        bomb[OVERHEAD..OVERHEAD + 4].copy_from_slice(&u32::MAX.to_le_bytes());
        let (head, payload) = bomb.split_first_chunk::<OVERHEAD>().unwrap();
        let crc = checksum(head, payload);
        bomb[8..12].copy_from_slice(&crc.to_le_bytes());
        let refused = decode::<String>(Kind::Profile, &bomb);
        assert!(matches!(refused, Err(Error::TooLarge { .. })), "{refused:?}");
    }

    #[test]
    fn an_overlong_length_inside_the_payload_is_refused_before_it_is_allocated() {
        let mut bytes = vec![0; OVERHEAD];
        bytes.extend_from_slice(&[253, 0, 0, 0, 0, 0, 1, 0, 0]);
        seal(Kind::HardState, 0, &mut bytes);
        let refused = decode::<Vec<u64>>(Kind::HardState, &bytes);
        assert!(matches!(refused, Err(Error::Payload { .. })), "{refused:?}");
        let refused = decode::<String>(Kind::HardState, &bytes);
        assert!(matches!(refused, Err(Error::Payload { .. })), "{refused:?}");
    }
}
