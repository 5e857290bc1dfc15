// Whether a threat is one of those that are looked for: the same as GET /api/threats looks for, for what comes live.

import { findDevice, formsOf } from "./matching.js";
import { nameOf } from "./store.js";
import { isNews, rank, SEVERITIES, splitPort, worstFirst } from "./threatwords.js";

/** The names of the filters, as the URL has them. */
export const FILTERS = ["status", "severity", "kind", "device", "text", "since"];

/** The value of `severity` that means news alone. */
export const NEWS = "news";

const UNITS = { s: 1, min: 60, h: 3600, d: 86_400, w: 604_800 };

/** The statuses that are meant by the filter `status`: the open ones, unless it says otherwise. */
export function statusesOf({ status }) {
  if (status === "all") return ["open", "acknowledged", "dismissed"];
  return (status ?? "open").split(",");
}

/** A time as filters have it (`2 h` ago, `2026-11-23`, Unix ms), in Unix ms; null where it is none. */
function momentOf(text, now = Date.now()) {
  if (/^[0-9]{5,15}$/.test(text)) return Number(text);
  const [, number, unit] = /^\s*([0-9]+(?:\.[0-9]+)?)\s*([a-z]+)\s*$/.exec(text) ?? [];
  if (unit && Object.hasOwn(UNITS, unit)) return now - Number(number) * UNITS[unit] * 1000;
  const date = Date.parse(/^[0-9-]{10}$/.test(text) ? `${text}T00:00` : text.replace(" ", "T"));
  return Number.isNaN(date) ? null : date;
}

/** A function that tells whether a threat is meant by the filters. */
export function threatMatcher(filters, store, now = Date.now()) {
  const statuses = new Set(statusesOf(filters));
  const tests = [(threat) => statuses.has(threat.status)];
  const { severity, kind, device, text, since } = filters;
  if (severity === NEWS) tests.push(isNews);
  else if (severity) tests.push((threat) => rank(threat) >= SEVERITIES.indexOf(severity));
  if (kind) {
    const wanted = plain(kind);
    tests.push((threat) => plain(threat.kind) === wanted);
  }
  if (device) tests.push(byDevice(device, store));
  if (since) {
    const first = momentOf(since, now);
    if (first !== null) tests.push((threat) => threat.last_seen >= first);
  }
  for (const word of (text ?? "").toLowerCase().split(/\s+/).filter(Boolean)) {
    const forms = formsOf(word);
    tests.push((threat) => forms.some((form) => told(threat, store).includes(form)));
  }
  return (threat) => tests.every((test) => test(threat));
}

function plain(kind) {
  return kind.trim().toLowerCase().replaceAll("-", "_");
}

function byDevice(given, store) {
  return (threat) => {
    const ends = [threat.device, threat.target && splitPort(threat.target).host].filter(Boolean);
    const device = findDevice(given, store);
    if (!device) return ends.includes(given.trim().toLowerCase());
    return ends.some((end) => store.deviceOf(end) === device);
  };
}

function told(threat, store) {
  const names = [threat.device, threat.target && splitPort(threat.target).host]
    .map((end) => end && store.deviceOf(end)).filter(Boolean).map(nameOf);
  return [threat.kind, threat.kind.replaceAll("_", " "), threat.severity, threat.device, threat.target,
    threat.description, threat.recommendation, ...names].filter(Boolean).join(" ").toLowerCase();
}

const ORDERS = {
  severity: worstFirst,
  last: (one, other) => other.last_seen - one.last_seen || other.id - one.id,
  first: (one, other) => other.first_seen - one.first_seen || other.id - one.id,
  times: (one, other) => other.count - one.count || worstFirst(one, other),
};

/**
 * How threats are ordered: `severity`, `last`, `first`, `times`, `who`, with a `-` before it the other way round.
 * `called(threat)` is who did it.
 */
export function orderOf(sort, called) {
  const name = (sort ?? "severity").replace(/^-/, "");
  const byName = (one, other) => called(one).localeCompare(called(other)) || worstFirst(one, other);
  const order = name === "who" ? byName : Object.hasOwn(ORDERS, name) ? ORDERS[name] : worstFirst;
  return sort?.startsWith("-") ? (one, other) => order(other, one) : order;
}
