//! How a file begins: its encoding, what separates fields and how lines end. Knows
//! neither rows nor columns.

use std::io::Read;

use anyhow::{Context as _, Result, bail};

/// What the first line tells, and the input from the table's first line on.
pub(crate) struct Beginning {
    /// What separates fields.
    pub(crate) delimiter: u8,
    /// Lines before the table's first.
    pub(crate) skipped: u64,
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
    let whole = Box::new(std::io::Cursor::new(start).chain(input));
    Ok(Beginning { delimiter, skipped, has_returns, whole })
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
