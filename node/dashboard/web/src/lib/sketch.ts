import type { Point } from "./types";

export interface Sketch {
  line: string;
  band: string;
  /** Where what is told of begins. */
  mark: number | undefined;
}

/** Draws a series small: its line, its expected band, and where `from` lies. */
export function sketch(points: Point[], width: number, height: number, from?: number): Sketch | undefined {
  const first = points[0];
  const last = points[points.length - 1];
  if (!first || !last || points.length < 2) return undefined;
  const start = Date.parse(first.at);
  const span = Math.max(1, Date.parse(last.at) - start);
  // The band may be far wider than the values: it is cut where they end.
  const values = points.map((point) => point.mean);
  const normal = points.map((point) => point.expected);
  let low = Math.min(...values, ...normal);
  let high = Math.max(...values, ...normal);
  const room = (high - low) * 0.15 || Math.abs(high) * 0.1 || 1;
  [low, high] = [low - room, high + room];
  const x = (at: string | number) => round(((new Date(at).getTime() - start) / span) * width);
  const y = (value: number) => round(height - ((Math.min(high, Math.max(low, value)) - low) / (high - low)) * height);
  const path = (of: (point: Point) => number, list = points) => list.map((point) => `${x(point.at)} ${y(of(point))}`).join("L");
  const back = path((point) => point.low, [...points].reverse());
  const at = from === undefined ? undefined : Math.max(0, x(from));
  return {
    line: `M${path((point) => point.mean)}`,
    band: `M${path((point) => point.high)}L${back}Z`,
    mark: at !== undefined && at < width ? at : undefined,
  };
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
