export interface Reading {
  at: number;
  total: number;
}

/** How much a total grows a second, over the readings; none from one reading, or when it was begun anew. */
export function rate(readings: Reading[]): number | undefined {
  const first = readings[0];
  const last = readings[readings.length - 1];
  if (!first || !last || last.at <= first.at || last.total < first.total) return undefined;
  return ((last.total - first.total) * 1000) / (last.at - first.at);
}
