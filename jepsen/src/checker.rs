//! What a history must satisfy. Each checker is a pure function from operations
//! to a [`Verdict`] with its findings in words, and is shown beside it to find
//! what is planted in made-up histories and to pass valid ones.

pub mod detections;
pub mod elements;
pub mod linearizable;
pub mod placement;
pub mod producers;

use serde_json::{Value, json};

use crate::history::Operation;

/// Most violations and doubts that are told one by one.
const TOLD: usize = 20;
const DOUBTS: usize = 5;

/// What a checker says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Validity {
    /// Everything held.
    Valid,
    /// It cannot be told: too little was seen, or it is beyond the checker's bound.
    Unknown,
    /// Something did not hold.
    Invalid,
}

impl Validity {
    /// Returns its word in reports.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Unknown => "unknown",
            Self::Invalid => "invalid",
        }
    }
}

/// What a checker found.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// Which checker.
    pub checker: &'static str,
    /// What was counted, for the report.
    pub figures: Vec<(&'static str, u64)>,
    violations: Vec<String>,
    doubts: Vec<String>,
}

impl Verdict {
    /// Makes a verdict that has found nothing yet.
    pub fn new(checker: &'static str) -> Self {
        Self { checker, figures: Vec::new(), violations: Vec::new(), doubts: Vec::new() }
    }

    /// Says what must not be.
    pub fn violation(&mut self, words: impl Into<String>) {
        self.violations.push(words.into());
    }

    /// Says what could not be told.
    pub fn doubt(&mut self, words: impl Into<String>) {
        self.doubts.push(words.into());
    }

    /// Adds a figure.
    pub fn figure(&mut self, name: &'static str, count: impl TryInto<u64>) {
        self.figures.push((name, count.try_into().unwrap_or(u64::MAX)));
    }

    /// Returns what follows from all that was found.
    pub fn validity(&self) -> Validity {
        match (self.violations.is_empty(), self.doubts.is_empty()) {
            (false, _) => Validity::Invalid,
            (true, false) => Validity::Unknown,
            (true, true) => Validity::Valid,
        }
    }

    /// Returns what was found, violations first, the first of each.
    pub fn findings(&self) -> Vec<String> {
        let mut told = Vec::new();
        for (found, most) in [(&self.violations, TOLD), (&self.doubts, DOUBTS)] {
            told.extend(found.iter().take(most).cloned());
            if found.len() > most {
                told.push(format!("… and {} more", found.len() - most));
            }
        }
        told
    }

    /// Returns it as JSON.
    pub fn json(&self) -> Value {
        let figures: serde_json::Map<String, Value> =
            self.figures.iter().map(|(name, count)| ((*name).to_owned(), json!(count))).collect();
        json!({
            "checker": self.checker,
            "valid": self.validity().word(),
            "figures": figures,
            "findings": self.findings(),
        })
    }
}

/// Returns the operations of one function, in order of invocation.
fn of<'a>(operations: &'a [Operation], function: &str) -> impl Iterator<Item = &'a Operation> {
    operations.iter().filter(move |operation| operation.function == function)
}

/// Says when it was, in seconds of the test.
fn seconds(nanos: u64) -> String {
    format!("{:.3} s", nanos as f64 / 1e9)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::history::{Entry, History, Kind, Process};

    /// Writes histories by hand: operations one after the other unless they are
    /// begun and ended apart.
    #[derive(Default)]
    pub(crate) struct Script {
        history: History,
    }

    impl Script {
        pub(crate) fn begin(&mut self, process: u64, function: &str, value: Value) -> &mut Self {
            self.line(process, Kind::Invoke, function, value)
        }

        pub(crate) fn end(&mut self, process: u64, kind: Kind, value: Value) -> &mut Self {
            self.line(process, kind, "", value)
        }

        pub(crate) fn whole(
            &mut self,
            function: &str,
            asked: Value,
            kind: Kind,
            told: Value,
        ) -> &mut Self {
            let process = self.history.entries().len() as u64 + 1_000;
            self.begin(process, function, asked).end(process, kind, told)
        }

        pub(crate) fn operations(&self) -> Vec<Operation> {
            self.history.operations().unwrap()
        }

        fn line(&mut self, process: u64, kind: Kind, function: &str, value: Value) -> &mut Self {
            let time = self.history.entries().len() as u64;
            let process = Process::Client(process);
            let function = function.to_owned();
            self.history.push(Entry { time, process, kind, function, value, error: None });
            self
        }
    }

    #[test]
    fn a_violation_outweighs_a_doubt() {
        let mut verdict = Verdict::new("test");
        assert_eq!(verdict.validity(), Validity::Valid);
        verdict.doubt("cannot tell");
        assert_eq!(verdict.validity(), Validity::Unknown);
        (0..30).for_each(|number| verdict.violation(format!("{number}")));
        assert_eq!(verdict.validity(), Validity::Invalid);
        assert_eq!(verdict.findings().len(), TOLD + 2);
    }
}
