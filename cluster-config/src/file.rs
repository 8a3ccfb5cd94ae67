//! A TOML text, flattened into assignments with their lines. Owns parsing and
//! the search for keys that do not exist; old names are moved by `migrate`.
//! Called by `load` and `migrate`. No text panics; size and depth are bounded.

use std::path::{Path, PathBuf};

use toml::Value;
use toml::de::{DeTable, DeValue};

use crate::layer::{Assignment, Layer};
use crate::manual::Manual;
use crate::migrate;
use crate::nearest::nearest_key;
use crate::problem::{Fault, Origin, Problem, shown};
use crate::raw::VERSION;

/// Largest file read, bytes (invariant D-6): eighty times the commented example.
const LARGEST: u64 = 1 << 20;

/// Most problems told about one file (invariant D-6): more than anybody reads.
const MOST_PROBLEMS: usize = 100;

/// A file's text, or what is wrong with reading it.
pub(crate) fn fetch(path: &Path) -> Result<String, Problem> {
    use std::io::Read;
    let problem = |what: String| Problem {
        origin: Origin::File { path: path.to_owned(), line: 0 },
        key: String::new(),
        value: None,
        fault: Fault::Unreadable(what),
    };
    let file = std::fs::File::open(path).map_err(|error| problem(error.to_string()))?;
    let mut bytes = Vec::new();
    let bounded = file.take(LARGEST + 1).read_to_end(&mut bytes);
    bounded.map_err(|error| problem(error.to_string()))?;
    if bytes.len() as u64 > LARGEST {
        return Err(problem(format!("longer than {LARGEST} bytes")));
    }
    String::from_utf8(bytes).map_err(|error| {
        let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        let mut found = problem("not UTF-8".to_owned());
        found.origin = Origin::File { path: path.to_owned(), line };
        found
    })
}

/// A text's assignments under today's names, and the version it was written in.
#[derive(Debug)]
pub(crate) struct Read {
    pub(crate) layer: Layer,
    pub(crate) version: i64,
}

/// Reads `text`, which came from `path`.
pub(crate) fn read(path: &Path, text: &str) -> Read {
    let mut reader = Reader {
        path: path.to_owned(),
        line_ends: text.match_indices('\n').map(|(offset, _)| offset).collect(),
        version: VERSION,
        layer: Layer::default(),
    };
    let (root, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        let mut told = None;
        for error in errors {
            let start = error.span().map_or(0, |span| span.start);
            let place = Some(reader.origin(start));
            if told != place {
                // Of a key that is there twice, the parser says where, not which.
                let is_twice = error.message().contains("duplicate key");
                let word = error.span().filter(|_| is_twice).and_then(|span| text.get(span));
                let fault = Fault::Syntax(error.message().to_owned());
                reader.problem(start, word.unwrap_or(""), None, fault);
            }
            told = place;
        }
        return Read { layer: reader.layer, version: VERSION };
    }
    let root = root.get_ref();
    let Some(version) = reader.version_of(root) else {
        return Read { layer: reader.layer, version: VERSION };
    };
    reader.version = version;
    reader.walk(root, "");
    let Reader { mut layer, .. } = reader;
    migrate::rename(&mut layer, path, version);
    Read { layer, version }
}

struct Reader {
    path: PathBuf,
    line_ends: Vec<usize>,
    version: i64,
    layer: Layer,
}

impl Reader {
    fn origin(&self, offset: usize) -> Origin {
        let line = 1 + self.line_ends.partition_point(|end| *end < offset);
        Origin::File { path: self.path.clone(), line }
    }

    fn problem(&mut self, offset: usize, key: &str, value: Option<String>, fault: Fault) {
        let (origin, key) = (self.origin(offset), key.to_owned());
        if !self.is_full() {
            self.layer.problems.push(Problem { origin, key, value, fault });
        } else if self.layer.problems.len() == MOST_PROBLEMS {
            let (key, value, fault) = (String::new(), None, Fault::More);
            self.layer.problems.push(Problem { origin, key, value, fault });
        }
    }

    fn is_full(&self) -> bool {
        self.layer.problems.len() >= MOST_PROBLEMS
    }

    /// Returns the version the text says it has, 0 when it says none; none when
    /// the text cannot be read under any version known.
    fn version_of(&mut self, root: &DeTable<'_>) -> Option<i64> {
        let Some((key, value)) = root.iter().find(|(key, _)| key.get_ref().as_ref() == "version")
        else {
            return Some(0);
        };
        let offset = key.span().start;
        let said = plain(value.get_ref());
        let fault = match said.as_integer() {
            Some(version @ 0..=VERSION) => return Some(version),
            Some(version) if version > VERSION => Fault::Newer { known: VERSION },
            Some(_) | None => {
                let allowed = format!("a whole number from 0 to {VERSION}");
                Fault::OutOfRange { allowed, nearest: None }
            }
        };
        self.problem(offset, "version", Some(shown(&said)), fault);
        None
    }

    fn walk(&mut self, table: &DeTable<'_>, above: &str) {
        let manual = Manual::get();
        let mut entries: Vec<_> = table.iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        for (word, value) in entries {
            let offset = word.span().start;
            let word = word.get_ref().as_ref();
            let key = if above.is_empty() { word.to_owned() } else { format!("{above}.{word}") };
            if key == "version" {
                continue;
            }
            if manual.field(&key).is_some() || migrate::is_old_key(self.version, &key) {
                if let Some(number) = too_large(value.get_ref()) {
                    let allowed = format!("a whole number from {} to {}", i64::MIN, i64::MAX);
                    let fault = Fault::OutOfRange { allowed, nearest: None };
                    self.problem(offset, &key, Some(number.to_owned()), fault);
                    continue;
                }
                self.layer.assignments.push(Assignment {
                    written: key.clone(),
                    key,
                    value: plain(value.get_ref()),
                    origin: self.origin(offset),
                });
            } else if manual.has_section(&key) || migrate::is_old_section(self.version, &key) {
                if let DeValue::Table(inner) = value.get_ref() {
                    self.walk(inner, &key);
                } else {
                    let fault = Fault::WrongType {
                        found: "a value",
                        allowed: format!("a section [{key}]"),
                    };
                    self.problem(offset, &key, Some(shown(&plain(value.get_ref()))), fault);
                }
            } else {
                self.unknown(offset, above, &key, value.get_ref());
            }
        }
    }

    fn unknown(&mut self, offset: usize, above: &str, key: &str, value: &DeValue<'_>) {
        if self.is_full() {
            return self.problem(offset, key, None, Fault::More);
        }
        let manual = Manual::get();
        let fault = if value.is_table() {
            let sections = manual.sections.iter().map(|section| section.name.as_str());
            let nearest = nearest_key(key, sections.clone()).map(|name| format!("[{name}]"));
            let siblings =
                sections.filter(|name| name.rsplit_once('.').map_or("", |s| s.0) == above);
            let allowed = siblings.map(|name| format!("[{name}]")).collect();
            Fault::Unknown { what: "section", nearest, allowed }
        } else {
            let keys = manual.fields.iter().map(|field| field.key.as_str());
            let nearest = nearest_key(key, keys).map(str::to_owned);
            let siblings = manual.fields_of(above).map(|field| field.split().1.to_owned());
            Fault::Unknown { what: "key", nearest, allowed: siblings.collect() }
        };
        let value = (!value.is_table()).then(|| shown(&plain(value)));
        self.problem(offset, key, value, fault);
    }
}

/// Returns the first whole number that TOML's 64 bits do not hold: such a text
/// is no TOML, though the parser that keeps places lets it through.
fn too_large<'a>(value: &'a DeValue<'_>) -> Option<&'a str> {
    match value {
        DeValue::Integer(number) => {
            let digits = number.as_str().replace('_', "");
            i64::from_str_radix(&digits, number.radix()).is_err().then_some(number.as_str())
        }
        DeValue::Array(items) => items.iter().find_map(|item| too_large(item.get_ref())),
        DeValue::Table(table) => table.values().find_map(|value| too_large(value.get_ref())),
        DeValue::String(_) | DeValue::Float(_) | DeValue::Boolean(_) | DeValue::Datetime(_) => None,
    }
}

/// Returns the value without its places; of a number that is [`too_large`], the
/// nearest float, for a message.
fn plain(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::String(text) => Value::String(text.to_string()),
        DeValue::Integer(number) => {
            let digits = number.as_str().replace('_', "");
            match i64::from_str_radix(&digits, number.radix()) {
                Ok(number) => Value::Integer(number),
                Err(_) => Value::Float(digits.parse().unwrap_or(f64::INFINITY)),
            }
        }
        DeValue::Float(number) => {
            Value::Float(number.as_str().replace('_', "").parse().unwrap_or(f64::NAN))
        }
        DeValue::Boolean(truth) => Value::Boolean(*truth),
        DeValue::Datetime(time) => Value::Datetime(*time),
        DeValue::Array(items) => {
            Value::Array(items.iter().map(|item| plain(item.get_ref())).collect())
        }
        DeValue::Table(table) => Value::Table(
            table
                .iter()
                .map(|(key, value)| (key.get_ref().to_string(), plain(value.get_ref())))
                .collect(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::Repeat;

    fn said(text: &str) -> Vec<String> {
        let mut read = read(Path::new("via.toml"), text);
        read.layer.checked(Repeat::Refused);
        read.layer.problems.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn reads_values_with_their_lines() {
        let text =
            "version = 1\n# a word\n[engine]\n\nshards = 1_6\n[detectors.burst]\nslack = 1\n";
        let mut read = read(Path::new("via.toml"), text);
        let checked = read.layer.checked(Repeat::Refused);
        assert_eq!(read.layer.problems, []);
        assert_eq!(checked["engine.shards"].value, Value::Integer(16));
        assert_eq!(checked["engine.shards"].origin.to_string(), "via.toml:5");
        assert_eq!(checked["detectors.burst.slack"].value, Value::Float(1.0));
    }

    #[test]
    fn tells_everything_that_is_wrong_at_once() {
        let said = said(
            "version = 1\n[engine]\nshard = 16\nexplain = 3\nwarmup_events = 1\n\
             [detectors.burts]\nalpha = 1\n[kitchen]\n[node]\nmemory_limit = 1.5\n\
             [limits]\nauto_create_streams = \"yes\"\n[listen.address]\n",
        );
        let expected = [
            "via.toml:3: engine.shard = 16: no such key; did you mean engine.shards? allowed here: \
             shards, explain, priority, warmup_events, lateness, entity_from, distinct_of, \
             line_from, service_from, severity_from",
            "via.toml:6: detectors.burts: no such section; did you mean [detectors.burst]? allowed \
             here: [detectors.volume], [detectors.distribution], [detectors.cardinality], \
             [detectors.burst], [detectors.spectral], [detectors.change_point], \
             [detectors.forest], [detectors.multi_scale], [detectors.behavioural], \
             [detectors.drift]",
            "via.toml:8: kitchen: no such section; allowed here: [node], [listen], [access], \
             [cluster], [engine], [detectors], [thresholds], [business_hours], [calendar], \
             [pressure], [persistence], [observability], [limits]",
            "via.toml:4: engine.explain = 3: is a whole number, but must be \"none\" or \"basic\" or \
             \"full\"",
            "via.toml:5: engine.warmup_events = 1: must be a whole number, from 2 to 1000000",
        ];
        for line in expected {
            assert!(said.iter().any(|found| found == line), "{line}\nis not among\n{said:#?}");
        }
        assert_eq!(said.len(), 8, "{said:#?}");
    }

    #[test]
    fn tells_every_syntax_error_with_its_line() {
        let said =
            said("version = 1\n[node\n[engine]\nshards = 01\nexplain = \"x\n[node]\n[node]\n");
        assert!(said.len() >= 2, "{said:#?}");
        assert!(said[0].starts_with("via.toml:2: not valid TOML: "), "{said:#?}");
    }

    #[test]
    fn a_key_that_is_there_twice_is_named() {
        let text = "version = 1\n[engine]\nshards = 8\nexplain = \"full\"\nshards = 16\n";
        assert_eq!(said(text), ["via.toml:5: shards: not valid TOML: duplicate key"]);
        let section = said("version = 1\n[engine]\n[node]\n[engine]\n");
        assert_eq!(section, ["via.toml:4: engine: not valid TOML: duplicate key"]);
    }

    #[test]
    fn tells_of_a_file_full_of_mistakes_no_more_than_anybody_reads() {
        for line in ["=\n", "[x]\n", "x = 1\n"] {
            let said = said(&line.repeat(1000));
            assert_eq!(said.len(), MOST_PROBLEMS + 1, "{line}");
            assert!(said[MOST_PROBLEMS].ends_with("further problems are not listed"));
        }
        let unknown: String = (0..1000).map(|number| format!("x{number} = 1\n")).collect();
        let said = said(&unknown);
        assert_eq!(said.len(), MOST_PROBLEMS + 1);
    }

    #[test]
    fn refuses_a_later_format_and_says_nothing_else() {
        let said = said("version = 2\n[somewhere]\nelse = 1\n");
        assert_eq!(
            said,
            ["via.toml:1: version = 2: this program knows the format up to version 1; use a \
              newer program"]
        );
    }

    #[test]
    fn refuses_a_version_that_is_none() {
        for text in ["version = \"1\"", "version = -1", "version = 0.5", "[version]"] {
            assert_eq!(said(text).len(), 1, "{text}");
        }
    }

    #[test]
    fn a_value_where_a_section_belongs_is_refused() {
        let said = said("version = 1\nengine = 5\n[[node]]\nx = 1\n");
        assert!(said[0].ends_with("engine = 5: is a value, but must be a section [engine]"));
        assert_eq!(said.len(), 2, "{said:#?}");
    }

    #[test]
    fn the_same_setting_twice_is_refused() {
        let said =
            said("version = 1\n[thresholds]\npercentile = 0.9\nmethod = \"percentile(0.99)\"\n");
        assert_eq!(said.len(), 1, "{said:#?}");
        assert_eq!(
            said[0],
            "via.toml:4: the figure in thresholds.method = 0.99: given twice; also as \
             thresholds.percentile (via.toml:3)"
        );
    }
}
