//! Whole tests against the real program: a node on the loopback that is killed
//! while each workload is at work, and one in a namespace that is cut off.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use via_jepsen::binary;
use via_jepsen::checker::Validity;
use via_jepsen::cluster::Network;
use via_jepsen::history::{edn, json};
use via_jepsen::nemesis::Nemesis;
use via_jepsen::net::Net;
use via_jepsen::trial::Trial;
use via_jepsen::workload::Name;

fn trial(workload: Name, nemesis: Nemesis, out: &Path) -> Trial {
    Trial {
        workload,
        nemeses: vec![nemesis],
        time: Duration::from_secs(5),
        nodes: 1,
        network: Network::Loopback,
        binary: binary::find().expect("a node"),
        seed: 1,
        out: out.to_owned(),
    }
}

fn is_valid(trial: &Trial) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
    let outcome = runtime.block_on(trial.run()).expect("it can be tested");
    let found: Vec<String> = outcome.verdicts.iter().flat_map(|v| v.findings()).collect();
    assert_eq!(outcome.validity(), Validity::Valid, "{}: {found:?}", trial.name());
    assert!(outcome.strikes > 0 && outcome.operations[0] > 50, "{outcome:?}");
}

#[test]
fn acknowledged_elements_survive_kills_and_the_history_is_kept() {
    let out = tempfile::tempdir().expect("a folder");
    is_valid(&trial(Name::AckedSet, Nemesis::Kill, out.path()));
    let read = |name: &str| std::fs::read_to_string(out.path().join(name)).expect(name);
    let history = json::read(&read("history.jsonl")).expect("JSON lines");
    assert_eq!(edn::read(&read("history.edn")).expect("EDN"), history);
    assert!(read("report.html").contains("<svg"));
    assert!(read("results.json").contains("\"valid\": \"valid\""));
    assert!(!read("node-1.txt").is_empty());
}

#[test]
fn producers_count_once_through_kills() {
    let out = tempfile::tempdir().expect("a folder");
    is_valid(&trial(Name::ExactlyOnce, Nemesis::Kill, out.path()));
}

#[test]
fn registers_are_linearizable_through_kills() {
    let out = tempfile::tempdir().expect("a folder");
    is_valid(&trial(Name::Register, Nemesis::Kill, out.path()));
}

#[test]
fn detections_are_those_of_an_undisturbed_run_through_kills() {
    let out = tempfile::tempdir().expect("a folder");
    is_valid(&trial(Name::Detections, Nemesis::Kill, out.path()));
}

#[test]
fn a_node_in_a_namespace_survives_being_cut_off() {
    if let Err(impossible) = Net::possible() {
        let _ = std::io::Write::write_all(
            &mut std::io::stderr(),
            format!("SKIPPED a_node_in_a_namespace_survives_being_cut_off: {impossible}\n")
                .as_bytes(),
        );
        return;
    }
    let out = tempfile::tempdir().expect("a folder");
    let trial = trial(Name::AckedSet, Nemesis::PartitionNode, out.path());
    is_valid(&Trial { network: Network::Namespaces, ..trial });
}

#[test]
fn more_nodes_than_the_program_can_join_are_refused_with_words() {
    let folder = tempfile::tempdir().expect("a folder");
    // A program that knows no command at all.
    let node = PathBuf::from("/bin/false");
    let output = Command::new(env!("CARGO_BIN_EXE_via-jepsen"))
        .args([
            "test",
            "--workload",
            "acked-set",
            "--nodes",
            "3",
            "--network",
            "loopback",
            "--node",
        ])
        .arg(node)
        .arg("--out")
        .arg(folder.path())
        .output()
        .expect("it runs");
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("no `cluster init`") && said.contains("--nodes 1"), "{said}");
}
