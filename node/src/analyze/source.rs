//! The bytes of a table: unpacked where they are gzip, its comments counted, cut
//! into records. Knows neither what a first line says nor what columns mean.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{Cursor, Read};
use std::path::Path;
use std::rc::Rc;

use anyhow::{Context as _, Result, bail};
use csv::{ByteRecord, Reader, ReaderBuilder};
use flate2::read::MultiGzDecoder;

use super::beginning::Beginning;

/// Longest row: a longer one has a quote that is never closed (invariant D-6).
pub(super) const ROW_BYTES: usize = 4 << 20;
/// What gzip begins with.
const GZIP: [u8; 2] = [0x1F, 0x8B];

/// Unpacks an input that is gzip, whatever it is called.
///
/// # Errors
/// It cannot be read.
pub(super) fn unpacked(mut input: Box<dyn Read>) -> Result<Box<dyn Read>> {
    let mut start = Vec::new();
    let head = GZIP.len() as u64;
    input.by_ref().take(head).read_to_end(&mut start).context("reading the first bytes")?;
    let is_packed = start == GZIP;
    let whole = Cursor::new(start).chain(input);
    Ok(if is_packed { Box::new(MultiGzDecoder::new(whole)) } else { Box::new(whole) })
}

/// Opens a file, unpacked.
///
/// # Errors
/// It cannot be opened or read.
pub(super) fn file(path: &Path) -> Result<Box<dyn Read>> {
    unpacked(Box::new(File::open(path)?))
}

/// Most runs of comments whose places are known at a time: as many as there are
/// in the rows that are read ahead (invariant D-6).
const RUNS: usize = 65_536;

/// Lines of a table that are comments, noted while they are read.
pub(super) type Comments = Rc<RefCell<Noted>>;

/// How many there are, and where the latest were: the reader takes the first
/// comment before a record for its beginning.
#[derive(Debug, Default)]
pub(super) struct Noted {
    pub(super) count: u64,
    /// First line and number of lines of each run.
    runs: VecDeque<(u64, u64)>,
}

impl Noted {
    fn add(&mut self, line: u64) {
        self.count += 1;
        let has_room = self.runs.len() < RUNS;
        match self.runs.back_mut() {
            Some((first, lines)) if *first + *lines == line => *lines += 1,
            Some(_) | None if has_room => self.runs.push_back((line, 1)),
            Some(_) | None => {}
        }
    }

    /// Returns the line of a record, read in order, that seems to begin at `line`.
    pub(super) fn beyond(&mut self, mut line: u64) -> u64 {
        while let Some((first, lines)) = self.runs.front().copied().filter(|run| run.0 <= line) {
            self.runs.pop_front();
            if first == line {
                line += lines;
            }
        }
        line
    }
}

/// Passes bytes on and counts the lines that begin with `#`.
struct Counting {
    inner: Box<dyn Read>,
    comments: Comments,
    line: u64,
    is_first: bool,
    is_comment: bool,
    is_quoted: bool,
}

impl Read for Counting {
    fn read(&mut self, bytes: &mut [u8]) -> std::io::Result<usize> {
        let read = self.inner.read(bytes)?;
        for byte in &bytes[..read] {
            if self.is_first && *byte == b'#' {
                self.is_comment = true;
                self.comments.borrow_mut().add(self.line);
            }
            self.line += u64::from(*byte == b'\n');
            self.is_quoted ^= *byte == b'"' && !self.is_comment;
            self.is_first = *byte == b'\n' && !self.is_quoted;
            self.is_comment &= !self.is_first;
        }
        Ok(read)
    }
}

/// Returns the records of a table that begins like this, and how many comments
/// came so far.
pub(super) fn table(beginning: Beginning) -> (Reader<Box<dyn Read>>, Comments) {
    let Beginning { delimiter, comments, has_comments, whole, .. } = beginning;
    let comments = Rc::new(RefCell::new(Noted { count: comments, ..Noted::default() }));
    let whole: Box<dyn Read> = if has_comments {
        let comments = Rc::clone(&comments);
        let (line, is_first, is_comment, is_quoted) = (1, true, false, false);
        Box::new(Counting { inner: whole, comments, line, is_first, is_comment, is_quoted })
    } else {
        whole
    };
    let reader = ReaderBuilder::new()
        .delimiter(delimiter)
        .flexible(true)
        .has_headers(false)
        .comment(has_comments.then_some(b'#'))
        .buffer_capacity(1 << 18)
        .from_reader(whole);
    (reader, comments)
}

/// Reads the next record; says whether there was one.
///
/// # Errors
/// It cannot be read, or does not end.
pub(super) fn read(reader: &mut Reader<Box<dyn Read>>, record: &mut ByteRecord) -> Result<bool> {
    let line = reader.position().line();
    let more = reader.read_byte_record(record).with_context(|| format!("after line {line}"))?;
    if record.as_slice().len() > ROW_BYTES {
        bail!("after line {line}: a row of more than {ROW_BYTES} bytes; is a quote never closed?");
    }
    Ok(more)
}

/// Returns a field as text.
pub(super) fn text(field: &[u8]) -> String {
    String::from_utf8_lossy(field).into_owned()
}
