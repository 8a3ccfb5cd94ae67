//! What a statistical test says of one observation; the same of every detector.
//! `calibration` makes rarity of it.

/// One test's outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Finding {
    /// Minus the decimal logarithm of the p-value, before calibration.
    pub nominal: f32,
    /// What was seen less what was expected.
    pub deviation: f64,
    /// What was expected.
    pub expected: f64,
}
