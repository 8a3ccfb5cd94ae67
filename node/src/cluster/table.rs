//! What the cluster's documents look like to people.

use serde_json::Value;

fn text(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) if text.is_empty() => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) if items.is_empty() => "-".to_owned(),
        Value::Array(items) => items.iter().map(text).collect::<Vec<_>>().join(","),
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => value.to_string(),
    }
}

/// Writes rows in columns as wide as their longest word.
fn columns(head: &[&str], rows: &[Vec<String>]) -> String {
    let mut lines = vec![head.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>()];
    lines.extend(rows.iter().cloned());
    let width = |place: usize| lines.iter().map(|line| line[place].chars().count()).max();
    let widths: Vec<usize> = (0..head.len()).map(|place| width(place).unwrap_or(0)).collect();
    let line = |line: &Vec<String>| {
        let cells = line.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    lines.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn items(document: &Value) -> &[Value] {
    document["items"].as_array().map_or(&[], Vec::as_slice)
}

pub(crate) fn status(document: &Value) -> String {
    let line = |word: &str, key: &str| format!("{word:9} {}", text(&document[key]));
    let words =
        [("cluster", "cluster"), ("shards", "shards"), ("asked", "node"), ("leader", "leader")];
    let more = [("term", "term"), ("voters", "voters"), ("learners", "learners")];
    let revision = [("revision", "revision")];
    let all = words.iter().chain(&more).chain(&revision);
    let mut lines: Vec<String> = all.map(|(word, key)| line(word, key)).collect();
    lines.push(format!("{:9} {}", "to move", to_move(document)));
    lines.join("\n")
}

/// Says what still has to move.
pub(crate) fn to_move(document: &Value) -> String {
    let parts = [
        ("replicas_to_add", "replicas to add"),
        ("replicas_to_remove", "to remove"),
        ("leaders_to_move", "leaders to move"),
    ];
    let count = |key: &str| document["moves"][key].as_u64().unwrap_or_default();
    if parts.iter().all(|(key, _)| count(key) == 0) {
        return "nothing".to_owned();
    }
    parts.map(|(key, words)| format!("{} {words}", count(key))).join(", ")
}

fn node_row(node: &Value) -> Vec<String> {
    let seen = match (node["seen"].as_bool(), node["silence_ms"].as_u64()) {
        (Some(true), _) => "now".to_owned(),
        (Some(false), Some(silence)) => format!("{} s ago", silence / 1_000),
        _ => "-".to_owned(),
    };
    let mut row: Vec<String> = ["node", "name", "state", "role", "zone", "addresses"]
        .iter()
        .map(|key| text(&node[*key]))
        .collect();
    row.extend([text(&node["holds"]), text(&node["placed"]), seen, text(&node["version"])]);
    row
}

const NODES: [&str; 10] =
    ["NODE", "NAME", "STATE", "ROLE", "ZONE", "ADDRESS", "HOLDS", "PLACED", "SEEN", "VERSION"];

pub(crate) fn nodes(document: &Value) -> String {
    columns(&NODES, &items(document).iter().map(node_row).collect::<Vec<_>>())
}

pub(crate) fn node(document: &Value) -> String {
    columns(&NODES, &[node_row(document)])
}

pub(crate) fn shards(document: &Value) -> String {
    let keys = ["shard", "leader", "term", "voters", "learners", "placed", "last", "applied"];
    let row = |shard: &Value| keys.iter().map(|key| text(&shard[*key])).collect();
    let rows: Vec<Vec<String>> = items(document).iter().map(row).collect();
    let head = ["SHARD", "LEADER", "TERM", "VOTERS", "LEARNERS", "PLACED", "LAST", "APPLIED"];
    columns(&head, &rows)
}

pub(crate) fn moved(document: &Value) -> String {
    if items(document).is_empty() {
        return "done".to_owned();
    }
    let keys = ["shard", "from", "to", "error"];
    let row = |moved: &Value| keys.iter().map(|key| text(&moved[*key])).collect();
    let rows: Vec<Vec<String>> = items(document).iter().map(row).collect();
    columns(&["SHARD", "FROM", "TO", "ERROR"], &rows)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn nodes_stand_in_columns() {
        let one = json!({"node": "n1", "name": "a", "state": "active", "role": "leader",
            "addresses": ["a:1"], "zone": null, "holds": 3, "placed": 3, "seen": true,
            "silence_ms": 0, "version": "0.1.0"});
        let two = json!({"node": "n12", "name": "b", "seen": false, "silence_ms": 61_000});
        let table = nodes(&json!({ "items": [one, two] }));
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(lines.len(), 3);
        let place = lines[0].find("NAME").expect("a head");
        assert!(lines[1][place..].starts_with('a') && lines[2][place..].starts_with('b'));
        assert!(lines[2].contains("61 s ago"), "{table}");
    }
}
