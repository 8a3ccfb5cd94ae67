//! What happened, as clients saw it: every operation's invocation and how it
//! ended, in one total order, and what the nemesis did between. Knows nothing of
//! VIA; checkers read it, writers of two formats keep it.

pub mod edn;
pub mod json;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use serde_json::Value;

/// How far an operation has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// It begins.
    Invoke,
    /// It took effect.
    Ok,
    /// It surely did not.
    Fail,
    /// It may have, or may yet; also what the nemesis says.
    Info,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Invoke, Self::Ok, Self::Fail, Self::Info];

    /// Returns its name in both formats.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Invoke => "invoke",
            Self::Ok => "ok",
            Self::Fail => "fail",
            Self::Info => "info",
        }
    }
}

/// Who did it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Process {
    /// A client, one operation at a time.
    Client(u64),
    /// Whoever makes the faults.
    Nemesis,
}

/// One line of a history.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Nanoseconds since the test began.
    pub time: u64,
    /// Who.
    pub process: Process,
    /// How far.
    pub kind: Kind,
    /// Which function.
    pub function: String,
    /// What was asked, or what was told.
    pub value: Value,
    /// Why it failed or is not known.
    pub error: Option<String>,
}

/// An operation, whole.
#[derive(Clone, Debug, PartialEq)]
pub struct Operation {
    /// Its client.
    pub process: u64,
    /// Its function.
    pub function: String,
    /// What was asked.
    pub asked: Value,
    /// What was told; null while it is not known.
    pub told: Value,
    /// How it ended: never [`Kind::Invoke`].
    pub outcome: Kind,
    /// Why it failed or is not known.
    pub error: Option<String>,
    /// When it began, nanoseconds.
    pub began: u64,
    /// When it ended, nanoseconds; none when nobody ever said.
    pub ended: Option<u64>,
    /// Its place in the order of the history.
    pub span: Span,
}

/// Where an operation lies in the order of a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The line of its invocation.
    pub invoked: u64,
    /// The line of its end; beyond all lines when it may still take effect.
    pub completed: u64,
}

impl Span {
    /// Says whether it ended before `other` began.
    pub fn precedes(self, other: Self) -> bool {
        self.completed < other.invoked
    }
}

/// A history is not one: a client began twice, or ended what it had not begun.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct Malformed {
    /// The line, from 1.
    pub line: u64,
    /// What is wrong with it.
    pub what: String,
}

impl Malformed {
    pub(crate) fn new(line: usize, what: impl Into<String>) -> Self {
        Self { line: line as u64 + 1, what: what.into() }
    }
}

/// Everything that happened, in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    entries: Vec<Entry>,
}

impl History {
    /// Adds what happened last.
    pub fn push(&mut self, entry: Entry) {
        self.entries.push(entry);
    }

    /// Returns every line.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Pairs invocations with their ends, in order of invocation. One that never
    /// ended is [`Kind::Info`].
    ///
    /// # Errors
    /// A client began twice, or ended what it had not begun.
    pub fn operations(&self) -> Result<Vec<Operation>, Malformed> {
        let mut operations: Vec<Operation> = Vec::new();
        let mut open = std::collections::BTreeMap::new();
        for (line, entry) in self.entries.iter().enumerate() {
            let Process::Client(process) = entry.process else { continue };
            if entry.kind == Kind::Invoke {
                if open.insert(process, operations.len()).is_some() {
                    let what = format!("client {process} begins while it is at work");
                    return Err(Malformed::new(line, what));
                }
                operations.push(begun(process, line, entry));
                continue;
            }
            let at = open.remove(&process).ok_or_else(|| {
                Malformed::new(line, format!("client {process} ends what it did not begin"))
            })?;
            finish(&mut operations[at], line, entry);
        }
        Ok(operations)
    }
}

fn begun(process: u64, line: usize, entry: &Entry) -> Operation {
    Operation {
        process,
        function: entry.function.clone(),
        asked: entry.value.clone(),
        told: Value::Null,
        outcome: Kind::Info,
        error: None,
        began: entry.time,
        ended: None,
        span: Span { invoked: line as u64, completed: u64::MAX },
    }
}

fn finish(operation: &mut Operation, line: usize, entry: &Entry) {
    operation.outcome = entry.kind;
    operation.told = entry.value.clone();
    operation.error.clone_from(&entry.error);
    operation.ended = Some(entry.time);
    if entry.kind != Kind::Info {
        operation.span.completed = line as u64;
    }
}

/// How an operation ended, as its client understands the answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    /// Ok, fail or info.
    pub outcome: Kind,
    /// What was told.
    pub value: Value,
    /// Why it failed or is not known.
    pub error: Option<String>,
}

impl Told {
    /// It took effect.
    pub fn ok(value: Value) -> Self {
        Self { outcome: Kind::Ok, value, error: None }
    }

    /// It surely did not.
    pub fn fail(error: impl Into<String>) -> Self {
        Self { outcome: Kind::Fail, value: Value::Null, error: Some(error.into()) }
    }

    /// It may have, or may yet.
    pub fn info(error: impl Into<String>) -> Self {
        Self { outcome: Kind::Info, value: Value::Null, error: Some(error.into()) }
    }
}

/// Writes the history of a running test; a cheap clone for every client.
#[derive(Clone, Debug)]
pub struct Recorder {
    history: Arc<Mutex<History>>,
    began: Instant,
}

impl Default for Recorder {
    fn default() -> Self {
        Self { history: Arc::default(), began: Instant::now() }
    }
}

impl Recorder {
    /// Notes that `process` asks for `function`.
    pub fn invoke(&self, process: Process, function: &str, value: Value) {
        self.note(process, function, Told { outcome: Kind::Invoke, value, error: None });
    }

    /// Notes how what `process` asked for ended.
    pub fn complete(&self, process: Process, function: &str, told: Told) {
        self.note(process, function, told);
    }

    /// Returns what was recorded so far.
    pub fn history(&self) -> History {
        self.history.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns how many lines were recorded so far.
    pub fn lines(&self) -> usize {
        self.history.lock().unwrap_or_else(PoisonError::into_inner).entries.len()
    }

    /// Returns the nanoseconds since the test began.
    pub fn elapsed(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    fn note(&self, process: Process, function: &str, told: Told) {
        let mut history = self.history.lock().unwrap_or_else(PoisonError::into_inner);
        // Under the lock, so that the times are in the order of the lines.
        let time = self.elapsed();
        let Told { outcome: kind, value, error } = told;
        history.push(Entry { time, process, kind, function: function.to_owned(), value, error });
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn entry(process: u64, kind: Kind) -> Entry {
        let process = Process::Client(process);
        Entry { time: 0, process, kind, function: "f".to_owned(), value: json!(1), error: None }
    }

    fn history(entries: &[(u64, Kind)]) -> History {
        History { entries: entries.iter().map(|(process, kind)| entry(*process, *kind)).collect() }
    }

    #[test]
    fn pairs_what_begins_with_what_ends() {
        let lines = [(1, Kind::Invoke), (2, Kind::Invoke), (2, Kind::Fail), (1, Kind::Ok)];
        let operations = history(&lines).operations().unwrap();
        let seen: Vec<(u64, Kind)> = operations.iter().map(|o| (o.process, o.outcome)).collect();
        assert_eq!(seen, [(1, Kind::Ok), (2, Kind::Fail)]);
        assert!(!operations[0].span.precedes(operations[1].span));
        assert!(!operations[1].span.precedes(operations[0].span));
    }

    #[test]
    fn what_nobody_answered_may_happen_for_ever() {
        for lines in [&[(1, Kind::Invoke)][..], &[(1, Kind::Invoke), (1, Kind::Info)]] {
            let operations = history(lines).operations().unwrap();
            assert_eq!(operations[0].outcome, Kind::Info);
            assert_eq!(operations[0].span.completed, u64::MAX);
        }
    }

    #[test]
    fn refuses_what_is_no_history() {
        assert_eq!(history(&[(1, Kind::Ok)]).operations().unwrap_err().line, 1);
        let twice = [(1, Kind::Invoke), (1, Kind::Invoke)];
        assert_eq!(history(&twice).operations().unwrap_err().line, 2);
    }

    #[test]
    fn recorded_times_follow_the_lines() {
        let recorder = Recorder::default();
        for number in 0..100 {
            recorder.invoke(Process::Client(number), "f", Value::Null);
        }
        let history = recorder.history();
        assert!(history.entries().windows(2).all(|pair| pair[0].time <= pair[1].time));
    }
}
