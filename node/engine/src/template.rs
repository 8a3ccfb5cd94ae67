//! Log lines to templates, learned as the lines come. Owns the templates of all
//! sources, in bounded memory, and who is forgotten; refuses to know time, and
//! what becomes of a template's id. Same lines in the same order give the same
//! ids (invariant E-1).

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

mod atom;
mod class;
mod cluster;
mod line;
mod mask;
mod shapes;
mod token;
mod tree;
mod words;

use cluster::{Likeness, Tokens};
pub use line::LineReader;
use mask::mask;
use shapes::{Place, Shapes};
use tree::Tree;

/// Templates a line is compared with at most, so that a flood of lines that are
/// all different stays cheap; the leaf's longest unseen one makes room.
const MOST_IN_LEAF: usize = 128;
/// A word varies when as many alike templates differ in it as this, divided by
/// the number of words they share.
const PROOF: usize = 24;
/// Shapes remembered for each template.
const SHAPES_PER_TEMPLATE: usize = 4;

/// How templates are learned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TemplateOptions {
    /// Templates kept; for one more the longest unseen one is forgotten.
    pub most_templates: usize,
    /// Bytes of a line that are read.
    pub most_line_bytes: usize,
    /// Words that must be equal, per cent of those compared, for a line to join
    /// a template whose other words then count as values.
    pub similarity_per_cent: u32,
    /// Templates that differ in one word only, from which on that word is taken
    /// for a value and they for one; more where they share few words.
    pub variants: usize,
}

impl Default for TemplateOptions {
    fn default() -> Self {
        Self {
            most_templates: 4096,
            most_line_bytes: LineReader::MOST_BYTES,
            similarity_per_cent: 70,
            variants: 5,
        }
    }
}

/// Who logs at which severity: lines of different sources share no template.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Source(u64);

impl Source {
    /// Names a source.
    pub fn new(service: &str, severity: &str) -> Self {
        Self(xxh3_64_with_seed(severity.as_bytes(), xxh3_64(service.as_bytes())))
    }
}

/// A template's rhythm hash: xxh3-64 of service, severity and the text the
/// template was born with, the shape of its first line.
///
/// It stays when the template becomes more general. Where nothing but values
/// that show by their looks varies, it is the same in every process and for
/// every order of lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TemplateId(u64);

impl TemplateId {
    /// Returns the bare number.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for TemplateId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// What a line changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// Nothing but a count.
    Known,
    /// The line is the first of its template.
    Novel,
    /// Words of a template turned out to vary; other templates may have become
    /// part of it, which [`Templates::absorbed`] names.
    General,
}

/// Where a line belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Assigned {
    /// Its template.
    pub id: TemplateId,
    /// What the line changed.
    pub news: News,
}

/// One template as a reader sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template<'a> {
    /// Its id.
    pub id: TemplateId,
    /// Its text, `<*>` for what varies.
    pub text: Cow<'a, str>,
    /// Lines assigned to it.
    pub lines: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Cluster {
    id: u64,
    source: u64,
    /// Its place among all ever made.
    birth: u64,
    turn: u32,
    lines: u64,
    tokens: Tokens,
    /// The tree knows it as it is now.
    is_planted: bool,
}

/// The templates of any number of sources.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Templates {
    options: TemplateOptions,
    clusters: Vec<Option<Cluster>>,
    /// When each place was last used, in lines.
    used: Vec<u64>,
    /// How often each place was taken.
    turns: Vec<u32>,
    free: Vec<u32>,
    by_id: BTreeMap<u64, u32>,
    tree: Tree,
    shapes: Shapes,
    lines: u64,
    births: u64,
    absorbed: Vec<TemplateId>,
    #[serde(skip)]
    scratch: Scratch,
}

/// Room that is used anew for each line; no two differ.
#[derive(Clone, Debug, Default)]
struct Scratch {
    shape: Vec<u8>,
    text: Vec<u8>,
    tokens: Tokens,
}

impl PartialEq for Scratch {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Scratch {}

impl Templates {
    /// Starts without any.
    pub fn new(options: TemplateOptions) -> Self {
        let options = TemplateOptions {
            most_templates: options.most_templates.max(1),
            variants: options.variants.max(2),
            ..options
        };
        Self {
            options,
            clusters: Vec::new(),
            used: Vec::new(),
            turns: Vec::new(),
            free: Vec::new(),
            by_id: BTreeMap::new(),
            tree: Tree::default(),
            shapes: Shapes::new(options.most_templates.saturating_mul(SHAPES_PER_TEMPLATE)),
            lines: 0,
            births: 0,
            absorbed: Vec::new(),
            scratch: Scratch::default(),
        }
    }

    /// Assigns a line to its template and learns from it. Allocates nothing when
    /// the line's shape is known.
    pub fn assign(&mut self, source: Source, line: &[u8]) -> Assigned {
        self.lines += 1;
        self.absorbed.clear();
        mask(cut(line, self.options.most_line_bytes), &mut self.scratch.shape);
        let shape = xxh3_64_with_seed(&self.scratch.shape, source.0);
        if let Some(place) = self.shapes.find(shape)
            && let Some(Some(cluster)) = self.clusters.get_mut(place.slot as usize)
            && cluster.turn == place.turn
        {
            cluster.lines += 1;
            self.used[place.slot as usize] = self.lines;
            return Assigned { id: TemplateId(cluster.id), news: News::Known };
        }
        self.learn(source.0, shape)
    }

    /// Returns the templates that became part of the latest line's template;
    /// their ids are given to no line any more unless they are learned anew.
    pub fn absorbed(&self) -> &[TemplateId] {
        &self.absorbed
    }

    /// Returns the template with this id, if it is still known.
    pub fn template(&self, id: TemplateId) -> Option<Template<'_>> {
        let slot = *self.by_id.get(&id.0)?;
        let cluster = self.clusters[slot as usize].as_ref()?;
        let text = String::from_utf8_lossy(cluster.tokens.text());
        Some(Template { id, text, lines: cluster.lines })
    }

    /// Returns the ids of all templates, in no order that means anything.
    pub fn ids(&self) -> impl Iterator<Item = TemplateId> {
        self.by_id.keys().map(|id| TemplateId(*id))
    }

    /// Returns how many templates are known.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Whether no line has been assigned yet.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// Returns the memory taken, bytes, about.
    pub fn bytes(&self) -> usize {
        let clusters = self.clusters.iter().flatten().map(|cluster| cluster.tokens.bytes());
        let place = size_of::<Option<Cluster>>() + size_of::<u64>() + 2 * size_of::<u32>();
        // A map's nodes are half full or better.
        let entries = (self.tree.len() + self.by_id.len()) * 32;
        clusters.sum::<usize>() + self.clusters.capacity() * place + entries + self.shapes.bytes()
    }

    /// Finds or makes the template of a shape that is not among those cached.
    fn learn(&mut self, source: u64, shape: u64) -> Assigned {
        let mut line = std::mem::take(&mut self.scratch.tokens);
        line.read(&self.scratch.shape, &mut self.scratch.text);
        let (slot, news) = match self.find(source, shape, &line) {
            Some(slot) => self.widen(slot, &line),
            None => self.create(source, shape, &line),
        };
        self.scratch.tokens = line;
        self.used[slot as usize] = self.lines;
        let turn = self.turns[slot as usize];
        self.shapes.note(shape, Place { slot, turn });
        let id = self.clusters[slot as usize].as_mut().map_or(0, |cluster| {
            cluster.lines += 1;
            cluster.id
        });
        Assigned { id: TemplateId(id), news }
    }

    /// Returns the template most like a line, if it is like enough.
    fn find(&self, source: u64, shape: u64, line: &Tokens) -> Option<u32> {
        if let Some(born_so) = self.by_id.get(&shape) {
            return Some(*born_so);
        }
        let mut best: Option<(u32, u64, Likeness)> = None;
        for slot in self.tree.near(source, line) {
            let Some(cluster) = &self.clusters[slot as usize] else { continue };
            if let Some(likeness) = cluster.tokens.likeness(line)
                && likeness.reaches(self.options.similarity_per_cent)
                && best.is_none_or(|(_, birth, other)| {
                    likeness.exceeds(other) || (likeness.equals(other) && cluster.birth < birth)
                })
            {
                best = Some((slot, cluster.birth, likeness));
            }
        }
        best.map(|(slot, ..)| slot)
    }

    /// Makes a template general enough for a line.
    fn widen(&mut self, slot: u32, line: &Tokens) -> (u32, News) {
        self.uproot(slot);
        let cluster = self.clusters[slot as usize].as_mut();
        let is_wider = cluster.is_some_and(|cluster| cluster.tokens.generalise(line));
        (self.settle(slot), if is_wider { News::General } else { News::Known })
    }

    fn create(&mut self, source: u64, shape: u64, line: &Tokens) -> (u32, News) {
        let beside = self.tree.beside(source, line);
        let oldest = if beside.len() >= MOST_IN_LEAF {
            self.longest_unseen(beside.iter().copied())
        } else if self.by_id.len() >= self.options.most_templates {
            // Every place is taken: there are no more than that.
            self.longest_unseen(0..self.used.len() as u32)
        } else {
            None
        };
        if let Some(slot) = oldest {
            self.forget(slot);
        }
        let slot = self.free.pop().unwrap_or_else(|| {
            self.clusters.push(None);
            self.used.push(0);
            self.turns.push(0);
            self.clusters.len() as u32 - 1
        });
        self.births += 1;
        let turn = &mut self.turns[slot as usize];
        *turn = turn.wrapping_add(1).max(1);
        self.used[slot as usize] = self.lines;
        self.by_id.insert(shape, slot);
        self.clusters[slot as usize] = Some(Cluster {
            id: shape,
            source,
            birth: self.births,
            turn: *turn,
            lines: 0,
            tokens: line.clone(),
            is_planted: false,
        });
        let settled = self.settle(slot);
        (settled, if self.absorbed.is_empty() { News::Novel } else { News::General })
    }

    /// Puts a template back into the tree: one that became equal to another is
    /// joined with it, and so are those that differ in one word of too many.
    /// Returns where it is then.
    fn settle(&mut self, mut slot: u32) -> u32 {
        while let Some(cluster) = self.clusters[slot as usize].as_mut() {
            let (source, tokens) = (cluster.source, &cluster.tokens);
            if let Some(twin) = self.tree.same(source, tokens).filter(|twin| *twin != slot) {
                slot = self.join(twin, slot);
                continue;
            }
            self.tree.insert(source, tokens, slot);
            cluster.is_planted = true;
            let variable = tokens.words().find(|at| {
                let proof = PROOF / tokens.context(*at).max(1);
                self.tree.variants(source, tokens, *at) >= proof.max(self.options.variants)
            });
            match variable {
                Some(at) => slot = self.fold(slot, at),
                None => break,
            }
        }
        slot
    }

    /// Takes a template out of the tree, to be changed.
    fn uproot(&mut self, slot: u32) {
        if let Some(cluster) = &mut self.clusters[slot as usize]
            && std::mem::take(&mut cluster.is_planted)
        {
            self.tree.remove(cluster.source, &cluster.tokens, slot);
        }
    }

    /// Makes one template, not in the tree yet, of all that differ from `slot` in
    /// the word at `at` only.
    fn fold(&mut self, slot: u32, at: usize) -> u32 {
        let Some(pattern) = self.clusters[slot as usize].as_ref() else { return slot };
        let (source, length) = (pattern.source, pattern.tokens.list().len());
        let hole = pattern.tokens.hole(pattern.tokens.whole(), at);
        let alike = |cluster: &Cluster| {
            cluster.source == source
                && cluster.tokens.list().len() == length
                && cluster.tokens.hole(cluster.tokens.whole(), at) == hole
        };
        let is_alike = |other: &u32| {
            *other != slot && self.clusters[*other as usize].as_ref().is_some_and(alike)
        };
        // Those that differ in the first token are in other leaves.
        let others: Vec<u32> = if at == 0 {
            self.by_id.values().copied().filter(is_alike).collect()
        } else {
            self.tree.beside(source, &pattern.tokens).iter().copied().filter(is_alike).collect()
        };
        others.into_iter().fold(slot, |kept, other| self.join(kept, other))
    }

    /// Makes one template of two: the elder stays, and is not in the tree.
    fn join(&mut self, one: u32, other: u32) -> u32 {
        let birth = |slot: u32| self.clusters[slot as usize].as_ref().map(|it| it.birth);
        let (elder, younger) = if birth(one) <= birth(other) { (one, other) } else { (other, one) };
        let used = self.used[elder as usize].max(self.used[younger as usize]);
        self.uproot(elder);
        if let Some(gone) = self.forget(younger)
            && let Some(cluster) = &mut self.clusters[elder as usize]
        {
            cluster.tokens.generalise(&gone.tokens);
            cluster.lines += gone.lines;
            // A template made by this very line was given to no line.
            if gone.lines > 0 {
                self.absorbed.push(TemplateId(gone.id));
            }
        }
        self.used[elder as usize] = used;
        elder
    }

    fn longest_unseen(&self, among: impl Iterator<Item = u32>) -> Option<u32> {
        among.min_by_key(|slot| self.used[*slot as usize])
    }

    fn forget(&mut self, slot: u32) -> Option<Cluster> {
        self.uproot(slot);
        let cluster = self.clusters[slot as usize].take()?;
        self.by_id.remove(&cluster.id);
        self.free.push(slot);
        Some(cluster)
    }
}

/// Returns the first bytes of a line, whole characters.
fn cut(line: &[u8], most: usize) -> &[u8] {
    if line.len() <= most {
        return line;
    }
    let is_inside = |at: usize| line[at] & 0xc0 == 0x80;
    let start = (most.saturating_sub(3)..=most).rev().find(|at| !is_inside(*at));
    &line[..start.unwrap_or(most)]
}

#[cfg(test)]
mod tests;
