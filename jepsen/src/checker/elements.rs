//! Set-full: elements are added in batches and read back with how often each is
//! there. What was acknowledged stays, once; what was refused never appears; what
//! is unknown is there at most once, and does not come and go (D-1, D-2, D-5).
//!
//! `add` asks for `[element, …]` and is told `{"refused": [element, …]}`; `read`
//! asks for elements and is told `[[element, count], …]`.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Validity, Verdict, of, seconds};
use crate::history::{Kind, Operation, Span};
use crate::trial::EVENTS;

/// What is known of one element.
#[derive(Default)]
struct Element {
    /// Spans of additions that may have taken effect.
    unknown: Vec<Span>,
    acknowledged: Option<Span>,
    acknowledged_at: u64,
    refused: bool,
    /// In order of invocation: span, end, count.
    reads: Vec<(Span, u64, u64)>,
}

/// Judges a history of additions and reads.
pub fn check(operations: &[Operation]) -> Verdict {
    let mut verdict = Verdict::new("set-full");
    let elements = collect(operations, &mut verdict);
    for (number, element) in &elements {
        judge(*number, element, &mut verdict);
    }
    count(&elements, &mut verdict);
    if verdict.validity() == Validity::Valid && !elements.values().any(|e| e.acknowledged.is_some())
    {
        verdict.doubt("nothing was acknowledged");
    }
    verdict
}

fn collect(operations: &[Operation], verdict: &mut Verdict) -> BTreeMap<u64, Element> {
    let mut elements: BTreeMap<u64, Element> = BTreeMap::new();
    for add in of(operations, "add") {
        let refused = numbers(&add.told["refused"]);
        for number in numbers(&add.asked) {
            let element = elements.entry(number).or_default();
            match add.outcome {
                Kind::Ok if refused.contains(&number) => element.refused = true,
                Kind::Ok => {
                    element.acknowledged = Some(add.span);
                    element.acknowledged_at = add.ended.unwrap_or(u64::MAX);
                }
                Kind::Fail => element.refused = true,
                Kind::Info | Kind::Invoke => element.unknown.push(add.span),
            }
        }
    }
    for read in of(operations, "read").filter(|read| read.outcome == Kind::Ok) {
        for pair in read.told.as_array().into_iter().flatten() {
            let (Some(number), Some(count)) = (pair[0].as_u64(), pair[1].as_u64()) else {
                verdict.doubt(format!("a read was told {pair}"));
                continue;
            };
            let seen = (read.span, read.ended.unwrap_or(u64::MAX), count);
            elements.entry(number).or_default().reads.push(seen);
        }
    }
    elements
}

fn numbers(value: &Value) -> Vec<u64> {
    value.as_array().into_iter().flatten().filter_map(Value::as_u64).collect()
}

fn judge(number: u64, element: &Element, verdict: &mut Verdict) {
    let may_exist = element.acknowledged.is_some() || !element.unknown.is_empty();
    for (_, at, seen) in &element.reads {
        let at = seconds(*at);
        if *seen > 1 {
            verdict.violation(format!("element {number} counted {seen} times at {at}"));
        }
        if *seen > 0 && !may_exist {
            let what = if element.refused { "was refused" } else { "was never sent" };
            verdict.violation(format!("element {number} {what} and was there at {at}"));
        }
    }
    if let Some(acknowledged) = element.acknowledged {
        judge_acknowledged(number, element, acknowledged, verdict);
    }
    judge_vanished(number, element, verdict);
}

fn judge_acknowledged(number: u64, element: &Element, acknowledged: Span, verdict: &mut Verdict) {
    let after: Vec<_> =
        element.reads.iter().filter(|(span, ..)| acknowledged.precedes(*span)).collect();
    let Some((_, at, last)) = after.last() else {
        verdict.doubt(format!("element {number} was acknowledged and never read after"));
        return;
    };
    if *last == 0 {
        let (acked, at) = (seconds(element.acknowledged_at), seconds(*at));
        verdict.violation(format!("element {number} lost: acknowledged at {acked}, gone at {at}"));
    } else if let Some((_, at, _)) = after.iter().find(|(_, _, seen)| *seen == 0) {
        let (acked, at) = (seconds(element.acknowledged_at), seconds(*at));
        verdict.violation(format!(
            "element {number} read stale: acknowledged at {acked}, not there at {at}, there later"
        ));
    }
}

/// What was seen must stay, whatever its client was told.
fn judge_vanished(number: u64, element: &Element, verdict: &mut Verdict) {
    let Some(first) =
        element.reads.iter().filter(|(.., seen)| *seen > 0).min_by_key(|r| r.0.completed)
    else {
        return;
    };
    let gone = element.reads.iter().find(|(span, _, seen)| *seen == 0 && first.0.precedes(*span));
    // That an acknowledged one is gone was said already.
    if let (Some((_, at, _)), None) = (gone, element.acknowledged) {
        let (seen, at) = (seconds(first.1), seconds(*at));
        verdict.violation(format!("element {number} vanished: there at {seen}, gone at {at}"));
    }
}

fn count(elements: &BTreeMap<u64, Element>, verdict: &mut Verdict) {
    let how_many = |is: &dyn Fn(&Element) -> bool| elements.values().filter(|e| is(e)).count();
    let is_unknown = |e: &Element| e.acknowledged.is_none() && !e.unknown.is_empty();
    let is_there = |e: &Element| e.reads.last().is_some_and(|(.., seen)| *seen > 0);
    verdict.figure("elements", elements.len());
    verdict.figure("times read", elements.values().map(|e| e.reads.len()).sum::<usize>());
    // An element is one event.
    verdict.figure(EVENTS, how_many(&|e| e.acknowledged.is_some()));
    verdict.figure("refused", how_many(&|e| e.refused && e.acknowledged.is_none()));
    verdict.figure("unknown", how_many(&is_unknown));
    verdict.figure("unknown and there", how_many(&|e| is_unknown(e) && is_there(e)));
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::tests::Script;
    use super::*;

    fn add(script: &mut Script, number: u64, kind: Kind) {
        script.whole("add", json!([number]), kind, json!({"refused": []}));
    }

    fn read(script: &mut Script, counts: &[(u64, u64)]) {
        script.whole("read", json!([]), Kind::Ok, json!(counts));
    }

    fn judged(script: &Script) -> (Validity, String) {
        let verdict = check(&script.operations());
        (verdict.validity(), verdict.findings().join("; "))
    }

    #[test]
    fn passes_what_is_there_once() {
        let mut script = Script::default();
        add(&mut script, 1, Kind::Ok);
        add(&mut script, 2, Kind::Fail);
        add(&mut script, 3, Kind::Info);
        add(&mut script, 4, Kind::Info);
        read(&mut script, &[(1, 1), (2, 0), (3, 0), (4, 1)]);
        // An unknown addition may still arrive.
        read(&mut script, &[(1, 1), (2, 0), (3, 1), (4, 1)]);
        assert_eq!(judged(&script), (Validity::Valid, String::new()));
    }

    #[test]
    fn a_line_refused_among_others_is_refused() {
        let mut script = Script::default();
        script.whole("add", json!([1, 2]), Kind::Ok, json!({"refused": [2]}));
        read(&mut script, &[(1, 1), (2, 1)]);
        assert!(judged(&script).1.contains("element 2 was refused"));
    }

    #[test]
    fn finds_what_is_lost() {
        let mut script = Script::default();
        add(&mut script, 1, Kind::Ok);
        read(&mut script, &[(1, 1)]);
        read(&mut script, &[(1, 0)]);
        let (validity, words) = judged(&script);
        assert_eq!(validity, Validity::Invalid);
        assert!(words.contains("element 1 lost"), "{words}");
    }

    #[test]
    fn finds_what_is_counted_twice() {
        let mut script = Script::default();
        add(&mut script, 1, Kind::Info);
        read(&mut script, &[(1, 2)]);
        assert!(judged(&script).1.contains("counted 2 times"));
    }

    #[test]
    fn finds_a_stale_read() {
        let mut script = Script::default();
        add(&mut script, 1, Kind::Ok);
        read(&mut script, &[(1, 0)]);
        read(&mut script, &[(1, 1)]);
        assert!(judged(&script).1.contains("read stale"));
    }

    #[test]
    fn a_read_beside_the_addition_may_miss_it() {
        let mut script = Script::default();
        script.begin(1, "read", json!([])).begin(2, "add", json!([1]));
        script.end(2, Kind::Ok, json!({})).end(1, Kind::Ok, json!([[1, 0]]));
        read(&mut script, &[(1, 1)]);
        assert_eq!(judged(&script).0, Validity::Valid);
    }

    #[test]
    fn finds_what_appears_though_refused_and_what_vanishes() {
        let mut script = Script::default();
        add(&mut script, 1, Kind::Fail);
        add(&mut script, 2, Kind::Info);
        read(&mut script, &[(1, 1), (2, 1), (3, 1)]);
        read(&mut script, &[(1, 1), (2, 0)]);
        let words = judged(&script).1;
        assert!(words.contains("element 1 was refused"), "{words}");
        assert!(words.contains("element 2 vanished"), "{words}");
        assert!(words.contains("element 3 was never sent"), "{words}");
    }

    #[test]
    fn cannot_tell_of_what_was_not_read() {
        let mut script = Script::default();
        assert_eq!(judged(&script).0, Validity::Unknown);
        add(&mut script, 1, Kind::Ok);
        assert_eq!(judged(&script).0, Validity::Unknown);
    }
}
