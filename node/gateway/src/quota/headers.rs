//! `RateLimit-Policy` and `RateLimit`: what a tenant may ask for, and what is
//! left of it here, as draft-ietf-httpapi-ratelimit-headers writes them.

use http::{HeaderMap, HeaderName, HeaderValue};
use via_types::Timestamp;

use super::allowance::{Allowance, Left};

/// What the quotas are.
pub(crate) const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
/// What is left of them.
pub(crate) const LIMIT: HeaderName = HeaderName::from_static("ratelimit");

/// Writes what a tenant may ask for into the head of an answer; nothing where
/// nothing is bounded.
pub(crate) fn tell(allowance: &Allowance, now: Timestamp, headers: &mut HeaderMap) {
    let left: Vec<Left> = allowance.left(now).collect();
    for (name, words) in [(POLICY, list(&left, policy)), (LIMIT, list(&left, limit))] {
        if let Ok(value) = HeaderValue::from_str(&words)
            && !words.is_empty()
        {
            headers.insert(name, value);
        }
    }
}

fn list(left: &[Left], write: fn(&Left) -> String) -> String {
    left.iter().map(write).collect::<Vec<_>>().join(", ")
}

/// As many as are taken at once, in the time in which they come again.
fn policy(Left { kind, rate, .. }: &Left) -> String {
    let window = rate.burst.div_ceil(rate.per_second.max(1)).max(1);
    let unit = if *kind == "requests" { "" } else { ";qu=\"events\"" };
    format!("\"{kind}\";q={};w={window}{unit}", rate.burst)
}

fn limit(Left { kind, tokens, full_after, .. }: &Left) -> String {
    let seconds = full_after.as_secs() + u64::from(full_after.subsec_nanos() > 0);
    format!("\"{kind}\";r={tokens};t={seconds}")
}

#[cfg(test)]
mod tests {
    use via_catalog::Quotas;
    use via_types::Revision;

    use super::*;

    #[test]
    fn an_answer_tells_what_is_left() {
        let now = Timestamp::from_nanos(1 << 60);
        let allowance = Allowance::default();
        let mut headers = HeaderMap::new();
        tell(&allowance, now, &mut headers);
        assert!(headers.is_empty());
        let quotas = Quotas {
            events_per_second: Some(1_000),
            events_burst: Some(10_000),
            requests_per_second: Some(20),
            ..Quotas::default()
        };
        allowance.follow(Revision::new(1), now, || (quotas, 1));
        allowance.admit(2_500, now).expect("there are");
        tell(&allowance, now, &mut headers);
        assert_eq!(headers[POLICY], "\"events\";q=10000;w=10;qu=\"events\", \"requests\";q=20;w=1");
        assert_eq!(headers[LIMIT], "\"events\";r=7500;t=3, \"requests\";r=20;t=0");
    }
}
