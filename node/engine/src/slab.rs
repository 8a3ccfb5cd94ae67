//! Numbered places for records, in segments that double, so that growth never
//! moves a record and never stalls. Owns placement in memory; refuses to know
//! what is kept. Called by the profile store.

/// Records in the first segment.
const FIRST: usize = 32;

/// A growing array of records with stable places.
#[derive(Clone, Debug)]
pub(crate) struct Slab<T> {
    segments: Vec<Vec<T>>,
    length: usize,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { segments: Vec::new(), length: 0 }
    }
}

/// Returns the segment and offset of place `slot`: segment `s` holds
/// `FIRST << s` records.
#[inline(always)]
fn locate(slot: u32) -> (usize, usize) {
    let shifted = slot as usize + FIRST;
    let segment = (shifted.ilog2() - FIRST.ilog2()) as usize;
    (segment, shifted - (FIRST << segment))
}

impl<T> Slab<T> {
    /// Appends a record; returns its place.
    pub(crate) fn push(&mut self, record: T) -> u32 {
        let slot = self.length as u32;
        let (segment, _) = locate(slot);
        if segment == self.segments.len() {
            self.segments.push(Vec::with_capacity(FIRST << segment));
        }
        self.segments[segment].push(record);
        self.length += 1;
        slot
    }

    /// Forgets all places from `length` on, and gives back what they alone took.
    pub(crate) fn truncate(&mut self, length: usize) {
        while self.length > length {
            let (segment, offset) = locate(self.length as u32 - 1);
            let first = self.length - 1 - offset;
            self.segments[segment].truncate(length.saturating_sub(first));
            if self.segments[segment].is_empty() {
                self.segments.truncate(segment);
            }
            self.length = length.max(first);
        }
    }

    /// Returns how many places exist.
    pub(crate) fn len(&self) -> usize {
        self.length
    }

    /// Returns the record at an existing place.
    #[inline(always)]
    pub(crate) fn get(&self, slot: u32) -> &T {
        let (segment, offset) = locate(slot);
        &self.segments[segment][offset]
    }

    /// Returns the record at an existing place, to change it.
    #[inline(always)]
    pub(crate) fn get_mut(&mut self, slot: u32) -> &mut T {
        let (segment, offset) = locate(slot);
        &mut self.segments[segment][offset]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_stay_where_they_were() {
        let mut slab = Slab::default();
        for number in 0..10_000u32 {
            assert_eq!(slab.push(number), number);
        }
        let first = std::ptr::from_ref(slab.get(0));
        slab.push(10_000);
        assert_eq!(first, std::ptr::from_ref(slab.get(0)));
        for number in 0..=10_000u32 {
            assert_eq!(*slab.get(number), number);
        }
    }

    #[test]
    fn what_is_cut_off_gives_its_memory_back_and_may_grow_again() {
        for length in [0, 1, 31, 32, 33, 95, 96, 500] {
            let mut slab = Slab::default();
            for number in 0..500u32 {
                slab.push(number);
            }
            slab.truncate(length);
            assert_eq!(slab.len(), length);
            let held: usize = slab.segments.iter().map(Vec::capacity).sum();
            assert!(held <= 2 * length + FIRST, "{length}: {held}");
            for number in length as u32..500 {
                assert_eq!(slab.push(number), number);
            }
            for number in 0..500u32 {
                assert_eq!(*slab.get(number), number);
            }
        }
    }
}
