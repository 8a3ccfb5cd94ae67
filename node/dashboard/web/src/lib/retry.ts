/** How long to wait before another attempt, ms: doubling to half a minute, with chance in it. */
export function retryAfter(attempt: number, chance: number): number {
  const most = Math.min(30_000, 500 * 2 ** Math.max(0, attempt - 1));
  return Math.round(most / 2 + (most / 2) * chance);
}
