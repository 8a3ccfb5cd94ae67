//! The file as rows, and rows as batches for the engine. Streams: holds the
//! first rows (to tell the columns) and one batch, whatever the file's length.

use std::collections::HashMap;
use std::io::Read;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use csv::{ByteRecord, Reader};
use via_types::batch::column_hash;
use via_types::{Batch, Lane, Timestamp, limit};

use super::beginning;
use super::columns::{Columns, Head, Wishes};
use super::decimal::is_number;
use super::moment::{Form, Orders};
use super::source::{self, Comments, read, table, text};
use super::subjects::{SUBJECTS, Subject};
use super::{figure, judge, sample, unit};

/// Rows by which the columns are told apart.
const SAMPLE_ROWS: usize = 100;
/// Rows judged together; more would not be faster.
const BATCH_ROWS: usize = 512;

/// One row of the input.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// Where it begins in the file, from 1.
    pub(crate) line: u64,
    /// Its time as the file writes it, or the row's number.
    pub(crate) time: String,
    /// Its first value as the file writes it.
    pub(crate) value: String,
    /// Whom it is about, per subject; none when the file has one entity.
    pub(crate) entities: Vec<String>,
    /// How many of its several values are missing.
    pub(crate) gaps: u32,
    /// Where it is to be judged, or why it cannot be.
    pub(crate) places: Result<Places, String>,
}

/// A row's position in the batch of each subject; none where it names nobody.
pub(crate) type Places = [Option<u32>; SUBJECTS];

/// Consecutive rows, and those of them that can be judged, as one batch for
/// each subject.
#[derive(Debug, Default)]
pub(crate) struct Block {
    pub(crate) rows: Vec<Row>,
    pub(crate) batches: Vec<Batch>,
}

/// A table being read.
pub(crate) struct Rows {
    reader: Reader<Box<dyn Read>>,
    comments: Comments,
    /// Lines of the file before those that the reader sees.
    skipped: u64,
    /// Lines end with two bytes, of which the reader counts the second with the next.
    has_returns: bool,
    /// The first rows, in reverse, until they have been handed out.
    sample: Vec<ByteRecord>,
    columns: Columns,
    /// The key when all rows are one entity.
    key: String,
    number: u64,
    /// Per subject: where a batch has its keys.
    keys: Vec<HashMap<String, u32>>,
    record: ByteRecord,
}

impl Rows {
    /// Reads the beginning of a table and tells its columns apart. A file is
    /// opened a second time when only the whole of a column tells its form.
    ///
    /// # Errors
    /// The file is empty, is no table, or lacks what is needed.
    pub(crate) fn open(
        input: Box<dyn Read>,
        again: Option<&Path>,
        key: &str,
        wishes: &Wishes,
    ) -> Result<Self> {
        let beginning = beginning::of(source::unpacked(input)?)?;
        let (delimiter, skipped) = (beginning.delimiter, beginning.skipped);
        let has_returns = beginning.has_returns;
        let (mut reader, comments) = table(beginning);
        let mut first = ByteRecord::new();
        if !reader.read_byte_record(&mut first).context("line 1")? {
            bail!("the file is empty");
        }
        let mut sample = Vec::new();
        let has_header = !first.iter().any(|field| is_number(&text(field)));
        let names: Vec<String> = if has_header {
            first.iter().map(|field| text(field).trim().to_owned()).collect()
        } else {
            let names = (1..=first.len()).map(|number| format!("column{number}")).collect();
            sample.push(first);
            names
        };
        while sample.len() < SAMPLE_ROWS {
            let mut record = ByteRecord::new();
            if !read(&mut reader, &mut record)? {
                break;
            }
            sample.push(record);
        }
        if sample.is_empty() {
            bail!("the file has a header and no rows");
        }
        let mut fields: Vec<Vec<String>> =
            sample.iter().map(|record| record.iter().map(text).collect()).collect();
        let is_whole = sample.len() < SAMPLE_ROWS;
        let whole = |column: usize| match again {
            _ if is_whole => {
                let mut records = sample.iter().map(|record| Ok(record.clone()));
                order(&mut records, column)
            }
            Some(path) => {
                let input = source::file(path).context("reading it a second time")?;
                let records = table(beginning::of(input)?).0.into_byte_records();
                order(&mut records.skip(usize::from(has_header)), column)
            }
            None => Ok(None),
        };
        let units = unit::take(&mut fields, names.len());
        let head = Head { names, sample: &fields, units, delimiter, whole: &whole };
        let columns = Columns::choose(head, wishes)?;
        sample.reverse();
        let key = clipped(key).to_owned();
        let (keys, record) = (vec![HashMap::new(); columns.subjects.len()], ByteRecord::new());
        let number = 0;
        Ok(Self {
            reader,
            comments,
            skipped,
            has_returns,
            sample,
            columns,
            key,
            number,
            keys,
            record,
        })
    }

    /// Returns how many lines were comments so far.
    pub(crate) fn comments(&self) -> u64 {
        self.comments.borrow().count
    }

    /// Returns which column is what.
    pub(crate) fn columns(&self) -> &Columns {
        &self.columns
    }

    /// Fills `block` with the next rows; says whether there were any.
    ///
    /// # Errors
    /// The file cannot be read any further.
    pub(crate) fn next(&mut self, block: &mut Block) -> Result<bool> {
        block.rows.clear();
        self.keys.iter_mut().for_each(HashMap::clear);
        block.batches = (0..self.columns.subjects.len()).map(|at| self.batch(at)).collect();
        while block.rows.len() < BATCH_ROWS {
            let mut record = std::mem::take(&mut self.record);
            let more = match self.sample.pop() {
                Some(sampled) => {
                    record = sampled;
                    true
                }
                None => read(&mut self.reader, &mut record)?,
            };
            if more {
                block.rows.push(self.row(&record, &mut block.batches));
            }
            self.record = record;
            if !more {
                break;
            }
        }
        for batch in &mut block.batches {
            batch.seal().context("invariant D-7: a batch made here has whole columns")?;
        }
        Ok(!block.rows.is_empty())
    }

    /// Returns a batch to be filled with rows about one of their subjects.
    fn batch(&self, subject: usize) -> Batch {
        let mut batch = Batch { stream: judge::stream(subject), ..Batch::default() };
        if self.columns.values.len() > 1 {
            let lane = |column: &usize| Lane {
                name: self.columns.name(*column).to_owned(),
                values: via_types::Column::default(),
            };
            batch.lanes = self.columns.values.iter().map(lane).collect();
        }
        batch
    }

    fn row(&mut self, record: &ByteRecord, batches: &mut [Batch]) -> Row {
        let number = self.number;
        self.number += 1;
        let field = |column: usize| text(record.get(column).unwrap_or_default());
        let time = match self.columns.time {
            Some((column, _)) => self.columns.moment(field(column), field),
            None => number.to_string(),
        };
        let value = self.columns.values.first().map_or_else(|| "1".to_owned(), |at| field(*at));
        let named = |subject: &Subject| {
            subject.entity.iter().map(|column| field(*column)).collect::<Vec<_>>().join("/")
        };
        let entities: Vec<String> = if self.columns.has_entities() {
            self.columns.subjects.iter().map(named).collect()
        } else {
            Vec::new()
        };
        let places = self.places(record, (&time, number), &entities, batches);
        let begins = record.position().map_or((0, 0), |at| (at.line(), at.byte()));
        let line = begins.0 + u64::from(self.has_returns && begins.1 > 0);
        let line = self.skipped + self.comments.borrow_mut().beyond(line);
        let missing = |lane: &&Lane| lane.values.last().is_some_and(|value| value.is_nan());
        let judged = places.iter().flatten().position(Option::is_some);
        let gaps = judged.map_or(0, |at| batches[at].lanes.iter().filter(missing).count());
        Row { line, time, value, entities, gaps: gaps as u32, places }
    }

    /// Appends the row to the batches of all whom it names, or says why it
    /// cannot be judged.
    fn places(
        &mut self,
        record: &ByteRecord,
        (time, number): (&str, u64),
        entities: &[String],
        batches: &mut [Batch],
    ) -> Result<Places, String> {
        let at = match self.columns.time {
            None => Timestamp::from_nanos((number as i64).saturating_mul(1_000_000_000)),
            Some((column, form)) => form.read(time).ok_or_else(|| {
                let name = self.columns.name(column);
                format!("column {name:?}: {} is not {}", figure::excerpt(time), form.name())
            })?,
        };
        let Self { columns, key: whole, keys, .. } = self;
        let key = |subject: usize| entities.get(subject).unwrap_or(&*whole).as_str();
        let fits = |key: &str| (1..=limit::ENTITY_KEY_BYTES).contains(&key.len());
        if !(0..batches.len()).any(|subject| fits(key(subject))) {
            return Err(format!("an entity of {} bytes, not 1 to 256", key(0).len()));
        }
        let value = own_value(record, columns)?;
        let mut places = Places::default();
        for (subject, batch) in batches.iter_mut().enumerate() {
            let key = key(subject);
            if !fits(key) {
                continue;
            }
            let position = match keys[subject].get(key) {
                Some(position) => *position,
                None => {
                    let position = batch.keys.push(key);
                    keys[subject].insert(key.to_owned(), position);
                    position
                }
            };
            places[subject] = Some(batch.len() as u32);
            batch.entity.push(position);
            batch.at.push(at.as_nanos());
            batch.value.push(value);
            if let Some(column) = columns.subjects[subject].distinct {
                let mark = text(record.get(column).unwrap_or_default());
                let is_absent = sample::is_absent(mark.trim());
                batch.mark.push(if is_absent { 0 } else { column_hash(&mark) });
            }
            for (lane, column) in batch.lanes.iter_mut().zip(&columns.values) {
                // A gap in one of several values is the engine's to weigh.
                lane.values.push(read_value(record, columns, *column).unwrap_or(f64::NAN));
            }
        }
        Ok(places)
    }
}

/// Reads the value of a row: of several, which are named, each is the engine's
/// to weigh, and one that is there suffices.
fn own_value(record: &ByteRecord, columns: &Columns) -> Result<f64, String> {
    // Such rows, and those that only count something, are worth 1 each, as
    // events without value are.
    let Some((&first, others)) = columns.values.split_first() else { return Ok(1.0) };
    let read = |column| {
        let value = read_value(record, columns, column);
        value.map_err(|odd| format!("column {:?}: {odd}", columns.name(column)))
    };
    match read(first) {
        first if others.is_empty() => first,
        Err(_) if others.iter().any(|other| read(*other).is_ok()) => Ok(1.0),
        first => first.map(|_| 1.0),
    }
}

fn read_value(record: &ByteRecord, columns: &Columns, column: usize) -> Result<f64, String> {
    let Some(field) = record.get(column) else {
        return Err("the row is too short".to_owned());
    };
    let text = text(field);
    if sample::is_absent(text.trim()) {
        return Err("no value".to_owned());
    }
    let bare = match &columns.units[column] {
        Some(unit) => unit.strip(&text).ok_or_else(|| {
            format!("{} is not in {:?} as the others are", figure::excerpt(&text), unit.name())
        })?,
        None => &text,
    };
    let number = columns.decimals[column].read(bare);
    number.ok_or_else(|| format!("{} is not a finite number", figure::excerpt(&text)))
}

/// Reads a column of dates in figures and says in which order they are.
fn order(
    records: &mut dyn Iterator<Item = csv::Result<ByteRecord>>,
    column: usize,
) -> Result<Option<Form>> {
    let mut orders = Orders::default();
    for record in records {
        let text = text(record?.get(column).unwrap_or_default());
        if !sample::is_absent(text.trim()) {
            orders.add(&text);
        }
    }
    Ok(orders.decide())
}

/// Cuts a name to the longest key allowed.
fn clipped(name: &str) -> &str {
    let mut end = name.len().min(limit::ENTITY_KEY_BYTES);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    if end == 0 { "rows" } else { &name[..end] }
}

#[cfg(test)]
mod tests;
