use proptest::prelude::*;

use super::*;
use crate::noise::normals;

/// The window as the list of all its values, with the same bucket borders.
#[derive(Default)]
struct Naive {
    /// Values by bucket, the oldest first.
    buckets: Vec<Vec<f64>>,
}

impl Naive {
    fn push(&mut self, z: f64) {
        self.buckets.push(vec![z]);
        for row in 0..ROWS {
            let sized = |bucket: &Vec<f64>| bucket.len() == 1 << row;
            if self.buckets.iter().filter(|bucket| sized(bucket)).count() <= WIDE {
                return;
            }
            let first = self.buckets.iter().position(sized).expect("more than four are so large");
            let younger = self.buckets.remove(first + 1);
            self.buckets[first].extend(younger);
            if row == ROWS - 1 {
                self.buckets.remove(first);
            }
        }
    }

    /// The largest difference over its threshold, from the values themselves.
    fn ratio(&self, square: f64, delta: f64) -> f64 {
        let all: Vec<f64> = self.buckets.concat();
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        let centre = mean(&all);
        let variance = (all.iter().map(|z| (z - centre) * (z - centre)).sum::<f64>()
            / all.len() as f64)
            .max(f64::from(STEADIEST) * square);
        let doubt = libm::log(2.0 * libm::log(all.len() as f64).max(1.0) / delta);
        let (mut border, mut best) = (0, 0.0f64);
        for bucket in &self.buckets {
            border += bucket.len();
            let (older, newer) = all.split_at(border);
            if older.len() < 5 || newer.len() < 5 {
                continue;
            }
            let m = 1.0 / (1.0 / older.len() as f64 + 1.0 / newer.len() as f64);
            let limit = (2.0 / m * variance * doubt).sqrt()
                + 2.0 / (3.0 * m) * doubt * BOUND * square.max(1e-6).sqrt();
            best = best.max((mean(older) - mean(newer)).abs() / limit);
        }
        best
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn buckets_tell_what_the_values_tell(
        seed: u64,
        at in 30usize..300,
        shift in -5f64..5.0,
        delta in prop::sample::select(vec![0.3, 0.002]),
    ) {
        let caution = Caution { delta };
        let (mut normal, mut state, mut naive) = (normals(seed), Window::default(), Naive::default());
        for number in 0..400 {
            let x = 50.0 + normal() + if number < at { 0.0 } else { shift };
            let before = state;
            let cut = state.learn(x, caution);
            if state.unit <= 0.0 {
                continue;
            }
            let fresh = if before.unit > 0.0 {
                Window { count: before.count + 1, ..before }
            } else {
                Window { count: 1, unit: state.unit, ..before }
            };
            prop_assume!(before.unit <= 0.0 || before.unit == state.unit);
            naive.push(f64::from(fresh.in_units(x)));
            let mut is_cut = false;
            while state.count >= YOUNG && naive.buckets.concat().len() > state.width() as usize {
                let ratio = naive.ratio(f64::from(state.square), delta);
                prop_assert!(ratio > 1.0 - 1e-3, "{ratio} does not ask for a cut");
                is_cut = true;
                naive.buckets.remove(0);
            }
            prop_assert_eq!(is_cut, cut.is_some());
            prop_assert_eq!(naive.buckets.concat().len(), state.width() as usize);
            if state.count >= YOUNG {
                prop_assert!(naive.ratio(f64::from(state.square), delta) < 1.0 + 1e-3);
            }
            let values = naive.buckets.concat();
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            let reach = 1e-3 * f64::from(state.square).sqrt().max(1.0);
            prop_assert!((mean - f64::from(state.whole().mean)).abs() < reach);
        }
    }

    #[test]
    fn nothing_said_is_beyond_measure(values in prop::collection::vec(prop::num::f64::NORMAL, 1..200)) {
        let mut state = Window::default();
        for x in values {
            let x = x.clamp(-1e37, 1e37);
            let told = state.judge(x, Caution::default());
            prop_assert!(told.finding.nominal.is_finite());
            prop_assert!(told.finding.deviation.is_finite() && told.finding.expected.is_finite());
            state.learn(x, Caution::default());
        }
    }
}

/// The guarantee of the paper's theorem 3.1: a steady series is cut with a
/// probability of at most δ per value; in practice far less.
#[test]
fn a_steady_series_is_hardly_ever_cut() {
    for seed in 0..5 {
        let (mut state, mut normal) = (Window::default(), normals(seed));
        for _ in 0..20_000 {
            state.learn(7.0 + normal(), Caution::default());
        }
        assert!(state.cuts() <= 2, "{} cuts", state.cuts());
        assert!(state.width() > 2000 || state.cuts() > 0, "{}", state.width());
    }
}

#[test]
fn a_lasting_change_is_cut_once_and_measured() {
    for shift in [-3.0, 3.0, 30.0] {
        let (mut state, mut normal) = (Window::default(), normals(6));
        let mut found = Vec::new();
        for number in 0..2000 {
            let x = 1e6 + normal() + if number < 1000 { 0.0 } else { shift };
            let told = state.judge(x, Caution::default());
            let cut = state.learn(x, Caution::default());
            assert_eq!(told.cut.is_some(), cut.is_some(), "the judge foresees each cut");
            found.extend(cut.map(|cut| (number, cut)));
        }
        let (number, cut) = found[0];
        assert!((1000..1040).contains(&number), "{found:?}");
        assert!((cut.means[1] - cut.means[0]) * shift > 0.0);
        assert!((state.mean() - 1e6 - shift).abs() < 0.2, "{}", state.mean());
        assert!(state.width() < 1000 + 256, "but for the bucket on the border");
    }
}

#[test]
fn a_slow_slope_is_followed() {
    let (mut state, mut normal) = (Window::default(), normals(6));
    for number in 0..6000 {
        let x = normal() + f64::from((number - 3000).max(0)) * 0.002;
        state.learn(x, Caution::default());
    }
    assert!(state.cuts() >= 2 && state.mean() > 4.0, "{} {}", state.cuts(), state.mean());
}

#[test]
fn an_outlier_is_no_drift() {
    let (mut state, mut normal) = (Window::default(), normals(6));
    for number in 0..2000 {
        let x = normal() + if number % 500 == 400 { 1e9 } else { 0.0 };
        state.learn(x, Caution::default());
    }
    assert_eq!(state.cuts(), 0);
}

#[test]
fn it_is_small() {
    assert!(size_of::<Window>() <= 400, "{}", size_of::<Window>());
}
