//! The measuring tool's binary: reads the command line and measures.

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    match via_benches::command::run(&via_benches::command::Line::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            anstream::eprintln!("via-benches: {error:#}");
            ExitCode::FAILURE
        }
    }
}
