//! How fast what was learned is forgotten; the same of everything that averages
//! over events. Owns the weight of the newest one.

use crate::math::larger;

/// How fast the long level follows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Memory {
    /// Values it averages.
    pub(crate) values: f32,
    /// Below 1 an event teaches less: it belongs to an anomaly.
    pub(crate) pace: f32,
}

impl Memory {
    /// Returns the weight of the newest of `count` values.
    #[inline(always)]
    pub(crate) fn rate(self, count: f64) -> f64 {
        larger(1.0 / count, 1.0 / f64::from(self.values)) * f64::from(self.pace)
    }
}
