//! What code reaches for: clocks and the environment in their places only,
//! no clock at all in the cores; tests that neither sleep nor are ignored.

use super::source::{Source, Word};

struct Rule {
    /// Tokens in a row.
    tokens: &'static [&'static str],
    /// Where they may stand: beginnings of paths.
    only_in: &'static [&'static str],
    advice: &'static str,
}

const CLOCK: &str = "time enters through via_types::Clock";
const ENVIRONMENT: &str = "only cluster-config reads the environment";

/// The places: one clock, one reader of settings, the colour question of the
/// terminal, the fault harness's own machine, what cargo tells a build script;
/// and in the Rust SDK, which knows no crate of the node, the time of capture and
/// the contract's two variables.
const OUTSIDE_WORLD: &[Rule] = &[
    Rule {
        tokens: &["SystemTime", ":", ":", "now"],
        only_in: &["node/types/src/clock.rs", "client/rust/src/clock.rs"],
        advice: CLOCK,
    },
    Rule { tokens: &["Timestamp", ":", ":", "now"], only_in: &[], advice: CLOCK },
    Rule { tokens: &["Zoned", ":", ":", "now"], only_in: &[], advice: CLOCK },
    Rule { tokens: &["Utc", ":", ":", "now"], only_in: &[], advice: CLOCK },
    Rule { tokens: &["env", ":", ":", "var"], only_in: ENVIRONMENT_PLACES, advice: ENVIRONMENT },
    Rule { tokens: &["env", ":", ":", "var_os"], only_in: ENVIRONMENT_PLACES, advice: ENVIRONMENT },
    Rule { tokens: &["env", ":", ":", "vars"], only_in: ENVIRONMENT_PLACES, advice: ENVIRONMENT },
    Rule {
        tokens: &["env", ":", ":", "vars_os"],
        only_in: ENVIRONMENT_PLACES,
        advice: ENVIRONMENT,
    },
];

const ENVIRONMENT_PLACES: &[&str] = &[
    "cluster-config/src/",
    "jepsen/src/",
    "client/rust/src/settings.rs",
    "node/dashboard/build.rs",
];

/// Cores give the same answer to the same question for ever (invariant E-1).
const CORES: &[&str] =
    &["via-types", "via-codec", "via-engine", "via-placement", "via-audit", "via-catalog"];

const IMPURE: &[Rule] = &[
    Rule { tokens: &["Instant", ":", ":", "now"], only_in: &[], advice: "a core has no clock" },
    Rule { tokens: &["std", ":", ":", "fs"], only_in: &[], advice: "a core has no files" },
    Rule { tokens: &["std", ":", ":", "net"], only_in: &[], advice: "a core has no sockets" },
    Rule { tokens: &["std", ":", ":", "thread"], only_in: &[], advice: "a core has no threads" },
    Rule { tokens: &["thread_local"], only_in: &[], advice: "a core has no globals" },
    Rule { tokens: &["RandomState"], only_in: &[], advice: "a core has no randomness of its own" },
];

/// Returns clocks, environment and I/O outside their places.
pub(crate) fn outside_world(source: &Source) -> Vec<String> {
    if source.path.ends_with("/build.rs") {
        return Vec::new();
    }
    let words = &source.words;
    let is_core = CORES.contains(&source.package.as_str()) && source.path.contains("/src/");
    let core_rules = if is_core { IMPURE } else { &[] };
    let mut offences = Vec::new();
    for Rule { tokens, only_in, advice } in OUTSIDE_WORLD.iter().chain(core_rules) {
        if only_in.iter().any(|place| source.path.starts_with(place)) {
            continue;
        }
        for line in places(words, tokens).filter(|line| !source.is_test_line(*line)) {
            offences.push(format!("{}:{line}: {}: {advice}", source.path, tokens.concat()));
        }
    }
    offences
}

/// Returns tests that are ignored or wait for time to pass.
pub(crate) fn tests(source: &Source) -> Vec<String> {
    let words = &source.words;
    let ignored = places(words, &["#", "[", "ignore"])
        .map(|line| format!("{}:{line}: a test is run or deleted, never ignored", source.path));
    let sleepy = ["sleep", "sleep_until"].iter().flat_map(|call| {
        places(words, std::slice::from_ref(call)).filter(|line| source.is_test_line(*line)).map(
            move |line| {
                format!("{}:{line}: {call}: a test waits on a condition, not on time", source.path)
            },
        )
    });
    ignored.chain(sleepy).collect()
}

fn places<'a>(words: &'a [Word], tokens: &'a [&'a str]) -> impl Iterator<Item = usize> + 'a {
    words
        .windows(tokens.len())
        .filter(move |window| window.iter().zip(tokens).all(|(word, token)| word.text == *token))
        .map(|window| window[0].line)
}

#[cfg(test)]
mod unit {
    use super::super::source::tests::sample;
    use super::*;

    #[test]
    fn refuses_a_wall_clock_outside_its_place() {
        let text = "fn a() {\n  b!(std::time::SystemTime::now());\n}";
        assert_eq!(
            outside_world(&sample(text)),
            ["node/sample/src/lib.rs:2: SystemTime::now: time enters through via_types::Clock"]
        );
        let home = Source::parse("node/types/src/clock.rs", "via-types", text);
        assert_eq!(outside_world(&home).len(), 0);
    }

    #[test]
    fn refuses_the_environment_outside_its_place() {
        let text = "fn a() { std::env::var_os(\"A\"); }";
        assert_eq!(outside_world(&sample(text)).len(), 1);
        let home = Source::parse("cluster-config/src/load.rs", "via-cluster-config", text);
        assert_eq!(outside_world(&home).len(), 0);
    }

    #[test]
    fn refuses_time_and_files_in_a_core() {
        let text = "fn a() { Instant::now(); std::fs::read(\"a\"); }";
        assert_eq!(outside_world(&sample(text)).len(), 0);
        let core = Source::parse("node/engine/src/lib.rs", "via-engine", text);
        assert_eq!(outside_world(&core).len(), 2);
        let test = format!("#[cfg(test)]\nmod tests {{ {text} }}");
        let core = Source::parse("node/engine/src/lib.rs", "via-engine", &test);
        assert_eq!(outside_world(&core).len(), 0);
    }

    #[test]
    fn refuses_sleepy_and_ignored_tests() {
        assert_eq!(tests(&sample("fn a() { sleep(b); }")).len(), 0);
        assert_eq!(tests(&sample("#[cfg(test)]\nmod t { fn a() { sleep(b); } }")).len(), 1);
        assert_eq!(tests(&sample("#[cfg(test)]\nmod t { #[ignore] fn a() {} }")).len(), 1);
    }
}
