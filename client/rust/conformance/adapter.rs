//! The Rust SDK behind lines of JSON, for `client/conformance`: one operation in,
//! one answer out. Decides nothing.

#![expect(clippy::wildcard_enum_match_arm, reason = "what JSON may be is not ours")]

use std::io::{BufRead, Write};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use serde_json::{Value, json};
use via_client::blocking::Client;
use via_client::{Error, Event, Filter, Label, Overflow, Settings};

const SETTINGS: &[&str] = &[
    "urls",
    "key",
    "producer",
    "batch_events",
    "batch_bytes",
    "linger_ms",
    "queue_events",
    "queue_bytes",
    "overflow",
    "in_flight",
    "backoff_min_ms",
    "backoff_max_ms",
    "timeout_ms",
    "spool_dir",
    "spool_bytes",
];

/// Reads the contract's names and units.
fn settings(given: &Value) -> Result<Settings> {
    let mut made = Settings::default();
    for name in given.as_object().context("settings are an object")?.keys() {
        if !SETTINGS.contains(&name.as_str()) {
            bail!("an unknown setting {name}");
        }
    }
    let text = |name: &str| given[name].as_str().map(str::to_owned);
    let number = |name: &str, to: &mut usize| {
        if let Some(count) = given[name].as_u64() {
            *to = usize::try_from(count).unwrap_or(usize::MAX);
        }
    };
    let time = |name: &str, to: &mut Duration| {
        if let Some(millis) = given[name].as_u64() {
            *to = Duration::from_millis(millis);
        }
    };
    if let Some(urls) = given["urls"].as_array() {
        made.urls = urls.iter().filter_map(|url| url.as_str().map(str::to_owned)).collect();
    }
    made.key = text("key");
    match &given["producer"] {
        Value::String(name) => made.producer = Some(name.clone()),
        Value::Bool(false) => made.producer = None,
        other => bail!("a producer is no {other}"),
    }
    number("batch_events", &mut made.batch_events);
    number("batch_bytes", &mut made.batch_bytes);
    number("queue_events", &mut made.queue_events);
    number("queue_bytes", &mut made.queue_bytes);
    number("in_flight", &mut made.in_flight);
    time("linger_ms", &mut made.linger);
    time("backoff_min_ms", &mut made.backoff_min);
    time("backoff_max_ms", &mut made.backoff_max);
    time("timeout_ms", &mut made.timeout);
    made.spool_dir = text("spool_dir").map(Into::into);
    made.spool_bytes = given["spool_bytes"].as_u64().unwrap_or(made.spool_bytes);
    made.overflow = match &given["overflow"] {
        Value::Null => made.overflow,
        Value::String(name) if name == "drop_oldest" => Overflow::DropOldest,
        Value::String(name) if name == "drop_newest" => Overflow::DropNewest,
        other => {
            let millis = other["block_ms"].as_u64().context("an unknown overflow")?;
            Overflow::Block(Duration::from_millis(millis))
        }
    };
    Ok(made)
}

/// An event as a case words it.
struct Told {
    stream: String,
    entity: String,
    value: f64,
    at: Option<i64>,
    unique_id: Option<String>,
    attributes: Vec<(String, Value)>,
    values: Vec<(String, f64)>,
}

impl Told {
    fn read(given: &Value) -> Result<Self> {
        // What these types make impossible is counted as a value that is no number.
        let mut value = 1.0;
        let mut entity = String::new();
        match special(&given["entity"]) {
            Some("long") => entity = "a".repeat(3_000),
            Some(_) => value = f64::NAN,
            None => match &given["entity"] {
                Value::Null => {}
                Value::String(text) => entity.clone_from(text),
                digits => entity = digits.to_string(),
            },
        }
        match (special(&given["value"]), special(&given["attributes"])) {
            (Some("infinity"), _) => value = f64::INFINITY,
            (Some(_), _) | (_, Some(_)) => value = f64::NAN,
            (None, None) => value = given["value"].as_f64().unwrap_or(value),
        }
        let members = |name: &str| given[name].as_object().into_iter().flatten();
        let attributes = if special(&given["attributes"]).is_some() {
            Vec::new()
        } else {
            members("attributes").map(|(name, value)| (name.clone(), value.clone())).collect()
        };
        let lane = |(name, value): (&String, &Value)| Some((name.clone(), value.as_f64()?));
        Ok(Self {
            stream: given["stream"].as_str().context("an event has a stream")?.to_owned(),
            entity,
            value,
            at: time(&given["timestamp"])?,
            unique_id: given["unique_id"].as_str().map(str::to_owned),
            attributes,
            values: members("values").filter_map(lane).collect(),
        })
    }

    fn event(&self, value: f64) -> Event<'_> {
        let mut event = Event::new(&self.entity, value);
        if let Some(nanos) = self.at {
            event = event.at_nanos(nanos);
        }
        if let Some(id) = &self.unique_id {
            event = event.unique_id(id);
        }
        for (name, value) in &self.attributes {
            event = event.attribute(name, value);
        }
        self.values.iter().fold(event, |event, (name, value)| event.value(name, *value))
    }
}

fn special(value: &Value) -> Option<&str> {
    value.as_object().filter(|it| it.len() == 1)?.get("special")?.as_str()
}

/// Whole microseconds as a number, finer ones as a text.
fn time(given: &Value) -> Result<Option<i64>> {
    Ok(match given {
        Value::Null => None,
        Value::String(text) => {
            let at: jiff::Timestamp = text.parse()?;
            Some(i64::try_from(at.as_nanosecond())?)
        }
        micros => Some(micros.as_i64().context("a time is a number or a text")? * 1_000),
    })
}

fn capture(client: &Client, given: &Value) -> Result<Value> {
    let told = Told::read(given)?;
    let Some(count) = given["repeat"].as_u64() else {
        client.event(&told.stream, told.event(told.value));
        return Ok(json!({}));
    };
    let first = given["first"].as_u64().unwrap_or(0);
    for nth in first..first + count {
        client.event(&told.stream, told.event(nth as f64));
    }
    Ok(json!({}))
}

fn pump(client: &Client, ask: &Value) -> Result<Value> {
    let number = |name: &str| ask[name].as_u64().with_context(|| format!("{name} is missing"));
    let stream = ask["stream"].as_str().context("stream is missing")?;
    let names: Vec<String> = (0..number("entities")?).map(|nth| format!("e-{nth}")).collect();
    for nth in number("first")?..number("until")? {
        let name = &names[usize::try_from(nth)? % names.len()];
        client.event(stream, Event::new(name, nth as f64));
    }
    Ok(json!({}))
}

fn perform(client: &Client, op: &str, ask: &Value) -> Result<Value> {
    let within = Duration::from_millis(ask["timeout_ms"].as_u64().unwrap_or(30_000));
    let text = |name: &str| ask[name].as_str().unwrap_or_default();
    Ok(match op {
        "capture" => capture(client, &ask["event"])?,
        "pump" => pump(client, ask)?,
        "flush" => json!({ "settled": client.flush(within) }),
        "close" => json!({ "settled": client.close(within) }),
        "state" => serde_json::to_value(client.state())?,
        "score" => {
            let told = Told::read(&ask["event"])?;
            serde_json::to_value(client.score(&told.stream, told.event(told.value))?)?
        }
        "events" => {
            let rows = ask["rows"].as_u64().context("rows are missing")?;
            let names: Vec<String> = (0..10).map(|nth| format!("e-{nth}")).collect();
            let row = |nth: u64| Event::new(&names[(nth % 10) as usize], nth as f64);
            serde_json::to_value(client.events(text("stream"), (0..rows).map(row))?)?
        }
        "detections" => {
            let page = ask["page"].as_u64().map(usize::try_from).transpose()?;
            let filter = Filter { page, ..Filter::default() };
            let ids: Vec<String> =
                client.detections(&filter).map(|it| Ok(it?.id)).collect::<Result<_, Error>>()?;
            json!({ "count": ids.len(), "first": ids.first(), "last": ids.last() })
        }
        "feedback" => {
            let label = match text("label") {
                "confirmed" => Label::Confirmed,
                "false_alarm" => Label::FalseAlarm,
                _ => Label::Expected,
            };
            serde_json::to_value(client.feedback(text("id"), label, text("note"), "")?)?
        }
        "take_back" => serde_json::to_value(client.take_back(text("id"))?)?,
        "follow" => {
            let count = usize::try_from(ask["count"].as_u64().context("count is missing")?)?;
            let feed = client.subscribe(ask["from"].as_str(), &Filter::default());
            let messages: Vec<_> = feed.take(count).collect::<Result<_, Error>>()?;
            json!({ "messages": messages })
        }
        other => bail!("unknown operation {other}"),
    })
}

fn told(error: &anyhow::Error) -> Result<Value> {
    let error = error.downcast_ref::<Error>().ok_or_else(|| anyhow!("{error:#}"))?;
    let failure = error.failure();
    Ok(json!({
        "type": error.fate().name(), "code": failure.code, "status": failure.status,
        "request_id": failure.request_id,
        "retry_after": failure.retry_after.map(|wait| wait.as_secs_f64()),
    }))
}

fn main() -> Result<()> {
    let mut client: Option<Client> = None;
    for line in std::io::stdin().lock().lines() {
        let ask: Value = serde_json::from_str(&line?)?;
        let op = ask["op"].as_str().unwrap_or_default();
        let done = match (op, &client) {
            ("about", _) => Ok(json!({ "lacks": ["fork"] })),
            ("init", _) => {
                client = Some(Client::with(settings(&ask["settings"])?)?);
                Ok(json!({}))
            }
            ("reset", _) => {
                if let Some(client) = client.take() {
                    client.close(Duration::ZERO);
                }
                Ok(json!({}))
            }
            (op, Some(client)) => perform(client, op, &ask),
            (op, None) => Err(anyhow!("{op} before init")),
        };
        let answer = match done {
            Ok(result) => json!({ "ok": true, "result": result }),
            Err(error) => json!({ "ok": false, "error": told(&error)? }),
        };
        writeln!(std::io::stdout(), "{answer}")?;
    }
    Ok(())
}
