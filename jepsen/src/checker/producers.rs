//! Exactly once, producer by producer: however often a batch is sent, repeated,
//! reordered or sent by a zombie, its events count once when it was acknowledged,
//! at most once when that is unknown, never when it was refused (D-2), and the
//! receipts say so.
//!
//! `open` asks for `{name}` and is told `{epoch}`; `send` asks for `{name, epoch,
//! sequence, events}` and is told `{accepted, repeated}`; `count` is told
//! `[{name, epoch, sequence, counts}, …]`; `order` is told `[{name, epoch,
//! sequences}, …]`: a tracked entity's sequences as they were applied.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Validity, Verdict, of};
use crate::history::{Kind, Operation, Span};
use crate::trial::EVENTS;

/// Producer, epoch, sequence.
type Name = (String, u64, u64);

#[derive(Default)]
struct Batch {
    events: u64,
    attempts: Vec<Attempt>,
    /// The newest counts of its events.
    counts: Option<Vec<u64>>,
}

struct Attempt {
    span: Span,
    outcome: Kind,
    accepted: Option<u64>,
    repeated: bool,
    /// A newer epoch was open before it was sent.
    is_zombie: bool,
}

/// Who may send a batch again under its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeaters {
    /// The producer alone.
    Producers,
    /// Nodes too, which lost sight of what they had passed on to a leader.
    NodesToo,
}

/// Judges a history of producers.
pub fn check(operations: &[Operation], repeaters: Repeaters) -> Verdict {
    let mut verdict = Verdict::new("exactly-once");
    let epochs = epochs(operations, &mut verdict);
    let batches = collect(operations, &epochs);
    for (name, batch) in &batches {
        judge_counts(name, batch, &mut verdict);
        judge_receipts(name, batch, repeaters, &mut verdict);
    }
    judge_order(operations, &batches, &mut verdict);
    let attempts = || batches.values().flat_map(|batch| &batch.attempts);
    let is_acked = |batch: &&Batch| batch.attempts.iter().any(|a| a.outcome == Kind::Ok);
    let acked = batches.values().filter(is_acked);
    verdict.figure("producers", epochs.len());
    verdict.figure("epochs", epochs.values().map(Vec::len).sum::<usize>());
    verdict.figure("batches", batches.len());
    verdict.figure("acknowledged", acked.clone().count());
    verdict.figure(EVENTS, acked.map(|batch| batch.events).sum::<u64>());
    verdict.figure("sendings", attempts().count());
    verdict.figure("recognised as repeated", attempts().filter(|a| a.repeated).count());
    verdict.figure("by zombies", attempts().filter(|a| a.is_zombie).count());
    if verdict.validity() == Validity::Valid && !batches.values().any(|batch| is_acked(&batch)) {
        verdict.doubt("nothing was acknowledged");
    }
    verdict
}

/// Returns when each epoch was open; epochs of one name never repeat.
fn epochs(operations: &[Operation], verdict: &mut Verdict) -> BTreeMap<String, Vec<(u64, Span)>> {
    let mut epochs: BTreeMap<String, Vec<(u64, Span)>> = BTreeMap::new();
    for open in of(operations, "open").filter(|open| open.outcome == Kind::Ok) {
        let (Some(name), Some(epoch)) = (open.asked["name"].as_str(), open.told["epoch"].as_u64())
        else {
            verdict.doubt(format!("an open was told {}", open.told));
            continue;
        };
        let known = epochs.entry(name.to_owned()).or_default();
        for (earlier, span) in known.iter() {
            if *earlier == epoch {
                verdict.violation(format!("{name}: epoch {epoch} was given twice"));
            } else if *earlier > epoch && span.precedes(open.span) {
                verdict.violation(format!("{name}: epoch {epoch} was given after {earlier}"));
            }
        }
        known.push((epoch, open.span));
    }
    epochs
}

fn collect(
    operations: &[Operation],
    epochs: &BTreeMap<String, Vec<(u64, Span)>>,
) -> BTreeMap<Name, Batch> {
    let mut batches: BTreeMap<Name, Batch> = BTreeMap::new();
    for send in of(operations, "send") {
        let Some(name) = name(&send.asked) else { continue };
        let newer = epochs.get(&name.0).into_iter().flatten();
        let is_zombie =
            newer.clone().any(|(epoch, opened)| *epoch > name.1 && opened.precedes(send.span));
        let batch = batches.entry(name).or_default();
        batch.events = send.asked["events"].as_u64().unwrap_or(0);
        batch.attempts.push(Attempt {
            span: send.span,
            outcome: send.outcome,
            accepted: send.told["accepted"].as_u64(),
            repeated: send.told["repeated"].as_bool() == Some(true),
            is_zombie,
        });
    }
    for count in of(operations, "count").filter(|count| count.outcome == Kind::Ok) {
        for told in count.told.as_array().into_iter().flatten() {
            let counts = told["counts"].as_array().into_iter().flatten();
            let counts = counts.filter_map(Value::as_u64).collect();
            if let Some(batch) = name(told).and_then(|name| batches.get_mut(&name)) {
                batch.counts = Some(counts);
            }
        }
    }
    batches
}

fn name(value: &Value) -> Option<Name> {
    let name = value["name"].as_str()?.to_owned();
    Some((name, value["epoch"].as_u64()?, value["sequence"].as_u64()?))
}

fn judge_counts((name, epoch, sequence): &Name, batch: &Batch, verdict: &mut Verdict) {
    let what = format!("{name}, epoch {epoch}, sequence {sequence}");
    let is = |kind| batch.attempts.iter().any(|attempt| attempt.outcome == kind);
    let Some(counts) = &batch.counts else {
        if is(Kind::Ok) {
            verdict.doubt(format!("{what} was acknowledged and never counted"));
        }
        return;
    };
    let (least, most) = (counts.iter().min().copied(), counts.iter().max().copied());
    if most > Some(1) {
        verdict.violation(format!("{what}: doubled: its events count {counts:?}"));
    }
    if is(Kind::Ok) && (least == Some(0) || counts.len() as u64 != batch.events) {
        let sent = batch.events;
        verdict.violation(format!("{what}: lost: {sent} acknowledged, they count {counts:?}"));
    }
    if !is(Kind::Ok) && !is(Kind::Info) && most > Some(0) {
        verdict.violation(format!("{what}: refused, and its events count {counts:?}"));
    }
    if batch.attempts.iter().all(|attempt| attempt.is_zombie) && most > Some(0) {
        verdict.violation(format!("{what}: a zombie's events count {counts:?}"));
    }
}

fn judge_receipts(
    (name, epoch, sequence): &Name,
    batch: &Batch,
    repeaters: Repeaters,
    verdict: &mut Verdict,
) {
    let what = format!("{name}, epoch {epoch}, sequence {sequence}");
    for (at, attempt) in batch.attempts.iter().enumerate() {
        if attempt.outcome != Kind::Ok {
            continue;
        }
        if attempt.accepted != Some(batch.events) {
            let (told, sent) = (attempt.accepted, batch.events);
            verdict.violation(format!("{what}: of {sent} sound events {told:?} were accepted"));
        }
        let others = || batch.attempts.iter().enumerate().filter(|(other, _)| *other != at);
        let acked_before =
            others().any(|(_, a)| a.outcome == Kind::Ok && a.span.precedes(attempt.span));
        if acked_before && !attempt.repeated {
            verdict.violation(format!("{what}: applied again after it was acknowledged"));
        }
        let begun_before = others().any(|(_, a)| a.span.invoked < attempt.span.completed);
        if attempt.repeated && !begun_before && repeaters == Repeaters::Producers {
            verdict.violation(format!("{what}: called a repetition though nothing was before"));
        }
        if attempt.is_zombie && !attempt.repeated {
            verdict.violation(format!("{what}: a zombie was acknowledged"));
        }
    }
}

/// What was acknowledged before something else was sent was applied before it.
fn judge_order(operations: &[Operation], batches: &BTreeMap<Name, Batch>, verdict: &mut Verdict) {
    let mut orders: BTreeMap<(String, u64, u64), Vec<u64>> = BTreeMap::new();
    for told in of(operations, "order").filter(|order| order.outcome == Kind::Ok) {
        for order in told.told.as_array().into_iter().flatten() {
            let sequences = order["sequences"].as_array().into_iter().flatten();
            let sequences: Vec<u64> = sequences.filter_map(Value::as_u64).collect();
            let (Some(name), Some(epoch)) = (order["name"].as_str(), order["epoch"].as_u64())
            else {
                continue;
            };
            let part = order["part"].as_u64().unwrap_or(0);
            orders.insert((name.to_owned(), epoch, part), sequences);
        }
    }
    for ((name, epoch, _), sequences) in &orders {
        let mut once = BTreeSet::new();
        if let Some(again) = sequences.iter().find(|sequence| !once.insert(**sequence)) {
            verdict.violation(format!("{name}, epoch {epoch}: sequence {again} was applied twice"));
        }
        for pair in sequences.windows(2) {
            let batch = |sequence| batches.get(&(name.clone(), *epoch, sequence));
            let (Some(first), Some(second)) = (batch(pair[0]), batch(pair[1])) else { continue };
            if acknowledged_before(second, first) {
                verdict.violation(format!(
                    "{name}, epoch {epoch}: sequence {} was applied before {}, which had been acknowledged before it was sent",
                    pair[0], pair[1]
                ));
            }
        }
    }
    verdict.figure("orders read", orders.len());
}

fn acknowledged_before(one: &Batch, other: &Batch) -> bool {
    let acked = one.attempts.iter().filter(|a| a.outcome == Kind::Ok).map(|a| a.span.completed);
    let sent = other.attempts.iter().map(|a| a.span.invoked);
    matches!((acked.min(), sent.min()), (Some(acked), Some(sent)) if acked < sent)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::tests::Script;
    use super::*;

    fn open(script: &mut Script, epoch: u64) {
        script.whole("open", json!({"name": "p"}), Kind::Ok, json!({"epoch": epoch}));
    }

    fn asked(epoch: u64, sequence: u64) -> Value {
        json!({"name": "p", "epoch": epoch, "sequence": sequence, "events": 2})
    }

    enum Receipt {
        First,
        Repeated,
    }

    fn send(script: &mut Script, sequence: u64, receipt: Receipt) {
        let repeated = matches!(receipt, Receipt::Repeated);
        let told = json!({"accepted": 2, "repeated": repeated});
        script.whole("send", asked(1, sequence), Kind::Ok, told);
    }

    fn count(script: &mut Script, epoch: u64, sequence: u64, counts: [u64; 2]) {
        let told = json!([{"name": "p", "epoch": epoch, "sequence": sequence, "counts": counts}]);
        script.whole("count", Value::Null, Kind::Ok, told);
    }

    fn judged(script: &Script) -> (Validity, String) {
        let verdict = check(&script.operations(), Repeaters::Producers);
        (verdict.validity(), verdict.findings().join("; "))
    }

    #[test]
    fn passes_retries_repetitions_and_refused_zombies() {
        let mut script = Script::default();
        open(&mut script, 1);
        send(&mut script, 1, Receipt::First);
        send(&mut script, 1, Receipt::Repeated);
        script.whole("send", asked(1, 2), Kind::Info, Value::Null);
        // It had been applied, and the answer was lost.
        send(&mut script, 2, Receipt::Repeated);
        open(&mut script, 2);
        script.whole("send", asked(1, 3), Kind::Fail, Value::Null);
        script.whole("send", asked(2, 1), Kind::Info, Value::Null);
        count(&mut script, 1, 1, [1, 1]);
        count(&mut script, 1, 2, [1, 1]);
        count(&mut script, 1, 3, [0, 0]);
        count(&mut script, 2, 1, [1, 0]);
        assert_eq!(judged(&script), (Validity::Valid, String::new()));
    }

    #[test]
    fn finds_lost_and_doubled_batches() {
        let mut script = Script::default();
        send(&mut script, 1, Receipt::First);
        send(&mut script, 2, Receipt::First);
        count(&mut script, 1, 1, [1, 0]);
        count(&mut script, 1, 2, [1, 2]);
        let words = judged(&script).1;
        assert!(words.contains("sequence 1: lost"), "{words}");
        assert!(words.contains("sequence 2: doubled"), "{words}");
    }

    #[test]
    fn finds_what_was_refused_and_counts() {
        let mut script = Script::default();
        script.whole("send", asked(1, 1), Kind::Fail, Value::Null);
        count(&mut script, 1, 1, [1, 0]);
        assert!(judged(&script).1.contains("refused, and its events count"));
    }

    #[test]
    fn finds_a_zombie_that_is_heard() {
        let mut script = Script::default();
        open(&mut script, 1);
        open(&mut script, 2);
        send(&mut script, 1, Receipt::First);
        count(&mut script, 1, 1, [1, 1]);
        let words = judged(&script).1;
        assert!(words.contains("a zombie was acknowledged"), "{words}");
        assert!(words.contains("a zombie's events count"), "{words}");
    }

    #[test]
    fn what_was_under_way_when_the_epoch_changed_may_be_applied() {
        let mut script = Script::default();
        open(&mut script, 1);
        script.begin(1, "send", asked(1, 1));
        open(&mut script, 2);
        script.end(1, Kind::Ok, json!({"accepted": 2, "repeated": false}));
        count(&mut script, 1, 1, [1, 1]);
        assert_eq!(judged(&script).0, Validity::Valid);
    }

    #[test]
    fn finds_receipts_that_cannot_be() {
        let mut script = Script::default();
        send(&mut script, 1, Receipt::First);
        send(&mut script, 1, Receipt::First);
        send(&mut script, 2, Receipt::Repeated);
        let words = judged(&script).1;
        assert!(words.contains("sequence 1: applied again"), "{words}");
        assert!(words.contains("sequence 2: called a repetition"), "{words}");
        let verdict = check(&script.operations(), Repeaters::NodesToo);
        let words = verdict.findings().join("; ");
        assert!(words.contains("sequence 1: applied again"), "{words}");
        assert!(!words.contains("sequence 2: called a repetition"), "{words}");
    }

    #[test]
    fn finds_epochs_that_repeat() {
        let mut script = Script::default();
        open(&mut script, 2);
        open(&mut script, 2);
        assert!(judged(&script).1.contains("given twice"));
    }

    #[test]
    fn finds_what_was_reordered() {
        let order = |sequences: Value| json!([{"name": "p", "epoch": 1, "sequences": sequences}]);
        let mut script = Script::default();
        send(&mut script, 1, Receipt::First);
        send(&mut script, 2, Receipt::First);
        count(&mut script, 1, 1, [1, 1]);
        count(&mut script, 1, 2, [1, 1]);
        script.whole("order", Value::Null, Kind::Ok, order(json!([1, 2])));
        assert_eq!(judged(&script).0, Validity::Valid);
        script.whole("order", Value::Null, Kind::Ok, order(json!([2, 1])));
        assert!(judged(&script).1.contains("sequence 2 was applied before 1"));
        script.whole("order", Value::Null, Kind::Ok, order(json!([1, 2, 1])));
        assert!(judged(&script).1.contains("sequence 1 was applied twice"));
    }
}
