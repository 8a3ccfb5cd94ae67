//! From a log line to the key of its entity, knowing no other line: who logs,
//! how severe it is, and the line's shape. Owns how keys read and how long they
//! get; refuses to learn, so that every node names a line alike, whatever came
//! before it (invariant E-1; ADR 14). Called by the gateway.

use via_types::limit;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::mask::mask;
use super::{Source, TemplateId};

/// Most bytes of a service's and a severity's name in a key.
const MOST_SERVICE: usize = 64;
const MOST_SEVERITY: usize = 16;
/// What stands for a service that is not named.
const NOBODY: &str = "-";

/// Reads lines one by one; its buffers keep their room.
#[derive(Clone, Debug, Default)]
pub struct LineReader {
    shape: Vec<u8>,
    key: String,
}

impl LineReader {
    /// Bytes of a line that are read.
    pub const MOST_BYTES: usize = 2048;

    /// Returns the key of the template that `line` belongs to: `[service]
    /// severity: shape`, as much of it as a key may have. One that had to be cut
    /// ends with the template's rhythm hash. None for a line without a word.
    pub fn key(&mut self, service: &str, severity: &str, line: &str) -> Option<&str> {
        let line = begin_of(line, Self::MOST_BYTES);
        mask(line.as_bytes(), &mut self.shape);
        if self.shape.is_empty() {
            return None;
        }
        let shape = String::from_utf8_lossy(&self.shape);
        let key = &mut self.key;
        key.clear();
        key.push('[');
        let name = begin_of(if service.is_empty() { NOBODY } else { service }, MOST_SERVICE);
        // A bracket would end the group too early.
        key.extend(name.chars().map(|c| if c == ']' { ')' } else { plain(c) }));
        key.push_str("] ");
        let level = begin_of(severity, MOST_SEVERITY);
        if !level.is_empty() {
            key.extend(level.chars().map(plain));
            key.push_str(": ");
        }
        key.extend(shape.chars().map(plain));
        let is_whole = name.len() >= service.len() && level.len() == severity.len();
        if key.len() > limit::ENTITY_KEY_BYTES || !is_whole {
            let id = template_of(Source::new(service, severity), &self.shape);
            let end = format!(" #{id}");
            let kept = begin_of(key, limit::ENTITY_KEY_BYTES - end.len()).len();
            key.truncate(kept);
            key.push_str(&end);
        }
        Some(key)
    }
}

/// Returns the rhythm hash of a shape.
fn template_of(source: Source, shape: &[u8]) -> TemplateId {
    TemplateId(xxh3_64_with_seed(shape, source.0))
}

/// Returns `text` up to so many bytes, whole characters.
fn begin_of(text: &str, most: usize) -> &str {
    &text[..text.floor_char_boundary(most)]
}

/// Keys are read by people: no character that would break a line.
fn plain(c: char) -> char {
    if c.is_control() { ' ' } else { c }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use via_types::{EntityHash, StreamId};

    use super::super::tests::a_line;
    use super::super::{TemplateOptions, Templates};
    use super::*;

    fn key(service: &str, severity: &str, line: &str) -> String {
        LineReader::default().key(service, severity, line).expect("it has words").to_owned()
    }

    #[test]
    fn lines_that_differ_in_values_have_one_key_and_others_another() {
        let failed = key("sshd", "info", "Failed password for bob from 10.0.0.1 port 22 ssh2");
        assert_eq!(failed, "[sshd] info: Failed password for bob from <*> port <*> ssh<*>");
        let again = key("sshd", "info", "Failed password for bob from 10.9.8.7 port 4000 ssh2");
        assert_eq!(failed, again);
        assert_ne!(failed, key("sshd", "error", "Failed password for bob from ::1 port 1 ssh2"));
        assert_eq!(key("", "", "disk 7 is full"), "[-] disk <*> is full");
        assert_eq!(key("a]b", "", "x"), "[a)b] x");
        assert_eq!(LineReader::default().key("s", "", " \n "), None);
    }

    #[test]
    fn what_had_to_be_cut_is_told_apart_by_its_hash() {
        let long = |end: &str| format!("{} {end}", "many words ".repeat(40));
        let (one, other) = (key("s", "", &long("one")), key("s", "", &long("other")));
        assert!(one.len() <= limit::ENTITY_KEY_BYTES && one != other, "{one}");
        assert_eq!(one[..200], other[..200]);
        let service = "s".repeat(100);
        let two = (key(&format!("{service}1"), "", "x"), key(&format!("{service}2"), "", "x"));
        assert_ne!(two.0, two.1);
        let mut templates = Templates::new(TemplateOptions::default());
        let id = templates.assign(Source::new("s", ""), long("one").as_bytes());
        assert!(one.ends_with(&format!(" #{}", id.id)), "the id that learned templates have");
    }

    proptest! {
        /// Whoever reads a line, after whatever others, names it alike.
        #[test]
        fn a_key_depends_on_its_line_alone(lines in prop::collection::vec(a_line(), 1..20)) {
            let mut reader = LineReader::default();
            for line in &lines {
                let read = reader.key("s", "info", line).map(str::to_owned);
                let alone = LineReader::default().key("s", "info", line).map(str::to_owned);
                prop_assert_eq!(&read, &alone);
                if let Some(read) = read {
                    let place = |key: &str| EntityHash::of(StreamId::new(1), key).shard(64);
                    prop_assert_eq!(place(&read), place("[s] anything"));
                }
            }
        }

        #[test]
        fn any_text_has_a_key_that_may_be_one(
            service in any::<String>(), severity in any::<String>(), line in any::<String>(),
        ) {
            if let Some(key) = LineReader::default().key(&service, &severity, &line) {
                prop_assert!((1..=limit::ENTITY_KEY_BYTES).contains(&key.len()));
                prop_assert!(!key.chars().any(char::is_control));
            }
        }
    }
}
