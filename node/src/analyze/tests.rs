//! From files to files.

use super::*;

fn args(input: &Path) -> Args {
    Args {
        input: Some(input.to_owned()),
        folder: None,
        time: None,
        time_format: None,
        distinct: None,
        values: Vec::new(),
        entity: Vec::new(),
        one_entity: false,
        out: None,
        plot: None,
        top: 5,
        config: None,
        set: Vec::new(),
    }
}

/// Runs without a terminal; returns what it would have shown.
fn run(args: &Args, settings: &Settings) -> Result<String> {
    let mut screen = Vec::new();
    run_on(&mut screen, args, settings)?;
    Ok(String::from_utf8(screen).unwrap())
}

/// A calm wave with one jump far outside of it.
fn wave(rows: usize) -> String {
    let mut csv = "timestamp,value\n".to_owned();
    for row in 0..rows {
        let wobble = ((row * 7_919) % 101) as f64 / 101.0;
        let value = if row == 900 { 400.0 } else { 100.0 + 5.0 * wobble };
        csv.push_str(&format!("{},{value}\n", 1_700_000_000 + row * 60));
    }
    csv
}

fn scores(path: &Path) -> Vec<csv::StringRecord> {
    csv::Reader::from_path(path).unwrap().records().map(Result::unwrap).collect()
}

fn score(record: &csv::StringRecord) -> f64 {
    record[2].parse().unwrap()
}

#[test]
fn every_row_has_its_score_and_the_odd_one_the_highest() {
    let folder = tempfile::tempdir().unwrap();
    let (input, out) = (folder.path().join("a.csv"), folder.path().join("out/a.csv"));
    std::fs::write(&input, wave(1_000)).unwrap();
    run(&Args { out: Some(out.clone()), ..args(&input) }, &Settings::default()).unwrap();
    let rows = scores(&out);
    assert_eq!(rows.len(), 1_000);
    assert_eq!(&rows[0][0], "1700000000");
    assert!(rows.iter().all(|row| (0.0..=1.0).contains(&score(row))));
    let highest = (0..1_000).max_by(|a, b| score(&rows[*a]).total_cmp(&score(&rows[*b])));
    assert_eq!(highest, Some(900));
    assert!(score(&rows[900]) >= 0.5, "{:?}", rows[900]);
    assert!(!rows[900][6].is_empty() && !rows[900][7].is_empty(), "{:?}", rows[900]);
}

#[test]
fn a_score_depends_on_no_later_row() {
    let folder = tempfile::tempdir().unwrap();
    let whole = wave(1_000);
    let cut: String = whole.lines().take(951).map(|line| format!("{line}\n")).collect();
    let mut both = Vec::new();
    for (name, csv) in [("whole.csv", &whole), ("cut.csv", &cut)] {
        let (input, out) = (folder.path().join(name), folder.path().join("out").join(name));
        std::fs::write(&input, csv).unwrap();
        run(&Args { out: Some(out.clone()), ..args(&input) }, &Settings::default()).unwrap();
        both.push(scores(&out));
    }
    assert_eq!(both[0][..950], both[1][..]);
}

#[test]
fn a_folder_is_mirrored_and_one_bad_file_does_not_hide_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let (input, out) = (folder.path().join("in"), folder.path().join("out"));
    std::fs::create_dir_all(input.join("deep")).unwrap();
    std::fs::write(input.join("deep/a.csv"), wave(50)).unwrap();
    std::fs::write(input.join("b.csv"), wave(60)).unwrap();
    std::fs::write(input.join("note.txt"), "no table").unwrap();
    let wanted = Args { out: Some(out.clone()), ..args(&input) };
    run(&wanted, &Settings::default()).unwrap();
    assert_eq!(scores(&out.join("deep/a.csv")).len(), 50);
    assert_eq!(scores(&out.join("b.csv")).len(), 60);
    std::fs::write(input.join("bad.csv"), "a,b\nx,y\n").unwrap();
    let error = run(&wanted, &Settings::default()).unwrap_err().to_string();
    assert!(error.contains("1 of 3 files"), "{error}");
    assert_eq!(scores(&out.join("b.csv")).len(), 60);
}

#[test]
fn a_bad_row_scores_zero_in_its_place_and_the_rest_is_judged() {
    let folder = tempfile::tempdir().unwrap();
    let (input, out) = (folder.path().join("a.csv"), folder.path().join("scores.csv"));
    let csv = wave(300).replace("1700009000,", "1700009000,oops");
    std::fs::write(&input, csv).unwrap();
    let wanted = Args { out: Some(out.clone()), ..args(&input) };
    let screen = run(&wanted, &Settings::default()).unwrap();
    let rows = scores(&out);
    assert_eq!(rows.len(), 300);
    assert!(screen.contains("line 152: column \"value\""), "{screen}");
    assert_eq!(score(&rows[150]), 0.0);
    assert!(rows[150][7].contains("not a finite number"), "{:?}", rows[150]);
}

#[test]
fn an_error_names_the_file_and_what_is_wrong_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("a.csv");
    std::fs::write(&input, wave(10)).unwrap();
    let wish = Args { values: vec!["latency".to_owned()], ..args(&input) };
    let error = format!("{:#}", run(&wish, &Settings::default()).unwrap_err());
    assert!(error.contains("a.csv") && error.contains("latency"), "{error}");
    let own = Args { out: Some(input.clone()), ..args(&input) };
    let error = format!("{:#}", run(&own, &Settings::default()).unwrap_err());
    assert!(error.contains("overwritten"), "{error}");
    let painted = Args { plot: Some(input.clone()), ..args(&input) };
    let error = format!("{:#}", run(&painted, &Settings::default()).unwrap_err());
    assert!(error.contains("overwritten"), "{error}");
    assert_eq!(std::fs::read_to_string(&input).unwrap(), wave(10), "the input is untouched");
    let both = Some(folder.path().join("b"));
    let twice = Args { out: both.clone(), plot: both, ..args(&input) };
    let error = format!("{:#}", run(&twice, &Settings::default()).unwrap_err());
    assert!(error.contains("two files"), "{error}");
    let gone = format!(
        "{:#}",
        run(&args(&folder.path().join("gone.csv")), &Settings::default()).unwrap_err()
    );
    assert!(gone.contains("gone.csv"), "{gone}");
}

#[test]
fn the_page_holds_its_data_and_asks_for_nothing_from_outside() {
    let folder = tempfile::tempdir().unwrap();
    let (input, plot) = (folder.path().join("</script>.csv"), folder.path().join("report.html"));
    // A slash cannot be in a name; the folder "<" holds the file "script>.csv".
    std::fs::create_dir_all(input.parent().unwrap()).unwrap();
    std::fs::write(&input, wave(1_000)).unwrap();
    run(&Args { plot: Some(plot.clone()), ..args(&input) }, &Settings::default()).unwrap();
    let page = std::fs::read_to_string(&plot).unwrap();
    for outside in ["http://", "https://", "src=", "@import", "url(h"] {
        let found = page.replace("http://www.w3.org/2000/svg", "");
        assert!(!found.contains(outside), "the page asks for {outside}");
    }
    assert!(page.contains("prefers-color-scheme: dark"));
    let data = page.split("id=\"data\">").nth(1).unwrap().split("</script>").next().unwrap();
    let data: serde_json::Value = serde_json::from_str(data).unwrap();
    assert_eq!(data["rows"], 1_000);
    assert_eq!(data["series"][0]["t"].as_array().unwrap().len(), 1_000);
}

/// A minute of calls each from one of five addresses, and one minute in which
/// every call comes from another address; as many calls as ever.
fn calls() -> String {
    let mut csv = "when,address\n".to_owned();
    for minute in 0..600 {
        for call in 0..20 {
            let at = 1_700_000_000 + minute * 60 + call * 3;
            let from = if minute == 500 { 100 + call } else { call % 5 };
            let address = format!("10.0.0.{from}");
            csv.push_str(&format!("{at},{address}\n"));
        }
    }
    csv
}

#[test]
fn a_burst_of_distinct_values_is_found_when_they_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let (input, out) = (folder.path().join("calls.csv"), folder.path().join("scores.csv"));
    std::fs::write(&input, calls()).unwrap();
    let error = format!("{:#}", run(&args(&input), &Settings::default()).unwrap_err());
    assert!(error.contains("no column of numbers"), "{error}");
    let counted = Args {
        distinct: Some("address".to_owned()),
        out: Some(out.clone()),
        one_entity: true,
        ..args(&input)
    };
    let screen = run(&counted, &Settings::default()).unwrap();
    assert!(screen.contains("distinct values of \"address\" counted"), "{screen}");
    let rows = scores(&out);
    let highest = rows.iter().max_by(|a, b| score(a).total_cmp(&score(b))).unwrap();
    let at: i64 = highest[0].parse().unwrap();
    assert_eq!((at - 1_700_000_000) / 60, 500, "{highest:?}");
    assert!(score(highest) >= 0.5 && highest[7].contains("distinct values"), "{highest:?}");
}

/// Payments of customers at terminals, both numbered from 0: one customer pays
/// far more than ever, later strangers do at one terminal.
fn payments(rows: usize) -> String {
    let mut csv = "timestamp,customer,terminal,amount\n".to_owned();
    for row in 0..rows {
        let at = 1_700_000_000 + row * 60;
        let (customer, terminal) = (row * 7 % 20, row * 5 % 11);
        let usual = 20.0 + ((row * 7_919) % 101) as f64 / 20.0;
        let amount = match (row, customer, terminal) {
            (2_000..2_100, 3, _) => usual * 30.0,
            (3_000..3_200, _, 4) => usual * 20.0,
            _ => usual,
        };
        csv.push_str(&format!("{at},{customer},{terminal},{amount}\n"));
    }
    csv
}

#[test]
fn a_row_about_several_is_judged_for_each_and_the_highest_score_counts() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("a.csv");
    std::fs::write(&input, payments(4_000)).unwrap();
    let judged = |name: &str, wished: Args| {
        let out = folder.path().join(name);
        let screen = run(&Args { out: Some(out.clone()), ..wished }, &Settings::default()).unwrap();
        (scores(&out), screen)
    };
    let by = |entity: &str, distinct: &str| Args {
        entity: vec![entity.to_owned()],
        distinct: Some(distinct.to_owned()),
        ..args(&input)
    };
    let (both, screen) = judged("both.csv", args(&input));
    assert!(screen.contains("31 entities by \"customer\" and by \"terminal\""), "{screen}");
    assert!(!screen.contains("ignored"), "{screen}");
    let (customers, _) = judged("customers.csv", by("customer", "terminal"));
    let (terminals, _) = judged("terminals.csv", by("terminal", "customer"));
    let (mut of_customer, mut of_terminal) = (0, 0);
    for ((row, customer), terminal) in both.iter().zip(&customers).zip(&terminals) {
        let (highest, column) = if score(terminal) > score(customer) {
            (terminal, "terminal")
        } else {
            (customer, "customer")
        };
        let words = |row: &csv::StringRecord| [2, 3, 4, 5, 7].map(|field| row[field].to_owned());
        assert_eq!(words(row), words(highest));
        assert_eq!(row[8], format!("{column}={}", &highest[8]));
        assert_eq!(row[6].is_empty(), highest[6].is_empty(), "{row:?}");
        of_customer += usize::from(score(row) >= 0.5 && column == "customer");
        of_terminal += usize::from(score(row) >= 0.5 && column == "terminal");
    }
    assert!(of_customer > 0 && of_terminal > 0, "{of_customer}, {of_terminal}");
}

#[test]
fn a_score_of_several_subjects_depends_on_no_later_row() {
    let folder = tempfile::tempdir().unwrap();
    let mut both = Vec::new();
    for rows in [4_000, 3_111] {
        let (input, out) = (folder.path().join("a.csv"), folder.path().join("out.csv"));
        std::fs::write(&input, payments(rows)).unwrap();
        run(&Args { out: Some(out.clone()), ..args(&input) }, &Settings::default()).unwrap();
        both.push(scores(&out));
    }
    assert_eq!(both[0][..3_111], both[1][..]);
}

#[test]
fn entities_of_one_name_in_two_columns_are_two_on_the_page() {
    let folder = tempfile::tempdir().unwrap();
    let (input, plot) = (folder.path().join("a.csv"), folder.path().join("report.html"));
    std::fs::write(&input, payments(4_000)).unwrap();
    run(&Args { plot: Some(plot.clone()), ..args(&input) }, &Settings::default()).unwrap();
    let page = std::fs::read_to_string(&plot).unwrap();
    let data = page.split("id=\"data\">").nth(1).unwrap().split("</script>").next().unwrap();
    let data: serde_json::Value = serde_json::from_str(data).unwrap();
    let rows_of = |name: &str| {
        let series = data["series"].as_array().unwrap();
        series.iter().find(|one| one["entity"] == name).map(|one| one["rows"].clone())
    };
    assert_eq!(rows_of("customer=3").unwrap(), 200);
    assert!(rows_of("terminal=4").unwrap().as_u64().unwrap() > 350);
    let found = data["detections"].as_array().unwrap();
    for name in ["customer=3", "terminal=4"] {
        assert!(found.iter().any(|one| one["entity"] == name), "{name}");
    }
}

#[test]
fn a_row_that_names_only_one_of_its_subjects_is_judged_by_that_one() {
    let folder = tempfile::tempdir().unwrap();
    let (input, out) = (folder.path().join("a.csv"), folder.path().join("out.csv"));
    let csv = payments(1_000).replacen(",7,5,", ",,5,", 1).replacen(",14,10,", ",,,", 1);
    std::fs::write(&input, csv).unwrap();
    let wanted = Args { out: Some(out.clone()), ..args(&input) };
    let screen = run(&wanted, &Settings::default()).unwrap();
    let rows = scores(&out);
    assert_eq!(&rows[1][8], "terminal=5");
    assert!(rows[2][7].contains("entity of 0 bytes"), "{:?}", rows[2]);
    assert!(screen.contains("999 judged"), "{screen}");
    assert!(screen.contains("1 row judged by some of these columns alone"), "{screen}");
}

#[test]
fn a_folder_of_pages_mirrors_the_folder_of_files() {
    let folder = tempfile::tempdir().unwrap();
    let (input, pages) = (folder.path().join("in"), folder.path().join("pages"));
    std::fs::create_dir_all(input.join("deep")).unwrap();
    std::fs::write(input.join("deep/a.csv"), wave(50)).unwrap();
    std::fs::write(input.join("b.csv"), wave(60)).unwrap();
    let screen =
        run(&Args { plot: Some(pages.clone()), ..args(&input) }, &Settings::default()).unwrap();
    assert!(screen.contains(&pages.display().to_string()), "{screen}");
    for (page, rows) in [("deep/a.csv.html", 50), ("b.csv.html", 60)] {
        let page = std::fs::read_to_string(pages.join(page)).unwrap();
        assert!(page.contains(&format!("\"rows\":{rows},")), "its own figures");
    }
}

#[test]
fn decimal_commas_and_dates_with_the_day_first_are_read_as_what_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let (german, plain) = (folder.path().join("german.csv"), folder.path().join("plain.csv"));
    let (mut commas, mut points) = ("Datum;Wert\n".to_owned(), "date,value\n".to_owned());
    // The first twelve days do not tell days from months; the rest does.
    for hour in 0..600 {
        let (day, hour) = (hour / 24 + 1, hour % 24);
        let value = 1_000.0 + f64::from((day * 7 + hour * 3) % 11) / 8.0;
        let comma = value.to_string().replace('.', ",").replacen('1', "1.", 1);
        commas.push_str(&format!("{day:02}.03.2020 {hour}:00;{comma}\n"));
        points.push_str(&format!("2020-03-{day:02} {hour:02}:00:00,{value}\n"));
    }
    std::fs::write(&german, commas).unwrap();
    std::fs::write(&plain, points).unwrap();
    let mut both = Vec::new();
    for input in [&german, &plain] {
        let out = input.with_extension("scores");
        run(
            &Args { out: Some(out.clone()), one_entity: true, ..args(input) },
            &Settings::default(),
        )
        .unwrap();
        let judged = |row: &csv::StringRecord| -> Vec<String> {
            row.iter().skip(2).take(4).map(str::to_owned).collect()
        };
        both.push(scores(&out).iter().map(judged).collect::<Vec<_>>());
    }
    assert_eq!(both[0], both[1]);
}

#[test]
fn dates_that_tell_no_order_ask_for_it_and_take_it() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("a.csv");
    let rows = (1..=200)
        .map(|row| format!("{:02}/02/2020 {:02}:00,{}\n", row / 20 + 1, row % 20, row % 7));
    std::fs::write(&input, format!("date,value\n{}", rows.collect::<String>())).unwrap();
    let error = format!("{:#}", run(&args(&input), &Settings::default()).unwrap_err());
    assert!(error.contains("a.csv") && error.contains("--time-format dmy"), "{error}");
    for (format, shown) in [
        (TimeFormat::Dmy, "2020-02-01 01:00:00 to 2020-02-11"),
        (TimeFormat::Mdy, "2020-01-02 01:00:00 to 2020-11-02"),
    ] {
        let said = Args { time_format: Some(format), ..args(&input) };
        let screen = run(&said, &Settings::default()).unwrap();
        assert!(screen.contains(shown), "{screen}");
    }
}

#[test]
fn a_file_in_utf_16_is_refused_in_so_many_words() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("a.csv");
    for (bom, order) in [
        (vec![0xFF, 0xFE], u16::to_le_bytes as fn(u16) -> [u8; 2]),
        (vec![0xFE, 0xFF], u16::to_be_bytes),
        (Vec::new(), u16::to_le_bytes),
    ] {
        let text = wave(50);
        let bytes = text.encode_utf16().flat_map(order);
        std::fs::write(&input, bom.into_iter().chain(bytes).collect::<Vec<u8>>()).unwrap();
        let error = run(&args(&input), &Settings::default()).unwrap_err();
        assert!(format!("{error:#}").contains("UTF-16"), "{error:#}");
    }
}

#[test]
fn quoted_thousands_are_values() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("a.csv");
    let row = |row: u32| {
        let (day, hour) = (row / 12 + 13, (row + 11) % 12 + 1);
        format!("03/{day}/2024 {hour}:00 PM,\"1,{row:03}.125\"\n")
    };
    let rows = (0..200).map(row);
    std::fs::write(&input, format!("time,value\n{}", rows.collect::<String>())).unwrap();
    let shown = run(&args(&input), &Settings::default()).unwrap();
    assert!(shown.contains("200 rows"), "{shown}");
    assert!(!shown.contains("not judged"), "{shown}");
}

#[test]
fn dates_are_read_as_people_write_them() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("a.csv");
    for (first, second) in [
        ("2024/01/15 00:00", "2024/01/15 00:05"),
        ("15-Jan-2024 00:00:00", "15-Jan-2024 00:05:00"),
        ("20240115000000", "20240115000500"),
        ("2024-01-15 00:00:00 UTC", "2024-01-15 00:05:00 UTC"),
    ] {
        std::fs::write(&input, format!("when,v\n{first},1\n{second},4\n")).unwrap();
        let screen = run(&args(&input), &Settings::default()).unwrap();
        let span = "2 rows, 2024-01-15 00:00:00 to 2024-01-15 00:05:00";
        assert!(screen.contains(span), "{first}: {screen}");
    }
}

#[test]
fn a_file_of_which_no_row_can_be_judged_is_a_failure() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("a.csv");
    std::fs::write(&input, wave(10)).unwrap();
    let wanted = Args { values: vec!["value".to_owned()], ..args(&input) };
    run(&wanted, &Settings::default()).unwrap();
    std::fs::write(&input, "t,kind,v\n1,a,1\n2,b,1\n").unwrap();
    let wanted = Args { values: vec!["kind".to_owned()], ..args(&input) };
    let error = run(&wanted, &Settings::default()).unwrap_err().to_string();
    assert!(error.contains("no row could be judged"), "{error}");
}

#[test]
fn a_file_that_runs_backwards_does_not_pass_for_a_calm_one() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("a.csv");
    let forwards = wave(300);
    let (head, rows) = forwards.split_once('\n').unwrap();
    let backwards: Vec<&str> = rows.lines().rev().collect();
    std::fs::write(&input, format!("{head}\n{}\n", backwards.join("\n"))).unwrap();
    let screen = run(&args(&input), &Settings::default()).unwrap();
    assert!(screen.contains("sort the file by time"), "{screen}");
    assert!(screen.contains("no detections in the few rows judged"), "{screen}");
}

#[test]
fn what_is_expected_of_one_of_several_values_is_not_said_of_the_first() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("a.csv");
    let (out, plot) = (folder.path().join("scores.csv"), folder.path().join("a.html"));
    let mut csv = "timestamp,cpu,mem\n".to_owned();
    for row in 0..600 {
        let wobble = |prime: usize| (row * prime % 101) as f64 / 101.0;
        let (cpu, mem) = (500.0 + wobble(7_919), 20.0 + wobble(6_007));
        csv.push_str(&format!("{},{cpu},{mem}\n", 1_700_000_000 + row * 60));
    }
    std::fs::write(&input, csv).unwrap();
    let wanted = Args { out: Some(out.clone()), plot: Some(plot.clone()), ..args(&input) };
    run(&wanted, &Settings::default()).unwrap();
    let told: Vec<f64> = scores(&out).iter().filter_map(|row| row[3].parse().ok()).collect();
    assert!(told.len() > 50, "of the first something is expected too: {}", told.len());
    let near = |expected: &f64| (495.0..506.0).contains(expected);
    assert!(told.iter().all(near), "{told:?}");
    let page = std::fs::read_to_string(plot).unwrap();
    let band = page.split("\"expected\":[").nth(1).and_then(|rest| rest.split(']').next());
    let band: Vec<f64> = band.unwrap().split(',').filter_map(|one| one.parse().ok()).collect();
    assert!(band.len() > 500 && band.iter().all(near), "{band:?}");
}

#[test]
fn a_run_does_not_judge_what_an_earlier_one_wrote() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.csv"), wave(50)).unwrap();
    let (out, plot) = (folder.path().join("scores"), folder.path().join("pages"));
    let wanted = Args { out: Some(out), plot: Some(plot), ..args(folder.path()) };
    let first = run(&wanted, &Settings::default()).unwrap();
    let second = run(&wanted, &Settings::default()).unwrap();
    assert_eq!(first.lines().count(), second.lines().count(), "{second}");
}

#[test]
fn log_lines_have_no_picture_and_none_is_promised() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("a.log");
    std::fs::write(&input, "one line\n").unwrap();
    let wanted = Args { plot: Some(folder.path().join("a.html")), ..args(&input) };
    let error = run(&wanted, &Settings::default()).unwrap_err().to_string();
    assert!(error.contains("--plot"), "{error}");
    let screen = run(&args(&input), &Settings::default()).unwrap();
    assert!(screen.contains("1 line, 1 template\n"), "{screen}");
}

#[test]
fn many_columns_that_are_ignored_for_one_reason_are_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("a.csv");
    let cells = |prefix: &str| (0..80).map(|at| format!("{prefix}{at}")).collect::<Vec<_>>();
    let rows = [cells("c").join(","), cells("").join(","), cells("1").join(",")];
    std::fs::write(&input, rows.join("\n")).unwrap();
    let screen = run(&args(&input), &Settings::default()).unwrap();
    assert!(screen.contains("16 columns from \"c64\" on ignored"), "{screen}");
    assert_eq!(screen.matches("ignored").count(), 1, "{screen}");
}
