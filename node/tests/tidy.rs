//! The repository's rules, checked with the ordinary tests: fences between
//! rooms, sizes, names, clocks, invariants, formats and pages. Knows the
//! working tree only; each rule is a function from sources to offences, shown
//! beside it to fail on a bad sample. The rules' reasons are in CONTRIBUTING.md.

mod tidy {
    pub(crate) mod fences;
    pub(crate) mod formats;
    pub(crate) mod function;
    pub(crate) mod names;
    pub(crate) mod pages;
    pub(crate) mod promises;
    pub(crate) mod reach;
    pub(crate) mod shape;
    pub(crate) mod source;
    pub(crate) mod table;
    pub(crate) mod tree;
}

use std::sync::LazyLock;

use tidy::source::Source;
use tidy::tree::Tree;
use tidy::{fences, formats, names, pages, promises, reach, shape, table};

static TREE: LazyLock<Tree> = LazyLock::new(Tree::read);

#[track_caller]
fn none(offences: Vec<String>) {
    assert!(offences.is_empty(), "{} offences:\n{}", offences.len(), offences.join("\n"));
}

fn each_source(check: impl Fn(&Source) -> Vec<String>) -> Vec<String> {
    assert!(TREE.sources.len() > 40, "the sources were not found");
    TREE.sources.iter().flat_map(check).collect()
}

#[test]
fn rooms_import_only_what_the_architecture_allows() {
    let page = TREE.page("docs/ARCHITECTURE.md");
    let table = table::Table::parse(&page).expect("docs/ARCHITECTURE.md holds the table");
    none(fences::offences(&table, &TREE.crates));
}

#[test]
fn every_declared_dependency_is_named() {
    none(TREE.crates.iter().flat_map(|room| fences::unnamed(room, &TREE.sources)).collect());
}

#[test]
fn files_and_functions_keep_to_their_sizes() {
    none(each_source(shape::sizes));
}

#[test]
fn functions_take_few_parameters_and_no_bare_bool() {
    none(each_source(shape::parameters));
}

#[test]
fn modules_say_what_they_own() {
    none(each_source(shape::header));
}

#[test]
fn files_are_named_for_what_they_hold() {
    none(each_source(|source| names::file(&source.path)));
    none(names::top_level(&TREE.entries));
}

#[test]
fn time_and_environment_enter_in_their_places_only() {
    none(each_source(reach::outside_world));
}

#[test]
fn tests_neither_sleep_nor_are_ignored() {
    none(each_source(reach::tests));
}

#[test]
fn every_invariant_is_defined_asserted_and_shown() {
    none(promises::offences(&TREE.page("docs/INVARIANTS.md"), &TREE.sources));
}

#[test]
fn stored_formats_never_change() {
    none(formats::offences(&TREE.page(formats::MANIFEST), &TREE.golden));
}

#[test]
fn links_between_pages_resolve() {
    assert!(TREE.pages.len() > 8, "the pages were not found");
    none(pages::broken_links(&TREE.pages, |path| TREE.holds(path)));
    none(pages::unlisted(&TREE.pages, "docs/adr/README.md", "docs/adr/"));
}
