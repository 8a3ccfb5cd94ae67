//! Where the demo's node keeps its data: the folder asked for, which stays, or
//! one for temporary files, which goes when the demo ends.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

/// A folder that exists.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    is_temporary: bool,
}

impl Folder {
    /// Takes the folder asked for, or makes a new one.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub(crate) fn new(wanted: Option<&Path>) -> Result<Self> {
        let making = |path: &Path| format!("making the folder {}", path.display());
        if let Some(path) = wanted {
            std::fs::create_dir_all(path).with_context(|| making(path))?;
            return Ok(Self { path: path.to_owned(), is_temporary: false });
        }
        let mut number = 0;
        loop {
            let name = format!("via-demo-{}-{number}", std::process::id());
            let path = std::env::temp_dir().join(name);
            match std::fs::create_dir(&path) {
                Ok(()) => return Ok(Self { path, is_temporary: true }),
                // Left by a demo that was killed; it is not ours to remove.
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => number += 1,
                Err(error) => return Err(error).with_context(|| making(&path)),
            }
        }
    }

    /// Returns where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if self.is_temporary
            && let Err(error) = std::fs::remove_dir_all(&self.path)
        {
            let folder = self.path.display();
            tracing::warn!(%error, %folder, "the demo's data could not be removed");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_temporary_folder_goes_and_a_wanted_one_stays() {
        let temporary = Folder::new(None).unwrap();
        let path = temporary.path().to_owned();
        std::fs::write(path.join("file"), "x").unwrap();
        let other = Folder::new(None).unwrap();
        assert_ne!(other.path(), path);
        drop(temporary);
        assert!(!path.exists());

        let outer = tempfile::tempdir().unwrap();
        let wanted = outer.path().join("deep/folder");
        drop(Folder::new(Some(&wanted)).unwrap());
        assert!(wanted.exists());
    }
}
