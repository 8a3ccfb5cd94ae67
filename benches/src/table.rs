//! The one table a measurement prints: what, target, median, lowest, highest,
//! and whether the target is met. Knows units; measures nothing.

use std::fmt::{self, Display, Formatter};

/// What a figure counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Things each second.
    PerSecond,
    /// Seconds.
    Seconds,
    /// Processors kept busy.
    Cores,
    /// Bytes.
    Bytes,
    /// How many times as much as something else.
    Times,
}

impl Unit {
    fn show(self, value: f64) -> String {
        match self {
            Self::PerSecond if value >= 1e6 => format!("{:.2} M/s", value / 1e6),
            Self::PerSecond if value >= 1e3 => format!("{:.1} k/s", value / 1e3),
            Self::PerSecond => format!("{value:.1} /s"),
            Self::Seconds if value < 0.01 => format!("{:.2} ms", value * 1e3),
            Self::Seconds if value < 1.0 => format!("{:.0} ms", value * 1e3),
            Self::Seconds => format!("{value:.2} s"),
            Self::Times => format!("{value:.2} ×"),
            Self::Cores => format!("{:.1} %", value * 100.0),
            Self::Bytes if value >= 1e6 => format!("{:.1} MB", value / 1e6),
            Self::Bytes if value >= 1e5 => format!("{:.1} kB", value / 1e3),
            Self::Bytes => format!("{value:.0} B"),
        }
    }
}

/// What a figure should be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Target {
    /// This or more.
    AtLeast(f64),
    /// This or less.
    AtMost(f64),
}

/// One figure, measured several times.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Row {
    what: String,
    unit: Unit,
    target: Option<Target>,
    values: Vec<f64>,
}

impl Row {
    /// Makes a row; `values` must not be empty.
    pub(crate) fn new(what: impl Into<String>, unit: Unit, mut values: Vec<f64>) -> Self {
        assert!(!values.is_empty(), "a figure was measured at least once");
        values.sort_by(f64::total_cmp);
        Self { what: what.into(), unit, target: None, values }
    }

    /// Sets what it should be.
    pub(crate) fn target(mut self, target: Option<Target>) -> Self {
        self.target = target;
        self
    }

    fn median(&self) -> f64 {
        let middle = self.values.len() / 2;
        if self.values.len() % 2 == 1 {
            self.values[middle]
        } else {
            f64::midpoint(self.values[middle - 1], self.values[middle])
        }
    }

    fn is_met(&self) -> Option<bool> {
        self.target.map(|target| match target {
            Target::AtLeast(least) => self.median() >= least,
            Target::AtMost(most) => self.median() <= most,
        })
    }

    fn cells(&self) -> [String; 6] {
        let target = self.target.map_or_else(String::new, |target| match target {
            Target::AtLeast(least) => format!("≥ {}", self.unit.show(least)),
            Target::AtMost(most) => format!("≤ {}", self.unit.show(most)),
        });
        let verdict = match self.is_met() {
            Some(true) => "met",
            Some(false) => "missed",
            None => "",
        };
        let last = self.values.len() - 1;
        [
            self.what.clone(),
            target,
            self.unit.show(self.median()),
            self.unit.show(self.values[0]),
            self.unit.show(self.values[last]),
            verdict.to_owned(),
        ]
    }
}

/// Figures, with what they are figures of.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Table {
    /// How they were measured.
    pub(crate) title: String,
    /// The figures.
    pub(crate) rows: Vec<Row>,
    /// What else was found.
    pub(crate) notes: Vec<String>,
}

const HEAD: [&str; 6] = ["what", "target", "median", "lowest", "highest", ""];

impl Display for Table {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let lines: Vec<[String; 6]> = std::iter::once(HEAD.map(str::to_owned))
            .chain(self.rows.iter().map(Row::cells))
            .collect();
        let width = |column: usize| {
            lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0)
        };
        let widths: [usize; 6] = std::array::from_fn(width);
        writeln!(f, "\n{}\n", self.title)?;
        for line in &lines {
            write!(f, "{:<width$}", line[0], width = widths[0])?;
            for (cell, width) in line[1..5].iter().zip(&widths[1..5]) {
                write!(f, "  {cell:>width$}")?;
            }
            writeln!(f, "  {}", line[5])?;
        }
        self.notes.iter().try_for_each(|note| writeln!(f, "{note}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_the_median_and_whether_it_meets_the_target() {
        let rate = Row::new("events", Unit::PerSecond, vec![5e6, 1e6, 4.5e6]);
        let late = Row::new("p99", Unit::Seconds, vec![0.004, 0.008]);
        let table = Table {
            title: "load".to_owned(),
            rows: vec![
                rate.target(Some(Target::AtLeast(4e6))),
                late.target(Some(Target::AtMost(0.005))),
            ],
            notes: vec!["nothing was lost".to_owned()],
        };
        let text = table.to_string();
        let lines: Vec<Vec<&str>> =
            text.lines().skip(3).map(|line| line.split("  ").map(str::trim).collect()).collect();
        let words = |line: &[&str]| {
            line.iter()
                .filter(|word| !word.is_empty())
                .map(|word| (*word).to_owned())
                .collect::<Vec<_>>()
        };
        let met = ["events", "≥ 4.00 M/s", "4.50 M/s", "1.00 M/s", "5.00 M/s", "met"];
        assert_eq!(words(&lines[1]), met);
        let missed = ["p99", "≤ 5.00 ms", "6.00 ms", "4.00 ms", "8.00 ms", "missed"];
        assert_eq!(words(&lines[2]), missed);
        assert!(text.ends_with("nothing was lost\n"));
    }
}
