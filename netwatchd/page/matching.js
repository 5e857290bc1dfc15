// Whether a flow is one of those that are looked for: the same as GET /api/flows looks for, for what comes live.

import { keyOf } from "./store.js";

/** IANA's numbers of protocols, by the names that the daemon knows. */
export const PROTOCOLS = {
  icmp: 1, igmp: 2, ipip: 4, tcp: 6, udp: 17, dccp: 33, ipv6: 41, gre: 47, esp: 50, ah: 51, "ipv6-icmp": 58,
  icmpv6: 58, ospf: 89, pim: 103, vrrp: 112, sctp: 132, udplite: 136,
};
const ICMP = [1, 58]; // they have no ports

/** A function that tells whether a flow is meant by filters: `device`, `peer`, `port`, `protocol`, `state`, `text`. */
export function matcher(filters, store) {
  const tests = [];
  if (filters.device) tests.push(byDevice(filters.device, store));
  if (filters.peer) tests.push(byPeer(filters.peer, store));
  if (filters.port) tests.push(byPort(filters.port));
  if (filters.protocol) {
    const wanted = protocolOf(filters.protocol);
    tests.push((flow) => wanted !== null && protocolOf(flow.protocol) === wanted);
  }
  if (filters.state) {
    const states = new Set(filters.state.toLowerCase().split(",").map((word) => word.trim()));
    tests.push((flow) => states.has(flow.state));
  }
  for (const word of (filters.text ?? "").toLowerCase().split(/\s+/).filter(Boolean)) tests.push(byWord(word, store));
  return (flow) => tests.every((test) => test(flow));
}

/** The only device that is meant by a MAC, an address, a name or a host name, where one is known. */
export function findDevice(text, store) {
  const known = store.deviceOf(macOf(text) ?? addressOf(text) ?? text.toLowerCase());
  if (known) return known;
  const wanted = plain(text);
  const label = wanted.split(".")[0];
  const devices = [...store.devices.values()];
  for (const isMeant of [
    ({ name }) => plain(name) === wanted, ({ hostname }) => plain(hostname) === wanted,
    ({ hostname }) => plain(hostname).split(".")[0] === wanted, ({ hostname }) => plain(hostname) === label,
  ]) {
    const found = wanted ? devices.filter(isMeant) : [];
    if (found.length) return found.length === 1 ? found[0] : undefined;
  }
  return undefined;
}

function plain(name) {
  return (name ?? "").toLowerCase().split(/\s+/).filter(Boolean).join(" ").replace(/\.$/, "");
}

/** How a word may stand in what is known: as it is, and as MACs and addresses stand there that it writes otherwise. */
export function formsOf(word) {
  return [word, macPart(word), addressOf(word)].filter((form, place, all) => form && all.indexOf(form) === place);
}

/** A MAC as it is told, of one with colons, with hyphens or with neither; null where it is none. */
function macOf(text) {
  const lower = text.trim().toLowerCase();
  if (!/^[0-9a-f]{2}([:-]?)[0-9a-f]{2}(\1[0-9a-f]{2}){4}$/.test(lower)) return null;
  return lower.replace(/[:-]/g, "").match(/../g).join(":");
}

// The same of a part of one: `a4-83-e7`.
function macPart(word) {
  if (/^([0-9a-f]{2}-){2,5}[0-9a-f]{0,2}$/.test(word)) return word.replaceAll("-", ":");
  return macOf(word) ?? (word.includes(":") ? word : null);
}

/** An IPv6 address as it is told (RFC 5952); null where it is none. */
function addressOf(text) {
  return text.includes(":") && numberOf(text.trim()) ? new URL(`http://[${text.trim()}]`).hostname.slice(1, -1) : null;
}

/** IANA's number of a protocol, of its name or number; null where there is none such. */
function protocolOf(text) {
  const word = text.trim().toLowerCase();
  if (/^[0-9]{1,3}$/.test(word)) return Number(word) < 256 ? Number(word) : null;
  return Object.hasOwn(PROTOCOLS, word) ? PROTOCOLS[word] : null;
}

// Whom a text means, looked up again only when devices have changed: thousands of flows are asked about at once.
function meant(text, store) {
  let device;
  let renewed = -1;
  return () => {
    if (renewed !== store.renewed) {
      device = findDevice(text, store);
      renewed = store.renewed;
    }
    return device;
  };
}

function byDevice(text, store) {
  const find = meant(text, store);
  return (flow) => {
    const device = find();
    return Boolean(device) && store.deviceOf(flow.device) === device;
  };
}

function byPeer(text, store) {
  const network = networkOf(text);
  if (network) return (flow) => network(flow.src_ip) || network(flow.dst_ip);
  const find = meant(text, store);
  return (flow) => {
    const device = find();
    return Boolean(device) && [flow.src_ip, flow.dst_ip, flow.device].some((each) => store.deviceOf(each) === device);
  };
}

function byPort(text) {
  const [, slash, name, port] = /^((.*)\/)?([0-9]{1,5})$/.exec(text.trim().toLowerCase()) ?? [];
  const protocol = slash ? protocolOf(name) : null;
  if (port === undefined || (slash && protocol === null)) return () => false;
  const number = Number(port);
  const isOf = (of) => (slash ? of === protocol : !ICMP.includes(of));
  return (flow) => (flow.src_port === number || flow.dst_port === number) && isOf(protocolOf(flow.protocol));
}

function byWord(word, store) {
  const ways = [(flow) => flow.state === word, byName(word, store), byPort(word)];
  const protocol = /^[0-9]+$/.test(word) ? null : protocolOf(word);
  if (protocol !== null) {
    // Nobody who types it thinks of IPv4 alone.
    const meant = ICMP.includes(protocol) ? ICMP : [protocol];
    ways.push((flow) => meant.includes(protocolOf(flow.protocol)));
  }
  const isMeant = (word.endsWith("::") ? null : networkOf(word)) ?? beginning(word);
  if (isMeant) ways.push((flow) => isMeant(flow.src_ip) || isMeant(flow.dst_ip));
  return (flow) => ways.some((way) => way(flow));
}

function byName(word, store) {
  const mac = macPart(word);
  const says = (device) => device && (
    [device.name, device.hostname, device.model, device.vendor].some((text) => text?.toLowerCase().includes(word)) ||
    (mac && [keyOf(device), ...device.macs].some((key) => key.includes(mac))));
  return (flow) => [flow.device, flow.src_ip, flow.dst_ip].some((each) => says(store.deviceOf(each)));
}

/** Whether the text of an address begins so: `192.168.`, `fe80:`; null where none does. */
function beginning(word) {
  const isOld = /^[0-9]{1,3}(\.[0-9]{1,3}){0,2}\.[0-9]{0,3}$/.test(word);
  if (!isOld && !/^[0-9a-f]{1,4}(:[0-9a-f]{1,4}){0,6}(::|:[0-9a-f]{0,4})$/.test(word)) return null;
  const [bits, base, size] = isOld ? [32, 10, 8n] : [128, 16, 16n];
  const parts = word.replace(/::$/, ":").split(isOld ? "." : ":");
  const last = parts.pop();
  const whole = parts.map((part) => parseInt(part, base));
  const begun = last && parseInt(last, base).toString(base);
  const group = (value, place) => Number((value >> (BigInt(bits) - size * BigInt(place + 1))) & ((1n << size) - 1n));
  return (address) => {
    const number = numberOf(address);
    if (number?.bits !== bits || whole.some((part, place) => group(number.value, place) !== part)) return false;
    const next = group(number.value, whole.length);
    return begun === "0" ? next === 0 : next.toString(base).startsWith(begun);
  };
}

/** Whether an address is in a network (`192.168.7.0/24`), or is the one given; null where that is neither. */
export function networkOf(text) {
  const [address, length] = text.trim().split("/");
  const first = numberOf(address);
  if (!first) return null;
  const bits = length === undefined ? first.bits : /^[0-9]{1,3}$/.test(length) ? Number(length) : -1;
  if (bits < 0 || bits > first.bits) return null;
  const rest = BigInt(first.bits - bits);
  return (other) => {
    const number = numberOf(other);
    return number !== null && number.bits === first.bits && number.value >> rest === first.value >> rest;
  };
}

function numberOf(text) {
  if (/^[0-9]{1,3}(\.[0-9]{1,3}){3}$/.test(text)) {
    const parts = text.split(".").map(Number);
    if (parts.some((part) => part > 255)) return null;
    return { bits: 32, value: parts.reduce((sum, part) => (sum << 8n) | BigInt(part), 0n) };
  }
  if (!/^[0-9a-f:]+$/i.test(text) || !text.includes(":")) return null;
  const [head, tail, ...more] = text.split("::");
  if (more.length) return null;
  const groups = (part) => (part ? part.split(":") : []);
  const [front, back] = [groups(head), groups(tail)];
  const missing = 8 - front.length - back.length;
  if (tail === undefined ? missing !== 0 : missing < 1) return null;
  const all = [...front, ...Array(Math.max(missing, 0)).fill("0"), ...back];
  if (!all.every((group) => /^[0-9a-f]{1,4}$/i.test(group))) return null;
  return { bits: 128, value: all.reduce((sum, group) => (sum << 16n) | BigInt(`0x${group}`), 0n) };
}
