/** The three fates of a request as errors, and how an answer becomes one. */

export type Fate = "rejected" | "retry" | "unknown";

/** What is known of a failure. */
export interface Failure {
  /** The stable name; `no_answer` when nothing was answered. */
  code?: string;
  /** The HTTP status; 0 when nothing was answered. */
  status?: number;
  requestId?: string;
  /** Seconds to wait before a repeat, where the node said so. */
  retryAfter?: number | undefined;
  /** Which address failed. */
  address?: number;
  isAfterLost?: boolean;
}

/** A request that failed. Its class says what to believe of it. */
export class ViaError extends Error {
  readonly fate: Fate = "unknown";
  readonly code: string;
  readonly status: number;
  readonly requestId: string;
  readonly retryAfter: number | undefined;
  /** @internal */
  readonly address: number | undefined;
  /** @internal The same was sent before, and may have arrived. */
  readonly isAfterLost: boolean;
  /** Events accepted before the failure, where several were sent. */
  accepted = 0;

  constructor(readonly detail: string, failure: Failure = {}) {
    super(failure.code ? `${failure.code}: ${detail}` : detail);
    this.name = new.target.name;
    this.code = failure.code ?? "";
    this.status = failure.status ?? 0;
    this.requestId = failure.requestId ?? "";
    this.retryAfter = failure.retryAfter;
    this.address = failure.address;
    this.isAfterLost = failure.isAfterLost ?? false;
  }
}

/** Surely not applied; repeating is useless. */
export class Rejected extends ViaError {
  override readonly fate = "rejected";
}

/** Surely not applied; repeat it after `retryAfter` seconds. */
export class Retry extends ViaError {
  override readonly fate = "retry";
}

/** May have been applied; repeat it only under the same number. */
export class Unknown extends ViaError {
  override readonly fate = "unknown";
}

/** The longest wait that a node may ask for, seconds. */
export const LONGEST_WAIT = 300;

/** An answer, whole. */
export interface Answer {
  status: number;
  header(name: string): string | undefined;
  body: string;
  /** The same was sent before, on a connection that broke: it may have arrived. */
  isAfterLost?: boolean;
}

/** Reads a failed answer: the document's fate, else what the status says. */
export function ofAnswer(answer: Answer, address: number): ViaError {
  const { status, body } = answer;
  let problem: Record<string, unknown> = {};
  if ((answer.header("content-type") ?? "").includes("json")) {
    try {
      const read: unknown = JSON.parse(body);
      if (read !== null && typeof read === "object") problem = read as Record<string, unknown>;
    } catch {
      // What is no document says nothing.
    }
  }
  const failure: Failure = {
    code: String(problem["code"] ?? `status_${status}`),
    status,
    requestId: String(problem["request_id"] ?? answer.header("x-request-id") ?? ""),
    retryAfter: wait(problem["retry_after_ms"], answer.header("retry-after")),
    address,
    isAfterLost: answer.isAfterLost ?? false,
  };
  const detail = String(problem["detail"] ?? (body.slice(0, 200) || `status ${status}`));
  switch (problem["fate"] ?? byStatus(status)) {
    case "rejected":
      return new Rejected(detail, failure);
    case "retry":
      return new Retry(detail, failure);
    default:
      return new Unknown(detail, failure);
  }
}

function byStatus(status: number): Fate {
  if (status === 408 || status === 429 || status === 503) return "retry";
  return status >= 500 ? "unknown" : "rejected";
}

function wait(millis: unknown, seconds: string | undefined): number | undefined {
  const given = typeof millis === "number" ? millis / 1000 : Number.parseFloat(seconds ?? "");
  return Number.isFinite(given) ? Math.min(Math.max(given, 0), LONGEST_WAIT) : undefined;
}
