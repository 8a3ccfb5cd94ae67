//! A history as JSON lines, one object per line.

use serde_json::{Map, Value, json};

use super::{Entry, History, Kind, Malformed, Process};

/// Writes `history`, one line per entry.
pub fn write(history: &History) -> String {
    let mut text = String::new();
    for (index, entry) in history.entries().iter().enumerate() {
        text.push_str(&object(index, entry).to_string());
        text.push('\n');
    }
    text
}

/// Reads what [`write()`] wrote.
///
/// # Errors
/// A line is not an entry.
pub fn read(text: &str) -> Result<History, Malformed> {
    let mut history = History::default();
    for (line, text) in text.lines().enumerate().filter(|(_, text)| !text.trim().is_empty()) {
        let value: Value =
            serde_json::from_str(text).map_err(|error| Malformed::new(line, error.to_string()))?;
        history.push(entry(&value).map_err(|what| Malformed::new(line, what))?);
    }
    Ok(history)
}

pub(super) fn object(index: usize, entry: &Entry) -> Value {
    let mut object = Map::new();
    let process = match entry.process {
        Process::Client(number) => json!(number),
        Process::Nemesis => json!("nemesis"),
    };
    object.insert("index".to_owned(), json!(index));
    object.insert("time".to_owned(), json!(entry.time));
    object.insert("process".to_owned(), process);
    object.insert("type".to_owned(), json!(entry.kind.name()));
    object.insert("f".to_owned(), json!(entry.function));
    object.insert("value".to_owned(), entry.value.clone());
    if let Some(error) = &entry.error {
        object.insert("error".to_owned(), json!(error));
    }
    Value::Object(object)
}

pub(super) fn entry(value: &Value) -> Result<Entry, String> {
    let word = |name: &str| value[name].as_str().ok_or_else(|| format!("no {name} in {value}"));
    let kind = word("type")?;
    let kind = Kind::ALL.into_iter().find(|known| known.name() == kind);
    let process = &value["process"];
    let process = match (process.as_u64(), process.as_str()) {
        (Some(number), _) => Process::Client(number),
        (None, Some("nemesis")) => Process::Nemesis,
        (None, _) => return Err(format!("process {process}")),
    };
    Ok(Entry {
        time: value["time"].as_u64().ok_or("no time")?,
        process,
        kind: kind.ok_or("no such type")?,
        function: word("f")?.to_owned(),
        value: value["value"].clone(),
        error: value["error"].as_str().map(str::to_owned),
    })
}
