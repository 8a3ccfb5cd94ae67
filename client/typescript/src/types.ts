/** What goes in and what the node answers. Further members may appear. */

export type Severity = "low" | "medium" | "high" | "critical";
export type Label = "confirmed" | "false_alarm" | "expected";

/** What is known of an event beside its entity and value. */
export interface More {
  /** A date, RFC 3339, or s, ms, µs or ns since 1970; left out: now. */
  timestamp?: Date | string | number | bigint | undefined;
  /** Your own id of it, up to 128 bytes. */
  uniqueId?: string | undefined;
  attributes?: Record<string, string | number | boolean> | undefined;
  /** Further named numbers, judged together with the value. */
  values?: Record<string, number> | undefined;
}

/** What was expected of a quantity. */
export interface Expected {
  value: number;
  low: number;
  high: number;
}

/** One term of a score. */
export interface Contribution {
  detector: string;
  feature: string;
  evidence: number;
  observed: number;
  expected: number;
}

/** What somebody said of a detection. */
export interface Feedback {
  label: Label;
  note: string;
  author: string;
  at: string;
}

/** An anomaly, with its explanation. */
export interface Detection {
  id: string;
  stream: string;
  entity: string;
  started: string;
  peaked: string;
  last: string;
  state: "open" | "closed";
  events: number;
  score: number;
  evidence: number;
  threshold: number;
  severity: Severity;
  detector: string;
  direction: "above" | "below" | "changed";
  value: number;
  expected: Expected | null;
  percentile: number | null;
  contributions: Contribution[];
  context: string[];
  circumstances: { text: string; relevance: number }[];
  similar: { id: string; at: string; similarity: number; score: number }[];
  counterfactual: { feature: string; value: number; score: number } | null;
  actions: string[];
  reason: string;
  attributes: Record<string, unknown> | null;
  revision: number;
  engine: number;
  feedback?: Feedback;
}

/** One event's verdict. */
export interface Score {
  line: number;
  score: number;
  warming: boolean;
  expected: Expected | null;
  contributions: Contribution[];
  reason: string;
  detection: string | null;
}

/** A detection that was labelled, and what that changed. */
export interface Labelled {
  detection: Detection;
  taught: Record<string, unknown>;
}

/** What became of many events. */
export interface Written {
  accepted: number;
  duplicates: number;
  refused: number;
}

/** One event that the node did not apply. */
export interface Refusal {
  line: number;
  code: string;
  reason: string;
}

/** A message of the live feed. */
export type Message =
  | { type: "hello"; cursor: string }
  | { type: "detection"; cursor: string; change: "opened" | "grown" | "labelled"; detection: Detection }
  | { type: "gap"; cursor: string };

/** Which detections are wanted. */
export interface Filter {
  stream?: string;
  entity?: string;
  severity?: Severity;
}

/** Which recorded detections are wanted, and in what order. */
export interface Wanted extends Filter {
  minScore?: number;
  detector?: string;
  state?: "open" | "closed";
  since?: string;
  until?: string;
  sort?: "newest" | "oldest" | "score";
  /** How many are fetched at a time, 1 to 1,000. */
  page?: number;
}

/** Columns of equal length. */
export interface Columns {
  entity?: ArrayLike<string | number>;
  value?: ArrayLike<number>;
  timestamp?: ArrayLike<Date | string | number | bigint>;
  uniqueId?: ArrayLike<string>;
  values?: Record<string, ArrayLike<number>>;
  attributes?: Record<string, ArrayLike<string | number | boolean>>;
}

/** Why events were lost. */
export type Loss = "invalid" | "overflow" | "closed" | "rejected" | "fenced" | "unknown" | "spool";

/** A client's counters. */
export interface State extends Written {
  captured: number;
  recovered: number;
  pending: number;
  repeats: number;
  batches: number;
  lost: Partial<Record<Loss, number>>;
  lastError: string;
}
