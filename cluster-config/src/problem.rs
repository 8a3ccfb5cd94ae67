//! What can be wrong with a configuration, in words an operator can act on:
//! where it was written, which key, which value, what is allowed, what was
//! probably meant. Knows nothing of how problems are found.

use std::fmt;
use std::path::PathBuf;

/// Where a value was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nowhere: it is the default.
    Default,
    /// In a file.
    File {
        /// The file, as it was named.
        path: PathBuf,
        /// The line, from 1; 0 means the file as a whole.
        line: usize,
    },
    /// In an environment variable.
    Environment {
        /// Its name.
        variable: String,
    },
    /// In a command-line flag.
    Flag {
        /// The flag, with its dashes.
        name: String,
    },
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line: 0 } => write!(f, "{}", path.display()),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Environment { variable } => {
                write!(f, "environment variable {}", shortened(variable))
            }
            Self::Flag { name } => write!(f, "flag {}", shortened(name)),
        }
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{origin}: {}{fault}", subject(key, value.as_deref()))]
pub struct Problem {
    /// Where it was written.
    pub origin: Origin,
    /// The setting as it was written, like `engine.shards`; empty when the
    /// problem is with no setting in particular.
    pub key: String,
    /// The value as it was written, shortened.
    pub value: Option<String>,
    /// What is wrong.
    pub fault: Fault,
}

fn subject(key: &str, value: Option<&str>) -> String {
    let name = shortened(key);
    match (key, value) {
        ("", _) => String::new(),
        (_, None) => format!("{name}: "),
        (_, Some(value)) => format!("{name} = {value}: "),
    }
}

/// What is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It is not TOML.
    #[error("not valid TOML: {0}")]
    Syntax(String),
    /// It cannot be read.
    #[error("cannot be read: {0}")]
    Unreadable(String),
    /// There is no such setting or section.
    #[error("no such {what}{}", advice(nearest.as_deref(), allowed))]
    Unknown {
        /// "key" or "section".
        what: &'static str,
        /// What was probably meant, in the notation of the place.
        nearest: Option<String>,
        /// What may stand there.
        allowed: Vec<String>,
    },
    /// The value is of another type.
    #[error("is {found}, but must be {allowed}")]
    WrongType {
        /// What it is.
        found: &'static str,
        /// What may stand there.
        allowed: String,
    },
    /// The value is of the right type but not allowed.
    #[error("must be {allowed}{}", advice(nearest.as_deref(), &[]))]
    OutOfRange {
        /// What may stand there.
        allowed: String,
        /// What was probably meant.
        nearest: Option<String>,
    },
    /// The same setting is given twice in one place.
    #[error("given twice; also as {other}")]
    Twice {
        /// Where and how else.
        other: String,
    },
    /// It does not go together with another setting.
    #[error("{rule}; {other}")]
    Conflict {
        /// What must hold.
        rule: &'static str,
        /// The other setting, its value and origin.
        other: String,
    },
    /// The file is of a later format.
    #[error("this program knows the format up to version {known}; use a newer program")]
    Newer {
        /// The newest version known.
        known: i64,
    },
    /// There is more wrong than is worth listing.
    #[error("further problems are not listed")]
    More,
    /// The text after `--set` is not an assignment.
    #[error("{text} where SECTION.KEY=VALUE is expected")]
    NotAnAssignment {
        /// What it is.
        text: String,
    },
}

fn advice(nearest: Option<&str>, allowed: &[String]) -> String {
    let mut text = String::new();
    if let Some(nearest) = nearest {
        text.push_str("; did you mean ");
        text.push_str(nearest);
        text.push('?');
    }
    if !allowed.is_empty() {
        let lead = if nearest.is_some() { " allowed here: " } else { "; allowed here: " };
        text.push_str(lead);
        text.push_str(&allowed.join(", "));
    }
    text
}

/// Everything that is wrong, in the order in which it was written; never empty.
#[derive(Clone, Debug, PartialEq)]
pub struct Errors(pub(crate) Vec<Problem>);

impl Errors {
    /// Returns the problems.
    pub fn problems(&self) -> &[Problem] {
        &self.0
    }
}

impl fmt::Display for Errors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, problem) in self.0.iter().enumerate() {
            if position > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Errors {}

/// Something that works but that the operator should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Where it was written.
    pub origin: Origin,
    /// What to know.
    pub text: String,
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.origin, self.text)
    }
}

/// Returns the value as written, shortened to a line.
pub(crate) fn shown(value: &toml::Value) -> String {
    shortened(&value.to_string())
}

/// Returns one line of at most 100 characters: what was written may be long, and
/// may try to write over the terminal.
fn shortened(text: &str) -> String {
    const LONGEST: usize = 100;
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    match line.char_indices().nth(LONGEST) {
        None => line,
        Some((end, _)) => format!("{}…", &line[..end]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_shown_on_one_short_line() {
        let problem = Problem {
            origin: Origin::Environment { variable: "VIA__\u{1b}[2J".to_owned() },
            key: "k".repeat(1_000_000),
            value: Some(shown(&toml::Value::String("a\nb\u{1b}".repeat(1000)))),
            fault: Fault::Unknown { what: "key", nearest: None, allowed: Vec::new() },
        };
        let text = problem.to_string();
        assert!(text.len() < 300, "{}", text.len());
        assert!(!text.contains(char::is_control), "{text:?}");
    }
}
