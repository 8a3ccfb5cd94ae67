//! Which column is what: asked for by name, or told from the header and the
//! first rows. Decides once per file, from the beginning of it alone, so that
//! a longer file gets no other answer than a shorter one.

use std::borrow::Cow;

use anyhow::{Result, bail};
use via_types::limit;

use super::decimal::{Decimal, is_number};
use super::figure;
use super::moment::{self, Form, Told};
use super::sample::{Fields, are_numbers, count_up, filled, is_absent, odd_field, told};
use super::subjects::{self, SUBJECTS, Subject, is_called_entity};
use super::unit::{self, Unit};

/// What the user asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wishes {
    pub(crate) time: Option<String>,
    pub(crate) form: Option<Form>,
    pub(crate) values: Vec<String>,
    pub(crate) entity: Vec<String>,
    pub(crate) one_entity: bool,
    pub(crate) distinct: Option<String>,
    /// Likewise, if there is such a column.
    pub(crate) distinct_if_there: Option<String>,
}

/// The beginning of a table.
pub(crate) struct Head<'a> {
    /// Every column's name.
    pub(crate) names: Vec<String>,
    /// The first rows.
    pub(crate) sample: &'a [Fields],
    /// What stands beside every column's numbers, taken off the first rows.
    pub(crate) units: Vec<Option<Unit>>,
    /// What separates fields.
    pub(crate) delimiter: u8,
    /// Reads a whole column of dates in figures, to tell days from months; none
    /// when that cannot be told.
    pub(crate) whole: &'a dyn Fn(usize) -> Result<Option<Form>>,
}

/// The part each column plays.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Columns {
    /// Every column's name.
    pub(crate) names: Vec<String>,
    /// Where the time is and how it is written; none: rows are seconds.
    pub(crate) time: Option<(usize, Form)>,
    /// Where the time of day is, when the time is but a date.
    pub(crate) clock: Option<usize>,
    /// The values; several make one multivariate entity, none is 1 each.
    pub(crate) values: Vec<usize>,
    /// Whom each row is about: at least one, at most [`SUBJECTS`].
    pub(crate) subjects: Vec<Subject>,
    /// How each column writes numbers.
    pub(crate) decimals: Vec<Decimal>,
    /// What stands beside each column's numbers.
    pub(crate) units: Vec<Option<Unit>>,
    /// Columns that play no part, and why.
    pub(crate) ignored: Vec<(usize, Cow<'static, str>)>,
}

const TIME_WORDS: [&str; 8] =
    ["timestamp", "time", "datetime", "date", "ts", "epoch", "event_time", "@timestamp"];
/// Why a column that counts the rows is no value.
const COUNTS: &str = "counts the rows";

impl Columns {
    /// Decides from the header and the first rows.
    ///
    /// # Errors
    /// A wished column does not exist, a date may mean two days, or nothing can
    /// be taken for a value.
    pub(crate) fn choose(head: Head<'_>, wishes: &Wishes) -> Result<Self> {
        let Head { names, sample, units, delimiter, whole } = head;
        let decimal = |column| Decimal::of(filled(sample, column), delimiter);
        let mut columns = Self {
            decimals: (0..names.len()).map(decimal).collect(),
            names,
            units,
            time: None,
            clock: None,
            values: Vec::new(),
            subjects: Vec::new(),
            ignored: Vec::new(),
        };
        let entity = wishes.entity.iter().map(|name| columns.find(name)).collect::<Result<_>>()?;
        let distinct = match (&wishes.distinct, &wishes.distinct_if_there) {
            (Some(name), _) => Some(columns.find(name)?),
            (None, Some(name)) => columns.find(name).ok(),
            (None, None) => None,
        };
        columns.subjects.push(Subject { entity, distinct });
        let told = match &wishes.time {
            Some(name) => Some(columns.wished_time(name, sample, wishes)?),
            None => columns.likely_time(sample, wishes)?,
        };
        columns.time = match told {
            Some((column, told)) => Some((column, columns.settle(column, told, whole)?)),
            None => None,
        };
        columns.clock = columns.likely_clock(sample);
        if wishes.values.is_empty() {
            columns.likely_values(sample, wishes);
        } else {
            for name in &wishes.values {
                columns.values.push(columns.find(name)?);
            }
        }
        if columns.values.is_empty() && distinct.is_none() && !columns.can_count() {
            bail!("no column of numbers: {}", columns.reasons(sample));
        }
        if columns.values.len() > limit::LANES {
            bail!("{} values; at most {} make one entity", columns.values.len(), limit::LANES);
        }
        Ok(columns)
    }

    fn find(&self, wanted: &str) -> Result<usize> {
        if let Some(found) = self.names.iter().position(|name| name == wanted) {
            return Ok(found);
        }
        bail!("no column {wanted:?}; there are {}", self.names.join(", "))
    }

    fn wished_time(&self, name: &str, sample: &[Fields], wishes: &Wishes) -> Result<(usize, Told)> {
        let column = self.find(name)?;
        if let Some(told) = told(sample, column, wishes.form) {
            return Ok((column, told));
        }
        let odd = filled(sample, column).next().unwrap_or("");
        match wishes.form {
            Some(form) => bail!("column {name:?}: {odd:?} and others are not {}", form.name()),
            None => bail!(
                "column {name:?} is no time: {odd:?} and others are neither RFC 3339, nor \
                 YYYY-MM-DD HH:MM:SS, nor DD.MM.YYYY HH:MM:SS, nor all numbers"
            ),
        }
    }

    /// Takes the first column that is called a time and reads as one, else the
    /// first that holds dates, or epoch numbers of this century in order.
    fn likely_time(&self, sample: &[Fields], wishes: &Wishes) -> Result<Option<(usize, Told)>> {
        let all = || {
            (0..self.names.len())
                .filter(|column| !self.is_entity(*column) && !self.is_distinct(*column))
                .filter_map(|column| Some((column, told(sample, column, wishes.form)?)))
        };
        let reads_as_time = |(column, told): &(usize, Told)| {
            let Told::Is(form) = told else { return true };
            let texts = || filled(sample, *column);
            texts().filter_map(|text| form.read(text)).is_sorted()
                && texts().all(|text| form.is_plausible(text))
        };
        let called = all().find(|(column, _)| self.is_called_time(*column));
        let found = called.or_else(|| all().find(reads_as_time));
        match (found, wishes.form) {
            (None, Some(form)) => bail!("no column of times is {}", form.name()),
            (found, _) => Ok(found),
        }
    }

    /// Finds the time of day that stands in a column of its own, beside a column of
    /// dates that have none.
    fn likely_clock(&self, sample: &[Fields]) -> Option<usize> {
        let (date, form) = self.time?;
        if matches!(form, Form::Epoch(_)) || filled(sample, date).any(|text| text.contains(':')) {
            return None;
        }
        let is_free = |column: &usize| {
            *column != date && !self.is_entity(*column) && !self.is_distinct(*column)
        };
        let is_clock = |column: &usize| {
            moment::is_most_of(filled(sample, *column), |text| moment::hour(text).is_some())
        };
        (0..self.names.len()).filter(is_free).find(is_clock)
    }

    /// Returns a row's time as text: what its column holds, and the time of day
    /// when that has a column of its own.
    pub(crate) fn moment(&self, time: String, field: impl Fn(usize) -> String) -> String {
        let Some(clock) = self.clock else { return time };
        let clock = field(clock);
        // A date alone would be midnight, which nobody said.
        let clock = if is_absent(clock.trim()) { "(no time of day)" } else { clock.trim() };
        format!("{} {clock}", time.trim())
    }

    /// Asks the whole column which figure is the day, where its beginning does
    /// not tell.
    fn settle(
        &self,
        column: usize,
        told: Told,
        whole: &dyn Fn(usize) -> Result<Option<Form>>,
    ) -> Result<Form> {
        let form = match told {
            Told::Is(form) => Some(form),
            Told::DayOrMonth => whole(column)?,
        };
        let Some(form) = form else {
            bail!(
                "column {:?}: no date tells whether the day or the month comes first; say \
                 --time-format dmy or --time-format mdy",
                self.name(column)
            )
        };
        Ok(form)
    }

    fn likely_values(&mut self, sample: &[Fields], wishes: &Wishes) {
        let most = self.guesses(wishes);
        let mut named = Vec::new();
        for column in 0..self.names.len() {
            let has_part = self.time.is_some_and(|(time, _)| time == column)
                || self.clock == Some(column)
                || self.is_entity(column)
                || self.is_distinct(column);
            if has_part {
                continue;
            }
            let ignored: Cow<'static, str> =
                if is_called_entity(&self.names[column]) && !wishes.one_entity {
                    if named.len() < most {
                        named.push(column);
                        continue;
                    }
                    "names something, as another column does".into()
                } else if !are_numbers(sample, column, self.decimals[column]) {
                    self.no_number(sample, column)
                } else if count_up(sample, column, self.decimals[column]) {
                    COUNTS.into()
                } else if self.values.len() == limit::LANES {
                    "one value too many".into()
                } else {
                    self.values.push(column);
                    continue;
                };
            self.ignored.push((column, ignored));
        }
        let asked = self.subjects.pop().unwrap_or_default();
        self.subjects = subjects::of(&named, asked);
        // A lone column that counts is still the only thing to look at.
        let counting = |(_, why): &(usize, Cow<'_, str>)| why == COUNTS;
        if self.values.is_empty()
            && let Some(found) = self.ignored.iter().position(counting)
        {
            self.values.push(self.ignored.remove(found).0);
        }
    }

    /// Says why a column is no value, by a field of it.
    fn no_number(&self, sample: &[Fields], column: usize) -> Cow<'static, str> {
        let Some(odd) = odd_field(sample, column, self.decimals[column]) else {
            return "empty".into();
        };
        let odd = figure::excerpt(odd);
        if let Some(units) = unit::differing(sample, column) {
            units.into()
        } else if moment::is_most_of(filled(sample, column), is_number) {
            format!("its commas may part thousands or fractions, as in {odd}").into()
        } else if self.time.is_none() && self.is_called_time(column) {
            format!("called a time, but {odd} is not written as one that can be read").into()
        } else {
            format!("not numbers, as {odd}").into()
        }
    }

    fn is_called_time(&self, column: usize) -> bool {
        TIME_WORDS.contains(&self.names[column].trim().to_ascii_lowercase().as_str())
    }

    /// Returns how many columns may be taken for entities by their names. What
    /// was asked for goes with one of them.
    fn guesses(&self, wishes: &Wishes) -> usize {
        if !wishes.entity.is_empty() || wishes.one_entity {
            0
        } else if self.subjects.iter().any(|subject| subject.distinct.is_some()) {
            1
        } else {
            SUBJECTS
        }
    }

    fn is_entity(&self, column: usize) -> bool {
        self.subjects.iter().any(|subject| subject.entity.contains(&column))
    }

    /// Says whether rows without a value can be judged by how many there are, or by
    /// how many different ones.
    fn can_count(&self) -> bool {
        self.has_entities() && (self.time.is_some() || self.subjects.len() > 1)
    }

    fn is_distinct(&self, column: usize) -> bool {
        self.subjects.iter().any(|subject| subject.distinct == Some(column))
    }

    /// Says whether rows are told apart by whom they are about.
    pub(crate) fn has_entities(&self) -> bool {
        self.subjects.iter().any(|subject| !subject.entity.is_empty())
    }

    /// Returns what an entity is called: where several columns name entities,
    /// one name may stand in two of them.
    pub(crate) fn label<'a>(&self, subject: usize, key: &'a str) -> Cow<'a, str> {
        match self.subjects.get(subject).map(|subject| subject.entity.as_slice()) {
            Some([column]) if self.subjects.len() > 1 => {
                Cow::Owned(format!("{}={key}", self.name(*column)))
            }
            _ => Cow::Borrowed(key),
        }
    }

    fn reasons(&self, sample: &[Fields]) -> String {
        let mut parts: Vec<String> = Vec::new();
        for (column, name) in self.names.iter().enumerate() {
            let why: Cow<'_, str> = if self.time.is_some_and(|(time, _)| time == column) {
                "is the time".into()
            } else if self.clock == Some(column) {
                "is the time of day".into()
            } else if self.is_entity(column) {
                "names the entity".into()
            } else {
                let odd = odd_field(sample, column, self.decimals[column]);
                match (unit::differing(sample, column), odd) {
                    (Some(units), _) => format!("is no value: {units}").into(),
                    (None, Some(odd)) => {
                        format!("is not numbers, as {}", figure::excerpt(odd)).into()
                    }
                    (None, None) => "is empty".into(),
                }
            };
            parts.push(format!("{name:?} {why}"));
        }
        if let [_] = self.names.as_slice() {
            parts.push("fields are separated by a comma, a semicolon, a tab or |".to_owned());
        }
        parts.join("; ")
    }

    /// Returns the name of column `index`.
    pub(crate) fn name(&self, index: usize) -> &str {
        &self.names[index]
    }
}

#[cfg(test)]
mod tests;
