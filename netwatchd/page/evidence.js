// The evidence of a threat as people read it: names in words, numbers with units, links to who is meant.
//
// What stands in evidence is each kind's own, and other programs hand on what they like: all of it is shown, as what it
// looks like. Texts are hostile.

import { element } from "./dom.js";
import { count, moment, size, span, time } from "./format.js";
import { capital, isAddress, splitPort, whoNode } from "./threatwords.js";

const MOST = 24; // of one list, until all are wanted
const DEEPEST = 3; // what is nested deeper is shown as JSON
// Unix ms from 2017 to 2065; nothing else in evidence is as large, but bytes.
const [FIRST, LAST] = [1_500_000_000_000, 3_000_000_000_000];

const NAMES = {
  ip: "Address", mac: "MAC", dns: "DNS servers", dns_of_known: "DNS servers of the known one",
  in_use: "Taken for tried, but in use", seconds: "Within",
  per_second: "A second", no_tls: "Too little to be TLS", n: "Number", sub: "More", proto: "Protocol",
  found_open: "Found open",
  scan: "How", more: "More, only counted", slow: "Slow scan", beats: "Conversations", missed: "Missed beats",
  jitter: "Varies by", regular: "Regular", bytes_out: "Sent", bytes_in: "Received", bytes_up: "Carried there",
  bytes_down: "Carried back", most_before: "The most before", answered: "Answered", then: "Then",
  random_mac: "Private MAC",
  random_macs: "Private MACs", or_more: "Or more", here: "By devices here", away: "Away for", list: "Blocklist",
  unknown: "Answer not known yet", silent: "Not answered", half_open: "Half open", owner_mac: "MAC of the owner",
  taker_mac: "MAC of the taker", server_mac: "MAC of the server", known_mac: "MAC of the known one", uid: "UID",
};

// Of keys that say it themselves, in every kind.
const UNITS = [
  [/^bytes|_bytes$/, size], [/^most_before$/, size], [/^seconds$|^period$/, (value) => duration(value * 1000)],
  [/^away$/, duration], [/^jitter$|^regular$/, (value) => `${Math.round(value * 100)} %`],
];
// Of those that mean something else in each, by `kind.key`.
const UNITS_OF = new Map([
  ["brute_force.answered", size], ["brute_force.sent", size], ["brute_force.lasted", duration],
  ["icmp_tunnel.largest", size], ["icmp_tunnel.unexplained", size], ["upload.peers", size],
]);

/** The evidence as a table, without what netwatchd notes of the threat itself; null where there is none. */
export function evidenceTable(threat, store) {
  const rows = Object.entries(threat.evidence)
    .filter(([name, value]) => !["netwatchd", "taken_back"].includes(name) && value !== null);
  if (!rows.length) return null;
  const about = { kind: threat.kind, store };
  return element("table", { class: "list keep evidence" },
    element("caption", { class: "visually-hidden", text: "Evidence" }),
    element("tbody", {}, rows.map(([name, value]) => element("tr", {},
      element("th", { scope: "row", text: labelOf(name), title: name }),
      element("td", {}, valueNode(value, name, about, 0))))));
}

/** What a key of evidence is called: `Ports tried`. */
function labelOf(name) {
  return Object.hasOwn(NAMES, name) ? NAMES[name] : capital(name.replaceAll("_", " "));
}

/** A length of time (milliseconds), also where it is short: `40.2 s`, `380 ms`, `12 min`. */
export function duration(milliseconds) {
  if (milliseconds < 1000) return `${Math.round(milliseconds)} ms`;
  if (milliseconds < 60_000) return `${Math.round(milliseconds / 100) / 10} s`;
  return span(milliseconds);
}

function valueNode(value, name, about, depth) {
  if (Array.isArray(value)) return listNode(value, name, about, depth);
  if (value !== null && typeof value === "object") return objectNode(value, name, about, depth);
  if (typeof value === "number") return numberNode(value, name, about.kind);
  if (typeof value === "boolean") return value ? "yes" : "no";
  return value === null ? "not known" : textNode(String(value), about.store);
}

function numberNode(value, name, kind) {
  const unit = UNITS_OF.get(`${kind}.${name}`) ?? UNITS.find(([names]) => names.test(name))?.[1];
  if (unit) return element("span", { text: unit(value), title: count(value) });
  if (Number.isInteger(value) && value >= FIRST && value < LAST) {
    return element("time", { datetime: new Date(value).toISOString(), title: moment(value), text: time(value) });
  }
  // Numbers of ports and the like are no amounts.
  return /^ports?$/.test(name) ? String(value) : count(value);
}

function textNode(text, store) {
  const { host } = splitPort(text);
  const isSomebody = isAddress(host) || store.deviceOf(host);
  if (!isSomebody) return element("span", { text: text || "nothing" });
  const node = whoNode(text, store);
  if (node.textContent === text) return node;
  return element("span", {}, node, element("span", { class: "muted", text: ` ${text}` }));
}

function listNode(values, name, about, depth) {
  if (!values.length) return "none";
  if (depth >= DEEPEST) return JSON.stringify(values);
  const isPlain = values.every((each) => each === null || typeof each !== "object");
  const make = (each) => element("li", {}, valueNode(each, name, about, depth + 1));
  const list = element("ul", { class: isPlain ? "values" : "values tall" }, values.slice(0, MOST).map(make));
  if (values.length > MOST) {
    const text = `All ${count(values.length)}`;
    const button = element("button", { class: "button small quiet", type: "button", text });
    button.addEventListener("click", () => {
      button.parentElement.remove();
      list.append(...values.slice(MOST).map(make));
      list.children[MOST].tabIndex = -1;
      list.children[MOST].focus();
    });
    list.append(element("li", {}, button));
  }
  return list;
}

function objectNode(value, name, about, depth) {
  const entries = Object.entries(value).filter(([, each]) => each !== null);
  if (!entries.length) return "none";
  if (depth >= DEEPEST) return JSON.stringify(value);
  // Names of fields are words of ours; what is counted by address or type stands as it is, with the unit of the whole.
  return element("dl", { class: "pairs" }, entries.slice(0, 4 * MOST).map(([key, each]) => {
    const isField = /^[a-z_]+$/.test(key) && !about.store.deviceOf(key);
    return element("div", {},
      element("dt", {}, isField ? labelOf(key) : textNode(key, about.store)),
      element("dd", {}, valueNode(each, isField ? key : name, about, depth + 1)));
  }));
}
