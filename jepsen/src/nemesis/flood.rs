//! Overload: clients beside the others that send large batches one after the
//! other, without pause, whatever they are told, to a stream of their own.

use bytes::Bytes;
use tokio::task::JoinSet;

use crate::caller::{Caller, Request, Targets};

/// Clients per node, each with one request under way.
const CLIENTS: usize = 6;
/// Events in a request.
const EVENTS: usize = 4_000;
/// Different entities.
const ENTITIES: usize = 5_000;

/// A flood; it ends when dropped.
pub struct Flood {
    _tasks: JoinSet<()>,
}

impl Flood {
    /// Lets it begin.
    pub fn begin(targets: &Targets) -> Self {
        let mut tasks = JoinSet::new();
        for client in 0..CLIENTS * targets.nodes() {
            let lines: String = (0..EVENTS)
                .map(|event| {
                    let entity = (event * 31 + client * 977) % ENTITIES;
                    format!("{{\"entity\":\"f{entity}\",\"value\":{}}}\n", event % 50)
                })
                .collect();
            tasks.spawn(send(Caller::new(targets.clone(), client), lines.into()));
        }
        Self { _tasks: tasks }
    }
}

async fn send(mut caller: Caller, lines: Bytes) {
    let request = Request { body: lines, ..Request::events("flood", String::new()) };
    loop {
        if caller.ask(&request).await.is_err() {
            // A node that is gone refuses at once: leave it some of the processor.
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }
}
