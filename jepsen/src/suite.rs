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
use via_jepsen::mutant::{self, Hunt, Mutant, Search, Target};
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
    /// Begins no test that would end later than this, like 600s or 10m. Tests are
    /// ordered so that the first ones meet every workload and every nemesis.
    #[arg(long, value_parser = span, value_name = "SPAN")]
    budget: Option<Duration>,
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
    /// Attacks the node as it is, with the same tests: nothing may be found.
    #[arg(long)]
    unplanted: bool,
    /// Looks for them in simulated clusters instead of real ones.
    #[arg(long)]
    simulator: bool,
}

/// Reads a span like 90, 90s or 10m.
fn span(text: &str) -> Result<Duration, String> {
    let (number, unit) = match text.strip_suffix('m') {
        Some(number) => (number, 60),
        None => (text.strip_suffix('s').unwrap_or(text), 1),
    };
    let number: u64 =
        number.parse().map_err(|_| format!("{text:?} is no span like 600s or 10m"))?;
    Ok(Duration::from_secs(number.saturating_mul(unit)))
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
    carry_out(&[trial], None).await
}

/// Carries out every test that so many nodes allow, and says which they do not.
pub(crate) async fn all(all: &All) -> anyhow::Result<ExitCode> {
    let shared = &all.shared;
    let workloads: Vec<workload::Name> = match all.workload.as_slice() {
        [] => workload::Name::ALL.to_vec(),
        words => words.iter().map(|word| workload(word)).collect::<Result<_, _>>()?,
    };
    let nemeses: Vec<Nemesis> =
        all.nemesis.iter().map(|word| nemesis(word)).collect::<Result<_, _>>()?;
    let course = match nemeses.as_slice() {
        [] => {
            let mut course = crossed(&workloads, &pairs(Nemesis::ALL));
            course.extend(crossed(&workloads, &alone(Nemesis::ALL)));
            course
        }
        nemeses => crossed(&workloads, &alone(nemeses)),
    };
    let binary = shared.ready()?;
    let trials =
        course.into_iter().map(|(workload, nemeses)| shared.trial(&binary, workload, nemeses));
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
    carry_out(&possible, all.budget).await
}

/// Each nemesis beside one of another kind, so that every one is in a pair.
fn pairs(all: &[Nemesis]) -> Vec<Vec<Nemesis>> {
    let half = all.len() / 2;
    (0..all.len() - half).map(|at| vec![all[at], all[(at + half) % all.len()]]).collect()
}

fn alone(all: &[Nemesis]) -> Vec<Vec<Nemesis>> {
    all.iter().map(|nemesis| vec![*nemesis]).collect()
}

/// Every workload with every set of nemeses, once; the first so many have every
/// set, and the workloads in turn.
fn crossed(
    workloads: &[workload::Name],
    sets: &[Vec<Nemesis>],
) -> Vec<(workload::Name, Vec<Nemesis>)> {
    let many = workloads.len();
    let rounds = (0..many).flat_map(|round| sets.iter().enumerate().map(move |set| (round, set)));
    rounds.map(|(round, (at, set))| (workloads[(at + round) % many], set.clone())).collect()
}

/// What all tests together came to.
#[derive(Default)]
struct Totals {
    tests: u32,
    invalid: u32,
    untested: u32,
    events: u64,
    faults: u64,
    failovers: u64,
    operations: [u64; 3],
    longest: Duration,
}

impl Totals {
    fn add(&mut self, outcome: &Outcome) {
        self.invalid += u32::from(outcome.validity() == Validity::Invalid);
        self.untested += u32::from(outcome.validity() == Validity::Unknown);
        self.events += outcome.events();
        self.faults += outcome.strikes;
        self.failovers += outcome.failovers;
        for (sum, more) in self.operations.iter_mut().zip(outcome.operations) {
            *sum += more;
        }
    }

    fn code(&self) -> ExitCode {
        match (self.invalid, self.untested) {
            (0, 0) => ExitCode::SUCCESS,
            (0, _) => ExitCode::from(super::UNTESTED),
            _ => ExitCode::FAILURE,
        }
    }
}

impl std::fmt::Display for Totals {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { tests, invalid, untested, events, faults, failovers, operations, .. } = self;
        let [ok, fail, info] = operations;
        write!(
            f,
            "{tests} tests, {invalid} invalid, {untested} untested; {events} events acknowledged; \
             {faults} faults, {failovers} failovers; operations: {ok} ok, {fail} failed, {info} \
             unknown"
        )
    }
}

/// Carries out one test after the other, as many as fit into the budget.
async fn carry_out(trials: &[Trial], budget: Option<Duration>) -> anyhow::Result<ExitCode> {
    let mut out = std::io::stdout();
    let (mut totals, all) = (Totals::default(), Instant::now());
    for trial in trials {
        if budget.is_some_and(|budget| all.elapsed() + totals.longest > budget) {
            break;
        }
        let begun = Instant::now();
        let (word, told) = match trial.run().await {
            Ok(outcome) => {
                totals.add(&outcome);
                (outcome.validity().word(), summary(&outcome))
            }
            Err(error) => {
                totals.untested += 1;
                ("UNTESTED", format!("{error:#}"))
            }
        };
        totals.tests += 1;
        totals.longest = totals.longest.max(begun.elapsed());
        let seconds = begun.elapsed().as_secs_f64();
        writeln!(out, "{word:8} {:40} {seconds:6.1} s  {told}", trial.name())?;
    }
    let left_out = trials.len() - totals.tests as usize;
    if left_out > 0 {
        writeln!(out, "{left_out} tests left out: they would not have ended in time")?;
    }
    if let Some(first) = trials.first() {
        let folder = first.out.parent().unwrap_or(&first.out);
        let seconds = all.elapsed().as_secs();
        writeln!(out, "{totals}; {seconds} s; reports in {}", folder.display())?;
    }
    Ok(totals.code())
}

fn summary(outcome: &Outcome) -> String {
    let [ok, fail, info] = outcome.operations;
    let (faults, failovers, events) = (outcome.strikes, outcome.failovers, outcome.events());
    let mut told = format!(
        "{faults} faults, {failovers} failovers, {events} events; {ok} ok, {fail} fail, {info} info"
    );
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

/// Builds and attacks every planted bug, and fails unless all are found; or the
/// node as it is, and fails unless nothing is.
pub(crate) async fn mutants(mutants: &Mutants) -> anyhow::Result<ExitCode> {
    let Mutants { only, budget, out, unplanted, simulator } = mutants;
    for word in only {
        let is_known = Mutant::ALL.iter().any(|mutant| mutant.word() == word);
        anyhow::ensure!(is_known, "there is no mutant {word:?}; see `via-jepsen list`");
    }
    std::fs::create_dir_all(out)?;
    let out = out.canonicalize()?;
    let target = if *simulator { Target::Simulator } else { Target::Node };
    let sound = if *unplanted { Some(mutant::build(target, None, &out)?) } else { None };
    let wanted = |mutant: &&Mutant| only.is_empty() || only.iter().any(|w| w == mutant.word());
    let (mut wrong, mut skipped) = (0, 0);
    for mutant in Mutant::ALL.iter().filter(wanted) {
        let name = mutant.word();
        if *simulator && !mutant.is_simulated() {
            writeln!(std::io::stdout(), "ABSENT  {name:20} the simulator keeps logs in memory")?;
            continue;
        }
        if let (false, Err(reason)) = (*simulator, mutant.is_possible()) {
            skipped += 1;
            writeln!(std::io::stdout(), "SKIPPED {name:20} {reason}")?;
            continue;
        }
        let binary = match &sound {
            Some(sound) => sound.clone(),
            None => mutant::build(target, Some(*mutant), &out)?,
        };
        let search = Search { binary: &binary, budget: Duration::from_secs(*budget), out: &out };
        let hunt = if *simulator { Mutant::simulate(&search) } else { mutant.hunt(&search).await };
        let Hunt { found, took, tests } = hunt?;
        let word = match (sound.is_some(), found.is_some()) {
            (false, true) => "found",
            (false, false) => "MISSED",
            (true, false) => "valid",
            (true, true) => "INVALID",
        };
        wrong += u32::from(found.is_some() == sound.is_some());
        let (seconds, found) = (took.as_secs_f64(), short(&found.unwrap_or_default()));
        writeln!(std::io::stdout(), "{word:7} {name:20} {seconds:6.1} s, {tests} tests  {found}")?;
    }
    Ok(match (wrong, skipped) {
        (0, 0) => ExitCode::SUCCESS,
        (0, _) => ExitCode::from(super::SKIPPED),
        _ => ExitCode::FAILURE,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_first_tests_meet_every_nemesis_and_every_workload_and_all_meet_all() {
        let pairs = pairs(Nemesis::ALL);
        let course = crossed(&workload::Name::ALL, &pairs);
        let first = &course[..pairs.len()];
        let nemeses: BTreeSet<Nemesis> = first.iter().flat_map(|(_, set)| set.clone()).collect();
        assert_eq!(nemeses.len(), Nemesis::ALL.len());
        let word = |test: &(workload::Name, Vec<Nemesis>)| (test.0.word(), test.1.clone());
        let workloads: BTreeSet<&str> = first.iter().map(|test| word(test).0).collect();
        assert_eq!(workloads.len(), workload::Name::ALL.len());
        let all: BTreeSet<(&str, Vec<Nemesis>)> = course.iter().map(word).collect();
        assert_eq!(all.len(), pairs.len() * workload::Name::ALL.len());
    }

    #[test]
    fn reads_a_span() {
        assert_eq!(span("10m"), Ok(Duration::from_secs(600)));
        assert_eq!((span("90s"), span("90")), (Ok(Duration::from_secs(90)), span("90s")));
        assert!(span("soon").is_err() && span("1h").is_err());
    }
}
