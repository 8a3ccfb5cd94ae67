//! How a file begins: its encoding, what separates fields and how lines end. Knows
//! neither rows nor columns.

use std::io::Read;

use anyhow::{Context as _, Result, bail};

use super::decimal::is_number;

/// What the first line tells, and the input from the table's first line on.
pub(crate) struct Beginning {
    /// What separates fields.
    pub(crate) delimiter: u8,
    /// Lines before the table's first.
    pub(crate) skipped: u64,
    /// How many of them are comments.
    pub(crate) comments: u64,
    /// Lines that begin with `#` are comments.
    pub(crate) has_comments: bool,
    /// Lines end with two bytes.
    pub(crate) has_returns: bool,
    /// The table, from its first byte on.
    pub(crate) whole: Box<dyn Read>,
}

/// Tells what separates fields from the first line, which may be there to say just
/// that: `sep=;`, as spreadsheets write it.
///
/// # Errors
/// It cannot be read, or is no UTF-8.
pub(crate) fn of(mut input: Box<dyn Read>) -> Result<Beginning> {
    let mut start = Vec::new();
    input.by_ref().take(1 << 16).read_to_end(&mut start).context("reading the first bytes")?;
    if matches!(start.as_slice(), [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..]) || start.contains(&0) {
        bail!("it is not UTF-8 text but, it seems, UTF-16 or binary; save it as CSV in UTF-8");
    }
    let text = start.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&start);
    if let Some(beginning) = commented(text) {
        return Ok(Beginning { whole: Box::new(beginning.whole.chain(input)), ..beginning });
    }
    let first = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let has_returns = first.ends_with(b"\r");
    let line = first.strip_suffix(b"\r").unwrap_or(first);
    let said = match line {
        [b's' | b'S', b'e' | b'E', b'p' | b'P', b'=', said] => Some(*said),
        _ => None,
    };
    let (delimiter, skipped) = match said {
        Some(said) => (said, 1),
        None => (delimiter(first), 0),
    };
    if said.is_some() {
        let table = text.get(first.len() + 1..).unwrap_or_default().to_vec();
        start = table;
    }
    let has_comments = has_comments(&start);
    let whole = Box::new(std::io::Cursor::new(start).chain(input));
    Ok(Beginning { delimiter, skipped, comments: 0, has_comments, has_returns, whole })
}

/// Says whether lines that begin with `#` are comments: not where most lines do.
fn has_comments(start: &[u8]) -> bool {
    let lines = start.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let (hashed, total) = lines.fold((0, 0), |(hashed, total), line| {
        (hashed + usize::from(line.starts_with(b"#")), total + 1)
    });
    hashed * 2 < total
}

/// Leaves out the comments before a table. The last of them is its header when it
/// has names for a first line of figures: `#time,value`.
fn commented(start: &[u8]) -> Option<Beginning> {
    if !start.starts_with(b"#") {
        return None;
    }
    let (mut rest, mut skipped, mut last) = (start, 0, &start[..0]);
    while rest.starts_with(b"#") {
        let end = rest.iter().position(|byte| *byte == b'\n')?;
        (last, rest, skipped) = (&rest[1..end], &rest[end + 1..], skipped + 1);
    }
    let first = rest.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let delimiter = delimiter(first);
    let fields = |line: &[u8]| {
        let fields = line.split(|byte| *byte == delimiter);
        fields.map(|field| String::from_utf8_lossy(field).trim().to_owned()).collect::<Vec<_>>()
    };
    let (names, figures) = (fields(last), fields(first));
    let is_header = names.len() == figures.len()
        && figures.iter().any(|field| is_number(field))
        && !names.iter().any(|field| is_number(field));
    let mut table = Vec::new();
    if is_header {
        skipped -= 1;
        table.extend_from_slice(last.trim_ascii_start());
        table.push(b'\n');
    }
    table.extend_from_slice(rest);
    Some(Beginning {
        delimiter,
        skipped,
        comments: skipped,
        has_comments: has_comments(rest),
        has_returns: first.ends_with(b"\r"),
        whole: Box::new(std::io::Cursor::new(table)),
    })
}

fn delimiter(first: &[u8]) -> u8 {
    let count = |wanted: u8| {
        let mut quoted = false;
        let mut outside = |byte: &&u8| {
            quoted ^= **byte == b'"';
            !quoted && **byte == wanted
        };
        first.iter().filter(|byte| outside(byte)).count()
    };
    let between = |digits: &&[u8]| matches!(digits, [before, b',', after] if before.is_ascii_digit() && after.is_ascii_digit());
    // Where fields may be parted by semicolons, a comma between digits is theirs.
    let decimals = first.windows(3).filter(between).count();
    if count(b';') > 0 && count(b',') <= decimals {
        return b';';
    }
    let best = [b',', b';', b'\t', b'|'].into_iter().rev().max_by_key(|byte| count(*byte));
    best.unwrap_or(b',')
}
