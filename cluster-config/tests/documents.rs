//! The generated documents: fresh, complete, and true.

use std::path::{Path, PathBuf};

use via_cluster_config::{File, Origin, Settings, Sources, example, load, manual, schema};

const REFRESH: &str = "stale: run `cargo run -p via-cluster-config --example docs`";

fn read(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn keys() -> Vec<String> {
    let loaded = load(&Sources::default()).expect("defaults are valid");
    loaded.origins.into_keys().collect()
}

fn text(text: String) -> Sources {
    let name = PathBuf::from("via.toml");
    Sources { file: Some(File::Text { name, text }), ..Sources::default() }
}

#[test]
fn the_manual_is_fresh() {
    assert!(read("../docs/CONFIGURATION.md") == manual(), "docs/CONFIGURATION.md is {REFRESH}");
}

#[test]
fn the_example_is_fresh() {
    assert!(
        read("examples/via.toml") == example(),
        "cluster-config/examples/via.toml is {REFRESH}"
    );
}

#[test]
fn the_example_is_exactly_the_defaults() {
    let loaded = load(&text(read("examples/via.toml"))).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(loaded.settings, Settings::default());
}

#[test]
fn the_example_mentions_every_setting_with_a_valid_value() {
    let uncommented: Vec<String> = read("examples/via.toml")
        .lines()
        .map(|line| {
            let assigned = line.strip_prefix("# ").filter(|rest| {
                let word = rest.split(" = ").next().unwrap_or_default();
                rest.contains(" = ") && word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
            });
            assigned.unwrap_or(line).to_owned()
        })
        .collect();
    let loaded = load(&text(uncommented.join("\n"))).unwrap_or_else(|errors| panic!("{errors}"));
    for (key, origin) in &loaded.origins {
        assert!(key == "version" || *origin != Origin::Default, "{key} is not mentioned");
    }
}

#[test]
fn the_manual_mentions_every_setting() {
    let manual = manual();
    for key in keys() {
        let Some((section, word)) = key.rsplit_once('.') else { continue };
        let rest = manual.split_once(&format!("\n## `[{section}]`\n")).expect("section exists").1;
        let section = rest.split("\n## ").next().unwrap_or_default();
        assert!(section.contains(&format!("\n| `{word}` |")), "{key} is not mentioned");
    }
}

#[test]
fn the_schema_knows_every_setting_and_refuses_others() {
    let schema: serde_json::Value = serde_json::from_str(&schema()).expect("is JSON");
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    for key in keys() {
        let mut node = &schema;
        for word in key.split('.') {
            assert_eq!(node["additionalProperties"], false, "above {key}");
            node = &node["properties"][word];
        }
        assert!(node["description"].is_string(), "{key}");
    }
}
