//! Two pictures over the same time: latencies as points, rates as bars, with
//! bands where faults lasted.

use std::collections::BTreeMap;

use super::escape;
use crate::history::Kind;

const WIDTH: f64 = 1_040.0;
const LEFT: f64 = 48.0;
const HEIGHT: f64 = 300.0;
const LANE: f64 = 14.0;
/// Points beyond this many are thinned out, those that failed last.
const POINTS: usize = 8_000;
/// Least and most latency shown, seconds, as powers of ten.
const LEAST: f64 = -4.0;
const MOST: f64 = 1.5;

/// An operation.
pub(super) struct Point {
    /// When it began, seconds.
    pub(super) at: f64,
    /// How long it took, seconds.
    pub(super) took: f64,
    /// How it ended.
    pub(super) kind: Kind,
}

/// A fault.
pub(super) struct Band {
    /// Whose.
    pub(super) name: String,
    /// When it began, seconds.
    pub(super) from: f64,
    /// When it ended.
    pub(super) to: f64,
    /// What was done.
    pub(super) what: String,
}

/// What both pictures share.
pub(super) struct Chart<'a> {
    /// How long the test took.
    pub(super) seconds: f64,
    /// When faults lasted.
    pub(super) bands: &'a [Band],
}

fn colour(kind: Kind) -> &'static str {
    match kind {
        Kind::Ok => "var(--ok)",
        Kind::Fail => "var(--fail)",
        Kind::Info | Kind::Invoke => "var(--info)",
    }
}

impl Chart<'_> {
    fn x(&self, at: f64) -> f64 {
        LEFT + (WIDTH - LEFT) * (at / self.seconds).clamp(0.0, 1.0)
    }

    /// Draws every operation where it began, as high as it took long.
    pub(super) fn latencies(&self, points: &[Point]) -> String {
        let y = |took: f64| {
            let share = (took.max(1e-9).log10() - LEAST) / (MOST - LEAST);
            HEIGHT * (1.0 - share.clamp(0.0, 1.0))
        };
        let mut body = String::new();
        for (took, label) in [
            (1e-4, "0.1 ms"),
            (1e-3, "1 ms"),
            (1e-2, "10 ms"),
            (0.1, "0.1 s"),
            (1.0, "1 s"),
            (10.0, "10 s"),
        ] {
            body.push_str(&line(y(took), label));
        }
        let ok = points.iter().filter(|point| point.kind == Kind::Ok).count();
        let thin = ok.div_ceil(POINTS).max(1);
        let kept = points.iter().enumerate().filter(|(at, p)| p.kind != Kind::Ok || at % thin == 0);
        for (_, point) in kept {
            let (x, y, fill) = (self.x(point.at), y(point.took), colour(point.kind));
            body.push_str(&format!(
                "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"1.6\" fill=\"{fill}\" fill-opacity=\".65\"/>"
            ));
        }
        self.frame(&body, HEIGHT)
    }

    /// Draws for every second how many operations ended how.
    pub(super) fn rates(&self, rates: &[[u64; 3]]) -> String {
        let height = HEIGHT / 2.0;
        let most = rates.iter().map(|second| second.iter().sum::<u64>()).max().unwrap_or(1).max(1);
        let scale = |count: u64| height * count as f64 / most as f64;
        let mut body = line(0.0, &most.to_string());
        body.push_str(&line(height, "0"));
        for (second, counts) in rates.iter().enumerate() {
            let (x, mut top) = (self.x(second as f64), height);
            let width = (self.x(second as f64 + 1.0) - x - 0.5).max(0.5);
            for (count, kind) in counts.iter().zip([Kind::Ok, Kind::Fail, Kind::Info]) {
                let tall = scale(*count);
                top -= tall;
                if *count > 0 {
                    let fill = colour(kind);
                    body.push_str(&format!(
                        "<rect x=\"{x:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{tall:.1}\" fill=\"{fill}\"/>"
                    ));
                }
            }
        }
        self.frame(&body, height)
    }

    /// Puts the bands behind and below a picture, a lane for each kind of fault.
    fn frame(&self, body: &str, height: f64) -> String {
        let mut lanes: BTreeMap<&str, usize> = BTreeMap::new();
        for band in self.bands {
            let next = lanes.len();
            lanes.entry(&band.name).or_insert(next);
        }
        let mut behind = String::new();
        for band in self.bands {
            let (x, lane) = (self.x(band.from), lanes[band.name.as_str()]);
            let width = (self.x(band.to) - x).max(1.0);
            let top = height + 22.0 + LANE * lane as f64;
            let what = escape(&format!("{}: {}", band.name, band.what));
            behind.push_str(&format!(
                "<rect x=\"{x:.1}\" y=\"0\" width=\"{width:.1}\" height=\"{height}\" fill=\"var(--band)\" fill-opacity=\".10\"/>\
                 <rect x=\"{x:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"9\" rx=\"2\" fill=\"var(--band)\"><title>{what}</title></rect>"
            ));
        }
        for (name, lane) in &lanes {
            let y = height + 30.0 + LANE * *lane as f64;
            let name = escape(name);
            behind.push_str(&format!("<text x=\"0\" y=\"{y:.1}\" font-size=\"9\">{name}</text>"));
        }
        let mut axis = String::new();
        let step = (self.seconds / 10.0).ceil().max(1.0);
        let ticks = (0..).map(|tick| tick as f64 * step).take_while(|at| *at <= self.seconds);
        for at in ticks {
            let (x, y) = (self.x(at), height + 14.0);
            axis.push_str(&format!(
                "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"middle\">{at} s</text>"
            ));
        }
        let tall = height + 26.0 + LANE * lanes.len() as f64;
        format!("<svg viewBox=\"0 -8 {WIDTH} {tall:.0}\" role=\"img\">{behind}{body}{axis}</svg>")
    }
}

fn line(y: f64, label: &str) -> String {
    let text = y + 4.0;
    format!(
        "<line x1=\"{LEFT}\" x2=\"{WIDTH}\" y1=\"{y:.1}\" y2=\"{y:.1}\" stroke=\"var(--line)\"/>\
         <text x=\"{:.0}\" y=\"{text:.1}\" text-anchor=\"end\">{label}</text>",
        LEFT - 6.0
    )
}
