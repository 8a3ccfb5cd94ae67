//! What is to be recorded of who came, and is no change by itself: refusals, in
//! sums so that a hostile client costs the log little; failed attempts to log
//! in; when sessions and keys were used. Holds a bounded amount (D-6), and
//! commits it from time to time, on a task of its own.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use via_catalog::command::{Decided, Happened, NoteAttempt, NoteUse, Record, Tried};
use via_catalog::{ApiKey, Author, Deed, Digest, Session};
use via_types::{ApiKeyId, Fate, SessionId, TenantId, Timestamp, UserId, limit};

use super::caller::Caller;

/// Different refusals held; further ones are told together.
const SUMS: usize = limit::RECORDS_PER_ENTRY - 1;
/// Failed attempts that wait to be noted.
const ATTEMPTS: usize = 64;
/// How much older a session's last use may be here than it is.
const SESSION_STEP: Duration = Duration::from_secs(60);
const DAY_NANOS: i64 = 86_400_000_000_000;

/// A refusal, as far as refusals are told apart.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Refused {
    tenant: Option<TenantId>,
    by: Author,
    action: &'static str,
    object: String,
    decision: &'static str,
    at: Timestamp,
}

impl Refused {
    /// One of somebody who is known, who asks for the route at `path`.
    pub(crate) fn of(caller: &Caller, path: &str, why: &'static str, at: Timestamp) -> Self {
        // A tenant sees what its own do, and who looks into it by a grant.
        let tenant = caller.home();
        let object = path.to_owned();
        Self { tenant, by: caller.author, action: "ask", object, decision: why, at }
    }

    /// One of somebody whose secret is good for nothing.
    pub(crate) fn stranger(path: &str, at: Timestamp) -> Self {
        let (by, object) = (Author::Unknown, path.to_owned());
        let decision = "the secret is not good";
        Self { tenant: None, by, action: "ask", object, decision, at }
    }

    /// One of somebody who tries to log in as nobody, or too early.
    pub(crate) fn login(tenant: Option<TenantId>, why: &'static str, at: Timestamp) -> Self {
        let (by, object) = (Author::Unknown, String::new());
        Self { tenant, by, action: "log_in", object, decision: why, at }
    }
}

/// A failed attempt to log in as somebody who is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Attempt {
    pub(crate) tenant: Option<TenantId>,
    pub(crate) user: UserId,
    pub(crate) device: Option<Digest>,
    pub(crate) at: Timestamp,
}

#[derive(Default)]
struct Held {
    /// How often, by what is the same of them (their time is the first one's).
    sums: BTreeMap<Refused, (u64, Timestamp)>,
    more: u64,
    attempts: Vec<Attempt>,
    keys: BTreeMap<(Option<TenantId>, ApiKeyId), u32>,
    sessions: BTreeMap<(Option<TenantId>, SessionId), Timestamp>,
}

/// What is to be recorded; cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Ledger(Arc<(Mutex<Held>, Notify)>);

impl Ledger {
    /// Counts a refusal.
    pub(crate) fn refused(&self, refused: Refused) {
        let mut held = self.0.0.lock();
        let at = refused.at;
        let kind = Refused { at: Timestamp::MIN, ..refused };
        if let Some((count, _)) = held.sums.get_mut(&kind) {
            *count = count.saturating_add(1);
        } else if held.sums.len() < SUMS {
            held.sums.insert(kind, (1, at));
        } else {
            held.more = held.more.saturating_add(1);
        }
    }

    /// Says whether there is room to note a failed attempt.
    pub(crate) fn has_room(&self) -> bool {
        self.0.0.lock().attempts.len() < ATTEMPTS
    }

    /// Takes note of a failed attempt; says whether there was room for it.
    pub(crate) fn failed(&self, attempt: Attempt) -> bool {
        let mut held = self.0.0.lock();
        if held.attempts.len() >= ATTEMPTS {
            return false;
        }
        held.attempts.push(attempt);
        drop(held);
        self.0.1.notify_one();
        true
    }

    /// Takes note that a session is used.
    pub(crate) fn session_used(&self, session: &Session, now: Timestamp) {
        if now.saturating_since(session.used) >= SESSION_STEP {
            let key = (session.tenant, session.id);
            self.0.0.lock().sessions.insert(key, now);
        }
    }

    /// Takes note that a key is used.
    pub(crate) fn key_used(&self, key: &ApiKey, now: Timestamp) {
        let day = u32::try_from(now.as_nanos().max(0) / DAY_NANOS).unwrap_or(u32::MAX);
        if key.used.is_none_or(|used| used < day) {
            self.0.0.lock().keys.insert((key.tenant, key.id), day);
        }
    }

    /// Commits what is held, every `every` and failed attempts at once; never
    /// ends.
    pub(crate) async fn keep(&self, control: via_control::Handle, every: Duration) {
        let mut due = tokio::time::interval(every);
        due.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let is_due = tokio::select! {
                () = self.0.1.notified() => false,
                _ = due.tick() => true,
            };
            self.note_attempts(&control).await;
            if is_due {
                self.write(&control).await;
            }
        }
    }

    /// Commits what is held.
    pub(crate) async fn write(&self, control: &via_control::Handle) {
        self.note_attempts(control).await;
        self.record(control).await;
        self.note_uses(control).await;
    }

    async fn note_attempts(&self, control: &via_control::Handle) {
        let attempts = std::mem::take(&mut self.0.0.lock().attempts);
        for Attempt { tenant, user, device, at } in attempts {
            let note = NoteAttempt { tenant, user, device, result: Tried::Failed };
            let deed = Deed::new(Author::Unknown, at);
            if let Err(error) = control.commit(deed, note).await {
                tell(&error);
            }
        }
    }

    async fn record(&self, control: &via_control::Handle) {
        let (sums, more) = {
            let mut held = self.0.0.lock();
            (std::mem::take(&mut held.sums), std::mem::take(&mut held.more))
        };
        let mut happened: Vec<_> = sums.iter().map(|(it, sum)| told(it, *sum)).collect();
        let Some(last) = happened.last().map(|last| last.at) else { return };
        if more > 0 {
            let rest = Refused::login(None, "more was refused than is told apart", last);
            happened.push(told(&Refused { action: "ask", ..rest }, (more, last)));
        }
        let deed = Deed::new(Author::Node(control.node()), last);
        if let Err(error) = control.commit(deed, Record { happened }).await {
            tell(&error);
            if !matches!(error.fate(), Fate::Rejected) {
                self.take_back(sums, more);
            }
        }
    }

    /// Holds again what could not be committed.
    fn take_back(&self, sums: BTreeMap<Refused, (u64, Timestamp)>, more: u64) {
        let mut held = self.0.0.lock();
        held.more = held.more.saturating_add(more);
        for (kind, (count, first)) in sums {
            if held.sums.len() >= SUMS && !held.sums.contains_key(&kind) {
                held.more = held.more.saturating_add(count);
                continue;
            }
            let sum = held.sums.entry(kind).or_insert((0, first));
            *sum = (sum.0.saturating_add(count), sum.1.min(first));
        }
    }

    async fn note_uses(&self, control: &via_control::Handle) {
        let (keys, sessions) = {
            let mut held = self.0.0.lock();
            (std::mem::take(&mut held.keys), std::mem::take(&mut held.sessions))
        };
        let mut notes: BTreeMap<Option<TenantId>, NoteUse> = BTreeMap::new();
        let of = |tenant| NoteUse { tenant, keys: Vec::new(), sessions: Vec::new() };
        let mut last = Timestamp::MIN;
        for ((tenant, key), day) in keys {
            notes.entry(tenant).or_insert_with(|| of(tenant)).keys.push((key, day));
            last = last.max(Timestamp::from_nanos(i64::from(day).saturating_mul(DAY_NANOS)));
        }
        for ((tenant, session), used) in sessions {
            notes.entry(tenant).or_insert_with(|| of(tenant)).sessions.push((session, used));
            last = last.max(used);
        }
        for mut note in notes.into_values() {
            // What does not fit is used again, and noted then.
            note.keys.truncate(limit::RECORDS_PER_ENTRY);
            note.sessions.truncate(limit::RECORDS_PER_ENTRY);
            let deed = Deed::new(Author::Node(control.node()), last);
            if let Err(error) = control.commit(deed, note).await {
                tell(&error);
            }
        }
    }
}

fn told(refused: &Refused, (count, first): (u64, Timestamp)) -> Happened {
    let times = if count == 1 { String::new() } else { format!(", {count} times") };
    Happened {
        tenant: refused.tenant,
        by: refused.by,
        at: first,
        action: refused.action.to_owned(),
        object: refused.object.clone(),
        decision: Decided::Denied,
        request: String::new(),
        reason: format!("{}{times}", refused.decision),
        personal: None,
    }
}

fn tell(error: &via_control::Error) {
    tracing::warn!(error = %error, "what was refused or used is not recorded yet");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_a_sum_and_what_is_held_is_bounded() {
        let ledger = Ledger::default();
        for n in 0..100_000_u32 {
            let path = format!("/{}", n % 1_000);
            ledger.refused(Refused::stranger(&path, Timestamp::from_nanos(i64::from(n))));
        }
        let held = ledger.0.0.lock();
        assert_eq!(held.sums.len(), SUMS, "D-6");
        let counted: u64 = held.sums.values().map(|(count, _)| count).sum();
        assert_eq!(counted + held.more, 100_000, "each is counted");
        let (kind, sum) = held.sums.iter().next().expect("there are some");
        assert_eq!(told(kind, *sum).reason, "the secret is not good, 100 times");
        assert_eq!(told(kind, *sum).at.as_nanos(), 0, "the first one's time");
    }

    #[test]
    fn failed_attempts_beyond_the_bound_are_turned_away() {
        let ledger = Ledger::default();
        let (user, at) = (UserId::new(1), Timestamp::from_nanos(1));
        let attempt = Attempt { tenant: None, user, device: None, at };
        let taken = (0..1_000).filter(|_| ledger.failed(attempt)).count();
        assert_eq!(taken, ATTEMPTS, "D-6");
    }
}
