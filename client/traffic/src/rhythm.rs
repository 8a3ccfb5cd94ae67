//! How busy the shop is at an hour of the week.

const HOUR_NANOS: f64 = 3.6e12;
/// Share by which the busiest hour exceeds the mean, and the quietest misses it.
const DAILY_SWING: f64 = 0.45;
/// Share of trade that stays away at the weekend.
const WEEKEND_LOSS: f64 = 0.3;
/// Hours over which the weekend comes and goes.
const BLEND_HOURS: f64 = 4.0;
/// The busiest hour of the day, UTC.
const BUSIEST_HOUR: f64 = 14.0;

/// The largest value [`rhythm`] takes.
pub(crate) const PEAK: f64 = 1.0 + DAILY_SWING;

/// Returns the activity at that time as a multiple of an average weekday's:
/// a cosine over the day, fewer at the weekend, and no steps.
pub fn rhythm(at_nanos: i64) -> f64 {
    // 1970-01-01 was a Thursday: 48 hours later it was Saturday.
    let hours = at_nanos as f64 / HOUR_NANOS;
    let since_saturday = (hours - 48.0).rem_euclid(168.0);
    let hour_of_day = hours.rem_euclid(24.0);
    let turn = (hour_of_day - BUSIEST_HOUR) / 24.0 * std::f64::consts::TAU;
    (1.0 + DAILY_SWING * turn.cos()) * (1.0 - WEEKEND_LOSS * weekend(since_saturday))
}

/// Returns 1 inside the weekend, 0 outside, and a smooth way between.
fn weekend(since_saturday: f64) -> f64 {
    let half = BLEND_HOURS / 2.0;
    // Hours into the weekend, counted from the middle of its beginning.
    let inside =
        if since_saturday > 168.0 - half { since_saturday - 168.0 } else { since_saturday };
    let come = ((inside + half) / BLEND_HOURS).clamp(0.0, 1.0);
    let go = ((48.0 + half - inside) / BLEND_HOURS).clamp(0.0, 1.0);
    let depth = come.min(go);
    depth * depth * (3.0 - 2.0 * depth)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(day: i64, hour: i64) -> f64 {
        rhythm((day * 24 + hour) * 3_600_000_000_000)
    }

    #[test]
    fn afternoons_are_busy_and_weekends_quiet() {
        // Day 4 is a Monday, day 2 a Saturday.
        assert!((at(4, 14) - PEAK).abs() < 1e-9);
        assert!(at(4, 2) < 0.6);
        assert!((at(2, 14) / at(4, 14) - 0.7).abs() < 1e-9);
    }

    #[test]
    fn it_never_steps_and_never_exceeds_its_peak() {
        let minute = 60_000_000_000;
        for step in 0..(14 * 24 * 60) {
            let (here, next) = (rhythm(step * minute), rhythm((step + 1) * minute));
            assert!((0.3..=PEAK).contains(&here), "{here} at minute {step}");
            assert!((next - here).abs() < 0.005, "a step at minute {step}");
        }
    }
}
