//! `via-node demo`: feeds a running node through its own front door and shows
//! what it detects. Owns the sources, the plan of attacks and the reckoning;
//! the node is the one that `serve` runs. Called by `main`.

mod door;
mod feed;
mod folder;
mod plan;
mod screen;
mod tally;
mod watch;

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::json;
use tokio::sync::{mpsc, watch as latest};
use tokio::task::JoinHandle;
use via_traffic::{Attack, Stream};
use via_types::Clock;

use crate::machine::{self, Machine};
pub(crate) use folder::Folder;

use door::Door;
use feed::{Feed, Feeder, Live, Stage, Totals};
use plan::Plan;
use tally::Tally;
use watch::Told;

/// Sightings that wait to be shown.
const WAITING: usize = 4_096;
/// How long sightings that are under way may still arrive at the end.
const LAST_WORDS: Duration = Duration::from_millis(1_500);
/// Likewise, when somebody wants the end: all of it takes less than a second.
const HASTY_WORDS: Duration = Duration::from_millis(100);

/// Runs a node with made-up and real events, and shows what it detects.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// Keeps the node's data here [default: a new folder for temporary files,
    /// removed at the end].
    #[arg(long, value_name = "FOLDER")]
    pub(crate) data_dir: Option<PathBuf>,
    /// The port to serve on; 0 lets the system choose.
    #[arg(long, default_value_t = 8080)]
    pub(crate) port: u16,
    /// Ends after so many seconds of live events [default: at Ctrl-C].
    #[arg(long, value_name = "N")]
    pub(crate) seconds: Option<u64>,
    /// Which attacks come: all, none, or a list such as port-scan,cpu-spike.
    #[arg(long, value_name = "LIST", default_value = "all", value_parser = parse_attacks)]
    pub(crate) attacks: Attacks,
    /// How fast the made-up shop lives until it has caught up with the clock.
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0, value_parser = parse_speed)]
    pub(crate) speed: f64,
    /// How much of the shop's past is learned first, minutes.
    #[arg(long, value_name = "MINUTES", default_value_t = 120)]
    pub(crate) history: u32,
    /// Decides the made-up traffic.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
}

/// Attacks in the order in which they come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Attacks(Vec<Attack>);

/// What the demo needs of a node.
pub(crate) struct Node {
    /// Where it serves.
    pub(crate) address: SocketAddr,
    /// Lets the demo in, and whoever looks on.
    pub(crate) key: String,
    /// Where its data are.
    pub(crate) data: PathBuf,
    /// Makes the streams.
    pub(crate) control: via_control::Handle,
    /// Tells the time.
    pub(crate) clock: Arc<dyn Clock>,
}

fn parse_speed(text: &str) -> Result<f64, String> {
    let speed = text.parse().ok().filter(|speed| (1.0..=3_600.0).contains(speed));
    speed.ok_or_else(|| "it must be a number from 1 to 3600".to_owned())
}

fn parse_attacks(text: &str) -> Result<Attacks, via_traffic::UnknownAttack> {
    match text {
        "all" => Ok(Attacks(vec![
            Attack::CredentialStuffing,
            Attack::CpuSpike,
            Attack::PortScan,
            Attack::SqlInjection,
            Attack::LatencyRegression,
            Attack::MemoryLeak,
            Attack::TrafficDrop,
        ])),
        "none" => Ok(Attacks(Vec::new())),
        list => {
            list.split(',').map(|word| word.trim().parse()).collect::<Result<_, _>>().map(Attacks)
        }
    }
}

/// Feeds the node and shows what it detects, until `interrupted` or the time
/// is up; then shows the reckoning. The caller drains the node.
///
/// # Errors
/// The node cannot be reached or refuses what it should take.
pub(crate) async fn run(
    args: &Args,
    node: &Node,
    interrupted: impl Future<Output = ()>,
) -> Result<()> {
    let mut screen = anstream::stdout();
    screen::welcome(&mut screen, node)?;
    make_streams(node).await?;
    let now_nanos = node.clock.now().as_nanos();
    let history = Duration::from_secs(u64::from(args.history) * 60);
    let mut plan = Plan::new(now_nanos, history, args.speed, args.attacks.0.clone());
    if let Some(known_nanos) = known_until(node).await? {
        // Sent again it would be late, and refused; left out it would be silence.
        plan.go_on_from(known_nanos);
        writeln!(
            screen,
            "\nthe shop is known from an earlier run: only what it missed is learned"
        )?;
    }
    let history = plan.history();
    let (stage, stages) = latest::channel(Stage::Learning { share: 0.0, sent: 0 });
    let (stop, stopped) = latest::channel(false);
    let machine =
        tokio::task::spawn_blocking(Machine::new).await.context("reading this machine")?;
    if let Err(error) = &machine {
        writeln!(screen, "this machine's own figures are left out: {error:#}")?;
    }
    let feeder = Feeder {
        feed: Feed::new((node.address, node.key.clone()), now_nanos),
        plan: plan.clone(),
        clock: Arc::clone(&node.clock),
        seed: args.seed,
        machine: machine.ok(),
        stage,
    };
    let (told, sightings) = mpsc::channel(WAITING);
    let follower = tokio::spawn(watch::follow(node.address, node.key.clone(), told));
    let show = Show {
        screen,
        tally: Tally::new(plan.live_nanos),
        clock: Arc::clone(&node.clock),
        history,
        attacks: args.attacks.0.len(),
        live: None,
        rounds: 0,
        missed: 0,
        learned: None,
    };
    let stage = Watched { stages, sightings, seconds: args.seconds };
    let result = show.run(stage, tokio::spawn(feeder.run(stopped)), stop, interrupted).await;
    follower.abort();
    result
}

/// Creates the streams with what the sources say of them.
async fn make_streams(node: &Node) -> Result<()> {
    let view = node.control.view();
    let Some(tenant) = view.tenant_named(via_control::DEFAULT_TENANT) else {
        bail!("the tenant {:?} does not exist", via_control::DEFAULT_TENANT);
    };
    let shop = Stream::ALL.iter().map(|stream| (stream.name(), stream.distinct_of()));
    let own = machine::STREAMS.iter().map(|(name, _)| (*name, None));
    for (name, distinct_of) in shop.chain(own) {
        let own = match distinct_of {
            Some(attribute) => json!({"mapping": {"distinct_of": attribute}}),
            None => json!({}),
        };
        let made = node.control.create_stream(tenant.id, name, &own).await;
        made.with_context(|| format!("creating the stream {name}"))?;
    }
    Ok(())
}

/// Asks the node until when it knows the shop, by a host that is heard of
/// every few seconds; none when it never was.
async fn known_until(node: &Node) -> Result<Option<i64>> {
    #[derive(serde::Deserialize)]
    struct Profile {
        last: String,
    }
    let path = format!("/api/v1/streams/{}/entities/web-1", Stream::HostCpu.name());
    let mut door = Door::new(node.address, &node.key);
    let answer = door.get(&path).await.context("asking for the shop's past")?;
    if answer.status != 200 {
        return Ok(None);
    }
    let profile: Profile = serde_json::from_slice(&answer.body).context("an odd profile")?;
    let last: jiff::Timestamp = profile.last.parse().context("an odd time in a profile")?;
    Ok(i64::try_from(last.as_nanosecond()).ok())
}

/// What the show looks at.
struct Watched {
    stages: latest::Receiver<Stage>,
    sightings: mpsc::Receiver<Told>,
    seconds: Option<u64>,
}

/// What is on the screen and in the books.
struct Show<W> {
    screen: W,
    tally: Tally,
    clock: Arc<dyn Clock>,
    history: Duration,
    attacks: usize,
    live: Option<Live>,
    rounds: u32,
    missed: u64,
    /// Percent of the history that were shown as learned last.
    learned: Option<u32>,
}

impl<W: Write> Show<W> {
    async fn run(
        mut self,
        mut watched: Watched,
        mut feeder: JoinHandle<Result<Totals>>,
        stop: latest::Sender<bool>,
        interrupted: impl Future<Output = ()>,
    ) -> Result<()> {
        let mut interrupted = std::pin::pin!(interrupted);
        let mut second = tokio::time::interval(Duration::from_secs(1));
        let patience = loop {
            tokio::select! {
                () = &mut interrupted => break HASTY_WORDS,
                _ = second.tick() => {
                    self.second()?;
                    let played = self.live.as_ref().map(|live| live.since.elapsed().as_secs());
                    if watched.seconds.is_some_and(|end| played.is_some_and(|now| now >= end)) {
                        break LAST_WORDS;
                    }
                }
                changed = watched.stages.changed() => match changed {
                    Ok(()) => {
                        let stage = watched.stages.borrow_and_update().clone();
                        self.stage(stage)?;
                    }
                    // The feeder has ended: it says why below.
                    Err(_) => break LAST_WORDS,
                },
                told = watched.sightings.recv() => match told {
                    Some(told) => self.told(told)?,
                    None => bail!("the live feed ended"),
                },
            }
        };
        stop.send_replace(true);
        let totals = (&mut feeder).await.context("feeding")??;
        self.last_words(&mut watched.sightings, patience).await?;
        self.plan_ahead();
        let verdict = self.tally.verdict(self.shop_nanos());
        if self.missed > 0 {
            writeln!(self.screen, "{} sightings were not told live", self.missed)?;
        }
        screen::reckoning(&mut self.screen, &verdict, &self.tally, totals)
    }

    /// Waits for what is under way: the last events' detections.
    async fn last_words(
        &mut self,
        sightings: &mut mpsc::Receiver<Told>,
        patience: Duration,
    ) -> Result<()> {
        let end = tokio::time::Instant::now() + patience;
        while let Ok(Some(told)) = tokio::time::timeout_at(end, sightings.recv()).await {
            self.told(told)?;
        }
        Ok(())
    }

    fn stage(&mut self, stage: Stage) -> Result<()> {
        match stage {
            Stage::Learning { share, sent } => {
                let percent = (share * 100.0) as u32;
                // What came in while it was learned is learned too: 100 % come again.
                if self.learned.is_some_and(|before| percent <= before) {
                    return Ok(());
                }
                self.learned = Some(percent);
                screen::learning(&mut self.screen, percent, sent, self.history)
            }
            Stage::Live(live) => {
                screen::live(&mut self.screen, &live, self.attacks)?;
                self.tally.go_live(live.plan.live_nanos);
                self.live = Some(live);
                Ok(())
            }
        }
    }

    fn told(&mut self, told: Told) -> Result<()> {
        match told {
            Told::Missed(missed) => self.missed += missed,
            Told::Seen(sighting) => {
                self.plan_ahead();
                let shop_nanos = self.shop_nanos();
                if let Some(news) = self.tally.note(&sighting, shop_nanos)
                    && news != tally::News::History
                {
                    screen::sighting(&mut self.screen, &sighting, news)?;
                }
            }
        }
        Ok(())
    }

    fn second(&mut self) -> Result<()> {
        self.plan_ahead();
        Ok(self.screen.flush()?)
    }

    /// Enters the attacks of the rounds that have begun, as the feeder does.
    fn plan_ahead(&mut self) {
        let shop_nanos = self.shop_nanos();
        let Some(live) = &self.live else { return };
        while shop_nanos >= live.plan.round_nanos(self.rounds) {
            self.tally.plan(live.plan.round(self.rounds));
            self.rounds += 1;
        }
    }

    /// Returns the shop's time; before it is live, the beginning of time.
    fn shop_nanos(&self) -> i64 {
        let now_nanos = self.clock.now().as_nanos();
        let shop = |live: &Live| live.plan.shop_nanos(live.since.elapsed(), now_nanos);
        self.live.as_ref().map_or(i64::MIN / 2, shop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shop_does_not_stand_still() {
        assert_eq!(parse_speed("1"), Ok(1.0));
        assert_eq!(parse_speed("60.5"), Ok(60.5));
        for odd in ["0", "-1", "0.5", "NaN", "inf", "1e9", "fast", ""] {
            assert!(parse_speed(odd).is_err(), "{odd}");
        }
    }

    #[test]
    fn attacks_are_chosen_by_name() {
        assert_eq!(parse_attacks("all").unwrap().0.len(), Attack::ALL.len());
        assert_eq!(parse_attacks("none").unwrap().0, []);
        let two = parse_attacks("cpu-spike, port-scan").unwrap().0;
        assert_eq!(two, [Attack::CpuSpike, Attack::PortScan]);
        assert!(parse_attacks("cpu-spike,meteor").unwrap_err().to_string().contains("meteor"));
    }
}
