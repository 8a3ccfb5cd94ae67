//! What clients do while faults strike: a workload makes clients, each of which
//! invents operations and carries them out, reads everything back in the end, and
//! says which checkers judge the history.

pub mod acked_set;
pub mod detections;
pub mod exactly_once;
pub mod placement;
pub mod register;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::{BoxFuture, LocalBoxFuture};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

use crate::caller::{Caller, Targets};
use crate::checker::Verdict;
use crate::history::{Kind, Operation, Process, Recorder, Told};

/// What every part of a workload may use; a cheap clone.
#[derive(Clone, Debug)]
pub struct Stage {
    /// Where the nodes are.
    pub targets: Targets,
    /// Where everything is noted.
    pub recorder: Recorder,
    /// Where all choices come from.
    pub seed: u64,
    /// How long clients will work.
    pub time: Duration,
    /// The program under attack, for what needs one of its own.
    pub binary: PathBuf,
    processes: Arc<AtomicU64>,
}

impl Stage {
    /// Makes a stage where nothing has happened.
    pub fn new(targets: Targets, seed: u64, time: Duration, binary: PathBuf) -> Self {
        let (recorder, processes) = (Recorder::default(), Arc::default());
        Self { targets, recorder, seed, time, binary, processes }
    }

    /// Returns a source of choices; `part` keeps them apart.
    pub fn rng(&self, part: u64) -> ChaCha8Rng {
        ChaCha8Rng::seed_from_u64(self.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ part)
    }

    /// Returns a client process that has done nothing yet.
    pub fn process(&self) -> Process {
        Process::Client(self.processes.fetch_add(1, Ordering::Relaxed))
    }

    /// Returns a client that asks node `first`.
    pub fn caller(&self, first: usize) -> Caller {
        Caller::new(self.targets.clone(), first)
    }
}

/// An operation that is about to be asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Invocation {
    /// Which function.
    pub function: &'static str,
    /// With what.
    pub value: Value,
}

/// One client: a generator of operations and the hands that carry them out.
pub trait Client: Send {
    /// Decides what to ask for next.
    fn invent(&mut self) -> Invocation;
    /// Asks for it.
    fn perform<'a>(&'a mut self, asked: &'a Invocation) -> BoxFuture<'a, Told>;
}

/// A way to use VIA, with what must then hold.
pub trait Workload: Send + Sync {
    /// Returns how many clients there are, and each one's pause between operations.
    fn crowd(&self) -> (u32, Duration);
    /// Does what must be there before clients begin.
    fn prepare<'a>(&'a self, stage: &'a Stage) -> LocalBoxFuture<'a, anyhow::Result<()>>;
    /// Makes a client.
    fn client(&self, stage: &Stage, number: u32) -> Box<dyn Client>;
    /// Reads everything back, when all faults have ended.
    fn close<'a>(&'a self, stage: &'a Stage) -> LocalBoxFuture<'a, anyhow::Result<()>>;
    /// Judges the history.
    fn check(&self, operations: &[Operation]) -> Vec<Verdict>;
}

/// The workloads there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Name {
    /// Every acknowledged event is there, once.
    AckedSet,
    /// Producers that retry, repeat, reorder, restart and return as zombies.
    ExactlyOnce,
    /// The configuration of streams as registers.
    Register,
    /// Detections against an undisturbed run.
    Detections,
    /// Shards while nodes come and go.
    Placement,
}

impl Name {
    /// Every workload.
    pub const ALL: [Self; 5] =
        [Self::AckedSet, Self::ExactlyOnce, Self::Register, Self::Detections, Self::Placement];

    /// Returns its name on the command line.
    pub const fn word(self) -> &'static str {
        match self {
            Self::AckedSet => "acked-set",
            Self::ExactlyOnce => "exactly-once",
            Self::Register => "register",
            Self::Detections => "detections",
            Self::Placement => "placement",
        }
    }

    /// Returns how many nodes it needs at least.
    pub const fn least_nodes(self) -> usize {
        match self {
            Self::Placement => 3,
            Self::AckedSet | Self::ExactlyOnce | Self::Register | Self::Detections => 1,
        }
    }

    /// Makes the workload.
    pub fn workload(self) -> Arc<dyn Workload> {
        match self {
            Self::AckedSet => Arc::new(acked_set::AckedSet::default()),
            Self::ExactlyOnce => Arc::new(exactly_once::ExactlyOnce::default()),
            Self::Register => Arc::new(register::Registers::default()),
            Self::Detections => Arc::new(detections::Detections::default()),
            Self::Placement => Arc::new(placement::Placement::default()),
        }
    }
}

/// Lets one client work until it is told to stop. After an unknown outcome it
/// goes on as another process, as a client does that has restarted.
pub async fn drive(
    mut client: Box<dyn Client>,
    stage: Stage,
    number: u32,
    pause: Duration,
    stopping: Arc<AtomicBool>,
) {
    let mut rng = stage.rng(0x6472_6976_6500 + u64::from(number));
    let mut process = stage.process();
    while !stopping.load(Ordering::SeqCst) {
        let asked = client.invent();
        let outcome = carry_out(client.as_mut(), &asked, &stage.recorder, process).await;
        if outcome == Kind::Info {
            process = stage.process();
        }
        // A client that is refused does not insist at once.
        let patience = if outcome == Kind::Ok { 1.0 } else { 5.0 };
        tokio::time::sleep(pause.mul_f64(patience * rng.random_range(0.5..1.5))).await;
    }
}

async fn carry_out(
    client: &mut dyn Client,
    asked: &Invocation,
    recorder: &Recorder,
    process: Process,
) -> Kind {
    recorder.invoke(process, asked.function, asked.value.clone());
    let told = client.perform(asked).await;
    let outcome = told.outcome;
    recorder.complete(process, asked.function, told);
    outcome
}

/// Longest that the last reads may take, all together.
const CLOSING: Duration = Duration::from_secs(120);

/// Carries out one last operation, again and again until it succeeds.
pub(crate) async fn insist<F>(
    stage: &Stage,
    asked: &Invocation,
    mut perform: F,
) -> anyhow::Result<()>
where
    F: AsyncFnMut() -> Told,
{
    let began = Instant::now();
    loop {
        let process = stage.process();
        stage.recorder.invoke(process, asked.function, asked.value.clone());
        let told = perform().await;
        let (outcome, error) = (told.outcome, told.error.clone());
        stage.recorder.complete(process, asked.function, told);
        if outcome == Kind::Ok {
            return Ok(());
        }
        let error = error.unwrap_or_default();
        anyhow::ensure!(began.elapsed() < CLOSING, "no last {}: {error}", asked.function);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Asks how many events an entity has; one that nobody knows has none.
pub(crate) async fn count(caller: &mut Caller, stream: &str, entity: &str) -> Result<u64, Told> {
    let answer = caller.read(&format!("/api/v1/streams/{stream}/entities/{entity}")).await?;
    if answer.status.as_u16() == 404 {
        return Ok(0);
    }
    answer.json()["events"]
        .as_u64()
        .ok_or_else(|| Told::fail(format!("no count: {}", answer.text())))
}

/// Makes a stream, or finds it made.
pub(crate) async fn make_stream(
    caller: &mut Caller,
    name: &str,
    config: &Value,
) -> Result<(), Told> {
    let body = serde_json::json!({ "name": name, "config": config });
    let request = crate::caller::Request::json(hyper::Method::POST, "/api/v1/streams", &body);
    match caller.ask(&request).await {
        Err(told) if !told.error.as_deref().unwrap_or_default().contains("stream_exists") => {
            Err(told)
        }
        Ok(_) | Err(_) => Ok(()),
    }
}
