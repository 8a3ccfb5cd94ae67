//! Counts by powers of two: what openraft needs of a histogram for its batch
//! sizes, in half a KiB. Owns nothing else; openraft alone calls it.

use std::fmt;
use std::marker::PhantomData;

/// One bucket for 0, then one for each number of significant bits.
const BUCKETS: usize = u64::BITS as usize + 1;

/// How often values of each magnitude were recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Histogram<T = ()> {
    counts: [u64; BUCKETS],
    label: PhantomData<T>,
}

/// Lower bounds of what share of the values lie below.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PercentileStats {
    /// How many values were recorded.
    pub samples: u64,
    /// 0.1 % are smaller.
    pub p0_1: u64,
    /// 1 % are smaller.
    pub p1: u64,
    /// 5 % are smaller.
    pub p5: u64,
    /// 10 % are smaller.
    pub p10: u64,
    /// Half are smaller.
    pub p50: u64,
    /// 90 % are smaller.
    pub p90: u64,
    /// 99 % are smaller.
    pub p99: u64,
    /// 99.9 % are smaller.
    pub p99_9: u64,
}

impl fmt::Display for PercentileStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { samples, p10, p50, p90, p99, .. } = self;
        write!(f, "{samples} samples, p10 {p10}, p50 {p50}, p90 {p90}, p99 {p99}")
    }
}

impl<T> Default for Histogram<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Histogram<T> {
    /// Makes an empty histogram.
    pub const fn new() -> Self {
        Self { counts: [0; BUCKETS], label: PhantomData }
    }

    /// Counts `value` once.
    pub fn record(&mut self, value: u64) {
        self.record_n(value, 1);
    }

    /// Counts `value` `times` times.
    pub fn record_n(&mut self, value: u64, times: u64) {
        let bits = u64::BITS - value.leading_zeros();
        let count = &mut self.counts[bits as usize];
        *count = count.saturating_add(times);
    }

    /// Returns how many values were counted.
    pub fn total(&self) -> u64 {
        self.counts.iter().fold(0, |total, count| total.saturating_add(*count))
    }

    /// Returns the smallest value of the bucket below whose end the share
    /// `fraction` (0..=1) of the values lies; 0 when there are none.
    pub fn percentile(&self, fraction: f64) -> u64 {
        let wanted = (self.total() as f64 * fraction).ceil() as u64;
        let mut seen = 0_u64;
        for (bits, count) in self.counts.iter().enumerate() {
            seen = seen.saturating_add(*count);
            if seen >= wanted.max(1) {
                return if bits == 0 { 0 } else { 1 << (bits - 1) };
            }
        }
        0
    }

    /// Returns the usual percentiles.
    pub fn percentile_stats(&self) -> PercentileStats {
        PercentileStats {
            samples: self.total(),
            p0_1: self.percentile(0.001),
            p1: self.percentile(0.01),
            p5: self.percentile(0.05),
            p10: self.percentile(0.1),
            p50: self.percentile(0.5),
            p90: self.percentile(0.9),
            p99: self.percentile(0.99),
            p99_9: self.percentile(0.999),
        }
    }
}

/// Several histograms, one line of text each.
#[derive(Clone, Debug, Default)]
pub struct AsciiChart(Vec<(String, PercentileStats)>);

impl AsciiChart {
    /// Makes an empty chart.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Adds a line.
    #[must_use]
    pub fn add<T>(mut self, name: impl Into<String>, histogram: Histogram<T>) -> Self {
        self.0.push((name.into(), histogram.percentile_stats()));
        self
    }
}

impl fmt::Display for AsciiChart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|(name, stats)| writeln!(f, "{name}: {stats}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_bucket_starts() {
        let mut histogram = Histogram::<()>::new();
        assert_eq!(histogram.percentile(0.5), 0);
        histogram.record_n(0, 10);
        histogram.record_n(5, 80);
        histogram.record_n(u64::MAX, 10);
        let stats = histogram.percentile_stats();
        assert_eq!((stats.samples, stats.p10, stats.p50, stats.p90), (100, 0, 4, 4));
        assert_eq!(stats.p99, 1 << 63);
    }
}
