//! The disk that forgets, seen from outside: `dd` writes, with or without a
//! sync, and the power fails.

#![expect(clippy::unwrap_used, reason = "what helps a test is a test")]

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use tempfile::TempDir;
use via_jepsen::disk::{Disk, Fault, Survivors};

const LENGTH: usize = 8 * 512;

struct Bench {
    folder: TempDir,
    disk: Disk,
    rng: ChaCha8Rng,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("data")).unwrap();
        let disk = Disk::new(folder.path()).unwrap();
        Self { folder, disk, rng: ChaCha8Rng::seed_from_u64(1) }
    }

    fn data(&self) -> std::path::PathBuf {
        self.folder.path().join("data")
    }

    /// Fills the file with `byte`; `conversions` are dd's.
    fn write(&self, file: &str, byte: u8, conversions: &str) -> ExitStatus {
        let mut dd = Command::new("dd")
            .arg(format!("of={}", self.data().join(file).display()))
            .arg(format!("conv={conversions}"))
            .args(["bs=512", "status=none"])
            .envs(self.disk.environment(&self.data()))
            .stdin(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // A write that fails early closes the pipe.
        let _ = dd.stdin.take().unwrap().write_all(&[byte; LENGTH]);
        dd.wait().unwrap()
    }

    fn lose_power(&mut self, survivors: Survivors) {
        let data = self.data();
        self.disk.lose_power(&data, survivors, &mut self.rng).unwrap();
    }

    fn read(&self, file: &str) -> Option<Vec<u8>> {
        fs::read(self.data().join(file)).ok()
    }
}

fn is_all(bytes: Option<Vec<u8>>, byte: u8) -> bool {
    bytes.is_some_and(|bytes| bytes == [byte; LENGTH])
}

#[test]
fn synced_bytes_survive_and_unsynced_do_not() {
    let mut bench = Bench::new();
    fs::write(bench.data().join("a"), [b'x'; LENGTH]).unwrap();
    assert!(bench.write("a", b'y', "notrunc").success());
    bench.lose_power(Survivors::None);
    assert!(is_all(bench.read("a"), b'x'), "what was never synced is gone");
    assert!(bench.write("a", b'z', "notrunc,fsync").success());
    bench.lose_power(Survivors::None);
    assert!(is_all(bench.read("a"), b'z'), "what was synced is there");
}

#[test]
fn a_name_survives_only_with_its_folder() {
    let mut bench = Bench::new();
    assert!(bench.write("new", b'x', "fsync").success());
    bench.lose_power(Survivors::None);
    assert_eq!(bench.read("new"), None, "the folder was not synced");
}

#[test]
fn unsynced_sectors_survive_by_chance_and_whole() {
    let mut bench = Bench::new();
    let mut mixed = 0;
    for _ in 0..8 {
        fs::write(bench.data().join("a"), [b'x'; LENGTH]).unwrap();
        assert!(bench.write("a", b'y', "notrunc").success());
        bench.lose_power(Survivors::Some);
        let bytes = bench.read("a").unwrap();
        assert_eq!(bytes.len(), LENGTH);
        let sectors: Vec<&[u8]> = bytes.chunks(512).collect();
        assert!(sectors.iter().all(|sector| sector.iter().all(|byte| *byte == sector[0])));
        let survived = sectors.iter().filter(|sector| sector[0] == b'y').count();
        mixed += usize::from((1..8).contains(&survived));
    }
    assert!(mixed >= 4, "of 8 losses {mixed} were partial");
}

#[test]
fn faults_strike_and_end() {
    let mut bench = Bench::new();
    let path = bench.data().join("a");
    fs::write(&path, [b'x'; LENGTH]).unwrap();
    bench.disk.begin(Fault::SyncError).unwrap();
    assert!(!bench.write("a", b'y', "notrunc,fsync").success());
    bench.disk.mend(Fault::SyncError).unwrap();
    bench.disk.begin(Fault::Full).unwrap();
    assert!(!bench.write("b", b'y', "fsync").success());
    bench.disk.mend(Fault::Full).unwrap();
    fs::write(&path, [b'x'; LENGTH]).unwrap();
    bench.lose_power(Survivors::Some);
    fs::write(&path, [b'x'; LENGTH]).unwrap();
    bench.disk.begin(Fault::SyncLies).unwrap();
    assert!(bench.write("a", b'y', "notrunc,fsync").success());
    bench.disk.mend(Fault::SyncLies).unwrap();
    bench.lose_power(Survivors::None);
    assert!(is_all(bench.read("a"), b'x'), "the sync was a lie");
    assert!(Path::new(&path).exists());
}
