//! What is recorded: who did what to what, when, why and with what result.
//! The leaf is the record's text, kept as it was hashed: a reader of another
//! version shows what it does not know, and never writes it anew.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One deed, as it is hashed and told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The form of this record.
    pub v: u8,
    /// When, nanoseconds since 1970.
    pub at: i64,
    /// Who: a kind and an id, like `user u17`.
    pub by: String,
    /// What was done, like `create_stream`.
    pub action: String,
    /// To what, like `stream f3`; empty when to nothing in particular.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub object: String,
    /// Whose it is, like `t2`; empty for the platform's own.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub tenant: String,
    /// The request in which it was done.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub request: String,
    /// What was decided.
    pub decision: Decision,
    /// Why, in the words of who did it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// What concerns a person, sealed, in hexadecimal digits; whoever destroys
    /// the key erases it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub personal: String,
    /// Whose key seals `personal`: 64 hexadecimal digits.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub subject: String,
    /// The catalog's revision with which it was recorded.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub revision: u64,
    /// What was there before, without secrets.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub before: Value,
    /// What is there now, without secrets.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub after: Value,
}

/// What was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// It was done.
    Done,
    /// It was not allowed.
    Denied,
    /// It failed.
    Failed,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Record {
    /// Returns the text that is hashed and kept. Objects in it are sorted by key:
    /// the same on every node, however its JSON library was built.
    pub fn text(&self) -> String {
        let mut record = self.clone();
        record.before.sort_all_objects();
        record.after.sort_all_objects();
        serde_json::to_string(&record).expect("texts and numbers have a JSON form")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_s_text_is_part_of_the_format() {
        let record = Record {
            v: 1,
            at: 1_700_000_000_000_000_000,
            by: "user u17".to_owned(),
            action: "put_role".to_owned(),
            object: "role 21".to_owned(),
            tenant: "t2".to_owned(),
            request: "req-1".to_owned(),
            decision: Decision::Done,
            reason: "on call".to_owned(),
            personal: String::new(),
            subject: String::new(),
            revision: 9,
            before: Value::Null,
            after: serde_json::json!({"b": 1, "a": [2]}),
        };
        let text = record.text();
        assert_eq!(
            text,
            r#"{"v":1,"at":1700000000000000000,"by":"user u17","action":"put_role","object":"role 21","tenant":"t2","request":"req-1","decision":"done","reason":"on call","revision":9,"after":{"a":[2],"b":1}}"#
        );
        assert_eq!(serde_json::from_str::<Record>(&text).unwrap(), record);
    }
}
