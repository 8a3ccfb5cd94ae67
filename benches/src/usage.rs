//! What a process takes: processor time and resident memory. Called around
//! every measurement.

use std::time::Duration;

use anyhow::{Context as _, Result};
use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};

/// What a process has taken so far and holds now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Usage {
    /// Processor time since it began.
    pub(crate) cpu: Duration,
    /// Memory it holds, bytes.
    pub(crate) resident: u64,
}

/// Reads what the process has taken.
///
/// # Errors
/// There is no such process.
pub(crate) fn of(process: u32) -> Result<Usage> {
    let pid = Pid::from_u32(process);
    let mut system = System::new().context("reading processes")?;
    let what = ProcessRefreshKind::nothing().with_cpu().with_memory();
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[pid]), true, what);
    let process = system.process(pid).context("the process has ended")?;
    let cpu = Duration::from_millis(process.accumulated_cpu_time());
    Ok(Usage { cpu, resident: process.memory() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_takes_memory_and_time() {
        let before = of(std::process::id()).unwrap();
        assert!(before.resident > 100_000);
        let mut sum = 0_u64;
        while of(std::process::id()).unwrap().cpu <= before.cpu {
            sum = (0..1_000_000).fold(sum, |sum, term| std::hint::black_box(sum ^ term));
        }
    }

    #[test]
    fn a_process_that_is_not_there_is_an_error() {
        assert!(of(u32::MAX / 2).is_err());
    }
}
