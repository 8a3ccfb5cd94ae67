//! Signed heads of the audit log and proofs, checked as an outsider does, who
//! has the key and what was kept.

use serde_json::{Value, json};
use via_audit::{Hash, Head, PublicKey, is_consistent, is_included, leaf};

use crate::rig::Rig;

fn hashes(view: &Value) -> Vec<Hash> {
    let hashes = view["hashes"].as_array().expect("hashes").iter();
    hashes.map(|hash| hash.as_str().and_then(|hash| hash.parse().ok()).expect("a hash")).collect()
}

fn head(view: &Value, key: &PublicKey) -> Head {
    Head::open(view["head"].as_str().expect("a note"), key).expect("it is signed")
}

#[tokio::test]
async fn what_was_recorded_is_proved_to_who_has_a_head() {
    let rig = Rig::guarded().await;
    let admin = rig.admin().await;
    let get = async |path: &str| rig.as_by(&admin, ("GET", path), &Value::Null).await;
    let first = get("/api/v1/audit/checkpoint").await;
    assert_eq!(first.status, 200);
    assert!(first.header("content-type").unwrap().starts_with("text/plain"));
    let key = get("/api/v1/audit/head").await.json()["key"].as_str().unwrap().to_owned();
    let key: PublicKey = key.parse().expect("a key");
    let note = String::from_utf8(first.body).expect("text");
    let old = Head::open(&note, &key).expect("it is signed");
    assert!(old.size > 0, "the first users are recorded");
    for name in ["a", "b", "c"] {
        rig.as_by(&admin, ("POST", "/api/v1/streams"), &json!({"name": name})).await;
    }
    let grown = format!("/api/v1/audit/proofs/consistency?from={}", old.size);
    let grown = get(&grown).await.json();
    let new = head(&grown, &key);
    assert!(is_consistent((old.size, old.root), (new.size, new.root), &hashes(&grown)));
    let forged = (old.size, leaf(b"another"));
    assert!(!is_consistent(forged, (new.size, new.root), &hashes(&grown)));
    for index in [0, old.size, new.size - 1] {
        let proof = get(&format!("/api/v1/audit/proofs/inclusion?index={index}")).await.json();
        let now = head(&proof, &key);
        let text = proof["text"].as_str().expect("it is kept");
        let is_there = |text: &str| {
            is_included(leaf(text.as_bytes()), index, now.size, &hashes(&proof), now.root)
        };
        assert!(is_there(text) && !is_there(&format!("{text} ")), "{index}");
        assert!(!text.contains("127.0.0.1"), "it is sealed");
    }
    for odd in
        ["inclusion?index=100000", "consistency?from=0", "consistency?from=100000", "inclusion"]
    {
        get(&format!("/api/v1/audit/proofs/{odd}")).await.problem(400, "bad_parameter");
    }
}
