import type { Contribution, Detection } from "./types";

export const SEVERITIES = ["low", "medium", "high", "critical"] as const;
export type Severity = (typeof SEVERITIES)[number];

export function rank(severity: string): number {
  return SEVERITIES.indexOf(severity as Severity);
}

export interface Share extends Contribution {
  /** Its part of the score; all parts sum to the score. */
  part: number;
  /** Its part of the evidence, 0..1. */
  ratio: number;
}

/** Splits a score among its terms, as their evidence does. */
export function shares(contributions: Contribution[], score: number): Share[] {
  const sum = contributions.reduce((all, term) => all + Math.max(0, term.evidence), 0);
  return contributions.map((term) => {
    const ratio = sum > 0 ? Math.max(0, term.evidence) / sum : 0;
    return { ...term, ratio, part: ratio * score };
  });
}

/** Puts newer copies in the place of older ones; the newest detection first. */
export function merge(known: Detection[], fresh: Detection[], most = 2000): Detection[] {
  const byId = new Map(known.map((item) => [item.id, item]));
  for (const item of fresh) byId.set(item.id, item);
  return [...byId.values()].sort((a, b) => Date.parse(b.started) - Date.parse(a.started) || (a.id < b.id ? -1 : 1)).slice(0, most);
}

export interface Story {
  key: string;
  /** What is told: the worst of them. */
  lead: Detection;
  /** Detections of the entity, the newest first. */
  all: Detection[];
  since: number;
  last: number;
  isOpen: boolean;
}

/** How long after its last sign an entity's story still belongs to now. */
const STILL = 15 * 60_000;

/** Tells what is wrong now: one story per entity, open and severe ones first. */
export function stories(detections: Detection[], now: number): Story[] {
  const byEntity = new Map<string, Detection[]>();
  for (const item of detections) {
    if (item.feedback && item.feedback.label !== "confirmed") continue;
    if (item.state !== "open" && now - Date.parse(item.last) > STILL) continue;
    const key = `${item.stream}\n${item.entity}`;
    const there = byEntity.get(key);
    if (there) there.push(item);
    else byEntity.set(key, [item]);
  }
  const told = [...byEntity].map(([key, all]): Story => {
    const lead = all.reduce((worst, item) => (worth(item) > worth(worst) ? item : worst));
    const since = Math.min(...all.map((item) => Date.parse(item.started)));
    const last = Math.max(...all.map((item) => Date.parse(item.last)));
    return { key, lead, all, since, last, isOpen: all.some((item) => item.state === "open") };
  });
  return told.sort((a, b) => worth(b.lead) - worth(a.lead) || b.last - a.last);
}

function worth(item: Detection): number {
  return (item.state === "open" ? 10 : 0) + rank(item.severity) + item.score;
}

export interface Cell {
  column: number;
  severity: Severity;
  count: number;
  score: number;
}

export interface Lane {
  stream: string;
  entity: string;
  cells: Cell[];
  count: number;
  worst: number;
}

/** Sorts detections into lanes of entities and columns of time. */
export function lanes(detections: Detection[], from: number, until: number, columns: number): Lane[] {
  const width = (until - from) / columns;
  const byEntity = new Map<string, { lane: Lane; cells: Map<number, Cell> }>();
  for (const item of detections) {
    const start = Date.parse(item.started);
    const end = Math.max(start, Date.parse(item.last));
    if (end < from || start >= until) continue;
    const key = `${item.stream}\n${item.entity}`;
    let row = byEntity.get(key);
    if (!row) {
      const lane: Lane = { stream: item.stream, entity: item.entity, cells: [], count: 0, worst: 0 };
      byEntity.set(key, (row = { lane, cells: new Map() }));
    }
    row.lane.count += 1;
    row.lane.worst = Math.max(row.lane.worst, rank(item.severity) + item.score);
    const last = Math.min(columns - 1, Math.floor((end - from) / width));
    for (let column = Math.max(0, Math.floor((start - from) / width)); column <= last; column += 1) {
      mark(row.cells, column, item);
    }
  }
  return [...byEntity.values()]
    .map(({ lane, cells }) => ({ ...lane, cells: [...cells.values()].sort((a, b) => a.column - b.column) }))
    .sort((a, b) => b.worst - a.worst || b.count - a.count);
}

function mark(cells: Map<number, Cell>, column: number, item: Detection): void {
  const there = cells.get(column);
  const severity = item.severity as Severity;
  if (!there) cells.set(column, { column, severity, count: 1, score: item.score });
  else {
    there.count += 1;
    there.score = Math.max(there.score, item.score);
    if (rank(severity) > rank(there.severity)) there.severity = severity;
  }
}

const COLUMNS = ["id", "stream", "entity", "severity", "score", "state", "started", "last", "events", "detector", "direction", "value", "reason"] as const;

/** Writes a table for a spreadsheet; a cell that it might take for a formula is quoted as text. */
export function csv(detections: Detection[]): string {
  const cell = (value: unknown) => {
    let text = String(value ?? "");
    if (typeof value === "string" && /^[=+\-@\t\r]/.test(text)) text = `'${text}`;
    return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const lines = detections.map((item) => COLUMNS.map((column) => cell(item[column])).join(","));
  return [COLUMNS.join(","), ...lines].join("\r\n") + "\r\n";
}
