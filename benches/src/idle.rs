//! `idle`: what a node takes that nobody talks to.

use std::time::{Duration, Instant};

use anyhow::Result;

use crate::node::{Choice, Site};
use crate::table::{Row, Table, Target, Unit};

const STARTS: usize = 5;
/// Before measuring, elections and first checkpoints end.
const SETTLE: Duration = Duration::from_secs(3);
const MEASURED: Duration = Duration::from_secs(10);

/// Measures.
///
/// # Errors
/// The node does not come up.
pub(crate) async fn run(choice: &Choice) -> Result<Table> {
    let site = Site::new(choice)?;
    let (mut first, mut again, mut busy) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..STARTS {
        let node = site.start(&[])?;
        first.push(node.ready().await?.as_secs_f64());
        busy.push(node.usage()?.cpu.as_secs_f64());
        drop(node);
        again.push(site.start(&[])?.ready().await?.as_secs_f64());
        site.clear()?;
    }
    let node = site.start(&[])?;
    node.ready().await?;
    tokio::time::sleep(SETTLE).await;
    let (before, begun) = (node.usage()?, Instant::now());
    tokio::time::sleep(MEASURED).await;
    let after = node.usage()?;
    let cores = after.cpu.saturating_sub(before.cpu).as_secs_f64() / begun.elapsed().as_secs_f64();
    let at_most = |most| Some(Target::AtMost(most));
    let rows = vec![
        Row::new("resident memory", Unit::Bytes, vec![after.resident as f64]).target(at_most(40e6)),
        Row::new("CPU", Unit::Cores, vec![cores]).target(at_most(0.02)),
        Row::new("first start to ready", Unit::Seconds, first).target(at_most(0.3)),
        Row::new("CPU time of a first start", Unit::Seconds, busy),
        Row::new("start after a kill to ready", Unit::Seconds, again).target(at_most(0.3)),
    ];
    let title = format!("idle node: {STARTS} starts of each kind, CPU over {MEASURED:?}");
    Ok(Table { title, rows, notes: Vec::new() })
}
