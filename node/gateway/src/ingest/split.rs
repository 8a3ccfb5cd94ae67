//! Cuts a request's events into one batch per shard. Owns the bookkeeping that
//! leads from a batch's row back to the client's line; hashes each distinct key
//! once. Knows no shard but its number. Equal input gives equal pieces, so that
//! a retry is recognised (invariant D-2).

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use via_types::{Batch, EntityHash, Lane, Origin, ShardId, StreamId, limit};

use super::refusal::RowCode;
use super::row::Row;

/// Most bytes of one piece in the log; the shard refuses more than half an entry.
const PIECE_BYTES: usize = limit::ENTRY_BYTES / 2 - (64 << 10);

/// Most pieces of one part that fall into one shard: `Origin::part` counts
/// parts in steps of it.
pub(crate) const PIECES: u32 = 16;

/// What one shard gets of one part of a request.
#[derive(Debug)]
pub(crate) struct Piece {
    /// Whose it is.
    pub(crate) shard: ShardId,
    /// The events.
    pub(crate) batch: Batch,
    /// Per row of the batch: the event's offset from the part's first line.
    pub(crate) lines: Vec<u32>,
    /// The line that offset 0 means.
    pub(crate) first_line: u64,
    bytes: usize,
}

/// An entity of the part being cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entity(u32);

/// Where an entity stands: its shard, its position in that shard's open piece,
/// and which piece that was.
#[derive(Clone, Copy, Debug)]
struct Place {
    hash: EntityHash,
    shard: u16,
    piece: u8,
    position: u32,
}

/// No piece has the entity yet: pieces are numbered below [`PIECES`].
const NOWHERE: u8 = u8::MAX;

/// Takes the low half of an [`EntityHash`] as its own hash.
#[derive(Default)]
pub(crate) struct Identity(u64);

impl Hasher for Identity {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }
}

/// Makes a unique id's hash one of its entity's (and so of its stream's): equal
/// ids of different entities are different events.
fn scoped(unique: u64, entity: EntityHash) -> u64 {
    if unique == 0 { 0 } else { (unique ^ entity.low()).max(1) }
}

/// From the low half of an entity's hash to its place.
type Index = HashMap<u64, u32, BuildHasherDefault<Identity>>;

/// One part of a request being cut.
#[derive(Debug)]
pub(crate) struct Splitter {
    stream: StreamId,
    shards: u16,
    origin: Option<Origin>,
    first_line: u64,
    /// Rows that a shard's piece will probably have.
    expected: usize,
    index: Index,
    places: Vec<Place>,
    open: Vec<Option<Piece>>,
    pieces: Vec<u8>,
    full: Vec<Piece>,
}

impl Splitter {
    /// Makes a splitter for a stream over so many shards.
    pub(crate) fn new(stream: StreamId, shards: u16) -> Self {
        let open = (0..shards).map(|_| None).collect();
        Self {
            stream,
            shards,
            origin: None,
            first_line: 0,
            expected: 0,
            index: Index::default(),
            places: Vec::new(),
            open,
            pieces: vec![0; usize::from(shards)],
            full: Vec::new(),
        }
    }

    /// Begins a part of at most `rows` events: `origin.part` is the part's
    /// number in the request.
    pub(crate) fn begin(&mut self, origin: Option<Origin>, first_line: u64, rows: usize) {
        self.origin = origin;
        self.first_line = first_line;
        self.expected = rows / usize::from(self.shards) * 5 / 4;
        self.index.clear();
        self.places.clear();
        self.pieces.fill(0);
    }

    /// Finds an entity of this part, or makes it known.
    pub(crate) fn entity(&mut self, key: &str) -> Entity {
        let hash = EntityHash::of(self.stream, key);
        let next = self.places.len() as u32;
        let known = *self.index.entry(hash.low()).or_insert(next);
        if known != next {
            if self.places[known as usize].hash == hash {
                return Entity(known);
            }
            // Two entities share half a hash: the later one is looked up anew.
            self.index.insert(hash.low(), next);
        }
        let shard = hash.shard(self.shards).get();
        self.places.push(Place { hash, shard, piece: NOWHERE, position: 0 });
        Entity(next)
    }

    /// Adds an event of the entity.
    pub(crate) fn push(&mut self, entity: Entity, row: &Row<'_>, line: u32) -> Result<(), RowCode> {
        let Place { hash, shard, .. } = self.places[entity.0 as usize];
        let at = usize::from(shard);
        if !self.open[at].as_ref().is_some_and(|piece| piece.has_room(row)) {
            self.make_room(shard)?;
        }
        let place = &mut self.places[entity.0 as usize];
        let piece = self.open[at].as_mut().expect("room was made just now");
        if place.piece != self.pieces[at] {
            place.piece = self.pieces[at];
            place.position = piece.batch.keys.push(row.key);
            piece.batch.hashes.push(hash);
            piece.bytes += row.key.len() + 4;
        }
        piece.push(place.position, row, scoped(row.unique, hash), line);
        Ok(())
    }

    /// Opens the shard's first piece, or its next one when that is full.
    fn make_room(&mut self, shard: u16) -> Result<(), RowCode> {
        let at = usize::from(shard);
        if self.open[at].is_some() {
            if u32::from(self.pieces[at]) + 1 == PIECES {
                return Err(RowCode::TooManyValues);
            }
            self.pieces[at] += 1;
        }
        let piece = self.piece(shard);
        self.full.extend(self.open[at].replace(piece));
        Ok(())
    }

    /// Ends the part: returns its pieces, oldest first within each shard.
    pub(crate) fn finish(&mut self) -> Vec<Piece> {
        let mut pieces = std::mem::take(&mut self.full);
        pieces.extend(self.open.iter_mut().filter_map(Option::take));
        for piece in &mut pieces {
            piece.level();
        }
        pieces
    }

    fn piece(&self, shard: u16) -> Piece {
        let nth = u32::from(self.pieces[usize::from(shard)]);
        let origin =
            self.origin.map(|origin| Origin { part: origin.part * PIECES + nth, ..origin });
        let room = self.expected;
        let batch = Batch {
            stream: self.stream,
            origin,
            entity: Vec::with_capacity(room).into(),
            at: Vec::with_capacity(room).into(),
            value: Vec::with_capacity(room).into(),
            ..Batch::default()
        };
        let lines = Vec::with_capacity(room);
        Piece { shard: ShardId::new(shard), batch, lines, first_line: self.first_line, bytes: 64 }
    }
}

impl Piece {
    /// Says whether one more row keeps the piece within every bound.
    fn has_room(&self, row: &Row<'_>) -> bool {
        let rows = self.batch.len();
        if rows == 0 {
            return true;
        }
        let fresh = row.lanes.iter().filter(|lane| self.lane(&lane.0).is_none());
        let (lanes, bytes) = fresh
            .fold((0, 0), |(lanes, bytes), lane| (lanes + 1, bytes + rows * 8 + lane.0.len() + 16));
        rows < limit::BATCH_EVENTS
            && self.batch.lanes.len() + lanes <= limit::LANES
            && self.bytes + bytes + self.cost(row) + row.key.len() + 4 <= PIECE_BYTES
    }

    fn cost(&self, row: &Row<'_>) -> usize {
        36 + row.attributes.len() + 4 + (self.batch.lanes.len() + row.lanes.len()) * 8
    }

    fn lane(&self, name: &str) -> Option<usize> {
        self.batch.lanes.iter().position(|lane| lane.name == name)
    }

    fn push(&mut self, position: u32, row: &Row<'_>, unique: u64, line: u32) {
        let rows = self.batch.len();
        self.bytes += self.cost(row);
        self.batch.entity.push(position);
        self.batch.at.push(row.at);
        self.batch.value.push(row.value);
        if row.mark != 0 || !self.batch.mark.is_empty() {
            self.batch.mark.resize(rows, 0);
            self.batch.mark.push(row.mark);
        }
        if unique != 0 || !self.batch.unique.is_empty() {
            self.batch.unique.resize(rows, 0);
            self.batch.unique.push(unique);
        }
        if !row.attributes.is_empty() || !self.batch.attributes.is_empty() {
            while self.batch.attributes.len() < rows {
                self.batch.attributes.push("");
            }
            self.batch.attributes.push(row.attributes);
        }
        for (nth, (name, value)) in row.lanes.iter().enumerate() {
            self.push_lane(nth, name, *value, rows);
        }
        self.lines.push(line);
    }

    /// Writes one named value; clients repeat names in the same order, so the
    /// `nth` lane is tried first.
    fn push_lane(&mut self, nth: usize, name: &str, value: f64, rows: usize) {
        let known = match self.batch.lanes.get(nth) {
            Some(lane) if lane.name == name => Some(nth),
            Some(_) | None => self.lane(name),
        };
        let at = known.unwrap_or_else(|| {
            self.bytes += rows * 8 + name.len() + 16;
            self.batch.lanes.push(Lane { name: name.to_string(), values: Vec::new().into() });
            self.batch.lanes.len() - 1
        });
        let values = &mut self.batch.lanes[at].values;
        values.resize(rows, f64::NAN);
        values.push(value);
    }

    /// Makes every lane as long as the batch.
    fn level(&mut self) {
        let rows = self.batch.len();
        for lane in &mut self.batch.lanes {
            lane.values.resize(rows, f64::NAN);
        }
    }
}

#[cfg(test)]
mod tests {
    use via_types::{Epoch, ProducerId, Sequence};

    use super::*;

    fn row<'a>(key: &'a str, value: f64) -> Row<'a> {
        Row { key, at: 1, value, mark: 0, unique: 0, attributes: "", lanes: &[] }
    }

    fn push(splitter: &mut Splitter, row: &Row<'_>, line: u32) -> Result<(), RowCode> {
        let entity = splitter.entity(row.key);
        splitter.push(entity, row, line)
    }

    fn origin() -> Origin {
        Origin {
            producer: ProducerId::new(1),
            epoch: Epoch::new(1),
            sequence: Sequence::new(1),
            part: 3,
        }
    }

    #[test]
    fn every_event_lands_in_its_shard_with_its_line() {
        let stream = StreamId::new(9);
        let mut splitter = Splitter::new(stream, 8);
        splitter.begin(Some(origin()), 100, 100);
        for line in 0..1_000_u32 {
            push(&mut splitter, &row(&format!("e{}", line % 37), f64::from(line)), line).unwrap();
        }
        let mut seen = 0;
        for mut piece in splitter.finish() {
            let hashes = piece.batch.hashes.clone();
            piece.batch.seal().expect("columns fit");
            assert_eq!(piece.first_line, 100);
            assert_eq!(piece.batch.origin.unwrap().part, 3 * PIECES);
            for (at, line) in piece.lines.iter().enumerate() {
                assert_eq!(piece.batch.value[at], f64::from(*line));
                assert_eq!(piece.batch.key(at), format!("e{}", line % 37));
                let hash = EntityHash::of(stream, piece.batch.key(at));
                assert_eq!(hash.shard(8), piece.shard);
                assert_eq!(hashes[piece.batch.entity[at] as usize], hash);
                seen += 1;
            }
        }
        assert_eq!(seen, 1_000);
    }

    #[test]
    fn keys_are_stored_once_per_piece() {
        let mut splitter = Splitter::new(StreamId::new(1), 1);
        splitter.begin(None, 0, 100);
        for line in 0..100 {
            push(&mut splitter, &row("same", 1.0), line).unwrap();
        }
        let pieces = splitter.finish();
        assert_eq!((pieces.len(), pieces[0].batch.keys.len()), (1, 1));
        splitter.begin(None, 100, 100);
        push(&mut splitter, &row("same", 1.0), 0).unwrap();
        assert_eq!(splitter.finish()[0].batch.keys.len(), 1, "a new part starts afresh");
    }

    #[test]
    fn optional_columns_appear_when_first_used_and_stay_aligned() {
        let mut splitter = Splitter::new(StreamId::new(1), 1);
        splitter.begin(None, 0, 100);
        push(&mut splitter, &row("a", 1.0), 0).unwrap();
        let lanes = [("x".into(), 5.0)];
        let full = Row { mark: 7, unique: 8, attributes: "{}", lanes: &lanes, ..row("a", 2.0) };
        push(&mut splitter, &full, 1).unwrap();
        push(&mut splitter, &row("a", 3.0), 2).unwrap();
        let mut piece = splitter.finish().remove(0);
        piece.batch.seal().expect("columns fit");
        assert_eq!(*piece.batch.mark, [0, 7, 0]);
        let hash = EntityHash::of(StreamId::new(1), "a");
        assert_eq!(*piece.batch.unique, [0, 8 ^ hash.low(), 0]);
        assert_eq!(piece.batch.attributes.iter().collect::<Vec<_>>(), ["", "{}", ""]);
        let lane = &piece.batch.lanes[0];
        assert!(lane.values[0].is_nan() && lane.values[1] == 5.0 && lane.values[2].is_nan());
    }

    #[test]
    fn a_piece_never_exceeds_the_limits_of_a_batch() {
        let mut splitter = Splitter::new(StreamId::new(1), 1);
        splitter.begin(Some(origin()), 0, 100);
        let attributes = format!("{{\"k\":\"{}\"}}", "z".repeat(4_000));
        for line in 0..3_000 {
            let row = Row { attributes: &attributes, ..row("a", 1.0) };
            push(&mut splitter, &row, line).unwrap();
        }
        let pieces = splitter.finish();
        assert_eq!(pieces.len(), 3);
        for (nth, piece) in pieces.iter().enumerate() {
            assert!(piece.batch.encoded_bytes() <= limit::ENTRY_BYTES / 2);
            assert_eq!(piece.batch.origin.unwrap().part, 3 * PIECES + nth as u32);
        }
    }

    #[test]
    fn endlessly_new_names_of_values_are_refused_not_stored() {
        let mut splitter = Splitter::new(StreamId::new(1), 1);
        splitter.begin(None, 0, 100);
        let outcomes: Vec<_> = (0..2_000_u32)
            .map(|line| {
                let lanes = [(format!("n{line}").into(), 1.0)];
                let row = Row { lanes: &lanes, ..row("a", 1.0) };
                push(&mut splitter, &row, line)
            })
            .collect();
        let taken = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
        assert_eq!(taken, limit::LANES * PIECES as usize);
        assert_eq!(outcomes.last(), Some(&Err(RowCode::TooManyValues)));
    }
}
