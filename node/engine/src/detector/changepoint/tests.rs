use proptest::prelude::*;

use super::*;
use crate::noise::normals;

/// All run lengths, in double precision: the algorithm as it is printed.
#[derive(Default)]
struct Naive {
    /// Probability, mean, beta, weight; the youngest first.
    runs: Vec<[f64; 4]>,
}

impl Naive {
    fn density([_, mean, beta, weight]: [f64; 4], x: f64, floor: f64) -> f64 {
        let (alpha, kappa) = (ALPHA + weight / 2.0, KAPPA + weight);
        let square = (beta / alpha).max(floor) * (kappa + 1.0) / kappa;
        let ln = libm::lgamma(alpha + 0.5)
            - libm::lgamma(alpha)
            - 0.5 * libm::log(2.0 * std::f64::consts::PI * alpha * square)
            - (alpha + 0.5) * libm::log(1.0 + (x - mean) * (x - mean) / (2.0 * alpha * square));
        libm::exp(ln)
    }

    /// Goes on to `x`; the prior comes from what `state` knows.
    fn step(&mut self, x: f64, state: &Runs, hazard: Hazard) {
        let floor = state.floor();
        let spread = f64::from(state.square).max(floor).sqrt();
        let off = (x - f64::from(state.level)) / (STRAY * spread);
        let wide = 1.0 / (std::f64::consts::PI * STRAY * spread * (1.0 + off * off));
        let fresh = Run::fresh(state);
        self.runs.iter_mut().for_each(|run| run[0] *= 1.0 - 1.0 / hazard.gap);
        self.runs.insert(0, [1.0 / hazard.gap, f64::from(fresh.mean), f64::from(fresh.beta), 0.0]);
        for run in &mut self.runs {
            let own = (1.0 - hazard.strays) * Self::density(*run, x, floor);
            let all = own + hazard.strays * wide;
            let (belief, kappa) = (own / all, KAPPA + run[3]);
            let off = x - run[1];
            run[0] *= all;
            run[2] += 0.5 * kappa * belief / (kappa + belief) * off * off;
            run[1] += belief / (kappa + belief) * off;
            run[3] += belief;
        }
        let total: f64 = self.runs.iter().map(|run| run[0]).sum();
        self.runs.iter_mut().for_each(|run| run[0] /= total);
    }

    /// Returns the probability of a change within the last `lately` values.
    fn recent(&self, lately: u32) -> f64 {
        let runs = self.runs.iter().take(self.runs.len().saturating_sub(1));
        runs.take(lately as usize).map(|run| run[0]).sum()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn few_runs_tell_what_all_runs_tell(
        seed: u64,
        at in 40usize..200,
        shift in -12f64..12.0,
        louder in 0.3f64..4.0,
        strays in prop::sample::select(vec![0.0, 0.01]),
    ) {
        let hazard = Hazard { gap: 300.0, strays };
        let mut normal = normals(seed);
        let (mut state, mut naive) = (Runs::default(), Naive::default());
        let mut astray = 0.0;
        for number in 0..260 {
            let x = normal() * if number < at { 1.0 } else { louder }
                + if number < at { 0.0 } else { shift };
            let before = state;
            let told = state.judge(x, hazard);
            state.learn(x, hazard);
            if number == YOUNG as usize {
                // No run was merged yet, and from here on the prior is told.
                let all = |run: &Run| [run.mass, run.mean, run.beta, run.weight].map(f64::from);
                naive.runs = state.held().iter().map(all).collect();
            } else if number > YOUNG as usize {
                naive.step(before.in_units(x), &before, hazard);
                // Merged runs may be a few values older or younger; while one of two
                // explanations gives way to the other, they do so at their own time.
                let (least, most) = (naive.recent(RECENT - 16), naive.recent(RECENT + 16));
                let off = (least - told.probability).max(told.probability - most).max(0.0);
                astray += off;
                prop_assert!(off <= 0.3, "{number}: {} not in {least}..{most}", told.probability);
            }
            // The naive model knows no change of unit.
            prop_assume!(before.unit == 0.0 || state.unit == before.unit);
        }
        prop_assert!(astray <= 228.0 * 0.04, "on average by {}", astray / 228.0);
    }

    #[test]
    fn nothing_said_is_beyond_measure(values in prop::collection::vec(prop::num::f64::NORMAL, 1..200)) {
        let mut state = Runs::default();
        for x in values {
            let x = x.clamp(-1e37, 1e37);
            let told = state.judge(x, Hazard::default());
            prop_assert!(told.finding.nominal.is_finite() && told.magnitude.is_finite());
            prop_assert!((0.0..=1.0).contains(&told.probability));
            prop_assert!(told.finding.deviation.is_finite() && told.finding.expected.is_finite());
            state.learn(x, Hazard::default());
            let mass: f32 = state.held().iter().map(|run| run.mass).sum();
            prop_assert!(state.held == 0 || (mass - 1.0).abs() < 1e-3, "{mass}");
        }
    }
}

/// Returns what is told after `after` values beyond a change of level at 300.
fn changed(seed: u64, shift: f64, after: u32) -> Change {
    let (mut state, mut normal) = (Runs::default(), normals(seed));
    let mut told = Change::default();
    for number in 0..300 + after {
        let x = 1000.0 + 2.0 * normal() + if number < 300 { 0.0 } else { 2.0 * shift };
        told = state.judge(x, Hazard::default());
        state.learn(x, Hazard::default());
    }
    told
}

#[test]
fn a_change_of_level_is_dated_and_measured() {
    for (shift, after) in [(5.0, 6), (-5.0, 6), (2.0, 30), (-2.0, 30), (20.0, 4)] {
        for seed in 0..10 {
            let told = changed(seed, shift, after);
            assert!(told.probability > 0.95, "{shift}: {told:?}");
            assert!(told.since.abs_diff(after) <= 4, "{shift}: {told:?}");
            assert!((told.magnitude - shift).abs() < 1.5, "{shift}: {told:?}");
            assert!((told.finding.expected - 1000.0).abs() < 1.0, "{told:?}");
        }
    }
}

#[test]
fn one_outlier_is_no_change_whatever_its_size() {
    for size in [8.0, 50.0, 1e3, 1e6, 1e30] {
        let (mut state, mut normal) = (Runs::default(), normals(4));
        for number in 0..400 {
            let x = normal() + if number == 300 { size } else { 0.0 };
            let told = state.judge(x, Hazard::default());
            assert!(number < 100 || told.finding.nominal < 1.0, "{size} {number} {told:?}");
            state.learn(x, Hazard::default());
        }
    }
}

#[test]
fn a_quiet_series_stays_quiet() {
    let (mut state, mut normal) = (Runs::default(), normals(8));
    let mut loud = 0;
    for _ in 0..20_000 {
        let x = normal();
        loud += u32::from(state.judge(x, Hazard::default()).probability > 0.9);
        state.learn(x, Hazard::default());
    }
    assert!(loud < 40, "{loud} of 20,000");
}

/// The recursion's own arithmetic: before data tell runs apart, the run length
/// is distributed as the hazard says (Adams, MacKay, §2.1).
#[test]
fn without_news_the_run_length_is_geometric() {
    let (mut state, mut normal) = (Runs::default(), normals(2));
    for _ in 0..2000 {
        state.learn(normal(), Hazard { gap: 100.0, strays: 0.0 });
    }
    let newest = state.runs[0];
    // The newest run's mass is the hazard times how much worse the prior
    // predicts than the run so far, which is less than certain.
    assert!(newest.length == 1 && newest.mass < 0.02, "{newest:?}");
    let mass: f32 = state.held().iter().map(|run| run.mass).sum();
    assert!((mass - 1.0).abs() < 1e-4);
}

#[test]
fn the_gamma_ratio_is_right() {
    for step in 0..4000 {
        let x = 0.5 + f64::from(step) * 0.7;
        let exact = libm::lgamma(x + 0.5) - libm::lgamma(x);
        assert!((gamma_ratio_ln(x) - exact).abs() < 1e-5, "{x}");
    }
}

#[test]
fn it_is_small() {
    assert!(size_of::<Runs>() <= 600, "{}", size_of::<Runs>());
}
