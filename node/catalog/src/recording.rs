//! No deed without a record (invariant A-1): what a command changed becomes a
//! record in the audit log of whose it is, before the entry is done with. Owns
//! which log, and what a record says; that is part of the stored format, since
//! all replicas must say the same.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Map, Value, json};
use via_audit::{Decision, Hash, Record};
use via_types::{Revision, Timestamp, limit};

use crate::catalog::Catalog;
use crate::entry::Deed;
use crate::object::{Key, Object, Trail, TrailId};
use crate::portrait::portrait;

/// The form of records written today.
pub(crate) const FORM: u8 = 1;
/// Changed things of which one record tells what was before and after.
const TOLD: usize = 16;

impl Catalog {
    /// Records what the command at hand changed, if anything.
    pub(crate) fn record(&mut self, at: Revision, deed: &Deed, word: &str) {
        let told: Vec<(Key, Option<Object>, Option<Object>)> = self
            .changed
            .iter()
            .filter(|(key, _)| is_told(**key))
            .map(|(key, before)| (*key, before.clone(), self.object(*key)))
            .collect();
        if told.is_empty() {
            return;
        }
        let owner = |(_, before, after): &(Key, Option<Object>, Option<Object>)| {
            after.as_ref().or(before.as_ref()).and_then(Object::tenant)
        };
        let owners: BTreeSet<_> = told.iter().filter_map(owner).collect();
        // What concerns many tenants at once is the platform's doing.
        let tenant = owners.first().copied().filter(|_| owners.len() == 1);
        let main = told.iter().find(|it| owner(it).is_some()).or(told.first());
        let record = Record {
            object: main.map_or_else(String::new, |(key, ..)| key.to_string()),
            tenant: tenant.map_or_else(String::new, |tenant| tenant.to_string()),
            before: side(told.iter().map(|(key, before, _)| (*key, before.as_ref()))),
            after: side(told.iter().map(|(key, _, after)| (*key, after.as_ref()))),
            ..bare(at, deed, word)
        };
        let record = fitting(record);
        self.append(TrailId::of(tenant), deed.at, &record);
        if tenant.is_some() && deed.by.is_operator() {
            self.append(TrailId::PLATFORM, deed.at, &record);
        }
    }

    /// Appends a record to an audit log.
    pub(crate) fn append(&mut self, id: TrailId, at: Timestamp, record: &Record) {
        let there = self.tables.trails.get(&id);
        let mut trail = there.map_or_else(|| Trail::new(id), |trail| Trail::clone(trail));
        let recorded = trail.append(at, record.text());
        self.recorded.push(recorded);
        self.put(Object::Trail(Arc::new(trail)));
    }
}

/// Returns a record that says of a deed who did it, when and why.
pub(crate) fn bare(at: Revision, deed: &Deed, word: &str) -> Record {
    Record {
        v: FORM,
        at: deed.at.as_nanos(),
        by: deed.by.to_string(),
        action: word.to_owned(),
        object: String::new(),
        tenant: String::new(),
        request: deed.request.clone(),
        decision: Decision::Done,
        reason: deed.reason.clone(),
        personal: deed.personal.as_ref().map_or_else(String::new, |it| hex(&it.sealed)),
        subject: deed.personal.as_ref().map_or_else(String::new, |it| hex(it.subject.bytes())),
        revision: at.get(),
        before: Value::Null,
        after: Value::Null,
    }
}

/// Says whether a change of it is worth telling: not what follows from others,
/// nor what is a count and no deed.
fn is_told(key: Key) -> bool {
    !matches!(key, Key::Counters | Key::Trail(_) | Key::Answer(_) | Key::Edition(_) | Key::Usage(_))
}

fn side<'a>(things: impl Iterator<Item = (Key, Option<&'a Object>)>) -> Value {
    let mut told = Map::new();
    let mut more = 0_u64;
    for (key, object) in things {
        let Some(object) = object else { continue };
        if told.len() < TOLD {
            told.insert(key.to_string(), portrait(object));
        } else {
            more += 1;
        }
    }
    if more > 0 {
        told.insert("more".to_owned(), more.into());
    }
    if told.is_empty() { Value::Null } else { Value::Object(told) }
}

/// Cuts what was before and after when the record would be too long: what is
/// left says how long it was and what it hashes to.
pub(crate) fn fitting(mut record: Record) -> Record {
    if record.text().len() > limit::RECORD_BYTES {
        record.before = cut(&record.before);
        record.after = cut(&record.after);
    }
    record
}

fn cut(value: &Value) -> Value {
    if value.is_null() {
        return Value::Null;
    }
    let mut sorted = value.clone();
    sorted.sort_all_objects();
    let text = sorted.to_string();
    json!({"bytes": text.len(), "sha256": hex(Hash::of(text.as_bytes()).bytes())})
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
