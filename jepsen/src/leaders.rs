//! Who led each shard, term by term: asks one node after the other while faults
//! strike, and counts how often another node led than before, by election or by
//! transfer. What nobody could be asked about is not counted.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;

use crate::caller::{Caller, Targets};
use crate::cluster::console;

/// Pause between two looks.
const LOOK: Duration = Duration::from_millis(250);

/// By shard and term, who led.
#[derive(Debug, Default)]
pub struct Leaders {
    seen: BTreeMap<u64, BTreeMap<u64, u64>>,
}

impl Leaders {
    /// Notes the shards that a node told of.
    pub fn see(&mut self, shards: &[Value]) {
        for shard in shards {
            let told = (shard["shard"].as_u64(), shard["term"].as_u64(), shard["leader"].as_u64());
            if let (Some(number), Some(term), Some(leader)) = told {
                self.seen.entry(number).or_default().insert(term, leader);
            }
        }
    }

    /// Returns how often a shard was led by another node than before.
    pub fn changes(&self) -> u64 {
        let of_shard = |terms: &BTreeMap<u64, u64>| {
            let leaders: Vec<u64> = terms.values().copied().collect();
            leaders.windows(2).filter(|pair| pair[0] != pair[1]).count() as u64
        };
        self.seen.values().map(of_shard).sum()
    }
}

/// Looks until it is dropped.
pub(crate) struct Watch {
    leaders: Arc<Mutex<Leaders>>,
    task: tokio::task::JoinHandle<()>,
}

impl Watch {
    /// Begins to look; one node alone leads always.
    pub(crate) fn begin(targets: &Targets) -> Self {
        let leaders: Arc<Mutex<Leaders>> = Arc::default();
        let task = tokio::spawn(look(targets.clone(), Arc::clone(&leaders)));
        Self { leaders, task }
    }

    /// Returns how often a shard was led by another node than before.
    pub(crate) fn changes(&self) -> u64 {
        self.leaders.lock().unwrap_or_else(PoisonError::into_inner).changes()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn look(targets: Targets, leaders: Arc<Mutex<Leaders>>) {
    if targets.nodes() < 2 {
        return;
    }
    for first in 0.. {
        let mut caller = Caller::new(targets.clone(), first);
        if let Ok(answer) = caller.read("/api/v1/cluster/shards").await
            && let Ok(shards) = console::understood(&answer.json())
        {
            leaders.lock().unwrap_or_else(PoisonError::into_inner).see(&shards);
        }
        tokio::time::sleep(LOOK).await;
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn counts_whoever_led_after_somebody_else() {
        let mut leaders = Leaders::default();
        let seen = |shard: u64, term: u64, leader: Value| json!({"shard": shard, "term": term, "leader": leader, "voters": [1, 2, 3]});
        leaders.see(&[seen(1, 1, json!(1)), seen(2, 4, json!(2))]);
        leaders.see(&[seen(1, 2, Value::Null), seen(2, 6, json!(2))]);
        assert_eq!(leaders.changes(), 0, "led by the same node again, or by none");
        // What is told late counts where it belongs.
        leaders.see(&[seen(1, 5, json!(1))]);
        leaders.see(&[seen(1, 3, json!(2))]);
        assert_eq!(leaders.changes(), 2);
    }
}
