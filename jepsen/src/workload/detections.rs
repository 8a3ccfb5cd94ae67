//! Detections: one producer sends a fixed input, batch after batch, until each is
//! acknowledged; subscribers follow, break off and resume; a reader lists. The same
//! input goes through a node of its own, undisturbed, for comparison.

mod input;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context;
use futures_util::future::{BoxFuture, LocalBoxFuture};
use hyper::Method;
use serde_json::{Value, json};

use self::input::{Input, STREAM};
use super::{Client, Invocation, Stage, Workload, insist, make_stream};
use crate::caller::{Caller, Request, Targets};
use crate::checker::{Verdict, detections};
use crate::door::feed::{Feed, Heard};
use crate::history::{Kind, Operation, Told};
use crate::node::{Site, Start};

/// Subscribers.
const SUBSCRIBERS: usize = 2;
/// Pause between two batches while faults may strike.
const PACE: Duration = Duration::from_millis(40);
/// How long a subscriber stays before it breaks off and resumes.
const STAY: Duration = Duration::from_secs(4);
/// A feed that says nothing for so long, when nothing more is sent, has told all.
const QUIET: Duration = Duration::from_secs(3);
/// Longest that the last batches and messages may take.
const CLOSING: Duration = Duration::from_secs(120);

/// The workload.
#[derive(Default)]
pub struct Detections {
    sent: Arc<AtomicU64>,
    producer: Arc<Mutex<Option<(u64, u64)>>>,
    /// Where each subscriber will resume.
    cursors: Arc<[Mutex<Option<String>>; SUBSCRIBERS]>,
    is_closing: Arc<AtomicBool>,
}

impl Detections {
    fn input(&self, stage: &Stage) -> Input {
        let batches = (stage.time.as_secs_f64() / PACE.as_secs_f64() * 0.7) as u64;
        Input::new(stage.seed, batches.max(200))
    }

    fn sender(&self, stage: &Stage, caller: Caller) -> Sender {
        Sender {
            caller,
            input: self.input(stage),
            sent: Arc::clone(&self.sent),
            producer: Arc::clone(&self.producer),
        }
    }

    fn subscriber(&self, targets: Targets, number: usize) -> Subscriber {
        let (cursors, is_closing) = (Arc::clone(&self.cursors), Arc::clone(&self.is_closing));
        Subscriber { targets, number, asked: 0, cursors, is_closing }
    }
}

impl Workload for Detections {
    fn crowd(&self) -> (u32, Duration) {
        (2 + SUBSCRIBERS as u32, PACE)
    }

    fn prepare<'a>(&'a self, stage: &'a Stage) -> LocalBoxFuture<'a, anyhow::Result<()>> {
        Box::pin(async move {
            undisturbed(stage, &self.input(stage)).await?;
            let made = make_stream(&mut stage.caller(0), STREAM, &input::config()).await;
            made.map_err(|told| anyhow::anyhow!("no stream: {:?}", told.error))?;
            // Every subscription begins before the first event.
            for (number, cursor) in self.cursors.iter().enumerate() {
                let address = stage.targets.get(number % stage.targets.nodes());
                let path = input::feed(None);
                let mut feed = Feed::open(address.context("a node")?, &path, QUIET).await?;
                let Heard::Message(hello) = feed.next(QUIET).await else {
                    anyhow::bail!("a feed does not say where it begins");
                };
                *lock(cursor) = hello["cursor"].as_str().map(str::to_owned);
            }
            Ok(())
        })
    }

    fn client(&self, stage: &Stage, number: u32) -> Box<dyn Client> {
        match number {
            0 => Box::new(self.sender(stage, stage.caller(0))),
            1 => Box::new(Reader { caller: stage.caller(1), pauses: 0 }),
            _ => Box::new(self.subscriber(stage.targets.clone(), number as usize - 2)),
        }
    }

    fn close<'a>(&'a self, stage: &'a Stage) -> LocalBoxFuture<'a, anyhow::Result<()>> {
        Box::pin(async move {
            let mut sender = self.sender(stage, stage.caller(0));
            let began = Instant::now();
            while self.sent.load(Ordering::SeqCst) < sender.input.batches {
                let asked = sender.invent();
                insist(stage, &asked, async || sender.perform(&asked).await).await?;
                anyhow::ensure!(began.elapsed() < CLOSING, "the input did not end in time");
            }
            self.is_closing.store(true, Ordering::SeqCst);
            for number in 0..SUBSCRIBERS {
                let mut subscriber = self.subscriber(stage.targets.clone(), number);
                let asked = subscriber.invent();
                insist(stage, &asked, async || subscriber.perform(&asked).await).await?;
            }
            let mut reader = Reader { caller: stage.caller(0), pauses: 0 };
            let asked = Invocation { function: "list", value: Value::Null };
            for _ in 0..2 {
                insist(stage, &asked, async || reader.perform(&asked).await).await?;
            }
            Ok(())
        })
    }

    fn check(&self, operations: &[Operation]) -> Vec<Verdict> {
        vec![detections::check(operations)]
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Sends the input, one batch at a time, in order, each until it is acknowledged.
struct Sender {
    caller: Caller,
    input: Input,
    sent: Arc<AtomicU64>,
    producer: Arc<Mutex<Option<(u64, u64)>>>,
}

impl Client for Sender {
    fn invent(&mut self) -> Invocation {
        if lock(&self.producer).is_none() {
            return Invocation { function: "open", value: json!({"name": "detections"}) };
        }
        let sequence = self.sent.load(Ordering::SeqCst) + 1;
        if sequence > self.input.batches {
            return Invocation { function: "rest", value: Value::Null };
        }
        Invocation { function: "send", value: json!(sequence) }
    }

    fn perform<'a>(&'a mut self, asked: &'a Invocation) -> BoxFuture<'a, Told> {
        Box::pin(async move {
            match asked.function {
                "rest" => Told::ok(Value::Null),
                "open" => self.open().await,
                _ => self.send(asked.value.as_u64().unwrap_or(0)).await,
            }
        })
    }
}

impl Sender {
    async fn open(&mut self) -> Told {
        let body = json!({"name": "detections"});
        let request = Request::json(Method::POST, "/api/v1/producers", &body);
        match self.caller.ask(&request).await {
            Ok(answer) => {
                let answer = answer.json();
                let name = (answer["producer"].as_u64(), answer["epoch"].as_u64());
                let (Some(producer), Some(epoch)) = name else {
                    return Told::info(format!("no producer: {answer}"));
                };
                *lock(&self.producer) = Some((producer, epoch));
                Told::ok(json!({"epoch": epoch}))
            }
            Err(told) => told,
        }
    }

    async fn send(&mut self, sequence: u64) -> Told {
        let Some((producer, epoch)) = *lock(&self.producer) else {
            return Told::fail("the producer is not open");
        };
        let request = Request::events(STREAM, self.input.lines(sequence))
            .with("x-via-producer", producer)
            .with("x-via-epoch", epoch)
            .with("x-via-sequence", sequence);
        match self.caller.ask(&request).await {
            Ok(answer) if answer.json()["refused"].as_u64() == Some(0) => {
                self.sent.store(sequence, Ordering::SeqCst);
                Told::ok(answer.json()["accepted"].clone())
            }
            Ok(answer) => Told::info(format!("sound events were refused: {}", answer.text())),
            Err(told) => told,
        }
    }
}

/// Lists everything, page by page, now and then.
struct Reader {
    caller: Caller,
    pauses: u32,
}

impl Client for Reader {
    fn invent(&mut self) -> Invocation {
        self.pauses += 1;
        let function = if self.pauses.is_multiple_of(25) { "list" } else { "rest" };
        Invocation { function, value: Value::Null }
    }

    fn perform<'a>(&'a mut self, asked: &'a Invocation) -> BoxFuture<'a, Told> {
        Box::pin(async move {
            match asked.function {
                "rest" => Told::ok(Value::Null),
                _ => match list(&mut self.caller).await {
                    Ok(items) => Told::ok(Value::Array(items)),
                    Err(told) => told,
                },
            }
        })
    }
}

async fn list(caller: &mut Caller) -> Result<Vec<Value>, Told> {
    let base = format!("/api/v1/detections?stream={STREAM}&sort=oldest&limit=500");
    let (mut items, mut path) = (Vec::new(), base.clone());
    loop {
        let answer = caller.read(&path).await?;
        let page = answer.json();
        let Some(more) = page["items"].as_array() else {
            return Err(Told::fail(format!("no page: {}", answer.text())));
        };
        items.extend(more.iter().cloned());
        let Some(next) = page["next"].as_str() else { return Ok(items) };
        path = format!("{base}&cursor={next}");
    }
}

/// Follows the feed for a while, and resumes where it was.
struct Subscriber {
    targets: Targets,
    number: usize,
    asked: usize,
    cursors: Arc<[Mutex<Option<String>>; SUBSCRIBERS]>,
    is_closing: Arc<AtomicBool>,
}

impl Client for Subscriber {
    fn invent(&mut self) -> Invocation {
        let cursor = lock(&self.cursors[self.number]).clone();
        let value = json!({"subscriber": self.number, "cursor": cursor});
        Invocation { function: "follow", value }
    }

    fn perform<'a>(&'a mut self, asked: &'a Invocation) -> BoxFuture<'a, Told> {
        Box::pin(async move {
            self.asked += 1;
            let node = (self.number + self.asked) % self.targets.nodes().max(1);
            let Some(address) = self.targets.get(node) else {
                return Told::fail(format!("node {node} is down"));
            };
            let path = input::feed(asked.value["cursor"].as_str());
            let mut feed = match Feed::open(address, &path, QUIET).await {
                Ok(feed) => feed,
                Err(error) => return Told::fail(format!("{error:#}")),
            };
            Told::ok(Value::Array(self.hear(&mut feed).await))
        })
    }
}

impl Subscriber {
    async fn hear(&self, feed: &mut Feed) -> Vec<Value> {
        let (mut messages, began) = (Vec::new(), Instant::now());
        loop {
            let is_closing = self.is_closing.load(Ordering::SeqCst);
            match feed.next(QUIET).await {
                Heard::Message(message) => {
                    // Resuming after a message that was seen, however it ends.
                    if let Some(cursor) = message["cursor"].as_str() {
                        *lock(&self.cursors[self.number]) = Some(cursor.to_owned());
                    }
                    messages.push(message);
                }
                Heard::Nothing if is_closing => return messages,
                Heard::Nothing => {}
                Heard::End => return messages,
            }
            if !is_closing && began.elapsed() > STAY {
                return messages;
            }
        }
    }
}

/// Sends the input through a node of its own that nobody disturbs, and notes what
/// it detects.
async fn undisturbed(stage: &Stage, input: &Input) -> anyhow::Result<()> {
    let folder = tempfile::Builder::new().prefix("via-jepsen-").tempdir()?;
    let site = Site::new(folder.path())?;
    let start = Start { binary: &stage.binary, site: &site, disk: None, settings: &[] };
    let node = start.ready().await.context("the undisturbed node")?;
    let targets = Targets::new(1);
    targets.set(0, Some(node.address()));
    let fault = |told: Told| anyhow::anyhow!("the undisturbed run: {:?}", told.error);
    let mut caller = Caller::new(targets.clone(), 0);
    make_stream(&mut caller, STREAM, &input::config()).await.map_err(fault)?;
    let (sent, producer) = (Arc::default(), Arc::default());
    let mut sender = Sender { caller, input: input.clone(), sent, producer };
    for _ in 0..=input.batches {
        let asked = sender.invent();
        let told = sender.perform(&asked).await;
        anyhow::ensure!(told.outcome == Kind::Ok, "the undisturbed run: {:?}", told.error);
    }
    let (began, mut caller) = (Instant::now(), Caller::new(targets, 0));
    let mut listed = list(&mut caller).await.map_err(fault)?;
    // Detections are recorded after their events are acknowledged.
    loop {
        tokio::time::sleep(QUIET / 3).await;
        let again = list(&mut caller).await.map_err(fault)?;
        if again == listed || began.elapsed() > CLOSING {
            break;
        }
        listed = again;
    }
    let asked = Invocation { function: "reference", value: Value::Null };
    insist(stage, &asked, async || Told::ok(json!(listed))).await
}
