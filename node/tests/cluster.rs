//! A cluster of three real processes: formed, joined, asked and changed with
//! the commands that operators use, and without its leader.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

const LONG: Duration = Duration::from_secs(60);

/// Nobody is asked who they are: what is tested is something else.
const OPEN: &str = "access.required=false";

fn via(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_via-node"));
    command.args(arguments).current_dir(folder);
    command
}

fn run(folder: &Path, arguments: &[&str]) -> Output {
    via(folder, arguments).output().expect("it runs")
}

/// Runs a command that must succeed; returns what it printed.
#[track_caller]
fn done(folder: &Path, arguments: &[&str]) -> String {
    let output = run(folder, arguments);
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).expect("text").trim().to_owned()
}

/// Runs a command that must fail; returns its words.
#[track_caller]
fn refused(folder: &Path, arguments: &[&str]) -> String {
    let output = run(folder, arguments);
    assert!(!output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A process that serves.
struct Node {
    child: Child,
    address: String,
    peer: String,
    /// Dropped, it would end the process at its next line.
    _log: std::thread::JoinHandle<()>,
}

impl Node {
    fn start(folder: &Path, arguments: &[&str]) -> Self {
        let set = ["--set", "node.shutdown_grace=1s", "--peer-listen", "127.0.0.1:0"];
        let mut child = via(folder, &["serve", "--set", OPEN, "--listen", "127.0.0.1:0"])
            .args(arguments)
            .args(set)
            .stderr(Stdio::piped())
            .spawn()
            .expect("it runs");
        let mut log = BufReader::new(child.stderr.take().expect("its log"));
        let mut said = String::new();
        while !said.contains(" serving ") {
            assert!(log.read_line(&mut said).expect("its log") > 0, "it ended early: {said}");
        }
        let line = said.lines().find(|line| line.contains(" serving ")).expect("just seen");
        let word = |key: &str| {
            let rest = line.split(key).nth(1).expect("it says where");
            rest.split_whitespace().next().expect("it says where").to_owned()
        };
        let (address, peer) = (word(" address="), word(" peer="));
        let _log = std::thread::spawn(move || drop(log.read_to_string(&mut said)));
        Self { child, address, peer, _log }
    }

    /// Asks it to stop; says whether it ended well.
    fn stop(&mut self) -> bool {
        let asked = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        assert!(asked.expect("kill runs").success());
        self.child.wait().expect("it ends").success()
    }

    fn kill(&mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ends");
    }

    /// Asks over HTTP; none when it does not answer.
    fn ask(&self, request: &str, body: &str) -> Option<(u16, Value)> {
        let mut stream = TcpStream::connect(&self.address).ok()?;
        stream.set_read_timeout(Some(LONG)).ok()?;
        let kind = "Content-Type: application/json";
        let length = body.len();
        let head = format!("{request} HTTP/1.0\r\nHost: via\r\n{kind}\r\nContent-Length: {length}");
        stream.write_all(format!("{head}\r\n\r\n{body}").as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        let status = head.split_whitespace().nth(1)?.parse().ok()?;
        Some((status, serde_json::from_str(body).ok()?))
    }

    /// Asks until the answer is as it should be.
    #[track_caller]
    fn until(&self, path: &str, what: impl Fn(&Value) -> bool) -> Value {
        let (begun, mut last) = (Instant::now(), None);
        while begun.elapsed() < LONG {
            match self.ask(&format!("GET {path}"), "") {
                Some((200, found)) if what(&found) => return found,
                answered => last = answered,
            }
        }
        panic!("{path} is {last:?}");
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn voters(status: &Value) -> usize {
    status["voters"].as_array().map_or(0, Vec::len)
}

fn create(node: &Node, stream: &str) {
    let (begun, mut last) = (Instant::now(), None);
    while begun.elapsed() < LONG {
        let body = format!(r#"{{"name":"{stream}"}}"#);
        match node.ask("POST /api/v1/streams", &body) {
            // An answer that was lost may have been a success.
            Some((201 | 409, _)) => return,
            answered => last = answered,
        }
    }
    panic!("{stream}: {last:?}");
}

#[test]
fn three_processes_form_a_cluster_and_outlive_their_leader() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let formed = done(folder, &["cluster", "init", "--data-dir", "a", "--shards", "4"]);
    assert!(formed.contains("4 shards") && formed.contains("n1"), "{formed}");
    let again = refused(folder, &["cluster", "init", "--data-dir", "a"]);
    assert!(again.contains("already"), "{again}");

    let one = Node::start(folder, &["--data-dir", "a", "--name", "first"]);
    let token = done(folder, &["cluster", "token", "--data-dir", "a", "--ttl", "10m"]);
    let join = |data: &str, more: &[&str]| {
        let mut arguments = vec!["--data-dir", data, "--join", &one.peer];
        arguments.extend_from_slice(more);
        Node::start(folder, &arguments)
    };
    let two = join("b", &["--token", &token, "--zone", "z2"]);
    let serve = ["serve", "--set", OPEN, "--listen", "127.0.0.1:0", "--peer-listen", "127.0.0.1:0"];
    let used = [&serve[..], &["--data-dir", "c", "--join", &one.peer, "--token", &token]].concat();
    let used = refused(folder, &used);
    assert!(used.contains("used by another node") && !used.contains(&token), "{used}");
    let second = done(folder, &["cluster", "token", "--data-dir", "b"]);
    std::fs::write(folder.join("token"), second).expect("a file");
    let three = join("c", &["--token-file", "token"]);
    for node in [&one, &two, &three] {
        node.until("/api/v1/cluster", |status| voters(status) == 3);
    }
    let rest = done(folder, &["cluster", "status", "--wait", "--target", &two.address]);
    assert!(rest.contains("to move   nothing"), "{rest}");
    let nodes = done(folder, &["cluster", "nodes", "--target", &three.address]);
    assert!(nodes.lines().skip(1).all(|node| node.contains("  4      4  ")), "{nodes}");
    assert!(nodes.contains("first") && nodes.contains("z2"), "{nodes}");
    let early = refused(folder, &["cluster", "remove", "n3", "--target", &two.address]);
    assert!(early.contains("drain it first") && early.contains("cluster_refused"), "{early}");

    let status = two.until("/api/v1/cluster", |_| true);
    let leader = status["leader"].as_str().expect("somebody leads").to_owned();
    let mut all = [one, two, three];
    let place = ["n1", "n2", "n3"].iter().position(|id| **id == leader).expect("one of them");
    all[place].kill();
    let other = &all[(place + 1) % 3];
    create(other, "afterwards");
    let gone = |nodes: &Value| nodes["items"][place]["seen"] == Value::Bool(false);
    other.until("/api/v1/cluster/nodes", gone);

    // It comes back at another port, without a token, and says where it is.
    let back = Node::start(folder, &["--data-dir", ["a", "b", "c"][place]]);
    back.until("/api/v1/streams", |streams| streams["items"][0]["name"] == "afterwards");
    let seen = |nodes: &Value| nodes["items"][place]["seen"] == Value::Bool(true);
    other.until("/api/v1/cluster/nodes", seen);
}

#[test]
fn a_node_that_was_alone_becomes_the_first_of_a_cluster() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let set = ["--set", "engine.shards=2"];
    let alone = |more: &[&str]| {
        let mut child =
            via(folder, &["serve", "--set", OPEN, "--data-dir", "a", "--listen", "127.0.0.1:0"])
                .args(more)
                .stderr(Stdio::piped())
                .spawn()
                .expect("it runs");
        let mut log = BufReader::new(child.stderr.take().expect("its log"));
        let mut said = String::new();
        while !said.contains(" serving ") {
            assert!(log.read_line(&mut said).expect("its log") > 0, "it ended early: {said}");
        }
        assert!(!said.contains(" peer="), "a node alone listens to no peers: {said}");
        let address =
            said.split(" address=").nth(1).and_then(|rest| rest.split_whitespace().next());
        let address = address.expect("it says where").to_owned();
        let _log = std::thread::spawn(move || drop(log.read_to_string(&mut said)));
        Node { child, address, peer: String::new(), _log }
    };
    let mut node = alone(&set);
    create(&node, "kept");
    let words = refused(folder, &["cluster", "nodes", "--target", &node.address]);
    assert!(words.contains("cluster init"), "{words}");
    let token = refused(folder, &["cluster", "token", "--data-dir", "a"]);
    assert!(token.contains("cluster init"), "{token}");
    node.kill();
    let formed = done(folder, &["cluster", "init", "--data-dir", "a"]);
    assert!(formed.contains("2 shards"), "what is there holds: {formed}");
    let node = Node::start(folder, &["--data-dir", "a"]);
    node.until("/api/v1/streams", |streams| streams["items"][0]["name"] == "kept");
    node.until("/api/v1/cluster", |status| status["shards"] == 2 && voters(status) == 1);
    let foreign = ["cluster", "init", "--data-dir", "b"];
    done(folder, &foreign);
    let token = done(folder, &["cluster", "token", "--data-dir", "a"]);
    let serve = ["serve", "--set", OPEN, "--listen", "127.0.0.1:0", "--peer-listen", "127.0.0.1:0"];
    let other =
        [&serve[..], &["--data-dir", "b", "--join", &node.peer, "--token", &token]].concat();
    let words = refused(folder, &other);
    assert!(words.contains("another cluster's"), "{words}");
}

#[test]
fn a_node_that_has_lost_its_majority_stops_in_time_and_well() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    done(folder, &["cluster", "init", "--data-dir", "a", "--shards", "4"]);
    let mut one = Node::start(folder, &["--data-dir", "a"]);
    let join = |data: &str| {
        let token = done(folder, &["cluster", "token", "--data-dir", "a"]);
        let joining = ["--data-dir", data, "--join", &one.peer, "--token", &token];
        Node::start(folder, &joining)
    };
    let mut others = [join("b"), join("c")];
    create(&one, "kept");
    let spread = |shards: &Value| {
        let shards = shards["items"].as_array();
        shards.is_some_and(|shards| shards.iter().all(|shard| voters(shard) == 3))
    };
    one.until("/api/v1/cluster/shards", spread);
    others.iter_mut().for_each(Node::kill);
    let begun = Instant::now();
    assert!(one.stop(), "it leads what it can hand over to nobody");
    // The grace of a second, and what closing takes.
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}
