//! Which points a tree keeps: a weighted reservoir whose weights fade, so that
//! old points leave sooner. Owns the sample's keys; refuses to know trees,
//! whose leaves it only names.
//!
//! Source: Efraimidis, Spirakis, Inf. Process. Lett. 97, 2006 (keep the least
//! of -ln(u) / weight), with weights that grow by a factor per point.

use crate::math::{larger, ln, smaller};

/// The largest key: far from overflow whatever it is multiplied with.
const MOST: f32 = 1e30;

/// The points one tree keeps, as a heap: the one to leave next is first.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Sample {
    pub(super) keys: Vec<f32>,
    pub(super) leaves: Vec<u16>,
}

/// What becomes of an offered point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Choice {
    /// It is not kept.
    Refused,
    /// There is room.
    Room(f32),
    /// It takes the place of an occurrence of this leaf.
    Instead(f32, u16),
}

impl Sample {
    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.keys.capacity() * size_of::<f32>() + self.leaves.capacity() * size_of::<u16>()
    }

    /// Chooses by the random number `u` whether a point of weight `weight` is
    /// kept, where at most `most` are.
    #[inline(always)]
    pub(super) fn offer(&self, u: f32, weight: f32, most: usize) -> Choice {
        let Some((first, leaf)) = self.keys.first().zip(self.leaves.first()) else {
            return Choice::Room(MOST);
        };
        let is_full = self.keys.len() >= most;
        // No logarithm where it is not needed: -ln(u) is at least 1 - u.
        if is_full && 1.0 - u >= first * weight {
            return Choice::Refused;
        }
        let key = smaller(-ln(f64::from(u)) as f32 / weight, MOST);
        if !is_full {
            Choice::Room(key)
        } else if key < *first {
            Choice::Instead(key, *leaf)
        } else {
            Choice::Refused
        }
    }

    /// Adds the point of `leaf`.
    pub(super) fn add(&mut self, key: f32, leaf: u16) {
        self.keys.push(key);
        self.leaves.push(leaf);
        let mut at = self.keys.len() - 1;
        while at > 0 {
            let above = (at - 1) / 2;
            if self.keys[above] >= self.keys[at] {
                break;
            }
            self.swap(above, at);
            at = above;
        }
    }

    /// Puts the point of `leaf` in the place of the first.
    pub(super) fn replace(&mut self, key: f32, leaf: u16) {
        self.keys[0] = key;
        self.leaves[0] = leaf;
        let mut at = 0;
        loop {
            let mut largest = at;
            for below in [2 * at + 1, 2 * at + 2] {
                if below < self.keys.len() && self.keys[below] > self.keys[largest] {
                    largest = below;
                }
            }
            if largest == at {
                return;
            }
            self.swap(largest, at);
            at = largest;
        }
    }

    fn swap(&mut self, a: usize, b: usize) {
        self.keys.swap(a, b);
        self.leaves.swap(a, b);
    }

    /// Multiplies all keys: weights are counted anew from here.
    pub(super) fn rebase(&mut self, factor: f32) {
        for key in &mut self.keys {
            *key = larger(smaller(*key * factor, MOST), f32::MIN_POSITIVE);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tree::Dice;
    use super::*;

    /// Offers `count` points and returns their numbers that are kept.
    fn kept(seed: u64, count: u16, most: usize, growth: f32) -> Vec<u16> {
        let (mut sample, mut dice, mut weight) = (Sample::default(), Dice(seed), 1.0);
        for number in 0..count {
            weight *= growth;
            if weight > 1e4 {
                sample.rebase(weight);
                weight = 1.0;
            }
            match sample.offer(dice.roll(), weight, most) {
                Choice::Refused => {}
                Choice::Room(key) => sample.add(key, number),
                Choice::Instead(key, _) => sample.replace(key, number),
            }
        }
        sample.leaves
    }

    #[test]
    fn without_growth_all_points_are_as_likely() {
        let mut sum = 0.0;
        for seed in 0..400 {
            let kept = kept(seed, 2000, 16, 1.0);
            assert_eq!(kept.len(), 16);
            sum += kept.iter().map(|n| f64::from(*n)).sum::<f64>() / 16.0;
        }
        // The mean of 6,400 uniform numbers in 0..2000: sd 7.2.
        assert!((sum / 400.0 - 1000.0).abs() < 30.0, "{}", sum / 400.0);
    }

    #[test]
    fn old_points_fade_at_the_asked_rate() {
        // Weights e^(rate · t) with a rate of 1/64 are many times the reservoir:
        // the mean age is near that of an exponential, 64, plus what 16 places add.
        let mut sum = 0.0;
        for seed in 0..400 {
            let kept = kept(seed, 4000, 16, 1.0 + 1.0 / 64.0);
            sum += kept.iter().map(|n| f64::from(3999 - *n)).sum::<f64>() / 16.0;
        }
        let age = sum / 400.0;
        assert!((64.0..76.0).contains(&age), "{age}");
    }
}
