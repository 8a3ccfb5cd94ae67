//! What single entities have different, over HTTP.

use serde_json::json;

use crate::rig::Rig;

const JSON: (&str, &str) = ("Content-Type", "application/json");

#[tokio::test(flavor = "multi_thread")]
async fn an_entity_s_own_configuration_is_set_shown_listed_and_taken_away() {
    let rig = Rig::start().await;
    let created = rig.post_json("/api/v1/streams", r#"{"name":"s"}"#).await;
    let tag = created.header("etag").expect("a revision").to_owned();
    let path = "/api/v1/streams/s/entities/a%2Fb/config";
    rig.get(path).await.problem(404, "unknown_entity");
    let body = br#"{"threshold":{"method":{"mad":6}},"detectors":{"burst":{"enabled":false}},"priority":"high"}"#;
    rig.send("PUT", path, &[JSON], body).await.problem(428, "revision_required");
    let put = rig.send("PUT", path, &[JSON, ("If-Match", &tag)], body).await;
    assert_eq!(put.status, 200, "{put:?}");
    assert_eq!(put.json()["entity"], "a/b");
    assert_eq!(put.json()["config"]["detectors"], json!({"burst": {"enabled": false}}));
    let now = put.header("etag").expect("a revision").to_owned();
    assert_ne!(now, tag);
    let stale = rig.send("PUT", path, &[JSON, ("If-Match", &tag)], b"{}").await;
    stale.problem(412, "stale_revision");
    assert_eq!(rig.get(path).await.json()["config"]["priority"], "high");
    let listed = rig.get("/api/v1/streams/s/overrides").await;
    assert_eq!(listed.header("etag"), Some(now.as_str()));
    assert_eq!(listed.json()["items"][0]["entity"], "a/b");
    let stream = rig.get("/api/v1/streams/s").await.json();
    assert_eq!(stream["own"]["entities"]["a/b"]["priority"], "high");
    for odd in [
        r#"{"priority":"vast"}"#,
        r#"{"detectors":{"bursts":{}}}"#,
        r#"{"threshold":{"method":{"mad":6},"method":{"mad":7}}}"#,
        r#"{"detectors":{"burst":{"weight":"1"}}}"#,
        r#"{"timing":{}}"#,
        "[]",
    ] {
        let refused = rig.send("PUT", path, &[JSON, ("If-Match", &now)], odd.as_bytes()).await;
        refused.problem(422, "bad_config");
    }
    let gone = rig.send("DELETE", path, &[("If-Match", &now)], b"").await;
    assert_eq!((gone.status, gone.body.len()), (204, 0));
    rig.get(path).await.problem(404, "unknown_entity");
    let last = gone.header("etag").expect("a revision").to_owned();
    rig.send("DELETE", path, &[("If-Match", &last)], b"").await.problem(404, "unknown_entity");
    let listed = rig.get("/api/v1/streams/s/overrides").await.json();
    assert_eq!(listed["items"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_different_holds_for_the_next_event() {
    let rig = Rig::start().await;
    let created = rig.post_json("/api/v1/streams", r#"{"name":"s"}"#).await;
    let tag = created.header("etag").expect("a revision").to_owned();
    let off = br#"{"detectors":{"distribution":{"enabled":false}}}"#;
    let path = "/api/v1/streams/s/entities/odd/config";
    let put = rig.send("PUT", path, &[JSON, ("If-Match", &tag)], off).await;
    assert_eq!(put.status, 200, "{put:?}");
    let lines = b"{\"entity\":\"odd\",\"value\":1}\n{\"entity\":\"e\",\"value\":1}\n";
    assert_eq!(rig.post_lines("/api/v1/streams/s/events", lines).await.status, 200);
    for (entity, is_on) in [("odd", false), ("e", true)] {
        let view = rig.get(&format!("/api/v1/streams/s/entities/{entity}")).await.json();
        let states = view["detectors"].as_array().expect("all");
        let mut own = states.iter().filter(|state| state["detector"] == "distribution");
        assert_eq!(own.next().expect("all")["enabled"], is_on, "{entity}");
    }
}
