/** Which rows of a long table are drawn: those in sight, and a few around them. */
export function inSight(total: number, height: number, top: number, view: number, around = 8): { from: number; until: number } {
  const from = Math.max(0, Math.floor(top / height) - around);
  const until = Math.min(total, Math.ceil((top + view) / height) + around);
  return { from: Math.min(from, until), until };
}
