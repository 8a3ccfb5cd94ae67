//! Shapes met before and the template each belongs to: a cache of four-way sets,
//! one cache line a set, the latest first. Owns places; a shape that was pushed
//! out is merely compared again. Called by the templates.

use serde::{Deserialize, Serialize};

/// Shapes in a set.
const WAYS: usize = 4;
/// Sets at the beginning.
const FEWEST_SETS: usize = 16;

/// A template's place, and which of those that stood there it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Place {
    /// The place.
    pub(crate) slot: u32,
    /// How many templates have stood there, this one too; 0 is none.
    pub(crate) turn: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    shape: u64,
    place: Place,
}

/// One cache line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[repr(align(64))]
struct Set([Entry; WAYS]);

/// The shapes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Shapes {
    sets: Vec<Set>,
    most_sets: usize,
    pushed_out: usize,
}

impl Shapes {
    /// Makes room for at most about `most` shapes, growing towards that.
    pub(crate) fn new(most: usize) -> Self {
        Self::with_sets(FEWEST_SETS, (most / WAYS).next_power_of_two().max(FEWEST_SETS))
    }

    /// Starts with a power of two of sets.
    pub(crate) fn with_sets(sets: usize, most_sets: usize) -> Self {
        Self { sets: vec![Set::default(); sets], most_sets, pushed_out: 0 }
    }

    fn set_of(&self, shape: u64) -> usize {
        shape as usize & (self.sets.len() - 1)
    }

    /// Returns the place noted for a shape.
    #[inline]
    pub(crate) fn find(&mut self, shape: u64) -> Option<Place> {
        let at = self.set_of(shape);
        let Set(ways) = &mut self.sets[at];
        let found = ways.iter().position(|e| e.shape == shape && e.place.turn != 0)?;
        ways[..=found].rotate_right(1);
        Some(ways[0].place)
    }

    /// Notes a shape's place; the shape of its set that was longest unseen goes.
    pub(crate) fn note(&mut self, shape: u64, place: Place) {
        if self.pushed_out > self.sets.len() / 2 && self.sets.len() < self.most_sets {
            self.grow();
        }
        let at = self.set_of(shape);
        let Set(ways) = &mut self.sets[at];
        let known = ways.iter().position(|entry| entry.shape == shape && entry.place.turn != 0);
        let from = known.unwrap_or(WAYS - 1);
        self.pushed_out += usize::from(known.is_none() && ways[from].place.turn != 0);
        ways[..=from].rotate_right(1);
        ways[0] = Entry { shape, place };
    }

    fn grow(&mut self) {
        let sets = vec![Set::default(); self.sets.len() * 2];
        let old = std::mem::replace(&mut self.sets, sets);
        for Entry { shape, place } in old.iter().flat_map(|Set(ways)| ways.iter().rev()) {
            if place.turn != 0 {
                let at = self.set_of(*shape);
                let Set(ways) = &mut self.sets[at];
                ways.rotate_right(1);
                ways[0] = Entry { shape: *shape, place: *place };
            }
        }
        self.pushed_out = 0;
    }

    /// Returns the memory taken, bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.sets.capacity() * size_of::<Set>()
    }
}
