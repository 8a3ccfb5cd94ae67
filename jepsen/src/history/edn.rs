//! A history as EDN, the form that Jepsen's own tools read: one map per line.
//! Keys, kinds, functions and the nemesis are keywords. The reader takes what
//! the writer writes: maps, vectors, texts, numbers, keywords, nil and booleans.

use serde_json::{Map, Number, Value};

use super::{History, Malformed, json};

/// What a keyword may not be made of becomes a text.
fn is_plain(word: &str) -> bool {
    let mut letters = word.chars();
    letters.next().is_some_and(|first| first.is_ascii_alphabetic())
        && letters.all(|letter| letter.is_ascii_alphanumeric() || "-_.".contains(letter))
}

/// Writes `history`, one map per line.
pub fn write(history: &History) -> String {
    let mut text = String::new();
    for (index, entry) in history.entries().iter().enumerate() {
        let Value::Object(object) = json::object(index, entry) else { continue };
        let parts: Vec<String> = object.iter().map(|(key, value)| pair(key, value)).collect();
        text.push_str(&format!("{{{}}}\n", parts.join(", ")));
    }
    text
}

fn pair(key: &str, value: &Value) -> String {
    let is_named = matches!(key, "process" | "type" | "f");
    match value.as_str().filter(|word| is_named && is_plain(word)) {
        Some(word) => format!(":{key} :{word}"),
        None => format!(":{key} {}", form(value)),
    }
}

fn form(value: &Value) -> String {
    match value {
        Value::Null => "nil".to_owned(),
        Value::Bool(truth) => truth.to_string(),
        Value::Number(number) => number.to_string(),
        // EDN knows no control characters but these; JSON's escapes for the rest
        // are understood by its readers.
        Value::String(text) => Value::from(text.as_str()).to_string(),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(form).collect();
            format!("[{}]", items.join(" "))
        }
        Value::Object(object) => {
            let key = |key: &str| match is_plain(key) {
                true => format!(":{key}"),
                false => Value::from(key).to_string(),
            };
            let pairs: Vec<String> = object
                .iter()
                .map(|(name, value)| format!("{} {}", key(name), form(value)))
                .collect();
            format!("{{{}}}", pairs.join(", "))
        }
    }
}

/// Reads what [`write()`] wrote.
///
/// # Errors
/// A line is not an entry.
pub fn read(text: &str) -> Result<History, Malformed> {
    let mut history = History::default();
    for (line, text) in text.lines().enumerate().filter(|(_, text)| !text.trim().is_empty()) {
        let fault = |what: String| Malformed::new(line, what);
        let mut reader = Reader { rest: text };
        let value = reader.value().map_err(fault)?;
        if !reader.rest.trim().is_empty() {
            return Err(fault(format!("more than one form: {}", reader.rest)));
        }
        history.push(json::entry(&value).map_err(fault)?);
    }
    Ok(history)
}

struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn skip(&mut self) {
        self.rest =
            self.rest.trim_start_matches(|letter: char| letter.is_whitespace() || letter == ',');
    }

    fn take(&mut self, sign: char) -> bool {
        self.skip();
        let rest = self.rest.strip_prefix(sign);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn token(&mut self) -> &'a str {
        let is_end = |letter: char| letter.is_whitespace() || ",]}[{\"".contains(letter);
        let end = self.rest.find(is_end).unwrap_or(self.rest.len());
        let (token, rest) = self.rest.split_at(end);
        self.rest = rest;
        token
    }

    fn value(&mut self) -> Result<Value, String> {
        if self.take('{') {
            return self.map();
        }
        if self.take('[') {
            let mut items = Vec::new();
            while !self.take(']') {
                items.push(self.value()?);
            }
            return Ok(Value::Array(items));
        }
        if self.rest.starts_with('"') {
            return self.text();
        }
        if self.take(':') {
            return Ok(Value::from(self.token()));
        }
        match self.token() {
            "nil" => Ok(Value::Null),
            "true" => Ok(Value::Bool(true)),
            "false" => Ok(Value::Bool(false)),
            number => {
                number.parse::<Number>().map(Value::Number).map_err(|_| format!("{number:?}"))
            }
        }
    }

    fn map(&mut self) -> Result<Value, String> {
        let mut object = Map::new();
        while !self.take('}') {
            let Value::String(key) = self.value()? else { return Err("a key is no word".into()) };
            object.insert(key, self.value()?);
        }
        Ok(Value::Object(object))
    }

    fn text(&mut self) -> Result<Value, String> {
        let mut stream = serde_json::Deserializer::from_str(self.rest).into_iter::<String>();
        let text = stream.next().ok_or("no text")?.map_err(|error| error.to_string())?;
        self.rest = &self.rest[stream.byte_offset()..];
        Ok(Value::from(text))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::super::{Entry, Kind, Process};
    use super::*;

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "[ -~äé\n\"\\\\]{0,12}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 16, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("[a-z :\"]{1,6}", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    fn entries() -> impl Strategy<Value = Entry> {
        let process = prop_oneof![Just(Process::Nemesis), any::<u64>().prop_map(Process::Client)];
        let kind = prop::sample::select(Kind::ALL.to_vec());
        let error = prop::option::of("[a-z ]{0,9}");
        (any::<u64>(), process, kind, "[a-z][a-z-]{0,6}", values(), error).prop_map(
            |(time, process, kind, function, value, error)| Entry {
                time,
                process,
                kind,
                function,
                value,
                error,
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn both_formats_give_back_what_was_written(entries in prop::collection::vec(entries(), 0..8)) {
            let mut history = History::default();
            entries.into_iter().for_each(|entry| history.push(entry));
            prop_assert_eq!(read(&write(&history)), Ok(history.clone()));
            prop_assert_eq!(json::read(&json::write(&history)), Ok(history));
        }
    }

    #[test]
    fn looks_as_jepsen_writes_it() {
        let mut history = History::default();
        history.push(Entry {
            time: 12,
            process: Process::Client(3),
            kind: Kind::Ok,
            function: "add".to_owned(),
            value: json!({"elements": [1, 2], "odd key": null}),
            error: None,
        });
        let seen = write(&history);
        assert!(seen.contains(":process 3") && seen.contains(":type :ok"), "{seen}");
        assert!(seen.contains("{:elements [1 2], \"odd key\" nil}"), "{seen}");
    }

    #[test]
    fn says_which_line_is_wrong() {
        assert_eq!(read("\n{:type :ok").unwrap_err().line, 2);
        assert_eq!(json::read("{}").unwrap_err().line, 1);
    }
}
