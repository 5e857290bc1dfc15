// How threats are put into words: how bad, what kind, who and whom, when.

import { element, setAttribute, setText } from "./dom.js";
import { ago, moment } from "./format.js";
import { networkOf } from "./matching.js";
import { linkTo } from "./route.js";
import { keyOf, nameOf } from "./store.js";

/** From what is worth knowing to what works already. */
export const SEVERITIES = ["info", "low", "medium", "high", "critical"];

const KINDS = {
  arp_spoof: "ARP spoofing", nd_spoof: "ND spoofing", rogue_dhcp: "rogue DHCP server",
  dhcp_starvation: "DHCP starvation",
  dns_tunnel: "DNS tunnel", dns_anomaly: "odd DNS names", dga: "random domains", icmp_tunnel: "ICMP tunnel",
  ids_alert: "IDS alert", iot: "thing that attacks", ip_conflict: "IP conflict", plaintext: "plain-text password",
  inbound: "open to the world", upload: "large upload", blocklist: "listed host", brute_force: "password guessing",
  threat_flood: "flood of threats",
};

/** How bad a threat is: the higher, the worse. */
export function rank(threat) {
  return SEVERITIES.indexOf(threat.severity);
}

/** What is worth knowing, and no more: a new device, a name that has changed. */
export function isNews(threat) {
  return threat.severity === "info";
}

/** The worst first, of these the latest. */
export function worstFirst(one, other) {
  return rank(other) - rank(one) || other.last_seen - one.last_seen || other.id - one.id;
}

/** What people call a kind: `port scan`. */
export function kindName(kind) {
  return Object.hasOwn(KINDS, kind) ? KINDS[kind] : kind.replaceAll("_", " ");
}

/** The first letter as a sentence begins. */
export function capital(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** `12 times`, or nothing where it was once. */
export function often(count) {
  return count > 1 ? `${count.toLocaleString()} times` : "";
}

export function severityBadge(severity = "info") {
  return element("span", { class: "badge severity", dataset: { severity }, text: severity });
}

/** Has a badge of a severity show another one. */
export function setSeverity(badge, severity) {
  if (badge.dataset.severity !== severity) badge.dataset.severity = severity;
  setText(badge, severity);
}

/** The host and the port of `host`, `host:port` or `[address]:port`; the port is null where there is none. */
export function splitPort(text) {
  const six = /^\[([0-9a-f:.]+)\](?::([0-9]{1,5}))?$/i.exec(text);
  const four = /^([^:[\]]+):([0-9]{1,5})$/.exec(text);
  const [, host, port] = six ?? four ?? [null, text, undefined];
  return { host, port: port === undefined ? null : Number(port) };
}

/** Whether a text is an address, and not a name or a network. */
export function isAddress(text) {
  return !text.includes("/") && networkOf(text) !== null;
}

/** How who or what stands in a threat is called, as text. */
export function calledSo(text, store) {
  const { host, port } = splitPort(text);
  const device = store.deviceOf(host);
  return device ? `${nameOf(device)}${port === null ? "" : `, port ${port}`}` : text;
}

/** The same as a link: to the device where it is one, to the flows of an address, else the text alone. */
export function whoNode(text, store) {
  const { host } = splitPort(text);
  const device = store.deviceOf(host);
  const called = calledSo(text, store);
  if (device) {
    return element("a", { href: linkTo({ view: "device", device: keyOf(device) }), text: called, title: text });
  }
  if (isAddress(host)) return element("a", { href: linkTo({ view: "flows", peer: host }), text, title: "its flows" });
  return element("span", { text });
}

/** Who did it, and to whom; fills a node anew where that is another text than before. */
export function fillWho(node, threat, store) {
  const { device, target } = threat;
  const key = JSON.stringify([device, target, device && calledSo(device, store), target && calledSo(target, store)]);
  if (node.dataset.who === key) return;
  node.dataset.who = key;
  const parts = [device && whoNode(device, store)];
  if (device && target) {
    parts.push(element("span", { class: "way", "aria-hidden": "true", text: " → " }));
    parts.push(element("span", { class: "visually-hidden", text: " to " }));
  }
  if (target) parts.push(whoNode(target, store));
  node.replaceChildren(...parts.filter(Boolean));
}

/** A time that says how long ago it was; `tick` keeps that true. */
export function agoNode() {
  return element("time", { class: "ago" });
}

/** Sets the time (Unix ms) of such a node. */
export function setAgo(node, milliseconds) {
  if (node.milliseconds !== milliseconds) {
    node.milliseconds = milliseconds;
    setAttribute(node, "datetime", new Date(milliseconds).toISOString());
    setAttribute(node, "title", moment(milliseconds));
  }
  setText(node, ago(milliseconds));
}

/** Brings all such nodes within a node up to date. */
export function tick(node) {
  for (const each of node.querySelectorAll("time.ago")) if (each.milliseconds) setText(each, ago(each.milliseconds));
}

/** A link to the view of a threat. */
export function threatLink(threat) {
  return linkTo({ view: "threats", id: threat.id });
}

/** Where the flows are of who did it, while it was seen, with a minute before and after; null where nobody is known. */
export function flowsLink(threat, store, now = Date.now()) {
  const minute = 60_000;
  const device = threat.device && store.deviceOf(threat.device);
  const target = threat.target ? splitPort(threat.target).host : null;
  const isSomebody = (each) => each && (isAddress(each) || store.deviceOf(each));
  const peers = [device ? null : threat.device, target].filter(isSomebody);
  if (!device && !peers.length) return null;
  return linkTo({
    view: "flows", device: device && keyOf(device), peer: peers[0],
    since: threat.first_seen - minute, until: now - threat.last_seen > 10 * minute ? threat.last_seen + minute : null,
  });
}
