//! One plain sentence about a detection. Owns wording and the spelling of
//! numbers; refuses to compute. Every figure in it is finite.

use via_types::detection::{Contribution, Direction, Expected};

use crate::explain::{Case, course, direction, forest, hottest, measured, normal};
use crate::math::exp2;
use crate::profile::Feature;

/// Returns one sentence that a person can read aloud.
pub(crate) fn sentence(case: &Case<'_>, feature: Feature, terms: &[Contribution]) -> String {
    let range = normal(case, feature);
    match feature {
        Feature::Value => value(case, range),
        Feature::Step => {
            let (observed, forecast) = measured(case, feature);
            let way = way(direction(case, feature), "jumped", "fell");
            format!(
                "value {way} to {} where about {} was expected next{}",
                figure(observed),
                figure(forecast),
                aside(range)
            )
        }
        Feature::Level => {
            let (observed, long) = measured(case, feature);
            let way = way(direction(case, feature), "rose", "fell");
            format!("level {way} from {} to {}{}", figure(long), figure(observed), aside(range))
        }
        Feature::Spread => {
            let ratio = exp2(case.verdict.reading.spread.deviation);
            if ratio >= 1.0 {
                format!("values scatter {} times as much as usual", figure(ratio))
            } else {
                "values hardly move any more, unlike before".to_owned()
            }
        }
        Feature::Pattern => {
            let (observed, similar) = measured(case, feature);
            let course = format!("values took a course not seen before, now {}", figure(observed));
            if figure(observed) == figure(similar) {
                course
            } else {
                format!("{course} where {} is most alike", figure(similar))
            }
        }
        Feature::Forest => forest::sentence(case),
        Feature::Course => course::leading(case)
            .map_or_else(|| "its course is unusual".to_owned(), |test| test.sentence(case)),
        Feature::Gap => gap(case),
        Feature::Rate => rate(case),
        Feature::Distinct => {
            let (observed, _) = measured(case, feature);
            format!(
                "{} new distinct values in {}{}",
                figure(observed),
                span(case.hot.width_secs()),
                between(range)
            )
        }
        Feature::Lanes => lanes(case, range, terms),
    }
}

fn value(case: &Case<'_>, range: Option<Expected>) -> String {
    let percentile = case.hot.values.percentile(case.sample.value);
    let (share, word) =
        if percentile >= 0.5 { (percentile, "higher") } else { (1.0 - percentile, "lower") };
    let past = figure(f64::from(case.hot.level.count).max(1.0));
    let mut text = format!("value {}{}", figure(case.sample.value), between(range));
    if share > 0.9 {
        // The share itself cannot be told better than one in all that was seen.
        let most = 1.0 - 0.5 / f64::from(case.hot.level.count).max(1.0);
        let percent = percent(share.min(most));
        text.push_str(&format!(", {word} than {percent} % of the past {past} values"));
    } else {
        text.push_str(&format!(", rare among the past {past} values"));
    }
    text
}

fn gap(case: &Case<'_>) -> String {
    let (quick, mean) = measured(case, Feature::Gap);
    let word = if case.verdict.gapped.is_faster() { "faster" } else { "slower" };
    format!(
        "events come {word} than usual: every {} where every {} is normal",
        span(quick),
        span(mean)
    )
}

fn rate(case: &Case<'_>) -> String {
    let width = case.hot.width_secs();
    let closing = &case.verdict.closing;
    if closing.observed == 0.0 {
        let silent = width * f64::from(case.hot.bucket.silent.max(1));
        return format!(
            "no events for {} where one every {} is normal",
            span(silent),
            span(f64::from(case.hot.gaps.mean))
        );
    }
    let usual = closing.rate.map_or(0.0, |counted| counted.expected);
    format!(
        "{} events in {} where about {} are normal",
        figure(closing.observed),
        span(width),
        figure(usual)
    )
}

fn lanes(case: &Case<'_>, range: Option<Expected>, terms: &[Contribution]) -> String {
    let Some((number, observed)) = hottest(case) else {
        return "its values are unusual together".to_owned();
    };
    let name = case.names.get(number).map_or("a value", String::as_str);
    let others: Vec<&str> = terms
        .iter()
        .map(|term| term.feature.as_str())
        .filter(|feature| *feature != name && case.names.iter().any(|name| name == feature))
        .take(2)
        .collect();
    let mut text = format!("{name} {}{}", figure(observed), between(range));
    if !others.is_empty() {
        text.push_str(&format!(", together with {}", others.join(" and ")));
    }
    text
}

fn between(range: Option<Expected>) -> String {
    match range {
        Some(Expected { low, high, .. }) if figure(low) == figure(high) => {
            format!(" where {} is normal", figure(low))
        }
        Some(Expected { low, high, .. }) => {
            format!(" where {} to {} is normal", figure(low), figure(high))
        }
        None => String::new(),
    }
}

/// Spells the normal range beside what the sentence compares with already.
fn aside(range: Option<Expected>) -> String {
    let Some(Expected { low, high, .. }) = range else { return String::new() };
    let (low, high) = (figure(low), figure(high));
    if low == high {
        // A line that never moved: its only value was told.
        return String::new();
    }
    format!(" ({low} to {high} is normal)")
}

fn way(direction: Direction, above: &'static str, below: &'static str) -> &'static str {
    match direction {
        Direction::Above => above,
        Direction::Below => below,
        Direction::Changed => "moved",
    }
}

/// Spells a share as a percentage with as many nines as it has.
fn percent(share: f64) -> String {
    let missing = 1.0 - share;
    let digits = if missing < 1e-4 {
        3
    } else if missing < 1e-3 {
        2
    } else {
        usize::from(missing < 1e-2)
    };
    let scale = [1.0, 10.0, 100.0, 1000.0][digits];
    // Rounded down: 100 % would claim too much.
    format!("{:.digits$}", ((share * 100.0 * scale) as i64) as f64 / scale)
}

/// Spells a span of seconds.
pub(crate) fn span(secs: f64) -> String {
    match secs {
        s if s < 1e-3 => format!("{} µs", figure(s * 1e6)),
        s if s < 1.0 => format!("{} ms", figure(s * 1e3)),
        s if s < 120.0 => format!("{} s", figure(s)),
        s if s < 7200.0 => format!("{} min", figure(s / 60.0)),
        s if s < 172_800.0 => format!("{} h", figure(s / 3600.0)),
        s => format!("{} days", figure(s / 86_400.0)),
    }
}

/// Spells a number with four significant digits and thousands apart.
pub(crate) fn figure(x: f64) -> String {
    let size = x.abs();
    if size == 0.0 || !x.is_finite() {
        return "0".to_owned();
    }
    if !(1e-4..1e15).contains(&size) {
        return format!("{x:.2e}");
    }
    let decimals = match size {
        s if s >= 1000.0 => 0,
        s if s >= 100.0 => 1,
        s if s >= 10.0 => 2,
        s if s >= 0.1 => 3,
        s if s >= 0.01 => 5,
        s if s >= 0.001 => 6,
        _ => 7,
    };
    let plain = format!("{size:.decimals$}");
    let (whole, fraction) = plain.split_once('.').unwrap_or((&plain, ""));
    let mut text = String::from(if x < 0.0 { "-" } else { "" });
    for (place, digit) in whole.chars().enumerate() {
        if place > 0 && (whole.len() - place) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    let fraction = fraction.trim_end_matches('0');
    if !fraction.is_empty() {
        text.push('.');
        text.push_str(fraction);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_spelled_for_people() {
        let spelled =
            [8113.0, 0.1, 1_234_567.8, -12.345, 0.0, 1e20, 5e-9, 99.99, 140.0].map(figure);
        let wanted =
            ["8,113", "0.1", "1,234,568", "-12.35", "0", "1.00e20", "5.00e-9", "99.99", "140"];
        assert_eq!(spelled, wanted);
        assert_eq!(
            [0.084_039_2, 0.001_234_56, 0.000_123_456].map(figure),
            ["0.08404", "0.001235", "0.0001235"]
        );
        assert_eq!(percent(0.99991), "99.991");
        assert_eq!(percent(0.95), "95");
        assert_eq!(span(0.25), "250 ms");
    }
}
