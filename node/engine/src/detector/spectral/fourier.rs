//! The Fourier transform of 128 real numbers and back, with factors computed
//! when this is compiled. Owns the transform; refuses to know what it is for.
//!
//! Source: Cooley, Tukey, Math. Comp. 19, 1965 (radix 2, decimation in time);
//! two real numbers to one complex one as in Press et al., Numerical Recipes,
//! 3rd ed., §12.3.

/// Numbers transformed.
pub(super) const LENGTH: usize = 128;
const HALF: usize = LENGTH / 2;
const STAGES: u32 = HALF.ilog2();

/// A complex number.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Complex {
    pub(super) re: f32,
    pub(super) im: f32,
}

impl Complex {
    fn plus(self, other: Self) -> Self {
        Self { re: self.re + other.re, im: self.im + other.im }
    }

    fn minus(self, other: Self) -> Self {
        Self { re: self.re - other.re, im: self.im - other.im }
    }

    fn times(self, other: Self) -> Self {
        Self {
            re: self.re * other.re - self.im * other.im,
            im: self.re * other.im + self.im * other.re,
        }
    }

    fn conjugate(self) -> Self {
        Self { re: self.re, im: -self.im }
    }

    pub(super) fn scaled(self, factor: f32) -> Self {
        Self { re: self.re * factor, im: self.im * factor }
    }

    /// Returns the absolute value.
    pub(super) fn size(self) -> f32 {
        (self.re * self.re + self.im * self.im).sqrt()
    }
}

/// Returns the cosine and the sine of `angle` in 0..=π/4 by their series.
const fn cos_sin(angle: f64) -> (f64, f64) {
    let square = angle * angle;
    let (mut cos, mut sin, mut term, mut n) = (0.0, 0.0, 1.0, 0);
    while n < 20 {
        cos += term;
        sin += term * angle / (n + 1) as f64;
        term *= -square / ((n + 1) * (n + 2)) as f64;
        n += 2;
    }
    (cos, sin)
}

/// e^(-2πi · k / 128).
const TWIDDLES: [Complex; HALF] = {
    let mut twiddles = [Complex { re: 0.0, im: 0.0 }; HALF];
    let mut k = 0;
    while k < HALF {
        // From the first eighth of the circle, by its symmetries.
        let folded = if k > HALF / 2 { HALF - k } else { k };
        let near = if folded > HALF / 4 { HALF / 2 - folded } else { folded };
        let (cos, sin) = cos_sin(near as f64 * std::f64::consts::TAU / LENGTH as f64);
        let (cos, sin) = if folded > HALF / 4 { (sin, cos) } else { (cos, sin) };
        twiddles[k] =
            Complex { re: (if k > HALF / 2 { -cos } else { cos }) as f32, im: -sin as f32 };
        k += 1;
    }
    twiddles
};

/// Transforms half as many complex numbers in place.
fn transform(z: &mut [Complex; HALF]) {
    for place in 0..HALF {
        let mirrored = place.reverse_bits() >> (usize::BITS - STAGES);
        if place < mirrored {
            z.swap(place, mirrored);
        }
    }
    for stage in 0..STAGES {
        let reach = 1usize << stage;
        for block in z.chunks_exact_mut(2 * reach) {
            let (left, right) = block.split_at_mut(reach);
            for (place, (a, b)) in left.iter_mut().zip(right).enumerate() {
                let turned = b.times(TWIDDLES[place * (HALF / reach)]);
                (*a, *b) = (a.plus(turned), a.minus(turned));
            }
        }
    }
}

/// Returns the first half of the transform of `x` and the middle; the second
/// half is its mirror image.
pub(super) fn forward(x: &[f32; LENGTH]) -> [Complex; HALF + 1] {
    let mut z = [Complex::default(); HALF];
    for (z, pair) in z.iter_mut().zip(x.as_chunks::<2>().0) {
        *z = Complex { re: pair[0], im: pair[1] };
    }
    transform(&mut z);
    std::array::from_fn(|k| {
        let (a, b) = (z[k % HALF], z[(HALF - k) % HALF].conjugate());
        let even = a.plus(b).scaled(0.5);
        let odd = a.minus(b).scaled(0.5);
        let odd = Complex { re: odd.im, im: -odd.re };
        if k == HALF { even.minus(odd) } else { even.plus(odd.times(TWIDDLES[k])) }
    })
}

/// Returns the numbers whose transform is `spectrum`.
pub(super) fn backward(spectrum: &[Complex; HALF + 1]) -> [f32; LENGTH] {
    let mut z: [Complex; HALF] = std::array::from_fn(|k| {
        let (a, b) = (spectrum[k], spectrum[HALF - k].conjugate());
        let even = a.plus(b).scaled(0.5);
        let odd = a.minus(b).scaled(0.5).times(TWIDDLES[k].conjugate());
        // Conjugated, so that the transform goes backward.
        Complex { re: even.re - odd.im, im: even.im + odd.re }.conjugate()
    });
    transform(&mut z);
    let per = 1.0 / HALF as f32;
    let mut x = [0.0; LENGTH];
    for (z, pair) in z.iter().zip(x.as_chunks_mut::<2>().0) {
        *pair = [z.re * per, -z.im * per];
    }
    x
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_the_transform_of_the_definition(
            x in prop::collection::vec(-1e3f32..1e3, LENGTH),
        ) {
            let x: [f32; LENGTH] = x.try_into().expect("as many as asked");
            let spectrum = forward(&x);
            for (k, found) in spectrum.iter().enumerate() {
                let (mut re, mut im) = (0.0, 0.0);
                for (n, x) in x.iter().enumerate() {
                    let angle = std::f64::consts::TAU * ((k * n) % LENGTH) as f64 / LENGTH as f64;
                    re += f64::from(*x) * libm::cos(angle);
                    im -= f64::from(*x) * libm::sin(angle);
                }
                prop_assert!((f64::from(found.re) - re).abs() < 0.05, "{k}: {found:?} for {re}");
                prop_assert!((f64::from(found.im) - im).abs() < 0.05, "{k}: {found:?} for {im}");
            }
            for (back, x) in backward(&spectrum).iter().zip(x) {
                prop_assert!((back - x).abs() < 2e-3, "{back} {x}");
            }
        }
    }
}
