//! A run of letters, digits and what joins them, and what it is by its looks:
//! a word, a number, an id, an address. Owns these rules; refuses to know what
//! stands around the run. Called by the mask's scan.

use std::ops::Range;

use super::class::{DIGIT, HEX, WORD, is_word, of};
use super::mask::MASK;
use super::words::is_host_end;

/// The longest group of an IP address of version 6.
const GROUP: usize = 4;
/// Hexadecimal digits from which a run with letters is an id and no word.
const SHORTEST_ID: usize = 6;
/// No address is longer.
const LONGEST_ADDRESS: usize = 40;
/// The places of the dashes of a UUID, and its length.
const UUID: ([usize; 4], usize) = ([8, 13, 18, 23], 36);

/// What was counted while reading a run.
#[derive(Clone, Debug)]
pub(crate) struct Atom {
    start: usize,
    /// Where it ends.
    pub(crate) end: usize,
    /// Its first group of digits.
    digits: Range<usize>,
    /// Groups of digits.
    groups: u32,
    dots: u32,
    /// It holds nothing but hexadecimal digits.
    is_hex: bool,
    /// The same, and dashes.
    is_dashed_hex: bool,
    has_at: bool,
}

/// What a run is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Nature {
    /// Words.
    Text,
    /// A number, a date, an address of version 4, a version, with its unit.
    Number,
    /// A name with one number in it: the name is text.
    Numbered {
        /// The number's place.
        digits: Range<usize>,
    },
    /// An id, a host, a mail address.
    Value,
    /// The start of a URL, or of a path with a drive's letter.
    Location,
}

impl Atom {
    /// Reads the run that starts with the word byte at `start`.
    #[inline]
    pub(crate) fn read(line: &[u8], start: usize) -> Self {
        let mut atom = Self {
            start,
            end: start,
            digits: 0..0,
            groups: 0,
            dots: 0,
            is_hex: true,
            is_dashed_hex: true,
            has_at: false,
        };
        while let Some(&byte) = line.get(atom.end) {
            let class = of(byte);
            if class & DIGIT != 0 {
                atom.read_digits(line);
            } else if class & WORD != 0 {
                atom.is_hex &= class & HEX != 0;
                atom.is_dashed_hex &= class & HEX != 0;
                atom.end += 1;
            } else if !atom.join(line, byte) {
                break;
            }
        }
        atom
    }

    fn read_digits(&mut self, line: &[u8]) {
        let from = self.end;
        while line.get(self.end).is_some_and(u8::is_ascii_digit) {
            self.end += 1;
        }
        if self.groups == 0 {
            self.digits = from..self.end;
        }
        self.groups += 1;
    }

    /// Whether the byte joins what is before it to what comes next.
    fn join(&mut self, line: &[u8], byte: u8) -> bool {
        let next = line.get(self.end + 1).copied().unwrap_or(b' ');
        let before = line[self.end - 1];
        let is_number = of(line[self.start]) & DIGIT != 0;
        let joins = match byte {
            b'-' | b'.' | b'@' => is_word(next) || line[self.end + 1..].starts_with(MASK),
            b':' => of(before) & of(next) & DIGIT != 0 && is_number,
            b'+' | b'~' => is_word(next) && is_number,
            _ => false,
        };
        if joins {
            self.dots += u32::from(byte == b'.');
            self.has_at |= byte == b'@';
            self.is_dashed_hex &= byte == b'-';
            self.is_hex = false;
            self.end += 1;
        }
        joins
    }

    /// Whether there is a number in it.
    pub(crate) fn has_digits(&self) -> bool {
        self.groups > 0
    }

    /// Returns what the run is; one that is the start of an address of groups
    /// and colons is read to its end.
    #[inline]
    pub(crate) fn nature(&mut self, line: &[u8]) -> Nature {
        let text = &line[self.start..self.end];
        if line.get(self.end) == Some(&b':') {
            if is_location(text, &line[self.end + 1..]) {
                return Nature::Location;
            }
            if (self.is_hex || self.groups > 1)
                && let Some(end) = address(line, self.start)
            {
                self.end = end;
                return Nature::Value;
            }
        }
        if of(text[0]) & DIGIT != 0 {
            return Nature::Number;
        }
        if self.has_at || (self.dots > 0 && is_host(text, self.dots as usize)) {
            return Nature::Value;
        }
        match self.groups {
            _ if self.is_dashed_hex && is_uuid(text) => Nature::Value,
            0 => Nature::Text,
            1 if self.is_hex && text.len() >= SHORTEST_ID => Nature::Value,
            1 => Nature::Numbered { digits: self.digits.clone() },
            _ => Nature::Value,
        }
    }
}

/// Returns where the hardware address or IP address of version 6 that starts at
/// `start` ends, if there is one.
pub(crate) fn address(line: &[u8], start: usize) -> Option<usize> {
    let rest = &line[start..];
    let may = |byte: &u8| of(*byte) & HEX != 0 || *byte == b':';
    let length = rest.iter().take(LONGEST_ADDRESS).take_while(|byte| may(byte)).count();
    let mut text = &rest[..length];
    while text.ends_with(b":") && !text.ends_with(b"::") {
        text = &text[..text.len() - 1];
    }
    let colons = text.iter().filter(|byte| **byte == b':').count();
    let is_address = (2..=8).contains(&colons)
        && text.iter().any(u8::is_ascii_digit)
        && text.split(|byte| *byte == b':').all(|group| group.len() <= GROUP)
        && !rest.get(text.len()).is_some_and(|byte| is_word(*byte));
    is_address.then_some(start + text.len())
}

/// Whether a URL or a path with a drive's letter starts here.
fn is_location(text: &[u8], after: &[u8]) -> bool {
    let is_scheme = after.starts_with(b"//") && text.iter().all(u8::is_ascii_alphabetic);
    let is_drive = matches!(text, [letter] if letter.is_ascii_alphabetic());
    is_scheme || (is_drive && matches!(after, [b'\\' | b'/', ..]))
}

fn is_uuid(text: &[u8]) -> bool {
    text.len() == UUID.1 && UUID.0.iter().all(|&dash| text[dash] == b'-')
}

fn is_host(text: &[u8], dots: usize) -> bool {
    let is_label = |byte: &u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.');
    let end = text.iter().rposition(|byte| *byte == b'.').map_or(text, |dot| &text[dot + 1..]);
    text.iter().all(is_label) && is_host_end(end, dots)
}
