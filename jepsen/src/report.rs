//! A test as one page of HTML without anything from elsewhere: what the checkers
//! say, the latency of every operation over time, how many ended how, and when
//! which fault lasted.

mod chart;

use std::collections::BTreeMap;
use std::fmt::Write;

use self::chart::{Band, Chart, Point};
use crate::checker::{Validity, Verdict};
use crate::history::{Entry, History, Kind, Operation, Process};
use crate::trial::{HEAL, Outcome, Trial};

const STYLE: &str = "
:root { color-scheme: light dark; --ink: #1d2430; --faint: #68707d; --line: #d8dce3;
  --page: #fff; --ok: #2f7d4f; --fail: #c77c11; --info: #b3261e; --band: #5b6bb5; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e8ee; --faint: #98a1ae;
  --line: #333b47; --page: #14181e; --ok: #62c08a; --fail: #e5a84b; --info: #ef7b72;
  --band: #8f9eea; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--page);
  max-width: 1080px; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.4rem; margin: 0 0 .2rem; } h2 { font-size: 1.05rem; margin: 2rem 0 .5rem; }
p.faint, td.faint { color: var(--faint); } svg { width: 100%; height: auto; display: block; }
svg text { font: 11px system-ui, sans-serif; fill: var(--faint); }
table { border-collapse: collapse; width: 100%; } th, td { text-align: left;
  padding: .3rem .8rem .3rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
th { font-weight: 600; } .number { text-align: right; padding-right: 1.4rem; font-variant-numeric: tabular-nums; }
.valid { color: var(--ok); font-weight: 600; } .unknown { color: var(--fail); font-weight: 600; }
.invalid { color: var(--info); font-weight: 600; } ul { margin: .2rem 0; padding-left: 1.1rem; }
.key { display: inline-block; width: .7rem; height: .7rem; border-radius: 50%; margin: 0 .3rem 0 1rem; }
";

/// Writes the page.
///
/// # Errors
/// The history is not one.
pub fn html(trial: &Trial, history: &History, outcome: &Outcome) -> anyhow::Result<String> {
    let operations = history.operations()?;
    let bands = bands(history.entries());
    let seconds = history.entries().last().map_or(1.0, |entry| entry.time as f64 / 1e9).max(1.0);
    let chart = Chart { seconds, bands: &bands };
    let title = escape(&trial.name());
    let mut page = String::new();
    let validity = outcome.validity();
    write!(
        page,
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>{title}: {}</title>\
         <style>{STYLE}</style></head><body><h1>{title}: {}</h1>",
        validity.word(),
        word(validity)
    )?;
    let [ok, fail, info] = outcome.operations;
    write!(
        page,
        "<p class=\"faint\">{} nodes, {} s of faults, seed {}. {} operations: {ok} ok, {fail} failed, \
         {info} unknown. {} events acknowledged. {} faults, {} failovers.</p>",
        trial.nodes,
        trial.time.as_secs(),
        trial.seed,
        operations.len(),
        outcome.events(),
        outcome.strikes,
        outcome.failovers
    )?;
    page.push_str(&verdicts(&outcome.verdicts)?);
    page.push_str(&legend());
    page.push_str(&chart.latencies(&points(&operations)));
    page.push_str("<h2>Operations per second, by how they ended</h2>");
    page.push_str(&chart.rates(&rates(&operations, seconds)));
    page.push_str(&latencies(&operations)?);
    page.push_str(&faults(&bands)?);
    page.push_str("</body></html>\n");
    Ok(page)
}

/// Makes text safe inside HTML.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn word(validity: Validity) -> String {
    format!("<span class=\"{0}\">{0}</span>", validity.word())
}

fn legend() -> String {
    let key = |name: &str| {
        format!("<span class=\"key\" style=\"background:var(--{name})\"></span>{name}")
    };
    let keys: String = ["ok", "fail", "info"].map(key).concat();
    format!("<h2>Latency of each operation, and faults</h2><p class=\"faint\">{keys}</p>")
}

fn verdicts(verdicts: &[Verdict]) -> Result<String, std::fmt::Error> {
    let mut table = String::from("<h2>Verdicts</h2><table>");
    for verdict in verdicts {
        let figures: Vec<String> =
            verdict.figures.iter().map(|(name, count)| format!("{name} {count}")).collect();
        let findings: String =
            verdict.findings().iter().map(|found| format!("<li>{}</li>", escape(found))).collect();
        let findings = if findings.is_empty() { findings } else { format!("<ul>{findings}</ul>") };
        write!(
            table,
            "<tr><th>{}</th><td>{}</td><td class=\"faint\">{}{findings}</td></tr>",
            verdict.checker,
            word(verdict.validity()),
            escape(&figures.join(", "))
        )?;
    }
    table.push_str("</table>");
    Ok(table)
}

fn points(operations: &[Operation]) -> Vec<Point> {
    let point = |operation: &Operation| {
        let ended = operation.ended?;
        Some(Point {
            at: operation.began as f64 / 1e9,
            took: (ended - operation.began) as f64 / 1e9,
            kind: operation.outcome,
        })
    };
    // A subscription lasts as long as it is told to.
    operations.iter().filter(|operation| operation.function != "follow").filter_map(point).collect()
}

/// Counts per second: ok, fail, info.
fn rates(operations: &[Operation], seconds: f64) -> Vec<[u64; 3]> {
    let mut rates = vec![[0; 3]; seconds as usize + 1];
    for operation in operations {
        let Some(ended) = operation.ended else { continue };
        let place = match operation.outcome {
            Kind::Ok => 0,
            Kind::Fail => 1,
            Kind::Info | Kind::Invoke => 2,
        };
        if let Some(second) = rates.get_mut((ended / 1_000_000_000) as usize) {
            second[place] += 1;
        }
    }
    rates
}

fn latencies(operations: &[Operation]) -> Result<String, std::fmt::Error> {
    let mut by_function: BTreeMap<&str, (Vec<u64>, [u64; 3])> = BTreeMap::new();
    for operation in operations {
        let (took, counts) = by_function.entry(&operation.function).or_default();
        match operation.outcome {
            Kind::Ok => {
                counts[0] += 1;
                took.extend(operation.ended.map(|ended| ended - operation.began));
            }
            Kind::Fail => counts[1] += 1,
            Kind::Info | Kind::Invoke => counts[2] += 1,
        }
    }
    let mut table = String::from("<h2>By function</h2><table><tr><th>function</th>");
    for head in ["ok", "fail", "info", "median ms", "p99 ms", "longest ms"] {
        write!(table, "<th class=\"number\">{head}</th>")?;
    }
    table.push_str("</tr>");
    for (function, (mut took, [ok, fail, info])) in by_function {
        took.sort_unstable();
        let at = |share: f64| {
            let place = (took.len() as f64 * share) as usize;
            took.get(place.min(took.len().saturating_sub(1))).map_or(0.0, |t| *t as f64 / 1e6)
        };
        write!(table, "<tr><td>{}</td>", escape(function))?;
        for count in [ok, fail, info] {
            write!(table, "<td class=\"number\">{count}</td>")?;
        }
        for share in [0.5, 0.99, 1.0] {
            write!(table, "<td class=\"number\">{:.2}</td>", at(share))?;
        }
        table.push_str("</tr>");
    }
    table.push_str("</table>");
    Ok(table)
}

fn faults(bands: &[Band]) -> Result<String, std::fmt::Error> {
    let mut table = String::from("<h2>Faults</h2><table>");
    for band in bands {
        write!(
            table,
            "<tr><td class=\"number\">{:.2} s</td><td class=\"number\">{:.2} s</td><td>{}</td>\
             <td class=\"faint\">{}</td></tr>",
            band.from,
            band.to - band.from,
            escape(&band.name),
            escape(&band.what)
        )?;
    }
    table.push_str("</table>");
    Ok(table)
}

/// Pairs the beginning of each fault with its end.
fn bands(entries: &[Entry]) -> Vec<Band> {
    let end = entries.last().map_or(0.0, |entry| entry.time as f64 / 1e9);
    let mut bands: Vec<Band> = Vec::new();
    let mut open: BTreeMap<&str, usize> = BTreeMap::new();
    for entry in entries.iter().filter(|entry| entry.process == Process::Nemesis) {
        let at = entry.time as f64 / 1e9;
        if entry.value["phase"] == "begin" {
            open.insert(&entry.function, bands.len());
            let what = entry.value["deeds"].to_string();
            bands.push(Band { name: entry.function.clone(), from: at, to: end, what });
        } else if entry.function == HEAL {
            std::mem::take(&mut open).into_values().for_each(|band| bands[band].to = at);
        } else if let Some(band) = open.remove(entry.function.as_str()) {
            bands[band].to = at;
        }
    }
    bands
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::time::Duration;

    use serde_json::{Value, json};

    use super::*;
    use crate::cluster::Network;
    use crate::workload::Name;

    fn history() -> History {
        let mut history = History::default();
        let mut line = |time: u64, process, kind, function: &str, value: Value| {
            let (function, error) = (function.to_owned(), None);
            history.push(Entry { time, process, kind, function, value, error });
        };
        let second = 1_000_000_000;
        line(0, Process::Client(1), Kind::Invoke, "add", json!([1]));
        line(
            second,
            Process::Nemesis,
            Kind::Info,
            "kill",
            json!({"phase": "begin", "deeds": ["<Kill>"]}),
        );
        line(2 * second, Process::Client(1), Kind::Ok, "add", json!({}));
        line(3 * second, Process::Nemesis, Kind::Info, "kill", json!({"phase": "end"}));
        history
    }

    #[test]
    fn a_fault_lasts_from_its_beginning_to_its_end() {
        let bands = bands(history().entries());
        assert_eq!(bands.len(), 1);
        assert_eq!((bands[0].from, bands[0].to), (1.0, 3.0));
    }

    #[test]
    fn the_page_holds_everything_and_needs_nothing() {
        let trial = Trial {
            workload: Name::AckedSet,
            nemeses: vec![crate::nemesis::Nemesis::Kill],
            time: Duration::from_secs(3),
            nodes: 1,
            network: Network::Loopback,
            binary: PathBuf::new(),
            seed: 1,
            out: PathBuf::new(),
        };
        let mut verdict = Verdict::new("set-full");
        verdict.violation("element 7 <lost>");
        let outcome =
            Outcome { verdicts: vec![verdict], operations: [1, 0, 0], strikes: 1, failovers: 2 };
        let page = html(&trial, &history(), &outcome).unwrap();
        assert!(page.contains("acked-set+kill") && page.contains("class=\"invalid\""));
        assert!(page.contains("element 7 &lt;lost&gt;") && page.contains("&lt;Kill&gt;"));
        assert!(!page.contains("http:") && !page.contains("https:") && !page.contains("src="));
        assert_eq!(page.matches("<svg").count(), 2);
    }
}
