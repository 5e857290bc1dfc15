// What netwatchd itself has trouble with, and what it watches: for the question whether anything is wrong.

import { count } from "./format.js";
import { lossOf, sumOf, waiting } from "./live.js";
import { kindName } from "./threatwords.js";

const SWITCHED_OFF = "switched off in the configuration";
// What only asks others, or is there for programs, shows nothing by itself.
const NO_EYES = new Set(["json", "prober", "asker", "rdns"]);
// What shows only how devices are called, and that they are there: hardly any threat.
const NAMES = new Set(["leases", "hosts", "dhcp", "mdns", "ssdp"]);

/**
 * What is wrong with the daemon, each `{key, level, text}`, the worst first. `stats` are the figures that come live,
 * `status` is the daemon's own report, or null as long as it is not known.
 */
export function troublesOf(stats, status) {
  const found = [];
  const { state, pending } = stats.database ?? {};
  if (state && state !== "ok") {
    // Why is told by the report alone, which may be older.
    const { state: before, reason } = status?.database ?? {};
    const why = before && before !== "ok" && reason ? `: ${reason.replace(/^\w+Error: /, "")}` : "";
    const text = `The database cannot be written${why}; ${waiting(pending)} in memory.`;
    found.push({ key: "database", level: "critical", text });
  }
  const warning = status?.budget?.warning;
  if (warning) found.push({ key: "disk", level: "high", text: `${warning.charAt(0).toUpperCase()}${warning.slice(1)}.` });
  for (const source of status?.sources ?? []) {
    if (source.state !== "failed") continue;
    const why = source.reason ? `: ${source.reason}` : "";
    found.push({ key: `source ${source.name}`, level: "high", text: `The source ${source.name} does not work${why}.` });
  }
  if (status && !eyesOf(status, stats).some((name) => !NAMES.has(name))) {
    const text = "No source is on that shows conversations or packets: hardly any threat can be seen.";
    found.push({ key: "blind", level: "high", text });
  }
  for (const list of status?.blocklists ?? []) {
    if (!list.error) continue;
    found.push({ key: `list ${list.name}`, level: "low", text: `The blocklist ${list.name}: ${list.error}.` });
  }
  for (const channel of status?.alerts ?? []) {
    if (channel.state !== "failing") continue;
    const why = channel.last_error ? `: ${channel.last_error}` : "";
    const text = `Alerts by ${channel.name} do not get through${why}.`;
    found.push({ key: `alert ${channel.name}`, level: "high", text });
  }
  const losses = lossOf(stats);
  if (losses) {
    const dropped = sumOf(stats.lost) === losses ? "" : " It dropped some itself, and says why.";
    const records = losses === 1 ? "1 record was" : `${count(losses)} records were`;
    found.push({
      key: "losses", level: "low",
      text: `${records} lost since netwatchd was started; what was in them is not known.${dropped}`,
    });
  }
  return found;
}

/** The sources that are on and show something, by name; the JSON socket does where somebody has sent something. */
export function eyesOf(status, stats) {
  const shows = ({ name }) => !NO_EYES.has(name) || (name === "json" && sumOf(stats.received?.json) > 0);
  return status.sources.filter((source) => source.state === "on" && shows(source)).map((source) => source.name);
}

/** The sources that are off though nobody has switched them off: `{name, reason}`. */
export function unwanted(status) {
  return status.sources.filter((source) => source.state === "off" && source.reason && source.reason !== SWITCHED_OFF);
}

/** What is not seen: `{kinds, helps}` for those kinds together that the same sources would show. */
export function unseen(status) {
  const alike = new Map();
  for (const { kind, seen, would_help: helps } of status.sights ?? []) {
    if (seen !== "not") continue;
    const key = helps.join(" or ");
    alike.set(key, [...(alike.get(key) ?? []), kindName(kind)]);
  }
  return [...alike].map(([helps, kinds]) => ({ kinds, helps }));
}

/** The kinds of which nothing is told, because their detector is switched off. */
export function switchedOff(status) {
  return (status.sights ?? []).filter((each) => each.seen === "off").map((each) => kindName(each.kind));
}
