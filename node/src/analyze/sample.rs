//! What the first rows of a table say of one of its columns. Decides nothing: that
//! is `columns`'.

use super::decimal::Decimal;
use super::moment::{self, Form, Told};

/// A row's fields.
pub(crate) type Fields = Vec<String>;

/// The column's fields that hold anything.
pub(crate) fn filled(sample: &[Fields], column: usize) -> impl Iterator<Item = &str> + Clone {
    sample.iter().filter_map(move |row| {
        row.get(column).map(|text| text.trim()).filter(|text| !is_absent(text))
    })
}

/// What stands for nothing in tables, as spreadsheets, databases and people write it.
const ABSENT: [&str; 18] = [
    "na", "n/a", "nan", "-nan", "null", "nil", "none", "missing", "-", "--", ".", "?", "#n/a",
    "#na", "<na>", "n.a.", "\\n", "(null)",
];

/// Says whether a field stands for nothing.
pub(crate) fn is_absent(text: &str) -> bool {
    text.is_empty() || ABSENT.iter().any(|word| text.eq_ignore_ascii_case(word))
}

/// Returns a field of the column that is no number, if one is filled.
pub(crate) fn odd_field(sample: &[Fields], column: usize, decimal: Decimal) -> Option<&str> {
    filled(sample, column).find(|text| decimal.read(text).is_none())
}

/// Says what the column's first fields tell of its form, or whether they have
/// the wished one.
pub(crate) fn told(sample: &[Fields], column: usize, wished: Option<Form>) -> Option<Told> {
    let Some(form) = wished else { return moment::form_of(filled(sample, column)) };
    let is_so = moment::is_most_of(filled(sample, column), |text| form.read(text).is_some());
    is_so.then_some(Told::Is(form))
}

/// Says whether nine in ten of the column's filled fields are finite numbers.
pub(crate) fn are_numbers(sample: &[Fields], column: usize, decimal: Decimal) -> bool {
    moment::is_most_of(filled(sample, column), |text| decimal.read(text).is_some())
}

/// Says whether nine in ten fields are the one before plus one, over at least
/// three: a running number, of which a few may be missing or late.
pub(crate) fn count_up(sample: &[Fields], column: usize, decimal: Decimal) -> bool {
    let numbers = filled(sample, column).map(|text| decimal.read(text));
    let numbers: Option<Vec<f64>> = numbers.collect();
    numbers.is_some_and(|numbers| {
        let steps = numbers.windows(2).filter(|pair| pair[1] == pair[0] + 1.0).count();
        numbers.len() >= 3 && steps * 10 >= (numbers.len() - 1) * 9
    })
}
