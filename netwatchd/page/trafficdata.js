// What the view of the traffic is made of: steps, from the daemon's last hour or from what is stored.

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** What can be looked at: `length` and `pause` (between two questions) in ms, `step` as GET /api/traffic has it. */
export const RANGES = {
  "1h": { title: "1 h", length: HOUR, step: "ten_minutes", word: "minute", pause: 15_000 },
  "24h": { title: "24 h", length: DAY, step: "ten_minutes", word: "ten minutes", pause: MINUTE },
  "7d": { title: "7 d", length: 7 * DAY, step: "hour", word: "hour", pause: 2 * MINUTE },
  "30d": { title: "30 d", length: 29 * DAY, step: "hour", isDays: true, word: "day", pause: 5 * MINUTE },
};

/** When a range begins that ends now (Unix ms): of days, they are those of the viewer's zone. */
export function beginOf(range, now) {
  const { length, isDays } = RANGES[range];
  const day = new Date(now);
  return isDays ? new Date(day.getFullYear(), day.getMonth(), day.getDate() - length / DAY).getTime() : now - length;
}

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const weekday = new Intl.DateTimeFormat(undefined, { weekday: "short", month: "short", day: "numeric" });
const both = new Intl.DateTimeFormat(undefined, {
  weekday: "short", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit",
});

/** The last `length` ms of a ring of the daemon's. */
export function fromRing(ring, length) {
  const step = ring.step * 1000;
  const begun = ring.until - ring.in.length * step;
  const times = ring.in.map((_, place) => begun + place * step);
  return {
    times, ends: times.map((time) => time + step), bytesIn: ring.in, bytesOut: ring.out, unit: "rate",
    from: ring.until - length, to: ring.until,
  };
}

/**
 * The steps of an answer; `isDays`: its hours put together to days of the viewer's zone. Those are as long as they are
 * when clocks change; where the zone is half an hour off, an hour counts to the day in which it begins.
 * What began before `first` (Unix ms) is of none of these days.
 */
export function fromRows({ since, until, step, rows }, isDays, first = since) {
  const steps = isDays ? days(rows.filter((row) => row.time >= first)) : rows.map((row) => ({ ...row, end: Math.min(row.time + step * 1000, until) }));
  return {
    times: steps.map((each) => each.time),
    ends: steps.map((each) => Math.max(each.end, each.time + 1)),
    bytesIn: steps.map((each) => each.bytes_in),
    bytesOut: steps.map((each) => each.bytes_out),
    unit: isDays ? "size" : "rate",
    from: steps[0]?.time ?? since,
    to: steps.at(-1)?.end ?? until,
    believed: steps.at(-1)?.time ?? until, // the last one goes on
  };
}

function days(rows) {
  const found = [];
  for (const row of rows) {
    const time = new Date(row.time).setHours(0, 0, 0, 0);
    let last = found.at(-1);
    if (last?.time !== time) {
      const next = new Date(time);
      last = { time, end: next.setDate(next.getDate() + 1), bytes_in: null, bytes_out: null };
      found.push(last);
    }
    if (row.bytes_in === null) continue;
    last.bytes_in += row.bytes_in;
    last.bytes_out += row.bytes_out;
  }
  return found;
}

/** What was moved between two times, in how many seconds that were recorded, and the highest rate of a step. */
export function totals({ times, ends, bytesIn, bytesOut }, span) {
  const sum = { in: 0, out: 0, seconds: 0, peak: null };
  const now = Date.now();
  times.forEach((time, place) => {
    if (bytesIn[place] === null || (span && (ends[place] <= span[0] || time >= span[1]))) return;
    const seconds = (Math.min(ends[place], now) - time) / 1000;
    if (seconds <= 0) return;
    sum.in += bytesIn[place];
    sum.out += bytesOut[place];
    sum.seconds += seconds;
    for (const [word, bytes] of [["in", bytesIn[place]], ["out", bytesOut[place]]]) {
      // The mean of a step that goes on is none of such a step.
      const isOver = place < times.length - 1 || times.length < 2;
      if (isOver && bytes / seconds > (sum.peak?.rate ?? 0)) sum.peak = { rate: bytes / seconds, word, place };
    }
  });
  return sum;
}

/** When a step was: `Tue, Nov 24, 14:10 – 14:20`. */
export function stepText({ times, ends, unit }, place) {
  return unit === "size" ? weekday.format(times[place]) : spanText(times[place], ends[place]);
}

/** A span of time in the viewer's zone. */
export function spanText(since, until) {
  const isOneDay = new Date(since).toDateString() === new Date(until - 1).toDateString();
  return `${both.format(since)} – ${isOneDay ? clock.format(until) : both.format(until)}`;
}

/** The steps as they are exported. */
export function rowsOf(data) {
  return (data?.times ?? []).map((time, place) => ({
    time, seconds: (data.ends[place] - time) / 1000, bytes_in: data.bytesIn[place], bytes_out: data.bytesOut[place],
  }));
}
