/** What a client may be told, with the contract's defaults. */

import type { ViaError } from "./errors.js";
import type { Refusal } from "./types.js";

export const VERSION = "0.1.0";

/** What is done when the queue is full. */
export type Overflow = "drop_oldest" | "drop_newest" | { block: number };

/** Every setting; times in milliseconds. */
export interface Settings {
  urls: string[];
  key: string | undefined;
  /** A file of certificate authorities (PEM); not in browsers. */
  caFile: string | undefined;
  /** The name under which batches are numbered; `false`: unnumbered. */
  producer: string | false;
  batchEvents: number;
  batchBytes: number;
  linger: number;
  queueEvents: number;
  queueBytes: number;
  overflow: Overflow;
  inFlight: number;
  backoffMin: number;
  backoffMax: number;
  timeout: number;
  exitTimeout: number;
  /** A folder that keeps sealed batches; not in browsers. */
  spoolDir: string | undefined;
  spoolBytes: number;
  /** Told of each event that the node refused, with its text. */
  onRefused: ((refusal: Refusal, line: string) => void) | undefined;
  /** Told of each failed attempt and each batch that was given up. */
  onError: ((error: ViaError) => void) | undefined;
}

const DEFAULTS: Omit<Settings, "urls" | "key" | "producer"> = {
  caFile: undefined,
  batchEvents: 500,
  batchBytes: 1 << 20,
  linger: 1_000,
  queueEvents: 10_000,
  queueBytes: 64 << 20,
  overflow: "drop_oldest",
  inFlight: 1,
  backoffMin: 100,
  backoffMax: 30_000,
  timeout: 10_000,
  exitTimeout: 2_000,
  spoolDir: undefined,
  spoolBytes: 256 << 20,
  onRefused: undefined,
  onError: undefined,
};

/** Fills in what is not given, and refuses what cannot be meant. */
export function settle(
  given: Partial<Settings>,
  platform: Pick<Settings, "urls" | "key" | "producer">,
): Settings {
  const settings: Settings = { ...platform, ...DEFAULTS };
  for (const [name, value] of Object.entries(given)) {
    if (!(name in settings)) throw new TypeError(`${name}: there is no such setting`);
    if (value !== undefined) (settings as unknown as Record<string, unknown>)[name] = value;
  }
  if (settings.urls.length === 0) throw new TypeError("urls: at least one is needed");
  for (const url of settings.urls) {
    if (!/^https?:\/\//.test(url)) throw new TypeError(`urls: ${url} is neither http:// nor https://`);
  }
  if (settings.producer !== false && !/^[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}$/.test(settings.producer)) {
    throw new TypeError("producer: 1 to 100 characters of [A-Za-z0-9._-], not beginning with a dot");
  }
  for (const name of ["batchEvents", "batchBytes", "queueEvents", "queueBytes", "inFlight"] as const) {
    if (!(settings[name] >= 1)) throw new TypeError(`${name}: it must be at least 1`);
  }
  return settings;
}
