//! `load`: events at a rate against a node, several runs, one table. Owns the
//! order of a run: count, send, measure, count again; every acknowledged event
//! must be counted once (invariants D-1, D-2).

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use tokio::task::JoinSet;
use tokio::time::{sleep_until, timeout};

use crate::frame::Frame;
use crate::lines::{Body, Form};
use crate::node::{Choice, Node, Site};
use crate::pace::{Pacer, Rate, Schedule, Times};
use crate::table::{Row, Table, Target, Unit};
use crate::tally::{Tally, Window, check};
use crate::usage::{self, Usage};
use crate::workload::{Draw, Skew, Workload};
use crate::{grpc, http};

/// Events drawn for a run; they are sent again and again with new times.
const POOL_EVENTS: usize = 1 << 20;
/// Longest wait for the last answers and counts.
const PATIENCE: Duration = Duration::from_secs(60);
/// Requests under way when filling a node.
const POUR_IN_FLIGHT: usize = 16;
/// Events of a request when filling a node.
const POUR_BATCH: usize = 4_096;

/// How events are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Protocol {
    /// gRPC `WriteStream`, columns.
    Grpc,
    /// HTTP, one event per line.
    Ndjson,
    /// HTTP, one array.
    Json,
    /// HTTP, one event per line, answered with scores.
    Score,
}

/// What to send, how fast, how often.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// How events are sent.
    #[arg(long, value_enum, default_value = "grpc")]
    protocol: Protocol,
    /// Events a second like 500k (open loop), or `max` (closed loop).
    #[arg(long, default_value = "max", value_name = "RATE")]
    rate: Rate,
    /// Distinct entities.
    #[arg(long, default_value_t = 100_000)]
    entities: u32,
    /// How unequal they are: an exponent, or `uniform`.
    #[arg(long, default_value = "1.1", value_name = "SKEW")]
    zipf: Skew,
    /// Events of a request.
    #[arg(long, default_value_t = 4_096)]
    batch: usize,
    /// Connections; 2 for gRPC and 8 for HTTP unless given.
    #[arg(long)]
    connections: Option<usize>,
    /// Requests under way on a gRPC connection; HTTP has one.
    #[arg(long, default_value_t = 16)]
    in_flight: usize,
    /// Length of a run's measured part.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Length of the part before it.
    #[arg(long, default_value_t = 2, value_name = "SECONDS")]
    warm_up: u64,
    /// Runs; the table shows their median.
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// Names every request, so that it counts exactly once.
    #[arg(long)]
    exactly_once: bool,
    /// Sends no times; the node stamps events on arrival.
    #[arg(long)]
    arrival: bool,
    /// The stream written to.
    #[arg(long, default_value = "bench")]
    stream: String,
    /// Measures a node that runs already, instead of starting one.
    #[arg(long, value_name = "ADDRESS")]
    target: Option<SocketAddr>,
    #[command(flatten)]
    choice: Choice,
}

impl Protocol {
    fn name(self) -> &'static str {
        match self {
            Self::Grpc => "gRPC",
            Self::Ndjson => "NDJSON",
            Self::Json => "JSON",
            Self::Score => "NDJSON with scores",
        }
    }
}

impl Args {
    fn connections(&self) -> usize {
        let usual = if self.protocol == Protocol::Grpc { 2 } else { 8 };
        self.connections.unwrap_or(usual).max(1)
    }

    fn times(&self) -> Option<Rate> {
        (!self.arrival).then_some(self.rate)
    }

    /// Returns the same measurement of another node.
    pub(crate) fn of(self, choice: Choice) -> Self {
        Self { choice, ..self }
    }

    /// Reads the words of a command line.
    ///
    /// # Errors
    /// They are no load.
    pub(crate) fn of_words(words: &[&str]) -> Result<Self> {
        #[derive(clap::Parser)]
        struct Line {
            #[command(flatten)]
            args: Args,
        }
        let line = std::iter::once("load").chain(words.iter().copied());
        Ok(<Line as clap::Parser>::try_parse_from(line)?.args)
    }

    /// Draws the events of every connection.
    ///
    /// # Errors
    /// What is asked for cannot be drawn.
    pub(crate) fn draw(&self) -> Result<Vec<Vec<Draw>>> {
        ensure!((1..=65_536).contains(&self.batch), "a batch has 1 to 65,536 events");
        ensure!(self.runs > 0 && self.seconds > 0, "nothing would be measured");
        let connections = self.connections();
        let each = (POOL_EVENTS / self.batch / connections).max(4);
        let mut workload = Workload::new(self.entities, self.zipf, 42)?;
        let mut draw = || (0..each).map(|_| workload.draw(self.batch)).collect();
        Ok((0..connections).map(|_| draw()).collect())
    }

    fn title(&self) -> String {
        let way = match self.protocol {
            Protocol::Grpc => format!("{} in flight on each", self.in_flight),
            Protocol::Ndjson | Protocol::Json | Protocol::Score => "one in flight on each".into(),
        };
        format!(
            "load over {}: {}, {} entities {}, batches of {}, {} connections, {way}{}; \
             {} runs of {} s",
            self.protocol.name(),
            self.rate,
            self.entities,
            self.zipf,
            self.batch,
            self.connections(),
            if self.exactly_once { ", exactly once" } else { "" },
            self.runs,
            self.seconds
        )
    }
}

/// What is under load: our nodes, or one that runs already.
pub(crate) struct Subject<'a> {
    /// Where connections go, in turn.
    pub(crate) doors: Vec<SocketAddr>,
    /// The nodes that are ours.
    pub(crate) nodes: Vec<&'a Node>,
}

impl Subject<'_> {
    fn usage(&self) -> Result<Option<Usage>> {
        let mut sum: Option<Usage> = None;
        for node in &self.nodes {
            let usage = node.usage()?;
            let before = sum.unwrap_or(Usage { cpu: Duration::ZERO, resident: 0 });
            let (cpu, resident) = (before.cpu + usage.cpu, before.resident + usage.resident);
            sum = Some(Usage { cpu, resident });
        }
        Ok(sum)
    }
}

/// One run's figures.
pub(crate) struct Run {
    /// What became of the requests.
    pub(crate) tally: Tally,
    /// Of our nodes together, when there are any.
    node: Option<Spent>,
    client: Spent,
}

impl Run {
    /// Returns the events acknowledged in a second of our nodes' processor time.
    pub(crate) fn rate_per_core(&self) -> Option<f64> {
        self.node.map(|spent| self.tally.rate() / spent.cores.max(1e-9))
    }
}

/// What a process spent in the measured part.
#[derive(Clone, Copy)]
struct Spent {
    cores: f64,
    resident: u64,
}

impl Spent {
    fn between(before: Usage, after: Usage, window: Window) -> Self {
        let length = (window.until - window.from).as_secs_f64();
        let cores = after.cpu.saturating_sub(before.cpu).as_secs_f64() / length;
        Self { cores, resident: after.resident }
    }
}

/// Measures.
///
/// # Errors
/// A connection fails, or an event is lost or counted twice.
pub(crate) async fn run(args: &Args) -> Result<Table> {
    let draws = args.draw()?;
    let own = match args.target {
        Some(_) => None,
        None => {
            let site = Site::new(&args.choice)?;
            let node = site.start(&[])?;
            node.ready().await?;
            Some((node, site))
        }
    };
    let doors = args.target.into_iter().chain(own.iter().map(|(node, _)| node.address()));
    let subject =
        Subject { doors: doors.collect(), nodes: own.iter().map(|(node, _)| node).collect() };
    let mut runs = Vec::new();
    for number in 1..=args.runs {
        let run = Box::pin(once(args, &subject, &draws)).await?;
        anstream::eprintln!(
            "run {number}: {:.2} M events/s, p99 {:.2?}",
            run.tally.rate() / 1e6,
            run.tally.quantile(0.99)
        );
        runs.push(run);
    }
    let stats = http::stats(subject.doors[0]).await?;
    Ok(table(args, &runs, stats))
}

/// Carries out one run of the events that were drawn for each connection.
///
/// # Errors
/// A connection fails, or an event is lost or counted twice.
pub(crate) async fn once(args: &Args, subject: &Subject<'_>, draws: &[Vec<Draw>]) -> Result<Run> {
    let before = http::stats(subject.doors[0]).await?.events;
    let mut senders = Vec::new();
    for (connection, draws) in draws.iter().enumerate() {
        let door = subject.doors[connection % subject.doors.len()];
        senders.push((door, Connection::new(args, door, connection, draws).await?));
    }
    let start = Instant::now() + Duration::from_millis(20);
    let from = start + Duration::from_secs(args.warm_up);
    let window = Window { from, until: from + Duration::from_secs(args.seconds) };
    let (pacer, schedules) = schedules(args, start, window.until)?;
    let mut sending = JoinSet::new();
    for ((door, sender), schedule) in senders.into_iter().zip(schedules) {
        sending.spawn(sender.run(door, schedule, Tally::new(window)));
    }
    let work = async {
        let mut sum = Tally::new(window);
        while let Some(ended) = sending.join_next().await {
            sum.add(&ended??);
        }
        Ok::<_, anyhow::Error>(sum)
    };
    let work = timeout(window.until + PATIENCE - Instant::now(), work);
    let work = async { work.await.context("requests were not answered")? };
    let (tally, (node, client)) = tokio::try_join!(work, measure(subject, window))?;
    if let Some(pacer) = pacer {
        pacer.finish();
    }
    settle(subject.doors[0], before + tally.accepted).await?;
    Ok(Run { tally, node, client })
}

fn schedules(
    args: &Args,
    start: Instant,
    until: Instant,
) -> Result<(Option<Pacer>, Vec<Schedule>)> {
    let connections = args.connections();
    match args.rate {
        Rate::Max => {
            let closed = || Schedule::Closed { until, left: u64::MAX };
            Ok((None, (0..connections).map(|_| closed()).collect()))
        }
        Rate::PerSecond(rate) => {
            let every = Duration::from_secs_f64(args.batch as f64 / rate);
            let (pacer, schedules) = Pacer::start(connections, every, start, until)?;
            Ok((Some(pacer), schedules))
        }
    }
}

async fn measure(subject: &Subject<'_>, window: Window) -> Result<(Option<Spent>, Spent)> {
    let client = || usage::of(std::process::id());
    sleep_until(window.from.into()).await;
    let before = (subject.usage()?, client()?);
    sleep_until(window.until.into()).await;
    let after = (subject.usage()?, client()?);
    let node = before.0.zip(after.0).map(|(before, after)| Spent::between(before, after, window));
    Ok((node, Spent::between(before.1, after.1, window)))
}

/// Waits until the node counts what it acknowledged, which it must.
async fn settle(node: SocketAddr, acknowledged: u64) -> Result<()> {
    let begun = Instant::now();
    loop {
        let counted = http::stats(node).await?.events;
        if counted >= acknowledged || begun.elapsed() > PATIENCE {
            return check(acknowledged, counted);
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

enum Connection {
    Grpc(grpc::Sender),
    Http(http::Sender),
}

impl Connection {
    async fn new(args: &Args, node: SocketAddr, number: usize, draws: &[Draw]) -> Result<Self> {
        let times = args.times();
        let origin = if args.exactly_once {
            Some(grpc::open_producer(node, &format!("bench-{number}")).await?)
        } else {
            None
        };
        let (form, media_type, end) = match args.protocol {
            Protocol::Grpc => {
                let frames = draws.iter().map(|draw| Frame::new(&args.stream, draw)).collect();
                let in_flight = args.in_flight;
                return Ok(Self::Grpc(grpc::Sender { frames, in_flight, times, origin }));
            }
            Protocol::Ndjson => (Form::Lines, "application/x-ndjson", "events"),
            Protocol::Json => (Form::Array, "application/json", "events"),
            Protocol::Score => (Form::Lines, "application/x-ndjson", "score"),
        };
        let marks = times.map_or(Times::Arrival, |rate| Times::until_now(args.batch, rate));
        let bodies = draws.iter().map(|draw| Body::new(form, draw, marks)).collect();
        let path = format!("/api/v1/streams/{}/{end}", args.stream);
        Ok(Self::Http(http::Sender { path, media_type, bodies, times, origin }))
    }

    async fn run(self, node: SocketAddr, schedule: Schedule, tally: Tally) -> Result<Tally> {
        match self {
            Self::Grpc(sender) => grpc::run(node, sender, schedule, tally).await,
            Self::Http(sender) => http::run(node, sender, schedule, tally).await,
        }
    }
}

fn table(args: &Args, runs: &[Run], stats: http::Stats) -> Table {
    let each = |figure: &dyn Fn(&Run) -> f64| runs.iter().map(figure).collect::<Vec<_>>();
    let (rate, p99) = match (args.protocol, args.rate) {
        (Protocol::Grpc, Rate::Max) => (Some(Target::AtLeast(4e6)), None),
        (Protocol::Ndjson, Rate::Max) => (Some(Target::AtLeast(1.5e6)), None),
        (Protocol::Grpc, Rate::PerSecond(rate)) if rate >= 5e5 => {
            (Some(Target::AtLeast(rate * 0.995)), Some(Target::AtMost(5e-3)))
        }
        (_, Rate::PerSecond(rate)) => (Some(Target::AtLeast(rate * 0.995)), None),
        (Protocol::Json | Protocol::Score, Rate::Max) => (None, None),
    };
    let acknowledged =
        Row::new("events acknowledged", Unit::PerSecond, each(&|run| run.tally.rate()));
    let mut rows = vec![acknowledged.target(rate)];
    let quantiles = [
        ("p50", 0.5, None),
        ("p90", 0.9, None),
        ("p99", 0.99, p99),
        ("p99.9", 0.999, None),
        ("worst", 1.0, None),
    ];
    for (name, quantile, target) in quantiles {
        let seconds = each(&|run| run.tally.quantile(quantile).as_secs_f64());
        rows.push(
            Row::new(format!("{name} acknowledgement"), Unit::Seconds, seconds).target(target),
        );
    }
    let of_node = |figure: &dyn Fn(&Run, Spent) -> f64| -> Option<Vec<f64>> {
        runs.iter().map(|run| run.node.map(|spent| figure(run, spent))).collect()
    };
    let per_cpu: Option<Vec<f64>> = runs.iter().map(Run::rate_per_core).collect();
    if let Some(values) = per_cpu {
        rows.push(Row::new("events per second of node CPU", Unit::PerSecond, values));
    }
    if let Some(values) = of_node(&|_, spent| spent.cores) {
        rows.push(Row::new("node CPU", Unit::Cores, values));
    }
    rows.push(Row::new("client CPU", Unit::Cores, each(&|run| run.client.cores)));
    if let Some(values) = of_node(&|_, spent| spent.resident as f64) {
        rows.push(Row::new("node resident memory", Unit::Bytes, values));
    }
    Table { title: args.title(), rows, notes: notes(runs, stats) }
}

fn notes(runs: &[Run], stats: http::Stats) -> Vec<String> {
    let sum = |figure: fn(&Tally) -> u64| runs.iter().map(|run| figure(&run.tally)).sum::<u64>();
    let mut notes = vec![format!(
        "{} events acknowledged, each counted once; {} profiles, {} detections",
        sum(|tally| tally.accepted),
        stats.profiles,
        stats.detections
    )];
    let (refused, away) = (sum(|tally| tally.refused), sum(|tally| tally.turned_away));
    if refused + away > 0 {
        notes.push(format!("{refused} events refused, {away} requests asked to come later"));
    }
    notes
}

/// Writes events to a node as fast as it takes them, by name; returns how many
/// were acknowledged.
///
/// # Errors
/// The connection fails, or not every event is accepted.
pub(crate) async fn pour(node: SocketAddr, workload: &mut Workload, events: usize) -> Result<u64> {
    let requests = events / POUR_BATCH;
    let frames = (0..requests).map(|_| Frame::new("bench", &workload.draw(POUR_BATCH))).collect();
    let origin = Some(grpc::open_producer(node, "pour").await?);
    let sender = grpc::Sender { frames, in_flight: POUR_IN_FLIGHT, times: Some(Rate::Max), origin };
    let from = Instant::now();
    let window = Window { from, until: from + PATIENCE * 10 };
    let schedule = Schedule::Closed { until: window.until, left: requests as u64 };
    let tally = grpc::run(node, sender, schedule, Tally::new(window)).await?;
    let expected = (requests * POUR_BATCH) as u64;
    ensure!(tally.accepted == expected, "{} of {expected} events were accepted", tally.accepted);
    Ok(tally.accepted)
}
