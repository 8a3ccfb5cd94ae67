//! Every setting as one flat list: key, type, default, range, unit, words.
//! Made from the JSON Schema of the raw structs, so that there is one source;
//! checking, documents and suggestions all read it. Sections come in the order
//! of declaration.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde_json::Value as Json;
use toml_edit::{DocumentMut, Item, TableLike};

use crate::raw::{self, MethodName, Raw};
use crate::units::{SIZE_FORM, SPAN_FORM};

/// The version in which a setting appeared that does not say otherwise.
pub(crate) const FIRST_SINCE: &str = "0.1.0";

/// What may be written for a setting.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Kind {
    Bool,
    Integer,
    Number,
    Text,
    Texts,
    Choice(Vec<Choice>),
    Span,
    Size,
    Address,
    Path,
    Filter,
    Method,
    /// Days of the week.
    Days,
    /// A time of the day.
    Clock,
    /// Known events.
    Events,
}

/// One of a few words.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Choice {
    pub(crate) word: String,
    pub(crate) about: String,
}

/// One setting.
#[derive(Clone, Debug)]
pub(crate) struct Field {
    pub(crate) key: String,
    pub(crate) kind: Kind,
    pub(crate) about: String,
    /// None when it is unset unless somebody sets it.
    pub(crate) default: Option<toml::Value>,
    /// The default, or something plausible.
    pub(crate) example: toml::Value,
    pub(crate) minimum: Option<String>,
    pub(crate) maximum: Option<String>,
    pub(crate) power_of_two: bool,
    pub(crate) unit: Option<String>,
    pub(crate) since: String,
}

impl Field {
    /// Returns the section, like `detectors.volume`, and the last word.
    pub(crate) fn split(&self) -> (&str, &str) {
        self.key.rsplit_once('.').unwrap_or(("", &self.key))
    }

    /// Says in words what may be written.
    pub(crate) fn allowed(&self) -> String {
        let form = match &self.kind {
            Kind::Bool => "true or false".to_owned(),
            Kind::Integer if self.power_of_two => "a power of two".to_owned(),
            Kind::Integer => "a whole number".to_owned(),
            Kind::Number => "a number".to_owned(),
            Kind::Text => "a text".to_owned(),
            Kind::Texts => "a list of texts, none empty".to_owned(),
            Kind::Choice(choices) => {
                let words: Vec<String> =
                    choices.iter().map(|choice| format!("\"{}\"", choice.word)).collect();
                words.join(" or ")
            }
            Kind::Span => SPAN_FORM.to_owned(),
            Kind::Size => SIZE_FORM.to_owned(),
            Kind::Address => "an IP address and a port, like \"127.0.0.1:8080\"".to_owned(),
            Kind::Path => "a path".to_owned(),
            Kind::Filter => "target=level, separated by commas".to_owned(),
            Kind::Days => {
                let words = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
                format!("a list of {}", words.map(|word| format!("\"{word}\"")).join(" or "))
            }
            Kind::Clock => "a time like \"08:00\"".to_owned(),
            Kind::Events => "a list of events like { name = \"sale\", from = \"2026-11-27\", \
                             to = \"2026-11-30\", every = \"year\" }"
                .to_owned(),
            Kind::Method => format!(
                "{}, or one with its figure, like \"percentile(0.99)\"",
                MethodName::NAMES.map(|name| format!("\"{name}\"")).join(" or ")
            ),
        };
        let counted = match self.kind {
            Kind::Text | Kind::Path | Kind::Filter => " bytes",
            Kind::Texts | Kind::Days | Kind::Events => " of them",
            Kind::Bool
            | Kind::Integer
            | Kind::Number
            | Kind::Choice(_)
            | Kind::Span
            | Kind::Size
            | Kind::Address
            | Kind::Clock
            | Kind::Method => "",
        };
        match (&self.minimum, &self.maximum) {
            (Some(low), Some(high)) if low == high => format!("{form}: {low}"),
            (Some(low), Some(high)) => format!("{form}, from {low} to {high}{counted}"),
            (Some(low), None) => format!("{form}, at least {low}{counted}"),
            (None, Some(high)) => format!("{form}, at most {high}{counted}"),
            (None, None) => form,
        }
    }
}

/// A section's name and words.
#[derive(Clone, Debug)]
pub(crate) struct Section {
    pub(crate) name: String,
    pub(crate) about: String,
}

/// Every setting and section.
#[derive(Debug)]
pub(crate) struct Manual {
    pub(crate) fields: Vec<Field>,
    pub(crate) sections: Vec<Section>,
}

impl Manual {
    /// Returns the manual, made once.
    pub(crate) fn get() -> &'static Self {
        static MANUAL: OnceLock<Manual> = OnceLock::new();
        MANUAL.get_or_init(Self::make)
    }

    /// Returns the setting of that key.
    pub(crate) fn field(&self, key: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.key == key)
    }

    /// Says whether there is a section of that name.
    pub(crate) fn has_section(&self, name: &str) -> bool {
        self.sections.iter().any(|section| section.name == name)
    }

    /// Returns the settings directly in a section.
    pub(crate) fn fields_of<'a>(&'a self, section: &'a str) -> impl Iterator<Item = &'a Field> {
        self.fields.iter().filter(move |field| field.split().0 == section)
    }

    fn make() -> Self {
        let schema = raw::schema();
        let examples = in_order(&Raw::with_examples());
        let defaults: BTreeMap<_, _> = in_order(&Raw::default()).into_iter().collect();
        let mut manual = Self { fields: Vec::new(), sections: Vec::new() };
        for (key, example) in examples {
            let mut node = &schema;
            for (end, _) in key.match_indices('.').chain([(key.len(), "")]) {
                let path = &key[..end];
                let word = path.rsplit('.').next().unwrap_or(path);
                node = &node["properties"][word];
                if end < key.len() && !manual.has_section(path) {
                    manual.sections.push(Section { name: path.to_owned(), about: about(node) });
                }
            }
            let default = defaults.get(&key).cloned();
            manual.fields.push(field(key, node, default, example));
        }
        manual
    }
}

/// Returns every key with its value, in the order of declaration.
pub(crate) fn in_order(raw: &Raw) -> Vec<(String, toml::Value)> {
    let text = toml::to_string(raw).expect("settings hold only what TOML can hold");
    let tree: toml::Table = toml::from_str(&text).expect("what was just written reads back");
    let document: DocumentMut = text.parse().expect("what was just written reads back");
    let mut found = Vec::new();
    walk(document.as_table(), "", &mut |key| {
        let value = get(&tree, key).expect("both were read from the same text").clone();
        found.push((key.to_owned(), value));
    });
    found
}

fn walk(table: &dyn TableLike, above: &str, leaf: &mut dyn FnMut(&str)) {
    for (word, item) in table.iter() {
        let key = if above.is_empty() { word.to_owned() } else { format!("{above}.{word}") };
        match item {
            Item::Table(inner) => walk(inner, &key, leaf),
            Item::None | Item::Value(_) | Item::ArrayOfTables(_) => leaf(&key),
        }
    }
}

/// Returns the value at a dotted key.
pub(crate) fn get<'a>(tree: &'a toml::Table, key: &str) -> Option<&'a toml::Value> {
    match key.split_once('.') {
        None => tree.get(key),
        Some((word, rest)) => get(tree.get(word)?.as_table()?, rest),
    }
}

fn about(node: &Json) -> String {
    let text = node["description"].as_str().unwrap_or_default();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn field(key: String, node: &Json, default: Option<toml::Value>, example: toml::Value) -> Field {
    let text = |name: &str| node[name].as_str().map(str::to_owned);
    let bound = |names: [&str; 3]| {
        names.iter().find_map(|name| match &node[*name] {
            Json::Number(number) => Some(plain(number)),
            Json::String(text) => Some(text.clone()),
            Json::Null | Json::Bool(_) | Json::Array(_) | Json::Object(_) => None,
        })
    };
    let kind = kind(node);
    let sized = matches!(kind, Kind::Texts | Kind::Days | Kind::Events);
    Field {
        about: about(node),
        minimum: bound(["x-minimum", if sized { "minItems" } else { "minLength" }, "minimum"]),
        maximum: bound(["x-maximum", if sized { "maxItems" } else { "maxLength" }, "maximum"]),
        power_of_two: node["x-power-of-two"] == true,
        unit: text("x-unit"),
        since: text("x-since").unwrap_or_else(|| FIRST_SINCE.to_owned()),
        key,
        kind,
        default,
        example,
    }
}

fn plain(number: &serde_json::Number) -> String {
    match number.as_f64() {
        Some(float) if number.is_f64() && (float == 0.0 || (1e-3..1e9).contains(&float.abs())) => {
            format!("{float}")
        }
        Some(float) if number.is_f64() => format!("{float:e}"),
        Some(_) | None => number.to_string(),
    }
}

fn kind(node: &Json) -> Kind {
    let node = node["anyOf"].as_array().and_then(|options| options.first()).unwrap_or(node);
    match node["format"].as_str() {
        Some("via-span") => return Kind::Span,
        Some("via-size") => return Kind::Size,
        Some("via-address") => return Kind::Address,
        Some("via-path") => return Kind::Path,
        Some("via-filter") => return Kind::Filter,
        Some("via-method") => return Kind::Method,
        Some("via-days") => return Kind::Days,
        Some("via-clock") => return Kind::Clock,
        Some("via-calendar") => return Kind::Events,
        Some(_) | None => {}
    }
    if let Some(choices) = node["oneOf"].as_array() {
        let choice = |choice: &Json| Choice {
            word: choice["const"].as_str().unwrap_or_default().to_owned(),
            about: about(choice),
        };
        return Kind::Choice(choices.iter().map(choice).collect());
    }
    let name = node["type"].as_str().or_else(|| node["type"][0].as_str());
    match name {
        Some("boolean") => Kind::Bool,
        Some("integer") => Kind::Integer,
        Some("number") => Kind::Number,
        Some("array") => Kind::Texts,
        Some(_) | None => Kind::Text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_has_words_and_a_section() {
        let manual = Manual::get();
        assert!(manual.fields.len() > 60, "{}", manual.fields.len());
        for field in &manual.fields {
            assert!(field.about.ends_with('.'), "{}: {:?}", field.key, field.about);
            let section = field.split().0;
            assert!(section.is_empty() || manual.has_section(section), "{}", field.key);
        }
        assert!(manual.sections.iter().all(|section| section.about.ends_with('.')));
    }

    #[test]
    fn every_setting_of_the_schema_is_listed() {
        fn count(node: &Json) -> usize {
            match node["properties"].as_object() {
                None => 1,
                Some(properties) => properties.values().map(count).sum(),
            }
        }
        assert_eq!(count(&raw::schema()), Manual::get().fields.len());
    }

    #[test]
    fn types_and_ranges_come_from_the_structs() {
        let manual = Manual::get();
        let allowed = |key: &str| manual.field(key).expect("exists").allowed();
        assert_eq!(allowed("engine.shards"), "a power of two, from 1 to 1024");
        assert_eq!(allowed("detectors.volume.alpha"), "a number, from 0 to 1");
        assert_eq!(allowed("engine.explain"), "\"none\" or \"basic\" or \"full\"");
        assert!(allowed("node.memory_limit").ends_with("from 64MiB to 64TiB"));
        assert!(allowed("detectors.volume.season").ends_with("from 1s to 366d"));
        assert_eq!(
            allowed("detectors.burst.threshold.percentile"),
            "a number, from 0.5 to 0.999999"
        );
        assert_eq!(
            allowed("engine.entity_from"),
            "a list of texts, none empty, at most 16 of them"
        );
        assert_eq!(manual.field("thresholds.method").expect("exists").kind, Kind::Method);
        let own = manual.field("detectors.burst.threshold.method").expect("exists");
        assert_eq!((&own.kind, &own.default), (&Kind::Method, &None));
    }

    #[test]
    fn sections_come_in_the_order_of_declaration() {
        let names: Vec<&str> =
            Manual::get().sections.iter().map(|section| section.name.as_str()).collect();
        assert_eq!(names[..4], ["node", "listen", "access", "cluster"]);
        assert_eq!(names.last(), Some(&"limits"));
    }
}
