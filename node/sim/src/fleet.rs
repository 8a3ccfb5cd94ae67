//! Many seeds, each in a process of its own: nothing that one run leaves behind
//! reaches another, and one that hangs or dies takes nothing along.

use std::io::{self, Write};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// The argument by which the command runs a seed in its own process.
pub const INSIDE: &str = "--inside";
/// How long one seed may take on the wall before it counts as hanging.
const PATIENCE: Duration = Duration::from_secs(300);
/// How often a run that goes on is looked at.
const LOOK: Duration = Duration::from_millis(5);

/// What became of one seed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Which.
    pub seed: u64,
    /// Everything held.
    pub held: bool,
    /// What the run printed.
    pub text: String,
}

impl Report {
    /// Returns the hash of all that happened; none when the run did not end.
    pub fn hash(&self) -> Option<&str> {
        self.figure("hash")
    }

    /// Returns one of the figures that a run prints about itself.
    pub fn figure(&self, name: &str) -> Option<&str> {
        let words = self.text.split_whitespace();
        words
            .filter_map(|word| word.split_once('='))
            .find(|(key, _)| *key == name)
            .map(|(_, it)| it)
    }
}

/// Runs a seed in a process of its own: the program at `path`, which is this
/// command.
///
/// # Errors
/// The process cannot be started.
pub fn run_one(path: &std::path::Path, seed: u64) -> io::Result<Report> {
    let mut child = Command::new(path)
        .args([INSIDE, "--seed", &seed.to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let pipe = child.stdout.take();
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        if let Some(mut pipe) = pipe {
            let _broken = io::Read::read_to_string(&mut pipe, &mut text);
        }
        text
    });
    let begun = Instant::now();
    let held = loop {
        if let Some(status) = child.try_wait()? {
            break status.success();
        }
        if begun.elapsed() > PATIENCE {
            child.kill()?;
            let _status = child.wait()?;
            break false;
        }
        std::thread::sleep(LOOK);
    };
    let mut text = reader.join().unwrap_or_default();
    if begun.elapsed() > PATIENCE {
        text += &format!("VIOLATION no end within {PATIENCE:?}\n");
    }
    Ok(Report { seed, held, text })
}

/// Runs many seeds, several at a time; tells each to `tell` as it ends, and
/// returns those that did not hold, by seed.
///
/// # Errors
/// A process cannot be started.
pub fn run_many(
    path: &std::path::Path,
    seeds: std::ops::Range<u64>,
    tell: impl Fn(&Report) + Sync,
) -> io::Result<Vec<Report>> {
    let next = AtomicU64::new(seeds.start);
    let failed = Mutex::new(Vec::new());
    let broken = Mutex::new(None);
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end || broken.lock().is_some() {
                        return;
                    }
                    match run_one(path, seed) {
                        Ok(report) => {
                            tell(&report);
                            if !report.held {
                                failed.lock().push(report);
                            }
                        }
                        Err(error) => *broken.lock() = Some(error),
                    }
                }
            });
        }
    });
    if let Some(error) = broken.into_inner() {
        return Err(error);
    }
    let mut failed = failed.into_inner();
    failed.sort_by_key(|report| report.seed);
    Ok(failed)
}

/// Writes what a run came to: one line when all held, else all that is known and
/// the command that replays it.
///
/// # Errors
/// The output is closed.
pub fn tell(out: &mut dyn Write, report: &Report) -> io::Result<()> {
    if report.held {
        return out.write_all(report.text.as_bytes());
    }
    writeln!(out, "{}", report.text.trim_end())?;
    writeln!(out, "seed {} FAILED; to replay it: {}", report.seed, replay(report.seed))
}

/// Returns the command that replays a seed.
pub fn replay(seed: u64) -> String {
    format!("cargo run --release -p via-sim -- --seed {seed} --trace")
}
