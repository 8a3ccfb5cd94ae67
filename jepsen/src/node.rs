//! One `via-node` process: started, watched, killed. Finds its port in /proc,
//! so that it can bind port 0; keeps what it says in a file.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;
use rustix::process::{Pid, Signal, kill_process};

use crate::disk::Disk;
use crate::door::Door;

/// Longest time from start to ready, and from SIGTERM to the end.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where a node lives: its data directory, its configuration, its sayings.
#[derive(Clone, Debug)]
pub struct Site {
    folder: PathBuf,
    data: PathBuf,
}

/// Settings that make faults meet more of the machinery in less time: few
/// shards, checkpoints every second, small log files, short patience.
const SETTINGS: &str = r#"
[access]
required = false
open_to_network = true

[engine]
shards = 8

[persistence]
checkpoint_interval = "1s"
checkpoint_tail_events = 5000
log_first_segment = "1MiB"
log_segment = "32MiB"

[limits]
header_timeout = "2s"
body_idle_timeout = "2s"

[node]
shutdown_grace = "5s"
memory_limit = "1GiB"
"#;

impl Site {
    /// Makes a site in an existing folder.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn new(folder: &Path) -> anyhow::Result<Self> {
        let data = folder.join("data");
        fs::create_dir_all(&data)?;
        Ok(Self { folder: folder.to_owned(), data })
    }

    /// Puts the data directory elsewhere.
    pub fn with_data(mut self, data: &Path) -> Self {
        self.data = data.to_owned();
        self
    }

    /// Returns the data directory.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// Returns a folder beside the data, made when missing.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn beside(&self, name: &str) -> anyhow::Result<PathBuf> {
        let path = self.folder.join(name);
        fs::create_dir_all(&path)?;
        Ok(path)
    }

    /// Writes the configuration. `more` replaces a setting: (key, TOML value).
    pub(crate) fn configure(&self, more: &[(&str, &str)]) -> anyhow::Result<PathBuf> {
        let mut text = format!("version = 1\n{SETTINGS}");
        for (key, value) in more {
            let line = text.lines().find(|line| line.starts_with(&format!("{key} =")));
            let line = line.with_context(|| format!("{key} is not among the settings"))?.to_owned();
            text = text.replace(&line, &format!("{key} = {value}"));
        }
        text.push_str(&format!("data_directory = {:?}\n", self.data.display().to_string()));
        text.push_str("\n[listen]\naddress = \"127.0.0.1:0\"\n");
        let path = self.folder.join("via.toml");
        fs::write(&path, text)?;
        Ok(path)
    }
}

/// How to start a node.
#[derive(Clone, Debug)]
pub struct Start<'a> {
    /// The program.
    pub binary: &'a Path,
    /// Where it lives.
    pub site: &'a Site,
    /// The disk that forgets, when there is one.
    pub disk: Option<&'a Disk>,
    /// Settings that differ: (key, TOML value).
    pub settings: &'a [(&'a str, &'a str)],
}

/// A process that runs, or ran. Killed when dropped.
pub struct Node {
    child: Child,
    address: Option<SocketAddr>,
    said: PathBuf,
}

impl Start<'_> {
    /// Starts the process and returns at once.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn spawn(&self) -> anyhow::Result<Node> {
        let config = self.site.configure(self.settings)?;
        let said = self.site.folder.join("said.txt");
        File::create(&said)?;
        let mut command = Command::new(self.binary);
        command.arg("serve").arg("--config").arg(config);
        if let Some(disk) = self.disk {
            command.envs(disk.environment(&self.site.data));
        }
        Node::launch(command, said)
    }

    /// Starts the process and waits until it says that it is ready.
    ///
    /// # Errors
    /// It ended, or was not ready in time; with what it said.
    pub async fn ready(&self) -> anyhow::Result<Node> {
        let mut node = self.spawn()?;
        node.wait_ready().await?;
        Ok(node)
    }
}

impl Node {
    /// Runs `command`, which becomes the node; adds what it says to the file
    /// `said`.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn launch(mut command: Command, said: PathBuf) -> anyhow::Result<Self> {
        let output = File::options().create(true).append(true).open(&said)?;
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        let child = command.spawn().with_context(|| format!("start {command:?}"))?;
        Ok(Self { child, address: None, said })
    }

    /// Waits until the node answers that it is ready.
    ///
    /// # Errors
    /// It ended, or was not ready in time; with what it said.
    pub async fn wait_ready(&mut self) -> anyhow::Result<SocketAddr> {
        self.wait_ready_within(PATIENCE).await
    }

    /// Waits so long until the node answers that it is ready.
    ///
    /// # Errors
    /// It ended, or was not ready in time; with what it said.
    pub async fn wait_ready_within(&mut self, within: Duration) -> anyhow::Result<SocketAddr> {
        let started = Instant::now();
        let mut reason = String::from("it does not listen");
        while started.elapsed() < within {
            if let Some(status) = self.child.try_wait()? {
                anyhow::bail!("the node ended with {status}: {}", self.said());
            }
            if let Some(address) = self.listening() {
                match Door::new(address).get("/readyz").await {
                    Ok(answer) if answer.status.is_success() => {
                        self.address = Some(address);
                        return Ok(address);
                    }
                    Ok(answer) => reason = answer.text(),
                    Err(error) => reason = error.to_string(),
                }
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        anyhow::bail!(
            "not ready after {within:?}: {reason}; its threads: {}; it said: {}",
            self.threads(),
            self.said()
        )
    }

    /// Returns what each thread waits in, and the processor time it has had.
    fn threads(&self) -> String {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.child.id())).into_iter().flatten();
        let describe = |task: &Path| {
            let read = |name: &str| fs::read_to_string(task.join(name)).unwrap_or_default();
            let stat = read("stat");
            let after_name: Vec<&str> =
                stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace().collect();
            let field = |at: usize| after_name.get(at).copied().unwrap_or("?").to_owned();
            let (state, user, system) = (field(0), field(11), field(12));
            format!("{} {state} in {:?}, {user}+{system} ticks", read("comm").trim(), read("wchan"))
        };
        let told: Vec<String> = tasks.flatten().map(|task| describe(&task.path())).collect();
        told.join("; ")
    }

    /// Returns where it listens; it must have been ready.
    pub fn address(&self) -> SocketAddr {
        self.address.expect("asked of a node that was ready")
    }

    /// Waits until the process ends by itself.
    ///
    /// # Errors
    /// It goes on.
    pub async fn wait_end(&mut self) -> anyhow::Result<ExitStatus> {
        let started = Instant::now();
        while started.elapsed() < PATIENCE {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        anyhow::bail!("the node still runs after {PATIENCE:?}; it said: {}", self.said())
    }

    /// Says whether the process has ended.
    pub fn has_ended(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(Some(_)))
    }

    /// Stops it as a debugger does: it holds everything and does nothing.
    ///
    /// # Errors
    /// It has ended.
    pub fn pause(&self) -> anyhow::Result<()> {
        Ok(kill_process(Pid::from_child(&self.child), Signal::STOP)?)
    }

    /// Lets it go on.
    ///
    /// # Errors
    /// It has ended.
    pub fn resume(&self) -> anyhow::Result<()> {
        Ok(kill_process(Pid::from_child(&self.child), Signal::CONT)?)
    }

    /// Ends it as a crash does: at once, without a word.
    pub fn kill(mut self) {
        self.end();
    }

    /// Asks it to stop, and waits until it has drained.
    ///
    /// # Errors
    /// It does not end.
    pub async fn stop(mut self) -> anyhow::Result<ExitStatus> {
        kill_process(Pid::from_child(&self.child), Signal::TERM)?;
        self.wait_end().await
    }

    /// Returns everything it has written to its standard outputs.
    pub fn said(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.said).unwrap_or_default()).into_owned()
    }

    /// Returns the most memory it ever held resident, bytes.
    ///
    /// # Errors
    /// It has ended.
    pub fn peak_memory(&self) -> anyhow::Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.split_whitespace().next()).context("no VmHWM")?;
        Ok(kib.parse::<u64>()? << 10)
    }

    /// Returns where it accepts connections, as soon as it does.
    pub fn listening(&self) -> Option<SocketAddr> {
        let process = format!("/proc/{}", self.child.id());
        let table = fs::read_to_string(format!("{process}/net/tcp")).ok()?;
        let files = fs::read_dir(format!("{process}/fd")).ok()?;
        let sockets: Vec<String> = files
            .filter_map(|entry| fs::read_link(entry.ok()?.path()).ok())
            .filter_map(|link| {
                let link = link.to_str()?;
                Some(link.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned())
            })
            .collect();
        table.lines().skip(1).find_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let (local, state, inode) = (fields.get(1)?, fields.get(3)?, fields.get(9)?);
            let listens = *state == "0A" && sockets.iter().any(|socket| socket == inode);
            let (host, port) = local.rsplit_once(':')?;
            // The kernel prints the address as one number in this machine's order.
            let host = Ipv4Addr::from(u32::from_str_radix(host, 16).ok()?.to_ne_bytes());
            let port = u16::from_str_radix(port, 16).ok()?;
            listens.then(|| SocketAddr::from((host, port)))
        })
    }

    fn end(&mut self) {
        // Fails only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.end();
    }
}
