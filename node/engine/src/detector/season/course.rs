//! From the means of slots to the course within them: a parabola that has the
//! slot's mean and meets its neighbours, flattened where they jump. Owns that
//! shape; refuses to know what slots are. Called by `season`.
//!
//! Source: Colella, Woodward, J. Comput. Phys. 54, 1984, §1 (piecewise parabolic
//! interpolation); extrema of a smooth course are kept as by Colella, Sekora,
//! J. Comput. Phys. 227, 2008, §2; a jump inside a slot is placed as by Harten,
//! J. Comput. Phys. 83, 1989, §3 (subcell resolution).

use crate::math::larger;

/// A rise within one slot so many times that of the slots beside it is a jump.
const STEEP: f32 = 8.0;
/// No jump is placed nearer to an end of a slot than this, nor than so many times
/// what slots beside it differ by.
const EDGE: f32 = 1.0 / 16.0;
const EVEN: f32 = 2.0;
/// Curvatures of neighbours that differ by more are not those of a smooth course.
const UNEVEN: f32 = 3.0;

/// Returns the course at `inside`, 0..1, of slot number `slot` of `size` that
/// follow one another in a circle, whose means are `mean`.
pub(crate) fn within_slot(
    mean: impl Fn(usize) -> f32,
    size: usize,
    slot: usize,
    inside: f32,
) -> f32 {
    let at = |steps: usize| mean((slot + size + steps - 3) % size);
    // Three slots on each side; the middle one is that asked for.
    let around = [at(0), at(1), at(2), at(3), at(4), at(5), at(6)];
    let own = around[3];
    let is_great = |rise: f32| {
        let square: f32 = (0..size).map(|slot| mean(slot) * mean(slot)).sum();
        rise * rise * size as f32 > square
    };
    if let Some(place) = jump(&around)
        && is_great(around[4] - around[2])
    {
        return if inside < place { around[2] } else { around[4] };
    }
    let (low, high) = (edge(&around, 2), edge(&around, 3));
    let (low, high) = if is_smooth(&around) { (low, high) } else { monotone(own, low, high) };
    let bend = 6.0 * (own - 0.5 * (low + high));
    low + inside * (high - low + bend * (1.0 - inside))
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
    if is_smooth_at(around, slot) {
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

fn is_smooth(around: &[f32; 7]) -> bool {
    is_smooth_at(around, 3)
}

/// Says whether the course bends evenly at a slot and its neighbours.
fn is_smooth_at(around: &[f32; 7], slot: usize) -> bool {
    let bend = |at: usize| around[at - 1] - 2.0 * around[at] + around[at + 1];
    let bends = [bend(slot - 1), bend(slot), bend(slot + 1)];
    let least = bends.iter().fold(f32::INFINITY, |least, bend| least.min(bend.abs()));
    let most = bends.iter().fold(0.0f32, |most, bend| most.max(bend.abs()));
    let same = bends.iter().all(|bend| *bend > 0.0) || bends.iter().all(|bend| *bend < 0.0);
    same && most < UNEVEN * least
}
