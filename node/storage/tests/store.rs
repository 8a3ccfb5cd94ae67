//! One suite for every store: the contract of `Store`, on the twin in memory
//! and on sled; then what only real files can show.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::collections::BTreeMap;
use std::fs;
use std::ops::Bound;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use proptest::prelude::*;
use via_storage::store::{self, KEY_BYTES, Options, VALUE_BYTES};
use via_storage::{Error, MemoryStore, Order, SimulatedStore, Space, Store, Write};

fn put(space: Space, key: &[u8], value: &[u8]) -> Write {
    let (key, value) = (Bytes::copy_from_slice(key), Bytes::copy_from_slice(value));
    Write::Put { space, key, value }
}

fn delete(space: Space, key: &[u8]) -> Write {
    Write::Delete { space, key: Bytes::copy_from_slice(key) }
}

fn all(store: &dyn Store, space: Space) -> Vec<(Bytes, Bytes)> {
    let unbounded = (Bound::Unbounded, Bound::Unbounded);
    store.scan(space, unbounded, Order::Ascending, usize::MAX).unwrap()
}

/// Runs the whole contract on an empty store.
fn conforms(store: &dyn Store) {
    keeps_spaces_apart(store);
    scans_both_ways(store);
    keeps_large_values_whole(store);
    refuses_what_is_too_large(store);
    store.commit().unwrap();
}

fn keeps_spaces_apart(store: &dyn Store) {
    for space in Space::ALL {
        assert_eq!(all(store, space), []);
        store.write(vec![put(space, b"", &[space as u8]), put(space, &[255; 9], b"last")]).unwrap();
    }
    for space in Space::ALL {
        assert_eq!(store.get(space, b"").unwrap(), Some(Bytes::from(vec![space as u8])));
        assert_eq!(all(store, space).len(), 2);
        store
            .write(vec![delete(space, b""), delete(space, &[255; 9]), delete(space, b"none")])
            .unwrap();
        assert_eq!(store.get(space, b"").unwrap(), None);
        assert_eq!(all(store, space), []);
    }
}

fn scans_both_ways(store: &dyn Store) {
    let space = Space::Detections;
    let keys: Vec<[u8; 2]> = (0..100_u16).map(u16::to_be_bytes).collect();
    store.write(keys.iter().map(|key| put(space, key, &key[1..])).collect()).unwrap();
    let scan = |from: Bound<&[u8]>, to: Bound<&[u8]>, order, limit| {
        let found = store.scan(space, (from, to), order, limit).unwrap();
        found.into_iter().map(|(key, _)| key[1]).collect::<Vec<_>>()
    };
    let (from, to) = (Bound::Included(&keys[10][..]), Bound::Excluded(&keys[14][..]));
    assert_eq!(scan(from, to, Order::Ascending, 99), [10, 11, 12, 13]);
    assert_eq!(scan(from, to, Order::Descending, 99), [13, 12, 11, 10]);
    assert_eq!(scan(from, to, Order::Descending, 2), [13, 12]);
    let after = Bound::Excluded(&keys[97][..]);
    assert_eq!(scan(after, Bound::Unbounded, Order::Ascending, 99), [98, 99]);
    assert_eq!(scan(Bound::Unbounded, Bound::Included(&keys[1][..]), Order::Ascending, 9), [0, 1]);
    assert_eq!(scan(to, from, Order::Ascending, 9), Vec::<u8>::new());
    assert_eq!(scan(after, Bound::Excluded(&keys[97][..]), Order::Ascending, 9), Vec::<u8>::new());
    let prefix = (Bound::Included(&[0][..]), Bound::Excluded(&[1][..]));
    let found = store.scan(space, prefix, Order::Ascending, 999).unwrap();
    assert_eq!(found.len(), 100);
    store.write(keys.iter().map(|key| delete(space, key)).collect()).unwrap();
}

fn keeps_large_values_whole(store: &dyn Store) {
    let space = Space::Profiles;
    let value = |bytes: usize| (0..bytes).map(|at| (at * 7) as u8).collect::<Vec<u8>>();
    for bytes in [4091, 4092, 4096, 8182, 8183, 100_000, VALUE_BYTES, 0, 5000] {
        let write = vec![put(space, b"entity", &value(bytes)), put(space, b"entity2", b"small")];
        store.write(write).unwrap();
        assert_eq!(
            store.get(space, b"entity").unwrap(),
            Some(value(bytes).into()),
            "{bytes} bytes"
        );
        assert_eq!(all(store, space).len(), 2, "pieces are not values");
        assert_eq!(all(store, space)[0].1, value(bytes));
    }
    let twice = vec![put(space, b"entity", &value(90_000)), put(space, b"entity", &value(9000))];
    store.write(twice).unwrap();
    assert_eq!(store.get(space, b"entity").unwrap(), Some(value(9000).into()));
    store.write(vec![delete(space, b"entity"), delete(space, b"entity2")]).unwrap();
    assert_eq!(all(store, space), []);
}

fn refuses_what_is_too_large(store: &dyn Store) {
    let (key, value) = (vec![0; KEY_BYTES + 1], vec![0; VALUE_BYTES + 1]);
    let batch = vec![put(Space::Node, b"ok", b""), put(Space::Node, &key, b"")];
    assert!(matches!(store.write(batch), Err(Error::TooLarge { .. })));
    let batch = vec![put(Space::Node, b"ok", b""), put(Space::Node, b"key", &value)];
    assert!(matches!(store.write(batch), Err(Error::TooLarge { .. })));
    assert_eq!(store.get(Space::Node, b"ok").unwrap(), None, "all of a batch or none");
}

fn open(directory: &Path) -> store::Opened {
    store::open(&Options::new(directory)).unwrap()
}

#[test]
fn the_store_in_memory_conforms() {
    conforms(&MemoryStore::new());
}

#[test]
fn the_store_that_loses_power_conforms() {
    conforms(&SimulatedStore::new());
}

#[test]
fn what_was_committed_survives_a_simulated_power_loss_and_what_was_not_in_order() {
    let store = SimulatedStore::new();
    let space = Space::Profiles;
    store.write(vec![put(space, b"a", b"1")]).unwrap();
    store.commit().unwrap();
    store.write(vec![put(space, b"b", b"2"), put(space, b"a", b"2")]).unwrap();
    store.write(vec![delete(space, b"b")]).unwrap();
    let keys = |kept| all(&store.after_power_loss(kept).unwrap(), space);
    assert_eq!(keys(0), [(Bytes::from("a"), Bytes::from("1"))]);
    let whole = [("a", "2"), ("b", "2")].map(|(key, value)| (Bytes::from(key), Bytes::from(value)));
    assert_eq!(keys(1), whole, "a batch survives whole");
    assert_eq!(keys(2), whole[..1]);
    let after = store.after_power_loss(1).unwrap();
    assert_eq!(all(&after.after_power_loss(0).unwrap(), space), whole, "it is durable by then");
}

#[test]
fn the_store_on_disk_conforms() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory.path().join("state")).store;
    conforms(&store);
    assert!(store.approximate_bytes() > 0);
}

#[derive(Clone, Debug)]
enum Step {
    Write(Vec<(u8, Option<usize>)>),
    Commit,
    Reopen,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let size = prop_oneof![3 => 0..200_usize, 1 => 4080..4100_usize, 1 => 0..20_000_usize];
    let write = (0..12_u8, proptest::option::weighted(0.8, size));
    let step = prop_oneof![
        8 => proptest::collection::vec(write, 1..8).prop_map(Step::Write),
        1 => Just(Step::Commit),
        1 => Just(Step::Reopen),
    ];
    proptest::collection::vec(step, 1..30)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_store_on_disk_equals_a_map(steps in steps()) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state");
        let mut store = open(&path).store;
        let mut map = BTreeMap::new();
        for (round, step) in steps.into_iter().enumerate() {
            match step {
                Step::Write(writes) => {
                    let batch = writes.iter().map(|(key, size)| match size {
                        Some(size) => put(Space::Profiles, &[*key], &vec![round as u8; *size]),
                        None => delete(Space::Profiles, &[*key]),
                    });
                    store.write(batch.collect()).unwrap();
                    for (key, size) in writes {
                        match size {
                            Some(size) => map.insert(vec![key], vec![round as u8; size]),
                            None => map.remove(&vec![key]),
                        };
                    }
                }
                Step::Commit => store.commit().unwrap(),
                Step::Reopen => {
                    drop(store);
                    let opened = open(&path);
                    prop_assert_eq!(opened.set_aside, None);
                    store = opened.store;
                }
            }
            let found = all(&store, Space::Profiles);
            let found: BTreeMap<_, _> = found.into_iter().map(|(key, value)| (key.to_vec(), value.to_vec())).collect();
            prop_assert!(found == map);
        }
    }
}

/// Makes a store with known content; returns its files with their bytes.
fn filled(path: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let store = open(path).store;
    for key in 0..300_u16 {
        let value = vec![key as u8; 10 + usize::from(key) * 20];
        store.write(vec![put(Space::Profiles, &key.to_be_bytes(), &value)]).unwrap();
    }
    store.commit().unwrap();
    drop(store);
    let mut files = Vec::new();
    let mut folders = vec![path.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let bytes = fs::read(&path).unwrap();
                files.push((path, bytes));
            }
        }
    }
    files.sort();
    files
}

#[test]
fn damage_is_refused_or_set_aside_and_never_believed() {
    let directory = tempfile::tempdir().unwrap();
    let original = directory.path().join("state");
    let files = filled(&original);
    let (mut refused, mut set_aside) = (0, 0);
    for round in 0..40_usize {
        let path = directory.path().join(format!("copy-{round}"));
        let victim = round % files.len();
        for (number, (file, bytes)) in files.iter().enumerate() {
            let copy = path.join(file.strip_prefix(&original).unwrap());
            fs::create_dir_all(copy.parent().unwrap()).unwrap();
            let mut bytes = bytes.clone();
            if number == victim && !bytes.is_empty() {
                let at = bytes.len() * round / 40;
                let end = (at + 64).min(bytes.len());
                bytes[at..end].iter_mut().for_each(|byte| *byte ^= 0x5A);
            }
            fs::write(copy, bytes).unwrap();
        }
        let opened = open(&path);
        if let Some(aside) = opened.set_aside {
            set_aside += 1;
            assert!(aside.exists() && all(&opened.store, Space::Profiles).is_empty());
            opened.store.write(vec![put(Space::Node, b"k", b"v")]).unwrap();
            continue;
        }
        for key in 0..300_u16 {
            match opened.store.get(Space::Profiles, &key.to_be_bytes()) {
                Ok(Some(value)) => assert_eq!(value, vec![key as u8; 10 + usize::from(key) * 20]),
                Ok(None) | Err(Error::Corrupt { .. } | Error::Store { .. }) => refused += 1,
                Err(error) => panic!("{error:?}"),
            }
        }
    }
    assert!(refused + set_aside > 0, "no damage was noticed");
}

/// Invariant D-7: one flipped bit of the file that says how the store was made
/// costs that file alone.
#[test]
fn a_store_outlives_its_damaged_parameters() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state");
    drop(filled(&path));
    let sound = fs::read(path.join("conf")).unwrap();
    let mut set_aside = 0;
    for at in 0..sound.len() {
        let mut bytes = sound.clone();
        bytes[at] ^= 0x04;
        fs::write(path.join("conf"), bytes).unwrap();
        let opened = open(&path);
        assert_eq!(opened.set_aside, None, "byte {at}");
        let value = opened.store.get(Space::Profiles, &7_u16.to_be_bytes()).unwrap();
        assert_eq!(value.map(|value| value.len()), Some(10 + 7 * 20), "byte {at}");
        drop(opened);
        let aside = path.join("conf.damaged-1");
        if aside.exists() {
            fs::remove_file(aside).unwrap();
            set_aside += 1;
            assert_eq!(fs::read(path.join("conf")).unwrap(), sound, "it is written anew");
        }
    }
    assert!(set_aside > 10, "{set_aside}");
}

#[test]
fn a_store_that_is_none_is_set_aside() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state");
    fs::create_dir(&path).unwrap();
    fs::write(path.join("db"), [0xAB; 5000]).unwrap();
    fs::write(path.join("conf"), [0xCD; 100]).unwrap();
    let opened = open(&path);
    assert_eq!(opened.set_aside, Some(directory.path().join("state.damaged-1")));
    opened.store.write(vec![put(Space::Node, b"k", b"v")]).unwrap();
    opened.store.commit().unwrap();
    drop(opened);
    let opened = open(&path);
    assert_eq!(opened.set_aside, None);
    assert_eq!(opened.store.get(Space::Node, b"k").unwrap(), Some(Bytes::from_static(b"v")));
}

#[test]
fn a_second_process_is_refused_and_nothing_is_set_aside() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state");
    let first = open(&path);
    let second = store::open(&Options::new(&path));
    assert!(matches!(second, Err(Error::Locked { .. })), "{second:?}");
    drop(first);
    assert_eq!(open(&path).set_aside, None);
}
