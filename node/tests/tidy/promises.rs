//! Every invariant is defined on its page, named where code upholds it, and
//! shown by tests that exist.

use std::collections::BTreeSet;

use via_types::Invariant;

use super::source::Source;

/// Returns invariants that are undefined, unasserted or not shown.
pub(crate) fn offences(page: &str, sources: &[Source]) -> Vec<String> {
    let ids: Vec<&str> = Invariant::ALL.iter().map(|invariant| invariant.id()).collect();
    let tests = test_names(sources);
    let mut offences = Vec::new();
    for id in &ids {
        let Some(section) = section(page, id) else {
            offences.push(format!("{id}: give it a section `## {id} …` in docs/INVARIANTS.md"));
            continue;
        };
        offences.extend(unshown(id, section, &tests));
        let is_upheld = sources.iter().any(|source| is_upheld(id, source));
        if !is_upheld {
            offences.push(format!(
                "{id}: no code outside `types` names it: assert it where it is upheld"
            ));
        }
    }
    let known: BTreeSet<&str> = ids.into_iter().collect();
    for source in sources.iter().filter(|source| !source.path.contains("/tests/tidy")) {
        offences.extend(unknown(source, &known));
    }
    offences
}

fn section<'a>(page: &'a str, id: &str) -> Option<&'a str> {
    let start = page.find(&format!("\n## {id} "))? + 1;
    let rest = &page[start..];
    Some(rest[2..].find("\n## ").map_or(rest, |end| &rest[..end + 2]))
}

/// The section's `Shown by:` line names tests in backticks.
fn unshown(id: &str, section: &str, tests: &BTreeSet<String>) -> Vec<String> {
    let shown = section.lines().skip_while(|line| !line.starts_with("Shown by:"));
    let shown: String = shown.take_while(|line| !line.is_empty()).collect();
    let named: Vec<&str> = shown.split('`').skip(1).step_by(2).collect();
    if named.is_empty() {
        return vec![format!("{id}: its section has no `Shown by:` line naming tests")];
    }
    let missing = named.into_iter().filter(|name| !tests.contains(*name));
    missing
        .map(|name| format!("{id}: docs/INVARIANTS.md names a test `{name}` that does not exist"))
        .collect()
}

fn test_names(sources: &[Source]) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for source in sources {
        for pair in source.words.windows(2) {
            if pair[0].text == "fn" && source.is_test_line(pair[1].line) {
                names.insert(pair[1].text.clone());
            }
        }
    }
    names
}

fn is_upheld(id: &str, source: &Source) -> bool {
    source.package != "via-types"
        && source.code_lines().any(|(_, line)| mentions(line).any(|named| named == id))
}

fn unknown(source: &Source, known: &BTreeSet<&str>) -> Vec<String> {
    let mut offences = Vec::new();
    for (at, line) in source.text.lines().enumerate() {
        let called = line.match_indices("invariant ").map(|(at, word)| &line[at + word.len()..]);
        for id in called.filter_map(|rest| mentions(rest).next().filter(|id| rest.starts_with(id)))
        {
            if !known.contains(id) {
                offences.push(format!("{}:{}: there is no invariant {id}", source.path, at + 1));
            }
        }
    }
    offences
}

/// Returns what looks like an invariant's id: a capital, a dash, a number.
fn mentions(line: &str) -> impl Iterator<Item = &str> {
    line.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').filter(|word| {
        let (head, number) = word.split_at_checked(2).unwrap_or((word, ""));
        let mut head = head.chars();
        head.next().is_some_and(|c| c.is_ascii_uppercase())
            && head.next() == Some('-')
            && !number.is_empty()
            && number.bytes().all(|b| b.is_ascii_digit())
    })
}

#[cfg(test)]
mod tests {
    use super::super::source::tests::sample;
    use super::*;

    const CODE: &str = "// invariant D-1: fsynced\nfn a() {}\n#[cfg(test)]\nmod tests {\n#[test]\nfn holds() {}\n}\n";
    const PAGE: &str =
        "# Invariants\n\n## D-1 acked\n\nShown by: `holds`.\n\n## D-2 once\n\nShown by: `lost`.\n";

    fn about(id: &str, page: &str, code: &str) -> Vec<String> {
        let mut offences = offences(page, &[sample(code)]);
        offences.retain(|offence| offence.contains(id));
        offences
    }

    #[test]
    fn accepts_what_is_defined_asserted_and_shown() {
        assert_eq!(about("D-1", PAGE, CODE), Vec::<String>::new());
    }

    #[test]
    fn refuses_what_is_not() {
        assert_eq!(about("D-2", PAGE, CODE).len(), 2, "unasserted, and its test does not exist");
        assert_eq!(about("D-3", PAGE, CODE).len(), 1, "no section");
        let only_in_tests = CODE
            .replace("// invariant D-1: fsynced", "")
            .replace("holds() {}", "holds() { /* D-1 */ }");
        assert_eq!(about("D-1", PAGE, &only_in_tests).len(), 1);
        assert_eq!(about("D-1", &PAGE.replace("Shown by: `holds`.", ""), CODE).len(), 1);
    }

    #[test]
    fn refuses_an_invariant_nobody_made() {
        assert_eq!(about("Z-9", PAGE, "// invariant Z-9: no\n").len(), 1);
        assert_eq!(mentions("x D-12, (E-1) A-b BD-1").collect::<Vec<_>>(), ["D-12", "E-1"]);
    }
}
