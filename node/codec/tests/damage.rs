//! No damage gets past an envelope (invariant D-7), and nothing read makes the
//! reader panic.

use proptest::prelude::*;
use via_codec::{Kind, OVERHEAD, decode, decode_entry, encode, open};
use via_types::detection::Change;
use via_types::entry::{Events, ShardEntry};
use via_types::{Batch, StreamId, Timestamp};

fn kind() -> impl Strategy<Value = Kind> {
    (0..Kind::ALL.len()).prop_map(|at| Kind::ALL[at])
}

fn entry() -> impl Strategy<Value = ShardEntry> {
    let keys = proptest::collection::vec(".{0,12}", 1..6);
    let events = proptest::collection::vec((any::<u32>(), any::<i64>(), any::<f32>()), 0..50);
    (any::<u32>(), keys, events).prop_map(|(stream, keys, events)| {
        let mut batch = Batch { stream: StreamId::new(stream), ..Batch::default() };
        keys.iter().for_each(|key| {
            batch.keys.push(key);
        });
        batch.entity = events.iter().map(|event| event.0 % keys.len() as u32).collect();
        batch.at = events.iter().map(|event| event.1).collect();
        batch.value = events.iter().map(|event| f64::from(event.2)).collect();
        let stamp = Timestamp::from_nanos(0);
        ShardEntry::Events(Events { stamp, batches: vec![batch], scored: Vec::new() })
    })
}

proptest! {
    #[test]
    fn what_is_encoded_reads_back(kind in kind(), value in any::<(u64, String, Vec<i32>, bool)>()) {
        let bytes = encode(kind, &value);
        prop_assert_eq!(decode::<(u64, String, Vec<i32>, bool)>(kind, &bytes), Ok(value));
    }

    #[test]
    fn entries_read_back_sealed(entry in entry()) {
        let mut sealed = entry.clone();
        if let ShardEntry::Events(events) = &mut sealed {
            events.batches.iter_mut().try_for_each(Batch::seal).expect("its columns fit");
        }
        prop_assert_eq!(decode_entry(&encode(Kind::ShardEntry, &entry)), Ok(sealed));
    }

    #[test]
    fn every_truncation_and_every_flipped_bit_is_refused(
        kind in kind(),
        value in (any::<u64>(), "[a-c]{0,300}"),
    ) {
        let bytes = encode(kind, &value);
        for length in 0..bytes.len() {
            prop_assert!(open(kind, &bytes[..length]).is_err(), "cut to {length}");
        }
        let mut longer = bytes.clone();
        longer.push(0);
        prop_assert!(open(kind, &longer).is_err());
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(open(kind, &flipped).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn another_kind_is_refused(one in kind(), other in kind(), value in any::<u64>()) {
        prop_assume!(one != other);
        prop_assert!(open(other, &encode(one, &value)).is_err());
    }

    /// The envelope is sound, its payload is anything: an error or a value,
    /// never a panic and never a large allocation.
    #[test]
    fn any_payload_decodes_or_is_refused(payload in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut bytes = encode(Kind::ShardEntry, &Raw(&payload));
        prop_assert_eq!(bytes.len(), OVERHEAD + payload.len());
        let _ = decode_entry(&bytes);
        let _ = decode::<Vec<Change>>(Kind::ShardEntry, &bytes);
        bytes = encode(Kind::Profile, &Raw(&payload));
        let _ = decode::<(String, Vec<u64>)>(Kind::Profile, &bytes);
    }
}

/// Bytes that encode as themselves.
struct Raw<'a>(&'a [u8]);

impl serde::Serialize for Raw<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeTuple;
        let mut tuple = serializer.serialize_tuple(self.0.len())?;
        self.0.iter().try_for_each(|byte| tuple.serialize_element(byte))?;
        tuple.end()
    }
}
