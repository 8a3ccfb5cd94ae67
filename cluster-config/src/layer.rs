//! One source of settings, flattened: which key is given which value, where.
//! Owns reading of variables and flags and the check of each value; files are
//! read by `file`. Only [`Environment::of_process`] touches the process.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;

use toml::Value;

use crate::manual::{Field, Manual};
use crate::nearest::nearest_key;
use crate::problem::{Fault, Notice, Origin, Problem, shown};
use crate::rule;

/// What every variable begins with.
const PREFIX: &str = "VIA__";

/// A value for a setting that exists.
#[derive(Clone, Debug)]
pub(crate) struct Assignment {
    pub(crate) key: String,
    /// The key in the notation of its place, or the old one in an old file.
    pub(crate) written: String,
    pub(crate) value: Value,
    pub(crate) origin: Origin,
}

/// What was read from one source.
#[derive(Debug, Default)]
pub(crate) struct Layer {
    pub(crate) assignments: Vec<Assignment>,
    pub(crate) problems: Vec<Problem>,
    pub(crate) notices: Vec<Notice>,
}

/// Values whose types and ranges hold, by key.
pub(crate) type Checked = BTreeMap<String, Assignment>;

/// How two values for one key in one source are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repeat {
    Refused,
    LastWins,
}

impl Layer {
    /// Checks every value and moves a figure in parentheses to its own key.
    /// What is wrong joins `problems`.
    pub(crate) fn checked(&mut self, repeat: Repeat) -> Checked {
        let mut checked = Checked::new();
        for assignment in std::mem::take(&mut self.assignments) {
            for part in with_figure(assignment) {
                self.admit(&mut checked, part, repeat);
            }
        }
        checked
    }

    fn admit(&mut self, checked: &mut Checked, mut part: Assignment, repeat: Repeat) {
        let field = Manual::get().field(&part.key).expect("only existing keys are assigned");
        let problem = |fault| Problem {
            origin: part.origin.clone(),
            key: part.written.clone(),
            value: Some(shown(&part.value)),
            fault,
        };
        match rule::check(field, &part.value) {
            Err(fault) => self.problems.push(problem(fault)),
            Ok(value) => {
                if let Some(other) = checked.get(&part.key)
                    && repeat == Repeat::Refused
                {
                    let other = format!("{} ({})", other.written, other.origin);
                    self.problems.push(problem(Fault::Twice { other }));
                    return;
                }
                part.value = value;
                checked.insert(part.key.clone(), part);
            }
        }
    }

    fn assign(&mut self, field: &Field, written: &str, text: &str, origin: Origin) {
        self.assignments.push(Assignment {
            key: field.key.clone(),
            written: written.to_owned(),
            value: rule::read(field, text),
            origin,
        });
    }
}

/// Splits `method = "percentile(0.99)"` into `method` and `percentile`.
fn with_figure(assignment: Assignment) -> Vec<Assignment> {
    let split = assignment
        .key
        .strip_suffix("method")
        .filter(|section| section.ends_with('.'))
        .zip(assignment.value.as_str().and_then(rule::figure));
    let Some((section, (name, figure))) = split else { return vec![assignment] };
    vec![
        Assignment { value: Value::String(name.to_owned()), ..assignment.clone() },
        Assignment {
            key: format!("{section}{name}"),
            written: format!("the figure in {}", assignment.written),
            value: Value::Float(figure),
            origin: assignment.origin,
        },
    ]
}

/// Environment variables, as the process was given them or as a test makes
/// them up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment(Vec<(OsString, OsString)>);

impl Environment {
    /// Returns this process's environment.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    pub fn of_process() -> Self {
        Self(std::env::vars_os().collect())
    }

    /// Says whether the variable is set and not empty, as `NO_COLOR` asks for.
    pub fn is_set(&self, name: &str) -> bool {
        self.0.iter().any(|(known, value)| known == name && !value.is_empty())
    }
}

impl<K: Into<OsString>, V: Into<OsString>> FromIterator<(K, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(variables: I) -> Self {
        Self(variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

/// Reads the variables that begin with `VIA__`, in the order of their names.
pub(crate) fn of_environment(environment: &Environment) -> Layer {
    let mut layer = Layer::default();
    let mut variables: Vec<_> = environment.0.iter().collect();
    variables.sort();
    for (name, value) in variables {
        let name = name.to_string_lossy();
        let origin = Origin::Environment { variable: name.clone().into_owned() };
        let Some(path) = name.strip_prefix(PREFIX) else {
            layer.notices.extend(near_miss(&name).map(|text| Notice { origin, text }));
            continue;
        };
        let key = path.to_ascii_lowercase().replace("__", ".");
        let field = settable(&key).filter(|field| variable(&field.key) == name);
        let problem = |fault| {
            let value = Some(shown(&Value::String(value.to_string_lossy().into_owned())));
            Problem { origin: origin.clone(), key: key.clone(), value, fault }
        };
        match (field, value.to_str()) {
            (None, _) => layer.problems.push(problem(unknown(&key, variable))),
            (Some(_), None) => {
                layer.problems.push(problem(Fault::Unreadable("not UTF-8".to_owned())));
            }
            (Some(_), Some("")) => {
                let text = "is empty and therefore ignored".to_owned();
                layer.notices.push(Notice { origin, text });
            }
            (Some(field), Some(text)) => layer.assign(field, &field.key, text, origin),
        }
    }
    layer
}

/// Returns the variable that sets `key`.
pub(crate) fn variable(key: &str) -> String {
    format!("{PREFIX}{}", key.replace('.', "__").to_ascii_uppercase())
}

/// Says what is odd about a variable that looks like one of ours but is not
/// read; none when it is somebody else's.
fn near_miss(name: &str) -> Option<String> {
    let whole = name.to_ascii_lowercase();
    let key = whole.strip_prefix("via_")?.trim_start_matches('_').replace("__", ".");
    match settable(&key) {
        Some(field) => Some(format!("is not read; did you mean {}?", variable(&field.key))),
        // Only ours have two of them; other programs are called via too.
        None if whole.starts_with("via__") => {
            let nearest = nearest_key(&key, keys()).map(variable);
            let meant = nearest.map_or(String::new(), |meant| format!("; did you mean {meant}?"));
            Some(format!("is not read: variables begin with {PREFIX} in capitals{meant}"))
        }
        None => None,
    }
}

fn settable(key: &str) -> Option<&'static Field> {
    Manual::get().field(key).filter(|field| field.key != "version")
}

/// Returns the fault of naming a setting that does not exist; `notation` turns
/// a key into what one writes in that place.
fn unknown(key: &str, notation: fn(&str) -> String) -> Fault {
    let nearest = nearest_key(key, keys()).map(notation);
    let section = key.rsplit_once('.').map_or("", |(section, _)| section);
    let siblings = Manual::get().fields_of(section).filter(|field| field.key != "version");
    let mut allowed: Vec<String> = siblings.map(|field| notation(&field.key)).collect();
    if allowed.is_empty() {
        // There is no such section: these are.
        let of = |key: &'static str| key.split_once('.').map_or(key, |(section, _)| section);
        let sections: BTreeSet<&str> = keys().map(of).collect();
        allowed = sections.into_iter().map(|section| notation(section) + dots(notation)).collect();
    }
    Fault::Unknown { what: "setting", nearest, allowed }
}

/// Returns what follows a section's name in a notation.
fn dots(notation: fn(&str) -> String) -> &'static str {
    if notation("a.b").contains('.') { ".…" } else { "__…" }
}

/// Returns every key that may be set anywhere.
fn keys() -> impl Iterator<Item = &'static str> + Clone {
    let keys = Manual::get().fields.iter().map(|field| field.key.as_str());
    keys.filter(|key| *key != "version")
}

/// A setting given on the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Flag {
    /// What followed `--set`: `section.key=value`.
    Set(String),
    /// A flag with a meaning of its own, like `--listen ADDRESS`.
    Named {
        /// The flag, with its dashes.
        name: String,
        /// The setting it stands for, like `listen.address`.
        key: String,
        /// What followed it.
        value: String,
    },
}

/// Reads flags, in the order given; a later one wins.
pub(crate) fn of_flags(flags: &[Flag]) -> Layer {
    let mut layer = Layer::default();
    for flag in flags {
        let (origin, key, text) = match flag {
            Flag::Named { name, key, value } => {
                (Origin::Flag { name: name.clone() }, key.as_str(), value.as_str())
            }
            Flag::Set(assignment) => {
                let origin = Origin::Flag { name: "--set".to_owned() };
                let Some((key, text)) = assignment.split_once('=') else {
                    let text = shown(&Value::String(assignment.clone()));
                    let (key, fault) = (String::new(), Fault::NotAnAssignment { text });
                    layer.problems.push(Problem { origin, key, value: None, fault });
                    continue;
                };
                (origin, key.trim(), text)
            }
        };
        match settable(key) {
            Some(field) => layer.assign(field, key, text, origin),
            None => {
                let value = Some(shown(&Value::String(text.to_owned())));
                let (key, fault) = (key.to_owned(), unknown(key, str::to_owned));
                layer.problems.push(Problem { origin, key, value, fault });
            }
        }
    }
    layer
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(layer: &mut Layer, repeat: Repeat) -> Vec<String> {
        layer.checked(repeat);
        layer.problems.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_variable_names_its_setting() {
        let environment = [
            ("VIA__ENGINE__SHARDS", "16"),
            ("VIA__DETECTORS__BURST__THRESHOLD__METHOD", "mad(9)"),
            ("VIA_SERVICE_HOST", "10.0.0.1"),
            ("HOME", "/root"),
        ];
        let mut layer = of_environment(&environment.into_iter().collect());
        let checked = layer.checked(Repeat::Refused);
        assert_eq!(layer.problems, []);
        assert_eq!(layer.notices, []);
        assert_eq!(checked["engine.shards"].value, Value::Integer(16));
        let threshold = "detectors.burst.threshold";
        assert_eq!(checked[&format!("{threshold}.method")].value.as_str(), Some("mad"));
        assert_eq!(checked[&format!("{threshold}.mad")].value, Value::Float(9.0));
    }

    #[test]
    fn a_bad_variable_is_named() {
        let environment = [("VIA__ENGINE__SHARD", "16"), ("VIA__engine__shards", "16")];
        let mut layer = of_environment(&environment.into_iter().collect());
        let said = said(&mut layer, Repeat::Refused);
        for line in &said {
            assert!(line.starts_with("environment variable VIA__"), "{line}");
            assert!(line.contains("did you mean VIA__ENGINE__SHARDS?"), "{line}");
        }
        assert_eq!(said.len(), 2);
    }

    #[cfg(unix)]
    #[test]
    fn a_variable_that_is_no_text_is_refused() {
        use std::os::unix::ffi::OsStringExt;
        let value = OsString::from_vec(vec![0xff]);
        let environment = [(OsString::from("VIA__ENGINE__SHARDS"), value)];
        let layer = of_environment(&environment.into_iter().collect());
        assert!(layer.problems[0].to_string().ends_with("cannot be read: not UTF-8"));
    }

    #[test]
    fn empty_and_nearly_right_variables_are_noticed() {
        let environment = [("VIA__ENGINE__SHARDS", ""), ("VIA_NODE__DATA_DIRECTORY", "x")];
        let layer = of_environment(&environment.into_iter().collect());
        assert!(layer.problems.is_empty() && layer.assignments.is_empty());
        assert!(layer.notices[0].text.contains("did you mean VIA__NODE__DATA_DIRECTORY?"));
        assert!(layer.notices[1].text.contains("ignored"));
    }

    #[test]
    fn variables_in_small_letters_are_noticed_with_the_right_spelling() {
        for (odd, meant) in [
            ("via__engine__shards", "did you mean VIA__ENGINE__SHARDS?"),
            ("Via__Engine__Shard", "did you mean VIA__ENGINE__SHARDS?"),
            ("via_engine__shards", "did you mean VIA__ENGINE__SHARDS?"),
            ("via__kitchen__sink", "VIA__ in capitals"),
        ] {
            let layer = of_environment(&[(odd, "16")].into_iter().collect());
            assert!(layer.problems.is_empty() && layer.assignments.is_empty());
            assert!(layer.notices[0].text.contains(meant), "{:?}", layer.notices);
        }
        let layer = of_environment(&[("via_service_host", "10.0.0.1")].into_iter().collect());
        assert_eq!(layer.notices, [], "somebody else's");
    }

    #[test]
    fn a_bad_flag_is_named() {
        let flags = [
            Flag::Set("engine.shards".to_owned()),
            Flag::Set("engine.sharts=4".to_owned()),
            Flag::Set("version=1".to_owned()),
            Flag::Set("foo.bar=1".to_owned()),
            Flag::Named {
                name: "--listen".to_owned(),
                key: "listen.address".to_owned(),
                value: "nowhere".to_owned(),
            },
        ];
        let said = said(&mut of_flags(&flags), Repeat::LastWins);
        assert_eq!(said[0], "flag --set: \"engine.shards\" where SECTION.KEY=VALUE is expected");
        assert!(said[1].contains("engine.sharts = \"4\": no such setting"), "{}", said[1]);
        assert!(said[1].contains("did you mean engine.shards?"), "{}", said[1]);
        assert!(said[2].contains("version"), "{}", said[2]);
        let sections = ["cluster.…", "detectors.…", "node.…"];
        assert!(sections.iter().all(|section| said[3].contains(section)), "{}", said[3]);
        assert!(said[4].starts_with("flag --listen: listen.address = \"nowhere\": must be"));
    }

    #[test]
    fn the_last_of_equal_flags_wins() {
        let flags = ["4", "8"].map(|shards| Flag::Set(format!("engine.shards={shards}")));
        let checked = of_flags(&flags).checked(Repeat::LastWins);
        assert_eq!(checked["engine.shards"].value, Value::Integer(8));
    }
}
