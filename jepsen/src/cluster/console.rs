//! The commands with which a cluster is formed and watched, as far as the harness
//! uses them: the words of `via-node cluster` and what it answers as JSON. Behind a
//! trait, so that what is made of the answers is tested without a cluster.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;
use serde_json::{Value, json};

/// Runs `via-node cluster` with arguments and returns what it says.
pub trait Console: Send + Sync {
    /// Runs it.
    ///
    /// # Errors
    /// It fails, with what it said.
    fn run(&self, arguments: &[&str]) -> anyhow::Result<String>;
}

/// Longest that a command may take: a node that is held still never answers, and
/// who waits for it does not let it go on.
const PATIENCE: Duration = Duration::from_secs(10);

/// The real program.
pub struct Program {
    binary: PathBuf,
}

impl Program {
    /// Makes a console of `binary`.
    pub fn new(binary: PathBuf) -> Self {
        Self { binary }
    }
}

impl Console for Program {
    fn run(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let mut command = Command::new(&self.binary);
        command.arg("cluster").args(arguments).stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().with_context(|| format!("run {:?}", self.binary))?;
        let began = Instant::now();
        // What it says fits into a pipe: it ends without being read.
        while child.try_wait()?.is_none() {
            if began.elapsed() > PATIENCE {
                child.kill()?;
                child.wait()?;
                anyhow::bail!("cluster {arguments:?}: no answer within {PATIENCE:?}");
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        let output = child.wait_with_output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        anyhow::ensure!(output.status.success(), "cluster {arguments:?}: {}", said.trim());
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

/// The commands without which there is no cluster to attack.
const NEEDED: &[&str] = &["init", "token", "status", "nodes", "shards", "drain", "remove"];

/// Says whether the program can form a cluster.
///
/// # Errors
/// It cannot; which commands are missing.
pub fn can_cluster(console: &dyn Console) -> anyhow::Result<()> {
    let missing: Vec<&str> =
        NEEDED.iter().copied().filter(|word| console.run(&[word, "--help"]).is_err()).collect();
    anyhow::ensure!(
        missing.is_empty(),
        "this via-node has no `cluster {}`: only one node of it can be attacked (--nodes 1)",
        missing.join("`, `cluster ")
    );
    Ok(())
}

/// Makes the first node of a cluster.
///
/// # Errors
/// The command fails.
pub fn init(console: &dyn Console, data: &str, name: &str, shards: u16) -> anyhow::Result<()> {
    let shards = shards.to_string();
    console.run(&["init", "--data-dir", data, "--name", name, "--shards", &shards]).map(drop)
}

/// Returns a token with which one node may join.
///
/// # Errors
/// The command fails, or says nothing.
pub fn token(console: &dyn Console, data: &str) -> anyhow::Result<String> {
    let said = console.run(&["token", "--data-dir", data])?;
    let token = said.split_whitespace().last().context("`cluster token` said nothing")?;
    Ok(token.to_owned())
}

/// Returns where the shards are, as one node sees it: an array of `{shard, term,
/// leader, voters}`, nodes as numbers from 1.
///
/// # Errors
/// The command fails, or its answer is not understood.
pub fn shards(console: &dyn Console, target: SocketAddr) -> anyhow::Result<Vec<Value>> {
    let said = console.run(&["shards", "--target", &target.to_string(), "--json"])?;
    understood(&serde_json::from_str(&said).context("`cluster shards --json`")?)
}

/// Returns the shards that a document of theirs tells of, as [`shards`] does.
///
/// # Errors
/// It is not understood.
pub fn understood(document: &Value) -> anyhow::Result<Vec<Value>> {
    rows(document, "shards")?.iter().map(shard).collect()
}

/// A member, as one node sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its number, from 1.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// It was removed; it is told of while its number is remembered.
    pub has_left: bool,
    /// Where its peers reach it.
    pub hosts: Vec<IpAddr>,
}

/// Returns the nodes that are members, or were.
///
/// # Errors
/// The command fails, or its answer is not understood.
pub fn nodes(console: &dyn Console, target: SocketAddr) -> anyhow::Result<Vec<Listed>> {
    let said = console.run(&["nodes", "--target", &target.to_string(), "--json"])?;
    let answer: Value = serde_json::from_str(&said).context("`cluster nodes --json`")?;
    rows(&answer, "nodes")?.iter().map(listed).collect()
}

fn listed(row: &Value) -> anyhow::Result<Listed> {
    let id = node(&row["node"]).or_else(|| node(&row["id"]));
    let addresses = row["addresses"].as_array().into_iter().flatten().filter_map(Value::as_str);
    Ok(Listed {
        id: id.with_context(|| format!("a node without its number: {row}"))?,
        name: row["name"].as_str().unwrap_or_default().to_owned(),
        has_left: row["state"] == "left",
        hosts: addresses.filter_map(|at| Some(at.parse::<SocketAddr>().ok()?.ip())).collect(),
    })
}

/// What is asked for a node that comes or goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Lets it hold nothing any more.
    Drain,
    /// Lets it hold again.
    Undrain,
    /// Lets it go.
    Remove,
    /// Gives it up for dead.
    GiveUp,
}

/// Asks for a change of the node called `name`.
///
/// # Errors
/// The command fails.
pub fn change(
    console: &dyn Console,
    change: Change,
    name: &str,
    target: SocketAddr,
) -> anyhow::Result<()> {
    let target = target.to_string();
    let words: &[&str] = match change {
        Change::Drain => &["drain", name],
        Change::Undrain => &["drain", name, "--undo"],
        Change::Remove => &["remove", name],
        Change::GiveUp => &["remove", name, "--force"],
    };
    console.run(&[words, &["--target", &target]].concat()).map(drop)
}

fn rows<'a>(answer: &'a Value, name: &str) -> anyhow::Result<&'a [Value]> {
    let named = || answer["items"].as_array().or_else(|| answer[name].as_array());
    let rows = answer.as_array().or_else(named);
    rows.map(Vec::as_slice).with_context(|| format!("no list of {name}: {answer}"))
}

fn shard(row: &Value) -> anyhow::Result<Value> {
    let id = number(&row["shard"], "s").or_else(|| number(&row["id"], "s"));
    let id = id.with_context(|| format!("a shard without its number: {row}"))?;
    let voters = row["voters"].as_array().or_else(|| row["replicas"].as_array());
    let voters = voters.with_context(|| format!("a shard without its voters: {row}"))?;
    let voters: Option<Vec<u64>> = voters.iter().map(node).collect();
    let voters = voters.with_context(|| format!("voters that are no nodes: {row}"))?;
    Ok(json!({"shard": id, "term": row["term"], "leader": node(&row["leader"]), "voters": voters}))
}

/// A node is a number, or one after the letter n.
fn node(value: &Value) -> Option<u64> {
    number(value, "n")
}

fn number(value: &Value, prefix: &str) -> Option<u64> {
    let text = || value.as_str()?.trim_start_matches(prefix).parse().ok();
    value.as_u64().or_else(text)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// Says what was written down for each first word.
    struct Canned(BTreeMap<&'static str, &'static str>);

    impl Console for Canned {
        fn run(&self, arguments: &[&str]) -> anyhow::Result<String> {
            let said = self.0.get(arguments[0]).context("no such command")?;
            Ok((*said).to_owned())
        }
    }

    fn target() -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], 1))
    }

    #[test]
    fn refuses_a_program_without_the_commands_and_names_them() {
        let words = can_cluster(&Canned([("init", ""), ("token", "")].into())).unwrap_err();
        let words = words.to_string();
        assert!(words.contains("`cluster status`") && words.contains("--nodes 1"), "{words}");
        assert!(!words.contains("`cluster init`"), "{words}");
        let all = NEEDED.iter().map(|word| (*word, "")).collect();
        assert!(can_cluster(&Canned(all)).is_ok());
    }

    #[test]
    fn understands_shards_with_and_without_letters() {
        for said in [
            r#"{"items":[{"shard":"s3","term":4,"leader":"n2","voters":["n1","n2"]}]}"#,
            r#"[{"id":3,"term":4,"leader":2,"replicas":[1,2]}]"#,
        ] {
            let shards = shards(&Canned([("shards", said)].into()), target()).unwrap();
            assert_eq!(shards, [json!({"shard": 3, "term": 4, "leader": 2, "voters": [1, 2]})]);
        }
        let nobody = r#"[{"shard":3,"term":4,"leader":null,"voters":[1]}]"#;
        let shards = shards(&Canned([("shards", nobody)].into()), target()).unwrap();
        assert_eq!(shards[0]["leader"], Value::Null);
    }

    #[test]
    fn does_not_guess_at_what_it_does_not_understand() {
        for said in
            ["", "{}", r#"[{"shard":1}]"#, r#"[{"voters":[1]}]"#, r#"[{"shard":1,"voters":["x"]}]"#]
        {
            assert!(shards(&Canned([("shards", said)].into()), target()).is_err(), "{said}");
        }
        assert!(nodes(&Canned([("nodes", r#"[{"name":"a"}]"#)].into()), target()).is_err());
        let said = r#"{"items":[{"node":"n1","name":"a","addresses":["10.0.0.1:7"]},{"id":2,"state":"left"}]}"#;
        let seen = nodes(&Canned([("nodes", said)].into()), target()).unwrap();
        let host = IpAddr::from([10, 0, 0, 1]);
        let (name, hosts) = ("a".to_owned(), vec![host]);
        let first = Listed { id: 1, name, has_left: false, hosts };
        assert_eq!((&seen[0], seen[1].id, seen[1].has_left), (&first, 2, true));
    }

    #[test]
    fn a_token_is_the_last_word() {
        let console = Canned([("token", "valid for 10 minutes: abc.def\n")].into());
        assert_eq!(token(&console, "d").unwrap(), "abc.def");
    }
}
