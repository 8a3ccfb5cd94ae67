//! The description of the interface, streams and their revisions, health.

use serde_json::json;

use crate::rig::Rig;

#[tokio::test(flavor = "multi_thread")]
async fn every_documented_operation_is_served() {
    let rig = Rig::start().await;
    let document = rig.get("/api/v1/openapi.json").await.json();
    let mut operations = 0;
    let mut names = std::collections::BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let name = operation["operationId"].as_str().unwrap();
            assert!(names.insert(name.to_owned()), "{name} names two operations");
            if path == "/api/v1/live" {
                continue; // It never ends; the live tests follow it.
            }
            let address = path
                .replace("{stream}", "s")
                .replace("{entity}", "e")
                .replace("{id}", "d1-1-1")
                .replace("{code}", "not_found");
            let answer = rig.send(&method.to_uppercase(), &address, &[], b"").await;
            let is_served = !matches!(answer.status, 405 | 500..) && {
                let body = String::from_utf8_lossy(&answer.body);
                !body.contains("\"code\":\"not_found\"")
            };
            assert!(is_served, "{method} {path}: {answer:?}");
            operations += 1;
        }
    }
    assert!(operations >= 20, "{operations}");
    let undocumented = rig.get("/api/v1/secret").await;
    undocumented.problem(404, "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_comes_with_its_fences() {
    let rig = Rig::start().await;
    let page = rig.get("/api/v1/docs").await;
    assert_eq!(page.status, 200);
    let policy = page.header("content-security-policy").expect("set");
    assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"));
    assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(rig.get("/problems/overloaded").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_changes_only_from_the_revision_that_was_read() {
    let rig = Rig::start().await;
    let created = rig.post_json("/api/v1/streams", r#"{"name":"s"}"#).await;
    assert_eq!(created.status, 201);
    let tag = created.header("etag").expect("a revision").to_owned();
    rig.post_json("/api/v1/streams", r#"{"name":"s"}"#).await.problem(409, "stream_exists");
    for odd in ["[]", "5", r#"{"timing":[30,5]}"#, r#"{"timing":{},"timing":{}}"#] {
        let twice = format!(r#"{{"name":"t","config":{odd}}}"#);
        rig.post_json("/api/v1/streams", &twice).await.problem(422, "bad_config");
    }
    let config = br#"{"timing":{"lateness_secs":5.0}}"#;
    let put = "/api/v1/streams/s/config";
    let kind = ("Content-Type", "application/json");
    rig.send("PUT", put, &[kind], config).await.problem(428, "revision_required");
    let plain = rig.send("PUT", put, &[("If-Match", &tag)], config).await;
    plain.problem(415, "unsupported_media_type");
    let changed = rig.send("PUT", put, &[kind, ("If-Match", &tag)], config).await;
    assert_eq!(changed.status, 200);
    assert_eq!(
        changed.json()["config"]["timing"],
        json!({"lateness_secs": 5.0, "warmup_events": 10})
    );
    assert_eq!(changed.json()["own"], json!({"timing": {"lateness_secs": 5.0}}), "and no more");
    assert_ne!(changed.header("etag"), Some(tag.as_str()));
    let stale = rig.send("PUT", put, &[kind, ("If-Match", &tag)], config).await;
    let problem = stale.problem(412, "stale_revision");
    assert_eq!(problem["current_revision"], changed.json()["revision"]);
    let now = changed.header("etag").unwrap().to_owned();
    let misspelt = rig.send("PUT", put, &[kind, ("If-Match", &now)], br#"{"timeing":{}}"#).await;
    misspelt.problem(422, "bad_config");
    for odd in [&b"[]"[..], br#"{"timing":[30,5]}"#, br#"{"timing":{},"timing":{}}"#] {
        let answer = rig.send("PUT", put, &[kind, ("If-Match", &now)], odd).await;
        answer.problem(422, "bad_config");
    }
    let back = rig.send("PUT", put, &[kind, ("If-Match", &now)], b"{}").await.json();
    assert_eq!(back["config"]["timing"]["lateness_secs"], 600.0, "the default again");
    assert_eq!(back["own"], json!({}));
    let listed = rig.get("/api/v1/streams").await.json();
    assert_eq!(listed["items"][0]["name"], "s");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_mapping_of_a_stream_is_obeyed_at_once() {
    let rig = Rig::start().await;
    let stream = json!({"name": "logs", "config": {"mapping": {"entity_from": ["service"]}}});
    assert_eq!(rig.post_json("/api/v1/streams", &stream.to_string()).await.status, 201);
    let event = r#"{"attributes":{"service":"db/main"}}"#;
    let written = rig.post_json("/api/v1/streams/logs/events", event).await.json();
    assert_eq!(written["accepted"], 1);
    assert_eq!(rig.events("logs", "db%2Fmain").await, 1);
    let series = rig.get("/api/v1/streams/logs/entities/db%2Fmain/series?max_points=10").await;
    assert!(series.json()["points"].as_array().unwrap().len() <= 10);
    let gone = rig.send("DELETE", "/api/v1/streams/logs/entities/db%2Fmain", &[], b"").await;
    assert_eq!(gone.status, 204);
    assert_eq!(rig.events("logs", "db%2Fmain").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn readiness_names_its_components() {
    let rig = Rig::start().await;
    let report = rig.get("/readyz").await.json();
    assert_eq!(report["ready"], true);
    let names: Vec<_> = report["components"].as_array().unwrap().iter().collect();
    assert!(names.iter().any(|component| component["name"] == "shards"));
    assert_eq!(rig.get("/livez").await.status, 200);
    assert_eq!(rig.get("/metrics").await.status, 200);
}
