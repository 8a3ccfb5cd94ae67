//! The commands. Each asks the SDK and prints what it is answered: a line per thing,
//! or with `--json` the document.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use serde::Serialize;
use serde_json::Value;
use via_client::blocking::Client;
use via_client::{Detection, Event, Filter, Label, Message, Method, Overflow, Settings};

use crate::lines::Line;

/// How long a command waits for what it sent.
const PATIENCE: Duration = Duration::from_secs(300);

/// VIA's command line. Nodes are named by VIA_URL (several by commas; else
/// http://127.0.0.1:8080), the key by VIA_API_KEY.
///
/// Ends with 0; 1: refused, or something is wrong here; 2: wrong arguments;
/// 3: try again later; 4: nobody can say whether it was done; 5: some events were
/// refused or lost.
#[derive(Parser)]
#[command(name = "via", version)]
pub(crate) struct Arguments {
    /// Nodes, instead of VIA_URL.
    #[arg(long, global = true)]
    url: Vec<String>,
    /// Whom to trust over TLS, a file of PEM.
    #[arg(long, global = true)]
    ca_file: Option<std::path::PathBuf>,
    /// Prints documents as JSON, one per line.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Sends events, one per line of NDJSON: `via send web events.ndjson`
    Send {
        /// The stream.
        stream: String,
        /// A file, or - for what comes in.
        file: String,
    },
    /// Applies one event and shows its verdict: `via score web host-1 250`
    Score {
        /// The stream.
        stream: String,
        /// The entity.
        entity: String,
        /// The value.
        #[arg(default_value_t = 1.0, allow_negative_numbers = true)]
        value: f64,
    },
    /// Lists recorded detections: `via detections --stream web --severity high`
    Detections(Wanted),
    /// Follows detections live: `via tail --severity high`
    Tail {
        #[command(flatten)]
        wanted: Wanted,
        /// Resume after this cursor.
        #[arg(long)]
        from: Option<String>,
    },
    /// Says something of a detection: `via feedback d17-1042-3 false-alarm --note test`
    Feedback {
        /// The detection.
        id: String,
        /// What is said.
        label: Said,
        /// In your words.
        #[arg(long, default_value = "")]
        note: String,
    },
    /// Lists what there is: `via list streams`
    List {
        /// Of what.
        what: What,
    },
    /// Shows one of them, or its part: `via show streams web/config/history`
    Show {
        /// Of what.
        what: What,
        /// Its name, as an address has it.
        name: String,
    },
    /// Makes one from a JSON document: `via create keys - < key.json`
    Create {
        /// Of what.
        what: What,
        /// A file, or - for what comes in.
        file: String,
    },
    /// Replaces one, or its part: `via replace streams web/config web.json --revision 7`
    Replace {
        /// Of what.
        what: What,
        /// Its name, as an address has it.
        name: String,
        /// A file, or - for what comes in.
        file: String,
        /// The revision that was read.
        #[arg(long)]
        revision: Option<String>,
    },
    /// Takes one away: `via delete keys k7`
    Delete {
        /// Of what.
        what: What,
        /// Its name, as an address has it.
        name: String,
        /// The revision that was read.
        #[arg(long)]
        revision: Option<String>,
    },
    /// Prints what a shell needs to complete commands: `via completion bash`
    Completion {
        /// Which.
        shell: clap_complete::Shell,
    },
}

#[derive(Args)]
struct Wanted {
    /// Of this stream.
    #[arg(long)]
    stream: Option<String>,
    /// About this entity.
    #[arg(long)]
    entity: Option<String>,
    /// At least this severe: low, medium, high, critical.
    #[arg(long)]
    severity: Option<String>,
    /// At most so many.
    #[arg(long, default_value_t = 100)]
    limit: usize,
}

#[derive(Clone, Copy, ValueEnum)]
enum Said {
    Confirmed,
    FalseAlarm,
    Expected,
    /// Nothing any more.
    Nothing,
}

#[derive(Clone, Copy, ValueEnum)]
enum What {
    Streams,
    Tenants,
    Users,
    Keys,
    Roles,
    Plans,
    Audit,
    Suppressions,
}

impl What {
    fn path(self) -> &'static str {
        match self {
            Self::Streams => "/api/v1/streams",
            Self::Tenants => "/api/v1/tenants",
            Self::Users => "/api/v1/users",
            Self::Keys => "/api/v1/keys",
            Self::Roles => "/api/v1/roles",
            Self::Plans => "/api/v1/plans",
            Self::Audit => "/api/v1/audit",
            Self::Suppressions => "/api/v1/suppressions",
        }
    }
}

/// How a command ended that did not fail.
pub(crate) enum Done {
    All,
    Some,
}

/// Runs what was asked for.
pub(crate) fn run(arguments: &Arguments) -> Result<Done> {
    if let Command::Completion { shell } = arguments.command {
        clap_complete::generate(shell, &mut Arguments::command(), "via", &mut io::stdout());
        return Ok(Done::All);
    }
    // No command is a source of its own: events get ids instead of numbers.
    let mut settings = Settings {
        ca_file: arguments.ca_file.clone(),
        producer: None,
        in_flight: 4,
        overflow: Overflow::Block(PATIENCE),
        ..Settings::default()
    };
    if !arguments.url.is_empty() {
        settings.urls.clone_from(&arguments.url);
    }
    let client = Client::with(settings)?;
    let out = Output { is_json: arguments.json };
    let object = |what: &What, name: &str| format!("{}/{name}", what.path());
    let answer = match &arguments.command {
        Command::Send { stream, file } => return send(&client, &out, stream, file),
        Command::Detections(wanted) => return detections(&client, &out, wanted),
        Command::Tail { wanted, from } => return tail(&client, &out, wanted, from.as_deref()),
        Command::Score { stream, entity, value } => {
            let score = client.score(stream, Event::new(entity, *value))?;
            let words = format!("{:.3}  {}", score.score, score.reason);
            return out.say(&score, &words);
        }
        Command::Feedback { id, label, note } => feedback(&client, id, *label, note)?,
        Command::List { what } => client.request(Method::GET, what.path(), None, None)?,
        Command::Show { what, name } => {
            client.request(Method::GET, &object(what, name), None, None)?
        }
        Command::Create { what, file } => {
            client.request(Method::POST, what.path(), Some(&document(file)?), None)?
        }
        Command::Replace { what, name, file, revision } => {
            let body = document(file)?;
            let path = object(what, name);
            client.request(Method::PUT, &path, Some(&body), revision.as_deref())?
        }
        Command::Delete { what, name, revision } => {
            client.request(Method::DELETE, &object(what, name), None, revision.as_deref())?
        }
        Command::Completion { .. } => return Ok(Done::All),
    };
    let words = serde_json::to_string_pretty(&answer)?;
    out.say(&answer, &words)
}

/// Where answers go.
struct Output {
    is_json: bool,
}

impl Output {
    fn say(&self, document: &impl Serialize, words: &str) -> Result<Done> {
        let mut out = io::stdout();
        if self.is_json {
            writeln!(out, "{}", serde_json::to_string(document)?)?;
        } else {
            writeln!(out, "{words}")?;
        }
        Ok(Done::All)
    }
}

fn open(file: &str) -> Result<Box<dyn Read>> {
    if file == "-" {
        return Ok(Box::new(io::stdin()));
    }
    Ok(Box::new(File::open(file).with_context(|| file.to_owned())?))
}

fn document(file: &str) -> Result<Value> {
    serde_json::from_reader(open(file)?).with_context(|| format!("{file} is no JSON"))
}

fn send(client: &Client, out: &Output, stream: &str, file: &str) -> Result<Done> {
    let mut unreadable = 0_u64;
    for (nth, text) in BufReader::new(open(file)?).lines().enumerate() {
        let text = text?;
        if text.trim().is_empty() {
            continue;
        }
        let read = Line::read(&text);
        match read.as_ref().map(Line::event) {
            Ok(Ok(event)) => client.event(stream, event),
            Ok(Err(error)) => unreadable += refuse(nth, &error),
            Err(error) => unreadable += refuse(nth, error),
        }
    }
    let is_settled = client.close(PATIENCE);
    let state = client.state();
    let lost: u64 = state.lost.values().sum();
    let words = format!(
        "{} accepted, {} duplicates, {} refused, {lost} lost, {unreadable} unreadable",
        state.accepted, state.duplicates, state.refused
    );
    out.say(&state, &words)?;
    let is_whole = is_settled && state.refused + lost + unreadable == 0;
    Ok(if is_whole { Done::All } else { Done::Some })
}

/// Says that a line is not sent; counts it.
fn refuse(nth: usize, error: &anyhow::Error) -> u64 {
    // Nobody is left to be told.
    let _ = writeln!(io::stderr(), "line {}: {error:#}", nth + 1);
    1
}

impl Wanted {
    fn filter(&self) -> Filter {
        Filter {
            stream: self.stream.clone(),
            entity: self.entity.clone(),
            severity: self.severity.clone(),
            page: Some(self.limit.clamp(1, 1_000)),
            ..Filter::default()
        }
    }
}

fn row(detection: &Detection) -> String {
    let Detection { id, started, severity, stream, entity, reason, .. } = detection;
    format!("{started}  {severity:<8}  {id}  {stream}/{entity}  {reason}")
}

fn detections(client: &Client, out: &Output, wanted: &Wanted) -> Result<Done> {
    for detection in client.detections(&wanted.filter()).take(wanted.limit) {
        let detection = detection?;
        out.say(&detection, &row(&detection))?;
    }
    Ok(Done::All)
}

fn tail(client: &Client, out: &Output, wanted: &Wanted, from: Option<&str>) -> Result<Done> {
    for message in client.subscribe(from, &wanted.filter()) {
        let message = message?;
        match &message {
            Message::Detection { detection, .. } => out.say(&message, &row(detection))?,
            Message::Gap { .. } => out.say(&message, "(some were missed: `via detections`)")?,
            Message::Hello { .. } if out.is_json => out.say(&message, "")?,
            Message::Hello { .. } => Done::All,
        };
    }
    Ok(Done::All)
}

fn feedback(client: &Client, id: &str, label: Said, note: &str) -> Result<Value> {
    let label = match label {
        Said::Confirmed => Label::Confirmed,
        Said::FalseAlarm => Label::FalseAlarm,
        Said::Expected => Label::Expected,
        Said::Nothing => return Ok(serde_json::to_value(client.take_back(id)?)?),
    };
    Ok(serde_json::to_value(client.feedback(id, label, note, "")?)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Arguments::command().debug_assert();
    }
}
