//! What the terminal shows at the end: what was read, what could not be, and
//! the highest detections with their reasons.

use std::io::Write;
use std::path::Path;

use anyhow::Result;
use via_types::Detection;

use super::Outcome;
use super::figure::{count, figure, plural, style};
use super::moment::show;
use super::subjects::Subject;

/// Prints one file's summary.
///
/// # Errors
/// The terminal cannot be written.
pub(super) fn file(
    screen: &mut impl Write,
    path: &Path,
    outcome: &Outcome,
    top: usize,
) -> Result<()> {
    writeln!(screen, "{}: {}{}", path.display(), plural(outcome.rows, "row"), span(outcome))?;
    writeln!(screen, "  {}", roles(outcome))?;
    ignored(screen, outcome)?;
    let secs = outcome.took.as_secs_f64().max(1e-9);
    writeln!(
        screen,
        "  {} judged, {} of them while warming up; {} rows/s",
        count(outcome.judged),
        count(outcome.warming),
        count((outcome.rows as f64 / secs) as u64),
    )?;
    unjudged(screen, outcome)?;
    if outcome.partly > 0 {
        let partly = plural(outcome.partly, "row");
        writeln!(screen, "  {partly} judged by some of these columns alone")?;
    }
    if outcome.comments > 0 {
        let comments = plural(outcome.comments, "line");
        writeln!(screen, "  {comments} skipped that begin with #")?;
    }
    if outcome.gaps > 0 {
        writeln!(screen, "  {} missing in judged rows", plural(outcome.gaps, "value"))?;
    }
    let total = outcome.findings.total();
    if total == 0 {
        let few = if outcome.unjudged > outcome.judged { " in the few rows judged" } else { "" };
        writeln!(screen, "\nno detections{few}")?;
        return Ok(());
    }
    let highest = outcome.findings.highest(top);
    let shown = highest.len() as u64;
    if shown < total {
        let which = if shown == 0 { String::new() } else { format!(", the {shown} highest:") };
        writeln!(screen, "\n{}{which}", plural(total, "detection"))?;
    } else {
        writeln!(screen, "\n{}", plural(total, "detection"))?;
    }
    if shown == 0 {
        return Ok(());
    }
    table(screen, outcome, &highest)
}

/// Prints one line for each file; returns how many failed.
///
/// # Errors
/// The terminal cannot be written.
pub(super) fn folder(
    screen: &mut impl Write,
    root: &Path,
    outcomes: &[(&Path, Option<Result<Outcome>>)],
) -> Result<usize> {
    let name = |path: &Path| path.strip_prefix(root).unwrap_or(path).display().to_string();
    let width = outcomes.iter().map(|(path, _)| name(path).chars().count()).max().unwrap_or(0);
    let head = ["file", "rows", "entities", "not judged", "detections", "highest", "rows/s"];
    writeln!(
        screen,
        "{:width$}  {:>11}  {:>9}  {:>10}  {:>10}  {:>7}  {:>11}",
        head[0], head[1], head[2], head[3], head[4], head[5], head[6]
    )?;
    let mut failed = 0;
    for (path, outcome) in outcomes {
        let name = name(path);
        match outcome {
            Some(Ok(outcome)) => {
                let highest = outcome.findings.highest(1).first().map_or(0.0, |(_, d)| d.score);
                let speed = outcome.rows as f64 / outcome.took.as_secs_f64().max(1e-9);
                writeln!(
                    screen,
                    "{name:width$}  {:>11}  {:>9}  {:>10}  {:>10}  {highest:>7.3}  {:>11}",
                    count(outcome.rows),
                    count(outcome.entities as u64),
                    count(outcome.unjudged),
                    count(outcome.findings.total()),
                    count(speed as u64),
                )?;
            }
            Some(Err(error)) => {
                failed += 1;
                writeln!(screen, "{name:width$}  failed: {error:#}")?;
            }
            None => {
                failed += 1;
                writeln!(screen, "{name:width$}  failed: its worker stopped")?;
            }
        }
    }
    Ok(failed)
}

fn span(outcome: &Outcome) -> String {
    match (&outcome.columns.time, outcome.span) {
        (Some(_), Some((first, last))) => format!(", {} to {}", show(first), show(last)),
        _ => String::new(),
    }
}

/// Says which column was taken for what.
pub(super) fn roles(outcome: &Outcome) -> String {
    let columns = &outcome.columns;
    let named = |indexes: &[usize]| {
        let names: Vec<_> =
            indexes.iter().map(|index| format!("{:?}", columns.name(*index))).collect();
        names.join(", ")
    };
    let time = match columns.time {
        Some((column, form)) => {
            let clock = columns.clock.map(|clock| format!(" and {:?}", columns.name(clock)));
            let clock = clock.unwrap_or_default();
            format!("time {:?}{clock} ({})", columns.name(column), form.name())
        }
        None => "no time (rows are seconds)".to_owned(),
    };
    let values = match columns.values.len() {
        0 => "every row counts 1".to_owned(),
        1..=6 => format!("value {}", named(&columns.values)),
        many => format!("{many} values from {:?}", columns.name(columns.values[0])),
    };
    let by: Vec<_> =
        columns.subjects.iter().map(|subject| format!("by {}", named(&subject.entity))).collect();
    let entity = if columns.has_entities() {
        let entities = match outcome.entities {
            1 => "1 entity".to_owned(),
            many => format!("{} entities", count(many as u64)),
        };
        format!("{entities} {}", by.join(" and "))
    } else {
        "one entity".to_owned()
    };
    let distinct = match columns.subjects.as_slice() {
        [Subject { distinct: Some(column), .. }] => {
            format!("; distinct values of {:?} counted", columns.name(*column))
        }
        _ => String::new(),
    };
    format!("{time}; {values}; {entity}{distinct}")
}

/// Columns that are ignored for one reason and are named one by one; of more, the
/// first and how many.
const NAMED_COLUMNS: usize = 4;

fn ignored(screen: &mut impl Write, outcome: &Outcome) -> Result<()> {
    let mut rest = outcome.columns.ignored.as_slice();
    while let Some((column, why)) = rest.first() {
        let alike = rest.iter().take_while(|(_, other)| other == why).count();
        let name = outcome.columns.name(*column);
        let told = if alike > NAMED_COLUMNS { alike } else { 1 };
        if told > 1 {
            writeln!(screen, "  {told} columns from {name:?} on ignored: {why}")?;
        } else {
            writeln!(screen, "  column {name:?} ignored: {why}")?;
        }
        rest = &rest[told..];
    }
    Ok(())
}

fn unjudged(screen: &mut impl Write, outcome: &Outcome) -> Result<()> {
    if outcome.unjudged == 0 {
        return Ok(());
    }
    writeln!(screen, "  {} not judged, score 0:", plural(outcome.unjudged, "row"))?;
    for (line, why) in &outcome.named {
        writeln!(screen, "    line {line}: {why}")?;
    }
    let more = outcome.unjudged - outcome.named.len() as u64;
    if more > 0 {
        writeln!(screen, "    and {} more", count(more))?;
    }
    Ok(())
}

fn table(screen: &mut impl Write, outcome: &Outcome, highest: &[(u64, &Detection)]) -> Result<()> {
    let with_entity = outcome.columns.has_entities();
    let when = |detection: &Detection| match outcome.columns.time {
        Some(_) => show(detection.started),
        None => format!("row {}", detection.started.as_nanos() / 1_000_000_000),
    };
    let cells: Vec<[String; 4]> = highest
        .iter()
        .map(|(number, detection)| {
            let entity = if with_entity { detection.entity.clone() } else { String::new() };
            [number.to_string(), when(detection), entity, figure(detection.value)]
        })
        .collect();
    let head = ["#", "began", if with_entity { "entity" } else { "" }, "value"];
    let mut widths = head.map(str::len);
    for row in &cells {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let [number_width, when_width, entity_width, value_width] = widths;
    let gap = if with_entity { "  " } else { "" };
    writeln!(
        screen,
        "  {:>number_width$}  {:when_width$}{gap}{:entity_width$}  score  severity  {:>value_width$}  why",
        head[0], head[1], head[2], head[3],
    )?;
    for ([number, when, entity, value], (_, detection)) in cells.iter().zip(highest) {
        let style = style(detection.severity);
        writeln!(
            screen,
            "  {number:>number_width$}  {when:when_width$}{gap}{entity:entity_width$}  {:.3}  \
             {style}{:8}{style:#}  {value:>value_width$}  {}",
            detection.score, detection.severity, detection.reason,
        )?;
    }
    Ok(())
}
