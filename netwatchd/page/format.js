// Numbers and times as people read them, in the viewer's language and zone.

const UNITS = ["B", "kB", "MB", "GB", "TB", "PB"];
const whole = new Intl.NumberFormat();
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const date = new Intl.DateTimeFormat(undefined, {
  year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit",
});

const full = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "long" });

const NOTHING = "–"; // where a number or a time is none
const LAST_TIME = 8.64e15; // beyond it, there is no date (ECMA-262, 21.4.1.1)

/** `1,234`. */
export function count(number) {
  return Number.isFinite(number) ? whole.format(number) : NOTHING;
}

/** `512 B`, `1.3 kB`, `42 MB`: decimal units, as `netwatchd top` has them. */
export function size(bytes) {
  if (!Number.isFinite(bytes)) return NOTHING;
  let unit = 0;
  let value = Math.abs(bytes);
  // What is rounded to 1000 is one of the next unit; and 9.96 is rounded to 10, not to 10.0.
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  const text = unit === 0 || value >= 9.95 ? Math.round(value) : value.toFixed(1);
  return `${bytes < 0 ? "−" : ""}${text} ${UNITS[unit]}`;
}

/** `8.4 Mbit/s`, of bytes a second. */
export function rate(bytes) {
  return `${size(bytes * 8).replace("B", "bit").replace(" bit", " bit")}/s`;
}

/** `45 s`, `12 min`, `3 h 4 min`, `2 d 3 h`, of milliseconds. */
export function span(milliseconds) {
  if (!Number.isFinite(milliseconds)) return NOTHING;
  const seconds = Math.max(Math.round(milliseconds / 1000), 0);
  const [minutes, hours, days] = [60, 3600, 86400].map((length) => Math.floor(seconds / length));
  if (days) return `${days} d ${hours % 24} h`;
  if (hours) return `${hours} h ${minutes % 60} min`;
  return minutes ? `${minutes} min` : `${seconds} s`;
}

/** How long ago a time (Unix ms) was: `just now`, `5 min ago`. */
export function ago(time, now = Date.now()) {
  if (!isTime(time)) return NOTHING;
  const seconds = Math.floor(Math.max(now - time, 0) / 1000);
  for (const [unit, length] of [["d", 86400], ["h", 3600], ["min", 60]]) {
    if (seconds >= length) return `${Math.floor(seconds / length)} ${unit} ago`;
  }
  return seconds < 10 ? "just now" : `${seconds} s ago`;
}

/** A time (Unix ms) in the viewer's zone, without the date where it is today. */
export function time(milliseconds) {
  if (!isTime(milliseconds)) return NOTHING;
  return midnight(milliseconds) === midnight() ? clock.format(milliseconds) : date.format(milliseconds);
}

/** The same in full, for who wants to know exactly. */
export function moment(milliseconds) {
  if (!isTime(milliseconds)) return NOTHING;
  return full.format(milliseconds);
}

/** When the viewer's day began that a time (Unix ms) is in. */
export function midnight(milliseconds = Date.now()) {
  return new Date(milliseconds).setHours(0, 0, 0, 0);
}

function isTime(milliseconds) {
  return Number.isFinite(milliseconds) && Math.abs(milliseconds) <= LAST_TIME;
}
