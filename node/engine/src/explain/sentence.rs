//! One plain sentence about a detection. Owns wording and the spelling of
//! numbers, four digits unless more are needed to tell two apart; refuses to
//! compute. Every figure in it is finite.

use via_types::detection::{Contribution, Direction, Expected};

use crate::explain::columns::{hottest, is_off};
use crate::explain::{Case, counted_secs, course, direction, expected, forest, measured};
use crate::math::exp2;
use crate::profile::Feature;

/// Returns one sentence that a person can read aloud.
pub(crate) fn sentence(case: &Case<'_>, feature: Feature, terms: &[Contribution]) -> String {
    let range = expected(case, feature);
    match feature {
        Feature::Value => value(case, range),
        Feature::Step => {
            let (observed, forecast) = measured(case, feature);
            let way = way(direction(case, feature), "jumped", "fell");
            let [observed, forecast] = figures([observed, forecast]);
            let aside = aside(range);
            format!("value {way} to {observed} where about {forecast} was expected next{aside}")
        }
        Feature::Level => {
            let (observed, long) = measured(case, feature);
            let way = way(direction(case, feature), "rose", "fell");
            let [observed, long] = figures([observed, long]);
            format!("level {way} from {long} to {observed}")
        }
        Feature::Spread => {
            let ratio = exp2(case.verdict.reading.spread.deviation);
            if ratio >= 1.0 {
                format!("values scatter {} times as much as usual", figure(ratio))
            } else {
                "values hardly move any more, unlike before".to_owned()
            }
        }
        Feature::Pattern => pattern(case, range),
        Feature::Forest => forest::sentence(case),
        Feature::Course => course::leading(case)
            .map_or_else(|| "its course is unusual".to_owned(), |test| test.sentence(case)),
        Feature::Gap => gap(case),
        Feature::Rate => rate(case),
        Feature::Distinct if case.verdict.newcomer.is_some() => newcomer(case),
        Feature::Distinct => {
            let (observed, usual) = measured(case, feature);
            let [observed, usual] = figures([rounded(observed), whole(usual)]);
            let span = span(counted_secs(case));
            format!("{observed} new distinct values in {span} where about {usual} are normal")
        }
        Feature::Lanes => lanes(case, range, terms),
    }
}

/// Says what was expected of a course: a value that is odd by itself by its range,
/// any other by what should have come next.
fn pattern(case: &Case<'_>, range: Option<Expected>) -> String {
    let (observed, next) = measured(case, Feature::Pattern);
    let is_within = range.is_none_or(|range| (range.low..=range.high).contains(&observed));
    let course = "values took a course not seen before";
    if !is_within {
        let (observed, normal) = between(observed, range);
        return format!("{course}: now {observed}{normal}");
    }
    let near = range.map_or(0.0, |range| 0.1 * (range.high - range.low));
    let is_near = (observed - next).abs() <= near;
    let [observed, next] = figures([observed, next]);
    if is_near || observed == next {
        format!("{course}, though {observed} alone is usual")
    } else {
        format!("{course}: {observed} alone is usual, but about {next} was expected next")
    }
}

fn value(case: &Case<'_>, range: Option<Expected>) -> String {
    let percentile = case.hot.values.percentile(case.sample.value);
    let (share, word) =
        if percentile >= 0.5 { (percentile, "higher") } else { (1.0 - percentile, "lower") };
    let past = figure(f64::from(case.hot.level.count).max(1.0));
    let (observed, normal) = between(case.sample.value, range);
    let mut text = format!("value {observed}{normal}");
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
    let width = counted_secs(case);
    let closing = &case.verdict.closing;
    if closing.observed == 0.0 {
        let silent = case.hot.width_secs() * f64::from(case.hot.bucket.silent.max(1));
        return format!(
            "no events for {} where one every {} is normal",
            span(silent),
            span(f64::from(case.hot.gaps.mean))
        );
    }
    let usual = closing.rate.map_or(0.0, |counted| counted.expected);
    let [observed, usual] = figures([closing.observed, whole(usual)]);
    let noun = if closing.observed == 1.0 { "event" } else { "events" };
    format!("{observed} {noun} in {} where about {usual} are normal", span(width))
}

/// Says how seldom there are entities never seen before, and how many came.
fn newcomer(case: &Case<'_>) -> String {
    let Some(newcomer) = &case.verdict.newcomer else { return String::new() };
    let one_in = rounded(1.0 / f64::from(newcomer.rate).max(1e-9));
    let others = rounded(f64::from(newcomer.lately) - 1.0);
    let beside = match others {
        none if none < 1.0 => String::new(),
        one if one < 2.0 => ", like another one just before".to_owned(),
        many => format!(", like {} others just before", figure(many)),
    };
    format!("never seen before{beside}; one event in {} is of a new entity", figure(one_in))
}

fn lanes(case: &Case<'_>, range: Option<Expected>, terms: &[Contribution]) -> String {
    let Some((number, observed)) = hottest(case) else {
        return "its values are unusual together".to_owned();
    };
    if let Some([one, other]) = case.verdict.joined.apart
        && let (Some(one), Some(other)) = (case.names.get(one), case.names.get(other))
    {
        return format!("{one} and {other} do not move together any more, as they used to");
    }
    let name = case.names.get(number).map_or("a value", String::as_str);
    // Only what is off itself: who stands beside it is innocent.
    let others: Vec<&str> = terms
        .iter()
        .map(|term| term.feature.as_str())
        .filter(|feature| *feature != name && is_off(case, feature))
        .take(2)
        .collect();
    let (observed, normal) = between(observed, range);
    let mut text = format!("{name} {observed}{normal}");
    if !others.is_empty() {
        text.push_str(&format!(", together with {}", others.join(" and ")));
    }
    text
}

/// Spells a value, and the normal range after it.
fn between(observed: f64, range: Option<Expected>) -> (String, String) {
    let Some(Expected { low, high, .. }) = range else {
        return (figure(observed), String::new());
    };
    let is_within = (low..=high).contains(&observed);
    let [observed, low, high] = figures([observed, low, high]);
    let normal = match (low == high, is_within) {
        (true, _) => format!(" where {low} is normal"),
        (false, false) => format!(" where {low} to {high} is normal"),
        // It is the course or the company that is odd.
        (false, true) => format!(", within the usual {low} to {high}"),
    };
    (observed, normal)
}

/// Spells the normal range beside what the sentence compares with already.
fn aside(range: Option<Expected>) -> String {
    let Some(Expected { low, high, .. }) = range else { return String::new() };
    if low == high {
        // A line that never moved: its only value was told.
        return String::new();
    }
    let [low, high] = figures([low, high]);
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

/// Digits of a span of time.
const SPAN_DIGITS: usize = 3;

/// Spells a span of seconds.
pub(crate) fn span(secs: f64) -> String {
    let (size, unit) = match secs {
        s if s < 1e-3 => (s * 1e6, "µs"),
        s if s < 1.0 => (s * 1e3, "ms"),
        s if s < 120.0 => (s, "s"),
        s if s < 7200.0 => (s / 60.0, "min"),
        s if s < 172_800.0 => (s / 3600.0, "h"),
        s => (s / 86_400.0, "days"),
    };
    format!("{} {unit}", spelled(size, SPAN_DIGITS))
}

/// Returns a count that is expected as one would say it: whole, unless it is small.
fn whole(count: f64) -> f64 {
    if count >= 10.0 { rounded(count) } else { rounded(count * 10.0) / 10.0 }
}

fn rounded(count: f64) -> f64 {
    if count < 1e15 { (count + 0.5) as i64 as f64 } else { count }
}

/// Digits of a figure, unless it needs more to be told from its neighbour.
const DIGITS: usize = 4;
/// Digits beyond which doubles say nothing.
const ALL_DIGITS: usize = 15;

/// Spells a number with four significant digits and thousands apart.
pub(crate) fn figure(x: f64) -> String {
    spelled(x, DIGITS)
}

/// Spells numbers that stand beside each other: different ones differently.
pub(crate) fn figures<const N: usize>(numbers: [f64; N]) -> [String; N] {
    let mut digits = DIGITS;
    loop {
        let texts = numbers.map(|number| spelled(number, digits));
        let is_told = |a: usize, b: usize| {
            let differ = (numbers[a] - numbers[b]).abs() > 1e-12 * numbers[a].abs();
            !differ || texts[a] != texts[b]
        };
        if digits == ALL_DIGITS || (0..N).all(|a| (0..a).all(|b| is_told(a, b))) {
            return texts;
        }
        digits += 1;
    }
}

fn spelled(x: f64, digits: usize) -> String {
    if x == 0.0 || !x.is_finite() {
        return "0".to_owned();
    }
    let rounded: f64 = format!("{x:.*e}", digits - 1).parse().unwrap_or(x);
    let size = rounded.abs();
    if !(1e-4..1e15).contains(&size) {
        return format!("{rounded:e}");
    }
    let plain = size.to_string();
    let (whole, fraction) = plain.split_once('.').unwrap_or((&plain, ""));
    let mut text = String::from(if x < 0.0 { "-" } else { "" });
    for (place, digit) in whole.chars().enumerate() {
        if place > 0 && (whole.len() - place) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
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
        let wanted = ["8,113", "0.1", "1,235,000", "-12.35", "0", "1e20", "5e-9", "99.99", "140"];
        assert_eq!(spelled, wanted);
        assert_eq!(
            [0.084_039_2, 0.001_234_56, 0.000_123_456].map(figure),
            ["0.08404", "0.001235", "0.0001235"]
        );
        assert_eq!(figures([93.628_99, 1_234_567.0]), ["93.63", "1,235,000"]);
        assert_eq!(figures([1_234_567.0, 1_234_569.0]), ["1,234,567", "1,234,569"]);
        assert_eq!(figures([5.0, 5.0, 0.1 + 0.2]), ["5", "5", "0.3"]);
        assert_eq!(percent(0.99991), "99.991");
        assert_eq!(percent(0.95), "95");
        assert_eq!(span(0.25), "250 ms");
    }
}
