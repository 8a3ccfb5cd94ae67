export interface Day {
  day: string;
  events: number;
}

/** Sums usage by day (UTC), for the last `length` days, those without any included. */
export function daily(items: { day: string; events: number }[], now: Date, length: number): Day[] {
  const sums = new Map<string, number>();
  for (const item of items) sums.set(item.day, (sums.get(item.day) ?? 0) + item.events);
  const today = Date.UTC(now.getUTCFullYear(), now.getUTCMonth(), now.getUTCDate());
  return Array.from({ length }, (_, index) => {
    const day = new Date(today - (length - 1 - index) * 86_400_000).toISOString().slice(0, 10);
    return { day, events: sums.get(day) ?? 0 };
  });
}
