//! Every metric in the code is in the operators' table, and none besides.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of the checkout") {
        let path = entry.expect("readable").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.file_name().is_some_and(|name| name == "metrics.rs") {
            found.push(path);
        }
    }
}

/// Returns the words of `text` between `quote`s that name a metric.
fn names(text: &str, quote: char) -> BTreeSet<String> {
    let quoted = text.split(quote).skip(1).step_by(2);
    let named = quoted.filter(|word| {
        word.starts_with("via_") && word.chars().all(|c| c.is_ascii_lowercase() || c == '_')
    });
    named.map(str::to_owned).collect()
}

#[test]
fn the_table_lists_every_metric_and_no_other() {
    let node = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for room in fs::read_dir(node).expect("the machine room") {
        let src = room.expect("readable").path().join("src");
        if src.is_dir() {
            sources(&src, &mut files);
        }
    }
    let mut in_code = BTreeSet::new();
    for file in &files {
        let text = fs::read_to_string(file).expect("readable");
        for line in text.lines().filter(|line| !line.trim_start().starts_with("//")) {
            in_code.extend(names(line, '"'));
        }
    }
    let page = node.join("../docs/OPERATIONS.md");
    let page = fs::read_to_string(page).expect("docs/OPERATIONS.md");
    let rows = page.lines().filter(|line| line.starts_with("| `via_"));
    let in_table: BTreeSet<String> = rows.flat_map(|row| names(row, '`')).collect();
    assert!(in_code.len() > 30, "found only {in_code:?} in {files:?}");
    assert_eq!(in_code, in_table);
}
