//! Bytes as version 1 wrote them must be read for ever, and what is written
//! today must be the same bytes. A file that is missing is written, and the
//! test fails once, so that adding one is a decision.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::fs;
use std::path::Path;

use via_codec::{Kind, decode, decode_entry, decode_since_first, encode, first, open};
use via_types::config::StreamConfig;
use via_types::detection::{
    Change, Circumstance, Contribution, Counterfactual, Detection, Detector, Direction, Expected,
    Severity, Similar, State,
};
use via_types::entry::{
    CheckpointDone, Chunk, Command, Detections, Events, Pressed, ProfileImage, ShardEntry,
    StreamConfigured, TurnedAway,
};
use via_types::feedback::{Feedback, Label, Lesson};
use via_types::pressure::Regime;
use via_types::{
    Batch, DetectionId, EntityHash, Epoch, Lane, LogIndex, NodeId, Origin, ProducerId, Revision,
    RowReason, Sequence, ShardId, StreamId, TenantId, Term, Timestamp,
};

fn batch() -> Batch {
    let stream = StreamId::new(7);
    let producer = ProducerId::new(0xFEED);
    let origin = Origin { producer, epoch: Epoch::new(2), sequence: Sequence::new(300), part: 1 };
    let mut batch = Batch { stream, origin: Some(origin), ..Batch::default() };
    for key in ["host-1", "", "käse"] {
        batch.keys.push(key);
    }
    batch.entity = vec![0, 2, 1, 0].into();
    batch.at = vec![-1, 0, 1_700_000_000_000_000_000, i64::MAX].into();
    batch.value = vec![0.5, -0.0, 1e300, f64::MIN_POSITIVE].into();
    batch.mark = vec![0, 1, u64::MAX, 3].into();
    for text in ["{\"ip\":\"10.0.0.1\"}", "", "", "{}"] {
        batch.attributes.push(text);
    }
    batch.lanes = vec![Lane { name: "p99".to_owned(), values: vec![1.0, 2.0, 3.0, 4.0].into() }];
    batch.seal().unwrap();
    batch
}

fn detection() -> Detection {
    let contribution = |detector, evidence| Contribution {
        detector,
        feature: "value".to_owned(),
        evidence,
        observed: 812.0,
        expected: 110.5,
    };
    Detection {
        id: DetectionId { shard: ShardId::new(17), index: LogIndex::new(1042), offset: 3 },
        stream: StreamId::new(7),
        entity: "host-1".to_owned(),
        started: Timestamp::from_nanos(1_700_000_000_000_000_000),
        peaked: Timestamp::from_nanos(1_700_000_001_000_000_000),
        last: Timestamp::from_nanos(1_700_000_002_000_000_000),
        state: State::Open,
        events: 12,
        score: 0.97,
        evidence: 6.5,
        threshold: 0.5,
        severity: Severity::High,
        detector: Detector::Distribution,
        direction: Direction::Above,
        value: 812.0,
        expected: Some(Expected { value: 110.5, low: 90.0, high: 140.0 }),
        percentile: Some(0.9999),
        contributions: vec![
            contribution(Detector::Distribution, 6.0),
            contribution(Detector::Burst, 0.5),
        ],
        context: vec![Circumstance { text: "Tuesday, 14:05".to_owned(), relevance: 0.25 }],
        similar: vec![Similar {
            id: DetectionId { shard: ShardId::new(17), index: LogIndex::new(41), offset: 0 },
            at: Timestamp::from_nanos(1_699_000_000_000_000_000),
            similarity: 0.75,
            score: 0.9,
        }],
        counterfactual: Some(Counterfactual {
            feature: "value".to_owned(),
            value: 141.0,
            score: 0.49,
        }),
        actions: vec!["look at the slowest queries".to_owned()],
        reason: "value 812 where 90 to 140 is normal".to_owned(),
        attributes: "{\"region\":\"eu\"}".to_owned(),
        revision: Revision::new(9),
        engine: 1,
    }
}

fn changes(detection: fn() -> Detection) -> Vec<Change> {
    vec![Change::Opened(Box::new(detection())), Change::Grown(Box::new(detection()))]
}

/// The same as version 1 knew it: nothing was alike, nothing more relevant.
fn first_detection() -> Detection {
    let mut first = detection();
    first.similar.clear();
    first.context[0].relevance = 0.5;
    first
}

fn entries() -> Vec<(&'static str, ShardEntry)> {
    let stamp = Timestamp::from_nanos(1_700_000_003_000_000_000);
    let stream = StreamId::new(7);
    let events = Events { stamp, batches: vec![batch(), Batch::default()], scored: vec![1] };
    let changes = changes(detection);
    let image = ProfileImage {
        stream,
        entity: EntityHash::from_parts(0x0123_4567_89AB_CDEF, 0xFEDC_BA98_7654_3210),
        as_of: LogIndex::new(1041),
        record: vec![1, 2, 3, 255].into(),
    };
    let done = CheckpointDone {
        upto: LogIndex::new(1000),
        upto_term: Term::new(4),
        upto_leader: NodeId::new(3),
        ledger: vec![9; 40].into(),
    };
    let configured = StreamConfigured {
        stream,
        tenant: TenantId::new(5),
        revision: Revision::new(9),
        config: "{\"explain\":\"full\"}".to_owned(),
    };
    let id = DetectionId { shard: ShardId::new(17), index: LogIndex::new(1042), offset: 3 };
    let lesson = Lesson {
        stream,
        id,
        entity: "host-1".to_owned(),
        label: Some(Label::FalseAlarm),
        evidence: 6.5,
        parts: vec![(Detector::Distribution, 6.0), (Detector::Burst, 0.5)],
        detector: Detector::Distribution,
        direction: Direction::Above,
        last: stamp,
        version: LogIndex::new(1050),
    };
    let label = Command::Label {
        lesson: Box::new(lesson.clone()),
        note: "a deployment".to_owned(),
        author: "ops".to_owned(),
        stamp,
    };
    let learn = Command::Learn { lesson: Box::new(lesson) };
    let reset = Command::Reset { stream, entity: "host-1".to_owned() };
    vec![
        ("events", ShardEntry::Events(events)),
        ("detections", ShardEntry::Detections(Detections { covers: LogIndex::new(8), changes })),
        ("checkpoint", ShardEntry::Checkpoint(Chunk { profiles: vec![image] })),
        ("checkpoint-done", ShardEntry::CheckpointDone(done)),
        ("stream-config", ShardEntry::StreamConfig(configured)),
        ("tick", ShardEntry::Command(Command::Tick { stamp })),
        ("reset", ShardEntry::Command(reset)),
        ("label", ShardEntry::Command(label)),
        ("learn", ShardEntry::Command(learn)),
    ]
}

/// Returns the golden bytes; writes them and fails when there are none.
fn golden(name: &str, today: &[u8]) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    fs::read(&path).unwrap_or_else(|_| {
        fs::write(&path, today).unwrap();
        panic!("{name} did not exist; it does now: look at it and add it");
    })
}

/// Returns golden bytes that nobody writes any more.
fn old(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    fs::read(path).unwrap()
}

#[test]
fn entries_of_version_1_are_read() {
    for (name, mut entry) in entries() {
        if let ShardEntry::Detections(detections) = &mut entry {
            detections.changes = changes(first_detection);
        }
        let first = old(&format!("shard-entry-{name}-v1.bin"));
        assert_eq!(decode_entry(&first).unwrap(), entry, "{name}");
    }
}

#[test]
fn detections_of_version_1_are_read() {
    let read = decode_since_first::<Detection, first::Detection>(
        Kind::Detection,
        &old("detection-v1.bin"),
    );
    assert_eq!(read.unwrap(), first_detection());
}

#[test]
fn entries_of_version_2_are_read_and_written_alike() {
    for (name, entry) in entries() {
        let today = encode(Kind::ShardEntry, &entry);
        let golden = golden(&format!("shard-entry-{name}-v2.bin"), &today);
        assert_eq!(decode_entry(&golden).unwrap(), entry, "{name}");
        assert_eq!(today, golden, "{name}");
    }
}

#[test]
fn events_under_pressure_are_read_and_written_alike() {
    let stamp = Timestamp::from_nanos(1_700_000_003_000_000_000);
    let events = Events { stamp, batches: vec![batch(), Batch::default()], scored: vec![1] };
    let turned = |key, reason| TurnedAway { batch: 0, key, reason };
    let entry = ShardEntry::Pressed(Pressed {
        events,
        regime: Regime::Frugal,
        turned_away: vec![turned(0, RowReason::LowPriority), turned(1, RowReason::TableFull)],
    });
    let today = encode(Kind::ShardEntry, &entry);
    let golden = golden("shard-entry-pressed-v2.bin", &today);
    assert_eq!(decode_entry(&golden).unwrap(), entry);
    assert_eq!(today, golden);
}

#[test]
fn detections_of_version_2_are_read_and_written_alike() {
    let today = encode(Kind::Detection, &detection());
    let golden = golden("one-detection-v2.bin", &today);
    assert_eq!(decode::<Detection>(Kind::Detection, &golden).unwrap(), detection());
    // The packed bytes belong to lz4; what they unpack to is ours.
    let payload = |bytes| open(Kind::Detection, bytes).unwrap().bytes.into_owned();
    assert_eq!(payload(&today), payload(&golden));
}

#[test]
fn what_was_said_is_read_and_written_alike() {
    let feedback = Feedback {
        label: Some(Label::Expected),
        note: "a deployment".to_owned(),
        author: "ops".to_owned(),
        at: Timestamp::from_nanos(1_700_000_003_000_000_000),
        version: LogIndex::new(1050),
    };
    let today = encode(Kind::Feedback, &feedback);
    let golden = golden("said-v1.bin", &today);
    assert_eq!(decode::<Feedback>(Kind::Feedback, &golden).unwrap(), feedback);
    assert_eq!(today, golden);
}

#[test]
fn every_kind_keeps_its_number_and_its_envelope() {
    let sample = |kind: &Kind| encode(*kind, &("sample", 1_u64 << 40, -1_i32));
    let read = |kind: &Kind, bytes: &[u8]| decode::<(String, u64, i32)>(*kind, bytes);
    // Kinds that came later have files of their own.
    let early = Kind::ALL.iter().take_while(|kind| **kind as u16 <= 16);
    let first: Vec<u8> = early.clone().flat_map(sample).collect();
    let first = golden("every-kind-v1.bin", &first);
    let mut first = first.chunks(first.len() / early.count());
    for kind in Kind::ALL {
        let today = sample(kind);
        let version = kind.version();
        let first = first.next();
        if let (1, Some(first)) = (version, first) {
            assert_eq!(today, first, "{kind:?}");
        } else {
            assert_eq!(today, golden(&format!("{kind:?}-v{version}.bin"), &today), "{kind:?}");
        }
        let (text, large, small) = read(kind, &today).unwrap();
        assert_eq!((text.as_str(), large, small), ("sample", 1 << 40, -1), "{kind:?}");
    }
}

#[test]
fn a_stream_configuration_is_json_that_may_grow() {
    let known: StreamConfig = serde_json::from_str("{\"explain\":\"basic\"}").unwrap();
    assert_eq!(known.timing, StreamConfig::default().timing);
}
