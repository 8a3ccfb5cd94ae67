//! Events in columns: the form in which they are proposed, stored in the log
//! and executed.

use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};

use bytemuck::Pod;
use serde::de::{Error as _, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use crate::{EntityHash, Epoch, ProducerId, Sequence, StreamId};

#[cfg(target_endian = "big")]
compile_error!("columns are stored as little-endian memory");

/// One array of plain numbers, stored and sent as its little-endian bytes:
/// copying costs a fraction of a nanosecond per element, encoding them one by
/// one costs ten.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column<T>(Vec<T>);

impl<T> Default for Column<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> From<Vec<T>> for Column<T> {
    fn from(values: Vec<T>) -> Self {
        Self(values)
    }
}

impl<T> FromIterator<T> for Column<T> {
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Self {
        Self(values.into_iter().collect())
    }
}

impl<T> Deref for Column<T> {
    type Target = Vec<T>;

    fn deref(&self) -> &Vec<T> {
        &self.0
    }
}

impl<T> DerefMut for Column<T> {
    fn deref_mut(&mut self) -> &mut Vec<T> {
        &mut self.0
    }
}

impl<T: Pod> Serialize for Column<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(bytemuck::cast_slice(&self.0))
    }
}

impl<'de, T: Pod> Deserialize<'de> for Column<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes<T>(PhantomData<T>);

        impl<T: Pod> Visitor<'_> for Bytes<T> {
            type Value = Column<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "bytes of whole {}-byte elements", size_of::<T>())
            }

            fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<Self::Value, E> {
                if !bytes.len().is_multiple_of(size_of::<T>()) {
                    return Err(E::invalid_length(bytes.len(), &self));
                }
                Ok(Column(bytemuck::pod_collect_to_vec(bytes)))
            }
        }

        deserializer.deserialize_bytes(Bytes(PhantomData))
    }
}

/// Distinct texts in one allocation: `ends[i]` is where text `i` ends in the
/// UTF-8 `bytes`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Keys {
    bytes: Column<u8>,
    ends: Column<u32>,
}

impl<'de> Deserialize<'de> for Keys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Raw {
            bytes: Column<u8>,
            ends: Column<u32>,
        }
        let Raw { bytes, ends } = Raw::deserialize(deserializer)?;
        let text = str::from_utf8(&bytes).map_err(D::Error::custom)?;
        let ordered = ends.is_sorted() && ends.last().map_or(0, |end| *end as usize) == text.len();
        if !ordered || !ends.iter().all(|end| text.is_char_boundary(*end as usize)) {
            return Err(D::Error::custom("text bounds do not fit their bytes"));
        }
        Ok(Self { bytes, ends })
    }
}

impl Keys {
    /// Appends a text; returns its position. Callers bound the total below
    /// [`crate::limit::ENTRY_BYTES`].
    pub fn push(&mut self, text: &str) -> u32 {
        self.bytes.extend_from_slice(text.as_bytes());
        self.ends.push(self.bytes.len() as u32);
        self.ends.len() as u32 - 1
    }

    /// Returns how many texts there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Says whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Returns the total size of the texts, bytes.
    pub fn text_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Returns the text at `position`, which must be below [`Self::len`].
    pub fn get(&self, position: u32) -> &str {
        let position = position as usize;
        let start = position.checked_sub(1).map_or(0, |before| self.ends[before] as usize);
        let bytes = &self.bytes[start..self.ends[position] as usize];
        str::from_utf8(bytes).expect("bounds lie on character boundaries of checked UTF-8")
    }

    /// Returns the texts in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        (0..self.len() as u32).map(|position| self.get(position))
    }
}

/// Who sent a batch, for exactly-once (invariant D-2). A request too large for
/// one batch is cut into `part`s the same way each time it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Origin {
    /// The source.
    pub producer: ProducerId,
    /// Its incarnation.
    pub epoch: Epoch,
    /// The request's number in that epoch.
    pub sequence: Sequence,
    /// Which piece of the request.
    pub part: u32,
}

/// One named value of a multivariate entity, a column over the batch's events;
/// NaN means absent in that event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Lane {
    /// The value's name.
    pub name: String,
    /// One number per event.
    pub values: Column<f64>,
}

/// Hashes a text for [`Batch::mark`] or [`Batch::unique`], where 0 means
/// absent. It is written to logs: it must never change.
pub fn column_hash(text: &str) -> u64 {
    xxh3_64(text.as_bytes()).max(1)
}

/// Events of one stream that fall into one shard, from one request, in columns
/// of equal length (optional columns may instead be empty).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Batch {
    /// Whose events they are.
    pub stream: StreamId,
    /// Who sent it; none means at-least-once is acceptable.
    pub origin: Option<Origin>,
    /// The distinct entity keys of this batch.
    pub keys: Keys,
    /// The keys' hashes, one per key; not sent, recomputed by the receiver.
    #[serde(skip)]
    pub hashes: Vec<EntityHash>,
    /// Per event: position of its key in `keys`.
    pub entity: Column<u32>,
    /// Per event: when, nanoseconds since the epoch.
    pub at: Column<i64>,
    /// Per event: what; finite.
    pub value: Column<f64>,
    /// Optional, per event: hash of what the cardinality detector counts; 0 absent.
    pub mark: Column<u64>,
    /// Optional, per event: hash of its unique id; 0 absent.
    pub unique: Column<u64>,
    /// Optional, per event: its attributes as one JSON object; empty text absent.
    pub attributes: Keys,
    /// Further named values, at most [`crate::limit::LANES`].
    pub lanes: Vec<Lane>,
}

/// A batch whose columns do not fit together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("column {column} has {length} elements for {events} events")]
pub struct ShapeError {
    column: String,
    length: usize,
    events: usize,
}

impl Batch {
    /// Returns how many events it holds.
    pub fn len(&self) -> usize {
        self.value.len()
    }

    /// Says whether it holds no events.
    pub fn is_empty(&self) -> bool {
        self.value.is_empty()
    }

    /// Checks that every column fits the others and every entity position is
    /// in `keys` (invariant D-7), and fills `hashes` when they are missing.
    ///
    /// # Errors
    /// The first column that does not fit.
    pub fn seal(&mut self) -> Result<(), ShapeError> {
        let events = self.len();
        let fit = |column: &str, length: usize, optional: bool| {
            if length == events || (optional && length == 0) {
                Ok(())
            } else {
                Err(ShapeError { column: column.to_owned(), length, events })
            }
        };
        fit("entity", self.entity.len(), false)?;
        fit("at", self.at.len(), false)?;
        fit("mark", self.mark.len(), true)?;
        fit("unique", self.unique.len(), true)?;
        fit("attributes", self.attributes.len(), true)?;
        for lane in &self.lanes {
            fit(&lane.name, lane.values.len(), false)?;
        }
        let keys = self.keys.len();
        if let Some(position) = self.entity.iter().find(|position| **position as usize >= keys) {
            return Err(ShapeError {
                column: "keys".to_owned(),
                length: keys,
                events: *position as usize,
            });
        }
        if self.hashes.len() != keys {
            self.hashes = self.keys.iter().map(|key| EntityHash::of(self.stream, key)).collect();
        }
        Ok(())
    }

    /// Returns a checksum of what a client said in this batch, by which a repeat is
    /// told from other content under the same name (invariant D-2); never 0. When
    /// its events were is left out: one that does not say is stamped anew each time
    /// it is sent. So are marks, which the stream's configuration chooses.
    pub fn content(&self) -> u32 {
        fn add<T: Pod>(hash: &mut Xxh3, column: &[T]) {
            let bytes: &[u8] = bytemuck::cast_slice(column);
            hash.update(&(bytes.len() as u64).to_le_bytes());
            hash.update(bytes);
        }
        let mut hash = Xxh3::new();
        hash.update(&self.stream.get().to_le_bytes());
        for texts in [&self.keys, &self.attributes] {
            add(&mut hash, &texts.bytes);
            add(&mut hash, &texts.ends);
        }
        add(&mut hash, &self.entity);
        add(&mut hash, &self.value);
        add(&mut hash, &self.unique);
        for lane in &self.lanes {
            add(&mut hash, lane.name.as_bytes());
            add(&mut hash, &lane.values);
        }
        (hash.digest() as u32).max(1)
    }

    /// Returns the key of event `row`.
    pub fn key(&self, row: usize) -> &str {
        self.keys.get(self.entity[row])
    }

    /// Returns the batch made of `rows` alone, which must be below [`Self::len`].
    pub fn select(&self, rows: &[u32]) -> Self {
        fn pick<T: Copy>(column: &Column<T>, rows: &[u32]) -> Column<T> {
            if column.is_empty() {
                return Column::default();
            }
            rows.iter().map(|row| column[*row as usize]).collect()
        }
        let mut attributes = Keys::default();
        if !self.attributes.is_empty() {
            for row in rows {
                attributes.push(self.attributes.get(*row));
            }
        }
        let lane = |lane: &Lane| Lane { name: lane.name.clone(), values: pick(&lane.values, rows) };
        Self {
            stream: self.stream,
            origin: self.origin,
            keys: self.keys.clone(),
            hashes: self.hashes.clone(),
            entity: pick(&self.entity, rows),
            at: pick(&self.at, rows),
            value: pick(&self.value, rows),
            mark: pick(&self.mark, rows),
            unique: pick(&self.unique, rows),
            attributes,
            lanes: self.lanes.iter().map(lane).collect(),
        }
    }

    /// Returns the approximate size it will have in the log, bytes.
    pub fn encoded_bytes(&self) -> usize {
        let optional = (self.mark.len() + self.unique.len()) * 8;
        let lanes: usize =
            self.lanes.iter().map(|lane| lane.name.len() + lane.values.len() * 8 + 16).sum();
        let attributes = self.attributes.text_bytes() + self.attributes.len() * 4;
        64 + self.keys.text_bytes()
            + self.keys.len() * 4
            + self.len() * 20
            + optional
            + attributes
            + lanes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_in_a_column_never_changes_and_is_never_the_absent_one() {
        assert_eq!(column_hash("10.0.0.7"), column_hash("10.0.0.7"));
        assert_ne!(column_hash("10.0.0.7"), column_hash("10.0.0.8"));
        assert_eq!(column_hash(""), 0x2d06_8005_38d3_94c2, "XXH3 of nothing, as published");
    }

    fn two_events() -> Batch {
        let mut batch = Batch { stream: StreamId::new(3), ..Batch::default() };
        batch.keys.push("käse");
        batch.keys.push("");
        batch.entity = vec![0, 1].into();
        batch.at = vec![1, 2].into();
        batch.value = vec![0.5, -1.0].into();
        batch
    }

    #[test]
    fn a_sealed_batch_knows_its_keys_and_hashes() {
        let mut batch = two_events();
        batch.seal().expect("columns fit");
        assert_eq!(batch.key(0), "käse");
        assert_eq!(batch.key(1), "");
        assert_eq!(batch.hashes[0], EntityHash::of(StreamId::new(3), "käse"));
    }

    #[test]
    fn content_is_what_was_said_and_not_when() {
        let batch = two_events();
        let mut later = batch.clone();
        later.at = vec![7, 8].into();
        later.mark = vec![1, 2].into();
        assert_eq!(later.content(), batch.content());
        let changes: [fn(&mut Batch); 6] = [
            |batch| batch.stream = StreamId::new(4),
            |batch| batch.value[1] = 1.0,
            |batch| batch.entity[1] = 0,
            |batch| {
                batch.attributes.push("{}");
            },
            |batch| batch.unique = vec![0, 1].into(),
            |batch| {
                let values = vec![1.0, 2.0].into();
                batch.lanes.push(Lane { name: "p99".to_owned(), values });
            },
        ];
        for change in changes {
            let mut other = batch.clone();
            change(&mut other);
            assert_ne!(other.content(), batch.content(), "{other:?}");
        }
    }

    #[test]
    fn refuses_columns_that_do_not_fit() {
        let mut short = two_events();
        short.at.pop();
        assert!(short.seal().is_err());
        let mut stray = two_events();
        stray.entity[1] = 2;
        assert!(stray.seal().is_err());
    }

    #[test]
    fn a_column_is_its_bytes() {
        let column: Column<u32> = vec![1, 2].into();
        let json = serde_json::to_string(&column).expect("serialises");
        assert_eq!(json, "[1,0,0,0,2,0,0,0]");
    }
}
