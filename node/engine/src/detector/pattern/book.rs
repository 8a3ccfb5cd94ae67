//! Points on a grid, a few of which stand for all that were seen, and how far
//! from them points usually are. Owns what is kept and what gives way; refuses
//! to know what the sides of a point mean. Called by `pattern`.

use bytemuck::{Pod, Zeroable};

use crate::math::{larger, rough_log2, smaller, student_evidence};

/// Points kept.
pub(super) const KEPT: usize = 56;
/// Steps of the grid per unit of a side.
const GRID: f32 = 16.0;
/// Points so close, squared grid steps, are the same: a quarter of a unit.
const SAME: i32 = 16;
/// Distances that are averaged to know the usual one, at most.
const USUAL: f32 = 4096.0;
/// Points before distances are judged.
const YOUNG: f32 = 32.0;
/// Neighbouring points, which are alike, that count as one.
const ALIKE: f32 = 8.0;
/// Added to distances, which are often zero, before the logarithm: grid steps.
const SOFT: f32 = 8.0;
/// Least variance of the logarithm of distances.
const STEADIEST: f32 = 0.01;
/// The most evidence of novelty.
const MOST: f32 = 30.0;

/// One side of all points kept.
pub(super) type Side = [i8; KEPT];

/// What is known of distances, and how many points are kept.
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub(super) struct Book {
    points: f32,
    /// Mean and variance of the logarithm of distances.
    usual: f32,
    variety: f32,
    /// Points no further apart, squared grid steps, are taken for one.
    radius: i32,
    held: u32,
}

/// What a point says.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Found {
    /// How rare its distance is among those of the past, decades; none before
    /// the past is known.
    pub(super) rarity: Option<f32>,
    distance: i32,
    log: f32,
}

/// Returns the place of `value` on the grid.
pub(super) fn gridded(value: f32) -> i8 {
    let steps = value * GRID;
    (steps + if steps < 0.0 { -0.5 } else { 0.5 }) as i8
}

/// Returns the value at a place on the grid.
pub(super) fn value_at(place: i8) -> f32 {
    f32::from(place) / GRID
}

/// Returns the squared distance from `point` to each place.
#[inline(always)]
fn squares(sides: &[Side], point: &[i8]) -> [i32; KEPT] {
    let mut squares = [0i32; KEPT];
    for (side, place) in sides.iter().zip(point) {
        for (square, known) in squares.iter_mut().zip(side) {
            let off = i16::from(*known) - i16::from(*place);
            *square += i32::from(off) * i32::from(off);
        }
    }
    squares
}

/// Returns the squared distance from `point` to the nearest of the oldest `count`.
#[inline]
fn nearest(sides: &[Side], point: &[i8], count: usize) -> i32 {
    squares(sides, point)[..count].iter().fold(i32::MAX, |least, square| smaller(least, *square))
}

impl Book {
    /// Returns how many points are kept.
    pub(super) fn held(&self) -> usize {
        self.held as usize
    }

    /// Returns how far `point` is from what is known.
    #[inline]
    pub(super) fn assess(&self, sides: &[Side], point: &[i8]) -> Found {
        let distance = if self.held == 0 { 0 } else { nearest(sides, point, self.held()) };
        let log = rough_log2((distance as f32).sqrt() + SOFT) * std::f32::consts::LN_2;
        let deviation = (log - self.usual) / (self.variety + STEADIEST).sqrt();
        let rarity = (self.points >= YOUNG).then(|| {
            let freedom = self.points / ALIKE;
            if deviation > 0.0 { smaller(student_evidence(deviation, freedom), MOST) } else { 0.0 }
        });
        Found { rarity, distance, log }
    }

    /// Takes `point` in, found to be as it is.
    pub(super) fn learn(&mut self, sides: &mut [Side], point: &[i8], found: Found) {
        self.points = smaller(self.points + 1.0, 1e7);
        let rate = larger(1.0 / self.points, 1.0 / USUAL);
        let off = found.log - self.usual;
        self.usual += rate * off;
        self.variety = (1.0 - rate) * (self.variety + rate * off * off);
        if found.distance > larger(self.radius, SAME) || self.held == 0 {
            self.keep(sides, point);
        }
    }

    /// Keeps a new point; where there are too many, the younger of the two most
    /// alike gives way, and what is as much alike is one from then on.
    fn keep(&mut self, sides: &mut [Side], point: &[i8]) {
        if self.held() == KEPT {
            let mut closest = nearest(sides, point, KEPT);
            let mut younger = KEPT;
            for number in 1..KEPT {
                let square = nearest_to(sides, number);
                if square < closest {
                    (closest, younger) = (square, number);
                }
            }
            self.radius = larger(self.radius, closest);
            if younger == KEPT {
                return;
            }
            for side in sides.iter_mut() {
                side.copy_within(younger + 1.., younger);
            }
            self.held -= 1;
        }
        for (side, place) in sides.iter_mut().zip(point) {
            side[self.held()] = *place;
        }
        self.held += 1;
    }
}

/// Returns the squared distance from the point `number` to the nearest older one.
#[inline]
fn nearest_to(sides: &[Side], number: usize) -> i32 {
    let mut point = [0; 8];
    for (place, side) in point.iter_mut().zip(sides) {
        *place = side[number];
    }
    nearest(sides, &point, number)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_nearest_is_that_of_a_plain_search(points in prop::collection::vec(any::<[i8; 3]>(), 2..300)) {
            let mut book = Book::zeroed();
            let mut sides = [[0i8; KEPT]; 3];
            for point in &points {
                let plain = (0..book.held()).map(|number| {
                    (0..3).map(|side| (i32::from(sides[side][number]) - i32::from(point[side])).pow(2)).sum::<i32>()
                }).min();
                let found = book.assess(&sides, point);
                prop_assert_eq!(found.distance, plain.unwrap_or(0));
                book.learn(&mut sides, point, found);
                prop_assert!(book.held() <= KEPT);
            }
        }
    }

    #[test]
    fn few_points_stand_for_many_as_far_apart_as_they_must() {
        let mut book = Book::zeroed();
        let mut sides = [[0i8; KEPT]; 2];
        for step in 0..5000u32 {
            let point = [(step * 37 % 200) as u8 as i8, (step * 91 % 200) as u8 as i8];
            let found = book.assess(&sides, &point);
            book.learn(&mut sides, &point, found);
        }
        assert!(book.held() > KEPT / 3 && book.radius > SAME);
    }
}
