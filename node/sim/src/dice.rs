//! A small seeded generator of decisions (splitmix64): the same on every
//! machine, so that a seed means the same everywhere.

use std::time::Duration;

/// Decisions that follow from a seed.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// Makes one.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Makes another whose decisions are its own, named so that adding a third
    /// changes neither.
    pub fn fork(&self, name: u64) -> Self {
        let mut forked = Self(self.0 ^ name.wrapping_mul(0xD6E8_FEB8_6659_FD93));
        Self(forked.draw())
    }

    /// Returns the next 64 bits.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// Returns the next byte.
    pub fn byte(&mut self) -> u8 {
        self.draw() as u8
    }

    /// Returns a number below `end`; 0 when there is none.
    pub fn below(&mut self, end: u64) -> u64 {
        if end == 0 { 0 } else { self.draw() % end }
    }

    /// Returns a number of `from..=to`.
    pub fn within(&mut self, from: u64, to: u64) -> u64 {
        from + self.below(to.saturating_sub(from) + 1)
    }

    /// Says yes so many times in a thousand.
    pub fn chance(&mut self, per_mille: u64) -> bool {
        self.below(1_000) < per_mille
    }

    /// Returns one of them.
    ///
    /// # Panics
    /// When there is none.
    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len() as u64) as usize]
    }

    /// Returns a span of so many milliseconds.
    pub fn millis(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_millis(self.within(from, to))
    }
}
