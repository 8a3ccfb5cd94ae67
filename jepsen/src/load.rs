//! Clients under fault: each is a producer that numbers its batches, repeats a
//! batch under the same number until it is acknowledged, and remembers what
//! was. They outlive the node: a new address wakes them.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context;
use bytes::Bytes;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::door::{Answer, Door};
use crate::oracle::Counts;

/// Longest time a batch may stay unacknowledged while a node is ready.
const PATIENCE: Duration = Duration::from_secs(30);
/// Pause before a batch is repeated: a node that is busy or gone needs time.
const PAUSE: Duration = Duration::from_millis(20);

/// What the clients send.
#[derive(Clone, Debug)]
pub struct Shape {
    /// The stream they send to.
    pub stream: String,
    /// How many clients at once.
    pub writers: u32,
    /// Different entities, shared by all clients.
    pub entities: u32,
    /// Most events in one request.
    pub events: u32,
}

impl Default for Shape {
    fn default() -> Self {
        Self { stream: "jepsen".to_owned(), writers: 4, entities: 200, events: 200 }
    }
}

/// How often what happened.
#[derive(Debug, Default)]
pub struct Tally {
    /// Batches acknowledged.
    pub acknowledged: AtomicU64,
    /// Sendings that had to be repeated.
    pub repeated: AtomicU64,
}

/// Clients at work.
pub struct Load {
    shape: Shape,
    addresses: watch::Sender<Vec<SocketAddr>>,
    stopping: Arc<AtomicBool>,
    tally: Arc<Tally>,
    counts: Arc<Mutex<Counts>>,
    writers: JoinSet<anyhow::Result<()>>,
}

impl Load {
    /// Starts the clients; they wait for a node.
    pub fn start(shape: Shape, seed: u64) -> Self {
        let (addresses, _) = watch::channel(Vec::new());
        let mut load = Self {
            shape,
            addresses,
            stopping: Arc::default(),
            tally: Arc::default(),
            counts: Arc::default(),
            writers: JoinSet::new(),
        };
        for number in 0..load.shape.writers {
            let writer = Writer {
                number,
                shape: load.shape.clone(),
                addresses: load.addresses.subscribe(),
                stopping: Arc::clone(&load.stopping),
                tally: Arc::clone(&load.tally),
                counts: Arc::clone(&load.counts),
                rng: ChaCha8Rng::seed_from_u64(seed ^ (u64::from(number) << 32)),
                door: None,
            };
            load.writers.spawn(writer.run());
        }
        load
    }

    /// Tells the clients where the node is; none while it is gone.
    pub fn node_is_at(&self, address: Option<SocketAddr>) {
        self.nodes_are_at(address.into_iter().collect());
    }

    /// Tells the clients where the nodes are: each asks one of them, and the next
    /// one when that fails.
    pub fn nodes_are_at(&self, addresses: Vec<SocketAddr>) {
        self.addresses.send_replace(addresses);
    }

    /// Returns how often what happened so far.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Waits until `more` further batches are acknowledged.
    ///
    /// # Errors
    /// None are, for long; or a client has failed.
    pub async fn progress(&mut self, more: u64) -> anyhow::Result<()> {
        let goal = self.tally.acknowledged.load(Ordering::SeqCst) + more;
        let started = Instant::now();
        while self.tally.acknowledged.load(Ordering::SeqCst) < goal {
            if let Some(ended) = self.writers.try_join_next() {
                ended?.context("a client failed")?;
            }
            anyhow::ensure!(started.elapsed() < PATIENCE, "no progress for {PATIENCE:?}");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        Ok(())
    }

    /// Lets every client finish its batch, and returns what each entity must
    /// count. A node must be ready.
    ///
    /// # Errors
    /// A batch is not acknowledged, or was refused for good.
    pub async fn finish(mut self) -> anyhow::Result<Counts> {
        self.stopping.store(true, Ordering::SeqCst);
        while let Some(ended) = self.writers.join_next().await {
            ended?.context("a client failed")?;
        }
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(counts.clone())
    }
}

struct Writer {
    number: u32,
    shape: Shape,
    addresses: watch::Receiver<Vec<SocketAddr>>,
    stopping: Arc<AtomicBool>,
    tally: Arc<Tally>,
    counts: Arc<Mutex<Counts>>,
    rng: ChaCha8Rng,
    door: Option<(SocketAddr, Door)>,
}

/// One request, sent as often as it takes.
struct Sending {
    path: String,
    headers: Vec<(&'static str, String)>,
    body: Bytes,
}

/// A batch's name, by which a node knows it again (D-2).
struct Name {
    producer: String,
    epoch: String,
    sequence: u64,
}

/// What to do after a sending.
enum Next {
    Done,
    Again,
}

impl Writer {
    async fn run(mut self) -> anyhow::Result<()> {
        let (producer, epoch) = self.register().await?;
        let mut sent = 0;
        let mut name = Name { producer, epoch, sequence: 1 };
        while !self.stopping.load(Ordering::SeqCst) {
            let (body, counts) = self.batch(&mut sent);
            self.deliver(&name, body, &counts).await?;
            let mut known = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
            for (entity, count) in counts {
                *known.entry(entity).or_default() += count;
            }
            self.tally.acknowledged.fetch_add(1, Ordering::SeqCst);
            name.sequence += 1;
        }
        Ok(())
    }

    async fn register(&mut self) -> anyhow::Result<(String, String)> {
        let request = Sending {
            path: "/api/v1/producers".to_owned(),
            headers: vec![("content-type", "application/json".to_owned())],
            body: format!("{{\"name\":\"writer-{}\"}}", self.number).into(),
        };
        let answer = self.until(&request).await?.json();
        let text = |field: &str| {
            let value = &answer[field];
            let number = || Some(value.as_u64()?.to_string());
            let name = value.as_str().map(str::to_owned).or_else(number);
            name.with_context(|| format!("the node named no {field}: {answer}"))
        };
        Ok((text("producer")?, text("epoch")?))
    }

    /// Every event says which it is: client, number.
    fn batch(&mut self, sent: &mut u64) -> (String, Counts) {
        let mut body = String::new();
        let mut counts = Counts::new();
        for _ in 0..self.rng.random_range(1..=self.shape.events) {
            let entity = format!("e{}", self.rng.random_range(0..self.shape.entities));
            let value: f64 = self.rng.random_range(0.0..100.0);
            body.push_str(&format!(
                "{{\"entity\":\"{entity}\",\"value\":{value:.3},\"attributes\":{{\"number\":\"{}-{sent}\"}}}}\n",
                self.number
            ));
            *sent += 1;
            *counts.entry(entity).or_default() += 1;
        }
        (body, counts)
    }

    async fn deliver(&mut self, name: &Name, body: String, counts: &Counts) -> anyhow::Result<()> {
        let Name { producer, epoch, sequence } = name;
        let request = Sending {
            path: format!("/api/v1/streams/{}/events", self.shape.stream),
            headers: vec![
                ("content-type", "application/x-ndjson".to_owned()),
                ("x-via-producer", producer.clone()),
                ("x-via-epoch", epoch.clone()),
                ("x-via-sequence", sequence.to_string()),
            ],
            body: body.into(),
        };
        let answer = self.until(&request).await?;
        let events: u64 = counts.values().sum();
        anyhow::ensure!(
            answer.json()["accepted"].as_u64() == Some(events),
            "of {events} sound events not all were accepted: {}",
            answer.text()
        );
        Ok(())
    }

    /// Repeats a request until it succeeds; waits while there is no node.
    async fn until(&mut self, request: &Sending) -> anyhow::Result<Answer> {
        let mut last = String::from("nothing was asked");
        let (mut waited, mut next) = (Instant::now(), self.number as usize);
        while waited.elapsed() < PATIENCE {
            let addresses = self.addresses.borrow_and_update().clone();
            let Some(address) = addresses.get(next % addresses.len().max(1)).copied() else {
                self.addresses.changed().await.context("the test has ended")?;
                waited = Instant::now();
                continue;
            };
            next += 1;
            match self.ask(address, request).await {
                Ok(answer) => match judge(&answer)? {
                    Next::Done => return Ok(answer),
                    Next::Again => last = answer.text(),
                },
                Err(error) => last = error.to_string(),
            }
            self.tally.repeated.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(PAUSE).await;
        }
        anyhow::bail!("not acknowledged within {PATIENCE:?}: {last}")
    }

    async fn ask(&mut self, address: SocketAddr, request: &Sending) -> anyhow::Result<Answer> {
        let door = match &mut self.door {
            Some((known, door)) if *known == address => door,
            door => &mut door.insert((address, Door::new(address))).1,
        };
        let headers: Vec<(&str, &str)> =
            request.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        Ok(door.post(&request.path, &headers, request.body.clone()).await?)
    }
}

fn judge(answer: &Answer) -> anyhow::Result<Next> {
    let status = answer.status;
    if status.is_success() {
        return Ok(Next::Done);
    }
    anyhow::ensure!(answer.is_problem(), "{status} is not a problem document: {}", answer.text());
    let is_final = status.is_client_error() && !matches!(status.as_u16(), 408 | 429);
    anyhow::ensure!(!is_final, "a sound batch was rejected: {status} {}", answer.text());
    Ok(Next::Again)
}

/// Asks the node how many events each of these entities has; one it does not
/// know has none.
///
/// # Errors
/// The node does not answer, or not with a count.
pub async fn count(
    address: SocketAddr,
    stream: &str,
    entities: impl IntoIterator<Item = &String>,
) -> anyhow::Result<Counts> {
    let mut door = Door::new(address);
    let mut counts = Counts::new();
    for entity in entities {
        let path = format!("/api/v1/streams/{stream}/entities/{entity}");
        let mut answer = door.get(&path).await?;
        let asked = Instant::now();
        // A node that is catching up may ask for patience, in the promised form.
        while answer.status.is_server_error() && answer.is_problem() && asked.elapsed() < PATIENCE {
            tokio::time::sleep(PAUSE).await;
            answer = door.get(&path).await?;
        }
        let events = match answer.status.as_u16() {
            404 => 0,
            200 => {
                let json = answer.json();
                json["events"].as_u64().with_context(|| format!("no count: {}", answer.text()))?
            }
            _ => anyhow::bail!("{entity}: {} {}", answer.status, answer.text()),
        };
        counts.insert(entity.clone(), events);
    }
    Ok(counts)
}
