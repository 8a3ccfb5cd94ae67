//! The commands that test with workloads and nemeses: one test, all of them, or
//! the judgement of a history that was kept.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::{Args, ValueEnum};
use via_jepsen::checker::{Validity, Verdict};
use via_jepsen::cluster::Network;
use via_jepsen::cluster::console::{self, Program};
use via_jepsen::history::{edn, json};
use via_jepsen::mutant::{Hunt, Mutant};
use via_jepsen::nemesis::Nemesis;
use via_jepsen::net::Net;
use via_jepsen::trial::{Outcome, Trial};
use via_jepsen::{binary, workload};

/// How the nodes are connected.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Where {
    /// Each in a network namespace of its own; needs root, iproute2 and iptables.
    Namespaces,
    /// One node on the loopback, without partitions.
    Loopback,
}

/// What every test has in common.
#[derive(Args)]
struct Shared {
    /// How long clients work, seconds, per test.
    #[arg(long, default_value_t = 60)]
    time: u64,
    /// How many nodes.
    #[arg(long, default_value_t = 5)]
    nodes: usize,
    /// The program to attack; found or built when not given.
    #[arg(long)]
    node: Option<PathBuf>,
    /// Where all choices come from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where histories and reports go, a folder per test.
    #[arg(long, default_value = "target/jepsen")]
    out: PathBuf,
    /// How the nodes are connected.
    #[arg(long, value_enum, default_value = "namespaces")]
    network: Where,
}

/// One test.
#[derive(Args)]
pub(crate) struct Test {
    /// What clients do; see `via-jepsen list`.
    #[arg(long)]
    workload: String,
    /// What goes wrong, several at a time when separated by commas.
    #[arg(long, value_delimiter = ',')]
    nemesis: Vec<String>,
    #[command(flatten)]
    shared: Shared,
}

/// Every test.
#[derive(Args)]
pub(crate) struct All {
    /// Only these workloads.
    #[arg(long, value_delimiter = ',')]
    workload: Vec<String>,
    /// Only these nemeses, each alone, without pairs.
    #[arg(long, value_delimiter = ',')]
    nemesis: Vec<String>,
    #[command(flatten)]
    shared: Shared,
}

/// A history to judge.
#[derive(Args)]
pub(crate) struct Check {
    /// What clients did.
    #[arg(long)]
    workload: String,
    /// The history: JSON lines, or EDN when its name ends so.
    history: PathBuf,
}

/// Planted bugs to find.
#[derive(Args)]
pub(crate) struct Mutants {
    /// Only these; see `via-jepsen list`.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// How long each may take to be found, seconds, without its build.
    #[arg(long, default_value_t = 120)]
    budget: u64,
    /// Where they are built, and the histories go.
    #[arg(long, default_value = "target/mutants")]
    out: PathBuf,
}

fn workload(word: &str) -> anyhow::Result<workload::Name> {
    let found = workload::Name::ALL.into_iter().find(|name| name.word() == word);
    found.with_context(|| format!("there is no workload {word:?}; see `via-jepsen list`"))
}

fn nemesis(word: &str) -> anyhow::Result<Nemesis> {
    let found = Nemesis::ALL.iter().copied().find(|nemesis| nemesis.word() == word);
    found.with_context(|| format!("there is no nemesis {word:?}; see `via-jepsen list`"))
}

impl Shared {
    /// Finds the program and sees that so many nodes of it can be tested here.
    fn ready(&self) -> anyhow::Result<PathBuf> {
        if matches!(self.network, Where::Namespaces) {
            Net::possible()?;
        }
        let binary = match &self.node {
            Some(node) => node.canonicalize().with_context(|| format!("find {node:?}"))?,
            None => binary::find()?,
        };
        if self.nodes > 1 {
            console::can_cluster(&Program::new(binary.clone()))?;
        }
        Ok(binary)
    }

    fn trial(&self, binary: &Path, workload: workload::Name, nemeses: Vec<Nemesis>) -> Trial {
        let mut trial = Trial {
            workload,
            nemeses,
            time: Duration::from_secs(self.time),
            nodes: self.nodes,
            network: match self.network {
                Where::Namespaces => Network::Namespaces,
                Where::Loopback => Network::Loopback,
            },
            binary: binary.to_owned(),
            seed: self.seed,
            out: PathBuf::new(),
        };
        trial.out = self.out.join(trial.name());
        trial
    }
}

/// Carries out one test.
pub(crate) async fn test(test: &Test) -> anyhow::Result<ExitCode> {
    let workload = workload(&test.workload)?;
    let nemeses: Vec<Nemesis> =
        test.nemesis.iter().map(|word| nemesis(word)).collect::<Result<_, _>>()?;
    let binary = test.shared.ready()?;
    let trial = test.shared.trial(&binary, workload, nemeses);
    carry_out(&[trial]).await
}

/// Carries out every test that so many nodes allow, and says which they do not.
pub(crate) async fn all(all: &All) -> anyhow::Result<ExitCode> {
    let shared = &all.shared;
    let workloads: Vec<workload::Name> = match all.workload.as_slice() {
        [] => workload::Name::ALL.to_vec(),
        words => words.iter().map(|word| workload(word)).collect::<Result<_, _>>()?,
    };
    let nemeses: Vec<Vec<Nemesis>> = match all.nemesis.as_slice() {
        [] => alone_and_in_pairs(Nemesis::ALL),
        words => words
            .iter()
            .map(|word| nemesis(word).map(|nemesis| vec![nemesis]))
            .collect::<Result<_, _>>()?,
    };
    let binary = shared.ready()?;
    let trials = workloads.iter().flat_map(|workload| {
        nemeses.iter().map(|nemeses| shared.trial(&binary, *workload, nemeses.clone()))
    });
    let (possible, impossible): (Vec<Trial>, Vec<Trial>) =
        trials.partition(|trial| trial.is_possible().is_ok());
    let reasons: BTreeSet<String> = impossible
        .iter()
        .filter_map(|trial| trial.is_possible().err())
        .map(|error| error.to_string())
        .collect();
    for reason in reasons {
        writeln!(std::io::stdout(), "left out: {reason}")?;
    }
    carry_out(&possible).await
}

/// Each nemesis alone, and each beside one of another kind, so that every one is
/// in at least one pair.
fn alone_and_in_pairs(all: &[Nemesis]) -> Vec<Vec<Nemesis>> {
    let mut chosen: Vec<Vec<Nemesis>> = all.iter().map(|nemesis| vec![*nemesis]).collect();
    let half = all.len() / 2;
    let pair = |at: usize| vec![all[at], all[(at + half) % all.len()]];
    chosen.extend((0..all.len() - half).map(pair));
    chosen
}

async fn carry_out(trials: &[Trial]) -> anyhow::Result<ExitCode> {
    let mut out = std::io::stdout();
    let (mut invalid, mut untested) = (0, 0);
    for trial in trials {
        let begun = Instant::now();
        let (word, told) = match trial.run().await {
            Ok(outcome) => {
                invalid += u32::from(outcome.validity() == Validity::Invalid);
                untested += u32::from(outcome.validity() == Validity::Unknown);
                (outcome.validity().word(), summary(&outcome))
            }
            Err(error) => {
                untested += 1;
                ("UNTESTED", format!("{error:#}"))
            }
        };
        let seconds = begun.elapsed().as_secs_f64();
        writeln!(out, "{word:8} {:40} {seconds:6.1} s  {told}", trial.name())?;
    }
    if let Some(first) = trials.first() {
        let folder = first.out.parent().unwrap_or(&first.out);
        writeln!(
            out,
            "{} tests, {invalid} invalid, {untested} untested; reports in {}",
            trials.len(),
            folder.display()
        )?;
    }
    Ok(match (invalid, untested) {
        (0, 0) => ExitCode::SUCCESS,
        (0, _) => ExitCode::from(super::UNTESTED),
        _ => ExitCode::FAILURE,
    })
}

fn summary(outcome: &Outcome) -> String {
    let [ok, fail, info] = outcome.operations;
    let mut told = format!("{} faults; {ok} ok, {fail} fail, {info} info", outcome.strikes);
    for verdict in outcome.verdicts.iter().filter(|verdict| verdict.validity() != Validity::Valid) {
        told.push_str(&format!("\n         {}", findings(verdict)));
    }
    told
}

fn findings(verdict: &Verdict) -> String {
    let found: Vec<String> = verdict.findings().iter().take(4).map(|words| short(words)).collect();
    format!("{} {}: {}", verdict.checker, verdict.validity().word(), found.join("; "))
}

/// Cuts words for one line; the report has them whole.
fn short(words: &str) -> String {
    let line: Vec<&str> = words.split_whitespace().collect();
    let line = line.join(" ");
    match line.char_indices().nth(200) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

/// Judges a history that was kept.
pub(crate) fn check(check: &Check) -> anyhow::Result<ExitCode> {
    let workload = workload(&check.workload)?.workload();
    let path = &check.history;
    let text = std::fs::read_to_string(path).with_context(|| format!("read {path:?}"))?;
    let history = match path.extension().is_some_and(|end| end == "edn") {
        true => edn::read(&text)?,
        false => json::read(&text)?,
    };
    let verdicts = workload.check(&history.operations()?);
    for verdict in &verdicts {
        writeln!(std::io::stdout(), "{:#}", verdict.json())?;
    }
    let is_valid = verdicts.iter().all(|verdict| verdict.validity() == Validity::Valid);
    Ok(if is_valid { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Builds and attacks every planted bug; fails unless all are found.
pub(crate) async fn mutants(mutants: &Mutants) -> anyhow::Result<ExitCode> {
    let Mutants { only, budget, out } = mutants;
    for word in only {
        let is_known = Mutant::ALL.iter().any(|mutant| mutant.word() == word);
        anyhow::ensure!(is_known, "there is no mutant {word:?}; see `via-jepsen list`");
    }
    std::fs::create_dir_all(out)?;
    let out = out.canonicalize()?;
    let wanted = |mutant: &&Mutant| only.is_empty() || only.iter().any(|w| w == mutant.word());
    let mut missed = 0;
    for mutant in Mutant::ALL.iter().filter(wanted) {
        let binary = mutant.build(&out)?;
        let hunt = mutant.hunt(&binary, Duration::from_secs(*budget), &out).await?;
        missed += u32::from(hunt.found.is_none());
        let Hunt { found, took, tests } = hunt;
        let word = if found.is_some() { "found" } else { "MISSED" };
        let (seconds, found) = (took.as_secs_f64(), short(&found.unwrap_or_default()));
        let name = mutant.word();
        writeln!(std::io::stdout(), "{word:6} {name:20} {seconds:6.1} s, {tests} tests  {found}")?;
    }
    Ok(if missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
