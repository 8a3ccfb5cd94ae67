import type { Problem } from "./types";

/** What the node refused, or that it could not be reached. */
export class Failure extends Error {
  readonly status: number;
  readonly code: string;
  readonly request: string;
  constructor(status: number, problem: Partial<Problem>) {
    super(problem.detail ?? problem.title ?? `The node answered ${status}.`);
    this.status = status;
    this.code = problem.code ?? "unknown";
    this.request = problem.request_id ?? "";
  }
}

export type Query = Record<string, string | number | boolean | null | undefined>;

export interface Ask {
  query?: Query;
  body?: unknown;
  /** The revision that was read, for `If-Match`. */
  revision?: number;
  reason?: string;
  /** Whether a repeat must not be made twice. */
  once?: boolean;
  signal?: AbortSignal;
}

let lost: () => void = () => {};
/** Says what happens when the session is over. */
export function onLost(then: () => void): void {
  lost = then;
}

export function address(path: string, query: Query = {}): string {
  const pairs = Object.entries(query).filter(([, value]) => value !== null && value !== undefined && value !== "");
  const text = new URLSearchParams(pairs.map(([name, value]) => [name, String(value)])).toString();
  return text ? `${path}?${text}` : path;
}

/** Makes a path of parts that may hold anything. */
export function path(strings: TemplateStringsArray, ...parts: string[]): string {
  return strings.reduce((made, piece, at) => made + encodeURIComponent(parts[at - 1] ?? "") + piece);
}

function once(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function send(method: string, to: string, ask: Ask): Promise<Response> {
  const headers: Record<string, string> = {};
  if (ask.body !== undefined) headers["Content-Type"] = "application/json";
  if (ask.revision !== undefined) headers["If-Match"] = `"${ask.revision}"`;
  if (ask.reason) headers["X-Via-Reason"] = ask.reason;
  if (ask.once) headers["Idempotency-Key"] = once();
  const body = ask.body === undefined ? undefined : JSON.stringify(ask.body);
  try {
    return await fetch(address(to, ask.query), { method, headers, body, signal: ask.signal, cache: "no-store" });
  } catch (error) {
    if (ask.signal?.aborted) throw error;
    throw new Failure(0, { detail: "The node cannot be reached.", code: "unreachable" });
  }
}

/** Asks the node; a failure is thrown as `Failure`. */
export async function request<T>(method: string, to: string, ask: Ask = {}): Promise<T> {
  const response = await send(method, to, ask);
  const isJson = (response.headers.get("content-type") ?? "").includes("json");
  const data: unknown = isJson ? await response.json() : await response.text();
  if (response.ok) return data as T;
  if (response.status === 401 && !to.endsWith("/sessions")) lost();
  throw new Failure(response.status, isJson ? (data as Partial<Problem>) : {});
}

export const get = <T>(to: string, query?: Query, signal?: AbortSignal) => request<T>("GET", to, { query, signal });
export const post = <T>(to: string, body: unknown = {}, ask: Ask = {}) => request<T>("POST", to, { ...ask, body });
export const put = <T>(to: string, body: unknown, ask: Ask = {}) => request<T>("PUT", to, { ...ask, body });
export const remove = <T>(to: string, ask: Ask = {}) => request<T>("DELETE", to, ask);
