//! What the demo shows: a line for each detection, and the reckoning at the
//! end. Decides columns and colours; says nothing that others did not say.

use std::io::{IsTerminal as _, Write};
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use anyhow::Result;
use via_traffic::Verdict;

use super::Node;
use super::feed::{Live, Totals};
use super::tally::{News, Tally};
use super::watch::Sighting;
use crate::analyze::figure::{clip, count, style};

const DIM: Style = Style::new().dimmed();
const BOLD: Style = Style::new().bold();
const GOOD: Style = AnsiColor::Green.on_default();

/// Shows where everything is.
pub(crate) fn welcome(screen: &mut impl Write, node: &Node) -> Result<()> {
    let Node { address: node, key, data, .. } = node;
    writeln!(screen, "{BOLD}VIA is running at http://{node}{BOLD:#}")?;
    for (what, path) in [
        ("detections", "/api/v1/detections"),
        ("live feed", "/api/v1/live"),
        ("streams", "/api/v1/streams"),
        ("interface", "/api/v1/docs"),
    ] {
        writeln!(screen, "  {what:12} http://{node}{path}")?;
    }
    writeln!(screen, "  {:12} {}", "data", data.display())?;
    writeln!(
        screen,
        "\nIt answers nobody who does not say who they are. This key lets you in, for a week:\n  \
         curl -H 'Authorization: Bearer {key}' http://{node}/api/v1/detections"
    )?;
    writeln!(
        screen,
        "\nTwo sources go in through the front door: this machine's own figures, and the\n\
         traffic of a made-up shop, of which we know when it is attacked."
    )?;
    Ok(screen.flush()?)
}

/// Shows how far the learning has come: on one line of a terminal, elsewhere
/// on few lines.
pub(crate) fn learning(
    screen: &mut impl Write,
    percent: u32,
    sent: u64,
    history: Duration,
) -> Result<()> {
    let minutes = history.as_secs().div_ceil(60);
    let line = format!(
        "learning the shop's past in fast motion: {percent:3} % of {minutes} minutes, {} events",
        count(sent)
    );
    if std::io::stdout().is_terminal() {
        write!(screen, "\r{DIM}{line}{DIM:#}")?;
    } else if percent.is_multiple_of(25) {
        writeln!(screen, "{line}")?;
    }
    Ok(screen.flush()?)
}

/// Shows that the past is learned, and the heads of the columns.
pub(crate) fn live(screen: &mut impl Write, live: &Live, attacks: usize) -> Result<()> {
    let secs = live.learning_took.as_secs_f64().max(1e-3);
    if std::io::stdout().is_terminal() {
        writeln!(screen)?;
    }
    if live.learned > 0 {
        writeln!(
            screen,
            "learned {} events in {secs:.1} s ({} a second)",
            count(live.learned),
            count((live.learned as f64 / secs) as u64),
        )?;
    }
    let coming = match attacks {
        0 => "no attack will come".to_owned(),
        1 => "an attack will come in a few seconds".to_owned(),
        many => format!("{many} attacks will come, the first in a few seconds"),
    };
    writeln!(
        screen,
        "live from now on: {coming}; this machine's own\nfigures have to be learned first, watch \
         for them after a minute; times are UTC; Ctrl-C ends\n",
    )?;
    writeln!(
        screen,
        "{BOLD}{:8}  {:15}  {:24}  {:5}  {:8}  why{BOLD:#}",
        "began", "stream", "entity", "score", "severity"
    )?;
    Ok(screen.flush()?)
}

/// Shows a detection told for the first time.
pub(crate) fn sighting(screen: &mut impl Write, sighting: &Sighting, news: News) -> Result<()> {
    let civil = sighting.started.to_zoned(jiff::tz::TimeZone::UTC).time();
    let clock = format!("{:02}:{:02}:{:02}", civil.hour(), civil.minute(), civil.second());
    let colour = style(sighting.severity);
    write!(
        screen,
        "{clock}  {:15}  {:24}  {:.3}  {colour}{:8}{colour:#}  {}",
        clip(&sighting.stream, 15),
        clip(&sighting.entity, 24),
        sighting.score,
        sighting.severity,
        sighting.reason,
    )?;
    match news {
        News::True(attack) => writeln!(screen, "  {GOOD}[true: {attack}]{GOOD:#}")?,
        News::False => writeln!(screen, "  {DIM}[nothing was wrong]{DIM:#}")?,
        News::History | News::Machine => writeln!(screen)?,
    }
    Ok(screen.flush()?)
}

/// Shows the reckoning of the run.
pub(crate) fn reckoning(
    screen: &mut impl Write,
    verdict: &Verdict,
    tally: &Tally,
    totals: Totals,
) -> Result<()> {
    writeln!(screen, "\n{BOLD}{:20}  {:>10}  found after{BOLD:#}", "attack", "detections")?;
    for attack in &verdict.attacks {
        let name = attack.strike.attack.name();
        match attack.delay_nanos {
            Some(delay) => {
                let secs = delay as f64 / 1e9;
                writeln!(screen, "{name:20}  {:>10}  {secs:.1} s", attack.findings)?;
            }
            None => writeln!(screen, "{name:20}  {:>10}  missed", 0)?,
        }
    }
    // So that the column sums to what is told below it.
    let listed: u32 = verdict.attacks.iter().map(|attack| attack.findings).sum();
    for (what, detections) in [
        ("begun just now", verdict.true_findings.saturating_sub(listed)),
        ("nothing was wrong", verdict.false_findings),
    ] {
        if detections > 0 {
            writeln!(screen, "{what:20}  {detections:>10}")?;
        }
    }
    if listed > verdict.true_findings {
        let twice = listed - verdict.true_findings;
        writeln!(screen, "{:20}  {:>10}", "of two attacks", format!("-{twice}"))?;
    }
    if verdict.attacks.is_empty() {
        writeln!(screen, "no attack has lasted long enough to be judged; let it run longer")?;
    }
    let share = |ratio: Option<f64>| ratio.map_or("-".to_owned(), |ratio| format!("{ratio:.2}"));
    let found = verdict.attacks.iter().filter(|attack| attack.delay_nanos.is_some()).count();
    writeln!(
        screen,
        "precision {} ({} of {} detections)  recall {} ({found} of {} attacks)  F1 {}",
        share(verdict.precision()),
        verdict.true_findings,
        verdict.true_findings + verdict.false_findings,
        share(verdict.recall()),
        verdict.attacks.len(),
        share(verdict.f1()),
    )?;
    writeln!(
        screen,
        "besides: {} detections while learning the shop's past, {} about this machine\n\
         events: {} accepted, {} refused, {} repeated",
        count(tally.in_history()),
        count(tally.about_machine()),
        count(totals.accepted),
        count(totals.refused),
        count(totals.duplicates),
    )?;
    Ok(screen.flush()?)
}
