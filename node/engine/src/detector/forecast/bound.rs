//! Which deviates of a level are common: a limit that a glance compares with.
//! Owns how it is found; refuses to know what is done with it.

use super::{CLIP, Level, Reading, YOUNG, evidence};
use crate::math::{larger, smaller};

/// Halvings that find a deviate, to 0.001.
const BISECTIONS: usize = 12;

impl Level {
    /// Learns which deviates are common from one that is or is not; where it was
    /// taken for the other, anew: all whose nominal evidence is below `bound`.
    #[inline(always)]
    pub(crate) fn compare(
        &mut self,
        reading: &Reading,
        is_common: bool,
        bound: impl FnOnce() -> f32,
    ) {
        let z = reading.z.abs();
        if self.count < YOUNG || self.is_flat() {
            self.common = 0.0;
        } else if is_common != (z < self.common) {
            let most = self.deviate(bound());
            let common = if is_common { larger(most, z) } else { smaller(most, z) };
            self.common = smaller(common, CLIP as f32);
        }
    }

    /// Returns the deviate whose nominal evidence is `nominal`, at most [`CLIP`].
    #[cold]
    fn deviate(&self, nominal: f32) -> f32 {
        let (mut low, mut high) = (0.0, CLIP as f32);
        for _ in 0..BISECTIONS {
            let middle = 0.5 * (low + high);
            let is_below = evidence(middle, larger(self.count - 1.0, 1.0)) < nominal;
            if is_below { low = middle } else { high = middle }
        }
        low
    }
}
