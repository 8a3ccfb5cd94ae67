//! What was done, tried or refused without a change of the catalog.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use via_audit::Decision;
use via_types::{Revision, TenantId, Timestamp, limit};

use super::Outcome;
use crate::catalog::Catalog;
use crate::entry::{Author, Personal};
use crate::object::TrailId;
use crate::recording::{FORM, fitting, hex};
use crate::refusal::Refusal;

/// Records what happened elsewhere: attempts to log in, refusals, people looking
/// at data, exports, a day's use of a key. Many at once, so that they cost the
/// log little.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// What happened, in order.
    pub happened: Vec<Happened>,
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Happened {
    /// In whose audit log it belongs; none for the platform's.
    pub tenant: Option<TenantId>,
    /// Who.
    pub by: Author,
    /// When.
    pub at: Timestamp,
    /// What was done or tried.
    pub action: String,
    /// To what; may be empty.
    pub object: String,
    /// What was decided.
    pub decision: Decided,
    /// In which request; may be empty.
    pub request: String,
    /// Why, or why not; may be empty.
    pub reason: String,
    /// What concerns a person, sealed.
    pub personal: Option<Personal>,
}

/// What was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Decided {
    /// It was done.
    Done,
    /// It was not allowed.
    Denied,
    /// It failed.
    Failed,
}

impl Record {
    pub(super) fn apply(self, catalog: &mut Catalog, at: Revision) -> Result<Outcome, Refusal> {
        catalog.formed()?;
        let happened = self.happened;
        Refusal::at_most("records", happened.len(), limit::RECORDS_PER_ENTRY)?;
        happened.iter().try_for_each(|it| it.check(catalog))?;
        let count = happened.len() as u32;
        for it in happened {
            let (trail, time) = (TrailId::of(it.tenant), it.at);
            let is_visit = it.tenant.is_some() && it.by.is_operator();
            let record = fitting(it.record(at));
            catalog.append(trail, time, &record);
            if is_visit {
                catalog.append(TrailId::PLATFORM, time, &record);
            }
        }
        Ok(Outcome::Noted(count))
    }
}

impl Happened {
    fn check(&self, catalog: &Catalog) -> Result<(), Refusal> {
        catalog.known_or_platform(self.tenant)?;
        let personal = self.personal.as_ref().map_or(0, |personal| personal.sealed.len());
        let lengths = [
            ("the action", self.action.len(), limit::NAME_BYTES),
            ("the object", self.object.len(), limit::REASON_BYTES),
            ("the request's id", self.request.len(), limit::REQUEST_ID_BYTES),
            ("the reason", self.reason.len(), limit::REASON_BYTES),
            ("the personal part", personal, limit::PERSONAL_BYTES),
        ];
        lengths.into_iter().try_for_each(|(what, bytes, most)| Refusal::at_most(what, bytes, most))
    }

    fn record(self, at: Revision) -> via_audit::Record {
        let personal = self.personal.as_ref();
        via_audit::Record {
            v: FORM,
            at: self.at.as_nanos(),
            by: self.by.to_string(),
            action: self.action,
            object: self.object,
            tenant: self.tenant.map_or_else(String::new, |tenant| tenant.to_string()),
            request: self.request,
            decision: match self.decision {
                Decided::Done => Decision::Done,
                Decided::Denied => Decision::Denied,
                Decided::Failed => Decision::Failed,
            },
            reason: self.reason,
            personal: personal.map_or_else(String::new, |it| hex(&it.sealed)),
            subject: personal.map_or_else(String::new, |it| hex(it.subject.bytes())),
            revision: at.get(),
            before: Value::Null,
            after: Value::Null,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::Command;
    use crate::command::fixture::{TENANT, catalog, deed};
    use crate::entry::Entry;

    fn denied(tenant: Option<TenantId>, reason: &str) -> Happened {
        Happened {
            tenant,
            by: Author::Unknown,
            at: Timestamp::from_nanos(7),
            action: "log_in".to_owned(),
            object: String::new(),
            decision: Decided::Denied,
            request: String::new(),
            reason: reason.to_owned(),
            personal: None,
        }
    }

    #[test]
    fn what_happened_is_in_the_log_of_whom_it_concerns_and_not_recorded_twice() {
        let mut catalog = catalog();
        let happened =
            vec![denied(Some(TENANT), "a"), denied(None, "b"), denied(Some(TENANT), "c")];
        let entry = |command: Command| Entry { deed: Some(deed(5)), command };
        let applied = catalog.apply(Revision::new(3), entry(Record { happened }.into()));
        assert_eq!(applied.outcome, Ok(Outcome::Noted(3)));
        let told: Vec<_> = applied.recorded.iter().map(|it| (it.trail.get(), it.index)).collect();
        assert_eq!(told, [(1, 0), (0, 0), (1, 1)]);
        assert!(applied.recorded[2].text.contains(r#""decision":"denied","reason":"c""#));
    }

    #[test]
    fn more_than_the_bounds_allow_is_refused_whole() {
        let mut catalog = catalog();
        let many = Record { happened: vec![denied(None, "a"); limit::RECORDS_PER_ENTRY + 1] };
        let long = Record { happened: vec![denied(None, &"x".repeat(513))] };
        let stranger = Record { happened: vec![denied(Some(TenantId::new(9)), "a")] };
        for record in [many, long, stranger] {
            let entry = Entry { deed: Some(deed(5)), command: record.into() };
            let applied = catalog.apply(Revision::new(3), entry);
            assert!(applied.outcome.is_err(), "D-6: {:?}", applied.outcome);
            assert_eq!(applied.recorded, []);
        }
    }
}
