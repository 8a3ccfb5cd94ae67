//! Linearizability of registers, key by key: is there one order of all
//! operations, each at one moment between its invocation and its end, that a
//! single register would have answered alike? Searched as Wing & Gong (1993) do,
//! remembering configurations as Lowe (2017) does; bounded, and says when the
//! bound was reached.
//!
//! `read` is told a number; `write` asks for one; `cas` asks for `[old, new]`.
//! All values are wrapped `[key, value]`.

use std::collections::{BTreeMap, HashSet};

use serde_json::Value;

use super::Verdict;
use crate::history::{Kind, Operation};

/// Most configurations that are looked at for one key.
const BOUND: usize = 1_000_000;

/// What is done to a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// It holds this.
    Read(i64),
    /// It holds this from now on.
    Write(i64),
    /// If it holds the first, it holds the second from now on; else nothing.
    Swap(i64, i64),
}

impl Deed {
    /// Returns what a register holds after it; none when it could not have ended
    /// as it did.
    fn after(self, held: i64) -> Option<i64> {
        match self {
            Self::Read(value) => (value == held).then_some(held),
            Self::Write(value) => Some(value),
            Self::Swap(old, new) => (old == held).then_some(new),
        }
    }
}

/// One operation on one register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// What.
    pub deed: Deed,
    /// When it began, in any order that agrees with time.
    pub invoked: u64,
    /// When it ended; [`u64::MAX`] when it may take effect at any time or never.
    pub completed: u64,
}

/// What the search found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// There is an order.
    Found,
    /// There is none.
    None,
    /// The bound was reached first.
    Unknown,
}

/// Judges every key of a history; registers begin with `initial`.
pub fn check(operations: &[Operation], initial: i64) -> Verdict {
    let mut verdict = Verdict::new("linearizable");
    let mut keys: BTreeMap<String, Vec<Step>> = BTreeMap::new();
    let mut unknown = 0_u64;
    for operation in operations {
        let key = operation.asked[0].as_str().unwrap_or_default();
        if let Some(step) = step(operation, &mut verdict) {
            unknown += u64::from(step.completed == u64::MAX);
            keys.entry(key.to_owned()).or_default().push(step);
        }
    }
    for (key, steps) in &keys {
        match search(steps, initial, BOUND) {
            Order::Found => {}
            Order::None => verdict.violation(format!("{key}: {}", shortest(steps, initial))),
            Order::Unknown => verdict.doubt(format!(
                "{key}: no order found among {BOUND} configurations of {} operations",
                steps.len()
            )),
        }
    }
    verdict.figure("keys", keys.len());
    verdict.figure("operations", keys.values().map(Vec::len).sum::<usize>());
    verdict.figure("of unknown outcome", unknown);
    if keys.values().all(Vec::is_empty) {
        verdict.doubt("nothing was done");
    }
    verdict
}

/// What did not happen, or only was not seen, constrains nothing.
fn step(operation: &Operation, verdict: &mut Verdict) -> Option<Step> {
    let is_read = operation.function == "read";
    match operation.outcome {
        Kind::Ok => {}
        Kind::Info if !is_read => {}
        Kind::Info | Kind::Fail | Kind::Invoke => return None,
    }
    let asked = &operation.asked[1];
    let deed = match operation.function.as_str() {
        "read" => operation.told[1].as_i64().map(Deed::Read),
        "write" => asked.as_i64().map(Deed::Write),
        "cas" => pair(asked).map(|(old, new)| Deed::Swap(old, new)),
        _ => return None,
    };
    let Some(deed) = deed else {
        let (function, told) = (&operation.function, &operation.told);
        verdict.doubt(format!("{function} {asked} was told {told}"));
        return None;
    };
    let span = operation.span;
    Some(Step { deed, invoked: span.invoked, completed: span.completed })
}

fn pair(value: &Value) -> Option<(i64, i64)> {
    Some((value[0].as_i64()?, value[1].as_i64()?))
}

/// Says from which operation on there is no order.
fn shortest(steps: &[Step], initial: i64) -> String {
    let mut ends: Vec<u64> =
        steps.iter().map(|step| step.completed).filter(|end| *end != u64::MAX).collect();
    ends.sort_unstable();
    let before = |end: u64| -> Vec<Step> {
        let begun = steps.iter().filter(|step| step.invoked <= end);
        // What ended later may at this moment still happen or not.
        begun
            .filter(|step| step.completed <= end || !matches!(step.deed, Deed::Read(_)))
            .map(|step| match step.completed <= end {
                true => *step,
                false => Step { completed: u64::MAX, ..*step },
            })
            .collect()
    };
    let has_none = |end: &u64| search(&before(*end), initial, BOUND) == Order::None;
    let first = ends.partition_point(|end| !has_none(end));
    let changes: Vec<Step> =
        steps.iter().filter(|step| !matches!(step.deed, Deed::Read(_))).copied().collect();
    let which = match search(&changes, initial, BOUND) {
        Order::Found => "; its changes alone are in order, so what is wrong is read",
        Order::None => "; not even its changes are in order",
        Order::Unknown => "",
    };
    let culprit = ends
        .get(first)
        .and_then(|end| steps.iter().find(|step| step.completed == *end))
        .map_or_else(String::new, |step| {
            format!(
                ", which shows in {:?}, lines {} to {}",
                step.deed,
                step.invoked + 1,
                step.completed + 1
            )
        });
    format!("no order explains its {} operations{culprit}{which}", steps.len())
}

/// A set of operations by number.
type Set = Vec<u64>;

fn contains(set: &Set, at: usize) -> bool {
    set[at / 64] & (1 << (at % 64)) != 0
}

fn flip(set: &mut Set, at: usize) {
    set[at / 64] ^= 1 << (at % 64);
}

/// Looks for an order of `steps`, among at most `bound` configurations.
pub fn search(steps: &[Step], initial: i64, bound: usize) -> Order {
    let mut steps = steps.to_vec();
    steps.sort_by_key(|step| step.invoked);
    let must = steps.iter().filter(|step| step.completed != u64::MAX).count();
    let mut seen: HashSet<(Set, i64)> = HashSet::new();
    let mut stack = vec![Branch { held: initial, next: 0, taken: None }];
    let (mut done, mut done_count): (Set, usize) = (vec![0; steps.len() / 64 + 1], 0);
    while let Some(branch) = stack.last_mut() {
        if done_count == must {
            return Order::Found;
        }
        let held = branch.held;
        let Some((at, after)) = next_step(&steps, &done, held, branch) else {
            if let Some(taken) = stack.pop().and_then(|branch| branch.taken) {
                flip(&mut done, taken);
                done_count -= usize::from(steps[taken].completed != u64::MAX);
            }
            continue;
        };
        flip(&mut done, at);
        // What follows depends on the set and the value alone.
        if !seen.insert((done.clone(), after)) {
            flip(&mut done, at);
            continue;
        }
        if seen.len() > bound {
            return Order::Unknown;
        }
        done_count += usize::from(steps[at].completed != u64::MAX);
        stack.push(Branch { held: after, next: 0, taken: Some(at) });
    }
    Order::None
}

/// One point of the search: what the register holds, which step brought it
/// there, and from which on the next is to be tried.
struct Branch {
    held: i64,
    next: usize,
    taken: Option<usize>,
}

/// Finds the next step that may come now: not done, possible, and begun before
/// anything that is not done has ended.
fn next_step(steps: &[Step], done: &Set, held: i64, branch: &mut Branch) -> Option<(usize, i64)> {
    let mut first_end = u64::MAX;
    for (at, step) in steps.iter().enumerate() {
        if step.invoked > first_end {
            return None;
        }
        if contains(done, at) {
            continue;
        }
        first_end = first_end.min(step.completed);
        if at < branch.next {
            continue;
        }
        if let Some(after) = step.deed.after(held) {
            branch.next = at + 1;
            return Some((at, after));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::super::Validity;
    use super::super::tests::Script;
    use super::*;

    /// Tries every order of every subset that holds all that must happen.
    fn naive(steps: &[Step], held: i64) -> bool {
        let ended = steps.iter().map(|step| step.completed).min().unwrap_or(u64::MAX);
        if ended == u64::MAX {
            return true;
        }
        (0..steps.len()).any(|at| {
            let mut rest = steps.to_vec();
            let step = rest.remove(at);
            step.invoked <= ended && step.deed.after(held).is_some_and(|held| naive(&rest, held))
        })
    }

    fn deeds() -> impl Strategy<Value = Deed> {
        prop_oneof![
            (0_i64..3).prop_map(Deed::Read),
            (0_i64..3).prop_map(Deed::Write),
            (0_i64..3, 0_i64..3).prop_map(|(old, new)| Deed::Swap(old, new)),
        ]
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let one = (deeds(), 0_u64..12, 1_u64..8, prop::bool::weighted(0.15)).prop_map(
            |(deed, invoked, length, unknown)| {
                let is_read = matches!(deed, Deed::Read(_));
                let completed = match unknown && !is_read {
                    true => u64::MAX,
                    // Odd ends, even beginnings: no ties.
                    false => 2 * (invoked + length) + 1,
                };
                Step { deed, invoked: 2 * invoked, completed }
            },
        );
        prop::collection::vec(one, 0..7)
    }

    /// A register that answers at one moment of each operation: always in order.
    fn honest() -> impl Strategy<Value = Vec<Step>> {
        let one = (0_u8..3, 0_i64..3, 0_i64..3, 0_u64..6, 0_u64..6);
        prop::collection::vec(one, 1..60).prop_map(|operations| {
            let mut held = 0;
            let mut steps = Vec::new();
            for (at, (kind, old, new, before, after)) in operations.into_iter().enumerate() {
                let deed = match kind {
                    0 => Deed::Read(held),
                    1 => Deed::Write(new),
                    _ if old == held => Deed::Swap(old, new),
                    _ => continue,
                };
                held = deed.after(held).unwrap();
                let moment = 20 + 2 * at as u64;
                steps.push(Step {
                    deed,
                    invoked: moment - 2 * before,
                    completed: moment + 2 * after + 1,
                });
            }
            steps
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, cases: 2_000, ..ProptestConfig::default() })]
        #[test]
        fn agrees_with_trying_everything(steps in steps()) {
            let expected = if naive(&steps, 0) { Order::Found } else { Order::None };
            prop_assert_eq!(search(&steps, 0, BOUND), expected);
        }

        #[test]
        fn finds_the_order_of_an_honest_register(steps in honest()) {
            prop_assert_eq!(search(&steps, 0, BOUND), Order::Found);
        }
    }

    fn ok(script: &mut Script, function: &str, asked: Value, told: Value) {
        script.whole(function, json!(["k", asked]), Kind::Ok, json!(["k", told]));
    }

    #[test]
    fn passes_concurrent_and_unknown_operations() {
        let mut script = Script::default();
        script.begin(1, "write", json!(["k", 1])).begin(2, "read", json!(["k", null]));
        script.end(2, Kind::Ok, json!(["k", 0])).end(1, Kind::Ok, json!(["k", 1]));
        script.whole("cas", json!(["k", [1, 2]]), Kind::Info, Value::Null);
        script.whole("cas", json!(["k", [7, 8]]), Kind::Fail, Value::Null);
        ok(&mut script, "read", Value::Null, json!(1));
        ok(&mut script, "read", Value::Null, json!(2));
        assert_eq!(check(&script.operations(), 0).validity(), Validity::Valid);
    }

    #[test]
    fn finds_a_stale_read_and_says_where() {
        let mut script = Script::default();
        ok(&mut script, "write", json!(1), json!(1));
        ok(&mut script, "read", Value::Null, json!(1));
        ok(&mut script, "read", Value::Null, json!(0));
        let verdict = check(&script.operations(), 0);
        assert_eq!(verdict.validity(), Validity::Invalid);
        let words = verdict.findings().join("");
        assert!(words.contains("Read(0), lines 5 to 6; its changes alone are in order"), "{words}");
    }

    #[test]
    fn finds_two_winners_of_one_swap() {
        let mut script = Script::default();
        ok(&mut script, "cas", json!([0, 1]), json!(1));
        ok(&mut script, "cas", json!([0, 2]), json!(2));
        let verdict = check(&script.operations(), 0);
        assert_eq!(verdict.validity(), Validity::Invalid);
        assert!(verdict.findings()[0].ends_with("not even its changes are in order"));
    }

    #[test]
    fn keys_are_apart() {
        let mut script = Script::default();
        ok(&mut script, "write", json!(1), json!(1));
        script.whole("read", json!(["other", null]), Kind::Ok, json!(["other", 0]));
        assert_eq!(check(&script.operations(), 0).validity(), Validity::Valid);
    }

    #[test]
    fn says_when_its_bound_is_reached() {
        // Many unknown writes, and a read that none of them explains.
        let write = |value| Step { deed: Deed::Write(value), invoked: 0, completed: u64::MAX };
        let mut steps: Vec<Step> = (1..12).map(write).collect();
        steps.push(Step { deed: Deed::Read(99), invoked: 2, completed: 3 });
        assert_eq!(search(&steps, 0, 100), Order::Unknown);
        assert_eq!(search(&steps, 0, BOUND), Order::None);
    }
}
