//! Acked-set: every element is one event of an entity of its own. Clients add
//! batches without a producer and never retry, and read back what they like; in
//! the end every element ever sent is read as a count, and some as a series too.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::{BoxFuture, LocalBoxFuture};
use futures_util::stream::{self, TryStreamExt};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use super::{CLOSING, Client, Invocation, Stage, Workload, carry_out, count, insist, make_stream};
use crate::caller::{Caller, Request};
use crate::checker::{Verdict, elements};
use crate::history::{Kind, Operation, Told};

const STREAM: &str = "acked-set";
/// Most elements of one batch.
const BATCH: u64 = 8;
/// Elements of one last read.
const CHUNK: usize = 32;
/// Last reads at a time.
const READERS: usize = 8;
/// One in so many is also asked for as a series.
const SERIES: u64 = 16;

/// The workload.
#[derive(Default)]
pub struct AckedSet {
    next: Arc<AtomicU64>,
    /// What was acknowledged of late, for reads beside the additions.
    recent: Arc<Mutex<Vec<u64>>>,
}

impl Workload for AckedSet {
    fn crowd(&self) -> (u32, Duration) {
        (6, Duration::from_millis(40))
    }

    fn prepare<'a>(&'a self, stage: &'a Stage) -> LocalBoxFuture<'a, anyhow::Result<()>> {
        Box::pin(async move {
            let made = make_stream(&mut stage.caller(0), STREAM, &json!({})).await;
            made.map_err(|told| anyhow::anyhow!("no stream: {:?}", told.error))
        })
    }

    fn client(&self, stage: &Stage, number: u32) -> Box<dyn Client> {
        Box::new(self.adder(stage, number))
    }

    fn close<'a>(&'a self, stage: &'a Stage) -> LocalBoxFuture<'a, anyhow::Result<()>> {
        Box::pin(async move {
            self.add_more(stage).await?;
            let all: Vec<u64> = (0..self.next.load(Ordering::SeqCst)).collect();
            let some: Vec<u64> = all.iter().copied().step_by(SERIES as usize).collect();
            read_all(stage, &all, Question::Count).await?;
            read_all(stage, &some, Question::Series).await
        })
    }

    fn check(&self, operations: &[Operation]) -> Vec<Verdict> {
        vec![elements::check(operations)]
    }
}

impl AckedSet {
    /// What is healed takes new events. Each try has its own: an addition without a
    /// producer must not be repeated.
    async fn add_more(&self, stage: &Stage) -> anyhow::Result<()> {
        let mut adder = self.adder(stage, 0);
        let began = Instant::now();
        loop {
            let first = self.next.fetch_add(BATCH, Ordering::SeqCst);
            let numbers: Vec<u64> = (first..first + BATCH).collect();
            let asked = Invocation { function: "add", value: json!(numbers) };
            if carry_out(&mut adder, &asked, &stage.recorder, stage.process()).await == Kind::Ok {
                return Ok(());
            }
            anyhow::ensure!(began.elapsed() < CLOSING, "no new event was taken");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    fn adder(&self, stage: &Stage, number: u32) -> Adder {
        Adder {
            caller: stage.caller(number as usize),
            next: Arc::clone(&self.next),
            recent: Arc::clone(&self.recent),
            rng: stage.rng(0x6164_6400 + u64::from(number)),
        }
    }
}

struct Adder {
    caller: Caller,
    next: Arc<AtomicU64>,
    recent: Arc<Mutex<Vec<u64>>>,
    rng: ChaCha8Rng,
}

impl Client for Adder {
    fn invent(&mut self) -> Invocation {
        let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        if !recent.is_empty() && self.rng.random_bool(0.25) {
            let some: Vec<u64> =
                (0..4).map(|_| recent[self.rng.random_range(0..recent.len())]).collect();
            return Invocation { function: "read", value: json!(some) };
        }
        let many = self.rng.random_range(1..=BATCH);
        let first = self.next.fetch_add(many, Ordering::SeqCst);
        Invocation { function: "add", value: json!((first..first + many).collect::<Vec<u64>>()) }
    }

    fn perform<'a>(&'a mut self, asked: &'a Invocation) -> BoxFuture<'a, Told> {
        Box::pin(async move {
            let numbers: Vec<u64> = numbers(&asked.value);
            if asked.function == "read" {
                return read(&mut self.caller, &numbers, Question::Count).await;
            }
            let told = add(&mut self.caller, &numbers).await;
            if told.outcome == Kind::Ok {
                let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
                recent.extend(numbers);
                let beyond = recent.len().saturating_sub(256);
                recent.drain(..beyond);
            }
            told
        })
    }
}

fn numbers(value: &Value) -> Vec<u64> {
    value.as_array().into_iter().flatten().filter_map(Value::as_u64).collect()
}

async fn add(caller: &mut Caller, numbers: &[u64]) -> Told {
    let lines: String = numbers
        .iter()
        .map(|number| format!("{{\"entity\":\"e{number}\",\"value\":{}}}\n", number % 97))
        .collect();
    let answer = match caller.ask(&Request::events(STREAM, lines)).await {
        Ok(answer) => answer.json(),
        Err(told) => return told,
    };
    let refused: Vec<u64> = answer["refusals"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|refusal| {
            let line = usize::try_from(refusal["line"].as_u64()?).ok()?;
            numbers.get(line.checked_sub(1)?).copied()
        })
        .collect();
    let accepted = answer["accepted"].as_u64();
    if accepted != Some((numbers.len() - refused.len()) as u64) {
        return Told::info(format!("the receipt does not add up: {answer}"));
    }
    Told::ok(json!({ "refused": refused }))
}

/// In which of its answers an element is looked for.
#[derive(Clone, Copy)]
enum Question {
    Count,
    Series,
}

async fn read(caller: &mut Caller, numbers: &[u64], question: Question) -> Told {
    let mut counts = Vec::new();
    for number in numbers {
        let entity = format!("e{number}");
        let counted = match question {
            Question::Count => count(caller, STREAM, &entity).await,
            Question::Series => points(caller, &entity).await,
        };
        match counted {
            Ok(counted) => counts.push((*number, counted)),
            Err(told) => return told,
        }
    }
    Told::ok(json!(counts))
}

async fn points(caller: &mut Caller, entity: &str) -> Result<u64, Told> {
    let path = format!("/api/v1/streams/{STREAM}/entities/{entity}/series");
    let answer = caller.read(&path).await?;
    let series = answer.json();
    let points = series["points"].as_array().into_iter().flatten();
    Ok(points.filter_map(|point| point["count"].as_f64()).sum::<f64>().round() as u64)
}

async fn read_all(stage: &Stage, numbers: &[u64], question: Question) -> anyhow::Result<()> {
    let chunks = stream::iter(numbers.chunks(CHUNK).enumerate().map(Ok));
    chunks
        .try_for_each_concurrent(READERS, |(at, chunk)| async move {
            let mut caller = stage.caller(at);
            let asked = Invocation { function: "read", value: json!(chunk) };
            insist(stage, &asked, async || read(&mut caller, chunk, question).await).await
        })
        .await
}
