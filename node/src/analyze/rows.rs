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
mod tests {
    use super::*;

    fn open(csv: &str) -> Result<Rows> {
        let input = Box::new(std::io::Cursor::new(csv.to_owned().into_bytes()));
        Rows::open(input, None, "cpu", &Wishes::default())
    }

    fn whole(csv: &str) -> Block {
        let mut block = Block::default();
        assert!(open(csv).unwrap().next(&mut block).unwrap());
        block
    }

    fn opened(bytes: &[u8]) -> Rows {
        Rows::open(Box::new(std::io::Cursor::new(bytes.to_vec())), None, "cpu", &Wishes::default())
            .unwrap()
    }

    #[test]
    fn comments_before_the_header_and_between_rows_are_skipped_and_counted() {
        let csv = "# from the boiler\n#\ntimestamp,value\n2020-01-01,1\n\
                   # \"serviced\n2020-01-02,2\n2020-01-03,\"3\"\n";
        let mut rows = opened(csv.as_bytes());
        let mut block = Block::default();
        assert!(rows.next(&mut block).unwrap());
        assert_eq!(block.batches[0].value.as_slice(), [1.0, 2.0, 3.0]);
        let lines: Vec<u64> = block.rows.iter().map(|row| row.line).collect();
        assert_eq!((lines, rows.comments()), (vec![4, 6, 7], 3));
        let mut named = opened(b"# a note\n# time,load\n1700000000,5\n1700000060,7\n");
        assert_eq!((named.columns().name(1), named.comments()), ("load", 1));
        assert!(named.next(&mut block).unwrap());
        assert_eq!((block.rows.len(), block.rows[0].line), (2, 3));
        let mut hashed = opened(b"ticket,v\n#1,5\n#2,6\n#3,8\n");
        assert!(hashed.next(&mut block).unwrap());
        assert_eq!((block.rows.len(), hashed.comments()), (3, 0), "all rows begin so");
    }

    #[test]
    fn a_packed_table_is_read_like_a_plain_one() {
        use std::io::Write as _;
        let csv = "timestamp,value\n2020-01-01,1\n2020-01-02,2.5\n";
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(csv.as_bytes()).unwrap();
        let packed = packed.finish().unwrap();
        let mut block = Block::default();
        assert!(opened(&packed).next(&mut block).unwrap());
        assert_eq!(block.batches[0].value.as_slice(), whole(csv).batches[0].value.as_slice());
        let cut = &packed[..packed.len() - 4];
        let cut = Box::new(std::io::Cursor::new(cut.to_vec()));
        let read = Rows::open(cut, None, "cpu", &Wishes::default());
        assert!(read.is_err(), "a file that is cut off is told");
    }

    #[test]
    fn a_time_of_day_in_a_column_of_its_own_is_read_with_its_date() {
        let csv = "date,time,value\n2020-01-01,00:05,1\n2020-01-01,0:10,2\n2020-01-02,,3\n";
        let block = whole(&format!("{csv}{}", "2020-01-02,12:00:30,4\n".repeat(9)));
        assert_eq!(block.batches[0].at[1] - block.batches[0].at[0], 300_000_000_000);
        assert_eq!(block.rows[0].time, "2020-01-01 00:05");
        let why = block.rows[2].places.clone().unwrap_err();
        assert!(why.contains("no time of day"), "{why}");
        assert_eq!(block.batches[0].len(), 11);
        let german = whole("Datum;Uhrzeit;Wert\n31.01.24;23:55;1,5\n01.02.24;00:05;2,5\n");
        assert_eq!(german.batches[0].at[1] - german.batches[0].at[0], 600_000_000_000);
    }

    #[test]
    fn a_column_of_one_unit_is_read_and_a_row_with_another_says_so() {
        let mut csv = "timestamp,latency,share,cost\n".to_owned();
        csv.push_str(&"2020-01-01,12.5 ms,45%,\"$1,234.50\"\n".repeat(100));
        csv.push_str("2020-01-02,1.2 s,46%,$7\n");
        let block = whole(&csv);
        let lanes = &block.batches[0].lanes;
        let first: Vec<f64> = lanes.iter().map(|lane| lane.values[0]).collect();
        assert_eq!(first, [12.5, 45.0, 1_234.5]);
        assert!(lanes[0].values[100].is_nan() && lanes[2].values[100] == 7.0);
        let alone = "timestamp,latency\n".to_owned() + &"2020-01-01,5 ms\n".repeat(100);
        let block = whole(&(alone + "2020-01-02,1.2 s\n"));
        let why = block.rows[100].places.clone().unwrap_err();
        assert!(why.contains("\"1.2 s\" is not in \"ms\""), "{why}");
        let error = open("timestamp,latency\n2020-01-01,5 ms\n2020-01-02,1.2 s\n").err().unwrap();
        assert!(error.to_string().contains("\"1.2 s\" in row 2"), "{error}");
    }

    #[test]
    fn rows_become_a_batch_in_order() {
        let block = whole("timestamp,value\n2020-01-01 00:00:00,1\n2020-01-01 00:01:00,2.5\n");
        assert_eq!(block.batches[0].value.as_slice(), [1.0, 2.5]);
        assert_eq!(block.batches[0].at[1] - block.batches[0].at[0], 60_000_000_000);
        assert_eq!(block.batches[0].key(1), "cpu");
        assert_eq!(block.rows[1].line, 3);
        assert_eq!(block.rows[1].value, "2.5");
    }

    #[test]
    fn a_bad_row_stays_in_its_place_and_says_why() {
        let mut csv = "timestamp,value\n".to_owned();
        csv.push_str("2020-01-01,1\n2020-01-02,oops\nnever,3\n2020-01-04\n2020-01-05,\n");
        csv.push_str("2020-01-06,inf\n");
        for day in 7..31 {
            csv.push_str(&format!("2020-01-{day:02},1\n"));
        }
        let block = whole(&csv);
        assert_eq!(block.rows.len(), 30);
        let why = |row: usize| block.rows[row].places.clone().unwrap_err();
        assert!(why(1).contains("\"oops\""), "{}", why(1));
        assert!(why(2).contains("\"never\" is not date and time"), "{}", why(2));
        assert!(why(3).contains("too short"));
        assert!(why(4).contains("no value"));
        assert!(why(5).contains("finite"));
        assert_eq!(block.batches[0].len(), 25);
        assert_eq!(block.rows[6].places, Ok([Some(1), None, None, None]));
    }

    #[test]
    fn several_values_become_lanes_with_gaps() {
        let block = whole("a;b\n1;2\n3;\n4;5\n;6\n;\n");
        assert_eq!(block.batches[0].lanes.len(), 2);
        assert_eq!(block.batches[0].lanes[1].name, "b");
        assert!(block.batches[0].lanes[1].values[1].is_nan());
        assert!(block.batches[0].lanes[0].values[3].is_nan());
        assert_eq!(block.batches[0].value.as_slice(), [1.0; 4]);
        let gaps: Vec<_> = block.rows.iter().map(|row| row.gaps).collect();
        assert_eq!(gaps, [0, 1, 0, 1, 0]);
        assert!(block.rows[4].places.is_err());
    }

    #[test]
    fn a_file_without_header_has_numbered_columns() {
        let block = whole("1396310400,5\n1396310460,7\n");
        assert_eq!(block.rows.len(), 2);
        assert_eq!(block.rows[0].line, 1);
        assert_eq!(block.batches[0].value.as_slice(), [5.0, 7.0]);
    }

    #[test]
    fn entities_are_named_by_their_columns() {
        let block = whole("host,value\na,1\nb,2\na,3\n");
        assert_eq!(block.batches[0].keys.len(), 2);
        assert_eq!(block.batches[0].key(2), "a");
    }

    #[test]
    fn a_row_is_in_the_batch_of_each_whom_it_names() {
        let block = whole("user,host,ms\na,a,1\nb,,2\n,h,3\n,,4\n");
        let places: Vec<_> = block.rows.iter().map(|row| row.places.clone()).collect();
        assert_eq!(places[0], Ok([Some(0), Some(0), None, None]));
        assert_eq!(places[1], Ok([Some(1), None, None, None]));
        assert_eq!(places[2], Ok([None, Some(1), None, None]));
        assert!(places[3].clone().unwrap_err().contains("entity of 0 bytes"));
        let [users, hosts] = &block.batches[..] else { panic!("two subjects") };
        assert_eq!((users.key(1), hosts.key(1)), ("b", "h"));
        assert_ne!(users.hashes[0], hosts.hashes[0], "one name, two entities");
        assert_eq!(users.mark.as_slice(), [column_hash("a"), 0]);
        assert_eq!(hosts.mark.as_slice(), [column_hash("a"), 0]);
    }

    #[test]
    fn a_long_file_comes_in_blocks_that_miss_nothing() {
        let mut csv = "value\n".to_owned();
        for number in 0..2_000 {
            csv.push_str(&format!("{}\n", number * 7 % 100));
        }
        let (mut rows, mut block, mut seen) = (open(&csv).unwrap(), Block::default(), 0);
        while rows.next(&mut block).unwrap() {
            for row in &block.rows {
                assert_eq!(row.value, (seen * 7 % 100).to_string());
                assert_eq!(row.line, seen + 2);
                seen += 1;
            }
        }
        assert_eq!(seen, 2_000);
    }

    #[test]
    fn an_empty_file_is_refused_in_words() {
        assert!(open("").err().unwrap().to_string().contains("empty"));
        assert!(open("a,b\n").err().unwrap().to_string().contains("no rows"));
    }

    #[test]
    fn a_first_line_that_says_what_separates_fields_is_no_row() {
        for mark in ["", "\u{feff}"] {
            let block = whole(&format!("{mark}sep=;\r\nhost,x;value\r\na;1\r\nb;2\r\n"));
            assert_eq!(block.batches[0].value.as_slice(), [1.0, 2.0]);
            assert_eq!(block.rows[0].line, 3);
            assert_eq!(block.rows[1].line, 4);
        }
        assert!(open("sep=;").err().unwrap().to_string().contains("empty"));
    }

    #[test]
    fn lines_are_counted_however_they_end() {
        for end in ["\n", "\r\n"] {
            let lines = |csv: &str| -> Vec<u64> {
                whole(&csv.replace('\n', end)).rows.iter().map(|row| row.line).collect()
            };
            assert_eq!(lines("value\n5\n7\n1\n"), [2, 3, 4], "{end:?}");
            assert_eq!(lines("5\n7\n1\n"), [1, 2, 3], "{end:?}");
        }
    }

    #[test]
    fn a_quote_that_is_never_closed_is_told_and_not_repeated_whole() {
        let calm: String = (0..200).map(|row| format!("{}\n", row * 7 % 100)).collect();
        let tail = "9\n".repeat(source::ROW_BYTES);
        let mut rows = open(&format!("value\n{calm}\"12\n{tail}")).unwrap();
        let error = rows.next(&mut Block::default()).unwrap_err().to_string();
        assert!(error.contains("line 202") && error.contains("never closed"), "{error}");
        let block = whole(&format!("value\n{calm}\"12\n{}", "9\n".repeat(500)));
        let why = block.rows[200].places.clone().unwrap_err();
        assert!(why.contains("\"12\\n9") && why.len() < 200, "{why}");
    }

    #[test]
    fn bytes_that_are_no_text_do_not_stop_the_reading() {
        let input = Box::new(std::io::Cursor::new(
            b"value\n1\n\xff\xfe\n3\n4\n5\n6\n7\n8\n9\n2\n4\n".to_vec(),
        ));
        let mut block = Block::default();
        Rows::open(input, None, "x", &Wishes::default()).unwrap().next(&mut block).unwrap();
        assert_eq!(block.rows.len(), 11);
        assert!(block.rows[1].places.is_err());
    }
}
