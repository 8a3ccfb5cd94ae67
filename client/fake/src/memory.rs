//! What the fake was told, and what came: one memory for all of its addresses.
//! Recognises numbered repeats as a node does; knows no protocol.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::Notify;

/// How long a request waits while all are held.
const HELD: Duration = Duration::from_secs(30);

/// What is answered, attempt by attempt; then everything is answered well.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Script {
    events: VecDeque<Step>,
    opens: VecDeque<Step>,
    score: VecDeque<Step>,
    queries: VecDeque<Step>,
    live: VecDeque<VecDeque<Value>>,
    detections: usize,
}

/// One answer.
#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Step {
    /// It is answered well.
    ok: bool,
    /// It is applied before whatever follows.
    apply: bool,
    /// The connection breaks without an answer.
    drop: bool,
    /// The answer cannot be read.
    garbage: bool,
    pub(crate) status: u16,
    pub(crate) headers: BTreeMap<String, Value>,
    /// A problem document.
    pub(crate) problem: Option<Value>,
}

/// What a request is answered.
pub(crate) enum Answer<T> {
    Good(T),
    Dropped,
    Garbage,
    Failed(Step),
}

/// Which list of the script.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    Opens,
    Score,
    Queries,
}

/// One request for events as it came.
#[derive(Clone, Serialize)]
pub(crate) struct Attempt {
    /// Seconds since the fake began.
    pub(crate) at: f64,
    pub(crate) stream: String,
    pub(crate) number: Option<[String; 3]>,
    pub(crate) body: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) port: u16,
}

/// What became of a batch.
#[derive(Clone, Default, Serialize)]
pub(crate) struct Counts {
    pub(crate) accepted: u32,
    pub(crate) duplicates: u32,
    pub(crate) refused: u32,
    pub(crate) repeated: bool,
    pub(crate) refusals: Vec<Refusal>,
}

#[derive(Clone, Serialize)]
pub(crate) struct Refusal {
    pub(crate) line: u32,
    pub(crate) code: &'static str,
    pub(crate) reason: &'static str,
}

#[derive(Default)]
struct Kept {
    script: Script,
    /// Grows with every script: requests of the one before are not answered.
    round: u64,
    held: bool,
    attempts: Vec<Attempt>,
    opened: Vec<String>,
    resumed: Vec<Option<String>>,
    said: Vec<Value>,
    /// Stream and text of each event: who asks reads the numbers.
    applied: Vec<(String, String)>,
    faults: Vec<String>,
    epochs: Vec<(String, u32)>,
    ledger: HashMap<[String; 3], (String, Counts)>,
    unique: HashSet<(String, String)>,
}

/// What all addresses remember.
pub(crate) struct Memory {
    kept: Mutex<Kept>,
    arrived: Condvar,
    released: Notify,
    began: Instant,
}

impl Default for Memory {
    fn default() -> Self {
        let (kept, arrived) = (Mutex::default(), Condvar::new());
        Self { kept, arrived, released: Notify::new(), began: Instant::now() }
    }
}

impl Memory {
    /// Forgets everything and follows another script.
    pub(crate) fn load(&self, script: Script) {
        let mut kept = self.kept.lock();
        *kept = Kept { script, round: kept.round + 1, ..Kept::default() };
        self.released.notify_waiters();
    }

    /// Lets requests for events wait, or go on.
    pub(crate) fn hold(&self, held: &Value) {
        self.kept.lock().held = held.as_bool().unwrap_or(false);
        self.released.notify_waiters();
    }

    /// Waits until so many attempts have come.
    pub(crate) fn wait(&self, attempts: usize, within: Duration) -> bool {
        let until = Instant::now() + within;
        let mut kept = self.kept.lock();
        while kept.attempts.len() < attempts {
            if self.arrived.wait_until(&mut kept, until).timed_out() {
                return kept.attempts.len() >= attempts;
            }
        }
        true
    }

    /// Returns all that came.
    pub(crate) fn record(&self) -> Value {
        let kept = self.kept.lock();
        json!({
            "attempts": kept.attempts, "opened": kept.opened, "resumed": kept.resumed,
            "said": kept.said, "applied": kept.applied, "faults": kept.faults,
        })
    }

    /// Takes a request for events: records it, holds it, applies it or not.
    pub(crate) async fn events(&self, mut attempt: Attempt) -> Answer<Counts> {
        attempt.at = self.began.elapsed().as_secs_f64();
        let round = {
            let mut kept = self.kept.lock();
            kept.attempts.push(attempt.clone());
            kept.round
        };
        self.arrived.notify_all();
        // Held for longer than that, it is answered: no case waits so long.
        let _ = tokio::time::timeout(HELD, self.released(round)).await;
        let mut kept = self.kept.lock();
        if kept.round != round {
            return Answer::Dropped;
        }
        let step = kept.script.events.pop_front().unwrap_or_default();
        if step.apply {
            kept.apply(&attempt);
        }
        step.answer().unwrap_or_else(|| Answer::Good(kept.apply(&attempt)))
    }

    async fn released(&self, round: u64) {
        loop {
            let released = self.released.notified();
            tokio::pin!(released);
            released.as_mut().enable();
            {
                let kept = self.kept.lock();
                if !kept.held || kept.round != round {
                    return;
                }
            }
            released.await;
        }
    }

    /// Returns the next misbehaviour of a kind, if one is due.
    pub(crate) fn next<T>(&self, kind: Kind) -> Option<Answer<T>> {
        let mut kept = self.kept.lock();
        let steps = match kind {
            Kind::Opens => &mut kept.script.opens,
            Kind::Score => &mut kept.script.score,
            Kind::Queries => &mut kept.script.queries,
        };
        steps.pop_front()?.answer()
    }

    /// Gives a name its next epoch.
    pub(crate) fn open(&self, name: &str) -> Value {
        let mut kept = self.kept.lock();
        kept.opened.push(name.to_owned());
        let known = kept.epochs.iter().position(|one| one.0 == name);
        let nth = known.unwrap_or_else(|| {
            kept.epochs.push((name.to_owned(), 0));
            kept.epochs.len() - 1
        });
        kept.epochs[nth].1 += 1;
        json!({ "producer": nth + 1, "epoch": kept.epochs[nth].1 })
    }

    pub(crate) fn apply_score(&self, text: &str) {
        self.kept.lock().applied.push(("score".to_owned(), text.to_owned()));
    }

    pub(crate) fn say(&self, said: Value) {
        self.kept.lock().said.push(said);
    }

    pub(crate) fn detections(&self) -> usize {
        self.kept.lock().script.detections
    }

    pub(crate) fn applied(&self) -> usize {
        self.kept.lock().applied.len()
    }

    /// Begins the next session of the feed; its first message may be a failure.
    pub(crate) fn follow(&self, from: Option<String>) -> Result<Vec<Value>, Step> {
        let mut kept = self.kept.lock();
        kept.resumed.push(from);
        let session = kept.script.live.pop_front().unwrap_or_default();
        match session.front().filter(|first| first.get("status").is_some()) {
            Some(first) => Err(serde_json::from_value(first.clone()).unwrap_or_default()),
            None => Ok(session.into()),
        }
    }
}

impl Step {
    fn answer<T>(self) -> Option<Answer<T>> {
        if self.drop {
            return Some(Answer::Dropped);
        }
        if self.garbage {
            return Some(Answer::Garbage);
        }
        (!self.ok && self.status > 0).then_some(Answer::Failed(self))
    }
}

impl Kept {
    /// Applies a batch once and says what became of it.
    fn apply(&mut self, attempt: &Attempt) -> Counts {
        if let Some((body, counts)) =
            attempt.number.as_ref().and_then(|number| self.ledger.get(number))
        {
            if *body != attempt.body {
                self.faults.push(format!("the number {:?} names two contents", attempt.number));
            }
            return Counts { repeated: true, ..counts.clone() };
        }
        let mut counts = Counts::default();
        for (nth, line) in attempt.body.split('\n').enumerate() {
            if !line.trim().is_empty() {
                self.apply_line(nth as u32 + 1, line, &attempt.stream, &mut counts);
            }
        }
        if let Some(number) = &attempt.number {
            self.ledger.insert(number.clone(), (attempt.body.clone(), counts.clone()));
        }
        counts
    }

    fn apply_line(&mut self, line: u32, text: &str, stream: &str, counts: &mut Counts) {
        let event: Option<Value> = serde_json::from_str(text).ok();
        let has_entity = |event: &&Value| {
            !matches!(&event["entity"], Value::Null) && event["entity"].as_str() != Some("")
        };
        let refused = match &event {
            None => Some("bad_json"),
            Some(event) if has_entity(&event) => None,
            Some(_) => Some("entity_missing"),
        };
        let event = event.unwrap_or_default();
        if let Some(code) = refused {
            counts.refused += 1;
            counts.refusals.push(Refusal { line, code, reason: "as told" });
            return;
        }
        let unique = (event["entity"].to_string(), event["unique_id"].to_string());
        if event.get("unique_id").is_some() && !self.unique.insert(unique) {
            counts.duplicates += 1;
            return;
        }
        counts.accepted += 1;
        self.applied.push((stream.to_owned(), text.to_owned()));
    }
}
