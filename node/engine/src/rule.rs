//! When evidence becomes a detection. Owns the five threshold methods and the
//! little each remembers of an entity; refuses to know what is detected.
//! Evidence is calibrated already: 3 means one in a thousand.

use bytemuck::{Pod, Zeroable};
use via_types::config::{Method, Threshold};

use crate::budget::{GRAIN, Peaks};
use crate::ensemble::evidence_of;
use crate::math::log10;

/// No adaptive rule fires below this evidence: one in a hundred is no anomaly.
pub(crate) const LEAST: f32 = 2.0;
/// No budget is so large that less evidence than this is a detection.
const LOWEST: f32 = 0.5;
/// How far saved or overdrawn alerts may stretch the budget, in alerts.
const SAVED: f32 = 3.0;
const OVERDRAWN: f32 = -5.0;
/// Consistency constant of the median absolute deviation for normal data.
const MAD_TO_SD: f64 = 1.4826;

/// What the adaptive methods remember of an entity's evidence.
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Rule {
    mean: f32,
    variance: f32,
    median: f32,
    mad: f32,
    /// Alerts saved (or overdrawn) so far.
    wealth: f32,
    /// Parts of an alert earned that are too small to count yet.
    owed: f32,
    seen: f32,
    pub(crate) peaks: Peaks,
}

/// Returns the evidence from which on there is a detection, for methods that
/// do not depend on the entity.
pub(crate) fn fixed_limit(threshold: &Threshold) -> Option<f32> {
    match threshold.method {
        Method::Ensemble(score) => Some(evidence_of(score) as f32),
        Method::Percentile(quantile) => Some((-log10((1.0 - quantile).clamp(1e-9, 0.5))) as f32),
        Method::EwmaSigma(_) | Method::Mad(_) | Method::Budget(_) | Method::StreamBudget(_) => None,
    }
}

impl Rule {
    /// Returns the evidence from which on there is a detection; `needed` is what
    /// a budget needs of all entities alike.
    pub(crate) fn limit(&self, threshold: &Threshold, needed: f32) -> f32 {
        match threshold.method {
            Method::Ensemble(_) | Method::Percentile(_) => {
                fixed_limit(threshold).expect("these methods have a fixed limit")
            }
            Method::EwmaSigma(sigmas) => {
                let sd = f64::from(self.variance).sqrt().max(0.05);
                ((f64::from(self.mean) + sigmas * sd) as f32).max(LEAST)
            }
            Method::Mad(mads) => {
                let mad = (f64::from(self.mad) * MAD_TO_SD).max(0.05);
                ((f64::from(self.median) + mads * mad) as f32).max(LEAST)
            }
            Method::Budget(_) | Method::StreamBudget(_) => {
                (needed - self.wealth * std::f32::consts::LOG10_2).max(LOWEST)
            }
        }
    }

    /// Takes one event's evidence in; `earned` is the part of an alert that a
    /// budget allows for it.
    pub(crate) fn learn(&mut self, threshold: &Threshold, evidence: f32, earned: f32) {
        self.seen = (self.seen + 1.0).min(1e6);
        let rate = match threshold.adaptive_factor {
            factor if factor > 0.0 => (factor.min(1.0) as f32).max(1.0 / self.seen),
            _ if self.seen <= 100.0 => 1.0 / self.seen,
            _ => 0.0,
        };
        match threshold.method {
            Method::EwmaSigma(_) => {
                let off = evidence - self.mean;
                self.mean += rate * off;
                self.variance += rate * (off * off - self.variance);
            }
            Method::Mad(_) => {
                self.median += step(evidence - self.median, rate);
                self.mad += step((evidence - self.median).abs() - self.mad, rate);
            }
            Method::Budget(_) | Method::StreamBudget(_) => {
                self.owed += earned;
                if self.owed >= GRAIN {
                    self.wealth = (self.wealth + std::mem::take(&mut self.owed)).min(SAVED);
                }
            }
            Method::Percentile(_) | Method::Ensemble(_) => {}
        }
    }

    /// Pays for a detection.
    pub(crate) fn pay(&mut self) {
        self.wealth = (self.wealth - 1.0).max(OVERDRAWN);
    }
}

/// Returns a step towards the median: the sign of the error, at a pace.
fn step(error: f32, rate: f32) -> f32 {
    if error > 0.0 { rate.min(error) } else { -rate.min(-error) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::{EMPTY, Earned, stretched};
    use crate::noise::uniforms;

    /// Detections among `events` normal events, one a second, whose evidence is
    /// `stated` times as large as it should be.
    fn alarms_of(method: Method, events: usize, stated: f32) -> usize {
        let threshold = Threshold { method, ..Threshold::default() };
        let (mut rule, mut ledger) = (Rule::zeroed(), EMPTY);
        let mut alarms = 0;
        for (number, u) in uniforms(events).enumerate() {
            let evidence = -libm::log10f(u) * stated;
            let asked = ledger.asked(&threshold, 1.0, 1.0);
            let stretch = rule.peaks.stretch(&ledger);
            let needed = stretched(ledger.needed(asked), stretch);
            let limit = rule.limit(&threshold, needed);
            if evidence >= limit {
                alarms += 1;
                rule.pay();
                ledger.pay(asked);
            }
            let earned = Earned::of(&threshold, asked, 1.0);
            rule.learn(&threshold, evidence, earned.alerts);
            ledger.earn((&threshold, 1.0), number as i64 * 1_000_000_000, earned);
            ledger.note(asked, evidence, stretch);
            rule.peaks.learn(evidence);
        }
        alarms
    }

    fn alarms(method: Method, events: usize) -> usize {
        alarms_of(method, events, 1.0)
    }

    #[test]
    fn a_fixed_score_alarms_as_often_as_it_says() {
        assert!((40..90).contains(&alarms(Method::Ensemble(0.5), 1_000_000)));
    }

    #[test]
    fn a_percentile_alarms_as_often_as_it_says() {
        assert!((800..1200).contains(&alarms(Method::Percentile(0.999), 1_000_000)));
    }

    #[test]
    fn deviations_from_the_usual_evidence_are_rare() {
        let sigma = alarms(Method::EwmaSigma(6.0), 100_000);
        let mad = alarms(Method::Mad(9.0), 100_000);
        assert!((1..400).contains(&sigma), "{sigma}");
        assert!((1..400).contains(&mad), "{mad}");
    }

    #[test]
    fn a_budget_is_kept_from_a_tenth_to_ten_a_day() {
        for (per_day, days) in [(0.1, 100), (1.0, 30), (10.0, 10)] {
            let asked = per_day * f64::from(days);
            let had = alarms(Method::Budget(per_day), 86_400 * days as usize) as f64;
            assert!((had - asked).abs() <= 0.3 * asked + 3.0, "{had} for {asked}");
        }
    }

    #[test]
    fn a_budget_is_kept_when_calibration_is_off() {
        for stated in [0.5, 1.5, 3.0] {
            let had = alarms_of(Method::Budget(10.0), 86_400 * 10, stated);
            assert!((70..135).contains(&had), "{had} for 100, evidence times {stated}");
        }
    }

    #[test]
    fn a_stream_s_budget_is_kept() {
        let had = alarms(Method::StreamBudget(10.0), 86_400 * 10);
        assert!((70..135).contains(&had), "{had} for 100");
    }
}
