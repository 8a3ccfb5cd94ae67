//! Golden files hold bytes as earlier versions wrote them: they are added,
//! never edited (invariant D-7). The manifest remembers each one's checksum.

use xxhash_rust::xxh3::xxh3_64;

/// Where the checksums are: lines of `checksum path`.
pub(crate) const MANIFEST: &str = "node/tests/tidy/golden.txt";

/// Returns golden files that changed, vanished, or are not remembered.
pub(crate) fn offences(manifest: &str, golden: &[(String, Vec<u8>)]) -> Vec<String> {
    let mut offences = Vec::new();
    let remembered: Vec<(&str, &str)> =
        manifest.lines().filter_map(|line| line.split_once(' ')).collect();
    for (path, bytes) in golden {
        let sum = format!("{:016x}", xxh3_64(bytes));
        match remembered.iter().find(|(_, known)| known == path) {
            None => offences.push(format!("{path}: add this line to {MANIFEST}:\n{sum} {path}")),
            Some((known, _)) if *known != sum => offences.push(format!(
                "{path}: changed; old bytes must stay readable: restore it, and add a file for the new version"
            )),
            Some(_) => {}
        }
    }
    for (_, path) in remembered {
        if !golden.iter().any(|(known, _)| known == path) {
            offences
                .push(format!("{path}: a golden file was removed; old bytes must stay readable"));
        }
    }
    offences
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_changed_new_and_missing_files() {
        let golden = [("a.bin".to_owned(), b"bytes".to_vec())];
        let line = format!("{:016x} a.bin\n", xxh3_64(b"bytes"));
        assert_eq!(offences(&line, &golden).len(), 0);
        assert!(offences("", &golden)[0].contains(line.trim()));
        let edited = [("a.bin".to_owned(), b"Bytes".to_vec())];
        assert!(offences(&line, &edited)[0].contains("changed"));
        assert!(offences(&line, &[])[0].contains("removed"));
    }
}
