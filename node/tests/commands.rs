//! The commands as a newcomer runs them: the real binary, real files, a real
//! port, a real signal.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

/// Nobody is asked who they are: what is tested is something else.
const OPEN: &str = "access.required=false";

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
fn analyze_writes_scores_to_standard_output_when_asked() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("wave.csv"), wave()).expect("a file");
    let output = analyze(folder.path(), &["wave.csv", "--out", "-"]);
    assert!(output.status.success(), "{output:?}");
    let scores = String::from_utf8_lossy(&output.stdout);
    assert_eq!(scores.lines().count(), 1_001, "nothing else is there");
    assert!(String::from_utf8_lossy(&output.stderr).contains("1,000 rows"), "the summary is told");
    assert!(!folder.path().join("-").exists());
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
    interrupt(&demo);
    screen.read_to_string(&mut shown).expect("its screen");
    let status = demo.wait().expect("it ends");
    assert!(status.success(), "{status}: {shown}");
    let totals = shown.lines().find(|line| line.starts_with("events:")).expect("totals");
    assert!(totals.contains(" 0 refused") && !totals.contains(" 0 accepted"), "{totals}");
    assert!(folder.path().join("data").exists(), "what was asked for stays");
    let learned: Vec<&str> = shown.lines().filter(|line| line.contains("100 % of")).collect();
    assert_eq!(learned.len(), 1, "{shown}");
}

fn interrupt(child: &Child) {
    let interrupted = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(interrupted.expect("kill runs").success());
}

fn terminate(child: &Child) {
    let terminated = Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
    assert!(terminated.expect("kill runs").success());
}

#[test]
fn a_demo_that_is_stopped_before_its_node_serves_leaves_nothing_behind() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut demo = node(&["demo", "--port", "0"])
        .env("TMPDIR", folder.path())
        .stdout(Stdio::null())
        .spawn()
        .expect("it runs");
    let left = || std::fs::read_dir(folder.path()).expect("a folder").count();
    while left() == 0 {
        assert!(demo.try_wait().expect("its status").is_none(), "it ended early");
    }
    terminate(&demo);
    let status = demo.wait().expect("it ends");
    assert!(status.success(), "{status}");
    assert_eq!(left(), 0);
}

#[test]
fn a_node_that_is_stopped_before_it_serves_ends_as_it_should() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut served =
        node(&["serve", "--set", OPEN, "--data-dir", "data", "--listen", "127.0.0.1:0"])
            .current_dir(folder.path())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it runs");
    while !folder.path().join("data").exists() {
        assert!(served.try_wait().expect("its status").is_none(), "it ended early");
    }
    terminate(&served);
    let mut said = String::new();
    served.stderr.take().expect("its log").read_to_string(&mut said).expect("its log");
    let status = served.wait().expect("it ends");
    assert!(status.success(), "{status}: {said}");
}

#[test]
fn a_configuration_is_checked_by_its_name_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("good.toml"), "version = 1\n").expect("a file");
    std::fs::write(folder.path().join("bad.toml"), "version = 1\n[engin]\n").expect("a file");
    let check = |arguments: &[&str]| {
        let output = node(&["config", "check"]).args(arguments).current_dir(folder.path()).output();
        output.expect("it runs")
    };
    assert!(check(&["good.toml"]).status.success());
    let output = check(&["bad.toml"]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("bad.toml:2"), "{output:?}");
    assert!(!output.status.success());
    assert!(!check(&["good.toml", "--config", "bad.toml"]).status.success(), "which of them?");
}

#[test]
fn what_nobody_reads_on_is_no_failure() {
    let mut printed = node(&["config", "schema"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    drop(printed.stdout.take());
    let output = printed.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{output:?}");
    assert!(output.stderr.is_empty(), "{output:?}");
}

/// A node that serves, and what it has said so far.
fn serve(folder: &Path) -> (Child, BufReader<std::process::ChildStderr>, String) {
    serve_with(folder, &["--set", "node.shutdown_grace=1s", "--set", "engine.shards=2"])
}

fn serve_with(
    folder: &Path,
    set: &[&str],
) -> (Child, BufReader<std::process::ChildStderr>, String) {
    let mut served =
        node(&["serve", "--set", OPEN, "--data-dir", "data", "--listen", "127.0.0.1:0"])
            .args(set)
            .current_dir(folder)
            .stderr(Stdio::piped())
            .spawn()
            .expect("it runs");
    let mut log = BufReader::new(served.stderr.take().expect("its log"));
    let mut said = String::new();
    while !said.contains("address=") {
        assert!(log.read_line(&mut said).expect("its log") > 0, "it ended early: {said}");
    }
    let address = said.split("address=").nth(1).and_then(|rest| rest.split_whitespace().next());
    let address = address.expect("it says where").to_owned();
    (served, log, address)
}

/// Sends a request and returns the answer once the node has closed.
fn ask(address: &str, request: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("it listens");
    let length = body.len();
    let head = format!("{request} HTTP/1.1\r\nHost: via\r\nConnection: close\r\n");
    let kind = format!("Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n");
    stream.write_all(format!("{head}{kind}{body}").as_bytes()).expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    answer
}

fn until_ready(address: &str) {
    while !ask(address, "GET /readyz", "").starts_with("HTTP/1.1 200") {}
}

#[test]
fn a_client_that_will_not_finish_does_not_make_stopping_a_failure() {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut served, mut log, address) = serve(folder.path());
    until_ready(&address);
    let answer = ask(&address, "POST /api/v1/streams/s/events", r#"[{"entity":"a"}]"#);
    assert!(answer.contains(r#""accepted":1"#), "{answer}");
    let mut busy = TcpStream::connect(&address).expect("it listens");
    let head = "POST /api/v1/streams/s/events HTTP/1.1\r\nHost: via\r\nContent-Type: \
                application/json\r\nContent-Length: 15\r\n\r\n{";
    busy.write_all(head.as_bytes()).expect("it reads");
    // Once another request was served, the first has been taken as well.
    assert!(ask(&address, "GET /livez", "").starts_with("HTTP/1.1 200"));
    terminate(&served);
    let mut said = String::new();
    log.read_to_string(&mut said).expect("its log");
    let status = served.wait().expect("it ends");
    assert!(status.success(), "{status}: {said}");
    let cut: Vec<&str> = said.lines().filter(|line| line.contains("cut off")).collect();
    assert_eq!(cut.len(), 1, "{said}");
    assert!(cut[0].contains("WARN") && cut[0].contains("connections=1"), "{said}");
    drop(busy);

    let (mut served, _log, address) = serve(folder.path());
    until_ready(&address);
    let kept = ask(&address, "GET /api/v1/streams/s/entities/a", "");
    served.kill().expect("it runs");
    served.wait().expect("it ends");
    assert!(kept.contains(r#""events":1"#), "{kept}");
}

#[test]
fn a_second_ctrl_c_ends_a_node_that_waits_for_a_client() {
    let folder = tempfile::tempdir().expect("a folder");
    let set = ["--set", "node.shutdown_grace=10m", "--set", "engine.shards=2"];
    let (mut served, mut log, address) = serve_with(folder.path(), &set);
    until_ready(&address);
    let mut busy = TcpStream::connect(&address).expect("it listens");
    let head = "POST /api/v1/streams/s/events HTTP/1.1\r\nHost: via\r\nContent-Type: \
                application/json\r\nContent-Length: 15\r\n\r\n{";
    busy.write_all(head.as_bytes()).expect("it reads");
    // Once another request was served, the first has been taken as well.
    assert!(ask(&address, "GET /livez", "").starts_with("HTTP/1.1 200"));
    interrupt(&served);
    let mut said = String::new();
    while !said.contains("draining") {
        assert!(log.read_line(&mut said).expect("its log") > 0, "it ended early: {said}");
    }
    interrupt(&served);
    log.read_to_string(&mut said).expect("its log");
    assert_eq!(served.wait().expect("it ends").code(), Some(130), "{said}");
    assert!(said.contains("interrupted again"), "{said}");
}

#[test]
fn the_number_of_shards_is_what_is_stored_unless_another_was_asked_for() {
    let folder = tempfile::tempdir().expect("a folder");
    for set in [&["--set", "engine.shards=2"][..], &[]] {
        let (mut served, _log, address) = serve_with(folder.path(), set);
        until_ready(&address);
        served.kill().expect("it runs");
        served.wait().expect("it ends");
    }
    let other = node(&["serve", "--data-dir", "data", "--listen", "127.0.0.1:0"])
        .args(["--set", "engine.shards=8"])
        .current_dir(folder.path())
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&other.stderr);
    assert!(!other.status.success(), "{said}");
    assert!(said.contains("formed with 2 shards") && said.contains("says 8"), "{said}");
}
