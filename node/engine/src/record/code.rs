//! Plain memory as bits. Owns a code for each kind of number that profiles hold;
//! refuses to know which part of a profile holds what, which is `shapes`'. Every
//! code takes every value: a shape that is wrong costs bits, never a profile
//! (invariant E-1).
//!
//! What is left out is zeros; of floats, what their exponents have in common; of
//! times and tails, what follows from those before. Digits are noise and stay.

use super::bits::{Bits, Usual};
use super::fields::{Kind, MOST, Shaped, Unit};

/// Doubles that may come again.
const AGAIN: usize = 16;
/// The periods of seasons, nanoseconds.
const DAY: u64 = 86_400_000_000_000;
const WEEK: u64 = 7 * DAY;

/// Codes parts one after another, learning what they have in common.
#[derive(Debug)]
pub(super) struct Coder<B> {
    pub(super) bits: B,
    /// Of exponents: against the float before, and the one in its place before.
    exponents: [Usual; 2],
    /// The last exponents, by unit.
    last: [i16; MOST],
    doubles: [u64; AGAIN],
    held: usize,
    time: u64,
    long: i64,
    /// By how much each count of a tail is usually shorter than the one before,
    /// in bits, and how far they are from that.
    shorter: [i32; 15],
    tails: Usual,
}

impl<B: Bits> Coder<B> {
    pub(super) fn of(bits: B) -> Self {
        Self {
            bits,
            exponents: [Usual::about(5), Usual::about(3)],
            last: [0; MOST],
            doubles: [0; AGAIN],
            held: 0,
            time: 0,
            long: 0,
            shorter: [3, 2, 2, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0],
            tails: Usual::about(1),
        }
    }

    /// Passes a part of a profile, which for a reader is zeros.
    pub(super) fn part<T: Shaped>(&mut self, part: &mut T) {
        self.memory(bytemuck::bytes_of_mut(part), T::UNITS);
    }

    /// Passes memory of which nothing is known, a multiple of 4 bytes.
    pub(super) fn words(&mut self, memory: &mut [u8]) {
        const WORD: Unit = Unit::word();
        for words in memory.chunks_mut(MOST * 4) {
            self.memory(words, &[WORD; MOST][..words.len() / 4]);
        }
    }

    fn memory(&mut self, memory: &mut [u8], units: &[Unit]) {
        let mut present = [0u8; MOST / 8];
        self.mask(memory, units, &mut present);
        let mut rest = memory;
        for (number, unit) in units.iter().enumerate() {
            let (own, others) = rest.split_at_mut(usize::from(unit.bytes));
            rest = others;
            let like = self.last[number.saturating_sub(usize::from(unit.back))];
            self.last[number] = if unit.back == 0 { 0 } else { like };
            if present[number / 8] >> (number % 8) & 1 == 1 {
                self.unit(*unit, number, own);
            }
        }
    }

    /// Passes which units are not zero.
    fn mask(&mut self, memory: &[u8], units: &[Unit], present: &mut [u8]) {
        if self.bits.is_written() {
            let mut rest = memory;
            for (number, unit) in units.iter().enumerate() {
                let (own, others) = rest.split_at(usize::from(unit.bytes));
                rest = others;
                let is_zero = match (own.len(), own.first_chunk::<4>(), own.first_chunk::<8>()) {
                    (4, Some(word), _) => u32::from_le_bytes(*word) == 0,
                    (8, _, Some(double)) => u64::from_le_bytes(*double) == 0,
                    _ => own.iter().all(|byte| *byte == 0),
                };
                present[number / 8] |= u8::from(!is_zero) << (number % 8);
            }
        }
        for (number, eight) in present.iter_mut().take(units.len().div_ceil(8)).enumerate() {
            let held = (units.len() - number * 8).min(8) as u32;
            let full = (1u32 << held) - 1;
            let some = u32::from(*eight);
            let none = full & !some;
            let class = match (none.count_ones(), some) {
                (0, _) => 0,
                (_, 0) => 1,
                (1, _) => 2,
                _ => 3,
            };
            *eight = match self.bits.unary(class, 3) {
                0 => full as u8,
                1 => 0,
                2 => (full & !(1 << self.bits.bits(none.trailing_zeros(), 3))) as u8,
                _ => self.bits.bits(some, held) as u8,
            };
        }
    }

    #[inline]
    fn unit(&mut self, unit: Unit, number: usize, memory: &mut [u8]) {
        match unit.kind {
            Kind::Float => self.float(memory, (unit, number), 0),
            Kind::Size => self.size(memory, (unit, number), 0),
            Kind::Short => self.float(memory, (unit, number), 8),
            Kind::Small => self.size(memory, (unit, number), 8),
            Kind::Brief => self.float(memory, (unit, number), 12),
            Kind::Whole => on_word(memory, |word| self.whole(word)),
            Kind::Double => on_double(memory, |bits| self.double(bits, unit, number)),
            Kind::Count => on_word(memory, |word| self.bits.count(word)),
            Kind::Raw => on_word(memory, |word| self.bits.bits(word, 32)),
            Kind::Time => on_double(memory, |time| self.time(time)),
            Kind::Long => on_double(memory, |long| self.long(long)),
            Kind::Length => on_double(memory, |length| self.length(length)),
            Kind::Halves => self.halves(memory),
            Kind::Steps => self.steps(memory),
            Kind::Wide => self.wide(memory),
            Kind::Tail => self.tail(memory),
        }
    }

    /// Passes an exponent, or that there is none and the number has another code.
    #[inline(always)]
    fn exponent(&mut self, exponent: Option<i16>, (unit, number): (Unit, usize)) -> Option<i16> {
        const NONE: u32 = u16::MAX as u32;
        let like = self.last[number];
        let off = exponent.map_or(NONE, |exponent| folded(exponent.wrapping_sub(like)));
        let usual = &mut self.exponents[usize::from(unit.is_repeated)];
        let off = self.bits.rice(off, usual.k());
        if off == NONE {
            return None;
        }
        usual.learn(off);
        let exponent = like.wrapping_add(unfolded(off));
        self.last[number] = exponent;
        Some(exponent)
    }

    /// Passes a float whose lowest `spare` bits are zero.
    fn float(&mut self, memory: &mut [u8], at: (Unit, usize), spare: u32) {
        on_word(memory, |word| {
            let is_such = word.trailing_zeros() >= spare;
            let exponent = is_such.then_some(exponent_of(word));
            let Some(exponent) = self.exponent(exponent, at) else {
                return self.bits.bits(word, 32);
            };
            let digits = (word >> 31 << 23 | word & 0x7f_ffff) >> spare;
            let digits = self.bits.bits(digits, 24 - spare) << spare;
            digits >> 23 << 31 | whole_exponent(exponent) << 23 | digits & 0x7f_ffff
        });
    }

    /// Likewise one that is not negative.
    fn size(&mut self, memory: &mut [u8], at: (Unit, usize), spare: u32) {
        on_word(memory, |word| {
            let is_such = word >> 31 == 0 && word.trailing_zeros() >= spare;
            let exponent = is_such.then_some(exponent_of(word));
            let Some(exponent) = self.exponent(exponent, at) else {
                return self.bits.bits(word, 32);
            };
            let digits = self.bits.bits((word & 0x7f_ffff) >> spare, 23 - spare);
            whole_exponent(exponent) << 23 | digits << spare
        });
    }

    /// Passes a float that counts, up to 2^24.
    fn whole(&mut self, word: u32) -> u32 {
        let count = f32::from_bits(word) as u32;
        let is_such = (1..1 << 24).contains(&count) && (count as f32).to_bits() == word;
        if self.bits.flag(is_such) {
            (self.bits.count(count) as f32).to_bits()
        } else {
            self.bits.bits(word, 32)
        }
    }

    /// Passes a double: as before, or as exact as a float, or any.
    fn double(&mut self, bits: u64, unit: Unit, number: usize) -> u64 {
        const SPARE: u32 = 29;
        let before = if self.bits.is_written() {
            self.doubles.iter().position(|known| *known == bits)
        } else {
            None
        };
        let is_short = bits.trailing_zeros() >= SPARE;
        let class = if before.is_some() { 2 } else { u32::from(is_short) };
        let class = self.bits.unary(class, 2);
        if class == 2 {
            let before = self.bits.bits(before.unwrap_or(0) as u32, 4) as usize;
            let bits = self.doubles[before % AGAIN];
            self.last[number] = (bits >> 52 & 0x7ff) as i16 - 1023;
            return bits;
        }
        let exponent = (bits >> 52 & 0x7ff) as i16 - 1023;
        let exponent = self.exponent(Some(exponent), (unit, number)).unwrap_or(0);
        let sign = u64::from(self.bits.bits((bits >> 63) as u32, 1));
        let high = u64::from(self.bits.bits((bits >> SPARE) as u32 & 0x7f_ffff, 23));
        let low = if class == 1 { 0 } else { self.bits.bits(bits as u32 & 0x1fff_ffff, SPARE) };
        let exponent = u64::from((exponent.wrapping_add(1023)) as u16 & 0x7ff);
        let bits = sign << 63 | exponent << 52 | high << SPARE | u64::from(low);
        self.doubles[self.held % AGAIN] = bits;
        self.held += 1;
        bits
    }

    /// Passes a time by what it is off the one before, in the largest power of
    /// two that it is a multiple of.
    fn time(&mut self, time: u64) -> u64 {
        let round = self.bits.bits(time.trailing_zeros().min(63), 6);
        let off = (time >> round).wrapping_sub(self.time >> round);
        let off = self.bits.signed(off as i64) as u64;
        let time = (self.time >> round).wrapping_add(off) << round;
        self.time = time;
        time
    }

    fn long(&mut self, long: u64) -> u64 {
        let off = self.bits.signed((long as i64).wrapping_sub(self.long));
        self.long = self.long.wrapping_add(off);
        self.long as u64
    }

    fn length(&mut self, length: u64) -> u64 {
        let class = match length {
            DAY => 0,
            WEEK => 1,
            _ => 2,
        };
        match self.bits.unary(class, 2) {
            0 => DAY,
            1 => WEEK,
            _ => self.bits.long(length),
        }
    }

    /// Passes upper halves of floats.
    fn halves(&mut self, memory: &mut [u8]) {
        let mut like = Like::to(0);
        for half in memory.as_chunks_mut::<2>().0 {
            *half = self.half(u16::from_le_bytes(*half), &mut like).to_le_bytes();
        }
    }

    /// Passes the upper half of a float.
    pub(super) fn half(&mut self, half: u16, like: &mut Like) -> u16 {
        self.exponent_of_half(half, like, |bits, exponent| {
            let digits = u32::from(half >> 15 << 7 | half & 0x7f);
            let digits = bits.bits(digits, 8) as u16;
            digits >> 7 << 15 | exponent << 7 | digits & 0x7f
        })
    }

    /// Passes the upper half of a float that is not negative, of whose digits the
    /// lowest `spare` are zero.
    pub(super) fn distance(&mut self, half: u16, like: &mut Like, spare: u32) -> u16 {
        self.exponent_of_half(half, like, |bits, exponent| {
            let digits = bits.bits(u32::from(half & 0x7f) >> spare, 7 - spare);
            exponent << 7 | (digits as u16) << spare
        })
    }

    /// Passes an exponent, then by `rest` the other digits; zero, and what is too
    /// small or too large to have an exponent, otherwise.
    fn exponent_of_half(
        &mut self,
        half: u16,
        like: &mut Like,
        rest: impl FnOnce(&mut B, u16) -> u16,
    ) -> u16 {
        const STRANGE: u8 = u8::MAX;
        let exponent = match (half, (half >> 7) as u8) {
            (0, _) => 0,
            (_, 0) => STRANGE,
            (_, exponent) => exponent,
        };
        let rank = like.ranks.iter().position(|known| *known == exponent);
        let rank = self.bits.unary(rank.unwrap_or(RANKS) as u32, RANKS as u32) as usize;
        let exponent = match like.ranks.get(rank) {
            Some(known) => *known,
            None => self.bits.bits(u32::from(exponent), 8) as u8,
        };
        like.used(rank, exponent);
        match exponent {
            0 => 0,
            STRANGE => self.bits.bits(u32::from(half), 16) as u16,
            _ => rest(&mut self.bits, u16::from(exponent)),
        }
    }

    /// Passes bytes that are like the mean of those before.
    pub(super) fn steps(&mut self, memory: &mut [u8]) {
        let (mut usual, mut mean) = (Usual::about(12), 0i32);
        for byte in memory {
            let like = (mean + 8) >> 4;
            let off = i32::from((*byte as i8).wrapping_sub(like as i8));
            let value = (like as i8).wrapping_add(self.bits.near(off, &mut usual) as i8);
            mean += i32::from(value) - like;
            *byte = value as u8;
        }
    }

    /// Passes 16-bit integers that are like the one before.
    fn wide(&mut self, memory: &mut [u8]) {
        let (mut usual, mut like) = (Usual::about(64), 0i16);
        for pair in memory.as_chunks_mut::<2>().0 {
            let off = i32::from(i16::from_le_bytes(*pair).wrapping_sub(like));
            like = like.wrapping_add(self.bits.near(off, &mut usual) as i16);
            *pair = like.to_le_bytes();
        }
    }

    /// Passes a tail: the total, then by how much each count is less than the
    /// one before, of which the length is usual.
    fn tail(&mut self, memory: &mut [u8]) {
        let (counts, _) = memory.as_chunks_mut::<2>();
        let Some((total, above)) = counts.split_last_mut() else { return };
        let mut before = self.bits.number(u32::from(u16::from_le_bytes(*total))) as u16;
        *total = before.to_le_bytes();
        for (count, usual) in above.iter_mut().zip(&mut self.shorter) {
            let less = before.wrapping_sub(u16::from_le_bytes(*count));
            let most = 16 - before.leading_zeros() as i32;
            let length = 16 - less.leading_zeros() as i32;
            // A count may be all of what was before, which is as long.
            let like = (most - *usual).max(0);
            let off = self.bits.near(length - like, &mut self.tails);
            let length = like.saturating_add(off).clamp(0, 16);
            if before > 0 {
                *usual = (most - length).max(0);
            }
            let digits = if length > 1 { length as u32 - 1 } else { 0 };
            let less = if length == 0 {
                0
            } else {
                1 << digits | self.bits.bits(u32::from(less) & ((1 << digits) - 1), digits) as u16
            };
            before = before.wrapping_sub(less);
            *count = before.to_le_bytes();
        }
    }
}

/// Exponents that are told by their rank.
const RANKS: usize = 15;

/// Exponents of the floats before, the most usual first (Rivest, CACM 19, 1976).
#[derive(Clone, Copy, Debug)]
pub(super) struct Like {
    ranks: [u8; RANKS],
}

impl Like {
    /// Returns what numbers of about 2^`exponent` are like, most of them smaller.
    pub(super) fn to(exponent: u8) -> Self {
        let mut ranks = [0; RANKS];
        for (rank, known) in ranks.iter_mut().enumerate() {
            *known = exponent + 130 - rank as u8;
        }
        Self { ranks }
    }

    /// Moves an exponent that was used half the way to the front.
    fn used(&mut self, rank: usize, exponent: u8) {
        let from = rank.min(RANKS - 1);
        let to = from / 2;
        self.ranks.copy_within(to..from, to + 1);
        self.ranks[to] = exponent;
    }
}

fn folded(off: i16) -> u32 {
    u32::from((off << 1 ^ off >> 15) as u16)
}

fn unfolded(off: u32) -> i16 {
    let off = off as u16;
    (off >> 1) as i16 ^ -((off & 1) as i16)
}

fn exponent_of(word: u32) -> i16 {
    (word >> 23 & 0xff) as i16 - 127
}

fn whole_exponent(exponent: i16) -> u32 {
    u32::from(exponent.wrapping_add(127) as u16 & 0xff)
}

#[inline(always)]
fn on_word(memory: &mut [u8], pass: impl FnOnce(u32) -> u32) {
    if let Some(bytes) = memory.first_chunk_mut::<4>() {
        *bytes = pass(u32::from_le_bytes(*bytes)).to_le_bytes();
    }
}

#[inline(always)]
fn on_double(memory: &mut [u8], pass: impl FnOnce(u64) -> u64) {
    if let Some(bytes) = memory.first_chunk_mut::<8>() {
        *bytes = pass(u64::from_le_bytes(*bytes)).to_le_bytes();
    }
}
