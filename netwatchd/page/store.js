// What is known now: devices, open threats, the latest flows, the figures. Whoever shows it is told once a frame what
// has changed, however many messages came meanwhile.

const MOST_FLOWS = 2000; // the latest; what is older is asked for
const MOST_JUDGED = 1000; // threats that are not open any more
const HIDDEN = 2_000; // milliseconds between two tellings while nobody sees the page: its title still counts
// What stands for that which a daemon of another version does not tell: nothing else is kept from being shown by it.
const DEVICE = {
  ips: [], macs: [], sources: [], evidence: [], kind: "unknown", status: "offline", first_seen: 0, last_seen: 0,
};
const THREAT = {
  kind: "unknown", severity: "medium", status: "open", description: "", evidence: {}, count: 1, first_seen: 0, last_seen: 0,
};

function completed(given, usual) {
  for (const [name, value] of Object.entries(usual)) given[name] ??= value;
  return given;
}

/** The key of a device. */
export const keyOf = (device) => device.mac ?? device.ip;

/** How a device is called. */
export function nameOf(device) {
  return device.name || device.hostname || device.model || device.ip || device.mac;
}

export class Store {
  constructor() {
    this.devices = new Map(); // by key
    this.threats = new Map(); // by id: the open ones, and those that were judged since
    this.flows = new Map(); // by id, the oldest first
    this.stats = {};
    this.missed = 0; // messages that were not received, as gaps say
    this.changed = new Map(); // topics, since the last frame, and the keys of what has changed of each
    this.renewed = 0; // how often devices have changed: who has looked one up may keep it until then
    this.owners = new Map(); // keys of devices, by their addresses and MACs
    this.listeners = new Set();
    this.cancel = null; // what tells the listeners soon, where that is due
    addEventListener("visibilitychange", () => this.cancel && this.tellSoon());
  }

  /**
   * Has `listener(changed)` be called once a frame with the topics that have changed, each with the set of keys or ids of
   * what is another one than before, or is no more; returns how to end it. What came before anybody listened is told then.
   */
  listen(listener) {
    this.listeners.add(listener);
    if (this.changed.size && !this.cancel) this.tellSoon();
    return () => this.listeners.delete(listener);
  }

  /** Takes in a message of the WebSocket; what is of another type is left alone. */
  take(message) {
    switch (message.type) {
      case "snapshot":
        this.begin(message);
        break;
      case "device_update":
        this.putDevice(message.device);
        break;
      case "device_removed":
        this.removeDevice(message.key);
        break;
      case "threat_update":
        this.putThreat(message.threat);
        break;
      case "flow_update":
        this.putFlow(message.flow);
        break;
      case "stats":
        this.stats = message.stats;
        this.touch("stats");
        break;
      case "gap":
        this.missed += message.missed[1] - message.missed[0] + 1;
        this.touch("stats");
        break;
    }
  }

  begin(snapshot) {
    for (const key of this.devices.keys()) this.touch("devices", key);
    for (const id of this.threats.keys()) this.touch("threats", id);
    this.devices.clear();
    this.owners.clear();
    this.threats.clear();
    for (const device of snapshot.devices) this.putDevice(device);
    for (const threat of snapshot.threats) {
      completed(threat, THREAT);
      this.threats.set(threat.id, threat);
      this.touch("threats", threat.id);
    }
    this.stats = snapshot.stats;
    // Also where there is none: that is known now.
    for (const topic of ["devices", "threats", "stats"]) this.touch(topic);
  }

  putDevice(device) {
    completed(device, DEVICE);
    const key = keyOf(device);
    const before = this.devices.get(key);
    if (before) this.disown(key, before);
    this.devices.set(key, device);
    for (const each of textsOf(device)) this.owners.set(each, key);
    this.touch("devices", key);
  }

  removeDevice(key) {
    const before = this.devices.get(key);
    if (before) this.disown(key, before);
    this.devices.delete(key);
    this.touch("devices", key);
  }

  // An address may belong to another device by now.
  disown(key, device) {
    for (const each of textsOf(device)) if (this.owners.get(each) === key) this.owners.delete(each);
  }

  putThreat(threat) {
    completed(threat, THREAT);
    this.threats.delete(threat.id);
    this.threats.set(threat.id, threat);
    this.touch("threats", threat.id);
    if (this.threats.size <= MOST_JUDGED) return;
    const judged = [...this.threats.values()].filter((each) => each.status !== "open");
    for (const each of judged.slice(0, Math.max(judged.length - MOST_JUDGED, 0))) this.threats.delete(each.id);
  }

  putFlow(flow) {
    this.flows.delete(flow.id); // what lives on is new again
    this.flows.set(flow.id, flow);
    if (this.flows.size > MOST_FLOWS) this.flows.delete(this.flows.keys().next().value);
    this.touch("flows", flow.id);
  }

  /** Takes in what was asked for of a flow that is known here, unless that is newer: its last word may not have come. */
  correctFlow(flow) {
    const known = this.flows.get(flow.id);
    if (!known || known.end > flow.end || (known.end === flow.end && known.state === flow.state)) return;
    this.flows.set(flow.id, flow);
    this.touch("flows", flow.id);
  }

  /** The device that an address, a MAC or a key belongs to, where one is known. */
  deviceOf(text) {
    return text === null || text === undefined ? undefined : this.devices.get(this.owners.get(text) ?? text);
  }

  /** How people call what an address, a MAC or a key belongs to; else the text itself. */
  called(text) {
    const device = this.deviceOf(text);
    return device ? nameOf(device) : (text ?? "");
  }

  touch(topic, key = null) {
    let keys = this.changed.get(topic);
    if (!keys) this.changed.set(topic, (keys = new Set()));
    if (key !== null) keys.add(key);
    if (topic === "devices") this.renewed += 1;
    if (this.listeners.size && !this.cancel) this.tellSoon();
  }

  // A browser draws no frames of a page that nobody sees.
  tellSoon() {
    this.cancel?.();
    if (document.hidden) {
      const timer = setTimeout(() => this.tell(), HIDDEN);
      this.cancel = () => clearTimeout(timer);
    } else {
      const frame = requestAnimationFrame(() => this.tell());
      this.cancel = () => cancelAnimationFrame(frame);
    }
  }

  tell() {
    this.cancel = null;
    const { changed } = this;
    this.changed = new Map();
    for (const listener of this.listeners) {
      try {
        listener(changed);
      } catch (error) {
        reportError(error); // what one cannot show, the others still can
      }
    }
  }
}

function textsOf(device) {
  return [...device.ips, ...device.macs, keyOf(device)];
}
