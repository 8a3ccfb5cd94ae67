const MINUTE = 60;
const HOUR = 3600;
const DAY = 86_400;

/** A number with about four digits that count. */
export function number(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  if (size !== 0 && (size >= 1e12 || size < 1e-4)) return value.toExponential(2);
  if (size >= 1000) return Math.round(value).toLocaleString("en-US");
  return String(Number(value.toPrecision(4)));
}

/** A count, shortened from ten thousand on. */
export function count(value: number): string {
  for (const [size, unit] of [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e4, "k"]] as const) {
    if (value >= size) return `${Number((value / (size === 1e4 ? 1e3 : size)).toPrecision(3))} ${unit}`;
  }
  return Math.round(value).toLocaleString("en-US");
}

export function bytes(value: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let at = 0;
  while (value >= 1024 && at < units.length - 1) [value, at] = [value / 1024, at + 1];
  return `${at === 0 ? value : Number(value.toPrecision(3))} ${units[at]}`;
}

export function share(value: number): string {
  return `${Math.round(value * 100)} %`;
}

/** How long, in its two largest units. */
export function duration(seconds: number): string {
  if (seconds < 1) return seconds <= 0 ? "0 s" : `${Math.max(1, Math.round(seconds * 1000))} ms`;
  const whole = Math.round(seconds);
  const two = (big: number, unit: string, rest: number, small: string) =>
    rest > 0 ? `${big} ${unit} ${rest} ${small}` : `${big} ${unit}`;
  if (whole < MINUTE) return `${whole} s`;
  if (whole < HOUR) return two(Math.floor(whole / MINUTE), "min", whole < 600 ? whole % MINUTE : 0, "s");
  if (whole < DAY) return two(Math.floor(whole / HOUR), "h", Math.floor((whole % HOUR) / MINUTE), "min");
  return two(Math.floor(whole / DAY), "d", Math.floor((whole % DAY) / HOUR), "h");
}

export function ago(at: string | number, now: number): string {
  const seconds = (now - new Date(at).getTime()) / 1000;
  if (seconds < 3) return "just now";
  const largest = duration(seconds).split(" ").slice(0, 2).join(" ");
  return `${largest} ago`;
}

const pad = (value: number, width = 2) => String(value).padStart(width, "0");

/** The time of day; with the day when that is another one than `now`'s. */
export function time(at: string | number, now = Date.now()): string {
  const then = new Date(at);
  const clock = `${pad(then.getHours())}:${pad(then.getMinutes())}:${pad(then.getSeconds())}`;
  const day = `${then.getFullYear()}-${pad(then.getMonth() + 1)}-${pad(then.getDate())}`;
  return then.toDateString() === new Date(now).toDateString() ? clock : `${day} ${clock}`;
}

export function day(at: string): string {
  return at.slice(0, 10);
}

/** `change_point` as words. */
export function words(name: string): string {
  return name.replaceAll("_", " ");
}

/** A value of a configuration, in one line. */
export function plain(value: unknown): string {
  if (value === null || value === undefined) return "–";
  return typeof value === "string" ? value : JSON.stringify(value);
}

export function sentence(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

export function plural(amount: number, one: string, many: string): string {
  return `${amount.toLocaleString("en-US")} ${amount === 1 ? one : many}`;
}
