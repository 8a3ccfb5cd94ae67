//! The working tree as the rules see it: packages, Rust files, pages, golden
//! files. The only part of the checker that reads the disk.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use cargo_metadata::{DependencyKind, MetadataCommand, Package};

use super::fences::Room;
use super::source::Source;

/// Folders that hold nothing of ours.
const FOREIGN: &[&str] = &["target", ".git", "node_modules", "via-data"];

/// Everything the rules look at.
pub(crate) struct Tree {
    root: PathBuf,
    /// Names at the top of the repository.
    pub(crate) entries: Vec<String>,
    /// The workspace's packages.
    pub(crate) crates: Vec<Room>,
    /// Their Rust files.
    pub(crate) sources: Vec<Source>,
    /// Markdown pages by path.
    pub(crate) pages: BTreeMap<String, String>,
    /// Files in folders named `golden`.
    pub(crate) golden: Vec<(String, Vec<u8>)>,
}

impl Tree {
    /// Reads the repository this test was built from.
    pub(crate) fn read() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("node/ has a parent");
        let metadata = MetadataCommand::new()
            .manifest_path(root.join("Cargo.toml"))
            .no_deps()
            .other_options(["--offline".to_owned()])
            .exec()
            .expect("cargo metadata describes the workspace");
        let mut files = Vec::new();
        walk(root, &mut files);
        files.sort();
        let mut tree = Self {
            root: root.to_owned(),
            entries: fs::read_dir(root).expect("the root is readable").filter_map(name).collect(),
            crates: metadata.packages.iter().map(|package| room(root, package)).collect(),
            sources: Vec::new(),
            pages: BTreeMap::new(),
            golden: Vec::new(),
        };
        for file in files {
            tree.take(&file, &metadata.packages);
        }
        mark_test_modules(&mut tree.sources);
        tree
    }

    /// Returns a file's text; empty when there is no such file.
    pub(crate) fn page(&self, path: &str) -> String {
        fs::read_to_string(self.root.join(path)).unwrap_or_default()
    }

    /// Says whether the repository has a file or folder of that name.
    pub(crate) fn holds(&self, path: &str) -> bool {
        self.root.join(path).exists()
    }

    fn take(&mut self, file: &Path, packages: &[Package]) {
        let path = relative(&self.root, file);
        if path.contains("/golden/") {
            self.golden.push((path, fs::read(file).expect("a listed file is readable")));
            return;
        }
        let text = || fs::read_to_string(file).expect("a listed file is readable text");
        match file.extension().and_then(|extension| extension.to_str()) {
            Some("rs") => {
                let home = packages.iter().filter(|package| {
                    let folder = package.manifest_path.parent();
                    folder.is_some_and(|folder| file.starts_with(folder))
                });
                let home = home.max_by_key(|package| package.manifest_path.as_str().len());
                let home = home.unwrap_or_else(|| panic!("{path}: belongs to no package"));
                self.sources.push(Source::parse(&path, &home.name, &text()));
            }
            Some("md") => drop(self.pages.insert(path, text())),
            _ => {}
        }
    }
}

fn name(entry: std::io::Result<fs::DirEntry>) -> Option<String> {
    entry.ok().map(|entry| entry.file_name().to_string_lossy().into_owned())
}

fn relative(root: &Path, file: &Path) -> String {
    let inside = file.strip_prefix(root).expect("the walk began at the root");
    inside.to_string_lossy().replace('\\', "/")
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    for path in entries.map(|entry| entry.path()) {
        let is_foreign = path
            .file_name()
            .and_then(|name| name.to_str())
            .is_some_and(|name| FOREIGN.contains(&name) || name.starts_with('.'));
        if is_foreign {
            continue;
        }
        if path.is_dir() { walk(&path, files) } else { files.push(path) }
    }
}

fn room(root: &Path, package: &Package) -> Room {
    let own = |kind: &DependencyKind| !matches!(kind, DependencyKind::Development);
    let needs: BTreeSet<String> = package
        .dependencies
        .iter()
        .filter(|dependency| own(&dependency.kind))
        .map(|dependency| dependency.name.clone())
        .collect();
    let manifest = fs::read_to_string(&package.manifest_path).expect("a manifest is readable");
    let manifest: toml::Table = manifest.parse().expect("cargo has read it");
    let lints = manifest.get("lints").and_then(|lints| lints.get("workspace"));
    Room {
        name: package.name.strip_prefix("via-").unwrap_or(&package.name).to_owned(),
        is_in_node: package.manifest_path.starts_with(root.join("node")),
        needs: needs.into_iter().collect(),
        has_lints: lints.and_then(toml::Value::as_bool) == Some(true),
    }
}

/// A file whose module is declared `#[cfg(test)]` is a test, as is all below it.
fn mark_test_modules(sources: &mut [Source]) {
    let mut prefixes = Vec::new();
    for source in sources.iter() {
        let folder = match source.path.strip_suffix(".rs").expect("a Rust file") {
            stem if stem.ends_with("/lib") || stem.ends_with("/main") => {
                stem.rsplit_once('/').expect("a folder precedes the name").0
            }
            stem => stem,
        };
        prefixes.extend(source.test_modules.iter().map(|module| format!("{folder}/{module}")));
    }
    for source in sources {
        source.is_test |= prefixes.iter().any(|prefix| {
            let rest = source.path.strip_prefix(prefix.as_str());
            rest.is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_declared_for_tests_is_a_test() {
        let parse = |path: &str, text: &str| Source::parse(path, "via-a", text);
        let mut sources = [
            parse("node/a/src/lib.rs", "#[cfg(test)]\nmod proofs;\nmod code;"),
            parse("node/a/src/proofs.rs", "fn a() {}"),
            parse("node/a/src/proofs/deep.rs", "fn a() {}"),
            parse("node/a/src/code.rs", "fn a() {}"),
        ];
        mark_test_modules(&mut sources);
        assert_eq!(sources.map(|source| source.is_test), [false, true, true, false]);
    }
}
