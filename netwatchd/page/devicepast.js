// What a device did: the threats that are about it, open ones and those of before, and its latest flows.

import { ask } from "./api.js";
import { card } from "./devicehistory.js";
import { element, reconcile, setAttribute, setText } from "./dom.js";
import { flowColumns } from "./flowrows.js";
import { ago, count, moment } from "./format.js";
import { List } from "./list.js";
import { matcher } from "./matching.js";
import { linkTo } from "./route.js";
import { keyOf } from "./store.js";

const SEVERITIES = ["info", "low", "medium", "high", "critical"];
const STATUSES = ["open", "acknowledged", "dismissed"];
const MOST_THREATS = 50;
const FIRST = 8; // threats that are shown without asking for more
const MOST_FLOWS = 10;

export class DeviceThreats {
  constructor({ store }) {
    Object.assign(this, { store, past: [], isWhole: false, known: new Map() });
    this.rows = element("ul", { class: "rows" });
    this.said = element("p", { class: "muted small none-said" });
    this.all = element("a", { text: "All in the threats" });
    this.more = element("button", { class: "button quiet small", type: "button" });
    this.more.addEventListener("click", () => {
      this.isWhole = true;
      this.draw();
    });
    this.node = card("Threats and news", "device-threats",
      element("div", { class: "card-body flush" }, this.rows, this.said, this.more), this.all);
  }

  clear() {
    this.past = [];
    this.isWhole = false;
    this.failed = null;
    setText(this.said, "");
  }

  /** Asks for those that are closed, too; rejects where that cannot be asked. */
  async ask(key, signal) {
    this.past = await ask("threats", { device: key, status: "all", limit: MOST_THREATS }, signal);
    this.isTold = true;
  }

  show(device) {
    this.device = device;
    this.all.href = linkTo({ view: "threats", device: keyOf(device), status: "all" });
    this.draw();
  }

  draw() {
    const found = new Map(this.past.map((threat) => [threat.id, threat]));
    for (const threat of this.store.threats.values()) {
      if (found.has(threat.id) || this.isAbout(threat)) found.set(threat.id, threat);
    }
    const order = [...found.values()].sort((one, other) =>
      STATUSES.indexOf(one.status) - STATUSES.indexOf(other.status) ||
      (one.status === "open" ? SEVERITIES.indexOf(other.severity) - SEVERITIES.indexOf(one.severity) : 0) ||
      other.last_seen - one.last_seen);
    const shown = order.slice(0, this.isWhole ? order.length : FIRST);
    reconcile(this.rows, shown, (threat) => threat.id, makeThreat, fillThreat);
    this.more.hidden = shown.length === order.length;
    if (!this.more.hidden) setText(this.more, `Show ${count(order.length - shown.length)} more`);
    setText(this.said, order.length ? "" : this.isTold ? "Nothing was ever found about it." : "…");
    this.said.hidden = order.length > 0;
  }

  isAbout({ device, target }) {
    return [device, target && hostOf(target)].some((text) => text && this.store.deviceOf(text) === this.device);
  }
}

/** The host of `host`, `host:port` or `[address]:port`. */
export function hostOf(text) {
  const [, six, host] = /^(?:\[([^\]]*)\](?::[0-9]{1,5})?|([^:]*):[0-9]{1,5})$/.exec(text) ?? [null, null, text];
  return six ?? host;
}

function makeThreat() {
  return element("li", { class: "row threat-line" }, element("span", { class: "badge severity" }),
    element("div", { class: "row-main" }, element("a", { class: "row-link" })), element("span", { class: "row-side" }));
}

function fillThreat(row, threat) {
  const [badge, main, side] = row.children;
  setAttribute(badge, "data-severity", threat.severity);
  setText(badge, threat.severity);
  setAttribute(main.firstChild, "href", linkTo({ view: "threats", id: threat.id }));
  setText(main.firstChild, threat.description);
  const often = threat.count > 1 ? `${count(threat.count)} times, ` : "";
  setText(side, `${threat.status === "open" ? "" : `${threat.status}, `}${often}${ago(threat.last_seen)}`);
  setAttribute(side, "title", `last seen ${moment(threat.last_seen)}`);
  row.classList.toggle("is-done", threat.status !== "open");
}

export class DeviceFlows {
  constructor({ store }) {
    Object.assign(this, { store, past: [] });
    const columns = flowColumns(store, { filters: false }).filter(({ title }) => title !== "Lasted");
    this.list = new List({ label: "The latest flows of this device", columns, keyOf: (flow) => flow.id });
    this.said = element("p", { class: "muted small none-said" });
    this.all = element("a", { text: "All of its flows" });
    this.node = card("Latest flows", "device-flows",
      element("div", { class: "card-body flush flows" }, this.list.node, this.said), this.all);
  }

  start() {
    this.list.start();
  }

  stop() {
    this.list.stop();
  }

  clear() {
    this.past = [];
    this.isTold = false;
    this.list.show([]);
    setText(this.said, "…");
  }

  async ask(key, signal) {
    this.past = await ask("flows", { device: key, limit: MOST_FLOWS }, signal);
    this.isTold = true;
  }

  show(device) {
    const key = keyOf(device);
    this.all.href = linkTo({ view: "flows", device: key });
    const found = new Map(this.past.map((flow) => [flow.id, flow]));
    const isIts = matcher({ device: key }, this.store);
    for (const flow of this.store.flows.values()) if (isIts(flow)) found.set(flow.id, flow);
    const latest = [...found.values()].sort((one, other) => other.id - one.id).slice(0, MOST_FLOWS);
    if (!this.list.rows.contains(document.activeElement)) this.list.show(latest);
    this.list.node.hidden = !latest.length;
    this.said.hidden = latest.length > 0;
    if (this.isTold) setText(this.said, "No flows of it are kept.");
  }
}
