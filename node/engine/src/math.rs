//! The few transcendental functions the engine needs, written with plain
//! additions and multiplications in a fixed order, so that every build and
//! every CPU gives the same bits (invariant E-1). Refuses to know statistics
//! beyond the normal tail. Called by every detector.

/// ln 2.
const LN_2: f64 = std::f64::consts::LN_2;
/// log10 e.
const LOG10_E: f64 = std::f64::consts::LOG10_E;
/// log10 2.
const LOG10_2: f64 = std::f64::consts::LOG10_2;

/// Returns the larger of two numbers that are never NaN: one instruction, where
/// `max` needs five.
#[inline(always)]
pub(crate) fn larger<T: PartialOrd>(a: T, b: T) -> T {
    if a > b { a } else { b }
}

/// Returns the smaller of two numbers that are never NaN.
#[inline(always)]
pub(crate) fn smaller<T: PartialOrd>(a: T, b: T) -> T {
    if a < b { a } else { b }
}

/// Returns `x` within `least` and `most`.
#[inline(always)]
pub(crate) fn within<T: PartialOrd>(x: T, least: T, most: T) -> T {
    smaller(larger(x, least), most)
}

/// Rounds `x` to what is left without its lowest `spare` binary digits: state of
/// which more is noise takes less room where it rests.
#[inline]
pub(crate) fn rounded(x: f32, spare: u32) -> f32 {
    f32::from_bits(x.to_bits().saturating_add(1 << spare >> 1) >> spare << spare)
}

/// Rounds `x` to the digits that a 32-bit float has, whatever its size.
#[inline]
pub(crate) fn single(x: f64) -> f64 {
    f64::from_bits(x.to_bits().saturating_add(1 << 28) >> 29 << 29)
}

/// Returns the binary logarithm of a positive finite `x`, relative error below
/// 1e-9 (series of atanh around 1).
pub(crate) const fn log2(x: f64) -> f64 {
    debug_assert!(x > 0.0 && x.is_finite(), "the logarithm of a positive number");
    let (x, shift) =
        if x < f64::MIN_POSITIVE { (x * 18_014_398_509_481_984.0, 54) } else { (x, 0) };
    let bits = x.to_bits();
    let mut exponent = ((bits >> 52) & 0x7ff) as i64 - 1023 - shift;
    let mut mantissa = f64::from_bits((bits & 0x000f_ffff_ffff_ffff) | 0x3ff0_0000_0000_0000);
    if mantissa > std::f64::consts::SQRT_2 {
        mantissa *= 0.5;
        exponent += 1;
    }
    let s = (mantissa - 1.0) / (mantissa + 1.0);
    let q = s * s;
    let series =
        1.0 + q * (1.0 / 3.0 + q * (0.2 + q * (1.0 / 7.0 + q * (1.0 / 9.0 + q * (1.0 / 11.0)))));
    exponent as f64 + 2.0 * s * series / LN_2
}

/// Returns the natural logarithm of a positive finite `x`.
pub(crate) const fn ln(x: f64) -> f64 {
    log2(x) * LN_2
}

/// Returns the decimal logarithm of a positive finite `x`.
pub(crate) fn log10(x: f64) -> f64 {
    log2(x) * LOG10_2
}

/// Returns 2 to the power `x`, relative error below 1e-8; saturates outside
/// the normal range.
pub(crate) fn exp2(x: f64) -> f64 {
    let x = x.clamp(-1000.0, 1000.0);
    let whole = (x + if x < 0.0 { -0.5 } else { 0.5 }) as i64;
    let f = (x - whole as f64) * LN_2;
    let series = 1.0
        + f * (1.0
            + f * (0.5
                + f * (1.0 / 6.0
                    + f * (1.0 / 24.0
                        + f * (1.0 / 120.0 + f * (1.0 / 720.0 + f * (1.0 / 5040.0)))))));
    series * f64::from_bits(((whole + 1023) as u64) << 52)
}

/// Returns the inverse hyperbolic sine of `x`: like `x` near 0, like its
/// logarithm far away; absolute error below 1e-8.
pub(crate) fn asinh(x: f64) -> f64 {
    let size = smaller(x.abs(), 1e150);
    ln(size + (size * size + 1.0).sqrt()).copysign(x)
}

/// Returns the hyperbolic sine of `x`, which [`asinh`] undoes.
pub(crate) fn sinh(x: f64) -> f64 {
    let power = exp2(x / LN_2);
    0.5 * (power - 1.0 / power)
}

/// Returns the evidence of a normal deviate: minus the decimal logarithm of the
/// probability of one at least so far from zero (erfc after Press et al.,
/// Numerical Recipes, 3rd ed., §6.2.2; relative error 1.2e-7).
pub(crate) const fn normal_evidence(z: f64) -> f64 {
    let x = z.abs() * std::f64::consts::FRAC_1_SQRT_2;
    let t = 1.0 / (1.0 + 0.5 * x);
    let tail = -x * x - 1.265_512_23
        + t * (1.000_023_68
            + t * (0.374_091_96
                + t * (0.096_784_18
                    + t * (-0.186_288_06
                        + t * (0.278_868_07
                            + t * (-1.135_203_98
                                + t * (1.488_515_87 + t * (-0.822_152_23 + t * 0.170_872_77))))))));
    (-(tail + ln(t)) * LOG10_E).max(0.0)
}

/// Table steps per standard deviation, and how many the table covers.
const STEPS: usize = 16;
const COVERED: usize = 12;
/// [`normal_evidence`] at every step.
const TABLE: [f32; STEPS * COVERED + 2] = {
    let mut table = [0.0; STEPS * COVERED + 2];
    let mut step = 0;
    while step < table.len() {
        table[step] = normal_evidence(step as f64 / STEPS as f64) as f32;
        step += 1;
    }
    table
};

/// Returns the evidence of a normal deviate within 0.001, without a logarithm
/// where deviates usually are.
#[inline]
pub(crate) fn rough_evidence(z: f32) -> f32 {
    let steps = z.abs() * STEPS as f32;
    if steps < (STEPS * COVERED) as f32 {
        let step = steps as usize;
        let share = steps - step as f32;
        return TABLE[step] + (TABLE[step + 1] - TABLE[step]) * share;
    }
    // Mills' ratio: the tail is the density over z, to 1 / z².
    let z = smaller(z.abs(), 1e15);
    let density = z * z * (0.5 * std::f32::consts::LOG10_E);
    density + rough_log2(z * 1.253_314_1) * std::f32::consts::LOG10_2
}

/// Degrees of freedom from which on Student's distribution is taken for normal.
const PLENTY: f32 = 1000.0;

/// Returns the evidence of Student's `t` with `freedom` degrees, by the normal
/// deviate as rare (Wallace, Ann. Math. Stat. 30, 1959, eq. 1.3).
#[inline]
pub(crate) fn student_evidence(t: f32, freedom: f32) -> f32 {
    if freedom >= PLENTY {
        return rough_evidence(t);
    }
    let n = larger(freedom, 1.0);
    let t = smaller(t.abs(), 1e15);
    let shrink = (8.0 * n + 1.0) / (8.0 * n + 3.0);
    let root = n * rough_log2(1.0 + t * t / n) * std::f32::consts::LN_2;
    rough_evidence(shrink * larger(root, 0.0).sqrt())
}

/// Returns the binary logarithm of a positive normal `x`, error below 2e-4:
/// enough for a place in a calibration table (least squares on the mantissa,
/// exact at powers of two).
pub(crate) fn rough_log2(x: f32) -> f32 {
    let bits = x.to_bits();
    let exponent = (bits >> 23) as i32 - 127;
    let m = f32::from_bits((bits & 0x007f_ffff) | 0x3f80_0000) - 1.0;
    let bend = 0.438_379_3 + m * (-0.237_501_3 + m * 0.080_653_16);
    exponent as f32 + m + m * (1.0 - m) * bend
}

/// Returns 2 to the power `x` for `x` in -120..120, relative error below 2e-4.
pub(crate) fn rough_exp2(x: f32) -> f32 {
    let x = within(x, -120.0, 120.0) + 127.0;
    let whole = x as i32;
    let m = x - whole as f32;
    let bend = -0.304_605_6 - m * 0.078_163_85;
    (1.0 + m + m * (1.0 - m) * bend) * f32::from_bits((whole as u32) << 23)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn logarithms_and_powers_agree_with_libm(x in 1e-300f64..1e300, y in -300f64..300.0) {
            prop_assert!((log2(x) - libm::log2(x)).abs() <= 1e-9 * libm::log2(x).abs().max(1.0));
            let power = libm::exp2(y);
            prop_assert!((exp2(y) - power).abs() <= 1e-8 * power);
        }

        #[test]
        fn the_normal_tail_agrees_with_libm(z in 0f64..30.0) {
            let exact = -libm::log10(libm::erfc(z / libm::sqrt(2.0)));
            prop_assert!((normal_evidence(z) - exact).abs() < 1e-6 * exact.max(1.0));
            let rough = f64::from(rough_evidence(z as f32));
            prop_assert!((rough - exact).abs() < 1e-3 * exact.max(1.0), "{rough} for {exact}");
        }
    }

    #[test]
    fn the_rough_pair_is_as_good_as_it_says() {
        for step in 0..4000 {
            let x = 0.001 * libm::powf(1.005, step as f32);
            if x > 1e30 {
                break;
            }
            assert!((f64::from(rough_log2(x)) - log2(f64::from(x))).abs() < 2e-4, "{x}");
        }
        for step in -1000..1000 {
            let x = step as f32 * 0.1;
            let exact = exp2(f64::from(x));
            assert!((f64::from(rough_exp2(x)) - exact).abs() < 2e-4 * exact, "{x}");
        }
    }

    #[test]
    fn hyperbolic_sines_agree_with_libm() {
        for step in -600..600 {
            let x = f64::from(step) * 0.1;
            assert!((sinh(x) - libm::sinh(x)).abs() <= 1e-7 * libm::cosh(x));
            assert!((asinh(libm::sinh(x)) - x).abs() < 1e-8);
        }
    }

    #[test]
    fn denormals_have_logarithms() {
        assert!((log2(5e-324) + 1074.0).abs() < 1e-9);
    }

    #[test]
    fn students_tail_is_heavier_than_the_normal() {
        // t = 3.169 with 10 degrees of freedom is the two-sided 1 % point.
        assert!((student_evidence(3.169, 10.0) - 2.0).abs() < 0.02);
        assert!(student_evidence(f32::MAX, 3.0).is_finite());
    }
}
