//! Old files, moved forward. Owns the table of what was renamed when; it serves
//! both ways: renaming what was read from an old file, and rewriting the file's
//! text with its comments. Both are made to agree by a test.

use std::path::Path;

use toml::Value;
use toml_edit::{DocumentMut, Item, TableLike};

use crate::file;
use crate::layer::{Assignment, Layer, Repeat};
use crate::problem::{Errors, Fault, Notice, Origin, Problem, shown};
use crate::raw::VERSION;

/// One setting's way from one version to the next.
struct Move {
    /// The version that still has the old names.
    version: i64,
    /// Old keys; those absent take part as none.
    from: &'static [&'static str],
    to: &'static str,
    /// Makes the new value from the old ones, of which at least one is given;
    /// none when they are not of the old types.
    convert: fn(&[Option<&Value>]) -> Option<Value>,
    /// What the old values may be, in words.
    allowed: &'static str,
}

const MOVES: &[Move] = &[
    Move {
        version: 0,
        from: &["server.bind", "server.port"],
        to: "listen.address",
        convert: address,
        allowed: "an IP address for bind and a port number for port",
    },
    Move {
        version: 0,
        from: &["storage.path"],
        to: "node.data_directory",
        convert: same,
        allowed: "",
    },
    Move {
        version: 0,
        from: &["storage.checkpoint_secs"],
        to: "persistence.checkpoint_interval",
        convert: seconds,
        allowed: "a whole number of seconds",
    },
    Move {
        version: 0,
        from: &["logging.level"],
        to: "observability.log_level",
        convert: same,
        allowed: "",
    },
    Move {
        version: 0,
        from: &["logging.json"],
        to: "observability.log_format",
        convert: format_word,
        allowed: "true or false",
    },
    Move {
        version: 0,
        from: &["detection.sensitivity"],
        to: "thresholds.sensitivity",
        convert: same,
        allowed: "",
    },
];

fn same(old: &[Option<&Value>]) -> Option<Value> {
    old.first().copied().flatten().cloned()
}

fn address(old: &[Option<&Value>]) -> Option<Value> {
    let [bind, port] = old else { return None };
    let ip = match bind {
        None => [127, 0, 0, 1].into(),
        Some(bind) => bind.as_str()?.parse::<std::net::IpAddr>().ok()?,
    };
    let port = match port {
        None => 8080,
        Some(port) => u16::try_from(port.as_integer()?).ok()?,
    };
    Some(Value::String(std::net::SocketAddr::new(ip, port).to_string()))
}

fn seconds(old: &[Option<&Value>]) -> Option<Value> {
    let secs = u64::try_from(same(old)?.as_integer()?).ok()?;
    Some(Value::String(format!("{secs}s")))
}

fn format_word(old: &[Option<&Value>]) -> Option<Value> {
    let word = if same(old)?.as_bool()? { "json" } else { "text" };
    Some(Value::String(word.to_owned()))
}

fn moves(version: i64) -> impl Iterator<Item = &'static Move> {
    MOVES.iter().filter(move |step| step.version >= version)
}

/// Says whether a file of that version may use that key although it is gone.
pub(crate) fn is_old_key(version: i64, key: &str) -> bool {
    moves(version).any(|step| step.from.contains(&key))
}

/// Says whether a file of that version may use that section although it is
/// gone.
pub(crate) fn is_old_section(version: i64, section: &str) -> bool {
    let inside = |key: &str| key.rsplit_once('.').is_some_and(|(above, _)| above == section);
    moves(version).any(|step| step.from.iter().any(|key| inside(key)))
}

/// Moves what was read from a file of an old version to today's names.
pub(crate) fn rename(layer: &mut Layer, path: &Path, version: i64) {
    if version == VERSION {
        return;
    }
    for step in moves(version) {
        let old: Vec<Option<Assignment>> = step.from.iter().map(|key| take(layer, key)).collect();
        let Some(first) = old.iter().flatten().next() else { continue };
        let values: Vec<Option<&Value>> =
            old.iter().map(|old| old.as_ref().map(|old| &old.value)).collect();
        let old_keys: Vec<&str> = old.iter().flatten().map(|old| old.key.as_str()).collect();
        let written = old_keys.join(" and ");
        match (step.convert)(&values) {
            Some(value) => layer.assignments.push(Assignment {
                key: step.to.to_owned(),
                written: format!("{written} (now {})", step.to),
                value,
                origin: first.origin.clone(),
            }),
            None => {
                let given: Vec<String> = values.iter().flatten().map(|old| shown(old)).collect();
                let fault = Fault::OutOfRange { allowed: step.allowed.to_owned(), nearest: None };
                let (origin, value) = (first.origin.clone(), Some(given.join(" and ")));
                layer.problems.push(Problem { origin, key: written.clone(), value, fault });
            }
        }
        let text = format!("{written}: now {}", step.to);
        layer.notices.push(Notice { origin: first.origin.clone(), text });
    }
    let text = format!(
        "is in version {version} of the format, this program writes version {VERSION}; \
         `via-node config migrate` rewrites it"
    );
    let origin = Origin::File { path: path.to_owned(), line: 0 };
    layer.notices.insert(0, Notice { origin, text });
}

fn take(layer: &mut Layer, key: &str) -> Option<Assignment> {
    let position = layer.assignments.iter().position(|assignment| assignment.key == key)?;
    Some(layer.assignments.remove(position))
}

/// A file's text in today's format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Migrated {
    /// The new text; the old one when nothing had to change.
    pub text: String,
    /// What was changed.
    pub notices: Vec<Notice>,
}

/// Rewrites a file's text in today's format and keeps its comments. `name` is
/// what messages call the file.
///
/// # Errors
/// Everything that is wrong with the text itself; relations between settings
/// are not looked at.
pub fn migrate(name: &Path, text: &str) -> Result<Migrated, Errors> {
    let file::Read { mut layer, version } = file::read(name, text);
    let assignments = layer.assignments.clone();
    layer.checked(Repeat::Refused);
    if !layer.problems.is_empty() {
        return Err(Errors(layer.problems));
    }
    if version == VERSION {
        return Ok(Migrated { text: text.to_owned(), notices: layer.notices });
    }
    let mut document: DocumentMut =
        text.parse().map_err(|error: toml_edit::TomlError| unreadable(name, &error))?;
    for step in moves(version) {
        let old = step.from.iter().filter_map(|key| cut(document.as_table_mut(), key));
        let comments: Vec<Cut> = old.collect();
        let new = assignments.iter().find(|new| new.key == step.to);
        if let (false, Some(new)) = (comments.is_empty(), new) {
            paste(document.as_table_mut(), step.to, &new.value, &comments);
        }
    }
    document.remove("version");
    let text = document.to_string();
    let text = text.trim_start_matches('\u{feff}');
    let lead = if text.starts_with('\n') { "" } else { "\n" };
    let text = format!("version = {VERSION}\n{lead}{text}");
    Ok(Migrated { text, notices: layer.notices })
}

fn unreadable(name: &Path, error: &toml_edit::TomlError) -> Errors {
    Errors(vec![Problem {
        origin: Origin::File { path: name.to_owned(), line: 0 },
        key: String::new(),
        value: None,
        fault: Fault::Syntax(error.message().to_owned()),
    }])
}

/// The comments of a key that was taken out.
struct Cut {
    above: String,
    beside: String,
}

/// Takes a key out, and its section when that was the last one in it.
fn cut(root: &mut dyn TableLike, key: &str) -> Option<Cut> {
    let (section, word) = key.rsplit_once('.')?;
    let table = root.get_mut(section)?.as_table_like_mut()?;
    let prefix = table.key(word)?.leaf_decor().prefix()?.as_str().unwrap_or_default().to_owned();
    let item = table.remove(word)?;
    let suffix = item.as_value().and_then(|value| value.decor().suffix()?.as_str());
    let beside = suffix.unwrap_or_default().trim().to_owned();
    let mut above = prefix;
    if table.is_empty() {
        let section = root.remove(section)?;
        if let Some(header) = section.as_table().map(toml_edit::Table::decor) {
            let part = |text: Option<&toml_edit::RawString>| {
                text.and_then(toml_edit::RawString::as_str).unwrap_or_default().to_owned()
            };
            above = format!("{}\n{}\n{above}", part(header.prefix()), part(header.suffix()));
        }
    }
    Some(Cut { above, beside })
}

fn paste(root: &mut dyn TableLike, key: &str, value: &Value, comments: &[Cut]) {
    let Some((section, word)) = key.rsplit_once('.') else { return };
    if root.get(section).is_none() {
        root.insert(section, toml_edit::table());
    }
    let Some(table) = root.get_mut(section).and_then(Item::as_table_like_mut) else { return };
    let text = value.to_string();
    let Ok(mut value) = text.parse::<toml_edit::Value>() else { return };
    let lines = comments.iter().flat_map(|cut| cut.above.lines().chain([cut.beside.as_str()]));
    let above: String = lines
        .map(str::trim)
        .filter(|line| line.starts_with('#'))
        .map(|line| format!("{line}\n"))
        .collect();
    value.decor_mut().set_prefix(" ");
    table.insert(word, Item::Value(value));
    if let Some(mut key) = table.key_mut(word) {
        key.leaf_decor_mut().set_prefix(above);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::Checked;

    const OLD: &str = "\
# our site
[server] # the door
# not the usual port
port = 9000 # agreed with the network people
bind = \"10.0.0.7\"

# disks
[storage]
path = \"/srv/via\"
checkpoint_secs = 5

[logging]
level = \"debug\"
json = true

# keep
[engine]
shards = 8 # eight cores
# the end
";

    fn values(text: &str) -> Vec<(String, Value)> {
        let mut read = file::read(Path::new("via.toml"), text);
        let checked: Checked = read.layer.checked(Repeat::Refused);
        assert_eq!(read.layer.problems, [], "{text}");
        checked.into_iter().map(|(key, assignment)| (key, assignment.value)).collect()
    }

    #[test]
    fn an_old_file_reads_like_its_migrated_text() {
        let new = migrate(Path::new("via.toml"), OLD).expect("migrates").text;
        assert_eq!(values(OLD), values(&new), "{new}");
        let address = ("listen.address".to_owned(), Value::String("10.0.0.7:9000".to_owned()));
        assert!(values(OLD).contains(&address));
    }

    #[test]
    fn comments_survive() {
        let new = migrate(Path::new("via.toml"), OLD).expect("migrates").text;
        for comment in OLD.lines().filter_map(|line| Some(&line[line.find('#')?..])) {
            assert!(new.contains(comment), "{comment} is lost in\n{new}");
        }
        assert!(new.starts_with("version = 1\n"));
        for gone in ["[server]", "[storage]", "[logging]", "port =", "9000 #"] {
            assert!(!new.contains(gone), "{gone} is still in\n{new}");
        }
    }

    #[test]
    fn migrating_twice_changes_nothing_more() {
        let once = migrate(Path::new("via.toml"), OLD).expect("migrates");
        let twice = migrate(Path::new("via.toml"), &once.text).expect("migrates");
        assert_eq!(twice.text, once.text);
        assert!(!once.notices.is_empty() && twice.notices.is_empty());
    }

    #[test]
    fn every_notation_of_an_old_key_is_moved() {
        for text in [
            "version = 0\nserver.port = 81\n",
            "server = { port = 81 }\n",
            "\u{feff}[server]\nport = 81\n",
        ] {
            let new = migrate(Path::new("via.toml"), text).expect("migrates").text;
            assert_eq!(values(&new), values(text), "{new}");
            assert_eq!(values(&new)[0].1.as_str(), Some("127.0.0.1:81"));
        }
    }

    #[test]
    fn an_old_and_a_new_name_together_are_refused() {
        let text = "[storage]\npath = \"a\"\n[node]\ndata_directory = \"b\"\n";
        let errors = migrate(Path::new("via.toml"), text).expect_err("is refused").to_string();
        assert!(errors.contains("storage.path (now node.data_directory)"), "{errors}");
        assert!(errors.contains("given twice; also as node.data_directory (via.toml:4)"));
    }

    #[test]
    fn an_old_value_of_the_wrong_type_is_refused_under_its_old_name() {
        let text = "[server]\nport = 70000\n[storage]\ncheckpoint_secs = \"x\"\n";
        let errors = migrate(Path::new("via.toml"), text).expect_err("is refused").to_string();
        assert!(errors.contains("via.toml:2: server.port = 70000: must be"), "{errors}");
        assert!(errors.contains("via.toml:4: storage.checkpoint_secs = \"x\": must be"));
    }

    #[test]
    fn old_names_are_unknown_in_a_new_file() {
        let text = "version = 1\n[server]\nport = 81\n";
        let errors = migrate(Path::new("via.toml"), text).expect_err("is refused").to_string();
        assert!(errors.starts_with("via.toml:2: server: no such section"), "{errors}");
    }
}
