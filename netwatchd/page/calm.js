// What stands where no threat is open: since when, how much was watched, by what, and what cannot be seen.

import { element } from "./dom.js";
import { ago, count, span, time } from "./format.js";
import { lossOf, sumOf } from "./live.js";
import { linkTo } from "./route.js";
import { threatLink } from "./threatwords.js";
import { eyesOf, switchedOff, unseen, unwanted } from "./troubles.js";

/**
 * Fills `node` anew where something else is to be said. `status` and `past` (threats of the last 30 days that were
 * judged) are null as long as they are not known: then nothing is said of them.
 */
export function calmOf(node, { stats, status, past, troubles }) {
  const lines = [watched(stats, status), watching(stats, status), learning(status), before(past)].filter(Boolean);
  const blind = status ? blindness(status) : [];
  const key = JSON.stringify([lines.map(String), blind, troubles.length]);
  if (node.said === key) return;
  node.said = key;
  const isOpen = node.querySelector("details")?.open ?? false;
  node.replaceChildren(...lines.map(({ text, link }) => element("p", {}, text,
    link && element("a", { href: link.href, text: link.text }), link && ".")));
  if (blind.length) {
    node.append(element("details", { open: isOpen },
      element("summary", { text: "What cannot be seen" }),
      element("ul", { class: "hints" }, blind.map((text) => element("li", { text })))));
  }
}

// A line is compared by what it says.
class Line {
  constructor(text, link = null) {
    Object.assign(this, { text, link });
  }

  toString() {
    return `${this.text}${this.link?.href ?? ""}${this.link?.text ?? ""}`;
  }
}

function watched(stats, status) {
  const hereFor = span(stats.uptime * 1000);
  const since = status ? `since ${time(status.since)} (${hereFor})` : `for ${hereFor}`;
  const records = sumOf(stats.received);
  const lost = lossOf(stats) ? "" : ", and none was lost";
  const came = records ? `${records === 1 ? "1 record" : `${count(records)} records`} came in meanwhile${lost}` :
    "nothing has come in yet";
  const devices = `${count(stats.online)} of ${count(stats.devices)} known devices are here`;
  return new Line(`netwatchd has watched ${since}: ${came}; ${devices}.`);
}

function watching(stats, status) {
  if (!status) return null;
  const eyes = eyesOf(status, stats);
  return eyes.length ? new Line(`It sees the network by ${list(eyes)}.`) : null;
}

function learning(status) {
  const until = status?.learning_until;
  if (!until || until < Date.now()) return null;
  return new Line(`Until ${time(until)} it learns who lives here: devices that show up are taken as known.`);
}

function before(past) {
  if (!past) return null;
  const acknowledged = past.filter((threat) => threat.status === "acknowledged");
  if (acknowledged.length) {
    const text = acknowledged.length === 1 ? "one threat that is acknowledged" :
      `${count(acknowledged.length)} threats that are acknowledged`;
    return new Line("You know of ", { href: linkTo({ view: "threats", status: "acknowledged" }), text });
  }
  if (!past.length) return null;
  const latest = past.reduce((one, other) => (other.last_seen > one.last_seen ? other : one));
  return new Line(`The last threat was seen ${ago(latest.last_seen)}, and dismissed: `,
    { href: threatLink(latest), text: latest.description.replace(/\.$/, "") });
}

function blindness(status) {
  const lines = unseen(status).map(({ kinds, helps }) => (helps
    ? `${list(kinds)}: the source ${helps} would show ${kinds.length === 1 ? "it" : "them"}`
    : list(kinds)));
  const off = switchedOff(status);
  if (off.length) lines.push(`${list(off)}: switched off in the configuration`);
  for (const { name, reason } of unwanted(status)) lines.push(`The source ${name} is off: ${reason}`);
  if (lines.length) {
    lines.push("What is encrypted, what stays between two devices, and more: netwatchd doctor --limits tells");
  }
  return lines;
}

function list(words) {
  return words.length > 1 ? `${words.slice(0, -1).join(", ")} and ${words.at(-1)}` : (words[0] ?? "");
}
