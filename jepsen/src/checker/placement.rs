//! Placement, watched while nodes come and go (P-1): a shard's replicas are on
//! distinct nodes, a majority of them lives, one node leads it in a term, and a
//! leader that answers is found again in time.
//!
//! `shards` is asked of a node and told `[{shard, term, leader, voters}, …]`;
//! `living` is told the nodes that run and can be reached; the gap is the longest
//! that a shard may be without a leader while a majority of its voters lives.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Verdict, of, seconds};
use crate::history::{Kind, Operation};

/// Judges a history of samples; `gap` is in nanoseconds.
pub fn check(operations: &[Operation], gap: u64) -> Verdict {
    let mut verdict = Verdict::new("placement");
    let mut monitor = Monitor { gap, ..Monitor::default() };
    for sample in operations.iter().filter(|sample| sample.outcome == Kind::Ok) {
        match sample.function.as_str() {
            "living" => monitor.living = numbers(&sample.told),
            "shards" => monitor.look(sample, &mut verdict),
            _ => {}
        }
    }
    let end = operations.iter().filter_map(|operation| operation.ended).max().unwrap_or(0);
    for (shard, state) in &monitor.shards {
        if let Some(since) = state.leaderless_since.filter(|since| end - since > gap) {
            let since = seconds(since);
            verdict.violation(format!("shard {shard} has had no leader since {since}"));
        }
    }
    verdict.figure("samples", of(operations, "shards").filter(|s| s.outcome == Kind::Ok).count());
    verdict.figure("shards", monitor.shards.len());
    verdict.figure("leaders", monitor.leaders.len());
    verdict.figure("longest without a leader, ms", monitor.longest / 1_000_000);
    if monitor.shards.is_empty() {
        verdict.doubt("no shard was seen");
    }
    verdict
}

fn numbers(value: &Value) -> BTreeSet<u64> {
    value.as_array().into_iter().flatten().filter_map(Value::as_u64).collect()
}

#[derive(Default)]
struct Shard {
    leaderless_since: Option<u64>,
}

#[derive(Default)]
struct Monitor {
    gap: u64,
    living: BTreeSet<u64>,
    /// Who leads in a shard's term.
    leaders: BTreeMap<(u64, u64), u64>,
    shards: BTreeMap<u64, Shard>,
    longest: u64,
}

impl Monitor {
    fn look(&mut self, sample: &Operation, verdict: &mut Verdict) {
        let at = sample.ended.unwrap_or(sample.began);
        for told in sample.told.as_array().into_iter().flatten() {
            let Some(shard) = told["shard"].as_u64() else { continue };
            let listed = told["voters"].as_array().map_or(0, Vec::len);
            let voters = numbers(&told["voters"]);
            if voters.len() != listed {
                let voters = &told["voters"];
                verdict.violation(format!("shard {shard} has two replicas on a node: {voters}"));
            }
            let alive = voters.intersection(&self.living).count();
            let has_majority = alive * 2 > voters.len();
            self.see_leader(shard, told, at, verdict);
            self.see_gap(shard, told["leader"].is_null() && has_majority, at, verdict);
        }
    }

    fn see_leader(&mut self, shard: u64, told: &Value, at: u64, verdict: &mut Verdict) {
        let (Some(term), Some(leader)) = (told["term"].as_u64(), told["leader"].as_u64()) else {
            return;
        };
        let known = *self.leaders.entry((shard, term)).or_insert(leader);
        if known != leader {
            let at = seconds(at);
            verdict.violation(format!(
                "shard {shard} has two leaders in term {term}: {known} and {leader}, at {at}"
            ));
        }
    }

    fn see_gap(&mut self, shard: u64, lacks_leader: bool, at: u64, verdict: &mut Verdict) {
        let state = self.shards.entry(shard).or_default();
        if lacks_leader {
            state.leaderless_since.get_or_insert(at);
            return;
        }
        let Some(since) = state.leaderless_since.take() else { return };
        let gap = at.saturating_sub(since);
        self.longest = self.longest.max(gap);
        if gap > self.gap {
            let (gap, at) = (seconds(gap), seconds(at));
            verdict.violation(format!("shard {shard} had no leader for {gap}, until {at}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::Validity;
    use super::super::tests::Script;
    use super::*;

    fn shard(term: u64, leader: Value, voters: &[u64]) -> Value {
        json!([{"shard": 7, "term": term, "leader": leader, "voters": voters}])
    }

    fn script(samples: &[Value]) -> Script {
        let mut script = Script::default();
        script.whole("living", Value::Null, Kind::Ok, json!([1, 2, 3]));
        for sample in samples {
            script.whole("shards", Value::Null, Kind::Ok, sample.clone());
        }
        script
    }

    /// A line of a script is a nanosecond.
    fn judged(samples: &[Value], gap: u64) -> (Validity, String) {
        let verdict = check(&script(samples).operations(), gap);
        (verdict.validity(), verdict.findings().join("; "))
    }

    #[test]
    fn passes_a_failover_in_time() {
        let nobody = shard(1, Value::Null, &[1, 2, 3]);
        let samples = [shard(1, json!(1), &[1, 2, 3]), nobody, shard(2, json!(2), &[1, 2, 3])];
        assert_eq!(judged(&samples, 10), (Validity::Valid, String::new()));
    }

    #[test]
    fn finds_two_leaders_of_one_term() {
        let samples = [shard(1, json!(1), &[1, 2, 3]), shard(1, json!(2), &[1, 2, 3])];
        assert!(judged(&samples, 10).1.contains("two leaders in term 1: 1 and 2"));
    }

    #[test]
    fn finds_replicas_that_share_a_node() {
        assert!(judged(&[shard(1, json!(1), &[1, 1, 2])], 10).1.contains("two replicas on a node"));
    }

    #[test]
    fn finds_a_shard_that_stays_without_a_leader() {
        let nobody = shard(1, Value::Null, &[1, 2, 3]);
        let long = vec![nobody; 10];
        assert!(judged(&long, 10).1.contains("has had no leader since"));
        let mut ended = long;
        ended.push(shard(2, json!(3), &[1, 2, 3]));
        assert!(judged(&ended, 10).1.contains("had no leader for"));
    }

    #[test]
    fn without_a_majority_nobody_can_lead() {
        let nobody = vec![shard(1, Value::Null, &[1, 8, 9]); 10];
        assert_eq!(judged(&nobody, 10).0, Validity::Valid);
    }
}
