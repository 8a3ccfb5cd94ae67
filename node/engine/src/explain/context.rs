//! Circumstances of a detection, and what one might do about it. Owns the
//! phrases and the table of actions; refuses to know configuration. Times are
//! UTC: the engine knows no time zone.

use via_types::detection::Direction;

use crate::explain::Case;
use crate::explain::sentence::figure;
use crate::profile::Feature;

const WEEKDAYS: [&str; 7] =
    ["Thursday", "Friday", "Saturday", "Sunday", "Monday", "Tuesday", "Wednesday"];
/// A day, seconds.
const DAY: i64 = 86_400;

/// Returns the circumstances worth knowing, each one phrase.
pub(crate) fn context(case: &Case<'_>) -> Vec<String> {
    let mut phrases = Vec::new();
    let secs = case.sample.at.div_euclid(1_000_000_000);
    let (day, second) = (secs.div_euclid(DAY), secs.rem_euclid(DAY));
    let weekday = WEEKDAYS[day.rem_euclid(7) as usize];
    let (hour, minute) = (second / 3600, second / 60 % 60);
    phrases.push(format!("{weekday}, {hour:02}:{minute:02} UTC"));
    let weekend = matches!(weekday, "Saturday" | "Sunday");
    phrases.push(match hour {
        _ if weekend => "at the weekend".to_owned(),
        8..18 => "during business hours".to_owned(),
        _ => "outside business hours".to_owned(),
    });
    let trend = case.hot.level.trend();
    if trend.abs() >= 1.0 {
        let way = if trend > 0.0 { "rising" } else { "falling" };
        phrases.push(format!("values were {way} before ({} deviations)", figure(trend.abs())));
    }
    if let Some(held) = case.cold.series.as_ref().and_then(|series| series.season())
        && let Some((period, strength)) = held.season.strength(case.plan.period)
    {
        phrases.push(format!(
            "repeats every {} h (season explains {} % of the variation)",
            figure(period / 3600.0),
            figure(strength * 100.0)
        ));
    }
    let (evidence, whole) = (case.verdict.evidence, case.verdict.unlabelled);
    if evidence != whole {
        let way = if evidence > whole { "more" } else { "less" };
        phrases.push(format!("counts {way}, as people said of others like it"));
    }
    phrases.push(format!("{} events known of this entity", figure(case.hot.events as f64)));
    phrases
}

/// Returns what one might do when a feature deviates.
pub(crate) fn actions(feature: Feature, direction: Direction) -> Vec<String> {
    let lines: &[&str] = match (feature, direction) {
        (Feature::Value | Feature::Step, Direction::Above) => &[
            "Look at what this entity did at this moment: a deployment, a large request, a new client.",
            "Compare with entities beside it: one of them alone, or all?",
        ],
        (Feature::Value | Feature::Step, _) => &[
            "Check that the source still measures what it used to.",
            "Look for a dependency that answered with less than usual.",
        ],
        (Feature::Level, Direction::Above) => &[
            "Look for a change that began here and stayed: a release, a configuration, a leak.",
            "Check how much room is left before a limit is reached.",
        ],
        (Feature::Level, _) => &[
            "Look for a change that began here and stayed: traffic moved away, a feature switched off.",
        ],
        (Feature::Pattern, _) => &[
            "Compare the chart with the days before: the course is new, if not each value.",
            "Look for what began here: a job, a release, a client that behaves differently.",
        ],
        (Feature::Spread, Direction::Below) => {
            &["Check that the source is alive: values that stop moving are often a stuck sensor."]
        }
        (Feature::Spread, _) => &["Look for instability: retries, flapping, contention."],
        (Feature::Gap | Feature::Rate, Direction::Above) => &[
            "Find out who sends: one client, many, or an attack; consider a rate limit.",
            "Check the capacity of what serves these requests.",
        ],
        (Feature::Gap | Feature::Rate, _) => &[
            "Check that the source is up and can reach its destination.",
            "Look upstream: fewer requests often mean that something before failed.",
        ],
        (Feature::Distinct, Direction::Above) => &[
            "Look for automation: many addresses, ports or accounts in short time mean a scan or stuffing.",
            "Require a second factor or slow the endpoint down while it lasts.",
        ],
        (Feature::Distinct, _) => {
            &["Look for one client that crowds out the others, or for a group that went missing."]
        }
        (Feature::Lanes, _) => &[
            "Start with the values named first: they deviate most.",
            "Look for one cause behind all of them: a shared machine, a deployment, a load change.",
        ],
    };
    lines.iter().map(|line| (*line).to_owned()).collect()
}
