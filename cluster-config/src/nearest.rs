//! What somebody probably meant. Pure text distance over the names that exist;
//! silent rather than wrong when nothing is near.

use strsim::{damerau_levenshtein, normalized_damerau_levenshtein};

/// Longest text compared, bytes: distance is quadratic, and no name is longer.
const LONGEST: usize = 96;

/// Returns the candidate nearest to `word` if it is near enough to be meant.
pub(crate) fn nearest<'a>(
    word: &str,
    candidates: impl Iterator<Item = &'a str>,
) -> Option<&'a str> {
    if word.is_empty() || word.len() > LONGEST {
        return None;
    }
    let word = normal(word);
    candidates
        .filter_map(|candidate| {
            let distance = damerau_levenshtein(&word, candidate);
            let (short, long) = if word.len() < candidate.len() {
                (&*word, candidate)
            } else {
                (candidate, &*word)
            };
            let contained = short.len() >= 4 && long.contains(short);
            let near = distance <= 1 + word.len().min(candidate.len()) / 4 || contained;
            near.then_some((distance, candidate))
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Returns the dotted key nearest to `key`: first another word in the same
/// section, then the same word in another section (or as section and word),
/// then both misspelt.
pub(crate) fn nearest_key<'a>(
    key: &str,
    keys: impl Iterator<Item = &'a str> + Clone,
) -> Option<&'a str> {
    if key.len() > LONGEST {
        return None;
    }
    let key = normal(key);
    let (section, word) = split(&key);
    let mut siblings = keys.clone().filter(|known| split(known).0 == section);
    if let Some(sibling) = nearest(word, siblings.clone().map(|known| split(known).1)) {
        return siblings.find(|known| split(known).1 == sibling);
    }
    let closest = |left: &&str, right: &&str| {
        let likeness = |known: &str| normalized_damerau_levenshtein(known, &key);
        likeness(left).total_cmp(&likeness(right))
    };
    let joined = key.replace('.', "_");
    let same_word = keys
        .clone()
        .filter(|known| !word.is_empty() && (split(known).1 == word || split(known).1 == joined));
    same_word.max_by(closest).or_else(|| {
        keys.max_by(closest).filter(|known| normalized_damerau_levenshtein(known, &key) >= 0.75)
    })
}

fn normal(word: &str) -> String {
    word.to_ascii_lowercase().replace('-', "_")
}

fn split(key: &str) -> (&str, &str) {
    key.rsplit_once('.').unwrap_or(("", key))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: [&str; 6] = [
        "engine.shards",
        "engine.explain",
        "node.memory_limit",
        "node.data_directory",
        "detectors.volume.alpha",
        "detectors.burst.alpha",
    ];

    fn meant(key: &str) -> Option<&'static str> {
        nearest_key(key, KEYS.into_iter())
    }

    #[test]
    fn finds_what_was_meant() {
        assert_eq!(meant("engine.shard"), Some("engine.shards"));
        assert_eq!(meant("node.data-directory"), Some("node.data_directory"));
        assert_eq!(meant("node.data"), Some("node.data_directory"));
        assert_eq!(meant("node.shards"), Some("engine.shards"));
        assert_eq!(meant("detectors.vol.alpha"), Some("detectors.volume.alpha"));
        assert_eq!(meant("enigne.shrads"), Some("engine.shards"));
        assert_eq!(meant("memory.limit"), Some("node.memory_limit"));
    }

    #[test]
    fn says_nothing_when_nothing_is_near() {
        assert_eq!(meant("kitchen.sink"), None);
        assert_eq!(meant(""), None);
        assert_eq!(meant(&"x".repeat(10_000)), None);
        assert_eq!(nearest("verbose", ["text", "json"].into_iter()), None);
    }
}
