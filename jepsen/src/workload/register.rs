//! Registers: a stream's configuration is one, its lateness in seconds is what it
//! holds, its revision what a change is based on (C-1). Clients in threes read,
//! write and compare-and-set one register on any node, then move to the next, so
//! that each key's history stays small enough to be judged.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::{BoxFuture, LocalBoxFuture};
use hyper::Method;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use super::{Client, Invocation, Stage, Workload, insist, make_stream};
use crate::caller::{Caller, Request};
use crate::checker::{Verdict, linearizable};
use crate::history::{Kind, Operation, Told};

/// Clients that share a register.
const GROUP: u32 = 3;
/// Operations on one register before the next is taken.
const LIFE: u64 = 90;
/// What every register holds at first.
const INITIAL: i64 = 0;
/// What is read where a register that exists is not found: nobody wrote it.
const MISSING: i64 = -1;

/// The workload.
#[derive(Default)]
pub struct Registers {
    groups: [Arc<Group>; 2],
}

/// Clients that share a register, and what they have used up.
#[derive(Default)]
struct Group {
    operations: AtomicU64,
    /// Values are never used twice, so that what is read says who wrote it.
    next: AtomicI64,
}

impl Workload for Registers {
    fn crowd(&self) -> (u32, Duration) {
        (GROUP * self.groups.len() as u32, Duration::from_millis(50))
    }

    fn prepare<'a>(&'a self, _: &'a Stage) -> LocalBoxFuture<'a, anyhow::Result<()>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn client(&self, stage: &Stage, number: u32) -> Box<dyn Client> {
        let group = number as usize / GROUP as usize % self.groups.len();
        Box::new(User {
            caller: stage.caller(number as usize),
            group: Arc::clone(&self.groups[group]),
            name: group,
            made: None,
            seen: INITIAL,
            rng: stage.rng(0x7265_6700 + u64::from(number)),
        })
    }

    fn close<'a>(&'a self, stage: &'a Stage) -> LocalBoxFuture<'a, anyhow::Result<()>> {
        Box::pin(async move {
            for (name, group) in self.groups.iter().enumerate() {
                let keys = group.operations.load(Ordering::SeqCst).div_ceil(LIFE);
                for number in 0..keys {
                    let key = format!("register-{name}-{number}");
                    let mut caller = stage.caller(number as usize);
                    let asked = Invocation { function: "read", value: json!([key, null]) };
                    insist(stage, &asked, async || match look(&mut caller, &key).await {
                        Ok(Some(held)) => Told::ok(json!([key, held.value])),
                        // Nobody could make it while the faults lasted.
                        Ok(None) => Told::ok(json!([key, INITIAL])),
                        Err(told) => told,
                    })
                    .await?;
                }
            }
            Ok(())
        })
    }

    fn check(&self, operations: &[Operation]) -> Vec<Verdict> {
        vec![linearizable::check(operations, INITIAL)]
    }
}

struct User {
    caller: Caller,
    group: Arc<Group>,
    name: usize,
    /// The register that is known to exist.
    made: Option<String>,
    /// What the register held when it was last looked at.
    seen: i64,
    rng: ChaCha8Rng,
}

impl Client for User {
    fn invent(&mut self) -> Invocation {
        let operation = self.group.operations.fetch_add(1, Ordering::SeqCst);
        let key = format!("register-{}-{}", self.name, operation / LIFE);
        let fresh = || self.group.next.fetch_add(1, Ordering::SeqCst) + 1;
        let (function, value) = match self.rng.random_range(0..10) {
            0..4 => ("read", Value::Null),
            4..6 => ("write", json!(fresh())),
            _ => ("cas", json!([self.seen, fresh()])),
        };
        Invocation { function, value: json!([key, value]) }
    }

    fn perform<'a>(&'a mut self, asked: &'a Invocation) -> BoxFuture<'a, Told> {
        Box::pin(async move {
            let key = asked.value[0].as_str().unwrap_or_default();
            if let Err(told) = self.make(key).await {
                return told;
            }
            let told = match asked.function {
                "read" => self.read(key).await,
                "write" => self.write(key, asked.value[1].as_i64().unwrap_or(INITIAL)).await,
                _ => {
                    let pair = &asked.value[1];
                    let (old, new) = (pair[0].as_i64(), pair[1].as_i64());
                    self.swap(key, old.unwrap_or(INITIAL), new.unwrap_or(INITIAL)).await
                }
            };
            if told.outcome == Kind::Ok {
                self.seen = told.value[1].as_i64().unwrap_or(self.seen);
            }
            told
        })
    }
}

/// What a register holds, and the revision at which it does.
struct Held {
    value: i64,
    revision: u64,
}

impl User {
    /// A register exists from before anybody uses it; that it could not be made
    /// means that the operation did not happen.
    async fn make(&mut self, key: &str) -> Result<(), Told> {
        if self.made.as_deref() == Some(key) {
            return Ok(());
        }
        let config = json!({"timing": {"lateness_secs": INITIAL}});
        let made = make_stream(&mut self.caller, key, &config).await;
        made.map_err(|told| Told { outcome: Kind::Fail, ..told })?;
        self.made = Some(key.to_owned());
        self.seen = INITIAL;
        Ok(())
    }

    async fn read(&mut self, key: &str) -> Told {
        match look(&mut self.caller, key).await {
            Ok(Some(held)) => Told::ok(json!([key, held.value])),
            Ok(None) => Told::ok(json!([key, MISSING])),
            Err(told) => told,
        }
    }

    /// There is no blind write: reads the revision and changes from that, again
    /// when somebody was faster. The change that succeeds is the write.
    async fn write(&mut self, key: &str, new: i64) -> Told {
        for _ in 0..8 {
            let held = match look(&mut self.caller, key).await {
                Ok(Some(held)) => held,
                Ok(None) => return Told::fail("a stream that exists was not found"),
                Err(told) => return told,
            };
            match self.put(key, held.revision, new).await {
                Told { outcome: Kind::Fail, error: Some(words), .. }
                    if words.contains("stale_revision") => {}
                told => return told,
            }
        }
        Told::fail("others were always faster")
    }

    async fn swap(&mut self, key: &str, old: i64, new: i64) -> Told {
        let held = match look(&mut self.caller, key).await {
            Ok(Some(held)) => held,
            Ok(None) => return Told::fail("a stream that exists was not found"),
            Err(told) => return told,
        };
        self.seen = held.value;
        if held.value != old {
            return Told::fail(format!("it holds {}", held.value));
        }
        match self.put(key, held.revision, new).await {
            Told { outcome: Kind::Ok, .. } => Told::ok(json!([key, new])),
            told => told,
        }
    }

    async fn put(&mut self, key: &str, revision: u64, new: i64) -> Told {
        let body = json!({"timing": {"lateness_secs": new}});
        let path = format!("/api/v1/streams/{key}/config");
        let request =
            Request::json(Method::PUT, path, &body).with("if-match", format!("\"{revision}\""));
        match self.caller.ask(&request).await {
            Ok(_) => Told::ok(json!([key, new])),
            Err(told) => told,
        }
    }
}

async fn look(caller: &mut Caller, key: &str) -> Result<Option<Held>, Told> {
    let answer = caller.read(&format!("/api/v1/streams/{key}")).await?;
    if answer.status.as_u16() == 404 {
        return Ok(None);
    }
    let stream = answer.json();
    let lateness = stream["own"]["timing"]["lateness_secs"].as_f64();
    match (lateness, stream["revision"].as_u64()) {
        (Some(value), Some(revision)) => Ok(Some(Held { value: value as i64, revision })),
        _ => Err(Told::fail(format!("no register: {}", answer.text()))),
    }
}
