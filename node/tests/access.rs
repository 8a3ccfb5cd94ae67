//! A node as it comes: the first start says once how to log in, nobody else is
//! let in, and what it exports is checked without it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Output, Stdio};

use serde_json::{Value, json};

fn via(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_via-node"));
    command.args(arguments).current_dir(folder);
    command
}

/// A node that serves, where, and what it said until it was asked to stop.
struct Node {
    child: Child,
    address: String,
    log: BufReader<ChildStderr>,
    said: String,
}

impl Node {
    fn start(folder: &Path) -> Self {
        let set = ["--set", "engine.shards=2", "--set", "node.shutdown_grace=1s"];
        let mut child = via(folder, &["serve", "--data-dir", "data", "--listen", "127.0.0.1:0"])
            .args(set)
            .stderr(Stdio::piped())
            .spawn()
            .expect("it runs");
        let mut log = BufReader::new(child.stderr.take().expect("its log"));
        let mut said = String::new();
        while !said.contains(" serving ") {
            assert!(log.read_line(&mut said).expect("its log") > 0, "it ended early: {said}");
        }
        let at = said.split(" address=").nth(1).expect("it says where");
        let address = at.split_whitespace().next().expect("it says where").to_owned();
        Self { child, address, log, said }
    }

    /// Returns the last word of the line that has these words.
    fn told(&mut self, words: &str) -> String {
        let mut line = String::new();
        while !line.contains(words) {
            line.clear();
            assert!(self.log.read_line(&mut line).expect("its log") > 0, "it is not told");
            self.said.push_str(&line);
        }
        line.split_whitespace().last().expect("words").to_owned()
    }

    fn ask(&self, method: &str, path: &str, (token, body): (&str, &str)) -> (u16, String) {
        let (status, _, body) = self.answer(method, path, (token, body));
        (status, body)
    }

    /// Returns the status, the head and the body of an answer.
    fn answer(
        &self,
        method: &str,
        path: &str,
        (token, body): (&str, &str),
    ) -> (u16, String, String) {
        let mut stream = TcpStream::connect(&self.address).expect("it serves");
        let (host, length) = (&self.address, body.len());
        let head = format!(
            "{method} {path} HTTP/1.0\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n\
             Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        stream.write_all(head.as_bytes()).expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        let (head, body) = answer.split_once("\r\n\r\n").expect("an answer");
        let status = head.split(' ').nth(1).expect("a status");
        (status.parse().expect("a number"), head.to_lowercase(), body.to_owned())
    }

    /// Stops it; returns everything that it said.
    fn stop(mut self) -> String {
        let asked = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        assert!(asked.expect("it is asked").success());
        self.log.read_to_string(&mut self.said).expect("its log");
        assert!(self.child.wait().expect("it ends").success(), "{}", self.said);
        self.said
    }
}

fn verified(folder: &Path, arguments: &[&str]) -> Output {
    via(folder, &["audit", "verify"]).args(arguments).output().expect("it runs")
}

#[test]
fn the_first_start_says_once_how_to_log_in_and_exports_are_checked_without_the_node() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let mut node = Node::start(folder);
    assert_eq!(node.ask("GET", "/api/v1/streams", ("", "")).0, 401);
    let password = node.told("administrator of the tenant");
    assert!(node.told("operator of the platform") != password);
    let login = json!({"user": "admin", "password": password}).to_string();
    let (status, begun) = node.ask("POST", "/api/v1/sessions", ("", &login));
    assert_eq!(status, 201, "{begun}");
    let begun: Value = serde_json::from_str(&begun).unwrap();
    let token = begun["token"].as_str().unwrap();
    let made = node.ask("POST", "/api/v1/streams", (token, "{\"name\":\"s\"}"));
    assert_eq!(made.0, 201, "{}", made.1);
    let head: Value =
        serde_json::from_str(&node.ask("GET", "/api/v1/audit/head", (token, "")).1).unwrap();
    let key = head["key"].as_str().unwrap();
    std::fs::write(folder.join("head"), head["head"].as_str().unwrap()).unwrap();
    let export = node.ask("GET", "/api/v1/audit/export", (token, "")).1;
    std::fs::write(folder.join("audit"), &export).unwrap();
    std::fs::write(folder.join("forged"), export.replacen("create_stream", "delete_stream", 1))
        .unwrap();
    let log = node.stop();
    assert!(!log.contains(token), "no secret is in the log");

    let good = verified(folder, &["audit", "--key", key, "--head", "head"]);
    assert!(good.status.success(), "{good:?}");
    let bad = verified(folder, &["forged", "--key", key]);
    let words = String::from_utf8_lossy(&bad.stderr).into_owned();
    assert!(!bad.status.success() && words.contains("was altered"), "{words}");

    let again = Node::start(folder);
    assert_eq!(again.ask("GET", "/api/v1/streams", (token, "")).0, 200, "sessions are kept");
    let said = again.stop();
    assert!(!said.contains("Nobody could log in"), "{said}");
}

#[test]
fn the_web_application_is_served_with_its_fences_and_loads_from_this_node_only() {
    let folder = tempfile::tempdir().expect("a folder");
    let node = Node::start(folder.path());
    let (status, head, page) = node.answer("GET", "/", ("", ""));
    assert_eq!(status, 200, "{head}");
    assert!(page.contains("<title>VIA</title>"), "{page}");
    for line in [
        "content-type: text/html; charset=utf-8",
        "cache-control: no-cache",
        "vary: accept-encoding",
        "etag: \"",
        "content-security-policy: default-src 'none'; script-src 'self'; style-src 'self';",
        "x-content-type-options: nosniff",
        "referrer-policy: no-referrer",
    ] {
        assert!(head.contains(line), "{line}: {head}");
    }
    for (at, _) in page.match_indices("\"/assets/") {
        let path = page[at + 1..].split('"').next().expect("a quoted path");
        let (status, head, _) = node.answer("HEAD", path, ("", ""));
        assert!(status == 200 && head.contains("immutable"), "{path}: {head}");
    }
    assert_eq!(node.ask("GET", "/assets/none.js", ("", "")).0, 404);
    node.stop();
}
