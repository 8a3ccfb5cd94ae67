//! A clock that is wrong: a library preloaded into the node (`shim/clock.c`)
//! shifts the time of day by what a file says, at once and while it runs.

use std::ffi::OsString;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::shim;

/// Which way a clock is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shift {
    /// It is this much fast.
    Ahead(Duration),
    /// It is this much slow.
    Behind(Duration),
}

impl Shift {
    /// Returns signed nanoseconds.
    fn nanos(self) -> i64 {
        let nanos = |by: Duration| i64::try_from(by.as_nanos()).unwrap_or(i64::MAX);
        match self {
            Self::Ahead(by) => nanos(by),
            Self::Behind(by) => -nanos(by),
        }
    }
}

/// The library and its file.
#[derive(Clone, Debug)]
pub struct Clock {
    object: PathBuf,
    file: PathBuf,
}

impl Clock {
    /// Builds the library in `folder`; the clock is right.
    ///
    /// # Errors
    /// The C compiler fails.
    pub fn new(folder: &Path) -> anyhow::Result<Self> {
        let clock = Self { object: shim::build("clock", folder)?, file: folder.join("shift") };
        std::fs::write(&clock.file, 0_i64.to_ne_bytes())?;
        Ok(clock)
    }

    /// Returns the shared object that must be preloaded.
    pub fn object(&self) -> &Path {
        &self.object
    }

    /// Returns what else must be in a node's environment.
    pub fn environment(&self) -> [(&'static str, OsString); 1] {
        [("VIA_CLOCK", self.file.clone().into())]
    }

    /// Makes the clock wrong.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn shift(&self, shift: Shift) -> anyhow::Result<()> {
        // In place: the node has the file mapped.
        let file = File::options().write(true).open(&self.file)?;
        file.write_all_at(&shift.nanos().to_ne_bytes(), 0)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    fn now(clock: Option<&Clock>) -> i64 {
        let mut date = Command::new("date");
        date.arg("+%s");
        if let Some(clock) = clock {
            date.env("LD_PRELOAD", clock.object()).envs(clock.environment());
        }
        let said = date.output().unwrap().stdout;
        String::from_utf8(said).unwrap().trim().parse().unwrap()
    }

    #[test]
    fn what_looks_at_the_clock_sees_the_shift() {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::new(folder.path()).unwrap();
        let hour = Duration::from_secs(3_600);
        for (shift, expected) in [
            (Shift::Ahead(hour), 3_600),
            (Shift::Behind(hour), -3_600),
            (Shift::Ahead(Duration::ZERO), 0),
        ] {
            clock.shift(shift).unwrap();
            let off = now(Some(&clock)) - now(None);
            assert!((off - expected).abs() < 60, "{shift:?}: {off}");
        }
    }
}
