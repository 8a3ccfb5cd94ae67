//! Several named values of one entity at all horizons: how restless they are
//! together, against how restless they usually are. Owns one set of levels per
//! lane; refuses to know names, which its caller keeps.
//!
//! The statistic is the mean evidence of the lanes, in the manner of Fisher,
//! Statistical Methods for Research Workers, 4th ed., 1932, §21.1. Lanes move
//! together, so it is no evidence by his table: only its own past tells how rare
//! it is, which is calibration's to find.

use super::Horizons;
use crate::detector::Finding;
use crate::math::smaller;

/// One lane's evidence counts for no more: it alone would speak for all.
const MOST: f32 = 100.0;

/// The levels of an entity's lanes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HorizonLanes {
    pub(crate) lanes: Vec<Horizons>,
}

impl HorizonLanes {
    /// Judges a row seen at event time `at`: pairs of lane number and value,
    /// absent ones left out. The nominal evidence is the mean of the lanes that
    /// are present; deviation is of it too, nothing being expected.
    pub fn judge(&self, row: impl Iterator<Item = (usize, f64)>, at: i64) -> Finding {
        let (mut sum, mut present) = (0.0, 0u32);
        for (number, x) in row {
            if let Some(lane) = self.lanes.get(number) {
                sum += smaller(lane.judge(x, at).finding.nominal, MOST);
                present += 1;
            }
        }
        if present == 0 {
            return Finding::default();
        }
        let nominal = sum / present as f32;
        Finding { nominal, deviation: f64::from(nominal), expected: 0.0 }
    }

    /// Returns lane `number`'s evidence of `x` alone, its share of the sum that
    /// the mean is of.
    pub fn evidence(&self, number: usize, x: f64, at: i64) -> f32 {
        let lane = self.lanes.get(number);
        lane.map_or(0.0, |lane| smaller(lane.judge(x, at).finding.nominal, MOST))
    }

    /// Takes the levels of late for normal.
    pub fn adopt(&mut self) {
        for lane in &mut self.lanes {
            lane.adopt();
        }
    }

    /// Takes a row in; new lanes are begun.
    pub fn learn(&mut self, row: impl Iterator<Item = (usize, f64)>, at: i64) {
        for (number, x) in row {
            if number >= self.lanes.len() {
                self.lanes.resize(number + 1, Horizons::default());
            }
            self.lanes[number].learn(x, at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000_000_000;

    fn row(minute: u64, lift: f64) -> Vec<(usize, f64)> {
        let noise = |lane: u64| {
            let draw = (minute * 31 + lane + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            ((draw ^ draw >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 40) as f64 / 1e6
        };
        (0..12u64)
            // Now and then a lane is absent.
            .filter(|lane| !(minute + lane).is_multiple_of(17))
            .map(|lane| (lane as usize, noise(lane) + if lane < 4 { lift } else { 0.0 }))
            .collect()
    }

    #[test]
    fn a_lift_of_some_lanes_is_seen_and_they_are_named() {
        let mut state = HorizonLanes::default();
        let (mut quiet, mut loud) = (0.0f32, 0.0f32);
        for minute in 0..3000u64 {
            let row = row(minute, if minute >= 2990 { 40.0 } else { 0.0 });
            let at = minute as i64 * MINUTE;
            let joined = state.judge(row.iter().copied(), at);
            if minute >= 2990 {
                loud = loud.max(joined.nominal);
                let each: Vec<f32> =
                    row.iter().map(|(lane, x)| state.evidence(*lane, *x, at)).collect();
                let mean = each.iter().sum::<f32>() / each.len() as f32;
                assert!((mean - joined.nominal).abs() < 1e-3 * mean, "shares sum to the statistic");
                let most = each.iter().zip(&row).max_by(|a, b| a.0.total_cmp(b.0)).unwrap();
                assert!(minute > 2992 || most.1.0 < 4, "{each:?}");
            } else if minute > 500 {
                quiet = quiet.max(joined.nominal);
            }
            state.learn(row.iter().copied(), at);
        }
        assert!(loud > quiet + 1.0 && loud > 5.0, "{loud} after {quiet}");
    }
}
