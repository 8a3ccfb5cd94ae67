//! What happened, in order: a running hash over all of it, and the last lines in
//! words. Two runs of one seed are the same exactly when their hashes are.

use std::collections::VecDeque;
use std::fmt;
use std::io::Write;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::time::Instant;
use xxhash_rust::xxh3::Xxh3;

/// Lines kept for whoever looks at a failure.
const KEPT: usize = 60;

/// How much is told while it happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Telling {
    /// Nothing but the outcome.
    Quiet,
    /// Every line, messages included.
    Everything,
}

/// The trace of one run; a cheap clone.
#[derive(Clone)]
pub(crate) struct Trace(Arc<Inner>);

struct Inner {
    began: Instant,
    telling: Telling,
    book: Mutex<Book>,
}

struct Book {
    hash: Xxh3,
    lines: VecDeque<String>,
    entries: u64,
    violations: Vec<String>,
}

impl Trace {
    /// Begins one now.
    pub(crate) fn begin(telling: Telling) -> Self {
        let book =
            Book { hash: Xxh3::new(), lines: VecDeque::new(), entries: 0, violations: Vec::new() };
        Self(Arc::new(Inner { began: Instant::now(), telling, book: Mutex::new(book) }))
    }

    /// Returns the virtual time since it began, microseconds.
    pub(crate) fn micros(&self) -> u64 {
        self.0.began.elapsed().as_micros() as u64
    }

    /// Notes something worth a line.
    pub(crate) fn note(&self, what: fmt::Arguments<'_>) {
        let line = format!("{:>10.3} {what}", self.micros() as f64 / 1e3);
        let mut book = self.0.book.lock();
        book.entries += 1;
        book.hash.update(line.as_bytes());
        self.tell(&line);
        book.lines.push_back(line);
        if book.lines.len() > KEPT {
            book.lines.pop_front();
        }
    }

    /// Notes something of which there is much: in the hash, and in words only
    /// for who wants everything.
    pub(crate) fn count(&self, bytes: &[u8], words: impl FnOnce() -> String) {
        let at = self.micros();
        let mut book = self.0.book.lock();
        book.entries += 1;
        book.hash.update(&at.to_le_bytes());
        book.hash.update(bytes);
        if self.0.telling == Telling::Everything {
            self.tell(&format!("{:>10.3} {}", at as f64 / 1e3, words()));
        }
    }

    /// Notes that something was not as it must be.
    pub(crate) fn violation(&self, what: fmt::Arguments<'_>) {
        self.note(format_args!("VIOLATION {what}"));
        self.0.book.lock().violations.push(what.to_string());
    }

    /// Returns what was not as it must be.
    pub(crate) fn violations(&self) -> Vec<String> {
        self.0.book.lock().violations.clone()
    }

    /// Returns the last lines.
    pub(crate) fn last(&self) -> Vec<String> {
        self.0.book.lock().lines.iter().cloned().collect()
    }

    /// Returns the hash of everything so far, and how much that was.
    pub(crate) fn sum(&self) -> (u64, u64) {
        let book = self.0.book.lock();
        (book.hash.digest(), book.entries)
    }

    fn tell(&self, line: &str) {
        if self.0.telling == Telling::Everything {
            // Whoever closed the pipe has seen enough.
            let _closed = writeln!(std::io::stdout(), "{line}");
        }
    }
}
