//! This machine as a source of events: CPU, memory, disks, network and the
//! busiest long-lived processes. Owns what is read and how it is named; knows
//! nothing of streams' settings or of how readings are sent. Called by `demo`.

use std::collections::BTreeMap;
use std::time::Instant;

use anyhow::{Context as _, Result};
use sysinfo::{Disks, Networks, ProcessRefreshKind, ProcessesToUpdate, System};

/// Disks and network interfaces read, each.
const DEVICES: usize = 12;
/// Processes watched at once.
const PROCESSES: usize = 24;
/// Busiest processes that become watched, at each reading.
const BUSIEST: usize = 6;
/// A process younger than this is not worth a profile, seconds.
const LASTING_SECS: u64 = 120;
/// Percent of one core from which a process counts as busy.
const BUSY_PERCENT: f64 = 1.0;

/// The streams that readings belong to, and what they measure.
pub(crate) const STREAMS: [(&str, &str); 5] = [
    ("machine-cpu", "percent busy"),
    ("machine-memory", "percent used"),
    ("machine-disk", "bytes per second, or percent used"),
    ("machine-network", "bytes per second"),
    ("machine-process", "percent of one core"),
];

/// One figure of the machine.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Reading {
    /// One of [`STREAMS`].
    pub(crate) stream: &'static str,
    pub(crate) entity: String,
    pub(crate) value: f64,
}

/// Reads the machine; rates are since the reading before.
pub(crate) struct Machine {
    system: System,
    disks: Disks,
    networks: Networks,
    /// Names of the processes watched.
    watched: BTreeMap<String, f64>,
    read: Instant,
}

impl Machine {
    /// Takes a first look, against which rates are measured.
    ///
    /// # Errors
    /// The machine does not tell its figures.
    pub(crate) fn new() -> Result<Self> {
        let mut machine = Self {
            system: System::new().context("reading CPU and memory")?,
            disks: Disks::new_with_refreshed_list().context("reading the disks")?,
            networks: Networks::new_with_refreshed_list().context("reading the network")?,
            watched: BTreeMap::new(),
            read: Instant::now(),
        };
        machine.refresh();
        Ok(machine)
    }

    /// Reads everything once. Less than 200 ms after the reading before, CPU
    /// figures would mean little.
    pub(crate) fn read(&mut self) -> Vec<Reading> {
        let secs = self.read.elapsed().as_secs_f64().max(1e-3);
        self.refresh();
        let mut out = Vec::new();
        self.cpu(&mut out);
        self.memory(&mut out);
        self.devices(secs, &mut out);
        self.processes(&mut out);
        out.retain(|reading| reading.value.is_finite());
        out
    }

    fn refresh(&mut self) {
        self.read = Instant::now();
        self.system.refresh_cpu_usage();
        self.system.refresh_memory();
        let kind = ProcessRefreshKind::nothing().with_cpu().without_tasks();
        self.system.refresh_processes_specifics(ProcessesToUpdate::All, true, kind);
        self.disks.refresh(true);
        self.networks.refresh(true);
    }

    fn cpu(&self, out: &mut Vec<Reading>) {
        let mut add = |entity: String, percent: f32| {
            out.push(Reading { stream: "machine-cpu", entity, value: f64::from(percent) });
        };
        add("all cores".to_owned(), self.system.global_cpu_usage());
        for (number, core) in self.system.cpus().iter().enumerate().take(64) {
            add(format!("core {number}"), core.usage());
        }
    }

    fn memory(&self, out: &mut Vec<Reading>) {
        let parts = [
            ("memory", self.system.used_memory(), self.system.total_memory()),
            ("swap", self.system.used_swap(), self.system.total_swap()),
        ];
        for (entity, used, total) in parts {
            if total > 0 {
                let value = used as f64 / total as f64 * 100.0;
                out.push(Reading { stream: "machine-memory", entity: entity.to_owned(), value });
            }
        }
    }

    fn devices(&self, secs: f64, out: &mut Vec<Reading>) {
        let mut add = |stream, entity: String, value| out.push(Reading { stream, entity, value });
        // One device may be mounted in many places: it is read once.
        let mut disks: BTreeMap<String, &sysinfo::Disk> = BTreeMap::new();
        for disk in &self.disks {
            if disks.len() < DEVICES && disk.total_space() > 0 {
                disks.entry(disk.name().to_string_lossy().into_owned()).or_insert(disk);
            }
        }
        for (name, disk) in disks {
            let usage = disk.usage();
            let used = 1.0 - disk.available_space() as f64 / disk.total_space() as f64;
            add("machine-disk", format!("{name} used"), used * 100.0);
            add("machine-disk", format!("{name} read"), usage.read_bytes as f64 / secs);
            add("machine-disk", format!("{name} written"), usage.written_bytes as f64 / secs);
        }
        let networks: BTreeMap<_, _> = self.networks.iter().collect();
        for (name, network) in networks.into_iter().take(DEVICES) {
            let name = name.to_string_lossy();
            add("machine-network", format!("{name} in"), network.received() as f64 / secs);
            add("machine-network", format!("{name} out"), network.transmitted() as f64 / secs);
        }
    }

    /// A process once watched is told of until the end, at zero when idle or
    /// gone, so that its absence is a figure and not a silence.
    fn processes(&mut self, out: &mut Vec<Reading>) {
        let mut busy: BTreeMap<String, f64> = BTreeMap::new();
        let mut lasting: BTreeMap<String, f64> = BTreeMap::new();
        for process in self.system.processes().values().filter(|one| !is_kernel(one)) {
            let name = process.name().to_string_lossy().into_owned();
            let percent = f64::from(process.cpu_usage());
            *busy.entry(name.clone()).or_default() += percent;
            if process.run_time() >= LASTING_SECS {
                *lasting.entry(name).or_default() += percent;
            }
        }
        let mut busiest: Vec<_> =
            lasting.into_iter().filter(|(_, percent)| *percent >= BUSY_PERCENT).collect();
        busiest.sort_by(|(a, one), (b, other)| other.total_cmp(one).then(a.cmp(b)));
        for (name, percent) in busiest.into_iter().take(BUSIEST) {
            if self.watched.len() < PROCESSES {
                self.watched.entry(name).or_insert(percent);
            }
        }
        for (name, percent) in &mut self.watched {
            *percent = busy.get(name).copied().unwrap_or(0.0);
            let (entity, value) = (name.clone(), *percent);
            out.push(Reading { stream: "machine-process", entity, value });
        }
    }
}

/// Says whether it is one of Linux's own threads: children of process 2, known
/// by names that change with what they do.
fn is_kernel(process: &sysinfo::Process) -> bool {
    let parent = sysinfo::Pid::from_u32(2);
    cfg!(target_os = "linux") && (process.pid() == parent || process.parent() == Some(parent))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_tells_plausible_figures_of_known_streams() {
        let mut machine = Machine::new().unwrap();
        let readings = machine.read();
        let of = |stream: &str, entity: &str| {
            readings.iter().find(|one| one.stream == stream && one.entity == entity)
        };
        let memory = of("machine-memory", "memory").expect("there is memory").value;
        assert!((0.0..=100.0).contains(&memory), "{memory}");
        let cpu = of("machine-cpu", "all cores").expect("there are cores").value;
        assert!((0.0..=100.5).contains(&cpu), "{cpu}");
        for reading in &readings {
            assert!(STREAMS.iter().any(|(stream, _)| *stream == reading.stream), "{reading:?}");
            assert!(!reading.entity.is_empty() && reading.value >= 0.0, "{reading:?}");
        }
    }

    #[test]
    fn a_watched_process_is_told_of_when_it_is_gone() {
        let mut machine = Machine::new().unwrap();
        machine.watched.insert("no process is called this".to_owned(), 50.0);
        let readings = machine.read();
        let gone = readings.iter().find(|one| one.entity == "no process is called this");
        assert_eq!(gone.map(|one| one.value), Some(0.0));
    }
}
