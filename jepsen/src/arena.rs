//! What a scenario is given: the program to attack, a folder, a seed, and how
//! long to go on.

use std::path::{Path, PathBuf};

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use tempfile::TempDir;

use crate::binary;
use crate::node::Site;

/// Where one scenario takes place. Its folder goes when it is dropped.
pub struct Arena {
    binary: PathBuf,
    folder: TempDir,
    seed: u64,
    rounds: u32,
}

impl Arena {
    /// Makes an arena; `binary` is found or built when none is given.
    ///
    /// # Errors
    /// There is no program, or no room for a folder.
    pub fn new(binary: Option<&Path>, seed: u64, rounds: u32) -> anyhow::Result<Self> {
        let binary = match binary {
            Some(binary) => binary.canonicalize()?,
            None => binary::find()?,
        };
        let folder = tempfile::Builder::new().prefix("via-jepsen-").tempdir()?;
        Ok(Self { binary, folder, seed, rounds })
    }

    /// Returns the program.
    pub fn binary(&self) -> &Path {
        &self.binary
    }

    /// Returns the seed all choices come from.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Returns how often a fault is to strike.
    pub fn rounds(&self) -> u32 {
        self.rounds
    }

    /// Returns a source of choices; `part` keeps them apart.
    pub fn rng(&self, part: u64) -> ChaCha8Rng {
        ChaCha8Rng::seed_from_u64(self.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ part)
    }

    /// Makes a new site.
    ///
    /// # Errors
    /// There is no room for it.
    pub fn site(&self, name: &str) -> anyhow::Result<Site> {
        let folder = self.folder.path().join(name);
        std::fs::create_dir_all(&folder)?;
        Site::new(&folder)
    }

    /// Returns the folder of the whole arena.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}
