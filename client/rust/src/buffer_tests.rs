//! The buffer against a naive model: one queue of events with the same bounds.

use std::collections::VecDeque;

use proptest::prelude::*;

use super::*;
use crate::columns;

const QUEUE: usize = 12;
const BATCH: usize = 4;

#[derive(Clone, Debug)]
enum Step {
    Add { stream: u8, count: u8 },
    Take,
    Settle(u8),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => (0..3_u8, 1..9_u8).prop_map(|(stream, count)| Step::Add { stream, count }),
        2 => Just(Step::Take),
        2 => (0..4_u8).prop_map(Step::Settle),
    ];
    prop::collection::vec(step, 1..60)
}

fn settings(overflow: Overflow, has_spool: bool) -> Settings {
    Settings {
        batch_events: BATCH,
        queue_events: QUEUE,
        overflow,
        linger: Duration::ZERO,
        spool_dir: has_spool.then(|| "/unused".into()),
        ..Settings::for_node("http://127.0.0.1:9")
    }
}

/// The values of a batch, in its order.
fn values(batch: Batch) -> Vec<u64> {
    let of_line = |line: &str| {
        let json: serde_json::Value = serde_json::from_str(line).unwrap();
        json["value"].as_f64().unwrap() as u64
    };
    if let Some(lines) = batch.lines() {
        return lines.lines().map(of_line).collect();
    }
    let (events, skipped) = (batch.events(), batch.skipped);
    let Body::Columns(columns) = batch.body else { unreachable!("it has no lines") };
    let request = columns.into_request("s", skipped);
    (0..events).map(|row| of_line(&columns::line(&request, row))).collect()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

struct Model {
    sent: Vec<u64>,
    /// Stream and value of what waits.
    waiting: VecDeque<(u8, u64)>,
    in_flight: usize,
    dropped: u64,
}

/// Runs the same steps on a buffer and on the model, and compares what is taken.
fn agree(steps: &[Step], overflow: Overflow, has_spool: bool) -> Result<(), TestCaseError> {
    let runtime = runtime();
    let buffer = Buffer::new(&settings(overflow, has_spool));
    let mut model = Model { sent: vec![], waiting: VecDeque::new(), in_flight: 0, dropped: 0 };
    let mut taken: Vec<(u64, usize)> = Vec::new();
    let mut next = 0_u64;
    for step in steps {
        match step {
            Step::Add { stream, count } => {
                for _ in 0..*count {
                    buffer.add(&format!("s{stream}"), &Event::new("e", next as f64));
                    if model.waiting.len() + model.in_flight < QUEUE {
                        model.waiting.push_back((*stream, next));
                    } else if overflow == Overflow::DropOldest && !model.waiting.is_empty() {
                        model.dropped += 1;
                        model.waiting.push_back((*stream, next));
                        // Which one is the buffer's choice between streams.
                    } else {
                        model.dropped += 1;
                    }
                    if model.waiting.len() + model.in_flight > QUEUE {
                        model.waiting.pop_front();
                    }
                    next += 1;
                }
            }
            Step::Take => {
                if buffer.state().pending as usize == model.in_flight {
                    continue;
                }
                let batch = runtime.block_on(buffer.take()).expect("it has not ended");
                let (id, events) = (batch.id(), batch.events());
                model.sent.extend(values(batch));
                taken.push((id, events));
                model.in_flight += events;
                for _ in 0..events {
                    model.waiting.pop_front();
                }
            }
            Step::Settle(nth) => {
                if taken.is_empty() {
                    continue;
                }
                let (id, events) = taken.remove(usize::from(*nth) % taken.len());
                buffer.settle(id, |state, events| state.accepted += events);
                // Whoever settles twice changes nothing.
                buffer.settle(id, |state, events| state.accepted += events);
                model.in_flight -= events;
            }
        }
        let state = buffer.state();
        let lost: u64 = state.lost.values().sum();
        prop_assert_eq!(state.captured, next);
        prop_assert_eq!(state.captured, state.pending + state.accepted + lost);
        prop_assert_eq!(lost, model.dropped);
        prop_assert!(state.pending as usize <= QUEUE);
        prop_assert_eq!(state.pending as usize, model.waiting.len() + model.in_flight);
    }
    buffer.stop(Loss::Closed);
    while let Some(batch) = runtime.block_on(buffer.take()) {
        model.sent.extend(values(batch));
    }
    let mut once = model.sent.clone();
    once.sort_unstable();
    once.dedup();
    prop_assert_eq!(once.len(), model.sent.len(), "an event was sent twice");
    prop_assert_eq!(once.len() as u64, next - model.dropped, "an event is missing");
    Ok(())
}

proptest! {
    #[test]
    fn everything_is_accounted_for_and_sent_once(steps in steps(), has_spool: bool) {
        agree(&steps, Overflow::DropOldest, has_spool)?;
        agree(&steps, Overflow::DropNewest, has_spool)?;
    }

    #[test]
    fn one_stream_keeps_its_order_and_loses_its_oldest(counts in prop::collection::vec(1..30_usize, 1..6), has_spool: bool) {
        let runtime = runtime();
        let buffer = Buffer::new(&settings(Overflow::DropOldest, has_spool));
        let (mut next, mut sent) = (0_u64, Vec::new());
        let mut waiting: VecDeque<u64> = VecDeque::new();
        for count in counts {
            for _ in 0..count {
                buffer.add("s", &Event::new("e", next as f64));
                waiting.push_back(next);
                if waiting.len() > QUEUE {
                    waiting.pop_front();
                }
                next += 1;
            }
            let batch = runtime.block_on(buffer.take()).unwrap();
            let (id, got) = (batch.id(), values(batch));
            let expected: Vec<u64> = waiting.drain(..got.len()).collect();
            prop_assert_eq!(&got, &expected);
            sent.extend(got);
            buffer.settle(id, |state, events| state.accepted += events);
        }
        prop_assert!(sent.is_sorted());
    }
}

#[test]
fn batches_grow_only_while_the_queue_is_half_full() {
    let runtime = runtime();
    let mut made = settings(Overflow::DropNewest, false);
    made.queue_events = 1_000;
    made.batch_events = 10;
    let buffer = Buffer::new(&made);
    for nth in 0..1_000 {
        buffer.add("s", &Event::new("e", f64::from(nth)));
    }
    let sizes: Vec<usize> =
        (0..50).map(|_| runtime.block_on(buffer.take()).unwrap().events()).collect();
    assert!(sizes[..49].iter().all(|size| *size == 10), "{sizes:?}");
    assert_eq!(sizes.iter().sum::<usize>(), 1_000);
    assert!(sizes[49] > 100, "{sizes:?}");
}

#[test]
fn a_blocked_capture_goes_on_when_there_is_room() {
    let mut made = settings(Overflow::Block(Duration::from_secs(60)), false);
    made.queue_events = 1;
    let buffer = Arc::new(Buffer::new(&made));
    buffer.add("s", &Event::new("e", 0.0));
    let other = Arc::clone(&buffer);
    let blocked = std::thread::spawn(move || other.add("s", &Event::new("e", 1.0)));
    let runtime = runtime();
    let batch = runtime.block_on(buffer.take()).unwrap();
    buffer.settle(batch.id(), |state, events| state.accepted += events);
    blocked.join().unwrap();
    let state = buffer.state();
    assert_eq!((state.accepted, state.pending, state.lost.len()), (1, 1, 0));
}

#[test]
fn what_waits_beyond_its_time_is_dropped_and_counted() {
    let mut made = settings(Overflow::Block(Duration::from_millis(1)), false);
    made.queue_events = 1;
    let buffer = Buffer::new(&made);
    buffer.add("s", &Event::new("e", 0.0));
    buffer.add("s", &Event::new("e", 1.0));
    assert_eq!(buffer.state().lost.get(&Loss::Overflow), Some(&1));
}
