//! Settings as text: effective values with their origins, the JSON Schema, the
//! commented example file, the manual. Pure; what it writes as TOML, the loader
//! reads back to the same settings.

use std::fmt::Write as _;

use serde_json::json;
use toml::Value;

use crate::layer::variable;
use crate::load::{Loaded, tree};
use crate::manual::{FIRST_SINCE, Field, Kind, Manual};
use crate::raw;
use crate::units::{SIZE_FORM, SPAN_FORM};

/// In which notation settings are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A file that can be loaded.
    Toml,
    /// One object, sections nested in it.
    Json,
}

/// Whether the origins of values are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// Values only.
    Values,
    /// TOML: a comment after each value. JSON: `{"values": …, "origins": …}`.
    Origins,
}

impl Loaded {
    /// Returns every effective setting as text.
    pub fn print(&self, format: Format, detail: Detail) -> String {
        match format {
            Format::Toml => self.to_toml(detail),
            Format::Json => self.to_json(detail),
        }
    }

    fn to_toml(&self, detail: Detail) -> String {
        sections(|field, text| {
            let (_, word) = field.split();
            let line = match self.values.get(&field.key) {
                Some(value) => format!("{word} = {value}"),
                None => format!("# {word} is unset"),
            };
            let origin = self.origins.get(&field.key);
            match origin.filter(|_| detail == Detail::Origins) {
                Some(origin) => text.push_str(&format!("{line:<44} # {origin}\n")),
                None => text.push_str(&format!("{line}\n")),
            }
        })
    }

    fn to_json(&self, detail: Detail) -> String {
        let values = json!(tree(&self.values));
        let document = match detail {
            Detail::Values => values,
            Detail::Origins => {
                let origins: serde_json::Map<_, _> = self
                    .origins
                    .iter()
                    .map(|(key, origin)| (key.clone(), json!(origin.to_string())))
                    .collect();
                json!({ "values": values, "origins": origins })
            }
        };
        format!("{document:#}\n")
    }
}

/// Writes every section's header and, by `line`, its settings.
fn sections(mut line: impl FnMut(&Field, &mut String)) -> String {
    let manual = Manual::get();
    let mut text = String::new();
    for field in manual.fields_of("") {
        line(field, &mut text);
    }
    for section in &manual.sections {
        let mut fields = manual.fields_of(&section.name).peekable();
        if fields.peek().is_some() {
            text.push_str(&format!("\n[{}]\n", section.name));
            fields.for_each(|field| line(field, &mut text));
        }
    }
    text
}

/// Returns the JSON Schema of configuration files, draft 2020-12.
pub fn schema() -> String {
    format!("{:#}\n", raw::schema())
}

/// Returns a file that says of every setting what it means and sets it to its
/// default; settings that are unset by default are comments.
pub fn example() -> String {
    let lead = "\
# Every setting of VIA with its default. A file needs only the lines that
# differ. Generated from the code; see docs/CONFIGURATION.md.
";
    let mut previous = String::new();
    let body = sections(|field, text| {
        let (section, word) = field.split();
        if section == previous {
            text.push('\n');
        }
        section.clone_into(&mut previous);
        comment(text, &field.about);
        comment(text, &format!("Allowed: {}.", allowed(field)));
        match &field.default {
            Some(value) => text.push_str(&format!("{word} = {value}\n")),
            None => text.push_str(&format!("# {word} = {}\n", field.example)),
        }
    });
    format!("{lead}{body}")
}

fn comment(text: &mut String, words: &str) {
    const WIDTH: usize = 80;
    let mut line = String::from("#");
    for word in words.split(' ') {
        if line.len() + 1 + word.len() > WIDTH {
            text.push_str(&line);
            text.push('\n');
            line = String::from("#");
        }
        line.push(' ');
        line.push_str(word);
    }
    text.push_str(&line);
    text.push('\n');
}

/// Says what is allowed, shorter than in an error: the forms of times and
/// amounts are explained once.
fn allowed(field: &Field) -> String {
    let words = field.allowed().replace(SPAN_FORM, "a time").replace(SIZE_FORM, "an amount");
    match &field.unit {
        Some(unit) => format!("{words} ({unit})"),
        None => words,
    }
}

/// Returns the manual in Markdown.
pub fn manual() -> String {
    let mut text = introduction();
    let manual = Manual::get();
    for section in &manual.sections {
        let mut fields = manual.fields_of(&section.name).peekable();
        if fields.peek().is_none() {
            continue;
        }
        let _ = write!(text, "\n## `[{}]`\n\n{}\n\n", section.name, section.about);
        text.push_str("| key | default | allowed | meaning |\n|---|---|---|---|\n");
        for field in fields {
            let default = field.default.as_ref().map_or("unset".to_owned(), code);
            let since = match field.since.as_str() {
                FIRST_SINCE => String::new(),
                since => format!(" Since {since}."),
            };
            let row = [
                format!("`{}`", field.split().1),
                default,
                allowed(field),
                format!("{}{}{since}", field.about, words(field)),
            ];
            let cells: Vec<String> = row.iter().map(|cell| cell.replace('|', "\\|")).collect();
            let _ = writeln!(text, "| {} |", cells.join(" | "));
        }
    }
    text
}

fn introduction() -> String {
    format!(
        "# Configuration\n\n\
<!-- Generated by `cargo run -p via-cluster-config --example docs`. -->\n\n\
VIA runs without any configuration. What is set is taken from four layers, each \
stronger than the one before:\n\n\
1. the defaults below;\n\
2. a TOML file: `via-node serve --config via.toml`;\n\
3. the environment: `{}=16` sets `shards` in `[engine]`, `{}=mad` sets `method` in \
`[detectors.burst.threshold]`; an empty variable is ignored;\n\
4. flags: `--set engine.shards=16`, the last one of equal flags wins.\n\n\
In variables and flags a list is separated by commas. An unknown key, a wrong type or a \
value out of range in any layer is refused, with its place, what is allowed, and the \
nearest key that exists; all problems are told at once.\n\n\
`via-node config check` checks, `config print` shows every effective value and where it \
came from, `config schema` prints a JSON Schema for editors, `config migrate` rewrites an \
old file. A file begins with `version = {}`; older files (and files that do not say) are \
understood, with a notice. [via.toml](../cluster-config/examples/via.toml) lists every \
setting.\n\n\
A *time* is {SPAN_FORM}. An *amount* is {SIZE_FORM}. All settings exist since {FIRST_SINCE} \
unless they say otherwise.\n",
        variable("engine.shards"),
        variable("detectors.burst.threshold.method"),
        raw::VERSION,
    )
}

fn code(value: &Value) -> String {
    format!("`{value}`")
}

fn words(field: &Field) -> String {
    match &field.kind {
        Kind::Choice(choices) => choices
            .iter()
            .map(|choice| {
                let about = choice.about.trim_end_matches('.');
                let mut letters = about.chars();
                let lead: String =
                    letters.next().into_iter().flat_map(char::to_lowercase).collect();
                format!(" `{}`: {lead}{}.", choice.word, letters.as_str())
            })
            .collect(),
        Kind::Bool
        | Kind::Integer
        | Kind::Number
        | Kind::Text
        | Kind::Texts
        | Kind::Span
        | Kind::Size
        | Kind::Address
        | Kind::Path
        | Kind::Filter
        | Kind::Days
        | Kind::Clock
        | Kind::Events
        | Kind::Method => String::new(),
    }
}
