//! From files to files.

use super::*;

fn args(input: &Path) -> Args {
    Args {
        input: input.to_owned(),
        time: None,
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
