//! Tables as they come: what is read of each row, and what is said of those that cannot be.

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
    let input =
        Box::new(std::io::Cursor::new(b"value\n1\n\xff\xfe\n3\n4\n5\n6\n7\n8\n9\n2\n4\n".to_vec()));
    let mut block = Block::default();
    Rows::open(input, None, "x", &Wishes::default()).unwrap().next(&mut block).unwrap();
    assert_eq!(block.rows.len(), 11);
    assert!(block.rows[1].places.is_err());
}
