//! Events in: from a body or a columnar message to receipts. Owns parsing,
//! cutting by shard and the bounds on both; whose stream it is and in which
//! words the answer is given is for the callers in `http` and `grpc`.
//! Invariants: D-1 and D-2 through the shard, D-5, D-6, T-2.

pub(crate) mod admission;
pub(crate) mod body;
pub(crate) mod columns;
pub(crate) mod event;
pub(crate) mod json;
pub(crate) mod lines;
pub(crate) mod refusal;
pub(crate) mod row;
pub(crate) mod split;
pub(crate) mod stamp;
pub(crate) mod target;
pub(crate) mod writer;

use bytes::Bytes;
use via_proto::v1::WriteRequest;
use via_shard::Answer;
use via_types::Origin;
use via_types::config::Mapping;

use self::admission::Grant;
use self::body::Source;
use self::lines::{Line, Lines, PART_BYTES, PART_LINES, Part};
use self::refusal::{Fault, Refusals, RowCode};
use self::row::Composer;
use self::split::{PIECES, Piece, Splitter};
use self::stamp::Era;
use self::target::Target;
use self::writer::{Tally, Writer};
use crate::gate::Gate;
use crate::problem::{Code, Problem};

/// Bytes reserved at a time while a body is being gathered.
const RESERVE_BYTES: usize = 256 << 10;

/// Batches of a text take at most about as much again as the text.
const WEIGHT: usize = 2;

/// One request to write events, from whatever protocol.
pub(crate) struct Ingest {
    gate: Gate,
    target: Target,
    origin: Option<Origin>,
    splitter: Splitter,
    writer: Writer,
}

impl Ingest {
    /// Makes a request for `target`, from what its tenant may ask.
    pub(crate) fn new(gate: &Gate, target: Target, origin: Option<Origin>, answer: Answer) -> Self {
        let splitter = Splitter::new(target.id(), gate.shard().shards());
        let writer = Writer::new(gate, answer);
        Self { gate: gate.clone(), target, origin, splitter, writer }
    }

    /// Writes lines as they come, in bounded memory whatever their number.
    pub(crate) async fn lines(mut self, mut source: Source) -> Result<Tally, Problem> {
        let mut lines = Lines::new(self.gate.options().line_bytes);
        let mut grant = Grant::default();
        loop {
            let bytes = tokio::select! {
                biased;
                () = self.writer.next(), if self.writer.is_busy() => {
                    if self.writer.tally().has_failed() {
                        return self.writer.finish().await;
                    }
                    continue;
                }
                bytes = source.next() => bytes,
            };
            let mut rest = match bytes {
                Ok(Some(bytes)) => bytes,
                Ok(None) => break,
                Err(problem) => return self.fail(problem).await,
            };
            while !rest.is_empty() {
                let (taken, part) = lines.take(&rest);
                drop(rest.split_to(taken));
                if let Some(part) = part {
                    let grant = std::mem::take(&mut grant);
                    if let Err(problem) = self.part(&part, grant).await {
                        return self.fail(problem).await;
                    }
                }
            }
            let held = (lines.bytes() / RESERVE_BYTES) * RESERVE_BYTES * WEIGHT;
            if let Err(problem) = self.gate.admission().cover(&mut grant, held).await {
                return self.fail(problem).await;
            }
        }
        if let Some(part) = lines.finish()
            && let Err(problem) = self.part(&part, grant).await
        {
            return self.fail(problem).await;
        }
        self.writer.finish().await
    }

    /// Writes lines that fit one part, for answers with an entry per event.
    pub(crate) async fn few_lines(mut self, mut source: Source) -> Result<Tally, Problem> {
        let mut lines = Lines::new(self.gate.options().line_bytes);
        let (mut grant, mut full) = (Grant::default(), None);
        while let Some(mut rest) = source.next().await? {
            while !rest.is_empty() {
                if full.is_some() {
                    let words = format!(
                        "scores are given for at most {PART_LINES} lines and {PART_BYTES} bytes"
                    );
                    return Err(Problem::new(Code::TooLarge, words));
                }
                let (taken, part) = lines.take(&rest);
                drop(rest.split_to(taken));
                full = part;
            }
            self.gate.admission().cover(&mut grant, lines.bytes() * WEIGHT).await?;
        }
        if let Some(part) = full.or_else(|| lines.finish()) {
            self.part(&part, grant).await?;
        }
        self.writer.finish().await
    }

    /// Writes a JSON body: one event or an array. Nothing is applied unless the
    /// whole body is JSON.
    pub(crate) async fn json(mut self, mut source: Source, most: usize) -> Result<Tally, Problem> {
        let limit = self.gate.options().json_bytes;
        source.expect_at_most(limit)?;
        let mut grant = Grant::default();
        let mut body = Vec::new();
        while let Some(bytes) = source.next().await? {
            if body.len() + bytes.len() > limit {
                let words = format!("a JSON body may have {limit} bytes; send NDJSON for more");
                return Err(Problem::new(Code::TooLarge, words));
            }
            let held = body.len() + bytes.len();
            // Parsed events may outweigh their text several times.
            self.gate.admission().cover(&mut grant, held * 2 * WEIGHT).await?;
            body.extend_from_slice(&bytes);
        }
        let era = Era::at(self.gate.now());
        let origin = self.origin;
        let cut = |mapping: &Mapping, splitter: &mut Splitter| {
            json::split(&body, most, origin, &mut Composer::new(mapping, era), splitter)
        };
        let (pieces, refusals) = self.cut(cut).await?;
        drop(body);
        let events = pieces.iter().map(|piece| piece.batch.len() as u64).sum::<u64>();
        self.writer.admit(events + refusals.count).await?;
        self.writer.tally().refusals.append(refusals);
        self.writer.submit(pieces, grant).await;
        self.writer.finish().await
    }

    /// Hands a columnar batch to the shards; [`Self::finish`] waits for them.
    pub(crate) async fn columns(&mut self, request: &WriteRequest) -> Result<(), Problem> {
        let (events, most) = (request.entity.len() / 4, self.gate.options().batch_events);
        if events > most {
            let words = format!("{events} events in one batch; at most {most} are taken");
            return Err(Problem::new(Code::TooLarge, words));
        }
        self.writer.allowance().bytes(columns::bytes(request))?;
        self.writer.admit(events as u64).await?;
        let bytes = request.entity.len() * 5 + request.keys.iter().map(Bytes::len).sum::<usize>();
        let mut grant = Grant::default();
        self.gate.admission().cover(&mut grant, bytes * WEIGHT).await?;
        let era = Era::at(self.gate.now());
        let origin = self.origin;
        let cut = |mapping: &Mapping, splitter: &mut Splitter| {
            columns::split(request, origin, mapping, era, splitter)
        };
        let (pieces, refusals) = self.cut(cut).await?;
        self.writer.tally().refusals.append(refusals);
        self.writer.submit(pieces, grant).await;
        Ok(())
    }

    /// Waits for everything handed over and returns the sums.
    pub(crate) async fn finish(self) -> Result<Tally, Problem> {
        self.writer.finish().await
    }

    async fn part(&mut self, part: &Part, mut grant: Grant) -> Result<(), Problem> {
        if part.number >= u32::MAX / PIECES {
            return Err(Problem::new(Code::TooLarge, "the body has more parts than can be named"));
        }
        self.gate.recheck()?;
        // A line costs what an event does, whatever is in it: it is read.
        self.writer.admit(part.len() as u64).await?;
        self.gate.admission().cover(&mut grant, part.bytes() * WEIGHT).await?;
        let origin = self.origin.map(|origin| Origin { part: part.number, ..origin });
        let era = Era::at(self.gate.now());
        let cut = |mapping: &Mapping, splitter: &mut Splitter| {
            Ok(split_part(part, origin, &mut Composer::new(mapping, era), splitter))
        };
        let (pieces, refusals) = self.cut(cut).await?;
        self.writer.tally().refusals.append(refusals);
        self.writer.submit(pieces, grant).await;
        Ok(())
    }

    /// Cuts events into pieces; twice when the first good ones make their stream,
    /// whose id decides where they go.
    async fn cut(
        &mut self,
        cut: impl Fn(&Mapping, &mut Splitter) -> Result<(Vec<Piece>, Refusals), Problem>,
    ) -> Result<(Vec<Piece>, Refusals), Problem> {
        let found = cut(self.target.mapping(), &mut self.splitter)?;
        if found.0.is_empty() {
            return Ok(found);
        }
        let Some(id) = self.target.settle(&self.gate, self.origin).await? else {
            return Ok(found);
        };
        self.splitter = Splitter::new(id, self.gate.shard().shards());
        cut(self.target.mapping(), &mut self.splitter)
    }

    async fn fail(mut self, problem: Problem) -> Result<Tally, Problem> {
        self.writer.tally().fail(problem);
        self.writer.finish().await
    }
}

/// Reads a part's lines and cuts their events by shard.
fn split_part(
    part: &Part,
    origin: Option<Origin>,
    composer: &mut Composer<'_>,
    splitter: &mut Splitter,
) -> (Vec<Piece>, Refusals) {
    let mut refusals = Refusals::default();
    let mut raw = event::RawEvent::default();
    splitter.begin(origin, part.first_line, part.len());
    for (nth, line) in part.lines().enumerate() {
        let pushed = match line {
            Line::TooLong => Err(RowCode::LineTooLong.into()),
            Line::Text(text) if text.trim_ascii().is_empty() => continue,
            Line::Text(text) => push(text, nth as u32, &mut raw, composer, splitter),
        };
        if let Err(fault) = pushed {
            refusals.push(part.first_line + nth as u64, || fault);
        }
    }
    (splitter.finish(), refusals)
}

fn push<'a>(
    text: &'a [u8],
    line: u32,
    raw: &mut event::RawEvent<'a>,
    composer: &mut Composer<'_>,
    splitter: &mut Splitter,
) -> Result<(), Fault> {
    raw.read(text)?;
    let row = composer.compose(raw)?;
    let entity = splitter.entity(row.key);
    splitter.push(entity, &row, line).map_err(Fault::from)
}

#[cfg(test)]
mod tests {
    use via_types::config::Mapping;
    use via_types::{StreamId, Timestamp};

    use super::*;

    #[test]
    fn good_lines_of_a_part_are_kept_when_others_are_bad() {
        let body = b"{\"entity\":\"a\",\"value\":1}\nnonsense\n\n{\"entity\":\"b\",\"value\":2}\n{\"value\":3}\n";
        let mut lines = Lines::new(1_000);
        assert_eq!(lines.take(body).0, body.len());
        let part = lines.finish().expect("lines");
        let mapping = Mapping::default();
        let mut composer = Composer::new(&mapping, Era::at(Timestamp::from_nanos(1 << 60)));
        let mut splitter = Splitter::new(StreamId::new(1), 2);
        let (pieces, refusals) = split_part(&part, None, &mut composer, &mut splitter);
        let mut kept: Vec<u64> = pieces
            .iter()
            .flat_map(|piece| piece.lines.iter().map(|line| piece.first_line + u64::from(*line)))
            .collect();
        kept.sort_unstable();
        assert_eq!(kept, [1, 4]);
        let codes: Vec<_> =
            refusals.listed.iter().map(|(line, fault)| (*line, fault.code)).collect();
        assert_eq!(codes, [(2, RowCode::BadJson), (5, RowCode::EntityMissing)]);
    }
}
