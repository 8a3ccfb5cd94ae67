//! Points of charts and marks of a bucket as bits. Owns what neighbouring points
//! have in common, and that a set of marks has no order; refuses to know what
//! either is for.

use super::bits::{Bits, Usual};
use super::code::{Coder, Like};
use crate::detector::cardinality::{EXACT, Sketch};
use crate::history::{Point, SPARE};

/// The point before, and by how much points usually differ.
struct Neighbour {
    point: Point,
    gap: Like,
    mean: Like,
    /// Of the lowest and the highest value.
    extremes: Like,
    shifts: Usual,
    scores: Usual,
    counts: Usual,
    levels: Usual,
    reaches: Usual,
}

impl<B: Bits> Coder<B> {
    /// Passes points, the oldest first.
    pub(super) fn points<'a>(&mut self, points: impl Iterator<Item = &'a mut Point>) {
        let mut before = Neighbour {
            point: Point::default(),
            gap: Like::to(30),
            mean: Like::to(3),
            extremes: Like::to(3),
            shifts: Usual::about(4),
            scores: Usual::about(32),
            counts: Usual::about(8),
            levels: Usual::about(128),
            reaches: Usual::about(16),
        };
        for point in points {
            self.point(point, &mut before);
            before.point = *point;
        }
    }

    fn point(&mut self, point: &mut Point, before: &mut Neighbour) {
        let last = before.point;
        let is_steady = self.bits.flag(point.gap == last.gap);
        point.gap = if is_steady { last.gap } else { self.distance(point.gap, &mut before.gap, 0) };
        let wider = i32::from(point.shift) - i32::from(last.shift);
        let wider = self.bits.near(wider, &mut before.shifts);
        point.shift = last.shift.wrapping_add(wider as u8);
        point.score = self.bits.like(u32::from(point.score), &mut before.scores) as u8;
        let more = i32::from(point.count) - i32::from(last.count);
        let more = self.bits.near(more, &mut before.counts);
        point.count = last.count.wrapping_add(more as u16);
        point.mean = self.half(point.mean, &mut before.mean);
        if point.count == 0 {
            return;
        }
        let higher = ordered(point.expected).wrapping_sub(ordered(last.expected)) as i16;
        let higher = self.bits.near(i32::from(higher), &mut before.levels);
        point.expected = halved(ordered(last.expected).wrapping_add(higher as u16));
        for extreme in [&mut point.below, &mut point.above] {
            *extreme = self.distance(*extreme, &mut before.extremes, SPARE);
        }
        let wider = i32::from(point.reach >> SPARE) - i32::from(last.reach >> SPARE);
        let wider = self.bits.near(wider, &mut before.reaches);
        point.reach = (last.reach >> SPARE).wrapping_add(wider as u16) << SPARE;
    }

    /// Passes the marks of a window; none when a reader finds such as cannot be.
    pub(super) fn marks(&mut self, sketch: &Sketch) -> Option<Sketch> {
        let (mut marks, registers, estimate, change) = sketch.parts();
        marks.sort_unstable();
        let held = self.bits.number(marks.len() as u32) as usize;
        if held > EXACT {
            return None;
        }
        marks.resize(held, 0);
        // The marks of a set lie that far apart.
        let (k, mut least) = (32 - (held as u32 | 1).ilog2() - 1, 0u32);
        for mark in &mut marks {
            *mark = least.wrapping_add(self.bits.rice(mark.wrapping_sub(least), k));
            least = *mark;
        }
        let is_exact = registers.is_empty() && estimate == held as f64 && change == 0.0;
        if self.bits.flag(is_exact) {
            return Sketch::from_parts(&marks, Vec::new(), held as f64, 0.0);
        }
        let estimate = f64::from_bits(self.bits.long(estimate.to_bits()));
        let change = f64::from_bits(self.bits.long(change.to_bits()));
        let size = self.bits.number(registers.len() as u32) as usize;
        if size > 1 << 18 {
            return None;
        }
        let mut registers = registers.to_vec();
        registers.resize(size, 0);
        self.steps(&mut registers);
        Sketch::from_parts(&marks, registers, estimate, change)
    }
}

/// Returns the number of a half among all, in the order of their values.
fn ordered(half: u16) -> u16 {
    if half >> 15 == 1 { !half } else { half | 0x8000 }
}

fn halved(place: u16) -> u16 {
    if place >> 15 == 1 { place & 0x7fff } else { !place }
}
