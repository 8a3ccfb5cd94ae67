//! Damage to files at rest: a flipped bit, a cut end, a missing file.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use rand::{Rng, RngExt};

/// How a file is damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rot {
    /// One bit of its used part is inverted.
    Flipped,
    /// Its end is missing, from somewhere in its used part.
    Cut,
    /// It is gone.
    Gone,
}

/// Damages one of the files below `folder` that hold something; returns which,
/// and where.
///
/// # Errors
/// There is none, or it cannot be written.
pub fn damage(folder: &Path, rot: Rot, rng: &mut impl Rng) -> anyhow::Result<(PathBuf, u64)> {
    let mut files = Vec::new();
    find(folder, &mut files)?;
    files.sort();
    anyhow::ensure!(!files.is_empty(), "{folder:?} holds no file with anything in it");
    let (path, used) = files.swap_remove(rng.random_range(0..files.len()));
    let at = rng.random_range(0..used);
    match rot {
        Rot::Flipped => {
            let file = File::options().read(true).write(true).open(&path)?;
            let mut byte = [0];
            file.read_exact_at(&mut byte, at)?;
            byte[0] ^= 1 << rng.random_range(0..8);
            file.write_all_at(&byte, at)?;
        }
        Rot::Cut => File::options().write(true).open(&path)?.set_len(at)?,
        Rot::Gone => fs::remove_file(&path)?,
    }
    Ok((path, at))
}

/// Returns files with the length of their used part: what follows the last
/// byte that is not zero was only reserved.
fn find(folder: &Path, files: &mut Vec<(PathBuf, u64)>) -> anyhow::Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("read {folder:?}"))? {
        let path = entry?.path();
        if path.is_dir() {
            find(&path, files)?;
            continue;
        }
        let bytes = fs::read(&path)?;
        if let Some(last) = bytes.iter().rposition(|byte| *byte != 0) {
            files.push((path, last as u64 + 1));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    #[test]
    fn damages_what_is_used() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        for rot in [Rot::Flipped, Rot::Cut] {
            let mut bytes = vec![7; 100];
            bytes.resize(4096, 0);
            fs::write(&path, &bytes).unwrap();
            fs::write(folder.path().join("empty"), [0; 8]).unwrap();
            let (damaged, at) = damage(folder.path(), rot, &mut rng).unwrap();
            assert_eq!(damaged, path);
            assert!(at < 100);
            assert_ne!(fs::read(&path).unwrap(), bytes);
        }
        damage(folder.path(), Rot::Gone, &mut rng).unwrap();
        assert!(!path.exists());
    }
}
