//! Detections, seen from outside: an id names one body, what a subscriber saw
//! exists, resuming is gapless or says so (D-4), and under faults the same input
//! makes the same detections as without (E-1).
//!
//! `follow` asks for a cursor and is told `[message, …]` as the feed sent them;
//! `list` and `reference` are told `[detection, …]`. Of each subscriber, the first
//! `follow` begins before the first event.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::{Verdict, of};
use crate::history::{Kind, Operation};
use crate::trial::EVENTS;

/// What of a body is the same from the first copy to the last.
const FIXED: &[&str] = &["stream", "entity", "started", "engine"];
/// What a place in the log decides, or the moment of asking: it differs between
/// two runs of the same input.
const POSITIONAL: &[&str] = &["id", "revision", "state", "similar", "feedback"];

/// Judges a history of feeds and listings.
pub fn check(operations: &[Operation]) -> Verdict {
    let mut verdict = Verdict::new("detections");
    let lists: Vec<&Operation> =
        of(operations, "list").filter(|list| list.outcome == Kind::Ok).collect();
    let Some(last) = lists.last() else {
        verdict.doubt("nothing was listed");
        return verdict;
    };
    let last = by_id(&last.told);
    let mut copies = Copies::default();
    for list in &lists {
        detections(&list.told).for_each(|body| copies.see(body, &mut verdict));
    }
    let feeds = feeds(operations);
    for (subscriber, feed) in &feeds {
        feed.seen.iter().for_each(|body| copies.see(body, &mut verdict));
        judge_feed(*subscriber, feed, &last, &mut verdict);
    }
    for id in copies.fixed.keys().filter(|id| !last.contains_key(*id)) {
        verdict.violation(format!("{id} was seen and is not listed any more"));
    }
    judge_reference(operations, &last, &mut verdict);
    let sent = of(operations, "send").filter(|send| send.outcome == Kind::Ok);
    verdict.figure(EVENTS, sent.filter_map(|send| send.told.as_u64()).sum::<u64>());
    verdict.figure("detections", last.len());
    verdict.figure("listings", lists.len());
    verdict.figure("subscribers", feeds.len());
    verdict.figure("messages", feeds.values().map(|feed| feed.seen.len()).sum::<usize>());
    verdict.figure("resumptions", feeds.values().map(|feed| feed.resumed).sum::<u64>());
    verdict.figure("gaps told", feeds.values().map(|feed| feed.gaps).sum::<u64>());
    verdict.figure("told again", feeds.values().map(|feed| feed.told_again).sum::<u64>());
    if last.is_empty() {
        verdict.doubt("nothing was detected");
    }
    verdict
}

fn detections(told: &Value) -> impl Iterator<Item = &Value> {
    told.as_array().into_iter().flatten()
}

/// How far a detection has come: its events, and whether it has ended.
type Progress = (u64, bool);

fn progress(body: &Value) -> Progress {
    (body["events"].as_u64().unwrap_or(0), body["state"] == "closed")
}

fn by_id(told: &Value) -> BTreeMap<String, Value> {
    let name = |body: &Value| Some((body["id"].as_str()?.to_owned(), body.clone()));
    detections(told).filter_map(name).collect()
}

/// Every copy that was seen of anything.
#[derive(Default)]
struct Copies {
    fixed: BTreeMap<String, Value>,
    /// By id and how far it had come.
    whole: BTreeMap<(String, Progress), Value>,
}

impl Copies {
    fn see(&mut self, body: &Value, verdict: &mut Verdict) {
        let Some(id) = body["id"].as_str() else {
            verdict.violation(format!("a detection without an id: {body}"));
            return;
        };
        let fixed = only(body, |field| FIXED.contains(&field));
        let known = self.fixed.entry(id.to_owned()).or_insert_with(|| fixed.clone());
        if *known != fixed {
            verdict.violation(format!("{id} names two things: {known} and {fixed}"));
        }
        // People may label it at any time.
        let whole = only(body, |field| field != "feedback");
        let name = (id.to_owned(), progress(body));
        let known = self.whole.entry(name).or_insert_with(|| whole.clone());
        if *known != whole {
            verdict.violation(format!("{id} has two bodies: {}", difference(known, &whole)));
        }
    }
}

fn only(body: &Value, is_wanted: impl Fn(&str) -> bool) -> Value {
    let fields = body.as_object().into_iter().flatten();
    let wanted = fields.filter(|(field, _)| is_wanted(field));
    Value::Object(wanted.map(|(field, value)| (field.clone(), value.clone())).collect())
}

/// Names the fields in which two bodies differ.
fn difference(one: &Value, other: &Value) -> String {
    let empty = Map::new();
    let (one, other) = (one.as_object().unwrap_or(&empty), other.as_object().unwrap_or(&empty));
    let fields: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
    let differ = fields.into_iter().filter(|field| one.get(*field) != other.get(*field));
    let told = differ.map(|field| {
        let show =
            |body: &Map<String, Value>| body.get(field).map_or("none".into(), Value::to_string);
        format!("{field} {} or {}", show(one), show(other))
    });
    told.take(3).collect::<Vec<_>>().join(", ")
}

/// What one subscriber saw, over all its connections.
#[derive(Default)]
struct Feed<'a> {
    seen: Vec<&'a Value>,
    cursors: BTreeSet<&'a str>,
    gaps: u64,
    resumed: u64,
    told_again: u64,
}

fn feeds(operations: &[Operation]) -> BTreeMap<u64, Feed<'_>> {
    let mut feeds: BTreeMap<u64, Feed<'_>> = BTreeMap::new();
    for follow in of(operations, "follow") {
        let subscriber = follow.asked["subscriber"].as_u64().unwrap_or(0);
        let feed = feeds.entry(subscriber).or_default();
        feed.resumed += u64::from(follow.asked["cursor"].is_string());
        for message in follow.told.as_array().into_iter().flatten() {
            match message["type"].as_str() {
                Some("gap") => feed.gaps += 1,
                Some("detection") => {
                    let cursor = message["cursor"].as_str().unwrap_or_default();
                    feed.told_again += u64::from(!feed.cursors.insert(cursor));
                    feed.seen.push(&message["detection"]);
                }
                Some(_) | None => {}
            }
        }
    }
    feeds
}

/// Without a gap that was told, a subscriber saw everything that is listed, as
/// grown as it is listed.
fn judge_feed(
    subscriber: u64,
    feed: &Feed<'_>,
    last: &BTreeMap<String, Value>,
    verdict: &mut Verdict,
) {
    let mut newest: BTreeMap<&str, Progress> = BTreeMap::new();
    for body in &feed.seen {
        let seen = newest.entry(body["id"].as_str().unwrap_or_default()).or_default();
        *seen = progress(body).max(*seen);
    }
    if feed.gaps > 0 {
        return;
    }
    for (id, body) in last {
        let (events, is_closed) = progress(body);
        match newest.get(id.as_str()) {
            None => verdict.violation(format!("subscriber {subscriber} was never told of {id}")),
            Some((seen, _)) if *seen < events => verdict.violation(format!(
                "subscriber {subscriber} saw {id} with {seen} events, and it has {events}"
            )),
            Some((seen, false)) if *seen == events && is_closed => verdict
                .violation(format!("subscriber {subscriber} was never told that {id} has ended")),
            Some(_) => {}
        }
    }
}

/// Compares with an undisturbed run of the same input, as a multiset.
fn judge_reference(
    operations: &[Operation],
    last: &BTreeMap<String, Value>,
    verdict: &mut Verdict,
) {
    let Some(reference) = of(operations, "reference").find(|it| it.outcome == Kind::Ok) else {
        verdict.doubt("there is no undisturbed run to compare with");
        return;
    };
    let plain = |body: &Value| only(body, |field| !POSITIONAL.contains(&field));
    let place = |body: &Value| {
        let text = |field: &str| body[field].as_str().unwrap_or_default().to_owned();
        (text("entity"), text("started"), text("detector"))
    };
    let sorted = |bodies: Vec<&Value>| {
        let mut sorted: BTreeMap<_, Vec<Value>> = BTreeMap::new();
        bodies
            .into_iter()
            .for_each(|body| sorted.entry(place(body)).or_default().push(plain(body)));
        sorted
    };
    let expected = sorted(detections(&reference.told).collect());
    let found = sorted(last.values().collect());
    verdict.figure("detections undisturbed", expected.values().map(Vec::len).sum::<usize>());
    let places: BTreeSet<_> = expected.keys().chain(found.keys()).collect();
    for place in places {
        let what = format!("{} at {} ({})", place.0, place.1, place.2);
        match (expected.get(place), found.get(place)) {
            (Some(_), None) => verdict.violation(format!("{what} is missing under faults")),
            (None, Some(_)) => verdict.violation(format!("{what} was made under faults only")),
            (Some(one), Some(other)) if one != other => {
                let differ = difference(&json!(one[0]), &json!(other[0]));
                let counts = format!("{} and {}", one.len(), other.len());
                verdict
                    .violation(format!("{what} differs under faults: {differ} ({counts} of it)"));
            }
            (Some(_), Some(_)) | (None, None) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Validity;
    use super::super::tests::Script;
    use super::*;

    fn body(id: &str, events: u64) -> Value {
        json!({
            "id": id, "stream": "s", "entity": "e", "started": id, "engine": 1, "revision": 4,
            "events": events, "score": 0.5 + events as f64 / 100.0, "state": "open",
            "detector": "volume",
        })
    }

    fn message(id: &str, events: u64) -> Value {
        json!({"type": "detection", "cursor": format!("{id}.{events}"), "change": "opened",
            "detection": body(id, events)})
    }

    fn script(list: Value, messages: Value) -> Script {
        let mut script = Script::default();
        let reference = json!([body("a", 2), body("b", 1)]);
        script.whole("reference", Value::Null, Kind::Ok, reference);
        let asked = json!({"subscriber": 1, "cursor": null});
        script.whole("follow", asked, Kind::Info, messages);
        script.whole("list", Value::Null, Kind::Ok, list);
        script
    }

    fn judged(script: &Script) -> (Validity, String) {
        let verdict = check(&script.operations());
        (verdict.validity(), verdict.findings().join("; "))
    }

    fn good_messages() -> Value {
        json!([{"type": "hello", "cursor": "0"}, message("a", 1), message("b", 1), message("a", 2)])
    }

    #[test]
    fn passes_what_is_told_listed_and_expected() {
        let script = script(json!([body("b", 1), body("a", 2)]), good_messages());
        assert_eq!(judged(&script), (Validity::Valid, String::new()));
    }

    #[test]
    fn finds_two_bodies_of_one_id() {
        let mut other = body("a", 2);
        other["score"] = json!(0.9);
        let script = script(json!([body("b", 1), other]), good_messages());
        assert!(judged(&script).1.contains("a has two bodies: score 0.9 or 0.52"));
    }

    #[test]
    fn finds_an_id_that_names_two_things() {
        let mut other = body("a", 3);
        other["entity"] = json!("f");
        let script = script(json!([body("b", 1), other]), good_messages());
        assert!(judged(&script).1.contains("a names two things"));
    }

    #[test]
    fn finds_what_was_seen_and_never_was() {
        let script = script(json!([body("b", 1)]), good_messages());
        let words = judged(&script).1;
        assert!(words.contains("a was seen and is not listed"), "{words}");
        assert!(words.contains("missing under faults"), "{words}");
    }

    #[test]
    fn finds_a_silent_gap_and_takes_one_that_is_told() {
        let list = json!([body("a", 2), body("b", 1)]);
        let silent = script(list.clone(), json!([message("a", 1)]));
        let words = judged(&silent).1;
        assert!(words.contains("subscriber 1 was never told of b"), "{words}");
        assert!(words.contains("saw a with 1 events, and it has 2"), "{words}");
        let told = script(list, json!([message("a", 1), {"type": "gap", "cursor": "9"}]));
        assert_eq!(judged(&told).0, Validity::Valid);
    }

    #[test]
    fn finds_what_only_faults_make_and_what_differs_from_an_undisturbed_run() {
        let mut changed = body("b", 1);
        changed["score"] = json!(0.7);
        let list = json!([body("a", 2), changed, body("c", 1)]);
        let messages = json!([message("a", 2), message("c", 1),
            {"type": "gap", "cursor": "1"}]);
        let words = judged(&script(list, messages)).1;
        assert!(words.contains("differs under faults: score 0.51 or 0.7"), "{words}");
        assert!(words.contains("e at c (volume) was made under faults only"), "{words}");
    }
}
