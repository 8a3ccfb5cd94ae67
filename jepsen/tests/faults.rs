//! Every attack, briefly, against the real `via-node` process. More rounds:
//! `via-jepsen run --rounds N --seed S`.

use via_jepsen::Arena;
use via_jepsen::scenario::Scenario;

fn survives(scenario: Scenario, rounds: u32) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
    let told = runtime.block_on(async {
        let arena = Arena::new(None, 1, rounds)?;
        scenario.run(&arena).await
    });
    if let Err(fault) = told {
        panic!("{}: {fault:#}", scenario.name());
    }
}

#[test]
fn survives_kills_under_load() {
    survives(Scenario::Crash, 5);
}

#[test]
fn counts_once_while_it_grows_and_shrinks() {
    survives(Scenario::Scale, 1);
}

#[test]
fn survives_kills_while_starting() {
    survives(Scenario::CrashStarting, 3);
}

#[test]
fn survives_power_loss() {
    survives(Scenario::Power, 5);
}

#[test]
fn power_loss_finds_out_a_disk_that_lies() {
    survives(Scenario::DiskThatLies, 1);
}

#[test]
fn power_loss_sees_every_write() {
    survives(Scenario::NothingUnseen, 1);
}

#[test]
fn survives_a_full_disk() {
    survives(Scenario::FullDisk, 1);
}

#[test]
fn stops_acknowledging_when_syncing_fails() {
    survives(Scenario::SyncError, 1);
}

#[test]
fn refuses_a_damaged_log_by_name() {
    survives(Scenario::LogRot, 6);
}

#[test]
fn heals_damaged_state_or_says_what_is_lost() {
    survives(Scenario::StateRot, 6);
}

#[test]
fn rebuilds_state_from_the_log() {
    survives(Scenario::StateGone, 1);
}

#[test]
fn takes_a_million_entities_in_one_request() {
    survives(Scenario::Million, 1);
}

#[test]
fn drops_slow_clients() {
    survives(Scenario::SlowLoris, 1);
}

#[test]
fn counts_once_what_a_vanished_client_repeats() {
    survives(Scenario::Vanish, 1);
}

#[test]
fn refuses_decompression_bombs() {
    survives(Scenario::Bomb, 1);
}

#[test]
fn refuses_what_is_too_large() {
    survives(Scenario::Oversized, 1);
}
