// What is known now: devices, open threats, the latest flows, the figures. Whoever shows it is told once a frame what
// has changed, however many messages came meanwhile.

const MOST_FLOWS = 2000; // the latest; what is older is asked for

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
    this.changed = new Set(); // topics, since the last frame
    this.owners = new Map(); // keys of devices, by their addresses and MACs
    this.listeners = new Set();
    this.frame = 0;
  }

  /** Has `listener(changed)` be called once a frame with the set of topics that have changed; returns how to end it. */
  listen(listener) {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** Takes in a message of the WebSocket. */
  take(message) {
    switch (message.type) {
      case "snapshot":
        this.begin(message);
        break;
      case "device_update":
        this.putDevice(message.device);
        break;
      case "device_removed":
        this.devices.delete(message.key);
        this.touch("devices");
        break;
      case "threat_update":
        this.threats.set(message.threat.id, message.threat);
        this.touch("threats");
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
    this.devices.clear();
    this.owners.clear();
    this.threats.clear();
    for (const device of snapshot.devices) this.putDevice(device);
    for (const threat of snapshot.threats) this.threats.set(threat.id, threat);
    this.stats = snapshot.stats;
    for (const topic of ["devices", "threats", "stats"]) this.touch(topic);
  }

  putDevice(device) {
    const key = keyOf(device);
    this.devices.set(key, device);
    for (const each of [...device.ips, ...device.macs, key]) this.owners.set(each, key);
    this.touch("devices");
  }

  putFlow(flow) {
    this.flows.delete(flow.id); // what lives on is new again
    this.flows.set(flow.id, flow);
    if (this.flows.size > MOST_FLOWS) this.flows.delete(this.flows.keys().next().value);
    this.touch("flows");
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

  touch(topic) {
    this.changed.add(topic);
    if (!this.frame) this.frame = requestAnimationFrame(() => this.tell());
  }

  tell() {
    this.frame = 0;
    const changed = this.changed;
    this.changed = new Set();
    for (const listener of this.listeners) listener(changed);
  }
}
