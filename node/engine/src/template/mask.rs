//! From a log line to its shape: what varies from line to line becomes `<*>`,
//! runs of such become one, blanks are evened. Owns the scan, one pass over the
//! bytes; refuses to know lines before this one. Called by the templates.

use super::atom::{Atom, Nature, address};
use super::class::{DIGIT, WORD, is_word, of};
use super::words::{is_date, is_request, is_telling_key, is_unit};

/// What stands for a value.
pub(crate) const MASK: &[u8] = b"<*>";

/// No place.
const NONE: usize = usize::MAX;

/// One pass over a line.
struct Scan<'a> {
    line: &'a [u8],
    /// The next byte to read.
    at: usize,
    out: &'a mut Vec<u8>,
    /// Where the token being written starts.
    token: usize,
    /// The token holds a mask.
    is_masked: bool,
    /// The token before it.
    last: (usize, usize),
    /// The latest mask that is a value by itself, and the token it is in.
    mask: Mark,
    chain: Chain,
    /// Where a quoted phrase that is read as text ends.
    close: usize,
    /// Kinds of quotes (a bit each) that are not closed in the rest.
    unclosed: u8,
}

#[derive(Clone, Copy)]
struct Mark {
    end: usize,
    token: usize,
    last: (usize, usize),
}

/// Parts joined by slashes, such as `a/b/c`.
#[derive(Clone, Copy)]
struct Chain {
    /// Where the first part was written.
    start: usize,
    /// The slashes so far.
    steps: u32,
    /// The latest mask before it.
    mask: Mark,
}

/// Writes the shape of `line`, up to its first line break, to `out`.
///
/// The shape of a shape is itself. Bytes that are no text are kept as they are.
pub(crate) fn mask(line: &[u8], out: &mut Vec<u8>) {
    out.clear();
    let mark = Mark { end: NONE, token: 0, last: (0, 0) };
    let mut scan = Scan {
        line,
        at: 0,
        out,
        token: 0,
        is_masked: false,
        last: (0, 0),
        mask: mark,
        chain: Chain { start: NONE, steps: 0, mask: mark },
        close: NONE,
        unclosed: 0,
    };
    while let Some(&byte) = line.get(scan.at) {
        if of(byte) & WORD != 0 {
            scan.atom();
        } else if !scan.mark(byte) {
            break;
        }
    }
    scan.end_token();
    while scan.out.last() == Some(&b' ') {
        scan.out.pop();
    }
}

impl Scan<'_> {
    fn peek(&self, ahead: usize) -> u8 {
        self.line.get(self.at + ahead).copied().unwrap_or(b' ')
    }

    /// Whether a value may start here: nothing it could belong to is before it.
    fn is_fresh(&self) -> bool {
        let Some(before) = self.at.checked_sub(1) else { return true };
        matches!(
            self.line[before],
            0..=b' '
                | b'('
                | b'['
                | b'{'
                | b'<'
                | b'>'
                | b'='
                | b':'
                | b','
                | b';'
                | b'|'
                | b'"'
                | b'\''
                | b'`'
                | b'!'
        ) && !self.line[..self.at].ends_with(MASK)
    }

    /// Reads a byte that is no word's; returns false at the end of the line.
    fn mark(&mut self, byte: u8) -> bool {
        match byte {
            b'\n' if !self.out.is_empty() => return false,
            0x1b => self.skip_escape(),
            0..=b' ' | 0x7f => {
                self.at += 1;
                self.end_token();
            }
            b'"' | b'\'' | b'`' => self.quote(byte),
            b'/' | b'\\' => self.slash(),
            b',' | b';' | b'|' => {
                self.copy(1);
                self.end_token();
            }
            b'<' if self.line[self.at..].starts_with(MASK) => self.value(self.at + MASK.len()),
            b'-' | b'+' | b'~' | b'<' | b'>' | b'.' if self.is_sign(byte) => self.at += 1,
            b':' if self.peek(1) == b':' && self.is_fresh() => match address(self.line, self.at) {
                Some(end) => self.value(end),
                None => self.copy(2),
            },
            _ => self.copy(1),
        }
        true
    }

    fn copy(&mut self, bytes: usize) {
        let end = (self.at + bytes).min(self.line.len());
        self.out.extend_from_slice(&self.line[self.at..end]);
        self.at = end;
    }

    /// Skips a terminal's colour code.
    fn skip_escape(&mut self) {
        self.at += 1;
        if self.peek(0) == b'[' {
            self.at += 1;
            while self.at < self.line.len() && matches!(self.peek(0), b'0'..=b'9' | b';') {
                self.at += 1;
            }
            self.at += 1;
        }
    }

    fn is_sign(&self, byte: u8) -> bool {
        if of(self.peek(1)) & DIGIT == 0 || !self.is_fresh() {
            return false;
        }
        let digits = self.line[self.at + 1..].iter().take_while(|b| b.is_ascii_digit()).count();
        // `<5>` is a priority, not less than five.
        byte != b'<' || self.peek(1 + digits) != b'>'
    }

    /// Puts a mask for everything up to `end`, or lets the mask before stand for
    /// it too, where nothing but separators is between them.
    fn value(&mut self, end: usize) {
        self.at = end;
        let between = self.out.get(self.mask.end..);
        if between.is_some_and(|between| between.iter().all(|&byte| is_separator(byte))) {
            self.out.truncate(self.mask.end);
            self.token = self.mask.token;
            self.last = self.mask.last;
            if self.chain.start != NONE {
                self.chain.start = self.chain.start.min(self.mask.end);
            }
        } else {
            self.out.extend_from_slice(MASK);
            self.mask = Mark { end: self.out.len(), token: self.token, last: self.last };
        }
        self.is_masked = true;
    }

    /// Ends a token; one that repeats the one before, masks and all, is dropped:
    /// a list of ids is one id.
    fn end_token(&mut self) {
        let token = &self.out[self.token..];
        if token.is_empty() {
            return;
        }
        let before = &self.out[self.last.0..self.last.1];
        if self.is_masked && bare(token) == bare(before) {
            let (from, to) = (self.token + bare(token).len(), self.out.len());
            let keep = self.last.0 + bare(before).len();
            self.out.copy_within(from..to, keep);
            self.out.truncate(keep + (to - from));
            self.last.1 = self.out.len();
            self.mask.end = NONE;
        } else {
            self.last = (self.token, self.out.len());
        }
        self.out.push(b' ');
        self.token = self.out.len();
        self.is_masked = false;
    }

    /// Reads a run of letters, digits and what joins them.
    fn atom(&mut self) {
        let start = self.at;
        let is_chained = start > 0 && matches!(self.line[start - 1], b'/' | b'\\');
        if !is_chained || self.chain.start == NONE {
            self.chain = Chain { start: self.out.len(), steps: 0, mask: self.mask };
        }
        let mut atom = Atom::read(self.line, start);
        if !atom.has_digits() && self.line[atom.end..].starts_with(MASK) {
            let end = end_of_name(self.line, atom.end + MASK.len());
            self.is_masked = true;
            self.mask.end = NONE;
            return self.copy(end - start);
        }
        match atom.nature(self.line) {
            Nature::Text => self.text(atom.end),
            Nature::Value => self.value(atom.end),
            Nature::Number => {
                self.value(atom.end);
                self.skip_unit();
            }
            Nature::Numbered { digits } => {
                let text = &self.line[start..digits.start];
                self.out.extend_from_slice(signless(text));
                self.out.extend_from_slice(MASK);
                self.out.extend_from_slice(&self.line[digits.end..atom.end]);
                self.is_masked = true;
                self.mask.end = NONE;
                self.at = atom.end;
            }
            Nature::Location => self.value(end_of_path(self.line, atom.end)),
        }
    }

    fn text(&mut self, end: usize) {
        let word = &self.line[self.at..end];
        if matches!(word, [b'A'..=b'Z', _, _, ..]) && is_date(word) && self.is_in_date(end) {
            self.value(end);
        } else {
            self.out.extend_from_slice(word);
            self.at = end;
        }
    }

    /// Whether a number, or one more such word and a number, comes next.
    fn is_in_date(&self, end: usize) -> bool {
        let rest = &self.line[end..];
        let gap = rest.iter().take_while(|byte| matches!(byte, b' ' | b',')).count();
        let rest = &rest[gap..];
        let letters = rest.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
        match (gap, letters) {
            (0, _) => false,
            (_, 0) => rest.first().is_some_and(u8::is_ascii_digit),
            _ => {
                is_date(&rest[..letters])
                    && matches!(rest.get(letters), Some(b' '))
                    && rest[letters..].trim_ascii_start().first().is_some_and(u8::is_ascii_digit)
            }
        }
    }

    fn skip_unit(&mut self) {
        let rest = &self.line[self.at..];
        let micro = [&b"\xc2\xb5s"[..], &b"\xce\xbcs"[..]];
        if rest.starts_with(b"%") {
            self.at += 1;
        } else if micro.iter().any(|unit| rest.starts_with(unit)) {
            self.at += 3;
        }
        if self.peek(0) != b' ' {
            return;
        }
        let Some(rest) = self.line.get(self.at + 1..) else { return };
        let letters = rest.iter().take(9).take_while(|byte| is_word(**byte)).count();
        if is_unit(&rest[..letters]) {
            self.at += 1 + letters;
        }
    }

    /// A path at the start of a token, or one more step of a relative one.
    fn slash(&mut self) {
        let next = self.peek(1);
        let is_start = self.is_fresh() || matches!(self.line[self.at - 1], b'.' | b'~');
        if is_start && (is_word(next) || matches!(next, b'.' | b'\\' | b'/' | b'?' | b'~' | b'$')) {
            return self.value(end_of_path(self.line, self.at + 1));
        }
        if is_start && next == b' ' && self.close != NONE && self.at < self.close {
            return self.value(self.at + 1);
        }
        let is_step = self.at > 0 && is_word(self.line[self.at - 1]) && is_word(next);
        if !is_step {
            self.chain.start = NONE;
        } else if self.chain.start != NONE {
            self.chain.steps += 1;
            if self.chain.steps >= 2 && self.chain.start >= self.token {
                self.out.truncate(self.chain.start);
                self.mask = self.chain.mask;
                self.chain.start = NONE;
                return self.value(end_of_path(self.line, self.at + 1));
            }
        }
        self.copy(1);
    }

    /// A quoted value, or the start or end of a quoted text.
    fn quote(&mut self, quote: u8) {
        let bit = 1 << (quote & 7);
        if self.at == self.close || self.unclosed & bit != 0 || !self.is_fresh() {
            return self.copy(1);
        }
        let Some(close) = self.closing(quote) else {
            self.unclosed |= bit;
            return self.copy(1);
        };
        let is_nested = self.close != NONE && self.at < self.close;
        if !is_nested && self.is_told(close) {
            self.close = close;
            self.copy(1);
        } else {
            self.value(close + 1);
        }
    }

    fn closing(&self, quote: u8) -> Option<usize> {
        let mut at = self.at + 1;
        while at < self.line.len() {
            let byte = self.line[at];
            if byte == b'\\' {
                at += 1;
            } else if byte == quote {
                let after = &self.line[at + 1..];
                if !after.first().is_some_and(|next| is_word(*next)) && !after.starts_with(MASK) {
                    return Some(at);
                }
            }
            at += 1;
        }
        None
    }

    /// Whether the phrase from here to `close` is text: a key of JSON, the value
    /// of a key such as `msg`, the first line of a request.
    fn is_told(&self, close: usize) -> bool {
        let phrase = &self.line[self.at + 1..close];
        if is_request(phrase) {
            return true;
        }
        let before = self.line[..self.at].trim_ascii_end();
        match before.last() {
            Some(b'{' | b',') => {
                let may = |byte: &u8| is_word(*byte) || MASK.contains(byte);
                self.line.get(close + 1) == Some(&b':') && phrase.iter().all(may)
            }
            Some(b'=' | b':') => {
                let key = before[..before.len() - 1].trim_ascii_end();
                let key = key.strip_suffix(b"\"").unwrap_or(key);
                let length = key.iter().rev().take_while(|byte| is_word(**byte)).count();
                is_telling_key(&key[key.len() - length..])
            }
            _ => false,
        }
    }
}

fn is_separator(byte: u8) -> bool {
    matches!(byte, b' ' | b',' | b';' | b':' | b'/' | b'-' | b'|' | b'.' | b'+' | b'&')
}

/// Returns a token without what separates it from the next.
fn bare(token: &[u8]) -> &[u8] {
    match token {
        [rest @ .., b',' | b';' | b'|'] => rest,
        _ => token,
    }
}

/// Returns `name_` of `name_-`: the minus is the number's.
fn signless(text: &[u8]) -> &[u8] {
    match text {
        [.., before, b'-'] if !before.is_ascii_alphanumeric() => &text[..text.len() - 1],
        _ => text,
    }
}

/// Returns where the rest of a name ends whose number is masked already.
fn end_of_name(line: &[u8], mut at: usize) -> usize {
    let is_joint = |at: usize| {
        matches!(line[at], b'-' | b'.' | b'@') && line.get(at + 1).is_some_and(|b| is_word(*b))
    };
    while at < line.len() && (is_word(line[at]) || is_joint(at)) {
        at += 1;
    }
    at
}

/// Returns where the path or address that is being read at `at` ends: before a
/// blank, a quote or a closing bracket, without the sentence's own full stop.
fn end_of_path(line: &[u8], at: usize) -> usize {
    let ends = |byte: u8| {
        matches!(
            byte,
            0..=b' ' | b'"' | b'\'' | b'`' | b',' | b';' | b')' | b']' | b'}' | b'>' | b'<' | b'|'
        )
    };
    let is_escape =
        |at: usize| line[at] == b'\\' && matches!(line.get(at + 1), Some(b'"' | b'\'' | b'`'));
    let is_end = |at: &usize| ends(line[*at]) || is_escape(*at);
    let mut end = (at..line.len()).find(is_end).unwrap_or(line.len());
    while end > at && matches!(line[end - 1], b'.' | b':' | b'!' | b'?') {
        end -= 1;
    }
    end
}
