//! Entries of a shard's log, the hot records. A decoded batch is sealed before
//! anybody sees it, so that columns that do not fit each other are refused
//! here (invariant D-7) and entity hashes are present.

use via_types::entry::{Pressed, ShardEntry};

use crate::{Error, Kind, decode_since_first, first, open};

/// Decodes one entry and seals its batches.
///
/// # Errors
/// Any [`Error`], among them columns that do not fit each other.
pub fn decode_entry(bytes: &[u8]) -> Result<ShardEntry, Error> {
    let mut entry = decode_since_first::<_, first::ShardEntry>(Kind::ShardEntry, bytes)?;
    if let ShardEntry::Events(events) | ShardEntry::Pressed(Pressed { events, .. }) = &mut entry {
        for batch in &mut events.batches {
            batch.seal().map_err(|error| Error::Payload {
                kind: Kind::ShardEntry,
                what: error.to_string(),
            })?;
        }
    }
    Ok(entry)
}

/// Says whether the entry is an `Events` or a `Pressed`, without decoding its
/// columns: the replicas that do not execute keep it unread.
///
/// # Errors
/// Any [`Error`] of the envelope.
pub fn holds_events(bytes: &[u8]) -> Result<bool, Error> {
    // The variant's number comes first; that of `Events` is 0, of `Pressed` 6.
    Ok(matches!(open(Kind::ShardEntry, bytes)?.bytes.first(), Some(0 | 6)))
}

#[cfg(test)]
mod tests {
    use via_types::entry::{Command, Events};
    use via_types::{Batch, EntityHash, StreamId, Timestamp};

    use super::*;
    use crate::encode;

    fn events(rows: usize) -> ShardEntry {
        let mut batch = Batch { stream: StreamId::new(4), ..Batch::default() };
        batch.keys.push("host-1");
        batch.entity = vec![0; rows].into();
        batch.at = vec![1; rows].into();
        batch.value = vec![0.5; rows].into();
        ShardEntry::Events(Events {
            stamp: Timestamp::from_nanos(5),
            batches: vec![batch],
            scored: Vec::new(),
        })
    }

    #[test]
    fn a_decoded_batch_is_sealed() {
        let bytes = encode(Kind::ShardEntry, &events(3));
        let ShardEntry::Events(events) = decode_entry(&bytes).unwrap() else {
            panic!("another entry came back");
        };
        assert_eq!(events.batches[0].hashes, [EntityHash::of(StreamId::new(4), "host-1")]);
        assert_eq!(events.batches[0].len(), 3);
    }

    #[test]
    fn events_are_told_from_other_entries_by_their_first_byte() {
        let ShardEntry::Events(plain) = events(1) else { panic!("it was made so") };
        let pressed = ShardEntry::Pressed(Pressed::from(plain));
        let bytes = encode(Kind::ShardEntry, &pressed);
        assert!(holds_events(&bytes).unwrap());
        let ShardEntry::Pressed(back) = decode_entry(&bytes).unwrap() else {
            panic!("another entry came back");
        };
        assert_eq!(back.events.batches[0].hashes.len(), 1, "it is sealed");
        assert!(holds_events(&encode(Kind::ShardEntry, &events(1))).unwrap());
        let tick = Command::Tick { stamp: Timestamp::from_nanos(1) };
        let bytes = encode(Kind::ShardEntry, &ShardEntry::Command(tick));
        assert!(!holds_events(&bytes).unwrap());
    }

    #[test]
    fn refuses_a_batch_whose_columns_do_not_fit() {
        let mut entry = events(3);
        if let ShardEntry::Events(events) = &mut entry {
            events.batches[0].at.pop();
        }
        let bytes = encode(Kind::ShardEntry, &entry);
        assert!(matches!(decode_entry(&bytes), Err(Error::Payload { .. })));
    }
}
