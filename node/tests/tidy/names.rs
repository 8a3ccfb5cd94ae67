//! What files and folders may be called.

/// Names that say nothing about what a file holds.
const EMPTY_NAMES: &[&str] =
    &["util", "utils", "common", "helper", "helpers", "manager", "misc", "base", "shared", "stuff"];

/// What may stand at the top of the repository, hidden entries aside.
const TOP_LEVEL: &[&str] = &[
    "Cargo.toml",
    "Cargo.lock",
    "README.md",
    "LICENSE",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "clippy.toml",
    "rustfmt.toml",
    "rust-toolchain.toml",
    "deny.toml",
    "justfile",
    "node",
    "client",
    "proto",
    "cluster-config",
    "deploy",
    "jepsen",
    "benches",
    "docs",
    // Made by building and running.
    "target",
    "via-data",
];

/// Returns an offence when a file's or a folder's name is empty of meaning.
pub(crate) fn file(path: &str) -> Vec<String> {
    if path.ends_with("/mod.rs") {
        return vec![format!("{path}: name the file after the module, beside its folder")];
    }
    let stems = path.split('/').map(|part| part.strip_suffix(".rs").unwrap_or(part));
    stems
        .filter(|stem| EMPTY_NAMES.contains(stem))
        .map(|stem| format!("{path}: `{stem}` says nothing: name what it holds or does"))
        .collect()
}

/// Returns what stands at the top of the repository and should not.
pub(crate) fn top_level(entries: &[String]) -> Vec<String> {
    let strangers = entries
        .iter()
        .filter(|entry| !entry.starts_with('.') && !TOP_LEVEL.contains(&entry.as_str()));
    strangers.map(|entry| format!("{entry}: the top level is settled: put it in a room")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_names_that_say_nothing() {
        assert_eq!(file("node/shard/src/ledger.rs").len(), 0);
        assert_eq!(file("node/shard/src/utils.rs").len(), 1);
        assert_eq!(file("node/shard/src/common/ledger.rs").len(), 1);
        assert_eq!(file("node/shard/src/ledger/mod.rs").len(), 1);
    }

    #[test]
    fn refuses_strangers_at_the_top() {
        assert_eq!(top_level(&["node".into(), ".ci".into()]).len(), 0);
        assert_eq!(top_level(&["scripts".into()]).len(), 1);
    }
}
