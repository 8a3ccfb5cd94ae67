//! Figures and sentences as a terminal shows them. Decides widths and colours,
//! never what is said.

use anstyle::{AnsiColor, Style};
use via_types::Severity;

/// Writes a number with five significant digits, thousands apart.
pub(crate) fn figure(number: f64) -> String {
    let size = number.abs();
    if number == 0.0 {
        return "0".to_owned();
    }
    if !(1e-4..1e15).contains(&size) {
        return format!("{number:.4e}");
    }
    let digits = size.log10().floor() as i32;
    let text = format!("{number:.*}", (4 - digits).max(0) as usize);
    let trimmed =
        if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    grouped(trimmed)
}

/// Writes a whole number with thousands apart.
pub(crate) fn count(number: u64) -> String {
    grouped(&number.to_string())
}

fn grouped(text: &str) -> String {
    let (sign, rest) = text.strip_prefix('-').map_or(("", text), |rest| ("-", rest));
    let (whole, fraction) = rest.split_once('.').map_or((rest, None), |(a, b)| (a, Some(b)));
    let mut out = sign.to_owned();
    for (position, digit) in whole.chars().enumerate() {
        if position > 0 && (whole.len() - position).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    if let Some(fraction) = fraction {
        out.push('.');
        out.push_str(fraction);
    }
    out
}

/// Returns the colour of a severity.
pub(crate) fn style(severity: Severity) -> Style {
    match severity {
        Severity::Low => AnsiColor::Cyan.on_default(),
        Severity::Medium => AnsiColor::Yellow.on_default(),
        Severity::High => AnsiColor::Red.on_default(),
        Severity::Critical => AnsiColor::Red.on_default().bold(),
    }
}

/// Longest part of a file's text that a message repeats, characters.
const EXCERPT: usize = 60;

/// Quotes a file's text in a message, its beginning when it is long.
pub(crate) fn excerpt(text: &str) -> String {
    format!("{:?}", clip(text, EXCERPT))
}

/// Says how many things there are: `1 row`, `2 rows`.
pub(crate) fn plural(number: u64, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{} {noun}s", count(number)) }
}

/// Cuts a text to so many characters, with a sign that it was cut.
pub(crate) fn clip(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let mut cut: String = text.chars().take(width.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_short_and_readable() {
        for (number, text) in [
            (0.0, "0"),
            (1.0, "1"),
            (-1234.5, "-1,234.5"),
            (1_234_567.0, "1,234,567"),
            (0.000123456, "0.00012346"),
            (99.99999, "100"),
            (1e-9, "1.0000e-9"),
            (1e300, "1.0000e300"),
        ] {
            assert_eq!(figure(number), text);
        }
        assert_eq!(count(1_000), "1,000");
        assert_eq!(count(999), "999");
    }

    #[test]
    fn a_long_text_is_cut_by_characters() {
        assert_eq!(clip("käsekuchen", 5), "käse…");
        assert_eq!(clip("käse", 5), "käse");
    }
}
