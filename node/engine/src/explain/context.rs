//! Circumstances of a detection with how much each bears on it, and what one might
//! do about it. Owns the phrases, their relevance and the table of actions. None
//! of it changes a score.

use via_types::calendar::Day;
use via_types::detection::{Circumstance, Direction, Similar};

use crate::explain::sentence::{figure, span};
use crate::explain::{Case, direction};
use crate::profile::{Feature, SPARED};

/// Relevance below which a circumstance is none.
const LEAST: f64 = 0.02;
/// Relevance of a known event that the moment lies within.
const KNOWN: f64 = 0.95;
/// Relevance of the time of day, and what a season that explains all adds to it.
const CLOCK: f64 = 0.2;
const SEASONAL: f64 = 0.6;
/// Relevance of business hours; outside of them more.
const BUSINESS: f64 = 0.25;
const AFTER_HOURS: f64 = 0.4;
/// How much more the hour has to do with how much happens than with what.
const BUSY: f64 = 1.5;
/// Deviations of trend that are half relevant; one against the deviation counts
/// by half.
const TREND: f64 = 2.0;
/// Events until which knowing few is more relevant than not.
const FEW: f64 = 32.0;
/// Least relevance of what people said; more the more it changed.
const SAID: f64 = 0.3;
/// Relevance of tests that were not made.
const SPARING: f64 = 0.5;
/// Relevance of a detection that was exactly alike.
const ALIKE: f64 = 0.8;

/// Returns the circumstances worth knowing, most relevant first.
pub(crate) fn context(case: &Case<'_>, feature: Feature, similar: &[Similar]) -> Vec<Circumstance> {
    let mut all = Vec::new();
    let season = season(case);
    let secs = case.sample.at.div_euclid(1_000_000_000);
    for name in case.calendar.events(secs) {
        all.push(circumstance(format!("during {name}, which is in the calendar"), KNOWN));
    }
    let strength = season.as_ref().map_or(0.0, |(_, strength)| *strength);
    when(case, feature, strength, &mut all);
    all.extend(trend(case, feature));
    all.extend(season.map(|(period, strength)| {
        let text = format!(
            "repeats every {} (season explains {} % of the variation)",
            span(period),
            figure(strength * 100.0)
        );
        circumstance(text, strength)
    }));
    if case.hot.is(SPARED) {
        let text = "judged without its costly tests: memory is short, and others matter more";
        all.push(circumstance(text.to_owned(), SPARING));
    }
    all.extend(before(case, similar));
    all.extend(labelled(case));
    let events = case.hot.events as f64;
    let known = format!("{} events known of this entity", figure(events));
    all.push(circumstance(known, FEW / (FEW + events)));
    all.retain(|one| one.relevance >= LEAST);
    // Of equal relevance those come first that were said first.
    all.sort_by(|a, b| b.relevance.total_cmp(&a.relevance));
    all
}

fn circumstance(text: String, relevance: f64) -> Circumstance {
    // Two decimals: nobody can tell more.
    let relevance = ((relevance.clamp(0.0, 1.0) * 100.0 + 0.5) as i64) as f64 / 100.0;
    Circumstance { text, relevance }
}

fn season(case: &Case<'_>) -> Option<(f64, f64)> {
    case.cold.series.as_ref()?.season.strength(case.plan.period)
}

/// Says what time it was for people at the place, and whether they work then.
fn when(case: &Case<'_>, feature: Feature, strength: f64, all: &mut Vec<Circumstance>) {
    let local = case.calendar.local(case.sample.at.div_euclid(1_000_000_000));
    let (hour, minute) = (local.minute / 60, local.minute % 60);
    let zone = match local.offset_minutes {
        0 => "UTC".to_owned(),
        offset => {
            let sign = if offset < 0 { '-' } else { '+' };
            format!("UTC{sign}{:02}:{:02}", offset.abs() / 60, offset.abs() % 60)
        }
    };
    let is_of_pace = matches!(feature, Feature::Rate | Feature::Gap | Feature::Distinct);
    let busy = if is_of_pace { BUSY } else { 1.0 };
    let clock = format!("{}, {hour:02}:{minute:02} {zone}", local.day.name());
    all.push(circumstance(clock, CLOCK * busy + SEASONAL * strength));
    let is_weekend = matches!(local.day, Day::Sat | Day::Sun);
    let (text, relevance) = match (local.is_business, case.calendar.is_working(local.day)) {
        (true, _) => ("during business hours", BUSINESS),
        (false, false) if is_weekend => ("at the weekend", AFTER_HOURS),
        (false, false) => ("on a day without business hours", AFTER_HOURS),
        (false, true) => ("outside business hours", AFTER_HOURS),
    };
    all.push(circumstance(text.to_owned(), relevance * busy));
}

/// Says whether values were going somewhere already.
fn trend(case: &Case<'_>, feature: Feature) -> Option<Circumstance> {
    let trend = case.hot.level.trend();
    if trend.abs() < 1.0 {
        return None;
    }
    let way = if trend > 0.0 { "rising" } else { "falling" };
    let is_against = match direction(case, feature) {
        Direction::Above => trend < 0.0,
        Direction::Below => trend > 0.0,
        Direction::Changed => false,
    };
    let relevance = trend.abs() / (trend.abs() + TREND) * if is_against { 0.5 } else { 1.0 };
    let text = format!("values were {way} before, by {} standard deviations", figure(trend.abs()));
    Some(circumstance(text, relevance))
}

/// Says that labels of people counted.
fn labelled(case: &Case<'_>) -> Option<Circumstance> {
    let (evidence, whole) = (case.verdict.evidence, case.verdict.unlabelled);
    let way = if evidence > whole { "more" } else { "less" };
    let text = format!("counts {way}, as people said of others like it");
    let share = f64::from((evidence - whole).abs()) / f64::from(whole.max(f32::MIN_POSITIVE));
    (evidence != whole).then(|| circumstance(text, SAID.max(share)))
}

/// Says that there were detections like it.
fn before(case: &Case<'_>, similar: &[Similar]) -> Option<Circumstance> {
    let most = similar.first()?;
    let newest = similar.iter().map(|one| one.at.as_nanos()).max()?;
    let ago = span(case.sample.at.saturating_sub(newest).max(0) as f64 * 1e-9);
    let text = match similar.len() {
        1 => format!("one detection like it before, {ago} earlier"),
        many => format!("{many} detections like it before, the last {ago} earlier"),
    };
    Some(circumstance(text, ALIKE * most.similarity))
}

/// Returns what one might do when a feature deviates.
pub(crate) fn actions(case: &Case<'_>, feature: Feature) -> Vec<String> {
    let lines: &[&str] = match (feature, direction(case, feature)) {
        (Feature::Distinct, _) if case.verdict.newcomer.is_some() => &[
            "Look at the first event: what is it that never happened before?",
            "Look for what began here: a release, a new client, an error nobody has met.",
        ],
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
        (Feature::Forest, _) => &[
            "Look at the values together: none need be odd alone.",
            "Compare with what was the last time they stood like this.",
        ],
        (Feature::Course, _) => &[
            "Look at the chart from further away: the change is in many events, not in one.",
            "Look for what began when it did: a release, a configuration, a leak, other users.",
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
