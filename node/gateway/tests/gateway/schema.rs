//! The OpenAPI document against what is really sent and answered, by a small
//! reader of the JSON Schema words that the document uses.

use serde_json::{Value, json};
use via_gateway::Options;

use crate::rig::Rig;

struct Document(Value);

impl Document {
    fn follow<'d>(&'d self, schema: &'d Value) -> &'d Value {
        match schema["$ref"].as_str() {
            Some(to) => self.0.pointer(&to[1..]).unwrap_or_else(|| panic!("{to} leads nowhere")),
            None => schema,
        }
    }

    /// Returns why `value` does not fit `schema`.
    fn misfit(&self, schema: &Value, value: &Value, key: &str) -> Option<String> {
        let schema = self.follow(schema);
        if let Some(all) = schema["oneOf"].as_array() {
            let fits = all.iter().filter(|one| self.misfit(one, value, key).is_none()).count();
            return (fits != 1).then(|| format!("{key}: {value} fits {fits} of {schema}"));
        }
        for part in schema["allOf"].as_array().into_iter().flatten() {
            if let Some(why) = self.misfit(part, value, key) {
                return Some(why);
            }
        }
        let is = |name: &str| match name {
            "object" => value.is_object(),
            "array" => value.is_array(),
            "string" => value.is_string(),
            "number" => value.is_number(),
            "integer" => value.is_i64() || value.is_u64(),
            "boolean" => value.is_boolean(),
            "null" => value.is_null(),
            other => panic!("{key}: type {other}"),
        };
        let types = &schema["type"];
        let names = types.as_array().map_or(std::slice::from_ref(types), Vec::as_slice);
        let mut names = names.iter().filter_map(Value::as_str).peekable();
        let is_of_type = names.peek().is_none() || names.any(is);
        if !is_of_type {
            return Some(format!("{key}: {value} is not of {}", schema["type"]));
        }
        if let Some(words) = schema["enum"].as_array()
            && !words.contains(value)
        {
            return Some(format!("{key}: {value} is none of {words:?}"));
        }
        let number = value.as_f64().unwrap_or(0.0);
        let outside = schema["minimum"].as_f64().is_some_and(|least| number < least)
            || schema["maximum"].as_f64().is_some_and(|most| number > most);
        if value.is_number() && outside {
            return Some(format!("{key}: {value} is out of range"));
        }
        let items = value.as_array().into_iter().flatten().enumerate();
        for (nth, item) in items {
            let why = self.misfit(&schema["items"], item, &format!("{key}[{nth}]"));
            if schema["items"].is_object() && why.is_some() {
                return why;
            }
        }
        value.as_object().and_then(|object| self.object_misfit(schema, object, key))
    }

    fn object_misfit(
        &self,
        schema: &Value,
        object: &serde_json::Map<String, Value>,
        key: &str,
    ) -> Option<String> {
        for required in schema["required"].as_array().into_iter().flatten() {
            if !object.contains_key(required.as_str().expect("a name")) {
                return Some(format!("{key}: {required} is missing"));
            }
        }
        object.iter().find_map(|(word, value)| {
            let key = format!("{key}.{word}");
            let known = &schema["properties"][word];
            let other = &schema["additionalProperties"];
            if known.is_object() {
                self.misfit(known, value, &key)
            } else if *other == Value::Bool(false) {
                Some(format!("{key} is unknown"))
            } else {
                other.is_object().then(|| self.misfit(other, value, &key))?
            }
        })
    }

    fn operation(&self, method: &str, path: &str) -> &Value {
        let known = &self.0["paths"][path][method.to_ascii_lowercase()];
        assert!(known.is_object(), "{method} {path} is not documented");
        known
    }

    #[track_caller]
    fn takes(&self, method: &str, path: &str, kind: &str, body: &Value) -> bool {
        let content = &self.operation(method, path)["requestBody"]["content"][kind];
        assert!(content["schema"].is_object(), "{method} {path} takes no {kind}");
        self.misfit(&content["schema"], body, "body").is_none()
    }

    #[track_caller]
    fn answers(&self, method: &str, path: &str, status: u16, body: &Value) {
        let responses = &self.operation(method, path)["responses"];
        let told = &responses[status.to_string()];
        let content = if told.is_object() { told } else { &responses["default"] };
        let content = content["content"].as_object().expect("content").values().next();
        let schema = &content.expect("a type")["schema"];
        assert!(schema.is_object(), "{method} {path} {status}: {responses}");
        if let Some(why) = self.misfit(schema, body, "answer") {
            panic!("{method} {path} {status}: {why}\n{body:#}");
        }
    }
}

const EVENTS: &str = "/api/v1/streams/{stream}/events";
const SCORE: &str = "/api/v1/streams/{stream}/score";
const CONFIG: &str = "/api/v1/streams/{stream}/config";
const JSON: &str = "application/json";

async fn document(rig: &Rig) -> Document {
    Document(rig.get("/api/v1/openapi.json").await.json())
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_taken_as_documented() {
    let rig = Rig::start().await;
    let document = document(&rig).await;
    let one = json!({"entity": "a", "timestamp": 1_700_000_000, "value": 1.5, "unique_id": "u",
        "attributes": {"route": "/x", "ok": true, "size": 5}, "values": {"cpu": 0.5}});
    let text = json!({"entity": "b", "timestamp": "2023-11-14T22:13:20Z"});
    for path in [EVENTS, SCORE] {
        let address = path.replace("{stream}", "s");
        for body in [one.clone(), json!([one, text]), json!([])] {
            assert!(document.takes("POST", path, JSON, &body), "{body}");
            let answer = rig.post_json(&address, &body.to_string()).await;
            assert_eq!(answer.json()["refused"], 0, "{body}");
            document.answers("POST", path, answer.status, &answer.json());
        }
        assert!(document.takes("POST", path, "application/x-ndjson", &text));
        let answer = rig.post_lines(&address, format!("{text}\n").as_bytes()).await;
        document.answers("POST", path, answer.status, &answer.json());
        for bad in [
            json!({"entity": []}),
            json!({"entity": "a", "timestamp": true}),
            json!({"entity": "a", "value": null}),
            json!({"entity": "a", "attributes": {"x": []}}),
            json!([{"entity": "a", "x": 1}]),
        ] {
            assert!(!document.takes("POST", path, JSON, &bad), "{bad}");
            let answer = rig.post_json(&address, &bad.to_string()).await;
            assert_eq!(answer.json()["accepted"], 0, "{bad}");
            document.answers("POST", path, answer.status, &answer.json());
        }
        let broken = rig.post_json(&address, "{").await;
        document.answers("POST", path, broken.status, &broken.json());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn configurations_are_taken_as_documented() {
    // As the node's check, in what is sent here.
    let check = |config: &via_types::StreamConfig| {
        let fits = config.timing.warmup_events >= 2 && config.threshold.sensitivity <= 10.0;
        if fits { Ok(()) } else { Err("out of range".to_owned()) }
    };
    let options = Options { check_config: std::sync::Arc::new(check), ..Options::default() };
    let rig = Rig::start_with(options).await;
    let document = document(&rig).await;
    let config = json!({"timing": {"lateness_secs": 5, "warmup_events": 20},
        "threshold": {"method": {"mad": 6.5}, "sensitivity": 2}, "explain": "basic",
        "detectors": {"volume": {"season_secs": null, "threshold": {"method": {"budget": 1}}},
            "cardinality": {"precision": 14}},
        "mapping": {"entity_from": ["host"], "distinct_of": null}});
    let create = json!({"name": "s", "config": config});
    assert!(document.takes("POST", "/api/v1/streams", JSON, &create));
    let created = rig.post_json("/api/v1/streams", &create.to_string()).await;
    assert_eq!(created.status, 201, "{created:?}");
    document.answers("POST", "/api/v1/streams", 201, &created.json());
    let mut tag = created.header("etag").expect("a revision").to_owned();
    for (body, fits) in [
        (config, true),
        (json!({}), true),
        (json!([]), false),
        (json!({"timing": {"warmup_events": 1}}), false),
        (json!({"timing": [5]}), false),
        (json!({"threshold": {"method": "mad"}}), false),
        (json!({"threshold": {"method": {"mad": 1, "budget": 1}}}), false),
        (json!({"threshold": {"sensitivity": 11}}), false),
        (json!({"colour": 1}), false),
        (json!({"explain": "loud"}), false),
    ] {
        assert_eq!(document.takes("PUT", CONFIG, JSON, &body), fits, "{body}");
        let headers = [("Content-Type", JSON), ("If-Match", tag.as_str())];
        let text = body.to_string();
        let put = rig.send("PUT", "/api/v1/streams/s/config", &headers, text.as_bytes());
        let answer = put.await;
        assert_eq!(answer.status, if fits { 200 } else { 422 }, "{body}: {answer:?}");
        document.answers("PUT", CONFIG, answer.status, &answer.json());
        tag = answer.header("etag").map_or(tag, str::to_owned);
    }
    let headers = [("Content-Type", JSON), ("If-Match", "\"1\"")];
    let stale = rig.send("PUT", "/api/v1/streams/s/config", &headers, b"{}").await;
    assert!(stale.problem(412, "stale_revision")["current_revision"].is_u64());
    document.answers("PUT", CONFIG, 412, &stale.json());
    for bad in [json!({"method": "mad"}), json!({"method": 5})] {
        let headers = [("Content-Type", JSON), ("If-Match", tag.as_str())];
        let body = json!({"threshold": bad}).to_string();
        let put = rig.send("PUT", "/api/v1/streams/s/config", &headers, body.as_bytes()).await;
        let words = put.json()["detail"].to_string();
        assert!(words.contains("ewma_sigma, percentile, mad, ensemble, budget"), "{words}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn questions_are_answered_as_documented() {
    let rig = Rig::start().await;
    let document = document(&rig).await;
    let opened = rig.post_json("/api/v1/producers", r#"{"name":"p"}"#).await;
    assert!(document.takes("POST", "/api/v1/producers", JSON, &json!({"name": "p"})));
    document.answers("POST", "/api/v1/producers", 200, &opened.json());
    let body: Vec<Value> = (0..900_i64)
        .map(|event| {
            let wild = if event == 850 { 1e6 } else { 100.0 + (event * 7_919 % 13) as f64 };
            json!({"entity": "a", "timestamp": 1_699_990_000 + event, "value": wild})
        })
        .collect();
    rig.post_json("/api/v1/streams/s/events", &json!(body).to_string()).await;
    let recorded = async {
        loop {
            let listed = rig.get("/api/v1/detections").await.json();
            if listed["items"].as_array().is_some_and(|items| !items.is_empty()) {
                return listed;
            }
        }
    };
    let patience = std::time::Duration::from_secs(20);
    let listed = tokio::time::timeout(patience, recorded).await.expect("something is detected");
    let id = listed["items"][0]["id"].as_str().expect("something was detected").to_owned();
    for (path, address) in [
        ("/api/v1/detections", "/api/v1/detections?limit=1".to_owned()),
        ("/api/v1/detections/{id}", format!("/api/v1/detections/{id}")),
        ("/api/v1/detections/{id}", "/api/v1/detections/d1-1-1".to_owned()),
        ("/api/v1/streams", "/api/v1/streams".to_owned()),
        ("/api/v1/streams/{stream}", "/api/v1/streams/s".to_owned()),
        ("/api/v1/streams/{stream}", "/api/v1/streams/none".to_owned()),
        ("/api/v1/streams/{stream}/entities/{entity}", "/api/v1/streams/s/entities/a".to_owned()),
        (
            "/api/v1/streams/{stream}/entities/{entity}/series",
            "/api/v1/streams/s/entities/a/series".to_owned(),
        ),
        ("/api/v1/stats", "/api/v1/stats".to_owned()),
        ("/readyz", "/readyz".to_owned()),
    ] {
        let answer = rig.get(&address).await;
        document.answers("GET", path, answer.status, &answer.json());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_catalog_is_answered_as_documented() {
    let rig = Rig::start().await;
    let document = document(&rig).await;
    assert_eq!(rig.post_json("/api/v1/streams", r#"{"name":"s"}"#).await.status, 201);
    let body = json!({"entity": "b", "stream": "s", "reason": "known"});
    assert!(document.takes("POST", "/api/v1/suppressions", JSON, &body));
    let made = rig.post_json("/api/v1/suppressions", &body.to_string()).await;
    document.answers("POST", "/api/v1/suppressions", made.status, &made.json());
    let body = json!({"name": "acme", "administrator": "ada", "plan": "free"});
    assert!(document.takes("POST", "/api/v1/tenants", JSON, &body));
    let made = rig.post_json("/api/v1/tenants", &body.to_string()).await;
    assert_eq!(made.status, 201, "{made:?}");
    document.answers("POST", "/api/v1/tenants", made.status, &made.json());
    for (path, address) in [
        ("/api/v1/streams/{stream}/config/history", "/api/v1/streams/s/config/history"),
        ("/api/v1/suppressions", "/api/v1/suppressions"),
        ("/api/v1/roles", "/api/v1/roles"),
        ("/api/v1/access/review", "/api/v1/access/review"),
        ("/api/v1/tenant", "/api/v1/tenant"),
        ("/api/v1/tenants", "/api/v1/tenants"),
        ("/api/v1/tenants/{tenant}", "/api/v1/tenants/default"),
        ("/api/v1/tenants/{tenant}", "/api/v1/tenants/none"),
        ("/api/v1/plans", "/api/v1/plans"),
        ("/api/v1/audit/proofs/inclusion", "/api/v1/audit/proofs/inclusion?index=0"),
        ("/api/v1/audit/proofs/consistency", "/api/v1/audit/proofs/consistency?from=1"),
    ] {
        let answer = rig.get(address).await;
        document.answers("GET", path, answer.status, &answer.json());
    }
}
