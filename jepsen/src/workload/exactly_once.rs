//! Exactly once: each client is a producer that repeats what it does not know,
//! repeats what it does know, sends out of order, restarts with the next epoch and
//! comes back as its own zombie with the one before. Every event of a batch has an
//! entity of its own, and one tracked entity per four batches keeps their order.

mod script;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use futures_util::future::{BoxFuture, LocalBoxFuture};
use futures_util::stream::{self, TryStreamExt};
use hyper::Method;
use serde_json::{Value, json};

use self::script::{Script, Send};
use super::{Client, Invocation, Stage, Workload, count, insist, make_stream};
use crate::caller::{Caller, Request};
use crate::checker::producers::Repeaters;
use crate::checker::{Verdict, producers};
use crate::history::{Kind, Operation, Told};

const STREAM: &str = "exactly-once";
/// Batches that share a tracked entity: of more events than six its series shows
/// means.
const PART: u64 = 4;
/// When all tracked events were, in their own time: 2026-01-05, as milliseconds.
const TRACKED_AT: u64 = 1_767_571_200_000;
/// Batches of one last read.
const CHUNK: usize = 8;
/// Last reads at a time.
const READERS: usize = 8;

/// Batches by producer, epoch and sequence, with how many events they have.
type Sent = BTreeMap<(String, u64, u64), u64>;

/// The workload.
#[derive(Default)]
pub struct ExactlyOnce {
    /// Every batch that was ever sent.
    sent: Arc<Mutex<Sent>>,
    /// Who may send one again; not known of a history that was kept.
    repeaters: OnceLock<Repeaters>,
}

impl Workload for ExactlyOnce {
    fn crowd(&self) -> (u32, Duration) {
        (5, Duration::from_millis(30))
    }

    fn prepare<'a>(&'a self, stage: &'a Stage) -> LocalBoxFuture<'a, anyhow::Result<()>> {
        Box::pin(async move {
            let is_alone = stage.targets.nodes() < 2;
            let repeaters = if is_alone { Repeaters::Producers } else { Repeaters::NodesToo };
            let _already = self.repeaters.set(repeaters);
            let made = make_stream(&mut stage.caller(0), STREAM, &json!({})).await;
            made.map_err(|told| anyhow::anyhow!("no stream: {:?}", told.error))
        })
    }

    fn client(&self, stage: &Stage, number: u32) -> Box<dyn Client> {
        Box::new(Producer {
            name: format!("p{number}"),
            caller: stage.caller(number as usize),
            script: Script::new(stage.rng(0x0070_726f_6400 + u64::from(number))),
            id: 0,
            sent: Arc::clone(&self.sent),
        })
    }

    fn close<'a>(&'a self, stage: &'a Stage) -> LocalBoxFuture<'a, anyhow::Result<()>> {
        Box::pin(async move {
            let sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let mut parts: BTreeMap<(String, u64, u64), Vec<(u64, u64)>> = BTreeMap::new();
            for ((name, epoch, sequence), events) in sent {
                let part = parts.entry((name, epoch, sequence / PART)).or_default();
                part.push((sequence, events));
            }
            let parts = stream::iter(parts.into_iter().enumerate().map(Ok));
            parts
                .try_for_each_concurrent(READERS, |(at, (part, batches))| async move {
                    read_part(stage, at, &part, &batches).await
                })
                .await
        })
    }

    fn check(&self, operations: &[Operation]) -> Vec<Verdict> {
        let repeaters = self.repeaters.get().copied().unwrap_or(Repeaters::NodesToo);
        vec![producers::check(operations, repeaters)]
    }
}

struct Producer {
    name: String,
    caller: Caller,
    script: Script,
    id: u64,
    sent: Arc<Mutex<Sent>>,
}

impl Client for Producer {
    fn invent(&mut self) -> Invocation {
        let Some(Send { epoch, sequence, events }) = self.script.next() else {
            return Invocation { function: "open", value: json!({"name": self.name}) };
        };
        let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        sent.insert((self.name.clone(), epoch, sequence), events);
        let value =
            json!({"name": self.name, "epoch": epoch, "sequence": sequence, "events": events});
        Invocation { function: "send", value }
    }

    fn perform<'a>(&'a mut self, asked: &'a Invocation) -> BoxFuture<'a, Told> {
        Box::pin(async move {
            if asked.function == "open" {
                return self.open().await;
            }
            let number = |field: &str| asked.value[field].as_u64().unwrap_or(0);
            let (epoch, sequence, events) = (number("epoch"), number("sequence"), number("events"));
            let lines = lines(&self.name, epoch, sequence, events);
            let request = Request::events(STREAM, lines)
                .with("x-via-producer", self.id)
                .with("x-via-epoch", epoch)
                .with("x-via-sequence", sequence);
            let told = match self.caller.ask(&request).await {
                Ok(answer) => {
                    let answer = answer.json();
                    let (accepted, repeated) = (&answer["accepted"], &answer["repeated"]);
                    Told::ok(json!({"accepted": accepted, "repeated": repeated}))
                }
                Err(told) => told,
            };
            self.script.learn(epoch, sequence, told.outcome);
            told
        })
    }
}

impl Producer {
    async fn open(&mut self) -> Told {
        let body = json!({"name": self.name});
        let request = Request::json(Method::POST, "/api/v1/producers", &body);
        let answer = match self.caller.ask(&request).await {
            Ok(answer) => answer.json(),
            Err(told) => return told,
        };
        let (Some(id), Some(epoch)) = (answer["producer"].as_u64(), answer["epoch"].as_u64())
        else {
            return Told::info(format!("no producer: {answer}"));
        };
        if self.id != 0 && self.id != id {
            return Told::info(format!("{} is producer {} and {id}", self.name, self.id));
        }
        self.id = id;
        self.script.opened(epoch);
        Told::ok(json!({"epoch": epoch}))
    }
}

fn entity(name: &str, epoch: u64, sequence: u64, event: u64) -> String {
    format!("{name}.{epoch}.{sequence}.{event}")
}

fn tracked(name: &str, epoch: u64, part: u64) -> String {
    format!("{name}.{epoch}.track.{part}")
}

/// The content of a batch follows from its name, as D-2 demands. The last event
/// belongs to the tracked entity; its value is the sequence, its time the same for
/// all, so that the series has them in the order in which they were applied.
fn lines(name: &str, epoch: u64, sequence: u64, events: u64) -> String {
    let mut lines = String::new();
    for event in 0..events - 1 {
        let entity = entity(name, epoch, sequence, event);
        lines.push_str(&format!("{{\"entity\":\"{entity}\",\"value\":{event}}}\n"));
    }
    let entity = tracked(name, epoch, sequence / PART);
    lines.push_str(&format!(
        "{{\"entity\":\"{entity}\",\"timestamp\":{TRACKED_AT},\"value\":{sequence}}}\n"
    ));
    lines
}

/// Reads all batches that share a tracked entity, and their order.
async fn read_part(
    stage: &Stage,
    at: usize,
    (name, epoch, part): &(String, u64, u64),
    batches: &[(u64, u64)],
) -> anyhow::Result<()> {
    let mut caller = stage.caller(at);
    let path = format!("/api/v1/streams/{STREAM}/entities/{}/series", tracked(name, *epoch, *part));
    let order = Invocation { function: "order", value: Value::Null };
    let mut sequences = Vec::new();
    insist(stage, &order, async || match caller.read(&path).await {
        Ok(answer) => {
            sequences = values(&answer.json());
            let told = json!({"name": name, "epoch": epoch, "part": part, "sequences": sequences});
            Told::ok(json!([told]))
        }
        Err(told) => told,
    })
    .await?;
    for batches in batches.chunks(CHUNK) {
        let asked: Vec<u64> = batches.iter().map(|(sequence, _)| *sequence).collect();
        let asked = json!({"name": name, "epoch": epoch, "sequences": asked});
        let asked = Invocation { function: "count", value: asked };
        insist(stage, &asked, async || {
            let mut told = Vec::new();
            for (sequence, events) in batches {
                let mut counts = Vec::new();
                for event in 0..events - 1 {
                    let entity = entity(name, *epoch, *sequence, event);
                    match count(&mut caller, STREAM, &entity).await {
                        Ok(count) => counts.push(count),
                        Err(told) => return told,
                    }
                }
                counts.push(sequences.iter().filter(|tracked| *tracked == sequence).count() as u64);
                let batch =
                    json!({"name": name, "epoch": epoch, "sequence": sequence, "counts": counts});
                told.push(batch);
            }
            Told { outcome: Kind::Ok, value: json!(told), error: None }
        })
        .await?;
    }
    Ok(())
}

/// Returns the values of a series of single events, in its order; what shares a
/// point was applied that often.
fn values(series: &Value) -> Vec<u64> {
    let mut values = Vec::new();
    for point in series["points"].as_array().into_iter().flatten() {
        let (count, mean) = (point["count"].as_f64(), point["mean"].as_f64());
        let count = count.unwrap_or(0.0).round() as usize;
        values.extend(std::iter::repeat_n(mean.unwrap_or(0.0).round() as u64, count));
    }
    values
}
