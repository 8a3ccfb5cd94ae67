//! The layers put together: defaults, then the file, the environment, the
//! flags. Owns precedence and the origin of every value; reports all problems of
//! all layers at once. Called by the command line; touches only the file named.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Deserialize;
use toml::Value;

use crate::file;
use crate::layer::{
    Assignment, Checked, Environment, Flag, Layer, Repeat, of_environment, of_flags,
};
use crate::manual::Manual;
use crate::problem::{Errors, Fault, Notice, Origin, Problem, shown};
use crate::raw::Raw;
use crate::relation::{self, Broken};
use crate::settings::Settings;

/// Where the file's text comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum File {
    /// From the disk.
    At(PathBuf),
    /// From the caller.
    Text {
        /// What messages call it.
        name: PathBuf,
        /// What it says.
        text: String,
    },
}

/// Where settings come from, weakest first. The default is no source: every
/// setting has its default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sources {
    /// A TOML file.
    pub file: Option<File>,
    /// Variables of the form `VIA__SECTION__KEY`.
    pub environment: Environment,
    /// Flags, in the order given.
    pub flags: Vec<Flag>,
}

/// Valid settings, and where each came from.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// The settings.
    pub settings: Settings,
    /// Every setting's key and where its value was written, in the order of
    /// the keys.
    pub origins: BTreeMap<String, Origin>,
    /// What the operator should know; to be logged as warnings.
    pub notices: Vec<Notice>,
    /// Every setting's value as it would be written; unset ones are absent.
    pub(crate) values: BTreeMap<String, Value>,
}

impl Loaded {
    /// Says whether somebody wrote the setting of that key, rather than leaving it
    /// to its default.
    pub fn is_given(&self, key: &str) -> bool {
        self.origins.get(key).is_some_and(|origin| *origin != Origin::Default)
    }
}

/// Reads, checks and merges all sources.
///
/// # Errors
/// Everything that is wrong in any of them.
pub fn load(sources: &Sources) -> Result<Loaded, Errors> {
    let mut given = Checked::new();
    let (mut problems, mut notices) = (Vec::new(), Vec::new());
    let mut doubtful = BTreeSet::new();
    let layers = [
        (sources.file.as_ref().map(of_file).unwrap_or_default(), Repeat::Refused),
        (of_environment(&sources.environment), Repeat::Refused),
        (of_flags(&sources.flags), Repeat::LastWins),
    ];
    for (mut layer, repeat) in layers {
        let keys: Vec<String> = layer.assignments.iter().map(|one| one.key.clone()).collect();
        let checked = layer.checked(repeat);
        doubtful.extend(keys.into_iter().filter(|key| !checked.contains_key(key)));
        given.extend(checked);
        layer.problems.sort_by_key(|problem| line(&problem.origin));
        problems.extend(layer.problems);
        notices.extend(layer.notices);
    }
    let raw = merge(&given).map_err(|problem| Errors(vec![problem]))?;
    for broken in relation::broken(&raw) {
        if !broken.keys.iter().any(|key| doubtful.contains(*key)) {
            problems.push(conflict(&broken, &given));
        }
    }
    if !problems.is_empty() {
        return Err(Errors(problems));
    }
    let loaded = finish(&raw, &given, notices);
    loaded.map_err(|problem| Errors(vec![problem]))
}

/// Says what the operator should know about valid sources.
///
/// # Errors
/// Everything that is wrong, as [`load`].
pub fn check(sources: &Sources) -> Result<Vec<Notice>, Errors> {
    load(sources).map(|loaded| loaded.notices)
}

fn of_file(source: &File) -> Layer {
    let (name, text) = match source {
        File::Text { name, text } => (name, Ok(text.clone())),
        File::At(path) => (path, file::fetch(path)),
    };
    match text {
        Ok(text) => file::read(name, &text).layer,
        Err(problem) => Layer { problems: vec![problem], ..Layer::default() },
    }
}

fn line(origin: &Origin) -> usize {
    match origin {
        Origin::File { line, .. } => *line,
        Origin::Default | Origin::Environment { .. } | Origin::Flag { .. } => 0,
    }
}

/// Returns every setting's value: the one given, or the default.
fn values(given: &Checked) -> BTreeMap<String, Value> {
    let value = |key: &str, default: Option<&Value>| match given.get(key) {
        Some(assignment) => Some(assignment.value.clone()),
        None => default.cloned(),
    };
    let fields = Manual::get().fields.iter();
    fields
        .filter_map(|field| {
            value(&field.key, field.default.as_ref()).map(|value| (field.key.clone(), value))
        })
        .collect()
}

fn merge(given: &Checked) -> Result<Raw, Problem> {
    let tree = tree(&values(given));
    Raw::deserialize(Value::Table(tree)).map_err(|error| Problem {
        origin: Origin::Default,
        key: String::new(),
        value: None,
        fault: Fault::Unreadable(error.message().to_owned()),
    })
}

/// Returns flat keys as nested sections.
pub(crate) fn tree(values: &BTreeMap<String, Value>) -> toml::Table {
    let mut root = toml::Table::new();
    for (key, value) in values {
        let mut table = &mut root;
        let mut rest = key.as_str();
        while let Some((section, below)) = rest.split_once('.') {
            let inner =
                table.entry(section.to_owned()).or_insert_with(|| Value::Table(toml::Table::new()));
            table = inner.as_table_mut().expect("no key is both a setting and a section");
            rest = below;
        }
        table.insert(rest.to_owned(), value.clone());
    }
    root
}

/// Blames the first setting of a relation that somebody wrote.
fn conflict(broken: &Broken, given: &Checked) -> Problem {
    let values = values(given);
    let written: Vec<(&str, Origin)> = broken
        .keys
        .iter()
        .map(|key| {
            let origin = given.get(*key).map(|assignment| assignment.origin.clone());
            (*key, origin.unwrap_or(Origin::Default))
        })
        .collect();
    let blamed = written.iter().position(|(_, origin)| *origin != Origin::Default).unwrap_or(0);
    let value = |key: &str| values.get(key).map(shown);
    let others: Vec<String> = written
        .iter()
        .enumerate()
        .filter(|(position, _)| *position != blamed)
        .map(|(_, (key, origin))| format!("{key} is {} ({origin})", value(key).unwrap_or_default()))
        .collect();
    let (key, origin) = &written[blamed];
    Problem {
        origin: origin.clone(),
        key: (*key).to_owned(),
        value: value(key),
        fault: Fault::Conflict { rule: broken.rule, other: others.join(", ") },
    }
}

fn finish(raw: &Raw, given: &Checked, mut notices: Vec<Notice>) -> Result<Loaded, Problem> {
    let origin_of = |key: &str| {
        given.get(key).map_or(Origin::Default, |assignment: &Assignment| assignment.origin.clone())
    };
    let address = |key: &str, text: &str| -> Result<SocketAddr, Problem> {
        text.parse().map_err(|_| Problem {
            origin: origin_of(key),
            key: key.to_owned(),
            value: Some(text.to_owned()),
            fault: Fault::Unreadable("not an IP address and a port".to_owned()),
        })
    };
    let clients = address("listen.address", &raw.listen.address)?;
    let peers = address("cluster.peer_address", &raw.cluster.peer_address)?;
    let settings = Settings::of(raw, clients, peers);
    for odd in relation::odd(raw, &settings, &|key| given.contains_key(key)) {
        notices.push(Notice { origin: origin_of(&odd.key), text: odd.text });
    }
    let keys = Manual::get().fields.iter().map(|field| field.key.clone());
    let origins = keys.map(|key| (key.clone(), origin_of(&key))).collect();
    Ok(Loaded { settings, origins, notices, values: values(given) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manual::{Field, Kind};
    use crate::units::{Size, Span};

    /// Returns a valid value other than the default, as a flag's text.
    fn another(field: &Field) -> String {
        let text = |value: &Value| value.as_str().map_or(value.to_string(), str::to_owned);
        let Some(default) = &field.default else { return text(&field.example) };
        let twice = |text: &str| {
            let amount = text.trim_end_matches(char::is_alphabetic);
            let doubled = 2 * amount.parse::<u64>().expect("a whole number");
            format!("{doubled}{}", &text[amount.len()..])
        };
        match (&field.kind, default) {
            (Kind::Bool, Value::Boolean(truth)) => (!truth).to_string(),
            (Kind::Integer, Value::Integer(number)) if field.power_of_two => {
                (number / 2).to_string()
            }
            (Kind::Integer, Value::Integer(number)) => (number - 1).to_string(),
            (Kind::Number, Value::Float(number)) => {
                let other = if *number > 0.0 { number * 0.9 } else { 0.55 };
                other.to_string()
            }
            (Kind::Span, Value::String(text)) => {
                let text = twice(text);
                assert!(text.parse::<Span>().is_ok());
                text
            }
            (Kind::Size, Value::String(text)) => {
                let text = twice(text);
                assert!(text.parse::<Size>().is_ok());
                text
            }
            (Kind::Choice(choices), _) => {
                let word = choices.iter().map(|choice| &choice.word);
                let other = word.into_iter().find(|word| default.as_str() != Some(word));
                other.expect("there is a choice").clone()
            }
            (Kind::Texts, _) => "x".to_owned(),
            (Kind::Days, _) => "mon".to_owned(),
            (Kind::Clock, _) => "09:30".to_owned(),
            (Kind::Events, _) => "[{name='x',from=2026-01-01,to='2026-01-02'}]".to_owned(),
            (Kind::Address, _) => "[::1]:1".to_owned(),
            (Kind::Method, _) => "mad".to_owned(),
            (_, value) => format!("{}-other", text(value)),
        }
    }

    fn shown_with(flags: &[String]) -> Vec<String> {
        let flags = flags.iter().cloned().map(Flag::Set).collect();
        let loaded = load(&Sources { flags, ..Sources::default() });
        let loaded = loaded.unwrap_or_else(|errors| panic!("{errors}"));
        format!("{:#?}", loaded.settings).lines().map(|line| line.trim().to_owned()).collect()
    }

    #[test]
    fn every_setting_arrives_under_its_name() {
        let is_threshold = |section: &str| section.contains("threshold");
        for field in Manual::get().fields.iter().filter(|field| field.key != "version") {
            let (section, word) = field.split();
            if is_threshold(section) {
                continue;
            }
            let set = format!("{}={}", field.key, another(field));
            let (before, after) = (shown_with(&[]), shown_with(std::slice::from_ref(&set)));
            let mut lines = after.iter().zip(&before);
            let arrived = lines.find(|(after, before)| after != before).map(|(line, _)| line);
            let arrived = arrived.unwrap_or_else(|| panic!("{set} changes nothing"));
            // Of lists of things, what is in them is shown line by line.
            let is_list = matches!(field.kind, Kind::Days | Kind::Events);
            assert!(is_list || arrived.starts_with(word), "{set} arrives at {arrived}");
        }
    }

    #[test]
    fn what_is_known_of_time_is_read_from_a_file_in_either_notation() {
        let load_text = |text: &str| {
            let text = format!("version = 1\n{text}");
            let file = Some(File::Text { name: PathBuf::from("via.toml"), text });
            load(&Sources { file, ..Sources::default() })
        };
        let inline = "[business_hours]\nutc_offset_minutes = 60\ndays = [\"sat\"]\nto = \"17:00\"\n\
                      [calendar]\nevents = [{ name = \"sale\", from = \"2026-11-27\", \
                      to = \"2026-11-30\", every = \"year\" }]\n";
        let tables = "[business_hours]\nutc_offset_minutes = 60\ndays = [\"sat\"]\nto = \"17:00\"\n\
                      [[calendar.events]]\nname = \"sale\"\nfrom = 2026-11-27\nto = 2026-11-30\n\
                      every = \"year\"\n";
        let loaded = load_text(inline).expect("it is fine");
        let stream = loaded.settings.stream_config();
        assert_eq!(stream.business_hours.utc_offset_minutes, 60);
        assert_eq!((stream.business_hours.from.as_str(), stream.calendar.len()), ("08:00", 1));
        assert_eq!(stream.calendar[0].every, via_types::calendar::Every::Year);
        assert_eq!(load_text(tables).expect("it is fine").settings, loaded.settings);
        let printed = loaded.print(crate::Format::Toml, crate::Detail::Values);
        let again = File::Text { name: PathBuf::from("printed"), text: printed };
        let again = load(&Sources { file: Some(again), ..Sources::default() });
        assert_eq!(again.expect("it is read back").settings, loaded.settings);
        for (odd, words) in [
            ("[business_hours]\nfrom = \"8 am\"\n", "must be a time like \"08:00\""),
            ("[business_hours]\ndays = [\"monday\"]\n", "must be a list of \"mon\""),
            ("[business_hours]\nutc_offset_minutes = 900\n", "from -840 to 840"),
            (
                "[calendar]\nevents = [{ name = \"x\", from = \"soon\", to = \"2026-01-01\" }]\n",
                "events[0].from",
            ),
            ("[calendar]\nevents = [{ name = \"x\" }]\n", "missing field"),
            ("[calendar]\nevents = 5\n", "must be a list of events"),
        ] {
            let said = load_text(odd).expect_err(odd).to_string();
            assert!(said.contains(words) && said.contains("via.toml:3"), "{odd}: {said}");
        }
    }
}
