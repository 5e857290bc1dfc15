// Whether a flow is one of those that are looked for: the same as GET /api/flows looks for, for what comes live.

import { nameOf } from "./store.js";

const PROTOCOLS = /^(tcp|udp|icmp|icmpv6|igmp|gre|esp|sctp|[0-9]{1,3})$/;
const NO_PORTS = new Set(["icmp", "icmpv6"]);

/** A function that tells whether a flow is meant by filters: `device`, `peer`, `port`, `protocol`, `state`, `text`. */
export function matcher(filters, store) {
  const tests = [];
  if (filters.device) tests.push(byDevice(filters.device, store));
  if (filters.peer) tests.push(byPeer(filters.peer, store));
  if (filters.port) tests.push(byPort(filters.port));
  if (filters.protocol) tests.push((flow) => flow.protocol === filters.protocol.toLowerCase());
  if (filters.state) {
    const states = new Set(filters.state.toLowerCase().split(",").map((word) => word.trim()));
    tests.push((flow) => states.has(flow.state));
  }
  for (const word of (filters.text ?? "").toLowerCase().split(/\s+/).filter(Boolean)) tests.push(byWord(word, store));
  return (flow) => tests.every((test) => test(flow));
}

/** The device that is meant by a MAC, an address, a name or a host name, where one is known. */
export function findDevice(text, store) {
  const known = store.deviceOf(text.toLowerCase());
  if (known) return known;
  const wanted = text.toLowerCase();
  const devices = [...store.devices.values()];
  return devices.find((device) => device.name?.toLowerCase() === wanted) ??
    devices.find((device) => device.hostname?.toLowerCase() === wanted) ??
    devices.find((device) => device.hostname?.toLowerCase().split(".")[0] === wanted);
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
  const [, protocol, port] = /^(?:([a-z0-9]+)\/)?([0-9]{1,5})$/.exec(text.trim().toLowerCase()) ?? [];
  if (port === undefined) return () => false;
  const number = Number(port);
  return (flow) => (protocol ? flow.protocol === protocol : !NO_PORTS.has(flow.protocol)) &&
    (flow.src_port === number || flow.dst_port === number);
}

function byWord(word, store) {
  const ways = [(flow) => flow.state === word, byName(word, store)];
  if (PROTOCOLS.test(word) && !/^[0-9]+$/.test(word)) {
    ways.push((flow) => flow.protocol === word || (word === "icmp" && flow.protocol === "icmpv6"));
  }
  if (/^([a-z0-9]+\/)?[0-9]{1,5}$/.test(word)) ways.push(byPort(word));
  const network = networkOf(word);
  if (network) ways.push((flow) => network(flow.src_ip) || network(flow.dst_ip));
  else if (/^[0-9a-f.:]+$/.test(word) && /[.:]/.test(word)) {
    ways.push((flow) => flow.src_ip.startsWith(word) || flow.dst_ip.startsWith(word));
  }
  return (flow) => ways.some((way) => way(flow));
}

function byName(word, store) {
  const says = (device) => device && [nameOf(device), device.name, device.hostname, device.model, device.vendor]
    .some((text) => text?.toLowerCase().includes(word));
  return (flow) => [flow.device, flow.src_ip, flow.dst_ip].some((each) => says(store.deviceOf(each)));
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
