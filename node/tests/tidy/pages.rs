//! Links between pages lead somewhere, and every decision is listed.

use std::collections::BTreeMap;

/// Returns links whose file or heading does not exist.
pub(crate) fn broken_links(
    pages: &BTreeMap<String, String>,
    exists: impl Fn(&str) -> bool,
) -> Vec<String> {
    let mut offences = Vec::new();
    for (path, text) in pages {
        for (line, target) in links(text) {
            if target.contains("://") || target.starts_with("mailto:") || target.starts_with('/') {
                continue;
            }
            let (file, heading) = target.split_once('#').unwrap_or((target, ""));
            let to = if file.is_empty() { path.clone() } else { join(path, file) };
            let is_there = pages.contains_key(&to) || exists(&to);
            let has_heading =
                |text: &String| heading.is_empty() || headings(text).any(|h| h == heading);
            if !is_there || !pages.get(&to).is_none_or(has_heading) {
                offences.push(format!("{path}:{line}: the link to {target} leads nowhere"));
            }
        }
    }
    offences
}

/// Returns pages in `folder` that its `index` does not link to.
pub(crate) fn unlisted(pages: &BTreeMap<String, String>, index: &str, folder: &str) -> Vec<String> {
    let listed: Vec<String> = pages
        .get(index)
        .map(|text| links(text).map(|(_, target)| join(index, target)).collect())
        .unwrap_or_default();
    let strays = pages.keys().filter(|path| {
        path.starts_with(folder) && path.as_str() != index && !listed.contains(path)
    });
    strays.map(|path| format!("{path}: list it in {index}")).collect()
}

fn links(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut is_code = false;
    let prose = text.lines().enumerate().filter(move |(_, line)| {
        let is_fence = line.trim_start().starts_with("```");
        is_code ^= is_fence;
        !is_code && !is_fence
    });
    prose.flat_map(|(at, line)| {
        let ends = line.match_indices("](").map(|(start, _)| &line[start + 2..]);
        ends.filter_map(move |rest| Some((at + 1, rest.split_once(')')?.0)))
    })
}

fn join(page: &str, link: &str) -> String {
    let mut parts: Vec<&str> = page.split('/').collect();
    parts.pop();
    for part in link.trim_end_matches('/').split('/') {
        match part {
            "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// Returns the anchors that a page's headings get.
fn headings(text: &str) -> impl Iterator<Item = String> {
    text.lines().filter(|line| line.starts_with('#')).map(|line| {
        let title = line.trim_start_matches('#').trim().to_lowercase();
        let kept = title.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pages(texts: &[(&str, &str)]) -> BTreeMap<String, String> {
        texts.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect()
    }

    #[test]
    fn finds_links_that_lead_nowhere() {
        let readme = "[a](docs/A.md) [b](docs/A.md#two-words) [c](src) [d](https://x.y/z)\n```\n[e](no)\n```\n";
        let good =
            pages(&[("README.md", readme), ("docs/A.md", "# A\n## Two words\n[up](../README.md)")]);
        assert_eq!(broken_links(&good, |path| path == "src").len(), 0);
        let bad = pages(&[("docs/A.md", "# A\n[a](B.md) [b](#b) [c](../docs/C.md)")]);
        assert_eq!(broken_links(&bad, |_| false).len(), 3);
    }

    #[test]
    fn finds_pages_nobody_lists() {
        let all = [("adr/README.md", "[1](0001.md)"), ("adr/0001.md", ""), ("adr/0002.md", "")];
        let strays = unlisted(&pages(&all), "adr/README.md", "adr/");
        assert_eq!(strays, ["adr/0002.md: list it in adr/README.md"]);
    }
}
