//! Does what the agenda says, to the cluster, and notes it in the history.

use std::time::Duration;

use serde_json::{Value, json};

use super::agenda::{Agenda, Due, Phase};
use super::flood::Flood;
use super::{Deed, Nemesis, Scene};
use crate::cluster::Cluster;
use crate::history::{Kind, Process, Recorder, Told};

/// What was done.
#[derive(Debug, Default)]
pub struct Done {
    /// How often each nemesis struck.
    pub strikes: std::collections::BTreeMap<Nemesis, u64>,
    /// Deeds that could not be done, in words.
    pub failed: Vec<String>,
}

/// Whoever makes the faults.
pub struct Hand<'a> {
    cluster: &'a mut Cluster,
    recorder: Recorder,
    flood: Option<Flood>,
    done: Done,
}

impl<'a> Hand<'a> {
    /// Makes a hand that has done nothing.
    pub fn new(cluster: &'a mut Cluster, recorder: Recorder) -> Self {
        Self { cluster, recorder, flood: None, done: Done::default() }
    }

    /// Follows the agenda for so long, and leaves what lasts as it is.
    pub async fn follow(mut self, mut agenda: Agenda, time: Duration) -> Done {
        let began = tokio::time::Instant::now();
        loop {
            let next = agenda.next_at().unwrap_or(time).min(time);
            tokio::time::sleep_until(began + next).await;
            if next >= time {
                return self.done;
            }
            let leader = if agenda.needs_leader() { self.cluster.leader() } else { 0 };
            let scene = Scene { nodes: self.cluster.nodes(), leader };
            let Some(due) = agenda.take(scene) else { continue };
            self.carry_out(&due).await;
            agenda.catch_up(began.elapsed());
        }
    }

    async fn carry_out(&mut self, due: &Due) {
        if due.phase == Phase::Begin {
            *self.done.strikes.entry(due.nemesis).or_default() += 1;
        }
        let word = due.nemesis.word();
        let note = |what: &str, value: Value| {
            let value = json!({"phase": due.phase.word(), what: value});
            let told = Told { outcome: Kind::Info, value, error: None };
            self.recorder.complete(Process::Nemesis, word, told);
        };
        let deeds: Vec<String> = due.deeds.iter().take(8).map(|deed| format!("{deed:?}")).collect();
        note("deeds", json!(deeds));
        for deed in &due.deeds {
            if let Err(error) = self.carry_out_one(deed).await {
                self.done.failed.push(format!("{word}: {deed:?}: {error:#}"));
            }
        }
    }

    async fn carry_out_one(&mut self, deed: &Deed) -> anyhow::Result<()> {
        let cluster = &mut *self.cluster;
        match deed {
            Deed::Kill(node) => cluster.kill(*node),
            Deed::Launch(node) => cluster.launch(*node).await?,
            Deed::Restart(node) => cluster.restart(*node).await?,
            Deed::Pause(node) => cluster.pause(*node)?,
            Deed::Resume(node) => cluster.resume(*node)?,
            Deed::Cut(from, to) => cluster.cut(*from, *to)?,
            Deed::Heal => cluster.heal()?,
            Deed::Weather(from, to, weather) => cluster.weather(*from, *to, weather.clone()),
            Deed::Shift(node, shift) => {
                cluster.shift(*node, *shift)?;
                // Long enough for the node to look at its clock.
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            Deed::LosePower(node, survivors) => cluster.lose_power(*node, *survivors)?,
            Deed::Damage(node, rot) => drop(cluster.damage(*node, *rot)?),
            Deed::Begin(node, fault) => cluster.begin(*node, *fault)?,
            Deed::Mend(node, fault) => cluster.mend(*node, *fault)?,
            Deed::Leave(node) => cluster.leave(*node).await?,
            Deed::Flood => self.flood = Some(Flood::begin(cluster.targets())),
            Deed::Relief => self.flood = None,
        }
        Ok(())
    }
}
