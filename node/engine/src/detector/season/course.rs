//! From the means of slots to the course within them: a parabola that has the
//! slot's mean and meets its neighbours, flattened where they jump. Owns that
//! shape; refuses to know what slots are. Called by `season`.
//!
//! Source: Colella, Woodward, J. Comput. Phys. 54, 1984, §1 (piecewise parabolic
//! interpolation); extrema of a smooth course are kept as by Colella, Sekora,
//! J. Comput. Phys. 227, 2008, §2; a jump inside a slot is placed as by Harten,
//! J. Comput. Phys. 83, 1989, §3 (subcell resolution).

use bytemuck::{Pod, Zeroable};

use crate::math::larger;

/// A rise within one slot so many times that of the slots beside it is a jump.
const STEEP: f32 = 8.0;
/// No jump is placed nearer to an end of a slot than this, nor than so many times
/// what slots beside it differ by.
const EDGE: f32 = 1.0 / 16.0;
const EVEN: f32 = 2.0;
/// Curvatures of neighbours that differ by more are not those of a smooth course.
const UNEVEN: f32 = 3.0;

/// The course within one slot: a parabola, or a jump between two levels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Course {
    /// Where it jumps, 0..1; 0 for a parabola.
    jump: f32,
    low: f32,
    rise: f32,
    bend: f32,
}

impl Course {
    /// Returns the course within slot number `slot` of `size` that follow one
    /// another in a circle, whose means are `mean`.
    pub(crate) fn of(mean: impl Fn(usize) -> f32, size: usize, slot: usize) -> Self {
        let at = |steps: usize| mean((slot + size + steps - 3) % size);
        // Three slots on each side; the middle one is that asked for.
        let around = [at(0), at(1), at(2), at(3), at(4), at(5), at(6)];
        let own = around[3];
        let is_great = |rise: f32| {
            let square: f32 = (0..size).map(|slot| mean(slot) * mean(slot)).sum();
            rise * rise * size as f32 > square
        };
        let rise = around[4] - around[2];
        if let Some(jump) = jump(&around)
            && is_great(rise)
        {
            return Self { jump, low: around[2], rise, bend: 0.0 };
        }
        let (low, high) = (edge(&around, 2), edge(&around, 3));
        let is_smooth = is_smooth(&around, 3);
        let (low, high) = if is_smooth { (low, high) } else { monotone(own, low, high) };
        Self { jump: 0.0, low, rise: high - low, bend: 6.0 * (own - 0.5 * (low + high)) }
    }

    /// Returns the value at `inside`, 0..1.
    pub(crate) fn at(&self, inside: f32) -> f32 {
        if self.jump > 0.0 {
            return if inside < self.jump { self.low } else { self.low + self.rise };
        }
        self.low + inside * (self.rise + self.bend * (1.0 - inside))
    }

    /// Returns it where means are `moved` plus `shrunk` times what they were.
    pub(crate) fn scaled(self, moved: f32, shrunk: f32) -> Self {
        Self {
            low: moved + shrunk * self.low,
            rise: shrunk * self.rise,
            bend: shrunk * self.bend,
            ..self
        }
    }
}

/// Returns where in the middle slot the course jumps from one steady level to
/// another, as its mean tells.
fn jump(around: &[f32; 7]) -> Option<f32> {
    let (before, after) = (around[2], around[4]);
    let rise = after - before;
    let unsteady = (before - around[1]).abs().max((around[5] - after).abs());
    let place = (after - around[3]) / rise;
    // Near an end of the slot it is no jump inside it, but its unsteadiness.
    let least = larger(EDGE, EVEN * unsteady / rise.abs());
    let is_inside = place > least && place < 1.0 - least;
    (rise.abs() > STEEP * unsteady && is_inside).then_some(place)
}

/// Returns the value between the means `before` and `before + 1`.
fn edge(around: &[f32; 7], before: usize) -> f32 {
    let (left, right) = (around[before], around[before + 1]);
    0.5 * (left + right) + (slope(around, before) - slope(around, before + 1)) / 6.0
}

/// Returns the slope of a slot, no steeper than its neighbours allow.
fn slope(around: &[f32; 7], slot: usize) -> f32 {
    let (before, after) = (around[slot] - around[slot - 1], around[slot + 1] - around[slot]);
    let mean = 0.5 * (before + after);
    if is_smooth(around, slot) {
        return mean;
    }
    if before * after <= 0.0 {
        return 0.0;
    }
    mean.abs().min(2.0 * before.abs()).min(2.0 * after.abs()).copysign(mean)
}

/// Returns the edges, drawn in until nothing in the slot is beyond them.
fn monotone(own: f32, low: f32, high: f32) -> (f32, f32) {
    if (high - own) * (own - low) <= 0.0 {
        return (own, own);
    }
    let (rise, lean) = (high - low, own - 0.5 * (low + high));
    if rise * lean > rise * rise / 6.0 {
        (3.0 * own - 2.0 * high, high)
    } else if rise * lean < -rise * rise / 6.0 {
        (low, 3.0 * own - 2.0 * low)
    } else {
        (low, high)
    }
}

/// Says whether the course bends evenly at a slot and its neighbours.
fn is_smooth(around: &[f32; 7], slot: usize) -> bool {
    let bend = |at: usize| around[at - 1] - 2.0 * around[at] + around[at + 1];
    let bends = [bend(slot - 1), bend(slot), bend(slot + 1)];
    let least = bends.iter().fold(f32::INFINITY, |least, bend| least.min(bend.abs()));
    let most = bends.iter().fold(0.0f32, |most, bend| most.max(bend.abs()));
    let same = bends.iter().all(|bend| *bend > 0.0) || bends.iter().all(|bend| *bend < 0.0);
    same && most < UNEVEN * least
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the means of slots of `course`, each seen at 512 times.
    fn means(course: impl Fn(f32) -> f32) -> Vec<f32> {
        let inside = |slot: usize, part: usize| slot as f32 + (part as f32 + 0.5) / 512.0;
        let mean = |slot: usize| {
            (0..512).map(|part| course(inside(slot, part) / 24.0)).sum::<f32>() / 512.0
        };
        (0..24).map(mean).collect()
    }

    /// Returns how far the course of slots is from the true one, at most.
    fn farthest(course: impl Fn(f32) -> f32) -> f32 {
        let slots = means(&course);
        let mut most = 0.0f32;
        for step in 0..24 * 32 {
            let (slot, inside) = (step / 32, (step % 32) as f32 / 32.0 + 1.0 / 64.0);
            let found = Course::of(|slot| slots[slot], 24, slot).at(inside);
            most = most.max((found - course((slot as f32 + inside) / 24.0)).abs());
        }
        most
    }

    #[test]
    fn a_wave_is_followed_and_a_jump_is_kept_wherever_it_is() {
        let wave = |at: f32| libm::sinf(at * std::f32::consts::TAU);
        assert!(farthest(wave) < 0.003, "{}", farthest(wave));
        for from in [8.0, 8.25, 8.5, 8.75] {
            let busy = |at: f32| {
                if (from..from + 9.0).contains(&(at * 24.0)) { 1.0 } else { 0.0 }
            };
            assert!(farthest(busy) < 0.01, "{} from {from}", farthest(busy));
        }
    }

    #[test]
    fn the_mean_of_a_slot_stays_its_mean() {
        let slots: Vec<f32> = (0..24).map(|slot| (slot * slot * 7 % 31) as f32).collect();
        for slot in 0..24 {
            let course = Course::of(|slot| slots[slot], 24, slot);
            let mean =
                (0..512).map(|part| course.at((part as f32 + 0.5) / 512.0)).sum::<f32>() / 512.0;
            assert!((mean - slots[slot]).abs() < 0.1, "{mean} for {}", slots[slot]);
        }
    }
}
