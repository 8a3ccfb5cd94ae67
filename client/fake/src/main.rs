//! A node that misbehaves as told, over HTTP and gRPC: told by lines of JSON on its
//! input, answering each in order. Owns the commands; `client/conformance` calls them.

mod door;
mod http;
mod ingest;
mod memory;

use std::io::{BufRead, Write};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::memory::Memory;

fn perform(memory: &Memory, ask: &Value) -> Result<Value> {
    let op = ask["op"].as_str().context("an operation is named")?;
    match op {
        "load" => memory.load(serde_json::from_value(ask["script"].clone())?),
        "hold" => memory.hold(&ask["held"]),
        "wait" => {
            let attempts = usize::try_from(ask["attempts"].as_u64().context("how many")?)?;
            let within = Duration::from_millis(ask["within_ms"].as_u64().unwrap_or(20_000));
            return Ok(json!({ "reached": memory.wait(attempts, within) }));
        }
        "record" => return Ok(memory.record()),
        other => bail!("unknown operation {other}"),
    }
    Ok(json!({}))
}

fn main() -> Result<()> {
    let addresses: usize = match std::env::args().nth(1) {
        Some(count) => count.parse().context("how many addresses")?,
        None => 1,
    };
    let memory = Arc::new(Memory::default());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let mut urls = Vec::new();
    for _ in 0..addresses {
        urls.push(runtime.block_on(door::open(Arc::clone(&memory)))?);
    }
    let mut out = std::io::stdout();
    writeln!(out, "{}", json!({ "urls": urls }))?;
    for line in std::io::stdin().lock().lines() {
        let done = perform(&memory, &serde_json::from_str(&line?)?)?;
        writeln!(out, "{done}")?;
        out.flush()?;
    }
    Ok(())
}
