//! Seeded numbers for tests, the same on every machine and in every run.

/// Returns uniform numbers between 0 and 1.
pub(crate) fn uniforms(count: usize) -> impl Iterator<Item = f32> {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    (0..count).map(move |_| {
        state = next(state);
        ((state >> 40) as f32 + 0.5) / (1u32 << 24) as f32
    })
}

/// Returns a sequence of roughly normal numbers.
pub(crate) fn normals(seed: u64) -> impl FnMut() -> f64 {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    move || {
        let mut sum = -6.0;
        for _ in 0..12 {
            state = next(state);
            sum += (state >> 33) as f64 / (1u64 << 31) as f64;
        }
        sum
    }
}

/// A sequence of numbers between -1 and 1, each the mean of three.
pub(crate) struct Noise(pub(crate) u64);

impl Noise {
    pub(crate) fn next(&mut self) -> f64 {
        let mut sum = 0.0;
        for _ in 0..3 {
            self.0 = next(self.0);
            sum += (self.0 >> 11) as f64 / (1u64 << 53) as f64 * 2.0 - 1.0;
        }
        sum / 3.0
    }
}

fn next(state: u64) -> u64 {
    state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1)
}
