//! An export: records as lines of JSON that stand by themselves. A first line
//! says of which log and from where on, one line follows per record with its
//! proof, the last is the signed head. Owns the form; [`crate::verify`] judges.

use serde::{Deserialize, Serialize};

use crate::frontier::Frontier;
use crate::hash::{Hash, leaf};

/// The form written today.
const FORM: u8 = 1;

/// Some of a log's records in a row, up to a signed head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Export {
    /// The tree before the first record here: what is older may be pruned.
    pub before: Frontier,
    /// The records, in order.
    pub lines: Vec<Line>,
    /// The signed head that they lead to.
    pub head: String,
}

/// One record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Its place in the log.
    pub index: u64,
    /// Its text; none when it is pruned, and then its hash is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<String>,
    /// The hash of a record that is pruned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<HashText>,
    /// The proof that it is in the tree of the head.
    pub proof: Vec<HashText>,
}

/// A hash as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HashText(pub Hash);

impl TryFrom<String> for HashText {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse().map(Self).map_err(|()| format!("{text:?} is not a hash"))
    }
}

impl From<HashText> for String {
    fn from(HashText(hash): HashText) -> Self {
        hash.to_string()
    }
}

#[derive(Serialize, Deserialize)]
struct First {
    via_audit: u8,
    from: u64,
    before: Vec<HashText>,
}

#[derive(Serialize, Deserialize)]
struct Last {
    head: String,
}

/// A line of an export cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the export {why}")]
pub struct Unreadable {
    /// Which line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub why: String,
}

impl Line {
    /// Makes the line of a record that is there.
    pub fn whole(index: u64, record: String, proof: Vec<Hash>) -> Self {
        let proof = proof.into_iter().map(HashText).collect();
        Self { index, record: Some(record), hash: None, proof }
    }

    /// Makes the line of a record that is pruned.
    pub fn pruned(index: u64, hash: Hash, proof: Vec<Hash>) -> Self {
        let proof = proof.into_iter().map(HashText).collect();
        Self { index, record: None, hash: Some(HashText(hash)), proof }
    }

    /// Returns the hash of its leaf; none when it has neither text nor hash.
    pub fn leaf(&self) -> Option<Hash> {
        let told = self.hash.map(|HashText(hash)| hash);
        self.record.as_ref().map(|record| leaf(record.as_bytes())).or(told)
    }

    pub(crate) fn proof(&self) -> Vec<Hash> {
        self.proof.iter().map(|HashText(hash)| *hash).collect()
    }
}

impl Export {
    /// Returns the export as text.
    pub fn text(&self) -> String {
        let json = |value: Result<String, serde_json::Error>| value.expect("texts and numbers");
        let before = self.before.peaks().iter().copied().map(HashText).collect();
        let first = First { via_audit: FORM, from: self.before.size(), before };
        let mut text = json(serde_json::to_string(&first)) + "\n";
        for line in &self.lines {
            text += &json(serde_json::to_string(line));
            text.push('\n');
        }
        text += &json(serde_json::to_string(&Last { head: self.head.clone() }));
        text.push('\n');
        text
    }

    /// Reads an export.
    ///
    /// # Errors
    /// [`Unreadable`], with the number of the line.
    pub fn read(text: &str) -> Result<Self, Unreadable> {
        let lines: Vec<&str> = text.lines().collect();
        let [first, middle @ .., last] = lines.as_slice() else {
            return Err(unreadable(lines.len().max(1), "is missing: an export has at least two"));
        };
        let first: First = parsed(1, first)?;
        if first.via_audit != FORM {
            return Err(unreadable(1, "is of a form that this version does not read"));
        }
        let peaks = first.before.into_iter().map(|HashText(hash)| hash).collect();
        let before = Frontier::new(first.from, peaks);
        let before = before.map_err(|error| unreadable(1, &error.to_string()))?;
        let mut records = Vec::with_capacity(middle.len());
        for (number, line) in (2..).zip(middle) {
            let line: Line = parsed(number, line)?;
            if line.leaf().is_none() {
                return Err(unreadable(number, "has neither a record nor a hash"));
            }
            records.push(line);
        }
        let Last { head } = parsed(lines.len(), last)?;
        Ok(Self { before, lines: records, head })
    }
}

fn parsed<'a, T: Deserialize<'a>>(line: usize, text: &'a str) -> Result<T, Unreadable> {
    serde_json::from_str(text).map_err(|why| unreadable(line, &format!("does not read: {why}")))
}

fn unreadable(line: usize, why: &str) -> Unreadable {
    Unreadable { line, why: why.to_owned() }
}
