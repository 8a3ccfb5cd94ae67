//! Labels over HTTP: said, shown, replaced, taken back, and refused.

use serde_json::{Value, json};

use crate::rig::{NOW, Rig};

const JSON: (&str, &str) = ("Content-Type", "application/json");

/// Steady values, then a wild one; returns the detection of that.
pub(crate) async fn wild(rig: &Rig) -> Value {
    let mut lines = String::new();
    for number in 0..400i64 {
        let value = if number == 399 { 1e6 } else { 100.0 + ((number * 7919) % 13) as f64 };
        let at = NOW / 1_000_000_000 - 400 + number;
        let line = format!("{{\"entity\":\"e\",\"timestamp\":{at},\"value\":{value}}}\n");
        lines.push_str(&line);
    }
    let sent = rig.post_lines("/api/v1/streams/s/events", lines.as_bytes()).await;
    assert_eq!(sent.json()["accepted"], 400, "{sent:?}");
    let looking = async {
        loop {
            let page = rig.get("/api/v1/detections?stream=s&sort=score").await.json();
            let mut found = page["items"].as_array().expect("a list").iter();
            if let Some(wild) = found.find(|found| found["value"] == json!(1e6)) {
                return wild.clone();
            }
        }
    };
    let found = tokio::time::timeout(std::time::Duration::from_secs(30), looking).await;
    found.expect("it is detected")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_label_is_shown_with_its_detection_and_says_what_it_changed() {
    let rig = Rig::start().await;
    let found = wild(&rig).await;
    assert!(found.get("feedback").is_none(), "{found}");
    let path = format!("/api/v1/detections/{}", found["id"].as_str().expect("a name"));
    let feedback = format!("{path}/feedback");
    let body = br#"{"label":"false_alarm","note":"a deployment","author":"ops"}"#;
    let said = rig.send("PUT", &feedback, &[JSON], body).await;
    assert_eq!(said.status, 200, "{said:?}");
    let said = said.json();
    assert_eq!(said["detection"]["feedback"]["label"], "false_alarm");
    assert_eq!(said["detection"]["score"], found["score"], "what was told stays told");
    let taught = &said["taught"];
    assert_eq!(taught["labels"], 1);
    let number = |name: &str| taught[name].as_f64().expect("a number");
    assert!(number("score_after") < number("score_before"), "{taught}");
    let gains = taught["gains"].as_array().expect("every detector");
    assert_eq!(gains.len(), via_types::Detector::ALL.len());
    let own = gains.iter().find(|gain| gain["detector"] == found["detector"]).expect("its own");
    assert!(own["after"].as_f64() < own["before"].as_f64(), "{own}");
    let again = rig.send("PUT", &feedback, &[JSON], body).await.json();
    assert_eq!(again["taught"]["labels"], 1);
    assert_eq!(again["taught"]["score_before"], again["taught"]["score_after"]);
    let shown = rig.get(&path).await.json();
    assert_eq!(shown["feedback"]["note"], "a deployment");
    assert_eq!(shown["feedback"]["author"], "ops");
    assert_eq!(shown["feedback"]["at"], "2023-11-14T22:13:20Z");
    let expected = br#"{"label":"expected"}"#;
    let expected = rig.send("PUT", &feedback, &[JSON], expected).await.json();
    assert_eq!(expected["taught"]["labels"], 1, "the last one counts");
    assert_eq!(expected["taught"]["expected_until"], "2023-11-21T23:13:19Z", "{expected}");
    let listed = rig.get("/api/v1/detections?stream=s&sort=score&limit=1").await.json();
    assert_eq!(listed["items"][0]["feedback"]["label"], "expected");
    let back = rig.send("DELETE", &feedback, &[], b"").await.json();
    assert_eq!(back["taught"]["labels"], 0);
    assert!(rig.get(&path).await.json().get("feedback").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_label_and_what_is_not_there_is_refused() {
    let rig = Rig::start().await;
    let put = |path: &'static str, body: String| {
        let rig = &rig;
        async move { rig.send("PUT", path, &[JSON], body.as_bytes()).await }
    };
    let nothing = "/api/v1/detections/d1-1-1/feedback";
    let fine = r#"{"label":"confirmed"}"#.to_owned();
    put(nothing, fine.clone()).await.problem(404, "unknown_detection");
    rig.send("DELETE", nothing, &[], b"").await.problem(404, "unknown_detection");
    put("/api/v1/detections/x/feedback", fine).await.problem(400, "bad_parameter");
    let long = format!(r#"{{"label":"confirmed","note":"{}"}}"#, "x".repeat(2_049));
    for odd in [r#"{"label":"wrong"}"#, "{}", r#"{"label":"confirmed","by":"me"}"#, &long] {
        put(nothing, odd.to_owned()).await.problem(400, "bad_request");
    }
}
