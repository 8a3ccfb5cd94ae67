//! Gathers lines of any body into parts of bounded size. Where a part ends
//! depends on the text alone, never on how it arrived, so that a retry has the
//! same parts (invariant D-2); memory is bounded whatever the body's length
//! (invariant D-6). Does not look into lines.

/// Most lines of one part: spread over 64 shards they are still batches.
pub(crate) const PART_LINES: usize = 16_384;
/// A part ends with the line that reaches this many bytes.
pub(crate) const PART_BYTES: usize = 2 << 20;

/// Some consecutive lines of a body.
#[derive(Debug, Default)]
pub(crate) struct Part {
    text: Vec<u8>,
    ends: Vec<u32>,
    /// Offsets of the lines that were too long and skipped.
    skipped: Vec<u32>,
    /// The number of its first line, from 1.
    pub(crate) first_line: u64,
    /// Its own number, from 0.
    pub(crate) number: u32,
}

/// One line of a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Line<'a> {
    /// Its text without the line end; may be blank.
    Text(&'a [u8]),
    /// It exceeded the longest allowed.
    TooLong,
}

impl Part {
    /// Returns its lines in order.
    pub(crate) fn lines(&self) -> impl Iterator<Item = Line<'_>> {
        let mut start = 0;
        let mut skipped = self.skipped.iter().peekable();
        self.ends.iter().enumerate().map(move |(nth, end)| {
            let text = &self.text[start..*end as usize];
            start = *end as usize;
            if skipped.next_if(|skipped| **skipped as usize == nth).is_some() {
                Line::TooLong
            } else {
                Line::Text(text)
            }
        })
    }

    /// Returns how many lines it has.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Returns how many bytes of text it holds.
    pub(crate) fn bytes(&self) -> usize {
        self.text.len()
    }

    fn is_complete(&self) -> bool {
        self.len() >= PART_LINES || self.text.len() >= PART_BYTES
    }
}

/// Takes a body's bytes as they come and yields parts.
#[derive(Debug)]
pub(crate) struct Lines {
    part: Part,
    /// Where the unfinished line begins.
    start: usize,
    skipping: bool,
    longest: usize,
}

impl Lines {
    /// Makes a gatherer that skips lines of more than `longest` bytes.
    pub(crate) fn new(longest: usize) -> Self {
        let part = Part { first_line: 1, ..Part::default() };
        Self { part, start: 0, skipping: false, longest }
    }

    /// Takes bytes up to the end of a part; returns how many were taken and the
    /// part that is now complete. Call again with the rest until all is taken.
    pub(crate) fn take(&mut self, bytes: &[u8]) -> (usize, Option<Part>) {
        let mut taken = 0;
        while taken < bytes.len() {
            let rest = &bytes[taken..];
            let end = memchr::memchr(b'\n', rest);
            self.keep(&rest[..end.unwrap_or(rest.len())]);
            taken += end.map_or(rest.len(), |end| end + 1);
            if end.is_some() {
                self.end_line();
                if self.part.is_complete() {
                    return (taken, Some(self.next_part()));
                }
            }
        }
        (taken, None)
    }

    /// Ends the body: returns what is left, if anything.
    pub(crate) fn finish(mut self) -> Option<Part> {
        if self.part.text.len() > self.start || self.skipping {
            self.end_line();
        }
        (self.part.len() > 0).then_some(self.part)
    }

    /// Returns the bytes held now.
    pub(crate) fn bytes(&self) -> usize {
        self.part.bytes()
    }

    fn keep(&mut self, text: &[u8]) {
        if self.skipping {
            return;
        }
        if self.part.text.len() - self.start + text.len() > self.longest {
            self.skipping = true;
            self.part.text.truncate(self.start);
            return;
        }
        self.part.text.extend_from_slice(text);
    }

    fn end_line(&mut self) {
        if std::mem::take(&mut self.skipping) {
            self.part.skipped.push(self.part.ends.len() as u32);
        }
        self.start = self.part.text.len();
        self.part.ends.push(self.start as u32);
    }

    fn next_part(&mut self) -> Part {
        let next = Part {
            first_line: self.part.first_line + self.part.len() as u64,
            number: self.part.number + 1,
            ..Part::default()
        };
        self.start = 0;
        std::mem::replace(&mut self.part, next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE_BYTES: usize = 64 << 10;

    fn parts(body: &[u8], step: usize) -> Vec<Part> {
        let mut lines = Lines::new(LINE_BYTES);
        let mut parts = Vec::new();
        for mut piece in body.chunks(step) {
            while !piece.is_empty() {
                let (taken, part) = lines.take(piece);
                parts.extend(part);
                piece = &piece[taken..];
            }
        }
        parts.extend(lines.finish());
        parts
    }

    fn flat(parts: &[Part]) -> Vec<(u64, u32, Vec<u8>)> {
        let mut all = Vec::new();
        for part in parts {
            for (nth, line) in part.lines().enumerate() {
                let text = match line {
                    Line::Text(text) => text.to_vec(),
                    Line::TooLong => b"<long>".to_vec(),
                };
                all.push((part.first_line + nth as u64, part.number, text));
            }
        }
        all
    }

    #[test]
    fn parts_do_not_depend_on_how_bytes_arrive() {
        let mut body = Vec::new();
        for line in 0..40_000_u32 {
            body.extend_from_slice(format!("line {line}\n").as_bytes());
        }
        let whole = flat(&parts(&body, body.len()));
        assert_eq!(whole, flat(&parts(&body, 7)));
        assert_eq!(whole.len(), 40_000);
        assert_eq!(whole[0], (1, 0, b"line 0".to_vec()));
        assert_eq!(whole[PART_LINES], (PART_LINES as u64 + 1, 1, b"line 16384".to_vec()));
    }

    #[test]
    fn blank_lines_and_a_missing_last_end_are_fine() {
        let all = flat(&parts(b"\n\r\na\n\nb", 2));
        let texts: Vec<_> = all.iter().map(|line| line.2.as_slice()).collect();
        assert_eq!(texts, [b"".as_slice(), b"\r", b"a", b"", b"b"]);
        assert!(parts(b"", 1).is_empty());
    }

    #[test]
    fn a_line_that_is_too_long_is_skipped_and_its_neighbours_kept() {
        let mut body = b"first\n".to_vec();
        body.extend(std::iter::repeat_n(b'x', 5 * LINE_BYTES));
        body.extend_from_slice(b"\nlast\n");
        for step in [1_000, body.len()] {
            let parts = parts(&body, step);
            let lines: Vec<_> = parts[0].lines().collect();
            assert_eq!(lines, [Line::Text(b"first"), Line::TooLong, Line::Text(b"last")]);
            assert!(parts[0].bytes() < 20, "the long line took no memory");
        }
        let unended = parts(&body[..body.len() - 6], 1_000);
        assert_eq!(unended[0].lines().last(), Some(Line::TooLong));
    }

    #[test]
    fn a_part_ends_at_its_size_in_bytes_too() {
        let mut body = Vec::new();
        for _ in 0..200 {
            body.extend(std::iter::repeat_n(b'x', 60_000));
            body.push(b'\n');
        }
        let parts = parts(&body, 9_000);
        assert!(parts.len() > 1);
        assert!(parts.iter().all(|part| part.bytes() < PART_BYTES + LINE_BYTES));
    }
}
