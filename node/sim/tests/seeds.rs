//! Simulated clusters hold, and a seed means the same every time: each runs in a
//! process of its own, as the command runs it.

use std::path::Path;

use via_sim::fleet;

const COMMAND: &str = env!("CARGO_BIN_EXE_via-sim");

#[test]
fn two_hundred_seeds_hold() {
    let failed = fleet::run_many(Path::new(COMMAND), 0..200, |_| {}).unwrap();
    for report in &failed {
        fleet::tell(&mut std::io::stdout(), report).unwrap();
    }
    let seeds: Vec<u64> = failed.iter().map(|report| report.seed).collect();
    assert!(failed.is_empty(), "these did not hold: {seeds:?}");
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_one_others() {
    let run = |seed| fleet::run_one(Path::new(COMMAND), seed).unwrap();
    let mut hashes = std::collections::BTreeSet::new();
    for seed in [3, 4, 5] {
        let (one, again) = (run(seed), run(seed));
        assert_eq!(one.text, again.text);
        hashes.insert(one.hash().expect("it ends").to_owned());
    }
    assert_eq!(hashes.len(), 3);
}
