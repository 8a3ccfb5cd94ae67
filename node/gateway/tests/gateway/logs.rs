//! Streams of log lines: their entities are templates, and one never seen, or one
//! that comes too often, is told.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::rig::{NOW, Rig};

/// Seconds before now at which the lines begin.
const AGO: f64 = 2_000.0;

/// Lines of one service as NDJSON, each some time after the one before.
struct Script {
    body: String,
    secs: f64,
    turn: u64,
}

impl Script {
    fn new() -> Self {
        Self { body: String::new(), secs: -AGO, turn: 1 }
    }

    /// Returns a number below `most`.
    fn draw(&mut self, most: u64) -> u64 {
        self.turn = self.turn.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695);
        (self.turn >> 33) % most
    }

    fn line(&mut self, text: &str, after: f64) {
        self.secs += after;
        let at = NOW + (self.secs * 1e9) as i64;
        let event = json!({"timestamp": at, "attributes":
            {"body": text, "service.name": "shop", "severity_text": "INFO"}});
        writeln!(self.body, "{event}").expect("memory holds it");
    }

    /// Writes lines of twelve templates, ten a second.
    fn ordinary(&mut self, lines: usize) {
        const VERBS: [&str; 12] = [
            "cart", "order", "login", "logout", "search", "browse", "rate", "review", "ship",
            "refund", "wish", "visit",
        ];
        for _ in 0..lines {
            let (verb, number, gap) =
                (VERBS[self.draw(12) as usize], self.draw(9_999), self.draw(200));
            let address = format!("10.0.{}.{}", number % 256, gap % 256);
            self.line(&format!("{verb} by user {number} from {address}"), gap as f64 / 1_000.0);
        }
    }
}

async fn make(rig: &Rig) {
    let mapping = json!({"line_from": "body", "service_from": "service.name",
        "severity_from": "severity_text"});
    let stream = json!({"name": "logs", "config": {"mapping": mapping}});
    assert_eq!(rig.post_json("/api/v1/streams", &stream.to_string()).await.status, 201);
}

async fn send(rig: &Rig, script: &mut Script) {
    let lines = script.body.lines().count();
    let body = std::mem::take(&mut script.body);
    let written = rig.post_lines("/api/v1/streams/logs/events", body.as_bytes()).await.json();
    assert_eq!(written["accepted"], lines, "{written}");
}

/// Returns the detections recorded so far, once those of all events are.
async fn detections(rig: &Rig) -> Vec<Value> {
    let ask = || async {
        let page = rig.get("/api/v1/detections?stream=logs&sort=oldest&limit=200").await.json();
        page["items"].as_array().expect("a list").clone()
    };
    let mut found = ask().await;
    for _ in 0..1_000 {
        if !found.is_empty() {
            break;
        }
        tokio::task::yield_now().await;
        found = ask().await;
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_burst_of_templates_never_seen_is_told_by_name() {
    let rig = Rig::start().await;
    make(&rig).await;
    let mut script = Script::new();
    script.ordinary(2_400);
    send(&rig, &mut script).await;
    let known = "%5Bshop%5D%20INFO%3A%20login%20by%20user%20%3C*%3E%20from%20%3C*%3E";
    assert!(rig.events("logs", known).await > 100, "values share a template");
    let words = ["disk", "kernel", "panic", "segfault", "oops", "trap", "fault", "abort"];
    for word in words {
        script.line(&format!("{word} in worker 7 at 0xdeadbeef"), 0.1);
    }
    send(&rig, &mut script).await;
    let found = detections(&rig).await;
    let new = found.iter().find(|one| one["contributions"][0]["feature"] == "new entity");
    let new = new.unwrap_or_else(|| panic!("nothing new in {found:?}"));
    let entity = new["entity"].as_str().expect("a name");
    assert!(entity.starts_with("[shop] INFO: ") && entity.contains(" in worker <*>"), "{entity}");
    assert_eq!((&new["state"], &new["detector"]), (&json!("closed"), &json!("cardinality")));
    assert!(new["reason"].as_str().expect("words").contains("never seen before"), "{new}");
    assert!(new["attributes"]["body"].as_str().expect("the line").contains("worker 7"), "{new}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_template_that_comes_far_too_often_is_told() {
    let rig = Rig::start().await;
    make(&rig).await;
    let mut script = Script::new();
    script.ordinary(15_000);
    for number in 0..300 {
        script.line(&format!("login by user {number} from 10.9.9.9"), 0.01);
    }
    send(&rig, &mut script).await;
    let found = detections(&rig).await;
    let surge = found.iter().find(|one| {
        one["entity"] == "[shop] INFO: login by user <*> from <*>"
            && matches!(one["detector"].as_str(), Some("volume" | "burst"))
    });
    assert!(surge.is_some(), "{found:?}");
}
