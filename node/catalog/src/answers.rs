//! Repeated requests: the same key with the same body is answered as the first
//! time, with another body it is refused. In the machine, so that it holds
//! whoever leads; bounded in number, bytes and time (invariant D-6).

use std::sync::Arc;
use std::time::Duration;

use via_types::{Revision, limit};

use crate::catalog::Catalog;
use crate::command::Outcome;
use crate::entry::Deed;
use crate::object::{Answer, Key, Object, TrailId};
use crate::refusal::Refusal;

/// Most answers that one entry forgets, so that none waits for many.
const FORGOTTEN: usize = 64;

impl Catalog {
    /// Returns what the same request was answered; none when it is the first.
    pub(crate) fn answered(&self, deed: &Deed) -> Result<Option<Outcome>, Refusal> {
        let Some(asked) = deed.idempotency else { return Ok(None) };
        let key = (TrailId::of(asked.tenant), asked.key);
        let there = self.tables.answers.get(&key).filter(|there| deed.at < there.expires);
        let Some(there) = there else { return Ok(None) };
        if there.body != asked.body {
            return Err(Refusal::OtherRequest);
        }
        let outcome = serde_json::from_str(&there.outcome);
        outcome.map(Some).map_err(|why| Refusal::Unreadable { why: why.to_string() })
    }

    /// Refuses a request whose answer could not be kept.
    pub(crate) fn has_room_to_remember(&self, deed: &Deed) -> Result<(), Refusal> {
        let Some(asked) = deed.idempotency else { return Ok(()) };
        let what = "answers to repeatable requests";
        let answers = &self.tables.answers;
        let whose = TrailId::of(asked.tenant);
        if let Some(tenant) = asked.tenant {
            self.known(tenant)?;
        }
        let stale = self.stale(deed).count();
        let stale_own = self.stale(deed).filter(|(_, of, _)| *of == whose).count();
        let own = answers.chunk(u64::from(whose.get())).count() - stale_own;
        Refusal::unless_below(answers.len() - stale, limit::ANSWERS, what)?;
        Refusal::unless_below(own, limit::ANSWERS_PER_TENANT, what)?;
        let bytes = self.tables.index.answer_bytes;
        Refusal::unless_below(bytes, limit::ANSWERS_BYTES, "bytes of remembered answers")
    }

    /// Keeps the answer, and forgets some that are old.
    pub(crate) fn remember(&mut self, at: Revision, deed: &Deed, outcome: &Outcome) {
        let stale: Vec<_> = self.stale(deed).collect();
        // Only with another change: an entry that changes nothing stays so.
        if deed.idempotency.is_none() && self.changed.is_empty() {
            return;
        }
        for (_, whose, key) in stale {
            self.remove(Key::Answer((whose, key)));
        }
        let Some(asked) = deed.idempotency else { return };
        let outcome = serde_json::to_string(outcome).expect("outcomes are plain data");
        let answer = Answer {
            whose: TrailId::of(asked.tenant),
            key: asked.key,
            body: asked.body,
            outcome,
            revision: at,
            expires: deed.at.saturating_add(Duration::from_secs(limit::ANSWER_SECS)),
        };
        self.put(Object::Answer(Arc::new(answer)));
    }

    fn stale(
        &self,
        deed: &Deed,
    ) -> impl Iterator<Item = (via_types::Timestamp, TrailId, crate::object::Digest)> + use<'_>
    {
        let now = deed.at;
        let old = self.tables.index.expiry.iter().take_while(move |(at, ..)| *at <= now);
        old.take(FORGOTTEN).copied()
    }
}
