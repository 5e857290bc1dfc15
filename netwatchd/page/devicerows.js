// Devices as rows of a list: what a row shows, by what rows are filtered and sorted, and what is exported.

import { minutesAgo, whatItIs } from "./deviceitems.js";
import { element, setAttribute, setText } from "./dom.js";
import { timeColumn } from "./export.js";
import { moment, size } from "./format.js";
import { kindIcon, kindName } from "./kinds.js";
import { formsOf } from "./matching.js";
import { overlap, showStrip, strip, timesOf } from "./presence.js";
import { linkTo } from "./route.js";
import { activityText, showSparkline, sparkline, totals } from "./sparkline.js";
import { keyOf, nameOf } from "./store.js";
import { badgesOf, isSame, rankOf } from "./unusual.js";

const DAY = 86_400_000;
const names = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });

/** The columns of a List of devices; its items are those of `Items`. */
export function deviceColumns(histories) {
  return [
    {
      title: "Device", isHead: true, class: "who", sort: "name",
      make: () => element("div", { class: "who-cell" }, kindIcon("unknown"), element("a", { class: "row-link" }),
        element("span", { class: "badges" }), element("span", { class: "what muted tiny" })),
      fill: (cell, { device, unusual }) => {
        const [shown, link, badges, what] = cell.firstChild.children;
        kindIcon(device.kind, shown).setAttribute("title", kindName(device.kind));
        setAttribute(link, "href", linkTo({ view: "device", device: keyOf(device) }));
        setText(link, nameOf(device));
        if (!isSame(badges.unusual, unusual)) badges.replaceChildren(...badgesOf(unusual));
        badges.unusual = unusual;
        setText(what, whatItIs(device));
      },
    },
    { title: "Status", class: "status-cell", sort: "seen", make: () => element("span"), fill: fillStatus },
    {
      title: "Address", class: "address", sort: "address",
      make: () => [element("span", { class: "mono" }), element("span", { class: "mac mono muted tiny" })],
      fill: (cell, { device }) => {
        setText(cell.firstChild, device.ip ?? "none now");
        setText(cell.lastChild, device.mac ?? "");
        setAttribute(cell, "title", [...device.ips, ...device.macs].join("\n"));
      },
    },
    {
      title: "Here, 24 h", class: "presence extra", make: strip,
      fill: (cell, { device, sessions, now }) => {
        const times = timesOf(sessions, device, now);
        const here = Math.round(overlap(times, now - DAY, now) / 3_600_000);
        showStrip(cell.firstChild, times, now - DAY, now, `here for ${here} of the last 24 hours`);
      },
    },
    {
      title: "Traffic, 24 h", class: "spark-cell", make: sparkline,
      fill: (cell, { activity }) =>
        showSparkline(cell.firstChild, activity && totals(activity), activityText(activity, histories.since)),
    },
    {
      title: "Down today", class: "numbers", sort: "down",
      fill: (cell, item) => fillSize(cell, item, "bytes_in_today"),
    },
    { title: "Up today", class: "numbers", sort: "up", fill: (cell, item) => fillSize(cell, item, "bytes_out_today") },
  ];
}

function fillStatus(cell, { device, now }) {
  const here = device.status === "online";
  const sign = cell.firstChild;
  setAttribute(sign, "class", here ? "dot on" : "dot off");
  setText(sign, here ? "here" : minutesAgo(device.last_seen, now));
  setAttribute(sign, "title", `last seen ${moment(device.last_seen)}`);
}

function fillSize(cell, { activity, isTold }, name) {
  setText(cell, activity ? size(activity[name]) : isTold ? "0 B" : "…");
}

/** A function that tells whether a device is one of those that are looked for. */
export function deviceFilter({ text, kind, online, new: since, unusual }, now) {
  const words = (text ?? "").toLowerCase().split(/\s+/).filter(Boolean);
  const after = since ? now - lengthOf(since) : null;
  return ({ device, unusual: strange }) => {
    if (kind && device.kind !== kind) return false;
    if (online && (device.status === "online") !== (online === "yes")) return false;
    if (after !== null && device.first_seen < after) return false;
    if (unusual && !strange) return false;
    if (!words.length) return true;
    const says = [device.name, device.hostname, device.vendor, device.model, device.kind, kindName(device.kind),
      ...device.ips, ...device.macs, device.mac, device.ip].filter(Boolean).join("\n").toLowerCase();
    return words.every((word) => formsOf(word).some((form) => says.includes(form)));
  };
}

/** Milliseconds of `15 min`, `24 h`, `7 d`; what is none of these counts as a day. */
function lengthOf(text) {
  const [, number, unit] = /^([0-9]{1,5})\s*(min|h|d)$/.exec(text.trim()) ?? [null, "1", "d"];
  return Number(number) * { min: 60_000, h: 3_600_000, d: DAY }[unit];
}

const today = (item, name) => item.activity?.[name] ?? 0;
const byName = (one, other) => names.compare(nameOf(one.device), nameOf(other.device));
const here = ({ device }) => (device.status === "online" ? 0 : 1);

/** By what devices are sorted: a name, how it is called, and which comes first. */
export const SORTS = {
  name: ["here first, by name", (one, other) => here(one) - here(other) || byName(one, other)],
  unusual: ["unusual first", (one, other) => rankOf(other.unusual) - rankOf(one.unusual)],
  // Those that are here were all seen just now: between them the name decides, and nothing moves about.
  seen: ["latest seen first", (one, other) => here(one) - here(other) ||
    (here(one) ? other.device.last_seen - one.device.last_seen : 0)],
  new: ["newest first", (one, other) => other.device.first_seen - one.device.first_seen],
  address: ["by address", (one, other) => names.compare(one.device.ip ?? "~", other.device.ip ?? "~")],
  kind: ["by kind", (one, other) => names.compare(kindName(one.device.kind), kindName(other.device.kind))],
  down: ["most down today first", (one, other) => today(other, "bytes_in_today") - today(one, "bytes_in_today")],
  up: ["most up today first", (one, other) => today(other, "bytes_out_today") - today(one, "bytes_out_today")],
};

/** What SORTS has of a name, with or without `-` before it, or null. */
export function sortOf(by) {
  const name = by.replace("-", "");
  return Object.hasOwn(SORTS, name) ? SORTS[name] : null;
}

/** Sorts items by a name of SORTS, with `-` before it the other way round. */
export function sorted(items, by = "name") {
  const way = by.startsWith("-") ? -1 : 1;
  const [, compare] = sortOf(by) ?? SORTS.name;
  return items.sort((one, other) => way * compare(one, other) || byName(one, other) ||
    (keyOf(one.device) < keyOf(other.device) ? -1 : 1));
}

/** The columns of an export of devices. */
export const DEVICE_EXPORT = [
  { name: "mac" }, { name: "ip" }, { name: "ips" }, { name: "name" }, { name: "hostname" }, { name: "vendor" },
  { name: "kind" }, { name: "model" }, { name: "status" }, timeColumn("first_seen"), timeColumn("last_seen"),
  { name: "random_mac" }, { name: "bytes_in" }, { name: "bytes_out" }, { name: "bytes_in_today" },
  { name: "bytes_out_today" }, { name: "macs" },
];

/** What is exported of an item: the fields of `devices --json`. */
export function exported({ device, activity }) {
  return {
    ...device, bytes_in_today: activity?.bytes_in_today ?? 0, bytes_out_today: activity?.bytes_out_today ?? 0,
  };
}
