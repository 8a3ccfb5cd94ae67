//! One test: nodes start, clients work while faults strike, everything is healed,
//! what is left is read, the history is judged, and all of it is written down.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;
use serde_json::json;
use tokio::task::JoinSet;

use crate::caller::ILL_MANNERED;
use crate::checker::{Validity, Verdict};
use crate::cluster::{self, Cluster, Network, Plan, Shims};
use crate::history::{History, Kind, Operation, Process, Told, edn, json as lines};
use crate::leaders::Watch;
use crate::nemesis::Nemesis;
use crate::nemesis::agenda::Agenda;
use crate::nemesis::hand::{Done, Hand};
use crate::report;
use crate::workload::{self, Stage, Workload, drive};

/// What the history calls the end of all faults.
pub(crate) const HEAL: &str = "heal";
/// What checkers call events that were acknowledged and accounted for.
pub(crate) const EVENTS: &str = "events acknowledged";

/// What is tested, and how.
#[derive(Clone, Debug)]
pub struct Trial {
    /// What clients do.
    pub workload: workload::Name,
    /// What goes wrong meanwhile; nothing when empty.
    pub nemeses: Vec<Nemesis>,
    /// How long.
    pub time: Duration,
    /// How many nodes.
    pub nodes: usize,
    /// How they are connected.
    pub network: Network,
    /// The program under attack.
    pub binary: PathBuf,
    /// Where all choices come from.
    pub seed: u64,
    /// Where the history, the report and the nodes' sayings go.
    pub out: PathBuf,
}

/// What came of it.
#[derive(Debug)]
pub struct Outcome {
    /// What the checkers say.
    pub verdicts: Vec<Verdict>,
    /// How many operations ended ok, failed, or nobody knows.
    pub operations: [u64; 3],
    /// How many faults struck.
    pub strikes: u64,
    /// How often a shard was led by another node than before.
    pub failovers: u64,
}

impl Outcome {
    /// Returns how many events were acknowledged and accounted for.
    pub fn events(&self) -> u64 {
        let figures = self.verdicts.iter().flat_map(|verdict| &verdict.figures);
        figures.filter(|(name, _)| *name == EVENTS).map(|(_, count)| count).sum()
    }

    /// Returns what follows from all verdicts.
    pub fn validity(&self) -> Validity {
        let all = self.verdicts.iter().map(Verdict::validity);
        let worst = |one, other| match (one, other) {
            (Validity::Invalid, _) | (_, Validity::Invalid) => Validity::Invalid,
            (Validity::Unknown, _) | (_, Validity::Unknown) => Validity::Unknown,
            (Validity::Valid, Validity::Valid) => Validity::Valid,
        };
        all.fold(Validity::Valid, worst)
    }
}

impl Trial {
    /// Returns what it is called.
    pub fn name(&self) -> String {
        let mut words = vec![self.workload.word()];
        words.extend(self.nemeses.iter().map(|nemesis| nemesis.word()));
        words.join("+")
    }

    /// Says whether it can be made at all with so many nodes on such a network.
    ///
    /// # Errors
    /// It cannot, and why.
    pub fn is_possible(&self) -> anyhow::Result<()> {
        let nodes = self.nodes;
        let (word, least) = (self.workload.word(), self.workload.least_nodes());
        anyhow::ensure!(nodes >= least, "the workload {word} needs {least} nodes, not {nodes}");
        for nemesis in &self.nemeses {
            let (word, least) = (nemesis.word(), nemesis.least_nodes());
            anyhow::ensure!(nodes >= least, "the nemesis {word} needs {least} nodes, not {nodes}");
            let has_space = self.network == Network::Namespaces || !nemesis.needs_namespaces();
            anyhow::ensure!(has_space, "the nemesis {word} needs namespaces");
        }
        Ok(())
    }

    /// Carries it out.
    ///
    /// # Errors
    /// It could not be made; what the nodes do wrong is a verdict instead.
    pub async fn run(&self) -> anyhow::Result<Outcome> {
        self.is_possible()?;
        let folder = tempfile::Builder::new().prefix("via-jepsen-").tempdir()?;
        let mut cluster = Cluster::start(&self.plan(folder.path())).await?;
        let targets = cluster.targets().clone();
        let stage = Stage::new(targets, self.seed, self.time, self.binary.clone());
        let workload = self.workload.workload();
        workload.prepare(&stage).await.context("prepare the workload")?;
        let watch = Watch::begin(cluster.targets());
        let done = self.attack(&mut cluster, &stage, &*workload).await;
        let mut aftermath = Verdict::new("recovery");
        self.heal(&mut cluster, &stage, &*workload, &mut aftermath).await;
        let history = stage.recorder.history();
        let operations = history.operations()?;
        let mut verdicts = workload.check(&operations);
        verdicts.push(aftermath);
        verdicts.push(self.processes(&mut cluster, &done));
        verdicts.push(manners(&operations));
        let outcome = Outcome {
            verdicts,
            operations: tally(&operations),
            strikes: done.strikes.values().sum(),
            failovers: watch.changes(),
        };
        self.keep(&history, &cluster, &outcome)?;
        Ok(outcome)
    }

    fn plan<'a>(&'a self, folder: &'a Path) -> Plan<'a> {
        let shims = self.nemeses.iter().map(|nemesis| nemesis.shims());
        let shims = shims.fold(Shims::default(), |all, one| Shims {
            disk: all.disk || one.disk,
            clock: all.clock || one.clock,
        });
        let (binary, network) = (self.binary.as_path(), self.network);
        Plan { binary, nodes: self.nodes, network, shims, seed: self.seed, folder }
    }

    /// Lets clients work and faults strike.
    async fn attack(&self, cluster: &mut Cluster, stage: &Stage, workload: &dyn Workload) -> Done {
        let stopping = Arc::new(AtomicBool::new(false));
        let (clients, pause) = workload.crowd();
        let mut crowd = JoinSet::new();
        for number in 0..clients {
            let client = workload.client(stage, number);
            crowd.spawn(drive(client, stage.clone(), number, pause, Arc::clone(&stopping)));
        }
        let agenda = Agenda::new(&self.nemeses, stage.rng(0x6e65_6d65));
        let hand = Hand::new(cluster, stage.recorder.clone());
        let done = hand.follow(agenda, self.time).await;
        stopping.store(true, Ordering::SeqCst);
        // Every request has a deadline: each client ends its operation.
        while crowd.join_next().await.is_some() {}
        done
    }

    /// Heals everything, waits, and reads what is left.
    async fn heal(
        &self,
        cluster: &mut Cluster,
        stage: &Stage,
        workload: &dyn Workload,
        verdict: &mut Verdict,
    ) {
        let told = Told { outcome: Kind::Info, value: json!({"phase": "end"}), error: None };
        stage.recorder.complete(Process::Nemesis, HEAL, told);
        match cluster.recover().await {
            Ok(took) => verdict.figure("ready again after ms", took.as_millis()),
            Err(error) => {
                verdict.violation(format!("{error:#}"));
                return;
            }
        }
        if let Err(error) = workload.close(stage).await {
            verdict.violation(format!("all is healed, and still: {error:#}"));
        }
    }

    fn keep(&self, history: &History, cluster: &Cluster, outcome: &Outcome) -> anyhow::Result<()> {
        std::fs::create_dir_all(&self.out).with_context(|| format!("make {:?}", self.out))?;
        let write = |name: &str, text: String| std::fs::write(self.out.join(name), text);
        write("history.jsonl", lines::write(history))?;
        write("history.edn", edn::write(history))?;
        write("report.html", report::html(self, history, outcome)?)?;
        let verdicts: Vec<_> = outcome.verdicts.iter().map(Verdict::json).collect();
        let results = json!({
            "test": self.name(),
            "seed": self.seed,
            "nodes": self.nodes,
            "seconds": self.time.as_secs(),
            "valid": outcome.validity().word(),
            "strikes": outcome.strikes,
            "events": outcome.events(),
            "failovers": outcome.failovers,
            "operations": outcome.operations,
            "verdicts": verdicts,
        });
        write("results.json", format!("{results:#}\n"))?;
        for (node, said) in cluster.sayings().iter().enumerate() {
            if said.exists() {
                std::fs::copy(said, self.out.join(format!("{}.txt", cluster::name(node))))?;
            }
        }
        Ok(())
    }

    /// No node ends by itself, panics, or does not do what it is told by a signal.
    fn processes(&self, cluster: &mut Cluster, done: &Done) -> Verdict {
        let mut verdict = Verdict::new("processes");
        cluster.oddities().into_iter().for_each(|odd| verdict.violation(odd));
        let strikes = done.strikes.values().sum::<u64>();
        // Among other faults one may be impossible, such as to drain a node while
        // there is no majority; but not most of them.
        let is_told = self.nemeses.len() < 2 || done.failed.len() as u64 * 2 > strikes;
        for failed in done.failed.iter().filter(|_| is_told) {
            verdict.doubt(format!("not done: {failed}"));
        }
        verdict.figure("strikes", strikes);
        verdict.figure("deeds not done", done.failed.len());
        verdict.figure("panics", cluster.panics());
        verdict
    }
}

/// Every refusal is a problem document with a fate (D-5).
fn manners(operations: &[Operation]) -> Verdict {
    let mut verdict = Verdict::new("refusals");
    let errors = operations.iter().filter_map(|operation| operation.error.as_deref());
    let ill: Vec<&str> = errors.clone().filter(|words| words.starts_with(ILL_MANNERED)).collect();
    verdict.figure("refused or failed", errors.count());
    ill.into_iter().for_each(|words| verdict.violation(words));
    verdict
}

fn tally(operations: &[Operation]) -> [u64; 3] {
    let count = |kind| operations.iter().filter(|o| o.outcome == kind).count() as u64;
    [count(Kind::Ok), count(Kind::Fail), count(Kind::Info)]
}
