//! The binary `via`: reads its arguments, makes a client, and turns how a command
//! ended into an exit code. Whom to ask and with which key, the SDK reads of the
//! environment.

mod command;
mod lines;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use via_client::{Error, Fate};

use crate::command::Arguments;

/// Some events were refused or lost.
const SOME: u8 = 5;

fn code_of(error: &anyhow::Error) -> u8 {
    match error.downcast_ref::<Error>().map(Error::fate) {
        Some(Fate::Retry) => 3,
        Some(Fate::Unknown) => 4,
        Some(Fate::Rejected) | None => 1,
    }
}

fn main() -> ExitCode {
    match command::run(&Arguments::parse()) {
        Ok(command::Done::All) => ExitCode::SUCCESS,
        Ok(command::Done::Some) => ExitCode::from(SOME),
        Err(error) => {
            // Nobody is left to be told.
            let _ = writeln!(std::io::stderr(), "via: {error:#}");
            ExitCode::from(code_of(&error))
        }
    }
}
