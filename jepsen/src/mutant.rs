//! Planted bugs: patches to the node's sources (`mutants/*.patch`), each built from
//! a copy of what is committed, and attacked until its bug is found: one node on the
//! loopback, or a cluster in namespaces where nothing less shows it; or simulated.
//! No flag of the node can turn one on; a patch that no longer fits is an error.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Context;

use crate::checker::Validity;
use crate::cluster::Network;
use crate::nemesis::Nemesis;
use crate::net::{Impossible, Net};
use crate::trial::Trial;
use crate::workload::Name;

/// How long clients work in one test.
const TIME: Duration = Duration::from_secs(15);
/// How many clusters are simulated before it is asked whether one was wrong.
const SEEDS: u32 = 8;

macro_rules! mutants {
    ($(
        $name:ident = $word:literal, $nodes:literal, $workload:ident, [$($nemesis:ident),*],
        $help:literal;
    )*) => {
        /// A planted bug.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Mutant {
            $(#[doc = $help] $name,)*
        }

        impl Mutant {
            /// Every planted bug.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// Returns its name, which is also its patch's.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }

            /// Returns what is wrong.
            pub const fn help(self) -> &'static str {
                match self { $(Self::$name => $help,)* }
            }

            /// Returns how many nodes it takes to see it.
            pub const fn nodes(self) -> usize {
                match self { $(Self::$name => $nodes,)* }
            }

            /// Returns the test that must find it.
            pub fn test(self) -> (Name, Vec<Nemesis>) {
                match self {
                    $(Self::$name => (Name::$workload, vec![$(Nemesis::$nemesis),*]),)*
                }
            }
        }
    };
}

mutants! {
    AckBeforeFsync = "ack-before-fsync", 1, AckedSet, [Power],
        "Most batches are acknowledged before they are synced.";
    SkipDeduplication = "skip-deduplication", 1, ExactlyOnce, [Kill],
        "A new leader does not know what was seen before.";
    ServeBeforeReplay = "serve-before-replay", 1, AckedSet, [Kill],
        "A new leader serves without what the tail of the log holds.";
    PurgeTooFar = "purge-too-far", 1, ExactlyOnce, [Kill],
        "The log is purged one entry beyond what the tables hold.";
    ForgetAsOf = "forget-as-of", 1, ExactlyOnce, [Kill],
        "Replay counts again what a stored profile holds already.";
    StalePlacement = "stale-placement", 4, ExactlyOnce, [Churn, Pause],
        "A replica that the placement does not name deletes itself and asks nobody.";
}

/// How a planted bug was found, or not.
#[derive(Clone, Debug)]
pub struct Hunt {
    /// The first findings; none when it was not found.
    pub found: Option<String>,
    /// How long its tests took together.
    pub took: Duration,
    /// How many tests it took.
    pub tests: u32,
}

/// What a test is made of that looks for a planted bug.
#[derive(Clone, Copy, Debug)]
pub struct Search<'a> {
    /// The program under attack.
    pub binary: &'a Path,
    /// How long all tests together may take.
    pub budget: Duration,
    /// Where histories go.
    pub out: &'a Path,
}

/// What is built with a bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// The node, to be attacked.
    Node,
    /// The simulator, with the rooms of the node in it.
    Simulator,
}

impl Target {
    /// Returns the name of its package and of its binary.
    const fn word(self) -> &'static str {
        match self {
            Self::Node => "via-node",
            Self::Simulator => "via-sim",
        }
    }
}

/// Builds a program below `folder`, from what is committed: with a bug, or as it is.
///
/// # Errors
/// The patch does not fit, or what it makes does not build.
pub fn build(built: Target, mutant: Option<Mutant>, folder: &Path) -> anyhow::Result<PathBuf> {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let top = crate_folder.parent().context("jepsen/ has a parent")?;
    let tree = folder.join("tree");
    if tree.exists() {
        fs::remove_dir_all(&tree)?;
    }
    fs::create_dir_all(&tree)?;
    let archive = folder.join("tree.tar");
    let archived = ["archive", "--format=tar", "--output"];
    run(Command::new("git").current_dir(top).args(archived).arg(&archive).arg("HEAD"))?;
    run(Command::new("tar").arg("-xmf").arg(&archive).arg("-C").arg(&tree))?;
    let word = mutant.map_or("sound", Mutant::word);
    if mutant.is_some() {
        let patch = crate_folder.join(format!("mutants/{word}.patch"));
        // Not as part of the repository around it, where git would pass over it.
        let mut apply = Command::new("git");
        apply.current_dir(&tree).env("GIT_CEILING_DIRECTORIES", folder);
        run(apply.args(["apply", "--whitespace=nowarn"]).arg(&patch))?;
    }
    let mut cargo = Command::new(env!("CARGO"));
    let name = built.word();
    cargo.current_dir(&tree).args(["build", "--locked", "-p", name, "--bin", name]);
    let target = folder.join("build");
    run(cargo.arg("--target-dir").arg(&target))?;
    let binary = folder.join(format!("{name}-{word}"));
    fs::copy(target.join("debug").join(name), &binary)?;
    Ok(binary)
}

impl Mutant {
    /// Says whether what it needs can be had on this machine.
    ///
    /// # Errors
    /// It needs a cluster, and there can be no network for one.
    pub fn is_possible(self) -> Result<(), Impossible> {
        if self.nodes() > 1 { Net::possible() } else { Ok(()) }
    }

    /// Says whether what it changes is part of the simulator, which keeps logs in
    /// memory: what is wrong with log files it cannot see.
    pub const fn is_simulated(self) -> bool {
        !matches!(self, Self::AckBeforeFsync | Self::PurgeTooFar)
    }

    /// Runs simulated clusters until one of them is wrong or the budget is used up.
    ///
    /// # Errors
    /// The simulator cannot be run.
    pub fn simulate(search: &Search<'_>) -> anyhow::Result<Hunt> {
        let began = Instant::now();
        let mut seeds = 0;
        loop {
            let block = [seeds, SEEDS].map(|number| number.to_string());
            let [from, many] = &block;
            let mut command = Command::new(search.binary);
            let output = command.args(["--from", from, "--seeds", many]).output()?;
            let text = String::from_utf8_lossy(&output.stdout);
            seeds += SEEDS;
            let (took, tests) = (began.elapsed(), seeds);
            match output.status.code() {
                Some(0) if took < search.budget => {}
                Some(0) => return Ok(Hunt { found: None, took, tests }),
                Some(1) => {
                    let wrong = text.lines().find_map(|line| line.strip_prefix("VIOLATION "));
                    let found = Some(wrong.unwrap_or("a run did not end").to_owned());
                    return Ok(Hunt { found, took, tests });
                }
                _ => {
                    let said = String::from_utf8_lossy(&output.stderr);
                    anyhow::bail!("{:?}: {}: {said}", search.binary, output.status);
                }
            }
        }
    }

    /// Attacks a node with one seed after the other until the bug is found or the
    /// budget is used up.
    ///
    /// # Errors
    /// It could not be tested.
    pub async fn hunt(self, search: &Search<'_>) -> anyhow::Result<Hunt> {
        let (workload, nemeses) = self.test();
        let network = if self.nodes() > 1 { Network::Namespaces } else { Network::Loopback };
        let began = Instant::now();
        for seed in 1.. {
            let trial = Trial {
                workload,
                nemeses: nemeses.clone(),
                time: TIME,
                nodes: self.nodes(),
                network,
                binary: search.binary.to_owned(),
                seed,
                out: search.out.join(self.word()),
            };
            let outcome = trial.run().await?;
            let (took, tests) = (began.elapsed(), seed as u32);
            if outcome.validity() == Validity::Invalid {
                let wrong = outcome.verdicts.iter().filter(|v| v.validity() == Validity::Invalid);
                let found = wrong.flat_map(|verdict| {
                    verdict.findings().into_iter().take(1).map(|words| (verdict.checker, words))
                });
                let found: Vec<String> =
                    found.map(|(checker, words)| format!("{checker}: {words}")).collect();
                return Ok(Hunt { found: Some(found.join("; ")), took, tests });
            }
            if took >= search.budget {
                return Ok(Hunt { found: None, took, tests });
            }
        }
        unreachable!("seeds do not end")
    }
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    let output = command.output().with_context(|| format!("run {command:?}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    let last: Vec<&str> = said.lines().rev().take(12).collect();
    let last: Vec<&str> = last.into_iter().rev().collect();
    anyhow::ensure!(output.status.success(), "{command:?}: {}", last.join("\n"));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_patch_fits_the_sources_as_they_are() {
        let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
        let kept = fs::read_dir(crate_folder.join("mutants")).unwrap();
        assert_eq!(kept.count(), Mutant::ALL.len());
        for mutant in Mutant::ALL {
            let patch = crate_folder.join(format!("mutants/{}.patch", mutant.word()));
            let text = fs::read_to_string(&patch).unwrap();
            assert!(text.contains("Planted: "), "{} says what it plants", mutant.word());
            let mut check = Command::new("git");
            check
                .current_dir(crate_folder.parent().unwrap())
                .args(["apply", "--check"])
                .arg(&patch);
            run(&mut check).unwrap();
        }
    }
}
