//! The commands as a newcomer runs them: the real binary, real files, a real
//! port, a real signal.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Command, Output, Stdio};

fn node(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_via-node"));
    command.args(arguments);
    command
}

fn analyze(folder: &Path, arguments: &[&str]) -> Output {
    node(&["analyze"]).args(arguments).current_dir(folder).output().expect("it runs")
}

/// A calm wave with one value far outside of it.
fn wave() -> String {
    let row = |row: u32| {
        let value = if row == 900 { 400.0 } else { 100.0 + f64::from(row * 7_919 % 101) / 20.0 };
        format!("{},{value}\n", 1_700_000_000 + row * 60)
    };
    std::iter::once("timestamp,value\n".to_owned()).chain((0..1_000).map(row)).collect()
}

#[test]
fn analyze_shows_the_odd_value_and_why() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("wave.csv"), wave()).expect("a file");
    let arguments = ["wave.csv", "--out", "scores.csv", "--plot", "report.html"];
    let output = analyze(folder.path(), &arguments);
    let shown = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{output:?}");
    assert!(shown.contains("1,000 rows") && shown.contains("400"), "{shown}");
    let scores = std::fs::read_to_string(folder.path().join("scores.csv")).expect("scores");
    assert_eq!(scores.lines().count(), 1_001);
    assert!(folder.path().join("report.html").exists());
}

#[test]
fn analyze_judges_by_the_settings_it_is_given() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("wave.csv"), wave()).expect("a file");
    let deaf = ["wave.csv", "--set", "thresholds.method=ensemble(1.0)"];
    let output = analyze(folder.path(), &deaf);
    let shown = String::from_utf8_lossy(&output.stdout);
    assert!(shown.contains("no detections"), "{output:?}");
    let output = analyze(folder.path(), &["wave.csv", "--set", "thresholds.colour=red"]);
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("thresholds.colour"), "{output:?}");
}

#[test]
fn the_demo_feeds_its_node_and_drains_at_ctrl_c() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut demo = node(&["demo", "--port", "0", "--history", "10", "--data-dir", "data"])
        .current_dir(folder.path())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it runs");
    let mut screen = BufReader::new(demo.stdout.take().expect("its screen"));
    let mut shown = String::new();
    while !shown.contains("live from now on") {
        let read = screen.read_line(&mut shown).expect("its screen");
        assert!(read > 0, "it ended early: {shown}");
    }
    let interrupted = Command::new("kill").args(["-INT", &demo.id().to_string()]).status();
    assert!(interrupted.expect("kill runs").success());
    screen.read_to_string(&mut shown).expect("its screen");
    let status = demo.wait().expect("it ends");
    assert!(status.success(), "{status}: {shown}");
    let totals = shown.lines().find(|line| line.starts_with("events:")).expect("totals");
    assert!(totals.contains(" 0 refused") && !totals.contains(" 0 accepted"), "{totals}");
    assert!(folder.path().join("data").exists(), "what was asked for stays");
}
